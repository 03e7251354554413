"""Traces out: lists, trees, outlines and single spans. And deletions."""

from typing import Any, Final

from tracestore.api.bulk_deletes import delete_many, only_parameter
from tracestore.api.traces.export import export_page, export_response
from tracestore.api.traces.parameters import LIST_PARAMETERS, trace_query
from tracestore.api.traces.responses import (
    READ_BYTES,
    encode_forest,
    encode_outline,
    encode_summaries,
    encode_tree,
    encode_turns,
    list_response,
    outline_response,
    span_response,
    tree_response,
)
from tracestore.api.traces.trace_json import summary_json
from tracestore.domain.errors import Detail, NotFound
from tracestore.domain.times import NS_PER_MS, format_time, parse_time
from tracestore.domain.tree import tree_order
from tracestore.http.app import App
from tracestore.http.cursors import ListCursor
from tracestore.http.identity import Identity
from tracestore.http.parameters import is_id, limit_of, malformed, one_of, text_of
from tracestore.http.request import Request
from tracestore.http.response import Response, json_answer, with_etag
from tracestore.http.wiring import deadline_for, store
from tracestore.storage.deletes import delete_span, delete_trace
from tracestore.storage.keys import position_time
from tracestore.storage.listing import list_traces
from tracestore.storage.reading import read_span, read_trace, read_trace_within

EXPORT_ENDS_MS: Final = 12_000
"""An export that has no more time than this ends its answer, and goes on in the next."""

app = App()
handler = app.handle


@app.route("GET /api/analytics/traces", scope="read")
def show_list(request: Request, caller: Identity) -> Response:
    """A page of traces: as a forest of spans, as summaries, or as the turns of a conversation."""
    request.only(*LIST_PARAMETERS, "view")
    query, limit = trace_query(request.query), limit_of(request.query)
    view = _choice(request, "view", "forest", "summary", "turns")
    if view == "turns" and query.filters.conversation_id is None:
        raise malformed([Detail("view", "turns needs a conversation_id")])
    cursor = ListCursor(request, caller)
    page = list_traces(store(), caller.user_id, query, limit, cursor.position(), deadline_for(request.remaining_ms))
    if view == "summary":
        encoded = encode_summaries(page.traces)
    else:
        encode = encode_turns if view == "turns" else encode_forest
        encoded = encode(store(), caller.user_id, page.traces)
    is_cut = encoded.entries < len(page.traces)
    place = page.traces[encoded.entries - 1].head.position if is_cut else page.next_position
    rest = {}
    if view == "summary":
        rest["scanned_to"] = None if place is None else format_time(position_time(place))
    return with_etag(request, list_response(encoded, cursor.next(place), **rest))


@app.route("GET /api/analytics/traces/{trace_id}", scope="read")
def show_trace(request: Request, caller: Identity) -> Response:
    """One trace, as a tree or as an outline."""
    request.only("view", "payloads", "cursor")
    view = _choice(request, "view", "tree", "outline")
    with_payloads = _choice(request, "payloads", "true", "false") == "true" and view == "tree"
    trace_id = _id(request, "trace_id")
    if with_payloads:
        head, spans, is_whole = read_trace_within(store(), caller.user_id, trace_id, READ_BYTES)
    else:
        head, spans = read_trace(store(), caller.user_id, trace_id, payloads=False)
        is_whole = True
    assert head.summary is not None
    summary = summary_json(trace_id, head)
    if view == "tree":
        if "cursor" in request.query:
            raise malformed([Detail("cursor", "goes with view=outline")])
        tree = encode_tree(caller.user_id, trace_id, head, spans, payloads=with_payloads, is_whole=is_whole)
        return with_etag(request, tree_response(summary, tree))
    cursor = ListCursor(request, caller, path_id=trace_id)
    start = int(cursor.position() or 0)
    nodes = tree_order(spans)[start:]
    outline = encode_outline(nodes, head.summary)
    place = str(start + outline.entries) if outline.entries < len(nodes) else None
    return with_etag(request, outline_response(summary, outline, cursor.next(place)))


@app.route("GET /api/analytics/traces/{trace_id}/spans/{span_id}", scope="read")
def show_span(request: Request, caller: Identity) -> Response:
    """One span, whole."""
    request.only()
    trace_id = _id(request, "trace_id")
    head, span = read_span(store(), caller.user_id, trace_id, _id(request, "span_id"))
    return with_etag(request, span_response(caller.user_id, trace_id, head, span))


@app.route("GET /api/analytics/export", scope="read")
def export(request: Request, caller: Identity) -> Response:
    """Whole spans, one a line, of the traces that a list would show."""
    request.only(*LIST_PARAMETERS)
    query, limit = trace_query(request.query), limit_of(request.query)
    cursor, deadline = ListCursor(request, caller), deadline_for(request.remaining_ms)
    exported = export_page(
        store(),
        caller.user_id,
        query,
        limit,
        cursor.position(),
        deadline,
        lambda: request.remaining_ms() < EXPORT_ENDS_MS,
    )
    return export_response(exported, cursor.next(exported.place))


@app.route("DELETE /api/analytics/traces/{trace_id}", scope="delete")
def remove_trace(request: Request, caller: Identity) -> Response:
    """Delete a trace with all of its spans."""
    request.only()
    spans = delete_trace(store(), caller.user_id, _id(request, "trace_id"), deadline_for(request.remaining_ms))
    return json_answer({"deleted": {"traces": 1, "spans": spans}})


@app.route("DELETE /api/analytics/traces/{trace_id}/spans/{span_id}", scope="delete")
def remove_span(request: Request, caller: Identity) -> Response:
    """Delete one span; its children become roots."""
    request.only()
    trace_id, span_id = _id(request, "trace_id"), _id(request, "span_id")
    delete_span(store(), caller.user_id, trace_id, span_id, deadline_for(request.remaining_ms))
    return json_answer({"deleted": {"traces": 0, "spans": 1}})


@app.route("DELETE /api/analytics/traces", scope="delete")
def remove_many(request: Request, caller: Identity) -> Response:
    """Delete a conversation, all traces before a time, or everything."""
    return delete_many(request, caller, _deletion(request))


def _deletion(request: Request) -> dict[str, Any]:
    """What a bulk deletion covers. *raises* Invalid unless exactly one thing is asked for."""
    name, value = only_parameter(request, "conversation_id", "before", "deleteAll")
    try:
        if name == "conversation_id":
            return {"conversation_id": text_of(value)}
        if name == "deleteAll":
            one_of("true")(value)
            return {}
        before_ns = parse_time(value)
    except ValueError as error:
        raise malformed([Detail(name, str(error))]) from None
    if before_ns > request.now_ms * NS_PER_MS:
        raise malformed([Detail("before", "must not lie in the future")])
    return {"before_ns": before_ns}


def _id(request: Request, name: str) -> str:
    """An id from the path. *raises* NotFound for what no id can be."""
    if not is_id(request.path[name]):
        raise NotFound("There is no such trace or span.")
    return request.path[name]


def _choice(request: Request, name: str, *words: str) -> str:
    """A parameter that is one of `words`; the first when it is absent. *raises* Invalid."""
    try:
        return one_of(*words)(request.query.get(name, words[0]))
    except ValueError as error:
        raise malformed([Detail(name, str(error))]) from None
