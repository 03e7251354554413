"""A bulk deletion hides what it covers at once, and its job removes it, within the request and behind it."""

from typing import Any

import pytest

from tests.builders import (
    DAY_S,
    START_NS,
    Clock,
    Endpoint,
    awaiting,
    call,
    db_on,
    reader,
    store_on,
    stored_items,
    trace_ids,
    unexpected,
    writer,
)
from tests.calling import new_user
from tests.memory_dynamodb import MemoryDynamoDB
from tracestore.domain.errors import Conflict, NotFound
from tracestore.domain.spans import SpanFields
from tracestore.storage.deadline import Deadline
from tracestore.storage.model import DeletionScope, Job
from tracestore.storage.pending_deletions import PENDING_DELETIONS_MOST
from tracestore.storage.store import Store


def written(store: Store, clock: Clock, user: str, *trace_ids: str, **reported: Any) -> None:
    """A trace of two spans for each id, a minute after each other."""
    for number, trace_id in enumerate(trace_ids):
        start_ns = START_NS + number * 60 * 10**9
        spans = [call("root", start_ns=start_ns, **reported), call("child", "root", start_ns=start_ns + 1)]
        writer(store, user).capture([(trace_id, span) for span in spans])
    clock.advance(ms=1)


def finished(store: Store, clock: Clock, user: str, job: Job) -> Job:
    """The job after its last step."""
    found = writer(store, user, awaiting(clock)).step_deletion(job.job_id, report=unexpected)
    assert found is not None
    return found


def test_what_is_covered_is_hidden_from_every_read_before_it_is_removed(engine: Endpoint) -> None:
    clock, user = Clock(), new_user().name
    store = store_on(engine, clock)
    written(store, clock, user, "t", conversation_id="c", message_id="m", status="error")
    writer(store, user).start_deletion(DeletionScope())
    queries: list[dict[str, Any]] = [
        {},
        {"conversation_id": "c"},
        {"message_id": "m"},
        {"has_errors": True},
        {"trace_ids": ["t"]},
    ]
    assert all(trace_ids(store, user, **query) == [] for query in queries)
    with pytest.raises(NotFound):
        reader(store, user).trace("t", payloads=True)
    with pytest.raises(NotFound):
        reader(store, user).span("t", "child")
    with pytest.raises(NotFound):
        writer(store, user).delete_span("t", "child")
    with pytest.raises(NotFound):
        writer(store, user).patch("t", "child", lambda _: SpanFields(span_id="child", tool_name="x"))


@pytest.mark.parametrize("span", [call("late", "root", message_id="m"), call("root", output_data="x" * 5000)])
def test_a_capture_to_a_covered_trace_is_refused(engine: Endpoint, span: SpanFields) -> None:
    clock, user = Clock(), new_user().name
    store = store_on(engine, clock)
    written(store, clock, user, "t")
    job = writer(store, user).start_deletion(DeletionScope())
    assert [refusal.code for refusal in writer(store, user).capture([("t", span)])] == ["trace_deleted"]
    finished(store, clock, user, job)
    assert [refusal.code for refusal in writer(store, user).capture([("t", span)])] == ["trace_deleted"]
    assert list(stored_items(store, user)) == ["H"]


def test_traces_begun_after_the_request_stay(engine: Endpoint) -> None:
    clock, user = Clock(), new_user().name
    store = store_on(engine, clock)
    written(store, clock, user, "old")
    job = writer(store, user).start_deletion(DeletionScope())
    written(store, clock, user, "new")
    assert trace_ids(store, user) == ["new"]
    assert finished(store, clock, user, job).traces == 1
    assert trace_ids(store, user) == ["new"]
    assert writer(store, user).capture([("new", call("more", "root"))]) == []


def test_a_job_tells_what_it_removed_and_leaves_tombstones(engine: Endpoint) -> None:
    clock, user = Clock(), new_user().name
    store = store_on(engine, clock)
    written(store, clock, user, "a", "b", "c")
    job = finished(store, clock, user, writer(store, user).start_deletion(DeletionScope()))
    assert (job.state, job.traces, job.spans) == ("done", 3, 6)
    assert all(list(stored_items(store, user, trace_id)) == ["H"] for trace_id in "abc")
    assert reader(store, user).pending_deletions() == ()


def test_only_the_conversation_is_deleted(engine: Endpoint) -> None:
    clock, user = Clock(), new_user().name
    store = store_on(engine, clock)
    written(store, clock, user, "a", "b", conversation_id="c#/%")
    written(store, clock, user, "other", conversation_id="c")
    written(store, clock, user, "none")
    job = writer(store, user).start_deletion(DeletionScope(conversation_id="c#/%"))
    assert sorted(trace_ids(store, user)) == ["none", "other"]
    assert finished(store, clock, user, job).traces == 2
    assert sorted(trace_ids(store, user)) == ["none", "other"]


