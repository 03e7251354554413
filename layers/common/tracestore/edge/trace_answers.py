"""Answers that hold traces, kept below what Lambda can return.

A list is cut at whole traces. A single trace that is too large comes without payloads, and says so; if its tree is too
large even then, only its root is shown, and the outline has the rest.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final, NamedTuple

from tracestore.domain.errors import NotFound
from tracestore.domain.heads import Summary
from tracestore.domain.merge import Span
from tracestore.domain.spans import PAYLOAD_FIELDS
from tracestore.domain.tree import Node, tree_order
from tracestore.storage.items import Head
from tracestore.storage.listing import Listed
from tracestore.storage.reading import read_span, read_trace
from tracestore.storage.store import Store

from .http import Response, json_bytes
from .trace_json import forest_bytes, outline_json, span_json, summary_json

ANSWER_BYTES: Final = 5_000_000
"""Lambda answers with at most 6 MB."""

READS_AT_ONCE: Final = 8


class Encoded(NamedTuple):
    """As much of a list as fits into one answer: JSON texts, and how many of the list's entries they stand for."""

    texts: list[bytes]
    entries: int


class Tree(NamedTuple):
    """The JSON array of a trace's roots, and what was left out of it to keep it small."""

    roots: bytes
    omitted: dict[str, bool]


def encode_summaries(traces: Iterable[Listed]) -> Encoded:
    """Traces in a line each."""
    return _fitting(json_bytes(summary_json(trace_id, head)) for trace_id, head in traces)


def encode_turns(store: Store, user_id: str, traces: Sequence[Listed]) -> Encoded:
    """Traces in a line each, with the whole input and output of their roots."""
    return _fitting(_side_by_side(partial(_turn, store, user_id), traces))


def encode_forest(store: Store, user_id: str, traces: Sequence[Listed]) -> Encoded:
    """Traces as trees: their roots, with all below. What a trace comes without is said on its roots."""
    return _fitting(_side_by_side(partial(_trees, store, user_id), traces))


def encode_outline(nodes: Iterable[Node], summary: Summary) -> Encoded:
    """Spans in tree order, a line each."""
    return _fitting(json_bytes(outline_json(node, summary)) for node in nodes)


def encode_tree(
    user_id: str, trace_id: str, head: Head, spans: Sequence[Span], *, payloads: bool = True, tell_roots: bool = False
) -> Tree:
    """A trace as a tree, as whole as an answer can hold. With `tell_roots` each root says what was left out."""
    nodes = tree_order(spans)
    attempts: list[tuple[list[Node], bool, dict[str, bool]]] = [(nodes, payloads, {})]
    if payloads:
        attempts.append((nodes, False, {"payloads_omitted": True}))
    root = next(node for node in nodes if head.summary and node.span.span_id == head.summary.root_span_id)
    attempts.append(([Node(root.span, 0)], False, {"payloads_omitted": True, "children_omitted": True}))
    for shown, with_payloads, omitted in attempts:

        def show(node: Node) -> dict[str, Any]:
            span = span_json(user_id, trace_id, node.span, head.expires_at_s, payloads=with_payloads)  # noqa: B023
            return span | omitted if tell_roots and node.depth == 0 else span  # noqa: B023

        roots = forest_bytes(shown, show, ANSWER_BYTES)
        if roots is not None:
            return Tree(roots, omitted)
    raise AssertionError("unreachable: one span without its payload is small")


def list_response(encoded: Encoded, next_cursor: str | None, **rest: Any) -> Response:
    """The answer with a page of traces."""
    traces = b",".join(text for text in encoded.texts if text)
    return _response(b'"traces":[%s]' % traces, {"next_cursor": next_cursor, **rest})


def tree_response(summary: dict[str, Any], tree: Tree) -> Response:
    """The answer with one trace as a tree."""
    return _response(b'"trace":{"summary":%s,"spans":%s%s}' % (json_bytes(summary), tree.roots, _members(tree.omitted)))


def outline_response(summary: dict[str, Any], outline: Encoded, next_cursor: str | None) -> Response:
    """The answer with one trace as an outline."""
    trace = b'"trace":{"summary":%s,"outline":[%s]}' % (json_bytes(summary), b",".join(outline.texts))
    return _response(trace, {"next_cursor": next_cursor})


def _response(member: bytes, rest: dict[str, Any] | None = None) -> Response:
    body = b'{"success":true,%s%s}' % (member, _members(rest or {}))
    return Response(200, body, {"content-type": "application/json"})


def _members(rest: dict[str, Any]) -> bytes:
    return b"," + json_bytes(rest)[1:-1] if rest else b""


def _turn(store: Store, user_id: str, listed: Listed) -> bytes:
    shown = summary_json(*listed)
    assert listed.head.summary is not None
    try:
        _, root = read_span(store, user_id, listed.trace_id, listed.head.summary.root_span_id)
    except NotFound:  # deleted since it was listed
        return b""
    payload = {name: root.facts.get(name) for name in PAYLOAD_FIELDS if name != "metadata"}
    whole = json_bytes(shown | payload)
    return whole if len(whole) <= ANSWER_BYTES else json_bytes(shown | {"payloads_omitted": True})


def _trees(store: Store, user_id: str, listed: Listed) -> bytes:
    try:
        head, spans = read_trace(store, user_id, listed.trace_id, payloads=True)
    except NotFound:  # deleted since it was listed
        return b""
    return encode_tree(user_id, listed.trace_id, head, spans, tell_roots=True).roots[1:-1]


def _side_by_side(encode: Callable[[Listed], bytes], traces: Sequence[Listed]) -> Iterator[bytes]:
    """The texts of the traces in order, read a few at a time, and no more of them than are asked for."""
    with ThreadPoolExecutor(READS_AT_ONCE) as pool:
        for start in range(0, len(traces), READS_AT_ONCE):
            yield from pool.map(encode, traces[start : start + READS_AT_ONCE])


def _fitting(texts: Iterable[bytes]) -> Encoded:
    """The first of these texts that fit into one answer together; one always does."""
    fitting: list[bytes] = []
    size = 0
    for text in texts:
        size += len(text) + 1
        if fitting and size > ANSWER_BYTES:
            break
        fitting.append(text)
    return Encoded(fitting, len(fitting))
