"""Many traces out of the table at once: hidden by a mark first, then removed one by one by a job.

The mark hides what the job still has to remove, so that the job may take its time, be interrupted, and go on. Indexes
lag behind by a moment: a job has seen everything only when it looks again a while after the mark was made.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from itertools import count, islice
from typing import Final, Literal
from uuid import uuid4

from tracestore.domain.errors import Conflict, NotFound

from . import keys
from .codec import pack, unpack
from .deletes import delete_trace
from .dynamo import ConditionFailed
from .listing import heads_in
from .marks import MARKS_KEPT, Mark, marks_from, marks_item, read_marks, version_of
from .segments import Item
from .store import Store
from .table import Patience

DELETED_AT_ONCE: Final = 40
WORKERS: Final = 8
STOP_AT_S: Final = 10.0
"""A job stops here rather than be stopped: what goes between two looks at the clock takes a few seconds at worst."""

INDEX_LAG_MS: Final = 10_000
"""Indexes follow within a fraction of a second; after this long a second look finds whatever the first one missed."""

JOB_KEPT_S: Final = 30 * 86_400

State = Literal["queued", "running", "done", "failed"]


@dataclass(frozen=True, slots=True)
class Job:
    """A bulk deletion and how far it is. `made_ms` is when it was asked for."""

    job_id: str
    state: State
    made_ms: int
    traces: int = 0
    spans: int = 0
    version: int = 0


def start(
    store: Store,
    user_id: str,
    *,
    conversation_id: str | None = None,
    before_ns: int | None = None,
    lessons: bool = False,
    lesson_id: str | None = None,
    patience: Patience | None = None,
) -> Job:
    """Hide what the deletion covers (see `Mark`), from now on, and leave a job that removes it."""
    patience = patience or Patience()
    job = _save(store, user_id, Job(str(uuid4()), "queued", store.now_ms()))
    mark = Mark(job.job_id, job.made_ms, conversation_id, before_ns, lessons, lesson_id)
    _change_marks(store, user_id, lambda marks: [*marks, mark], patience)
    return job


def read_job(store: Store, user_id: str, job_id: str) -> Job:
    """*raises* NotFound."""
    item = store.table.get(keys.user(user_id), keys.job(job_id))
    if item is None:
        raise NotFound("There is no such job.")
    return Job(**unpack(item["job"]["B"]))


def work(store: Store, user_id: str, job_id: str, traces_at_most: int, patience: Patience | None = None) -> Job:
    """Remove traces that the job covers, at most so many and while there is time; returns where it stands.

    The job is `done` once nothing it covers is left, and stays marked until the indexes have surely shown everything:
    call again after `INDEX_LAG_MS`. *repeat*: goes on; a job that is finished is returned as it is.
    """
    patience = patience or Patience()
    job = read_job(store, user_id, job_id)
    mark = next((mark for mark in read_marks(store, user_id) if mark.job_id == job_id), None)
    if mark is None:
        return job
    is_late = store.now_ms() >= job.made_ms + INDEX_LAG_MS
    covered = _covered(store, user_id, mark, patience)
    left = traces_at_most
    with ThreadPoolExecutor(WORKERS) as pool:
        while patience.time_left_s() > STOP_AT_S and (batch := list(islice(covered, min(left, DELETED_AT_ONCE)))):
            spans = list(pool.map(lambda trace_id: _delete(store, user_id, trace_id, patience), batch))
            job = replace(
                job, traces=job.traces + len(batch) - spans.count(None), spans=job.spans + sum(filter(None, spans))
            )
            left -= len(batch)
    is_done = next(covered, None) is None
    job = _save(store, user_id, replace(job, state="done" if is_done else "running"))
    if is_done and is_late:
        _change_marks(store, user_id, lambda marks: [kept for kept in marks if kept.job_id != job_id], patience)
    return job


def resume(store: Store, user_id: str, traces_at_most: int, patience: Patience | None = None) -> None:
    """Go on with this user's earlier jobs: those that stopped half-way, and those that are due a second look."""
    for mark in read_marks(store, user_id):
        if store.now_ms() >= mark.made_ms + INDEX_LAG_MS:
            work(store, user_id, mark.job_id, traces_at_most, patience)


def _covered(store: Store, user_id: str, mark: Mark, patience: Patience) -> Iterator[str]:
    """The traces that a mark covers and that are still there."""
    high = keys.before_time(mark.before_ns) if mark.before_ns is not None else ""
    for pk, head in heads_in(store, mark.partitions(store, user_id), high, patience):
        if mark.covers(head):
            yield keys.trace_id_of(pk)


def _delete(store: Store, user_id: str, trace_id: str, patience: Patience) -> int | None:
    """How many spans went with the trace; None where it was gone already."""
    try:
        return delete_trace(store, user_id, trace_id, patience)
    except NotFound:
        return None


def _change_marks(
    store: Store, user_id: str, change: Callable[[Sequence[Mark]], Sequence[Mark]], patience: Patience
) -> None:
    for attempt in count():
        item = store.table.get(keys.user(user_id), keys.USER)
        version = version_of(item)
        marks = change(marks_from(item))
        if len(marks) > MARKS_KEPT:
            raise Conflict(
                "Too many deletions are waiting; try again when some of them are done.", code="too_many_jobs"
            )
        try:
            store.table.put(marks_item(user_id, marks, (version or 0) + 1), replaces=version)
        except ConditionFailed:
            patience.pause(attempt)
        else:
            return


def _save(store: Store, user_id: str, job: Job) -> Job:
    """Store the job's next version. Two workers at one job: the slower one's figures give way."""
    saved = replace(job, version=job.version + 1)
    try:
        store.table.put(_job_item(user_id, saved), replaces=job.version or None)
    except ConditionFailed:
        return read_job(store, user_id, job.job_id)
    return saved


def _job_item(user_id: str, job: Job) -> Item:
    return {
        "pk": {"S": keys.user(user_id)},
        "sk": {"S": keys.job(job.job_id)},
        "v": {"N": str(job.version)},
        "expires_at": {"N": str(job.made_ms // 1000 + JOB_KEPT_S)},
        "job": {"B": pack(asdict(job))},
    }
