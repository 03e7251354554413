"""What keeps tracing from being noticed: its own failures go to the log, each once, and never to the application."""

import functools
import logging
import threading
from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

logger: Final = logging.getLogger("tracestore_client")

_MAX_KINDS: Final = 1_000  # so that a kind that is made up at run time cannot fill the memory
_told: set[str] = set()
_lock = threading.RLock()  # a log handler may itself end a span


def tell_once(kind: str, message: str, *args: object, level: int = logging.WARNING) -> None:
    """Log `message`, unless this process has told this `kind` before. Never raises, whatever the log handlers do."""
    with _lock:
        if kind in _told or len(_told) >= _MAX_KINDS:
            return
        _told.add(kind)
    try:
        logger.log(level, message, *args)
    except Exception:
        return


def forget_told() -> None:
    """Let everything be told again: there is a new configuration."""
    with _lock:
        _told.clear()


def never_raises(otherwise: T) -> Callable[[Callable[P, R]], Callable[P, R | T]]:
    """A decorator: what fails in the function is told once, and its callers get `otherwise`."""

    def decorate(function: Callable[P, R]) -> Callable[P, R | T]:
        @functools.wraps(function)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R | T:
            try:
                return function(*args, **kwargs)
            except Exception as failure:
                # The type only: a message may quote what was to be traced.
                tell_once(
                    f"failed {function.__qualname__}",
                    "Something could not be traced: %s in %s. The application is not affected.",
                    type(failure).__name__,
                    function.__qualname__,
                )
                return otherwise

        return guarded

    return decorate
