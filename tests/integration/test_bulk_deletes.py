"""A bulk deletion hides its traces at once; its job removes them, during the request and after it."""

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
from tests.gateway import new_user
from tests.memory_dynamodb import MemoryDynamoDB
from tracestore.domain.errors import Conflict, NotFound
from tracestore.domain.spans import SpanFields
from tracestore.storage.deadline import Deadline
from tracestore.storage.model import DeletionScope, Job
from tracestore.storage.pending_deletions import PENDING_DELETIONS_MOST
from tracestore.storage.store import Store


def write(store: Store, clock: Clock, user: str, *trace_ids: str, **reported: Any) -> None:
    """Write a trace of two spans for each id, one minute apart, and advance the clock by 1 ms."""
    for number, trace_id in enumerate(trace_ids):
        start_ns = START_NS + number * 60 * 10**9
        spans = [call("root", start_ns=start_ns, **reported), call("child", "root", start_ns=start_ns + 1)]
        writer(store, user).capture([(trace_id, span) for span in spans])
    clock.advance(ms=1)


def finish(store: Store, clock: Clock, user: str, job: Job) -> Job:
    """Run the job to its end and return it."""
    done = writer(store, user, awaiting(clock)).step_deletion(job.job_id, report=unexpected)
    assert done is not None
    return done


def test_traces_of_a_pending_deletion_are_hidden_from_every_read_before_removal(engine: Endpoint) -> None:
    clock, user = Clock(), new_user().name
    store = store_on(engine, clock)
    write(store, clock, user, "t", conversation_id="c", message_id="m", status="error")
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
def test_a_capture_to_a_trace_of_a_pending_deletion_is_refused(engine: Endpoint, span: SpanFields) -> None:
    clock, user = Clock(), new_user().name
    store = store_on(engine, clock)
    write(store, clock, user, "t")
    job = writer(store, user).start_deletion(DeletionScope())
    assert [rejection.code for rejection in writer(store, user).capture([("t", span)])] == ["trace_deleted"]
    finish(store, clock, user, job)
    assert [rejection.code for rejection in writer(store, user).capture([("t", span)])] == ["trace_deleted"]
    assert list(stored_items(store, user)) == ["H"]


def test_traces_first_written_after_the_request_are_not_affected(engine: Endpoint) -> None:
    clock, user = Clock(), new_user().name
    store = store_on(engine, clock)
    write(store, clock, user, "old")
    job = writer(store, user).start_deletion(DeletionScope())
    write(store, clock, user, "new")
    assert trace_ids(store, user) == ["new"]
    assert finish(store, clock, user, job).traces == 1
    assert trace_ids(store, user) == ["new"]
    assert writer(store, user).capture([("new", call("more", "root"))]) == []


def test_a_job_reports_the_removed_traces_and_spans_and_leaves_tombstones(engine: Endpoint) -> None:
    clock, user = Clock(), new_user().name
    store = store_on(engine, clock)
    write(store, clock, user, "a", "b", "c")
    job = finish(store, clock, user, writer(store, user).start_deletion(DeletionScope()))
    assert (job.state, job.traces, job.spans) == ("done", 3, 6)
    assert all(list(stored_items(store, user, trace_id)) == ["H"] for trace_id in "abc")
    assert reader(store, user).pending_deletions() == ()


def test_a_deletion_by_conversation_deletes_its_traces_only(engine: Endpoint) -> None:
    clock, user = Clock(), new_user().name
    store = store_on(engine, clock)
    write(store, clock, user, "a", "b", conversation_id="c#/%")
    write(store, clock, user, "other", conversation_id="c")
    write(store, clock, user, "none")
    job = writer(store, user).start_deletion(DeletionScope(conversation_id="c#/%"))
    assert sorted(trace_ids(store, user)) == ["none", "other"]
    assert finish(store, clock, user, job).traces == 2
    assert sorted(trace_ids(store, user)) == ["none", "other"]


@pytest.mark.parametrize("time_shards", [1, 3])
def test_a_deletion_by_time_deletes_traces_started_before_it_only(engine: Endpoint, time_shards: int) -> None:
    clock, user = Clock(), new_user().name
    store = store_on(engine, clock, time_shards=time_shards)
    write(store, clock, user, "t0", "t1", "t2", "t3")
    job = writer(store, user).start_deletion(DeletionScope(before_ns=START_NS + 2 * 60 * 10**9))
    assert trace_ids(store, user) == ["t3", "t2"]
    assert finish(store, clock, user, job).traces == 2
    assert trace_ids(store, user) == ["t3", "t2"]


