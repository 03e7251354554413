"""The counters of a user: their kinds, and the intervals and times in which each kind is counted."""

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple, TypeAlias

from .stats import QUARTER_NS

Interval: TypeAlias = Literal["15m", "hour", "day"]
Kind: TypeAlias = Literal["measures", "errors", "examples", "values", "names", "marginals", "scores", "score_groups"]
CounterKind: TypeAlias = Kind | Literal["conversation"]

QUARTERS: Final[Mapping[Interval, int]] = {"15m": 1, "hour": 4, "day": 96}
"""The quarters of an hour in a bucket, by interval, the finest first."""

INTERVALS_OF: Final[Mapping[Kind, tuple[Interval, ...]]] = {
    "measures": ("15m", "hour", "day"),
    "errors": ("15m", "hour", "day"),
    "examples": ("hour", "day"),
    "values": ("day",),
    "names": ("hour",),
    "marginals": ("hour",),
    "scores": ("hour",),
    "score_groups": ("hour",),
}
"""The intervals in which each kind is counted, the finest first."""

OF_TRACES: Final[frozenset[Kind]] = frozenset({"examples", "names"})
"""The kinds that name or quote traces, conversations or end users. They are kept as long as traces; the others contain
numbers and the names of operations, models, tools and the like, and are kept for longer."""

OF_FAILURES: Final[tuple[Kind, ...]] = ("errors", "examples")
"""The kinds that count failed traces, and that name some of them. In an earlier version, the first did both."""


class Bucket(NamedTuple):
    """One counter of a user: its kind and its time. *units*: `number` is in intervals since 1970, in UTC."""

    kind: Kind
    interval: Interval
    number: int

    @property
    def start_ns(self) -> int:
        """The start of its time."""
        return self.number * QUARTERS[self.interval] * QUARTER_NS

    @property
    def end_ns(self) -> int:
        """The end of its time."""
        return (self.number + 1) * QUARTERS[self.interval] * QUARTER_NS


class ConversationTarget(NamedTuple):
    """The counter of one conversation."""

    conversation_id: str

    @property
    def kind(self) -> Literal["conversation"]:
        """Its kind, as a bucket has one."""
        return "conversation"


Target: TypeAlias = Bucket | ConversationTarget
