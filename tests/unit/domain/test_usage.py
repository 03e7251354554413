"""Each model call counts once, however many spans report it."""

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import START_NS, fields, spans_of
from tests.timing import processor_time
from tracestore.domain.spans import SpanFields
from tracestore.domain.tree import tree_order
from tracestore.domain.usage import Usage, charges_of, usage_of


def usage(*spans: SpanFields) -> Usage:
    return usage_of(nodes := tree_order(spans_of(*spans)), charges_of(nodes))


def call(span_id: str, **more: Any) -> SpanFields:
    defaults = {"operation_type": "completion", "input_tokens": 10, "output_tokens": 2}
    return fields(span_id, **{**defaults, **more})


def test_sibling_calls_add_up() -> None:
    total = usage(fields("root", operation_type="agent"), *(call(f"c{n}", parent_span_id="root") for n in range(500)))
    assert (total.llm_call_count, total.input_tokens, total.total_tokens) == (500, 5_000, 6_000)


def test_the_tokens_of_a_wrapper_are_not_added_to_those_of_its_calls() -> None:
    wrapper = fields("root", operation_type="agent", input_tokens=20, output_tokens=4)
    total = usage(wrapper, call("a", parent_span_id="root"), call("b", parent_span_id="root"))
    assert (total.llm_call_count, total.input_tokens, total.output_tokens) == (2, 20, 4)


def test_the_tokens_of_a_wrapper_without_calls_count() -> None:
    assert usage(fields("root", operation_type="agent", input_tokens=20)).input_tokens == 20


def test_a_framework_span_around_a_library_span_is_one_call() -> None:
    total = usage(call("framework"), call("library", parent_span_id="framework"))
    assert (total.llm_call_count, total.input_tokens) == (1, 10)


def test_nested_calls_with_different_tokens_are_two_calls() -> None:
    total = usage(call("outer"), call("inner", parent_span_id="outer", input_tokens=7))
    assert (total.llm_call_count, total.input_tokens) == (2, 17)


@pytest.mark.parametrize(
    ("outer", "inner"),
    [
        ({"input_tokens": 100, "output_tokens": 50}, {"input_tokens": 150, "output_tokens": 50}),
        ({"input_tokens": 150, "output_tokens": 20}, {"input_tokens": 150, "output_tokens": 50}),
        ({"input_tokens": 150, "output_tokens": 0}, {"input_tokens": 150, "output_tokens": 50}),
        ({"input_tokens": 150}, {"input_tokens": 150, "output_tokens": 50}),
    ],
)
def test_a_call_within_a_call_of_the_same_model_is_one_call_and_the_inner_one_counts(
    outer: dict[str, int], inner: dict[str, int]
) -> None:
    for between in (None, "http"):
        spans = [fields("outer", operation_type="completion", model_name="gpt-4o", **outer)]
        if between:
            spans.append(fields("between", operation_type=between, parent_span_id="outer"))
        parent = "between" if between else "outer"
        within = {"model_name": "gpt-4o-2024-08-06", "parent_span_id": parent, **inner}
        total = usage(*spans, fields("inner", operation_type="completion", **within))
        assert (total.llm_call_count, total.input_tokens, total.output_tokens) == (1, 150, 50)


@pytest.mark.parametrize(
    "inner", [{"input_tokens": 150}, {"input_tokens": 170, "output_tokens": 0}, {"output_tokens": 50}]
)
def test_the_outer_call_counts_where_the_inner_one_lacks_its_input_or_its_output(inner: dict[str, int]) -> None:
    counts = {"input_tokens": 150, "output_tokens": 50, "cost_nano_usd": 7}
    outer = fields("outer", operation_type="completion", model_name="m", **counts)
    within = {"operation_type": "completion", "model_name": "m", "parent_span_id": "outer", "cost_nano_usd": 5}
    total = usage(outer, fields("inner", **within, **inner))
    assert (total.llm_call_count, total.input_tokens, total.output_tokens, total.cost_nano_usd) == (1, 150, 50, 7)
    calls = [fields(f"inner{number}", **within, **inner) for number in range(2)]
    assert usage(outer, *calls).llm_call_count == 2


