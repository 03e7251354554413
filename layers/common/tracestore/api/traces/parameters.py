"""The parameters of trace lists: from query strings to what the store is asked for."""

import math
import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Final

from tracestore.api.traces.trace_json import NANO
from tracestore.domain.filters import Filters
from tracestore.domain.heads import VALUE_FIELDS
from tracestore.domain.times import NS_PER_MS, parse_time
from tracestore.http.parameters import Reader, is_id, one_of, text_of
from tracestore.storage.listing import TraceQuery

TRACE_IDS_MOST: Final = 100

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

_NUMBER: Final = re.compile(r"(?:[0-9]{1,15}\.?|[0-9]{0,15}\.[0-9]{1,30})(?:[eE][+-]?[0-9]{1,2})?")


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
