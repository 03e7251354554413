"""The stats of a trace: its calls, tokens, costs, latencies and failures, by time and by group.

They are derived from the spans and stored in the head. The difference between the stats of an old and a new head is the
change of the counters, and the sum over all heads is what the counters must contain.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, NamedTuple, TypeAlias

from .dimensions import MARGINALS, OF_ANY_OPERATION, OTHER, FailureKind, Group, Series, cut, other_series
from .histogram import Histogram, added, bucket_of
from .merge import Span
from .reported_usage import TOKEN_KINDS, amount, total_tokens
from .spans import INFERENCE_OPERATIONS, SpanFields
from .tree import Node
from .usage import Charge

QUARTER_NS: Final = 900 * 10**9
"""A quarter of an hour, the finest time of counters: in every zone days begin at one."""

GROUPS_KEPT: Final = 100
"""Groups of one trace. Calls of further ones are counted under `OTHER`."""

QUARTERS_IN_HOUR: Final = 4

QUARTERS_KEPT: Final = 200
"""Quarters of an hour of one trace. If its spans began in more, all of them count in the quarter in which it began."""

ROWS_KEPT: Final = 1_000
"""Rows of one trace. If there were more, all spans count in the quarter in which it began. A row is about 18 bytes."""

MARGINAL_VALUES_KEPT: Final = 50
"""Values of one marginal of one trace. Further ones are counted under `OTHER`."""

MARGINAL_ROWS_KEPT: Final = 200
"""Rows of one marginal of one trace. If there were more, all spans count in the hour in which it began."""

KINDS_KEPT: Final = 50
"""Kinds of failure of one trace. The type of further ones is `OTHER`."""

FAILURES_KEPT: Final = 200
"""Kinds and times of failure of one trace together. If there were more, all count in the quarter in which it began. One
may have 300 bytes, and the head, which is written with every write to the trace, ends at 400 KB."""

NUMBERS: Final = (
    "calls",
    "latency_us",
    "cost_nano_usd",
    "input_tokens",
    "output_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "total_tokens",
    "wasted_nano_usd",
    "errors",
    "first_token_us",
)
"""The numbers of `Measures`. Heads and counters store them in this order without names: append at the end only, and
never move or remove one. A number that was appended later is 0 in measures that were stored before."""

_CALLS, _LATENCY, _COST, _TOTAL, _WASTED, _ERRORS, _FIRST_TOKEN = map(
    NUMBERS.index,
    ("calls", "latency_us", "cost_nano_usd", "total_tokens", "wasted_nano_usd", "errors", "first_token_us"),
)
_KINDS: Final = tuple((NUMBERS.index(kind), kind) for kind in TOKEN_KINDS)

_NAME_CHARACTERS: Final = 80
_MESSAGE_CHARACTERS: Final = 200


class Example(NamedTuple):
    """One failed span. *units*: `time_ns` is its start in nanoseconds since 1970."""

    time_ns: int
    trace_id: str
    span_name: str
    message: str


@dataclass(slots=True)
class Measures:
    """Sums in the order of `NUMBERS`, and the histograms of latencies and of times to the first token.

    `latency_us` and `first_token_us` are the sums over the two histograms.
    """

    numbers: list[int] = field(default_factory=lambda: [0] * len(NUMBERS))
    latencies: Histogram = field(default_factory=dict)
    first_tokens: Histogram = field(default_factory=dict)

    def add(self, other: "Measures", sign: int = 1) -> None:
        """Add another's sums in place; with `sign` -1 subtract them."""
        self.numbers = [mine + sign * theirs for mine, theirs in zip(self.numbers, other.numbers, strict=True)]
        if other.latencies:
            added(self.latencies, other.latencies, sign)
        if other.first_tokens:
            added(self.first_tokens, other.first_tokens, sign)

    def nonzero(self) -> dict[str, int | Histogram]:
        """The numbers that are not 0 and the histograms that are not empty, by name. Equal for equal measures."""
        numbers = {name: number for name, number in zip(NUMBERS, self.numbers, strict=True) if number}
        histograms = {"latencies": self.latencies, "first_tokens": self.first_tokens}
        return numbers | {name: dict(histogram) for name, histogram in histograms.items() if histogram}

    def __bool__(self) -> bool:
        return any(self.numbers) or bool(self.latencies) or bool(self.first_tokens)

    def __getitem__(self, name: str) -> int:
        return self.numbers[NUMBERS.index(name)]


