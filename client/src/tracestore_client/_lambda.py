"""A flush before a Lambda handler returns: Lambda freezes the process between two calls, together with its queue."""

import asyncio
import functools
import inspect
import time
from collections.abc import Callable
from typing import Any, Final, TypeVar, cast, overload

from ._state import flush, seconds_since_failure

F = TypeVar("F", bound=Callable[..., Any])

PAUSE_S: Final = 30.0
"""How long handlers skip the flush after the store has failed."""


@overload
def flush_after(handler: F) -> F: ...
@overload
def flush_after(*, timeout_s: float = ...) -> Callable[[F], F]: ...
def flush_after(handler: Any = None, *, timeout_s: float = 2.0) -> Any:
    """Decorate a Lambda handler so that its spans are sent before it returns or raises.

    Each call takes longer by the time of the request to the store, and by at most `timeout_s`. For 30 seconds after
    the store has failed, handlers do not wait for it.
    """
    if handler is None:
        return functools.partial(flush_after, timeout_s=timeout_s)
    if inspect.iscoroutinefunction(handler):

        @functools.wraps(handler)
        async def flushing_async(*args: Any, **kwargs: Any) -> Any:
            try:
                return await handler(*args, **kwargs)
            finally:
                await asyncio.to_thread(_flush, timeout_s)  # other calls may be running in this event loop

        return cast(Any, flushing_async)

    @functools.wraps(handler)
    def flushing(*args: Any, **kwargs: Any) -> Any:
        try:
            return handler(*args, **kwargs)
        finally:
            _flush(timeout_s)

    return flushing


_last_timeout_s: float | None = None  # when a flush last timed out, on the monotonic clock


def _flush(timeout_s: float) -> None:
    global _last_timeout_s
    now_s = time.monotonic()
    failure_age_s = seconds_since_failure(now_s)
    if failure_age_s is not None and failure_age_s < PAUSE_S:
        return
    if _last_timeout_s is not None and now_s - _last_timeout_s < PAUSE_S:
        return
    _last_timeout_s = None if flush(timeout_s) else time.monotonic()
