"""Jobs of bulk deletions: each trace is removed and counted once, wherever a step crashes and however many run."""

import random
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from tests.builders import (
    Clock,
    awaiting,
    call,
    long_deadline,
    reader,
    store_on,
    stored_items,
    trace_ids,
    unexpected,
    writer,
)
from tests.crashing import Crash, CrashingAtCall
from tests.gateway import new_user
from tests.memory_dynamodb import MemoryDynamoDB, Scheduler
from tests.purging import FailingAtTombstones, JobCollector
from tracestore.domain.errors import NotFound
from tracestore.storage import bulk, keys
from tracestore.storage.deadline import Deadline
from tracestore.storage.items import head_from
from tracestore.storage.model import DeletionScope, Job, Tombstone
from tracestore.storage.store import Store
from tracestore.storage.table import Table

NOISE = random.Random(0).randbytes(3000).hex()


def written(store: Store, clock: Clock, user: str, *trace_ids: str, **reported: Any) -> None:
    """Store traces of two spans, which have companion items in addition to their head."""
    for trace_id in trace_ids:
        for fields in (call("root", output_data=NOISE, **reported), call("child", "root")):
            writer(store, user).capture([(trace_id, fields)])
    clock.advance(ms=1)


def stepped(store: Store, clock: Clock, user: str, job: Job, report: bulk.Report = unexpected) -> Job:
    """The job after one more step."""
    after_step = writer(store, user, awaiting(clock)).step_deletion(job.job_id, report=report, threads=1)
    assert after_step is not None
    return after_step


def ended(store: Store, clock: Clock, user: str, job: Job, report: bulk.Report = unexpected) -> Job:
    """The job after all the steps that it wakes, at most 30."""
    collector = JobCollector(store.table.client)
    collecting_store = replace(store, table=Table(collector, store.table.name))
    collector.jobs.append((user, job.job_id))
    for _ in range(30):
        if not collector.jobs:
            return reader(store, user).job(job.job_id)
        collector.jobs.pop()
        stepped(collecting_store, clock, user, job, report)
    raise AssertionError("the job wakes itself forever")


def progress(job: Job) -> tuple[str, int, int]:
    return job.state, job.traces, job.spans


@pytest.mark.parametrize("calls_before_crash", range(60))
def test_a_step_that_crashes_anywhere_is_repeated_and_counts_no_trace_twice(calls_before_crash: int) -> None:
    memory, clock, user = MemoryDynamoDB(), Clock(), new_user().name
    store = store_on(memory, clock)
    written(store, clock, user, "a", "b", "c")
    job = writer(store, user).start_deletion(DeletionScope())
    with suppress(Crash):
        stepped(store_on(memory, clock, db=CrashingAtCall(memory, calls_before_crash)), clock, user, job)
    assert trace_ids(store, user) == []
    assert progress(stepped(store, clock, user, job)) == ("done", 3, 6)
    assert all(list(stored_items(store, user, trace_id)) == ["H"] for trace_id in "abc")
    assert reader(store, user).pending_deletions() == ()


@pytest.mark.parametrize("calls_before_crash", range(5, 40))
def test_a_request_that_crashes_anywhere_leaves_its_deletion_to_the_job(calls_before_crash: int) -> None:
    memory, clock, user = MemoryDynamoDB(), Clock(), new_user().name
    store = store_on(memory, clock)
    written(store, clock, user, "a", "b")
    collector = JobCollector(CrashingAtCall(memory, calls_before_crash))
    crashing = store_on(memory, clock, db=collector)
    with suppress(Crash):
        job = writer(crashing, user).start_deletion(DeletionScope())
        writer(crashing, user).continue_deletion(job.job_id, 1000, threads=1)
    ((_, job_id),) = collector.jobs
    assert progress(stepped(store, clock, user, reader(store, user).job(job_id))) == ("done", 2, 4)
    assert all(list(stored_items(store, user, trace_id)) == ["H"] for trace_id in "ab")