@dataclass(slots=True)
class Aggregate:
    """A number of traces, and their measures."""

    traces: int = 0
    measures: Measures = field(default_factory=Measures)

    def add(self, other: "Aggregate") -> None:
        """Add another in place. No trace may be counted in both."""
        self.traces += other.traces
        self.measures.add(other.measures)

    def __bool__(self) -> bool:
        return bool(self.traces) or bool(self.measures)

    @property
    def calls(self) -> int:
        """The number of ended calls."""
        return self.measures["calls"]

    @property
    def errors(self) -> int:
        """The number of failed calls."""
        return self.measures["errors"]

    @property
    def cost_nano_usd(self) -> int:
        """The cost in nano-dollars."""
        return self.measures["cost_nano_usd"]


class Row(NamedTuple):
    """The measures of one group in one quarter of an hour. *units*: quarters are counted since 1970."""

    quarter: int
    group: Group
    measures: Measures


class Failure(NamedTuple):
    """Failures of one kind in one quarter of an hour, and the latest of them.

    *absent*: in a trace's stats `example` has an empty trace id. `failures_of` fills it in.
    """

    quarter: int
    kind: FailureKind
    failed: int
    example: Example


class MarginalRow(NamedTuple):
    """The measures, as model calls, of the spans with one value of a marginal in one hour.

    It `has_call` when one of these spans is a model call. *units*: hours are counted since 1970.
    """

    hour: int
    value: str
    measures: Measures
    has_call: bool


Marginal: TypeAlias = str | tuple[MarginalRow, ...]
"""One marginal of one trace: its only value, or rows. Nearly every trace has one service, and then its rows follow from
those of the trace, so that heads do not grow. Marginals in `OF_ANY_OPERATION` always have rows."""


@dataclass(frozen=True)
class Stats:
    """The contribution of one trace to all counters.

    *shape*: rows by quarter and group, failures by quarter and kind, marginals in the order of `MARGINALS`.
    *absent*: stats that were stored before a marginal was declared do not have it, and the trace adds nothing to it
    until its head is written again. The next change of the head then adds the trace's whole share.
    """

    rows: Sequence[Row] = ()
    failures: Sequence[Failure] = ()
    marginals: Sequence[Marginal] = ()


NO_STATS: Final = Stats()


def stats_of(nodes: Sequence[Node], charges: Sequence[Charge], wasted: Sequence[bool]) -> Stats:
    """The stats of a trace, given its spans in tree order, the charge of each and whether it is wasted."""
    rows: dict[tuple[int, Group], Measures] = {}
    counted: list[_CountedSpan] = []
    kept = _Kept(nodes)
    for (span, _), charge, is_wasted in zip(nodes, charges, wasted, strict=True):
        measures = _measures(span, charge, is_wasted=is_wasted)
        if measures is not None:
            quarter, group = kept.quarter(span), Group(kept.series(span), cut(span.status))
            if (row := rows.get((quarter, group))) is None:
                row = rows[quarter, group] = Measures()
            row.add(measures)
            counted.append(_CountedSpan(span, quarter, group, measures))
    failures = _failures(nodes, kept)
    first_hour = kept.first_quarter // QUARTERS_IN_HOUR
    names: set[str] = set().union(*(each.span.fields for each in counted))
    return Stats(
        tuple(Row(quarter, group, measures) for (quarter, group), measures in sorted(rows.items(), key=_key)),
        tuple(Failure(quarter, kind, count, latest) for (quarter, kind), (count, latest) in sorted(failures.items())),
        tuple(_marginal(name, counted if name in names else (), first_hour) for name in MARGINALS),
    )


def failures_of(stats: Stats, trace_id: str) -> Iterator[Failure]:
    """The failures of the trace with these stats, with its id in their examples."""
    for failure in stats.failures:
        yield failure._replace(example=failure.example._replace(trace_id=trace_id))