@pytest.mark.parametrize("time_shards", [1, 3])
def test_only_what_started_before_the_time_is_deleted(engine: Endpoint, time_shards: int) -> None:
    clock, user = Clock(), new_user().name
    store = store_on(engine, clock, time_shards=time_shards)
    written(store, clock, user, "t0", "t1", "t2", "t3")
    job = writer(store, user).start_deletion(DeletionScope(before_ns=START_NS + 2 * 60 * 10**9))
    assert trace_ids(store, user) == ["t3", "t2"]
    assert finished(store, clock, user, job).traces == 2
    assert trace_ids(store, user) == ["t3", "t2"]


def test_nobody_elses_traces_are_deleted(engine: Endpoint) -> None:
    clock, user, other = Clock(), new_user().name, new_user().name
    store = store_on(engine, clock)
    written(store, clock, user, "t")
    written(store, clock, other, "t")
    job = finished(store, clock, user, writer(store, user).start_deletion(DeletionScope()))
    assert trace_ids(store, other) == ["t"]
    with pytest.raises(NotFound):
        reader(store, other).job(job.job_id)


def test_what_one_call_may_not_remove_is_left_to_the_next(engine: Endpoint) -> None:
    clock, user = Clock(), new_user().name
    store = store_on(engine, clock)
    written(store, clock, user, *[f"t{n}" for n in range(7)])
    job = writer(store, user).start_deletion(DeletionScope())
    for expected in (("running", 3), ("running", 6), ("done", 7)):
        job = writer(store, user).continue_deletion(job.job_id, 3)
        assert (job.state, job.traces) == expected
        assert trace_ids(store, user) == []


def test_a_request_without_time_left_leaves_the_job_to_later(engine: Endpoint) -> None:
    clock, user = Clock(), new_user().name
    store = store_on(engine, clock)
    written(store, clock, user, "a", "b")
    job = writer(store, user).start_deletion(DeletionScope())
    assert writer(store, user, Deadline(time_left_s=lambda: 3.0)).continue_deletion(job.job_id, 1000).state == "queued"
    assert trace_ids(store, user) == []
    assert finished(store, clock, user, job).state == "done"


class Lagging:
    """A client whose indexes have not seen the newest trace yet."""

    def __init__(self, db: Any, hidden: str) -> None:
        self._db = db
        self.hidden = hidden

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)

    def query(self, **request: Any) -> Any:
        """Without the hidden trace, where an index is asked."""
        page = self._db.query(**request)
        if "IndexName" in request:
            page["Items"] = [item for item in page["Items"] if not item["pk"]["S"].endswith(self.hidden)]
        return page


def test_a_second_look_finds_what_the_index_did_not_show_yet(engine: Endpoint) -> None:
    clock, user = Clock(), new_user().name
    lagging = Lagging(db_on(engine), "#late")
    store = store_on(engine, clock, db=lagging)
    written(store, clock, user, "early", "late")
    job = writer(store, user).start_deletion(DeletionScope())
    assert writer(store, user).continue_deletion(job.job_id, 1000).state == "done"
    with pytest.raises(NotFound):
        reader(store, user).trace("late", payloads=False)
    lagging.hidden = "nothing"
    assert finished(store, clock, user, job).traces == 2
    assert list(stored_items(store, user, "late")) == ["H"]
    assert reader(store, user).pending_deletions() == ()


def test_a_finished_job_is_returned_as_it_is(engine: Endpoint) -> None:
    clock, user = Clock(), new_user().name
    store = store_on(engine, clock)
    written(store, clock, user, "t")
    job = finished(store, clock, user, writer(store, user).start_deletion(DeletionScope()))
    written(store, clock, user, "new")
    assert finished(store, clock, user, job) == job
    assert trace_ids(store, user) == ["new"]


def test_expired_traces_do_not_keep_a_job_from_its_end(engine: Endpoint) -> None:
    clock, user = Clock(), new_user().name
    store = store_on(engine, clock, retention_s=DAY_S)
    written(store, clock, user, "a", "b", "c")
    clock.advance(s=DAY_S)
    written(store, clock, user, "new")
    job = writer(store, user).start_deletion(DeletionScope())
    assert writer(store, user).continue_deletion(job.job_id, 2).state == "done"
    assert reader(store, user).job(job.job_id).traces == 1


def test_deletions_that_overlap_remove_each_trace_once(engine: Endpoint) -> None:
    clock, user = Clock(), new_user().name
    store = store_on(engine, clock)
    written(store, clock, user, "a", "b", conversation_id="c")
    jobs = [writer(store, user).start_deletion(DeletionScope(conversation_id="c"))]
    jobs.append(writer(store, user).start_deletion(DeletionScope()))
    assert sum(finished(store, clock, user, job).traces for job in jobs) == 2
    assert reader(store, user).pending_deletions() == ()


def test_so_many_deletions_may_wait_and_no_more() -> None:
    store, user = store_on(MemoryDynamoDB(), Clock()), new_user().name
    for _ in range(PENDING_DELETIONS_MOST):
        writer(store, user).start_deletion(DeletionScope())
    with pytest.raises(Conflict) as refused:
        writer(store, user).start_deletion(DeletionScope())
    assert refused.value.code == "too_many_jobs"
