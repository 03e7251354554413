"""Routes of lesson traces: start, add calls, finish, list and delete, in the vocabulary of lessons."""

import secrets
from collections.abc import Iterable, Sequence
from uuid import uuid4

from tracestore.api.bulk_deletes import delete_many, require_one
from tracestore.api.lessons.parameters import (
    LESSON_PARAMETERS,
    LIMIT_DEFAULT,
    lesson_deletion_scope,
    lesson_query,
    lesson_view,
    offset_of,
)
from tracestore.api.lessons.reading import NO_SUCH_LESSON, read_lesson_response, read_started_root
from tracestore.api.lessons.responses import call_response, encode_lesson_summaries, encode_lessons
from tracestore.api.lessons.trace_ids import new_trace_id, trace_ids_of
from tracestore.api.traces.responses import list_response
from tracestore.api.traces.trace_json import time_or_none
from tracestore.domain.errors import Conflict, NotFound
from tracestore.domain.json_body import parse_json
from tracestore.domain.merge import Span
from tracestore.domain.spans import SpanFields
from tracestore.domain.times import NS_PER_MS
from tracestore.http.app import App
from tracestore.http.cursors import ListCursor
from tracestore.http.identity import Identity
from tracestore.http.parameters import is_id, limit_of, path_id
from tracestore.http.request import MAX_SPANS_BYTES, Request
from tracestore.http.response import Response, json_response, with_etag
from tracestore.http.wiring import reader, redactor, writer
from tracestore.ingest.lessons import (
    Call,
    added_calls,
    apply_change,
    call_span_id,
    lesson_fields,
    named_calls,
    parse_call,
    parse_change,
    parse_lesson,
    refuse_another_end,
    refuse_root_id,
)
from tracestore.ingest.media import MediaCollector
from tracestore.storage.user_store import Offset, Page, UserReader, UserWriter

app = App()
handler = app.handle


@app.route("POST /api/traces", scope="ingest")
def start(request: Request, caller: Identity) -> Response:
    """Start a lesson trace, or store a finished one with its calls."""
    request.only()
    body = request.body(MAX_SPANS_BYTES)
    media, now_ns = MediaCollector(body), request.now_ms * NS_PER_MS
    sent = parse_lesson(media.take(parse_json(body)), now_ns=now_ns, body_bytes=len(body))
    lessons = writer(request, caller)
    trace_id = new_trace_id(lessons, sent.trace_id) if sent.trace_id else uuid4().hex
    root = read_started_root(lessons, trace_id) if sent.trace_id else None
    if root and sent.is_over:
        refuse_another_end(root, sent.status)
    root_fields = root.fields if root else None
    _capture(lessons, trace_id, lesson_fields(sent, trace_id, root_fields, now_ns), media)
    return read_lesson_response(lessons, [trace_id], 201)


@app.route("POST /api/traces/{id}/llm-calls", scope="ingest")
def add_call(request: Request, caller: Identity) -> Response:
    """Add a model call to a lesson trace, before or after the lesson has ended."""
    request.only()
    trace_ids = _trace_ids(request)
    body = request.body(MAX_SPANS_BYTES)
    media, now_ns = MediaCollector(body), request.now_ms * NS_PER_MS
    call = parse_call(media.take(parse_json(body)), now_ns=now_ns, body_bytes=len(body))
    calls = [(call.sent.id or (call_span_id(call) if call.has_time else secrets.token_hex(8)), call)]
    lessons = writer(request, caller)
    trace_id, head = lessons.lesson_head(trace_ids)
    root_id = head.summary.root_span_id
    refuse_root_id(calls, root_id)
    (fields,) = added_calls(calls, root_id, _spans_before(lessons, trace_id, calls), now_ns)
    _, span = lessons.capture_one(trace_id, redactor().redact(fields), media.found)
    return call_response(span)


@app.route("PATCH /api/traces/{id}", scope="ingest")
def change(request: Request, caller: Identity) -> Response:
    """Finish or change a lesson trace. Each field sent replaces the stored one, except that calls are added."""
    request.only()
    trace_ids = _trace_ids(request)
    body = request.body(MAX_SPANS_BYTES)
    media, now_ns = MediaCollector(body), request.now_ms * NS_PER_MS
    sent = parse_change(media.take(parse_json(body)), now_ns=now_ns, body_bytes=len(body))
    calls = named_calls(sent)
    lessons = writer(request, caller)
    trace_id, head = lessons.lesson_head(trace_ids)
    root_id = head.summary.root_span_id
    refuse_root_id(calls, root_id)
    _, root = lessons.patch(
        trace_id, root_id, lambda stored: redactor().redact(apply_change(stored, sent, now_ns)), media.found
    )
    end_ns = root.fields.get("end_ns", now_ns)
    _capture(lessons, trace_id, added_calls(calls, root_id, _spans_before(lessons, trace_id, calls), end_ns), media)
    return read_lesson_response(lessons, [trace_id])


