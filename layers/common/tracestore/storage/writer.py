"""Spans into the table, so that what was acknowledged is stored and the same writes in any order give the same trace.

How a trace is written: its segment first, then its head, derived from everything that is stored and put on condition of
the version it was read at. A crash in between leaves a segment that the next writer takes in. Who loses the race for
the head reads it again, and is done when it already covers what he wrote.
"""

from collections.abc import Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import count
from typing import Final

from tracestore.domain.errors import Conflict
from tracestore.domain.heads import root_of
from tracestore.domain.merge import Span, is_ended, merge
from tracestore.domain.spans import CAPTURED, SpanFields, SpanUpdate, span_update

from . import keys
from .compaction import compact, is_due
from .deletes import purge
from .dynamo import ConditionFailed
from .erasure import erasure_of, orphaned_items, remove
from .items import Head, StoredTrace, alias_items, head_from, head_item, item_bytes
from .pending_deletions import is_pending_deletion, read_pending_deletions
from .reading import read_span, span_with_payload
from .recompute import first_head, next_head
from .segments import Item, Segment, payload_items, segment_items, segment_of, segments_of
from .store import Store, expiry_of_items, keys_of, live_head, put_companions, put_head
from .table import Deadline

READ_UNIT_BYTES: Final = 4_096
"""A list reads heads whole. Up to one read unit a segment rides in its head for nothing, if no more is to come."""

WRITE_UNIT_BYTES: Final = 1_024
"""While more is to come, every later write puts the head again: then only what keeps it at one write unit may ride."""

TRACES_AT_ONCE: Final = 8


@dataclass(frozen=True, slots=True)
class Rejection:
    """A span that was not stored because it, or its trace, was deleted."""

    trace_id: str
    span_id: str
    code: str
    message: str


def capture(
    store: Store,
    user_id: str,
    spans: Iterable[tuple[str, SpanFields]],
    deadline: Deadline | None = None,
    *,
    precedence: int = CAPTURED,
) -> list[Rejection]:
    """Store captured spans, given with their trace ids; returns those that a deletion forbids.

    *repeat*: the same again changes nothing. *raises* Unavailable: some traces may be stored by then, nothing that was
    stored before is lost, and the same call again completes it.
    """
    deadline = deadline or Deadline()
    received_ms = store.now_ms()
    by_trace: dict[str, list[SpanUpdate]] = {}
    for trace_id, fields in spans:
        by_trace.setdefault(trace_id, []).append(span_update(fields, received_ms=received_ms, precedence=precedence))
    writes = [
        _Capture(store, user_id, trace_id, segment, deadline)
        for trace_id, updates in by_trace.items()
        for segment in segments_of(updates)
    ]
    put_companions(store, [item for write in writes for item in write.companion_items()], deadline)
    if len(writes) == 1:
        return writes[0].settle()
    with ThreadPoolExecutor(TRACES_AT_ONCE) as pool:
        return [rejection for rejections in pool.map(_Capture.settle, writes) for rejection in rejections]


def capture_one(
    store: Store, user_id: str, trace_id: str, fields: SpanFields, deadline: Deadline | None = None
) -> tuple[Head, Span]:
    """Store one captured span; returns it as it is then, merged with what was known, and its trace's head.

    *repeat* and *raises* as `capture`; Conflict where a deletion forbids it.
    """
    deadline = deadline or Deadline()
    segment = segment_of([span_update(fields, received_ms=store.now_ms())])
    write = _Capture(store, user_id, trace_id, segment, deadline)
    put_companions(store, write.companion_items(), deadline)
    for rejection in write.settle():
        raise Conflict(rejection.message, code=rejection.code)
    if write.stored is None or write.stored.head is None:  # another writer's head covers it
        return read_span(store, user_id, trace_id, fields["span_id"])
    return write.stored.head, span_with_payload(store, write.pk, write.stored, fields["span_id"])


