"""Compaction: many small segments of one trace become one item, so that the next writer reads few items.

A compacted item contains the cores of its segments unchanged, nothing merged: precedence is decided when the trace is
read, as always. Payloads stay where they are; a payload inline in a segment moves to parts of its own.
"""

from typing import Final

from . import keys
from .erasure import rederive
from .items import head_from, keys_of
from .model import EmptiedHead, Head, LiveHead, StoredTrace
from .segments import compacted_items, payload_items
from .store import Scope, expiry_of_companions

COMPACT_AT: Final = 32
"""Loose segments that trigger a compaction: reading them costs about two read units, compacting one write unit each."""

LEASE_MS: Final = 3_000
"""Other writers leave the compaction for this long to the writer that began it."""


def is_due(head: LiveHead, stored: StoredTrace, now_ms: int) -> bool:
    """Whether the writer of this head should compact the trace."""
    return len(stored.loose) >= COMPACT_AT and head.compaction_started_ms + LEASE_MS < now_ms


def compact(scope: Scope, trace_id: str, stored: StoredTrace) -> None:
    """Compact the loose segments.

    The compacted item is stored before a segment is removed, and sorts after all of them: a reader finds each segment
    at least once. *repeat*: harmless; a segment in two compacted items counts once.
    """
    assert isinstance(stored.head, Head | EmptiedHead)
    pk = scope.trace_pk(trace_id)
    generation, expires_at_s = stored.head.generation, expiry_of_companions(stored.head.expires_at_s)
    segments = [stored.segments[digest] for digest in sorted(stored.loose)]
    inline = [segment for segment in segments if segment.is_payload_inline]
    companions = [item for segment in inline for item in payload_items(pk, generation, segment, expires_at_s)]
    companions += compacted_items(pk, generation, segments, expires_at_s)
    scope.put_companions(companions)
    item = scope.table.get(pk, keys.HEAD)
    head = head_from(item) if item else None
    if not isinstance(head, Head | EmptiedHead):  # deleted meanwhile: no item may be left
        scope.table.write(deletes=keys_of(companions))
        return
    scope.table.write(deletes=[(pk, keys.segment(generation, digest)) for digest in stored.loose])
    if head.deleted != stored.head.deleted:  # the compacted item may contain a span that was deleted meanwhile
        rederive(scope, trace_id)
