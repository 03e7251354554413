"""Attribute values as they are meant: JSON that travels as text is opened, dotted names become a tree.

Whatever cannot be opened stays as it came, so that nothing here fails on what a client sends.
"""

import ast
import math
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, cast

from pydantic_core import SchemaValidator, core_schema, from_json

from tracestore.domain.errors import Invalid
from tracestore.domain.spans import Json

from .json_body import parse_json

MAX_REPR_CHARACTERS: Final = 8_192
"""Python's own notation is read by Python's parser, 30 times slower than JSON: only where usage or arguments fit."""

MAX_LEVELS: Final = 12
"""Dots beyond this stay in the name: a name of dots alone must not nest deeper than JSON can be written."""

_SLOW: Final = SchemaValidator(core_schema.str_schema(pattern=r"\\u[dD][89a-fA-F]|[0-9][eE]\+?[0-9]{3}|[0-9]{309}"))
"""Surrogates, and numbers that may exceed a float: the quick parser refuses those, and makes these infinite."""

_LITERAL: Final = re.compile(r"\s*[{\[(]\s*[{\[('\"\d)\]}]")


def opened(value: Json) -> Json:
    """`value`, or what its text holds when that is a JSON object or array, or Python's notation of one."""
    if not isinstance(value, str):
        return value
    start = value[:1] if not value[:1].isspace() else value.lstrip()[:1]
    if start not in ("{", "[", "("):
        return value
    found = _json(value)
    return found if found is not None else _python(value)


def unquoted(value: Json) -> Json:
    """`value`, or what its text holds when that is any JSON: also a scalar, which some conventions quote as well."""
    if not isinstance(value, str) or not value:
        return value
    found = _json(value)
    return found if found is not None or value == "null" else opened(value)


def at(value: Json, path: Iterable[str]) -> Json:
    """What stands at `path` in `value`; None when there is nothing. Texts on the way are opened."""
    for name in path:
        value = opened(value)
        if isinstance(value, list) and name.isdecimal() and int(name) < len(value):
            value = value[int(name)]
        elif isinstance(value, dict):
            value = value.get(name)
        else:
            return None
    return value


def finite(number: float) -> float | str:
    """`number`, or the name of what JSON has no number for, as protobuf's JSON has it: NaN, Infinity, -Infinity."""
    if math.isfinite(number):
        return number
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"


def nested(attributes: Mapping[str, Json]) -> dict[str, Json]:
    """Attributes as a tree by the dots of their names. Where a name is both a value and a branch, both are kept."""
    tree = Branch()
    for name in sorted(attributes):
        branches, leaf = _levels(name)
        tree.put(branches, leaf, attributes[name])
    return tree


class Branch(dict[Any, Any]):
    """A node of a tree that is made of names, told apart from a value that is an object itself."""

    __slots__ = ()

    def put(self, branches: Sequence[str | int], leaf: str | int, value: Json) -> None:
        """Puts `value` where the path leads; where a value stands in its way, what is left of the path is one name."""
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


@lru_cache(maxsize=8_192)
def _levels(name: str) -> tuple[tuple[str, ...], str]:
    *branches, leaf = name.split(".", MAX_LEVELS)
    return tuple(branches), leaf


def _json(text: str) -> Json:
    try:
        if _SLOW.isinstance_python(text):
            return parse_json(text.encode(errors="replace"))
        return cast(Json, from_json(text, allow_inf_nan=False, cache_strings="keys"))
    except (ValueError, Invalid):
        return None


def _python(text: str) -> Json:
    """The value of a Python literal such as `{'audio': 0}`, else `text`."""
    if len(text) > MAX_REPR_CHARACTERS or not _LITERAL.match(text):
        return text
    try:
        with warnings.catch_warnings():  # A stray backslash is no reason to write to the log.
            warnings.simplefilter("ignore")
            return _as_json(ast.literal_eval(text.strip()))
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return text


def _as_json(value: object) -> Json:
    """A literal's value in JSON's types. Raises `TypeError` for one that has no likeness there."""
    if value is None or isinstance(value, bool | int | str):
        return value.encode(errors="replace").decode() if isinstance(value, str) else value
    if isinstance(value, float):
        return finite(value)
    if isinstance(value, list | tuple):
        return [_as_json(item) for item in value]
    if isinstance(value, dict):
        return {str(name): _as_json(item) for name, item in value.items()}
    raise TypeError