@pytest.mark.parametrize("calls_before_crash", range(5))
def test_a_request_that_crashes_before_it_hides_anything_leaves_nothing(calls_before_crash: int) -> None:
    memory, clock, user = MemoryDynamoDB(), Clock(), new_user().name
    written(store_on(memory, clock), clock, user, "a")
    with suppress(Crash):
        writer(store_on(memory, clock, db=CrashingAtCall(memory, calls_before_crash)), user).start_deletion(
            DeletionScope()
        )
    store = store_on(memory, clock)
    jobs = list(store.table.query(keys.user(user), "J#", "J#~"))
    assert len(jobs) == len(reader(store, user).pending_deletions()) == (0 if trace_ids(store, user) else 1)


def test_steps_that_crash_repeatedly_complete_the_job() -> None:
    memory, clock, user = MemoryDynamoDB(), Clock(), new_user().name
    store = store_on(memory, clock)
    written(store, clock, user, *[f"t{number}" for number in range(12)])
    job = writer(store, user).start_deletion(DeletionScope())
    for _ in range(bulk.STEPS_WITHOUT_PROGRESS):
        with suppress(Crash):
            stepped(store_on(memory, clock, db=CrashingAtCall(memory, 25)), clock, user, job)
    assert progress(reader(store, user).job(job.job_id)) == ("done", 12, 24)


def test_only_a_step_that_runs_out_of_time_wakes_the_next() -> None:
    clock, user = Clock(), new_user().name
    collector = JobCollector(MemoryDynamoDB())
    store = store_on(collector._db, clock, db=collector)
    written(store, clock, user, "a", "b", "c")
    job = writer(store, user).start_deletion(DeletionScope())
    clock.advance(ms=bulk.IN_FLIGHT_MS)
    assert collector.jobs == [(user, job.job_id)]
    looks = iter([100.0] * 4 + [3.0] * 100)
    hurried = Deadline(time_left_s=lambda: next(looks), sleep=lambda _: None)
    stopped = writer(store, user, hurried).step_deletion(job.job_id, report=unexpected, threads=1)
    assert stopped is not None
    assert stopped.state == "running"
    assert collector.jobs == [(user, job.job_id)] * 2
    assert progress(stepped(store, clock, user, job)) == ("done", 3, 6)
    assert collector.jobs == [(user, job.job_id)] * 2


def test_a_step_waits_until_the_indexes_are_complete() -> None:
    memory, clock, user = MemoryDynamoDB(), Clock(), new_user().name
    store = store_on(memory, clock)
    job = writer(store, user).start_deletion(DeletionScope())
    clock.advance(ms=3_000)
    stepped(store, clock, user, job)
    assert clock.ms == job.requested_ms + bulk.IN_FLIGHT_MS


def test_a_step_of_a_job_that_has_ended_writes_nothing() -> None:
    memory, clock, user = MemoryDynamoDB(), Clock(), new_user().name
    store = store_on(memory, clock)
    written(store, clock, user, "a")
    job = stepped(store, clock, user, writer(store, user).start_deletion(DeletionScope()))
    assert stepped(store, clock, user, job) == job == reader(store, user).job(job.job_id)


def test_a_step_of_an_absent_job_does_nothing() -> None:
    assert writer(store_on(MemoryDynamoDB()), "ada").step_deletion("no-job", report=unexpected) is None


def test_a_trace_that_cannot_be_removed_is_skipped_and_stays_hidden() -> None:
    memory, clock, user = MemoryDynamoDB(), Clock(), new_user().name
    store = store_on(memory, clock)
    written(store, clock, user, "a", "bad", "c")
    failing = store_on(memory, clock, db=FailingAtTombstones(memory, "bad"))
    job = writer(store, user).start_deletion(DeletionScope())
    skipped: list[str] = []
    job = ended(failing, clock, user, job, lambda trace_id, _: skipped.append(trace_id))
    assert (progress(job), skipped) == (("failed", 2, 4), ["bad"])
    assert job.ended_ms == clock.ms
    assert trace_ids(store, user) == []
    with pytest.raises(NotFound):
        reader(store, user).trace("bad", payloads=False)


