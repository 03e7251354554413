"""What one trace adds to the counters."""

import json
import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import START_NS, call, fields, spans_of, summary_of
from tracestore.domain.dimensions import MARGINALS, FailureKind, Series
from tracestore.domain.histogram import RELATIVE_ERROR, added, bounds_us, bucket_of, percentile_us
from tracestore.domain.spans import SpanFields
from tracestore.domain.stats import (
    FAILURES_KEPT,
    GROUPS_KEPT,
    KINDS_KEPT,
    MARGINAL_ROWS_KEPT,
    MARGINAL_VALUES_KEPT,
    NUMBERS,
    QUARTER_NS,
    QUARTERS_IN_HOUR,
    QUARTERS_KEPT,
    ROWS_KEPT,
    Aggregate,
    Marginal,
    MarginalRow,
    Measures,
    failures_of,
    marginal_rows,
    sums,
)
from tracestore.storage.codec import pack
from tracestore.storage.formats.stats import StoredStats, packed_measures, stats_document, unpacked_measures

durations = st.lists(st.integers(0, 10**11), min_size=1, max_size=60)
numbers = st.lists(st.integers(-(10**15), 10**15), min_size=len(NUMBERS), max_size=len(NUMBERS))


@given(durations, st.sampled_from([1, 50, 90, 95, 99, 100]))
def test_a_percentile_is_off_by_the_stated_error_at_most(durations_us: list[int], percent: int) -> None:
    histogram: dict[int, int] = {}
    for duration_us in durations_us:
        added(histogram, {bucket_of(duration_us): 1})
    exact = sorted(durations_us)[max(1, math.ceil(len(durations_us) * percent / 100)) - 1]
    percentile = percentile_us(histogram, percent)
    assert percentile is not None
    assert abs(percentile - exact) <= max(exact * RELATIVE_ERROR * 1.000001, 1)


@given(st.integers(0, 10**14))
def test_a_duration_lies_in_its_bucket(duration_us: int) -> None:
    low, high = bounds_us(bucket_of(duration_us))
    assert low * 0.999999 <= duration_us <= high * 1.000001


def test_there_is_no_percentile_of_nothing() -> None:
    assert percentile_us({}, 50) is None


@given(durations, durations)
def test_an_added_histogram_can_be_subtracted(some: list[int], others: list[int]) -> None:
    def counted(durations_us: list[int]) -> dict[int, int]:
        histogram: dict[int, int] = {}
        for duration_us in durations_us:
            added(histogram, {bucket_of(duration_us): 1})
        return histogram

    histogram = counted(some)
    added(histogram, counted(others))
    added(histogram, counted(others), -1)
    assert histogram == counted(some)


histograms = st.dictionaries(st.integers(0, 400), st.integers(-5, 10**6).filter(bool))


@given(numbers, histograms, histograms)
def test_measures_survive_being_packed(
    sent: list[int], latencies: dict[int, int], first_tokens: dict[int, int]
) -> None:
    measures = Measures(sent, latencies, first_tokens)
    assert unpacked_measures(*json.loads(json.dumps(packed_measures(measures)))) == measures


@given(numbers, histograms, histograms)
def test_measures_are_something_until_all_of_them_are_subtracted(
    sent: list[int], latencies: dict[int, int], first_tokens: dict[int, int]
) -> None:
    """Sums that differ in a histogram alone are no equal sums: two traces were exchanged for one another."""
    for part in (Measures(sent), Measures(latencies=latencies), Measures(first_tokens=first_tokens)):
        is_something = any(part.numbers) or bool(part.latencies) or bool(part.first_tokens)
        assert (bool(part), bool(part.nonzero()), bool(Aggregate(0, part))) == (is_something,) * 3
    total = Measures()
    for sign in (1, 1, -1, -1):
        total.add(Measures(sent, latencies, first_tokens), sign)
    assert (bool(total), total.nonzero(), bool(Aggregate(1, total))) == (False, {}, True)


trees = st.lists(
    st.fixed_dictionaries(
        {"operation_type": st.sampled_from(["completion", "embedding", "agent", "chain", "tool_call"])},
        optional={
            "parent": st.integers(0, 7),
            "input_tokens": st.integers(0, 50),
            "output_tokens": st.integers(0, 50),
            "cached_input_tokens": st.integers(0, 5),
            "time_to_first_token_ns": st.integers(0, 10**12),
            "cost_nano_usd": st.integers(0, 10**6),
            "status": st.sampled_from(["error", "success"]),
            "model_name": st.sampled_from(["a", "b"]),
        },
    ),
    min_size=1,
    max_size=8,
)


