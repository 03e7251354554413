"""The annotations of a trace: stored next to it, copied into its head, and never a change of the trace itself.

As a capture does, a writer stores its item first. Then it derives the head's copy from all annotations that are stored,
and puts the head on condition of the version that it read. A writer that loses the race reads them again, so that no
annotation is missing in the copy.

An annotation that comes before the first span of its trace waits for it for a day. A placeholder in place of the head
makes the first writer of a span read the annotations; it stores them again together with its head.
"""

from dataclasses import replace
from typing import Final

from tracestore.domain.annotations import Annotation
from tracestore.domain.errors import Conflict, NotFound
from tracestore.domain.merge import Span, merge

from . import keys
from .items import annotation_item, item_bytes
from .model import EmptiedHead, Head, Item, LiveHead, Placeholder, StoredHead, StoredTrace, Tombstone
from .pending_deletions import is_pending_deletion, recent_pending_deletions
from .recompute import annotations_in_head, merged_sum_of
from .store import Scope, expiry_of_companions

ANNOTATIONS_MOST: Final = 200
"""Annotations of one trace: every later write to the trace reads them."""

WAITING_MOST: Final = 50
"""Annotations that wait for one trace. They are stored again in one transaction, which takes up to 100 items."""

WAITING_S: Final = 86_400

TOO_MANY: Final = (
    f"A trace has at most {ANNOTATIONS_MOST} annotations, and {WAITING_MOST} before its first span. "
    "Delete one first, or replace one with its name, id and span_id."
)


def annotate(scope: Scope, trace_id: str, annotation: Annotation) -> tuple[Annotation, StoredHead]:
    pk, sk = scope.trace_pk(trace_id), keys.annotation(annotation.span_id, annotation.name, annotation.annotation_id)
    is_written = is_added = False

    def attempt() -> tuple[Annotation, StoredHead]:
        nonlocal is_written, is_added
        stored = scope.read_annotations(trace_id)
        head = scope.live_head(stored)
        if deleted := _deletion_of(scope, head, annotation):
            if is_written:  # also in place of one that was stored before, which the deletion has removed
                scope.table.write(deletes=[(pk, sk)])
            raise deleted
        if (is_added or sk not in stored.annotations) and _is_full(stored, sk, has_begun=head is not None):
            if is_added:
                scope.table.write(deletes=[(pk, sk)])
            raise Conflict(TOO_MANY, code="too_many_annotations")
        before, now_ms = stored.annotations.get(sk), scope.now_ms()
        is_current = before is not None and before.content == annotation.content
        if before is not None and is_current:
            new = before
        else:
            new = replace(annotation, created_ms=before.created_ms if before else now_ms, updated_ms=now_ms)
        stored.annotations[sk] = new
        stored.annotation_sizes[sk] = item_bytes(annotation_item(pk, new, scope.store.generation(), 0))
        new_head = _next_head(scope, trace_id, stored)
        is_settled = is_current and (isinstance(head, Head | EmptiedHead)) == (sk not in stored.waiting)
        if is_settled and _has_same_copy(new_head, stored.head):
            return new, new_head
        if not is_settled:
            scope.table.write([_item(scope, trace_id, new, new_head)])
            stored.waiting.discard(sk)
            is_written, is_added = True, is_added or before is None
        scope.put_head(trace_id, new_head, stored.head, adopted_items(scope, trace_id, new_head, stored))
        return new, new_head

    return scope.deadline.retry(attempt)


def read_annotations(scope: Scope, trace_id: str) -> tuple[list[Annotation], StoredHead | None]:
    stored = scope.read_annotations(trace_id)
    head = _visible_head(scope, stored)
    annotations = stored.annotations_without(head.deleted if head else ())
    if not annotations and not isinstance(head, Head):
        raise NotFound("There is no such trace.")
    ordered = sorted(annotations, key=lambda each: (each.name, each.span_id or "", each.annotation_id))
    return ordered, stored.head


def delete_annotations(
    scope: Scope, trace_id: str, name: str, *, annotation_id: str | None, span_id: str | None, source: str | None
) -> int:
    pk = scope.trace_pk(trace_id)
    deleted: set[str] = set()

    def is_chosen(annotation: Annotation) -> bool:
        return (
            annotation.name == name
            and annotation_id in (None, annotation.annotation_id)
            and span_id in (None, annotation.span_id)
            and source in (None, annotation.source)
        )

    def attempt() -> int:
        stored = scope.read_annotations(trace_id)
        _visible_head(scope, stored)
        chosen = [sk for sk, annotation in stored.annotations.items() if is_chosen(annotation)]
        deleted.update(chosen)
        scope.table.write(deletes=[(pk, sk) for sk in chosen])
        for sk in chosen:
            del stored.annotations[sk]
            stored.waiting.discard(sk)
        new_head = _next_head(scope, trace_id, stored)
        # Also where there is none: the same request may have been interrupted before the head.
        if chosen or (isinstance(new_head, Head) and not _has_same_copy(new_head, stored.head)):
            scope.put_head(trace_id, new_head, stored.head, adopted_items(scope, trace_id, new_head, stored))
        if not deleted:
            raise NotFound("There is no such annotation.")
        return len(deleted)

    return scope.deadline.retry(attempt)


