"""Reads of single lesson traces. A trace that is not a lesson trace counts as absent."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from tracestore.api.lessons.responses import lesson_response
from tracestore.api.traces.responses import READ_BYTES
from tracestore.api.traces.roots import root_span
from tracestore.domain.errors import Conflict, NotFound
from tracestore.domain.merge import Span
from tracestore.http.response import Response
from tracestore.ingest.lessons import root_span_id
from tracestore.storage.user_store import UserReader

NO_SUCH_LESSON: Final = "There is no such lesson trace."


def read_lesson_response(reader: UserReader, trace_ids: Sequence[str], status: int = 200) -> Response:
    """Read the first lesson trace that has one of these ids, and return the response that contains it.

    *raises*: NotFound.
    """
    for trace_id in trace_ids:
        with suppress(NotFound):
            head, spans, is_whole = reader.trace_within(trace_id, READ_BYTES)
            if head.summary.is_lesson:
                return lesson_response(trace_id, head, spans, is_whole, status)
    raise NotFound(NO_SUCH_LESSON)


def read_started_root(reader: UserReader, trace_id: str) -> Span | None:
    """The root span, without payload, that an earlier request stored for a lesson with this id.

    *absent*: None. *raises*: Conflict when another trace has the id.
    """
    try:
        head, spans = reader.trace(trace_id, payloads=False)
    except NotFound:
        return None
    lesson_root_id = root_span_id(trace_id)
    root = root_span(head, spans)
    if root.parent_span_id is None and root.span_id != lesson_root_id:
        raise Conflict("Another trace has this id. Leave the id out, and the server generates one.")
    return next((span for span in spans if span.span_id == lesson_root_id), None)
