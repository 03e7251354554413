"""Failures of tracing itself: each kind is logged once, and none reaches the application."""

import functools
import logging
import threading
from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

logger: Final = logging.getLogger("tracestore_client")

_MAX_KINDS: Final = 1_000  # so that kinds built at run time cannot fill the memory
_logged_kinds: set[str] = set()
_lock = threading.RLock()  # reentrant: a log handler may end a span


def log_once(kind: str, message: str, *args: object, level: int = logging.WARNING) -> None:
    """Log `message`, unless this process has already logged one of this `kind`.

    *raises*: never, even when a log handler fails.
    """
    with _lock:
        if kind in _logged_kinds or len(_logged_kinds) >= _MAX_KINDS:
            return
        _logged_kinds.add(kind)
    try:
        logger.log(level, message, *args)
    except Exception:
        return


def forget_logged_kinds() -> None:
    """Allow every kind to be logged again, because there is a new configuration."""
    with _lock:
        _logged_kinds.clear()


def never_raises(default: T) -> Callable[[Callable[P, R]], Callable[P, R | T]]:
    """Decorate a function so that an exception in it is logged once and the caller gets `default`."""

    def decorate(function: Callable[P, R]) -> Callable[P, R | T]:
        @functools.wraps(function)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R | T:
            try:
                return function(*args, **kwargs)
            except Exception as failure:
                # Only the type is logged: the message may quote traced content.
                log_once(
                    f"failed {function.__qualname__}",
                    "Tracing failed with %s in %s. The application is not affected.",
                    type(failure).__name__,
                    function.__qualname__,
                )
                return default

        return guarded

    return decorate
