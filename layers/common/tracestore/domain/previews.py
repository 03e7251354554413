"""The text of a span's input and output as a person reads it: in full, or its beginning for one line of a list."""

import json
from typing import Final, cast

from .spans import Json

PREVIEW_CHARACTERS: Final = 300
_ADDED_TEXTS: Final = ("<system-reminder>",)
"""The starts of texts that coding agents add to the message of a user. *source*: Claude Code, Qwen Code."""

_SCANNED_CHARACTERS: Final = 4_000
"""Characters read for a preview: enough for 300 after white space is collapsed, and bounded however large the text."""


def input_text(value: Json, characters: int | None = None) -> str:
    """The text of an input: the user's last message of a known kind, else the last message, else the value as text.

    *shape*: with `characters`, at least its beginning of that length. *absent*: an empty string.
    """
    messages = messages_of(value)
    if not messages:
        return text_of(value, characters)
    asked = [message for message in messages if message.get("role") == "user"] or messages
    return _message_text(next(filter(_has_known_part, reversed(asked)), asked[-1]), characters)


def output_text(value: Json, characters: int | None = None) -> str:
    """The text of an output: its last message with anything but reasoning and unknown parts, else the value as text.

    *shape*: with `characters`, at least its beginning of that length. *absent*: an empty string.
    """
    messages = messages_of(value)
    if not messages:
        return text_of(value, characters)
    return _message_text(next(filter(_has_known_part, reversed(messages)), messages[-1]), characters)


def _has_known_part(message: dict[str, Json]) -> bool:
    """Whether a message has a part that is neither reasoning nor of an unknown kind."""
    parts = message.get("parts")
    if not isinstance(parts, list):
        return True
    return any(not isinstance(part, dict) or part.get("type") not in ("reasoning", "other") for part in parts)


def input_preview(value: Json, characters: int = PREVIEW_CHARACTERS) -> str | None:
    """The beginning of an input's text. *absent*: None."""
    return _line(input_text(value, _SCANNED_CHARACTERS), characters)


def output_preview(value: Json, characters: int = PREVIEW_CHARACTERS) -> str | None:
    """The beginning of an output's text. *absent*: None."""
    return _line(output_text(value, _SCANNED_CHARACTERS), characters)


def messages_of(value: Json) -> list[dict[str, Json]]:
    """The messages of a conversation. *absent*: an empty list for any other value."""
    if isinstance(value, dict):
        value = value.get("messages")
    if not isinstance(value, list):
        return []
    return [message for message in value if isinstance(message, dict) and ("parts" in message or "content" in message)]


def is_delta(input_data: Json) -> bool:
    """Whether an input states that it has only the messages that are new since the call before."""
    return isinstance(input_data, dict) and input_data.get("delta") is True


def text_of(value: Json, characters: int | None = None) -> str:
    """The value as readable text: an object with a single field is replaced by the value of that field.

    *shape*: with `characters`, at least its beginning of that length; a list of a million numbers is not encoded whole.
    """
    while isinstance(value, dict) and len(value) == 1:
        (value,) = value.values()
    if value is None or isinstance(value, str):
        return value or ""
    if characters is not None:
        value, _ = _beginning(value, characters)
    return _json(value)


_json: Final = json.JSONEncoder(ensure_ascii=False).encode
"""`json.dumps` would make an encoder for each value."""


def _message_text(message: dict[str, Json], characters: int | None) -> str:
    parts = message.get("parts", message.get("content"))
    if isinstance(parts, list):
        known = [part for part in parts if isinstance(part, dict)]
        written = [part for part in known if isinstance(part.get("text"), str)]
        answer = [part for part in written if part.get("type") != "reasoning"]
        own = [part for part in answer if not cast(str, part["text"]).startswith(_ADDED_TEXTS)]
        texts = [part["text"] for part in own or answer or written]
        # A message without text shows what it calls, or what the tools have returned.
        texts = texts or [text for part in known if (text := _part_text(part, characters))]
        return " ".join(texts) if texts else text_of(parts, characters)  # type: ignore[arg-type]
    return text_of(parts, characters)


def _part_text(part: dict[str, Json], characters: int | None) -> str:
    """A part without text in words: `search({"town": "Malmö"})`. *absent*: an empty string."""
    match part.get("type"):
        case "tool_call":
            arguments = part.get("arguments")
            shown = (
                arguments or ""
                if arguments is None or isinstance(arguments, str)
                else text_of([arguments], characters)[1:-1]
            )
            return f"{part.get('name') or 'tool'}({shown})"
        case "tool_result":
            return text_of(part.get("result"), characters)
        case "media":
            return f"[{part['mime_type']}]" if part.get("mime_type") else ""
    return ""


def _beginning(value: Json, room: int) -> tuple[Json, int]:
    """The part of a value that `room` characters of JSON can hold, and the room that is left."""
    if isinstance(value, str):
        return value[:room], room - len(value)
    if isinstance(value, list):
        items: list[Json] = []
        for item in value:
            if room <= 0:
                break
            kept, room = _beginning(item, room - 1)
            items.append(kept)
        return items, room
    if isinstance(value, dict):
        members: dict[str, Json] = {}
        for name, item in value.items():
            if room <= 0:
                break
            members[name], room = _beginning(item, room - len(name))
        return members, room
    return value, room - 1


def _line(text: str, characters: int) -> str | None:
    line = ""
    for scanned in (4 * characters, _SCANNED_CHARACTERS):  # the first is enough, except for long white space
        line = " ".join(text[:scanned].split())
        if len(line) > characters:
            return line[: characters - 1] + "…"
        if len(text) <= scanned:
            break
    return line or None
