"""Traces out: lists, trees, outlines and single spans. And deletions."""

from typing import Any, Final

from tracestore.domain.errors import Detail, NotFound
from tracestore.domain.times import NS_PER_MS, format_time, parse_time
from tracestore.domain.tree import tree_order
from tracestore.edge.app import App
from tracestore.edge.bulk_deletes import delete_many, only_parameter
from tracestore.edge.export import export_page, export_response
from tracestore.edge.http import Request, Response, json_answer, with_etag
from tracestore.edge.identity import Identity
from tracestore.edge.list_parameters import (
    LIST_PARAMETERS,
    fingerprint,
    is_id,
    limit_of,
    malformed,
    one_of,
    text_of,
    trace_query,
)
from tracestore.edge.trace_answers import (
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
from tracestore.edge.trace_json import summary_json
from tracestore.edge.wiring import cursors, deadline_for, store
from tracestore.storage.cursor import sign, verify
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
    page = list_traces(
        store(), caller.user_id, query, limit, _place(request, caller), deadline_for(request.remaining_ms)
    )
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
    return with_etag(request, list_response(encoded, _cursor(request, caller, place), **rest))


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
    start = int(_place(request, caller, trace_id) or 0)
    nodes = tree_order(spans)[start:]
    outline = encode_outline(nodes, head.summary)
    place = str(start + outline.entries) if outline.entries < len(nodes) else None
    return with_etag(request, outline_response(summary, outline, _cursor(request, caller, place, trace_id)))


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
    place, deadline = _place(request, caller), deadline_for(request.remaining_ms)
    exported = export_page(
        store(), caller.user_id, query, limit, place, deadline, lambda: request.remaining_ms() < EXPORT_ENDS_MS
    )
    return export_response(exported, _cursor(request, caller, exported.place))


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


def _place(request: Request, caller: Identity, of: str = "") -> str | None:
    """The place that the request's cursor stands for. *raises* Invalid when it is not one of this list's."""
    cursor = request.query.get("cursor")
    bound_to = fingerprint(request.route + of, request.query)
    return None if cursor is None else verify(cursors(), caller.user_id, bound_to, cursor)


def _cursor(request: Request, caller: Identity, place: str | None, of: str = "") -> str | None:
    bound_to = fingerprint(request.route + of, request.query)
    return None if place is None else sign(cursors(), caller.user_id, bound_to, place)
