"""A lesson trace's lens is what its head calls for: after every write, every race, and every death of a writer."""

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
from tests.calling import new_user
from tests.integration.test_store_faults import Flaky, until_acknowledged
from tests.memory_dynamodb import MemoryDynamoDB, Scheduler
from tests.mortal import Crash, Mortal
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
    """What may happen to a trace of two spans, of which either may be its root and a lesson's."""
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


def take(store: Store, user: str, step: Step) -> None:
    """One step."""
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
    """What there is of index_items, those left out that nobody reads any more."""
    least = keys.lesson_index(store.now_ms() // 1000 + 1)
    found = store.table.query(keys.trace(user, "t"), "L#", "L~")
    return [item for item in found if item["sk"]["S"] >= least]


def called_for(store: Store, user: str) -> list[Item]:
    """The lens that the head calls for."""
    item = store.table.get(keys.trace(user, "t"), keys.HEAD)
    head = head_from(item) if item else None
    index_item = lesson_index_item(user, "t", head) if head and not head.is_expired(store.now_ms()) else None
    return [index_item] if index_item else []


def assert_true(store: Store, user: str) -> None:
    assert index_items(store, user) == called_for(store, user)


@given(steps())
@many
def test_after_every_write_the_lens_is_what_the_head_calls_for(history: list[Step]) -> None:
    _stays_true(MemoryDynamoDB(page_items=2), history)


@given(steps())
@few
def test_it_is_so_on_every_engine(engine: Endpoint, history: list[Step]) -> None:
    _stays_true(engine, history)


def _stays_true(engine: Endpoint, history: list[Step]) -> None:
    user = new_user().name
    store = store_on(engine, Clock(), retention_s=DAY_S)
    for step in history:
        take(store, user, step)
        assert_true(store, user)


@given(steps(), st.integers(0, 60))
@many
def test_a_writer_who_dies_leaves_a_true_lens_and_so_does_the_next_one(history: list[Step], writes: int) -> None:
    memory, user, clock = MemoryDynamoDB(page_items=2), new_user().name, Clock()
    mortal = store_on(memory, clock, db=Mortal(memory, writes), retention_s=DAY_S)
    immortal = store_on(memory, clock, retention_s=DAY_S)
    store = mortal
    for step in history:
        try:
            take(store, user, step)
        except Crash:
            store = immortal
            assert_true(store, user)
            take(store, user, step)
        assert_true(immortal, user)


@given(steps(), st.integers(0, 10**6))
@some
def test_writers_who_race_leave_a_true_lens(history: list[Step], seed: int) -> None:
    memory, user, clock = MemoryDynamoDB(page_items=2), new_user().name, Clock()
    store = store_on(memory, clock)
    take(store, user, ("capture", call("a", operation_type="lesson", end_ns=None)))
    calm = [step for step in history if step[0] != "expire"]
    writers = [calm[start::3] for start in range(3)]

    def act(db: object, own: list[Step]) -> None:
        at = replace(store_on(memory, clock), table=Table(db, "memory"))
        for step in own:
            take(at, user, step)

    Scheduler(memory, seed).run([lambda db, own=own: act(db, own) for own in writers])  # type: ignore[misc]
    assert_true(store, user)


@given(steps(), st.integers(0, 10**6))
@some
def test_whatever_a_busy_engine_fails_at_the_lens_is_true(history: list[Step], seed: int) -> None:
    memory, user, clock = MemoryDynamoDB(page_items=2), new_user().name, Clock()
    store = store_on(memory, clock, db=Flaky(memory, seed), retention_s=DAY_S)
    for step in history:
        until_acknowledged(lambda: take(store, user, step))  # noqa: B023
        assert_true(store_on(memory, clock, retention_s=DAY_S), user)


def test_calls_that_meet_the_end_of_their_lesson_are_all_there(engine: Endpoint) -> None:
    """On an engine, whose transactions refuse each other."""
    store, user = store_on(engine), new_user().name
    writer(store, user).capture(batches_of([fields("root", lesson_id="one", end_ns=None)]))

    def add(number: int) -> None:
        at = store_on(engine)
        if number == 9:
            writer(at, user, Deadline(reserve_s=0)).patch(
                "t", "root", lambda _: SpanFields(span_id="root", status="success")
            )
        writer(at, user, Deadline(reserve_s=0)).capture(batches_of([call(f"c{number}", "root")]))

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(add, range(18)))
    assert stored_summary(store, user).span_count == 19
    assert stored_summary(store, user).status == "success"
    assert_true(store, user)


def test_of_a_deleted_trace_nothing_is_left_but_the_tombstone(engine: Endpoint) -> None:
    store, user = store_on(engine), new_user().name
    writer(store, user).capture(batches_of([fields("root", lesson_id="one"), call("c", "root")]))
    writer(store, user).delete_trace("t")
    assert [item["sk"]["S"] for item in store.table.query(keys.trace(user, "t"))] == [keys.HEAD]


def test_whoever_dies_while_deleting_a_trace_has_taken_its_lens_first() -> None:
    for writes in count(1):
        memory, user = MemoryDynamoDB(), new_user().name
        writer(store_on(memory), user).capture(batches_of([fields("root", lesson_id="one"), call("c", "root")]))
        try:
            writer(store_on(memory, db=Mortal(memory, writes)), user, long_deadline()).delete_trace("t")
        except Crash:
            assert index_items(store_on(memory), user) == []
        else:
            break


def test_what_is_no_lesson_has_no_lens_and_is_written_without_transactions() -> None:
    class Plain:
        def __getattr__(self, name: str) -> Callable[..., object]:
            assert name != "transact_write_items"
            return getattr(memory, name)  # type: ignore[no-any-return]

    memory, user = MemoryDynamoDB(), new_user().name
    store = store_on(memory, db=Plain())
    writer(store, user).capture(batches_of([fields("root", end_ns=None), call("c", "root", lesson_id="one")]))
    writer(store, user).capture(batches_of([fields("root")]))
    writer(store, user).delete_span("t", "c")
    writer(store, user).delete_trace("t")
    assert index_items(store, user) == []


def test_calls_of_a_lesson_are_written_without_transactions() -> None:
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
def test_a_trace_becomes_a_lesson_when_its_root_does(engine: Endpoint, field: str) -> None:
    store, user = store_on(engine), new_user().name
    writer(store, user).capture(batches_of([call("c", "root")]))
    assert index_items(store, user) == []
    told = {"lesson_id": "one", "operation_type": "lesson"}
    root = fields("root", start_ns=START_NS - 1, **{field: told[field]})
    writer(store, user).capture(batches_of([root]))
    (index_item,) = index_items(store, user)
    assert [index_item] == called_for(store, user)
    assert ("by_conversation" in index_item) == (field == "lesson_id")
