"""The parameters of trace lists, of one trace, and of bulk deletions: from query strings to typed queries."""

import math
import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Final, Literal, NamedTuple, TypeAlias

from tracestore.api.bulk_deletes import require_one
from tracestore.api.dates import past_time, read_range
from tracestore.api.traces.annotations import annotation_filters, label_text
from tracestore.api.traces.trace_json import NANO
from tracestore.domain.errors import Detail
from tracestore.domain.filters import LIST_FILTERS, METADATA_PREFIX, SCORE_PREFIX, Condition, Filters
from tracestore.domain.heads import VALUE_FIELDS
from tracestore.domain.times import NS_PER_MS
from tracestore.http.parameters import Reader, choice_of, id_of, is_id, malformed, one_of, read_one, text_of
from tracestore.http.request import MAX_NAME_CHARACTERS, Request
from tracestore.storage.model import DeletionScope
from tracestore.storage.user_store import TraceQuery, Version, parse_version

IDS_MOST: Final = 100
ID_LIST_CHARACTERS: Final = 6_000
"""Characters of a list of ids. *source*: API Gateway takes 10,240 bytes of request line and headers, and a token is one
of them."""

METADATA_KEYS_MOST: Final = 10

NUMBER_MOST: Final = 10**14
"""The largest bound of a filter: more than 3,000 years in milliseconds."""

LIST_PARAMETERS: Final = ("limit", "cursor", *LIST_FILTERS)

_TURNS_PARAMETERS: Final = frozenset(
    {"view", "messages", "conversation_id", "limit", "cursor", "order", "start_date", "end_date", "timezone"}
)

_REPEATABLE: Final = frozenset(
    {*VALUE_FIELDS, "conversation_id", "status", "parent_span_id", "parent_trace_id", "search", "label"}
)
"""Parameters that may be repeated: any of the values has to match. A value after `!` must not match."""

_NOT: Final = "!"
_ESCAPE: Final = "\\"
"""Stands before a value that begins with `!` or with itself."""

_NUMBER: Final = re.compile(r"(?:[0-9]{1,15}\.?|[0-9]{0,15}\.[0-9]{1,30})(?:[eE](?:[+]?[0-9]{1,2}|-[0-9]{1,3}))?")


ListView: TypeAlias = Literal["forest", "summary", "turns"]


class TurnsQuery(NamedTuple):
    """A page of the turns of one conversation. `whole_inputs` returns inputs in addition to their new messages."""

    traces: TraceQuery
    conversation_id: str
    whole_inputs: bool


class TraceView(NamedTuple):
    """How one trace is returned. An outline never has payloads.

    `span_ids` chooses spans of the view `spans`; None chooses all. `search` is the text that `matches` looks for.
    """

    name: Literal["tree", "outline", "spans", "matches"]
    payloads: bool
    span_ids: frozenset[str] | None = None
    new_messages: bool = False
    search: str = ""


def require_list_parameters(request: Request, *more: str) -> None:
    """Check that a request has no parameters except those of a list and `more`. *raises*: Invalid."""
    require_filters(request, "limit", "cursor", *more)


def require_filters(request: Request, *more: str) -> None:
    """Check that a request has no parameters except the filters of a list and `more`. *raises*: Invalid."""
    request.only(*more, *LIST_FILTERS, repeatable=_REPEATABLE, prefixes=(METADATA_PREFIX, SCORE_PREFIX))


def trace_query(parameters: Mapping[str, str]) -> TraceQuery:
    """The query of a trace list. *raises*: Invalid that names every malformed parameter."""
    read = Reader(parameters)
    from_ns, to_ns, _ = read_range(read)
    parents = [_condition(read, name, id_of) for name in ("parent_span_id", "parent_trace_id")]
    if all(parents):
        read.problems.append(Detail("parent_trace_id", "is another name of parent_span_id: send one of them"))
    metadata = [name for name in parameters if name.startswith(METADATA_PREFIX)]
    if len(metadata) > METADATA_KEYS_MOST:
        read.problems.append(Detail(METADATA_PREFIX, f"may be given for at most {METADATA_KEYS_MOST} keys"))
    query = TraceQuery(
        filters=Filters(
            conversation_id=_condition(read, "conversation_id", text_of),
            status=_condition(read, "status", one_of("pending", "success", "error")),
            has_errors=read("has_errors", _boolean),
            min_duration_ns=read("min_duration_ms", _least(NS_PER_MS)),
            max_duration_ns=read("max_duration_ms", _most(NS_PER_MS)),
            min_cost_nano_usd=read("min_cost_usd", _least(NANO)),
            max_cost_nano_usd=read("max_cost_usd", _most(NANO)),
            min_tokens=read("min_tokens", _least(1)),
            has_retry=read("has_retry", _boolean),
            has_fallback=read("has_fallback", _boolean),
            has_model_call=read("has_model_call", _boolean),
            interrupted=read("interrupted", _boolean),
            parent_span_id=next(filter(None, parents), None),
            search=_condition(read, "search", text_of),
            search_in_payload=read("search_in", one_of("names", "payload")) == "payload",
            values={name: value for name in VALUE_FIELDS if (value := _condition(read, name, text_of)) is not None},
            metadata={
                name.removeprefix(METADATA_PREFIX): value
                for name in metadata
                if (value := _condition(read, name, text_of)) is not None
            },
            annotations=annotation_filters(read, parameters, _condition(read, "label", label_text)),
        ),
        from_ns=from_ns,
        to_ns=to_ns,
        trace_ids=read("trace_id", _ids("trace")) or (),
        newest_first=read("order", one_of("desc", "asc")) != "asc",
    )
    if query.filters.search_in_payload and query.filters.search is None:
        read.problems.append(Detail("search_in", "needs search: send the text to look for"))
    read.end()
    return query


