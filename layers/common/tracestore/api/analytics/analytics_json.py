"""Responses of analytics as JSON: the same names for the same numbers everywhere."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from tracestore.api.traces.trace_json import NANO
from tracestore.domain.analytics import GroupSeries, Heatmap
from tracestore.domain.contributions import ScoreTotal
from tracestore.domain.counters import ConversationCounter
from tracestore.domain.failures import FailedSpan, FailuresOfType
from tracestore.domain.heads import Summary
from tracestore.domain.histogram import Histogram, bounds_us, percentiles_us
from tracestore.domain.intervals import Period
from tracestore.domain.reported_usage import TOKEN_KINDS
from tracestore.domain.scores import ScoreSeries
from tracestore.domain.stats import NUMBERS, Aggregate, Example
from tracestore.domain.times import format_time

US_PER_MS: Final = 1_000
PERCENTILES: Final = (50, 90, 95, 99)

GROUPS_MOST: Final = 50
"""The most groups in one response. The others are one group."""

POINTS_IN_ANSWER: Final = 6_000
"""The most points of all groups together, at most 700 bytes each, so that the response fits Lambda's limit."""

SCORE_POINTS_IN_ANSWER: Final = 40_000
"""The most points of scores and their groups together, at most 100 bytes each."""

_NO_DURATIONS: Final[dict[str, float | None]] = dict.fromkeys(("avg", *(f"p{percent}" for percent in PERCENTILES)))


def measures_json(aggregate: Aggregate) -> dict[str, Any]:
    """The measures of anything.

    *absent*: without calls the error rate is 0, since nothing failed, and durations are null, since there are none.
    """
    numbers = dict(zip(NUMBERS, aggregate.measures.numbers, strict=True))
    calls = numbers["calls"]
    return {
        "traces": aggregate.traces,
        "calls": calls,
        "errors": aggregate.errors,
        "error_rate": round(aggregate.errors / calls, 6) if calls else 0.0,
        "input_tokens": numbers["input_tokens"],
        "output_tokens": numbers["output_tokens"],
        "total_tokens": numbers["total_tokens"],
        **{kind: numbers[kind] for kind in TOKEN_KINDS[2:]},
        "cost_usd": numbers["cost_nano_usd"] / NANO,
        "wasted_cost_usd": numbers["wasted_nano_usd"] / NANO,
        "latency_ms": durations_json(numbers["latency_us"], aggregate.measures.latencies),
        "time_to_first_token_ms": durations_json(numbers["first_token_us"], aggregate.measures.first_tokens),
    }


def durations_json(sum_us: int, histogram: Histogram) -> dict[str, float | None]:
    """The exact average, and percentiles within 4.8 %. *units*: milliseconds."""
    count = sum(histogram.values())
    if count <= 0:
        return _NO_DURATIONS
    durations: dict[str, float | None] = {"avg": round(sum_us / count / US_PER_MS, 3)}
    for percent, duration_us in zip(PERCENTILES, percentiles_us(histogram, PERCENTILES), strict=True):
        durations[f"p{percent}"] = round(duration_us / US_PER_MS, 3)
    return durations


def name_json(name: str) -> str | None:
    """A group's name. *absent*: null for spans without a value."""
    return name or None


def range_json(period: Period) -> dict[str, str]:
    """The range that a response is about."""
    return {"start_date": format_time(period.start_ns), "end_date": format_time(period.end_ns)}


def score_json(
    score: ScoreSeries, points: Sequence[Period], groups: Sequence[ScoreSeries] | None = None
) -> dict[str, Any]:
    """A score with its points. *absent*: the mean is null without values; without `groups` there are none."""
    content = {"name": score.name, **_score_points_json(score, points)}
    if groups is None:
        return content
    of_groups = [{"group": name_json(group.name), **_score_points_json(group, points)} for group in groups]
    return {**content, "groups": of_groups}