def adopted_items(scope: Scope, trace_id: str, head: StoredHead, stored: StoredTrace) -> list[Item]:
    """The annotations that waited for a trace, as items that live as long as it. None before the trace begins."""
    if not isinstance(head, Head | EmptiedHead):
        return []
    waiting = [stored.annotations[sk] for sk in sorted(stored.waiting) if sk in stored.annotations]
    kept = [annotation for annotation in waiting if annotation.span_id not in head.deleted]
    return [_item(scope, trace_id, annotation, head) for annotation in kept[:WAITING_MOST]]


def _item(scope: Scope, trace_id: str, annotation: Annotation, head: StoredHead) -> Item:
    pk = scope.trace_pk(trace_id)
    if isinstance(head, Placeholder):
        return annotation_item(pk, annotation, None, head.expires_at_s)
    return annotation_item(pk, annotation, head.generation, expiry_of_companions(head.expires_at_s))


def _next_head(scope: Scope, trace_id: str, stored: StoredTrace) -> StoredHead:
    """The head that follows when the annotations are those of `stored`; a placeholder where there is no trace."""
    old, live = stored.head, scope.live_head(stored)
    version = old.version + 1 if old else scope.store.first_version()
    if isinstance(live, Head):
        annotations = annotations_in_head(stored, live, live.summary, lambda: _spans(scope, trace_id, live, stored))
        return replace(
            live,
            version=version,
            summary=replace(live.summary, annotations=annotations),
            annotation_bytes=stored.annotation_bytes_without(live.deleted),
        )
    if isinstance(live, EmptiedHead):
        return replace(live, version=version)
    now_ms = scope.now_ms()
    return Placeholder(
        version=version,
        generation=scope.store.generation(),
        expires_at_s=now_ms // 1000 + WAITING_S,
        cursor_position=keys.cursor_position(now_ms * 10**6, trace_id),
        created_ms=now_ms,
        updated_ms=now_ms,
    )


def _spans(scope: Scope, trace_id: str, head: Head, stored: StoredTrace) -> list[Span]:
    """The spans of a trace, read unless its head contains all of them."""
    is_whole = head.merged_sum == merged_sum_of(stored.segments.values())
    updates = (stored if is_whole else scope.read_core(trace_id)).updates()
    return merge(updates, head.deleted)


def _has_same_copy(new: StoredHead, old: StoredHead | None) -> bool:
    """Whether the stored head has the copy already. One without a copy is always put, since the version is all that
    shows a writer of spans that it has missed an annotation."""
    return isinstance(new, Head) and isinstance(old, Head) and new.summary.annotations == old.summary.annotations


def _visible_head(scope: Scope, stored: StoredTrace) -> LiveHead | None:
    """The head of a trace whose annotations its user may see. *absent*: None where the trace has not begun.

    *raises*: NotFound for a deleted trace.
    """
    head = scope.live_head(stored)
    if isinstance(head, Tombstone) or _is_hidden(scope, head):
        raise NotFound("There is no such trace.")
    return head


def _is_hidden(scope: Scope, head: StoredHead | None) -> bool:
    return isinstance(head, Head) and is_pending_deletion(head, recent_pending_deletions(scope))


def _deletion_of(scope: Scope, head: LiveHead | Tombstone | None, annotation: Annotation) -> Conflict | None:
    """The error if the trace or the span of an annotation was deleted. *absent*: None if neither was."""
    if isinstance(head, Tombstone) or _is_hidden(scope, head):
        return Conflict("The trace of this annotation was deleted; annotate another one.", code="trace_deleted")
    if head is not None and annotation.span_id in head.deleted:
        return Conflict("The span of this annotation was deleted; annotate another one.", code="span_deleted")
    return None


def _is_full(stored: StoredTrace, sk: str, *, has_begun: bool) -> bool:
    """Whether the trace has no room for an annotation with this sort key."""
    return len({*stored.annotations, sk}) > (ANNOTATIONS_MOST if has_begun else WAITING_MOST)