@given(trees)
@settings(max_examples=200)
def test_counters_and_summaries_agree_on_tokens_cost_and_calls(tree: list[dict[str, object]]) -> None:
    reported = []
    for number, values in enumerate(tree):
        parent = values.pop("parent", None)
        reported.append(fields(f"s{number}", parent_span_id=None if parent is None else f"s{parent}", **values))
    summary = summary_of(*reported)
    total, usage = sums(summary.stats.rows), summary.usage
    kinds = ("input_tokens", "output_tokens", "total_tokens", "cached_input_tokens")
    assert [total[kind] for kind in kinds] == [getattr(usage, kind) for kind in kinds]
    assert total["cost_nano_usd"] == (usage.cost_nano_usd or 0)
    assert total["calls"] == usage.llm_call_count
    assert total["wasted_nano_usd"] <= total["cost_nano_usd"]


def test_a_pending_call_is_not_counted() -> None:
    (row,) = summary_of(call("root", end_ns=None, input_tokens=7)).stats.rows
    assert (row.measures["calls"], row.measures["input_tokens"], row.measures.latencies) == (0, 7, {})


def test_a_latency_is_the_measured_duration_where_it_contradicts_the_end() -> None:
    (row,) = summary_of(call("root", end_ns=START_NS + 2 * 10**9, duration_ns=9 * 10**9)).stats.rows
    assert (row.measures["latency_us"], row.measures.latencies) == (9_000_000, {bucket_of(9_000_000): 1})


def test_times_to_the_first_token_are_those_of_ended_calls_that_report_one() -> None:
    first = {"time_to_first_token_ns": 300_000_999}
    rows = summary_of(
        fields("root", operation_type="agent", **first),
        call("a", "root", **first),
        call("b", "root"),
        call("c", "root", time_to_first_token_ns=0),
        call("pending", "root", end_ns=None, status=None, **first),
    ).stats.rows
    by_operation = {row.group.series.operation_type: row.measures for row in rows if row.measures["calls"]}
    calls, agent = by_operation["completion"], by_operation["agent"]
    assert (calls["first_token_us"], calls.first_tokens) == (300_000, {bucket_of(300_000): 1, 0: 1})
    assert (agent["first_token_us"], agent.first_tokens) == (300_000, {bucket_of(300_000): 1})
    assert sums(rows).first_tokens == calls.first_tokens
    assert sums(rows)["first_token_us"] == 300_000


def test_stats_without_times_to_the_first_token_have_no_place_for_them() -> None:
    without, with_it = (summary_of(call("root", time_to_first_token_ns=first_ns)).stats for first_ns in (None, 5))
    (numbers, *_), (more, *_) = (packed_measures(stats.rows[0].measures) for stats in (without, with_it))
    assert len(numbers) < len(NUMBERS) == len(more)


def test_a_span_that_adds_nothing_has_no_row() -> None:
    assert list(summary_of(fields("root", end_ns=None)).stats.rows) == []


def test_a_call_counts_when_it_began() -> None:
    late = START_NS + 3 * QUARTER_NS
    stats = summary_of(fields("root", end_ns=late), call("a", "root", start_ns=late, end_ns=late + 5)).stats
    assert {row.group.series.operation_type: row.quarter - START_NS // QUARTER_NS for row in stats.rows} == {
        "": 0,
        "completion": 3,
    }


@pytest.mark.parametrize(
    ("spans", "wasted"),
    [
        ((fields("root", operation_type="agent"), call("a", "root", cost_nano_usd=3)), 0),
        ((fields("root", operation_type="agent"), call("a", "root", cost_nano_usd=3, status="error")), 3),
        ((fields("root", operation_type="agent", status="error"), call("a", "root", cost_nano_usd=3)), 3),
        ((fields("root", operation_type="agent", status="error", cost_nano_usd=4),), 4),
        ((fields("root", operation_type="retrieval", status="error", cost_nano_usd=4),), 0),
    ],
    ids=["all went well", "failed call", "call of a failed trace", "cost on its wrapper", "no model call"],
)
def test_wasted_costs(spans: tuple[object, ...], wasted: int) -> None:
    assert sums(summary_of(*spans).stats.rows)["wasted_nano_usd"] == wasted  # type: ignore[arg-type]


def test_a_tool_call_that_its_server_reports_too_counts_once() -> None:
    client = fields("client", operation_type="tool_call", tool_name="add")
    server = fields("server", operation_type="tool_call", tool_name="add", parent_span_id="client")
    rows = summary_of(client, server).stats.rows
    assert [row.measures["calls"] for row in rows if row.group.series.operation_type == "tool_call"] == [1]


