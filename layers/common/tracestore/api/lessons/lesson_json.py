"""Lesson traces and their model calls as JSON, whichever client and format the spans came from."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

from tracestore.api.lessons.trace_ids import id_json
from tracestore.api.traces.roots import root_span
from tracestore.api.traces.trace_json import attempts_json, milliseconds, time_or_none, usd
from tracestore.domain.lessons import calls_below, providers_tried
from tracestore.domain.merge import Span
from tracestore.domain.previews import input_text, output_text
from tracestore.domain.reported_usage import total_tokens
from tracestore.domain.spans import Json
from tracestore.domain.times import NS_PER_MS, NS_PER_SECOND, format_time
from tracestore.domain.tree import tree_order
from tracestore.domain.usage import charges_of
from tracestore.ingest.lessons import PROVIDER_FIELDS, STATUSES
from tracestore.storage.model import Head

_LESSON_STATUSES = {span_status: lesson_status for lesson_status, span_status in STATUSES.items()}


def lesson_json(
    trace_id: str, head: Head, spans: Sequence[Span], *, payloads: bool = True, calls: bool = True
) -> dict[str, Any]:
    """A lesson trace with its calls. *absent*: null; without `payloads`, prompts and replies are null as well."""
    nodes = tree_order(spans)
    root = root_span(head, spans)
    fields, lesson_calls = root.fields, calls_below(nodes, charges_of(nodes), root.span_id)
    metadata = fields.get("metadata")
    sent_providers = metadata if isinstance(metadata, dict) else {}
    used, fallbacks = (sent_providers.get(name) for name in PROVIDER_FIELDS)
    derived_used, derived_fallbacks = providers_tried(lesson_calls)
    return {
        "id": id_json(trace_id),
        "lesson_id": fields.get("lesson_id"),
        "request_data": fields.get("input_data", {}) if payloads else None,
        "response_data": fields.get("output_data") if payloads else None,
        "status": _LESSON_STATUSES[root.status],
        "provider_used": derived_used if used is None else used,
        "fallback_providers": derived_fallbacks if fallbacks is None else fallbacks,
        "total_duration_ms": milliseconds(root.duration_ns),
        "clock_skew": root.has_clock_skew,
        "created_at": time_or_none(fields.get("start_ns")),
        "completed_at": time_or_none(fields.get("end_ns")),
        "error_message": fields.get("error_message"),
        "llm_calls": [call_json(span, payloads=payloads) for span in lesson_calls] if calls else [],
        "updated_at": format_time(head.updated_ms * NS_PER_MS),
        "expires_at": format_time(head.expires_at_s * NS_PER_SECOND),
    }


def lesson_summary_json(trace_id: str, head: Head) -> dict[str, Any]:
    """A lesson trace in a line, from its head alone. *absent*: null."""
    summary = head.summary
    usage = summary.usage
    return {
        "id": id_json(trace_id),
        "lesson_id": summary.lesson_id,
        "status": _LESSON_STATUSES[summary.status],
        "provider_used": summary.provider_used,
        "fallback_providers": list(summary.fallback_providers),
        "total_duration_ms": milliseconds(summary.duration_ns),
        "created_at": format_time(summary.start_ns),
        "completed_at": time_or_none(summary.end_ns),
        "error_types": summary.values.get("error_type", []),
        "error_count": summary.error_count,
        "llm_call_count": usage.llm_call_count,
        "attempts": list(map(attempts_json, summary.attempts)),
        "total_tokens": usage.total_tokens,
        "cost_usd": usd(usage.cost_nano_usd),
        "wasted_cost_usd": usd(usage.wasted_nano_usd),
        "request_preview": summary.previews.input,
        "response_preview": summary.previews.output,
        "updated_at": format_time(head.updated_ms * NS_PER_MS),
        "expires_at": format_time(head.expires_at_s * NS_PER_SECOND),
    }


def call_json(span: Span, *, payloads: bool = True) -> dict[str, Any]:
    """A model call. *absent*: left out; without `payloads`, a prompt and a reply are null."""
    fields = span.fields
    metadata = fields.get("metadata")
    parameters = metadata if isinstance(metadata, dict) else {}
    usage = {
        "prompt_tokens": fields.get("input_tokens"),
        "completion_tokens": fields.get("output_tokens"),
        "total_tokens": total_tokens(fields),
    }
    request = {
        "model": fields.get("model_name"),
        "temperature": parameters.get("temperature"),
        "max_tokens": parameters.get("max_tokens"),
    }
    prompt = _payload(span, "input_data", "prompt", _prompt, payloads=payloads)
    content = _payload(span, "output_data", "content", _content, payloads=payloads)
    call = {
        "id": span.span_id,
        "provider": fields.get("model_provider"),
        "request": {**prompt, **_present(request)} or None,
        "response": {**content, **_present({"usage": _present(usage) or None})} or None,
        "duration_ms": milliseconds(span.duration_ns),
        "success": None if span.status == "pending" else span.status == "success",
        "error": fields.get("error_message", fields.get("error_type")),
        "timestamp": time_or_none(fields.get("start_ns")),
    }
    return _present(call)


def _present(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _payload(
    span: Span,
    field: Literal["input_data", "output_data"],
    name: str,
    read: Callable[[Json], Json],
    *,
    payloads: bool,
) -> dict[str, Json]:
    """A prompt or a reply under its name. *absent*: empty; null if the span has one that is omitted."""
    if field not in span.payload_from:
        return {}
    return _present({name: read(span.fields.get(field))}) if payloads else {name: None}


def _prompt(value: Json) -> Json:
    if isinstance(value, dict) and "prompt" in value:
        return value["prompt"]
    return None if value is None else input_text(value)


def _content(value: Json) -> Json:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, dict) and value.keys() == {"content"}:
        return value["content"]
    return output_text(value)
