"""A cached value that is fetched again after a time: the keys of an issuer, or a secret in another service."""

from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

from tracestore.domain.errors import Unavailable

from .telemetry import logger

Value = TypeVar("Value")


class Refreshed(Generic[Value]):
    """The result of `fetch`, at most `life_s` old while its source responds; the last result while it does not.

    There is at most one fetch in `pause_s`, whether it succeeds or not. Otherwise each invalid token would cause a
    request to the source. A fetch that raises Unavailable is logged.
    """

    def __init__(
        self, fetch: Callable[[], Value], clock: Callable[[], float], *, life_s: float, pause_s: float
    ) -> None:
        self._fetch = fetch
        self._clock = clock
        self._life_s = life_s
        self._pause_s = pause_s
        self._lock = Lock()
        self._latest: list[Value] = []  # empty or one value, which may be None
        self._fetched_s = self._attempted_s = float("-inf")

    def get(self) -> Value:
        """The value. *raises*: Unavailable when no fetch has succeeded yet."""
        with self._lock:
            if self._clock() - self._fetched_s >= self._life_s:
                self._refresh()
            return self._value()

    def newer(self) -> Value:
        """The value, fetched again first unless the pause still lasts. *raises*: as `get`."""
        with self._lock:
            self._refresh()
            return self._value()

    def _refresh(self) -> None:
        now = self._clock()
        if now - self._attempted_s < self._pause_s:
            return
        try:
            self._latest = [self._fetch()]
            self._fetched_s = now
        except Unavailable as error:  # the last value remains in use, and responses do not contain the reason
            cause = type(error.__cause__).__name__ if error.__cause__ else None
            logger.error("the keys of tokens cannot be read", extra={"reason": error.message, "cause": cause})
        self._attempted_s = now

    def _value(self) -> Value:
        if not self._latest:
            raise Unavailable(
                "The token cannot be verified now: the issuer's keys are unreachable. Send the same request again "
                "after the time in Retry-After.",
                code="issuer_unavailable",
                retry_after_s=max(1, round(self._pause_s)),
            )
        return self._latest[0]