class _Capture:
    """One request's write to one trace.

    `written` are the keys of what it has stored beside the head, for taking it back; `stored` is the trace as it left
    it, unless another writer had the last word.
    """

    def __init__(self, store: Store, user_id: str, trace_id: str, segment: Segment, deadline: Deadline) -> None:
        self.store = store
        self.user_id = user_id
        self.trace_id = trace_id
        self.segment = segment
        self.deadline = deadline
        self.pk = keys.trace(user_id, trace_id)
        self.written: list[tuple[str, str]] = []
        self.stored: StoredTrace | None = None
        self.new_head = self._complete_head()

    def _complete_head(self) -> Head | None:
        """The head to try first when the root is here, since then the trace is likely to be new."""
        if self.pk in self.store.delta_bases:
            return None
        root = root_of(merge(self.segment.updates))
        if root.parent_span_id is not None:
            return None
        head = first_head(self.store, self.trace_id, self.segment)
        limit = READ_UNIT_BYTES if is_ended(root.fields) else WRITE_UNIT_BYTES
        for inline_segment in (self.segment, replace(self.segment, payload=None)):
            loaded = replace(head, first=inline_segment)
            if item_bytes(self._item(loaded)) <= limit:
                return loaded
        return head

    def companion_items(self) -> list[Item]:
        """What has to be stored before a head that may turn out to be the trace's first; nothing for any other."""
        if self.new_head is None:
            return []
        head, expires_at_s = self.new_head, expiry_of_items(self.new_head.expires_at_s)
        if head.first is None:
            items = segment_items(self.pk, head.generation, self.segment, expires_at_s, is_first=True)
        elif head.first.payload is None:
            items = payload_items(self.pk, head.generation, self.segment, expires_at_s)
        else:
            items = []
        items += self._aliases(head)
        self.written += keys_of(items)
        return items

    def settle(self) -> list[Rejection]:
        """Store the segment and a head that covers it."""
        if self.new_head is not None:
            try:
                put_head(self.store, self.user_id, self.trace_id, self.new_head, None)
                self.stored = StoredTrace(self.new_head, {self.segment.digest: self.segment})
                return []
            except ConditionFailed:
                pass  # the trace is there already
        for attempt in count():
            stored = self.store.read_core(self.pk)
            head = live_head(stored, self.store.now_ms())
            if head is not None and (
                head.is_tombstone or is_pending_deletion(head, read_pending_deletions(self.store, self.user_id))
            ):
                return self._refused(head)
            segment, rejected = self._without_deleted(head)
            if not segment.updates:
                # Without aliases: other spans of the trace may have the same messages.
                self._roll_back([(pk, sk) for pk, sk in self.written if keys.segment_named(sk)])
                return rejected
            generation = head.generation if head else self.store.generation()
            self._roll_back(orphaned_items(stored, generation, self.written, but=segment.digest))
            if self._put_with(segment, stored, head):
                return rejected
            self.deadline.pause(attempt)
            if self._is_included(segment):
                return rejected
        raise AssertionError("unreachable: patience ends first")

    def _put_with(self, segment: Segment, stored: StoredTrace, head: Head | None) -> bool:
        """Store the segment and the head that covers all there is; False when another writer was faster."""
        old, begins = stored.head, head is None
        if head is None:
            first = first_head(self.store, self.trace_id, segment)
            head = stored.head = replace(first, version=old.version if old else 0)
        is_there = _is_whole(stored, head, segment.digest)
        if not is_there and not head.deleted:  # else what it leans on might be about to go
            segment = self.store.delta_bases.delta_encode(self.pk, head.generation, segment, stored.segments)
        self._store_segment(segment, head, is_there=is_there)
        if not is_there:
            stored.segments[segment.digest] = segment
            stored.loose.add(segment.digest)
        new = next_head(self.store, self.pk, head, stored)
        found = erasure_of(self.store, self.pk, stored, new)
        self._put_companions(found.puts)
        is_compacting = not found.deletes and is_due(new, stored, self.store.now_ms())
        if is_compacting:
            new = replace(new, compaction_started_ms=self.store.now_ms())
        # What is new counts only with a head that replaces the one which was read: else a deletion would not notice it.
        if begins or not is_there or is_compacting or found.deletes or new.summary != head.summary:
            try:
                put_head(self.store, self.user_id, self.trace_id, new, old)
            except ConditionFailed:
                return False
            stored.head = new
        self.stored = stored
        self.store.delta_bases.remember(self.pk, new.generation, stored.segments[segment.digest])
        if is_compacting:
            compact(self.store, self.user_id, self.trace_id, stored, self.deadline)
        remove(self.store, found, self.deadline)
        return True

    def _store_segment(self, segment: Segment, head: Head, *, is_there: bool) -> None:
        """Store the segment unless it is there, and its aliases unless they are there as this head calls for."""
        items = [] if is_there else segment_items(self.pk, head.generation, segment, expiry_of_items(head.expires_at_s))
        aliases = self._aliases(head)
        if not is_there or (self.new_head is not None and aliases != self._aliases(self.new_head)):
            items += aliases
        self._put_companions(items)

    def _put_companions(self, items: list[Item]) -> None:
        self.written += keys_of(items)
        put_companions(self.store, items, self.deadline)

    def _roll_back(self, written: Collection[tuple[str, str]]) -> None:
        """Remove what this write stored beside the head."""
        self.store.table.write(deletes=dict.fromkeys(written), deadline=self.deadline)
        self.written = [key for key in self.written if key not in set(written)]

    def _is_included(self, segment: Segment) -> bool:
        """Whether the head of the faster writer was made with this segment in sight.

        Not where spans were deleted: what the segment leans on may be gone.
        """
        item = self.store.table.get(self.pk, keys.HEAD)
        head = head_from(item) if item else None
        if head is None or head.is_tombstone or head.deleted:
            return False
        return head.includes(segment)

    def _without_deleted(self, head: Head | None) -> tuple[Segment, list[Rejection]]:
        """The segment without the spans that were deleted for good, and the rejection of those.

        What was stored of them already is in sight of the next head, and removed with it.
        """
        deleted = self._span_ids() & head.deleted if head else set()
        if not deleted:
            return self.segment, []
        kept = [update for update in self.segment.updates if update.fields["span_id"] not in deleted]
        message = "This span was deleted; give a new span an id of its own."
        return segment_of(kept), self._rejections(deleted, "span_deleted", message)

    def _refused(self, head: Head) -> list[Rejection]:
        self._roll_back(self.written)
        if head.is_tombstone and not head.is_purged:
            purge(self.store, self.user_id, self.trace_id, self.deadline)  # whoever deleted it was interrupted
        message = "The trace of this span was deleted; give a new trace an id of its own."
        return self._rejections(self._span_ids(), "trace_deleted", message)

    def _rejections(self, span_ids: set[str], code: str, message: str) -> list[Rejection]:
        return [Rejection(self.trace_id, span_id, code, message) for span_id in sorted(span_ids)]

    def _span_ids(self) -> set[str]:
        return {update.fields["span_id"] for update in self.segment.updates}

    def _aliases(self, head: Head) -> list[Item]:
        return alias_items(self.user_id, self.trace_id, head, self.segment.updates)

    def _item(self, head: Head) -> Item:
        return head_item(self.user_id, self.trace_id, head, self.store.time_shards)


def _is_whole(stored: StoredTrace, head: Head, digest: str) -> bool:
    """Whether a segment is stored and stays readable.

    One that leans may lose what it leans on: a scrub that began before it was stored does not know of it.
    """
    segment = stored.segments.get(digest)
    return segment is not None and (segment.base is None or not head.deleted)
