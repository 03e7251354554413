"""The root of a trace among the spans that were read of it."""

from collections.abc import Sequence

from tracestore.domain.heads import root_of
from tracestore.domain.merge import Span
from tracestore.storage.model import Head


def root_span(head: Head, spans: Sequence[Span]) -> Span:
    """The root that a head names. `spans` are by start.

    *absent*: if it was deleted after the head was derived, the span that the head would name without it.
    """
    root_id = head.summary.root_span_id
    return next((span for span in spans if span.span_id == root_id), None) or root_of(spans)
