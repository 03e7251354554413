"""One trace or one span out of the table, for good.

A deleted trace leaves a tombstone in place of its head: from then on it is invisible, and a span that arrives late is
refused. What is stored beside it is removed afterwards; whoever meets a tombstone that is not yet purged finishes that.
"""

from contextlib import suppress
from dataclasses import replace
from itertools import count

from tracestore.domain.errors import NotFound
from tracestore.domain.merge import merge

from . import keys
from .dynamo import ConditionFailed
from .items import Head, Item, Segment, StoredTrace, fold_item, head_from, head_item, segment_items, segment_of
from .marks import is_hidden, read_marks
from .recompute import next_head
from .store import Store, expiry_of_items, live_head
from .table import Patience


def delete_trace(store: Store, user_id: str, trace_id: str, patience: Patience | None = None) -> int:
    """Delete a trace; returns how many spans it had. *raises* NotFound, also when it is deleted already."""
    patience = patience or Patience()
    pk = keys.trace(user_id, trace_id)
    for attempt in count():
        item = store.table.get(pk, keys.HEAD)
        head = head_from(item) if item else None
        if head is not None and head.is_tombstone and not head.is_purged:
            purge(store, user_id, trace_id, patience)
        if head is None or head.is_tombstone or head.summary is None or head.is_expired(store.now_ms()):
            raise NotFound("There is no such trace.")
        tombstone = Head(
            version=head.version + 1,
            generation=head.generation,
            expires_at_s=store.expiry_s(),
            position=head.position,
            created_ms=head.created_ms,
            updated_ms=store.now_ms(),
            summary=None,
            is_tombstone=True,
        )
        try:
            store.table.put(head_item(user_id, trace_id, tombstone, store.time_shards), head.version)
        except ConditionFailed:
            patience.pause(attempt)
            continue
        purge(store, user_id, trace_id, patience)
        return head.summary.span_count
    raise AssertionError("unreachable: patience ends first")


def purge(store: Store, user_id: str, trace_id: str, patience: Patience) -> None:
    """Remove all that is stored beside a tombstone. *repeat*: harmless."""
    pk = keys.trace(user_id, trace_id)
    head: Head | None = None
    beside = []
    for item in store.table.query(pk):
        if item["sk"]["S"] == keys.HEAD:
            head = head_from(item)
        else:
            beside.append((pk, item["sk"]["S"]))
    if head is None or not head.is_tombstone:
        return
    store.table.write(deletes=beside, patience=patience)
    done = replace(head, version=head.version + 1, is_purged=True)
    with suppress(ConditionFailed):  # somebody else met the tombstone and was faster
        store.table.put(head_item(user_id, trace_id, done, store.time_shards), head.version)


def delete_span(store: Store, user_id: str, trace_id: str, span_id: str, patience: Patience | None = None) -> None:
    """Delete one span; its children become roots, and it cannot be written again. *raises* NotFound."""
    patience = patience or Patience()
    pk = keys.trace(user_id, trace_id)
    for attempt in count():
        stored = store.read_light(pk)
        head = live_head(stored, store.now_ms())
        spans = merge(stored.records(), head.deleted) if head else []
        if head is None or head.is_tombstone or span_id not in {span.span_id for span in spans}:
            raise NotFound("There is no such span in this trace.")
        if is_hidden(head, read_marks(store, user_id)):
            raise NotFound("There is no such span in this trace.")
        new = next_head(store, pk, replace(head, deleted=head.deleted | {span_id}), stored)
        if new.first and any(record.facts["span_id"] == span_id for record in new.first.records):
            # What rides in the head leaves it, to be rewritten like any other segment.
            (whole,) = store.with_payloads(pk, stored, [new.first.digest])
            items = segment_items(pk, head.generation, whole, expiry_of_items(head.expires_at_s))
            store.table.write(items, patience=patience)
            stored.segments[whole.digest] = whole
            stored.loose.add(whole.digest)
            new = replace(new, first=None)
        new = replace(new, version=head.version + 1, updated_ms=store.now_ms())
        try:
            store.table.put(head_item(user_id, trace_id, new, store.time_shards), head.version)
        except ConditionFailed:
            patience.pause(attempt)
            continue
        stored.head = new
        scrub(store, pk, stored, patience)
        return
    raise AssertionError("unreachable: patience ends first")


def scrub(store: Store, pk: str, stored: StoredTrace, patience: Patience) -> None:
    """Rewrite the segments that still hold spans which the head names as deleted. *repeat*: harmless.

    What replaces a segment is stored before the segment goes.
    """
    head = stored.head
    assert head is not None
    tainted = [
        digest
        for digest, segment in stored.segments.items()
        if any(record.facts["span_id"] in head.deleted for record in segment.records)
    ]
    if not tainted:
        return
    expires_at_s = expiry_of_items(head.expires_at_s)
    puts: list[Item] = []
    deletes: list[tuple[str, str]] = []
    for segment in store.with_payloads(pk, stored, tainted):
        kept = [record for record in segment.records if record.facts["span_id"] not in head.deleted]
        if kept:
            puts += segment_items(pk, head.generation, segment_of(kept), expires_at_s)
        deletes += _items_of(store, pk, head, segment)
    for sk, digests in stored.folds.items():
        if not set(tainted).isdisjoint(digests):
            clean = [stored.segments[digest] for digest in digests if digest not in tainted]
            puts += [fold_item(pk, head.generation, clean, expires_at_s)] if clean else []
            deletes.append((pk, sk))
    store.table.write(puts, patience=patience)
    store.table.write(deletes=deletes, patience=patience)


def _items_of(store: Store, pk: str, head: Head, segment: Segment) -> list[tuple[str, str]]:
    """The keys of a segment's items."""
    prefix = keys.payload_of(head.generation, segment.digest)
    parts = store.table.query(pk, prefix, prefix + "~", keys_only=True)
    return [(pk, keys.segment(head.generation, segment.digest)), *((pk, part["sk"]["S"]) for part in parts)]
