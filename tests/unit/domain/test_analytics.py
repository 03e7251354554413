"""Aggregates of counters by group and time, failures, heatmaps and health, all without a table."""

from collections.abc import Iterable, Sequence
from datetime import UTC, tzinfo
from itertools import pairwise
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import START_NS, call, fields, summary_of
from tracestore.domain.analytics import (
    Selection,
    aggregates_by,
    candidates_by_cost,
    heatmaps_of,
    key_of_dimension,
    marginal_series,
    series_of,
    top_conversations_by_cost,
    total_of,
    values_of,
)
from tracestore.domain.buckets import Bucket, ConversationTarget, Interval, Kind
from tracestore.domain.contributions import contributions_of
from tracestore.domain.counters import COUNTERS, Counter, ErrorCounter, MarginalCounter, MeasureCounter, ValueCounter
from tracestore.domain.dimensions import OTHER
from tracestore.domain.failures import FailuresOfType, failures_by_type, latest_failures
from tracestore.domain.heads import Summary
from tracestore.domain.health import CALLS_LEAST, WINDOWS, health_by, judge, windows_of
from tracestore.domain.histogram import percentile_us, percentiles_us
from tracestore.domain.intervals import Period, hours_that_start_in, partition, points
from tracestore.domain.stats import NUMBERS, QUARTER_NS, Aggregate

