"""Jobs of bulk deletions: whoever dies at whatever call, however many work at one, each trace goes and counts once."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from dev import streams
from dev.engines import create_table
from dev.functions import Context, Functions, load_handler
from dev.template import Template
from tests.api import TRACES, Api, span
from tests.builders import Clock, awaiting, call, patient, store_on, stored_items, trace_ids, unexpected
from tests.calling import Call, User, new_user
from tests.conftest import TableOnEngine
from tests.memory_dynamodb import MemoryDynamoDB, Scheduler
from tracestore.domain.errors import NotFound
from tracestore.edge import wiring
from tracestore.storage import bulk, keys
from tracestore.storage.deletes import delete_trace
from tracestore.storage.items import head_from
from tracestore.storage.jobs import Job, job_in, read_job
from tracestore.storage.marks import read_marks
from tracestore.storage.reading import read_trace
from tracestore.storage.store import Store
from tracestore.storage.table import Patience, Table
from tracestore.storage.writer import capture

JOBS = Template(), "PurgeFunction"
NOISE = random.Random(0).randbytes(3000).hex()


class Crash(BaseException):
    """The process is gone: nothing catches this on its way."""


class Mortal:
    """A client whose process dies after so many calls."""

    def __init__(self, db: Any, calls: int) -> None:
        self._db = db
        self._left = calls

    def __getattr__(self, name: str) -> Any:
        self._left -= 1
        if self._left < 0:
            raise Crash
        return getattr(self._db, name)


class Failing:
    """A client that fails unexpectedly where it is to bury certain traces."""

    def __init__(self, db: Any, *trace_ids: str) -> None:
        self._db = db
        self._trace_ids = trace_ids

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)

    def put_item(self, **request: Any) -> Any:
        """Fails for the heads of these traces."""
        if request["Item"]["pk"]["S"].rpartition("#T#")[2] in self._trace_ids:
            raise KeyError("something nobody thought of")
        return self._db.put_item(**request)


class Waking:
    """A client that notes which jobs are to go on, as the stream would."""

    def __init__(self, db: Any) -> None:
        self._db = db
        self.waiting: list[tuple[str, str]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)

    def put_item(self, **request: Any) -> Any:
        """Notes a job that wakes."""
        answer = self._db.put_item(**request)
        self._note(request["Item"])
        return answer

    def transact_write_items(self, **request: Any) -> Any:
        """Notes jobs that wake."""
        answer = self._db.transact_write_items(**request)
        for entry in request["TransactItems"]:
            if "Put" in entry:
                self._note(entry["Put"]["Item"])
        return answer

    def _note(self, item: Any) -> None:
        change = {"Keys": {"pk": item["pk"], "sk": item["sk"]}, "NewImage": item}
        template, function = JOBS
        (subscription,) = (s for s in template.subscriptions if s.function == function)
        if any(streams.matches({"eventName": "MODIFY", "dynamodb": change}, p) for p in subscription.patterns):
            self.waiting.append(job_in(item))


def written(store: Store, clock: Clock, user: str, *trace_ids: str, **reported: Any) -> None:
    """Traces of two spans, with more than a head beside it."""
    for trace_id in trace_ids:
        for one in (call("root", output_data=NOISE, **reported), call("child", "root")):
            capture(store, user, [(trace_id, one)], patient())
    clock.advance(ms=1)


def stepped(store: Store, clock: Clock, user: str, job: Job, report: bulk.Report = unexpected) -> Job:
    """The job after one more step."""
    found = bulk.step(store, user, job.job_id, awaiting(clock), report=report, workers=1)
    assert found is not None
    return found


def ended(store: Store, clock: Clock, user: str, job: Job, report: bulk.Report = unexpected) -> Job:
    """The job after as many steps as it wakes, which are not many."""
    waking = Waking(store.table.client)
    heard = replace(store, table=Table(waking, store.table.name))
    waking.waiting.append((user, job.job_id))
    for _ in range(30):
        if not waking.waiting:
            return read_job(store, user, job.job_id)
        waking.waiting.pop()
        stepped(heard, clock, user, job, report)
    raise AssertionError("the job wakes itself for ever")


def told(job: Job) -> tuple[str, int, int]:
    return job.state, job.traces, job.spans


@pytest.mark.parametrize("dies_after", range(60))
def test_a_step_that_dies_anywhere_comes_again_and_counts_no_trace_twice(dies_after: int) -> None:
    memory, clock, user = MemoryDynamoDB(), Clock(), new_user().name
    store = store_on(memory, clock)
    written(store, clock, user, "a", "b", "c")
    job = bulk.start(store, user, patience=patient())
    with suppress(Crash):
        stepped(store_on(memory, clock, db=Mortal(memory, dies_after)), clock, user, job)
    assert trace_ids(store, user) == []
    assert told(stepped(store, clock, user, job)) == ("done", 3, 6)
    assert all(list(stored_items(store, user, trace_id)) == ["H"] for trace_id in "abc")
    assert read_marks(store, user) == ()


@pytest.mark.parametrize("dies_after", range(5, 40))
def test_a_request_that_dies_anywhere_leaves_its_deletion_to_the_job(dies_after: int) -> None:
    memory, clock, user = MemoryDynamoDB(), Clock(), new_user().name
    store = store_on(memory, clock)
    written(store, clock, user, "a", "b")
    waking = Waking(Mortal(memory, dies_after))
    mortal = store_on(memory, clock, db=waking)
    with suppress(Crash):
        job = bulk.start(mortal, user, patience=patient())
        bulk.work(mortal, user, job.job_id, 1000, patient(), workers=1)
    ((_, job_id),) = waking.waiting
    assert told(stepped(store, clock, user, read_job(store, user, job_id))) == ("done", 2, 4)
    assert all(list(stored_items(store, user, trace_id)) == ["H"] for trace_id in "ab")


@pytest.mark.parametrize("dies_after", range(5))
def test_a_request_that_dies_before_it_hides_anything_leaves_nothing(dies_after: int) -> None:
    memory, clock, user = MemoryDynamoDB(), Clock(), new_user().name
    store = store_on(memory, clock)
    written(store, clock, user, "a")
    with suppress(Crash):
        bulk.start(store_on(memory, clock, db=Mortal(memory, dies_after)), user, patience=patient())
    jobs = list(store.table.query(keys.user(user), "J#", "J#~"))
    assert len(jobs) == len(read_marks(store, user)) == (0 if trace_ids(store, user) else 1)


def test_steps_that_die_again_and_again_get_to_the_end() -> None:
    memory, clock, user = MemoryDynamoDB(), Clock(), new_user().name
    store = store_on(memory, clock)
    written(store, clock, user, *[f"t{number}" for number in range(12)])
    job = bulk.start(store, user, patience=patient())
    for _ in range(bulk.STEPS_IN_VAIN):
        with suppress(Crash):
            stepped(store_on(memory, clock, db=Mortal(memory, 25)), clock, user, job)
    assert told(read_job(store, user, job.job_id)) == ("done", 12, 24)


def test_a_step_that_runs_out_of_time_wakes_the_next_and_nothing_else_does() -> None:
    clock, user = Clock(), new_user().name
    waking = Waking(MemoryDynamoDB())
    store = store_on(waking._db, clock, db=waking)
    written(store, clock, user, "a", "b", "c")
    job = bulk.start(store, user, patience=patient())
    clock.advance(ms=bulk.INDEX_LAG_MS)
    assert waking.waiting == [(user, job.job_id)]
    looks = iter([100.0] * 4 + [3.0] * 100)
    hurried = Patience(time_left_s=lambda: next(looks), sleep=lambda _: None)
    stopped = bulk.step(store, user, job.job_id, hurried, report=unexpected, workers=1)
    assert stopped is not None
    assert stopped.state == "running"
    assert waking.waiting == [(user, job.job_id)] * 2
    assert told(stepped(store, clock, user, job)) == ("done", 3, 6)
    assert waking.waiting == [(user, job.job_id)] * 2


def test_a_step_waits_until_the_indexes_have_surely_shown_everything() -> None:
    memory, clock, user = MemoryDynamoDB(), Clock(), new_user().name
    store = store_on(memory, clock)
    job = bulk.start(store, user, patience=patient())
    clock.advance(ms=3_000)
    stepped(store, clock, user, job)
    assert clock.ms == job.made_ms + bulk.INDEX_LAG_MS


def test_a_step_of_a_job_that_has_ended_writes_nothing() -> None:
    memory, clock, user = MemoryDynamoDB(), Clock(), new_user().name
    store = store_on(memory, clock)
    written(store, clock, user, "a")
    job = stepped(store, clock, user, bulk.start(store, user, patience=patient()))
    assert stepped(store, clock, user, job) == job == read_job(store, user, job.job_id)


def test_a_job_that_is_gone_is_no_failure() -> None:
    assert bulk.step(store_on(MemoryDynamoDB()), "ada", "no-job", patient(), report=unexpected) is None


def test_a_trace_that_cannot_be_removed_is_skipped_and_stays_hidden() -> None:
    memory, clock, user = MemoryDynamoDB(), Clock(), new_user().name
    store = store_on(memory, clock)
    written(store, clock, user, "a", "bad", "c")
    failing = store_on(memory, clock, db=Failing(memory, "bad"))
    job = bulk.start(store, user, patience=patient())
    skipped: list[str] = []
    job = ended(failing, clock, user, job, lambda trace_id, _: skipped.append(trace_id))
    assert (told(job), skipped) == (("failed", 2, 4), ["bad"])
    assert job.ended_ms == clock.ms
    assert trace_ids(store, user) == []
    with pytest.raises(NotFound):
        read_trace(store, user, "bad", payloads=False)


def test_what_was_skipped_is_not_tried_again_by_the_next_step() -> None:
    memory, clock, user = MemoryDynamoDB(), Clock(), new_user().name
    store = store_on(memory, clock)
    many = [f"t{number:03}" for number in range(bulk.PLANNED_AT_ONCE)]
    capture(store, user, [(trace_id, call("root")) for trace_id in [*many, "bad"]], patient())
    clock.advance(ms=1)
    failing = store_on(memory, clock, db=Failing(memory, "bad"))
    job = bulk.start(store, user, patience=patient())
    skipped: list[str] = []
    hurried = Patience(lambda: 100.0 if not read_job(store, user, job.job_id).traces else 3.0, sleep=lambda _: None)
    for patience in (hurried, patient()):
        bulk.step(failing, user, job.job_id, patience, report=lambda trace_id, _: skipped.append(trace_id), workers=1)
    assert (told(read_job(store, user, job.job_id)), skipped) == (("failed", 100, 100), ["bad"])


def test_a_step_that_removed_something_was_not_in_vain() -> None:
    memory, clock, user = MemoryDynamoDB(), Clock(), new_user().name
    store = store_on(memory, clock)
    capture(store, user, [(f"t{number}", call("root")) for number in range(bulk.PLANNED_AT_ONCE + 1)], patient())
    clock.advance(ms=1)
    job = bulk.start(store, user, patience=patient())
    hurried = Patience(lambda: 100.0 if not read_job(store, user, job.job_id).traces else 3.0, sleep=lambda _: None)
    for expected in (0, 1):
        bulk.step(store, user, job.job_id, hurried, report=unexpected, workers=1)
        assert read_job(store, user, job.job_id).attempts == expected


@pytest.mark.parametrize("again", [{"conversation_id": "c"}, {}])
def test_the_same_deletion_again_or_a_wider_one_takes_along_what_a_failed_one_hid(again: dict[str, Any]) -> None:
    memory, clock, user = MemoryDynamoDB(), Clock(), new_user().name
    store = store_on(memory, clock)
    written(store, clock, user, "a", "bad", conversation_id="c")
    job = bulk.start(store, user, conversation_id="c", patience=patient())
    failing = store_on(memory, clock, db=Failing(memory, "bad"))
    ended(failing, clock, user, job, lambda *_: None)
    assert told(stepped(store, clock, user, bulk.start(store, user, **again, patience=patient()))) == ("done", 1, 2)
    assert read_marks(store, user) == ()
    assert told(read_job(store, user, job.job_id)) == ("failed", 1, 2)


def test_a_narrower_deletion_leaves_the_mark_of_a_failed_one() -> None:
    memory, clock, user = MemoryDynamoDB(), Clock(), new_user().name
    store = store_on(memory, clock)
    written(store, clock, user, "bad")
    failed = bulk.start(store, user, patience=patient())
    ended(store_on(memory, clock, db=Failing(memory, "bad")), clock, user, failed, lambda *_: None)
    stepped(store, clock, user, bulk.start(store, user, conversation_id="c", patience=patient()))
    assert [mark.job_id for mark in read_marks(store, user)] == [failed.job_id]


def test_where_many_traces_cannot_be_removed_none_is_skipped_and_in_the_end_the_job_has_failed() -> None:
    memory, clock, user = MemoryDynamoDB(), Clock(), new_user().name
    store = store_on(memory, clock)
    many = [f"t{number}" for number in range(bulk.SKIPPED_AT_MOST + 1)]
    written(store, clock, user, "a", *many)
    failing = store_on(memory, clock, db=Failing(memory, *many))
    job = bulk.start(store, user, patience=patient())
    for _ in range(bulk.STEPS_IN_VAIN):
        with pytest.raises(KeyError):
            stepped(failing, clock, user, job)
    assert stepped(failing, clock, user, job).state == "failed"
    assert len(read_marks(store, user)) == 1


def test_what_a_request_cannot_remove_it_leaves_to_the_job_to_decide_on() -> None:
    memory, clock, user = MemoryDynamoDB(), Clock(), new_user().name
    store = store_on(memory, clock)
    written(store, clock, user, "a", "bad")
    job = bulk.start(store, user, patience=patient())
    failing = store_on(memory, clock, db=Failing(memory, "bad"))
    assert bulk.work(failing, user, job.job_id, 1000, patient()).state == "running"
    assert told(stepped(store, clock, user, job)) == ("done", 2, 4)


def test_a_planned_trace_that_has_begun_anew_meanwhile_is_left_alone() -> None:
    memory, clock, user = MemoryDynamoDB(), Clock(), new_user().name
    store = store_on(memory, clock, retention_s=86_400)
    written(store, clock, user, "t")
    job = bulk.start(store, user, patience=patient())
    with suppress(Crash):  # with the plan written down, and nothing of it done
        stepped(store_on(memory, clock, db=Mortal(memory, 7)), clock, user, job)
    assert read_job(store, user, job.job_id).plan == ("t",)
    clock.advance(s=86_400)
    written(store, clock, user, "t")
    assert told(stepped(store, clock, user, job)) == ("done", 0, 0)
    assert trace_ids(store, user) == ["t"]


def test_a_trace_that_is_all_in_its_head_goes_in_two_calls() -> None:
    memory, user = MemoryDynamoDB(), new_user().name
    capture(store_on(memory), user, [("t", call("root"))], patient())
    for calls, outcome in ((1, "still there"), (2, "gone")):
        store = store_on(memory, db=Mortal(memory, calls))
        with suppress(Crash):
            assert delete_trace(store, user, "t", patient()) == 1
            assert outcome == "gone"
    assert head_from(stored_items(store_on(memory), user)["H"]).is_purged


def counted(store: Store, user: str, job: Job, *trace_ids: str) -> tuple[int, int]:
    """How many traces, and spans of them, the tombstones say went with a job."""
    items = [store.table.get(keys.trace(user, trace_id), keys.HEAD) for trace_id in trace_ids]
    heads = [head for item in items if item and (head := head_from(item)).deleted_by == job.job_id]
    return len(heads), sum(head.deleted_spans for head in heads)


@pytest.mark.parametrize("seed", range(60))
def test_nothing_from_before_the_mark_is_shown_again_and_nothing_from_after_it_is_lost(seed: int) -> None:
    """Captures and reads race with a deletion, its request and two workers that die again and again."""
    memory, clock, user = MemoryDynamoDB(page_items=3), Clock(), new_user().name
    calm, chance = store_on(memory, clock), random.Random(seed)
    old, new = ["a", "b", "c"], ["x", "y", "z"]
    written(calm, clock, user, *old)
    jobs: list[Job] = []
    from_after: set[str] = set()

    def store_of(db: Any) -> Store:
        return store_on(memory, clock, db=db)

    def delete(db: Any) -> None:
        jobs.append(bulk.start(store_of(db), user, patience=patient()))
        with suppress(Crash):
            mortal = store_of(Mortal(db, chance.randrange(80)))
            bulk.work(mortal, user, jobs[0].job_id, chance.choice([1, 2, 1000]), patient(), workers=1)

    def purge(db: Any) -> None:
        while not jobs:
            store_of(db).table.get("wait", "a turn")
        while True:
            try:
                return (None, stepped(store_of(Mortal(db, chance.randrange(20, 120))), clock, user, jobs[0]))[0]
            except Crash:
                continue

    def write(db: Any) -> None:
        store = store_of(db)
        for trace_id in chance.sample([*old, *new], 5):
            if jobs and trace_id in new:
                from_after.add(trace_id)
            for one in (call("root", output_data=NOISE), call("child", "root"), call("late", "root")):
                capture(store, user, [(trace_id, one)], patient())

    def read(db: Any) -> None:
        for _ in range(12):
            is_deleted = bool(jobs)
            shown = trace_ids(store_of(db), user)
            assert not is_deleted or not set(shown) & set(old)

    Scheduler(memory, seed).run([delete, purge, purge, write, read])
    assert trace_ids(calm, user, trace_ids=[*old, *from_after]) == sorted(from_after, reverse=True)
    assert all(read_trace(calm, user, trace_id, payloads=True)[0].summary.span_count == 3 for trace_id in from_after)  # type: ignore[union-attr]
    gone = [trace_id for trace_id in [*old, *new] if list(stored_items(calm, user, trace_id)) == ["H"]]
    assert set(old) <= set(gone)
    job = read_job(calm, user, jobs[0].job_id)
    assert (job.state, (job.traces, job.spans)) == ("done", counted(calm, user, job, *gone))
    assert job.traces == len(gone)
    assert read_marks(calm, user) == ()


@pytest.fixture
def own_table(engine: TableOnEngine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Template]:
    """A table with a stream of its own: that of the shared one holds the jobs of all tests."""
    template = Template(table=f"purge-{random.randrange(10**9)}")
    create_table(engine.endpoint, template)
    monkeypatch.setenv("TABLE_NAME", template.table_name)
    wiring.reset()
    yield template
    wiring.reset()


def only_purging(invoke: Callable[[dict[str, Any]], Any]) -> Callable[[str, dict[str, Any]], Any]:
    """What is handed to other functions on the stream is left alone."""
    return lambda name, event: invoke(event) if name == JOBS[1] else {"state": event.get("state", {})}


def until_done(api: Api, job_id: str) -> Any:
    """What is told of a job once it has ended."""
    deadline_s = time.monotonic() + 20
    while True:
        job = api("GET", f"/api/jobs/{job_id}").json["data"]
        if job["state"] in ("done", "failed") or time.monotonic() > deadline_s:
            return job
        time.sleep(0.05)


def test_what_a_request_leaves_is_removed_behind_it_and_the_job_ends_in_a_receipt(
    engine: TableOnEngine, own_table: Template, user: User
) -> None:
    """The request has no time to remove anything; the purge function's clock runs ahead, so that nobody has to wait."""
    query = own_table.functions["QueryFunction"]
    own_table.functions["QueryFunction"] = replace(query, timeout_s=int(bulk.STOP_AT_S))
    api = Api(Call(own_table), user)
    api.send(*[span(f"t{number}", span_id) for number in range(8) for span_id in ("root", "child")])
    answer = api("DELETE", TRACES, query={"deleteAll": "true"})
    assert answer.status == 202
    assert answer.json["deleted"] == {"traces": 0, "spans": 0}
    assert api.summaries() == []
    api.send(span("later"))
    early = replace(wiring.store(), now_ms=lambda: time.time_ns() // 1_000_000 + bulk.INDEX_LAG_MS)
    load_handler(own_table.functions[JOBS[1]])
    from purge_handler import purge  # type: ignore[import-not-found]

    def invoke(event: dict[str, Any]) -> Any:
        return purge(event, Context(JOBS[1], 1024, 300), {}, store=lambda: early)

    with streams.delivering(own_table, engine.endpoint, only_purging(invoke)):
        job = until_done(api, answer.json["job_id"])
    assert (job["state"], job["deleted"]) == ("done", {"traces": 8, "spans": 16})
    assert job["created_at"] < job["finished_at"]
    assert api.summaries() == ["later"]
    assert read_marks(wiring.store(), user.name) == ()
    assert all(list(stored_items(wiring.store(), user.name, f"t{number}")) == ["H"] for number in range(8))


def test_the_deployed_handler_goes_on_with_a_job_that_the_stream_tells_of(
    engine: TableOnEngine, own_table: Template, user: User
) -> None:
    past = Clock(time.time_ns() // 1_000_000 - bulk.INDEX_LAG_MS)
    store = replace(wiring.store(), now_ms=past)
    past.advance(ms=-1)
    written(store, past, user.name, "a", "b")
    job = bulk.start(store, user.name, patience=patient())
    functions = Functions(own_table)
    with streams.delivering(own_table, engine.endpoint, only_purging(lambda event: functions.invoke(JOBS[1], event))):
        receipt = until_done(Api(Call(own_table), user), job.job_id)
    assert (receipt["state"], receipt["deleted"]) == ("done", {"traces": 2, "spans": 4})
