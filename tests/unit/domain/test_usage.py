"""Each model call counts once, however many spans tell of it."""

import random
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import START_NS, fields, spans_of
from tracestore.domain.spans import SpanFields
from tracestore.domain.tree import tree_order
from tracestore.domain.usage import Usage, charges_of, usage_of


def usage(*spans: SpanFields) -> Usage:
    return usage_of(nodes := tree_order(spans_of(*spans)), charges_of(nodes))


def call(span_id: str, **more: Any) -> SpanFields:
    defaults = {"operation_type": "completion", "input_tokens": 10, "output_tokens": 2}
    return fields(span_id, **{**defaults, **more})


def test_calls_beside_each_other_add_up() -> None:
    total = usage(fields("root", operation_type="agent"), *(call(f"c{n}", parent_span_id="root") for n in range(500)))
    assert (total.llm_call_count, total.input_tokens, total.total_tokens) == (500, 5_000, 6_000)


def test_a_wrapper_repeats_what_its_calls_used() -> None:
    wrapper = fields("root", operation_type="agent", input_tokens=20, output_tokens=4)
    total = usage(wrapper, call("a", parent_span_id="root"), call("b", parent_span_id="root"))
    assert (total.llm_call_count, total.input_tokens, total.output_tokens) == (2, 20, 4)


def test_a_wrapper_alone_tells_what_was_used() -> None:
    assert usage(fields("root", operation_type="agent", input_tokens=20)).input_tokens == 20


def test_a_framework_around_a_library_is_one_call() -> None:
    total = usage(call("framework"), call("library", parent_span_id="framework"))
    assert (total.llm_call_count, total.input_tokens) == (1, 10)


def test_a_call_that_leads_to_another_is_two() -> None:
    total = usage(call("outer"), call("inner", parent_span_id="outer", input_tokens=7))
    assert (total.llm_call_count, total.input_tokens) == (2, 17)


def test_two_scopes_that_tell_of_one_call_side_by_side_count_once() -> None:
    root = fields("root", operation_type="chain")
    one = call("one", parent_span_id="root", scope_name="a framework", start_ns=100, end_ns=900)
    two = call("two", parent_span_id="root", scope_name="a library", start_ns=200, end_ns=800)
    assert (usage(root, one, two).llm_call_count, usage(root, one, two).input_tokens) == (1, 10)


def test_parallel_calls_of_one_scope_or_of_none_stay_apart() -> None:
    root = fields("root", operation_type="chain")
    for scope in ({}, {"scope_name": "a library"}):
        calls = [call(f"c{n}", parent_span_id="root", start_ns=100 + n, end_ns=900 - n, **scope) for n in range(2)]
        assert usage(root, *calls).input_tokens == 20


def test_one_call_after_the_other_is_two_whoever_tells() -> None:
    root = fields("root", operation_type="chain")
    one = call("one", parent_span_id="root", scope_name="a framework", start_ns=100, end_ns=200)
    two = call("two", parent_span_id="root", scope_name="a library", start_ns=300, end_ns=400)
    assert usage(root, one, two).llm_call_count == 2


def test_no_cost_is_not_a_cost_of_zero() -> None:
    assert usage(call("a")).cost_nano_usd is None
    assert usage(call("a", cost_nano_usd=0)).cost_nano_usd == 0


def test_who_repeats_the_tokens_of_a_call_does_not_add_its_cost() -> None:
    total = usage(call("framework", cost_nano_usd=6), call("library", parent_span_id="framework", cost_nano_usd=5))
    assert total.cost_nano_usd == 5


def test_a_cost_that_only_the_wrapper_tells_counts() -> None:
    wrapper = fields("root", operation_type="agent", input_tokens=10, output_tokens=2, cost_nano_usd=9)
    assert usage(wrapper, call("a", parent_span_id="root")).cost_nano_usd == 9


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.integers(1, 3)), min_size=1, max_size=10))
@settings(max_examples=150, deadline=None)
def test_wrappers_around_the_calls_change_nothing(calls: list[tuple[int, bool, int]]) -> None:
    """Each call may be repeated by the client's span inside it, and wrappers of any depth repeat the sums."""
    told = []
    for number, (depth, is_repeated, tokens) in enumerate(calls):
        used = {"input_tokens": tokens, "output_tokens": 1, "cost_nano_usd": tokens}
        above = "root"
        for level in range(depth):
            told.append(fields(f"w{number}.{level}", parent_span_id=above, operation_type="agent", **used))
            above = f"w{number}.{level}"
        told.append(call(f"c{number}", parent_span_id=above, **used))
        if is_repeated:
            told.append(call(f"c{number}.inner", parent_span_id=f"c{number}", **used))
    tokens = sum(tokens for _, _, tokens in calls)
    sums = {"input_tokens": tokens, "output_tokens": len(calls), "cost_nano_usd": tokens}
    total = usage(fields("root", operation_type="agent", **sums), *told)
    assert (total.input_tokens, total.output_tokens, total.cost_nano_usd) == (tokens, len(calls), tokens)
    assert total.llm_call_count == len(calls)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 4), st.sampled_from("ab")), max_size=6), st.randoms())
@settings(max_examples=150, deadline=None)
def test_which_of_two_tellers_counts_does_not_depend_on_their_order(
    told: list[tuple[int, int, str]], random: random.Random
) -> None:
    root = fields("root", operation_type="chain")
    calls = [
        call(f"c{number}", parent_span_id="root", scope_name=scope, start_ns=start, end_ns=start + length)
        for number, (start, length, scope) in enumerate(told)
    ]
    assert usage(root, *random.sample(calls, len(calls))) == usage(root, *calls)


def test_calls_that_overlap_each_find_the_twin_that_fits() -> None:
    root = fields("root", operation_type="chain")
    times = {"one": (0, 100), "two": (1, 60), "two's": (2, 59), "one's": (3, 99)}
    calls = [
        call(name, parent_span_id="root", scope_name="library" if "'" in name else "framework", start_ns=a, end_ns=b)
        for name, (a, b) in times.items()
    ]
    assert usage(root, *calls).llm_call_count == 2


@pytest.mark.parametrize(
    ("shape", "scopes", "pause_ns"),
    [("flat", 0, 0), ("deep", 0, 0), ("deep", 2, 0), ("flat", 2, 0), ("flat", 2, 2_000_000), ("flat", 1, 0)],
)
def test_the_usage_of_10000_calls_is_summed_in_less_than_a_second(shape: str, scopes: int, pause_ns: int) -> None:
    told = [
        call(
            f"{n}",
            parent_span_id=("0" if shape == "flat" else f"{n - 1}") if n else None,
            scope_name=f"s{n * scopes // 10_000}" if scopes else None,
            start_ns=START_NS + n * pause_ns,
            end_ns=START_NS + n * pause_ns + 1_000_000,
        )
        for n in range(10_000)
    ]
    nodes = tree_order(spans_of(*told))
    began = time.process_time()
    usage_of(nodes, charges_of(nodes))
    assert time.process_time() - began < 1
