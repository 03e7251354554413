"""Messages of a span that came by themselves, as log records, before it or after it.

They are a set: the same ones in any order, however often, are the same conversation.
"""

from collections.abc import Iterable
from typing import Final, Literal, TypeAlias, cast

from .spans import Json, canonical_json, digest_of

Direction: TypeAlias = Literal["input", "output"]

LogMessage: TypeAlias = list[Json]
"""A message as facts hold it: when it was told, its place in its log record, its direction, and the message."""

_ROLE_ORDER: Final = ("system", "developer", "user", "assistant", "tool")


def log_message(time_ns: int, index: int, direction: Direction, message: dict[str, Json]) -> LogMessage:
    """The message at place `index` of a log record, from which several may come."""
    return [time_ns, index, direction, message]


def united(lists: Iterable[Json]) -> list[Json]:
    """All messages of these lists, each once: by time, then place, then role as a conversation has them."""
    by_order = {_order(message): message for messages in lists for message in cast("list[list[Json]]", messages)}
    return [by_order[order] for order in sorted(by_order)]


def conversation(messages: Iterable[Json], direction: Direction) -> Json:
    """What the messages tell of a span's input or output; None for nothing."""
    spoken: list[Json] = [
        message for _, _, told, message in cast("Iterable[list[Json]]", messages) if told == direction
    ]
    return {"messages": spoken} if spoken else None


def _order(message: list[Json]) -> tuple[int, int, int, str]:
    time_ns, index, _, told = message
    role = told.get("role") if isinstance(told, dict) else None
    role_order = _ROLE_ORDER.index(role) if role in _ROLE_ORDER else len(_ROLE_ORDER)
    return (cast(int, time_ns), cast(int, index), role_order, digest_of(canonical_json(message)))
