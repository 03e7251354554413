"""What a model was asked and what it said, as OpenTelemetry's messages of parts."""

from collections.abc import Mapping, Sequence
from typing import Any


def messages(value: Any, role: str) -> Any:
    """`value` as a list of messages: a text is what `role` said; a message's text becomes a part.

    What is none of these stays as it is: the store knows the providers' own shapes.
    """
    if isinstance(value, str):
        return [{"role": role, "parts": [_text(value)]}]
    if isinstance(value, Mapping):
        return [_message(value, role)]
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [_message(item, role) if isinstance(item, Mapping) else item for item in value]
    return [{"role": role, "parts": [{"type": "text", "content": value}]}]


def _message(message: Mapping[str, Any], role: str) -> Mapping[str, Any]:
    content = message.get("content")
    if "parts" in message or not isinstance(content, str):
        return message if "role" in message else {"role": role, **message}
    others = {name: value for name, value in message.items() if name not in ("role", "content")}
    return {"role": message.get("role", role), "parts": [_text(content)], **others}


def _text(content: str) -> Mapping[str, str]:
    return {"type": "text", "content": content}
