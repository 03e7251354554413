"""Turn the log records of coding agents into the spans that they report: turns, model calls and tool calls.

A record is not a span: it has a time and the attributes of one event. It is written as the span that it reports, with
the attributes renamed to those of the convention tables, and passes the stages of an export as any span does. Its ids
follow from its content alone, so that a record that is sent again reports the same. `domain/log_joins.py` finds the
spans that were sent about the same calls.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple, cast

from tracestore.domain.json_values import parse_container
from tracestore.domain.log_messages import log_message
from tracestore.domain.spans import Json, SpanFields, canonical_json
from tracestore.domain.times import NS_PER_DAY, NS_PER_MS, format_time, parse_time

from .agent_spans import exit_code_in
from .agent_tables import (
    ASIDE,
    CALL_ENDPOINTS,
    CALL_KEYS,
    DURATIONS,
    EVENTS,
    EXIT_CODE_TEXT,
    MARK_OF_CALLS_APART,
    MCP_DETAILS,
    MCP_NAME,
    MCP_NAMES,
    PROVIDER,
    PROVIDERS,
    PROVIDERS_OF_SERVICES,
    REDACTED,
    REJECTIONS,
    TURN_TEXTS,
    USAGE_IN_SPANS,
    WRITTEN_IN_TURNS,
    EventKind,
    EventRow,
)
from .agent_turns import digits_of, has_one_prompt, session_of, turn_span, turn_trace
from .field_readers import first_label
from .log_fields import stored_time_ns
from .otlp import Attributes, OtlpLog, OtlpSpan
from .span_fields import span_fields

_TOOL_KINDS: Final[frozenset[EventKind]] = frozenset({"tool", "decision"})
_TURN_KINDS: Final[frozenset[EventKind]] = frozenset({"prompt", "reply"})

_EXIT_CODE: Final = re.compile(EXIT_CODE_TEXT, re.MULTILINE)
_MAX_DURATION_NS: Final = 30 * NS_PER_DAY


class _Event(NamedTuple):
    """A record with what it reports: its session, the time of the event, its trace, and the span of the turn.

    `written_in` is the span that the record names. *absent*: "" if it names none in this trace; then the span of the
    turn is made from records.
    """

    record: OtlpLog
    row: EventRow
    session: str
    time_ns: int
    trace_id: str
    written_in: str

    @property
    def attributes(self) -> Attributes:
        return self.record.attributes

    @property
    def turn(self) -> str:
        """The id of the span of the turn."""
        return self.written_in or turn_span(self.trace_id)


def agent_fields(
    records: Iterable[OtlpLog], *, now_ns: int | None = None
) -> tuple[list[tuple[str, SpanFields]], list[OtlpLog]]:
    """The fields of the spans that records of coding agents report, each with its trace id; and the other records.

    `now_ns`, if given, replaces a time that is missing or more than a day in the future.
    """
    turns: dict[tuple[str, str], dict[str, Any]] = {}
    outcomes: dict[tuple[str, str], tuple[int, str]] = {}
    reported: list[tuple[str, SpanFields]] = []
    others = []
    for record in records:
        event = _event(record, now_ns)
        if event is None:
            if MARK_OF_CALLS_APART not in record.attributes:
                others.append(record)
            continue
        if event.row.kind != "prompt" and (call := _call(event)) is not None:
            reported.append((event.trace_id, call))
        if event.row.kind in _TURN_KINDS or not (event.written_in or event.row.kind in ("usage", "request")):
            _add_to_turn(turns.setdefault((event.trace_id, event.turn), {}), event)
        if _may_end_turn(event):
            outcome = (event.time_ns, "success" if _failure(event) is None else "error")
            outcomes[event.trace_id, event.turn] = max(outcome, outcomes.get((event.trace_id, event.turn), outcome))
    reported += [
        (trace_id, cast(SpanFields, {"span_id": span_id, **turn}))
        for (trace_id, span_id), turn in turns.items()
        if turn
    ]
    reported += [
        (trace_id, SpanFields(span_id=span_id, operation_type="agent", end_ns=end_ns, status=status))
        for (trace_id, span_id), (end_ns, status) in outcomes.items()
    ]
    return reported, others


def _event(record: OtlpLog, now_ns: int | None) -> _Event | None:
    """The event that a record reports. *absent*: None for a record that is not an agent's, or of an unknown event."""
    attributes, resource = record.attributes, record.origin.resource
    names = (attributes.get("event.name"), record.event_name, record.body)
    word = next((name for name in names if name and isinstance(name, str)), "").rpartition(".")[2]
    row = next((row for row in EVENTS.get(word, ()) if not row.requires.isdisjoint(attributes)), None)
    session = session_of(attributes, resource)
    if row is None or session is None or not _is_of_call(row, attributes):
        return None
    time_ns = stored_time_ns(_time_ns(record), now_ns)
    written_in = record.span_id if record.trace_id else ""
    trace_id = record.trace_id
    if MARK_OF_CALLS_APART in attributes and row.kind not in _TOOL_KINDS:
        written_in = ""  # of a span that is moved to the trace of the turn, see `agent_spans`
    if not written_in or (MARK_OF_CALLS_APART in attributes and has_one_prompt(resource)):
        trace_id = turn_trace(session, attributes, resource)
    return _Event(record, row, session, time_ns, trace_id, written_in)


