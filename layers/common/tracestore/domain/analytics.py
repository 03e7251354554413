"""What counters say: figures by group and by time, latencies on a map, costs by what caused them.

All of it is adding up: the same counters give the same figures, whatever intervals they are read in. Knows nothing of
where counters are kept, and no JSON.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import add
from typing import Final, NamedTuple, TypeVar

from .counters import MarginalCounter, MeasureCounter, ValueCounter
from .dimensions import OTHER, Group, Series, cut, value_of
from .histogram import Histogram, added
from .stats import NUMBERS, Aggregate, Measures, as_model_calls

Key = TypeVar("Key", bound=Hashable)

ROWS: Final = 16
"""Rows of a heatmap, at most: neighbouring buckets of the histogram are put together."""

_COST: Final = 1 + NUMBERS.index("cost_nano_usd")
"""Where the cost stands in the figures of a conversation, which begin with the number of traces."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which calls count: those with the value of each of the `filters`, by dimension.

    Calls are those of models. With a filter by operation, or `by_operation`, ended spans of every operation are.
    """

    filters: Mapping[str, str] = field(default_factory=dict)
    by_operation: bool = False

    @property
    def is_all(self) -> bool:
        """Whether there is no filter, so that every trace counts, also one without any call."""
        return not self.filters

    @property
    def counts_all_operations(self) -> bool:
        """Whether ended spans of every operation count as calls."""
        return self.by_operation or "operation_type" in self.filters

    def admits(self, series: Series) -> bool:
        """Whether a series has the values of all filters. Counted values are cut, so filters are cut as well."""
        return all(getattr(series, name) == cut(value) for name, value in self.filters.items())

    def is_call(self, series: Series) -> bool:
        """Whether spans of a series count as calls."""
        return (self.counts_all_operations or series.is_inference) and self.admits(series)

    def counted(self, group: Group, measures: Measures) -> Measures:
        """The part of an admitted group's measures that counts. Of spans that are no calls only the charges count."""
        return measures if self.counts_all_operations else as_model_calls(group, measures)


def key_of_dimension(dimension: str | None) -> Callable[[Group], str]:
    """The key of a group by one dimension. Without a dimension all groups have the same key."""
    return (lambda _: "") if dimension is None else lambda group: value_of(group, dimension)


def key_of_dimensions(dimensions: Sequence[str]) -> Callable[[Group], tuple[str, ...]]:
    """The key of a group by several dimensions."""
    return lambda group: tuple(value_of(group, dimension) for dimension in dimensions)


def aggregates_by(
    counters: Iterable[MeasureCounter], selection: Selection, key: Callable[[Group], Key]
) -> dict[Key, Aggregate]:
    """The figures of each group of calls. A trace counts once in each group in which it has a call."""
    found: dict[Key, Aggregate] = {}
    for counter in counters:
        for group, measures in counter.groups.items():
            if selection.admits(group.series) and (counted := selection.counted(group, measures)):
                found.setdefault(key(group), Aggregate()).measures.add(counted)
        for signature, count in counter.traces.items():
            if count:
                for name in {key(group) for group in signature if selection.is_call(group.series)}:
                    found.setdefault(name, Aggregate()).traces += count
    return found


def traces_of(counters: Iterable[MeasureCounter], selection: Selection) -> int:
    """How many traces have a call of what is asked for; without filters all of them."""
    return sum(
        count
        for counter in counters
        for signature, count in counter.traces.items()
        if selection.is_all or any(selection.is_call(group.series) for group in signature)
    )


def total_of(counters: Sequence[MeasureCounter], selection: Selection) -> Aggregate:
    """The figures of everything that is asked for."""
    total = aggregates_by(counters, selection, lambda _: "").get("", Aggregate())
    total.traces = traces_of(counters, selection)
    return total


def ranked(aggregates: Mapping[Key, Aggregate], weight: Callable[[Aggregate], int] = lambda of: of.calls) -> list[Key]:
    """The keys of all figures that tell anything, the weightiest first, then by name."""
    return sorted((key for key, of in aggregates.items() if of), key=lambda key: (-weight(aggregates[key]), str(key)))


def key_of_few(key: Callable[[Group], Key], few: Iterable[Key], rest: Key) -> Callable[[Group], Key]:
    """What tells the groups of a few keys apart, and takes all others for `rest`."""
    kept = frozenset(few)
    return lambda group: name if (name := key(group)) in kept else rest


def added_up(parts: Iterable[Mapping[Key, Aggregate]]) -> dict[Key, Aggregate]:
    """The figures of each key over all parts, which are about different times."""
    found: dict[Key, Aggregate] = {}
    for contribution in parts:
        for name, of in contribution.items():
            found.setdefault(name, Aggregate()).add(of)
    return found


def most_expensive_by(
    counters: Sequence[MeasureCounter], selection: Selection, key: Callable[[Group], Key], most: int, rest: Key
) -> list[tuple[Key, Aggregate]]:
    """The groups that cost most, `most` of them and all others as `rest`, the most expensive first."""
    aggregates = aggregates_by(counters, selection, key)
    names = ranked(aggregates, _cost)
    if len(names) > most:
        aggregates = aggregates_by(counters, selection, key_of_few(key, names[:most], rest))
        names = ranked(aggregates, _cost)
    return [(name, aggregates[name]) for name in names]


def _cost(aggregates: Aggregate) -> int:
    return aggregates.cost_nano_usd


