"""One trace, or one span of it, as its user may see it."""

from collections.abc import Sequence

from tracestore.domain.errors import NotFound
from tracestore.domain.merge import Span, merge, merge_span
from tracestore.domain.spans import SpanUpdate

from . import keys
from .items import Head, StoredTrace
from .pending_deletions import PendingDeletion, is_pending_deletion, read_pending_deletions
from .store import Store, live_head


def read_trace(
    store: Store,
    user_id: str,
    trace_id: str,
    *,
    payloads: bool,
    pending_deletions: Sequence[PendingDeletion] | None = None,
) -> tuple[Head, list[Span]]:
    """A trace's head and its spans, by start. *raises* NotFound, also for what is expired or deleted.

    Who reads many traces reads the user's `pending_deletions` once and hands them in.
    """
    pk = keys.trace(user_id, trace_id)
    stored = store.read_whole(pk) if payloads else store.read_core(pk)
    return _visible(store, user_id, stored, pending_deletions)


def read_trace_within(
    store: Store,
    user_id: str,
    trace_id: str,
    payload_bytes: int,
    pending_deletions: Sequence[PendingDeletion] | None = None,
) -> tuple[Head, list[Span], bool]:
    """As `read_trace` with payloads, and whether they are whole: no more than so many bytes of them are read.

    A trace may hold hundreds of megabytes, which is more than a function has time and memory for.
    """
    stored = store.read_whole(keys.trace(user_id, trace_id), payload_bytes)
    return *_visible(store, user_id, stored, pending_deletions), not stored.is_cut


def _visible(
    store: Store, user_id: str, stored: StoredTrace, pending_deletions: Sequence[PendingDeletion] | None
) -> tuple[Head, list[Span]]:
    head = visible_head(store, user_id, stored, pending_deletions)
    spans = merge(stored.updates(), head.deleted, store.price_of)
    if not spans:  # deleted between two pages of this read
        raise NotFound("There is no such trace.")
    return head, spans


def read_span(store: Store, user_id: str, trace_id: str, span_id: str) -> tuple[Head, Span]:
    """One span with its payload, and the head of its trace. *raises* NotFound."""
    pk = keys.trace(user_id, trace_id)
    stored = store.read_core(pk)
    head = visible_head(store, user_id, stored)
    return head, span_with_payload(store, pk, stored, span_id)


def visible_head(
    store: Store, user_id: str, stored: StoredTrace, pending_deletions: Sequence[PendingDeletion] | None = None
) -> Head:
    """The head of a trace that its user may see. *raises* NotFound."""
    head = live_head(stored, store.now_ms())
    if head is None or head.summary is None:
        raise NotFound("There is no such trace.")
    if is_pending_deletion(
        head, read_pending_deletions(store, user_id) if pending_deletions is None else pending_deletions
    ):
        raise NotFound("There is no such trace.")
    return head


def span_with_payload(store: Store, pk: str, stored: StoredTrace, span_id: str) -> Span:
    """One span of a trace that was read light, its payload fetched. *raises* NotFound."""
    return merge_span(span_updates(store, pk, stored, span_id), store.price_of)


def span_updates(store: Store, pk: str, stored: StoredTrace, span_id: str) -> list[SpanUpdate]:
    """The records of one span of a trace that was read light, their payload fetched. *raises* NotFound."""
    assert stored.head is not None
    holding = [
        digest
        for digest, segment in stored.segments.items()
        if any(update.fields["span_id"] == span_id for update in segment.updates)
    ]
    whole = store.with_payloads(pk, stored, holding)
    updates = [update for segment in whole for update in segment.updates if update.fields["span_id"] == span_id]
    if not updates or span_id in stored.head.deleted:
        raise NotFound("There is no such span in this trace.")
    return updates
