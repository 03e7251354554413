"""Traces, observations, sessions and scores as the client of Langfuse's API read them back before its version 5.

Pages have numbers there. A page is found by reading the list from its start, so the numbers end at `PAGE_MOST`. The
totals of a page count the items up to it, and one more where there are further ones.
*source*: Langfuse's public API, as `langfuse.api` of version 2 for Python reads it.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Final

from tracestore.api.traces.roots import root_span
from tracestore.domain.annotations import Annotation
from tracestore.domain.errors import Detail, NotFound
from tracestore.domain.filters import Condition, Filters
from tracestore.domain.times import format_time
from tracestore.http.parameters import Reader, malformed, query_time, whole_number
from tracestore.ingest.sdk_reports import stored_id
from tracestore.storage.model import Head
from tracestore.storage.user_store import ListedTrace, TraceQuery, UserReader

from .langfuse_json import ENVIRONMENT, observation_object, score_object, trace_object

LIMIT_DEFAULT: Final = 50
LIMIT_MOST: Final = 100
PAGE_MOST: Final = 50
TRACES_READ_MOST: Final = 100
"""Traces whose spans or annotations one request reads."""

_VALUE_PARAMETERS: Final = {
    "userId": "end_user_id",
    "tags": "tag",
    "release": "release",
    "environment": "environment",
}
"""The parameters that filter traces by a value of any span, and the fields that they filter by."""

TRACE_TIMES: Final = ("fromTimestamp", "toTimestamp")
OBSERVATION_TIMES: Final = ("fromStartTime", "toStartTime")


def list_traces(reader: UserReader, query: Mapping[str, str]) -> dict[str, Any]:
    """A page of traces, each with its root's input and output and the ids of its observations and scores."""
    page, limit = _page(query)
    listed = _traces(reader, trace_query(query, TRACE_TIMES))
    name = query.get("name")
    matching = (trace for trace in listed if not name or trace.head.summary.name == name)
    traces, meta = _cut(matching, page, limit)
    return {"data": [_listed_trace(reader, trace) for trace in traces], "meta": meta}


def trace_json(reader: UserReader, sent_id: str) -> dict[str, Any]:
    """One trace with its observations and scores. *raises*: NotFound."""
    trace_id = stored_id(sent_id) or ""
    head, spans, _ = reader.trace_within(trace_id, _PAYLOAD_BYTES)
    root = root_span(head, spans)
    return {
        **trace_object(trace_id, head, root),
        "observations": [observation_object(trace_id, span) for span in spans if "encloses" not in span.fields],
        "scores": [score_object(trace_id, head, each) for each in annotations_of(reader, trace_id, head)],
    }


_PAYLOAD_BYTES: Final = 4_000_000


def list_observations(reader: UserReader, query: Mapping[str, str]) -> dict[str, Any]:
    """A page of observations: of the trace that the query names, else of the newest traces."""
    page, limit = _page(query)
    observations, meta = _cut(_observations(reader, query), page, limit)
    return {"data": observations, "meta": meta}


def session_json(reader: UserReader, session_id: str) -> dict[str, Any]:
    """The traces of a conversation, the newest first. *raises*: NotFound without any."""
    query = TraceQuery(Filters(conversation_id=Condition((session_id,))))
    traces = list(islice(_traces(reader, query), TRACES_READ_MOST))
    if not traces:
        raise NotFound("There is no such conversation.")
    return {
        "id": session_id,
        "createdAt": format_time(min(trace.head.summary.start_ns for trace in traces)),
        "projectId": reader.user_id,
        "environment": traces[-1].head.summary.environment or ENVIRONMENT,
        "traces": [_listed_trace(reader, trace) for trace in traces],
    }


def list_scores(reader: UserReader, query: Mapping[str, str]) -> dict[str, Any]:
    """A page of scores: of the trace that the query names, else of the newest traces."""
    page, limit = _page(query)
    scores, meta = _cut(_scores(reader, query), page, limit)
    return {"data": scores, "meta": meta}


