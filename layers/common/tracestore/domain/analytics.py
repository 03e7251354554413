"""Aggregates of counters: by group and by time, heatmaps of latencies, costs by their cause.

Everything is a sum, so the same counters give the same aggregates whatever intervals they are read in. The module does
not depend on the storage of counters, and contains no JSON.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, NamedTuple, TypeVar

from .counters import MarginalCounter, MeasureCounter, ValueCounter
from .dimensions import OTHER, Group, Series, cut, value_of
from .histogram import Histogram, added
from .stats import NUMBERS, Aggregate, Measures, as_model_calls

Key = TypeVar("Key", bound=Hashable)

NO_NAMES: Final[Mapping[str, str]] = MappingProxyType({})

ROWS: Final = 16
"""The most rows of a heatmap. Neighbouring buckets of the histogram are added up to that many."""

_COST: Final = 1 + NUMBERS.index("cost_nano_usd")
"""The index of the cost in the numbers of a conversation, which begin with the number of traces."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which calls count: those with the value of each of the `filters`, by dimension.

    Calls are those of models. With a filter by operation, or `by_operation`, ended spans of every operation are.
    """

    filters: Mapping[str, str] = field(default_factory=dict)
    by_operation: bool = False

    @property
    def is_all(self) -> bool:
        """Whether there is no filter. Then every trace counts, also one without any call."""
        return not self.filters

    @property
    def counts_all_operations(self) -> bool:
        """Whether ended spans of every operation count as calls."""
        return self.by_operation or "operation_type" in self.filters

    def admits(self, series: Series) -> bool:
        """Whether a series has the values of all filters. Counted values are cut, so filters are cut as well."""
        return not self.filters or all(getattr(series, name) == cut(value) for name, value in self.filters.items())

    def is_call(self, series: Series) -> bool:
        """Whether spans of a series count as calls."""
        return (self.counts_all_operations or series.is_inference) and self.admits(series)

    def counted(self, group: Group, measures: Measures) -> Measures:
        """The part of an admitted group's measures that counts. Of spans that are no calls only the charges count."""
        return measures if self.counts_all_operations else as_model_calls(group, measures)


def key_of_dimension(dimension: str | None) -> Callable[[Group], str]:
    """The key of a group by one dimension. Without a dimension all groups have the same key."""
    return (lambda _: "") if dimension is None else value_of(dimension)


def key_of_dimensions(dimensions: Sequence[str]) -> Callable[[Group], tuple[str, ...]]:
    """The key of a group by several dimensions."""
    keys = [value_of(dimension) for dimension in dimensions]
    return lambda group: tuple(key(group) for key in keys)


def aggregates_by(
    counters: Iterable[MeasureCounter], selection: Selection, key: Callable[[Group], Key]
) -> dict[Key, Aggregate]:
    """The aggregate of each group of calls. A trace counts once in each group in which it has a call."""
    aggregates: dict[Key, Aggregate] = {}
    for counter in counters:
        call_keys: dict[Group, Key] = {}
        for group, measures in counter.groups.items():
            if not selection.admits(group.series):
                continue
            name = key(group)
            if selection.counts_all_operations or group.series.is_inference:
                call_keys[group] = name
            if counted := selection.counted(group, measures):
                aggregates.setdefault(name, Aggregate()).measures.add(counted)
        for signature, count in counter.traces.items():
            if count:
                for name in {call_keys[group] for group in signature if group in call_keys}:
                    aggregates.setdefault(name, Aggregate()).traces += count
    return aggregates


def traces_of(counters: Iterable[MeasureCounter], selection: Selection) -> int:
    """The number of traces with a call of the selection. Without filters it is the number of all traces."""
    if selection.is_all:
        return sum(sum(counter.traces.values()) for counter in counters)
    total = 0
    for counter in counters:
        calls = {group for group in counter.groups if selection.is_call(group.series)}
        total += sum(count for signature, count in counter.traces.items() if not calls.isdisjoint(signature))
    return total