@pytest.mark.parametrize("between", [None, "http", "other"])
def test_a_tool_call_on_the_server_repeats_that_of_its_client(between: str | None) -> None:
    spans = [fields("client", operation_type="tool_call", tool_name="add")]
    if between:
        spans.append(fields("between", operation_type=between, parent_span_id="client"))
    parent = "between" if between else "client"
    spans.append(fields("server", operation_type="tool_call", tool_name="add", parent_span_id=parent))
    nodes = tree_order(spans_of(*spans))
    repeated = {node.span.span_id for node, charge in zip(nodes, charges_of(nodes), strict=True) if charge.is_repeated}
    assert repeated == {"server"}


@pytest.mark.parametrize(
    ("between", "tool"), [("agent", "add"), ("completion", "add"), ("other", "sum"), ("other", None)]
)
def test_a_tool_call_by_an_agent_or_of_another_tool_is_its_own(between: str, tool: str | None) -> None:
    nodes = tree_order(
        spans_of(
            fields("outer", operation_type="tool_call", tool_name="add"),
            fields("between", operation_type=between, parent_span_id="outer"),
            fields("inner", operation_type="tool_call", parent_span_id="between", tool_name=tool),
        )
    )
    assert not any(charge.is_repeated for charge in charges_of(nodes))


def test_two_calls_of_one_model_under_one_parent_are_two_calls() -> None:
    for operation in ("agent", "completion"):
        parent = fields("parent", operation_type=operation, model_name="m", input_tokens=90, output_tokens=9)
        calls = [call(f"c{number}", parent_span_id="parent", model_name="m") for number in range(2)]
        total = usage(parent, *calls)
        assert (total.llm_call_count, total.input_tokens, total.output_tokens) == (2, 20, 4)


@pytest.mark.parametrize("operation", ["tool_call", "agent"])
def test_a_call_by_a_tool_or_an_agent_that_a_call_used_is_its_own(operation: str) -> None:
    outer = call("outer", model_name="m", input_tokens=30)
    used = fields("used", operation_type=operation, parent_span_id="outer")
    total = usage(outer, used, call("inner", model_name="m", parent_span_id="used"))
    assert (total.llm_call_count, total.input_tokens) == (2, 40)


def test_a_call_of_another_model_within_a_call_is_its_own() -> None:
    total = usage(call("outer", model_name="m"), call("inner", model_name="n", parent_span_id="outer", input_tokens=7))
    assert (total.llm_call_count, total.input_tokens) == (2, 17)


def test_a_span_without_usage_within_a_call_with_usage_is_no_further_call() -> None:
    calls = []
    for number in range(6):
        calls.append(call(f"node{number}", model_name="m"))
        request = {"operation_type": "completion", "model_name": "m", "parent_span_id": f"node{number}"}
        calls.append(fields(f"request{number}", **request))
    assert usage(*calls).llm_call_count == 6


def test_a_failed_attempt_within_a_call_is_a_call() -> None:
    failed = fields("failed", operation_type="completion", model_name="m", parent_span_id="outer", status="error")
    assert usage(call("outer", model_name="m"), failed).llm_call_count == 2


def test_records_of_usage_next_to_calls_count_nothing() -> None:
    spans = [fields("agent", operation_type="agent", scope_name="s")]
    for number in range(2):
        counts = {"model_name": "gpt-4o-mini", "input_tokens": 1_000, "output_tokens": 175, "scope_name": "s"}
        record = {"operation_type": "other", "parent_span_id": "agent", "cost_nano_usd": 255_000, **counts}
        made = {"operation_type": "completion", "parent_span_id": "agent", "cost_nano_usd": 255_000, **counts}
        spans += [fields(f"call{number}", **made), fields(f"record{number}", **record)]
    total = usage(*spans)
    assert (total.llm_call_count, total.input_tokens, total.cost_nano_usd) == (2, 2_000, 510_000)
    other = fields("other", operation_type="other", parent_span_id="agent", input_tokens=7, scope_name="another")
    assert usage(*spans, other).input_tokens == 2_007


def test_sibling_spans_of_two_scopes_about_one_call_count_once() -> None:
    root = fields("root", operation_type="chain")
    framework = call("framework", parent_span_id="root", scope_name="a framework", start_ns=100, end_ns=900)
    library = call("library", parent_span_id="root", scope_name="a library", start_ns=200, end_ns=800)
    assert (usage(root, framework, library).llm_call_count, usage(root, framework, library).input_tokens) == (1, 10)


