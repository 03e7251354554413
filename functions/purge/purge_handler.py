"""Run bulk deletions in the background: each stream record of a job that is not finished triggers one step of it.

A step ends by writing the job, and the stream record of that write triggers the next step. There is no polling, and no
function needs permission to call another. A step that crashes is repeated with its record.
"""

from collections.abc import Callable, Mapping
from typing import Any

from tracestore.http.stream import Line, consuming, records_of
from tracestore.http.telemetry import logger
from tracestore.http.wiring import deadline_for, store
from tracestore.storage.jobs import owner_and_id
from tracestore.storage.store import Store
from tracestore.storage.user_store import UserWriter


def purge(event: Mapping[str, Any], context: Any, line: Line, *, store: Callable[[], Store] = store) -> dict[str, Any]:
    """Run one step of each job in the records. The log line reports the progress of the last of them."""
    for record in records_of(event):
        if record.new is None:
            continue
        user_id, job_id = owner_and_id(record.new)
        line |= {"user": user_id, "job": job_id}
        deadline = deadline_for(context.get_remaining_time_in_millis)
        job = UserWriter(store(), user_id, deadline).step_deletion(job_id, report=_report)
        if job:
            line |= {"state": job.state, "traces": job.traces, "spans": job.spans, "skipped": len(job.skipped)}
    return {}


def _report(trace_id: str, error: Exception) -> None:
    logger.error("a trace cannot be deleted, and is skipped", extra={"trace_id": trace_id}, exc_info=error)


handler = consuming(purge)
