"""Responses that contain lesson traces, kept below the size that Lambda can return, as in `traces.responses`."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from tracestore.api.lessons.lesson_json import call_json, lesson_json, lesson_summary_json
from tracestore.api.traces.responses import READ_BYTES, Room, fitting, read_in_parallel
from tracestore.domain.errors import NotFound
from tracestore.domain.merge import Span
from tracestore.http.response import Response, json_bytes, json_response
from tracestore.storage.model import Head, PendingDeletion
from tracestore.storage.user_store import ListedTrace, UserReader


def encode_lessons(reader: UserReader, traces: Sequence[ListedTrace]) -> list[bytes]:
    """Lesson traces with their calls, as many as fit into a response.

    *absent*: an empty text for a lesson trace that was deleted meanwhile.
    """
    read = partial(_listed, reader, reader.pending_deletions())
    return fitting(read_in_parallel(read, traces, lambda: reader.is_budget_spent))


def encode_lesson_summaries(traces: Iterable[ListedTrace]) -> list[bytes]:
    """Lesson traces in a line each, as many as fit into a response."""
    return fitting(json_bytes(lesson_summary_json(trace_id, head)) for trace_id, head in traces)


def lesson_response(trace_id: str, head: Head, spans: Sequence[Span], is_whole: bool, status: int = 200) -> Response:
    """The response that contains one lesson trace. `is_whole` if all payloads of its `spans` were read."""
    body = b'{"success":true,"data":%s}' % _encoded(trace_id, head, spans, is_whole)
    return Response(status, body, {"content-type": "application/json"}, len(spans))


def call_response(span: Span) -> Response:
    """The response that contains an added call. Its payload is left out if it does not fit."""
    call = call_json(span)
    if not Room().takes(json_bytes(call)):
        call = call_json(span, payloads=False) | {"payloads_omitted": True}
    return json_response({"data": call}, 201, span_count=1)


def _encoded(trace_id: str, head: Head, spans: Sequence[Span], is_whole: bool) -> bytes:
    """A lesson trace, with as much of it as fits into a response. It is marked if parts are omitted."""
    omitted: dict[str, Any] = {}
    for payloads, calls in ((True, True), (False, True), (False, False)):
        if payloads and not is_whole:
            continue
        omitted = {} if payloads else {"payloads_omitted": True}
        omitted |= {} if calls else {"calls_omitted": True}
        encoded = json_bytes(lesson_json(trace_id, head, spans, payloads=payloads, calls=calls) | omitted)
        if Room().takes(encoded):
            return encoded
    raise AssertionError("unreachable: a lesson without payloads and calls fits")


def _listed(reader: UserReader, pending_deletions: Sequence[PendingDeletion], listed: ListedTrace) -> bytes:
    try:
        head, spans, is_whole = reader.listed_trace_within(listed, READ_BYTES, pending_deletions)
    except NotFound:  # deleted since it was listed
        return b""
    return _encoded(listed.trace_id, head, spans, is_whole)
