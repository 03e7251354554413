"""A filter on a span field matches when any span of the trace has the value; other filters are about the trace."""

from collections.abc import Iterable

import pytest

from tests.builders import START_NS, call, fields, filters, spans_of, summary_of
from tracestore.domain.filters import Filters
from tracestore.domain.merge import Span
from tracestore.domain.spans import SpanFields

TRACE = [
    fields("root", conversation_id="c", end_ns=START_NS + 50, operation_type="agent", input_data="Straße nach Köln"),
    call("a", "root", model_name="one", tool_name="x", cost_nano_usd=7),
    call("b", "root", model_name="two", error_type="Boom", message_id="m"),
]


def matches(query_filters: Filters, reported: list[SpanFields]) -> bool:
    """Whether a list with these filters contains the trace of these spans."""
    return query_filters.match(summary_of(*reported), lambda **_: spans_of(*reported))


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"conversation_id": "c"},
        {"status": "success"},
        {"has_errors": True},
        {"min_duration_ns": 50},
        {"min_cost_nano_usd": 7},
        {"model_name": "one", "tool_name": "x"},
        {"model_name": "two", "tool_name": "x"},
        {"message_id": "m", "error_type": "Boom", "operation_type": "agent"},
        {"search": "CALL.B"},
        {"search": "STRASSE"},
        {"search": ""},
    ],
)
def test_a_trace_matches_filters_with_its_own_values(query: dict[str, object]) -> None:
    assert matches(filters(**query), TRACE[:1] + TRACE[1:]) is True


@pytest.mark.parametrize(
    "query",
    [
        {"conversation_id": "other"},
        {"status": "error"},
        {"has_errors": False},
        {"min_duration_ns": 1_000_001},
        {"min_cost_nano_usd": 8},
        {"model_name": "one", "tool_name": "y"},
        {"model_name": "three"},
        {"end_user_id": "nobody"},
        {"search": "three"},
    ],
)
def test_a_trace_does_not_match_filters_with_other_values(query: dict[str, object]) -> None:
    assert matches(filters(**query), TRACE) is False


def test_a_pending_trace_matches_no_minimum_duration() -> None:
    assert not matches(filters(min_duration_ns=0), [fields("root", end_ns=None), call("a", "root")])


def test_a_trace_of_unknown_cost_matches_no_minimum_cost() -> None:
    assert not matches(filters(min_cost_nano_usd=0), [call("root")])


MANY = [call(f"s{n}", "root", tool_name=f"tool{n:03}") for n in range(150)]


@pytest.mark.parametrize(("tool_name", "is_match"), [("tool003", True), ("tool149", True), ("tool150", False)])
def test_values_missing_from_the_summary_are_looked_up_in_the_spans(tool_name: str, is_match: bool) -> None:
    assert matches(filters(tool_name=tool_name), MANY) is is_match


@pytest.mark.parametrize(("search", "is_match"), [("CALL.s3", True), ("call.s149", True), ("call.s150", False)])
def test_span_names_missing_from_the_summary_are_searched_in_the_spans(search: str, is_match: bool) -> None:
    assert matches(filters(search=search), MANY) is is_match


def test_spans_are_read_only_when_the_summary_cannot_decide() -> None:
    def fail(**_: bool) -> Iterable[Span]:
        raise AssertionError("the spans were read")

    summary = summary_of(*MANY)
    assert filters(tool_name="tool003", search="call.s1").match(summary, fail)
    assert not filters(tool_name="tool149", model_name="none").match(summary, fail)
    assert not filters(tool_name="tool149", status="error").match(summary, fail)
