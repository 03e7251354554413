"""A change by a person or a program to a span that is stored already.

A PATCH takes precedence over everything captured. Its segment and the head are written in one transaction on condition
of the version, so that the change is applied to exactly the state that allowed it: an ended span never becomes pending,
however many writers there are.
"""

from collections.abc import Callable, Mapping

from tracestore.domain.media import Medium
from tracestore.domain.merge import Span, merge_span, overlay
from tracestore.domain.spans import CAPTURED, SpanFields, SpanUpdate, canonical_json
from tracestore.domain.updates import span_update

from .dynamo import ConditionFailed
from .items import add_index_items, alias_items, core_bytes_of, keys_of
from .media import NO_MEDIA, media_of, put_media
from .model import Head, ItemKey, Tombstone
from .reading import span_updates, span_with_payload, visible_head
from .recompute import next_head
from .segments import segment_items, segment_of
from .store import Scope, expiry_of_companions


def patch(
    scope: Scope,
    trace_id: str,
    span_id: str,
    change: Callable[[Span], SpanFields],
    media: Mapping[str, Medium] = NO_MEDIA,
) -> tuple[Head, Span]:
    written: list[ItemKey] = []

    def attempt() -> tuple[Head, Span]:
        stored = scope.read_core(trace_id)
        if isinstance(stored.head, Tombstone):  # deleted meanwhile: no item may be left
            scope.table.write(deletes=written)
        head = visible_head(scope, stored)
        updates = span_updates(scope, trace_id, stored, span_id)
        span = merge_span(updates, span_id=span_id)
        fields = SpanFields(**{**change(span), "span_id": span_id})
        update = span_update(fields, received_ms=scope.now_ms(), precedence=head.version + 1)
        written.extend(put_media(scope, trace_id, head, media_of([update], media)))
        if _is_reported(fields, updates):
            return head, span
        segment = segment_of([update])
        expires_at_s = expiry_of_companions(head.expires_at_s)
        core, *parts = segment_items(scope.trace_pk(trace_id), head.generation, segment, expires_at_s)
        aliases = alias_items(scope.user_id, trace_id, head, segment.updates)
        stored.segments[segment.digest] = segment
        stored.loose.add(segment.digest)
        stored.core_bytes += core_bytes_of(core)
        add_index_items(stored, aliases)
        new = next_head(scope, trace_id, head, stored)
        assert isinstance(new, Head)
        scope.table.write(parts)
        try:
            scope.put_head(trace_id, new, head, [core, *aliases])
        except ConditionFailed:
            scope.table.write(deletes=keys_of(parts))
            raise
        stored.head = new
        scope.remember(trace_id, stored)
        return new, span_with_payload(scope, trace_id, stored, span_id)

    return scope.deadline.retry(attempt)


def _is_reported(fields: SpanFields, updates: list[SpanUpdate]) -> bool:
    """Whether earlier PATCHes already report these fields. A captured value may still give way to another capture.

    Compared as JSON: to Python 1, 1.0 and True are equal.
    """
    patches = [update for update in updates if update.precedence > CAPTURED]
    patched: dict[str, object] = {**merge_span(patches).fields} if patches else {"span_id": fields["span_id"]}
    changed = {**patched}
    overlay(changed, fields)
    return canonical_json(changed) == canonical_json(patched)