@app.route("GET /api/traces", scope="read")
def show_list(request: Request, caller: Identity) -> Response:
    """List lesson traces, newest first, with their total number."""
    request.only(*LESSON_PARAMETERS)
    view = lesson_view(request.query)
    total, page = _page(request, caller)
    if view == "summary":
        encoded = encode_lesson_summaries(page.traces)
    else:
        encoded = encode_lessons(reader(request, caller, repairs=True), page.traces)
    page = page.first(len(encoded))
    position = None if page.next_position is None else f"{'' if total is None else total} {page.next_position}"
    members = {"total": total, "scanned_to": time_or_none(page.scanned_to_ns)}
    return with_etag(request, list_response(encoded, _cursor(request, caller).next(position), **members))


@app.route("GET /api/traces/{id}", scope="read")
def show(request: Request, caller: Identity) -> Response:
    """Get one lesson trace with its calls."""
    request.only()
    return with_etag(request, read_lesson_response(reader(request, caller, repairs=True), _trace_ids(request)))


@app.route("DELETE /api/traces/{id}", scope="delete")
def remove(request: Request, caller: Identity) -> Response:
    """Delete a lesson trace with all of its spans."""
    request.only()
    return _removed(request, caller, _trace_ids(request))


@app.route("DELETE /api/traces", scope="delete")
def remove_many(request: Request, caller: Identity) -> Response:
    """Delete one lesson trace, those of one lesson, those before a time, or all. Other traces are not affected."""
    if require_one(request, "id", "lesson_id", "before", "deleteAll") != "id":
        return delete_many(request, caller, lesson_deletion_scope(request))
    trace_id = request.query["id"]
    if not is_id(trace_id):
        raise NotFound(NO_SUCH_LESSON)
    return _removed(request, caller, trace_ids_of(trace_id))


def _page(request: Request, caller: Identity) -> tuple[int | None, Page]:
    """The total number of lesson traces in the list, and the page that the cursor or the offset selects.

    *absent*: a total of None for a list that no index can count, or that is too long to be counted.

    The first page counts them. Cursors then contain the total: counting again would make every page cost as much as
    the whole list.
    """
    query, limit = lesson_query(request.query), limit_of(request.query, LIMIT_DEFAULT)
    offset, lessons = offset_of(request.query), reader(request, caller)
    if query.is_walked:
        _, _, position = (_cursor(request, caller).position() or "").partition(" ")
        return None, lessons.lessons(query, limit, position or None)
    if (cursor_position := _cursor(request, caller).position()) is not None:
        total, _, position = cursor_position.partition(" ")
        list_start = Offset(int(total) if total else None, position)
    else:
        list_start = lessons.skip_lessons(query, offset)
    if list_start.is_past_end:
        return list_start.total, Page([], None, None)
    return list_start.total, lessons.lessons(query, limit, list_start.cursor_position)


def _cursor(request: Request, caller: Identity) -> ListCursor:
    """The cursors of a list. They are not bound to the offset, which only the first page has."""
    return ListCursor(request, caller, not_bound=("offset",))


def _capture(lessons: UserWriter, trace_id: str, spans: Iterable[SpanFields], media: MediaCollector) -> None:
    """Store spans of a lesson trace. *raises*: Conflict when one of them was deleted; the others are stored."""
    redact = redactor().redact
    for rejection in lessons.capture([(trace_id, redact(fields)) for fields in spans], media=media.found):
        raise Conflict(rejection.message, code=rejection.code)


def _spans_before(lessons: UserReader, trace_id: str, calls: Iterable[tuple[str, Call]]) -> Sequence[Span]:
    """The spans of a lesson trace before `calls` are added. They are read only if a call has no timestamp."""
    if all(call.has_time for _, call in calls):
        return ()
    return lessons.trace(trace_id, payloads=False)[1]


def _removed(request: Request, caller: Identity, trace_ids: Sequence[str]) -> Response:
    """Delete a lesson trace. *raises*: NotFound, also for a trace that is not a lesson trace."""
    lessons = writer(request, caller)
    trace_id, _ = lessons.lesson_head(trace_ids)
    spans = lessons.delete_trace(trace_id)
    return json_response({"deleted": {"traces": 1, "spans": spans}})


def _trace_ids(request: Request) -> Sequence[str]:
    """The trace ids that the id in the path may mean. *raises*: NotFound for a text that cannot be an id."""
    return trace_ids_of(path_id(request, "id", NO_SUCH_LESSON))
