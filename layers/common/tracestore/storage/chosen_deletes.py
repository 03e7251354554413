"""The deletion of the traces that one request names by their ids.

Every trace gets its tombstone before the request ends, so all of them are invisible at once, without a pending
deletion. Removing the other items of large traces may take longer: a job does what the request has no time for. Its
intent log names the traces; no index is read, since only the named traces are concerned.
"""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

from .bulk import STOP_AT_S
from .deletes import DELETE_THREADS, hide_trace, purge
from .jobs import job_item
from .model import Job, StoredHead, Tombstone
from .pending_deletions import is_pending_deletion, read_pending_deletions
from .store import Scope


def delete_chosen(scope: Scope, trace_ids: Iterable[str], *, threads: int = DELETE_THREADS) -> Job:
    job_id, requested_ms = str(uuid4()), scope.now_ms()
    pending_deletions = read_pending_deletions(scope)

    def is_visible(head: StoredHead) -> bool:
        return not is_pending_deletion(head, pending_deletions)

    def hide(trace_id: str) -> tuple[str, Tombstone | None]:
        return trace_id, hide_trace(scope, trace_id, job_id, is_visible)

    def is_removed(hidden: tuple[str, Tombstone]) -> bool:
        """Whether no other item of the trace is left: removes them while there is time."""
        trace_id, tombstone = hidden
        if not tombstone.is_purged:
            if scope.deadline.time_left_s() <= STOP_AT_S:
                return False
            purge(scope, trace_id)
        return True

    with ThreadPoolExecutor(threads) as pool:
        tombstones = [(trace_id, found) for trace_id, found in pool.map(hide, dict.fromkeys(trace_ids)) if found]
        removed = list(pool.map(is_removed, tombstones))
    counted = [
        tombstone.deleted_spans
        for (_, tombstone), is_done in zip(tombstones, removed, strict=True)
        if is_done and tombstone.deleted_by == job_id
    ]
    left = tuple(trace_id for (trace_id, _), is_done in zip(tombstones, removed, strict=True) if not is_done)
    job = Job(
        job_id, "queued" if left else "done", requested_ms, len(counted), sum(counted), version=1, intent_log=left
    )
    if left:
        scope.table.put(job_item(scope.user_id, job, wakes=True), None)
    return job
