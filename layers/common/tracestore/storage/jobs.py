"""Jobs of bulk deletions as items.

Writing a job can start the next step of the purge function: the table's stream delivers the items that ask for it.
"""

from typing import Final

from tracestore.domain.errors import NotFound

from . import keys
from .formats.traces import pack_job, unpack_job
from .model import Item, Job
from .segments import expiry, key
from .store import Scope

JOB_LIFE_S: Final = 30 * 86_400


def read_job(scope: Scope, job_id: str) -> Job:
    """A job of the user. *raises*: NotFound."""
    item = scope.table.get(keys.user(scope.user_id), keys.job(job_id))
    if item is None:
        raise NotFound("There is no such job.")
    return unpack_job(item["job"]["B"])


def owner_and_id(item: Item) -> tuple[str, str]:
    """The user and the id of the job in an item."""
    return item["user_id"]["S"], unpack_job(item["job"]["B"]).job_id


def job_item(user_id: str, job: Job, *, wakes: bool) -> Item:
    """The job as an item. Each write of an item that `wakes` starts one step of the purge function.

    The operator's command finds the users that have jobs in the index of times, also those without a trace.
    """
    item: Item = {
        **key(keys.user(user_id), keys.job(job.job_id)),
        "by_time": {"S": keys.by_jobs(user_id)},
        "at": {"S": keys.job(job.job_id)},
        "v": {"N": str(job.version)},
        **expiry(job.requested_ms // 1000 + JOB_LIFE_S),
        "user_id": {"S": user_id},
        "job": {"B": pack_job(job)},
    }
    return item | {"wakes": {"S": "purge"}} if wakes else item