def test_a_failure_counts_where_it_began() -> None:
    stats = summary_of(
        fields("root", operation_type="agent", error_type="Chain"),
        fields("chain", parent_span_id="root", operation_type="chain", error_type="Chain"),
        call("a", "chain", model_provider="openai", error_type="Timeout", error_message="too late"),
        call("b", "chain", error_type="Timeout", start_ns=START_NS + 5, error_message="too late again"),
        fields("alone", parent_span_id="root", operation_type="tool_call", status="error"),
    ).stats
    failures = {failure.kind: (failure.failed, failure.example.message) for failure in failures_of(stats, "t")}
    assert failures == {
        FailureKind(Series("completion", "openai", ""), "Timeout"): (1, "too late"),
        FailureKind(Series("completion", "", ""), "Timeout"): (1, "too late again"),
        FailureKind(Series("tool_call", "", ""), "unknown"): (1, ""),
    }


@pytest.mark.parametrize("failed", ["first", "second"])
def test_a_failure_counts_where_it_began_also_next_to_successful_calls(failed: str) -> None:
    calls = [call(name, "root", error_type="E" if name == failed else None) for name in ("first", "second")]
    stats = summary_of(fields("root", operation_type="agent", error_type="E"), *calls).stats
    assert [failure.kind.series.operation_type for failure in failures_of(stats, "t")] == ["completion"]


def test_the_example_of_a_failure_is_its_latest() -> None:
    stats = summary_of(
        *(
            call(f"s{number}", error_type="E", error_message=f"{number}", start_ns=START_NS + number)
            for number in range(3)
        )
    ).stats
    (failure,) = failures_of(stats, "t")
    assert (failure.failed, failure.example) == (3, (START_NS + 2, "t", "call.s2", "2"))


def test_groups_beyond_the_limit_of_a_head_are_other() -> None:
    many = [call(f"s{number}", model_name=f"m{number:04}") for number in range(GROUPS_KEPT + 20)]
    rows = list(summary_of(*many).stats.rows)
    assert len(rows) == GROUPS_KEPT + 1
    assert {row.group.series.model_name: row.measures["calls"] for row in rows}["other"] == 20


def test_spans_scattered_over_too_many_times_count_when_the_trace_began() -> None:
    many = [
        call(f"s{number}", start_ns=START_NS - number * QUARTER_NS, end_ns=None) for number in range(QUARTERS_KEPT + 1)
    ]
    first = START_NS // QUARTER_NS - QUARTERS_KEPT
    assert {row.quarter for row in summary_of(*many).stats.rows} == {first}


def test_operations_beyond_the_groups_that_a_head_keeps_are_other_but_calls_stay_calls() -> None:
    """Operations are an open list: without a limit a head would outgrow its item."""
    many = [fields(f"s{number}", operation_type=f"a{number:04}") for number in range(GROUPS_KEPT + 20)]
    groups = {row.group for row in summary_of(*many, call("a"), fields("b", operation_type="tool")).stats.rows}
    assert len(groups) == GROUPS_KEPT + 2
    assert {group.series.operation_type for group in groups if group.series.model_name == "other"} == {
        "other",
        "completion",
    }