def _is_of_call(row: EventRow, attributes: Attributes) -> bool:
    """Whether an HTTP request calls a model; any other event does what its row says."""
    endpoint = attributes.get("endpoint")
    return row.kind != "attempt" or not isinstance(endpoint, str) or endpoint.rpartition("/")[2] in CALL_ENDPOINTS


def _time_ns(record: OtlpLog) -> int:
    """The time of an event, which is the end of what it reports. The record itself may have been written later."""
    if isinstance(text := record.attributes.get("event.timestamp"), str):
        try:
            return parse_time(text)
        except ValueError:
            pass
    return record.time_ns


def _call(event: _Event) -> SpanFields | None:
    """The fields of the call that a record reports. *absent*: None for a reply that names no call or has no text."""
    kind = event.row.kind
    operation = "tool_call" if kind in _TOOL_KINDS else "completion"
    key = first_label(event.attributes, CALL_KEYS[operation])
    attributes = _renamed(event)
    if kind == "reply" and not (key and "gen_ai.output.messages" in attributes):
        return None
    failure = _failure(event)
    if kind == "attempt" and failure is None and event.written_in and _is_usage_apart(event):
        return None
    span_id = digits_of(event.trace_id, operation, key or canonical_json([event.time_ns, event.attributes]).decode())
    if kind == "request" and event.record.span_id:
        span_id = event.record.span_id
    _, fields = span_fields(
        OtlpSpan(
            event.trace_id,
            span_id,
            event.turn if event.turn != span_id else None,
            _name(attributes),
            "internal",
            event.time_ns - _duration_ns(event.attributes),
            event.time_ns,
            attributes,
            [],
            [],
            "unset" if failure is None else "error",
            failure or "",
            event.record.origin,
        )
    )
    if key:
        fields["call_key"] = key
    if kind == "usage":
        fields["needs_call"] = failure is not None or not _is_usage_apart(event)
    if kind == "decision":
        shown: Json = {name: value for name, value in event.attributes.items() if name in ("decision", "source")}
        fields["events"] = [{"name": "tool_decision", "time": format_time(event.time_ns), "attributes": shown}]
    if kind == "request" and isinstance(sent := fields.get("input_data"), dict) and "messages" in sent:
        # As messages they add to the instructions that the span itself may have.
        del fields["input_data"]
        messages = enumerate(cast("list[dict[str, Json]]", sent["messages"]))
        fields["log_messages"] = [cast(Json, log_message(event.time_ns, n, "input", item)) for n, item in messages]
    if kind in _TOOL_KINDS and str(event.attributes.get("decision", "")).lower() in REJECTIONS:
        fields["interrupted"] = True
    elif kind in ("reply", "request", "decision"):
        del fields["end_ns"]  # the call goes on, or another record reports its end
    return fields


def _is_usage_apart(event: _Event) -> bool:
    """Whether the records of usage alone report the calls of a trace, where they are in none or in another one."""
    name, since = USAGE_IN_SPANS
    parts = str(event.attributes.get(name, "")).split(".")[: len(since)]
    return all(map(str.isdecimal, parts)) and () < tuple(map(int, parts)) < since


def _renamed(event: _Event) -> Attributes:
    """The attributes of a record with the names of the convention tables, without texts that the agent left out."""
    kept = {
        name: value for name, value in event.attributes.items() if not (isinstance(value, str) and value in REDACTED)
    }
    names = dict(event.row.names)
    attributes: Attributes = {"gen_ai.operation.name": "execute_tool" if event.row.kind in _TOOL_KINDS else "chat"}
    for name, standard in event.row.names:
        if name in kept:
            attributes.setdefault(standard, kept[name])
    if event.row.kind in _TOOL_KINDS:
        if (tool := _mcp_tool(kept)) is not None:
            attributes["gen_ai.tool.name"] = tool
    else:
        service = event.record.origin.resource.get("service.name")
        provider = PROVIDERS.get(str(kept.get(PROVIDER))) or PROVIDERS_OF_SERVICES.get(str(service))
        if provider:
            attributes.setdefault("gen_ai.provider.name", provider)
    return {name: value for name, value in kept.items() if name not in names} | attributes


