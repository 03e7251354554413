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


def test_a_patch_wins_over_records() -> None:
    changed = span_update(SpanFields(span_id="a", output_tokens=2, status="success"), received_ms=2, precedence=3)
    logged = record("r", 1, 9, status="error", input_tokens=9, output_tokens=5, reasoning_tokens=4)
    (span,) = merge([update("a", 0, 10), changed, logged])
    assert (span.fields["output_tokens"], span.status) == (2, "success")


def test_a_span_that_only_records_report_begins_with_the_first() -> None:
    (span,) = merge([record("r", 5, 9), record("r", 2, 3)])
    assert (span.fields["start_ns"], span.fields["end_ns"]) == (2 * MS, 9 * MS)