DAY_NS = 96 * QUARTER_NS
DAY = Period(START_NS // DAY_NS * DAY_NS, START_NS // DAY_NS * DAY_NS + DAY_NS)
ALL = Selection()


def counted(summaries: Iterable[Summary]) -> dict[Bucket, Counter]:
    """The counters of these traces."""
    counters: dict[Bucket, Counter] = {}
    for number, summary in enumerate(summaries):
        for target, contribution in contributions_of(f"t{number}", summary, 0, str).items():
            if not isinstance(target, ConversationTarget):
                counters.setdefault(target, COUNTERS[target.kind]()).add(contribution, 1)
    return counters


def within(counters: dict[Bucket, Counter], kind: Kind, period: Period) -> dict[Bucket, Any]:
    return {bucket: counters[bucket] for bucket in partition(kind, period) if bucket in counters}


def measures(*summaries: Summary, period: Period = DAY) -> list[MeasureCounter]:
    """The counters of the measures of these traces within a period."""
    return list(within(counted(summaries), "measures", period).values())


def at_point(
    summaries: Iterable[Summary], interval: Interval = "hour", period: Period = DAY
) -> list[list[MeasureCounter]]:
    counters = counted(summaries)
    return [list(within(counters, "measures", point).values()) for point in points(period, interval, UTC)]


def failing(summaries: Iterable[Summary], interval: Interval = "hour") -> list[dict[Bucket, ErrorCounter]]:
    counters = counted(summaries)
    return [within(counters, "errors", point) for point in points(DAY, interval, UTC)]


def with_examples(
    summaries: Sequence[Summary], interval: Interval = "hour"
) -> tuple[list[dict[Bucket, ErrorCounter]], list[ErrorCounter]]:
    """The counters of failures of these traces by point, and those that keep examples."""
    examples = within(counted(summaries), "examples", DAY)
    return failing(summaries, interval), list(examples.values())


def ran(quarter: int = 0, ms: int = 1_000, **reported: Any) -> Summary:
    """A trace of one model call in a quarter of the day."""
    start_ns = DAY.start_ns + quarter * QUARTER_NS + reported.pop("after_ns", 0)
    defaults: dict[str, Any] = {"model_provider": "openai", "model_name": "small", "cost_nano_usd": 7}
    return summary_of(call("root", start_ns=start_ns, end_ns=start_ns + ms * 10**6, **(defaults | reported)))


def failed(quarter: int = 0, error_type: str = "timeout", **reported: Any) -> Summary:
    return ran(quarter, **({"status": "error", "error_type": error_type} | reported))


def test_every_trace_counts_without_filters() -> None:
    total = total_of(measures(ran(), summary_of(fields())), ALL)
    assert (total.traces, total.calls) == (2, 1)


def test_a_trace_counts_where_it_has_a_call_of_the_selection() -> None:
    both = summary_of(fields(), call("a", "root", model_name="m"), call("b", "root", model_name="n"))
    total = total_of(measures(both, ran()), Selection({"model_name": "m"}))
    assert (total.traces, total.calls) == (1, 1)


def test_only_model_calls_are_calls() -> None:
    trace = summary_of(fields(operation_type="agent"), call("a", "root"), fields("b", operation_type="tool_call"))
    assert total_of(measures(trace), ALL).calls == 1


def test_spans_of_a_filtered_operation_are_calls() -> None:
    trace = summary_of(fields(operation_type="agent"), call("a", "root"), fields("b", operation_type="tool_call"))
    assert total_of(measures(trace), Selection({"operation_type": "tool_call"})).calls == 1


def test_grouped_by_operation_spans_of_all_operations_are_calls() -> None:
    trace = summary_of(fields(operation_type="agent"), call("a", "root"))
    total, groups = series_of([measures(trace)], Selection(by_operation=True), "operation_type", 10)
    assert total.calls == 2
    assert [(group.name, group.total.calls) for group in groups] == [("agent", 1), ("completion", 1)]


def test_a_charge_to_a_span_that_is_no_model_call_is_a_cost() -> None:
    trace = summary_of(fields(operation_type="agent", cost_nano_usd=11))
    total = total_of(measures(trace), ALL)
    assert (total.calls, total.cost_nano_usd) == (0, 11)


def test_failed_calls_are_errors() -> None:
    total = total_of(measures(ran(), failed(), failed()), ALL)
    assert (total.calls, total.errors) == (3, 2)


def test_failed_calls_and_calls_of_failed_traces_are_wasted() -> None:
    lost = summary_of(fields(status="error"), call("a", "root", cost_nano_usd=5))
    total = total_of(measures(ran(), failed(cost_nano_usd=3), lost), ALL)
    assert (total.cost_nano_usd, total.measures["wasted_nano_usd"]) == (15, 8)


@pytest.mark.parametrize(
    ("group_by", "expected"),
    [
        ("model_name", {"small": 3, "large": 1}),
        ("model_provider", {"openai": 2, "": 2}),
        ("status", {"success": 3, "error": 1}),
        (None, {"": 4}),
    ],
)
def test_groups_come_by_calls_and_then_by_name(group_by: str | None, expected: dict[str, int]) -> None:
    traces = [ran(), failed(), ran(model_provider=None), ran(model_provider=None, model_name="large")]
    _, groups = series_of([measures(*traces)], ALL, group_by, 10)
    assert [(group.name, group.total.calls) for group in groups] == sorted(
        expected.items(), key=lambda entry: (-entry[1], entry[0])
    )


def test_groups_beyond_the_limit_are_one() -> None:
    traces = [ran(model_name=name) for name in "aaabbcd"]
    _, groups = series_of([measures(*traces)], ALL, "model_name", 2)
    assert [(group.name, group.total.calls) for group in groups] == [("a", 3), ("b", 2), (OTHER, 2)]


def test_a_trace_counts_once_among_the_rest() -> None:
    both = summary_of(fields(), call("a", "root", model_name="m"), call("b", "root", model_name="n"))
    _, groups = series_of([measures(both, ran(), ran())], ALL, "model_name", 1)
    assert {group.name: group.total.traces for group in groups} == {"small": 2, OTHER: 1}


def test_a_group_without_calls_is_left_out() -> None:
    tool = summary_of(fields(operation_type="tool_call"), call("a", "root", model_name="m"))
    _, groups = series_of([measures(tool)], ALL, "model_name", 10)
    assert [group.name for group in groups] == ["m"]


def test_a_deleted_trace_leaves_no_group() -> None:
    counter, contribution = (
        MeasureCounter(),
        contributions_of("t", ran(), 0, str)[Bucket("measures", "day", DAY.start_ns // DAY_NS)],
    )
    counter.add(contribution, 1)  # type: ignore[arg-type]
    counter.add(contribution, -1)  # type: ignore[arg-type]
    total, groups = series_of([[counter]], ALL, "model_name", 10)
    assert (bool(total), groups) == (False, [])


def hourly(*summaries: Summary, zone: tzinfo = UTC) -> list[list[MarginalCounter]]:
    """The marginals of these traces at each hour of a day by the clocks of a zone."""
    counters = counted(summaries)
    return [
        [
            cast(MarginalCounter, counters[bucket])
            for bucket in hours_that_start_in("marginals", point)
            if bucket in counters
        ]
        for point in points(DAY, "hour", zone)
    ]


def test_services_come_by_calls_each_with_its_points() -> None:
    traces = [ran(0, service_name="shop"), ran(8, service_name="shop"), ran(4, service_name="cart"), ran(4)]
    groups = marginal_series(hourly(*traces), "service_name", 10)
    assert [(group.name, group.total.calls, group.total.traces) for group in groups] == [
        ("shop", 2, 2),
        ("", 1, 1),
        ("cart", 1, 1),
    ]
    assert [point.calls for point in groups[0].points[:4]] == [1, 0, 1, 0]


def test_services_beyond_the_limit_are_one() -> None:
    groups = marginal_series(hourly(*[ran(service_name=name) for name in "aaabbcd"]), "service_name", 2)
    assert [(group.name, group.total.calls) for group in groups] == [("a", 3), ("b", 2), (OTHER, 2)]


def test_in_a_zone_of_quarters_an_hour_of_services_counts_where_it_begins() -> None:
    series = marginal_series(hourly(ran(4, service_name="shop"), zone=ZoneInfo("Asia/Kathmandu")), "service_name", 2)
    cuts = [point.start_ns - DAY.start_ns for point in points(DAY, "hour", ZoneInfo("Asia/Kathmandu"))]
    assert [cuts[index] // QUARTER_NS for index, point in enumerate(series[0].points) if point.calls] == [1]


def test_every_point_has_an_aggregate() -> None:
    _, (group,) = series_of(at_point([ran(0), ran(5), ran(6)]), ALL, "model_name", 10)
    assert [point.calls for point in group.points] == [1, 2, *[0] * 22]


traces = st.lists(
    st.builds(
        ran,
        st.integers(0, 95),
        st.integers(0, 100_000),
        model_name=st.sampled_from(["a", "b", "c", None]),
        model_provider=st.sampled_from(["p", "q", None]),
        operation_type=st.sampled_from(["completion", "embedding", "tool_call", "agent"]),
        status=st.sampled_from(["success", "error", "pending"]),
        cost_nano_usd=st.integers(0, 10**12),
    ),
    max_size=20,
)
selections = st.builds(
    Selection,
    st.fixed_dictionaries(
        {},
        optional={
            "operation_type": st.sampled_from(["completion", "tool_call"]),
            "model_provider": st.sampled_from(["p", "r"]),
            "model_name": st.sampled_from(["a", "b"]),
        },
    ),
    st.booleans(),
)


@settings(max_examples=40)
@given(traces, selections, st.sampled_from(["model_name", "operation_type", "status", None]))
def test_aggregates_are_the_same_at_every_interval(
    summaries: list[Summary], selection: Selection, group_by: str | None
) -> None:
    results = []
    for interval in ("15m", "hour", "day"):
        total, groups = series_of(at_point(summaries, interval), selection, group_by, 2)
        results.append((total, [(group.name, group.total) for group in groups]))
        for group in groups:
            added = Aggregate()
            for point in group.points:
                added.add(point)
            assert added == group.total
    assert results[0] == results[1] == results[2]


@settings(max_examples=40)
@given(traces, selections)
def test_groups_add_up_to_the_total(summaries: list[Summary], selection: Selection) -> None:
    counters = measures(*summaries)
    added = Aggregate()
    for aggregate in aggregates_by(counters, selection, key_of_dimension("model_name")).values():
        added.add(aggregate)
    total = total_of(counters, selection)
    assert added.measures == total.measures


@given(
    st.dictionaries(st.integers(0, 300), st.integers(1, 1_000), min_size=1),
    st.lists(st.floats(0, 100), min_size=1, max_size=5),
)
def test_several_percentiles_equal_single_ones(histogram: dict[int, int], percents: list[float]) -> None:
    assert percentiles_us(histogram, percents) == [percentile_us(histogram, percent) for percent in percents]


def days_of(*summaries: Summary) -> list[ValueCounter]:
    """The counters of values of two days with these traces, the same on both."""
    counters = counted(summaries)
    of_day = [counter for bucket, counter in counters.items() if bucket.kind in ("values", "names")]
    return [cast(ValueCounter, counter) for counter in of_day] * 2


def test_conversations_beyond_the_limit_are_one() -> None:
    spent = [ran(conversation_id=name, cost_nano_usd=cost) for cost, name in enumerate("abcd", 1)]
    top = top_conversations_by_cost(days_of(*spent), 2)
    assert [(name, aggregate.cost_nano_usd, aggregate.traces) for name, aggregate in top] == [
        ("d", 8, 2),
        ("c", 6, 2),
        (OTHER, 6, 4),
    ]


def test_failed_calls_of_a_conversation_are_counted() -> None:
    ((_, aggregates),) = top_conversations_by_cost(days_of(failed(conversation_id="c"), ran(conversation_id="c")), 2)
    assert (aggregates.calls, aggregates.errors) == (4, 2)


def test_values_are_counted_over_all_days() -> None:
    assert values_of(days_of(ran(), ran(model_name="m")))["model_name"] == {"small": 2, "m": 2}


def test_the_most_expensive_traces_come_first() -> None:
    top = candidates_by_cost(days_of(ran(cost_nano_usd=1), ran(cost_nano_usd=3)))
    assert [cost for cost, _ in top] == [3, 3, 1, 1]


def test_failures_come_by_type_the_most_frequent_first() -> None:
    by_type = failures_by_type(failing([failed(0, "a"), failed(1, "b"), failed(9, "b"), ran()]), ALL, 10)
    assert [(name, failures.count, failures.counts[:3]) for name, failures in by_type.items()] == [
        ("b", 2, [1, 0, 1]),
        ("a", 1, [1, 0, 0]),
    ]


def test_types_beyond_the_limit_are_one() -> None:
    by_type = failures_by_type(failing([failed(0, "a"), failed(1, "a"), failed(2, "b"), failed(3, "c")]), ALL, 1)
    assert {name: failures.count for name, failures in by_type.items()} == {"a": 2, OTHER: 2}


def test_examples_of_types_beyond_the_limit_are_those_of_other() -> None:
    counters, examples = with_examples([failed(0, "a"), failed(1, "a"), failed(2, "b"), failed(3, "c")])
    by_type = failures_by_type(counters, ALL, 1, examples)
    assert {name: [span.kind.error_type for span in each.latest] for name, each in by_type.items()} == {
        "a": ["a", "a"],
        OTHER: ["c", "b"],
    }


def test_examples_are_filtered_by_time_and_by_the_failed_span() -> None:
    counters, (day,) = with_examples([failed(0, "a", model_name="m"), failed(0, "a"), failed(5, "a", model_name="m")])
    early = day.within(DAY.start_ns, DAY.start_ns + QUARTER_NS)
    by_type = failures_by_type(counters, Selection({"model_name": "m"}), 10, [early])
    assert [span.example.time_ns for span in by_type["a"].latest] == [DAY.start_ns]


def test_end_users_have_their_names_where_they_are_known() -> None:
    hours = [MarginalCounter({"end_user_id": {"hmac:1": Aggregate(1), "eve": Aggregate(2), "hmac:2": Aggregate(3)}})]
    (series,) = [marginal_series([hours], "end_user_id", 10, {"hmac:1": "eve"})]
    assert {group.name: group.total.traces for group in series} == {"eve": 3, "hmac:2": 3}


def test_failures_are_filtered_by_the_failed_span() -> None:
    by_type = failures_by_type(
        failing([failed(0, "a", model_name="m"), failed(0, "b")]), Selection({"model_name": "m"}), 10
    )
    assert list(by_type) == ["a"]


def test_the_first_failure_has_the_time_of_its_bucket_and_the_last_its_own() -> None:
    counters, examples = with_examples([failed(1), failed(9, after_ns=17)])
    by_type = failures_by_type(counters, ALL, 10, examples)
    assert by_type["timeout"].first is not None
    assert by_type["timeout"].first.start_ns == DAY.start_ns
    assert by_type["timeout"].last_ns == DAY.start_ns + 9 * QUARTER_NS + 17


def test_a_last_failure_without_an_example_has_the_time_of_its_bucket() -> None:
    assert FailuresOfType([1], Bucket("errors", "15m", 3), Bucket("errors", "15m", 5)).last_ns == 5 * QUARTER_NS


def test_the_latest_failed_calls_of_each_model_are_kept() -> None:
    _, counters = with_examples([failed(1, "old"), failed(2, "new"), ran()])
    latest = latest_failures(counters, ALL, lambda kind: kind.series[1:])
    assert [remembered.kind.error_type for remembered in latest["openai", "small"]] == ["new", "old"]


def test_a_failed_tool_is_not_the_last_error_of_a_provider() -> None:
    _, counters = with_examples([failed(1, operation_type="tool_call")])
    assert latest_failures(counters, ALL, lambda kind: kind.series.model_provider) == {}


def test_a_heatmap_has_each_call_in_the_row_of_its_latency() -> None:
    (heatmap,) = heatmaps_of(at_point([ran(0, 100), ran(0, 100), ran(4, 10_000)]), ALL, 10)
    assert [row[:2] for row in heatmap.counts if any(row)] == [[2, 0], [0, 1]]


@settings(max_examples=40)
@given(traces)
def test_heatmaps_contain_every_ended_call_in_at_most_sixteen_rows(summaries: list[Summary]) -> None:
    heatmaps = heatmaps_of(at_point(summaries), ALL, 10)
    ended = sum(sum(map(sum, heatmap.counts)) for heatmap in heatmaps)
    assert ended == total_of(measures(*summaries), Selection(by_operation=True)).calls
    for heatmap in heatmaps:
        assert len(heatmap.rows) <= 16
        assert [last + 1 for _, last in heatmap.rows[:-1]] == [first for first, _ in heatmap.rows[1:]]


def test_a_heatmap_is_filtered_by_model() -> None:
    (heatmap,) = heatmaps_of(at_point([ran(), ran(model_name="m")]), Selection({"model_name": "m"}), 10)
    assert sum(map(sum, heatmap.counts)) == 1


def aggregate_of(calls: int, errors: int = 0, ms: int = 1_000) -> Aggregate:
    total = total_of(measures(*[ran(ms=ms)] * calls), ALL)
    total.measures.numbers[NUMBERS.index("errors")] = errors
    return total


NAMES = [name for name, _ in WINDOWS]


@pytest.mark.parametrize(
    ("errors", "state"), [(0, "healthy"), (9, "healthy"), (10, "degraded"), (49, "degraded"), (50, "down")]
)
def test_the_share_of_failed_calls_decides_the_state(errors: int, state: str) -> None:
    verdict = judge([(NAMES[0], aggregate_of(100, errors))], aggregate_of(100))
    assert verdict.state == state
    assert f"{errors} of 100 calls failed in the last hour ({errors} %)" in verdict.reason


def test_calls_that_take_twice_as_long_are_degraded() -> None:
    verdict = judge([(NAMES[0], aggregate_of(20, ms=2_500))], aggregate_of(1_000))
    assert verdict.state == "degraded"
    assert "the p95 latency was" in verdict.reason


def test_calls_that_take_a_little_longer_are_healthy() -> None:
    assert judge([(NAMES[0], aggregate_of(20, ms=1_700))], aggregate_of(1_000)).state == "healthy"


def test_with_too_few_calls_the_verdict_uses_the_next_wider_window() -> None:
    windows = [(NAMES[0], aggregate_of(CALLS_LEAST - 1, CALLS_LEAST - 1)), (NAMES[1], aggregate_of(CALLS_LEAST))]
    verdict = judge(windows, aggregate_of(100))
    assert (verdict.state, "in the last 6 hours" in verdict.reason) == ("healthy", True)


@pytest.mark.parametrize(
    ("calls", "reason"),
    [
        (0, "No call in the last 24 hours: nothing to judge by."),
        (1, "1 call in the last 24 hours, 1 failed: too few to judge by."),
        (9, "9 calls in the last 24 hours, 1 failed: too few to judge by."),
    ],
)
def test_too_few_calls_are_healthy_and_the_reason_mentions_them(calls: int, reason: str) -> None:
    assert judge([(NAMES[2], aggregate_of(calls, min(calls, 1)))], aggregate_of(100)) == ("healthy", reason)


@given(st.integers(1, 3_000), st.integers(0, 96))
def test_the_windows_of_a_range_cover_it_without_gaps(length: int, offset: int) -> None:
    period = Period(DAY.start_ns + offset * QUARTER_NS, DAY.start_ns + (offset + length) * QUARTER_NS)
    windows = windows_of(period)
    assert (windows[-1].period.start_ns, windows[0].period.end_ns) == period
    for newer, older in pairwise(windows):
        assert newer.period.start_ns == older.period.end_ns
    assert all(window.period.start_ns < window.period.end_ns for window in windows)


def test_a_provider_has_the_verdict_of_its_newest_calls_and_the_total_of_all_calls() -> None:
    counters = counted([*[ran(0)] * 40, *[failed(93)] * 20])
    windows = [(window.name, list(within(counters, "measures", window.period).values())) for window in windows_of(DAY)]
    health = health_by(windows, ALL, lambda group: group.series.model_provider)["openai"]
    assert (health.total.calls, health.total.traces, health.now.state) == (60, 60, "down")
    assert health.now.reason == "20 of 20 calls failed in the last hour (100 %)."
