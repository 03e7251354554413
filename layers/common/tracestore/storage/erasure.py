"""What is left of deleted spans, out of the segments that held them.

What replaces a segment is stored before the head that no longer shows the span, and the segment goes after it: whoever
reads the head at that version finds everything that it tells of, and a trace that was deleted meanwhile is noticed.
"""

from collections.abc import Callable, Collection
from dataclasses import replace
from itertools import count
from typing import NamedTuple

from tracestore.domain.spans import PAYLOAD_FIELDS, SpanUpdate

from . import keys
from .dynamo import ConditionFailed
from .items import Head, StoredTrace
from .segments import Item, Segment, compacted_items, payload_items, segment_items, segment_of
from .store import Store, expiry_of_items, keys_of, live_head, put_companions, put_head
from .table import Deadline


class Erasure(NamedTuple):
    """Items to store before a head, and the keys of those to remove after it."""

    puts: list[Item]
    deletes: list[tuple[str, str]]


def erasure_of(store: Store, pk: str, stored: StoredTrace, head: Head) -> Erasure:
    """How the spans that `head` names as deleted leave what is stored; nothing where they already have.

    With them goes what other payloads may lean on, so that from then on all payloads of the trace stand alone.
    """
    affected = {digest for digest, segment in stored.segments.items() if _is_affected(segment, head)}
    if not affected:
        return Erasure([], [])
    delta = {digest for digest, segment in stored.segments.items() if segment.base} - affected
    store.with_payloads(pk, stored, affected | delta)
    expires_at_s = expiry_of_items(head.expires_at_s)
    puts: list[Item] = []
    deletes: list[tuple[str, str]] = []
    for digest in sorted(delta):
        segment = stored.segments[digest]
        if segment.base is None or segment.text is None:
            continue  # another writer has removed what it leaned on, and made it stand alone before
        deletes.append((pk, keys.delta_payload(head.generation, digest, segment.base)))
        stored.segments[digest] = rebased = segment.rebased()
        items_of = segment_items if digest in stored.loose else payload_items
        puts += items_of(pk, head.generation, rebased, expires_at_s)
    for segment in (stored.segments[digest] for digest in sorted(affected)):
        kept = [_as_read(update) for update in segment.updates if update.fields["span_id"] not in head.deleted]
        if kept:
            puts += segment_items(pk, head.generation, segment_of(kept), expires_at_s)
        prefix = keys.payload_of(head.generation, segment.digest)
        deletes += keys_of(store.table.query(pk, prefix, prefix + "~", keys_only=True))
        deletes.append((pk, keys.segment(head.generation, segment.digest)))
    for sk, digests in stored.compacted.items():
        if not (affected | delta).isdisjoint(digests):
            clean = [stored.segments[digest] for digest in digests if digest not in affected]
            puts += compacted_items(pk, head.generation, clean, expires_at_s)
            deletes.append((pk, sk))
    once = {(pk, item["sk"]["S"]): item for item in puts}  # two segments may be the same without the span
    return Erasure(list(once.values()), [key for key in deletes if key not in once])


def erase(store: Store, user_id: str, trace_id: str, deadline: Deadline) -> None:
    """Remove what is left of deleted spans from a trace. *repeat*: harmless."""
    erase_with(store, user_id, trace_id, lambda _, head: head, deadline)


def erase_with(
    store: Store, user_id: str, trace_id: str, next_of: Callable[[StoredTrace, Head], Head], deadline: Deadline
) -> bool:
    """Put the head that `next_of` makes of what is stored, and remove what is left of the spans it names as deleted.

    `next_of` is asked again each time another writer was faster. Where it leaves the head as it is and nothing is left,
    nothing is written. False when there is no such trace, or no longer.
    """
    pk = keys.trace(user_id, trace_id)
    written: list[tuple[str, str]] = []
    for attempt in count():
        stored = store.read_core(pk)
        head = live_head(stored, store.now_ms())
        if head is None or head.is_tombstone:
            store.table.write(deletes=dict.fromkeys(written), deadline=deadline)
            return False
        store.table.write(deletes=dict.fromkeys(orphaned_items(stored, head.generation, written)), deadline=deadline)
        new = next_of(stored, head)
        found = erasure_of(store, pk, stored, new)
        if new is head and not found.deletes:
            return True
        put_companions(store, found.puts, deadline)
        written += keys_of(found.puts)
        try:
            put_head(store, user_id, trace_id, replace(new, version=head.version + 1), head)
        except ConditionFailed:
            deadline.pause(attempt)
            continue
        remove(store, found, deadline)
        return True
    raise AssertionError("unreachable: patience ends first")


def orphaned_items(
    stored: StoredTrace, generation: str, written: Collection[tuple[str, str]], *, but: str = ""
) -> list[tuple[str, str]]:
    """The keys of what a writer wrote for segments that are not in the trace as he finds it, those of one digest apart.

    Another writer has scrubbed those segments, and did not know of what was written at the same moment.
    """
    known = {(generation, digest) for digest in (*stored.segments, but)}
    return [(pk, sk) for pk, sk in written if keys.segment_named(sk) not in (None, *known)]


def remove(store: Store, found: Erasure, deadline: Deadline) -> None:
    """Remove what a scrub replaced: payload first, so that who is interrupted leaves the rest for the next to meet."""
    parts = [key for key in found.deletes if keys.is_payload(key[1])]
    store.table.write(deletes=parts, deadline=deadline)
    store.table.write(deletes=[key for key in found.deletes if not keys.is_payload(key[1])], deadline=deadline)


def _is_affected(segment: Segment, head: Head) -> bool:
    return any(update.fields["span_id"] in head.deleted for update in segment.updates)


def _as_read(update: SpanUpdate) -> SpanUpdate:
    """The record without the payload that it came without: another writer has replaced the segment already."""
    return replace(update, payload_fields=tuple(name for name in PAYLOAD_FIELDS if name in update.fields))
