"""Conversion of any Python value to JSON text within a limit.

It never raises, never calls `repr`, and marks each cut with a note.

Objects are read only if their class declares its fields. A client object that is passed as an argument contains its
API key, and the `repr` of a table may take longer than the traced call.
"""

import dataclasses
import json
import math
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from itertools import islice
from json.encoder import encode_basestring
from numbers import Integral, Real
from pathlib import PurePath
from typing import Any, Final
from uuid import UUID

_quoted: Callable[[str], str] = encode_basestring  # implemented in C; does not escape non-ASCII characters

_encode: Callable[[Any], str] = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode

MAX_CHARACTERS: Final = 262_144
"""The size limit of one value. The store accepts 4 MiB per span; prompts and lessons are far smaller."""

MAX_NODES: Final = 10_000
"""The limit on the number of values inside one value: many small values also take time."""

MAX_DEPTH: Final = 40
"""The limit on nesting. The store accepts 100; no real request is nested deeper than this."""

_LITERALS: Final = {True: "true", False: "false", None: "null"}


def as_text(value: Any, limit: int = MAX_CHARACTERS) -> str:
    """`value` unchanged if it is a text, otherwise as JSON; cut at about `limit` characters."""
    if type(value) is str:
        return _without_surrogates(cut(value, limit))
    return as_json(value, limit)


def as_json(value: Any, limit: int = MAX_CHARACTERS) -> str:
    """`value` as JSON of about `limit` characters at most. A text `… [cut: …]` replaces parts that were left out."""
    try:
        if _is_plain_and_fits(value, limit):
            return _without_surrogates(_encode(value))
    except (ValueError, TypeError, RuntimeError):
        pass  # a number or key that JSON cannot represent, a cycle, too deep, or changed by another thread
    try:
        return _without_surrogates(_Writer(limit).text(value))
    except Exception as failure:
        # For example a dict that another thread has changed meanwhile, or a class whose fields cannot be read.
        return _quoted(f"[unreadable: {type(failure).__name__}]")


def _is_plain_and_fits(value: Any, limit: int) -> bool:
    """Return whether `value` consists of JSON's own types and is within the limits.

    If so, the encoder in C can be used, which is ten times as fast as `_Writer`.
    *raises*: TypeError or RuntimeError when a key is not a text or a dict changes meanwhile.
    """
    remaining_values = [value]
    nodes = MAX_NODES
    while remaining_values:
        item = remaining_values.pop()
        kind = type(item)
        if kind is str:
            limit -= len(item)
        elif kind is dict:
            nodes -= len(item)
            limit -= sum(map(len, item))
            if nodes >= 0:
                remaining_values.extend(item.values())
        elif kind is list or kind is tuple:
            nodes -= len(item)
            if nodes >= 0:
                remaining_values.extend(item)
        elif kind is int or kind is float or kind is bool or item is None:
            limit -= 4
        else:
            return False
        if limit < 0 or nodes < 0:
            return False
    return True


def cut(text: str, limit: int = MAX_CHARACTERS) -> str:
    """`text`, or its beginning with a note of its full length when it is longer than `limit`."""
    return text if len(text) <= limit else f"{text[:limit]}… [cut: {len(text)} characters]"


