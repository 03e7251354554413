"""Lesson traces and their model calls as JSON, whichever client and format the spans came from."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

from tracestore.api.lessons.trace_ids import id_json
from tracestore.api.traces.trace_json import span_duration_ms, time_or_none
from tracestore.domain.merge import Span
from tracestore.domain.previews import input_text, output_text
from tracestore.domain.spans import Json, has_clock_skew
from tracestore.domain.times import NS_PER_MS, NS_PER_SECOND, format_time
from tracestore.domain.tree import Node, tree_order
from tracestore.domain.usage import charges_of, total_tokens
from tracestore.ingest.lessons import PROVIDER_FIELDS, STATUSES
from tracestore.storage.model import Head

_LESSON_STATUSES = {span_status: lesson_status for lesson_status, span_status in STATUSES.items()}


def lesson_json(
    trace_id: str, head: Head, spans: Sequence[Span], *, payloads: bool = True, calls: bool = True
) -> dict[str, Any]:
    """A lesson trace with its calls. *absent*: null; without `payloads`, prompts and replies are null as well."""
    nodes = tree_order(spans)
    root = next((node.span for node in nodes if node.span.span_id == head.summary.root_span_id), nodes[0].span)
    fields, lesson_calls = root.fields, calls_below(nodes, root.span_id)
    metadata = fields.get("metadata")
    sent_providers = metadata if isinstance(metadata, dict) else {}
    used, fallbacks = (sent_providers.get(name) for name in PROVIDER_FIELDS)
    derived_used, derived_fallbacks = _providers(lesson_calls)
    return {
        "id": id_json(trace_id),
        "lesson_id": fields.get("lesson_id"),
        "request_data": fields.get("input_data", {}) if payloads else None,
        "response_data": fields.get("output_data") if payloads else None,
        "status": _LESSON_STATUSES[root.status],
        "provider_used": derived_used if used is None else used,
        "fallback_providers": derived_fallbacks if fallbacks is None else fallbacks,
        "total_duration_ms": span_duration_ms(fields),
        "clock_skew": has_clock_skew(fields),
        "created_at": time_or_none(fields.get("start_ns")),
        "completed_at": time_or_none(fields.get("end_ns")),
        "error_message": fields.get("error_message"),
        "llm_calls": [call_json(span, payloads=payloads) for span in lesson_calls] if calls else [],
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
        "duration_ms": span_duration_ms(fields),
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


def calls_below(nodes: Sequence[Node], root_id: str) -> list[Span]:
    """The completions below a root, by start. Of several spans about one call, only the one that is counted."""
    calls = []
    root_depth: int | None = None
    for (span, depth), charge in zip(nodes, charges_of(nodes), strict=True):
        if span.span_id == root_id:
            root_depth = depth
        elif root_depth is not None and depth <= root_depth:
            break
        elif root_depth is not None and charge.is_call and span.fields.get("operation_type") == "completion":
            calls.append(span)
    return sorted(calls, key=lambda span: span.order)


def _providers(calls: Sequence[Span]) -> tuple[str | None, list[str]]:
    """The provider whose call succeeded last, and the other providers of earlier calls, each once."""
    succeeded = [index for index, call in enumerate(calls) if call.status == "success" and _provider(call)]
    tried = calls[: succeeded[-1]] if succeeded else calls
    used = _provider(calls[succeeded[-1]]) if succeeded else None
    names = dict.fromkeys(name for call in tried if (name := _provider(call)) and name != used)
    return used, list(names)


def _provider(call: Span) -> str | None:
    return call.fields.get("model_provider")


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
