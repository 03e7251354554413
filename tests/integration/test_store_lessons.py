"""Lists of lesson traces: whole by cursor and by offset, counted truly, whatever has expired or is being deleted."""

import random
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.builders import (
    DAY_S,
    START_NS,
    Clock,
    Endpoint,
    batches_of,
    call,
    db_on,
    fields,
    long_deadline,
    reader,
    store_on,
    trace_ids,
    writer,
)
from tests.calling import new_user
from tests.memory_dynamodb import MemoryDynamoDB
from tracestore.domain.merge import FINAL_STATUSES
from tracestore.storage.codec import pack
from tracestore.storage.formats.traces import unpack_pending_deletions
from tracestore.storage.lessons import LessonQuery
from tracestore.storage.model import DeletionScope, PendingDeletion
from tracestore.storage.store import Store

few = settings(max_examples=2, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
many = settings(max_examples=60, deadline=None)

QUERIES = [LessonQuery(lesson, status) for lesson in (None, "one") for status in (None, "pending", "success", "error")]

lesson = st.fixed_dictionaries(
    {
        "operation_type": st.sampled_from(["lesson", "lesson", "agent"]),
        "lesson_id": st.sampled_from([None, "one", "one", "two"]),
        "conversation_id": st.sampled_from([None, "c"]),
        "status": st.sampled_from(["pending", "success", "error"]),
        "at": st.integers(0, 5),
        "is_old": st.booleans(),
    }
)
deletion = st.sampled_from(
    [
        {},
        {"lessons": True},
        {"lesson_id": "one", "lessons": True},
        {"conversation_id": "c"},
        {"before_ns": START_NS + 3},
    ]
)


def write(store: Store, user: str, trace_id: str, told: dict[str, Any]) -> None:
    """A trace whose root is as told."""
    root = fields(
        "root",
        start_ns=START_NS + told.get("at", 0),
        end_ns=None if told.get("status") == "pending" else START_NS + 10,
        status=told.get("status") if told.get("status") in FINAL_STATUSES else None,
        **{name: told.get(name) for name in ("operation_type", "lesson_id", "conversation_id")},
    )
    writer(store, user).capture(batches_of([root, call("child", "root", start_ns=root["start_ns"])], trace_id))


def pages(store: Store, user: str, query: LessonQuery, limit: int) -> Iterator[list[str]]:
    """The ids of a list, page by page."""
    after = None
    while True:
        page = reader(store, user).lessons(query, limit, after)
        yield [listed.trace_id for listed in page.traces]
        after = page.next_position
        if after is None:
            return


def from_offset(store: Store, user: str, query: LessonQuery, offset: int) -> tuple[int, list[str]]:
    """The total, and the first two ids of the rest of a list."""
    skipped = reader(store, user).skip_lessons(query, offset)
    if skipped.is_past_end:
        return skipped.total, []
    page = reader(store, user).lessons(query, 2, skipped.cursor_position)
    return skipped.total, [listed.trace_id for listed in page.traces]


def expected(told: dict[str, dict[str, Any]], query: LessonQuery) -> list[str]:
    """The ids that a list should show."""
    found = [
        (START_NS + one["at"], trace_id)
        for trace_id, one in told.items()
        if (one["operation_type"] == "lesson" or one["lesson_id"])
        and query.lesson_id in (None, one["lesson_id"])
        and query.status in (None, one["status"])
    ]
    return [trace_id for _, trace_id in sorted(found, reverse=True)]


def is_included(told: dict[str, Any], mark: dict[str, Any]) -> bool:
    is_lesson = told["operation_type"] == "lesson" or told["lesson_id"]
    return (
        (not mark.get("lessons") or bool(is_lesson))
        and mark.get("lesson_id") in (None, told["lesson_id"])
        and mark.get("conversation_id") in (None, told["conversation_id"])
        and START_NS + told["at"] < mark.get("before_ns", 10**20)
    )


@given(st.lists(lesson, max_size=12), st.none() | deletion, st.integers(0, 12))
@many
def test_a_list_is_whole_by_cursor_and_by_offset_and_its_total_is_true(
    lessons: list[dict[str, Any]], mark: dict[str, Any] | None, removed: int
) -> None:
    _is_whole(MemoryDynamoDB(page_items=3), lessons, mark, removed)


@given(st.lists(lesson, min_size=4, max_size=6), st.none() | deletion, st.integers(0, 3))
@few
def test_it_is_so_on_every_engine(
    engine: Endpoint, lessons: list[dict[str, Any]], mark: dict[str, Any] | None, removed: int
) -> None:
    _is_whole(engine, lessons, mark, removed)


def _is_whole(engine: Endpoint, lessons: list[dict[str, Any]], mark: dict[str, Any] | None, removed: int) -> None:
    """Some are past their expiry and still in the table; a deletion has removed some of what it hides, not all."""
    clock, user = Clock(), new_user().name
    store = store_on(engine, clock, retention_s=DAY_S)
    told = {f"t{number}": one for number, one in enumerate(lessons)}
    for is_old in (True, False):
        for trace_id, one in told.items():
            if one["is_old"] == is_old:
                write(store, user, trace_id, one)
        clock.advance(s=DAY_S // 2 + 1)
    clock.advance(s=-1)
    told = {trace_id: one for trace_id, one in told.items() if not one["is_old"]}
    if mark is not None:
        job = writer(store, user).start_deletion(DeletionScope(**mark))
        writer(store, user).continue_deletion(job.job_id, removed)
        told = {trace_id: one for trace_id, one in told.items() if not is_included(one, mark)}
    write(store, user, "later", {"operation_type": "lesson", "lesson_id": "one", "status": "error", "at": 2})
    told["later"] = {"operation_type": "lesson", "lesson_id": "one", "status": "error", "at": 2}
    for query in QUERIES:
        wanted = expected(told, query)
        assert [trace_id for page in pages(store, user, query, 2) for trace_id in page] == wanted
        for offset in range(len(wanted) + 2):
            assert from_offset(store, user, query, offset) == (len(wanted), wanted[offset : offset + 2])


@pytest.mark.parametrize("status", ["success", "error"])
def test_a_lesson_that_ends_changes_its_list_and_keeps_its_place(engine: Endpoint, status: str) -> None:
    store, user = store_on(engine), new_user().name
    for number in range(3):
        write(store, user, f"t{number}", {"lesson_id": "one", "status": "pending", "at": number})
    write(store, user, "t1", {"lesson_id": "one", "status": status, "at": 1})
    assert list(pages(store, user, LessonQuery(), 9)) == [["t2", "t1", "t0"]]
    assert list(pages(store, user, LessonQuery(status="pending"), 9)) == [["t2", "t0"]]
    assert list(pages(store, user, LessonQuery(status=status), 9)) == [["t1"]]


def test_counting_and_skipping_read_index_keys_alone(engine: Endpoint) -> None:
    user, asked = new_user().name, []

    class Asked:
        def __getattr__(self, name: str) -> Any:
            def called(**request: Any) -> Any:
                asked.append((name, request.get("Select")))
                return getattr(db_on(engine), name)(**request)

            return called

    written = store_on(engine)
    for number in range(7):
        write(written, user, f"t{number}", {"lesson_id": "one", "status": "pending", "at": number})
    skipped = reader(store_on(engine, db=Asked()), user, long_deadline()).skip_lessons(LessonQuery(), 5)
    assert (skipped.total, (skipped.cursor_position or "").endswith("#t2")) == (7, True)
    assert [one for one in asked if one != ("query", "COUNT")] == [("get_item", None)]  # the user's delete marks


def test_a_bulk_deletion_of_lessons_leaves_other_traces_alone(engine: Endpoint) -> None:
    clock, user = Clock(), new_user().name
    store = store_on(engine, clock)
    write(store, user, "one", {"lesson_id": "one"})
    write(store, user, "two", {"operation_type": "lesson"})
    write(store, user, "chat", {"operation_type": "chain", "conversation_id": "c"})
    clock.advance(ms=1)
    job = writer(store, user).start_deletion(DeletionScope(lessons=True))
    job = writer(store, user).continue_deletion(job.job_id, 100)
    assert (job.state, job.traces, job.spans) == ("done", 2, 4)
    assert list(pages(store, user, LessonQuery(), 9)) == [[]]
    assert trace_ids(store, user) == ["chat"]


def test_a_pending_deletion_from_before_lessons_is_readable() -> None:
    packed = pack([{"job_id": "j", "made_ms": 1, "conversation_id": None, "before_ns": None}])
    assert unpack_pending_deletions(packed) == (PendingDeletion("j", 1, DeletionScope()),)


def test_a_lesson_of_another_is_not_in_its_list(engine: Endpoint) -> None:
    store, noise = store_on(engine), random.Random(3)
    users = [f"{new_user().name}{suffix}" for suffix in ("", "#L", "#LS")]
    for user in users:
        write(store, user, noise.choice("abc"), {"lesson_id": "one#L#two", "status": "error"})
    for user in users:
        assert reader(store, user).skip_lessons(LessonQuery("one#L#two", None)).total == 1
        assert reader(store, user).skip_lessons(LessonQuery("two", None)).total == 0
