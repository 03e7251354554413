"""Lesson traces: the spans of lessons, started, added to, finished, listed and deleted in the lesson's own words."""

import secrets
from typing import Any, Final

from tracestore.api.bulk_deletes import delete_many, only_parameter
from tracestore.api.lessons.parameters import LESSON_PARAMETERS, lesson_query, offset_of
from tracestore.api.lessons.responses import call_response, encode_lessons, lesson_response
from tracestore.api.traces.responses import READ_BYTES, list_response
from tracestore.domain.errors import Conflict, Detail, NotFound
from tracestore.domain.merge import Span
from tracestore.domain.times import NS_PER_MS
from tracestore.http.app import App
from tracestore.http.cursors import ListCursor
from tracestore.http.identity import Identity
from tracestore.http.parameters import is_id, limit_of, malformed, one_of, text_of
from tracestore.http.request import Request
from tracestore.http.response import Response, json_answer, with_etag
from tracestore.http.wiring import deadline_for, redactor, store
from tracestore.ingest.json_body import parse_json
from tracestore.ingest.lessons import (
    apply_change,
    call_fields,
    call_span_id,
    estimated_start,
    lesson_fields,
    parse_call,
    parse_change,
    parse_lesson,
    refuse_another_end,
    root_span_id,
)
from tracestore.storage.deletes import delete_trace
from tracestore.storage.lessons import Place, list_lessons, place_of, read_lesson_head
from tracestore.storage.listing import Page
from tracestore.storage.patching import patch
from tracestore.storage.reading import read_trace, read_trace_within
from tracestore.storage.writer import capture, capture_one

LIMIT_DEFAULT: Final = 50

app = App()
handler = app.handle


@app.route("POST /api/traces", scope="ingest")
def start(request: Request, caller: Identity) -> Response:
    """Start a lesson trace, or store one that is over, with its calls."""
    request.only()
    body = request.body()
    now_ns = request.now_ms * NS_PER_MS
    sent = parse_lesson(parse_json(body), now_ns=now_ns, body_bytes=len(body))
    trace_id = sent.trace_id or secrets.token_hex(16)
    known = _known(caller, trace_id) if sent.trace_id else None
    if known and sent.is_over:
        refuse_another_end(known, sent.status)
    fields_known = known.fields if known else None
    spans = [(trace_id, redactor().redact(fields)) for fields in lesson_fields(sent, trace_id, fields_known, now_ns)]
    for refused in capture(store(), caller.user_id, spans, deadline_for(request.remaining_ms)):
        raise Conflict(refused.message, code=refused.code)
    return _one(caller, trace_id, 201)


@app.route("POST /api/traces/{id}/llm-calls", scope="ingest")
def add_call(request: Request, caller: Identity) -> Response:
    """Add a model call to a lesson trace, while it lasts or afterwards."""
    request.only()
    trace_id = _id(request)
    body = request.body()
    now_ns = request.now_ms * NS_PER_MS
    call = parse_call(parse_json(body), now_ns=now_ns, body_bytes=len(body))
    root_id = _root_id(request, caller, trace_id)
    if call.sent.id == root_id:
        raise Conflict("This id is that of the lesson itself; give the call one of its own.")
    span_id = call.sent.id or (call_span_id(call) if call.has_time else secrets.token_hex(8))
    start_ns = now_ns
    if not call.has_time:
        _, spans = read_trace(store(), caller.user_id, trace_id, payloads=False)
        start_ns = estimated_start(call, span_id, spans, now_ns)
    fields = call_fields(call, span_id, root_id, start_ns)
    _, span = capture_one(
        store(), caller.user_id, trace_id, redactor().redact(fields), deadline_for(request.remaining_ms)
    )
    return call_response(span)


@app.route("PATCH /api/traces/{id}", scope="ingest")
def change(request: Request, caller: Identity) -> Response:
    """Finish a lesson trace, or amend it. A field is replaced whole; null changes nothing."""
    request.only()
    trace_id = _id(request)
    body = request.body()
    now_ns = request.now_ms * NS_PER_MS
    sent = parse_change(parse_json(body), now_ns=now_ns, body_bytes=len(body))
    patch(
        store(),
        caller.user_id,
        trace_id,
        _root_id(request, caller, trace_id),
        lambda stored: redactor().redact(apply_change(stored, sent, now_ns)),
        deadline_for(request.remaining_ms),
    )
    return _one(caller, trace_id)


