"""Read the content of a span: its input and output, from its attributes, else from its events.

*source*: OpenTelemetry GenAI events of all generations: one event per message (`gen_ai.user.message`, `gen_ai.choice`),
one for all prompts and one for all replies (`gen_ai.content.prompt`), one for everything
(`gen_ai.client.inference.operation.details`), and the JSON of each in one attribute (`gen_ai.event.content`). Log
records that name their span contain the same events.
"""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple, cast

from tracestore.domain.chat_messages import Object
from tracestore.domain.json_values import OpenedTexts, is_empty, nested, parse_container, unquoted, value_at
from tracestore.domain.log_messages import Direction, log_message
from tracestore.domain.spans import Json

from .content_tables import (
    CONTINUATION_FIELDS,
    CONVERSATION_ATTRIBUTES,
    CONVERSATION_EVENTS,
    CONVERSATION_FIELDS,
    EVENT_CONTENT,
    EVENTS_ATTRIBUTE,
    EVENTS_WITH_MESSAGES,
    FINISH_FIELDS,
    MESSAGE_EVENTS,
    RAW_CONTENT_OPERATIONS,
    RESULT_EVENTS,
    SYSTEM,
    SYSTEM_PARAMETERS,
    TEXT_LISTS,
    TOOL_CONTENT,
    TOOL_OUTPUT_EVENTS,
    TRACE_CONTENT,
)
from .messages import chat_message, conversation
from .opened import ContentValue, OpenedSpan
from .otlp import Event

_MAX_REASON_CHARACTERS: Final = 256
_FUNCTION_ARGUMENTS: Final = frozenset({"args", "kwargs", "sanitize_inputs_outputs"})
"""The lists of a function's arguments, and a parameter by which smolagents calls each of its tools."""

_OBJECT_WITHOUT_CONTENT: Final = re.compile(r"<[\w.]+ object at 0x[0-9A-Fa-f]+>")
"""Python's representation of an object that shows nothing of it, which some clients send in place of a stream."""

_EVENT_FIELDS: Final = frozenset({"event.name", "gen_ai.message.index"})


class Content(NamedTuple):
    """The input and the output of a span as fields, the attributes that they contain, and why the answer ended.

    *absent*: None for a `finish_reason` that no message of the output has.
    """

    fields: dict[str, Json]
    used: set[str]
    finish_reason: str | None = None


def read_content(opened: OpenedSpan, operation: str, *, continues: bool = False) -> Content:
    """The input and the output of a span with this operation. Events count where no attribute contains the content.

    A span that `continues` a call before reports only what is new since then. Instructions without any message are
    `log_messages`, so that messages that arrive as log records join them.
    """
    used: set[str] = set()
    system = _system(opened)
    listed = _listed_events(opened.texts[EVENTS_ATTRIBUTE]) if EVENTS_ATTRIBUTE in opened.attributes else []
    if listed:
        used.add(EVENTS_ATTRIBUTE)
    inputs, outputs = opened.inputs, opened.outputs
    if opened.span.parent_span_id and not opened.attributes.keys().isdisjoint(TRACE_CONTENT):
        inputs = [item for item in inputs if item.names[0] not in TRACE_CONTENT]
        outputs = [item for item in outputs if item.names[0] not in TRACE_CONTENT]
    if operation == "completion" and not opened.attributes.keys().isdisjoint(TOOL_CONTENT):
        inputs = [item for item in inputs if item.names[0] not in TOOL_CONTENT]
        outputs = [item for item in outputs if item.names[0] not in TOOL_CONTENT]
    input_data = _first_content(inputs, opened.texts, operation, "user", system, used) if inputs else None
    output_data = _first_content(outputs, opened.texts, operation, "assistant", None, used) if outputs else None
    if output_data is None and operation == "tool_call":
        output_data = next(
            (nested(event.attributes) for event in opened.span.events if event.name in TOOL_OUTPUT_EVENTS), None
        )
    if output_data is None and operation == "retrieval" and opened.span.events:
        output_data = _results(opened.span.events)
    instructions = [] if input_data is not None or not system else _instructions(system)
    if (opened.span.events or listed) and (input_data is None or output_data is None):
        events = [event for event in (*opened.span.events, *listed) if event.name in EVENTS_WITH_MESSAGES]
        if input_data is None:
            input_data = _event_content(events, "input", operation)
        if output_data is None:
            output_data = _event_content(events, "output", operation)
    fields: dict[str, Json] = {}
    if input_data is not None:
        fields["input_data"] = input_data
    if output_data is not None:
        fields["output_data"] = output_data
    asked = input_data
    if isinstance(asked, dict) and isinstance(messages := asked.get("messages"), list):
        if instructions and not any(isinstance(item, dict) and item.get("role") == "system" for item in messages):
            asked["messages"] = [*instructions, *messages]
        if continues or not CONTINUATION_FIELDS.isdisjoint(asked):
            asked["delta"] = True
    if system and (asked is None or (isinstance(asked, dict) and "messages" in asked)):
        used.update(SYSTEM)
    if asked is None and instructions:
        time_ns = opened.span.start_ns
        fields["log_messages"] = [
            log_message(time_ns, index, "input", message) for index, message in enumerate(instructions)
        ]
    return Content(fields, used, _finish_reason(output_data))


