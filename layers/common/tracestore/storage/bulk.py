"""Many traces out of the table at once: hidden by a mark first, then removed by a job, in steps that may die anywhere.

The mark hides what the job still has to remove, so that the job may take its time. What a job is about to remove it
first writes down as its plan; who finds a plan carries it out. So nothing is begun and forgotten, and since tombstones
tell which job made them, a plan that is carried out twice, or by two at once, still counts each trace once.

Captures take a moment and indexes lag: only a look that begins a while after the mark was made sees everything.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from itertools import count, islice
from typing import Final, TypeAlias
from uuid import uuid4

from tracestore.domain.errors import Conflict, NotFound, Unavailable

from . import keys
from .deletes import delete_trace_for
from .dynamo import ConditionFailed
from .items import Head, head_from
from .jobs import Job, State, job_item, read_job
from .pending_deletions import (
    PENDING_DELETIONS_KEPT,
    PendingDeletion,
    pending_deletions_from,
    pending_deletions_item,
    read_pending_deletions,
    version_of,
)
from .segments import Item
from .store import Store
from .table import READS_AT_ONCE, Deadline

PLANNED_AT_ONCE: Final = 100
"""A crash repeats no more than this, and one write of the job serves so many."""

WORKERS: Final = 8
STOP_AT_S: Final = 10.0
"""A job stops here rather than be stopped: removing one trace takes a few seconds at worst."""

IN_FLIGHT_MS: Final = 40_000
"""A capture that came before the mark may take the 29 seconds of its function to store a head, and indexes follow
within a fraction of a second: what is not there after this long did not come before the mark."""

STEPS_IN_VAIN: Final = 20
"""So many steps one after the other that removed nothing, though something is left: then the job has failed."""

SKIPPED_AT_MOST: Final = 20
"""One trace that cannot be removed is skipped. Where many cannot, the fault is not theirs."""

Report: TypeAlias = Callable[[str, Exception], None]
"""Told of each trace that cannot be removed, and why."""


def start(
    store: Store,
    user_id: str,
    *,
    conversation_id: str | None = None,
    before_ns: int | None = None,
    lessons: bool = False,
    lesson_id: str | None = None,
    deadline: Deadline | None = None,
) -> Job:
    """Store a pending deletion and the job that removes what it includes, both or neither."""
    job = Job(str(uuid4()), "queued", store.now_ms(), version=1)
    pending_deletion = PendingDeletion(job.job_id, job.made_ms, conversation_id, before_ns, lessons, lesson_id)
    companions = [job_item(user_id, job, wakes=True)]
    _change_pending_deletions(
        store,
        user_id,
        lambda pending_deletions: [*pending_deletions, pending_deletion],
        deadline or Deadline(),
        companions,
    )
    return job


def work(
    store: Store,
    user_id: str,
    job_id: str,
    traces_at_most: int,
    deadline: Deadline | None = None,
    *,
    workers: int = WORKERS,
) -> Job:
    """Remove traces that the job covers, at most so many and while there is time; returns where it stands.

    It is `done` when nothing is in sight any longer; `step` has the last look. *repeat*: goes on.
    """
    work = _Work(store, user_id, read_job(store, user_id, job_id), deadline or Deadline(), workers)
    work.remove(traces_at_most)
    return work.job


def step(
    store: Store,
    user_id: str,
    job_id: str,
    deadline: Deadline | None = None,
    *,
    report: Report,
    workers: int = WORKERS,
) -> Job | None:
    """Go on with a job for as long as there is time; returns where it stands, None if there is no such job.

    Begins when whatever came before the mark is surely there. What is left it leaves to the next step, which its last
    write of the job brings about; when nothing is, the mark goes. *repeat*: a job that has ended is returned as it is.
    *raises* what kept it from going on: the same again, later, takes up where it stopped.
    """
    deadline = deadline or Deadline()
    try:
        job = read_job(store, user_id, job_id)
    except NotFound:
        return None
    early_ms = job.made_ms + IN_FLIGHT_MS - store.now_ms()
    if early_ms > 0:
        deadline.sleep(min(early_ms, IN_FLIGHT_MS) / 1000)
        job = read_job(store, user_id, job_id)
    work = _Work(store, user_id, job, deadline, workers, report)
    if job.state == "failed" or (work.pending_deletion is None and job.state == "done"):
        return job
    if job.attempts >= STEPS_IN_VAIN:
        work.save(replace(job, state="failed", ended_ms=store.now_ms()))
        return work.job
    state: State = "running" if job.state == "queued" else job.state
    work.save(replace(job, state=state, attempts=job.attempts + 1))
    if not work.remove():
        while not work.save(work.job, wakes=True):
            pass
    elif work.pending_deletion and work.job.state == "done":
        _remove_pending_deletions(store, user_id, work.pending_deletion, deadline)
    return work.job


class _NoTime(Exception):
    """A trace is left alone, since its removal might be interrupted."""


class _Work:
    """One worker at a job. `job` is as this worker has last seen it stored; without `report` nothing is skipped."""

    def __init__(
        self, store: Store, user_id: str, job: Job, deadline: Deadline, workers: int, report: Report | None = None
    ) -> None:
        self.store = store
        self.user_id = user_id
        self.job = job
        self.pending_deletion = next(
            (
                pending_deletion
                for pending_deletion in read_pending_deletions(store, user_id)
                if pending_deletion.job_id == job.job_id
            ),
            None,
        )
        self.deadline = deadline
        self.workers = workers
        self.report = report

    def remove(self, traces_at_most: int | None = None) -> bool:
        """Carry out plan after plan; whether nothing is left in sight."""
        left = traces_at_most
        while True:
            in_sight = self._in_sight()
            while self._has_time() and (settled := self._settled()) is not None:
                plan = tuple(islice(in_sight, PLANNED_AT_ONCE if left is None else min(left, PLANNED_AT_ONCE)))
                is_all = not plan and (left != 0 or next(in_sight, None) is None)
                if not self.save(self._with(settled, plan, is_all)):
                    break  # another worker was faster: look again at what is left
                if not plan:
                    return is_all
                left = None if left is None else left - len(plan)
            else:
                return False

    def save(self, job: Job, *, wakes: bool = False) -> bool:
        """Store the next version of the job; False when another worker did, whose version is taken over then."""
        saved = replace(job, version=self.job.version + 1)
        try:
            self.store.table.put(job_item(self.user_id, saved, wakes=wakes), replaces=self.job.version)
        except ConditionFailed:
            self.job = read_job(self.store, self.user_id, job.job_id)
            return False
        self.job = saved
        return True

    def _with(self, settled: Job, plan: tuple[str, ...], is_all: bool) -> Job:
        """The job with its next plan, ended when there is none and nothing is left."""
        if not is_all or (settled.skipped and self.report is None):
            return replace(settled, state="running", plan=plan, ended_ms=None)
        return replace(
            settled,
            state="failed" if settled.skipped else "done",
            ended_ms=self.store.now_ms(),
            attempts=0,
        )

    def _settled(self) -> Job | None:
        """The job with its plan carried out and counted; None when some of it has to be left to another step."""
        if not self.job.plan:
            return self.job
        if self.workers == 1:
            outcomes = [self._remove(trace_id) for trace_id in self.job.plan]
        else:
            with ThreadPoolExecutor(self.workers) as pool:
                outcomes = list(pool.map(self._remove, self.job.plan))
        failures = {
            trace_id: outcome
            for trace_id, outcome in zip(self.job.plan, outcomes, strict=True)
            if isinstance(outcome, Exception)
        }
        if any(isinstance(failure, _NoTime) for failure in failures.values()) or (failures and self.report is None):
            return None
        if len(failures) + len(self.job.skipped) > SKIPPED_AT_MOST:
            raise next(iter(failures.values()))
        for trace_id, failure in failures.items():
            assert self.report is not None
            self.report(trace_id, failure)
        spans = [outcome for outcome in outcomes if isinstance(outcome, int)]
        return replace(
            self.job,
            traces=self.job.traces + len(spans),
            spans=self.job.spans + sum(spans),
            plan=(),
            skipped=(*self.job.skipped, *failures),
            attempts=0,
        )

    def _remove(self, trace_id: str) -> int | Exception | None:
        """How many spans went with a trace; None if it is gone without this job. Else why it is still there."""
        if not self._has_time():
            return _NoTime()
        try:
            return delete_trace_for(self.store, self.user_id, trace_id, self.job.job_id, self._includes, self.deadline)
        except Unavailable:
            raise
        except Exception as error:  # a trace that cannot be read is no reason to keep all others
            return error

    def _has_time(self) -> bool:
        return self.deadline.time_left_s() > STOP_AT_S

    def _includes(self, head: Head) -> bool:
        return self.pending_deletion is not None and self.pending_deletion.includes(head)

    def _in_sight(self) -> Iterator[str]:
        """The traces that are left to remove, as far as the indexes know of them."""
        if self.pending_deletion is None:
            return
        high = keys.before_time(self.pending_deletion.before_ns) if self.pending_deletion.before_ns is not None else ""
        for index, partition in self.pending_deletion.partitions(self.store, self.user_id):
            entries = self.store.table.query(partition, "", high, index=index)
            while pks := [entry["pk"]["S"] for entry in islice(entries, READS_AT_ONCE)]:
                heads = self.store.table.get_many(((pk, keys.HEAD) for pk in pks), self.deadline)
                for (pk, _), item in heads.items():
                    trace_id = keys.trace_id_of(pk)
                    if trace_id not in self.job.skipped and self._may_include(item):
                        yield trace_id

    def _may_include(self, item: Item) -> bool:
        try:
            head = head_from(item)
        except Exception:  # `_remove` will meet it too, and tell
            return True
        return self._includes(head) and not head.is_expired(self.store.now_ms())


def _remove_pending_deletions(store: Store, user_id: str, done: PendingDeletion, deadline: Deadline) -> None:
    """Remove the mark of a deletion that is done, and those that hide nothing else: of failed ones, for instance.

    What those have begun is finished first: a trace that is buried already is in no index, and nobody else finds it.
    """
    scopes = [replace(done, job_id="", made_ms=0), PendingDeletion("", 0)]

    def is_included(pending_deletion: PendingDeletion) -> bool:
        scope = replace(pending_deletion, job_id="", made_ms=0)
        return pending_deletion.job_id == done.job_id or (
            pending_deletion.made_ms <= done.made_ms and scopes[0] in (scope, scopes[1])
        )

    finished = {
        pending_deletion.job_id
        for pending_deletion in read_pending_deletions(store, user_id)
        if is_included(pending_deletion)
    }
    for job_id in finished - {done.job_id}:
        with suppress(NotFound):  # a job is kept for a while, the mark of a failed one for good
            job = read_job(store, user_id, job_id)
            for trace_id in (*job.plan, *job.skipped):
                delete_trace_for(store, user_id, trace_id, job_id, done.includes, deadline)
    _change_pending_deletions(
        store,
        user_id,
        lambda pending_deletions: [
            pending_deletion for pending_deletion in pending_deletions if pending_deletion.job_id not in finished
        ],
        deadline,
    )


def _change_pending_deletions(
    store: Store,
    user_id: str,
    change: Callable[[Sequence[PendingDeletion]], Sequence[PendingDeletion]],
    deadline: Deadline,
    companions: Sequence[Item] = (),
) -> None:
    """Put the user's marks as changed, and items beside them, all or nothing."""
    for attempt in count():
        item = store.table.get(keys.user(user_id), keys.USER)
        version = version_of(item)
        pending_deletions = change(pending_deletions_from(item))
        if len(pending_deletions) > PENDING_DELETIONS_KEPT:
            raise Conflict(
                "Too many deletions are waiting; try again when some of them are done.", code="too_many_jobs"
            )
        changed = pending_deletions_item(user_id, pending_deletions, (version or 0) + 1)
        try:
            if companions:
                store.table.put_together(changed, version, companions)
            else:
                store.table.put(changed, version)
        except ConditionFailed:
            deadline.pause(attempt)
        else:
            return
