"""A person's or a program's change to a span that is stored already.

A PATCH outranks all that was captured. Its segment and the head go in one transaction on condition of the version, so
that what the change was allowed on is what it is laid over: an ended span never becomes pending, however many write.
"""

from collections.abc import Callable
from dataclasses import replace
from itertools import count

from tracestore.domain.errors import NotFound
from tracestore.domain.merge import Span, merge
from tracestore.domain.spans import Facts, record_of

from . import keys
from .dynamo import ConditionFailed
from .items import StoredTrace, alias_items, head_item, segment_items, segment_of
from .marks import is_hidden, read_marks
from .recompute import next_head
from .store import Store, expiry_of_items, live_head
from .table import Patience


def patch(
    store: Store,
    user_id: str,
    trace_id: str,
    span_id: str,
    change: Callable[[Span], Facts],
    patience: Patience | None = None,
) -> tuple[Span, int]:
    """Lay the facts that `change` makes of the span over it; returns the span then, and when its trace expires (s).

    `change` sees the span again each time another writer was faster, and raises what forbids the change.
    *repeat*: facts that the span has already are not written. *raises* NotFound. Of two PATCHes at the same time the
    last to arrive wins.
    """
    patience = patience or Patience()
    pk = keys.trace(user_id, trace_id)
    for attempt in count():
        stored = store.read_light(pk)
        head = live_head(stored, store.now_ms())
        if head is None or head.is_tombstone or is_hidden(head, read_marks(store, user_id)):
            raise NotFound("There is no such trace.")
        span = span_with_payload(store, pk, stored, span_id)
        facts = Facts(**{**change(span), "span_id": span_id})
        if all(span.facts.get(name) == value for name, value in facts.items()):
            return span, head.expires_at_s
        segment = segment_of([record_of(facts, received_ms=store.now_ms(), rank=head.version + 1)])
        stored.segments[segment.digest] = segment
        new = replace(next_head(store, pk, head, stored), version=head.version + 1)
        light, *parts = segment_items(pk, head.generation, segment, expiry_of_items(head.expires_at_s))
        store.table.write([*parts, *alias_items(user_id, trace_id, head, segment.records)], patience=patience)
        try:
            store.table.put_together(head_item(user_id, trace_id, new, store.time_shards), head.version, [light])
        except ConditionFailed:
            patience.pause(attempt)
            continue
        return span_with_payload(store, pk, stored, span_id), head.expires_at_s
    raise AssertionError("unreachable: patience ends first")


def span_with_payload(store: Store, pk: str, stored: StoredTrace, span_id: str) -> Span:
    """One span of a trace that was read light, its payload fetched. *raises* NotFound."""
    assert stored.head is not None
    holding = [
        digest
        for digest, segment in stored.segments.items()
        if any(record.facts["span_id"] == span_id for record in segment.records)
    ]
    whole = store.with_payloads(pk, stored, holding)
    records = [record for segment in whole for record in segment.records if record.facts["span_id"] == span_id]
    spans = merge(records, stored.head.deleted)
    if not spans:
        raise NotFound("There is no such span in this trace.")
    return spans[0]
