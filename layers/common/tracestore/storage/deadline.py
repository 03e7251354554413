"""The time that a request has left for retries, and how it waits between them."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeVar

from tracestore.domain.errors import Unavailable

from .dynamo import ConditionFailed

_FIRST_PAUSE_S: Final = 0.025
_LONGEST_PAUSE_S: Final = 1.0

Result = TypeVar("Result")


@dataclass(slots=True)
class Deadline:
    """The end of one request's time.

    `time_left_s` returns the seconds until Lambda stops the function; `reserve_s` of them are left for the response.
    """

    time_left_s: Callable[[], float]
    sleep: Callable[[float], None] = time.sleep
    jitter: random.Random = field(default_factory=random.Random)
    reserve_s: float = 2.0

    @classmethod
    def never(cls) -> "Deadline":
        """No deadline: for commands, which may take as long as they need."""
        return cls(lambda: float("inf"))

    def backoff(self) -> "Backoff":
        """The pauses between the attempts of one operation."""
        return Backoff(self)

    def retry(self, attempt: Callable[[], Result]) -> Result:
        """Call `attempt` until it succeeds: again, after a pause, each time another writer was faster.

        *raises*: Unavailable when too little time is left; anything that `attempt` raises except ConditionFailed.
        """
        backoff = self.backoff()
        while True:
            try:
                return attempt()
            except ConditionFailed:
                backoff.pause()


@dataclass(slots=True)
class Backoff:
    """Pauses that grow with each attempt, with jitter, within a deadline."""

    deadline: Deadline
    attempts: int = 0

    def pause(self) -> None:
        """Wait before the next attempt.

        *raises*: Unavailable when too little time is left.
        """
        deadline = self.deadline
        pause_s = deadline.jitter.uniform(0.3, 1) * min(_FIRST_PAUSE_S * 2**self.attempts, _LONGEST_PAUSE_S)
        if deadline.time_left_s() - pause_s < deadline.reserve_s:
            raise Unavailable("The store is busy and this request is out of time; send it again.", retry_after_s=2)
        self.attempts += 1
        deadline.sleep(pause_s)
