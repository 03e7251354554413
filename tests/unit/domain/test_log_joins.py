"""Records of coding agents are joined to the spans that they are about."""

from itertools import permutations
from typing import Any, cast

from tracestore.domain.merge import joins_of, merge
from tracestore.domain.spans import CAPTURED, FROM_LOGS, SpanFields, SpanUpdate
from tracestore.domain.updates import span_update

MS = 1_000_000


def update(span_id: str, start_ms: int, end_ms: int, precedence: int = CAPTURED, **fields: Any) -> SpanUpdate:
    defaults = {"span_id": span_id, "operation_type": "completion", "start_ns": start_ms * MS, "end_ns": end_ms * MS}
    return span_update(cast(SpanFields, {**defaults, **fields}), received_ms=1, precedence=precedence)


def record(span_id: str, start_ms: int, end_ms: int, **fields: Any) -> SpanUpdate:
    return update(span_id, start_ms, end_ms, FROM_LOGS, **fields)


def tool(key: str) -> dict[str, Any]:
    return {"operation_type": "tool_call", "tool_name": "Read", "call_key": key}


def test_a_trace_without_records_has_no_joins() -> None:
    assert joins_of([update("a", 0, 9), update("b", 0, 9)]) == {}


def test_a_record_is_about_the_span_with_its_key_whatever_the_time() -> None:
    updates = [update("a", 0, 9, **tool("k1")), update("b", 0, 9, **tool("k2")), record("r", 50, 60, **tool("k2"))]
    assert joins_of(updates) == {"r": "b"}


def test_a_record_with_another_key_is_about_no_span_of_the_time() -> None:
    assert joins_of([update("a", 0, 9, **tool("k1")), record("r", 0, 9, **tool("k2"))]) == {}


def test_a_record_that_was_written_in_a_span_of_its_operation_is_about_that_span() -> None:
    assert joins_of([update("a", 0, 9), update("b", 0, 9), record("r", 90, 99, parent_span_id="a")]) == {"r": "a"}


def test_records_without_keys_are_about_the_spans_that_end_closest_each_one_once() -> None:
    updates = [
        update("a", 0, 10, model_name="m"),
        update("b", 0, 20, model_name="m"),
        update("c", 0, 20, model_name="n"),
        record("r", 1, 19, model_name="m"),
        record("s", 1, 9, model_name="m"),
        record("t", 30, 40, model_name="m"),
    ]
    assert joins_of(updates) == {"r": "b", "s": "a"}
    assert all(joins_of(order) == joins_of(updates) for order in permutations(updates))


def test_the_tools_of_a_round_are_joined_whenever_they_were_recorded() -> None:
    inside: dict[str, Any] = {"operation_type": "tool_call", "parent_span_id": "round"}
    around = update("round", 0, 5_000, operation_type="chain")
    spans = [
        update("a", 0, 30, tool_name="read", **inside, input_data={"path": "a"}),
        update("b", 0, 30, tool_name="read", **inside, input_data={"path": "b"}),
        update("c", 0, 900, tool_name="read", **inside),
        update("d", 0, 4_990, tool_name="run", **inside),
    ]
    records = [
        record("q", 4_100, 5_000, tool_name="read", **inside),
        record("r", 4_965, 5_000, tool_name="read", **inside, input_data={"path": "a"}),
        record("s", 4_965, 5_000, tool_name="read", **inside, input_data={"path": "b"}),
        record("t", 0, 5_000, tool_name="run", **inside),
        record("u", 5_000, 5_000, tool_name="unknown", **inside),
    ]
    expected = {"q": "c", "r": "a", "s": "b", "t": "d"}
    for order in ([around, *spans, *records], [*reversed(records), *reversed(spans), around]):
        assert joins_of(order) == expected


def test_a_request_in_a_captured_span_describes_that_span_and_a_failed_one_is_a_call() -> None:
    around = update("http", 0, 9, operation_type="http")
    assert joins_of([around, record("r", 1, 8, parent_span_id="http")]) == {"r": "http"}
    assert joins_of([around, record("r", 1, 8, parent_span_id="http", status="error")]) == {}


