"""Bulk deletions: the scope that a request names, and the response."""

from typing import Final

from tracestore.domain.errors import Invalid
from tracestore.http.identity import Identity
from tracestore.http.request import Request
from tracestore.http.response import Response, json_response
from tracestore.http.wiring import writer
from tracestore.storage.model import DeletionScope

DELETED_IN_REQUEST: Final = 1_000
"""Traces that a bulk deletion removes before it responds. The purge function removes the rest."""


def require_one(request: Request, *names: str) -> str:
    """The name of the only parameter. *raises*: Invalid unless the query is exactly one of `names`."""
    request.only(*names)
    if len(request.query) != 1:
        others = ", ".join(names[:-1])
        raise Invalid(f"Send exactly one parameter that selects the traces to delete: {others}, or {names[-1]}=true.")
    (name,) = request.query
    return name


def delete_many(request: Request, caller: Identity, scope: DeletionScope) -> Response:
    """Delete the traces in `scope`. The response names the job when some traces are left for the purge function."""
    traces = writer(request, caller)
    job = traces.start_deletion(scope)
    job = traces.continue_deletion(job.job_id, DELETED_IN_REQUEST)
    deleted = {"deleted": {"traces": job.traces, "spans": job.spans}}
    return json_response(deleted) if job.state == "done" else json_response({**deleted, "job_id": job.job_id}, 202)
