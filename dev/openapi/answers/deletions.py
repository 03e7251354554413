"""Deletions, their jobs and their records."""

from collections.abc import Mapping
from typing import Final

from dev.openapi.answers.values import TEXT, success
from dev.openapi.schemas import Schema, choice, integer, nullable, obj, string, time

JOB_ID: Final = string(pattern="^[0-9a-f-]{36}$", examples=["9b2f6a0e-6f0b-4a53-9f0e-5d8c1f3a7b21"])
DELETED: Final = obj({"traces": integer(), "spans": integer()}, examples=[{"traces": 1, "spans": 12}])

COMPONENTS: Final[Mapping[str, Schema]] = {
    "Deleted": success(deleted=DELETED),
    "DeletionJob": success(deleted=DELETED, job_id=JOB_ID),
    "Job": obj(
        {
            "job_id": JOB_ID,
            "state": choice("queued", "running", "done", "failed", examples=["done"]),
            "deleted": DELETED,
            "created_at": time(),
            "finished_at": nullable(time("Null until the job has ended")),
        }
    ),
    "DeletionRecord": obj(
        {
            "kind": string(examples=["trace"]),
            "user_id": string(examples=["ada"]),
            "credential": string(examples=["jwt"]),
            "key_id": TEXT,
            "state": string(examples=["done"]),
            "requested_at": time(),
            "finished_at": nullable(time()),
            "deleted": DELETED,
        }
    ),
}