def test_a_skipped_trace_is_not_tried_again_by_the_next_step() -> None:
    memory, clock, user = MemoryDynamoDB(), Clock(), new_user().name
    store = store_on(memory, clock)
    many = [f"t{number:03}" for number in range(bulk.INTENTS_PER_WRITE)]
    writer(store, user).capture([(trace_id, call("root")) for trace_id in [*many, "bad"]])
    clock.advance(ms=1)
    failing = store_on(memory, clock, db=FailingAtTombstones(memory, "bad"))
    job = writer(store, user).start_deletion(DeletionScope())
    skipped: list[str] = []
    hurried = Deadline(lambda: 100.0 if not reader(store, user).job(job.job_id).traces else 3.0, sleep=lambda _: None)
    for deadline in (hurried, long_deadline()):
        writer(failing, user, deadline).step_deletion(
            job.job_id, report=lambda trace_id, _: skipped.append(trace_id), threads=1
        )
    assert (progress(reader(store, user).job(job.job_id)), skipped) == (("failed", 100, 100), ["bad"])


def test_a_step_that_removes_something_resets_the_attempts() -> None:
    memory, clock, user = MemoryDynamoDB(), Clock(), new_user().name
    store = store_on(memory, clock)
    writer(store, user).capture([(f"t{number}", call("root")) for number in range(bulk.INTENTS_PER_WRITE + 1)])
    clock.advance(ms=1)
    job = writer(store, user).start_deletion(DeletionScope())
    hurried = Deadline(lambda: 100.0 if not reader(store, user).job(job.job_id).traces else 3.0, sleep=lambda _: None)
    for expected in (0, 1):
        writer(store, user, hurried).step_deletion(job.job_id, report=unexpected, threads=1)
        assert reader(store, user).job(job.job_id).attempts == expected


@pytest.mark.parametrize("again", [{"conversation_id": "c"}, {}])
def test_a_repeated_or_wider_deletion_removes_the_traces_that_a_failed_one_hid(again: dict[str, Any]) -> None:
    memory, clock, user = MemoryDynamoDB(), Clock(), new_user().name
    store = store_on(memory, clock)
    written(store, clock, user, "a", "bad", conversation_id="c")
    job = writer(store, user).start_deletion(DeletionScope(conversation_id="c"))
    failing = store_on(memory, clock, db=FailingAtTombstones(memory, "bad"))
    ended(failing, clock, user, job, lambda *_: None)
    assert progress(stepped(store, clock, user, writer(store, user).start_deletion(DeletionScope(**again)))) == (
        "done",
        1,
        2,
    )
    assert reader(store, user).pending_deletions() == ()
    assert progress(reader(store, user).job(job.job_id)) == ("failed", 1, 2)


def test_a_trace_that_a_failed_deletion_removed_partly_is_removed_by_the_next() -> None:
    memory, clock, user = MemoryDynamoDB(), Clock(), new_user().name
    store = store_on(memory, clock)
    written(store, clock, user, "t")
    job = writer(store, user).start_deletion(DeletionScope())
    for calls in [9] + [5] * (bulk.STEPS_WITHOUT_PROGRESS - 1):
        with suppress(Crash):  # the tombstone is written, and no companion item is removed
            stepped(store_on(memory, clock, db=CrashingAtCall(memory, calls)), clock, user, job)
    assert stepped(store, clock, user, job).state == "failed"
    assert len(stored_items(store, user)) > 1
    stepped(store, clock, user, writer(store, user).start_deletion(DeletionScope()))
    assert list(stored_items(store, user)) == ["H"]
    assert reader(store, user).pending_deletions() == ()


def test_a_narrower_deletion_leaves_the_pending_deletion_of_a_failed_one() -> None:
    memory, clock, user = MemoryDynamoDB(), Clock(), new_user().name
    store = store_on(memory, clock)
    written(store, clock, user, "bad")
    failed = writer(store, user).start_deletion(DeletionScope())
    ended(store_on(memory, clock, db=FailingAtTombstones(memory, "bad")), clock, user, failed, lambda *_: None)
    stepped(store, clock, user, writer(store, user).start_deletion(DeletionScope(conversation_id="c")))
    assert [pending.job_id for pending in reader(store, user).pending_deletions()] == [failed.job_id]


