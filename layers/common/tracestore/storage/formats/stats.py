"""Documents of stats: the stats of a head, and the measures that counters contain as well."""

from collections.abc import Sequence
from functools import cached_property
from itertools import accumulate, repeat
from typing import Any, TypeAlias

from tracestore.domain.dimensions import FailureKind, Group, Series
from tracestore.domain.histogram import Histogram
from tracestore.domain.stats import NUMBERS, Example, Failure, Marginal, MarginalRow, Measures, Row, Stats

from .positional import extended, without_zeros

Document: TypeAlias = dict[str, Any]
PackedHistogram: TypeAlias = tuple[list[int], list[int]]
PackedMeasures: TypeAlias = tuple[list[Any], list[int], list[int]]


_INPUT, _OUTPUT, _TOTAL, _FIRST_TOKEN = map(
    NUMBERS.index, ("input_tokens", "output_tokens", "total_tokens", "first_token_us")
)


def packed_measures(measures: Measures) -> PackedMeasures:
    """Measures as lists that compress well.

    *shape*: the numbers, with the total less input and output, without zeros at the end; the histogram of latencies.
    Where there are times to the first token, a list of their sum and their histogram stands in place of the sum.
    """
    numbers: list[Any] = list(measures.numbers)
    numbers[_TOTAL] -= numbers[_INPUT] + numbers[_OUTPUT]
    if measures.first_tokens:
        numbers[_FIRST_TOKEN] = [numbers[_FIRST_TOKEN], *_packed_histogram(measures.first_tokens)]
    return without_zeros(numbers), *_packed_histogram(measures.latencies)


def unpacked_measures(numbers: Sequence[Any], steps: Sequence[int], counts: Sequence[int]) -> Measures:
    """The measures that `packed_measures` was given."""
    filled = extended(numbers, [0] * len(NUMBERS))
    filled[_TOTAL] += filled[_INPUT] + filled[_OUTPUT]
    measures = Measures(filled, _unpacked_histogram(steps, counts))
    if isinstance(filled[_FIRST_TOKEN], list):
        filled[_FIRST_TOKEN], *packed = filled[_FIRST_TOKEN]
        measures.first_tokens = _unpacked_histogram(*packed)
    return measures


def _packed_histogram(histogram: Histogram) -> PackedHistogram:
    """The first index and the step from each to the next; the counts, or nothing where all of them are 1."""
    indexes = sorted(histogram)
    counts = [histogram[index] for index in indexes]
    steps = [index - before for index, before in zip(indexes, [0, *indexes], strict=False)]
    return steps, [] if set(counts) <= {1} else counts


def _unpacked_histogram(steps: Sequence[int], counts: Sequence[int]) -> Histogram:
    return dict(zip(accumulate(steps), counts or repeat(1), strict=False))


class StoredStats(Stats):
    """The stats of a head as they are stored, decoded on first use: lists read many heads and no stats.

    Two of them are compared as documents, so an unchanged head costs no decoding.
    """

    def __init__(self, document: Document) -> None:
        object.__setattr__(self, "document", document)

    document: Document

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """The rows, decoded on first use."""
        return tuple(
            Row(quarter, Group(Series(*names), status), unpacked_measures(numbers, steps, counts))
            for quarter, *names, status, numbers, steps, counts in self.document.get("r", ())
        )

    @cached_property
    def failures(self) -> tuple[Failure, ...]:
        """The failures, decoded on first use."""
        return tuple(
            Failure(quarter, FailureKind(Series(*names), error_type), count, Example(time_ns, "", span_name, message))
            for quarter, *names, error_type, count, (time_ns, span_name, message) in self.document.get("e", ())
        )

    @cached_property
    def marginals(self) -> tuple[Marginal, ...]:
        """The marginals, decoded on first use."""
        return tuple(
            marginal if isinstance(marginal, str) else tuple(map(_marginal_row, marginal))
            for marginal in self.document.get("m", ())
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stats) and self.document == stats_document(other)

    def __hash__(self) -> int:
        return hash((self.rows, self.failures, self.marginals))

    def __reduce__(self) -> tuple[type["StoredStats"], tuple[Document]]:
        return StoredStats, (self.document,)


def stats_document(stats: Stats) -> Document:
    """The stats of a head as JSON.

    *shape*: `r` are rows `[quarter, *series, status, *packed measures]`; `e`, where there are any, failures
    `[quarter, *series, error type, count, [time, span name, message]]`; `m` marginals, each its only value or rows
    `[hour, value, 1 if it has a call else 0, *packed measures]`. *absent*: without `m` the head was stored before there
    were marginals, and with a shorter one before the last ones were declared.
    """
    if isinstance(stats, StoredStats):
        return stats.document
    document: Document = {
        "r": [[quarter, *series, status, *packed_measures(row)] for quarter, (series, status), row in stats.rows]
    }
    if stats.failures:
        document["e"] = [
            [quarter, *kind.values, count, [example.time_ns, example.span_name, example.message]]
            for quarter, kind, count, example in stats.failures
        ]
    if stats.marginals:
        document["m"] = [
            marginal
            if isinstance(marginal, str)
            else [[hour, value, int(has_call), *packed_measures(row)] for hour, value, row, has_call in marginal]
            for marginal in stats.marginals
        ]
    return document


def _marginal_row(row: Sequence[Any]) -> MarginalRow:
    hour, value, has_call, *packed = row
    return MarginalRow(hour, value, unpacked_measures(*packed), bool(has_call))
