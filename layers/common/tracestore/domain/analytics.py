"""What counters say: figures by group and by time, failures by type, latencies on a map, costs by what caused them.

All of it is adding up: the same counters give the same figures, whatever intervals they are read in. Knows nothing of
where counters are kept, and no JSON.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple, TypeAlias, TypeVar

from .counters import Bucket, ErrorCounter, MeasureCounter
from .histogram import Histogram, added
from .spans import INFERENCE_OPERATIONS
from .stats import DIMENSION_CHARACTERS, OTHER, Example, FailureKind, Group, Measures, as_model_calls

Dimension: TypeAlias = Literal["operation_type", "model_name", "model_provider", "status"]
Key = TypeVar("Key", bound=Hashable)

ROWS: Final = 16
"""Rows of a heatmap, at most: neighbouring buckets of the histogram are put together."""

_FIELD: Final[Mapping[Dimension, str]] = {
    "operation_type": "operation",
    "model_name": "model",
    "model_provider": "provider",
    "status": "status",
}


@dataclass(slots=True)
class Figures:
    """What is told of anything: how many traces, how many failed calls, and all that is measured."""

    traces: int = 0
    errors: int = 0
    measures: Measures = field(default_factory=Measures)

    def add(self, other: "Figures") -> None:
        """Add another's, in place. Traces too: they must be others."""
        self.traces += other.traces
        self.errors += other.errors
        self.measures.add(other.measures)

    def __bool__(self) -> bool:
        return bool(self.traces) or bool(self.measures)

    @property
    def calls(self) -> int:
        """How many calls have ended."""
        return self.measures["calls"]

    @property
    def cost_nano_usd(self) -> int:
        """What all of it cost."""
        return self.measures["cost_nano_usd"]


@dataclass(frozen=True, slots=True)
class Selection:
    """Which calls count. None asks nothing.

    Calls are those of models, unless an operation is asked for, or all of them `by_operation`.
    """

    operation: str | None = None
    provider: str | None = None
    model: str | None = None
    by_operation: bool = False

    @property
    def is_all(self) -> bool:
        """Whether nothing is asked for, so that every trace counts, also one without any call."""
        return self.operation is None and self.provider is None and self.model is None

    def admits(self, kind: Group | FailureKind) -> bool:
        """Whether it is what is asked for, by its names."""
        return (
            (self.operation is None or kind.operation == self.operation[:DIMENSION_CHARACTERS])
            and (self.provider is None or kind.provider == self.provider[:DIMENSION_CHARACTERS])
            and (self.model is None or kind.model == self.model[:DIMENSION_CHARACTERS])
        )

    def is_call(self, kind: Group | FailureKind) -> bool:
        """Whether its spans count as calls."""
        counts = self.by_operation or self.operation is not None or kind.operation in INFERENCE_OPERATIONS
        return counts and self.admits(kind)

    def counted(self, group: Group, measures: Measures) -> Measures:
        """What of an admitted group's measures counts: of what is no call only what was charged to it."""
        return measures if self.by_operation or self.operation is not None else as_model_calls(group, measures)


def of_dimension(dimension: Dimension | None) -> Callable[[Group], str]:
    """What tells groups apart; without a dimension nothing does."""
    if dimension is None:
        return lambda _: ""
    name = _FIELD[dimension]
    return lambda group: str(getattr(group, name))


def of_dimensions(dimensions: Iterable[Dimension]) -> Callable[[Group], tuple[str, ...]]:
    """What tells groups apart by all of these."""
    keys = [of_dimension(dimension) for dimension in dimensions]
    return lambda group: tuple(key(group) for key in keys)


def merged(counters: Iterable[MeasureCounter]) -> MeasureCounter:
    """One counter of all their times."""
    whole = MeasureCounter()
    for counter in counters:
        whole.merge(counter)
    return whole


def figures_by(
    counters: Iterable[MeasureCounter], selection: Selection, key: Callable[[Group], Key]
) -> dict[Key, Figures]:
    """The figures of each group of calls. A trace counts once in each group in which it has a call."""
    found: dict[Key, Figures] = {}
    for counter in counters:
        for group, measures in counter.groups.items():
            if selection.admits(group) and (counted := selection.counted(group, measures)):
                figures = found.setdefault(key(group), Figures())
                figures.measures.add(counted)
                figures.errors += counted["calls"] if group.status == "error" else 0
        for signature, count in counter.traces.items():
            if count:
                for name in {key(group) for group in signature if selection.is_call(group)}:
                    found.setdefault(name, Figures()).traces += count
    return found


def total_of(counters: Iterable[MeasureCounter], selection: Selection) -> Figures:
    """The figures of everything that is asked for. A trace counts once, and without filters every trace does."""
    counters = list(counters)
    total = figures_by(counters, selection, lambda _: None).get(None, Figures())
    if selection.is_all:
        total.traces = sum(sum(counter.traces.values()) for counter in counters)
    return total


