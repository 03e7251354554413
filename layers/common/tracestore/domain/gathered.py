"""Gathered sums: what small batches add to counters, before the counters contain it.

Sums have no limit of names. They are added to a counter as the contributions would have been that they consist of, so a
counter is the same whether its traces were gathered or not.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from .annotations import GroupedScore
from .buckets import INTERVALS_OF, QUARTERS, Bucket, Interval, Kind, Target
from .contributions import (
    MarginalContribution,
    MeasureContribution,
    ScoreContribution,
    ScoreGroupContribution,
    ScoreTotal,
    Signature,
    ValueContribution,
)
from .counters import MarginalCounter, MeasureCounter, ScoreCounter, ScoreGroupCounter, ValueCounter
from .dimensions import Group
from .score_groups import SCORE_DIMENSIONS
from .stats import Measures

GATHERED_IN: Final[Mapping[Kind, Interval]] = {
    "measures": "15m",
    "values": "day",
    "marginals": "hour",
    "scores": "hour",
    "score_groups": "hour",
}
"""The kinds that are gathered, and the finest interval of each: sums of longer ones follow from it. Kinds that name
traces are not gathered: they expire earlier. Nor are `errors`, which name traces where an earlier version stored them.
"""


class Sums(Protocol):
    """The methods of the sums of each kind. Each is created empty."""

    def add(self, contribution: Any, sign: int) -> None:
        """Add a trace's contribution; with `sign` -1 subtract it."""

    def add_to(self, counter: Any, sign: int = 1) -> None:
        """Add everything to a counter of the same kind; with `sign` -1 subtract it."""


@dataclass
class MeasureSums:
    """Measures by group, and numbers of traces by signature."""

    groups: dict[Group, Measures] = field(default_factory=dict)
    traces: dict[Signature, int] = field(default_factory=dict)

    def add(self, contribution: MeasureContribution, sign: int) -> None:
        """See `Sums.add`."""
        for group, measures in contribution.rows:
            self.groups.setdefault(group, Measures()).add(measures, sign)
        if contribution.signature is not None:
            self.traces[contribution.signature] = self.traces.get(contribution.signature, 0) + sign

    def add_to(self, counter: MeasureCounter, sign: int = 1) -> None:
        """See `Sums.add_to`."""
        counter.add(MeasureContribution(list(self.groups.items())), sign)
        for signature, count in self.traces.items():
            counter.add(MeasureContribution(signature=signature), sign * count)


@dataclass
class ValueSums:
    """Numbers of traces by field and value."""

    values: dict[str, dict[str, int]] = field(default_factory=dict)

    def add(self, contribution: ValueContribution, sign: int) -> None:
        """See `Sums.add`."""
        for name, value in contribution.values:
            counts = self.values.setdefault(name, {})
            counts[value] = counts.get(value, 0) + sign

    def add_to(self, counter: ValueCounter, sign: int = 1) -> None:
        """See `Sums.add_to`."""
        for name, counts in self.values.items():
            for value, count in counts.items():
                counter.add(ValueContribution(((name, value),)), sign * count)


@dataclass
class MarginalSums:
    """Measures by marginal and value, and numbers of traces by their marginals and values."""

    rows: dict[tuple[str, str], Measures] = field(default_factory=dict)
    traces: dict[frozenset[tuple[str, str]], int] = field(default_factory=dict)

    def add(self, contribution: MarginalContribution, sign: int) -> None:
        """See `Sums.add`."""
        for name, value, measures in contribution.rows:
            self.rows.setdefault((name, value), Measures()).add(measures, sign)
        if contribution.traces:
            values = frozenset(contribution.traces)
            self.traces[values] = self.traces.get(values, 0) + sign

    def add_to(self, counter: MarginalCounter, sign: int = 1) -> None:
        """See `Sums.add_to`. A trace with several values that are counted as `OTHER` counts there once."""
        counter.add(MarginalContribution([(*pair, measures) for pair, measures in self.rows.items()]), sign)
        for values, count in self.traces.items():
            counter.add(MarginalContribution(traces=set(values)), sign * count)