def _finish_reason(output: Json) -> str | None:
    """The reason that the last message of an output has. *absent*: None."""
    last = messages[-1] if (messages := _messages(output)) else {}
    metadata = last.get("response_metadata")
    fields = (last, metadata) if isinstance(metadata, dict) else (last,)
    reasons = (item.get(name) for item in fields for name in FINISH_FIELDS)
    return next((text[:_MAX_REASON_CHARACTERS] for text in reasons if isinstance(text, str) and text), None)


def _instructions(system: Json) -> list[Object]:
    """The messages of the system that instructions are."""
    return _messages(conversation(system, "system", text_is_message=True))


def event_messages(name: str, content: Object) -> list[tuple[Direction, Object]]:
    """The messages in an event, each with whether it is the model's input or output, in their order.

    *absent*: an empty list for an event without messages.
    """
    if name in MESSAGE_EVENTS:
        return [_message_event(name, content)]
    return [
        (direction, message)
        for field, (direction, role) in CONVERSATION_ATTRIBUTES.items()
        if content.get(field)
        for message in _messages(conversation(content[field], role, text_is_message=True))
    ] + [
        (direction, message)
        for field, (direction, role) in CONVERSATION_FIELDS.items()
        if isinstance(listed := content.get(field), dict) and isinstance(listed.get("messages"), list)
        for message in _messages(conversation(listed, role))
    ]


def event_body(name: str, attributes: Object) -> Object:
    """The content of an event: the JSON in its `EVENT_CONTENT`, else its attributes."""
    content = parse_container(attributes.get(EVENT_CONTENT))
    if name in CONVERSATION_EVENTS and content is not None:
        return {CONVERSATION_EVENTS[name]: content}
    return content if isinstance(content, dict) else attributes


def _message_event(name: str, content: Object) -> tuple[Direction, Object]:
    """A message whose `message` is its text or parts in one generation of the events, and an object in another."""
    direction, role = MESSAGE_EVENTS[name]
    text = content.get("message", content.get("content"))
    if isinstance(text, str):
        content = {field: value for field, value in content.items() if field != "message"} | {"content": text}
    return direction, chat_message(content, role)


def _messages(chat: Json) -> list[Object]:
    messages = chat.get("messages") if isinstance(chat, dict) else None
    return [message for message in messages if isinstance(message, dict)] if isinstance(messages, list) else []


def _system(opened: OpenedSpan) -> Json:
    """The instructions that are reported separately from the messages. *absent*: None."""
    for name in SYSTEM:
        if raw := opened.attributes.get(name):
            return _container(opened.texts, name, raw)
    for name, keys in SYSTEM_PARAMETERS:
        if name in opened.attributes and isinstance(parameters := opened.texts[name], dict):
            return next((text for key in keys if (text := parameters.get(key))), None)
    return None


def _listed_events(items: Json) -> list[Event]:
    """The events in a list of objects, each with its name as `event.name`."""
    return [
        Event(name, 0, {field: content for field, content in item.items() if field not in _EVENT_FIELDS})
        for item in (items if isinstance(items, list) else ())
        if isinstance(item, dict) and isinstance(name := item.get("event.name"), str)
    ]