def test_a_trace_of_many_groups_at_many_times_counts_when_it_began() -> None:
    many = [
        call(f"s{number}", model_name=f"m{number % 40}", start_ns=START_NS + number // 40 * QUARTER_NS, end_ns=None)
        for number in range(ROWS_KEPT + 1)
    ]
    assert {row.quarter for row in summary_of(*many[:-1]).stats.rows} == {
        START_NS // QUARTER_NS + number for number in range(ROWS_KEPT // 40)
    }
    assert {row.quarter for row in summary_of(*many).stats.rows} == {START_NS // QUARTER_NS}


def test_types_of_failures_beyond_what_a_head_keeps_are_other() -> None:
    """Some clients put an id into the type."""
    many = [call(f"s{number}", model_name="m", error_type=f"E{number:04}") for number in range(KINDS_KEPT + 20)]
    failures = {failure.kind: failure.failed for failure in failures_of(summary_of(*many).stats, "t")}
    assert len(failures) == KINDS_KEPT + 1
    assert failures[FailureKind(Series("completion", "", "m"), "other")] == 20


def test_failures_of_many_kinds_at_many_times_count_when_the_trace_began() -> None:
    many = [
        call(f"s{number}", error_type=f"E{number % 10}", start_ns=START_NS + number // 10 * QUARTER_NS, end_ns=None)
        for number in range(FAILURES_KEPT + 1)
    ]
    assert len({failure.quarter for failure in failures_of(summary_of(*many[:-1]).stats, "t")}) == FAILURES_KEPT // 10
    failures = list(failures_of(summary_of(*many).stats, "t"))
    assert {failure.quarter for failure in failures} == {START_NS // QUARTER_NS}
    assert sum(failure.failed for failure in failures) == FAILURES_KEPT + 1


def test_stats_stay_far_below_the_limit_of_an_item() -> None:
    """Failed spans that share nothing, scattered over a day."""
    rng = random.Random(1)
    many = [
        call(
            f"s{number}",
            **{name: rng.randbytes(30).hex() for name in ("operation_type", "model_name", "error_type")},
            error_message=rng.randbytes(100).hex(),
            start_ns=START_NS + number % 100 * QUARTER_NS,
            end_ns=None,
        )
        for number in range(4_000)
    ]
    assert len(pack(stats_document(summary_of(*many).stats))) < 60_000


def test_stats_are_the_same_after_json() -> None:
    """Otherwise a head would differ from the stored one, and be stored again with every retry."""
    stats = summary_of(*(span.fields for span in spans_of(call("a", error_type="E"), call("b", "a")))).stats
    stored = StoredStats(json.loads(json.dumps(stats_document(stats))))
    assert stored == stats
    assert stats == stored
    assert (stored.rows, stored.failures, stored.marginals) == (stats.rows, stats.failures, stats.marginals)


def services_of(*spans: SpanFields) -> Marginal:
    """The marginal of a trace's services, as its head keeps it."""
    return summary_of(*spans).stats.marginals[MARGINALS.index("service_name")]


def test_a_trace_of_one_service_stores_its_name_alone() -> None:
    """The services of spans without measures do not matter."""
    spans = [fields("root", service_name="web", end_ns=None), call("a", "root", service_name="shop")]
    assert services_of(*spans) == "shop"


@pytest.mark.parametrize("spans", [[fields("root", end_ns=None)], [call("a")]], ids=["nothing counts", "no service"])
def test_a_trace_without_a_service_stores_an_empty_name(spans: list[SpanFields]) -> None:
    assert services_of(*spans) == ""


def marginal_of(*spans: SpanFields) -> dict[str, Measures]:
    """The measures of each service of a trace."""
    totals: dict[str, Measures] = {}
    for row in dict(marginal_rows(summary_of(*spans).stats))["service_name"]:
        totals.setdefault(row.value, Measures()).add(row.measures)
    return totals


@given(trees, st.integers(1, 3))
@settings(max_examples=200)
def test_the_shares_of_all_services_add_up_to_the_trace(tree: list[dict[str, object]], services: int) -> None:
    reported = []
    for number, values in enumerate(tree):
        parent = values.pop("parent", None)
        values |= {"service_name": f"s{number % services}", "start_ns": START_NS + number * 3 * QUARTER_NS}
        values["end_ns"] = START_NS + number * 3 * QUARTER_NS + 5_000
        reported.append(fields(f"s{number}", parent_span_id=None if parent is None else f"s{parent}", **values))
    total = Measures()
    for measures in marginal_of(*reported).values():
        total.add(measures)
    assert total == sums(summary_of(*reported).stats.rows)


def test_services_beyond_what_a_head_keeps_are_other() -> None:
    many = [call(f"s{number}", service_name=f"n{number:04}") for number in range(MARGINAL_VALUES_KEPT + 20)]
    shares = marginal_of(*many)
    assert len(shares) == MARGINAL_VALUES_KEPT + 1
    assert shares["other"]["calls"] == 20


def test_services_at_too_many_hours_count_when_the_trace_began() -> None:
    many = [
        call(
            f"s{number}", service_name=f"n{number % 40}", start_ns=START_NS + number // 40 * 4 * QUARTER_NS, end_ns=None
        )
        for number in range(MARGINAL_ROWS_KEPT + 1)
    ]
    first = START_NS // (QUARTERS_IN_HOUR * QUARTER_NS)
    for spans, hours in ((many[:-1], MARGINAL_ROWS_KEPT // 40), (many, 1)):
        marginal = services_of(*spans)
        assert {row.hour for row in marginal if isinstance(row, MarginalRow)} == set(range(first, first + hours))


@pytest.mark.parametrize("others", [[], [call("other", service_name="cart")]], ids=["one service", "two services"])
def test_a_trace_counts_for_the_services_of_its_calls_and_for_all_its_tools(others: list[SpanFields]) -> None:
    """Whatever else the service does in the same hour. A tool that costs something is no call of its service."""
    tool = fields("tool", operation_type="tool_call", tool_name="search", service_name="shop", cost_nano_usd=5)

    def with_call(name: str, *spans: SpanFields) -> dict[str, bool]:
        return {row.value: row.has_call for row in dict(marginal_rows(summary_of(*spans, *others).stats))[name]}

    carts = {"cart": True} if others else {}
    assert with_call("service_name", call("a", service_name="shop"), tool) == {"shop": True, **carts}
    assert with_call("service_name", tool) == {"shop": False, **carts}
    assert with_call("tool_name", tool) == {"search": True}


def test_long_names_are_cut() -> None:
    (row,) = summary_of(call("root", model_name="m" * 500)).stats.rows
    assert len(row.group.series.model_name) == 128