def test_a_framework_that_keeps_its_spans_to_itself_and_the_library_that_it_calls_report_one_call() -> None:
    framework = {"scope_name": "framework", "end_ns": START_NS + 90, "model_name": "claude-sonnet-4-5"}
    library = {"scope_name": "library", "start_ns": START_NS + 10, "end_ns": START_NS + 80}
    spans = [
        fields("request", operation_type="http"),
        fields("agent", operation_type="agent", parent_span_id="request"),
        call("framework", parent_span_id="agent", **framework),
    ]
    total = usage(*spans, call("library", parent_span_id="request", model_name="claude-sonnet-4-5-20250929", **library))
    assert (total.llm_call_count, total.input_tokens) == (1, 10)
    # Another model, or an agent next to this one, makes another call.
    assert usage(*spans, call("library", parent_span_id="request", model_name="gpt-4o", **library)).llm_call_count == 2
    apart = fields("other agent", operation_type="agent", parent_span_id="request")
    assert usage(*spans, apart, call("library", parent_span_id="other agent", **library)).llm_call_count == 2


def test_spans_of_two_scopes_with_the_id_of_one_response_are_one_call_and_the_inner_one_counts() -> None:
    outer = {"scope_name": "framework", "call_key": "msg_1", "output_tokens": 48, "end_ns": START_NS + 90}
    inner = {"scope_name": "library", "call_key": "msg_1", "start_ns": START_NS + 10, "end_ns": START_NS + 80}
    root = fields("root", operation_type="agent")
    spans = [call("outer", parent_span_id="root", **outer), call("inner", parent_span_id="root", **inner)]
    total = usage(root, *spans)
    assert (total.llm_call_count, total.input_tokens, total.output_tokens) == (1, 10, 2)
    spans[1]["call_key"] = "msg_2"
    assert usage(root, *spans).llm_call_count == 2


def test_the_report_of_a_stream_is_the_call_that_requested_it() -> None:
    def request(span_id: str, start_ns: int) -> SpanFields:
        more = {"scope_name": "logfire.openai", "model_name": "gpt-4o-mini", "parent_span_id": "root"}
        return fields(span_id, operation_type="completion", start_ns=start_ns, end_ns=start_ns + 5, **more)

    def report(span_id: str, at_ns: int, model: str = "gpt-4o-mini-2024-07-18") -> SpanFields:
        more = {"scope_name": "logfire.openai", "model_name": model, "parent_span_id": "root"}
        return call(span_id, start_ns=at_ns, end_ns=at_ns, **more)

    root = fields("root", operation_type="http")
    total = usage(root, request("a", START_NS), report("b", START_NS + 20))
    assert (total.llm_call_count, total.input_tokens) == (1, 10)
    requests = [request("a", START_NS), request("c", START_NS + 1)]
    total = usage(root, *requests, report("b", START_NS + 20), report("d", START_NS + 21))
    assert (total.llm_call_count, total.input_tokens) == (2, 20)
    # A report of another model, one before the request, and one request more than reports.
    assert usage(root, request("a", START_NS), report("b", START_NS + 20, "gpt-5")).llm_call_count == 2
    assert usage(root, report("b", START_NS), request("a", START_NS + 20)).llm_call_count == 2
    assert usage(root, *requests, report("b", START_NS + 20)).llm_call_count == 2


def test_parallel_calls_of_one_scope_or_without_a_scope_count_separately() -> None:
    root = fields("root", operation_type="chain")
    for scope in ({}, {"scope_name": "a library"}):
        calls = [call(f"c{n}", parent_span_id="root", start_ns=100 + n, end_ns=900 - n, **scope) for n in range(2)]
        assert usage(root, *calls).input_tokens == 20


def test_consecutive_spans_of_two_scopes_are_two_calls() -> None:
    root = fields("root", operation_type="chain")
    framework = call("framework", parent_span_id="root", scope_name="a framework", end_ns=START_NS + 100)
    later = {"start_ns": START_NS + 200, "end_ns": START_NS + 300}
    library = call("library", parent_span_id="root", scope_name="a library", **later)
    assert usage(root, framework, library).llm_call_count == 2


