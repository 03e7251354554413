"""Routes that read and delete: lists, trees, outlines, single spans, annotations, export, deletions."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from tracestore.api.bulk_deletes import chosen_ids, delete_chosen, delete_many
from tracestore.api.traces.annotations import annotation_json, annotation_name
from tracestore.api.traces.changes import outline_contents, response_since
from tracestore.api.traces.export import export_page, export_response
from tracestore.api.traces.histogram import WALK_MOST, histogram_json, histogram_query
from tracestore.api.traces.media import medium_response
from tracestore.api.traces.parameters import (
    ListView,
    TraceView,
    deletion_scope,
    list_view,
    require_filters,
    require_list_parameters,
    since_version,
    trace_query,
    trace_view,
    turns_query,
)
from tracestore.api.traces.ranking import RANKED_MOST, rank_by, ranked
from tracestore.api.traces.responses import (
    READ_BYTES,
    encode_forest,
    encode_summaries,
    encode_tree,
    fitting,
    list_response,
    rows_response,
    span_response,
    tree_response,
)
from tracestore.api.traces.shares import LINK, SHARED_ROUTES, is_share_id, parse_share, share_json
from tracestore.api.traces.span_pages import matches_page, spans_page
from tracestore.api.traces.trace_json import summary_json, time_or_none
from tracestore.api.traces.turns import turn_of, turns_page
from tracestore.domain.errors import NotFound
from tracestore.domain.json_body import parse_json
from tracestore.domain.media import is_sha256
from tracestore.http.app import App
from tracestore.http.cursors import ListCursor
from tracestore.http.identity import Identity
from tracestore.http.parameters import Reader, limit_of, path_id, text_of
from tracestore.http.request import MAX_FORM_BYTES, MAX_IDS_BYTES, Request
from tracestore.http.response import Response, is_cached, json_response, not_modified, with_etag
from tracestore.http.wiring import reader, trace_reader, writer
from tracestore.storage.user_store import ListedTrace, TraceState, UserReader

EXPORT_ENDS_MS: Final = 12_000
"""An export ends its response when this much time is left. The client goes on with the next cursor."""

app = App(shared_routes=SHARED_ROUTES)
handler = app.handle


@app.route("GET /api/analytics/traces", scope="read")
def show_list(request: Request, caller: Identity) -> Response:
    """List traces as a forest of spans, as summaries, or as the turns of a conversation."""
    require_list_parameters(request, "view", "order_by", "messages")
    view, limit = list_view(request.query), limit_of(request.query)
    cursor = ListCursor(request, caller)
    stored = reader(request, caller, repairs=True)
    if view == "turns":
        turns = turns_page(stored, turns_query(request.query), limit, cursor.position())
        return with_etag(request, list_response(turns.texts, cursor.next(turns.cursor_position)))
    query, measure = trace_query(request.query), rank_by(request.query)
    if measure is not None:
        page = stored.traces(replace(query, newest_first=True), RANKED_MOST)
        first = ranked(page.traces, measure, largest_first=query.newest_first)[:limit]
        encoded = _encoded(stored, view, first)
        scanned_to = time_or_none(page.scanned_to_ns)
        return with_etag(request, list_response(encoded, None, ranked=len(page.traces), scanned_to=scanned_to))
    page = stored.traces(query, limit, cursor.position())
    encoded = _encoded(stored, view, page.traces)
    page = page.first(len(encoded))
    members = {}
    if view == "summary":
        members["scanned_to"] = time_or_none(page.scanned_to_ns)
    return with_etag(request, list_response(encoded, cursor.next(page.next_position), **members))


@app.route("GET /api/analytics/histogram", scope="read")
def show_histogram(request: Request, caller: Identity) -> Response:
    """Count the traces of a list over time."""
    require_filters(request, "interval", "cursor")
    query = histogram_query(request)
    cursor = ListCursor(request, caller)
    page = reader(request, caller).traces(query.traces, WALK_MOST, cursor.position())
    content = histogram_json(query, page.traces)
    reached = {"scanned_to": time_or_none(page.scanned_to_ns), "next_cursor": cursor.next(page.next_position)}
    return with_etag(request, json_response({**content, **reached}))


@app.route("GET /api/analytics/traces/{trace_id}/neighbours", scope="read")
def show_neighbours(request: Request, caller: Identity) -> Response:
    """Get the ids of the traces before and after one trace in a list, and which turn of its conversation it is."""
    require_filters(request)
    query, trace_id = trace_query(request.query), path_id(request, "trace_id")
    stored = reader(request, caller)
    head = stored.heads([trace_id]).get(trace_id)
    if head is None:
        raise NotFound("There is no such trace.")
    after = stored.traces(query, 1, head.cursor_position, budget_share=0.5)
    backwards = replace(query, newest_first=not query.newest_first)
    before = stored.traces(backwards, 1, head.cursor_position, budget_share=0.5)
    conversation = query.filters.conversation_id
    number, turns = turn_of(stored, head, conversation.only if conversation else None) or (None, None)
    neighbours = {
        "before": next((listed.trace_id for listed in before.traces), None),
        "after": next((listed.trace_id for listed in after.traces), None),
        "cursor_position": head.cursor_position,
        "complete": all(page.traces or page.next_position is None for page in (before, after)),
        "turn": number,
        "turns": turns,
    }
    return with_etag(request, json_response({"data": neighbours}))


@app.route("GET /api/analytics/traces/{trace_id}", scope="read")
def show_trace(request: Request, caller: Identity) -> Response:
    """Get one trace: as a tree, as an outline, as whole spans, or the places in it that contain a text."""
    request.only("view", "payloads", "cursor", "since", "span_id", "new_messages", "search")
    view, since, trace_id = trace_view(request.query), since_version(request.query), path_id(request, "trace_id")
    cursor = ListCursor(request, caller, path_id=trace_id, not_bound=("since",))
    stored = trace_reader(request, caller)
    if view.name == "spans":
        trace = stored.lazy_trace(trace_id)
        page = spans_page(caller.shown_owner_id, trace_id, trace, view, cursor.position())
        summary = summary_json(trace_id, trace.head)
        return with_etag(request, rows_response(summary, "spans", page.rows, cursor.next(page.cursor_position)))
    if view.name == "matches":
        trace = stored.lazy_trace(trace_id)
        page = matches_page(trace, view.search, cursor.position())
        summary, next_cursor = summary_json(trace_id, trace.head), cursor.next(page.cursor_position)
        return with_etag(request, rows_response(summary, "matches", page.rows, next_cursor, scanned=page.scanned))
    if since or "if-none-match" in request.headers:
        _, tag = stored.trace_tag(trace_id)
        if is_cached(request, tag) or (since and since.tag == tag):
            return not_modified(tag)
    if since:
        state = stored.trace_state(trace_id, since=since)
        if changes := response_since(caller.shown_owner_id, stored, trace_id, view, state):
            return with_etag(request, changes, state.tag)
    state = stored.trace_state(trace_id, READ_BYTES if view.payloads else 0)
    return _trace_response(request, caller, trace_id, view, state, cursor)


@app.route("GET /api/analytics/traces/{trace_id}/spans/{span_id}", scope="read")
def show_span(request: Request, caller: Identity) -> Response:
    """Get one span with its payload."""
    request.only()
    trace_id = path_id(request, "trace_id")
    head, span = trace_reader(request, caller).span(trace_id, path_id(request, "span_id"))
    return with_etag(request, span_response(caller.shown_owner_id, trace_id, head, span))


@app.route("GET /api/analytics/traces/{trace_id}/annotations", scope="read")
def show_annotations(request: Request, caller: Identity) -> Response:
    """List the annotations of a trace and of its spans."""
    request.only()
    trace_id = path_id(request, "trace_id")
    annotations, head = reader(request, caller).annotations(trace_id)
    content = [annotation_json(trace_id, annotation, head) for annotation in annotations]
    return with_etag(request, json_response({"annotations": content}))


@app.route("DELETE /api/analytics/traces/{trace_id}/annotations/{name}", scope="annotate")
def remove_annotations(request: Request, caller: Identity) -> Response:
    """Delete the annotations of a name; the parameters choose among them."""
    request.only("id", "span_id", "source")
    trace_id, name = path_id(request, "trace_id"), annotation_name(request)
    read = Reader(request.query)
    annotation_id, span_id, source = (read(parameter, text_of) for parameter in ("id", "span_id", "source"))
    read.end()
    deleted = writer(request, caller).delete_annotations(
        trace_id, name, annotation_id=annotation_id, span_id=span_id, source=source
    )
    return json_response({"deleted": {"annotations": deleted}})


@app.route("GET /api/analytics/traces/{trace_id}/media/{sha256}", scope="read")
def show_medium(request: Request, caller: Identity) -> Response:
    """Get the content of an image or another medium that a span refers to."""
    request.only()
    sha256 = request.path["sha256"]
    if not is_sha256(sha256):
        raise NotFound("There is no such medium in this trace.")
    medium = trace_reader(request, caller).medium(path_id(request, "trace_id"), sha256)
    return with_etag(request, medium_response(medium))


@app.route("GET /api/analytics/export", scope="read")
def export(request: Request, caller: Identity) -> Response:
    """Export the spans of the traces that a list contains, one JSON line per span."""
    require_list_parameters(request)
    query, limit = trace_query(request.query), limit_of(request.query)
    cursor = ListCursor(request, caller)
    stored = reader(request, caller, repairs=True)
    exported = export_page(stored, query, limit, cursor.position(), lambda: request.remaining_ms() < EXPORT_ENDS_MS)
    return export_response(exported, cursor.next(exported.cursor_position))


@app.route("DELETE /api/analytics/traces/{trace_id}", scope="delete")
def remove_trace(request: Request, caller: Identity) -> Response:
    """Delete a trace with all of its spans."""
    request.only()
    trace_id = path_id(request, "trace_id")
    spans = writer(request, caller).delete_trace(trace_id)
    return json_response({"deleted": {"traces": 1, "spans": spans}})


@app.route("DELETE /api/analytics/traces/{trace_id}/spans/{span_id}", scope="delete")
def remove_span(request: Request, caller: Identity) -> Response:
    """Delete one span. Its children become roots."""
    request.only()
    trace_id, span_id = path_id(request, "trace_id"), path_id(request, "span_id")
    writer(request, caller).delete_span(trace_id, span_id)
    return json_response({"deleted": {"traces": 0, "spans": 1}})


@app.route("DELETE /api/analytics/traces", scope="delete")
def remove_many(request: Request, caller: Identity) -> Response:
    """Delete a conversation, all traces before a time, or all traces."""
    return delete_many(request, caller, deletion_scope(request))


@app.route("POST /api/analytics/traces/delete", scope="delete")
def remove_chosen(request: Request, caller: Identity) -> Response:
    """Delete the traces that the body names by their ids."""
    request.only()
    return delete_chosen(request, caller, chosen_ids(parse_json(request.body(MAX_IDS_BYTES))))


@app.route("POST /api/analytics/traces/{trace_id}/shares", scope="read", credential="jwt")
def create_share(request: Request, caller: Identity) -> Response:
    """Create a link to one trace. Only this response contains it."""
    request.only()
    trace_id = path_id(request, "trace_id")
    expires_at_s, payloads = parse_share(parse_json(request.body(MAX_FORM_BYTES)), request.now_ms)
    share, secret = writer(request, caller).create_share(trace_id, expires_at_s, payloads=payloads)
    return json_response({"data": {**share_json(share), "link": f"{LINK}{secret}"}}, 201)


@app.route("GET /api/analytics/traces/{trace_id}/shares", scope="read", credential="jwt")
def list_shares(request: Request, caller: Identity) -> Response:
    """List the shares of a trace, oldest first, without their links."""
    request.only()
    shares = reader(request, caller).shares(path_id(request, "trace_id"))
    return json_response({"shares": [share_json(share) for share in shares]})


@app.route("DELETE /api/analytics/traces/{trace_id}/shares/{share_id}", scope="read", credential="jwt")
def revoke_share(request: Request, caller: Identity) -> Response:
    """Revoke a share. Its link stops working within 60 seconds, because functions cache shares for that long."""
    request.only()
    trace_id, share_id = path_id(request, "trace_id"), request.path["share_id"]
    if not is_share_id(share_id):
        raise NotFound("There is no such share among yours.")
    writer(request, caller).revoke_share(trace_id, share_id)
    return json_response({})


def _encoded(stored: UserReader, view: ListView, traces: Sequence[ListedTrace]) -> list[bytes]:
    return encode_summaries(traces) if view == "summary" else encode_forest(stored, traces)


def _trace_response(
    request: Request, caller: Identity, trace_id: str, view: TraceView, state: TraceState, cursor: ListCursor
) -> Response:
    """The whole of a trace, as a tree or as a page of an outline."""
    summary = summary_json(trace_id, state.head)
    members: dict[str, Any] = {"version": state.version, **({"full": True} if "since" in request.query else {})}
    if view.name == "tree":
        tree = encode_tree(
            caller.shown_owner_id,
            trace_id,
            state.head,
            state.spans,
            payloads=view.payloads,
            is_whole=state.is_whole,
        )
        if "children_omitted" in tree.omitted:
            members["version"] = None  # the caller could not add changes to what it has
        return with_etag(request, tree_response(summary, tree, **members), state.tag)
    start = int(cursor.position() or 0)
    rows = list(outline_contents(state.spans).values())[start:]
    outline = fitting(rows)
    next_cursor = cursor.next(str(start + len(outline)) if len(outline) < len(rows) else None)
    return with_etag(request, rows_response(summary, "outline", outline, next_cursor, **members), state.tag)
