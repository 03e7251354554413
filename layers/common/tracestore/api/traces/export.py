"""Export of traces as JSON lines, one span per line with its payload, in responses that Lambda can return.

A response ends after a whole trace. A trace that is larger than one response is split between its spans, into responses
of its own. Nothing is left out because of its size, except in a single span that no response could contain. The first
span of a trace carries the annotations of the trace and of its spans.

The first line of a trace in a response that refers to a medium contains it, as it was sent. Its other lines only refer
to it: an import stores it once, and in any order.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

from tracestore.api.traces.annotations import annotation_json
from tracestore.api.traces.responses import CARRIED_BYTES, READ_BYTES, Room, fitting_span, read_in_parallel
from tracestore.api.traces.trace_json import span_json
from tracestore.domain.errors import NotFound
from tracestore.domain.media import Medium, references_in
from tracestore.domain.merge import Span
from tracestore.domain.spans import SHOWN_PAYLOAD_FIELDS
from tracestore.http.response import Response, escapes_in, json_bytes
from tracestore.ingest.media import base64_length, put_back
from tracestore.storage.model import Head, PendingDeletion
from tracestore.storage.user_store import ListedTrace, TraceQuery, UserReader

_BEFORE_ALL_SPANS: Final = (-1, "")
"""An order that is lower than that of every span."""

_ONLY_IN_EXPORTS: Final = ("scope_name", "request_model", "call_key", "usage_ambiguous")
"""Fields that decide which calls and costs count, and which log records that arrive later are about a span."""

LINE_BYTES: Final = CARRIED_BYTES - 100_000
"""Limit of a line with media, after escaping: it is the only one of its response, and a request can contain it too."""


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
    reader: UserReader,
    query: TraceQuery,
    limit: int,
    cursor_position: str | None,
    is_late: Callable[[], bool] = lambda: False,
) -> Exported:
    """The spans of the next traces of a list, at most `limit` traces.

    *shape*: traces in list order, the spans of each by start. As in a list, there may be no lines although more follow.
    Once `is_late` returns true, no further trace is added.
    """
    start = _CursorPosition.parse(cursor_position) if cursor_position is not None else None
    if start is not None and start.span_order is not None:
        return _part_of_trace(reader, start, is_late)
    page = reader.traces(query, limit, start and start.trace_position)
    encode = partial(_trace_lines, reader, reader.pending_deletions())
    lines: list[bytes] = []
    room = Room()
    last_position = None
    texts = read_in_parallel(encode, page.traces)
    for listed, text in zip(page.traces, texts, strict=True):
        fits = text is not None and room.takes(text)
        if last_position is not None and (not fits or is_late()):
            return Exported(lines, last_position)
        if text is None:
            first_part = _CursorPosition(listed.head.cursor_position, _BEFORE_ALL_SPANS)
            return _part_of_trace(reader, first_part, is_late)
        lines += [text] if text else []
        last_position = listed.head.cursor_position
    return Exported(lines, page.next_position)


def export_response(exported: Exported, next_cursor: str | None) -> Response:
    """The response that contains these lines."""
    body = b"".join(exported.lines)
    headers = {"content-type": "application/x-ndjson"} | ({"x-next-cursor": next_cursor} if next_cursor else {})
    return Response(200, body, headers, body.count(b"\n"))


def _trace_lines(reader: UserReader, pending_deletions: Sequence[PendingDeletion], listed: ListedTrace) -> bytes | None:
    """The lines of a trace; None when they are larger than one response. *absent*: empty."""
    try:
        head, spans, is_whole = reader.listed_trace_within(listed, READ_BYTES, pending_deletions)
    except NotFound:  # deleted since it was listed
        return b""
    lines: list[bytes] = []
    room = Room()
    line_of = _Lines(reader, listed.trace_id, head)
    annotations = _annotations(reader, listed.trace_id, head) if is_whole else []
    for span in spans if is_whole else ():
        lines.append(line_of(span, [] if lines else annotations))
        if not room.takes(lines[-1]):
            return None
    return b"".join(lines) or None


def _part_of_trace(reader: UserReader, start: _CursorPosition, is_late: Callable[[], bool]) -> Exported:
    """As many lines of one trace as fit into a response, from `start` on."""
    lines: list[bytes] = []
    try:
        (trace_id, head), spans = reader.spans_after(start.trace_position, start.span_order or _BEFORE_ALL_SPANS)
    except NotFound:  # deleted since the export of it began
        return Exported(lines, start.trace_position)
    room = Room()
    line_of = _Lines(reader, trace_id, head)
    last_order = start.span_order
    is_first_part = start.span_order == _BEFORE_ALL_SPANS
    annotations = _annotations(reader, trace_id, head) if is_first_part else []
    for span in spans:
        line = line_of(span, [] if lines else annotations)
        fits = room.takes(line)
        if lines and (not fits or is_late()):
            return Exported(lines, str(_CursorPosition(start.trace_position, last_order)))
        lines.append(line)
        last_order = span.order
    return Exported(lines, start.trace_position)


def _annotations(reader: UserReader, trace_id: str, head: Head) -> list[dict[str, Any]]:
    """The annotations of a trace, which are read only where its head counts some. *absent*: empty."""
    if not head.summary.annotations.count:
        return []
    try:
        annotations, _ = reader.annotations(trace_id)
    except NotFound:  # deleted since it was listed
        return []
    return [annotation_json(trace_id, annotation, head) for annotation in annotations]


class _Lines:
    """The lines of one trace in one response, each medium in the first line that refers to it."""

    def __init__(self, reader: UserReader, trace_id: str, head: Head) -> None:
        self._reader = reader
        self._trace_id = trace_id
        self._head = head
        self._included: set[str] = set()

    def __call__(self, span: Span, annotations: Sequence[dict[str, Any]] = ()) -> bytes:
        """A span as its route returns it, its media, `annotations`, and the fields that only exports have.

        Annotations that do not fit next to the largest span that a response may contain are left out, and the line is
        marked.
        """
        content = span_json(self._reader.user_id, self._trace_id, span, self._head.expires_at_s)
        content |= {name: span.fields.get(name) for name in _ONLY_IN_EXPORTS if name in span.fields}
        content |= {"from_logs": True} if span.is_from_logs else {}
        content, text = fitting_span(content)
        if annotations:
            annotated = content | {"annotations": annotations}
            fits = Room().takes(json_bytes(annotated) + b"\n")
            content = annotated if fits else content | {"annotations_omitted": True}
            text = json_bytes(content)
        if span.fields.get("media"):
            text = self._with_media(content, text)
        return text + b"\n"

    def _with_media(self, content: dict[str, Any], text: bytes) -> bytes:
        """The line with as many media as fit into it, the smallest first; marked if one does not fit."""
        payload = {name: content[name] for name in SHOWN_PAYLOAD_FIELDS}
        room = LINE_BYTES - len(text) - escapes_in(text)
        media: dict[str, Medium] = {}
        is_omitted = False
        for sha256, stated_size in references_in(payload).items():
            if sha256 in self._included:
                continue
            is_small = base64_length(stated_size) <= room
            for _, medium in self._reader.media(self._trace_id, self._head, [sha256] if is_small else []):
                is_small = base64_length(len(medium.content)) <= room
                if is_small:
                    media[sha256] = medium
                    room -= base64_length(len(medium.content))
            is_omitted |= not is_small
        self._included |= media.keys()
        content = content | {name: put_back(value, media) for name, value in payload.items()}
        return json_bytes(content | ({"media_omitted": True} if is_omitted else {}))
