"""Parsing of query and path parameters. All problems are collected, so that one response names every one of them."""

import re
from collections.abc import Callable, Collection, Mapping
from itertools import islice
from typing import Final, TypeVar

from tracestore.domain.errors import Detail, Invalid, NotFound
from tracestore.domain.spans import ID_PATTERN
from tracestore.domain.times import parse_time

from .request import MAX_NAME_CHARACTERS, Query, Request

LIMIT_DEFAULT: Final = 100
LIMIT_MOST: Final = 1_000
TEXT_MOST: Final = 512

_ID: Final = re.compile(ID_PATTERN)
_WHOLE_NUMBER: Final = re.compile(r"[0-9]{1,9}")
_SPACED_OFFSET: Final = re.compile(r"(.{10}[Tt ]\S+) (\d\d:?\d\d)", re.ASCII)
"""A time and the digits of an offset. A `+` in a query string that is not percent-encoded is decoded to a space."""

UNKNOWN_MOST: Final = 10
"""Unknown fields that an error names."""

Value = TypeVar("Value")
Word = TypeVar("Word", bound=str)


def unknown_fields(body: Mapping[str, object], known: Collection[str], subject: str) -> list[Detail]:
    """The problems of the first fields of a body that are not `known`. `subject` is like `a field of a view`."""
    unknown = (name for name in body if name not in known)
    message = f"is not {subject}: check its name or remove it"
    return [Detail(name[:MAX_NAME_CHARACTERS], message) for name in islice(unknown, UNKNOWN_MOST)]


class Reader:
    """A parser of query parameters, one at a time, that collects the malformed ones."""

    def __init__(self, parameters: Mapping[str, str]) -> None:
        self._parameters = parameters
        self.problems: list[Detail] = []

    def __call__(self, name: str, parse: Callable[[str], Value]) -> Value | None:
        """Parse one parameter. `parse` raises ValueError, with the remedy, for a malformed value.

        *absent*: None; also for a malformed value, which `end` reports.
        """
        try:
            return parse(self._parameters[name]) if name in self._parameters else None
        except ValueError as error:
            self.problems.append(Detail(name[:MAX_NAME_CHARACTERS], str(error)))
            return None

    def all(self, name: str, parse: Callable[[str], Value]) -> list[Value]:
        """Parse each value of a parameter that may be repeated. *absent*: an empty list, as for `__call__`."""
        if name not in self._parameters:
            return []
        several = self._parameters.all(name) if isinstance(self._parameters, Query) else [self._parameters[name]]
        try:
            return [parse(text) for text in several]
        except ValueError as error:
            self.problems.append(Detail(name[:MAX_NAME_CHARACTERS], str(error)))
            return []

    def end(self) -> None:
        """Finish reading. *raises*: Invalid that names every malformed parameter."""
        if self.problems:
            raise malformed(self.problems)


def read_one(parameters: Mapping[str, str], name: str, parse: Callable[[str], Value]) -> Value | None:
    """Parse a single parameter, as `Reader` does. *absent*: None. *raises*: Invalid when it is malformed."""
    read = Reader(parameters)
    value = read(name, parse)
    read.end()
    return value


def limit_of(parameters: Mapping[str, str], default: int = LIMIT_DEFAULT) -> int:
    """The number of entries of a page. *raises*: Invalid when it is not from 1 to 1,000."""
    return read_one(parameters, "limit", whole_number(1, LIMIT_MOST)) or default


def choice_of(parameters: Mapping[str, str], name: str, *words: Word) -> Word:
    """A parameter that is one of `words`. *absent*: the first word. *raises*: Invalid for any other."""
    word = read_one(parameters, name, one_of(*words))
    return words[0] if word is None else word


def path_id(request: Request, name: str, refusal: str = "There is no such trace or span.") -> str:
    """An id in the path. *raises*: NotFound with `refusal` for a text that cannot be an id."""
    if not is_id(request.path[name]):
        raise NotFound(refusal)
    return request.path[name]


def is_id(text: str) -> bool:
    """Whether `text` can be the id of a trace or a span."""
    return _ID.fullmatch(text) is not None


def id_of(text: str) -> str:
    """The id of a trace or a span. *raises*: ValueError for a text that cannot be one."""
    if not is_id(text):
        raise ValueError("must have 1 to 128 ASCII letters, digits and _ . : -, and begin with a letter or digit")
    return text


def malformed(problems: list[Detail]) -> Invalid:
    """The error for malformed query parameters, which its message names."""
    sentence = "; ".join(f"{problem.field} {problem.message}" for problem in problems)
    return Invalid(f"Malformed query parameters: {sentence}.", code="invalid_parameter", details=tuple(problems))


def text_of(text: str) -> str:
    """A text of 1 to 512 characters. *raises*: ValueError for any other length."""
    if not 1 <= len(text) <= TEXT_MOST:
        raise ValueError(f"must have 1 to {TEXT_MOST} characters")
    return text


def whole_number(least: int, most: int, remedy: str = "") -> Callable[[str], int]:
    """A parser of whole numbers from `least` to `most`; it raises ValueError that states them for any other text."""

    def parse(text: str) -> int:
        if _WHOLE_NUMBER.fullmatch(text) is None or not least <= int(text) <= most:
            raise ValueError(f"must be a whole number from {least:,} to {most:,}{remedy}")
        return int(text)

    return parse


def query_time(text: str) -> int:
    """Parse a time of a query, in which the `+` of the offset may be a space. *raises*: ValueError with the remedy."""
    return parse_time(_SPACED_OFFSET.sub(r"\1+\2", text) if _SPACED_OFFSET.fullmatch(text) else text)


def one_of(*words: Word) -> Callable[[str], Word]:
    """A parser that accepts one of `words`; it raises ValueError that lists them for any other text."""
    remedy = f"must be one of {', '.join(words)}" if len(words) > 1 else f"must be {words[0]}"
    accepted = {str(word): word for word in words}

    def parse(text: str) -> Word:
        if text not in accepted:
            raise ValueError(remedy)
        return accepted[text]

    return parse
