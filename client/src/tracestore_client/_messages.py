"""A model's input and output in OpenTelemetry's format: messages that consist of parts."""

from collections.abc import Mapping, Sequence
from typing import Any


def messages(value: Any, role: str) -> Any:
    """Convert `value` to a list of messages.

    A text becomes one message of `role`. A message's text content becomes a part, and a message without a role gets
    `role`. Other content and other list items stay unchanged, because the store reads the providers' own formats.
    """
    if isinstance(value, str):
        return [{"role": role, "parts": [_text(value)]}]
    if isinstance(value, Mapping):
        return [_message(value, role)]
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [_message(item, role) if isinstance(item, Mapping) else item for item in value]
    return [{"role": role, "parts": [_text(value)]}]


def _message(message: Mapping[str, Any], role: str) -> Mapping[str, Any]:
    content = message.get("content")
    if "parts" in message or not isinstance(content, str):
        return message if "role" in message else {"role": role, **message}
    other_fields = {name: value for name, value in message.items() if name not in ("role", "content")}
    return {"role": message.get("role", role), "parts": [_text(content)], **other_fields}


def _text(content: Any) -> Mapping[str, Any]:
    return {"type": "text", "content": content}
