"""Many small segments of one trace into one item, so that the next writer reads a few items and not hundreds.

A fold holds the light parts of its segments as they came, nothing merged: what a later record outranks is decided when
the trace is read, as ever. Payloads stay where they are, or move to parts of their own if they rode in the segment.
"""

from typing import Final

from . import keys
from .erasure import erase
from .items import Head, StoredTrace, head_from
from .segments import compacted_items, payload_items
from .store import Store, expiry_of_items, keys_of, put_companions
from .table import Deadline

COMPACT_AT: Final = 32
"""Loose segments that make a fold: reading them costs about two read units, folding them one write unit each."""

LEASE_MS: Final = 3_000
"""For how long others leave the folding to the writer that set out to do it."""


def is_due(head: Head, stored: StoredTrace, now_ms: int) -> bool:
    """Whether the writer of this head should fold."""
    return len(stored.loose) >= COMPACT_AT and head.compaction_started_ms + LEASE_MS < now_ms


def compact(store: Store, user_id: str, trace_id: str, stored: StoredTrace, deadline: Deadline) -> None:
    """Fold the loose segments. *repeat*: harmless; segments that are in two folds count once.

    The fold is there before a segment goes, and sorts behind all of them: a reader finds each segment at least once.
    """
    assert stored.head is not None
    pk = keys.trace(user_id, trace_id)
    generation, expires_at_s = stored.head.generation, expiry_of_items(stored.head.expires_at_s)
    segments = [stored.segments[digest] for digest in sorted(stored.loose)]
    inline = [segment for segment in segments if segment.is_payload_inline]
    companions = [item for segment in inline for item in payload_items(pk, generation, segment, expires_at_s)]
    companions += compacted_items(pk, generation, segments, expires_at_s)
    put_companions(store, companions, deadline)
    item = store.table.get(pk, keys.HEAD)
    head = head_from(item) if item else None
    if head is None or head.is_tombstone:  # deleted meanwhile: nothing may be left behind
        store.table.write(deletes=keys_of(companions), deadline=deadline)
        return
    store.table.write(deletes=[(pk, keys.segment(generation, digest)) for digest in stored.loose], deadline=deadline)
    if head.deleted != stored.head.deleted:  # what was folded may hold a span that was deleted meanwhile
        erase(store, user_id, trace_id, deadline)