class GroupSeries(NamedTuple):
    """One group: its name, its figures, and those of each point."""

    name: str
    total: Aggregate
    points: list[Aggregate]


def series_of(
    points: Sequence[Sequence[MeasureCounter]], selection: Selection, group_by: str | None, most: int
) -> tuple[Aggregate, list[GroupSeries]]:
    """The figures of everything, and those of each group by point, the one with most calls first.

    *shape*: not grouped, one group is everything; grouped, `most` of them and the rest as `OTHER`.
    """
    key = key_of_dimension(group_by)
    by_point = [aggregates_by(counters, selection, key) for counters in points]
    aggregates = added_up(by_point)
    if group_by is None:
        for counters, at in zip(points, by_point, strict=True):
            at.setdefault("", Aggregate()).traces = traces_of(counters, selection)
        total = added_up(by_point).get("", Aggregate())
        return total, [GroupSeries("", total, [at[""] for at in by_point])]
    names = ranked(aggregates)
    if len(names) > most:
        key = key_of_few(key, names[:most], OTHER)
        by_point = [aggregates_by(counters, selection, key) for counters in points]
        aggregates = added_up(by_point)
        names = ranked(aggregates)
    nothing, total = Aggregate(), Aggregate()
    for of in aggregates.values():
        total.add(of)
    total.traces = sum(traces_of(counters, selection) for counters in points)
    return total, [GroupSeries(name, aggregates[name], [at.get(name, nothing) for at in by_point]) for name in names]


def marginal_series(points: Sequence[Sequence[MarginalCounter]], name: str, most: int) -> list[GroupSeries]:
    """The aggregates of each value of a marginal, and those of each point.

    *shape*: the value with most calls first; at most `most` and the rest as `OTHER`, where a trace counts once for each
    of its values.
    """
    by_point: list[dict[str, Aggregate]] = [
        added_up(counter.values.get(name, {}) for counter in counters) for counters in points
    ]
    names = ranked(added_up(by_point))
    kept = frozenset(names[:most])
    by_point = [
        added_up({value if value in kept else OTHER: aggregate} for value, aggregate in by_value.items())
        for by_value in by_point
    ]
    aggregates = added_up(by_point)
    return [
        GroupSeries(value, aggregates[value], [by_value.get(value, Aggregate()) for by_value in by_point])
        for value in ranked(aggregates)
    ]


class Heatmap(NamedTuple):
    """How many calls of an operation took how long, by time. `rows` are first and last bucket of the histogram."""

    operation: str
    rows: list[tuple[int, int]]
    counts: list[list[int]]


def heatmaps_of(points: Sequence[Sequence[MeasureCounter]], selection: Selection, most: int) -> list[Heatmap]:
    """A map for each operation, `most` of them, the one with most calls first: a row for each range of latencies."""
    wholes: dict[str, Histogram] = {}
    by_point: list[dict[str, Histogram]] = []
    for counters in points:
        at: dict[str, Histogram] = {}
        for counter in counters:
            for group, measures in counter.groups.items():
                if measures.latencies and selection.admits(group.series):
                    added(at.setdefault(group.series.operation_type, {}), measures.latencies)
                    added(wholes.setdefault(group.series.operation_type, {}), measures.latencies)
        by_point.append(at)
    maps = []
    named = ((operation, whole) for operation, whole in wholes.items() if whole)
    for operation, whole in sorted(named, key=lambda entry: (-sum(entry[1].values()), entry[0]))[:most]:
        low, high = min(whole), max(whole)
        height = -(-(high - low + 1) // ROWS)
        rows = [(start, start + height - 1) for start in range(low, high + 1, height)]
        counts = [[0] * len(points) for _ in rows]
        for place, at in enumerate(by_point):
            for index, count in at.get(operation, {}).items():
                if low <= index <= high:
                    counts[(index - low) // height][place] += count
        maps.append(Heatmap(operation, rows, counts))
    return maps


def values_of(counters: Iterable[ValueCounter]) -> dict[str, dict[str, int]]:
    """For each field the values seen, with how many traces have them."""
    found: dict[str, dict[str, int]] = {}
    for counter in counters:
        for name, counts in counter.values.items():
            seen = found.setdefault(name, {})
            for value, count in counts.items():
                seen[value] = seen.get(value, 0) + count
    return found


def top_conversations_by_cost(counters: Iterable[ValueCounter], most: int) -> list[tuple[str, Aggregate]]:
    """The conversations that cost most, `most` of them and all others as `OTHER`, the most expensive first.

    *absent*: latencies are not known.
    """
    found: dict[str, list[int]] = {}
    for counter in counters:
        for name, numbers in counter.conversations.items():
            found[name] = list(map(add, found[name], numbers)) if name in found else numbers
    names = sorted((name for name in found if any(found[name])), key=lambda name: (-found[name][_COST], name))
    if len(names) > most:
        rest = [found.pop(name) for name in names[most:]]
        found[OTHER] = [sum(column) for column in zip(*rest, found.get(OTHER, [0] * len(rest[0])), strict=True)]
        names = sorted({*names[:most], OTHER}, key=lambda name: (-found[name][_COST], name))
    return [(name, Aggregate(found[name][0], Measures(found[name][1:]))) for name in names]


def candidates_by_cost(counters: Iterable[ValueCounter]) -> list[tuple[int, str]]:
    """The traces that were remembered for what they cost, the most expensive first."""
    return sorted((entry for counter in counters for entry in counter.most_expensive), reverse=True)
