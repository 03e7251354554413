"""The reader that a share is given: its one trace, in its generation, with the parts that shares show.

It has the methods of `UserReader` that read one trace, and no others. Heads and spans leave out what is hidden, so no
response can contain it, whatever its form.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import Any

from tracestore.domain.errors import NotFound
from tracestore.domain.media import Medium, references_in
from tracestore.domain.merge import Span
from tracestore.domain.sharing import SHARED_PAYLOAD_FIELDS, shared_span, shared_summary

from .media import NO_SUCH_MEDIUM
from .model import Head, Share
from .reading import LazyTrace, TraceState
from .user_store import UserReader
from .versions import Version


class SharedReader:
    """A reader of the trace of `share`. `reader` reads as the owner of the trace.

    `secret` returns the deployment's secret: digests in versions have a key that is made of it, for each share another.
    For every method: *raises*: NotFound for any other trace, and for another generation of the trace.
    """

    def __init__(self, reader: UserReader, share: Share, secret: Callable[[], bytes]) -> None:
        self._reader = reader
        self._share = share
        self._secret = secret

    @property
    def shows_payloads(self) -> bool:
        """Whether the share includes payloads."""
        return self._share.payloads

    def trace_tag(self, trace_id: str) -> tuple[Head, bytes]:
        """As `UserReader.trace_tag`."""
        self._require(trace_id)
        head, tag = self._reader.trace_tag(trace_id, key=self._version_key())
        return self._shown(head), tag

    def trace_state(self, trace_id: str, payload_bytes: int = 0, since: Version | None = None) -> TraceState:
        """As `UserReader.trace_state`; no payloads are read for a share without them, so the spans are not whole."""
        self._require(trace_id)
        read_bytes = payload_bytes if self._share.payloads else 0
        state = self._reader.trace_state(trace_id, read_bytes, since, key=self._version_key())
        return replace(
            state,
            head=self._shown(state.head),
            spans=self._shown_spans(state.spans),
            earlier=None if state.earlier is None else self._shown_spans(state.earlier),
            is_whole=state.is_whole and read_bytes == payload_bytes,
        )

    def whole_spans(self, trace_id: str, state: TraceState, span_ids: Sequence[str]) -> Iterator[Span]:
        """As `UserReader.whole_spans`; for a share without payloads without them."""
        self._require(trace_id)
        if not self._share.payloads:
            by_id = {span.span_id: span for span in state.spans}
            return (by_id[span_id] for span_id in span_ids)
        return (shared_span(span, payloads=True) for span in self._reader.whole_spans(trace_id, state, span_ids))

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

        return LazyTrace(self._shown(trace.head), spans, with_payloads, trace.referring_to)

    def span(self, trace_id: str, span_id: str) -> tuple[Head, Span]:
        """As `UserReader.span`."""
        self._require(trace_id)
        if self._share.payloads:
            head, span = self._reader.span(trace_id, span_id)
            return self._shown(head), shared_span(span, payloads=True)
        head, spans = self._reader.trace(trace_id, payloads=False)
        shown = self._shown(head)
        for span in spans:
            if span.span_id == span_id:
                return shown, shared_span(span, payloads=False)
        raise NotFound("There is no such span in this trace.")

    def medium(self, trace_id: str, sha256: str) -> Medium:
        """As `UserReader.medium`, if a field that the share shows refers to it."""
        trace = self.lazy_trace(trace_id)
        for span in trace.with_payloads(trace.referring_to(sha256)):
            shown: dict[str, Any] = {**span.fields}
            if any(sha256 in references_in(shown.get(name)) for name in SHARED_PAYLOAD_FIELDS):
                for _, medium in self._reader.media(trace_id, trace.head, [sha256]):
                    return medium
        raise NotFound(NO_SUCH_MEDIUM)

    def _version_key(self) -> bytes:
        return blake2b(self._share.share_id.encode(), key=self._secret(), digest_size=32).digest()

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
