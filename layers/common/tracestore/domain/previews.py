"""What was asked and what was answered, as a person reads it: whole, or its first words for a line in a list."""

import json
from typing import Final

from .spans import Json

PREVIEW_CHARACTERS: Final = 300
_LOOKED_AT: Final = 4_000
"""Characters of a text that are looked at: enough for 300 after white space is folded, however large the text."""


def asked(value: Json) -> str:
    """What was asked: the last thing a user said, else the value as text. Empty for nothing."""
    messages = _messages(value)
    by_user = [message for message in messages if message.get("role") == "user"]
    return _message_text((by_user or messages)[-1]) if messages else _text(value)


def answered(value: Json) -> str:
    """What was answered: the text of the last message, else the value as text. Empty for nothing."""
    messages = _messages(value)
    return _message_text(messages[-1]) if messages else _text(value)


def input_preview(value: Json) -> str | None:
    """The first words of what was asked. None for nothing."""
    return _cut(asked(value))


def output_preview(value: Json) -> str | None:
    """The first words of what was answered. None for nothing."""
    return _cut(answered(value))


def _messages(value: Json) -> list[dict[str, Json]]:
    if isinstance(value, dict):
        value = value.get("messages")
    if not isinstance(value, list):
        return []
    return [message for message in value if isinstance(message, dict) and ("parts" in message or "content" in message)]


def _message_text(message: dict[str, Json]) -> str:
    parts = message.get("parts", message.get("content"))
    if isinstance(parts, list):
        texts = [part["text"] for part in parts if isinstance(part, dict) and isinstance(part.get("text"), str)]
        return " ".join(texts) if texts else _text(parts)  # type: ignore[arg-type]
    return _text(parts)


def _text(value: Json) -> str:
    """The value as a person would read it: a lone string in an object is shown by itself."""
    while isinstance(value, dict) and len(value) == 1:
        (value,) = value.values()
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, ensure_ascii=False, separators=(", ", ": "))


def _cut(text: str) -> str | None:
    folded = " ".join(text[:_LOOKED_AT].split())
    if len(folded) > PREVIEW_CHARACTERS:
        return folded[: PREVIEW_CHARACTERS - 1] + "…"
    return folded or None
