"""Read the attributes and events of a span, from any client, into the fields that this service stores.

Everything specific to a convention is in `convention_tables`. This module reads the tables and applies the rules that
hold for every span. No rule depends on which client sent the span. Attributes that no field uses stay in `metadata`.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final, cast

from tracestore.domain.log_messages import Direction
from tracestore.domain.spans import MAX_DURATION_MS, MAX_STACK_CHARACTERS, Json, SpanFields
from tracestore.domain.times import NS_PER_MS, format_time, parse_time

from .convention_tables import (
    ERROR_LEVELS,
    ERROR_MESSAGES,
    ERROR_TYPES,
    EVENTS_ATTRIBUTE,
    EVIDENCE,
    FIRST_TOKEN_EVENTS,
    FIRST_TOKEN_TIMES,
    GENERIC_ERRORS,
    INPUT,
    LEVELS,
    OPERATION,
    OPERATION_WORDS,
    OPERATIONS_BY_NAME_PREFIX,
    OUTPUT,
    RAW_CONTENT_OPERATIONS,
    RESOURCE_FIELDS,
    ROWS,
    SYSTEM,
    TOOL_NAME,
)
from .event_messages import CONVERSATION_ATTRIBUTES, MESSAGE_EVENTS, EventMessage, event_messages, parse_listed_events
from .field_readers import label
from .messages import conversation
from .otlp import Event, Link, Origin, OtlpSpan
from .reading import Index, Reading
from .usage_kinds import normalize_usage
from .values import nested, parse_any, parse_container

MAX_NAME_CHARACTERS: Final = 512
MAX_MESSAGE_CHARACTERS: Final = 65_536

_OPERATION_ROW, _INPUT_ROW, _OUTPUT_ROW, _FIRST_ROW = 0, 1, 2, 3
_INDEX: Final = Index([OPERATION.split(), INPUT.split(), OUTPUT.split(), *(row.sources.split() for row in ROWS)])
_FIELDS: Final = [(row.field.removeprefix("metadata."), row.field.startswith("metadata."), row) for row in ROWS]
_TOOL_NAME: Final = re.compile(TOOL_NAME)
_CLASS: Final = re.compile(r"<class '(?P<name>[^']+)'>")


def span_fields(span: OtlpSpan) -> tuple[str, SpanFields]:
    """The trace id and the fields of a span."""
    return spans_fields([span])[0]


def spans_fields(spans: Iterable[OtlpSpan]) -> list[tuple[str, SpanFields]]:
    """The trace id and the fields of each span. Spans of one origin share its metadata objects."""
    origins: dict[int, dict[str, Json]] = {}
    reported = []
    for span in spans:
        origin = origins.get(id(span.origin))
        if origin is None:
            origin = origins[id(span.origin)] = _origin_metadata(span.origin)
        reported.append((span.trace_id, _fields(span, origin)))
    return reported


def _fields(span: OtlpSpan, origin: dict[str, Json]) -> SpanFields:
    reading = Reading(_with_content_events(span), _INDEX)
    resource = span.origin.resource
    operation = _operation(reading, span.name)
    fields: dict[str, Any] = {
        "span_id": span.span_id,
        "span_name": span.name[:MAX_NAME_CHARACTERS] or "unnamed",
        "operation_type": operation,
        "start_ns": span.start_ns,
        "end_ns": span.end_ns,
    }
    if span.parent_span_id:
        fields["parent_span_id"] = span.parent_span_id
    if scope := label(span.origin.scope_name):
        fields["scope_name"] = scope
    metadata: dict[str, Json] = {}
    _read_rows(reading, operation, fields, metadata)
    for field, sources in RESOURCE_FIELDS:
        if field not in fields and (found := next(filter(None, map(label, map(resource.get, sources))), None)):
            fields[field] = found
    if isinstance(requested := metadata.get("request_model"), str) and requested != fields.get("model_name"):
        fields["request_model"] = requested  # outside of the payload: pricing reads it
    if operation == "tool_call" and "tool_name" not in fields and (name := _TOOL_NAME.fullmatch(span.name)):
        fields["tool_name"] = label(name["name"])
    normalize_usage(fields, metadata)
    _read_outcome(reading, span, fields)
    _read_content(reading, span.events, operation, fields)
    if "time_to_first_token_ms" not in metadata and (first_ms := _first_token_ms(reading, span)) is not None:
        metadata["time_to_first_token_ms"] = first_ms
    _read_answer(metadata, fields)
    _read_events(span, fields)
    fields["metadata"] = metadata | _unused_metadata(span, reading) | origin
    return cast(SpanFields, fields)


def _operation(reading: Reading, span_name: str) -> str:
    """The operation (`docs/api.md`, "Spans"): as the span reports it, else derived from its attributes or its name."""
    reported = None
    for row, _, source in reading.matches:
        if row != _OPERATION_ROW:
            break
        word = reading.value(source)
        if isinstance(word, str) and (known := OPERATION_WORDS.get(word.lower())):
            reading.mark_used(source)
            if known != "other":
                return known
            reported = known
    attributes = reading.attributes
    for operation, names in () if reported else EVIDENCE:
        if any(name in attributes for name in names):
            return operation
    for prefix, operation in OPERATIONS_BY_NAME_PREFIX:
        if span_name.startswith(prefix):
            return operation
    return "other"


def _read_rows(reading: Reading, operation: str, fields: dict[str, Any], metadata: dict[str, Json]) -> None:
    """Store the first usable value of each row. Attributes that repeat the stored value are marked as used, too."""
    for index, _, source in reading.matches:
        if index < _FIRST_ROW:
            continue
        field, in_metadata, row = _FIELDS[index - _FIRST_ROW]
        if row.operations and operation not in row.operations:
            continue
        value = row.read(reading.value(source))
        if value is not None and (metadata if in_metadata else fields).setdefault(field, value) == value:
            reading.mark_used(source)


def _read_outcome(reading: Reading, span: OtlpSpan, fields: dict[str, Any]) -> None:
    """Store the status and the error. An exception in a span that did not fail was handled; it stays an event."""
    attributes = reading.attributes
    failed = span.status == "error" or any(attributes.get(name) in ERROR_LEVELS for name in LEVELS)
    if not failed and not (span.status == "unset" and attributes.get("error.type")):
        if span.status == "ok":
            fields["status"] = "success"
        return
    fields["status"] = "error"
    exception: dict[str, Json] = {}
    for event in span.events:
        if event.name == "exception":
            exception = event.attributes  # The last exception is the one that the span failed with.
    types = [text for name in ERROR_TYPES for text in (attributes.get(name), exception.get(name)) if text]
    names = [_CLASS.sub(r"\g<name>", str(text)) for text in types]
    specific = [name for name in names if name not in GENERIC_ERRORS and not name.isdecimal()]
    if error_type := next(iter(specific or names), None):
        fields["error_type"] = label(error_type)
    stacks = (exception.get("exception.stacktrace"), attributes.get("exception.stacktrace"))
    if stack := next((text for text in stacks if text and isinstance(text, str)), None):
        fields["error_stack"] = stack[:MAX_STACK_CHARACTERS]
    messages = (exception.get("exception.message"), span.status_message, *map(attributes.get, ERROR_MESSAGES))
    if message := next((str(text) for text in messages if text and str(text).strip()), None):
        fields["error_message"] = message.strip()[:MAX_MESSAGE_CHARACTERS]
    reading.mark_names_used(
        name for name in (*ERROR_TYPES, *ERROR_MESSAGES) if attributes.get(name) in (error_type, message)
    )


def _read_content(reading: Reading, events: Sequence[Event], operation: str, fields: dict[str, Any]) -> None:
    system = next((value for name in SYSTEM if (value := reading.attributes.get(name))), None)
    if listed := parse_listed_events(reading.attributes.get(EVENTS_ATTRIBUTE)):
        events = [*events, *listed]
        reading.mark_names_used([EVENTS_ATTRIBUTE])
    messages = [
        message
        for event in events
        if event.name in MESSAGE_EVENTS
        for message in event_messages(event.name, event.attributes)
    ]
    input_data = _content(reading, _INPUT_ROW, operation, "user", system)
    if input_data is None and system:
        input_data = conversation(system, "system", text_is_message=True)
    if system and isinstance(input_data, dict) and "messages" in input_data:
        reading.mark_names_used(SYSTEM)
    output_data = _content(reading, _OUTPUT_ROW, operation, "assistant", None)
    for field, data, direction in (("input_data", input_data, "input"), ("output_data", output_data, "output")):
        if data is None:
            data = _event_content(messages, cast(Direction, direction), operation)
        if data is not None:
            fields[field] = data


def _content(reading: Reading, row: int, operation: str, role: str, system: Json) -> Json:
    """The first content among the sources of a row. Sources with exactly the same value are marked as used, too."""
    content: Json = None
    raw: Json = None
    for index, _, source in reading.matches:
        if index != row:
            continue
        if content is not None:
            if raw is not None and source.path is None and reading.attributes.get(source.name) == raw:
                reading.mark_used(source)
            continue
        value = reading.value(source)
        if _is_empty(value):
            continue
        if source.members and isinstance(value, dict):
            value = {"role": role, **value}
        if operation in RAW_CONTENT_OPERATIONS:
            parsed = parse_container(value)
        else:
            parsed = conversation(value, role, text_is_message=operation == "completion", system=system)
        if not _is_without_content(parsed):
            content = parsed
            raw = reading.attributes.get(source.name)
            reading.mark_used(source)
    return content


def _is_empty(value: Json) -> bool:
    return value is None or value == "" or value == [] or value == {}


def _is_without_content(content: Json) -> bool:
    """Whether no message has any part: a client that must not record texts sends the roles alone."""
    messages = content.get("messages") if isinstance(content, dict) else None
    return isinstance(messages, list) and all(isinstance(item, dict) and item.get("parts") == [] for item in messages)


def _event_content(messages: list[EventMessage], direction: Direction, operation: str) -> Json:
    """The input or output from a span's events. Events for a tool's arguments and result have the names of messages."""
    matching = [message for message in messages if message.direction == direction]
    if not matching:
        return None
    if operation in RAW_CONTENT_OPERATIONS and len(matching) == 1 and not _is_empty(matching[0].content):
        return matching[0].content
    return {"messages": [message.message for message in matching]}


def _with_content_events(span: OtlpSpan) -> dict[str, Json]:
    """The span's attributes, completed by those of events that contain whole conversations instead of the span."""
    attributes = span.attributes
    for event in span.events:
        if _contains_conversation(event):
            attributes = event.attributes | attributes
    return attributes


