"""A person's or a program's change to a span that is stored already.

A PATCH outranks all that was captured. Its segment and the head go in one transaction on condition of the version, so
that what the change was allowed on is what it is laid over: an ended span never becomes pending, however many write.
"""

from collections.abc import Callable
from itertools import count

from tracestore.domain.merge import Span, merge_span
from tracestore.domain.spans import CAPTURED, SpanFields, SpanUpdate, canonical_json, span_update

from . import keys
from .dynamo import ConditionFailed
from .items import Head, alias_items
from .reading import span_updates, span_with_payload, visible_head
from .recompute import next_head
from .segments import segment_items, segment_of
from .store import Store, expiry_of_items, keys_of, put_head
from .table import Deadline


def patch(
    store: Store,
    user_id: str,
    trace_id: str,
    span_id: str,
    change: Callable[[Span], SpanFields],
    deadline: Deadline | None = None,
) -> tuple[Head, Span]:
    """Lay the facts that `change` makes of the span over it; returns the span then, and its trace's head.

    `change` sees the span again each time another writer was faster, and raises what forbids the change.
    *repeat*: what earlier PATCHes have said is not written. *raises* NotFound. Of two PATCHes at the same time the
    last to arrive wins.
    """
    deadline = deadline or Deadline()
    pk = keys.trace(user_id, trace_id)
    for attempt in count():
        stored = store.read_core(pk)
        head = visible_head(store, user_id, stored)
        updates = span_updates(store, pk, stored, span_id)
        span = merge_span(updates)
        fields = SpanFields(**{**change(span), "span_id": span_id})
        if _is_said(fields, updates):
            return head, span
        segment = segment_of([span_update(fields, received_ms=store.now_ms(), precedence=head.version + 1)])
        stored.segments[segment.digest] = segment
        new = next_head(store, pk, head, stored)
        core, *parts = segment_items(pk, head.generation, segment, expiry_of_items(head.expires_at_s))
        aliases = alias_items(user_id, trace_id, head, segment.updates)
        store.table.write(parts, deadline=deadline)
        try:
            put_head(store, user_id, trace_id, new, head, [core, *aliases])
        except ConditionFailed:
            store.table.write(deletes=keys_of(parts), deadline=deadline)
            deadline.pause(attempt)
            continue
        return new, span_with_payload(store, pk, stored, span_id)
    raise AssertionError("unreachable: patience ends first")


def _is_said(fields: SpanFields, updates: list[SpanUpdate]) -> bool:
    """Whether earlier PATCHes have the same last word. What was captured may yet give way to another capture.

    Compared as JSON: to Python 1, 1.0 and True are equal.
    """
    patches = [update for update in updates if update.precedence > CAPTURED]
    said: dict[str, object] = {**merge_span(patches).fields} if patches else {"span_id": fields["span_id"]}
    return canonical_json({**said, **fields}) == canonical_json(said)
