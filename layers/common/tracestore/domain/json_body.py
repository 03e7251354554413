"""Read the body of a request as strict JSON, within limits that all later code can rely on."""

import json
import math
import re
from collections.abc import Iterable
from typing import Any, Final, NoReturn, cast

from .errors import Invalid
from .spans import Json

MAX_DEPTH: Final = 100

_MAYBE_HALF_PAIR: Final = re.compile(
    r"\\(?:\\u[dD]|u[dD](?:[89abAB]..(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]..\\u[dD])[c-fC-F]))"
)
"""A pattern for the escape of half a surrogate pair. It also matches one after a backslash, which may be no escape."""

_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def parse_json(body: bytes) -> Json:
    """The value of a JSON text in UTF-8: at most `MAX_DEPTH` levels deep, with finite numbers and encodable strings.

    If an object repeats a key, the last value counts. Half of a surrogate pair, which UTF-8 cannot encode, becomes
    U+FFFD.
    *raises*: Invalid (`malformed_json`, `json_too_deep`).
    """
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

    The search goes level by level: recursion would take three times as long and is limited by Python's stack.
    """
    level: list[Iterable[Any]] = [[value]]
    for _ in range(MAX_DEPTH + 1):
        level = [
            child.values() if type(child) is dict else child
            for parent in level
            for child in parent
            if type(child) in _CONTAINERS
        ]
        if not level:
            return False
    return True


_CONTAINERS: Final = frozenset((dict, list))


def _without_lone_surrogates(value: Json) -> Json:
    text = json.dumps(value, ensure_ascii=False)
    repaired = _LONE_SURROGATE.sub("\ufffd", text)
    return value if repaired == text else cast(Json, json.loads(repaired))


def _malformed(message: str) -> Invalid:
    return Invalid(message, code="malformed_json")


def _too_deep() -> Invalid:
    return Invalid(f"The body is nested deeper than {MAX_DEPTH} levels. Send a flatter value.", code="json_too_deep")
