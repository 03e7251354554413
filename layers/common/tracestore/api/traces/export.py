"""Traces as lines of JSON, one a span with its payload, in answers that Lambda can return.

An answer is cut at whole traces. One that alone is more than an answer holds has answers of its own, cut between its
spans: nothing is left out for size, but for a single span that no answer could hold.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final, NamedTuple

from tracestore.api.traces.responses import READ_BYTES, Room, fitting_span, side_by_side
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

SPANS_READ_AT_ONCE: Final = 8
"""Of a trace that is read span by span: each may hold 4 MB."""

_FIRST: Final = (-1, "")
"""Before every span."""


class Exported(NamedTuple):
    """The lines of one answer, and the place to go on from; no place at the end."""

    lines: list[bytes]
    place: str | None


class _Place(NamedTuple):
    """Behind the trace at `position`, or within it behind the span with the order `behind`."""

    position: str
    behind: tuple[int, str] | None = None

    def __str__(self) -> str:
        return " ".join((self.position, *map(str, self.behind or ())))

    @classmethod
    def parse(cls, text: str) -> "_Place":
        position, *behind = text.split(" ")
        return cls(position, (int(behind[0]), behind[1]) if behind else None)


def export_page(
    store: Store,
    user_id: str,
    query: TraceQuery,
    limit: int,
    place: str | None,
    deadline: Deadline,
    is_late: Callable[[], bool] = lambda: False,
) -> Exported:
    """The spans of the next traces of a list, at most `limit` of them, those of each by start.

    *shape*: as with a list, none may be there without this being the end. Once it `is_late` no further trace is begun.
    """
    at = _Place.parse(place) if place is not None else None
    if at is not None and at.behind is not None:
        return _large(store, user_id, at, is_late)
    page = list_traces(store, user_id, query, limit, at and at.position, deadline)
    read = partial(_small, store, user_id, read_pending_deletions(store, user_id))
    lines: list[bytes] = []
    room = Room()
    last = None
    texts = side_by_side(read, page.traces)
    for listed, text in zip(page.traces, texts, strict=True):
        fits = text is not None and room.takes(text)
        if last is not None and (not fits or is_late()):
            return Exported(lines, last)
        if text is None:
            return _large(store, user_id, _Place(listed.head.position, _FIRST), is_late)
        lines += [text] if text else []
        last = listed.head.position
    return Exported(lines, page.next_position)


def export_response(exported: Exported, next_cursor: str | None) -> Response:
    """The answer with these lines."""
    body = b"".join(exported.lines)
    headers = {"content-type": "application/x-ndjson"} | ({"x-next-cursor": next_cursor} if next_cursor else {})
    return Response(200, body, headers, body.count(b"\n"))


def _small(store: Store, user_id: str, pending_deletions: Sequence[PendingDeletion], listed: Listed) -> bytes | None:
    """The lines of a trace; None when they are more than one answer holds. *absent*: without any."""
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


def _large(store: Store, user_id: str, at: _Place, is_late: Callable[[], bool]) -> Exported:
    """As many lines of one trace as an answer holds, from a place within it."""
    trace_id = at.position.partition("#")[2]
    pk = keys.trace(user_id, trace_id)
    stored = store.read_core(pk)
    lines: list[bytes] = []
    try:
        head = visible_head(store, user_id, stored)
    except NotFound:  # deleted since it was begun
        return Exported(lines, at.position)
    room = Room()
    last = at.behind
    for span in _with_payloads(store, pk, stored, head, at.behind or _FIRST):
        line = _line(user_id, trace_id, head, span)
        if not room.takes(line) or (lines and is_late()):
            return Exported(lines, str(_Place(at.position, last)))
        lines.append(line)
        last = span.order
    return Exported(lines, at.position)


def _with_payloads(store: Store, pk: str, stored: StoredTrace, head: Head, behind: tuple[int, str]) -> Iterator[Span]:
    """The spans behind that order, by start, of a trace that was read light: payloads fetched a few at a time."""
    holding: dict[str, list[str]] = {}
    for digest, segment in stored.segments.items():
        for update in segment.updates:
            holding.setdefault(update.fields["span_id"], []).append(digest)
    ids = [span.span_id for span in merge(stored.updates(), head.deleted) if span.order > behind]
    for start in range(0, len(ids), SPANS_READ_AT_ONCE):
        updates: dict[str, list[SpanUpdate]] = {span_id: [] for span_id in ids[start : start + SPANS_READ_AT_ONCE]}
        digests = {digest: None for span_id in updates for digest in holding[span_id]}
        for segment in store.with_payloads(pk, stored, digests):
            for update in segment.updates:
                if (of_span := updates.get(update.fields["span_id"])) is not None:
                    of_span.append(update)
        yield from (merge_span(of_span, store.price_of) for of_span in updates.values())


def _line(user_id: str, trace_id: str, head: Head, span: Span) -> bytes:
    """A span as its route shows it, and what else bears on its price and on what of it counts."""
    shown = span_json(user_id, trace_id, span, head.expires_at_s)
    shown |= {name: span.fields.get(name) for name in ("scope_name", "request_model") if name in span.fields}
    _, text = fitting_span(shown)
    return text + b"\n"
