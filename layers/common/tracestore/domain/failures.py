"""Failures in counters: their number by type and time, and the latest examples."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from .analytics import Key, Selection
from .buckets import Bucket
from .counters import ErrorCounter
from .dimensions import OTHER, FailureKind
from .stats import Example


class FailedSpan(NamedTuple):
    """A failed span that a counter keeps as an example, and the kind that it is counted under."""

    example: Example
    kind: FailureKind


@dataclass(slots=True)
class FailuresOfType:
    """Failures of one type: the number at each point, the buckets of the first and the last one, and the examples."""

    counts: list[int]
    first: Bucket | None = None
    last: Bucket | None = None
    examples: set[FailedSpan] = field(default_factory=set)

    @property
    def count(self) -> int:
        """The number of failures at all points."""
        return sum(self.counts)

    @property
    def latest(self) -> list[FailedSpan]:
        """The examples, the latest first."""
        return sorted(self.examples, reverse=True)

    @property
    def last_ns(self) -> int:
        """The time of the last failure: exact while it is kept as an example, else the start of its bucket."""
        assert self.last is not None
        return max([self.last.start_ns, *(span.example.time_ns for span in self.examples)])


def failures_by_type(
    points: Sequence[Mapping[Bucket, ErrorCounter]],
    selection: Selection,
    most: int,
    examples_kept: Iterable[ErrorCounter] = (),
) -> dict[str, FailuresOfType]:
    """Failures by type, given the counters of each point, and those that keep examples of the whole range.

    *shape*: the most frequent type first; at most `most`, and the rest as `OTHER`.
    """
    totals: dict[str, int] = {}
    for counters in points:
        for counter in counters.values():
            for kind, (count, _) in counter.kinds.items():
                if selection.admits(kind.series):
                    totals[kind.error_type] = totals.get(kind.error_type, 0) + count
    by_count = sorted((name for name in totals if totals[name] > 0), key=lambda name: (-totals[name], name))
    names = {name: name if rank < most else OTHER for rank, name in enumerate(by_count)}
    by_type: dict[str, FailuresOfType] = {}
    for index, counters in enumerate(points):
        for bucket, counter in sorted(counters.items(), key=lambda entry: entry[0].start_ns):
            for kind, (count, examples) in counter.kinds.items():
                if selection.admits(kind.series) and count > 0 and kind.error_type in names:
                    failures = by_type.setdefault(names[kind.error_type], FailuresOfType([0] * len(points)))
                    failures.counts[index] += count
                    failures.first, failures.last = failures.first or bucket, bucket
                    failures.examples.update(FailedSpan(example, kind) for example in examples)
    for counter in examples_kept:
        for kind, (_, examples) in counter.kinds.items():
            failures_of_type = by_type.get(names.get(kind.error_type, OTHER))
            if failures_of_type and selection.admits(kind.series):
                failures_of_type.examples.update(FailedSpan(example, kind) for example in examples)
    return dict(sorted(by_type.items(), key=lambda entry: (-entry[1].count, entry[0])))


def latest_failures(
    counters: Iterable[ErrorCounter], selection: Selection, key: Callable[[FailureKind], Key]
) -> dict[Key, list[FailedSpan]]:
    """The failed calls that counters keep as examples, by key, the latest first."""
    spans: dict[Key, set[FailedSpan]] = {}
    for counter in counters:
        for kind, (_, examples) in counter.kinds.items():
            if selection.is_call(kind.series):
                spans.setdefault(key(kind), set()).update(FailedSpan(example, kind) for example in examples)
    return {name: sorted(failed, reverse=True) for name, failed in spans.items()}
