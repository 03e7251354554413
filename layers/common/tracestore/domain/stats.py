"""What one trace adds to the counters: its calls, tokens, costs, latencies and failures, by time and by group.

Derived from the spans like the rest of the head and kept there, so that whoever sees an old and a new head of a trace
knows by how much the counters have to move, and whoever adds up all heads knows what the counters have to be.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, repeat
from typing import Any, Final, NamedTuple

from .costs import REPEATING_OPERATIONS
from .dimensions import OTHER, FailureKind, Group, Series, cut, other_series
from .histogram import Histogram, added, bucket_of
from .merge import Span
from .spans import INFERENCE_OPERATIONS, SpanFields
from .tree import Node
from .usage import TOKEN_KINDS, Charge, amount, total_tokens

QUARTER_NS: Final = 900 * 10**9
"""A quarter of an hour, the finest time that counters tell: every zone's days begin at one."""

GROUPS_KEPT: Final = 100
"""Different groups of one trace; the calls of further ones are counted under `OTHER`."""

QUARTERS_KEPT: Final = 200
"""Different times of one trace. One whose spans are scattered over more counts as a whole when it began."""

ROWS_KEPT: Final = 1_000
"""Different groups and times of one trace together: of more, all spans count when it began. A row is about 18 bytes."""

KINDS_KEPT: Final = 50
"""Different kinds of failure of one trace; the type of further ones is `OTHER`."""

FAILURES_KEPT: Final = 200
"""Different kinds and times of failure together: of more, all count when the trace began. One may be 300 bytes, and
the head, which is put with every write to the trace, ends at 400 KB."""

NUMBERS: Final = ("calls", "latency_us", "cost_nano_usd", *TOKEN_KINDS, "total_tokens", "wasted_nano_usd", "errors")
_CALLS, _LATENCY, _COST, _KINDS = 0, 1, 2, 3
_TOTAL, _WASTED, _ERRORS = len(NUMBERS) - 3, len(NUMBERS) - 2, len(NUMBERS) - 1
_INPUT, _OUTPUT = NUMBERS.index("input_tokens"), NUMBERS.index("output_tokens")

_MODEL_SPEND: Final = INFERENCE_OPERATIONS | REPEATING_OPERATIONS
_NAME_CHARACTERS: Final = 80
_MESSAGE_CHARACTERS: Final = 200


class Example(NamedTuple):
    """One failed span: when it began, in nanoseconds, which trace, and in what words."""

    time_ns: int
    trace_id: str
    span_name: str
    message: str


@dataclass(slots=True)
class Measures:
    """Sums, in the order of `NUMBERS`, and how long the calls took. `latency_us` is the sum over the histogram."""

    numbers: list[int] = field(default_factory=lambda: [0] * len(NUMBERS))
    latencies: Histogram = field(default_factory=dict)

    def add(self, other: "Measures", sign: int = 1) -> None:
        """Add (or take away) another's sums, in place."""
        self.numbers = [mine + sign * theirs for mine, theirs in zip(self.numbers, other.numbers, strict=True)]
        added(self.latencies, other.latencies, sign)

    def __bool__(self) -> bool:
        return any(self.numbers) or bool(self.latencies)

    def __getitem__(self, name: str) -> int:
        return self.numbers[NUMBERS.index(name)]


class Row(NamedTuple):
    """The measures of one group in one quarter of an hour, counted since 1970."""

    quarter: int
    group: Group
    measures: Measures


class Failure(NamedTuple):
    """Failures of one kind in one quarter of an hour, and the latest of them. `example` names no trace yet."""

    quarter: int
    kind: FailureKind
    failed: int
    example: Example


def stats_of(nodes: Sequence[Node], charges: Sequence[Charge], root: Span) -> dict[str, Any]:
    """The stats of a trace, given in tree order with what of each span counts, as the head keeps them."""
    rows: dict[tuple[int, Group], Measures] = {}
    kept = _Kept(nodes)
    for (span, _), charge in zip(nodes, charges, strict=True):
        measures = _measures(span, charge, is_trace_failed=root.status == "error")
        if measures:
            group = Group(kept.series(span), cut(span.status))
            rows.setdefault((kept.quarter(span), group), Measures()).add(measures)
    failures = _failures(nodes, kept)
    stats: dict[str, Any] = {
        "r": [
            [quarter, *group.series, group.status, *packed_measures(measures)]
            for (quarter, group), measures in sorted(rows.items(), key=_key)
        ]
    }
    if failures:
        stats["e"] = [
            [quarter, *kind.values, count, [example.time_ns, example.span_name, example.message]]
            for (quarter, kind), (count, example) in sorted(failures.items())
        ]
    return stats


def rows_of(stats: Mapping[str, Any]) -> Iterator[Row]:
    """The rows in a head's stats."""
    for quarter, *names, status, numbers, steps, counts in stats.get("r", ()):
        yield Row(quarter, Group(Series(*names), status), unpacked_measures(numbers, steps, counts))


def failures_of(stats: Mapping[str, Any], trace_id: str) -> Iterator[Failure]:
    """The failures in the stats of a trace's head."""
    for quarter, *names, error_type, count, (time_ns, name, message) in stats.get("e", ()):
        kind = FailureKind(Series(*names), error_type)
        yield Failure(quarter, kind, count, Example(time_ns, trace_id, name, message))


