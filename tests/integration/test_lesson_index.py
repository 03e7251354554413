"""The lesson index item matches the head after every write, every race and every crash of a writer."""

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from itertools import count

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
    fields,
    long_deadline,
    store_on,
    stored_summary,
    writer,
)
from tests.crashing import Crash, CrashingAtWrite
from tests.gateway import new_user
from tests.integration.test_store_faults import Flaky, until_acknowledged
from tests.memory_dynamodb import MemoryDynamoDB, Scheduler
from tracestore.domain.errors import NotFound
from tracestore.domain.spans import SpanFields
from tracestore.storage import keys
from tracestore.storage.deadline import Deadline
from tracestore.storage.items import head_from, lesson_index_item
from tracestore.storage.model import Item
from tracestore.storage.store import Store
from tracestore.storage.table import Table

few = settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
many = settings(max_examples=150, deadline=None)
some = settings(max_examples=80, deadline=None)

Step = tuple[str, SpanFields]
Act = Callable[[Store], object]


def steps() -> st.SearchStrategy[list[Step]]:
    """Histories of a trace of two spans; either span may be the root and belong to a lesson."""
    ids = st.sampled_from(["a", "b"])
    span = st.fixed_dictionaries(
        {"span_id": ids, "start_ns": st.integers(START_NS, START_NS + 2), "span_name": st.just("s")},
        optional={
            "parent_span_id": ids,
            "end_ns": st.integers(START_NS + 3, START_NS + 4),
            "status": st.sampled_from(["success", "error"]),
            "operation_type": st.sampled_from(["lesson", "lesson", "agent"]),
            "lesson_id": st.sampled_from(["one", "two"]),
        },
    )
    kinds = ["capture"] * 4 + ["patch"] * 3 + ["delete"] * 2 + ["delete trace", "expire"]
    return st.lists(st.tuples(st.sampled_from(kinds), span), min_size=1, max_size=10)


def run_step(store: Store, user: str, step: Step) -> None:
    """Run one step of a history."""
    kind, span = step
    with suppress(NotFound):
        match kind:
            case "capture":
                writer(store, user).capture([("t", span)])
            case "patch":
                writer(store, user).patch("t", span["span_id"], lambda _: span)
            case "delete":
                writer(store, user).delete_span("t", span["span_id"])
            case "delete trace":
                writer(store, user).delete_trace("t")
            case "expire" if isinstance(store.now_ms, Clock):
                store.now_ms.advance(s=DAY_S)


def index_items(store: Store, user: str) -> list[Item]:
    """The stored lesson index items of the trace, except expired ones, which no reader returns."""
    least = keys.lesson_index(store.now_ms() // 1000 + 1)
    items = store.table.query(keys.trace(user, "t"), "L#", "L~")
    return [item for item in items if item["sk"]["S"] >= least]


def expected_index_items(store: Store, user: str) -> list[Item]:
    """The lesson index item that the head implies; *absent*: an empty list when it implies none."""
    item = store.table.get(keys.trace(user, "t"), keys.HEAD)
    head = head_from(item) if item else None
    index_item = lesson_index_item(user, "t", head, 1) if head and not head.is_expired(store.now_ms()) else None
    return [index_item] if index_item else []


def assert_index_matches_head(store: Store, user: str) -> None:
    assert index_items(store, user) == expected_index_items(store, user)


@given(steps())
@many
def test_the_lesson_index_item_matches_the_head_after_every_write(history: list[Step]) -> None:
    _matches_after_every_step(MemoryDynamoDB(page_items=2), history)


@given(steps())
@few
def test_on_every_engine_the_lesson_index_item_matches_the_head(engine: Endpoint, history: list[Step]) -> None:
    _matches_after_every_step(engine, history)


def _matches_after_every_step(engine: Endpoint, history: list[Step]) -> None:
    user = new_user().name
    store = store_on(engine, Clock(), retention_s=DAY_S)
    for step in history:
        run_step(store, user, step)
        assert_index_matches_head(store, user)


@given(steps(), st.integers(0, 60))
@many
def test_a_crashed_writer_and_the_next_one_leave_a_matching_lesson_index_item(history: list[Step], writes: int) -> None:
    memory, user, clock = MemoryDynamoDB(page_items=2), new_user().name, Clock()
    crashing = store_on(memory, clock, db=CrashingAtWrite(memory, writes), retention_s=DAY_S)
    healthy = store_on(memory, clock, retention_s=DAY_S)
    store = crashing
    for step in history:
        try:
            run_step(store, user, step)
        except Crash:
            store = healthy
            assert_index_matches_head(store, user)
            run_step(store, user, step)
        assert_index_matches_head(healthy, user)


@given(steps(), st.integers(0, 10**6))
@some
def test_racing_writers_leave_a_matching_lesson_index_item(history: list[Step], seed: int) -> None:
    memory, user, clock = MemoryDynamoDB(page_items=2), new_user().name, Clock()
    store = store_on(memory, clock)
    run_step(store, user, ("capture", call("a", operation_type="lesson", end_ns=None)))
    unexpired = [step for step in history if step[0] != "expire"]
    histories = [unexpired[start::3] for start in range(3)]

    def act(db: object, steps: list[Step]) -> None:
        process = replace(store_on(memory, clock), table=Table(db, "memory"))
        for step in steps:
            run_step(process, user, step)

    Scheduler(memory, seed).run([lambda db, steps=steps: act(db, steps) for steps in histories])  # type: ignore[misc]
    assert_index_matches_head(store, user)


@given(steps(), st.integers(0, 10**6))
@some
def test_the_lesson_index_item_matches_the_head_whichever_calls_fail(history: list[Step], seed: int) -> None:
    memory, user, clock = MemoryDynamoDB(page_items=2), new_user().name, Clock()
    store = store_on(memory, clock, db=Flaky(memory, seed), retention_s=DAY_S)
    for step in history:
        until_acknowledged(lambda: run_step(store, user, step))  # noqa: B023
        assert_index_matches_head(store_on(memory, clock, retention_s=DAY_S), user)


def test_model_calls_captured_while_their_lesson_ends_are_all_stored(engine: Endpoint) -> None:
    """Runs on an engine, because its concurrent transactions conflict."""
    store, user = store_on(engine), new_user().name
    writer(store, user).capture(batches_of([fields("root", lesson_id="one", end_ns=None)]))

    def add(number: int) -> None:
        process = store_on(engine)
        if number == 9:
            writer(process, user, Deadline(lambda: 25.0, reserve_s=0)).patch(
                "t", "root", lambda _: SpanFields(span_id="root", status="success")
            )
        writer(process, user, Deadline(lambda: 25.0, reserve_s=0)).capture(batches_of([call(f"c{number}", "root")]))

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(add, range(18)))
    assert stored_summary(store, user).span_count == 19
    assert stored_summary(store, user).status == "success"
    assert_index_matches_head(store, user)