def _page(query: Mapping[str, str]) -> tuple[int, int]:
    """The number of the page, from 1, and its size. *raises*: Invalid."""
    read = Reader(query)
    page = read("page", whole_number(1, PAGE_MOST, ": narrow the times for what is further")) or 1
    limit = read("limit", whole_number(1, LIMIT_MOST)) or LIMIT_DEFAULT
    read.end()
    return page, limit


def trace_query(query: Mapping[str, str], times: Iterable[str]) -> TraceQuery:
    """The query of a list; `times` are the parameters with its range. *raises*: Invalid for a malformed time."""
    values = {field: Condition((query[name],)) for name, field in _VALUE_PARAMETERS.items() if query.get(name)}
    session = query.get("sessionId")
    filters = Filters(conversation_id=Condition((session,)) if session else None, values=values)
    read = Reader(query)
    from_ns, to_ns = (read(name, query_time) for name in times)
    read.end()
    return TraceQuery(filters, from_ns, to_ns, newest_first=query.get("orderBy") != "timestamp.asc")


def _traces(reader: UserReader, query: TraceQuery) -> Iterator[ListedTrace]:
    position: str | None = None
    while True:
        page = reader.traces(query, LIMIT_MOST, position)
        yield from page.traces
        position = page.next_position
        if position is None:
            return
        if reader.is_budget_spent:
            raise malformed([Detail("page", "is too far from the start of the list: narrow the times")])


def _cut(items: Iterator[Any], page: int, limit: int) -> tuple[list[Any], dict[str, int]]:
    """The items of a page, and its numbers."""
    found = list(islice(items, page * limit + 1))
    total = len(found)
    meta = {"page": page, "limit": limit, "totalItems": total, "totalPages": -(-total // limit)}
    return found[(page - 1) * limit : page * limit], meta


def _observations(reader: UserReader, query: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    traces = _chosen(reader, query, OBSERVATION_TIMES)
    for trace in traces:
        _, spans, _ = reader.trace_within(trace.trace_id, _PAYLOAD_BYTES)
        for span in spans:
            if "encloses" in span.fields:
                continue
            observation = observation_object(trace.trace_id, span)
            if all(not query.get(name) or observation[name] == query[name] for name in _OBSERVATION_FILTERS):
                yield observation


_OBSERVATION_FILTERS: Final = ("name", "type", "parentObservationId")


def _scores(reader: UserReader, query: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    for trace in _chosen(reader, query, TRACE_TIMES):
        for annotation in annotations_of(reader, trace.trace_id, trace.head):
            if not query.get("name") or annotation.name == query["name"]:
                yield score_object(trace.trace_id, trace.head, annotation)


def _chosen(reader: UserReader, query: Mapping[str, str], times: Iterable[str]) -> Iterator[ListedTrace]:
    """The trace that a query names, else the newest that its other parameters choose."""
    chosen = trace_query(query, times)
    if trace_id := stored_id(query.get("traceId")):
        heads = reader.heads([trace_id])
        return (ListedTrace(trace_id, head) for head in heads.values())
    return islice(_traces(reader, chosen), TRACES_READ_MOST)


def annotations_of(reader: UserReader, trace_id: str, head: Head) -> list[Annotation]:
    """The annotations of a trace. *absent*: nothing is read for a trace that has none."""
    return reader.annotations(trace_id)[0] if head.summary.annotations.count else []


def _listed_trace(reader: UserReader, trace: ListedTrace) -> dict[str, Any]:
    head, spans, with_payloads, _ = reader.lazy_trace(trace.trace_id)
    root = root_span(head, spans)
    whole = next(with_payloads([root.span_id]), root)
    return {
        **trace_object(trace.trace_id, head, whole),
        "observations": [span.span_id for span in spans if "encloses" not in span.fields],
        "scores": [each.annotation_id for each in annotations_of(reader, trace.trace_id, head)],
    }