def test_no_trace_is_skipped_and_the_job_fails_when_many_cannot_be_removed() -> None:
    memory, clock, user = MemoryDynamoDB(), Clock(), new_user().name
    store = store_on(memory, clock)
    many = [f"t{number}" for number in range(bulk.SKIPPED_MOST + 1)]
    written(store, clock, user, "a", *many)
    failing = store_on(memory, clock, db=FailingAtTombstones(memory, *many))
    job = writer(store, user).start_deletion(DeletionScope())
    for _ in range(bulk.STEPS_WITHOUT_PROGRESS):
        with pytest.raises(KeyError):
            stepped(failing, clock, user, job)
    assert stepped(failing, clock, user, job).state == "failed"
    assert len(reader(store, user).pending_deletions()) == 1


def test_a_request_leaves_a_trace_that_it_cannot_remove_to_the_job() -> None:
    memory, clock, user = MemoryDynamoDB(), Clock(), new_user().name
    store = store_on(memory, clock)
    written(store, clock, user, "a", "bad")
    job = writer(store, user).start_deletion(DeletionScope())
    failing = store_on(memory, clock, db=FailingAtTombstones(memory, "bad"))
    assert writer(failing, user).continue_deletion(job.job_id, 1000).state == "running"
    assert progress(stepped(store, clock, user, job)) == ("done", 2, 4)


def test_a_trace_in_the_intent_log_that_has_begun_again_is_not_removed() -> None:
    memory, clock, user = MemoryDynamoDB(), Clock(), new_user().name
    store = store_on(memory, clock, retention_s=86_400)
    written(store, clock, user, "t")
    job = writer(store, user).start_deletion(DeletionScope())
    with suppress(Crash):  # the intent log is written, and nothing in it is done
        stepped(store_on(memory, clock, db=CrashingAtCall(memory, 7)), clock, user, job)
    assert reader(store, user).job(job.job_id).intent_log == ("t",)
    clock.advance(s=86_400)
    written(store, clock, user, "t")
    assert progress(stepped(store, clock, user, job)) == ("done", 0, 0)
    assert trace_ids(store, user) == ["t"]


@pytest.mark.parametrize("calls_before_crash", range(30))
def test_a_deletion_of_chosen_traces_that_crashes_anywhere_is_completed_by_the_same_request(
    calls_before_crash: int,
) -> None:
    memory, clock, user = MemoryDynamoDB(), Clock(), new_user().name
    store = store_on(memory, clock)
    written(store, clock, user, "a", "b", "kept")
    with suppress(Crash):
        crashing = store_on(memory, clock, db=CrashingAtCall(memory, calls_before_crash))
        writer(crashing, user).delete_chosen(["a", "b"], threads=1)
    assert writer(store, user).delete_chosen(["a", "b"], threads=1).state == "done"
    assert trace_ids(store, user) == ["kept"]
    assert all(list(stored_items(store, user, trace_id)) == ["H"] for trace_id in "ab")


def test_a_job_removes_and_counts_the_chosen_traces_that_a_request_left() -> None:
    clock, user = Clock(), new_user().name
    collector = JobCollector(MemoryDynamoDB())
    store = store_on(collector._db, clock, db=collector)
    written(store, clock, user, "a", "b", "kept")
    hurried = Deadline(time_left_s=lambda: bulk.STOP_AT_S, sleep=lambda _: None)
    job = writer(store, user, hurried).delete_chosen(["a", "b", "unknown"], threads=1)
    assert (progress(job), job.intent_log) == (("queued", 0, 0), ("a", "b"))
    assert trace_ids(store, user) == ["kept"]
    assert collector.jobs == [(user, job.job_id)]
    assert progress(ended(store, clock, user, job)) == ("done", 2, 4)
    assert all(list(stored_items(store, user, trace_id)) == ["H"] for trace_id in "ab")
    assert trace_ids(store, user) == ["kept"]