def packed_measures(measures: Measures) -> tuple[list[int], list[int], list[int]]:
    """Measures as JSON, small when it is compressed.

    *shape*: the numbers, the total less input and output and zeros at the end left out; the first index of the
    histogram and the steps from each to the next; its counts, where not all of them are 1.
    """
    numbers = list(measures.numbers)
    numbers[_TOTAL] -= numbers[_INPUT] + numbers[_OUTPUT]
    while numbers and not numbers[-1]:
        numbers.pop()
    indexes = sorted(measures.latencies)
    counts = [measures.latencies[index] for index in indexes]
    steps = [index - before for index, before in zip(indexes, [0, *indexes], strict=False)]
    return numbers, steps, [] if set(counts) <= {1} else counts


def unpacked_measures(numbers: Sequence[int], steps: Sequence[int], counts: Sequence[int]) -> Measures:
    """What `packed_measures` was given."""
    filled = [*numbers, *[0] * (len(NUMBERS) - len(numbers))]
    filled[_TOTAL] += filled[_INPUT] + filled[_OUTPUT]
    return Measures(filled, dict(zip(accumulate(steps), counts or repeat(1), strict=False)))


def _key(entry: tuple[tuple[int, Group], Measures]) -> tuple[int, Group]:
    return entry[0]


def _measures(span: Span, charge: Charge, *, is_trace_failed: bool) -> Measures:
    """What one span adds."""
    fields, measures = span.fields, Measures()
    numbers = measures.numbers
    operation = fields.get("operation_type")
    is_inference = operation in INFERENCE_OPERATIONS
    if span.status != "pending" and (charge.is_call or not is_inference):
        numbers[_CALLS] = 1
        numbers[_ERRORS] = int(span.status == "error")
        if "start_ns" in fields and "end_ns" in fields:
            numbers[_LATENCY] = max(0, fields["end_ns"] - fields["start_ns"]) // 1000
            measures.latencies[bucket_of(numbers[_LATENCY])] = 1
    if charge.counts_tokens:
        numbers[_TOTAL] = total_tokens(fields) or 0
        numbers[_KINDS : _KINDS + len(TOKEN_KINDS)] = [amount(fields, kind) for kind in TOKEN_KINDS]
    if charge.cost_nano_usd is not None:
        numbers[_COST] = charge.cost_nano_usd
        if (is_trace_failed and operation in _MODEL_SPEND) or (is_inference and span.status == "error"):
            numbers[_WASTED] = charge.cost_nano_usd
    return measures


def _where_it_failed(nodes: Sequence[Node]) -> Iterator[Span]:
    """The failed spans with no failed one below them: an error that travels up through its callers counts once."""
    failed_below: dict[int, bool] = {}
    for span, depth in reversed(nodes):
        is_below = failed_below.pop(depth + 1, False)
        if span.status == "error" and not is_below:
            yield span
        failed_below[depth] = failed_below.get(depth, False) or is_below or span.status == "error"


def _failures(nodes: Sequence[Node], kept: "_Kept") -> dict[tuple[int, FailureKind], tuple[int, Example]]:
    """How many spans failed, by time and kind, and the latest of each."""
    failed = [
        (
            kept.quarter(span),
            FailureKind(kept.series(span), cut(span.fields.get("error_type") or "unknown")),
            _example(span),
        )
        for span in _where_it_failed(nodes)
    ]
    kinds = set(sorted({kind for _, kind, _ in failed})[:KINDS_KEPT])
    failed = [
        (quarter, kind if kind in kinds else kind._replace(error_type=OTHER), example)
        for quarter, kind, example in failed
    ]
    if len({(quarter, kind) for quarter, kind, _ in failed}) > FAILURES_KEPT:
        failed = [(kept.first_quarter, kind, example) for _, kind, example in failed]
    found: dict[tuple[int, FailureKind], tuple[int, Example]] = {}
    for quarter, kind, example in failed:
        count, latest = found.get((quarter, kind), (0, example))
        found[quarter, kind] = count + 1, max(latest, example)
    return found


def _example(span: Span) -> Example:
    fields = span.fields
    message = fields.get("error_message", "")[:_MESSAGE_CHARACTERS]
    return Example(span.order[0], "", fields.get("span_name", "")[:_NAME_CHARACTERS], message)


class _Kept:
    """The series and times that the head of one trace keeps apart, whatever the order of writes was."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self._kept = set(sorted({_series(span.fields) for span, _ in nodes})[:GROUPS_KEPT])
        self._operations = INFERENCE_OPERATIONS | {series.operation_type for series in self._kept}
        times = {span.order[0] // QUARTER_NS for span, _ in nodes}
        self.first_quarter = min(times)
        self._is_scattered = len(times) > QUARTERS_KEPT or (len(nodes) > ROWS_KEPT and self._rows(nodes) > ROWS_KEPT)

    def quarter(self, span: Span) -> int:
        return self.first_quarter if self._is_scattered else span.order[0] // QUARTER_NS

    def series(self, span: Span) -> Series:
        series = _series(span.fields)
        if series in self._kept:
            return series
        return other_series(series.operation_type if series.operation_type in self._operations else OTHER)

    def _rows(self, nodes: Sequence[Node]) -> int:
        return len({(span.order[0] // QUARTER_NS, self.series(span), cut(span.status)) for span, _ in nodes})


def _series(fields: SpanFields) -> Series:
    return Series(*(cut(fields.get(name, "")) for name in Series._fields))


def sums(rows: Iterable[Row]) -> Measures:
    """All rows of a trace together: as calls, only those of models count."""
    total = Measures()
    for row in rows:
        total.add(as_model_calls(row.group, row.measures))
    return total


def as_model_calls(group: Group, measures: Measures) -> Measures:
    """The measures of a group as model calls: those of other operations are only what was charged to them."""
    if group.series.is_inference:
        return measures
    numbers = list(measures.numbers)
    numbers[_CALLS] = numbers[_LATENCY] = numbers[_ERRORS] = 0
    return Measures(numbers)
