"""Messages as they are compared: two are the same if their roles and parts are.

White space, ids and reasoning make no difference, because clients reformat, renumber and leave them out when they send
a reply back.
"""

import json
from typing import Final, TypeAlias

from .spans import Json

Message: TypeAlias = dict[str, Json]

_CONTENT_FIELDS: Final = ("parts", "content", "tool_calls", "function_call")
"""The fields of a message that contain its parts, in the chat form and in that of OpenAI."""

_REASONING: Final = frozenset({"reasoning", "thinking", "redacted_thinking"})

_NOT_COMPARED: Final = frozenset({"id", "call_id", "tool_call_id", "tool_use_id", "index", "cache_control"})
"""Ids, and marks for the provider that move from call to call."""

_ASCII_WHITE_SPACE: Final = bytes(code for code in range(128) if chr(code).isspace())


def compared_texts(message: Message) -> list[str]:
    """The role and the parts of a message as texts without white space. Equal for messages that are the same."""
    texts = [str(message.get("role"))]
    for field in _CONTENT_FIELDS:
        content = message.get(field)
        if content is not None:
            texts += map(_part_text, content if isinstance(content, list) else [content])
    return [text for text in map(without_white_space, texts) if text]


def without_white_space(text: str) -> str:
    """A text without its white space."""
    if text.isascii():  # a twentieth of the time
        return text.encode().translate(None, _ASCII_WHITE_SPACE).decode()
    return "".join(text.split())


def _part_text(part: Json) -> str:
    if isinstance(part, str):
        return part
    if isinstance(part, dict):
        if str(part.get("type")) in _REASONING:
            return ""
        text = part.get("text")
        if part.get("type") == "text" and isinstance(text, str):
            return text
        part = {name: value for name, value in part.items() if name not in _NOT_COMPARED and value is not None}
    return "" if part is None else _json(part)


_json: Final = json.JSONEncoder(ensure_ascii=False, sort_keys=True).encode
"""`json.dumps` would make an encoder for each part."""
