"""Bulk deletions: many traces are hidden at once by a pending deletion, then removed by a job, in steps that may be
interrupted anywhere.

A job writes the traces that it is about to remove into its intent log; any step that finds an intent log carries it
out. So no removal is begun and forgotten. A tombstone names the job that wrote it, so an intent log that is carried out
twice, or by two workers at once, still counts each trace once.

A capture takes a moment, and indexes lag: only a step that begins a while after the request sees everything.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from typing import Final, TypeAlias
from uuid import uuid4

from tracestore.domain.errors import NotFound, Unavailable

from . import keys
from .deletes import DELETE_THREADS, delete_trace_for_job
from .deletion_records import job_record_item, kind_of
from .dynamo import ConditionFailed
from .items import head_from
from .jobs import job_item, owner_and_id, read_job
from .listing import head_items_in
from .model import DeletionScope, Item, Job, JobState, PendingDeletion, StoredHead
from .pending_deletions import change_pending_deletions, partitions_of, read_pending_deletions
from .store import Scope

INTENTS_PER_WRITE: Final = 100
"""A crash repeats no more than this, and one write of the job serves this many traces."""

STOP_AT_S: Final = 10.0
"""A step stops when this much time is left, before Lambda stops it: removing one trace takes a few seconds at worst."""

IN_FLIGHT_MS: Final = 40_000
"""A capture that began before the request may take the 29 seconds of its function to store a head, and indexes follow
within a fraction of a second. A trace that no index has after this long did not begin before the request."""

STEPS_WITHOUT_PROGRESS: Final = 20
"""Consecutive steps that removed nothing although traces are left; then the job has failed."""

SKIPPED_MOST: Final = 20
"""One trace that cannot be removed is skipped. Where many cannot, the cause lies elsewhere."""

Report: TypeAlias = Callable[[str, Exception], None]
"""Called with each trace that cannot be removed, and the reason."""


def start(scope: Scope, deletion: DeletionScope) -> Job:
    actor = scope.actor
    job = Job(
        str(uuid4()),
        "queued",
        scope.now_ms(),
        version=1,
        kind="prune" if actor.credential == "operator" else kind_of(deletion),
        credential=actor.credential,
        key_id=actor.key_id,
        requested_by=actor.user_id,
    )
    pending = PendingDeletion(job.job_id, job.requested_ms, deletion)
    record = job_record_item(scope.user_id, job)
    companions = [job_item(scope.user_id, job, wakes=True), *([record] if record else [])]
    change_pending_deletions(scope, lambda pending_deletions: [*pending_deletions, pending], companions)
    return job


def work(scope: Scope, job_id: str, traces_most: int, *, threads: int = DELETE_THREADS) -> Job:
    worker = _Worker(scope, read_job(scope, job_id), threads)
    worker.remove(traces_most)
    return worker.job


def step(scope: Scope, job_id: str, *, report: Report, threads: int = DELETE_THREADS) -> Job | None:
    try:
        job = read_job(scope, job_id)
    except NotFound:
        return None
    early_ms = job.requested_ms + IN_FLIGHT_MS - scope.now_ms()
    if early_ms > 0:
        scope.deadline.sleep(min(early_ms, IN_FLIGHT_MS) / 1000)
        job = read_job(scope, job_id)
    worker = _Worker(scope, job, threads, report)
    if job.state == "failed" or (worker.pending is None and job.state == "done"):
        return job
    if job.attempts >= STEPS_WITHOUT_PROGRESS:
        worker.save(replace(job, state="failed", ended_ms=scope.now_ms()))
        return worker.job
    state: JobState = "running" if job.state == "queued" else job.state
    worker.save(replace(job, state=state, attempts=job.attempts + 1))
    if not worker.remove():
        scope.deadline.retry(lambda: worker.put(worker.job, wakes=True))
    elif worker.pending and worker.job.state == "done":
        _remove_pending_deletion(scope, worker.pending)
    return worker.job


def restart(scope: Scope) -> list[Job]:
    """Start the next step of every job of the user that has not ended well, also of those that have failed.

    Traces that were skipped are tried again. *repeat*: another step of each, which does no harm.
    """
    restarted = []
    for item in scope.table.query(keys.user(scope.user_id), keys.job(""), keys.job("~")):
        _, job_id = owner_and_id(item)
        worker = _Worker(scope, read_job(scope, job_id), threads=1)
        if worker.job.state != "done" or worker.pending is not None:
            scope.deadline.retry(worker.begin_again)
            restarted.append(worker.job)
    return restarted


def _begun_again(job: Job) -> Job:
    """The job as if none of its steps had failed. What it was removing, and what it skipped, it removes first."""
    first = (*job.intent_log, *job.skipped)
    return replace(job, state="running", ended_ms=None, attempts=0, skipped=(), intent_log=first)


class _OutOfTime(Exception):
    """A trace is left alone, since its removal might be interrupted."""


class _Worker:
    """One worker on a job. `job` is the last stored version that it saw; without `report` it skips no trace."""

    def __init__(self, scope: Scope, job: Job, threads: int, report: Report | None = None) -> None:
        self.scope = scope
        self.job = job
        self.pending = next(
            (pending for pending in read_pending_deletions(scope) if pending.job_id == job.job_id), None
        )
        self.threads = threads
        self.report = report

    def remove(self, traces_most: int | None = None) -> bool:
        """Write and carry out one intent log after the other; returns whether no trace is left in the indexes."""
        left = traces_most
        backoff = self.scope.deadline.backoff()
        while True:
            indexed = self._indexed()
            while self._has_time() and (completed := self._completed()) is not None:
                most = INTENTS_PER_WRITE if left is None else min(left, INTENTS_PER_WRITE)
                intent_log = tuple(islice(indexed, most))
                is_last = not intent_log and (left != 0 or next(indexed, None) is None)
                if not self.save(self._with(completed, intent_log, is_last)):
                    backoff.pause()
                    break  # another worker was faster: read the indexes again
                if not intent_log:
                    return is_last
                left = None if left is None else left - len(intent_log)
            else:
                return False

    def save(self, job: Job) -> bool:
        """Store the next version of the job; False when another worker did, whose version is adopted."""
        try:
            self.put(job)
        except ConditionFailed:
            return False
        return True

    def put(self, job: Job, *, wakes: bool = False) -> None:
        """As `save`. The record of the deletion follows its job. *raises*: ConditionFailed when another worker did."""
        user_id = self.scope.user_id
        saved = replace(job, version=self.job.version + 1)
        item = job_item(user_id, saved, wakes=wakes)
        record = job_record_item(user_id, saved)
        try:
            if record and record != job_record_item(user_id, self.job):
                self.scope.table.put_together(item, self.job.version, [record])
            else:
                self.scope.table.put(item, self.job.version)
        except ConditionFailed:
            self.job = read_job(self.scope, job.job_id)
            raise
        self.job = saved

    def begin_again(self) -> None:
        """Start the next step of the job as if none had failed. *raises*: as `put`."""
        self.put(_begun_again(self.job), wakes=True)

    def _with(self, completed: Job, intent_log: tuple[str, ...], is_last: bool) -> Job:
        """The job with its next intent log, ended when the log is empty and nothing is left."""
        if not is_last or (completed.skipped and self.report is None):
            return replace(completed, state="running", intent_log=intent_log, ended_ms=None)
        return replace(
            completed,
            state="failed" if completed.skipped else "done",
            ended_ms=self.scope.now_ms(),
            attempts=0,
        )

    def _completed(self) -> Job | None:
        """The job with its intent log carried out and counted; None when some of it is left to another step."""
        if not self.job.intent_log:
            return self.job
        if self.threads == 1:
            outcomes = [self._remove(trace_id) for trace_id in self.job.intent_log]
        else:
            with ThreadPoolExecutor(self.threads) as pool:
                outcomes = list(pool.map(self._remove, self.job.intent_log))
        failures = {
            trace_id: outcome
            for trace_id, outcome in zip(self.job.intent_log, outcomes, strict=True)
            if isinstance(outcome, Exception)
        }
        if any(isinstance(failure, _OutOfTime) for failure in failures.values()):
            return None
        if failures and self.report is None:
            return None
        if len(failures) + len(self.job.skipped) > SKIPPED_MOST:
            raise next(iter(failures.values()))
        if self.report is not None:
            for trace_id, failure in failures.items():
                self.report(trace_id, failure)
        spans = [outcome for outcome in outcomes if isinstance(outcome, int)]
        return replace(
            self.job,
            traces=self.job.traces + len(spans),
            spans=self.job.spans + sum(spans),
            intent_log=(),
            skipped=(*self.job.skipped, *failures),
            attempts=0,
        )

    def _remove(self, trace_id: str) -> int | Exception | None:
        """The number of spans removed with a trace; None if another deletion removed it, else the reason why not."""
        if not self._has_time():
            return _OutOfTime()
        try:
            return delete_trace_for_job(self.scope, trace_id, self.job.job_id, self._includes)
        except Unavailable:
            raise
        except Exception as error:  # a trace that cannot be read must not keep all others
            return error

    def _has_time(self) -> bool:
        return self.scope.deadline.time_left_s() > STOP_AT_S

    def _includes(self, head: StoredHead) -> bool:
        return self.pending is not None and self.pending.includes(head)

    def _indexed(self) -> Iterator[str]:
        """The traces that are left to remove, as far as the indexes contain them."""
        if self.pending is None:
            return
        deletion = self.pending.scope
        high = keys.before_time(deletion.before_ns) if deletion.before_ns is not None else ""
        for trace_id, item in head_items_in(self.scope, partitions_of(self.scope, deletion), high):
            if trace_id not in self.job.skipped and self._may_include(item):
                yield trace_id

    def _may_include(self, item: Item) -> bool:
        try:
            head = head_from(item)
        except Exception:  # `_remove` will meet it too, and report it
            return True
        return self._includes(head) and not head.is_expired(self.scope.now_ms())


def _remove_pending_deletion(scope: Scope, done: PendingDeletion) -> None:
    """Remove the pending deletion of a job that is done, and earlier ones that hide nothing else, such as failed ones.

    The removals that those began are completed first: no index contains a trace that has a tombstone already, so no
    later job would find it.
    """

    def is_superseded(pending: PendingDeletion) -> bool:
        is_wider = done.scope in (pending.scope, DeletionScope())
        return pending.job_id == done.job_id or (pending.requested_ms <= done.requested_ms and is_wider)

    superseded = {pending.job_id for pending in read_pending_deletions(scope) if is_superseded(pending)}
    for job_id in superseded - {done.job_id}:
        with suppress(NotFound):  # a job expires; the pending deletion of a failed one does not
            job = read_job(scope, job_id)
            for trace_id in (*job.intent_log, *job.skipped):
                delete_trace_for_job(scope, trace_id, job_id, done.includes)
    change_pending_deletions(
        scope, lambda pending_deletions: [each for each in pending_deletions if each.job_id not in superseded]
    )
