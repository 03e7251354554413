"""The next head of a trace, derived from everything that is stored of it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, Final

from tracestore.domain.annotations import AnnotationSummary, summarize_annotations
from tracestore.domain.heads import NO_PREVIEWS, Previews, Summary, summarize
from tracestore.domain.merge import Span, merge, merge_span
from tracestore.domain.score_groups import score_groups_of
from tracestore.domain.trace_previews import previews_of

from . import keys
from .model import MERGED_DIGEST_DIGITS, EmptiedHead, Head, LiveHead, Segment, StoredHead, StoredTrace
from .store import Scope, Store
from .versions import sum_of

MERGED_DIGESTS: Final = 3
"""Number of the newest segments that a head names. A writer that lost the race for the head and is not among them reads
the trace. That costs less than more names do: with eight, many heads of a long run exceed a write unit."""

MERGED_SUM_BITS: Final = 40
"""Of the sum over all segments, in a head that every write puts: of 10¹² added segments, one leaves it the same."""


def first_head(store: Store, trace_id: str, segment: Segment, spans: Sequence[Span] | None = None) -> Head:
    """The head of a trace that this segment begins; the segment's payload must be open.

    *absent*: without its `spans`, priced, the segment is merged here.
    """
    if spans is None:
        spans = merge(segment.updates, price_of=store.price_of)
    return Head(
        **_beginning(store, trace_id, segment, spans),
        version=store.first_version(),
        summary=summarize(spans, previews_of(spans)),
        merged_digests=_newest([segment]),
        merged_sum=merged_sum_of([segment]),
    )


def empty_head(store: Store, trace_id: str, segment: Segment, old: StoredHead | None) -> EmptiedHead:
    """The head before the first one of a trace that this segment begins: `next_head` adds the segments to it.

    `old` is the head that is stored: an expired one, or a placeholder. *absent*: None where none is stored.
    """
    version = old.version if old else store.first_version()
    return EmptiedHead(**_beginning(store, trace_id, segment, merge(segment.updates)), version=version)


def _beginning(store: Store, trace_id: str, segment: Segment, spans: Sequence[Span]) -> dict[str, Any]:
    """The parts of a head that stay as the first segment of its trace sets them."""
    return {
        "generation": store.generation(),
        "expires_at_s": store.expiry_s(),
        "cursor_position": keys.cursor_position(spans[0].order[0], trace_id),
        "created_ms": segment.received_ms,
        "updated_ms": segment.received_ms,
    }


def next_head(scope: Scope, trace_id: str, head: LiveHead, stored: StoredTrace) -> LiveHead:
    """The head that follows `head` when the trace consists of `stored`."""
    spans = merge(stored.updates(), head.deleted, scope.store.price_of)
    parts: dict[str, Any] = {
        "version": head.version + 1,
        "generation": head.generation,
        "expires_at_s": head.expires_at_s,
        "cursor_position": head.cursor_position,
        "created_ms": head.created_ms,
        "updated_ms": max([head.updated_ms, *(span.updated_ms for span in spans)]),
        "merged_digests": _newest(stored.segments.values()),
        "merged_sum": merged_sum_of(stored.segments.values()),
        "deleted": head.deleted,
        "inline_segment": head.inline_segment,
        "compaction_started_ms": head.compaction_started_ms,
        "other_bytes": stored.other_bytes(head.inline_segment),
        "annotation_bytes": stored.annotation_bytes_without(head.deleted),
    }
    if not spans:
        return EmptiedHead(**parts)
    summary = summarize(spans, _previews(scope, trace_id, head, stored, spans))
    annotations = annotations_in_head(stored, head, summary, lambda: spans)
    return Head(**parts, summary=replace(summary, annotations=annotations))


def annotations_in_head(
    stored: StoredTrace, head: LiveHead, summary: Summary, spans: Callable[[], Sequence[Span]]
) -> AnnotationSummary:
    """The copy of the annotations in a head with this summary. `spans` is called only where a score is about one."""
    annotations = stored.annotations_without(head.deleted)
    brief = summarize_annotations(annotations)
    if not brief.scores:
        return brief
    return replace(brief, score_groups=score_groups_of(annotations, summary.values, spans))


def current_head(scope: Scope, trace_id: str, head: LiveHead, stored: StoredTrace) -> LiveHead:
    """`head` where it includes everything in `stored`, else the head that follows it."""
    if head.merged_sum == merged_sum_of(stored.segments.values()):
        return head
    return next_head(scope, trace_id, head, stored)


def _previews(scope: Scope, trace_id: str, head: LiveHead, stored: StoredTrace, spans: list[Span]) -> Previews:
    """The previews of the trace: those of the last head where they have the same sources, else read."""

    def read(span: Span) -> tuple[Span, bool]:
        span_ids = stored.ids_of(span.span_id)
        segments = scope.with_payloads(trace_id, stored, stored.digests_of(span_ids))
        updates = [update for segment in segments for update in segment.updates if update.fields["span_id"] in span_ids]
        is_whole = all(segment.text is not None or not segment.has_payload for segment in segments)
        return merge_span(updates, span_id=span.span_id), is_whole

    return previews_of(spans, read, head.summary.previews if isinstance(head, Head) else NO_PREVIEWS)


def _newest(segments: Iterable[Segment]) -> tuple[str, ...]:
    by_arrival = sorted(segments, key=lambda segment: (-segment.received_ms, segment.digest))
    return tuple(segment.digest[:MERGED_DIGEST_DIGITS] for segment in by_arrival[:MERGED_DIGESTS])


def merged_sum_of(segments: Iterable[Segment]) -> str:
    """The last digits of the sum over all segments: two different sets of segments have different ones."""
    return f"{sum_of(segments) % (1 << MERGED_SUM_BITS):0{MERGED_SUM_BITS // 4}x}"