def test_an_absent_cost_is_not_a_cost_of_zero() -> None:
    assert usage(call("a")).cost_nano_usd is None
    assert usage(call("a", cost_nano_usd=0)).cost_nano_usd == 0


def test_a_span_that_repeats_the_tokens_of_a_call_does_not_add_its_cost() -> None:
    total = usage(call("framework", cost_nano_usd=6), call("library", parent_span_id="framework", cost_nano_usd=5))
    assert total.cost_nano_usd == 5


def test_a_cost_that_only_the_wrapper_reports_counts() -> None:
    wrapper = fields("root", operation_type="agent", input_tokens=10, output_tokens=2, cost_nano_usd=9)
    assert usage(wrapper, call("a", parent_span_id="root")).cost_nano_usd == 9


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.integers(1, 3)), min_size=1, max_size=10))
@settings(max_examples=150, deadline=None)
def test_wrappers_around_calls_do_not_change_the_usage(calls: list[tuple[int, bool, int]]) -> None:
    """A client library's span inside each call may repeat it, and wrappers of any depth repeat the sums."""
    reported = []
    for number, (depth, is_repeated, tokens) in enumerate(calls):
        used = {"input_tokens": tokens, "output_tokens": 1, "cost_nano_usd": tokens}
        parent = "root"
        for level in range(depth):
            reported.append(fields(f"w{number}.{level}", parent_span_id=parent, operation_type="agent", **used))
            parent = f"w{number}.{level}"
        reported.append(call(f"c{number}", parent_span_id=parent, **used))
        if is_repeated:
            reported.append(call(f"c{number}.inner", parent_span_id=f"c{number}", **used))
    tokens = sum(tokens for _, _, tokens in calls)
    sums = {"input_tokens": tokens, "output_tokens": len(calls), "cost_nano_usd": tokens}
    total = usage(fields("root", operation_type="agent", **sums), *reported)
    assert (total.input_tokens, total.output_tokens, total.cost_nano_usd) == (tokens, len(calls), tokens)
    assert total.llm_call_count == len(calls)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 4), st.sampled_from("ab")), max_size=6), st.randoms())
@settings(max_examples=150, deadline=None)
def test_the_usage_does_not_depend_on_the_order_of_overlapping_calls(
    intervals: list[tuple[int, int, str]], random: random.Random
) -> None:
    root = fields("root", operation_type="chain")
    calls = [
        call(f"c{number}", parent_span_id="root", scope_name=scope, start_ns=start, end_ns=start + length)
        for number, (start, length, scope) in enumerate(intervals)
    ]
    assert usage(root, *random.sample(calls, len(calls))) == usage(root, *calls)


def test_overlapping_calls_are_each_paired_with_their_tightest_duplicate() -> None:
    root = fields("root", operation_type="chain")
    times = {"one": (0, 100), "two": (1, 60), "two's": (2, 59), "one's": (3, 99)}
    calls = [
        call(
            name,
            parent_span_id="root",
            scope_name="library" if "'" in name else "framework",
            start_ns=start,
            end_ns=end,
        )
        for name, (start, end) in times.items()
    ]
    assert usage(root, *calls).llm_call_count == 2


@pytest.mark.parametrize(
    ("shape", "scopes", "pause_ns"),
    [("flat", 0, 0), ("deep", 0, 0), ("deep", 2, 0), ("flat", 2, 0), ("flat", 2, 2_000_000), ("flat", 1, 0)],
)
def test_the_usage_of_10000_calls_is_summed_in_less_than_a_second(shape: str, scopes: int, pause_ns: int) -> None:
    calls = [
        call(
            f"{n}",
            parent_span_id=("0" if shape == "flat" else f"{n - 1}") if n else None,
            scope_name=f"s{n * scopes // 10_000}" if scopes else None,
            start_ns=START_NS + n * pause_ns,
            end_ns=START_NS + n * pause_ns + 1_000_000,
        )
        for n in range(10_000)
    ]
    nodes = tree_order(spans_of(*calls))
    with processor_time() as used:
        usage_of(nodes, charges_of(nodes))
    assert used.seconds < 1
