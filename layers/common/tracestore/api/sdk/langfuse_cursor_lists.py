"""Observations and scores as the client of Langfuse's API reads them back since version 5: by cursors.

A page continues where the one before ended: after a trace, or after a number of items of a trace. It ends early when
the request has read as much as one request may, so that only a page without a cursor is the last. A request names the
groups of fields that items have.
*source*: Langfuse's public API, `GET /api/public/v2/observations` and `/v3/scores`, as `langfuse.api` of version 5 for
Python reads it.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any, Final, NamedTuple

from tracestore.domain.annotations import Annotation
from tracestore.domain.errors import Detail, NotFound
from tracestore.domain.merge import Span
from tracestore.domain.spans import Json
from tracestore.domain.times import NS_PER_MS
from tracestore.http.cursors import ListCursor
from tracestore.http.parameters import Reader, malformed, one_of, query_time, whole_number
from tracestore.http.request import Query
from tracestore.http.response import json_bytes
from tracestore.ingest.sdk_reports import stored_id
from tracestore.storage.model import Head
from tracestore.storage.user_store import ListedTrace, TraceQuery, UserReader

from .langfuse_json import observation_object, score_object
from .langfuse_reading import (
    LIMIT_DEFAULT,
    OBSERVATION_TIMES,
    TRACE_TIMES,
    annotations_of,
    trace_query,
)

OBSERVATIONS_MOST: Final = 1_000
SCORES_MOST: Final = 100
_TRACES_AT_ONCE: Final = 100
_LISTS_MOST: Final = 4
"""Lists of traces that one request reads, each with an equal share of its budget, before a page is empty."""

_PAGE_BYTES: Final = 4_000_000
"""A page ends with the item that exceeds this: Lambda returns up to 6 MB."""

_PAYLOAD_GROUPS: Final = frozenset({"io", "metadata"})
OBSERVATION_GROUPS: Final = {
    "core": ("id", "traceId", "startTime", "endTime", "projectId", "parentObservationId", "type"),
    "basic": (
        *("name", "level", "statusMessage", "version", "environment", "bookmarked", "public", "userId", "sessionId"),
        "isRootObservation",
    ),
    "time": ("completionStartTime", "createdAt", "updatedAt"),
    "io": ("input", "output"),
    "metadata": ("metadata",),
    "model": ("model", "internalModelId", "modelParameters"),
    "usage": ("usageDetails", "costDetails", "totalCost", "usagePricingTierName"),
    "prompt": ("promptId", "promptName", "promptVersion"),
    "metrics": ("latency", "timeToFirstToken"),
    "trace_context": ("tags", "release", "traceName"),
}
"""The fields of an observation by the groups that a request may name."""

_OBSERVATION_DEFAULT: Final = ("core", "basic")
SCORE_GROUPS: Final = {
    "core": (
        *("id", "projectId", "name", "value", "dataType", "source", "timestamp", "environment", "createdAt"),
        "updatedAt",
    ),
    "details": ("comment", "configId", "metadata"),
    "subject": ("subject",),
    "annotation": ("authorUserId", "queueId"),
}
"""The fields of a score by the groups that a request may name."""

_PARENT: Final = "parentObservationId"
_OBSERVATION_FILTERS: Final = ("name", "type", "level", _PARENT, "version", "userId", "sessionId")
_SCORE_FILTERS: Final = ("id", "name", "source", "dataType", "environment")
_WORDS: Final = frozenset({"source", "dataType"})
"""Parameters whose values are words in any case."""

_NOT_OF_SCORES: Final = ("sessionId", "experimentId", "configId", "queueId", "authorUserId")
"""Parameters that choose scores of a kind which is not stored."""

_TRACE_FILTERS: Final = ("userId", "sessionId", *OBSERVATION_TIMES)

Items = Callable[[ListedTrace, int], tuple[int, Iterator[dict[str, Any]]]]
"""The items of a trace after the first so many: their number, and as many of them as the request can read."""


class _Place(NamedTuple):
    """The place where a page ended: after the trace at the cursor position `after`, and `taken` items of `trace_id`.

    *absent*: empty before the first trace, and between two traces.
    """

    after: str = ""
    trace_id: str = ""
    taken: int = 0


def list_observations(reader: UserReader, query: Query, cursor: ListCursor) -> dict[str, Any]:
    """A page of observations, with the groups of fields that `fields` names. *raises*: Invalid."""
    parameters = Reader(query)
    limit = parameters("limit", whole_number(1, OBSERVATIONS_MOST)) or LIMIT_DEFAULT
    groups = parameters("fields", _groups_in(OBSERVATION_GROUPS)) or _OBSERVATION_DEFAULT
    is_root = parameters("isRootObservation", one_of("true", "false"))
    parameters("parseIoAsJson", one_of("false"))
    parameters("filter", _refuse)
    parameters.end()
    names = [name for group in dict.fromkeys(("core", *groups)) for name in OBSERVATION_GROUPS[group]]
    environments = query.all("environment")
    chosen_values = {name: query[name] for name in _OBSERVATION_FILTERS if name in query}
    if chosen_values.get(_PARENT):
        chosen_values[_PARENT] = stored_id(chosen_values[_PARENT]) or ""

    def matches(observation: Mapping[str, Any]) -> bool:
        return (
            (is_root is None or observation["isRootObservation"] is (is_root == "true"))
            and (not environments or observation["environment"] in environments)
            and all((observation[name] or "") == value for name, value in chosen_values.items())
        )

    def observations(trace: ListedTrace, skipped: int) -> tuple[int, Iterator[dict[str, Any]]]:
        head, spans, with_payloads, _ = reader.lazy_trace(trace.trace_id)
        found = (span for span in spans if "encloses" not in span.fields)
        matching = [span for span in found if matches(_observation(reader, trace.trace_id, head, span))][skipped:]
        if matching and not _PAYLOAD_GROUPS.isdisjoint(groups):
            read = with_payloads([span.span_id for span in matching])
        else:
            read = iter(matching)
        whole = (_observation(reader, trace.trace_id, head, span) for span in read)
        return len(matching), ({name: observation[name] for name in names} for observation in whole)

    chosen = trace_query({name: query[name] for name in _TRACE_FILTERS if name in query}, OBSERVATION_TIMES)
    return _page(reader, replace(chosen, trace_ids=_trace_ids(query)), observations, limit, cursor)


def list_scores(reader: UserReader, query: Query, cursor: ListCursor) -> dict[str, Any]:
    """A page of scores, with the groups of fields that `fields` names in addition to the core. *raises*: Invalid."""
    parameters = Reader(query)
    limit = parameters("limit", whole_number(1, SCORES_MOST)) or LIMIT_DEFAULT
    groups = parameters("fields", _groups_in(SCORE_GROUPS)) or ()
    from_ns, to_ns = (parameters(name, query_time) for name in TRACE_TIMES)
    for name in ("value", "valueMin", "valueMax"):
        parameters(name, _refuse)
    parameters.end()
    if any(query.get(name) for name in _NOT_OF_SCORES):
        return _result([], limit)
    names = [name for group in dict.fromkeys(("core", *groups)) for name in SCORE_GROUPS[group]]
    accepted = {name: _listed(query, name) for name in _SCORE_FILTERS if query.get(name)}
    span_ids = list(map(stored_id, _listed(query, "observationId")))

    def matches(annotation: Annotation, score: Mapping[str, Any]) -> bool:
        updated_ns = annotation.updated_ms * NS_PER_MS
        return (
            (from_ns is None or updated_ns >= from_ns)
            and (to_ns is None or updated_ns < to_ns)
            and (not span_ids or annotation.span_id in span_ids)
            and all(_is_among(score[name], values, is_word=name in _WORDS) for name, values in accepted.items())
        )

    def scores(trace: ListedTrace, skipped: int) -> tuple[int, Iterator[dict[str, Any]]]:
        annotations = annotations_of(reader, trace.trace_id, trace.head)
        found = [(each, _score(reader, trace, each)) for each in annotations]
        matching = [score for annotation, score in found if matches(annotation, score)][skipped:]
        return len(matching), ({name: score[name] for name in names} for score in matching)

    return _page(reader, TraceQuery(to_ns=to_ns, trace_ids=_trace_ids(query)), scores, limit, cursor)


def _page(reader: UserReader, query: TraceQuery, items_of: Items, limit: int, cursor: ListCursor) -> dict[str, Any]:
    """The items of the traces that the query chooses, after the place of the cursor."""
    place = _place_in(cursor.position())
    data: list[dict[str, Any]] = []
    size = 0
    for _ in range(_LISTS_MOST):
        listed = reader.traces(query, _TRACES_AT_ONCE, place.after or None, 1 / _LISTS_MOST)
        for trace in listed.traces:
            skipped = place.taken if trace.trace_id == place.trace_id else 0
            try:
                count, items = items_of(trace, skipped)
            except NotFound:  # deleted since it was listed
                continue
            taken = 0
            for item in islice(items, limit - len(data)):
                data.append(item)
                taken += 1
                size += len(json_bytes(item))
                if size > _PAGE_BYTES:
                    break
            if taken < count:
                return _result(data, limit, cursor, _Place(place.after, trace.trace_id, skipped + taken))
            place = _Place(trace.head.cursor_position)
            if len(data) == limit or size > _PAGE_BYTES or reader.is_budget_spent:
                return _result(data, limit, cursor, place)
        if listed.next_position is None:
            return _result(data, limit)
        place = _Place(listed.next_position)
    return _result(data, limit, cursor, place)


def _result(
    data: list[dict[str, Any]], limit: int, cursor: ListCursor | None = None, place: _Place | None = None
) -> dict[str, Any]:
    """A page, with the cursor of the next one. *absent*: no cursor on the last page."""
    text = cursor.next("|".join(map(str, place))) if cursor and place else None
    return {"data": data, "meta": {"limit": limit, **({"cursor": text} if text else {})}}


def _place_in(text: str | None) -> _Place:
    if text is None:
        return _Place()
    after, trace_id, taken = text.split("|")
    return _Place(after, trace_id, int(taken))


def _observation(reader: UserReader, trace_id: str, head: Head, span: Span) -> dict[str, Any]:
    """An observation with all groups of fields. Inputs and outputs are texts."""
    observation = observation_object(trace_id, span)
    summary = head.summary
    return {
        **observation,
        "projectId": reader.user_id,
        "bookmarked": False,
        "public": False,
        "userId": summary.end_user_id,
        "sessionId": summary.conversation_id,
        "isRootObservation": observation["parentObservationId"] is None,
        "input": _text(observation["input"]),
        "output": _text(observation["output"]),
        "internalModelId": None,
        "totalCost": observation["calculatedTotalCost"],
        "usagePricingTierName": None,
        "tags": summary.values.get("tag", []),
        "release": summary.release,
        "traceName": summary.name,
    }


def _score(reader: UserReader, trace: ListedTrace, annotation: Annotation) -> dict[str, Any]:
    """A score with all groups of fields. Its value has the type that `dataType` names."""
    score = score_object(trace.trace_id, trace.head, annotation)
    span_id = annotation.span_id
    of_trace = {"kind": "trace", "id": trace.trace_id}
    return {
        **score,
        "projectId": reader.user_id,
        "value": annotation.value,
        "subject": of_trace if span_id is None else {"kind": "observation", "id": span_id, "traceId": trace.trace_id},
    }


def _text(value: Json) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _is_among(value: Json, values: list[str], *, is_word: bool) -> bool:
    """Whether a field has one of these values, which a client may write in any case where they are words."""
    return str(value) in ([text.upper() for text in values] if is_word else values)


def _listed(query: Query, name: str) -> list[str]:
    """The values of a parameter that has several, separated by commas. *absent*: an empty list."""
    return [text for text in query.get(name, "").split(",") if text]


def _trace_ids(query: Query) -> list[str]:
    """The ids of the traces that a query names. *raises*: Invalid where there are too many."""
    ids = _listed(query, "traceId")
    if len(ids) > _TRACES_AT_ONCE:
        raise malformed([Detail("traceId", f"must name at most {_TRACES_AT_ONCE} traces: request the others apart")])
    return [trace_id for text in ids if (trace_id := stored_id(text))]


def _groups_in(known: Mapping[str, object]) -> Callable[[str], list[str]]:
    """A parser of the names of groups of fields, separated by commas."""

    def parse(text: str) -> list[str]:
        groups = text.split(",")
        if not known.keys() >= set(groups):
            raise ValueError(f"must be among {', '.join(known)}, separated by commas")
        return groups

    return parse


def _refuse(_text: str) -> None:
    raise ValueError("is not supported: use the other parameters, and choose among the results")
