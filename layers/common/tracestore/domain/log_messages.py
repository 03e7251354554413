"""Messages of a span that arrive separately, as log records, before or after the span.

They form a set: the same messages in any order and any number of times give the same conversation.
"""

from collections.abc import Iterable
from typing import Final, Literal, TypeAlias, cast

from .spans import Json, canonical_json, digest_of

Direction: TypeAlias = Literal["input", "output"]

LogMessage: TypeAlias = list[Json]
"""A message as a span's fields store it: `[time_ns, index in its log record, direction, message]`."""

_ROLE_ORDER: Final = ("system", "developer", "user", "assistant", "tool")


def log_message(time_ns: int, index: int, direction: Direction, message: dict[str, Json]) -> LogMessage:
    """The message at `index` of a log record, which may contain several."""
    return [time_ns, index, direction, message]


def merge_messages(lists: Iterable[Json]) -> list[Json]:
    """All messages of these lists, each once. *shape*: by time, then index, then role as a conversation orders them."""
    by_order = {_order(message): message for messages in lists for message in cast("list[list[Json]]", messages)}
    return [by_order[order] for order in sorted(by_order)]


def conversation(messages: Iterable[Json], direction: Direction) -> Json:
    """The input or the output of a span from its log messages. *absent*: None without a message in this direction.

    Instructions that the span and its log records both report appear once.
    """
    matching: list[Json] = []
    for _, _, message_direction, message in cast("Iterable[list[Json]]", messages):
        is_repeated = isinstance(message, dict) and message.get("role") == "system" and message in matching
        if message_direction == direction and not is_repeated:
            matching.append(message)
    return {"messages": matching} if matching else None


def _order(message: list[Json]) -> tuple[int, int, int, str]:
    time_ns, index, _, content = message
    role = content.get("role") if isinstance(content, dict) else None
    role_order = _ROLE_ORDER.index(role) if role in _ROLE_ORDER else len(_ROLE_ORDER)
    return (cast(int, time_ns), cast(int, index), role_order, digest_of(canonical_json(message)))
