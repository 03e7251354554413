"""Convert conversations of any known shape to the chat form of `docs/api.md` ("POST /v1/traces").

Little is lost in the conversion: other keys of a part or a message stay with it, unless they are empty or a second id;
other keys next to the list of messages stay next to it; and a value without a recognized conversation stays as it came.
"""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Final, cast

from tracestore.domain.chat_messages import Object, joined_chunks, results_once
from tracestore.domain.json_values import parse_container, unquoted
from tracestore.domain.spans import Json

from .message_shapes import (
    CONTAINER_FIELDS,
    ITEM_ROLES,
    ITEM_SUFFIXES,
    LIST_FIELDS,
    MESSAGE_FIELDS,
    PART_FIELDS,
    PART_SUFFIXES,
    PART_TYPES,
    RESULT_FIELDS,
    ROLES,
    SYSTEM_FIELDS,
    TEXT_FIELDS,
    TYPELESS,
    TYPELESS_MEDIA,
    TYPELESS_REASONING,
    WRAPPERS,
)

_MAX_NESTING: Final = 4
"""Levels of objects that are searched for messages: `{"outputs": {"update": {"messages": …}}}` has three."""

_COMMAND_NESTING: Final = 2

_REPRESENTATION: Final = re.compile(r"\w+\(\w+=")

_PROMPT_FIELDS: Final = ("prompt", "input")
_REQUEST_FIELDS: Final = frozenset((*SYSTEM_FIELDS, "model"))


def _by_name(table: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, int]]:
    """The field and the precedence of each name in a table."""
    return {name: (key, precedence) for key, names in table.items() for precedence, name in enumerate(names)}


_MESSAGE_NAMES: Final = _by_name(MESSAGE_FIELDS)
_PART_NAMES: Final = {kind: _by_name(fields) for kind, fields in PART_FIELDS.items()}
_CONTENT_NAMES: Final = frozenset(name for key in ("content", "tool_calls", "object") for name in MESSAGE_FIELDS[key])
_CONTAINER_NAMES: Final = frozenset((*LIST_FIELDS, *_PROMPT_FIELDS, *CONTAINER_FIELDS))
_WRAPPER_NAMES: Final = frozenset(("message", "content", "data", "kwargs"))
_NESTED_FIELDS: Final = ("function", *TYPELESS, *TYPELESS_MEDIA, "reasoningContent", "reasoningText", "source")
_NESTED_NAMES: Final = frozenset(_NESTED_FIELDS)
_NAMED_CONTENTS: Final = frozenset((*TYPELESS_MEDIA, *TYPELESS_REASONING))


def conversation(value: Json, role: str, *, text_is_message: bool = False, system: Json = None) -> Json:
    """`value` in the chat form if it contains messages, else as it came.

    `role` applies to messages without a role. With `text_is_message`, a plain text becomes a message of that role.
    `system` contains instructions that were reported separately.
    """
    content = parse_container(value)
    result = _find_messages(content, role, _MAX_NESTING)
    if result is None and text_is_message and isinstance(content, str | int | float) and content != "":
        result = [_new_message(role, content)], {}
    if result is None:
        return content if isinstance(content, dict | list) else value
    messages, others = results_once(result[0]), result[1]
    if system and not any(message.get("role") == "system" for message in messages):
        messages = [_new_message("system", parse_container(system)), *messages]
    return {"messages": messages, **others}  # type: ignore[dict-item]


def chat_message(item: Object, role: str) -> Object:
    """One message in the chat form; `role` applies if the message has none."""
    return _message(_unwrapped(item), role)