def test_another_users_traces_are_not_deleted(engine: Endpoint) -> None:
    clock, user, other = Clock(), new_user().name, new_user().name
    store = store_on(engine, clock)
    write(store, clock, user, "t")
    write(store, clock, other, "t")
    job = finish(store, clock, user, writer(store, user).start_deletion(DeletionScope()))
    assert trace_ids(store, other) == ["t"]
    with pytest.raises(NotFound):
        reader(store, other).job(job.job_id)


def test_a_call_removes_up_to_its_limit_and_the_next_call_continues(engine: Endpoint) -> None:
    clock, user = Clock(), new_user().name
    store = store_on(engine, clock)
    write(store, clock, user, *[f"t{n}" for n in range(7)])
    job = writer(store, user).start_deletion(DeletionScope())
    for expected in (("running", 3), ("running", 6), ("done", 7)):
        job = writer(store, user).continue_deletion(job.job_id, 3)
        assert (job.state, job.traces) == expected
        assert trace_ids(store, user) == []


def test_a_request_without_time_left_leaves_its_job_queued(engine: Endpoint) -> None:
    clock, user = Clock(), new_user().name
    store = store_on(engine, clock)
    write(store, clock, user, "a", "b")
    job = writer(store, user).start_deletion(DeletionScope())
    assert writer(store, user, Deadline(time_left_s=lambda: 3.0)).continue_deletion(job.job_id, 1000).state == "queued"
    assert trace_ids(store, user) == []
    assert finish(store, clock, user, job).state == "done"


class Lagging:
    """A client whose indexes do not contain one trace yet."""

    def __init__(self, db: Any, hidden: str) -> None:
        self._db = db
        self.hidden = hidden

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)

    def query(self, **request: Any) -> Any:
        """A page without the hidden trace when the query is for an index."""
        page = self._db.query(**request)
        if "IndexName" in request:
            page["Items"] = [item for item in page["Items"] if not item["pk"]["S"].endswith(self.hidden)]
        return page


def test_a_job_removes_a_trace_that_appears_late_in_the_index(engine: Endpoint) -> None:
    clock, user = Clock(), new_user().name
    lagging = Lagging(db_on(engine), "#late")
    store = store_on(engine, clock, db=lagging)
    write(store, clock, user, "early", "late")
    job = writer(store, user).start_deletion(DeletionScope())
    assert writer(store, user).continue_deletion(job.job_id, 1000).state == "done"
    with pytest.raises(NotFound):
        reader(store, user).trace("late", payloads=False)
    lagging.hidden = "nothing"
    assert finish(store, clock, user, job).traces == 2
    assert list(stored_items(store, user, "late")) == ["H"]
    assert reader(store, user).pending_deletions() == ()


def test_a_step_of_a_finished_job_changes_nothing(engine: Endpoint) -> None:
    clock, user = Clock(), new_user().name
    store = store_on(engine, clock)
    write(store, clock, user, "t")
    job = finish(store, clock, user, writer(store, user).start_deletion(DeletionScope()))
    write(store, clock, user, "new")
    assert finish(store, clock, user, job) == job
    assert trace_ids(store, user) == ["new"]


def test_expired_traces_do_not_prevent_a_job_from_completing(engine: Endpoint) -> None:
    clock, user = Clock(), new_user().name
    store = store_on(engine, clock, retention_s=DAY_S)
    write(store, clock, user, "a", "b", "c")
    clock.advance(s=DAY_S)
    write(store, clock, user, "new")
    job = writer(store, user).start_deletion(DeletionScope())
    assert writer(store, user).continue_deletion(job.job_id, 2).state == "done"
    assert reader(store, user).job(job.job_id).traces == 1


def test_overlapping_deletions_remove_each_trace_once(engine: Endpoint) -> None:
    clock, user = Clock(), new_user().name
    store = store_on(engine, clock)
    write(store, clock, user, "a", "b", conversation_id="c")
    jobs = [writer(store, user).start_deletion(DeletionScope(conversation_id="c"))]
    jobs.append(writer(store, user).start_deletion(DeletionScope()))
    assert sum(finish(store, clock, user, job).traces for job in jobs) == 2
    assert reader(store, user).pending_deletions() == ()


def test_the_number_of_pending_deletions_is_limited() -> None:
    store, user = store_on(MemoryDynamoDB(), Clock()), new_user().name
    for _ in range(PENDING_DELETIONS_MOST):
        writer(store, user).start_deletion(DeletionScope())
    with pytest.raises(Conflict) as conflict:
        writer(store, user).start_deletion(DeletionScope())
    assert conflict.value.code == "too_many_jobs"