def _contains_conversation(event: Event) -> bool:
    return not CONVERSATION_ATTRIBUTES.keys().isdisjoint(event.attributes)


def _first_token_ms(reading: Reading, span: OtlpSpan) -> float | None:
    times = [event.time_ns for event in span.events if event.name in FIRST_TOKEN_EVENTS]
    for name in FIRST_TOKEN_TIMES:
        text = parse_any(reading.attributes.get(name))
        if isinstance(text, str):
            try:
                times.append(parse_time(text))
            except ValueError:
                continue
    waits_ns = [time_ns - span.start_ns for time_ns in times if span.start_ns <= time_ns <= span.end_ns]
    return round(min(waits_ns) / NS_PER_MS, 3) if waits_ns else None


def _read_answer(metadata: dict[str, Json], fields: dict[str, Any]) -> None:
    """Store what metadata says about the answer, in the fields that lists and outlines show."""
    if isinstance(first_ms := metadata.get("time_to_first_token_ms"), int | float) and first_ms <= MAX_DURATION_MS:
        fields["time_to_first_token_ns"] = round(first_ms * NS_PER_MS)
    if isinstance(reasons := metadata.get("finish_reasons"), list) and reasons[0]:
        fields["finish_reason"] = reasons[0]
    if isinstance(tags := metadata.get("tags"), list) and (named := [tag for tag in tags if tag]):
        fields["tags"] = named


