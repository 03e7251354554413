"""One trace or one span out of the table, for good.

A deleted trace leaves a tombstone in place of its head: from then on it is invisible, and a span that arrives late is
refused. What is stored beside it is removed afterwards; whoever meets a tombstone that is not yet purged finishes that.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from itertools import count, islice

from tracestore.domain.errors import NotFound
from tracestore.domain.merge import merge

from . import keys
from .dynamo import ConditionFailed
from .erasure import erase, erase_with
from .items import Head, StoredTrace, head_from
from .pending_deletions import is_pending_deletion, read_pending_deletions
from .recompute import next_head
from .store import Store, put_head
from .table import Deadline


def delete_trace(store: Store, user_id: str, trace_id: str, deadline: Deadline | None = None) -> int:
    """Delete a trace; returns how many spans it had. *raises* NotFound, also when it is deleted already."""
    tombstone, is_new = _write_tombstone(store, user_id, trace_id, deadline or Deadline())
    if tombstone is None or not is_new:
        raise NotFound("There is no such trace.")
    return tombstone.deleted_spans


def delete_trace_for(
    store: Store, user_id: str, trace_id: str, job_id: str, includes: Callable[[Head], bool], deadline: Deadline
) -> int | None:
    """Delete a trace for a job, if that still `includes` it; returns how many spans went with it.

    *absent*: None for what another deletion removed and for what is not covered. *repeat*: finishes what was begun,
    and returns the same: the tombstone tells whose it is.
    """
    tombstone, _ = _write_tombstone(store, user_id, trace_id, deadline, includes, job_id)
    return tombstone.deleted_spans if tombstone and tombstone.deleted_by == job_id else None


def _write_tombstone(
    store: Store,
    user_id: str,
    trace_id: str,
    deadline: Deadline,
    includes: Callable[[Head], bool] = lambda _: True,
    job_id: str = "",
) -> tuple[Head | None, bool]:
    """The trace's tombstone, with nothing left beside it, and whether it is new; None while there is none."""
    pk = keys.trace(user_id, trace_id)
    for attempt in count():
        first = list(islice(store.table.query(pk, page_items=2), 2))  # the head, and whether anything is beside it
        head = head_from(first[0]) if first and first[0]["sk"]["S"] == keys.HEAD else None
        if head is not None and head.is_tombstone:
            if not head.is_purged:
                purge(store, user_id, trace_id, deadline)
            return head, False
        if head is None or head.summary is None or head.is_expired(store.now_ms()) or not includes(head):
            return None, False
        tombstone = Head(
            version=head.version + 1,
            generation=head.generation,
            expires_at_s=store.expiry_s(),
            position=head.position,
            created_ms=head.created_ms,
            updated_ms=store.now_ms(),
            summary=None,
            is_tombstone=True,
            is_purged=len(first) == 1,
            deleted_by=job_id,
            deleted_spans=head.summary.span_count,
        )
        try:
            put_head(store, user_id, trace_id, tombstone, head)
        except ConditionFailed:
            deadline.pause(attempt)
            continue
        if not tombstone.is_purged:
            purge(store, user_id, trace_id, deadline)
        return tombstone, True
    raise AssertionError("unreachable: patience ends first")


def purge(store: Store, user_id: str, trace_id: str, deadline: Deadline) -> None:
    """Remove all that is stored beside a tombstone. *repeat*: harmless."""
    pk = keys.trace(user_id, trace_id)
    head: Head | None = None
    companions = []
    for item in store.table.query(pk):
        if item["sk"]["S"] == keys.HEAD:
            head = head_from(item)
        else:
            companions.append((pk, item["sk"]["S"]))
    if head is None or not head.is_tombstone:
        return
    store.table.write(deletes=companions, deadline=deadline)
    done = replace(head, version=head.version + 1, is_purged=True)
    with suppress(ConditionFailed):  # somebody else met the tombstone and was faster
        put_head(store, user_id, trace_id, done, head)


def delete_span(store: Store, user_id: str, trace_id: str, span_id: str, deadline: Deadline | None = None) -> None:
    """Delete one span; its children become roots, and it cannot be written again. *raises* NotFound."""
    deadline = deadline or Deadline()
    pk = keys.trace(user_id, trace_id)

    def without_span(stored: StoredTrace, head: Head) -> Head:
        if span_id in head.deleted:
            erase(store, user_id, trace_id, deadline)  # whoever deleted it may have been interrupted
        is_there = any(span.span_id == span_id for span in merge(stored.updates(), head.deleted))
        if not is_there or is_pending_deletion(head, read_pending_deletions(store, user_id)):
            raise NotFound("There is no such span in this trace.")
        head_without = replace(head, deleted=head.deleted | {span_id}, updated_ms=store.now_ms())
        new = next_head(store, pk, head_without, stored)
        if new.first and any(update.fields["span_id"] == span_id for update in new.first.updates):
            return replace(new, first=None)  # what replaces it has an item of its own
        return new

    if not erase_with(store, user_id, trace_id, without_span, deadline):
        raise NotFound("There is no such span in this trace.")
