"""Lists of lesson traces are complete by cursor and by offset, with a correct total, despite expiry and deletions."""

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
    stored_items,
    trace_ids,
    writer,
)
from tests.gateway import new_user
from tests.memory_dynamodb import MemoryDynamoDB
from tracestore.domain.merge import FINAL_STATUSES
from tracestore.storage.codec import pack
from tracestore.storage.formats.traces import unpack_pending_deletions
from tracestore.storage.lessons import LessonQuery
from tracestore.storage.model import DeletionScope, PendingDeletion
from tracestore.storage.store import Store

few = settings(max_examples=2, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
many = settings(max_examples=60, deadline=None)

RANGES = [(None, None), (START_NS + 2, None), (None, START_NS + 3), (START_NS + 1, START_NS + 4)]
QUERIES = [
    LessonQuery(lesson, status, *bounds)
    for lesson in (None, "one")
    for status in (None, "pending", "success", "error")
    for bounds in RANGES
]

lessons = st.fixed_dictionaries(
    {
        "operation_type": st.sampled_from(["lesson", "lesson", "agent"]),
        "lesson_id": st.sampled_from([None, "one", "one", "two"]),
        "conversation_id": st.sampled_from([None, "c"]),
        "status": st.sampled_from(["pending", "success", "error"]),
        "offset_ns": st.integers(0, 5),
        "is_old": st.booleans(),
        "is_before_shards": st.booleans(),
    }
)
deletions = st.sampled_from(
    [
        {},
        {"lessons": True},
        {"lesson_id": "one", "lessons": True},
        {"conversation_id": "c"},
        {"before_ns": START_NS + 3},
        {"before_ns": START_NS + 2, "lessons": True},
    ]
)


def write(store: Store, user: str, trace_id: str, lesson: dict[str, Any]) -> None:
    """Write a trace whose root has these fields, started `offset_ns` after `START_NS`."""
    root = fields(
        "root",
        start_ns=START_NS + lesson.get("offset_ns", 0),
        end_ns=None if lesson.get("status") == "pending" else START_NS + 10,
        status=lesson.get("status") if lesson.get("status") in FINAL_STATUSES else None,
        **{name: lesson.get(name) for name in ("operation_type", "lesson_id", "conversation_id")},
    )
    writer(store, user).capture(batches_of([root, call("child", "root", start_ns=root["start_ns"])], trace_id))


def pages(store: Store, user: str, query: LessonQuery, limit: int) -> Iterator[list[str]]:
    """The trace ids of a list, page by page."""
    after = None
    while True:
        page = reader(store, user).lessons(query, limit, after)
        yield [trace.trace_id for trace in page.traces]
        after = page.next_position
        if after is None:
            return


def from_offset(store: Store, user: str, query: LessonQuery, offset: int) -> tuple[int | None, list[str]]:
    """The total, and the first two trace ids after an offset."""
    skipped = reader(store, user).skip_lessons(query, offset)
    if skipped.is_past_end:
        return skipped.total, []
    page = reader(store, user).lessons(query, 2, skipped.cursor_position)
    return skipped.total, [trace.trace_id for trace in page.traces]


def expected_trace_ids(traces: dict[str, dict[str, Any]], query: LessonQuery) -> list[str]:
    """The trace ids that the list must contain, newest first."""
    matches = [
        (START_NS + lesson["offset_ns"], trace_id)
        for trace_id, lesson in traces.items()
        if (lesson["operation_type"] == "lesson" or lesson["lesson_id"])
        and query.lesson_id in (None, lesson["lesson_id"])
        and query.status in (None, lesson["status"])
        and (query.from_ns or 0) <= START_NS + lesson["offset_ns"] < (query.to_ns or 10**20)
    ]
    return [trace_id for _, trace_id in sorted(matches, reverse=True)]


def is_included(lesson: dict[str, Any], deletion: dict[str, Any]) -> bool:
    is_lesson = lesson["operation_type"] == "lesson" or lesson["lesson_id"]
    return (
        (not deletion.get("lessons") or bool(is_lesson))
        and deletion.get("lesson_id") in (None, lesson["lesson_id"])
        and deletion.get("conversation_id") in (None, lesson["conversation_id"])
        and START_NS + lesson["offset_ns"] < deletion.get("before_ns", 10**20)
    )


@given(st.lists(lessons, max_size=12), st.none() | deletions, st.integers(0, 12), st.sampled_from([1, 3]))
@many
def test_a_list_is_complete_by_cursor_and_by_offset_with_a_correct_total(
    lessons: list[dict[str, Any]], deletion: dict[str, Any] | None, removed: int, time_shards: int
) -> None:
    _lists_completely(MemoryDynamoDB(page_items=3), lessons, deletion, removed, time_shards)


@given(st.lists(lessons, min_size=4, max_size=6), st.none() | deletions, st.integers(0, 3), st.sampled_from([1, 3]))
@few
def test_on_every_engine_a_list_is_complete_with_a_correct_total(
    engine: Endpoint, lessons: list[dict[str, Any]], deletion: dict[str, Any] | None, removed: int, time_shards: int
) -> None:
    _lists_completely(engine, lessons, deletion, removed, time_shards)


def _lists_completely(
    engine: Endpoint, lessons: list[dict[str, Any]], deletion: dict[str, Any] | None, removed: int, time_shards: int
) -> None:
    """Some traces have expired and are still in the table; a deletion has removed some of the traces that it hides.

    Some were stored while there was one shard.
    """
    clock, user = Clock(), new_user().name
    store = store_on(engine, clock, retention_s=DAY_S, time_shards=time_shards)
    before = store_on(engine, clock, retention_s=DAY_S)
    traces = {f"t{number}": lesson for number, lesson in enumerate(lessons)}
    for is_old in (True, False):
        for trace_id, lesson in traces.items():
            if lesson["is_old"] == is_old:
                write(before if lesson["is_before_shards"] else store, user, trace_id, lesson)
        clock.advance(s=DAY_S // 2 + 1)
    clock.advance(s=-1)
    traces = {trace_id: lesson for trace_id, lesson in traces.items() if not lesson["is_old"]}
    if deletion is not None:
        job = writer(store, user).start_deletion(DeletionScope(**deletion))
        writer(store, user).continue_deletion(job.job_id, removed)
        traces = {trace_id: lesson for trace_id, lesson in traces.items() if not is_included(lesson, deletion)}
    traces["later"] = {"operation_type": "lesson", "lesson_id": "one", "status": "error", "offset_ns": 2}
    write(store, user, "later", traces["later"])
    for query in QUERIES:
        expected = expected_trace_ids(traces, query)
        assert [trace_id for page in pages(store, user, query, 2) for trace_id in page] == expected
        for offset in range(len(expected) + 2):
            assert from_offset(store, user, query, offset) == (len(expected), expected[offset : offset + 2])


@pytest.mark.parametrize("status", ["success", "error"])
def test_a_lesson_that_ends_moves_to_another_status_list_and_keeps_its_position(engine: Endpoint, status: str) -> None:
    store, user = store_on(engine), new_user().name
    for number in range(3):
        write(store, user, f"t{number}", {"lesson_id": "one", "status": "pending", "offset_ns": number})
    write(store, user, "t1", {"lesson_id": "one", "status": status, "offset_ns": 1})
    assert list(pages(store, user, LessonQuery(), 9)) == [["t2", "t1", "t0"]]
    assert list(pages(store, user, LessonQuery(status="pending"), 9)) == [["t2", "t0"]]
    assert list(pages(store, user, LessonQuery(status=status), 9)) == [["t1"]]


@pytest.mark.parametrize("time_shards", [1, 3])
def test_lessons_are_spread_over_the_time_shards(engine: Endpoint, time_shards: int) -> None:
    store, user = store_on(engine, time_shards=time_shards), new_user().name
    for number in range(20):
        write(store, user, f"t{number}", {"lesson_id": "one", "status": "success", "offset_ns": number})
    items = [item for number in range(20) for item in stored_items(store, user, f"t{number}").values()]
    entries = [item for item in items if item["sk"]["S"].startswith("L#")]
    for index, partitions in (("by_time", time_shards), ("by_status", time_shards), ("by_conversation", 1)):
        assert len({entry[index]["S"] for entry in entries}) == partitions


def test_counting_and_skipping_lessons_reads_index_keys_only(engine: Endpoint) -> None:
    user, requests = new_user().name, []

    class Recording:
        def __getattr__(self, name: str) -> Any:
            def called(**request: Any) -> Any:
                requests.append((name, request.get("IndexName")))
                return getattr(db_on(engine), name)(**request)

            return called

    store = store_on(engine)
    for number in range(7):
        write(store, user, f"t{number}", {"lesson_id": "one", "status": "pending", "offset_ns": number})
    skipped = reader(store_on(engine, db=Recording()), user, long_deadline()).skip_lessons(LessonQuery(), 5)
    assert (skipped.total, (skipped.cursor_position or "").endswith("#t2")) == (7, True)
    assert [request for request in requests if request != ("query", "by_time")] == [
        ("get_item", None)  # the user's pending deletions
    ]


@pytest.mark.parametrize("query", [LessonQuery(), LessonQuery("one", "pending")])
def test_a_range_that_ends_before_it_begins_contains_nothing(engine: Endpoint, query: LessonQuery) -> None:
    store, user = store_on(engine), new_user().name
    write(store, user, "t", {"lesson_id": "one", "status": "pending"})
    reversed_range = query._replace(from_ns=START_NS + 1, to_ns=START_NS)
    assert from_offset(store, user, reversed_range, 0) == (0, [])
    assert list(pages(store, user, reversed_range, 9)) == [[]]


def test_a_bulk_deletion_of_lessons_deletes_lesson_traces_only(engine: Endpoint) -> None:
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


def test_a_pending_deletion_stored_before_lessons_existed_is_readable() -> None:
    packed = pack([{"job_id": "j", "made_ms": 1, "conversation_id": None, "before_ns": None}])
    assert unpack_pending_deletions(packed) == (PendingDeletion("j", 1, DeletionScope()),)


def test_a_lesson_list_contains_no_traces_of_other_users_or_other_lessons(engine: Endpoint) -> None:
    store, noise = store_on(engine), random.Random(3)
    users = [f"{new_user().name}{suffix}" for suffix in ("", "#L", "#LS")]
    for user in users:
        write(store, user, noise.choice("abc"), {"lesson_id": "one#L#two", "status": "error"})
    for user in users:
        assert reader(store, user).skip_lessons(LessonQuery("one#L#two", None)).total == 1
        assert reader(store, user).skip_lessons(LessonQuery("two", None)).total == 0
