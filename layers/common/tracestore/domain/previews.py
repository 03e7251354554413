"""The text of a span's input and output as a person reads it: in full, or its beginning for one line of a list."""

import json
from typing import Final

from .spans import Json

PREVIEW_CHARACTERS: Final = 300
_SCANNED_CHARACTERS: Final = 4_000
"""Characters read for a preview: enough for 300 after white space is collapsed, and bounded however large the text."""


def input_text(value: Json) -> str:
    """The text of an input: the last message of the user, else the last message, else the value as text.

    *absent*: an empty string.
    """
    messages = _messages(value)
    from_user = [message for message in messages if message.get("role") == "user"]
    return _message_text((from_user or messages)[-1]) if messages else _text(value)


def output_text(value: Json) -> str:
    """The text of an output: its last message, else the value as text. *absent*: an empty string."""
    messages = _messages(value)
    return _message_text(messages[-1]) if messages else _text(value)


def input_preview(value: Json) -> str | None:
    """The beginning of an input's text. *absent*: None."""
    return _cut(input_text(value))


def output_preview(value: Json) -> str | None:
    """The beginning of an output's text. *absent*: None."""
    return _cut(output_text(value))


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
    """The value as readable text: an object with a single field is replaced by the value of that field."""
    while isinstance(value, dict) and len(value) == 1:
        (value,) = value.values()
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, ensure_ascii=False, separators=(", ", ": "))


def _cut(text: str) -> str | None:
    line = " ".join(text[:_SCANNED_CHARACTERS].split())
    if len(line) > PREVIEW_CHARACTERS:
        return line[: PREVIEW_CHARACTERS - 1] + "…"
    return line or None
