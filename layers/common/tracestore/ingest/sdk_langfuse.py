"""Decode the events of Langfuse's ingestion API, and its scores, into reports.

An observation is created by one event and amended by others, a trace by further `trace-create` events. Neither the
order of a batch nor, within milliseconds, the time of an event is an order: in one batch a create comes before its
updates, and a trace's events count by the time in their bodies. The trace is an object of its own. It becomes the root
of its observations, since it has a name, an input and an output, and is all that there is of the outermost function.
*source*: the `langfuse` SDKs for Python (2.x) and JavaScript (3.x): `POST /api/public/ingestion`; `POST
/api/public/scores` also of Python 3 to 5.
"""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from tracestore.domain.json_values import is_empty
from tracestore.domain.spans import Json
from tracestore.domain.times import NS_PER_MS

from .otlp import Attributes
from .scores import Problem, Score
from .sdk_reports import (
    FIRST,
    Batch,
    Report,
    amended,
    as_object,
    as_text,
    list_in,
    new_span,
    origin_of,
    problem_of_times,
    stored_id,
    time_ns,
)

_ORIGIN: Final = origin_of("langfuse")

_OBSERVATION_ATTRIBUTES: Final = {
    "input": "langfuse.observation.input",
    "output": "langfuse.observation.output",
    "level": "langfuse.observation.level",
    "statusMessage": "langfuse.observation.status_message",
    "completionStartTime": "langfuse.observation.completion_start_time",
    "model": "langfuse.observation.model.name",
    "modelParameters": "langfuse.observation.model.parameters",
    "usageDetails": "langfuse.ingestion.usage_details",
    "costDetails": "langfuse.observation.cost_details",
    "promptName": "langfuse.observation.prompt.name",
    "promptVersion": "langfuse.observation.prompt.version",
    "version": "langfuse.version",
    "environment": "langfuse.environment",
}
_TRACE_ATTRIBUTES: Final = {
    "input": "langfuse.observation.input",
    "output": "langfuse.observation.output",
    "sessionId": "langfuse.session.id",
    "userId": "langfuse.user.id",
    "tags": "langfuse.trace.tags",
    "release": "langfuse.release",
    "version": "langfuse.version",
    "environment": "langfuse.environment",
    "public": "langfuse.trace.public",
}
_READ: Final = frozenset(
    {"id", "traceId", "parentObservationId", "name", "startTime", "endTime", "timestamp", "metadata", "usage", "type"}
)
_TOKEN_UNITS: Final = frozenset({"", "TOKENS"})
_FORM: Final = 'Send the events of a Langfuse SDK as {"batch": [...]}.'

_WITHOUT_CONTENT: Final = frozenset({"sdk-log"})
"""Events that are about the SDK itself: they are accepted and not stored."""

_TRACE_WORD: Final = "workflow"


class _Event(NamedTuple):
    """One event. `kind` is the word before `-create` or `-update`. *absent*: empty ids in an event without a span."""

    event_id: str
    kind: str
    is_update: bool
    body: dict[str, Json]
    order_ms: int
    trace_id: str = ""
    span_id: str = ""


def langfuse_batch(value: Json, *, now_ns: int) -> tuple[Batch, list[str]]:
    """The reports and scores in the body of an ingestion request, and the ids of all its events.

    The sources of reports, scores and problems are ids of events. *raises*: Invalid for a body of another form.
    """
    batch, event_ids = Batch(), []
    traces: dict[str, list[_Event]] = {}
    observations: dict[tuple[str, str], list[_Event]] = {}  # by stored ids
    for index, item in enumerate(list_in(value, "batch", _FORM)):
        event_id = as_text(as_object(item).get("id")) or f"batch[{index}]"
        event_ids.append(event_id)
        event = _event(as_object(item), event_id)
        if isinstance(event, Problem):
            batch.problems.append(event)
        elif event.kind == "score":
            batch.add(langfuse_score(event.body, event_id))
        elif event.kind == "trace":
            traces.setdefault(event.span_id, []).append(event)
        elif event.kind not in _WITHOUT_CONTENT:
            observations.setdefault((event.trace_id, event.span_id), []).append(event)
    for trace_id, events in traces.items():
        batch.add(_trace_report(trace_id, events, now_ns))
    for (trace_id, span_id), events in observations.items():
        batch.add(_observation_report(trace_id, span_id, events, now_ns))
    return batch, event_ids


