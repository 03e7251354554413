"""The parameters of trace lists, of one trace, and of bulk deletions: from query strings to typed queries."""

import math
import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Final, Literal, NamedTuple, TypeAlias

from tracestore.api.bulk_deletes import require_one
from tracestore.api.dates import past_time, read_range
from tracestore.api.traces.trace_json import NANO
from tracestore.domain.errors import Detail
from tracestore.domain.filters import LIST_FILTERS, Filters
from tracestore.domain.heads import VALUE_FIELDS
from tracestore.domain.times import NS_PER_MS
from tracestore.http.parameters import Reader, choice_of, is_id, malformed, one_of, text_of
from tracestore.http.request import Request
from tracestore.storage.model import DeletionScope
from tracestore.storage.user_store import TraceQuery

TRACE_IDS_MOST: Final = 100

LIST_PARAMETERS: Final = ("limit", "cursor", *LIST_FILTERS)

_NUMBER: Final = re.compile(r"(?:[0-9]{1,15}\.?|[0-9]{0,15}\.[0-9]{1,30})(?:[eE][+-]?[0-9]{1,2})?")


ListView: TypeAlias = Literal["forest", "summary", "turns"]


class TraceView(NamedTuple):
    """How one trace is returned. An outline never has payloads."""

    name: Literal["tree", "outline"]
    payloads: bool


def trace_query(parameters: Mapping[str, str]) -> TraceQuery:
    """The query of a trace list. *raises*: Invalid that names every malformed parameter."""
    read = Reader(parameters)
    from_ns, to_ns = read_range(read)
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
        from_ns=from_ns,
        to_ns=to_ns,
        trace_ids=read("trace_id", _trace_ids) or (),
        newest_first=read("order", one_of("desc", "asc")) != "asc",
    )
    read.end()
    return query


def list_view(parameters: Mapping[str, str]) -> ListView:
    """The view of a list; `forest` by default. *raises*: Invalid, also for turns without a conversation_id."""
    view: ListView = choice_of(parameters, "view", "forest", "summary", "turns")
    if view == "turns" and "conversation_id" not in parameters:
        raise malformed([Detail("view", "turns needs a conversation_id")])
    return view


def trace_view(parameters: Mapping[str, str]) -> TraceView:
    """The view of one trace; a tree with payloads by default. *raises*: Invalid, also for a tree with a cursor."""
    view: Literal["tree", "outline"] = choice_of(parameters, "view", "tree", "outline")
    payloads = choice_of(parameters, "payloads", "true", "false")
    if view == "tree" and "cursor" in parameters:
        raise malformed([Detail("cursor", "needs view=outline")])
    return TraceView(view, payloads == "true" and view == "tree")


def deletion_scope(request: Request) -> DeletionScope:
    """The traces that a bulk deletion includes. *raises*: Invalid unless there is exactly one valid parameter."""
    require_one(request, "conversation_id", "before", "deleteAll")
    read = Reader(request.query)
    scope = DeletionScope(
        conversation_id=read("conversation_id", text_of),
        before_ns=read("before", past_time(request.now_ms * NS_PER_MS)),
    )
    read("deleteAll", one_of("true"))
    read.end()
    return scope


def _scaled(text: str, scale: int) -> int:
    """A decimal number in a smaller unit, rounded up, because it is a lower bound."""
    if _NUMBER.fullmatch(text) is None:
        raise ValueError("must be a number of 0 or more, such as 0.05")
    return math.ceil(Fraction(text) * scale)


def _trace_ids(text: str) -> list[str]:
    ids = text.split(",")
    if len(ids) > TRACE_IDS_MOST or not all(map(is_id, ids)):
        raise ValueError(
            f"must be 1 to {TRACE_IDS_MOST} trace ids with commas between them, each of 1 to 128 ASCII letters, digits "
            "and _ . : -, beginning with a letter or digit"
        )
    return ids