def _message(item: Object, role: str) -> Object:
    kind = item.get("type")
    if "role" not in item and (item_role := _item_role(kind)) is not None:
        return {"role": item_role, "parts": [_part(item)]}
    fields, others = _split_fields(item, _MESSAGE_NAMES)
    role = _role(item) or role
    parts: list[Json] = []
    if "reasoning" in fields:
        parts += [{**part, "type": "reasoning"} for part in _parts(fields["reasoning"]) if isinstance(part, dict)]
    if (
        role == "tool"
        and "content" not in fields
        and (empty := _empty_value(item, MESSAGE_FIELDS["content"])) is not None
    ):
        fields["content"] = empty
    if role == "tool" and isinstance(answers := others.get("function"), list):
        parts += [_part(parse_container(answer), "tool_result") for answer in answers]
        del others["function"]
    if "content" in fields:
        content_parts = _parts(fields["content"])
        parts += _result(content_parts, fields["content"], others) if role == "tool" else content_parts
    if "tool_calls" in fields:
        calls = parse_container(fields["tool_calls"])
        for call in calls if isinstance(calls, list) else [calls]:
            if not _is_repeated(part := _part(call, "tool_call"), parts):
                parts.append(part)
    if (answer := fields.get("object")) is not None:
        text = answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)
        parts.append({"type": "text", "text": text})
    if "files" in fields:
        parts.append({"type": "other", "name": "files", "data": parse_container(fields["files"])})
    if isinstance(kind, str) and (kind in ROLES or kind == "message"):
        others.pop("type", None)
    if role == "user" and parts and all(isinstance(part, dict) and part["type"] == "tool_result" for part in parts):
        role = "tool"  # some conventions send tool results in a message of the user
    return {"role": role, "parts": parts, **others}


def _plain_message(item: Object) -> Object | None:
    """A message of a role and a text alone, perhaps in a wrapper. *absent*: None.

    Most messages are plain: the shortcut saves their time.
    """
    if len(item) == 1:
        inner = item.get("message")
        if not isinstance(inner, dict) or len(inner) != 2:
            return None
        item = inner
    role, text = item.get("role"), item.get("content")
    if not isinstance(role, str) or not isinstance(text, str) or not text or text.startswith("[{"):
        return None
    role = ROLES.get(role, role)
    return {"role": role, "parts": [{"type": "text", "text": text}]} if role and role != "tool" else None


def _is_repeated(call: Json, parts: Sequence[Json]) -> bool:
    """Whether a message has a call already, in its content: with the same id, or without an id the same call."""
    if not isinstance(call, dict):
        return False
    same = ("id",) if "id" in call else ("name", "arguments")
    return any(
        isinstance(part, dict)
        and part.get("type") == "tool_call"
        and all(part.get(name) == call.get(name) for name in same)
        for part in parts
    )


def _empty_value(item: Object, names: Sequence[str]) -> Json:
    """The empty value that an object has under one of these names. *absent*: None."""
    return next((value for name in names if (value := item.get(name)) is not None), None)


def _split_fields(item: Object, known_names: Mapping[str, tuple[str, int]]) -> tuple[Object, Object]:
    """The known fields of `item` under the names of the chat form, and its other fields. Empty values are dropped.

    If several names mean the same field, the one with the first precedence counts; the others keep their names.
    """
    fields: Object = {}
    others: Object = {}
    used_names: dict[str, str] = {}
    for name, value in item.items():
        if not value and value != 0:
            continue
        if name not in known_names:
            others[name] = value
            continue
        key, precedence = known_names[name]
        if key in used_names:
            if precedence > known_names[used_names[key]][1]:
                others[name] = value
                continue
            others[used_names[key]] = fields[key]
        fields[key], used_names[key] = value, name
    return fields, others


