"""The reader that a share is given: its one trace, in its generation, with the parts that shares show.

It has the methods of `UserReader` that read one trace, and no others. Heads and spans leave out what is hidden, so no
response can contain it, whatever its form.
"""

from collections.abc import Iterator, Sequence
from typing import Protocol

from tracestore.domain.errors import NotFound
from tracestore.domain.merge import Span
from tracestore.domain.sharing import shared_span, shared_summary

from .model import Head, Share
from .reading import LazyTrace
from .user_store import UserReader


class TraceReader(Protocol):
    """A reader of single traces. See `UserReader`."""

    def trace(self, trace_id: str, *, payloads: bool) -> tuple[Head, list[Span]]: ...

    def trace_within(self, trace_id: str, payload_bytes: int) -> tuple[Head, list[Span], bool]: ...

    def lazy_trace(self, trace_id: str) -> LazyTrace: ...

    def span(self, trace_id: str, span_id: str) -> tuple[Head, Span]: ...


class SharedReader:
    """A reader of the trace of `share`. `reader` reads as the owner of the trace.

    For every method: *raises*: NotFound for any other trace, and for another generation of the trace.
    """

    def __init__(self, reader: UserReader, share: Share) -> None:
        self._reader = reader
        self._share = share

    def trace(self, trace_id: str, *, payloads: bool) -> tuple[Head, list[Span]]:
        """As `UserReader.trace`; no payloads are read for a share without them."""
        self._require(trace_id)
        head, spans = self._reader.trace(trace_id, payloads=payloads and self._share.payloads)
        return self._shown(head), self._shown_spans(spans)

    def trace_within(self, trace_id: str, payload_bytes: int) -> tuple[Head, list[Span], bool]:
        """As `UserReader.trace_within`; a trace is never whole for a share without payloads."""
        self._require(trace_id)
        if not self._share.payloads:
            return *self.trace(trace_id, payloads=False), False
        head, spans, is_whole = self._reader.trace_within(trace_id, payload_bytes)
        return self._shown(head), self._shown_spans(spans), is_whole

    def lazy_trace(self, trace_id: str) -> LazyTrace:
        """As `UserReader.lazy_trace`; no payloads are read for a share without them."""
        self._require(trace_id)
        trace = self._reader.lazy_trace(trace_id)
        spans = self._shown_spans(trace.spans)
        by_id = {span.span_id: span for span in spans}

        def with_payloads(span_ids: Sequence[str]) -> Iterator[Span]:
            if self._share.payloads:
                return (shared_span(span, payloads=True) for span in trace.with_payloads(span_ids))
            return (by_id[span_id] for span_id in span_ids)

        return LazyTrace(self._shown(trace.head), spans, with_payloads)

    def span(self, trace_id: str, span_id: str) -> tuple[Head, Span]:
        """As `UserReader.span`."""
        self._require(trace_id)
        if self._share.payloads:
            head, span = self._reader.span(trace_id, span_id)
            return self._shown(head), shared_span(span, payloads=True)
        head, spans = self.trace(trace_id, payloads=False)
        for span in spans:
            if span.span_id == span_id:
                return head, span
        raise NotFound("There is no such span in this trace.")

    def _require(self, trace_id: str) -> None:
        if trace_id != self._share.trace_id:
            raise NotFound("There is no such trace.")

    def _shown(self, head: Head) -> Head:
        """The head with what the share shows; named one by one, so that a new part of heads stays hidden."""
        if head.generation != self._share.generation:
            raise NotFound("There is no such trace.")
        return Head(
            version=head.version,
            generation=head.generation,
            expires_at_s=head.expires_at_s,
            cursor_position=head.cursor_position,
            created_ms=head.created_ms,
            updated_ms=head.updated_ms,
            summary=shared_summary(head.summary, payloads=self._share.payloads),
        )

    def _shown_spans(self, spans: Sequence[Span]) -> list[Span]:
        return [shared_span(span, payloads=self._share.payloads) for span in spans]