def ranked(figures: Mapping[Key, Figures], weight: Callable[[Figures], int] = lambda of: of.calls) -> list[Key]:
    """The keys of all figures that tell anything, the weightiest first, then by name."""
    return sorted((key for key, of in figures.items() if of), key=lambda key: (-weight(figures[key]), str(key)))


def with_rest(
    counter: MeasureCounter,
    selection: Selection,
    key: Callable[[Group], Key],
    most: int,
    rest: Key,
    weight: Callable[[Figures], int] = lambda of: of.calls,
) -> tuple[dict[Key, Figures], Callable[[Group], Key]]:
    """The `most` weightiest groups in order, all others under `rest`, and the key that tells them apart so."""
    figures = figures_by([counter], selection, key)
    kept = set(ranked(figures, weight)[:most])

    def shown(group: Group) -> Key:
        return name if (name := key(group)) in kept else rest

    figures = figures_by([counter], selection, shown)
    return {name: figures[name] for name in ranked(figures, weight)}, shown


class Series(NamedTuple):
    """One group: its name, its figures, and those of each point."""

    name: str
    total: Figures
    points: list[Figures]


def series_of(
    points: Sequence[Sequence[MeasureCounter]], selection: Selection, group_by: Dimension | None, most: int
) -> tuple[Figures, list[Series]]:
    """The figures of everything, and those of each group by point, the one with most calls first.

    *shape*: not grouped, one group is everything; grouped, `most` of them and the rest as `OTHER`.
    """
    whole = merged(counter for counters in points for counter in counters)
    total = total_of([whole], selection)
    if group_by is None:
        return total, [Series("", total, [total_of(counters, selection) for counters in points])]
    figures, key = with_rest(whole, selection, of_dimension(group_by), most, OTHER)
    by_point = [figures_by(counters, selection, key) for counters in points]
    nothing = Figures()
    return total, [Series(name, of, [at.get(name, nothing) for at in by_point]) for name, of in figures.items()]


@dataclass(slots=True)
class Failed:
    """Failures of one type: how many at each point, in which bucket the first and the last of them, and the latest."""

    counts: list[int]
    first: Bucket | None = None
    last: Bucket | None = None
    examples: set[Example] = field(default_factory=set)

    @property
    def count(self) -> int:
        """How many in all."""
        return sum(self.counts)

    @property
    def latest(self) -> list[Example]:
        """The examples, the latest first."""
        return sorted(self.examples, reverse=True)

    @property
    def last_ns(self) -> int:
        """When the last one was: to the nanosecond where it is known, else the beginning of its bucket."""
        assert self.last is not None
        return max([self.last.start_ns, *(example.time_ns for example in self.examples)])


def failures_by_type(
    points: Sequence[Mapping[Bucket, ErrorCounter]], selection: Selection, most: int
) -> dict[str, Failed]:
    """Failures of each type by point, the most frequent first; those beyond `most` types under `OTHER`."""
    totals: dict[str, int] = {}
    for at in points:
        for counter in at.values():
            for kind, (count, _) in counter.kinds.items():
                if selection.admits(kind):
                    totals[kind.error_type] = totals.get(kind.error_type, 0) + count
    by_count = sorted((name for name in totals if totals[name] > 0), key=lambda name: (-totals[name], name))
    names = {name: name if place < most else OTHER for place, name in enumerate(by_count)}
    found: dict[str, Failed] = {}
    for place, at in enumerate(points):
        for bucket, counter in sorted(at.items(), key=lambda entry: entry[0].start_ns):
            for kind, (count, examples) in counter.kinds.items():
                if selection.admits(kind) and count > 0 and kind.error_type in names:
                    failed = found.setdefault(names[kind.error_type], Failed([0] * len(points)))
                    failed.counts[place] += count
                    failed.first, failed.last = failed.first or bucket, bucket
                    failed.examples.update(examples)
    return dict(sorted(found.items(), key=lambda entry: (-entry[1].count, entry[0])))


def latest_failures(
    counters: Iterable[ErrorCounter], selection: Selection, key: Callable[[FailureKind], Key]
) -> dict[Key, list[tuple[Example, str]]]:
    """The latest failed calls that are remembered, with their types, by what tells them apart; the latest first."""
    found: dict[Key, set[tuple[Example, str]]] = {}
    for counter in counters:
        for kind, (_, examples) in counter.kinds.items():
            if selection.is_call(kind):
                found.setdefault(key(kind), set()).update((example, kind.error_type) for example in examples)
    return {name: sorted(examples, reverse=True) for name, examples in found.items()}


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
                if measures.latencies and selection.admits(group):
                    added(at.setdefault(group.operation, {}), measures.latencies)
                    added(wholes.setdefault(group.operation, {}), measures.latencies)
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
