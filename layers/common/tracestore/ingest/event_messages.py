"""Messages that come as events: of a span, or as log records that name their span.

*source*: OpenTelemetry GenAI events of all generations: one event a message (`gen_ai.user.message`, `gen_ai.choice`),
one for all prompts and one for all replies (`gen_ai.content.prompt`), one with everything
(`gen_ai.client.inference.operation.details`).
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from tracestore.domain.log_messages import Direction, LogMessage, log_message
from tracestore.domain.spans import Json

from .messages import Object, chat_message, conversation
from .otlp import Event, OtlpLog
from .values import opened


class Said(NamedTuple):
    """A message, whether it went into the model or came out, and the event's own words for it."""

    direction: Direction
    message: Object
    content: Json


SPEAKERS: Final[dict[str, tuple[Direction, str]]] = {
    "gen_ai.system.message": ("input", "system"),
    "gen_ai.developer.message": ("input", "developer"),
    "gen_ai.user.message": ("input", "user"),
    "gen_ai.assistant.message": ("input", "assistant"),
    "gen_ai.tool.message": ("input", "tool"),
    "gen_ai.choice": ("output", "assistant"),
    "gen_ai.assistant.reasoning": ("output", "assistant"),
}
"""Events that are one message each."""

WHOLE: Final[dict[str, tuple[Direction, str]]] = {
    "gen_ai.system_instructions": ("input", "system"),
    "gen_ai.input.messages": ("input", "user"),
    "gen_ai.prompt": ("input", "user"),
    "gen_ai.output.messages": ("output", "assistant"),
    "gen_ai.completion": ("output", "assistant"),
}
"""Attributes of an event that hold a whole conversation, in whichever event they come."""

_ABOUT_EVENT: Final = frozenset({"event.name", "gen_ai.message.index"})


def listed_events(value: Json) -> list[Event]:
    """The events in a list of objects, each with its name as `event.name`; none in anything else."""
    items = opened(value)
    return [
        Event(name, 0, {field: told for field, told in item.items() if field not in _ABOUT_EVENT})
        for item in (items if isinstance(items, list) else ())
        if isinstance(item, dict) and isinstance(name := item.get("event.name"), str)
    ]


def said(name: str, content: Object) -> list[Said]:
    """The messages that an event tells of, in their order; none for one that is about something else."""
    if name in SPEAKERS:
        return [_message_event(*SPEAKERS[name], content)]
    return [
        Said(direction, message, None)
        for field, (direction, role) in WHOLE.items()
        if content.get(field)
        for message in _messages(conversation(content[field], role, text_is_message=True))
    ]


def _message_event(direction: Direction, role: str, content: Object) -> Said:
    """A message whose text or parts may stand under `message`, where another generation has an object."""
    spoken = content.get("message", content.get("content"))
    if isinstance(spoken, str):
        content = {field: value for field, value in content.items() if field != "message"} | {"content": spoken}
    return Said(direction, chat_message(content, role), opened(spoken))


def _messages(chat: Json) -> list[Object]:
    messages = chat.get("messages") if isinstance(chat, dict) else None
    return [message for message in messages if isinstance(message, dict)] if isinstance(messages, list) else []


def log_messages(records: Iterable[OtlpLog]) -> list[tuple[str, str, LogMessage]]:
    """The messages in log records, each with the trace and span it belongs to. Other records give none."""
    found = []
    for record in records:
        if not record.trace_id or not record.span_id:
            continue
        named = record.event_name or record.attributes.get("event.name")
        name = named if isinstance(named, str) else ""
        for index, (direction, message, _) in enumerate(said(name, _told(record, name))):
            found.append((record.trace_id, record.span_id, log_message(record.time_ns, index, direction, message)))
    return found


def _told(record: OtlpLog, name: str) -> Object:
    """What a record tells of its event: a message is its body, everything else stands in its attributes, too."""
    body = opened(record.body)
    if body is None:
        return record.attributes
    if isinstance(body, dict):
        return body if name in SPEAKERS else {**body, **record.attributes}
    return {"content": body} if name in SPEAKERS else record.attributes
