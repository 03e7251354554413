"""The trace that a segment begins: its head, with as much of the segment inside as costs nothing there.

A list reads whole heads, and each later write puts the head again. So the segment is inlined only up to the unit that a
head takes anyway.
"""

from dataclasses import replace
from typing import Final, NamedTuple

from tracestore.domain.heads import root_of
from tracestore.domain.merge import is_ended, merge

from . import keys
from .items import add_index_items, alias_items, core_bytes_of, item_bytes
from .model import Head, Item, Segment, StoredTrace
from .recompute import first_head
from .segments import payload_items, segment_items
from .store import Scope, expiry_of_companions

READ_UNIT_BYTES: Final = 4_096
"""Lists read whole heads. When a trace is complete, a segment inlined in its head costs nothing up to one read unit."""

WRITE_UNIT_BYTES: Final = 1_024
"""While more spans are to come, every later write puts the head again: then a segment is inlined only where the head
stays within one write unit."""


class NewTrace(NamedTuple):
    """The trace that a segment begins: its head, the head as an item, and the items to store before it."""

    head: Head
    item: Item
    companions: list[Item]

    def stored(self, segment: Segment) -> StoredTrace:
        """The trace as a Query reads it when all of this is stored."""
        stored = StoredTrace(self.head, {segment.digest: segment})
        for item in self.companions:
            kind = keys.parse(item["sk"]["S"]).kind
            if kind == keys.SEGMENT_KIND:
                stored.loose.add(segment.digest)
                stored.core_bytes += core_bytes_of(item)
            elif kind != keys.PAYLOAD_KIND:
                add_index_items(stored, [item])
        return stored


def new_trace(scope: Scope, trace_id: str, segment: Segment) -> NewTrace | None:
    """The trace that the segment begins. *absent*: None without the root, and for more spans than a trace may have."""
    store = scope.store
    if len(segment.updates) > store.trace_spans_most:
        return None
    spans = merge(segment.updates, price_of=store.price_of)
    root = root_of(spans)
    if root.parent_span_id is not None:
        return None
    head = first_head(store, trace_id, segment, spans)
    limit = READ_UNIT_BYTES if is_ended(root.fields) else WRITE_UNIT_BYTES
    if len(segment.payload or b"") <= limit:
        new = _with_inlined(scope, trace_id, head, segment, segment)
        if item_bytes(new.item) <= limit:
            return new
    if segment.payload is not None:
        new = _with_inlined(scope, trace_id, head, segment, replace(segment, payload=None))
        if item_bytes(new.item) <= limit:
            return new
    return _with_inlined(scope, trace_id, head, segment, None)


def _with_inlined(
    scope: Scope, trace_id: str, head: Head, segment: Segment, inline_segment: Segment | None
) -> NewTrace:
    """The new trace with this much of its segment in its head, which contains the size of the other items."""
    pk, expires_at_s = scope.trace_pk(trace_id), expiry_of_companions(head.expires_at_s)
    if inline_segment is None:
        companions = segment_items(pk, head.generation, segment, expires_at_s, is_first=True)
    elif inline_segment.payload is None:
        companions = payload_items(pk, head.generation, segment, expires_at_s)
    else:
        companions = []
    companions += alias_items(scope.user_id, trace_id, head, segment.updates)
    head = replace(head, inline_segment=inline_segment, other_bytes=sum(map(item_bytes, companions)))
    return NewTrace(head, scope.head_item(trace_id, head), companions)