def test_chosen_traces_that_another_deletion_hides_are_counted_by_that_one_only() -> None:
    memory, clock, user = MemoryDynamoDB(), Clock(), new_user().name
    store = store_on(memory, clock)
    written(store, clock, user, "a", conversation_id="c")
    job = writer(store, user).start_deletion(DeletionScope(conversation_id="c"))
    assert progress(writer(store, user).delete_chosen(["a"], threads=1)) == ("done", 0, 0)
    assert progress(stepped(store, clock, user, job)) == ("done", 1, 2)


def test_a_trace_without_companion_items_is_removed_in_two_calls() -> None:
    memory, user = MemoryDynamoDB(), new_user().name
    writer(store_on(memory), user).capture([("t", call("root"))])
    for calls, outcome in ((1, "still there"), (2, "gone")):
        store = store_on(memory, db=CrashingAtCall(memory, calls))
        with suppress(Crash):
            assert writer(store, user).delete_trace("t") == 1
            assert outcome == "gone"
    tombstone = head_from(stored_items(store_on(memory), user)["H"])
    assert isinstance(tombstone, Tombstone)
    assert tombstone.is_purged


def counted(store: Store, user: str, job: Job, *trace_ids: str) -> tuple[int, int]:
    """The numbers of traces and spans that a job removed, by the tombstones."""
    items = [store.table.get(keys.trace(user, trace_id), keys.HEAD) for trace_id in trace_ids]
    heads = [head_from(item) for item in items if item]
    tombstones = [head for head in heads if isinstance(head, Tombstone) and head.deleted_by == job.job_id]
    return len(tombstones), sum(tombstone.deleted_spans for tombstone in tombstones)


@pytest.mark.parametrize("seed", range(60))
def test_old_traces_stay_hidden_and_new_traces_are_not_lost_under_concurrency(seed: int) -> None:
    """Captures and reads run concurrently with a deletion, its request and two workers that crash repeatedly."""
    memory, clock, user = MemoryDynamoDB(page_items=3), Clock(), new_user().name
    reliable, chance = store_on(memory, clock), random.Random(seed)
    old, new = ["a", "b", "c"], ["x", "y", "z"]
    written(reliable, clock, user, *old)
    jobs: list[Job] = []
    later: set[str] = set()

    def store_of(db: Any) -> Store:
        return store_on(memory, clock, db=db)

    def delete(db: Any) -> None:
        jobs.append(writer(store_of(db), user).start_deletion(DeletionScope()))
        with suppress(Crash):
            crashing = store_of(CrashingAtCall(db, chance.randrange(80)))
            writer(crashing, user).continue_deletion(jobs[0].job_id, chance.choice([1, 2, 1000]), threads=1)

    def purge(db: Any) -> None:
        while not jobs:
            store_of(db).table.get("wait", "a turn")
        while True:
            with suppress(Crash):
                stepped(store_of(CrashingAtCall(db, chance.randrange(20, 120))), clock, user, jobs[0])
                return

    def write(db: Any) -> None:
        store = store_of(db)
        for trace_id in chance.sample([*old, *new], 5):
            if jobs and trace_id in new:
                later.add(trace_id)
            for fields in (call("root", output_data=NOISE), call("child", "root"), call("late", "root")):
                writer(store, user).capture([(trace_id, fields)])

    def read(db: Any) -> None:
        for _ in range(12):
            is_deleted = bool(jobs)
            visible = trace_ids(store_of(db), user)
            assert not is_deleted or not set(visible) & set(old)

    Scheduler(memory, seed).run([delete, purge, purge, write, read])
    assert trace_ids(reliable, user, trace_ids=[*old, *later]) == sorted(later, reverse=True)
    assert all(reader(reliable, user).trace(trace_id, payloads=True)[0].summary.span_count == 3 for trace_id in later)
    removed = [trace_id for trace_id in [*old, *new] if list(stored_items(reliable, user, trace_id)) == ["H"]]
    assert set(old) <= set(removed)
    job = reader(reliable, user).job(jobs[0].job_id)
    assert (job.state, (job.traces, job.spans)) == ("done", counted(reliable, user, job, *removed))
    assert job.traces == len(removed)
    assert reader(reliable, user).pending_deletions() == ()
