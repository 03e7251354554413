"""The part of a trace that shares show: lists of what is shown, so that new fields stay hidden."""

from dataclasses import fields
from typing import Any, cast

import pytest

from tests.builders import call, spans_of, summary_of
from tracestore.domain.heads import Summary
from tracestore.domain.merge import Span
from tracestore.domain.sharing import (
    SHARED_FIELDS,
    SHARED_PAYLOAD_FIELDS,
    SHARED_TEXT_FIELDS,
    shared_span,
    shared_summary,
)
from tracestore.domain.spans import SpanFields

HIDDEN = {
    *("conversation_id", "message_id", "end_user_id", "lesson_id", "provider_used", "fallback_providers"),
    *("trace_name", "trace_input_preview", "trace_output_preview"),
    *("metadata", "links", "log_messages", "media", "call_key", "needs_call"),
    *("report_order", "has_alias"),
}
"""Each field of spans is either shown or named here, so a new field takes a decision."""


def with_every_field() -> Span:
    content = cast(SpanFields, {**dict.fromkeys(SpanFields.__annotations__, "x"), "a_new_field": "x"})
    return Span(content, "success", {"input_data": "digest", "metadata": "digest"}, 1, 2)


def test_every_field_of_spans_is_either_shown_or_hidden() -> None:
    shown = {*SHARED_FIELDS, *SHARED_TEXT_FIELDS, *SHARED_PAYLOAD_FIELDS}
    assert shown | HIDDEN == set(SpanFields.__annotations__)
    assert shown & HIDDEN == set()


@pytest.mark.parametrize("payloads", [True, False])
def test_a_shared_span_has_the_listed_fields_and_no_new_one(payloads: bool) -> None:
    span = shared_span(with_every_field(), payloads=payloads)
    listed = {*SHARED_FIELDS, *(SHARED_TEXT_FIELDS if payloads else ()), *(SHARED_PAYLOAD_FIELDS if payloads else ())}
    assert set(span.fields) == listed
    assert span.payload_from == ({"input_data": "digest"} if payloads else {})
    assert (span.status, span.created_ms, span.updated_ms) == ("success", 1, 2)


def test_a_span_is_not_changed_by_sharing_it() -> None:
    (span,) = spans_of(call("root", conversation_id="c"))
    shared_span(span, payloads=False)
    assert span.fields["conversation_id"] == "c"


@pytest.mark.parametrize("payloads", [True, False])
def test_a_shared_summary_hides_ids_and_values_of_the_application(payloads: bool) -> None:
    ids: dict[str, Any] = {"conversation_id": "c", "message_id": "m", "end_user_id": "e", "lesson_id": "l"}
    summary = summary_of(call("root", **ids, model_name="m", input_data="in", output_data="out", error_type="e"))
    shared = shared_summary(summary, payloads=payloads)
    changed = {one.name for one in fields(Summary) if getattr(shared, one.name) != getattr(summary, one.name)}
    hidden = {"conversation_id", "end_user_id", "lesson_id", "values", "stats", "is_lesson"}
    assert changed == hidden | (set() if payloads else {"previews"})
    assert set(shared.values) == {"operation_type", "model_name", "error_type"}
