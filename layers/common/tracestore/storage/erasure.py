"""Erasure: the stored copies of deleted spans leave the segments that contained them.

A segment's replacement is stored before the head that no longer shows the span, and the segment is removed after it. A
reader of that version of the head therefore finds everything that the head was derived from, and a writer notices when
the trace was deleted meanwhile.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from tracestore.domain.spans import PAYLOAD_FIELDS, SpanUpdate

from . import keys
from .annotations import adopted_items
from .items import keys_of
from .model import Item, ItemKey, LiveHead, Segment, StoredTrace, Tombstone
from .recompute import current_head, merged_sum_of
from .segments import compacted_items, payload_items, rebased, segment_items, segment_of
from .store import Scope, expiry_of_companions


class Erasure(NamedTuple):
    """Items to store before a head, and the keys of items to delete after it.

    `affected` are the segments that it replaces by `replacements`.
    """

    puts: list[Item]
    deletes: list[ItemKey]
    affected: Collection[str] = ()
    replacements: Sequence[Segment] = ()

    def reflected_in(self, head: LiveHead, stored: StoredTrace) -> LiveHead:
        """The head, which includes all of `stored`, with the size and the sum of what is stored after the erasure."""
        if not self.affected:
            return head
        other_bytes = stored.other_bytes(head.inline_segment, self.affected)
        other_bytes += sum(segment.payload_bytes for segment in self.replacements)
        segments = {digest: segment for digest, segment in stored.segments.items() if digest not in self.affected}
        segments |= {segment.digest: segment for segment in self.replacements}
        return replace(head, other_bytes=other_bytes, merged_sum=merged_sum_of(segments.values()))


def erasure_of(scope: Scope, trace_id: str, stored: StoredTrace, head: LiveHead) -> Erasure:
    """The writes that erase the spans which `head` names as deleted; none where they are erased already.

    The segments they are in may be delta bases of others. From then on all payloads of the trace are stored in full.
    Segments that belong to no head are removed whole, since they may contain the same spans.
    """
    pk = scope.trace_pk(trace_id)
    affected = {digest for digest, segment in stored.segments.items() if _is_affected(segment, head)}
    deletes = [(pk, sk) for sk, annotation in stored.annotations.items() if annotation.span_id in head.deleted]
    for abandoned in map(keys.parse, stored.abandoned if head.deleted else ()):
        deletes += _items_of_segment(scope, pk, abandoned.generation, abandoned.digest)
    if not affected:
        return Erasure([], deletes)
    dependent = {digest for digest, segment in stored.segments.items() if segment.base} - affected
    scope.with_payloads(trace_id, stored, affected | dependent)
    expires_at_s = expiry_of_companions(head.expires_at_s)
    puts: list[Item] = []
    replacements: list[Segment] = []
    for digest in sorted(dependent):
        segment = stored.segments[digest]
        if segment.base is None or segment.text is None:
            continue  # another writer has removed its delta base, and has rebased it before
        deletes.append((pk, keys.delta_payload(head.generation, digest, segment.base)))
        stored.segments[digest] = full = rebased(segment)
        items_of = segment_items if digest in stored.loose else payload_items
        puts += items_of(pk, head.generation, full, expires_at_s)
    for segment in (stored.segments[digest] for digest in sorted(affected)):
        rest = [_as_read(update) for update in segment.updates if update.fields["span_id"] not in head.deleted]
        if rest:
            replacement = segment_of(rest)
            replacements.append(replacement)
            puts += segment_items(pk, head.generation, replacement, expires_at_s)
        deletes += _items_of_segment(scope, pk, head.generation, segment.digest)
    for sk, digests in stored.compacted.items():
        if not (affected | dependent).isdisjoint(digests):
            unaffected = [stored.segments[digest] for digest in digests if digest not in affected]
            puts += compacted_items(pk, head.generation, unaffected, expires_at_s)
            deletes.append((pk, sk))
    unique = {(pk, item["sk"]["S"]): item for item in puts}  # two segments may be the same without the span
    return Erasure(list(unique.values()), [key for key in deletes if key not in unique], affected, replacements)


def _items_of_segment(scope: Scope, pk: str, generation: str, digest: str) -> list[ItemKey]:
    """The keys of a segment that has an item of its own, its payload first."""
    first, last = keys.payload_range(generation, digest)
    return [*keys_of(scope.table.query(pk, first, last, keys_only=True)), (pk, keys.segment(generation, digest))]


def rederive(scope: Scope, trace_id: str) -> LiveHead | None:
    """Put a head that includes everything stored of a trace, where the stored one does not, and erase deleted spans.

    Returns the head that is stored then. *absent*: None when there is no such trace. *repeat*: writes nothing.
    """
    return erase_with(scope, trace_id, partial(_current_head, scope, trace_id))


def _current_head(scope: Scope, trace_id: str, stored: StoredTrace, head: LiveHead) -> LiveHead:
    return current_head(scope, trace_id, head, stored)


def erase_with(
    scope: Scope,
    trace_id: str,
    next_of: Callable[[StoredTrace, LiveHead], LiveHead],
    together_with: Callable[[], Sequence[Item]] = tuple,
) -> LiveHead | None:
    """Put the head that `next_of` derives from what is stored, and erase the spans that it names as deleted.

    `next_of` is called again each time another writer was faster, and returns a head that includes everything stored.
    Where it returns the head unchanged and nothing is left to erase, nothing is written. The items of `together_with`
    are put in one transaction with the head. Returns the head that is stored then.
    *absent*: None when there is no such trace, or no longer.
    """
    written: list[ItemKey] = []

    def attempt() -> LiveHead | None:
        stored = scope.read_core(trace_id)
        head = scope.live_head(stored)
        if head is None or isinstance(head, Tombstone):
            scope.table.write(deletes=dict.fromkeys(written))
            return None
        scope.table.write(deletes=dict.fromkeys(orphaned_items(stored, head.generation, written)))
        new = next_of(stored, head)
        erasure = erasure_of(scope, trace_id, stored, new)
        if new is head and not erasure.deletes:
            return head
        new = replace(erasure.reflected_in(new, stored), version=head.version + 1)
        scope.put_companions(erasure.puts)
        written.extend(keys_of(erasure.puts))
        scope.put_head(trace_id, new, head, [*adopted_items(scope, trace_id, new, stored), *together_with()])
        delete_erased(scope, erasure)
        return new

    return scope.deadline.retry(attempt)


def orphaned_items(
    stored: StoredTrace, generation: str, written: Collection[ItemKey], *, spare: str = ""
) -> list[ItemKey]:
    """Of the items that a writer `written`, those of segments that the trace no longer has, except the digest `spare`.

    Another writer has erased those segments, and could not know of items that were written at the same moment. Media
    are orphaned only by another generation: they may be those of other writers as well.
    """
    known = {(generation, digest) for digest in (*stored.segments, spare)}
    return [
        (pk, sk)
        for pk, sk in written
        if (is_of_segment(sk) and keys.parse(sk)[1:3] not in known)
        or (keys.is_medium(sk) and keys.parse(sk).generation != generation)
    ]


def is_of_segment(sk: str) -> bool:
    """Whether an item is the core or a payload part of a single segment."""
    return keys.parse(sk).kind in (keys.SEGMENT_KIND, keys.PAYLOAD_KIND)


def delete_erased(scope: Scope, erasure: Erasure) -> None:
    """Delete the items that an erasure replaced: payloads first, so that a later writer sees the rest."""
    payloads = [key for key in erasure.deletes if keys.is_payload(key[1])]
    scope.table.write(deletes=payloads)
    scope.table.write(deletes=[key for key in erasure.deletes if not keys.is_payload(key[1])])


def _is_affected(segment: Segment, head: LiveHead) -> bool:
    return any(update.fields["span_id"] in head.deleted for update in segment.updates)


def _as_read(update: SpanUpdate) -> SpanUpdate:
    """The update without the payload that it was read without: another writer has replaced the segment already."""
    return replace(update, payload_fields=tuple(name for name in PAYLOAD_FIELDS if name in update.fields))