def _container(texts: OpenedTexts, name: str, raw: Json) -> Json:
    """The object, array or quoted text in an attribute; any other value as it came."""
    opened = texts[name] if isinstance(raw, str) else raw
    is_quoted = isinstance(opened, str) and isinstance(raw, str) and raw.startswith('"')
    return opened if is_quoted or isinstance(opened, dict | list) else raw


def _first_content(
    values: Sequence[ContentValue], texts: OpenedTexts, operation: str, role: str, system: Json, used: set[str]
) -> Json:
    """The first content among these values, or a later one that has its messages whole.

    The attributes with exactly the same value are marked as used, too.
    """
    content: Json = None
    chosen: Json = None
    incomplete: Json = None
    for sent in values:
        _, names, raw = sent
        if content is not None:
            if chosen is not None and raw == chosen:
                used.update(names)
            continue
        found = _content_of(sent, texts, operation, role, system)
        if found is None or (incomplete is not None and not _completes(found, incomplete)):
            continue
        used.update(names)
        is_incomplete = _has_instructions_alone(found) or (operation == "completion" and _lacks_parts(found))
        if incomplete is None and is_incomplete:
            incomplete = found
        else:
            content, chosen = found, raw
    if content is None:
        content = incomplete
    if content is None and operation == "tool_call" and role == "assistant":  # an empty result is a result
        return next((value for value, _, _ in values if value is not None), None)
    return content


def _content_of(sent: ContentValue, texts: OpenedTexts, operation: str, role: str, system: Json) -> Json:
    """The content of one value: messages, or the value itself in operations without any. *absent*: None."""
    value, names, raw = sent
    is_raw = operation in RAW_CONTENT_OPERATIONS
    if value is None and raw is not None:
        value = texts[names[0]]
    if is_empty(value) or (isinstance(value, str) and _OBJECT_WITHOUT_CONTENT.fullmatch(value)):
        return None
    if raw is None and len(names) > 1 and isinstance(value, dict) and not is_raw:  # members of one message
        value = {"role": role, **_with_listed_texts(value, names)}
    elif value is raw:
        value = _container(texts, names[0], raw)
    if operation == "tool_call":
        value = _of_tool(value, role)
    elif operation == "embedding" and isinstance(value, list):
        value = [unquoted(item) if role == "user" else parse_container(item) for item in value]
    if is_raw:
        found = _arguments(value, operation) if role == "user" else value
    else:
        is_message = operation == "completion" or system is not None
        found = conversation(_arguments(value, operation), role, text_is_message=is_message, system=system)
        if is_empty(found):
            return None
    return None if _is_without_content(found) else found


def _with_listed_texts(message: Object, names: Sequence[str]) -> Object:
    """The members of a message, with the texts that a client sends as JSON, one for each answer, as its content."""
    for name in TEXT_LISTS.intersection(names):
        member = name.rpartition(".")[2]
        texts = parse_container(message.get(member))
        if isinstance(texts, list) and all(isinstance(text, str) for text in texts):
            message = {**message, member: [text for text in texts if text]}
    return message


def _results(events: Sequence[Event]) -> Json:
    """The documents that a search found, each an event. *absent*: None."""
    return [
        {name.removeprefix(f"{event.name}."): value for name, value in event.attributes.items()}
        for event in events
        if event.name in RESULT_EVENTS
    ] or None


def _of_tool(value: Json, role: str) -> Json:
    """The arguments or the result of a tool without the message, or the request of an agent, that a client sends."""
    if _is_message_of_tool(value):
        messages = _messages(conversation(value, role))
        parts = _parts(messages[0]) if len(messages) == 1 else []
        part = parts[0] if len(parts) == 1 else None
        if isinstance(part, dict) and (inner := part.get(_PARTS_OF_TOOLS.get(str(part.get("type")), ""))) is not None:
            return unquoted(parse_container(inner))
    if isinstance(value, dict):
        if role == "assistant" and (text := _text_of_success(value)) is not None:
            return parse_container(text)
        request, response = value.get("request", value), value.get("response")
        if role == "user" and isinstance(request, dict) and "callId" in request and "args" in request:
            return request["args"]
        if (
            isinstance(response, dict)
            and isinstance(answers := response.get("responseParts"), list)
            and len(answers) == 1
        ):
            return value_at(answers[0], ("functionResponse", "response")) or value
    return value


