"""Responses that contain traces, kept below the size that Lambda can return.

A list is cut after a whole trace. A single trace that is too large is returned without payloads, and is marked so. If
its tree is still too large, only its root is returned, and the outline contains the rest.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache, partial
from itertools import accumulate
from typing import Any, Final, NamedTuple, TypeVar

from tracestore.api.traces.roots import root_span
from tracestore.api.traces.trace_json import forest_bytes, span_json, summary_json
from tracestore.domain.errors import NotFound
from tracestore.domain.merge import Span
from tracestore.domain.spans import SHOWN_PAYLOAD_FIELDS
from tracestore.domain.tree import Node, tree_order
from tracestore.http.response import Response, escapes_in, json_bytes, json_response
from tracestore.storage.model import Head, PendingDeletion
from tracestore.storage.user_store import ListedTrace, UserReader

RESPONSE_BYTES: Final = 5_000_000
"""Limit of the traces in one response, before gzip: Lambda returns at most 6 MB."""

CARRIED_BYTES: Final = 6_000_000
"""The same limit as Lambda counts it, after escaping or base64, with room for the summary of the trace."""

READ_BYTES: Final = 3 * RESPONSE_BYTES
"""Payload read of a trace to find out whether it fits. Some of it may have been replaced by later updates."""

READ_THREADS: Final = 8

READ_SPANS: Final = 10_000
"""Spans of the traces that are read at once, except a single trace with more: about one second of processor time."""

Value = TypeVar("Value")


class Tree(NamedTuple):
    """The JSON array of a trace's roots, and the marks for the omitted parts."""

    roots: bytes
    omitted: dict[str, bool]


def encode_summaries(traces: Iterable[ListedTrace]) -> list[bytes]:
    """Traces as summaries, as many as fit into a response."""
    return fitting(json_bytes(summary_json(trace_id, head)) for trace_id, head in traces)


def encode_forest(reader: UserReader, traces: Sequence[ListedTrace]) -> list[bytes]:
    """Traces as trees, as many as fit into a response. Each root is marked if parts of its trace are omitted.

    *absent*: an empty text for a trace that was deleted meanwhile.
    """
    pending_deletions = reader.pending_deletions()
    trees = read_in_parallel(partial(_trees, reader, pending_deletions), traces, lambda: reader.is_budget_spent)
    return fitting(trees)


def encode_tree(
    user_id: str | None,
    trace_id: str,
    head: Head,
    spans: Sequence[Span],
    *,
    payloads: bool = True,
    is_whole: bool = True,
    mark_roots: bool = False,
) -> Tree:
    """A trace as a tree, with as much of it as fits into a response.

    It has no payloads unless those of all `spans` were read (`is_whole`). With `mark_roots`, each root is marked
    if parts are omitted.
    """
    nodes = tree_order(spans)
    attempts: list[tuple[list[Node], bool, dict[str, bool]]] = []
    if is_whole or not payloads:
        attempts.append((nodes, payloads, {}))
    if payloads:
        attempts.append((nodes, False, {"payloads_omitted": True}))
    root_alone = [Node(root_span(head, spans), 0)]
    attempts.append((root_alone, False, {"payloads_omitted": True, "children_omitted": True}))

    def node_json(with_payloads: bool, marks: dict[str, bool], node: Node) -> dict[str, Any]:
        span = span_json(user_id, trace_id, node.span, head.expires_at_s, payloads=with_payloads)
        return span | marks if node.depth == 0 else span

    for included, with_payloads, omitted in attempts:
        encode = partial(node_json, with_payloads, omitted if mark_roots else {})
        roots = forest_bytes(included, encode, Room().takes)
        if roots is not None:
            return Tree(roots, omitted)
    raise AssertionError("unreachable: one span without its payload is small")


def span_response(user_id: str | None, trace_id: str, head: Head, span: Span, status: int = 200) -> Response:
    """The response that contains one span with its payload.

    Several requests together can make a span larger than one response. The largest fields of its payload are then left
    out, and the span is marked so.
    """
    content, _ = fitting_span(span_json(user_id, trace_id, span, head.expires_at_s))
    return json_response({"data": content}, status, span_count=1)


