"""Jobs of bulk deletions as items: what each has done so far, and what it has set out to do.

Writing a job can wake the function that works at it: the table's stream hands it the items that say so.
"""

from dataclasses import asdict, dataclass
from typing import Final, Literal

from tracestore.domain.errors import NotFound

from . import keys
from .codec import pack, unpack
from .segments import Item
from .store import Store

JOB_KEPT_S: Final = 30 * 86_400

State = Literal["queued", "running", "done", "failed"]


@dataclass(frozen=True, slots=True)
class Job:
    """A bulk deletion and how far it is.

    `made_ms` is when it was asked for, `ended_ms` when it was done or failed. `plan` are the traces that are being
    removed: they count when all are gone. `skipped` could not be removed. `attempts` counts the steps that were begun
    since one removed something.
    """

    job_id: str
    state: State
    made_ms: int
    traces: int = 0
    spans: int = 0
    version: int = 0
    ended_ms: int | None = None
    plan: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    attempts: int = 0


def read_job(store: Store, user_id: str, job_id: str) -> Job:
    """*raises* NotFound."""
    item = store.table.get(keys.user(user_id), keys.job(job_id))
    if item is None:
        raise NotFound("There is no such job.")
    return job_from(item)


def job_in(item: Item) -> tuple[str, str]:
    """Whose job an item is, and its id."""
    return item["user_id"]["S"], job_from(item).job_id


def job_item(user_id: str, job: Job, *, wakes: bool) -> Item:
    """The job as an item. One that `wakes` has the purge function go on with it, once for each time it is written."""
    item: Item = {
        "pk": {"S": keys.user(user_id)},
        "sk": {"S": keys.job(job.job_id)},
        "v": {"N": str(job.version)},
        "expires_at": {"N": str(job.made_ms // 1000 + JOB_KEPT_S)},
        "user_id": {"S": user_id},
        "job": {"B": pack(asdict(job))},
    }
    return item | {"wakes": {"S": "purge"}} if wakes else item


def job_from(item: Item) -> Job:
    content = unpack(item["job"]["B"])
    return Job(**content | {"plan": tuple(content["plan"]), "skipped": tuple(content["skipped"])})