def _find_messages(value: Json, role: str, depth: int) -> tuple[list[Object], Object] | None:
    """The messages in `value`, and the other fields around them.

    *absent*: None without messages, and where fields of two levels have the same name.
    """
    if isinstance(value, list):
        if messages := _from_list(value, role):
            return messages, {}
        return _find_messages(value[0], role, depth - 1) if len(value) == 1 and depth else None
    if not isinstance(value, dict) or not depth:
        return None
    if _is_message(item := _unwrapped(value)) or _is_result(item):
        return [_message(item, role)], {}
    if _CONTAINER_NAMES.isdisjoint(value):
        return _from_updates(value, role)
    for name in TEXT_FIELDS:
        texts = value.get(name)
        if isinstance(texts, list) and texts and all(isinstance(text, str) and _is_text(text) for text in texts):
            return _with_system(value, name, [_new_message(role, text) for text in texts])
    for name in LIST_FIELDS:
        items = value.get(name)
        if isinstance(items, list) and (messages := _from_list(items, role)):
            return _with_system(value, name, messages)
    for name in _PROMPT_FIELDS:
        text = value.get(name)
        if isinstance(text, str) and text and not _REQUEST_FIELDS.isdisjoint(value):
            return _with_system(value, name, [_new_message(role, text)])
    for name in CONTAINER_FIELDS:
        inner = value.get(name)
        if isinstance(inner, dict | list) and (result := _find_messages(inner, role, depth - 1)):
            others = _others(value, (name,))
            return None if not others.keys().isdisjoint(result[1]) else (result[0], {**result[1], **others})
    return None


def _from_updates(updates: Object, role: str) -> tuple[list[Object], Object] | None:
    """The messages in the updates of a graph's state by the names of its nodes, and the updates without messages.

    *absent*: None for any other object. *source*: LangGraph, stream mode `updates`; the data of Haystack's pipelines.
    """
    messages: list[Object] = []
    others: Object = {}
    for node, update in updates.items():
        if update is not None and not isinstance(update, dict):
            return None
        if (
            update is not None
            and ("messages" in update or "replies" in update)
            and (found := _find_messages(update, role, 1)) is not None
        ):
            messages += found[0]
            update = found[1]
        if update:
            others[node] = update
    return (messages, others) if messages and "messages" not in others else None


def _is_text(text: str) -> bool:
    """Whether a text is one of a message, and not Python's representation of an object: `ChatMessage(role=…`."""
    return bool(text) and _REPRESENTATION.match(text) is None


def _with_system(request: Object, used: str, messages: list[Object]) -> tuple[list[Object], Object] | None:
    """The messages of a request after its instructions, and the other fields of the request."""
    if len(request) == 1:
        return messages, {}
    others = _others(request, (used,))
    config = others.get("config")
    for container in (others, config if isinstance(config, dict) else {}):
        for name in SYSTEM_FIELDS:
            if container.get(name) and not any(message.get("role") == "system" for message in messages):
                messages = [_new_message("system", container[name]), *messages]
                others.pop(name, None)
    return None if "messages" in others else (messages, others)


def _from_list(items: Sequence[Json], role: str) -> list[Object] | None:
    while len(items) == 1 and isinstance(items[0], list) and not _are_pairs(items):  # LangChain's batches of one
        items = items[0]
    plain = [_plain_message(item) if isinstance(item, dict) and len(item) < 3 else None for item in items]
    if plain and None not in plain:
        return cast("list[Object]", plain)
    values = [_unwrapped(item) if isinstance(item, dict) else item for item in items]
    are_messages = [isinstance(value, dict) and _is_message(value) for value in values]
    if any(are_messages) or _are_pairs(values):
        return [
            known or (_message(cast(Object, value), role) if is_message else _other_message(value, role))
            for known, value, is_message in zip(plain, values, are_messages, strict=True)
        ]
    objects = [value for value in values if isinstance(value, dict)]
    parts = [item for item in objects if _kind(item)]
    if parts and (len(parts) == len(values) or any("type" in part for part in parts)):
        return [{"role": role, "parts": [_part(value) for value in values]}]
    commands = [item for item in objects if "update" in item or "candidates" in item]
    if commands and len(commands) == len(values):  # of LangGraph, or the chunks of a reply of Gemini
        found = (_find_messages(command, role, _COMMAND_NESTING) for command in commands)
        messages = [message for result in found if result for message in result[0]]
        return joined_chunks(messages) if all("candidates" in item for item in commands) else messages or None
    return None


