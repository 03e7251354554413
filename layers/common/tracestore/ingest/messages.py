"""Conversations in the contract's one chat form, `messages` of `parts`, from whatever shape they were reported in.

Little is lost on the way: what a part or a message has beside the keys of the chat form stays with it, unless it is
empty or a second id; what stood beside the messages stays beside them; and a value in which no conversation is
recognised stays as it came.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Final, TypeAlias

from tracestore.domain.spans import Json

from .message_shapes import (
    HOLDER_FIELDS,
    ITEM_ROLES,
    LIST_FIELDS,
    MESSAGE_FIELDS,
    PART_FIELDS,
    PART_TYPES,
    ROLES,
    SYSTEM_FIELDS,
    TYPELESS,
    TYPELESS_MEDIA,
    TYPELESS_REASONING,
    WRAPPERS,
)
from .values import opened

Object: TypeAlias = dict[str, Json]

_MAX_HOLDERS: Final = 4
"""How deep a list of messages is looked for: `{"outputs": {"update": {"messages": …}}}` is three."""

_PROMPT_FIELDS: Final = ("prompt", "input")
_REQUEST_FIELDS: Final = frozenset((*SYSTEM_FIELDS, "model"))


def _finder(table: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, int]]:
    """For each name of a table what it tells of, and its precedence."""
    return {name: (key, rank) for key, names in table.items() for rank, name in enumerate(names)}


_IN_MESSAGE: Final = _finder(MESSAGE_FIELDS)
_IN_PART: Final = {kind: _finder(fields) for kind, fields in PART_FIELDS.items()}
_APART: Final = ("object", "files")
_SAYING: Final = frozenset(name for key in ("content", "tool_calls", "object") for name in MESSAGE_FIELDS[key])
_HOLDING: Final = frozenset((*LIST_FIELDS, *_PROMPT_FIELDS, *HOLDER_FIELDS))
_WRAPPING: Final = frozenset(("message", "content", "data", "kwargs"))
_INSIDE: Final = ("function", *TYPELESS, *TYPELESS_MEDIA, "reasoningContent", "reasoningText", "source")
_INSIDE_NAMES: Final = frozenset(_INSIDE)


def conversation(value: Json, role: str, *, text_is_message: bool = False, system: Json = None) -> Json:
    """`value` in the chat form where it holds messages, else as it came.

    `role` is whose a message without one is; `text_is_message` says that a bare text is what that role said;
    `system` are instructions that were reported apart.
    """
    content = opened(value)
    found = _found(content, role, _MAX_HOLDERS)
    if found is None and text_is_message and isinstance(content, str | int | float) and content != "":
        found = [_spoken(role, content)], {}
    if found is None:
        return content if isinstance(content, dict | list) else value
    messages, rest = found
    if system and not any(message.get("role") == "system" for message in messages):
        messages = [_spoken("system", opened(system)), *messages]
    return {"messages": messages, **rest}  # type: ignore[dict-item]


def chat_message(item: Object, role: str) -> Object:
    """One message in the chat form; `role` is whose it is when it does not say."""
    return _message(_unwrapped(item), role)


def _message(item: Object, role: str) -> Object:
    kind = item.get("type")
    if isinstance(kind, str) and kind in ITEM_ROLES:
        return {"role": ITEM_ROLES[kind], "parts": [_part(item)]}
    told, others = _sorted_out(item, _IN_MESSAGE)
    role = _role(item) or role
    parts: list[Json] = []
    if "reasoning" in told:
        parts += [{**part, "type": "reasoning"} for part in _parts(told["reasoning"]) if isinstance(part, dict)]
    if "content" in told:
        said = _parts(told["content"])
        parts += _result(said, told["content"], others) if role == "tool" else said
    if "tool_calls" in told:
        calls = opened(told["tool_calls"])
        parts += [_part(call, "tool_call") for call in (calls if isinstance(calls, list) else [calls])]
    for key in _APART:
        if key in told:
            parts.append({"type": "other", "name": key, "data": opened(told[key])})
    if isinstance(kind, str) and (kind in ROLES or kind == "message"):
        others.pop("type", None)
    if role == "user" and parts and all(isinstance(part, dict) and part["type"] == "tool_result" for part in parts):
        role = "tool"  # some conventions let the user say what a tool answered
    return {"role": role, "parts": parts, **others}


def _sorted_out(item: Object, finder: Mapping[str, tuple[str, int]]) -> tuple[Object, Object]:
    """What `item` tells of what is looked for, under our names, and what else it says; all without the empty.

    Of several names for one thing counts the first in its table; the others stay as they are.
    """
    told: Object = {}
    others: Object = {}
    found_as: dict[str, str] = {}
    for name, value in item.items():
        if not value and value != 0:
            continue
        if name not in finder:
            others[name] = value
            continue
        key, rank = finder[name]
        if key in found_as:
            if rank > finder[found_as[key]][1]:
                others[name] = value
                continue
            others[found_as[key]] = told[key]
        told[key], found_as[key] = value, name
    return told, others


def _found(value: Json, role: str, depth: int) -> tuple[list[Object], Object] | None:
    """The messages in `value`, and what stands beside them. None where there are no messages, or both do not fit."""
    if isinstance(value, list):
        messages = _from_list(value, role)
        return (messages, {}) if messages else None
    if not isinstance(value, dict) or not depth:
        return None
    if _is_message(item := _unwrapped(value)):
        return [_message(item, role)], {}
    if _HOLDING.isdisjoint(value):
        return None
    for name in LIST_FIELDS:
        items = value.get(name)
        if isinstance(items, list) and (messages := _from_list(items, role)):
            return _with_system(value, name, messages)
    for name in _PROMPT_FIELDS:
        text = value.get(name)
        if isinstance(text, str) and text and not _REQUEST_FIELDS.isdisjoint(value):
            return _with_system(value, name, [_spoken(role, text)])
    for name in HOLDER_FIELDS:
        inner = value.get(name)
        if isinstance(inner, dict | list) and (found := _found(inner, role, depth - 1)):
            rest = _others(value, (name,))
            return None if not rest.keys().isdisjoint(found[1]) else (found[0], {**found[1], **rest})
    return None


def _with_system(request: Object, used: str, messages: list[Object]) -> tuple[list[Object], Object] | None:
    """The messages of a request behind its instructions, and what else it holds."""
    rest = _others(request, (used,))
    config = rest.get("config")
    for holder in (rest, config if isinstance(config, dict) else {}):
        for name in SYSTEM_FIELDS:
            if holder.get(name) and not any(message.get("role") == "system" for message in messages):
                messages = [_spoken("system", holder[name]), *messages]
                rest.pop(name, None)
    return None if "messages" in rest else (messages, rest)


def _from_list(items: Sequence[Json], role: str) -> list[Object] | None:
    while len(items) == 1 and isinstance(items[0], list):  # LangChain has batches, of one.
        items = items[0]
    objects = [_unwrapped(item) for item in items if isinstance(item, dict)]
    if not objects or len(objects) < len(items):
        return None
    if all(map(_is_message, objects)):
        return [_message(item, role) for item in objects]
    return [{"role": role, "parts": [_part(item) for item in objects]}] if all(map(_kind, objects)) else None


def _unwrapped(item: Object) -> Object:
    """The message itself, with what its wrapper says about it: a choice, a numbered attribute, a serialised class."""
    if _WRAPPING.isdisjoint(item):
        return item
    for name in ("message", "content", "data"):
        inner = item.get(name)
        if isinstance(inner, dict) and (name != "data" or "content" in inner) and "role" not in item:
            return _unwrapped(inner if len(item) == 1 else {**_others(item, (name,)), **inner})
    kwargs, class_path = item.get("kwargs"), item.get("id")
    if isinstance(kwargs, dict) and isinstance(class_path, list) and class_path:
        return {"role": ROLES.get(str(class_path[-1]), "assistant"), **kwargs}
    return item


def _is_message(item: Object) -> bool:
    kind = item.get("type")
    if isinstance(kind, str) and kind in ITEM_ROLES:
        return True
    # A role alone is a message whose text was not to be recorded.
    says = not _SAYING.isdisjoint(item) or item.keys() == {"role"}
    return says and (_role(item) is not None or kind == "message")


def _role(item: Object) -> str | None:
    """Whose a message is, where it says so."""
    word = item.get("role")
    if isinstance(word, str) and word:
        return ROLES.get(word, word)
    word = item.get("type")
    return ROLES.get(word) if isinstance(word, str) else None


def _spoken(role: str, content: Json) -> Object:
    return {"role": role, "parts": _parts(content)}


def _parts(content: Json) -> list[Json]:
    if isinstance(content, str):
        # Some clients put the list of parts in as text. What a person wrote rarely reads as one.
        blocks = opened(content) if content.startswith("[{") else None
        if isinstance(blocks, list) and all(isinstance(block, dict) and _kind(block) for block in blocks):
            return [_part(block) for block in blocks]
        return [{"type": "text", "text": content}]
    if isinstance(content, list):
        return [_part(item) for item in content]
    if isinstance(content, dict) and isinstance(inner := content.get("parts"), list):
        return [_part(item) for item in inner]
    return [_part(content)]


def _result(parts: list[Json], content: Json, others: Object) -> list[Json]:
    """What a tool's message says, as the result of the call that it names."""
    if any(isinstance(part, dict) and part.get("type") in ("tool_result", "tool_call") for part in parts):
        return parts
    named = next((name for name in PART_FIELDS["tool_result"]["id"] if isinstance(others.get(name), str)), None)
    if named is None:
        return parts
    result: Object = {"type": "tool_result", "id": others.pop(named)}
    if "name" in others:
        result["name"] = others.pop("name")
    return [{**result, "result": content}]