@app.route("GET /api/traces", scope="read")
def show_list(request: Request, caller: Identity) -> Response:
    """A page of lesson traces, newest first, with how many there are."""
    request.only(*LESSON_PARAMETERS)
    total, page = _page(request, caller)
    encoded = encode_lessons(store(), caller.user_id, page.traces)
    is_cut = encoded.entries < len(page.traces)
    position = page.traces[encoded.entries - 1].head.position if is_cut else page.next_position
    next_cursor = _cursor(request, caller).next(None if position is None else f"{total} {position}")
    return with_etag(request, list_response(encoded, next_cursor, total=total))


@app.route("GET /api/traces/{id}", scope="read")
def show(request: Request, caller: Identity) -> Response:
    """One lesson trace with its calls."""
    request.only()
    return with_etag(request, _one(caller, _id(request)))


@app.route("DELETE /api/traces/{id}", scope="delete")
def remove(request: Request, caller: Identity) -> Response:
    """Delete a lesson trace with all of its spans."""
    request.only()
    return _removed(request, caller, _id(request))


@app.route("DELETE /api/traces", scope="delete")
def remove_many(request: Request, caller: Identity) -> Response:
    """Delete one lesson trace, those of a lesson, or all; no other trace."""
    name, value = only_parameter(request, "id", "lesson_id", "deleteAll")
    if name == "id":
        if not is_id(value):
            raise NotFound("There is no such lesson trace.")
        return _removed(request, caller, value)
    scope: dict[str, Any] = {"lessons": True}
    try:
        if name == "lesson_id":
            scope["lesson_id"] = text_of(value)
        else:
            one_of("true")(value)
    except ValueError as error:
        raise malformed([Detail(name, str(error))]) from None
    return delete_many(request, caller, scope)


def _page(request: Request, caller: Identity) -> tuple[int, Page]:
    """The page that is asked for, by cursor or by offset, and how many lesson traces the list has.

    They are counted where a list begins. A cursor carries the count along: else every page would cost the whole list.
    """
    query, limit, deadline = (
        lesson_query(request.query),
        limit_of(request.query, LIMIT_DEFAULT),
        deadline_for(request.remaining_ms),
    )
    offset = offset_of(request.query)
    if (cursor_position := _cursor(request, caller).position()) is not None:
        total, _, position = cursor_position.partition(" ")
        found = Place(int(total), position)
    else:
        found = place_of(store(), caller.user_id, query, offset, deadline)
    if found.is_beyond:
        return found.total, Page([], None, None)
    return found.total, list_lessons(store(), caller.user_id, query, limit, found.position, deadline)


def _cursor(request: Request, caller: Identity) -> ListCursor:
    """The cursors of a list: any page may follow the one that an offset began."""
    return ListCursor(request, caller, not_bound=("offset",))


def _one(caller: Identity, trace_id: str, status: int = 200) -> Response:
    """A lesson trace as it is stored. *raises* NotFound, also for a trace that is none."""
    head, spans, is_whole = read_trace_within(store(), caller.user_id, trace_id, READ_BYTES)
    if head.summary is None or not head.summary.is_lesson:
        raise NotFound("There is no such lesson trace.")
    return lesson_response(trace_id, head, spans, is_whole, status)


def _removed(request: Request, caller: Identity, trace_id: str) -> Response:
    deadline = deadline_for(request.remaining_ms)
    read_lesson_head(store(), caller.user_id, trace_id, deadline)
    spans = delete_trace(store(), caller.user_id, trace_id, deadline)
    return json_answer({"deleted": {"traces": 1, "spans": spans}})


def _known(caller: Identity, trace_id: str) -> Span | None:
    """What is stored of a lesson that may begin under this id. *raises* Conflict where another trace has it."""
    try:
        head, spans = read_trace(store(), caller.user_id, trace_id, payloads=False)
    except NotFound:
        return None
    own_id = root_span_id(trace_id)
    assert head.summary is not None
    root = next((span for span in spans if span.span_id == head.summary.root_span_id), spans[0])
    if root.parent_span_id is None and root.span_id != own_id:
        raise Conflict("Another trace has this id; leave it out, and one is made.")
    return next((span for span in spans if span.span_id == own_id), None)


def _root_id(request: Request, caller: Identity, trace_id: str) -> str:
    """The span that a lesson trace is. *raises* NotFound."""
    head = read_lesson_head(store(), caller.user_id, trace_id, deadline_for(request.remaining_ms))
    assert head.summary is not None
    return head.summary.root_span_id


def _id(request: Request) -> str:
    """The id in the path. *raises* NotFound for what no id can be."""
    if not is_id(request.path["id"]):
        raise NotFound("There is no such lesson trace.")
    return request.path["id"]