def _are_pairs(items: Sequence[Json]) -> bool:
    """Whether a list has nothing but pairs of a role and a text."""
    return bool(items) and all(
        isinstance(item, list)
        and len(item) == 2
        and isinstance(item[0], str)
        and item[0] in ROLES
        and isinstance(item[1], str | list)
        for item in items
    )


def _other_message(item: Json, role: str) -> Object:
    """A pair, a text or an unknown element in a list of messages, as a message in its place."""
    if isinstance(item, dict):
        return {"role": role, "parts": [_part(item)]}
    if _are_pairs([item]):
        word, content = cast("list[Json]", item)
        return _new_message(ROLES[str(word)], content)
    return _new_message(role, item)


def _unwrapped(item: Object) -> Object:
    """The message inside a choice, a numbered attribute or a serialized class, with the wrapper's other fields."""
    if _WRAPPER_NAMES.isdisjoint(item):
        return item
    for name in ("message", "content", "data"):
        inner = item.get(name)
        if isinstance(inner, dict) and (name != "data" or "content" in inner) and "role" not in item:
            return _unwrapped(inner if len(item) == 1 else {**_others(item, (name,)), **inner})
    kwargs, class_path = item.get("kwargs"), item.get("id")
    if isinstance(kwargs, dict) and isinstance(class_path, list) and class_path:
        return {"role": ROLES.get(str(class_path[-1]), "assistant"), **kwargs}
    return item


def _item_role(kind: Json) -> str | None:
    """The role of an item of a response that is listed among messages, by its type. *absent*: None for another type."""
    return _role_of_type(kind) if isinstance(kind, str) else None


@lru_cache(maxsize=512)
def _role_of_type(kind: str) -> str | None:
    if kind in ITEM_ROLES:
        return ITEM_ROLES[kind]
    return next((role for suffix, role in ITEM_SUFFIXES.items() if kind.endswith(suffix)), None)


def _is_message(item: Object) -> bool:
    # A role alone is a message from a client that must not record its text.
    has_content = not _CONTENT_NAMES.isdisjoint(item) or ("role" in item and item.keys() <= _NAMES_WITHOUT_CONTENT)
    # AutoGen's answers to several calls, in the form of OpenInference: a list of JSON texts.
    has_content = has_content or isinstance(item.get("function"), list)
    if has_content and _role(item) is not None:
        return True
    kind = item.get("type")
    return (has_content and kind == "message") or _item_role(kind) is not None


_NAMES_WITHOUT_CONTENT: Final = frozenset({"role", "finish_reason"})


def _is_result(item: Object) -> bool:
    """Whether an object is an answer without a role: a text, next to other fields of an answer."""
    return isinstance(item.get("text"), str) and not RESULT_FIELDS.isdisjoint(item)


def _role(item: Object) -> str | None:
    """The role of a message. *absent*: None."""
    word = item.get("role")
    if isinstance(word, str) and word:
        return ROLES.get(word, word)
    word = item.get("type")
    return ROLES.get(word) if isinstance(word, str) else None


def _new_message(role: str, content: Json) -> Object:
    return {"role": role, "parts": _parts(content)}


def _parts(content: Json) -> list[Json]:
    if isinstance(content, str):
        # Some clients send the list of parts as JSON text. A text written by a person rarely parses as such a list.
        blocks = parse_container(content) if content.startswith("[{") else None
        if isinstance(blocks, list) and all(isinstance(block, dict) and _kind(block) for block in blocks):
            return [_part(block) for block in blocks]
        return [{"type": "text", "text": content}]
    if isinstance(content, list):
        return [_part(item) for item in content if item != {}]
    if isinstance(content, dict) and isinstance(inner := content.get("parts"), list):
        return [_part(item) for item in inner]
    if isinstance(content, dict) and content.keys() <= _CONTENT_WRAPPER and (inner := _first_text(content)) is not None:
        return _parts(inner)
    return [_part(content)]


