"""The capture of spans: an acknowledged span is stored, and the same writes in any order give the same trace.

A capture writes a trace's segment first. Then it derives the head from everything that is stored, and puts it on
condition of the version that it read. A crash in between leaves a segment that the next writer takes in. A writer that
loses the race for the head reads it again, and is done when the head includes its segment already.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from functools import cache
from typing import Final

from tracestore.domain.errors import Conflict
from tracestore.domain.media import Medium
from tracestore.domain.merge import Span
from tracestore.domain.span_text import SpanTexts
from tracestore.domain.spans import CAPTURED, SpanFields, SpanUpdate
from tracestore.domain.updates import span_update

from . import keys
from .annotations import adopted_items
from .compaction import compact, is_due
from .deletes import purge
from .dynamo import ConditionFailed
from .erasure import delete_erased, erasure_of, is_of_segment, orphaned_items
from .items import add_index_items, alias_items, core_bytes_of, head_from, keys_of
from .media import NO_MEDIA, media_of, put_media
from .model import EmptiedHead, Head, Item, ItemKey, LiveHead, Segment, StoredHead, StoredTrace, Tombstone
from .new_traces import NewTrace, new_trace
from .pending_deletions import is_pending_deletion, recent_pending_deletions
from .reading import read_span, span_with_payload
from .recompute import empty_head, next_head
from .segments import segment_items, segment_of, segments_of
from .store import Scope, expiry_of_companions

CAPTURE_THREADS: Final = 8
"""Traces that a process writes at the same time, by threads that stay from request to request."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """A span that was not stored because it, or its trace, was deleted, or because its trace is full."""

    trace_id: str
    span_id: str
    code: str
    message: str


def capture(
    scope: Scope,
    spans: Iterable[tuple[str, SpanFields]],
    *,
    precedence: int = CAPTURED,
    media: Mapping[str, Medium] = NO_MEDIA,
    texts: SpanTexts | None = None,
) -> list[Rejection]:
    received_ms, texts = scope.now_ms(), texts or SpanTexts()
    by_trace: dict[str, list[SpanUpdate]] = {}
    text_bytes: dict[str, int] = {}
    for trace_id, fields in spans:
        text = texts.take(fields)
        update = span_update(fields, received_ms=received_ms, precedence=precedence, text=text)
        by_trace.setdefault(trace_id, []).append(update)
        text_bytes[trace_id] = text_bytes.get(trace_id, 0) + len(text.whole)
    captures = [
        _Capture(scope, trace_id, segment, media)
        for trace_id, updates in by_trace.items()
        for segment in segments_of(updates, text_bytes[trace_id])
    ]
    scope.put_companions([item for each in captures for item in each.companion_items()])
    if len(captures) == 1:
        return captures[0].commit()
    return _commit_all(captures)


def capture_one(
    scope: Scope, trace_id: str, fields: SpanFields, media: Mapping[str, Medium] = NO_MEDIA
) -> tuple[Head, Span]:
    each = _Capture(scope, trace_id, segment_of([span_update(fields, received_ms=scope.now_ms())]), media)
    scope.put_companions(each.companion_items())
    for rejection in each.commit():
        raise Conflict(rejection.message, code=rejection.code)
    if each.stored is None or not isinstance(each.stored.head, Head):  # another writer's head includes the segment
        return read_span(scope, trace_id, fields["span_id"])
    return each.stored.head, span_with_payload(scope, trace_id, each.stored, fields["span_id"])


def _commit_all(captures: Sequence["_Capture"]) -> list[Rejection]:
    """Commit captures at the same time. After one fails, no other begins, and those under way end first."""
    futures = [_threads().submit(each.commit) for each in captures]
    _, unfinished = wait(futures, return_when=FIRST_EXCEPTION)
    for future in unfinished:
        future.cancel()
    wait(unfinished)
    begun = [future for future in futures if not future.cancelled()]  # with a cancelled one, another of them raises
    return [rejection for future in begun for rejection in future.result()]


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(CAPTURE_THREADS, thread_name_prefix="capture")


class _Capture:
    """One request's write to one trace.

    `new` is the trace to try first where the segment has the root, since then the trace is likely to be new: not where
    this process has written to it, and not with media, which cost more to write than the trace to read. `written`
    has the keys of the companion items that it stored, for a rollback. `stored` is the trace as this write left it,
    unless another writer was the last.
    """

    def __init__(self, scope: Scope, trace_id: str, segment: Segment, media: Mapping[str, Medium]) -> None:
        self.scope = scope
        self.trace_id = trace_id
        self.segment = segment
        self.media = media_of(segment.updates, media)
        self.pk = scope.trace_pk(trace_id)
        self.written: list[ItemKey] = []
        self.stored: StoredTrace | None = None
        self.new = None if self.media or self.pk in scope.store.delta_bases else new_trace(scope, trace_id, segment)
        self._lost_race: tuple[Segment, list[Rejection]] | None = None

    def companion_items(self) -> list[Item]:
        """The items to store before a head that may be the trace's first; none where no such head is tried."""
        companions = self.new.companions if self.new else []
        self.written += keys_of(companions)
        return companions

    def commit(self) -> list[Rejection]:
        """Store the segment and a head that includes it."""
        is_done = self._put_first(self.new) if self.new is not None else self._add_to_remembered()
        return [] if is_done else self.scope.deadline.retry(self._attempt)

    def _put_first(self, new: NewTrace) -> bool:
        """Put the first head of the trace. *absent*: False where the trace exists already."""
        try:
            self.scope.put_head(self.trace_id, new.head, None, item=new.item)
        except ConditionFailed:
            return False
        is_pending = new.head.summary.status == "pending"  # else the trace is likely to be complete
        self._remember(new.stored(self.segment), self.segment, as_put=is_pending)
        return True

    def _add_to_remembered(self) -> bool:
        """Add the segment to the trace as this process remembers it. *absent*: False where the trace must be read.

        Only a head that is put shows that the trace is still as it is remembered. So it is read where the segment is in
        it already, and before a span is rejected.
        """
        recent_traces = self.scope.store.recent_traces
        remembered = recent_traces.take(self.pk, self.scope.now_ms())
        if remembered is None or self.segment.digest in remembered.segments or not self.scope.live_head(remembered):
            return False
        try:
            return not self._add_to(remembered)
        except ConditionFailed:
            recent_traces.share(self.pk)
            self._lost_race = None  # the other writer need not have seen the segment
            return False

    def _attempt(self) -> list[Rejection]:
        """One read of the trace and one put of its head. *raises*: ConditionFailed when another writer was faster."""
        if self._lost_race is not None:
            segment, rejected = self._lost_race
            if self._is_included(segment):
                return rejected
        return self._add_to(self.scope.read_core(self.trace_id))

    def _add_to(self, stored: StoredTrace) -> list[Rejection]:
        """Add the segment to the trace, which is `stored`. *raises*: ConditionFailed when another writer was faster."""
        head = self.scope.live_head(stored)
        if isinstance(head, Tombstone):
            return self._refused(head)
        if head is not None and is_pending_deletion(head, recent_pending_deletions(self.scope)):
            return self._refused(head)
        segment, rejected = self._admitted(head, stored)
        if not segment.updates:
            # Aliases stay: other spans of the trace may have the same messages.
            self._roll_back([(pk, sk) for pk, sk in self.written if is_of_segment(sk)])
            return rejected
        generation = head.generation if head else self.scope.store.generation()
        self._roll_back(orphaned_items(stored, generation, self.written, spare=segment.digest))
        self._lost_race = segment, rejected
        self._put_with(segment, stored, head)
        return rejected

    def _put_with(self, segment: Segment, stored: StoredTrace, head: LiveHead | None) -> None:
        """Store the segment and the head that includes everything. *raises*: ConditionFailed."""
        store, old = self.scope.store, stored.head
        if head is None:
            head = stored.head = empty_head(store, self.trace_id, segment, old)
        is_stored = _is_readable(stored, head, segment.digest)
        if not is_stored and not head.deleted:  # else the erasure of a deleted span might remove its delta base
            segment = store.delta_bases.delta_encode(self.pk, segment, stored.segments)
        self.written += put_media(self.scope, self.trace_id, head, self.media)
        self._store_segment(segment, head, stored, is_stored=is_stored)
        new = next_head(self.scope, self.trace_id, head, stored)
        erasure = erasure_of(self.scope, self.trace_id, stored, new)
        new = erasure.reflected_in(new, stored)
        self._put_companions(erasure.puts)
        is_compacting = not erasure.deletes and is_due(new, stored, self.scope.now_ms())
        if is_compacting:
            new = replace(new, compaction_started_ms=self.scope.now_ms())
        # A new segment counts only with a head that replaces the one that was read: else a deletion would miss it, and
        # a reader that compares heads too. One that is stored may have no head yet: its writer was interrupted.
        is_included = is_stored and new.merged_sum == head.merged_sum
        if not is_included or is_compacting or erasure.deletes or not _is_same_summary(new, head):
            self.scope.put_head(self.trace_id, new, old, adopted_items(self.scope, self.trace_id, new, stored))
            stored.head = new
        self._remember(stored, segment, as_put=stored.head is new and not is_compacting)
        if is_compacting:
            compact(self.scope, self.trace_id, stored)
        delete_erased(self.scope, erasure)

    def _remember(self, stored: StoredTrace, segment: Segment, *, as_put: bool) -> None:
        """Remember the segment as a delta base, and the trace if it is `as_put`: exactly what its new head includes."""
        assert stored.head is not None
        self.stored = stored
        self.scope.store.delta_bases.remember(self.pk, stored.segments[segment.digest])
        if as_put:
            self.scope.remember(self.trace_id, stored)

    def _store_segment(self, segment: Segment, head: LiveHead, stored: StoredTrace, *, is_stored: bool) -> None:
        """Store the segment and its aliases, except what is stored as this head calls for, and add them to `stored`."""
        aliases = [item for item in self._aliases(head) if stored.index_items.get(item["sk"]["S"]) != item]
        segment_parts = []
        if not is_stored:
            expires_at_s = expiry_of_companions(head.expires_at_s)
            segment_parts = segment_items(self.pk, head.generation, segment, expires_at_s)
            stored.segments[segment.digest] = segment
            stored.loose.add(segment.digest)
            stored.core_bytes += core_bytes_of(segment_parts[0])
        self._put_companions(segment_parts + aliases)
        add_index_items(stored, aliases)

    def _put_companions(self, items: list[Item]) -> None:
        self.written += keys_of(items)
        self.scope.put_companions(items)

    def _roll_back(self, written: Collection[ItemKey]) -> None:
        """Remove companion items that this write stored."""
        self.scope.table.write(deletes=dict.fromkeys(written))
        self.written = [key for key in self.written if key not in set(written)]

    def _is_included(self, segment: Segment) -> bool:
        """Whether the head of the faster writer was derived from this segment too.

        Never where spans were deleted: the segment's delta base may be gone.
        """
        item = self.scope.table.get(self.pk, keys.HEAD)
        head = head_from(item) if item else None
        if not isinstance(head, Head | EmptiedHead) or head.deleted:
            return False
        return head.includes(segment)

    def _admitted(self, head: LiveHead | None, stored: StoredTrace) -> tuple[Segment, list[Rejection]]:
        """The segment without the spans that the trace does not take in, and the rejections of those.

        The next head sees copies of deleted spans that are stored already, and erases them.
        """
        deleted = self._span_ids() & head.deleted if head else set()
        excess = self._excess(head, stored, self._span_ids() - deleted)
        if not deleted and not excess:
            return self.segment, []
        refused = deleted | excess
        rest = [update for update in self.segment.updates if update.fields["span_id"] not in refused]
        message = "This span was deleted; give a new span an id of its own."
        rejected = self._rejections(deleted, "span_deleted", message)
        return segment_of(rest), rejected + self._rejections(excess, "trace_too_large", _too_large(self.scope))

    def _excess(self, head: LiveHead | None, stored: StoredTrace, span_ids: set[str]) -> set[str]:
        """Of these spans, the new ones for which the trace has no room; those that begin first are taken in.

        Writers that race for the last room may all use it: the limit keeps writes cheap and need not be exact.
        """
        most = self.scope.store.trace_spans_most
        span_count = head.summary.span_count if isinstance(head, Head) else 0
        if span_count + len(span_ids) <= most:
            return set()
        known = _span_ids_in(stored.segments.values(), head)
        if len(known | span_ids) <= most:
            return set()
        if self._withdraw(stored):
            known = _span_ids_in(stored.segments.values(), head)
        starts = {update.fields["span_id"]: update.fields.get("start_ns", 0) for update in self.segment.updates}
        new = sorted(span_ids - known, key=lambda span_id: (starts[span_id], span_id))
        return set(new[max(0, most - len(known)) :])

    def _withdraw(self, stored: StoredTrace) -> bool:
        """Remove this writer's whole segment, which it stored for a new trace, from the trace that exists already.

        *absent*: False where it has stored none.
        """
        digest = self.segment.digest
        items = [(pk, sk) for pk, sk in self.written if is_of_segment(sk) and keys.parse(sk).digest == digest]
        if not items:
            return False
        self._roll_back(items)
        stored.segments.pop(digest, None)
        stored.loose.discard(digest)
        return True

    def _refused(self, head: StoredHead) -> list[Rejection]:
        self._roll_back(self.written)
        if isinstance(head, Tombstone) and not head.is_purged:
            purge(self.scope, self.trace_id)  # the writer that deleted the trace was interrupted
        message = "The trace of this span was deleted; give a new trace an id of its own."
        return self._rejections(self._span_ids(), "trace_deleted", message)

    def _rejections(self, span_ids: set[str], code: str, message: str) -> list[Rejection]:
        return [Rejection(self.trace_id, span_id, code, message) for span_id in sorted(span_ids)]

    def _span_ids(self) -> set[str]:
        return {update.fields["span_id"] for update in self.segment.updates}

    def _aliases(self, head: StoredHead) -> list[Item]:
        return alias_items(self.scope.user_id, self.trace_id, head, self.segment.updates)


