"""What a bulk deletion is asked for by, and how it is answered."""

from typing import Any, Final

from tracestore.domain.errors import Invalid
from tracestore.http.identity import Identity
from tracestore.http.request import Request
from tracestore.http.response import Response, json_answer
from tracestore.http.wiring import deadline_for, store
from tracestore.storage import bulk

DELETED_IN_REQUEST: Final = 1_000
"""Traces that a bulk deletion removes before it answers; what is more is left to the purge function."""


def only_parameter(request: Request, *names: str) -> tuple[str, str]:
    """The one parameter that says what to delete, and its value. *raises* Invalid unless there is exactly one."""
    request.only(*names)
    if len(request.query) != 1:
        known = ", ".join(names[:-1])
        raise Invalid(f"Say what to delete: exactly one of {known}, and {names[-1]}=true.")
    ((name, value),) = request.query.items()
    return name, value


def delete_many(request: Request, caller: Identity, scope: dict[str, Any]) -> Response:
    """Delete what `scope`, as `bulk.start` takes it, covers; what is left for later has a job."""
    deadline = deadline_for(request.remaining_ms)
    job = bulk.start(store(), caller.user_id, **scope, deadline=deadline)
    job = bulk.work(store(), caller.user_id, job.job_id, DELETED_IN_REQUEST, deadline)
    deleted = {"deleted": {"traces": job.traces, "spans": job.spans}}
    return json_answer(deleted) if job.state == "done" else json_answer({**deleted, "job_id": job.job_id}, 202)
