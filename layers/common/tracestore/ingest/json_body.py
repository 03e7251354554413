"""Reads a request's body as strict JSON, within bounds that the code behind it can rely on."""

import json
import math
import re
from collections.abc import Iterable
from typing import Any, Final, NoReturn, cast

from tracestore.domain.errors import Invalid
from tracestore.domain.spans import Json

MAX_DEPTH: Final = 100

_MAYBE_HALF_PAIR: Final = re.compile(
    r"\\(?:\\u[dD]|u[dD](?:[89abAB]..(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]..\\u[dD])[c-fC-F]))"
)
"""The escape of a surrogate without its other half; and one after another backslash, which may be no escape."""

_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def parse_json(body: bytes) -> Json:
    """The value of a JSON text in UTF-8: at most `MAX_DEPTH` deep, every number finite, every string encodable.

    Of two equal keys the last wins. Half of a surrogate pair, which no UTF-8 can hold, becomes U+FFFD.
    Raises `Invalid` (`malformed_json`, `json_too_deep`).
    """
    try:
        text = body.decode()
        value = cast(Json, _DECODER.decode(text))
    except RecursionError as error:
        raise _too_deep() from error
    except UnicodeDecodeError as error:
        raise _malformed("The body is not UTF-8. Send JSON encoded as UTF-8.") from error
    except json.JSONDecodeError as error:
        raise _malformed(f"The body is not JSON from line {error.lineno}, column {error.colno} on.") from error
    except ValueError as error:
        raise _malformed("A number is NaN, infinite or thousands of digits long. Send null or a string.") from error
    if _is_too_deep(value):
        raise _too_deep()
    return _without_lone_surrogates(value) if _MAYBE_HALF_PAIR.search(text) else value


def _refuse(_constant: str) -> NoReturn:
    raise ValueError("JSON has no NaN and no Infinity")


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError("beyond the range of a float")
    return number


_DECODER: Final = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite)


def _is_too_deep(value: Any) -> bool:
    """Goes level by level: recursion would cost three times as much, and end at Python's stack."""
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
    mended = _LONE_SURROGATE.sub("\ufffd", text)
    return value if mended == text else cast(Json, json.loads(mended))


def _malformed(message: str) -> Invalid:
    return Invalid(message, code="malformed_json")


def _too_deep() -> Invalid:
    return Invalid(f"The body nests deeper than {MAX_DEPTH} levels. Send a flatter value.", code="json_too_deep")