def _read_events(span: OtlpSpan, fields: dict[str, Any]) -> None:
    """Store the events that are no messages, and the links."""
    if events := [
        _event(event) for event in span.events if event.name not in MESSAGE_EVENTS and not _contains_conversation(event)
    ]:
        fields["events"] = events
    if span.links:
        fields["links"] = [_link(link) for link in span.links]


def _unused_metadata(span: OtlpSpan, reading: Reading) -> dict[str, Json]:
    """Everything of a span that no field contains."""
    rest: dict[str, Json] = {}
    if span.kind not in ("unspecified", "internal"):
        rest["kind"] = span.kind
    if attributes := reading.unused():
        rest["attributes"] = attributes
    return rest


def _event(event: Event) -> Json:
    fields: dict[str, Json] = {"name": event.name}
    if event.time_ns:
        fields["time"] = format_time(event.time_ns)
    if event.attributes:
        fields["attributes"] = nested(event.attributes)
    return fields


def _link(link: Link) -> Json:
    fields: dict[str, Json] = {"trace_id": link.trace_id, "span_id": link.span_id}
    if link.attributes:
        fields["attributes"] = nested(link.attributes)
    return fields


def _origin_metadata(origin: Origin) -> dict[str, Json]:
    scope: dict[str, Json] = {"name": origin.scope_name, "version": origin.scope_version}
    if origin.scope_attributes:
        scope["attributes"] = nested(origin.scope_attributes)
    scope = {name: value for name, value in scope.items() if value}
    metadata = {"resource": cast(Json, nested(origin.resource)), "scope": scope}
    return {name: value for name, value in metadata.items() if value}
