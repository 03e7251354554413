"""Query parameters, parsed one by one with every problem collected, so that one response names all of them."""

import re
from collections.abc import Callable, Mapping
from typing import Final, TypeVar

from tracestore.domain.errors import Detail, Invalid

LIMIT_DEFAULT: Final = 100
LIMIT_MOST: Final = 1_000
TEXT_MOST: Final = 512

_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}", re.ASCII)
_WHOLE_NUMBER: Final = re.compile(r"[0-9]{1,9}")

Value = TypeVar("Value")


class Reader:
    """Query parameters as they are read one by one: what is malformed is noted, so that one answer names all of it."""

    def __init__(self, parameters: Mapping[str, str]) -> None:
        self._parameters = parameters
        self.problems: list[Detail] = []

    def __call__(self, name: str, parse: Callable[[str], Value]) -> Value | None:
        """What `parse` makes of a parameter; None when it is absent, or malformed: `parse` raises ValueError then."""
        try:
            return parse(self._parameters[name]) if name in self._parameters else None
        except ValueError as error:
            self.problems.append(Detail(name, str(error)))
            return None

    def end(self) -> None:
        """*raises* Invalid that names every malformed parameter."""
        if self.problems:
            raise malformed(self.problems)


def limit_of(parameters: Mapping[str, str], default: int = LIMIT_DEFAULT) -> int:
    """How many traces a page is to have. *raises* Invalid."""
    text = parameters.get("limit", str(default))
    if _WHOLE_NUMBER.fullmatch(text) is None or not 1 <= int(text) <= LIMIT_MOST:
        raise malformed([Detail("limit", f"must be a whole number from 1 to {LIMIT_MOST:,}")])
    return int(text)


def is_id(text: str) -> bool:
    """Whether `text` can be a trace's or a span's id."""
    return _ID.fullmatch(text) is not None


def malformed(problems: list[Detail]) -> Invalid:
    """The refusal of query parameters, by name."""
    told = "; ".join(f"{problem.field} {problem.message}" for problem in problems)
    return Invalid(f"Malformed query parameters: {told}.", code="invalid_parameter", details=tuple(problems))


def text_of(text: str) -> str:
    """A text of a sensible length. *raises* ValueError that says so."""
    if not 1 <= len(text) <= TEXT_MOST:
        raise ValueError(f"must have 1 to {TEXT_MOST} characters")
    return text


def one_of(*words: str) -> Callable[[str], str]:
    """A parser that takes one of `words`. *raises* ValueError that lists them."""
    remedy = f"must be one of {', '.join(words)}" if len(words) > 1 else f"must be {words[0]}"

    def parse(text: str) -> str:
        if text not in words:
            raise ValueError(remedy)
        return text

    return parse
