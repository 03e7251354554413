"""Jobs of bulk deletions as responses show them."""

import re
from typing import Any, Final

from tracestore.domain.times import NS_PER_MS, format_time
from tracestore.storage.model import Job

_JOB_ID: Final = re.compile(r"[0-9a-f-]{36}")


def is_job_id(text: str) -> bool:
    """Whether `text` can be the id of a job."""
    return _JOB_ID.fullmatch(text) is not None


def job_json(job: Job) -> dict[str, Any]:
    """The progress of a job. `finished_at` is null until the job has ended."""
    return {
        "job_id": job.job_id,
        "state": job.state,
        "deleted": {"traces": job.traces, "spans": job.spans},
        "created_at": format_time(job.requested_ms * NS_PER_MS),
        "finished_at": None if job.ended_ms is None else format_time(job.ended_ms * NS_PER_MS),
    }
