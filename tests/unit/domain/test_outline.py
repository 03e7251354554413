"""The rows of an outline add up to the summary, and its marks name the spans that matter."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.builders import START_NS, call, fields, spans_of, summary_of
from tests.timing import processor_time
from tracestore.domain.outline import OutlineRow, outline_rows
from tracestore.domain.reported_usage import total_tokens
from tracestore.domain.spans import SpanFields

SECOND = 10**9


def at(span_id: str, from_s: float, to_s: float | None, parent: str | None = "root", **more: Any) -> SpanFields:
    end_ns = None if to_s is None else START_NS + int(to_s * SECOND)
    return fields(span_id, parent_span_id=parent, start_ns=START_NS + int(from_s * SECOND), end_ns=end_ns, **more)


def rows_of(*reported: SpanFields) -> dict[str, OutlineRow]:
    rows = outline_rows(spans_of(*reported), summary_of(*reported).root_span_id)
    return {row.span.span_id: row for row in rows}


def critical_of(*reported: SpanFields) -> set[str]:
    return {span_id for span_id, row in rows_of(*reported).items() if row.is_critical}


def test_a_span_that_repeats_the_usage_of_others_is_not_counted() -> None:
    wrapper = fields("root", operation_type="agent", input_tokens=10, output_tokens=2)
    rows = rows_of(wrapper, call("a", "root"))
    assert (rows["root"].is_counted, rows["a"].is_counted) == (False, True)


def test_a_wrapper_whose_cost_counts_without_its_tokens_is_marked() -> None:
    wrapper = fields("root", operation_type="agent", input_tokens=10, output_tokens=2, cost_nano_usd=9)
    rows = rows_of(wrapper, call("a", "root"))
    assert (rows["root"].is_counted, rows["root"].not_counted) == (True, "tokens")
    assert (rows["a"].is_counted, rows["a"].not_counted) == (True, None)


def test_a_subtree_sums_spans_errors_tokens_and_cost() -> None:
    rows = rows_of(
        fields("root", operation_type="agent"),
        call("a", "root", cost_nano_usd=5, status="error"),
        call("b", "root", cost_nano_usd=7),
        call("c", "b", operation_type="tool_call", input_tokens=None, output_tokens=None),
    )
    subtree = rows["root"].subtree
    assert (subtree.spans, subtree.errors, subtree.tokens, subtree.cost_nano_usd) == (4, 1, 24, 12)
    assert (rows["b"].subtree.spans, rows["c"].subtree.cost_nano_usd) == (2, None)


def test_an_attempt_names_its_group_its_number_and_its_outcome() -> None:
    rows = rows_of(
        at("root", 0, 9, None),
        at("a", 0, 1, operation_type="completion", status="error"),
        at("b", 2, 3, operation_type="completion"),
    )
    assert rows["a"].attempt == ("a", 1, "failed")
    assert rows["b"].attempt == ("a", 2, "answered")
    assert rows["root"].attempt is None


def test_the_critical_path_goes_through_the_spans_that_ended_last() -> None:
    assert critical_of(
        at("root", 0, 10, None), at("early", 0, 3), at("long", 1, 6), at("short", 2, 4), at("last", 6, 10)
    ) == {"root", "long", "last"}


def test_the_critical_path_goes_on_before_a_gap() -> None:
    assert critical_of(at("root", 0, 10, None), at("a", 0, 2), at("b", 5, 9)) == {"root", "a", "b"}


def test_a_child_that_outlives_its_parent_delays_only_until_the_end_of_the_parent() -> None:
    spans = [at("root", 0, 5, None), at("async", 1, 8), at("inside", 4, 7, "async")]
    assert critical_of(*spans) == {"root", "async", "inside"}


def test_a_pending_span_is_on_the_critical_path() -> None:
    assert critical_of(at("root", 0, None, None), at("done", 0, 1), at("running", 1, None)) == {
        *("root", "done", "running")
    }


def test_a_span_without_duration_is_on_the_path_only_at_its_end() -> None:
    assert critical_of(at("root", 0, 2, None), at("event", 1, 1), at("work", 0, 2)) == {"root", "work"}
    assert critical_of(at("root", 0, 0, None), at("event", 0, 0)) == {"root", "event"}


OPERATIONS = st.sampled_from(["completion", "embedding", "agent", "chain", "tool_call", "other"])


@st.composite
def traces(draw: st.DrawFn) -> list[SpanFields]:
    """Traces of any shape, whose spans report any part of their usage."""
    count = draw(st.integers(1, 14))
    spans = []
    for number in range(count):
        parents = st.sampled_from([None, "lost", *(f"s{other}" for other in range(count))])
        start = draw(st.integers(0, 20))
        spans.append(
            fields(
                f"s{number}",
                parent_span_id=draw(parents),
                operation_type=draw(OPERATIONS),
                start_ns=START_NS + start * SECOND,
                end_ns=draw(st.none() | st.integers(start, 25).map(lambda end: START_NS + end * SECOND)),
                status=draw(st.sampled_from([None, "error"])),
                input_tokens=draw(st.none() | st.integers(0, 3)),
                output_tokens=draw(st.none() | st.integers(0, 3)),
                cost_nano_usd=draw(st.none() | st.integers(0, 5)),
                scope_name=draw(st.sampled_from([None, "x", "y"])),
                model_provider=draw(st.sampled_from([None, "openai", "anthropic"])),
                input_data=draw(st.sampled_from([None, "ask", "another"])),
            )
        )
    return spans


@given(traces())
def test_the_counted_rows_add_up_to_the_summary(reported: list[SpanFields]) -> None:
    usage, rows = summary_of(*reported).usage, rows_of(*reported).values()
    counted = [row for row in rows if row.is_counted]
    costs = [row.span.cost.nano_usd or 0 for row in counted if row.not_counted != "cost"]
    tokens = [total_tokens(row.span.fields) or 0 for row in counted if row.not_counted != "tokens"]
    wasted = [row.span.cost.nano_usd or 0 for row in counted if row.not_counted != "cost" and row.is_wasted]
    assert (sum(costs), sum(tokens), sum(wasted)) == (
        usage.cost_nano_usd or 0,
        usage.total_tokens,
        usage.wasted_nano_usd,
    )


@given(traces())
def test_the_subtrees_of_the_roots_add_up_to_the_summary(reported: list[SpanFields]) -> None:
    summary = summary_of(*reported)
    roots = [row.subtree for row in rows_of(*reported).values() if row.node.depth == 0]
    assert sum(subtree.spans for subtree in roots) == summary.span_count
    assert sum(subtree.errors for subtree in roots) == summary.error_count
    assert sum(subtree.tokens for subtree in roots) == summary.usage.total_tokens
    assert sum(subtree.cost_nano_usd or 0 for subtree in roots) == (summary.usage.cost_nano_usd or 0)


@given(traces())
def test_the_wasted_cost_of_attempts_is_part_of_the_wasted_cost(reported: list[SpanFields]) -> None:
    summary = summary_of(*reported)
    top = [attempts for attempts in summary.attempts if attempts.wasted_nano_usd]
    assert all(attempts.wasted_nano_usd <= summary.usage.wasted_nano_usd for attempts in top)


def test_a_thousand_levels_and_ten_thousand_siblings_take_linear_time() -> None:
    deep = [at("s0", 0, 9, None), *(at(f"s{n}", 0, 9, f"s{n - 1}") for n in range(1, 5_000))]
    wide = [at("root", 0, 10_000, None), *(at(f"s{n}", n, n + 1) for n in range(10_000))]
    with processor_time() as used:
        assert rows_of(*deep)["s0"].subtree.spans == 5_000
        assert all(row.is_critical for row in rows_of(*wide).values())
    assert used.seconds < 8
