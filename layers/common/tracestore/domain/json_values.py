"""Build JSON values: from the texts that contain them, and from dotted names.

A text that cannot be parsed stays as it came, so that nothing a client sends can fail here.
"""

import ast
import math
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, cast

from pydantic_core import SchemaValidator, core_schema, from_json

from .errors import Invalid, TooLarge
from .json_body import parse_json
from .spans import Json

MAX_REPR_CHARACTERS: Final = 8_192
"""Longest Python literal that is parsed: Python's parser is 30 times slower than JSON's, and this length is enough for
token usage and tool arguments."""

MAX_LEVELS: Final = 12
"""Deepest level that dots in a name create; further dots stay in the name. Otherwise a name made of dots alone would
nest deeper than JSON can be serialized."""

_SLOW: Final = SchemaValidator(core_schema.str_schema(pattern=r"\\u[dD][89a-fA-F]|[0-9][eE]\+?[0-9]{3}|[0-9]{309}"))
"""Surrogates, which the fast parser refuses, and numbers that may exceed a float, which it turns into infinity."""

_LITERAL: Final = re.compile(r"\s*[{\[(]\s*[{\[('\"\d)\]}]")


def parse_container(value: Json) -> Json:
    """The object or array that a string contains as JSON or as a Python literal; any other `value` as it is."""
    if not isinstance(value, str):
        return value
    start = value[:1] if not value[:1].isspace() else value.lstrip()[:1]
    return _parse_container(value) if start in _OPENING else value


def parse_any(value: Json) -> Json:
    """The JSON that a string contains, including a scalar, which some conventions quote; else `value` as it is."""
    if not isinstance(value, str):
        return value
    start = value[:1] if not value[:1].isspace() else value.lstrip()[:1]
    if start in _OPENING:
        return _parse_container(value)
    if start not in _SCALAR:
        return value
    parsed = _parse_json(value)
    return parsed if parsed is not None or value == "null" else value


def is_empty(value: Json) -> bool:
    """Whether a value contains nothing. Zero and False are values."""
    return value is None or value == "" or value == [] or value == {}


def unquoted(value: Json) -> Json:
    """The text that a string contains as JSON, such as `"sunny"` with its quotes; any other `value` as it is."""
    if not isinstance(value, str) or not value.startswith('"'):
        return value
    parsed = _parse_json(value)
    return parsed if isinstance(parsed, str) else value


def _parse_container(text: str) -> Json:
    parsed = _parse_json(text)
    return parsed if parsed is not None else _parse_python(text)


_OPENING: Final = frozenset("{[(")
_SCALAR: Final = frozenset('"-0123456789tfn')
"""The first characters of JSON's scalars: the first character decides whether a text is parsed at all."""


class OpenedTexts(dict[str, Json]):
    """The values that texts contain, by the names of the texts: each text is parsed once, when it is first read."""

    __slots__ = ("_texts",)

    def __init__(self, texts: Mapping[str, Json]) -> None:
        self._texts = texts

    def __missing__(self, name: str) -> Json:
        value = self[name] = parse_any(self._texts.get(name))
        return value


def value_at(value: Json, path: Iterable[str]) -> Json:
    """The value at `path` in `value`; strings along the path are parsed. *absent*: None."""
    for name in path:
        if isinstance(value, str):
            value = parse_container(value)
        if isinstance(value, list) and name.isdecimal() and int(name) < len(value):
            value = value[int(name)]
        elif isinstance(value, dict):
            value = value.get(name)
        else:
            return None
    return value


def finite(number: float) -> float | str:
    """`number`, or the name that ProtoJSON uses for a number that JSON cannot express: NaN, Infinity, -Infinity."""
    if math.isfinite(number):
        return number
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"


def nested(attributes: Mapping[str, Json]) -> dict[str, Json]:
    """The attributes as a tree, split at the dots of their names. A name that is both value and branch keeps both.

    *shape*: its nodes are plain dicts: of a subclass, the encoder of JSON takes four times as long.
    """
    names = tuple(attributes)
    tree: dict[str, Json] = {}
    nodes = [tree]
    for index, step, name in _remembered_steps(names) if len(names) <= _MAX_NAMES_REMEMBERED else _steps(names):
        if name is None:
            branch: dict[str, Json] = {}
            nodes[index][step] = branch
            nodes.append(branch)
        else:
            nodes[index][step] = attributes[name]
    return tree


class Branch(dict[Any, Any]):
    """A node of a tree built from names. The type distinguishes it from a value that is itself an object."""

    __slots__ = ()

    def put(self, branches: Sequence[str | int], leaf: str | int, value: Json) -> None:
        """Store `value` at the path. Where another value blocks the path, the rest of the path becomes one name."""
        node = self
        for depth, branch in enumerate(branches):
            child = node.get(branch)
            if child is None:
                child = node[branch] = Branch()
            elif type(child) is not Branch:
                leaf = ".".join(map(str, (*branches[depth:], leaf)))
                break
            node = child
        node[leaf] = value


_MAX_NAMES_REMEMBERED: Final = 128


def _steps(names: tuple[str, ...]) -> list[tuple[int, str, str | None]]:
    """The steps that build the tree of these names: the index of a node, a key in it, and the name of its value.

    A step without a name adds a node. Spans of one kind leave the same names, so that most steps are remembered.
    """
    steps: list[tuple[int, str, str | None]] = []
    indexes: dict[tuple[str, ...], int] = {(): 0}
    taken: set[tuple[str, ...]] = set()
    for name in sorted(names):
        *branches, leaf = name.split(".", MAX_LEVELS)
        path: tuple[str, ...] = ()
        for depth, step in enumerate(branches):
            if (*path, step) in taken:
                leaf = ".".join((*branches[depth:], leaf))
                break
            parent, path = indexes[path], (*path, step)
            if path not in indexes:
                indexes[path] = len(indexes)
                steps.append((parent, step, None))
        steps.append((indexes[path], leaf, name))
        taken.add((*path, leaf))
    return steps


_remembered_steps: Final = lru_cache(maxsize=1_024)(_steps)


def _parse_json(text: str) -> Json:
    try:
        if _SLOW.isinstance_python(text):
            return parse_json(text.encode(errors="replace"))
        return cast(Json, from_json(text, allow_inf_nan=False, cache_strings="keys"))
    except (ValueError, Invalid, TooLarge):
        return None


def _parse_python(text: str) -> Json:
    """The value of a Python literal such as `{'audio': 0}`. *absent*: `text` itself."""
    if len(text) > MAX_REPR_CHARACTERS or not _LITERAL.match(text):
        return text
    try:
        with warnings.catch_warnings():  # Otherwise an invalid escape in a client's text would write to the log.
            warnings.simplefilter("ignore")
            return _as_json(ast.literal_eval(text.strip()))
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return text


def _as_json(value: object) -> Json:
    """The value of a literal in JSON's types. *raises*: TypeError for a type that JSON does not have."""
    if value is None or isinstance(value, bool | int | str):
        return value.encode(errors="replace").decode() if isinstance(value, str) else value
    if isinstance(value, float):
        return finite(value)
    if isinstance(value, list | tuple):
        return [_as_json(item) for item in value]
    if isinstance(value, dict):
        return {str(name): _as_json(item) for name, item in value.items()}
    raise TypeError
