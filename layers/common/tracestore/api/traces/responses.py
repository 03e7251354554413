"""Answers that hold traces, kept below what Lambda can return.

A list is cut at whole traces. A single trace that is too large comes without payloads, and says so; if its tree is too
large even then, only its root is shown, and the outline has the rest.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final, NamedTuple, TypeVar

from tracestore.api.traces.trace_json import forest_bytes, outline_json, span_json, summary_json
from tracestore.domain.errors import NotFound
from tracestore.domain.heads import Summary
from tracestore.domain.merge import Span
from tracestore.domain.spans import SHOWN_PAYLOAD_FIELDS
from tracestore.domain.tree import Node, tree_order
from tracestore.http.response import Response, escapes_in, json_answer, json_bytes
from tracestore.storage.items import Head
from tracestore.storage.listing import Listed
from tracestore.storage.pending_deletions import PendingDeletion, read_pending_deletions
from tracestore.storage.reading import read_span, read_trace_within
from tracestore.storage.store import Store

ANSWER_BYTES: Final = 5_000_000
"""As much as a trace may hold with its payloads: Lambda answers with at most 6 MB."""

CARRIED_BYTES: Final = 6_000_000
"""The same as Lambda counts it, with room for the summary around it."""

READ_BYTES: Final = 3 * ANSWER_BYTES
"""As much payload as is read of a trace to see whether it fits: some of it may have been replaced since."""

READS_AT_ONCE: Final = 8

Text = TypeVar("Text", bytes, bytes | None)


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
    return fitting(json_bytes(summary_json(trace_id, head)) for trace_id, head in traces)


def encode_turns(store: Store, user_id: str, traces: Sequence[Listed]) -> Encoded:
    """Traces in a line each, with the whole input and output of their roots."""
    return fitting(side_by_side(partial(_turn, store, user_id), traces))


def encode_forest(store: Store, user_id: str, traces: Sequence[Listed]) -> Encoded:
    """Traces as trees: their roots, with all below. What a trace comes without is said on its roots."""
    pending_deletions = read_pending_deletions(store, user_id)
    return fitting(side_by_side(partial(_trees, store, user_id, pending_deletions), traces))


def encode_outline(nodes: Iterable[Node], summary: Summary) -> Encoded:
    """Spans in tree order, a line each."""
    return fitting(json_bytes(outline_json(node, summary)) for node in nodes)


def encode_tree(
    user_id: str,
    trace_id: str,
    head: Head,
    spans: Sequence[Span],
    *,
    payloads: bool = True,
    is_whole: bool = True,
    tell_roots: bool = False,
) -> Tree:
    """A trace as a tree, as whole as an answer can hold; without payloads unless those of all `spans` were read.

    With `tell_roots` each root says what was left out.
    """
    nodes = tree_order(spans)
    attempts: list[tuple[list[Node], bool, dict[str, bool]]] = []
    if is_whole or not payloads:
        attempts.append((nodes, payloads, {}))
    if payloads:
        attempts.append((nodes, False, {"payloads_omitted": True}))
    root_id = head.summary and head.summary.root_span_id
    root = next((node for node in nodes if node.span.span_id == root_id), nodes[0])  # gone, if deleted since
    attempts.append(([Node(root.span, 0)], False, {"payloads_omitted": True, "children_omitted": True}))
    for shown, with_payloads, omitted in attempts:

        def show(node: Node) -> dict[str, Any]:
            span = span_json(user_id, trace_id, node.span, head.expires_at_s, payloads=with_payloads)  # noqa: B023
            return span | omitted if tell_roots and node.depth == 0 else span  # noqa: B023

        roots = forest_bytes(shown, show, Room().takes)
        if roots is not None:
            return Tree(roots, omitted)
    raise AssertionError("unreachable: one span without its payload is small")


def span_response(user_id: str, trace_id: str, head: Head, span: Span, status: int = 200) -> Response:
    """The answer with one span, whole.

    What several requests said of it can be more together than one answer holds: then the largest parts of its payload
    are left out, and the answer says so.
    """
    shown, _ = fitting_span(span_json(user_id, trace_id, span, head.expires_at_s))
    return json_answer({"data": shown}, status, span_count=1)


def fitting_span(shown: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """A span as it fits into one answer, and its JSON: the largest parts of the payload left out where they must be."""
    largest_first = sorted(SHOWN_PAYLOAD_FIELDS, key=lambda name: -len(json_bytes(shown[name])))
    while not Room().takes(text := json_bytes(shown)):
        shown = shown | {largest_first.pop(0): None, "payloads_omitted": True}
    return shown, text


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
    payload = {name: root.fields.get(name) for name in ("input_data", "output_data")}
    whole = json_bytes(shown | payload)
    return whole if Room().takes(whole) else json_bytes(shown | {"payloads_omitted": True})


def _trees(store: Store, user_id: str, pending_deletions: Sequence[PendingDeletion], listed: Listed) -> bytes:
    try:
        head, spans, is_whole = read_trace_within(store, user_id, listed.trace_id, READ_BYTES, pending_deletions)
    except NotFound:  # deleted since it was listed
        return b""
    return encode_tree(user_id, listed.trace_id, head, spans, is_whole=is_whole, tell_roots=True).roots[1:-1]


def side_by_side(encode: Callable[[Listed], Text], traces: Sequence[Listed]) -> Iterator[Text]:
    """The texts of the traces in order, read a few at a time, and no more of them than are asked for."""
    with ThreadPoolExecutor(READS_AT_ONCE) as pool:
        for start in range(0, len(traces), READS_AT_ONCE):
            yield from pool.map(encode, traces[start : start + READS_AT_ONCE])


def fitting(texts: Iterable[bytes]) -> Encoded:
    """The first of these texts that fit into one answer together; one always does."""
    kept: list[bytes] = []
    room = Room()
    for text in texts:
        if not room.takes(text) and kept:
            break
        kept.append(text)
    return Encoded(kept, len(kept))


class Room:
    """The room in one answer. Lambda carries it as text, in which each quote and backslash is escaped, or as base64."""

    def __init__(self) -> None:
        self._bytes = 0
        self._escapes = 0

    def takes(self, text: bytes) -> bool:
        """Whether there is room for `text` and a comma besides all that was asked for before."""
        self._bytes += len(text) + 1
        self._escapes += escapes_in(text)
        carried = min(self._bytes + self._escapes, self._bytes * 4 // 3)
        return self._bytes <= ANSWER_BYTES and carried <= CARRIED_BYTES
