"""The part of a trace that a share shows: lists of what is shown, so that a new field stays hidden until it is added.

Never shown: the user, conversation, message, end user, lesson, metadata and links to other traces.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, cast

from .heads import NO_PREVIEWS, Summary
from .merge import Span
from .spans import SpanFields

SHARED_FIELDS: Final = (
    "span_id",
    "parent_span_id",
    "span_name",
    "operation_type",
    "start_ns",
    "end_ns",
    "duration_ns",
    "model_name",
    "model_provider",
    "model_version",
    "request_model",
    "scope_name",
    "input_tokens",
    "output_tokens",
    "total_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "cost_nano_usd",
    "tool_name",
    "service_name",
    "environment",
    "release",
    "tags",
    "prompt_name",
    "prompt_version",
    "time_to_first_token_ns",
    "finish_reason",
    "service_tier",
    "usage_details",
    "usage_ambiguous",
    "interrupted",
    "encloses",
    "status",
    "error_type",
    "fingerprint",
)
"""Fields of spans that every share shows. The scope and the fingerprint decide which calls count; no JSON has them."""

SHARED_PAYLOAD_FIELDS: Final = ("input_data", "output_data", "error_stack", "events")
"""Payload fields that a share with payloads shows."""

SHARED_TEXT_FIELDS: Final = ("error_message", "input_preview", "output_preview")
"""Other fields that only a share with payloads shows: they quote payloads."""

SHARED_VALUES: Final = (
    "operation_type",
    "model_name",
    "model_provider",
    "service_name",
    "error_type",
    "tag",
    "prompt_version",
)
"""Values in summaries that every share shows."""


def shared_span(span: Span, *, payloads: bool) -> Span:
    """A span with the fields that a share shows."""
    names = (*SHARED_FIELDS, *SHARED_TEXT_FIELDS, *SHARED_PAYLOAD_FIELDS) if payloads else SHARED_FIELDS
    fields: Mapping[str, Any] = span.fields
    shown = cast(SpanFields, {name: fields[name] for name in names if name in fields})
    payload_from = {name: digest for name, digest in span.payload_from.items() if name in names}
    return Span(shown, span.status, payload_from, span.created_ms, span.updated_ms, span.cost)


def shared_summary(summary: Summary, *, payloads: bool) -> Summary:
    """A summary with what a share shows."""
    shown = Summary(
        root_span_id=summary.root_span_id,
        name=summary.name,
        status=summary.status,
        start_ns=summary.start_ns,
        end_ns=summary.end_ns,
        span_count=summary.span_count,
        error_count=summary.error_count,
        usage=summary.usage,
        conversation_id=None,
        end_user_id=None,
        lesson_id=None,
        values={name: values for name, values in summary.values.items() if name in SHARED_VALUES},
        previews=NO_PREVIEWS,
        environment=summary.environment,
        release=summary.release,
        is_interrupted=summary.is_interrupted,
        attempts=summary.attempts,
        has_retry=summary.has_retry,
        has_fallback=summary.has_fallback,
    )
    return replace(shown, previews=summary.previews) if payloads else shown