def total_of(counters: Sequence[MeasureCounter], selection: Selection) -> Aggregate:
    """The aggregate of everything in the selection."""
    total = aggregates_by(counters, selection, lambda _: "").get("", Aggregate())
    total.traces = traces_of(counters, selection)
    return total


def _calls(aggregate: Aggregate) -> int:
    return aggregate.calls


def _cost(aggregate: Aggregate) -> int:
    return aggregate.cost_nano_usd


def ranked(aggregates: Mapping[Key, Aggregate], weight: Callable[[Aggregate], int] = _calls) -> list[Key]:
    """The keys of all aggregates that are not empty, by weight from the largest, then by name."""
    keys = (key for key, aggregate in aggregates.items() if aggregate)
    return sorted(keys, key=lambda key: (-weight(aggregates[key]), str(key)))


def key_of_few(key: Callable[[Group], Key], few: Iterable[Key], rest: Key) -> Callable[[Group], Key]:
    """A key that keeps a few values of another one and replaces all others by `rest`."""
    kept = frozenset(few)
    return lambda group: name if (name := key(group)) in kept else rest


def added_up(parts: Iterable[Mapping[Key, Aggregate]]) -> dict[Key, Aggregate]:
    """The sum of the aggregates of each key. The parts have to be about different times."""
    sums: dict[Key, Aggregate] = {}
    for part in parts:
        for key, aggregate in part.items():
            sums.setdefault(key, Aggregate()).add(aggregate)
    return sums


def most_expensive_by(
    counters: Sequence[MeasureCounter], selection: Selection, key: Callable[[Group], Key], most: int, rest: Key
) -> list[tuple[Key, Aggregate]]:
    """The groups by cost.

    *shape*: the most expensive first; at most `most`, and all others together as `rest`.
    """
    aggregates = aggregates_by(counters, selection, key)
    names = ranked(aggregates, _cost)
    if len(names) > most:
        aggregates = aggregates_by(counters, selection, key_of_few(key, names[:most], rest))
        names = ranked(aggregates, _cost)
    return [(name, aggregates[name]) for name in names]


class GroupSeries(NamedTuple):
    """One group: its name, its aggregate, and the aggregate of each point."""

    name: str
    total: Aggregate
    points: list[Aggregate]


def series_of(
    points: Sequence[Sequence[MeasureCounter]], selection: Selection, group_by: str | None, most: int
) -> tuple[Aggregate, list[GroupSeries]]:
    """The aggregate of everything, and each group with its points, given the counters of each point.

    *shape*: without `group_by` one group, which is everything. Else the group with most calls first; at most `most`,
    and the rest as `OTHER`.
    """
    key = key_of_dimension(group_by)
    by_point = [aggregates_by(counters, selection, key) for counters in points]
    aggregates = added_up(by_point)
    if group_by is None:
        for counters, by_name in zip(points, by_point, strict=True):
            by_name.setdefault("", Aggregate()).traces = traces_of(counters, selection)
        total = added_up(by_point).get("", Aggregate())
        return total, [GroupSeries("", total, [by_name[""] for by_name in by_point])]
    names = ranked(aggregates)
    if len(names) > most:
        key = key_of_few(key, names[:most], OTHER)
        by_point = [aggregates_by(counters, selection, key) for counters in points]
        aggregates = added_up(by_point)
    total = Aggregate()
    for aggregate in aggregates.values():
        total.add(aggregate)
    total.traces = sum(traces_of(counters, selection) for counters in points)
    return total, _series(aggregates, by_point)


def marginal_series(
    points: Sequence[Sequence[MarginalCounter]], name: str, most: int, names: Mapping[str, str] = NO_NAMES
) -> list[GroupSeries]:
    """Each value of a marginal with its points, given the counters of each point.

    `names` are those of values that were counted under a pseudonym. *shape*: the value with most calls first; at most
    `most`, and the rest as `OTHER`, where a trace counts once for each of its values.
    """
    by_point: list[dict[str, Aggregate]] = [
        added_up(
            {names.get(value, value): aggregate}
            for counter in counters
            for value, aggregate in counter.values.get(name, {}).items()
        )
        for counters in points
    ]
    aggregates = added_up(by_point)
    shown = ranked(aggregates)
    if len(shown) > most:
        kept = frozenset(shown[:most])
        by_point = [
            added_up({value if value in kept else OTHER: aggregate} for value, aggregate in by_value.items())
            for by_value in by_point
        ]
        aggregates = added_up(by_point)
    return _series(aggregates, by_point)


