"""Export of traces as JSON lines, one span per line with its payload, in responses that Lambda can return.

A response ends after a whole trace. A trace that is larger than one response is split between its spans, into responses
of its own. Nothing is left out because of its size, except in a single span that no response could contain.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final, NamedTuple

from tracestore.api.traces.responses import READ_BYTES, Room, fitting_span, read_in_parallel
from tracestore.api.traces.trace_json import span_json
from tracestore.domain.errors import NotFound
from tracestore.domain.merge import Span, merge, merge_span
from tracestore.domain.spans import SpanUpdate
from tracestore.http.response import Response
from tracestore.storage import keys
from tracestore.storage.items import Head, StoredTrace
from tracestore.storage.listing import Listed, TraceQuery, list_traces
from tracestore.storage.pending_deletions import PendingDeletion, read_pending_deletions
from tracestore.storage.reading import read_trace_within, visible_head
from tracestore.storage.store import Store
from tracestore.storage.table import Deadline

SPANS_PER_READ: Final = 8
"""Batch size in a trace that is larger than one response: each span may have 4 MB of payload."""

_BEFORE_ALL_SPANS: Final = (-1, "")
"""An order that is lower than that of every span."""


class Exported(NamedTuple):
    """The lines of one response, and the cursor position after them; None at the end of the list."""

    lines: list[bytes]
    cursor_position: str | None


class _CursorPosition(NamedTuple):
    """After the trace at `trace_position`; or within that trace, after the span whose order is `span_order`."""

    trace_position: str
    span_order: tuple[int, str] | None = None

    def __str__(self) -> str:
        return " ".join((self.trace_position, *map(str, self.span_order or ())))

    @classmethod
    def parse(cls, text: str) -> "_CursorPosition":
        trace_position, *span_order = text.split(" ")
        return cls(trace_position, (int(span_order[0]), span_order[1]) if span_order else None)


def export_page(
    store: Store,
    user_id: str,
    query: TraceQuery,
    limit: int,
    cursor_position: str | None,
    deadline: Deadline,
    is_late: Callable[[], bool] = lambda: False,
) -> Exported:
    """The spans of the next traces of a list, at most `limit` traces.

    *shape*: traces in list order, the spans of each by start. As in a list, there may be no lines although more follow.
    Once `is_late` returns true, no further trace is added.
    """
    start = _CursorPosition.parse(cursor_position) if cursor_position is not None else None
    if start is not None and start.span_order is not None:
        return _part_of_trace(store, user_id, start, is_late)
    page = list_traces(store, user_id, query, limit, start and start.trace_position, deadline)
    encode = partial(_trace_lines, store, user_id, read_pending_deletions(store, user_id))
    lines: list[bytes] = []
    room = Room()
    last_position = None
    texts = read_in_parallel(encode, page.traces)
    for listed, text in zip(page.traces, texts, strict=True):
        fits = text is not None and room.takes(text)
        if last_position is not None and (not fits or is_late()):
            return Exported(lines, last_position)
        if text is None:
            first_part = _CursorPosition(listed.head.position, _BEFORE_ALL_SPANS)
            return _part_of_trace(store, user_id, first_part, is_late)
        lines += [text] if text else []
        last_position = listed.head.position
    return Exported(lines, page.next_position)


def export_response(exported: Exported, next_cursor: str | None) -> Response:
    """The response that contains these lines."""
    body = b"".join(exported.lines)
    headers = {"content-type": "application/x-ndjson"} | ({"x-next-cursor": next_cursor} if next_cursor else {})
    return Response(200, body, headers, body.count(b"\n"))


def _trace_lines(
    store: Store, user_id: str, pending_deletions: Sequence[PendingDeletion], listed: Listed
) -> bytes | None:
    """The lines of a trace; None when they are larger than one response. *absent*: empty."""
    try:
        head, spans, is_whole = read_trace_within(store, user_id, listed.trace_id, READ_BYTES, pending_deletions)
    except NotFound:  # deleted since it was listed
        return b""
    lines: list[bytes] = []
    room = Room()
    for span in spans if is_whole else ():
        lines.append(_line(user_id, listed.trace_id, head, span))
        if not room.takes(lines[-1]):
            return None
    return b"".join(lines) or None


def _part_of_trace(store: Store, user_id: str, start: _CursorPosition, is_late: Callable[[], bool]) -> Exported:
    """As many lines of one trace as fit into a response, from `start` on."""
    trace_id = start.trace_position.partition("#")[2]
    pk = keys.trace(user_id, trace_id)
    stored = store.read_core(pk)
    lines: list[bytes] = []
    try:
        head = visible_head(store, user_id, stored)
    except NotFound:  # deleted since the export of it began
        return Exported(lines, start.trace_position)
    room = Room()
    last_order = start.span_order
    for span in _with_payloads(store, pk, stored, head, start.span_order or _BEFORE_ALL_SPANS):
        line = _line(user_id, trace_id, head, span)
        if not room.takes(line) or (lines and is_late()):
            return Exported(lines, str(_CursorPosition(start.trace_position, last_order)))
        lines.append(line)
        last_order = span.order
    return Exported(lines, start.trace_position)


def _with_payloads(
    store: Store, pk: str, stored: StoredTrace, head: Head, after_order: tuple[int, str]
) -> Iterator[Span]:
    """The spans after that order, by start, of a trace that was read without payloads. Fetches payloads in batches."""
    digests_by_span: dict[str, list[str]] = {}
    for digest, segment in stored.segments.items():
        for update in segment.updates:
            digests_by_span.setdefault(update.fields["span_id"], []).append(digest)
    ids = [span.span_id for span in merge(stored.updates(), head.deleted) if span.order > after_order]
    for first in range(0, len(ids), SPANS_PER_READ):
        updates: dict[str, list[SpanUpdate]] = {span_id: [] for span_id in ids[first : first + SPANS_PER_READ]}
        digests = {digest: None for span_id in updates for digest in digests_by_span[span_id]}
        for segment in store.with_payloads(pk, stored, digests):
            for update in segment.updates:
                if (span_updates := updates.get(update.fields["span_id"])) is not None:
                    span_updates.append(update)
        yield from (merge_span(span_updates, store.price_of) for span_updates in updates.values())


def _line(user_id: str, trace_id: str, head: Head, span: Span) -> bytes:
    """A span as its route returns it, and the further fields that affect its price and its counting."""
    content = span_json(user_id, trace_id, span, head.expires_at_s)
    content |= {name: span.fields.get(name) for name in ("scope_name", "request_model") if name in span.fields}
    _, text = fitting_span(content)
    return text + b"\n"