def test_a_deleted_lesson_trace_leaves_only_its_tombstone(engine: Endpoint) -> None:
    store, user = store_on(engine), new_user().name
    writer(store, user).capture(batches_of([fields("root", lesson_id="one"), call("c", "root")]))
    writer(store, user).delete_trace("t")
    assert [item["sk"]["S"] for item in store.table.query(keys.trace(user, "t"))] == [keys.HEAD]


def test_a_crash_while_deleting_a_trace_leaves_no_lesson_index_item() -> None:
    for writes in count(1):
        memory, user = MemoryDynamoDB(), new_user().name
        writer(store_on(memory), user).capture(batches_of([fields("root", lesson_id="one"), call("c", "root")]))
        try:
            writer(store_on(memory, db=CrashingAtWrite(memory, writes)), user, long_deadline()).delete_trace("t")
        except Crash:
            assert index_items(store_on(memory), user) == []
        else:
            break


def test_a_trace_whose_root_has_no_lesson_has_no_index_item_and_needs_no_transactions() -> None:
    class WithoutTransactions:
        def __getattr__(self, name: str) -> Callable[..., object]:
            assert name != "transact_write_items"
            return getattr(memory, name)  # type: ignore[no-any-return]

    memory, user = MemoryDynamoDB(), new_user().name
    store = store_on(memory, db=WithoutTransactions())
    writer(store, user).capture(batches_of([fields("root", end_ns=None), call("c", "root", lesson_id="one")]))
    writer(store, user).capture(batches_of([fields("root")]))
    assert index_items(store, user) == []
    recording = store_on(memory)  # a deletion and its record are in one transaction
    writer(recording, user).delete_span("t", "c")
    writer(recording, user).delete_trace("t")
    assert index_items(store, user) == []


def test_model_calls_of_a_lesson_are_written_without_transactions() -> None:
    memory, user = MemoryDynamoDB(), new_user().name
    transactions = []

    class Counting:
        def __getattr__(self, name: str) -> Callable[..., object]:
            transactions.extend([name] if name == "transact_write_items" else [])
            return getattr(memory, name)  # type: ignore[no-any-return]

    store = store_on(memory, db=Counting())
    noise = random.Random(1)
    writer(store, user).capture(batches_of([fields("root", lesson_id="one", end_ns=None)]))
    for number in range(40):
        writer(store, user).capture(batches_of([call(f"c{number}", "root", input_data=noise.randbytes(800).hex())]))
    writer(store, user).capture(batches_of([fields("root", lesson_id="one")]))
    assert len(transactions) == 2


@pytest.mark.parametrize("field", ["lesson_id", "operation_type"])
def test_a_trace_becomes_a_lesson_trace_when_its_root_belongs_to_a_lesson(engine: Endpoint, field: str) -> None:
    store, user = store_on(engine), new_user().name
    writer(store, user).capture(batches_of([call("c", "root")]))
    assert index_items(store, user) == []
    values = {"lesson_id": "one", "operation_type": "lesson"}
    root = fields("root", start_ns=START_NS - 1, **{field: values[field]})
    writer(store, user).capture(batches_of([root]))
    (index_item,) = index_items(store, user)
    assert [index_item] == expected_index_items(store, user)
    assert ("by_conversation" in index_item) == (field == "lesson_id")
