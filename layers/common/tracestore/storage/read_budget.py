"""The limit of what one request reads while it looks for matching traces."""

import time
from dataclasses import dataclass, field
from typing import Any, Final

READ_UNITS_MOST: Final = 2_000
"""Read units of one request: 0.05 cents, and well below what one partition serves in a second (3,000)."""

PROCESSOR_S_MOST: Final = 5.0
"""Seconds of processor time of one request: decompressing and searching payloads."""

ELAPSED_S_MOST: Final = 15.0
"""Seconds that one request looks for traces, most of which it may wait for DynamoDB. API Gateway waits for 30 seconds,
and the answer has to be made and sent."""

OPENED_BYTES_MOST: Final = 32_000_000
"""Payload that one request opens: as objects it takes several times its size, and a function has 1 GB of memory."""

READ_UNIT_BYTES: Final = 4_096


class BudgetSpent(Exception):
    """A trace cannot be read within what is left. The next request has a budget of its own."""


def _times_s() -> tuple[float, float]:
    """The processor time of this process, and the time, in seconds."""
    return time.process_time(), time.monotonic()


@dataclass(slots=True)
class ReadBudget:
    """The read units, the opened payload and the time of one page, as far as they are spent.

    `has_progress` once a first trace was examined: the request may end then.
    """

    units_most: float = field(default_factory=lambda: READ_UNITS_MOST)
    processor_s_most: float = field(default_factory=lambda: PROCESSOR_S_MOST)
    elapsed_s_most: float = field(default_factory=lambda: ELAPSED_S_MOST)
    units: float = 0
    opened_bytes: int = 0
    has_progress: bool = False
    _share: float = 1
    _started: tuple[float, float] = field(default_factory=_times_s)

    def restart(self, share: float = 1) -> None:
        """Begin a new page, which has this share of the whole budget."""
        self.units, self.opened_bytes, self.has_progress = 0, 0, False
        self._share, self._started = share, _times_s()

    def spend(self, answer: dict[str, Any]) -> None:
        """Add the read units that DynamoDB reports in an answer."""
        consumed = answer.get("ConsumedCapacity", ())
        for capacity in consumed if isinstance(consumed, list) else [consumed]:
            if capacity:
                self.units += float(capacity["CapacityUnits"])

    @property
    def is_spent(self) -> bool:
        """Whether the request should end with what it has."""
        processor_s, elapsed_s = (now - then for now, then in zip(_times_s(), self._started, strict=True))
        return (
            self.units_left <= 0
            or self.opened_bytes >= OPENED_BYTES_MOST * self._share
            or processor_s >= self.processor_s_most * self._share
            or elapsed_s >= self.elapsed_s_most * self._share
        )

    @property
    def units_left(self) -> float:
        """The read units that are left."""
        return self.units_most * self._share - self.units

    @property
    def bytes_left(self) -> int:
        """The bytes that can still be read."""
        return max(0, int(self.units_left * READ_UNIT_BYTES))