def list_view(parameters: Mapping[str, str]) -> ListView:
    """The view of a list; `forest` by default. *raises*: Invalid for parameters that do not belong to it."""
    view: ListView = choice_of(parameters, "view", "forest", "summary", "turns")
    if view == "turns" and "conversation_id" not in parameters:
        raise malformed([Detail("view", "turns needs a conversation_id")])
    if view != "turns" and "messages" in parameters:
        raise malformed([Detail("messages", "needs view=turns")])
    return view


def turns_query(parameters: Mapping[str, str]) -> TurnsQuery:
    """The query of a page of turns. *raises*: Invalid, also for filters: turns are numbered and compared one by one."""
    others = sorted(set(parameters) - _TURNS_PARAMETERS)
    if others:
        problem = "cannot be combined with view=turns, which shows all turns: remove it, or use view=summary"
        raise malformed([Detail(name[:MAX_NAME_CHARACTERS], problem) for name in others])
    traces = trace_query(parameters)
    condition = traces.filters.conversation_id
    if condition is None or condition.only is None:
        raise malformed([Detail("conversation_id", "must be one conversation, not negated, for view=turns")])
    messages = choice_of(parameters, "messages", "new", "all")
    return TurnsQuery(traces, condition.only, messages == "all")


def trace_view(parameters: Mapping[str, str]) -> TraceView:
    """The view of one trace; a tree with payloads by default.

    *raises*: Invalid, also for parameters that do not belong to the view.
    """
    read = Reader(parameters)
    view: Literal["tree", "outline", "spans"] = read("view", one_of("tree", "outline", "spans")) or "tree"
    payloads = read("payloads", _boolean)
    span_ids = read("span_id", _ids("span"))
    new_messages = read("new_messages", _boolean)
    search = read("search", text_of)
    if "search" in parameters:
        others = [name for name in ("view", "payloads", "span_id", "new_messages") if name in parameters]
        read.problems += [Detail(name, "cannot be combined with search: leave it out") for name in others]
    elif view == "spans":
        if "payloads" in parameters:
            read.problems.append(Detail("payloads", "cannot be combined with view=spans: use view=outline without it"))
    else:
        others = [name for name in ("span_id", "new_messages") if name in parameters]
        read.problems += [Detail(name, "needs view=spans") for name in others]
        if view == "tree" and "cursor" in parameters:
            read.problems.append(Detail("cursor", "needs view=outline, view=spans or search"))
    if "since" in parameters:
        conflicts = {"cursor": "cursor" in parameters, "search": "search" in parameters, "view=spans": view == "spans"}
        others = [other for other, is_sent in conflicts.items() if is_sent]
        read.problems += [Detail("since", f"cannot be combined with {other}: leave one out") for other in others]
    read.end()
    if search is not None:
        return TraceView("matches", True, search=search)
    if view == "spans":
        return TraceView("spans", True, None if span_ids is None else frozenset(span_ids), bool(new_messages))
    return TraceView(view, payloads is not False and view == "tree")


def since_version(parameters: Mapping[str, str]) -> Version | None:
    """The version that the caller has. *absent*: None, also for one of another format. *raises*: Invalid."""
    return read_one(parameters, "since", parse_version)


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


def _condition(read: Reader, name: str, parse: Callable[[str], str]) -> Condition | None:
    """The condition of a parameter that may be repeated and negated. *absent*: None."""

    def parse_value(text: str) -> tuple[bool, str]:
        is_negative = text.startswith(_NOT)
        value = text.removeprefix(_NOT) if is_negative else text
        if value.startswith((_ESCAPE + _NOT, _ESCAPE * 2)):
            value = value.removeprefix(_ESCAPE)
        return is_negative, parse(value)

    parsed = read.all(name, parse_value)
    if not parsed:
        return None
    return Condition(
        tuple(value for is_negative, value in parsed if not is_negative),
        tuple(value for is_negative, value in parsed if is_negative),
    )


def _boolean(text: str) -> bool:
    return one_of("true", "false")(text) == "true"


def _least(scale: int) -> Callable[[str], int]:
    """A parser of lower bounds: a decimal number in a smaller unit, rounded up."""
    return lambda text: math.ceil(_number(text) * scale)


def _most(scale: int) -> Callable[[str], int]:
    """A parser of upper bounds: a decimal number in a smaller unit, rounded down."""
    return lambda text: math.floor(_number(text) * scale)


def _number(text: str) -> Fraction:
    if _NUMBER.fullmatch(text) is None:
        raise ValueError("must be a number of 0 or more, such as 0.05")
    if (number := Fraction(text)) > NUMBER_MOST:
        raise ValueError(f"must be at most {NUMBER_MOST:,}")
    return number


def _ids(kind: str) -> Callable[[str], list[str]]:
    """A parser of a list of ids with commas between them."""

    def parse(text: str) -> list[str]:
        if len(text) > ID_LIST_CHARACTERS:
            raise ValueError(
                f"must have at most {ID_LIST_CHARACTERS:,} characters (6 KB): send the ids in two requests"
            )
        ids = text.split(",")
        if len(ids) > IDS_MOST or not all(map(is_id, ids)):
            raise ValueError(
                f"must be 1 to {IDS_MOST} {kind} ids with commas between them, each of 1 to 128 ASCII letters, digits "
                "and _ . : -, beginning with a letter or digit"
            )
        return ids

    return parse
