"""Spans and traces as JSON. The only module that names the JSON fields of traces."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from tracestore.api.traces.annotations import annotations_in_summary
from tracestore.domain.heads import Attempts
from tracestore.domain.merge import Span
from tracestore.domain.outline import OutlineRow, Subtree
from tracestore.domain.reported_usage import total_tokens
from tracestore.domain.spans import SHOWN_PAYLOAD_FIELDS, span_uuid
from tracestore.domain.times import NS_PER_MS, NS_PER_SECOND, format_time
from tracestore.domain.tree import Node
from tracestore.domain.turns import NewInput
from tracestore.domain.updates import preview_of
from tracestore.http.response import json_bytes
from tracestore.storage.model import Head

NANO: Final = 1_000_000_000

STEPS_MOST: Final = 100
"""Steps of a turn. The outline has the others."""

_REPORTED_FIELDS: Final = (
    *("parent_span_id", "span_name", "operation_type", "model_name", "model_provider", "model_version"),
    *("input_tokens", "output_tokens"),
    *("cached_input_tokens", "cache_write_tokens", "reasoning_tokens", "usage_details"),
    *("finish_reason", "service_tier", "interrupted"),
    *("conversation_id", "message_id", "tool_name", "end_user_id", "service_name", "lesson_id"),
    *("environment", "release", "tags", "prompt_name", "prompt_version", "error_type", "error_message"),
)
"""The fields that are shown as they were reported."""

_ABSENT: Final[Mapping[str, Any]] = dict.fromkeys(
    (
        *("id", "user_id", "trace_id", "span_id", "parent_trace_id", "parent_span_id", "span_name", "operation_type"),
        *("status", "start_time", "end_time", "duration_ms", "clock_skew"),
        *("model_name", "model_provider", "model_version", "input_tokens", "output_tokens", "total_tokens"),
        *("cached_input_tokens", "cache_write_tokens", "reasoning_tokens", "usage_details"),
        *("cost_usd", "cost_source", "cost_price", "cost_reason", "time_to_first_token_ms"),
        *("finish_reason", "service_tier", "interrupted"),
        *("conversation_id", "message_id", "tool_name", "end_user_id", "service_name", "lesson_id"),
        *("environment", "release", "tags", "prompt_name", "prompt_version", "error_type", "error_message"),
        *("created_at", "updated_at", "expires_at"),
    )
)
"""The members of a span without payloads, in order."""

_ABSENT_PAYLOAD: Final = dict.fromkeys(SHOWN_PAYLOAD_FIELDS)
_SHOWN: Final = frozenset(_REPORTED_FIELDS)
_SHOWN_WITH_PAYLOADS: Final = _SHOWN | _ABSENT_PAYLOAD.keys()
_OUTLINE_FIELDS: Final = (
    "parent_span_id",
    "span_name",
    "operation_type",
    "model_name",
    "model_provider",
    "request_model",
    "input_tokens",
    "output_tokens",
    "cached_input_tokens",
    "reasoning_tokens",
    "finish_reason",
    "tool_name",
    "service_name",
    "error_type",
)
_OUTLINE_ERROR_CHARACTERS: Final = 300


def span_json(
    user_id: str | None, trace_id: str, span: Span, expires_at_s: int, *, payloads: bool = True
) -> dict[str, Any]:
    """A span with all of its fields. *absent*: null; without `payloads`, payload fields are left out.

    Without `user_id`, for a share, the `id` is null as well: it is derived from the user.
    """
    fields = span.fields
    content = {**_ABSENT, **_ABSENT_PAYLOAD} if payloads else {**_ABSENT}
    shown = _SHOWN_WITH_PAYLOADS if payloads else _SHOWN
    content |= {name: value for name, value in fields.items() if name in shown}
    content |= {
        "id": None if user_id is None else span_uuid(user_id, trace_id, span.span_id),
        "user_id": user_id,
        "trace_id": trace_id,
        "span_id": span.span_id,
        "parent_trace_id": fields.get("parent_span_id"),
        "status": span.status,
        "start_time": time_or_none(fields.get("start_ns")),
        "end_time": time_or_none(fields.get("end_ns")),
        "duration_ms": milliseconds(span.duration_ns),
        "clock_skew": span.has_clock_skew,
        "total_tokens": total_tokens(fields),
        "cost_usd": usd(span.cost.nano_usd),
        "cost_source": span.cost.source,
        "cost_price": span.cost.price,
        "cost_reason": span.cost.reason,
        "time_to_first_token_ms": milliseconds(fields.get("time_to_first_token_ns")),
        "created_at": format_time(span.created_ms * NS_PER_MS),
        "updated_at": format_time(span.updated_ms * NS_PER_MS),
        "expires_at": format_time(expires_at_s * NS_PER_SECOND),
    }
    return content


def summary_json(trace_id: str, head: Head) -> dict[str, Any]:
    """The summary of a trace."""
    summary = head.summary
    usage, values = summary.usage, summary.values
    return {
        "trace_id": trace_id,
        "cursor_position": head.cursor_position,
        "name": summary.name,
        "start_time": format_time(summary.start_ns),
        "end_time": time_or_none(summary.end_ns),
        "duration_ms": milliseconds(summary.duration_ns),
        "status": summary.status,
        "span_count": summary.span_count,
        "error_count": summary.error_count,
        "llm_call_count": usage.llm_call_count,
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "cached_input_tokens": usage.cached_input_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
        "cost_usd": usd(usage.cost_nano_usd),
        "wasted_cost_usd": usd(usage.wasted_nano_usd),
        "attempts": list(map(attempts_json, summary.attempts)),
        "has_retry": summary.has_retry,
        "has_fallback": summary.has_fallback,
        "interrupted": summary.is_interrupted,
        "models": values.get("model_name", []),
        "providers": values.get("model_provider", []),
        "operations": values.get("operation_type", []),
        "services": values.get("service_name", []),
        "error_types": values.get("error_type", []),
        "conversation_id": summary.conversation_id,
        "end_user_id": summary.end_user_id,
        "lesson_id": summary.lesson_id,
        "environment": summary.environment,
        "release": summary.release,
        "tags": values.get("tag", []),
        "prompt_versions": values.get("prompt_version", []),
        "input_preview": summary.previews.input,
        "output_preview": summary.previews.output,
        **annotations_in_summary(summary.annotations),
        "created_at": format_time(head.created_ms * NS_PER_MS),
        "updated_at": format_time(head.updated_ms * NS_PER_MS),
        "expires_at": format_time(head.expires_at_s * NS_PER_SECOND),
    }


def outline_json(row: OutlineRow, trace_start_ns: int) -> dict[str, Any]:
    """One span of an outline: its depth, times, main fields and its part in the trace. *absent*: left out.

    A mark that is false is left out, except `counted`. A span without children has no `subtree`.
    """
    span, fields, subtree = row.span, row.span.fields, row.subtree
    content: dict[str, Any] = {
        "span_id": span.span_id,
        "depth": row.node.depth,
        "status": span.status,
        "start_offset_ms": (span.order[0] - trace_start_ns) / NS_PER_MS,
        "duration_ms": milliseconds(span.duration_ns),
        "time_to_first_token_ms": milliseconds(fields.get("time_to_first_token_ns")),
        "clock_skew": span.has_clock_skew or None,
        "interrupted": fields.get("interrupted"),
        **{name: fields.get(name) for name in _OUTLINE_FIELDS},
        "total_tokens": total_tokens(fields),
        "cost_usd": usd(span.cost.nano_usd),
        "cost_source": None if span.cost.nano_usd is None else span.cost.source,
        "counted": row.is_counted,
        "not_counted": row.not_counted,
        "wasted": row.is_wasted or None,
        "critical": row.is_critical or None,
        "attempt": row.attempt and row.attempt._asdict(),
        "subtree": _subtree_json(subtree) if subtree.spans > 1 else None,
        "preview": preview_of(fields),
        "error_message": (fields.get("error_message") or "")[:_OUTLINE_ERROR_CHARACTERS] or None,
    }
    return {name: value for name, value in content.items() if value is not None}


def turn_json(summary: dict[str, Any], turn: int, spans: Sequence[Node], root: Span, new: NewInput) -> dict[str, Any]:
    """A turn of a conversation: the summary of its trace, its new messages, its steps and its output.

    The input is left out where it is a list of messages.
    """
    root_id = root.span_id
    steps = [_step_json(node.span) for node in spans if len(spans) == 1 or node.span.span_id != root_id]
    omitted = {"steps_omitted": len(steps) - STEPS_MOST} if len(steps) > STEPS_MOST else {}
    content = {**summary, "turn": turn, **new._asdict(), "steps": steps[:STEPS_MOST], **omitted}
    if new.new_messages is None:
        content["input_data"] = root.fields.get("input_data")
    return content | {"output_data": root.fields.get("output_data")}


def matches_json(span_id: str, found: Mapping[str, str]) -> dict[str, Any]:
    """A span in which a search found a text."""
    return {"span_id": span_id, "matched_in": [{"field": name, "excerpt": part} for name, part in found.items()]}


def _step_json(span: Span) -> dict[str, Any]:
    fields = span.fields
    return {
        "span_id": span.span_id,
        "kind": fields.get("operation_type"),
        "name": fields.get("span_name"),
        "status": span.status,
        "duration_ms": milliseconds(span.duration_ns),
        "cost_usd": usd(span.cost.nano_usd),
        "model_name": fields.get("model_name"),
        "tool_name": fields.get("tool_name"),
    }


def _subtree_json(subtree: Subtree) -> dict[str, Any]:
    return {
        "spans": subtree.spans,
        "errors": subtree.errors,
        "tokens": subtree.tokens,
        "cost_usd": usd(subtree.cost_nano_usd),
    }


def attempts_json(attempts: Attempts) -> dict[str, Any]:
    """The attempts of one call."""
    return {
        "group": attempts.group,
        "span_ids": attempts.span_ids,
        "outcome": attempts.outcome,
        "wasted_cost_usd": usd(attempts.wasted_nano_usd),
    }


def forest_bytes(
    nodes: Sequence[Node], node_json: Callable[[Node], dict[str, Any]], fits: Callable[[bytes], bool]
) -> bytes | None:
    """Spans in tree order as a JSON array of roots with nested `children`; None when it does not fit.

    Works for any depth: a recursive JSON encoder stops at a few hundred levels.
    """
    parts = []
    depth_before = -1
    for node in nodes:
        closing = b"]}" * (depth_before - node.depth + 1) + b"," if node.depth <= depth_before else b""
        parts.append(closing + json_bytes(node_json(node))[:-1] + b',"children":[')
        if not fits(parts[-1]):
            return None
        depth_before = node.depth
    return b"[%s%s]" % (b"".join(parts), b"]}" * (depth_before + 1))


def usd(nano_usd: int | None) -> float | None:
    """An amount in dollars, exact to nine decimals. *absent*: None."""
    return None if nano_usd is None else nano_usd / NANO


def time_or_none(time_ns: int | None) -> str | None:
    """A time as ISO 8601. *absent*: None."""
    return None if time_ns is None else format_time(time_ns)


def milliseconds(duration_ns: int | None) -> float | None:
    """A duration in milliseconds. *absent*: None."""
    return None if duration_ns is None else duration_ns / NS_PER_MS