def _event(item: Mapping[str, Json], event_id: str) -> _Event | Problem:
    word = as_text(item.get("type")) or ""
    kind, _, action = word.rpartition("-")
    if word in _WITHOUT_CONTENT:
        return _Event(event_id, word, False, {}, FIRST)
    if not kind or action not in ("create", "update") or kind not in _KINDS:
        return Problem(event_id, "The type of the event is not known. Check the version of the SDK.")
    body = dict(as_object(item.get("body")))
    if kind == "observation":  # of the first versions, with the type in the body
        kind = (as_text(body.get("type")) or "span").lower()
    if kind == "score":
        return _Event(event_id, kind, False, body, FIRST)
    span_id = stored_id(body.get("id"))
    trace_id = span_id if kind == "trace" else stored_id(body.get("traceId"))
    if span_id is None or trace_id is None:
        return Problem(event_id, "The body of an event needs an id, and that of an observation a traceId too.")
    time = time_ns(body.get("timestamp") if kind == "trace" else None) or time_ns(item.get("timestamp")) or 0
    return _Event(event_id, kind, action == "update", body, max(FIRST + 1, time // NS_PER_MS), trace_id, span_id)


_KINDS: Final = frozenset(
    {
        *("trace", "score", "observation", "span", "generation", "event", "agent", "tool", "chain", "retriever"),
        *("evaluator", "embedding", "guardrail"),
    }
)


def _body_of(events: Iterable[_Event]) -> dict[str, Json]:
    """The fields of the events in their order: objects of metadata are joined, other values replaced."""
    body: dict[str, Json] = {}
    for event in events:
        metadata, further = body.get("metadata"), event.body.get("metadata")
        body = amended(body, event.body)
        if isinstance(metadata, dict) and isinstance(further, dict):
            body["metadata"] = {**metadata, **further}
    return body


def _sources(events: Iterable[_Event]) -> tuple[str, ...]:
    return tuple(event.event_id for event in events)


def _trace_report(trace_id: str, events: list[_Event], now_ns: int) -> Report | Problem:
    ordered = sorted(events, key=lambda event: event.order_ms)
    body = _body_of(ordered)
    starts = [start for event in events if (start := time_ns(event.body.get("timestamp")))]
    start_ns = min(starts) if starts else None
    if problem := problem_of_times(start_ns, None, now_ns):
        return Problem(events[0].event_id, problem)
    attributes = {"langfuse.observation.type": _TRACE_WORD, **_attributes(body, _TRACE_ATTRIBUTES, "langfuse.trace")}
    span = new_span(
        _ORIGIN, trace_id, trace_id, name=body.get("name"), start_ns=start_ns, attributes=attributes, status="ok"
    )
    return Report(span, _sources(events), report_order=ordered[-1].order_ms, encloses=True)


def _observation_report(trace_id: str, span_id: str, events: list[_Event], now_ns: int) -> Report | Problem:
    ordered = sorted(events, key=lambda event: (event.is_update, event.order_ms))
    body, kind = _body_of(ordered), ordered[0].kind
    start_ns, end_ns = time_ns(body.get("startTime")), time_ns(body.get("endTime"))
    if kind == "event" and end_ns is None:  # a moment
        end_ns = start_ns
    if problem := problem_of_times(start_ns, end_ns, now_ns):
        return Problem(events[0].event_id, problem)
    is_opened = any(not event.is_update for event in events)
    attributes: Attributes = {
        "langfuse.observation.type": kind,
        **_attributes(body, _OBSERVATION_ATTRIBUTES, "langfuse.observation"),
    }
    usage = as_object(body.get("usage"))
    is_in_tokens = (as_text(usage.get("unit")) or "") in _TOKEN_UNITS
    attributes["langfuse.ingestion.usage" if is_in_tokens else "langfuse.observation.usage_in_units"] = usage
    span = new_span(
        _ORIGIN,
        trace_id,
        span_id,
        parent_id=stored_id(body.get("parentObservationId")) or (trace_id if is_opened else None),
        name=body.get("name"),
        start_ns=start_ns,
        end_ns=end_ns,
        attributes=attributes,
    )
    is_amended = any(event.is_update for event in events)
    return Report(span, _sources(events), report_order=ordered[-1].order_ms if is_amended else FIRST)


def _attributes(body: Mapping[str, Json], names: Mapping[str, str], prefix: str) -> Attributes:
    attributes: Attributes = {}
    for name, value in body.items():
        if name in names:
            attributes[names[name]] = value
        elif name not in _READ:
            attributes[f"{prefix}.{name}"] = value
    metadata = body.get("metadata")
    if isinstance(metadata, dict):
        attributes |= {f"{prefix}.metadata.{name}": value for name, value in metadata.items()}
    else:
        attributes[f"{prefix}.metadata"] = metadata
    return attributes


def langfuse_scores(value: Json) -> Batch:
    """The scores in the body of a request for scores: one object, or an array. Their sources are their indexes."""
    batch = Batch()
    for index, item in enumerate(value if isinstance(value, list) else [value]):
        batch.add(langfuse_score(as_object(item), str(index)))
    return batch


def langfuse_score(body: Mapping[str, Json], source: str) -> Score | Problem:
    """One score."""
    name, trace_id = as_text(body.get("name")), stored_id(body.get("traceId"))
    if name is None or trace_id is None:
        is_of_session = name is not None and not is_empty(body.get("sessionId"))
        reason = "Scores of sessions are not stored." if is_of_session else "A score must be an object with a name."
        return Problem(source, f"{reason} Send it with the traceId of a trace.")
    value = body.get("value")
    if body.get("dataType") == "BOOLEAN" and value in (0, 1):
        value = bool(value)
    if is_empty(value):
        value = body.get("stringValue")
    span_id = stored_id(body.get("observationId"))
    comment = as_text(body.get("comment"))
    return Score(source, trace_id, span_id, name, as_text(body.get("id")), value, comment, _source_word(body))


def _source_word(body: Mapping[str, Json]) -> str | None:
    word = as_text(body.get("source"))
    return word.lower() if word else None