def _span_ids_in(segments: Iterable[Segment], head: LiveHead | None) -> set[str]:
    """The spans of these segments, except those that were deleted for good."""
    stored = {update.fields["span_id"] for segment in segments for update in segment.updates}
    return stored - head.deleted if head else stored


def _too_large(scope: Scope) -> str:
    most = scope.store.trace_spans_most
    return (
        f"The trace of this span has the {most:,} spans that a trace may have; send further spans with a new trace id."
    )


def _is_same_summary(new: LiveHead, old: LiveHead) -> bool:
    if isinstance(new, EmptiedHead) or isinstance(old, EmptiedHead):
        return isinstance(new, EmptiedHead) and isinstance(old, EmptiedHead)
    return new.summary == old.summary


def _is_readable(stored: StoredTrace, head: LiveHead, digest: str) -> bool:
    """Whether a segment is stored and stays readable.

    A delta-encoded payload may lack its base: the trace that had it is gone. It may also lose it: an erasure that began
    before it was stored does not know of it.
    """
    visited: set[str] = set()
    while digest not in visited:  # no writer stores a cycle, and following one would not end
        visited.add(digest)
        segment = stored.segments.get(digest)
        if segment is None or (segment.base is not None and head.deleted):
            return False
        if segment.base is None:
            return True
        digest = segment.base
    return False
