"""Any Python value as JSON text within a budget: never raises, never calls a `repr`, and shows where it was cut.

Nothing is read of an object whose class does not say what its fields are: a client that is passed around holds its
key, and the `repr` of a table may take longer than the call that is traced.
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

_quoted: Callable[[str], str] = encode_basestring  # in C, and leaves what is not ASCII as it is

_encode: Callable[[Any], str] = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode

MAX_CHARACTERS: Final = 262_144
"""Of one value. The store takes 4 MB a span; prompts and lessons are far below."""

MAX_NODES: Final = 10_000
"""Of one value: what is small but many takes time as well."""

MAX_LEVELS: Final = 40
"""The store takes 100; no one's request nests deeper than this on purpose."""

_LITERALS: Final = {True: "true", False: "false", None: "null"}


def as_text(value: Any, limit: int = MAX_CHARACTERS) -> str:
    """A text as it is, anything else as JSON; cut at about `limit` characters."""
    if type(value) is str:
        return _sound(cut(value, limit))
    return as_json(value, limit)


def as_json(value: Any, limit: int = MAX_CHARACTERS) -> str:
    """`value` as JSON of about `limit` characters at most, in which a text `… [cut: …]` stands for what is left out."""
    try:
        if _is_plain_and_fits(value, limit):
            return _sound(_encode(value))
    except (ValueError, TypeError, RuntimeError):
        pass  # a number or a key that JSON has not, a cycle, too deep, or changed meanwhile
    try:
        return _sound(_Writer(limit).text(value))
    except Exception as failure:
        # Such as a dict that another thread changed meanwhile, or a class that fails when it is asked for its fields.
        return _quoted(f"[unreadable: {type(failure).__name__}]")


def _is_plain_and_fits(value: Any, limit: int) -> bool:
    """Whether `value` is of JSON's own types and within the budget, so that the encoder in C can have it, which is ten
    times as fast as ours. *raises*: TypeError, RuntimeError.
    """
    waiting = [value]
    nodes = MAX_NODES
    while waiting:
        item = waiting.pop()
        kind = type(item)
        if kind is str:
            limit -= len(item)
        elif kind is dict:
            nodes -= len(item)
            limit -= sum(map(len, item))
            if nodes >= 0:
                waiting.extend(item.values())
        elif kind is list or kind is tuple:
            nodes -= len(item)
            if nodes >= 0:
                waiting.extend(item)
        elif kind is int or kind is float or kind is bool or item is None:
            limit -= 4
        else:
            return False
        if limit < 0 or nodes < 0:
            return False
    return True


def cut(text: str, limit: int = MAX_CHARACTERS) -> str:
    """`text`, or its beginning and how much it was."""
    return text if len(text) <= limit else f"{text[:limit]}… [cut: {len(text)} characters]"


def _sound(text: str) -> str:
    """`text` without lone surrogates, which no exporter can encode."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text


class _Writer:
    """Writes one value. What it has left are characters and nodes; at none everything else is cut."""

    def __init__(self, limit: int) -> None:
        self._left = limit
        self._nodes = MAX_NODES
        self._pieces: list[str] = []

    def text(self, value: Any) -> str:
        self._value(value, MAX_LEVELS)
        return "".join(self._pieces)

    def _put(self, piece: str) -> None:
        self._pieces.append(piece)
        self._left -= len(piece)

    def _value(self, value: Any, levels: int) -> None:
        self._nodes -= 1
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
        self._put(_quoted(cut(value, max(self._left, 0))))

    def _object(self, value: Mapping[Any, Any], levels: int) -> None:
        if not levels:
            return self._put('"… [cut: too deep]"')
        self._put("{")
        done = 0
        for key, item in islice(value.items(), max(self._nodes, 0)):
            if self._left <= 0 or self._nodes <= 0:
                break
            self._put(f"{', ' if done else ''}{_quoted(_key(key))}: ")
            self._value(item, levels - 1)
            done += 1
        if done < len(value):
            self._put(f'{", " if done else ""}"…": "[cut: {len(value) - done} more]"')
        self._put("}")

    def _array(self, items: Iterable[Any], length: int, levels: int) -> None:
        if not levels:
            return self._put('"… [cut: too deep]"')
        self._put("[")
        done = 0
        for item in islice(items, max(self._nodes, 0)):
            if self._left <= 0 or self._nodes <= 0:
                break
            if done:
                self._put(", ")
            self._value(item, levels - 1)
            done += 1
        if done < length:
            self._put(f'{", " if done else ""}"… [cut: {length - done} more]"')
        self._put("]")

    def _other(self, value: Any, levels: int) -> None:
        if isinstance(value, type):
            return self._put(_quoted(_name(value)))
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
        self._put(_quoted(f"<{_name(type(value))}>"))


def message_of(failure: BaseException) -> str:
    """What the exception says, or that it cannot say it."""
    try:
        return cut(str(failure), 8_192)
    except Exception:
        return f"[unreadable: {type(failure).__name__}]"


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _key(key: Any) -> str:
    if type(key) is str:
        return cut(key, 1_024)
    if isinstance(key, bool) or key is None:
        return _LITERALS[key]
    if isinstance(key, str | int | float | UUID | date):
        return cut(str(key), 1_024)
    return key.name if isinstance(key, Enum) else f"<{_name(type(key))}>"


def _number(value: int | float) -> str:
    if isinstance(value, float):
        return float.__repr__(value) if math.isfinite(value) else _quoted(float.__repr__(value))
    try:
        return int.__repr__(value)
    except ValueError:  # beyond the digits that Python agrees to write
        return _quoted(f"[an integer of {value.bit_length()} bits]")


def _fields(value: Any) -> dict[str, Any] | None:
    """The fields of an object whose class tells them: dataclasses, pydantic's models, attrs, named tuples."""
    kind = type(value)
    if dataclasses.is_dataclass(value):
        names = [field.name for field in dataclasses.fields(value) if field.repr]
    elif isinstance(known := getattr(kind, "__pydantic_fields__", None), dict):
        names = [name for name, field in known.items() if getattr(field, "repr", True)]
    elif known := getattr(kind, "__attrs_attrs__", None):
        names = [field.name for field in known if field.repr]
    elif isinstance(value, tuple) and (known := getattr(kind, "_fields", None)):
        names = list(known)
    else:
        return None
    return {name: getattr(value, name, None) for name in names}
