"""What counters say of failures: how many of which type and when, and the latest that they remember."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from .analytics import Key, Selection
from .counters import Bucket, ErrorCounter
from .dimensions import OTHER, FailureKind
from .stats import Example


class Remembered(NamedTuple):
    """A failed span, and what it is counted under."""

    example: Example
    kind: FailureKind


@dataclass(slots=True)
class Failed:
    """Failures of one type: how many at each point, in which bucket the first and the last of them, and the latest."""

    counts: list[int]
    first: Bucket | None = None
    last: Bucket | None = None
    examples: set[Remembered] = field(default_factory=set)

    @property
    def count(self) -> int:
        """How many in all."""
        return sum(self.counts)

    @property
    def latest(self) -> list[Remembered]:
        """The examples, the latest first."""
        return sorted(self.examples, reverse=True)

    @property
    def last_ns(self) -> int:
        """When the last one was: to the nanosecond where it is known, else the beginning of its bucket."""
        assert self.last is not None
        return max([self.last.start_ns, *(remembered.example.time_ns for remembered in self.examples)])


def failures_by_type(
    points: Sequence[Mapping[Bucket, ErrorCounter]], selection: Selection, most: int
) -> dict[str, Failed]:
    """Failures of each type by point, the most frequent first; those beyond `most` types under `OTHER`."""
    totals: dict[str, int] = {}
    for at in points:
        for counter in at.values():
            for kind, (count, _) in counter.kinds.items():
                if selection.admits(kind.series):
                    totals[kind.error_type] = totals.get(kind.error_type, 0) + count
    by_count = sorted((name for name in totals if totals[name] > 0), key=lambda name: (-totals[name], name))
    names = {name: name if place < most else OTHER for place, name in enumerate(by_count)}
    found: dict[str, Failed] = {}
    for place, at in enumerate(points):
        for bucket, counter in sorted(at.items(), key=lambda entry: entry[0].start_ns):
            for kind, (count, examples) in counter.kinds.items():
                if selection.admits(kind.series) and count > 0 and kind.error_type in names:
                    failed = found.setdefault(names[kind.error_type], Failed([0] * len(points)))
                    failed.counts[place] += count
                    failed.first, failed.last = failed.first or bucket, bucket
                    failed.examples.update(Remembered(example, kind) for example in examples)
    return dict(sorted(found.items(), key=lambda entry: (-entry[1].count, entry[0])))


def latest_failures(
    counters: Iterable[ErrorCounter], selection: Selection, key: Callable[[FailureKind], Key]
) -> dict[Key, list[Remembered]]:
    """The failed calls that are remembered, by what tells them apart, the latest first."""
    found: dict[Key, set[Remembered]] = {}
    for counter in counters:
        for kind, (_, examples) in counter.kinds.items():
            if selection.is_call(kind.series):
                found.setdefault(key(kind), set()).update(Remembered(example, kind) for example in examples)
    return {name: sorted(remembered, reverse=True) for name, remembered in found.items()}
