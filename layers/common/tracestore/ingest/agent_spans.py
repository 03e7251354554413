"""Adjust spans of coding agents before they are read: the trace of a turn, and the outcome of a tool.

Both follow from the attributes of the span itself: a request may contain any part of a trace, in any order.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from tracestore.domain.json_values import parse_container
from tracestore.domain.spans import Json, SpanFields

from .agent_tables import CALLS_APART, COMMANDS, EXIT_CODE_KEYS, PROMPTS, REJECTIONS
from .agent_turns import has_one_prompt, session_of, turn_span, turn_trace
from .operation_tables import APPROVALS, EXECUTIONS
from .otlp import OtlpSpan


def with_turns(spans: Sequence[OtlpSpan]) -> Sequence[OtlpSpan]:
    """The spans, those of calls that were sent in traces of their own moved to the trace of their turn.

    The trace id as sent stays in the metadata.
    """
    if not any(map(_is_apart, spans)):
        return spans
    return [_in_turn(span) if _is_apart(span) else span for span in spans]


def _is_apart(span: OtlpSpan) -> bool:
    operation = span.attributes.get("gen_ai.operation.name")
    return isinstance(operation, str) and operation in CALLS_APART


def _in_turn(span: OtlpSpan) -> OtlpSpan:
    attributes, resource = span.attributes, span.origin.resource
    session = session_of(attributes, resource)
    if session is None:
        return span
    if not any(name in attributes for name in PROMPTS) and not has_one_prompt(resource):
        return span
    trace_id = turn_trace(session, attributes, resource)
    return span._replace(
        trace_id=trace_id,
        parent_span_id=span.parent_span_id or turn_span(trace_id),
        attributes={**attributes, "otlp.trace_id": span.trace_id},
    )


def outcomes_of_tools(spans: Iterable[OtlpSpan]) -> list[tuple[str, SpanFields]]:
    """The failures and rejections that only a part or the result of a tool call reports, each with its trace id."""
    return [
        (span.trace_id, fields)
        for span in spans
        if span.parent_span_id and span.name.endswith(_OUTCOMES) and (fields := _outcome(span)) is not None
    ]


_OUTCOMES: Final = (*EXECUTIONS, *APPROVALS, COMMANDS[1])


def _outcome(span: OtlpSpan) -> SpanFields | None:
    """The fields of the call that a part of it reports. *absent*: None where the call went on."""
    if span.parent_span_id is None:
        return None
    if span.name == COMMANDS[1]:
        return _outcome_of_command(span)
    if span.name.endswith(APPROVALS):
        is_rejected = str(span.attributes.get("decision", "")).lower() in REJECTIONS
        return SpanFields(span_id=span.parent_span_id, interrupted=True) if is_rejected else None
    if span.status != "error":
        return None
    return SpanFields(span_id=span.parent_span_id, status="error", error_message=span.status_message or "Failed")


def exit_code_in(details: Mapping[str, Json]) -> int:
    """The exit code in the details of a command's result. *absent*: 0."""
    return next((code for name in EXIT_CODE_KEYS if type(code := details.get(name)) is int), 0)


def _outcome_of_command(span: OtlpSpan) -> SpanFields | None:
    """The failure of a command that its result alone reports. *absent*: None."""
    service, _, name = COMMANDS
    result = parse_container(span.attributes.get(name)) if span.origin.resource.get("service.name") == service else None
    details = result.get("metadata") if isinstance(result, dict) else None
    code = exit_code_in(details) if isinstance(details, dict) else 0
    return SpanFields(span_id=span.span_id, status="error", error_message=f"Exit code {code}") if code else None
