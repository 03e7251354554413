"""What a span of any client means: its attributes and events as the facts that this service stores.

All that a convention decides is in `convention_tables`; here is how the tables are read, and what holds for every span.
No rule asks which client sent one. What becomes no fact stays in `metadata`.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final, cast

from tracestore.domain.log_messages import Direction
from tracestore.domain.spans import Json, SpanFields
from tracestore.domain.times import NS_PER_MS, format_time, parse_time

from .convention_tables import (
    AS_IT_CAME,
    ERROR_LEVELS,
    ERROR_MESSAGES,
    ERROR_TYPES,
    EVENTS_LISTED,
    EVIDENCE,
    FIRST_TOKEN_EVENTS,
    FIRST_TOKEN_TIMES,
    INPUT,
    LEVELS,
    NAMED_OPERATIONS,
    OPERATION,
    OPERATION_WORDS,
    OUTPUT,
    ROWS,
    SYSTEM,
    TOOL_NAME,
    VAGUE_ERRORS,
)
from .event_messages import SPEAKERS, WHOLE, Said, listed_events, said
from .field_readers import label
from .messages import conversation
from .otlp import Event, Origin, OtlpSpan
from .reading import Index, Reading
from .usage_kinds import settle_usage
from .values import nested, opened, unquoted

MAX_NAME_CHARACTERS: Final = 512
MAX_MESSAGE_CHARACTERS: Final = 65_536

_OPERATION_ROW, _INPUT_ROW, _OUTPUT_ROW, _FIRST_ROW = 0, 1, 2, 3
_INDEX: Final = Index([OPERATION.split(), INPUT.split(), OUTPUT.split(), *(row.sources.split() for row in ROWS)])
_FIELDS: Final = [(row.field.removeprefix("metadata."), row.field.startswith("metadata."), row) for row in ROWS]
_TOOL_NAME: Final = re.compile(TOOL_NAME)
_CLASS: Final = re.compile(r"<class '(?P<name>[^']+)'>")


def span_fields(span: OtlpSpan) -> tuple[str, SpanFields]:
    """The trace's id and the facts of a span."""
    return spans_fields([span])[0]


def spans_fields(spans: Iterable[OtlpSpan]) -> list[tuple[str, SpanFields]]:
    """The trace's id and the facts of each span. Those of one origin share the description of it."""
    origins: dict[int, dict[str, Json]] = {}
    found = []
    for span in spans:
        origin = origins.get(id(span.origin))
        if origin is None:
            origin = origins[id(span.origin)] = _described(span.origin)
        found.append((span.trace_id, _fields(span, origin)))
    return found


def _fields(span: OtlpSpan, origin: dict[str, Json]) -> SpanFields:
    reading = Reading(_with_content_events(span), _INDEX)
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
    if service := label(span.origin.resource.get("service.name")):
        fields["service_name"] = service
    if scope := label(span.origin.scope_name):
        fields["scope_name"] = scope
    metadata: dict[str, Json] = {}
    _read_rows(reading, operation, fields, metadata)
    if isinstance(requested := metadata.get("request_model"), str) and requested != fields.get("model_name"):
        fields["request_model"] = requested  # beside the payload, for its price
    if operation == "tool_call" and "tool_name" not in fields and (name := _TOOL_NAME.fullmatch(span.name)):
        fields["tool_name"] = label(name["name"])
    settle_usage(fields, metadata)
    _read_outcome(reading, span, fields)
    _read_content(reading, span.events, operation, fields)
    if "time_to_first_token_ms" not in metadata and (first_ms := _first_token_ms(reading, span)) is not None:
        metadata["time_to_first_token_ms"] = first_ms
    fields["metadata"] = metadata | _rest(span, reading) | origin
    return cast(SpanFields, fields)


def _operation(reading: Reading, span_name: str) -> str:
    """What the span does, in the contract's words: as it says, else as its attributes or its name tell."""
    said_so = None
    for row, _, source in reading.places:
        if row != _OPERATION_ROW:
            break
        word = reading.value(source)
        if isinstance(word, str) and (known := OPERATION_WORDS.get(word.lower())):
            reading.tell(source)
            if known != "other":
                return known
            said_so = known
    attributes = reading.attributes
    for operation, names in () if said_so else EVIDENCE:
        if any(name in attributes for name in names):
            return operation
    for beginning, operation in NAMED_OPERATIONS:
        if span_name.startswith(beginning):
            return operation
    return "other"


def _read_rows(reading: Reading, operation: str, fields: dict[str, Any], metadata: dict[str, Json]) -> None:
    """Each row's first good value; attributes that say the same again are ticked off with it."""
    for number, _, source in reading.places:
        if number < _FIRST_ROW:
            continue
        field, in_metadata, row = _FIELDS[number - _FIRST_ROW]
        if row.operations and operation not in row.operations:
            continue
        value = row.read(reading.value(source))
        if value is not None and (metadata if in_metadata else fields).setdefault(field, value) == value:
            reading.tell(source)