def _without_surrogates(text: str) -> str:
    """`text` without lone surrogates, which no exporter can encode."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text


class _Writer:
    """A writer of one value as JSON. When its characters or nodes are used up, the rest of the value is cut."""

    def __init__(self, limit: int) -> None:
        self._remaining_characters = limit
        self._remaining_nodes = MAX_NODES
        self._parts: list[str] = []

    def text(self, value: Any) -> str:
        self._value(value, MAX_DEPTH)
        return "".join(self._parts)

    def _put(self, part: str) -> None:
        self._parts.append(part)
        self._remaining_characters -= len(part)

    def _value(self, value: Any, levels: int) -> None:
        self._remaining_nodes -= 1
        kind = type(value)
        if kind is str:
            self._string(value)
        elif value is None or kind is bool:
            self._put(_LITERALS[value])
        elif kind is int or kind is float:
            self._put(_number(value))
        elif kind is dict:
            self._object(value, levels)
        elif kind is list or kind is tuple:
            self._array(value, len(value), levels)
        else:
            self._other(value, levels)

    def _string(self, value: str) -> None:
        self._put(_quoted(cut(value, max(self._remaining_characters, 0))))

    def _is_used_up(self) -> bool:
        return self._remaining_characters <= 0 or self._remaining_nodes <= 0

    def _object(self, value: Mapping[Any, Any], levels: int) -> None:
        if not levels:
            return self._put('"… [cut: too deep]"')
        self._put("{")
        count = 0
        for key, item in islice(value.items(), max(self._remaining_nodes, 0)):
            if self._is_used_up():
                break
            self._put(f"{', ' if count else ''}{_quoted(_key(key))}: ")
            self._value(item, levels - 1)
            count += 1
        if count < len(value):
            self._put(f'{", " if count else ""}"…": "[cut: {len(value) - count} more]"')
        self._put("}")

    def _array(self, items: Iterable[Any], length: int, levels: int) -> None:
        if not levels:
            return self._put('"… [cut: too deep]"')
        self._put("[")
        count = 0
        for item in islice(items, max(self._remaining_nodes, 0)):
            if self._is_used_up():
                break
            if count:
                self._put(", ")
            self._value(item, levels - 1)
            count += 1
        if count < length:
            self._put(f'{", " if count else ""}"… [cut: {length - count} more]"')
        self._put("]")

    def _other(self, value: Any, levels: int) -> None:
        if isinstance(value, type):
            return self._put(_quoted(_class_name(value)))
        if isinstance(value, Enum):
            return self._value(value.value, levels) if levels else self._put('"…"')
        if isinstance(value, str):
            return self._string(str.__str__(value))
        if isinstance(value, bytes | bytearray | memoryview):
            return self._put(f'"[{len(value)} bytes]"')
        if isinstance(value, date | time):
            return self._put(_quoted(value.isoformat()))
        if isinstance(value, UUID | Decimal | PurePath | timedelta):
            return self._string(str(value))
        if isinstance(value, Integral | Real):
            return self._put(_number(int(value) if isinstance(value, Integral) else float(value)))
        if isinstance(value, BaseException):
            return self._string(message_of(value))
        fields = _fields(value)
        if fields is not None:
            return self._object(fields, levels)
        if isinstance(value, Mapping):
            return self._object(value, levels)
        if isinstance(value, list | tuple | AbstractSet):
            return self._array(value, len(value), levels)
        self._put(_quoted(f"<{_class_name(type(value))}>"))


def message_of(failure: BaseException) -> str:
    """The exception's message, or a note that it cannot be read."""
    try:
        return cut(str(failure), 8_192)
    except Exception:
        return f"[unreadable: {type(failure).__name__}]"


def _class_name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _key(key: Any) -> str:
    if type(key) is str:
        return cut(key, 1_024)
    if isinstance(key, bool) or key is None:
        return _LITERALS[key]
    if isinstance(key, str | int | float | UUID | date):
        return cut(str(key), 1_024)
    return key.name if isinstance(key, Enum) else f"<{_class_name(type(key))}>"


def _number(value: int | float) -> str:
    if isinstance(value, float):
        return float.__repr__(value) if math.isfinite(value) else _quoted(float.__repr__(value))
    try:
        return int.__repr__(value)
    except ValueError:  # more digits than Python converts to text
        return _quoted(f"[an integer of {value.bit_length()} bits]")


def _fields(value: Any) -> dict[str, Any] | None:
    """The fields of an object whose class declares them: a dataclass, pydantic model, attrs class or named tuple.

    *absent*: None for objects of other classes.
    """
    kind = type(value)
    if dataclasses.is_dataclass(value):
        names = [field.name for field in dataclasses.fields(value) if field.repr]
    elif isinstance(declared := getattr(kind, "__pydantic_fields__", None), dict):
        names = [name for name, field in declared.items() if getattr(field, "repr", True)]
    elif declared := getattr(kind, "__attrs_attrs__", None):
        names = [field.name for field in declared if field.repr]
    elif isinstance(value, tuple) and (declared := getattr(kind, "_fields", None)):
        names = list(declared)
    else:
        return None
    return {name: getattr(value, name, None) for name in names}
