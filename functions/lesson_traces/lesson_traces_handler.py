"""Routes of lesson traces: start, add calls, finish, list and delete, in the vocabulary of lessons."""

import secrets

from tracestore.api.bulk_deletes import delete_many, require_one
from tracestore.api.lessons.parameters import (
    LESSON_PARAMETERS,
    LIMIT_DEFAULT,
    lesson_deletion_scope,
    lesson_query,
    offset_of,
)
from tracestore.api.lessons.reading import NO_SUCH_LESSON, read_lesson_response, read_root_id, read_started_root
from tracestore.api.lessons.responses import call_response, encode_lessons
from tracestore.api.traces.responses import list_response
from tracestore.domain.errors import Conflict, NotFound
from tracestore.domain.times import NS_PER_MS
from tracestore.http.app import App
from tracestore.http.cursors import ListCursor
from tracestore.http.identity import Identity
from tracestore.http.parameters import is_id, limit_of, path_id
from tracestore.http.request import Request
from tracestore.http.response import Response, json_response, with_etag
from tracestore.http.wiring import reader, redactor, writer
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
)
from tracestore.storage.user_store import Offset, Page

app = App()
handler = app.handle


@app.route("POST /api/traces", scope="ingest")
def start(request: Request, caller: Identity) -> Response:
    """Start a lesson trace, or store a finished one with its calls."""
    request.only()
    body = request.body()
    now_ns = request.now_ms * NS_PER_MS
    sent = parse_lesson(parse_json(body), now_ns=now_ns, body_bytes=len(body))
    trace_id = sent.trace_id or secrets.token_hex(16)
    root = read_started_root(reader(request, caller), trace_id) if sent.trace_id else None
    if root and sent.is_over:
        refuse_another_end(root, sent.status)
    root_fields = root.fields if root else None
    spans = [(trace_id, redactor().redact(fields)) for fields in lesson_fields(sent, trace_id, root_fields, now_ns)]
    for rejection in writer(request, caller).capture(spans):
        raise Conflict(rejection.message, code=rejection.code)
    return read_lesson_response(reader(request, caller), trace_id, 201)


@app.route("POST /api/traces/{id}/llm-calls", scope="ingest")
def add_call(request: Request, caller: Identity) -> Response:
    """Add a model call to a lesson trace, before or after the lesson has ended."""
    request.only()
    trace_id = _trace_id(request)
    body = request.body()
    now_ns = request.now_ms * NS_PER_MS
    call = parse_call(parse_json(body), now_ns=now_ns, body_bytes=len(body))
    root_id = read_root_id(reader(request, caller), trace_id)
    if call.sent.id == root_id:
        raise Conflict("This id belongs to the lesson itself. Give the call an id of its own.")
    span_id = call.sent.id or (call_span_id(call) if call.has_time else secrets.token_hex(8))
    start_ns = now_ns
    if not call.has_time:
        _, spans = reader(request, caller).trace(trace_id, payloads=False)
        start_ns = estimated_start(call, span_id, spans, now_ns)
    fields = call_fields(call, span_id, root_id, start_ns)
    _, span = writer(request, caller).capture_one(trace_id, redactor().redact(fields))
    return call_response(span)


@app.route("PATCH /api/traces/{id}", scope="ingest")
def change(request: Request, caller: Identity) -> Response:
    """Finish or change a lesson trace. Each field sent replaces the stored one; null changes nothing."""
    request.only()
    trace_id = _trace_id(request)
    body = request.body()
    now_ns = request.now_ms * NS_PER_MS
    sent = parse_change(parse_json(body), now_ns=now_ns, body_bytes=len(body))
    lesson = writer(request, caller)
    root_id = read_root_id(lesson, trace_id)
    lesson.patch(trace_id, root_id, lambda stored: redactor().redact(apply_change(stored, sent, now_ns)))
    return read_lesson_response(reader(request, caller), trace_id)


@app.route("GET /api/traces", scope="read")
def show_list(request: Request, caller: Identity) -> Response:
    """List lesson traces, newest first, with their total number."""
    request.only(*LESSON_PARAMETERS)
    total, page = _page(request, caller)
    encoded = encode_lessons(reader(request, caller), page.traces)
    position = page.first(encoded.entries).next_position
    next_cursor = _cursor(request, caller).next(None if position is None else f"{total} {position}")
    return with_etag(request, list_response(encoded, next_cursor, total=total))


@app.route("GET /api/traces/{id}", scope="read")
def show(request: Request, caller: Identity) -> Response:
    """Get one lesson trace with its calls."""
    request.only()
    return with_etag(request, read_lesson_response(reader(request, caller), _trace_id(request)))


@app.route("DELETE /api/traces/{id}", scope="delete")
def remove(request: Request, caller: Identity) -> Response:
    """Delete a lesson trace with all of its spans."""
    request.only()
    return _removed(request, caller, _trace_id(request))


@app.route("DELETE /api/traces", scope="delete")
def remove_many(request: Request, caller: Identity) -> Response:
    """Delete one lesson trace, those of one lesson, those before a time, or all. Other traces are not affected."""
    if require_one(request, "id", "lesson_id", "before", "deleteAll") != "id":
        return delete_many(request, caller, lesson_deletion_scope(request))
    trace_id = request.query["id"]
    if not is_id(trace_id):
        raise NotFound(NO_SUCH_LESSON)
    return _removed(request, caller, trace_id)


def _page(request: Request, caller: Identity) -> tuple[int, Page]:
    """The total number of lesson traces in the list, and the page that the cursor or the offset selects.

    The first page counts them. Cursors then contain the total: counting again would make every page cost as much as
    the whole list.
    """
    query, limit = lesson_query(request.query), limit_of(request.query, LIMIT_DEFAULT)
    offset, lessons = offset_of(request.query), reader(request, caller)
    if (cursor_position := _cursor(request, caller).position()) is not None:
        total, _, position = cursor_position.partition(" ")
        list_start = Offset(int(total), position)
    else:
        list_start = lessons.skip_lessons(query, offset)
    if list_start.is_past_end:
        return list_start.total, Page([], None, None)
    return list_start.total, lessons.lessons(query, limit, list_start.cursor_position)


def _cursor(request: Request, caller: Identity) -> ListCursor:
    """The cursors of a list. They are not bound to the offset, which only the first page has."""
    return ListCursor(request, caller, not_bound=("offset",))


def _removed(request: Request, caller: Identity, trace_id: str) -> Response:
    """Delete a lesson trace. *raises*: NotFound, also for a trace that is not a lesson trace."""
    lessons = writer(request, caller)
    lessons.lesson_head(trace_id)
    spans = lessons.delete_trace(trace_id)
    return json_response({"deleted": {"traces": 1, "spans": spans}})


def _trace_id(request: Request) -> str:
    """The id in the path. *raises*: NotFound for a text that cannot be an id."""
    return path_id(request, "id", NO_SUCH_LESSON)
