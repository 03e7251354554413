"""The next head of a trace, derived from all that is stored of it."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from tracestore.domain.heads import Previews, preview_source, previews_of, root_of, summarize
from tracestore.domain.merge import Span, merge, merge_span

from . import keys
from .items import MERGED_DIGEST_DIGITS, Head, StoredTrace
from .segments import Segment
from .store import Store

MERGED_DIGESTS_KEPT: Final = 8
"""How many of the newest segments a head names: as many as writers are likely to race for one trace."""


def first_head(store: Store, trace_id: str, segment: Segment) -> Head:
    """The head of a trace that this segment begins, its payload at hand."""
    spans = merge(segment.updates, price_of=store.price_of)
    return Head(
        version=1,
        generation=store.generation(),
        expires_at_s=store.expiry_s(),
        position=keys.position(spans[0].order[0], trace_id),
        created_ms=segment.received_ms,
        updated_ms=segment.received_ms,
        summary=summarize(spans, previews_of(root_of(spans))),
        merged_digests=_newest([segment]),
    )


def next_head(store: Store, pk: str, head: Head, stored: StoredTrace) -> Head:
    """The head that follows `head` when `stored` is what there is of the trace."""
    spans = merge(stored.updates(), head.deleted, store.price_of)
    summary = summarize(spans, _previews(store, pk, head, stored, spans)) if spans else None
    return replace(
        head,
        version=head.version + 1,
        updated_ms=max([head.updated_ms, *(span.updated_ms for span in spans)]),
        summary=summary,
        merged_digests=_newest(stored.segments.values()),
    )


def _previews(store: Store, pk: str, head: Head, stored: StoredTrace, spans: list[Span]) -> Previews:
    """The previews of the trace's root: those of the last head where they come from the same records, else read."""
    root = root_of(spans)
    source = preview_source(root)
    if head.summary and head.summary.previews.source == source:
        return head.summary.previews
    holding = [
        digest
        for digest, segment in stored.segments.items()
        if any(update.fields["span_id"] == root.span_id for update in segment.updates)
    ]
    whole = store.with_payloads(pk, stored, holding)
    updates = [update for segment in whole for update in segment.updates if update.fields["span_id"] == root.span_id]
    is_whole = all(segment.text is not None or not segment.has_payload for segment in whole)
    return previews_of(merge_span(updates), is_whole=is_whole)


def _newest(segments: Iterable[Segment]) -> tuple[str, ...]:
    by_arrival = sorted(segments, key=lambda segment: (-segment.received_ms, segment.digest))
    return tuple(segment.digest[:MERGED_DIGEST_DIGITS] for segment in by_arrival[:MERGED_DIGESTS_KEPT])