def _read_outcome(reading: Reading, span: OtlpSpan, fields: dict[str, Any]) -> None:
    """Whether it failed, and of what. An exception in a span that did not fail was dealt with, and stays an event."""
    attributes = reading.attributes
    failed = span.status == "error" or any(attributes.get(name) in ERROR_LEVELS for name in LEVELS)
    if not failed and not (span.status == "unset" and attributes.get("error.type")):
        if span.status == "ok":
            fields["status"] = "success"
        return
    fields["status"] = "error"
    told: dict[str, Json] = {}
    for event in span.events:
        if event.name == "exception":
            told = event.attributes  # The last one is what it failed of.
    types = [text for name in ERROR_TYPES for text in (attributes.get(name), told.get(name)) if text]
    named = [_CLASS.sub(r"\g<name>", str(text)) for text in types]
    telling = [name for name in named if name not in VAGUE_ERRORS and not name.isdecimal()]
    if error_type := next(iter(telling or named), None):
        fields["error_type"] = label(error_type)
    messages = (told.get("exception.message"), span.status_message, *map(attributes.get, ERROR_MESSAGES))
    if message := next((str(text) for text in messages if text and str(text).strip()), None):
        fields["error_message"] = message.strip()[:MAX_MESSAGE_CHARACTERS]
    reading.tell_names(
        name for name in (*ERROR_TYPES, *ERROR_MESSAGES) if attributes.get(name) in (error_type, message)
    )


def _read_content(reading: Reading, events: Sequence[Event], operation: str, fields: dict[str, Any]) -> None:
    system = next((value for name in SYSTEM if (value := reading.attributes.get(name))), None)
    if listed := listed_events(reading.attributes.get(EVENTS_LISTED)):
        events = [*events, *listed]
        reading.tell_names([EVENTS_LISTED])
    spoken = [message for event in events if event.name in SPEAKERS for message in said(event.name, event.attributes)]
    input_data = _content(reading, _INPUT_ROW, operation, "user", system)
    if input_data is None and system:
        input_data = conversation(system, "system", text_is_message=True)
    if system and isinstance(input_data, dict) and "messages" in input_data:
        reading.tell_names(SYSTEM)
    output_data = _content(reading, _OUTPUT_ROW, operation, "assistant", None)
    for field, data, direction in (("input_data", input_data, "input"), ("output_data", output_data, "output")):
        if data is None:
            data = _spoken(spoken, cast(Direction, direction), operation)
        if data is not None:
            fields[field] = data


def _content(reading: Reading, row: int, operation: str, role: str, system: Json) -> Json:
    """The first content there is in a row; sources that hold the very same are ticked off with it."""
    content: Json = None
    raw: Json = None
    for number, _, source in reading.places:
        if number != row:
            continue
        if content is not None:
            if raw is not None and source.path is None and reading.attributes.get(source.name) == raw:
                reading.tell(source)
            continue
        value = reading.value(source)
        if _is_empty(value):
            continue
        if source.members and isinstance(value, dict):
            value = {"role": role, **value}
        if operation in AS_IT_CAME:
            found = opened(value)
        else:
            found = conversation(value, role, text_is_message=operation == "completion", system=system)
        if not _is_silent(found):
            content = found
            raw = reading.attributes.get(source.name)
            reading.tell(source)
    return content


def _is_empty(value: Json) -> bool:
    return value is None or value == "" or value == [] or value == {}


def _is_silent(content: Json) -> bool:
    """Whether these are messages of which none says anything: roles alone, where the text was not to be recorded."""
    messages = content.get("messages") if isinstance(content, dict) else None
    return isinstance(messages, list) and all(isinstance(item, dict) and item.get("parts") == [] for item in messages)


def _spoken(spoken: list[Said], direction: Direction, operation: str) -> Json:
    """What the span's events say. A tool's arguments and result are events of the same names as messages."""
    those = [item for item in spoken if item.direction == direction]
    if not those:
        return None
    if operation in AS_IT_CAME and len(those) == 1 and not _is_empty(those[0].content):
        return those[0].content
    return {"messages": [item.message for item in those]}


def _with_content_events(span: OtlpSpan) -> dict[str, Json]:
    """The span's attributes over those of its events that hold whole conversations instead of the span."""
    attributes = span.attributes
    for event in span.events:
        if _holds_content(event):
            attributes = event.attributes | attributes
    return attributes


def _holds_content(event: Event) -> bool:
    return not WHOLE.keys().isdisjoint(event.attributes)


def _first_token_ms(reading: Reading, span: OtlpSpan) -> float | None:
    times = [event.time_ns for event in span.events if event.name in FIRST_TOKEN_EVENTS]
    for name in FIRST_TOKEN_TIMES:
        text = unquoted(reading.attributes.get(name))
        if isinstance(text, str):
            try:
                times.append(parse_time(text))
            except ValueError:
                continue
    waits_ns = [time_ns - span.start_ns for time_ns in times if span.start_ns <= time_ns <= span.end_ns]
    return round(min(waits_ns) / NS_PER_MS, 3) if waits_ns else None


def _rest(span: OtlpSpan, reading: Reading) -> dict[str, Json]:
    """What became no fact."""
    rest: dict[str, Json] = {}
    if span.kind not in ("unspecified", "internal"):
        rest["kind"] = span.kind
    if attributes := reading.untold():
        rest["attributes"] = attributes
    if events := [_event(event) for event in span.events if event.name not in SPEAKERS and not _holds_content(event)]:
        rest["events"] = events
    if span.links:
        rest["links"] = [
            {"trace_id": link.trace_id, "span_id": link.span_id, "attributes": nested(link.attributes)}
            for link in span.links
        ]
    return rest


def _event(event: Event) -> Json:
    told: dict[str, Json] = {"name": event.name}
    if event.time_ns:
        told["time"] = format_time(event.time_ns)
    if event.attributes:
        told["attributes"] = nested(event.attributes)
    return told


def _described(origin: Origin) -> dict[str, Json]:
    scope: dict[str, Json] = {"name": origin.scope_name, "version": origin.scope_version}
    if origin.scope_attributes:
        scope["attributes"] = nested(origin.scope_attributes)
    scope = {name: value for name, value in scope.items() if value}
    described = {"resource": cast(Json, nested(origin.resource)), "scope": scope}
    return {name: value for name, value in described.items() if value}
