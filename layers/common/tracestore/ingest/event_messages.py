"""Read messages that arrive as events: events of a span, or log records that name their span.

*source*: OpenTelemetry GenAI events of all generations: one event per message (`gen_ai.user.message`, `gen_ai.choice`),
one for all prompts and one for all replies (`gen_ai.content.prompt`), one for everything
(`gen_ai.client.inference.operation.details`).
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from tracestore.domain.log_messages import Direction, LogMessage, log_message
from tracestore.domain.spans import Json

from .messages import Object, chat_message, conversation
from .otlp import Event, OtlpLog
from .values import parse_container


class EventMessage(NamedTuple):
    """A message, whether it is the model's input or output, and its content as the event has it."""

    direction: Direction
    message: Object
    content: Json


MESSAGE_EVENTS: Final[dict[str, tuple[Direction, str]]] = {
    "gen_ai.system.message": ("input", "system"),
    "gen_ai.developer.message": ("input", "developer"),
    "gen_ai.user.message": ("input", "user"),
    "gen_ai.assistant.message": ("input", "assistant"),
    "gen_ai.tool.message": ("input", "tool"),
    "gen_ai.choice": ("output", "assistant"),
    "gen_ai.assistant.reasoning": ("output", "assistant"),
}
"""Names of events that each contain one message, with its direction and its role."""

CONVERSATION_ATTRIBUTES: Final[dict[str, tuple[Direction, str]]] = {
    "gen_ai.system_instructions": ("input", "system"),
    "gen_ai.input.messages": ("input", "user"),
    "gen_ai.prompt": ("input", "user"),
    "gen_ai.output.messages": ("output", "assistant"),
    "gen_ai.completion": ("output", "assistant"),
}
"""Attributes that contain a whole conversation, whatever the name of their event."""

_EVENT_FIELDS: Final = frozenset({"event.name", "gen_ai.message.index"})


def parse_listed_events(value: Json) -> list[Event]:
    """The events in a list of objects, each with its name as `event.name`. *absent*: an empty list for other values."""
    items = parse_container(value)
    return [
        Event(name, 0, {field: content for field, content in item.items() if field not in _EVENT_FIELDS})
        for item in (items if isinstance(items, list) else ())
        if isinstance(item, dict) and isinstance(name := item.get("event.name"), str)
    ]


def event_messages(name: str, content: Object) -> list[EventMessage]:
    """The messages in an event, in their order. *absent*: an empty list for an event without messages."""
    if name in MESSAGE_EVENTS:
        return [_message_event(*MESSAGE_EVENTS[name], content)]
    return [
        EventMessage(direction, message, None)
        for field, (direction, role) in CONVERSATION_ATTRIBUTES.items()
        if content.get(field)
        for message in _messages(conversation(content[field], role, text_is_message=True))
    ]


def _message_event(direction: Direction, role: str, content: Object) -> EventMessage:
    """A message whose `message` is its text or parts in one generation of the events, and an object in another."""
    text = content.get("message", content.get("content"))
    if isinstance(text, str):
        content = {field: value for field, value in content.items() if field != "message"} | {"content": text}
    return EventMessage(direction, chat_message(content, role), parse_container(text))


def _messages(chat: Json) -> list[Object]:
    messages = chat.get("messages") if isinstance(chat, dict) else None
    return [message for message in messages if isinstance(message, dict)] if isinstance(messages, list) else []


def log_messages(records: Iterable[OtlpLog]) -> list[tuple[str, str, LogMessage]]:
    """The messages in log records, each with its trace id and span id. Records without messages are skipped."""
    messages = []
    for record in records:
        if not record.trace_id or not record.span_id:
            continue
        event_name = record.event_name or record.attributes.get("event.name")
        name = event_name if isinstance(event_name, str) else ""
        for index, (direction, message, _) in enumerate(event_messages(name, _event_content(record, name))):
            messages.append((record.trace_id, record.span_id, log_message(record.time_ns, index, direction, message)))
    return messages


def _event_content(record: OtlpLog, name: str) -> Object:
    """The content of a record's event: the body for a message; body and attributes for any other event."""
    body = parse_container(record.body)
    if body is None:
        return record.attributes
    if isinstance(body, dict):
        return body if name in MESSAGE_EVENTS else {**body, **record.attributes}
    return {"content": body} if name in MESSAGE_EVENTS else record.attributes
