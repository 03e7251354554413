"""Read the body of a request as strict JSON, within limits that all later code can rely on."""

import json
import math
import re
from collections.abc import Sequence
from itertools import islice
from typing import Any, Final, NoReturn, cast

from .errors import Invalid, TooLarge
from .spans import Json

MAX_DEPTH: Final = 100
MAX_VALUES: Final = 1_000_000
"""Most values in a text. An empty one takes two bytes as JSON and about 100 when decoded, so that a few megabytes of
them could fill the memory. Only a regular body of many megabytes comes near the limit."""

_DELIMITERS: Final = (b",", b"{", b"[")
"""Each value of a text begins after one of these, except for the values of objects, which follow their keys."""

_STRING_OR_DELIMITER: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[,{\[]', re.DOTALL)
"""A string, up to the end of the text if it is not closed, or a delimiter outside of strings."""

_MAYBE_HALF_PAIR: Final = re.compile(
    r"\\(?:\\u[dD]|u[dD](?:[89abAB]..(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]..\\u[dD])[c-fC-F]))"
)
"""A pattern for the escape of half a surrogate pair. It also matches one after a backslash, which may be no escape."""

_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def parse_json(body: bytes) -> Json:
    """The value of a JSON text in UTF-8: at most `MAX_DEPTH` levels deep, with finite numbers and encodable strings.

    If an object repeats a key, the last value counts. Half of a surrogate pair, which UTF-8 cannot encode, becomes
    U+FFFD.
    *raises*: Invalid (`malformed_json`, `json_too_deep`); TooLarge for more than `MAX_VALUES` values.
    """
    _refuse_many_values(body)
    return _parsed(body)


def parse_json_texts(bodies: Sequence[bytes]) -> list[Json]:
    """The values of several JSON texts of one request, each as `parse_json`. The limit is that of all together."""
    _refuse_many_values(b",".join(bodies))
    return [_parsed(body) for body in bodies]


def _refuse_many_values(body: bytes) -> None:
    if _has_many_values(body):
        raise TooLarge(f"A request may contain at most {MAX_VALUES:,} JSON values. Send smaller batches.")


def _parsed(body: bytes) -> Json:
    try:
        text = body.decode()
        value = cast(Json, _DECODER.decode(text))
    except RecursionError as error:
        raise _too_deep() from error
    except UnicodeDecodeError as error:
        raise _malformed("The body is not UTF-8. Send JSON encoded as UTF-8.") from error
    except json.JSONDecodeError as error:
        raise _malformed(f"The body is not valid JSON: check line {error.lineno}, column {error.colno}.") from error
    except ValueError as error:
        raise _malformed("A number is NaN, infinite or thousands of digits long. Send null or a string.") from error
    if _is_too_deep(value):
        raise _too_deep()
    return _without_lone_surrogates(value) if _MAYBE_HALF_PAIR.search(text) else value


def _has_many_values(body: bytes) -> bool:
    """Whether the text has more than `MAX_VALUES` values, keys not counted. Text in strings counts as one value."""
    if len(body) <= MAX_VALUES or sum(map(body.count, _DELIMITERS)) <= MAX_VALUES:
        return False
    # The exact count stops at the limit. Strings have one of their own: a malformed text may consist of strings alone.
    found = (match[0] for match in _STRING_OR_DELIMITER.finditer(body))
    delimiters = (token for token in islice(found, 3 * MAX_VALUES) if token in _DELIMITERS)
    return next(islice(delimiters, MAX_VALUES, None), None) is not None or next(found, None) is not None


def _refuse(_constant: str) -> NoReturn:
    raise ValueError("NaN and Infinity are not JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError("out of the range of a float")
    return number


_DECODER: Final = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite)


def _is_too_deep(value: Any) -> bool:
    """Whether the value exceeds `MAX_DEPTH`.

    The search goes level by level: recursion would take three times as long and is limited by Python's stack. It
    creates no object that lives as long as a level: a million of them would make the garbage collector take seconds.
    """
    level = [value] if type(value) in _CONTAINERS else []
    for _ in range(MAX_DEPTH):
        if not level:
            return False
        children: list[Any] = []
        for parent in level:
            children += [
                child for child in (parent.values() if type(parent) is dict else parent) if type(child) in _CONTAINERS
            ]
        level = children
    return bool(level)


_CONTAINERS: Final = frozenset((dict, list))


def _without_lone_surrogates(value: Json) -> Json:
    """The value with lone surrogates replaced, changed where it is: a copy would double the memory."""
    root = [value]
    level: list[Any] = [root]
    while level:
        for parent in level:
            if isinstance(parent, list):
                parent[:] = map(_repaired, parent)
            else:
                entries = [(_repaired(name), _repaired(item)) for name, item in parent.items()]
                parent.clear()
                parent.update(entries)
        level = [
            child
            for parent in level
            for child in (parent if isinstance(parent, list) else parent.values())
            if type(child) in _CONTAINERS
        ]
    return root[0]


def _repaired(value: Any) -> Any:
    return _LONE_SURROGATE.sub("\ufffd", value) if isinstance(value, str) else value


def _malformed(message: str) -> Invalid:
    return Invalid(message, code="malformed_json")


def _too_deep() -> Invalid:
    return Invalid(f"The body is nested deeper than {MAX_DEPTH} levels. Send a flatter value.", code="json_too_deep")