def marginal_rows(stats: Stats) -> Iterator[tuple[str, Iterable[MarginalRow]]]:
    """The name and the rows of each marginal that the stats have."""
    for name, marginal in zip(MARGINALS, stats.marginals, strict=False):
        yield name, _rows_of_one_value(marginal, stats.rows) if isinstance(marginal, str) else marginal


def _rows_of_one_value(value: str, rows: Iterable[Row]) -> list[MarginalRow]:
    """The rows of a marginal of which all spans of the trace have the same value."""
    by_hour: dict[int, MarginalRow] = {}
    for row in rows:
        if as_calls := as_model_calls(row.group, row.measures):
            hour = row.quarter // QUARTERS_IN_HOUR
            marginal = by_hour.get(hour) or MarginalRow(hour, value, Measures(), False)
            marginal.measures.add(as_calls)
            by_hour[hour] = marginal._replace(has_call=marginal.has_call or row.group.series.is_inference)
    return list(by_hour.values())


class _CountedSpan(NamedTuple):
    """A span with measures, and where it counts."""

    span: Span
    quarter: int
    group: Group
    measures: Measures


def _marginal(name: str, counted: Sequence[_CountedSpan], first_hour: int) -> Marginal:
    """A marginal of a trace of which these spans have measures. *absent*: it is empty without any."""
    if not counted:
        return () if name in OF_ANY_OPERATION else ""
    if name in OF_ANY_OPERATION:
        calls = [(each, each.measures) for each in counted if each.span.fields.get(name)]
    else:
        values = {each.span.fields.get(name, "") for each in counted}
        if len(values) < 2:
            return cut(*values)
        calls = [(each, as_calls) for each in counted if (as_calls := as_model_calls(each.group, each.measures))]
    kept = sorted({cut(each.span.fields.get(name, "")) for each, _ in calls})[:MARGINAL_VALUES_KEPT]
    if len(kept) < 2 and name not in OF_ANY_OPERATION:
        return kept[0] if kept else ""
    rows: dict[tuple[int, str], MarginalRow] = {}
    for each, measures in calls:
        value = cut(each.span.fields.get(name, ""))
        hour, value = each.quarter // QUARTERS_IN_HOUR, value if value in kept else OTHER
        row = rows.get((hour, value)) or MarginalRow(hour, value, Measures(), False)
        row.measures.add(measures)
        is_call = name in OF_ANY_OPERATION or each.group.series.is_inference
        rows[hour, value] = row._replace(has_call=row.has_call or is_call)
    if len(rows) > MARGINAL_ROWS_KEPT:
        rows = _in_one_hour(rows.values(), first_hour)
    return tuple(rows[key] for key in sorted(rows))


def _in_one_hour(rows: Iterable[MarginalRow], hour: int) -> dict[tuple[int, str], MarginalRow]:
    """The sum of the rows of each value, counted in one hour."""
    sums: dict[tuple[int, str], MarginalRow] = {}
    for row in rows:
        total = sums.get((hour, row.value)) or MarginalRow(hour, row.value, Measures(), False)
        total.measures.add(row.measures)
        sums[hour, row.value] = total._replace(has_call=total.has_call or row.has_call)
    return sums


def _key(entry: tuple[tuple[int, Group], Measures]) -> tuple[int, Group]:
    return entry[0]


def _measures(span: Span, charge: Charge, *, is_wasted: bool) -> Measures | None:
    """The measures of one span. *absent*: None where all of them are 0."""
    fields = span.fields
    is_inference = fields.get("operation_type") in INFERENCE_OPERATIONS
    is_counted = span.status != "pending" and (charge.is_call or not (is_inference or charge.is_repeated))
    if not is_counted and not charge.counts_tokens and charge.cost_nano_usd is None:
        return None
    measures = Measures()
    numbers = measures.numbers
    if is_counted:
        numbers[_CALLS] = 1
        numbers[_ERRORS] = int(span.status == "error")
        durations = (
            (_LATENCY, measures.latencies, span.duration_ns),
            (_FIRST_TOKEN, measures.first_tokens, fields.get("time_to_first_token_ns")),
        )
        for index, histogram, duration_ns in durations:
            if duration_ns is not None:
                numbers[index] = duration_ns // 1000
                histogram[bucket_of(numbers[index])] = 1
    if charge.counts_tokens:
        numbers[_TOTAL] = total_tokens(fields) or 0
        for index, kind in _KINDS:
            numbers[index] = amount(fields, kind)
    if charge.cost_nano_usd is not None:
        numbers[_COST] = charge.cost_nano_usd
        if is_wasted:
            numbers[_WASTED] = charge.cost_nano_usd
    return measures or None


