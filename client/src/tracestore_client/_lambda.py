"""Lambda stops a process between two calls, with what is still in its queue: here is the flush before that."""

import asyncio
import functools
import inspect
import time
from collections.abc import Callable
from typing import Any, Final, TypeVar, cast, overload

from ._state import flush, seconds_since_failure

F = TypeVar("F", bound=Callable[..., Any])

PAUSE_S: Final = 30.0
"""How long handlers do not wait for a store that has just failed them."""


@overload
def flush_after(handler: F) -> F: ...
@overload
def flush_after(*, timeout_s: float = ...) -> Callable[[F], F]: ...
def flush_after(handler: Any = None, *, timeout_s: float = 2.0) -> Any:
    """A decorator for Lambda handlers: what they traced is sent before they return, or raise.

    That takes what the request takes, and `timeout_s` at most; a store that has just failed is not waited for.
    """
    if handler is None:
        return functools.partial(flush_after, timeout_s=timeout_s)
    if inspect.iscoroutinefunction(handler):

        @functools.wraps(handler)
        async def flushing_async(*args: Any, **kwargs: Any) -> Any:
            try:
                return await handler(*args, **kwargs)
            finally:
                await asyncio.to_thread(_flush, timeout_s)  # other calls may be going on in this loop

        return cast(Any, flushing_async)

    @functools.wraps(handler)
    def flushing(*args: Any, **kwargs: Any) -> Any:
        try:
            return handler(*args, **kwargs)
        finally:
            _flush(timeout_s)

    return flushing


_gave_up_at_s: float | None = None


def _flush(timeout_s: float) -> None:
    global _gave_up_at_s
    now_s = time.monotonic()
    failed_s = seconds_since_failure(now_s)
    if failed_s is not None and failed_s < PAUSE_S:
        return
    if _gave_up_at_s is not None and now_s - _gave_up_at_s < PAUSE_S:
        return
    _gave_up_at_s = None if flush(timeout_s) else time.monotonic()
