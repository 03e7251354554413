"""Traces, observations and scores in the form of Langfuse's public API.

*source*: Langfuse's public API, as `langfuse.api` of versions 2 and 5 for Python reads it.
"""

from collections.abc import Mapping
from typing import Any, Final

from tracestore.api.traces.trace_json import milliseconds, usd
from tracestore.domain.annotations import Annotation
from tracestore.domain.merge import Span
from tracestore.domain.reported_usage import total_tokens
from tracestore.domain.times import NS_PER_MS, NS_PER_SECOND, format_time
from tracestore.storage.model import Head

ENVIRONMENT: Final = "default"
"""The environment of what reports none."""

_TYPES: Final = {
    "completion": "GENERATION",
    "embedding": "EMBEDDING",
    "tool_call": "TOOL",
    "agent": "AGENT",
    "chain": "CHAIN",
    "workflow": "CHAIN",
    "retrieval": "RETRIEVER",
    "guardrail": "GUARDRAIL",
    "evaluation": "EVALUATOR",
}
"""The type of an observation by its operation; SPAN for any other."""

_COUNTS: Final = (
    ("input", "input_tokens"),
    ("output", "output_tokens"),
    ("cache_read_input_tokens", "cached_input_tokens"),
    ("reasoning_tokens", "reasoning_tokens"),
)


def trace_object(trace_id: str, head: Head, root: Span) -> dict[str, Any]:
    """A trace, with the input and the output of its root, and without its observations and scores."""
    summary = head.summary
    return {
        "id": trace_id,
        "timestamp": format_time(summary.start_ns),
        "name": summary.name,
        "input": root.fields.get("input_data"),
        "output": root.fields.get("output_data"),
        "sessionId": summary.conversation_id,
        "userId": summary.end_user_id,
        "release": summary.release,
        "version": None,
        "environment": summary.environment or ENVIRONMENT,
        "metadata": root.fields.get("metadata"),
        "tags": summary.values.get("tag", []),
        "public": False,
        "bookmarked": False,
        "externalId": None,
        "projectId": None,
        "createdAt": format_time(head.created_ms * NS_PER_MS),
        "updatedAt": format_time(head.updated_ms * NS_PER_MS),
        "htmlPath": f"/traces/{trace_id}",
        "latency": (summary.duration_ns or 0) / NS_PER_SECOND,
        "totalCost": usd(summary.usage.cost_nano_usd) or 0,
    }


def observation_object(trace_id: str, span: Span) -> dict[str, Any]:
    """An observation. *absent*: no input, output and metadata of a span that was read without its payload."""
    fields: Mapping[str, Any] = span.fields
    start_ns, end_ns = span.start_ns, span.end_ns
    first_ns = fields.get("time_to_first_token_ns")
    duration_ns, cost = span.duration_ns, usd(span.cost.nano_usd)
    counts = {name: fields[field] for name, field in _COUNTS if field in fields}
    total = total_tokens(span.fields)
    parent_id = span.parent_span_id
    version = str(fields.get("prompt_version", ""))
    waited_ms = milliseconds(span.fields.get("time_to_first_token_ns"))
    return {
        "id": span.span_id,
        "traceId": trace_id,
        "type": _TYPES.get(fields.get("operation_type", ""), "SPAN"),
        "name": fields.get("span_name"),
        "startTime": format_time(start_ns),
        "endTime": None if end_ns is None else format_time(end_ns),
        "completionStartTime": None if first_ns is None else format_time(start_ns + first_ns),
        "model": fields.get("model_name"),
        "modelId": None,
        "modelParameters": {},
        "input": fields.get("input_data"),
        "output": fields.get("output_data"),
        "version": None,
        "metadata": fields.get("metadata"),
        "usage": {
            "input": fields.get("input_tokens", 0),
            "output": fields.get("output_tokens", 0),
            "total": total or 0,
            "unit": "TOKENS",
        },
        "usageDetails": counts | ({} if total is None else {"total": total}),
        "costDetails": {} if cost is None else {"total": cost},
        "level": "ERROR" if span.status == "error" else "DEFAULT",
        "statusMessage": fields.get("error_message"),
        "parentObservationId": None if parent_id == trace_id else parent_id,
        "promptId": None,
        "promptName": fields.get("prompt_name"),
        "promptVersion": int(version) if version.isdecimal() else None,
        "inputPrice": None,
        "outputPrice": None,
        "totalPrice": None,
        "calculatedInputCost": None,
        "calculatedOutputCost": None,
        "calculatedTotalCost": cost,
        "latency": None if duration_ns is None else duration_ns / NS_PER_SECOND,
        "timeToFirstToken": None if waited_ms is None else waited_ms / 1_000,
        "environment": fields.get("environment") or ENVIRONMENT,
        "createdAt": format_time(span.created_ms * NS_PER_MS),
        "updatedAt": format_time(span.updated_ms * NS_PER_MS),
        "projectId": None,
    }


def score_object(trace_id: str, head: Head, annotation: Annotation) -> dict[str, Any]:
    """A score, whose `value` is a number and whose `stringValue` is the text of any other."""
    value = annotation.value
    kind = "BOOLEAN" if isinstance(value, bool) else "CATEGORICAL" if isinstance(value, str) else "NUMERIC"
    text = {} if kind == "NUMERIC" else {"stringValue": str(value)}
    updated = format_time(annotation.updated_ms * NS_PER_MS)
    summary = head.summary
    return {
        "id": annotation.annotation_id,
        "traceId": trace_id,
        "observationId": annotation.span_id,
        "sessionId": None,
        "datasetRunId": None,
        "name": annotation.name,
        "value": annotation.score,
        **text,
        "dataType": kind,
        "source": "ANNOTATION" if annotation.source == "user" else "API",
        "comment": annotation.comment,
        "metadata": {},
        "timestamp": updated,
        "createdAt": format_time(annotation.created_ms * NS_PER_MS),
        "updatedAt": updated,
        "authorUserId": None,
        "configId": None,
        "queueId": None,
        "environment": summary.environment or ENVIRONMENT,
        "trace": {"userId": summary.end_user_id, "tags": summary.values.get("tag", [])},
    }