def _where_it_failed(nodes: Sequence[Node]) -> Iterator[Span]:
    """The failed spans without a failed span below them, so that an error which its callers repeat counts once."""
    failed_below: dict[int, bool] = {}
    for span, depth in reversed(nodes):
        is_below = failed_below.pop(depth + 1, False)
        if span.status == "error" and not is_below:
            yield span
        failed_below[depth] = failed_below.get(depth, False) or is_below or span.status == "error"


def _failures(nodes: Sequence[Node], kept: "_Kept") -> dict[tuple[int, FailureKind], tuple[int, Example]]:
    """The number of failed spans by quarter and kind, and the latest of each."""
    if not any(span.status == "error" for span, _ in nodes):
        return {}
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
    counts: dict[tuple[int, FailureKind], tuple[int, Example]] = {}
    for quarter, kind, example in failed:
        count, latest = counts.get((quarter, kind), (0, example))
        counts[quarter, kind] = count + 1, max(latest, example)
    return counts


def _example(span: Span) -> Example:
    fields = span.fields
    message = fields.get("error_message", "")[:_MESSAGE_CHARACTERS]
    return Example(span.order[0], "", fields.get("span_name", "")[:_NAME_CHARACTERS], message)


class _Kept:
    """The series and times that the head of one trace keeps apart, whatever the order of writes was."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self._series = {span.span_id: _series(span.fields) for span, _ in nodes}
        kept = set(self._series.values())
        if len(kept) > GROUPS_KEPT:
            kept = set(sorted(kept)[:GROUPS_KEPT])
            operations = INFERENCE_OPERATIONS | {series.operation_type for series in kept}
            for span_id, series in self._series.items():
                if series not in kept:
                    operation = series.operation_type if series.operation_type in operations else OTHER
                    self._series[span_id] = other_series(operation)
        times = {span.order[0] // QUARTER_NS for span, _ in nodes}
        self.first_quarter = min(times)
        self._is_scattered = len(times) > QUARTERS_KEPT or (len(nodes) > ROWS_KEPT and self._rows(nodes) > ROWS_KEPT)

    def quarter(self, span: Span) -> int:
        return self.first_quarter if self._is_scattered else span.order[0] // QUARTER_NS

    def series(self, span: Span) -> Series:
        return self._series[span.span_id]

    def _rows(self, nodes: Sequence[Node]) -> int:
        return len({(span.order[0] // QUARTER_NS, self.series(span), cut(span.status)) for span, _ in nodes})


def _series(fields: SpanFields) -> Series:
    return _cut_series(fields.get("operation_type", ""), fields.get("model_provider", ""), fields.get("model_name", ""))


@lru_cache(maxsize=1_024)
def _cut_series(operation_type: str, model_provider: str, model_name: str) -> Series:
    return Series(cut(operation_type), cut(model_provider), cut(model_name))


def sums(rows: Iterable[Row]) -> Measures:
    """The sum of all rows of a trace. Only model calls count as calls."""
    total = Measures()
    for row in rows:
        total.add(as_model_calls(row.group, row.measures))
    return total


def as_model_calls(group: Group, measures: Measures) -> Measures:
    """The measures of a group as model calls: of other operations only the tokens and the cost charged to them."""
    if group.series.is_inference:
        return measures
    numbers = list(measures.numbers)
    numbers[_CALLS] = numbers[_LATENCY] = numbers[_ERRORS] = numbers[_FIRST_TOKEN] = 0
    return Measures(numbers)
