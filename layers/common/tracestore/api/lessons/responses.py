"""Responses that contain lesson traces, kept below the size that Lambda can return, as in `traces.responses`."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from tracestore.api.lessons.lesson_json import call_json, lesson_json
from tracestore.api.traces.responses import READ_BYTES, Encoded, Room, fitting, read_in_parallel
from tracestore.domain.errors import NotFound
from tracestore.domain.merge import Span
from tracestore.http.response import Response, json_bytes, json_response
from tracestore.storage.items import Head
from tracestore.storage.listing import Listed
from tracestore.storage.pending_deletions import PendingDeletion, read_pending_deletions
from tracestore.storage.reading import read_trace_within
from tracestore.storage.store import Store


def encode_lessons(store: Store, user_id: str, traces: Sequence[Listed]) -> Encoded:
    """Lesson traces with their calls."""
    return fitting(read_in_parallel(partial(_listed, store, user_id, read_pending_deletions(store, user_id)), traces))


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


def _listed(store: Store, user_id: str, pending_deletions: Sequence[PendingDeletion], listed: Listed) -> bytes:
    try:
        head, spans, is_whole = read_trace_within(store, user_id, listed.trace_id, READ_BYTES, pending_deletions)
    except NotFound:  # deleted since it was listed
        return b""
    return _encoded(listed.trace_id, head, spans, is_whole)