_CONTENT_WRAPPER: Final = frozenset({"content", "message", "finish_reason", "tool_calls"})


def _first_text(content: Object) -> Json:
    """The text or the parts in the wrapper that ADOT puts around a content. *absent*: None."""
    values = (content.get(name) for name in ("content", "message"))
    return next((value for value in values if isinstance(value, str | list)), None)


def _result(parts: list[Json], content: Json, others: Object) -> list[Json]:
    """The parts of a tool's message, as one result if the message names its call."""
    if any(isinstance(part, dict) and part.get("type") in ("tool_result", "tool_call") for part in parts):
        return parts
    result: Object = {"type": "tool_result"}
    further = others.get(_FURTHER_FIELDS)
    if (name := _id_field(others)) is not None:
        result["id"] = others.pop(name)
    elif isinstance(further, dict) and (name := _id_field(further)) is not None:
        result["id"] = further[name]
    if "name" in others:
        result["name"] = others.pop("name")
    return [{**result, "result": unquoted(content)}]


_FURTHER_FIELDS: Final = "additional_kwargs"
"""The field of a message of LlamaIndex with what only some providers have, among it the id of a tool's call."""


def _id_field(item: Object) -> str | None:
    """The field with the id of the call that a message answers. *absent*: None."""
    return next((name for name in PART_FIELDS["tool_result"]["id"] if isinstance(item.get(name), str)), None)


def _kind(item: Object) -> str | None:
    """The kind of message part that an object is. *absent*: None for an unknown kind."""
    item = _unwrapped_part(item)
    kind = item.get("type")
    if _is_definition(item):
        return None
    if isinstance(kind, str):
        if kind in PART_TYPES:
            return "reasoning" if item.get("thought") is True and "text" in item else PART_TYPES[kind]
        for suffix, part_type in PART_SUFFIXES.items():
            if kind.endswith(suffix):
                return part_type
    if not _NESTED_NAMES.isdisjoint(item):
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
    return "tool_call" if any(item.keys() >= names for names in _CALLS_WITHOUT_TYPE) else None


_CALLS_WITHOUT_TYPE: Final = (frozenset({"toolName", "toolCallId"}), frozenset({"tool_name", "arguments"}))
"""The fields by which a call without a type is known: of the AI SDK, and of Haystack."""


def _is_definition(item: Object) -> bool:
    """Whether an object describes a tool, in place of calling it: it has a schema or a description and no arguments."""
    function = item.get("function")
    if function is None and "name" not in item:
        return False
    tool = function if isinstance(function, dict) else item
    if "name" not in tool or not _DEFINITION_NAMES.isdisjoint(item) or not _DEFINITION_NAMES.isdisjoint(tool):
        return False
    schema = tool.get("parameters")
    has_schema = isinstance(schema, dict) and ("properties" in schema or schema.get("type") == "object")
    return has_schema or not _SCHEMA_NAMES.isdisjoint(tool)


_DEFINITION_NAMES: Final = frozenset({"arguments", "args", "input", "id", "call_id", "tool_call_id", "toolCallId"})
"""Fields of a call, which the definition of a tool does not have."""

_SCHEMA_NAMES: Final = frozenset({"input_schema", "inputSchema", "description"})


def _unwrapped_part(item: Object) -> Object:
    """The part inside wrappers of numbered attributes, each of which may have some of it; any other object as it is.

    A block of LlamaIndex gets its type under the usual name.
    """
    if "block_type" in item and "type" not in item:
        return {"type": item["block_type"], **_others(item, ("block_type",))}
    if len(item) == 2 and isinstance(content := item.get("content"), dict):
        kind = item.get("type")  # Strands: {"type": "reasoningContent", "content": {…}}
        return {kind: content} if isinstance(kind, str) and kind in _NAMED_CONTENTS else item
    if not item or len(item) > len(WRAPPERS) or not item.keys() <= WRAPPERS:
        return item
    part: Object = {}
    for inner in item.values():
        if not isinstance(inner, dict):
            return item
        part |= inner
    return part