def _score_points_json(series: ScoreSeries, points: Sequence[Period]) -> dict[str, Any]:
    return {
        **_score_total_json(series.total),
        "points": [
            {"time": format_time(point.start_ns), **_score_total_json(total)}
            for point, total in zip(points, series.points, strict=True)
        ],
    }


def _score_total_json(total: ScoreTotal) -> dict[str, Any]:
    return {"count": total.value_count, "mean": total.mean}


def groups_shown(points: int) -> int:
    """The number of groups with so many points that fit into a response, in addition to the rest."""
    return min(GROUPS_MOST, POINTS_IN_ANSWER // points)


def score_groups_shown(points: int, scores: int) -> int:
    """The number of groups of each of so many scores with so many points that fit into a response."""
    return max(1, min(GROUPS_MOST, SCORE_POINTS_IN_ANSWER // (points * max(scores, 1)) - 1))


def series_json(series: GroupSeries, points: Sequence[Period]) -> dict[str, Any]:
    """A group with its points."""
    return {
        "group": name_json(series.name),
        "totals": measures_json(series.total),
        "points": [
            {"time": format_time(point.start_ns), **measures_json(aggregate)}
            for point, aggregate in zip(points, series.points, strict=True)
        ],
    }


def failures_json(
    error_type: str, failures: FailuresOfType, total: int, points: Sequence[Period], examples: Iterable[FailedSpan]
) -> dict[str, Any]:
    """Failures of one type, with points and examples. `total` is the number of failures of all types."""
    assert failures.first is not None
    return {
        "error_type": error_type,
        "count": failures.count,
        "share": round(failures.count / total, 6) if total else 0.0,
        "first_seen": format_time(failures.first.start_ns),
        "last_seen": format_time(failures.last_ns),
        "points": [
            {"time": format_time(point.start_ns), "count": count}
            for point, count in zip(points, failures.counts, strict=True)
        ],
        "examples": [example_json(span.example) for span in examples],
    }


def example_json(example: Example) -> dict[str, Any]:
    """A failed span and its trace."""
    return {
        "trace_id": example.trace_id,
        "span_name": example.span_name,
        "error_message": example.message or None,
        "time": format_time(example.time_ns),
    }


def heatmap_json(heatmap: Heatmap, points: Sequence[Period]) -> dict[str, Any]:
    """The latencies of one operation by time. *shape*: a row of counts for each range of latencies, fastest first."""
    bounds = [(bounds_us(first)[0], bounds_us(last)[1]) for first, last in heatmap.rows]
    return {
        "operation_type": name_json(heatmap.operation_type),
        "times": [format_time(point.start_ns) for point in points],
        "buckets_ms": [[round(bound / US_PER_MS, 3) for bound in row] for row in bounds],
        "counts": heatmap.counts,
    }


def values_json(counts: Mapping[str, int], most: int) -> list[dict[str, Any]]:
    """The values of a field and the number of traces with each. *shape*: the most frequent first, at most `most`."""
    values = ((value, count) for value, count in counts.items() if count > 0)
    by_count = sorted(values, key=lambda entry: (-entry[1], entry[0]))
    return [{"value": value, "count": count} for value, count in by_count[:most]]


def conversation_json(conversation_id: str, counter: ConversationCounter, newest: Summary) -> dict[str, Any]:
    """A conversation over its whole life, with the previews of its newest trace."""
    assert counter.first_ns is not None
    return {
        "conversation_id": conversation_id,
        "first_time": format_time(counter.first_ns),
        "last_time": format_time(counter.last_ns),
        **measures_json(Aggregate(counter.traces, counter.measures)),
        "input_preview": newest.previews.input,
        "output_preview": newest.previews.output,
    }


def conversation_costs_json(conversations: Iterable[tuple[str, Aggregate]]) -> list[dict[str, Any]]:
    """The measures of each conversation. *absent*: there are no latencies by conversation and day."""
    return [{"conversation_id": name, **measures_json(aggregate)} for name, aggregate in conversations]