def _series(aggregates: Mapping[str, Aggregate], by_point: Sequence[Mapping[str, Aggregate]]) -> list[GroupSeries]:
    """Each of these aggregates with its points, the one with most calls first."""
    nothing = Aggregate()
    return [
        GroupSeries(name, aggregates[name], [by_name.get(name, nothing) for by_name in by_point])
        for name in ranked(aggregates)
    ]


class Heatmap(NamedTuple):
    """The number of calls of an operation by latency and time.

    *shape*: `rows` are the first and the last bucket of the histogram of each row; `counts` has a list a row.
    """

    operation_type: str
    rows: list[tuple[int, int]]
    counts: list[list[int]]


def heatmaps_of(points: Sequence[Sequence[MeasureCounter]], selection: Selection, most: int) -> list[Heatmap]:
    """A heatmap for each operation, given the counters of each point.

    *shape*: the operation with most calls first; at most `most`. A row is a range of latencies.
    """
    totals: dict[str, Histogram] = {}
    by_point: list[dict[str, Histogram]] = []
    for counters in points:
        by_operation: dict[str, Histogram] = {}
        for counter in counters:
            for group, measures in counter.groups.items():
                if measures.latencies and selection.admits(group.series):
                    operation = group.series.operation_type
                    added(by_operation.setdefault(operation, {}), measures.latencies)
                    added(totals.setdefault(operation, {}), measures.latencies)
        by_point.append(by_operation)
    heatmaps = []
    operations = ((operation, total) for operation, total in totals.items() if total)
    for operation, total in sorted(operations, key=lambda entry: (-sum(entry[1].values()), entry[0]))[:most]:
        low, high = min(total), max(total)
        height = -(-(high - low + 1) // ROWS)
        rows = [(start, start + height - 1) for start in range(low, high + 1, height)]
        counts = [[0] * len(points) for _ in rows]
        for index, by_operation in enumerate(by_point):
            for bucket, count in by_operation.get(operation, {}).items():
                if low <= bucket <= high:
                    counts[(bucket - low) // height][index] += count
        heatmaps.append(Heatmap(operation, rows, counts))
    return heatmaps


def values_of(counters: Iterable[ValueCounter]) -> dict[str, dict[str, int]]:
    """The number of traces with each value, by field."""
    values: dict[str, dict[str, int]] = {}
    for counter in counters:
        for name, counts in counter.values.items():
            sums = values.setdefault(name, {})
            for value, count in counts.items():
                sums[value] = sums.get(value, 0) + count
    return values


def top_conversations_by_cost(counters: Iterable[ValueCounter], most: int) -> list[tuple[str, Aggregate]]:
    """The conversations by cost.

    *shape*: the most expensive first; at most `most`, and all others together as `OTHER`. *absent*: there are no
    latencies.
    """
    sums: dict[str, list[int]] = {}
    for counter in counters:
        for name, numbers in counter.conversations.items():
            sums[name] = list(map(sum, zip(sums[name], numbers, strict=True))) if name in sums else numbers
    names = sorted((name for name in sums if any(sums[name])), key=lambda name: (-sums[name][_COST], name))
    if len(names) > most:
        rest = [sums.pop(name) for name in names[most:]]
        sums[OTHER] = [sum(column) for column in zip(*rest, sums.get(OTHER, [0] * len(rest[0])), strict=True)]
        names = sorted({*names[:most], OTHER}, key=lambda name: (-sums[name][_COST], name))
    return [(name, Aggregate(sums[name][0], Measures(sums[name][1:]))) for name in names]


def candidates_by_cost(counters: Iterable[ValueCounter]) -> list[tuple[int, str]]:
    """The cost when it was counted and the id of each trace that was kept for its cost, the most expensive first."""
    return sorted((entry for counter in counters for entry in counter.most_expensive), reverse=True)
