"""Lesson traces in their own format become spans, and are returned as they were sent."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import START_NS, call, fields, update
from tracestore.api.lessons.lesson_json import call_json, lesson_json
from tracestore.domain.errors import Conflict, Invalid
from tracestore.domain.heads import summarize
from tracestore.domain.merge import merge
from tracestore.domain.spans import SpanFields
from tracestore.domain.times import format_time, parse_time
from tracestore.domain.trace_previews import previews_of
from tracestore.ingest.lessons import (
    apply_change,
    call_span_id,
    lesson_fields,
    parse_call,
    parse_change,
    parse_lesson,
    root_span_id,
)
from tracestore.storage import keys
from tracestore.storage.model import Head

NOW_NS = START_NS + 10**12

texts = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=8)
words = st.sampled_from(["openai", "anthropic", "Zürich 🙂"])
values = st.recursive(st.none() | st.booleans() | st.integers() | texts, lambda inner: st.lists(inner, max_size=2))
times = st.integers(START_NS, START_NS + 10**11).map(format_time)
milliseconds = st.integers(0, 10**7).map(lambda micros: micros / 1000)
counts = st.integers(0, 2**53)


def shape(required: dict[str, Any], optional: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(required, optional=optional)


usage = shape({}, {"prompt_tokens": counts, "completion_tokens": counts, "total_tokens": counts})
temperature = st.integers(0, 2) | st.floats(0, 2)
requests = shape({}, {"prompt": values, "model": words, "temperature": temperature, "max_tokens": counts})
calls = shape(
    {"timestamp": times},
    {
        "provider": words,
        "request": requests,
        "response": shape({}, {"content": values | st.just({"text": "t"}), "usage": usage}),
        "duration_ms": milliseconds,
        "success": st.booleans(),
        "error": texts,
    },
)
lessons = shape(
    {"request_data": values.filter(lambda value: value is not None), "created_at": times},
    {
        "id": st.sampled_from(["1f0c3f7d-5b9e-4c1f-8a6a-2b7f9d1e4c55", "lesson:1"]),
        "lesson_id": words,
        "response_data": values,
        "provider_used": words,
        "fallback_providers": st.lists(words, max_size=2),
        "total_duration_ms": milliseconds,
        "error_message": texts,
        "llm_calls": st.lists(calls, max_size=3, unique_by=lambda call: call["timestamp"]),
    },
)


def lesson_of(*reported: SpanFields, trace_id: str = "t") -> dict[str, Any]:
    """The JSON of the lesson trace with these spans."""
    spans = merge(map(update, reported))
    summary = summarize(spans, previews_of(spans))
    return lesson_json(trace_id, Head(1, "g", 10**9, keys.cursor_position(0, trace_id), 0, 0, summary=summary), spans)


def spans_from(body: dict[str, Any], stored_root: SpanFields | None = None, now_ns: int = NOW_NS) -> list[SpanFields]:
    """The spans of a body."""
    return lesson_fields(parse_lesson(body, now_ns=now_ns), body.get("id") or "t", stored_root, now_ns)


def refused(body: dict[str, Any]) -> list[str]:
    """The fields that a refusal names."""
    with pytest.raises(Invalid) as refusal:
        spans_from(body)
    return [detail.field for detail in refusal.value.details]


@given(lessons)
@settings(max_examples=200, deadline=None)
def test_a_lesson_is_returned_as_it_was_sent(body: dict[str, Any]) -> None:
    lesson = lesson_of(*spans_from(body), trace_id=body.get("id", "t"))
    for name, value in body.items():
        if value is not None and name not in ("llm_calls", "created_at", "completed_at"):
            assert lesson[name] == value, name
    assert lesson["created_at"] == body["created_at"]
    is_over = "error_message" in body or "total_duration_ms" in body
    assert lesson["status"] == ("failed" if "error_message" in body else "completed" if is_over else "started")
    assert (lesson["completed_at"] is not None) == is_over
    sent_calls = sorted(body.get("llm_calls", []), key=lambda call: parse_time(call["timestamp"]))
    for returned, sent in zip(lesson["llm_calls"], sent_calls, strict=True):
        assert_returned(returned, sent)


def assert_returned(returned: dict[str, Any], sent: dict[str, Any]) -> None:
    for name, value in sent.items():
        if isinstance(value, dict) and name in ("request", "response", "usage"):
            assert_returned(returned.get(name, {}), value)
        elif value is not None:
            assert returned[name] == value, name
            assert type(returned[name]) is type(value), name


def test_the_same_lesson_again_gives_the_same_spans_at_a_later_time() -> None:
    body = {"id": "l", "request_data": {}, "status": "completed", "llm_calls": [{"provider": "a"}, {"provider": "a"}]}
    first = spans_from(body)
    assert spans_from(body, stored_root=first[0], now_ns=NOW_NS + 10**9) == first
    assert len({span["span_id"] for span in first}) == 3


def test_calls_without_a_time_follow_one_another() -> None:
    calls = [{"provider": "a", "duration_ms": 5}, {"provider": "b"}, {"provider": "c", "success": True}]
    lesson = lesson_of(*spans_from({"request_data": {}, "llm_calls": calls}))
    assert [call["provider"] for call in lesson["llm_calls"]] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "request_data"),
        ({"request_data": None}, "request_data"),
        ({"request_data": {}, "surprise": 1}, "surprise"),
        ({"request_data": {}, "status": "pending"}, "status"),
        ({"request_data": {}, "status": "started", "total_duration_ms": 1}, "status"),
        ({"request_data": {}, "created_at": "2286-01-01T00:00:00Z"}, "created_at"),
        ({"request_data": {}, "created_at": format_time(2), "completed_at": format_time(1)}, "completed_at"),
        ({"request_data": {}, "fallback_providers": "openai"}, "fallback_providers"),
        ({"request_data": {}, "fallback_providers": ["x", 1]}, "fallback_providers[1]"),
        ({"request_data": {}, "llm_calls": {}}, "llm_calls"),
        ({"request_data": {}, "llm_calls": [None]}, "llm_calls[0]"),
        ({"request_data": {}, "llm_calls": [{}, {"surprise": 1}]}, "llm_calls[1].surprise"),
        ({"request_data": {}, "llm_calls": [{"request": {"temperature": "hot"}}]}, "llm_calls[0].request.temperature"),
        ({"request_data": {}, "llm_calls": [{"request": {"temperature": True}}]}, "llm_calls[0].request.temperature"),
        (
            {"request_data": {}, "llm_calls": [{"response": {"usage": {"tokens": 1}}}]},
            "llm_calls[0].response.usage.tokens",
        ),
        ({"request_data": {}, "llm_calls": [{"success": "yes"}]}, "llm_calls[0].success"),
        ({"request_data": {}, "llm_calls": [{"timestamp": "2286-01-01T00:00:00Z"}]}, "llm_calls[0].timestamp"),
        ({"request_data": {}, "llm_calls": [{}] * 1_000}, "llm_calls"),
    ],
)
def test_a_refusal_names_the_field_with_its_path(body: dict[str, Any], field: str) -> None:
    assert refused(body) == [field]


def test_fields_that_the_server_sets_are_ignored() -> None:
    lesson = lesson_of(
        *spans_from({"request_data": {"a": 1}, "created_at": format_time(START_NS), "error_message": "e"})
    )
    assert lesson_of(*spans_from(lesson)) == lesson


@pytest.mark.parametrize("body", [{"request_data": "x" * 4_200_000}, {"request_data": 1, "llm_calls": [{"error": 1}]}])
def test_a_refusal_does_not_repeat_the_lesson(body: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as refusal:
        parse_lesson(body, now_ns=NOW_NS)
    assert "xx" not in refusal.value.message


def test_a_call_of_more_than_4_mb_is_too_large() -> None:
    with pytest.raises(Invalid) as refusal:
        parse_call({"request": {"prompt": "x" * 4_200_000}}, now_ns=NOW_NS)
    assert refusal.value.code == "span_too_large"


@pytest.mark.parametrize(
    ("sent", "success"),
    [
        ({}, None),
        ({"success": True}, True),
        ({"success": False}, False),
        ({"error": "e"}, False),
        ({"response": {}}, True),
        ({"duration_ms": 1}, True),
    ],
)
def test_a_call_that_has_ended_succeeded_unless_it_reports_an_error(sent: dict[str, Any], success: bool | None) -> None:
    lesson = lesson_of(*spans_from({"request_data": {}, "llm_calls": [sent]}))
    assert lesson["llm_calls"][0].get("success") is success


def test_a_call_with_a_timestamp_gets_the_same_id_at_any_time() -> None:
    sent: dict[str, Any] = {"provider": "openai", "timestamp": format_time(START_NS)}
    ids = {call_span_id(parse_call(sent, now_ns=now_ns), index) for now_ns in (NOW_NS, NOW_NS + 1) for index in "ab"}
    others = {call_span_id(parse_call(sent | {"error": error}, now_ns=NOW_NS)) for error in "xy"}
    assert (len(ids), len(others | ids)) == (1, 3)


def test_providers_are_derived_from_the_calls() -> None:
    root = fields("root", operation_type="lesson")
    tried = [
        call("a", "root", model_provider="openai", status="error", start_ns=START_NS),
        call("b", "root", model_provider="google", status="error", start_ns=START_NS + 1),
        call("c", "root", model_provider="openai", status="error", start_ns=START_NS + 2),
        call("d", "root", model_provider="anthropic", start_ns=START_NS + 3),
        call("e", "root", model_provider="mistral", status="error", start_ns=START_NS + 4),
    ]
    lesson = lesson_of(root, *tried)
    assert (lesson["provider_used"], lesson["fallback_providers"]) == ("anthropic", ["openai", "google"])
    failed = lesson_of(root, *tried[:3])
    assert (failed["provider_used"], failed["fallback_providers"]) == (None, ["openai", "google"])
    explicit = lesson_of({**root, "metadata": {"provider_used": "x", "fallback_providers": []}}, *tried)
    assert (explicit["provider_used"], explicit["fallback_providers"]) == ("x", [])


def test_a_lesson_lists_each_model_call_below_its_root_once() -> None:
    """With an agent step, a tool, an orphan, and the span of a client inside that of a framework for the same call."""
    model = {"model_provider": "openai", "start_ns": START_NS + 1}
    lesson = lesson_of(
        fields("root", operation_type="lesson"),
        fields("step", parent_span_id="root", operation_type="agent"),
        call("framework", "step", **model),
        call("client", "framework", **model),
        call("tool", "root", operation_type="tool_call"),
        call("vector", "root", operation_type="embedding"),
        call("orphan", "nobody", start_ns=START_NS + 2),
    )
    assert [call["id"] for call in lesson["llm_calls"]] == ["client"]


@pytest.mark.parametrize(
    ("fields_of_call", "prompt", "content"),
    [
        ({}, None, None),
        ({"input_data": {"prompt": ["p"], "more": 1}, "output_data": {"content": [1]}}, ["p"], [1]),
        ({"input_data": "asked", "output_data": {"text": "answered"}}, "asked", "answered"),
        (
            {
                "input_data": {
                    "messages": [
                        {"role": "user", "parts": [{"type": "text", "text": "first"}]},
                        {"role": "user", "parts": [{"type": "text", "text": "a  b\n" + "x" * 400}]},
                        {"role": "assistant", "parts": [{"type": "text", "text": "prefill"}]},
                    ]
                },
                "output_data": {"messages": [{"role": "assistant", "parts": [{"type": "text", "text": "y" * 400}]}]},
            },
            "a  b\n" + "x" * 400,
            "y" * 400,
        ),
    ],
)
def test_prompt_and_content_are_read_in_full_from_any_span(
    fields_of_call: dict[str, Any], prompt: Any, content: Any
) -> None:
    (returned,) = lesson_of(fields("root", lesson_id="l"), call("c", "root", **fields_of_call))["llm_calls"]
    assert returned.get("request", {}).get("prompt") == prompt
    assert returned.get("response", {}).get("content") == content


def test_a_call_has_only_the_fields_that_it_reports() -> None:
    (returned,) = lesson_of(*spans_from({"request_data": {}, "llm_calls": [{"provider": "openai"}]}))["llm_calls"]
    assert returned.keys() == {"id", "provider", "timestamp"}


@pytest.mark.parametrize("response", [None, {}, {"content": None}, {"usage": {}}])
def test_a_call_without_a_response_is_returned_without_one(response: Any) -> None:
    sent = {"request": {"prompt": "p"}, "response": response, "success": False, "error": "e", "duration_ms": 5.0}
    (returned,) = lesson_of(*spans_from({"request_data": {}, "llm_calls": [sent]}))["llm_calls"]
    assert {name: value for name, value in returned.items() if name not in ("id", "timestamp")} == {
        "request": {"prompt": "p"},
        "success": False,
        "error": "e",
        "duration_ms": 5.0,
    }


def test_a_call_whose_payload_is_omitted_has_a_null_prompt_and_content() -> None:
    sent = {"request": {"prompt": "p", "model": "m"}, "response": {"content": "c"}}
    spans = merge(map(update, spans_from({"request_data": {}, "llm_calls": [sent]})))
    (returned,) = (call_json(span, payloads=False) for span in spans if span.parent_span_id)
    assert (returned["request"], returned["response"]) == ({"prompt": None, "model": "m"}, {"content": None})


CONTRADICTING = {"created_at": format_time(START_NS), "completed_at": format_time(NOW_NS), "total_duration_ms": 1e9}
"""The times of a lesson whose measured duration contradicts its end."""


def test_a_duration_that_contradicts_the_end_of_a_lesson_is_kept() -> None:
    lesson = lesson_of(*spans_from({"request_data": {}, **CONTRADICTING}))
    assert {name: lesson[name] for name in CONTRADICTING} == CONTRADICTING
    assert lesson["clock_skew"] is True
    assert lesson_of(*spans_from(lesson)) == lesson


def test_a_lesson_without_request_data_returns_an_empty_object() -> None:
    assert lesson_of(fields("root", lesson_id="l"))["request_data"] == {}


def patched(stored: list[SpanFields], body: dict[str, Any], now_ns: int = NOW_NS) -> dict[str, Any]:
    """The fields by which a PATCH request changes a lesson."""
    (root,) = (span for span in merge(map(update, stored)) if span.span_id == root_span_id("t"))
    return {**apply_change(root, parse_change(body, now_ns=now_ns), now_ns)}


STARTED = spans_from({"request_data": {"a": 1}, "provider_used": "x", "created_at": format_time(START_NS)})
ENDED = spans_from({"request_data": {"a": 1}, "status": "completed", "created_at": format_time(START_NS)})


@pytest.mark.parametrize("status", ["completed", "failed"])
def test_a_lesson_that_ends_without_an_end_time_ends_now(status: str) -> None:
    assert patched(STARTED, {"status": status})["end_ns"] == NOW_NS


def test_an_error_alone_ends_a_lesson() -> None:
    assert patched(STARTED, {"error_message": "e"}) == {"error_message": "e", "status": "error", "end_ns": NOW_NS}


def test_a_later_change_keeps_the_end() -> None:
    assert patched(ENDED, {"response_data": 1}) == {"output_data": 1}
    assert "end_ns" not in patched(ENDED, {"status": "completed"}, NOW_NS + 1)


@pytest.mark.parametrize("status", ["started", "failed"])
def test_a_final_status_cannot_be_changed(status: str) -> None:
    with pytest.raises(Conflict) as refusal:
        patched(ENDED, {"status": status})
    assert refusal.value.code == "lesson_ended"


def test_providers_are_added_to_the_stored_metadata() -> None:
    assert patched(STARTED, {"fallback_providers": ["y", ""]})["metadata"] == {
        "provider_used": "x",
        "fallback_providers": ["y"],
    }


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"llm_calls": {}}, "llm_calls"),
        ({"llm_calls": [{}, {"surprise": 1}]}, "llm_calls[1].surprise"),
        ({"llm_calls": [{}] * 1_000}, "llm_calls"),
        ({"status": "started", "completed_at": format_time(START_NS)}, "status"),
        ({"completed_at": format_time(START_NS - 1)}, "completed_at"),
        ({"created_at": format_time(NOW_NS + 1)}, "completed_at"),
    ],
)
def test_an_invalid_change_is_refused_by_field(body: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refusal:
        patched(ENDED, body)
    assert [detail.field for detail in refusal.value.details] == [field]


@pytest.mark.parametrize("body", [{}, {"id": "t", "status": None, "updated_at": "x"}])
def test_an_empty_change_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        parse_change(body, now_ns=NOW_NS)
