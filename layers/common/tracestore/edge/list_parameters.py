"""The parameters of trace lists: from query strings to what the store is asked for."""

import json
import math
import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Final, TypeVar

from tracestore.domain.errors import Detail, Invalid
from tracestore.domain.filters import Filters
from tracestore.domain.heads import VALUE_FIELDS
from tracestore.domain.times import NS_PER_MS, parse_time
from tracestore.storage.listing import TraceQuery

from .trace_json import NANO

LIMIT_DEFAULT: Final = 100
LIMIT_MOST: Final = 1_000
TRACE_IDS_MOST: Final = 100
TEXT_MOST: Final = 512

LIST_PARAMETERS: Final = (
    "limit",
    "cursor",
    "start_date",
    "end_date",
    "conversation_id",
    "trace_id",
    "status",
    "has_errors",
    *VALUE_FIELDS,
    "min_duration_ms",
    "min_cost_usd",
    "search",
    "order",
)

_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}", re.ASCII)
_WHOLE_NUMBER: Final = re.compile(r"[0-9]{1,9}")
_NUMBER: Final = re.compile(r"(?:[0-9]{1,15}\.?|[0-9]{0,15}\.[0-9]{1,30})(?:[eE][+-]?[0-9]{1,2})?")
_NOT_IN_QUERY: Final = ("limit", "cursor")

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


def trace_query(parameters: Mapping[str, str]) -> TraceQuery:
    """What a list asks for. *raises* Invalid that names every malformed parameter."""
    read = Reader(parameters)
    query = TraceQuery(
        filters=Filters(
            conversation_id=read("conversation_id", text_of),
            status=read("status", one_of("pending", "success", "error")),
            has_errors=read("has_errors", lambda text: one_of("true", "false")(text) == "true"),
            min_duration_ns=read("min_duration_ms", lambda text: _scaled(text, NS_PER_MS)),
            min_cost_nano_usd=read("min_cost_usd", lambda text: _scaled(text, NANO)),
            search=read("search", text_of),
            values={name: value for name in VALUE_FIELDS if (value := read(name, text_of)) is not None},
        ),
        from_ns=read("start_date", parse_time),
        to_ns=read("end_date", parse_time),
        trace_ids=read("trace_id", _trace_ids) or (),
        newest_first=read("order", one_of("desc", "asc")) != "asc",
    )
    read.end()
    return query


def limit_of(parameters: Mapping[str, str], default: int = LIMIT_DEFAULT) -> int:
    """How many traces a page is to have. *raises* Invalid."""
    text = parameters.get("limit", str(default))
    if _WHOLE_NUMBER.fullmatch(text) is None or not 1 <= int(text) <= LIMIT_MOST:
        raise malformed([Detail("limit", f"must be a whole number from 1 to {LIMIT_MOST:,}")])
    return int(text)


def fingerprint(route: str, parameters: Mapping[str, str]) -> str:
    """What a cursor is bound to besides its user: the same for all pages of one list, whatever their size."""
    return route + json.dumps({name: parameters[name] for name in sorted(parameters) if name not in _NOT_IN_QUERY})


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


def _scaled(text: str, scale: int) -> int:
    """A decimal number in a smaller unit, rounded up: what is asked for is a least value."""
    if _NUMBER.fullmatch(text) is None:
        raise ValueError("must be a number of 0 or more, such as 0.05")
    return math.ceil(Fraction(text) * scale)


def _trace_ids(text: str) -> list[str]:
    ids = text.split(",")
    if len(ids) > TRACE_IDS_MOST or not all(map(is_id, ids)):
        raise ValueError(f"must be up to {TRACE_IDS_MOST} trace ids with commas between them")
    return ids
