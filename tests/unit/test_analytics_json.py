"""Measures as JSON: the documented shape, exact to the nano-dollar."""

import pytest

from tests.builders import START_NS
from tracestore.api.analytics.analytics_json import (
    failures_json,
    groups_shown,
    heatmap_json,
    measures_json,
    series_json,
    values_json,
)
from tracestore.api.traces.responses import RESPONSE_BYTES
from tracestore.domain.analytics import GroupSeries, Heatmap
from tracestore.domain.buckets import Bucket
from tracestore.domain.dimensions import FailureKind, Series
from tracestore.domain.failures import FailedSpan, FailuresOfType
from tracestore.domain.histogram import RELATIVE_ERROR, bucket_of
from tracestore.domain.intervals import Period
from tracestore.domain.stats import NUMBERS, QUARTER_NS, Aggregate, Example, Measures
from tracestore.http.response import json_bytes

KIND = FailureKind(Series("completion", "openai", "small"), "timeout")
POINTS = [Period(START_NS + index * QUARTER_NS, START_NS + (index + 1) * QUARTER_NS) for index in range(2)]


def aggregate(*latencies_us: int, traces: int = 0, **numbers: int) -> Aggregate:
    values = {"calls": len(latencies_us), "latency_us": sum(latencies_us), **numbers}
    measures = Measures([values.get(name, 0) for name in NUMBERS])
    for latency_us in latencies_us:
        index = bucket_of(latency_us)
        measures.latencies[index] = measures.latencies.get(index, 0) + 1
    return Aggregate(traces, measures)


def test_measures_have_the_promised_fields() -> None:
    assert list(measures_json(Aggregate())) == [
        *("traces", "calls", "errors", "error_rate", "input_tokens", "output_tokens", "total_tokens"),
        *("cached_input_tokens", "cache_write_tokens", "reasoning_tokens", "cost_usd", "wasted_cost_usd", "latency_ms"),
        "time_to_first_token_ms",
    ]


def test_without_calls_the_error_rate_is_zero_and_latencies_are_null() -> None:
    shown = measures_json(Aggregate())
    assert shown["error_rate"] == 0
    assert shown["latency_ms"] == {"avg": None, "p50": None, "p90": None, "p95": None, "p99": None}


def test_times_to_the_first_token_are_those_of_the_calls_that_report_one() -> None:
    measures = aggregate(*[1_000_000] * 4, first_token_us=800_000).measures
    assert measures_json(Aggregate(0, measures))["time_to_first_token_ms"]["avg"] is None
    measures.first_tokens = {bucket_of(300_000): 1, bucket_of(500_000): 1}
    shown = measures_json(Aggregate(0, measures))["time_to_first_token_ms"]
    assert shown["avg"] == 400
    assert shown["p50"] == pytest.approx(300, rel=RELATIVE_ERROR)
    assert shown["p90"] == shown["p99"] == pytest.approx(500, rel=RELATIVE_ERROR)


def test_each_number_has_its_name() -> None:
    names = [name for name in NUMBERS if name.endswith("tokens")]
    shown = measures_json(aggregate(**{name: number for number, name in enumerate(names, 1)}))
    assert [shown[name] for name in names] == list(range(1, len(names) + 1))


@pytest.mark.parametrize("nano_usd", [1, 10**9 + 1, 123_456_789_012_345_678 // 100 * 100 // 10**3])
def test_dollars_are_exact_to_the_nano_dollar(nano_usd: int) -> None:
    shown = measures_json(aggregate(cost_nano_usd=nano_usd, wasted_nano_usd=nano_usd))
    assert round(shown["cost_usd"] * 10**9) == round(shown["wasted_cost_usd"] * 10**9) == nano_usd


def test_the_error_rate_is_the_share_of_failed_calls() -> None:
    assert measures_json(aggregate(1, 1, 1, errors=1))["error_rate"] == 0.333333


def test_the_average_is_exact_and_percentiles_are_within_their_bound() -> None:
    latency = measures_json(aggregate(*[1_000] * 90, *[50_000] * 10))["latency_ms"]
    assert latency["avg"] == 5.9
    assert latency["p50"] == pytest.approx(1, rel=RELATIVE_ERROR)
    assert latency["p95"] == latency["p99"] == pytest.approx(50, rel=RELATIVE_ERROR)


def test_a_group_without_a_name_is_null() -> None:
    shown = series_json(GroupSeries("", Aggregate(), [Aggregate(), Aggregate()]), POINTS)
    assert shown["group"] is None
    assert [point["time"] for point in shown["points"]] == ["2026-11-22T02:00:00.000Z", "2026-11-22T02:15:00.000Z"]


@pytest.mark.parametrize("points", [1, 96, 200, 401, 1_000])
def test_a_response_has_room_for_the_points_of_all_groups(points: int) -> None:
    huge = dict.fromkeys(NUMBERS, 10**15 + 1)
    measures = aggregate(10**12, 10**12, **huge).measures
    measures.first_tokens = dict(measures.latencies)
    shown = series_json(GroupSeries("", Aggregate(), [Aggregate(10**12, measures)]), POINTS[:1])
    (point,) = shown["points"]
    assert len(json_bytes(point)) * (groups_shown(points) + 1) * points < RESPONSE_BYTES


def test_failures_have_their_share() -> None:
    failed = FailuresOfType([1, 2], Bucket("errors", "15m", 1), Bucket("errors", "15m", 1))
    shown = failures_json("timeout", failed, 4, POINTS, [FailedSpan(Example(START_NS, "t", "call", ""), KIND)])
    assert (shown["count"], shown["share"], [point["count"] for point in shown["points"]]) == (3, 0.75, [1, 2])
    assert shown["examples"] == [
        {"trace_id": "t", "span_name": "call", "error_message": None, "time": "2026-11-22T02:00:00.000Z"}
    ]


def test_rows_of_a_heatmap_join_without_a_gap() -> None:
    shown = heatmap_json(Heatmap("", [(0, 9), (10, 19), (20, 29)], [[0, 0]] * 3), POINTS)
    (_, first_end), (second, second_end), (third, _) = shown["buckets_ms"]
    assert (first_end, second_end) == (second, third)


def test_values_without_traces_are_left_out() -> None:
    assert values_json({"a": 0, "b": 1, "c": 2, "d": 2}, 2) == [{"value": "c", "count": 2}, {"value": "d", "count": 2}]