def test_a_call_takes_the_more_complete_counts_a_failure_and_what_the_span_lacks_from_its_record() -> None:
    captured = update("a", 0, 10, status="success", input_tokens=9, output_tokens=1)
    logged = record("r", 1, 9, status="error", input_tokens=9, output_tokens=5, reasoning_tokens=4, cost_nano_usd=7)
    (span,) = merge([captured, logged])
    assert (span.span_id, span.status) == ("a", "error")
    assert (span.fields["output_tokens"], span.fields["reasoning_tokens"], span.fields["cost_nano_usd"]) == (5, 4, 7)
    assert (span.fields["start_ns"], span.fields["end_ns"]) == (0, 10 * MS)


def test_a_failure_that_is_recorded_twice_is_about_one_request() -> None:
    request, failure = record("q", 0, 1), record("f", 5, 5, status="error", needs_call=True)
    again = record("g", 5, 5, status="error", needs_call=True, error_message="again")
    later = record("l", 9, 9, status="error", needs_call=True)
    assert joins_of([request, failure, again]) == {"f": "q", "g": "q"}
    assert joins_of([request, failure, record("p", 6, 7), later]) == {"f": "q", "l": "p"}
    assert joins_of([request, failure, record("u", 9, 9, input_tokens=1, needs_call=True)]) == {"f": "q"}
    for order in permutations([request, failure, again]):
        (span,) = merge(order)
        assert (span.status, span.fields["error_message"]) == ("error", "again")


def test_the_longer_message_of_a_failure_is_taken() -> None:
    for own, logged in (("Failed", "File not found"), ("File not found", "Failed")):
        captured = update("a", 0, 10, status="error", error_message=own)
        (span,) = merge([captured, record("r", 1, 9, status="error", error_message=logged)])
        assert span.fields["error_message"] == "File not found"
    patched = span_update(SpanFields(span_id="a", error_message="No"), received_ms=2, precedence=3)
    (span,) = merge([captured, patched, record("r", 1, 9, status="error", error_message="File not found")])
    assert span.fields["error_message"] == "No"


def test_the_last_record_with_an_outcome_says_whether_a_successful_span_failed() -> None:
    for last, status in (("error", "error"), ("success", "success")):
        outcomes = [record("a", 0, 5, status="error"), record("a", 0, 9, status=last)]
        (span,) = merge([update("a", 0, 10, status="success"), *outcomes])
        assert span.status == status


def test_the_arguments_of_a_tool_are_those_in_the_record_of_its_result() -> None:
    captured = update("a", 0, 10, **tool("k"), input_data={"path": "/x"})
    result = record("r", 1, 9, **tool("k"), input_data={"path": "/x", "text": "y"})
    decision = record("d", 1, 2, **tool("k"), input_data={"mode": "auto"})
    del decision.fields["end_ns"]
    (span,) = merge([captured, result, decision])
    assert (span.fields["input_data"], span.fields["input_preview"]) == (
        {"path": "/x", "text": "y"},
        '{"path": "/x", "text": "y"}',
    )
    (span,) = merge([captured, decision])
    assert span.fields["input_data"] == {"path": "/x"}
    patched = span_update(SpanFields(span_id="a", input_data="changed"), received_ms=2, precedence=3)
    (span,) = merge([captured, result, patched])
    assert span.fields["input_data"] == "changed"
    (span,) = merge([captured, record("r", 1, 9, **{**tool("k"), "call_key": "other"}, parent_span_id="a")])
    assert span.fields["input_data"] == {"path": "/x"}


def test_a_tool_has_the_name_in_its_record_where_the_span_joins_it_to_its_namespace() -> None:
    for joined, name in (
        ("mcp__wxweather", "weather"),
        ("mcp__wx__weather", "mcp__wx__weather"),
        ("wx.weather", "wx.weather"),
        ("forecast", "forecast"),
    ):
        captured = update("a", 0, 10, **{**tool("k"), "tool_name": joined})
        (span,) = merge([captured, record("r", 1, 9, **{**tool("k"), "tool_name": "weather"})])
        assert span.fields["tool_name"] == name


def test_a_patch_wins_over_records() -> None:
    changed = span_update(SpanFields(span_id="a", output_tokens=2, status="success"), received_ms=2, precedence=3)
    logged = record("r", 1, 9, status="error", input_tokens=9, output_tokens=5, reasoning_tokens=4)
    (span,) = merge([update("a", 0, 10), changed, logged])
    assert (span.fields["output_tokens"], span.status) == (2, "success")


def test_a_span_that_only_records_report_begins_with_the_first() -> None:
    (span,) = merge([record("r", 5, 9), record("r", 2, 3)])
    assert (span.fields["start_ns"], span.fields["end_ns"]) == (2 * MS, 9 * MS)