def _kind(item: Object) -> str | None:
    """What an object is as a part of a message; None where it is none that is known."""
    item = _bare(item)
    kind = item.get("type")
    if isinstance(kind, str) and kind in PART_TYPES:
        return "reasoning" if item.get("thought") is True and "text" in item else PART_TYPES[kind]
    if not _INSIDE_NAMES.isdisjoint(item):
        for name in TYPELESS:
            if name in item:
                return PART_TYPES[name]
        if "function" in item:
            return "tool_call"
        if any(isinstance(item.get(name), dict) for name in TYPELESS_MEDIA):
            return "media"
    if "text" in item:
        return "reasoning" if item.get("thought") is True else "text"
    if any(name in item for name in TYPELESS_REASONING):
        return "reasoning"
    return "tool_call" if "toolName" in item and "toolCallId" in item else None


def _bare(item: Object) -> Object:
    """What stands inside the wrapper of a numbered attribute."""
    if len(item) == 1:
        ((name, inner),) = item.items()
        if name in WRAPPERS and isinstance(inner, dict):
            return inner
    return item


def _part(item: Json, kind: str | None = None) -> Json:
    """One part in the chat form. `kind` is told where the place says what it is."""
    if isinstance(item, str):
        return {"type": "text", "text": item}
    if isinstance(item, dict):
        if len(item) == 2 and item.get("type") == "text":  # As most parts are: this spares them half the time.
            text = item.get("text", item.get("content"))
            if isinstance(text, str):
                return {"type": "text", "text": text}
        item = _bare(item)
        kind = kind or _kind(item)
        if kind:
            return _known_part(item, kind)
    return {"type": "other", "data": item}


