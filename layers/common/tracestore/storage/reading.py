"""One trace, or one span of it, as its user may see it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, NamedTuple

from tracestore.domain.errors import NotFound
from tracestore.domain.media import name_of
from tracestore.domain.merge import Span, by_joined_span, depends_on_others, merge, merge_span, with_core
from tracestore.domain.spans import SpanUpdate

from .items import opened_inline
from .listing import ListedTrace, visible_heads
from .model import Head, PendingDeletion, StoredTrace
from .pending_deletions import is_pending_deletion, recent_pending_deletions
from .recompute import merged_sum_of
from .repair import completed
from .store import Scope
from .versions import Version, basis_of, tag_of, version_text

SPANS_PER_READ: Final = 8
"""Spans of a trace that are read together while their payloads are small: each may have 4 MiB."""

SPANS_PER_READ_LEAST: Final = 2
"""Spans that are read together otherwise: a call, and the call before it that it is compared with."""

SMALL_READ_BYTES: Final = 500_000
"""Payload after which the next read has the fewest spans: a page of 5 MB would discard most of eight large ones."""


class LazyTrace(NamedTuple):
    """A trace without payloads, whose spans can be read with payloads.

    `with_payloads` takes ids of its spans and returns these spans in the same order. It reads lazily, a few at a time,
    and ends before the next read once the budget of the request is spent. The first spans are always returned.
    `referring_to` takes the hash of a medium and returns the ids of the spans that may refer to it.
    """

    head: Head
    spans: list[Span]
    with_payloads: Callable[[Sequence[str]], Iterator[Span]]
    referring_to: Callable[[str], list[str]]


@dataclass(frozen=True, slots=True)
class TraceState:
    """One trace as it was read, with the `version` that names what was read, and its `tag`.

    `spans` have payloads where those were read, all of them if it `is_whole`. `earlier` are the spans as they were at
    the version that the caller has, without payloads. *absent*: None where that cannot be found out any more.
    """

    head: Head
    spans: list[Span]
    is_whole: bool
    tag: bytes
    version: str
    earlier: list[Span] | None
    stored: StoredTrace


def read_trace(
    scope: Scope, trace_id: str, *, payloads: bool, pending_deletions: Sequence[PendingDeletion] | None = None
) -> tuple[Head, list[Span]]:
    stored = scope.read_whole(trace_id) if payloads else scope.read_core(trace_id)
    return _visible(scope, trace_id, stored, pending_deletions)


def read_trace_within(
    scope: Scope, trace_id: str, payload_bytes: int, pending_deletions: Sequence[PendingDeletion] | None = None
) -> tuple[Head, list[Span], bool]:
    stored = scope.read_whole(trace_id, payload_bytes)
    return *_visible(scope, trace_id, stored, pending_deletions), not stored.is_cut


def read_listed_within(
    scope: Scope, listed: ListedTrace, payload_bytes: int, pending_deletions: Sequence[PendingDeletion]
) -> tuple[Head, list[Span], bool]:
    head = listed.head
    segment = opened_inline(head)
    is_in_head = segment is not None and not head.deleted and head.merged_sum == merged_sum_of([segment])
    if segment is None or not is_in_head or (segment.has_payload and segment.text is None):
        return read_trace_within(scope, listed.trace_id, payload_bytes, pending_deletions)
    return head, merge(segment.updates, price_of=scope.store.price_of), True


def read_tag(scope: Scope, trace_id: str, key: bytes) -> tuple[Head, bytes]:
    pk = scope.trace_pk(trace_id)
    head = visible_heads(scope, [pk]).get(pk)
    if head is None:
        raise NotFound("There is no such trace.")
    return head, tag_of(scope, trace_id, head, key)


def read_state(scope: Scope, trace_id: str, payload_bytes: int, since: Version | None, key: bytes = b"") -> TraceState:
    stored = scope.read_whole(trace_id, payload_bytes) if payload_bytes else scope.read_core(trace_id)
    head, spans = _visible(scope, trace_id, stored, None)
    tag, basis = tag_of(scope, trace_id, head, key), basis_of(scope, trace_id, head, key)
    segments = since.segments_of(stored, basis, key) if since else None
    earlier = None
    if segments is not None:
        updates = (update for segment in segments for update in segment.updates)
        earlier = merge(updates, head.deleted, scope.store.price_of)
    version = version_text(tag, basis, stored.segments.values(), key)
    return TraceState(head, spans, not stored.is_cut, tag, version, earlier, stored)


def read_span(scope: Scope, trace_id: str, span_id: str) -> tuple[Head, Span]:
    stored = scope.read_core(trace_id)
    head = completed(scope, trace_id, visible_head(scope, stored), stored)
    return head, span_with_payload(scope, trace_id, stored, span_id)


def read_lazily(scope: Scope, trace_id: str, pending_deletions: Sequence[PendingDeletion] | None = None) -> LazyTrace:
    stored = scope.read_core(trace_id)
    head, spans = _visible(scope, trace_id, stored, pending_deletions)
    with_payloads = partial(read_whole_spans, scope, trace_id, stored, is_bounded=True)
    return LazyTrace(head, spans, with_payloads, partial(_referring_to, stored, head))


def _referring_to(stored: StoredTrace, head: Head, sha256: str) -> list[str]:
    name = name_of(sha256)
    groups = by_joined_span([update for update in stored.updates() if update.fields["span_id"] not in head.deleted])
    return [
        span_id
        for span_id, updates in groups.items()
        if any(name in update.fields.get("media", ()) for update in updates)
    ]


def read_spans_after(scope: Scope, trace_id: str, order: tuple[int, str]) -> tuple[Head, Iterator[Span]]:
    stored = scope.read_core(trace_id)
    head = completed(scope, trace_id, visible_head(scope, stored), stored)
    span_ids = [span.span_id for span in merge(stored.updates(), head.deleted) if span.order > order]
    return head, read_whole_spans(scope, trace_id, stored, span_ids)


def read_whole_spans(
    scope: Scope, trace_id: str, stored: StoredTrace, span_ids: Sequence[str], *, is_bounded: bool = False
) -> Iterator[Span]:
    joined = stored.joins()
    digests_by_span: dict[str, list[str]] = {}
    for digest, segment in stored.segments.items():
        for update in segment.updates:
            span_id = update.fields["span_id"]
            digests_by_span.setdefault(joined.get(span_id, span_id), []).append(digest)
    cores: dict[str, Span] | None = None
    start, count = 0, SPANS_PER_READ_LEAST
    while start < len(span_ids):
        updates: dict[str, list[SpanUpdate]] = {span_id: [] for span_id in span_ids[start : start + count]}
        digests = {digest: None for span_id in updates for digest in digests_by_span[span_id]}
        if is_bounded and start and scope.budget.is_spent and any(map(stored.is_unread, digests)):
            return
        opened_before = scope.budget.opened_bytes
        for segment in scope.with_payloads(trace_id, stored, digests):
            for update in segment.updates:
                span_id = update.fields["span_id"]
                if (span_updates := updates.get(joined.get(span_id, span_id))) is not None:
                    span_updates.append(update)
        for span_id, span_updates in updates.items():
            span = merge_span(span_updates, scope.store.price_of, span_id)
            if depends_on_others(span):
                cores = _cores(scope, stored) if cores is None else cores
                span = with_core(span, cores[span_id])
            yield span
        start += count
        is_small = scope.budget.opened_bytes - opened_before < SMALL_READ_BYTES
        count = min(2 * count, SPANS_PER_READ) if is_small else SPANS_PER_READ_LEAST


def _visible(
    scope: Scope, trace_id: str, stored: StoredTrace, pending_deletions: Sequence[PendingDeletion] | None
) -> tuple[Head, list[Span]]:
    head = completed(scope, trace_id, visible_head(scope, stored, pending_deletions), stored)
    spans = merge(stored.updates(), head.deleted, scope.store.price_of)
    if not spans:  # deleted between two pages of this read
        raise NotFound("There is no such trace.")
    return head, spans


def visible_head(scope: Scope, stored: StoredTrace, pending_deletions: Sequence[PendingDeletion] | None = None) -> Head:
    """The head of a trace that its user may see. *raises*: NotFound."""
    head = scope.live_head(stored)
    if not isinstance(head, Head):
        raise NotFound("There is no such trace.")
    if is_pending_deletion(head, recent_pending_deletions(scope) if pending_deletions is None else pending_deletions):
        raise NotFound("There is no such trace.")
    return head


def span_with_payload(scope: Scope, trace_id: str, stored: StoredTrace, span_id: str) -> Span:
    """One span of a trace whose core was read; its payload is fetched. *raises*: NotFound."""
    span = merge_span(span_updates(scope, trace_id, stored, span_id), scope.store.price_of, span_id)
    return with_core(span, _cores(scope, stored)[span_id]) if depends_on_others(span) else span


def _cores(scope: Scope, stored: StoredTrace) -> dict[str, Span]:
    """The spans of a trace by id, each with what it takes from the others."""
    assert isinstance(stored.head, Head)
    spans = merge(stored.updates(), stored.head.deleted, scope.store.price_of)
    return {span.span_id: span for span in spans}


def span_updates(scope: Scope, trace_id: str, stored: StoredTrace, span_id: str) -> list[SpanUpdate]:
    """The updates of one span of a trace whose core was read; their payload is fetched. *raises*: NotFound."""
    assert isinstance(stored.head, Head)
    span_ids = stored.ids_of(span_id)
    segments = scope.with_payloads(trace_id, stored, stored.digests_of(span_ids))
    updates = [update for segment in segments for update in segment.updates if update.fields["span_id"] in span_ids]
    if not updates or span_id in stored.head.deleted:
        raise NotFound("There is no such span in this trace.")
    return updates