def _mcp_tool(attributes: Mapping[str, Json]) -> str | None:
    """The name by which the model called a tool of an MCP server. *absent*: None for any other tool."""
    details = parse_container(attributes.get(MCP_DETAILS)) if MCP_DETAILS in attributes else None
    if not isinstance(details, dict):
        return None
    names = [name for key in MCP_NAMES if isinstance(name := details.get(key), str) and name]
    return MCP_NAME.format(*names) if len(names) == len(MCP_NAMES) else None


def _name(attributes: Attributes) -> str:
    """The name of a call as OpenTelemetry gives it: the operation, then the model or the tool."""
    words = (attributes.get(name) for name in ("gen_ai.operation.name", "gen_ai.tool.name", "gen_ai.request.model"))
    return " ".join([word for word in words if isinstance(word, str)][:2])


def _duration_ns(attributes: Attributes) -> int:
    for name in DURATIONS:
        try:
            duration_ns = round(float(str(attributes.get(name, ""))) * NS_PER_MS)
        except (ValueError, OverflowError):
            continue
        return duration_ns if 0 <= duration_ns <= _MAX_DURATION_NS else 0
    return 0


def _failure(event: _Event) -> str | None:
    """The message of the failure that a record reports. *absent*: None without a failure, "" without a message."""
    kind, attributes = event.row.kind, event.attributes
    message = next((str(attributes[name]) for name in ("error.message", "error") if attributes.get(name)), "")
    is_failed = event.row in EVENTS["api_error"] or str(attributes.get("success", "")).lower() == "false"
    if kind in _TOOL_KINDS and str(attributes.get("decision", "")).lower() in REJECTIONS:
        return None  # a person decided so
    if is_failed or (message and kind in ("attempt", "usage")):
        return message or (_failed_output(attributes) if kind == "tool" else "")
    if kind in ("call", "attempt"):
        code = str(attributes.get("http.response.status_code", attributes.get("status_code", "")))
        return message or f"Status {code}" if code.isdecimal() and int(code) >= 400 else None
    exit_code = _exit_code(attributes) if kind == "tool" else 0
    return message or f"Exit code {exit_code}" if exit_code else None


def _failed_output(attributes: Mapping[str, Json]) -> str:
    """The message of a tool that failed with its output alone. *absent*: "" for an output that is no text."""
    if code := _exit_code(attributes):
        return f"Exit code {code}"
    output = attributes.get("output")
    return output if isinstance(output, str) else ""


def _exit_code(attributes: Mapping[str, Json]) -> int:
    """The exit code of the command that a tool ran. *absent*: 0."""
    details = parse_container(attributes.get("metadata"))
    if isinstance(details, dict) and (code := exit_code_in(details)):
        return code
    output = attributes.get("output")
    found = _EXIT_CODE.search(output) if isinstance(output, str) else None
    return int(found[1]) if found else 0


def _is_aside(event: _Event) -> bool:
    return any(str(event.attributes.get(name, "")).startswith(start) for name, start in ASIDE)


def _may_end_turn(event: _Event) -> bool:
    """Whether a record is about a call of the agent itself. The turn fails where the last of them has failed."""
    is_in_turn = not event.written_in or WRITTEN_IN_TURNS in event.attributes
    return event.row.kind in ("call", "attempt") and is_in_turn and not _is_aside(event)


def _add_to_turn(turn: dict[str, Any], event: _Event) -> None:
    """Add what a record reports about its turn: its times, its prompt and its replies.

    A prompt alone is no agent's work: the work may be in another trace.
    """
    kind = event.row.kind
    if kind in TURN_TEXTS and not _is_aside(event):
        direction, role, name = TURN_TEXTS[kind]
        text = event.attributes.get(name)
        if isinstance(text, str) and text and text not in REDACTED:
            message: dict[str, Json] = {"role": role, "parts": [{"type": "text", "text": text}]}
            turn.setdefault("log_messages", []).append(log_message(event.time_ns, 0, direction, message))
    start_ns = event.time_ns - _duration_ns(event.attributes)
    turn["start_ns"] = min(start_ns, turn.get("start_ns", start_ns))
    turn["end_ns"] = max(event.time_ns, turn.get("end_ns", 0))
    turn["conversation_id"] = event.session
    service = event.record.origin.resource.get("service.name")
    if isinstance(service, str) and service:
        turn["service_name"] = service
    turn["span_name"] = f"{service or 'agent'} turn"
    if event.written_in or kind != "prompt":
        turn["operation_type"] = "agent"