def _text_of_success(answer: Object) -> str | None:
    """The text in the answer of a tool of AgentScope. *absent*: None, also for a failure or other blocks than text."""
    blocks = answer.get("content")
    if answer.get("state") != "success" or not isinstance(blocks, list) or not blocks or answer.get("metadata"):
        return None
    texts = [block.get("text") for block in blocks if isinstance(block, dict) and block.get("type") == "text"]
    return "\n".join(map(str, texts)) if len(texts) == len(blocks) else None


def _is_message_of_tool(value: Json) -> bool:
    """Whether a value is a message alone: in a list, or the answer to a call, which may be a serialized class."""
    if isinstance(value, list):
        return len(value) == 1 and isinstance(value[0], dict) and "role" in value[0]
    answer = value.get("kwargs", value) if isinstance(value, dict) else None
    return isinstance(answer, dict) and "tool_call_id" in answer and answer.get("status") != "error"


_PARTS_OF_TOOLS: Final = {"text": "text", "tool_call": "arguments", "tool_result": "result"}


def _lacks_parts(content: Json) -> bool:
    """Whether a message has no part, or a call in it no id: some clients flatten messages and lose these on the way."""
    return any(
        message.get("parts") == []
        or any(
            isinstance(part, dict) and part.get("type") == "tool_call" and "id" not in part for part in _parts(message)
        )
        for message in _messages(content)
    )


def _has_instructions_alone(content: Json) -> bool:
    """Whether a content has messages, of the system alone: some clients put the question elsewhere."""
    sent = content.get("messages") if isinstance(content, dict) else None
    return isinstance(sent, list) and bool(sent) and all(map(_is_instruction, reversed(sent)))


def _is_instruction(message: Json) -> bool:
    return isinstance(message, dict) and message.get("role") in _INSTRUCTING


_INSTRUCTING: Final = ("system", "developer")


def _completes(content: Json, incomplete: Json) -> bool:
    """Whether a content has the same messages as an incomplete one, or that one has no parts, and lacks nothing."""
    roles = [message.get("role") for message in _messages(content)]
    if not any(map(_parts, _messages(incomplete))):
        return any(map(_parts, _messages(content)))
    if _has_instructions_alone(incomplete):
        return bool(roles) and not _has_instructions_alone(content)
    return roles == [message.get("role") for message in _messages(incomplete)] and not _lacks_parts(content)


def _parts(message: Object) -> list[Json]:
    parts = message.get("parts")
    return parts if isinstance(parts, list) else []


def _arguments(value: Json, operation: str) -> Json:
    """The arguments of a function without the lists that a client puts them in: by name, or of a single argument it.

    The single argument of a tool keeps its list: the model named it, and the client did not pass on the name.
    """
    if not isinstance(value, dict) or not value or not value.keys() <= _FUNCTION_ARGUMENTS:
        return value
    positional, named = value.get("args", []), value.get("kwargs", {})
    if positional == [] and isinstance(named, dict):
        return named
    is_single = isinstance(positional, list) and len(positional) == 1 and not named
    return cast("list[Json]", positional)[0] if is_single and operation != "tool_call" else value


def _is_without_content(content: Json) -> bool:
    """Whether no message has a part or the reason why it ended: clients that must not record texts send roles alone."""
    messages = content.get("messages") if isinstance(content, dict) else None
    return isinstance(messages, list) and all(
        isinstance(item, dict) and item.get("parts") == [] and not any(name in item for name in FINISH_FIELDS)
        for item in messages
    )


def _event_content(events: Sequence[Event], direction: Direction, operation: str) -> Json:
    """The input or output from a span's events. Events for a tool's arguments and result have the names of messages."""
    matching = [event for event in events if EVENTS_WITH_MESSAGES[event.name] == direction]
    bodies = [(event.name, event_body(event.name, event.attributes)) for event in matching]
    if operation in RAW_CONTENT_OPERATIONS and len(bodies) == 1:
        ((_, body),) = bodies
        value = body.get("message", body.get("content"))
        if not is_empty(value):
            return unquoted(parse_container(value))
    messages: list[Json] = [message for name, body in bodies for _, message in event_messages(name, body)]
    return {"messages": messages} if messages else None