def _known_part(item: Object, kind: str) -> Object:
    if not _INSIDE_NAMES.isdisjoint(item):
        for name in _INSIDE:
            inner = item.get(name)
            if isinstance(inner, dict):
                item = {**_others(item, (name,)), **inner}
    told, others = _sorted_out(item, _IN_PART[kind])
    if "arguments" in told:
        told["arguments"] = opened(told["arguments"])
    if not isinstance(text := told.get("text", ""), str):
        told |= _joined(text)
    if isinstance(link := told.get("data"), dict) and len(link) == 1:
        (told["data"],) = link.values()
    for name in ("type", "thought"):
        others.pop(name, None)
    return {**others, "type": kind, **told}


def _joined(text: Json) -> Object:
    """A text that came in pieces, such as the paragraphs of a summary; what is none stays as it came."""
    pieces = text if isinstance(text, list) else [text]
    texts = [piece["text"] for piece in pieces if isinstance(piece, dict) and isinstance(piece.get("text"), str)]
    return {"text": "\n".join(map(str, texts))} if texts and len(texts) == len(pieces) else {"text": "", "data": text}


def _others(item: Object, used: Collection[str]) -> Object:
    """What else `item` says: all but the `used` and the empty."""
    return {name: value for name, value in item.items() if name not in used and (value or value == 0)}