def _part(item: Json, kind: str | None = None) -> Json:
    """One part in the chat form. `kind` is given where the field around the part determines it."""
    if isinstance(item, str):
        return {"type": "text", "text": item}
    if isinstance(item, dict):
        if len(item) == 2 and item.get("type") == "text":  # Most parts are like this: the shortcut halves their time.
            text = item.get("text", item.get("content"))
            if isinstance(text, str):
                return {"type": "text", "text": text}
        item = _unwrapped_part(item)
        kind = kind or _kind(item)
        if kind:
            return _known_part(item, kind)
    return {"type": "other", "data": item}


def _known_part(item: Object, kind: str) -> Object:
    if not _NESTED_NAMES.isdisjoint(item):
        for name in _NESTED_FIELDS:
            inner = item.get(name)
            if isinstance(inner, dict):
                item = {**_others(item, (name,)), **inner}
        if kind == "tool_result" and isinstance(call := item.get("origin"), dict):  # of Haystack: the whole call
            item = {**_others(call, ("arguments",)), **_others(item, ("origin",))}
    fields, others = _split_fields(item, _PART_NAMES[kind])
    if kind == "tool_result":
        if "result" not in fields and (empty := _empty_value(item, PART_FIELDS[kind]["result"])) is not None:
            fields["result"] = empty
        if isinstance(wrapped := fields.get("result"), dict) and wrapped.keys() == {"type", "value"}:
            fields["result"] = wrapped["value"]  # AI SDK: {"type": "json", "value": …}
        if "result" in fields:
            fields["result"] = unquoted(_text_of_blocks(fields["result"]))
    if kind == "tool_call" and "name" not in fields and isinstance(word := item.get("type"), str):
        for suffix in PART_SUFFIXES:
            if word.endswith(suffix) and word not in PART_TYPES:
                fields["name"] = word.removesuffix(suffix)
    if "arguments" in fields:
        fields["arguments"] = parse_container(fields["arguments"])
    if not isinstance(text := fields.get("text", ""), str):
        fields |= _joined(text)
    if isinstance(link := fields.get("data"), dict) and len(link) == 1:
        (fields["data"],) = link.values()
    for name in ("type", "thought"):
        others.pop(name, None)
    return {**others, "type": kind, **fields}


def _text_of_blocks(result: Json) -> Json:
    """The text of a result in blocks of text alone, which is what the model reads; any other result as it is."""
    if not isinstance(result, list) or not result:
        return result
    texts = [
        block.get("text", block.get("content"))
        for block in result
        if isinstance(block, dict) and block.keys() <= _TEXT_BLOCK and block.get("type", "text") == "text"
    ]
    is_text = len(texts) == len(result) and all(isinstance(text, str) for text in texts)
    return "\n".join(map(str, texts)) if is_text else result


_TEXT_BLOCK: Final = frozenset({"type", "text", "content"})


def _joined(text: Json) -> Object:
    """The text of a list of blocks, such as the paragraphs of a summary. Any other value stays in `data` as it came."""
    blocks = text if isinstance(text, list) else [text]
    texts = [block["text"] for block in blocks if isinstance(block, dict) and isinstance(block.get("text"), str)]
    return {"text": "\n".join(map(str, texts))} if texts and len(texts) == len(blocks) else {"text": "", "data": text}


def _others(item: Object, used: Collection[str]) -> Object:
    """The fields of `item` except the `used` and the empty ones."""
    return {name: value for name, value in item.items() if name not in used and (value or value == 0)}
