"""Deletions of many traces: the scope or the ids that a request names, and the response."""

from typing import Final

from tracestore.domain.errors import Detail, Invalid
from tracestore.domain.spans import Json
from tracestore.http.identity import Identity
from tracestore.http.parameters import is_id, unknown_fields
from tracestore.http.request import Request
from tracestore.http.response import Response, json_response
from tracestore.http.wiring import writer
from tracestore.storage.model import DeletionScope, Job

DELETED_IN_REQUEST: Final = 1_000
"""Traces that a bulk deletion removes before it responds. The purge function removes the rest."""

CHOSEN_MOST: Final = 1_000
"""Traces that one request may name: as many as a page of a list has."""

_IDS_EXPECTED: Final = f"must be a list of 1 to {CHOSEN_MOST:,} ids of traces"


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
    return _response(traces.continue_deletion(job.job_id, DELETED_IN_REQUEST))


def chosen_ids(body: Json) -> list[str]:
    """The ids in `trace_ids`, the only field of the body. *raises*: Invalid that names every malformed one."""
    if not isinstance(body, dict):
        raise Invalid("Send a JSON object with trace_ids.")
    details = unknown_fields(body, ("trace_ids",), "a field of this request")
    trace_ids = body.get("trace_ids")
    ids: list[str] = []
    if not isinstance(trace_ids, list) or not 1 <= len(trace_ids) <= CHOSEN_MOST:
        details.append(Detail("trace_ids", _IDS_EXPECTED))
    else:
        for index, trace_id in enumerate(trace_ids):
            if isinstance(trace_id, str) and is_id(trace_id):
                ids.append(trace_id)
            else:
                details.append(Detail(f"trace_ids[{index}]", "cannot be the id of a trace: remove it"))
    if details:
        raise Invalid("No trace was deleted. See details for each field.", details=tuple(details))
    return ids


def delete_chosen(request: Request, caller: Identity, trace_ids: list[str]) -> Response:
    """Delete the traces with these ids. The response names the job when large ones are left for the purge function."""
    return _response(writer(request, caller).delete_chosen(trace_ids))


def _response(job: Job) -> Response:
    deleted = {"deleted": {"traces": job.traces, "spans": job.spans}}
    return json_response(deleted) if job.state == "done" else json_response({**deleted, "job_id": job.job_id}, 202)
