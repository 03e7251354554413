"""A value that is fetched from elsewhere, kept for a while, and fetched again: keys and secrets of others."""

from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

from tracestore.domain.errors import Unavailable

Value = TypeVar("Value")


class Refreshed(Generic[Value]):
    """What `fetch` gives, at most `life_s` old while its source answers, and the last known value while it does not.

    The source is asked at most once in `pause_s`, whether it answers or not, so that junk from callers cannot be turned
    into requests to it.
    """

    def __init__(
        self, fetch: Callable[[], Value], clock: Callable[[], float], *, life_s: float, pause_s: float
    ) -> None:
        self._fetch = fetch
        self._clock = clock
        self._life_s = life_s
        self._pause_s = pause_s
        self._lock = Lock()
        self._known: list[Value] = []  # none or one: None may be a value
        self._fetched_at = self._asked_at = float("-inf")

    def get(self) -> Value:
        """The value.

        *raises*: `Unavailable` when it never came.
        """
        with self._lock:
            if self._clock() - self._fetched_at >= self._life_s:
                self._ask()
            return self._value()

    def newer(self) -> Value:
        """The value, asked for again now if the pause is over.

        *raises*: as `get`.
        """
        with self._lock:
            self._ask()
            return self._value()

    def _ask(self) -> None:
        now = self._clock()
        if now - self._asked_at < self._pause_s:
            return
        try:
            self._known = [self._fetch()]
            self._fetched_at = now
        except Unavailable:
            pass  # what is known goes on serving
        self._asked_at = now

    def _value(self) -> Value:
        if not self._known:
            raise Unavailable(
                "Whether this token is good cannot be found out now: what its signature is checked with is out of "
                "reach. Send the same request again after the time in Retry-After.",
                code="issuer_unavailable",
                retry_after_s=max(1, round(self._pause_s)),
            )
        return self._known[0]
