"""The deletion of one trace or one span, for good.

A deleted trace leaves a tombstone in place of its head: from then on no read finds it, and a span that arrives late is
refused. Its other items are removed afterwards; a writer that meets a tombstone that is not yet purged finishes that.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from typing import Final

from tracestore.domain.errors import Conflict, NotFound
from tracestore.domain.merge import merge

from . import keys
from .deletion_records import RequestRecord
from .dynamo import ConditionFailed
from .erasure import erase_with, rederive
from .items import head_from
from .model import Head, Item, LiveHead, StoredHead, StoredTrace, Tombstone
from .pending_deletions import is_pending_deletion, read_pending_deletions
from .recompute import next_head
from .store import Scope

DELETE_THREADS: Final = 8

DELETED_CHARACTERS_MOST: Final = 100_000
"""The ids of deleted spans in one head, together: 6,250 ids of OpenTelemetry. Every write to the trace puts the head
again, and DynamoDB takes at most 400 KB of it."""


def delete_trace(scope: Scope, trace_id: str) -> int:
    tombstone, is_new = _write_tombstone(scope, trace_id)
    if tombstone is None or not is_new:
        raise NotFound("There is no such trace.")
    return tombstone.deleted_spans


def delete_trace_for_job(
    scope: Scope, trace_id: str, job_id: str, includes: Callable[[StoredHead], bool]
) -> int | None:
    """Delete a trace for a job if the job still `includes` it; returns the number of its spans.

    *absent*: None for a trace that another deletion removed or that the job does not include. *repeat*: finishes the
    deletion and returns the same number: the tombstone names its job.
    """
    tombstone, _ = _write_tombstone(scope, trace_id, includes, job_id)
    return tombstone.deleted_spans if tombstone and tombstone.deleted_by == job_id else None


def hide_trace(scope: Scope, trace_id: str, job_id: str, includes: Callable[[StoredHead], bool]) -> Tombstone | None:
    """Write the tombstone of a trace and its deletion record, without removing its other items: `purge` does.

    The tombstone names the job, which counts the trace if it removes those items.
    *absent*: None for a trace that is absent or that the job does not include. *repeat*: returns the tombstone.
    """
    tombstone, _ = _write_tombstone(scope, trace_id, includes, job_id, purges=False)
    return tombstone


def _write_tombstone(
    scope: Scope,
    trace_id: str,
    includes: Callable[[StoredHead], bool] = lambda _: True,
    job_id: str = "",
    *,
    purges: bool = True,
) -> tuple[Tombstone | None, bool]:
    """The trace's tombstone and whether this call wrote it; None where the trace is not to be deleted.

    All other items of the trace are removed too if the call `purges`.
    """
    pk = scope.trace_pk(trace_id)
    record = RequestRecord(scope, "trace")

    def attempt() -> tuple[Tombstone | None, bool]:
        first_items = list(islice(scope.table.query(pk, page_items=2), 2))  # the head, and whether there are others
        head = head_from(first_items[0]) if first_items and first_items[0]["sk"]["S"] == keys.HEAD else None
        if isinstance(head, Tombstone):
            if purges and not head.is_purged:
                purge(scope, trace_id)
            return head, record.is_stored()
        if not isinstance(head, Head) or head.is_expired(scope.now_ms()) or not includes(head):
            return None, False
        tombstone = Tombstone(
            version=head.version + 1,
            generation=head.generation,
            expires_at_s=scope.store.expiry_s(),
            cursor_position=head.cursor_position,
            created_ms=head.created_ms,
            updated_ms=scope.now_ms(),
            is_purged=len(first_items) == 1,
            deleted_by=job_id,
            deleted_spans=head.summary.span_count,
        )
        is_recorded = bool(job_id) and purges  # by the record of its job
        records = [] if is_recorded else [record.item(traces=1, spans=tombstone.deleted_spans)]
        scope.put_head(trace_id, tombstone, head, records)
        if purges and not tombstone.is_purged:
            purge(scope, trace_id)
        return tombstone, True

    return scope.deadline.retry(attempt)


def purge(scope: Scope, trace_id: str) -> None:
    """Remove all other items of a trace that has a tombstone. *repeat*: harmless."""
    pk = scope.trace_pk(trace_id)
    head: StoredHead | None = None
    others = []
    for item in scope.table.query(pk):
        if item["sk"]["S"] == keys.HEAD:
            head = head_from(item)
        else:
            others.append((pk, item["sk"]["S"]))
    if not isinstance(head, Tombstone):
        return
    scope.table.write(deletes=others)
    with suppress(ConditionFailed):  # another writer met the tombstone and was faster
        scope.put_head(trace_id, replace(head, version=head.version + 1, is_purged=True), head)


def delete_span(scope: Scope, trace_id: str, span_id: str) -> None:
    own_record = RequestRecord(scope, "span")

    def without_span(stored: StoredTrace, head: LiveHead) -> LiveHead:
        if span_id in head.deleted:
            rederive(scope, trace_id)  # the writer that deleted it may have been interrupted
            if own_record.is_stored():
                return head
        is_stored = any(span.span_id == span_id for span in merge(stored.updates(), head.deleted))
        if not is_stored or is_pending_deletion(head, read_pending_deletions(scope)):
            raise NotFound("There is no such span in this trace.")
        span_ids = stored.ids_of(span_id)
        if sum(map(len, head.deleted)) + sum(map(len, span_ids)) > DELETED_CHARACTERS_MOST:
            message = "Too many spans of this trace were deleted one by one; delete the whole trace."
            raise Conflict(message, code="too_many_deleted_spans")
        head = replace(head, deleted=head.deleted | span_ids, updated_ms=scope.now_ms())
        new = next_head(scope, trace_id, head, stored)
        if new.inline_segment and any(map(new.inline_segment.reports, span_ids)):
            return replace(new, inline_segment=None)  # its replacement has an item of its own
        return new

    def record() -> list[Item]:
        return [own_record.item(traces=0, spans=1)]

    if not erase_with(scope, trace_id, without_span, record):
        raise NotFound("There is no such span in this trace.")