def fitting_span(content: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """A span that fits into one response, and its JSON. The largest payload fields are left out where necessary."""
    names = [name for name in (*SHOWN_PAYLOAD_FIELDS, "new_messages") if name in content]
    largest_first = sorted(names, key=lambda name: -len(json_bytes(content[name])))
    while not Room().takes(text := json_bytes(content)):
        content = content | {largest_first.pop(0): None, "payloads_omitted": True}
    return content, text


def list_response(encoded: Iterable[bytes], next_cursor: str | None, **members: Any) -> Response:
    """The response that contains a page of traces without the empty texts, and `members` after `next_cursor`."""
    traces = b",".join(filter(None, encoded))
    return _response(b'"traces":[%s]' % traces, {"next_cursor": next_cursor, **members})


def tree_response(summary: dict[str, Any], tree: Tree, **members: Any) -> Response:
    """The response that contains one trace as a tree, and further `members` after it."""
    trace = b'"trace":{"summary":%s,"spans":%s%s}' % (json_bytes(summary), tree.roots, _members(tree.omitted))
    return _response(trace, members)


def rows_response(
    summary: dict[str, Any], name: str, rows: Sequence[bytes], next_cursor: str | None, **members: Any
) -> Response:
    """The response that contains a page of one trace's rows under `name`, and further `members` after `next_cursor`."""
    trace = b'"trace":{"summary":%s,"%s":[%s]}' % (json_bytes(summary), name.encode(), b",".join(rows))
    return _response(trace, {"next_cursor": next_cursor, **members})


def changes_response(summary: dict[str, Any], changed: Iterable[bytes], gone: Sequence[str], version: str) -> Response:
    """The response that contains the changes of one trace: JSON texts of its rows, and span ids."""
    parts = (json_bytes(summary), b",".join(changed), json_bytes(gone))
    return _response(b'"trace":{"summary":%s,"changed":[%s],"gone":%s}' % parts, {"version": version, "full": False})


def _response(first_member: bytes, members: dict[str, Any]) -> Response:
    body = b'{"success":true,%s%s}' % (first_member, _members(members))
    return Response(200, body, {"content-type": "application/json"})


def _members(members: dict[str, Any]) -> bytes:
    return b"," + json_bytes(members)[1:-1] if members else b""


def _trees(reader: UserReader, pending_deletions: Sequence[PendingDeletion], listed: ListedTrace) -> bytes:
    try:
        head, spans, is_whole = reader.listed_trace_within(listed, READ_BYTES, pending_deletions)
    except NotFound:  # deleted since it was listed
        return b""
    return encode_tree(reader.user_id, listed.trace_id, head, spans, is_whole=is_whole, mark_roots=True).roots[1:-1]


def read_in_parallel(
    read: Callable[[ListedTrace], Value],
    traces: Sequence[ListedTrace],
    is_enough: Callable[[], bool] = lambda: False,
) -> Iterator[Value]:
    """Read traces in order, at most `READ_THREADS` and `READ_SPANS` at a time.

    Stops when the caller stops iterating, or once `is_enough`, but not before the first ones are read.
    """
    first = 0
    while first < len(traces) and not (first and is_enough()):
        spans = accumulate(listed.head.summary.span_count for listed in traces[first : first + READ_THREADS])
        count = max(1, sum(total <= READ_SPANS for total in spans))
        futures = [_threads().submit(read, listed) for listed in traces[first : first + count]]
        try:
            for future in futures:
                yield future.result()
        finally:  # nothing is read any more when the response is sent
            for future in futures:
                future.cancel()
            wait(futures)
        first += count


@cache
def _threads() -> ThreadPoolExecutor:
    """The threads of a process, which stay from request to request."""
    return ThreadPoolExecutor(READ_THREADS)


def fitting(texts: Iterable[bytes]) -> list[bytes]:
    """The longest prefix of these texts that fits into one response. It has at least one text if there is any."""
    included: list[bytes] = []
    room = Room()
    for text in texts:
        if not room.takes(text) and included:
            break
        included.append(text)
    return included


class Room:
    """The room in one response. Lambda returns it as text, with each quote and backslash escaped, or as base64."""

    def __init__(self) -> None:
        self._bytes = 0
        self._escapes = 0

    def takes(self, text: bytes) -> bool:
        """Whether `text` and a comma fit in addition to all texts of earlier calls."""
        self._bytes += len(text) + 1
        self._escapes += escapes_in(text)
        carried = min(self._bytes + self._escapes, self._bytes * 4 // 3)
        return self._bytes <= RESPONSE_BYTES and carried <= CARRIED_BYTES