@dataclass
class ScoreSums:
    """Numbers and sums of scores by name."""

    scores: dict[str, ScoreTotal] = field(default_factory=dict)

    def add(self, contribution: ScoreContribution, sign: int) -> None:
        """See `Sums.add`."""
        for name, total in contribution.scores:
            self.scores[name] = self.scores.get(name, ScoreTotal()).plus(total, sign)

    def add_to(self, counter: ScoreCounter, sign: int = 1) -> None:
        """See `Sums.add_to`."""
        counter.add(ScoreContribution(tuple(self.scores.items())), sign)


@dataclass
class ScoreGroupSums:
    """Numbers and sums of scores by dimension, then by the score's name and the value."""

    groups: dict[str, dict[tuple[str, str], ScoreTotal]] = field(default_factory=dict)

    def add(self, contribution: ScoreGroupContribution, sign: int) -> None:
        """See `Sums.add`."""
        for dimension, rows in zip(SCORE_DIMENSIONS, contribution.groups, strict=False):
            totals = self.groups.setdefault(dimension, {})
            for row in rows:
                added = ScoreTotal(row.value_count, row.sum_micro)
                totals[row.name, row.value] = totals.get((row.name, row.value), ScoreTotal()).plus(added, sign)

    def add_to(self, counter: ScoreGroupCounter, sign: int = 1) -> None:
        """See `Sums.add_to`."""
        of_dimensions = (self.groups.get(dimension, {}) for dimension in SCORE_DIMENSIONS)
        rows = (tuple(GroupedScore(*pair, *total) for pair, total in totals.items()) for totals in of_dimensions)
        counter.add(ScoreGroupContribution(tuple(rows)), sign)


SUMS: Final[Mapping[Kind, type[Sums]]] = {
    "measures": MeasureSums,
    "values": ValueSums,
    "marginals": MarginalSums,
    "scores": ScoreSums,
    "score_groups": ScoreGroupSums,
}
"""The class of the sums of each kind that is gathered."""


@dataclass(slots=True)
class BucketSums:
    """The sums of one bucket. *absent*: without an added trace there is no first one to expire, at `whole_until_s`."""

    sums: Sums
    whole_until_s: int | None = None

    def note_expiry(self, expires_at_s: int | None) -> None:
        """Take note that it contains a trace which expires then."""
        if expires_at_s is not None:
            self.whole_until_s = min(self.whole_until_s or expires_at_s, expires_at_s)


@dataclass(slots=True)
class Gathered:
    """Sums by bucket, each of the finest interval of its kind."""

    buckets: dict[Bucket, BucketSums] = field(default_factory=dict)

    def add(self, bucket: Bucket, contribution: Any, sign: int, expires_at_s: int | None = None) -> None:
        """Add a trace's contribution, of a trace that expires then; with `sign` -1 subtract it."""
        of_bucket = self.buckets.setdefault(bucket, BucketSums(SUMS[bucket.kind]()))
        of_bucket.sums.add(contribution, sign)
        of_bucket.note_expiry(expires_at_s)

    def of(self, target: Target) -> Iterator[BucketSums]:
        """All sums that a counter has to contain."""
        if isinstance(target, Bucket) and target.kind in GATHERED_IN:
            finest = GATHERED_IN[target.kind]
            each = QUARTERS[target.interval] // QUARTERS[finest]
            for number in range(target.number * each, (target.number + 1) * each):
                if found := self.buckets.get(Bucket(target.kind, finest, number)):
                    yield found

    def __bool__(self) -> bool:
        return bool(self.buckets)


def is_gathered(target: Target) -> bool:
    """Whether the counter's kind is gathered."""
    return target.kind in GATHERED_IN


def is_finest(target: Target) -> bool:
    """Whether a counter is gathered in its own interval."""
    return isinstance(target, Bucket) and GATHERED_IN.get(target.kind) == target.interval


def intervals_of(bucket: Bucket) -> list[Bucket]:
    """The counters that contain the sums of a bucket of the finest interval, the longest last."""
    quarter = bucket.number * QUARTERS[bucket.interval]
    return [Bucket(bucket.kind, interval, quarter // QUARTERS[interval]) for interval in INTERVALS_OF[bucket.kind]]
