"""The limit of what one request reads while it looks for matching traces."""

import time
from dataclasses import dataclass, field
from typing import Any, Final

READ_UNITS_MOST: Final = 2_000
"""Read units of one request: 0.05 cents, and well below what one partition serves in a second (3,000)."""

PROCESSOR_S_MOST: Final = 5.0
"""Seconds of processor time of one request: decompressing and searching payloads. API Gateway waits for 30 seconds."""

OPENED_BYTES_MOST: Final = 32_000_000
"""Payload that one request opens: as objects it takes several times its size, and a function has 1 GB of memory."""

READ_UNIT_BYTES: Final = 4_096


class BudgetSpent(Exception):
    """A trace cannot be read within what is left. The next request has a budget of its own."""


@dataclass(slots=True)
class ReadBudget:
    """The read units, the opened payload and the processor time of one page, as far as they are spent.

    `has_progress` once a first trace was examined: the request may end then.
    """

    units_most: float = field(default_factory=lambda: READ_UNITS_MOST)
    processor_s_most: float = field(default_factory=lambda: PROCESSOR_S_MOST)
    units: float = 0
    opened_bytes: int = 0
    has_progress: bool = False
    _started_s: float = field(default_factory=time.process_time)

    def restart(self) -> None:
        """Begin a new page, which has the whole budget."""
        self.units, self.opened_bytes, self.has_progress, self._started_s = 0, 0, False, time.process_time()

    def spend(self, answer: dict[str, Any]) -> None:
        """Add the read units that DynamoDB reports in an answer."""
        consumed = answer.get("ConsumedCapacity", ())
        for capacity in consumed if isinstance(consumed, list) else [consumed]:
            if capacity:
                self.units += float(capacity["CapacityUnits"])

    @property
    def is_spent(self) -> bool:
        """Whether the request should end with what it has."""
        return (
            self.units >= self.units_most
            or self.opened_bytes >= OPENED_BYTES_MOST
            or time.process_time() - self._started_s >= self.processor_s_most
        )

    @property
    def bytes_left(self) -> int:
        """The bytes that can still be read."""
        return max(0, int((self.units_most - self.units) * READ_UNIT_BYTES))
