"""Writers that meet on one trace: whoever goes first, it ends as if they had come one after the other.

Thousands of orders are tried on a table in memory, where a seed decides call by call who goes next, and the crowd that
no seed can play on DynamoDB Local.
"""

import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import cast

import pytest

from tests.builders import (
    Clock,
    Endpoint,
    batches_of,
    call,
    holds,
    orphans,
    store_on,
    stored_items,
    stored_spans,
    stored_summary,
    summary_of,
    trace_ids,
    writer,
)
from tests.calling import new_user
from tests.memory_dynamodb import MemoryDynamoDB, Scheduler
from tracestore.domain.errors import NotFound
from tracestore.domain.spans import SpanFields
from tracestore.storage.store import Store
from tracestore.storage.table import Table
from tracestore.storage.writer import Rejection

SEEDS = range(40)

Act = Callable[[Store], object]


@pytest.fixture
def memory() -> MemoryDynamoDB:
    """A table in memory whose Queries end after three items."""
    return MemoryDynamoDB(page_items=3)


def race(memory: MemoryDynamoDB, seed: int, *writers: tuple[Store, Act]) -> None:
    """Let writers, each with the memory of a process, meet in the order that a seed makes."""
    Scheduler(memory, seed).run(
        [lambda db, at=at, act=act: act(replace(at, table=Table(db, "memory"))) for at, act in writers]  # type: ignore[misc]
    )


def capturing(user: str, *batches: list[SpanFields]) -> tuple[Act, list[Rejection]]:
    """A writer that captures one batch after the other, and what it is refused."""
    refused: list[Rejection] = []

    def act(store: Store) -> None:
        for batch in batches:
            refused.extend(writer(store, user).capture(batches_of(batch)))

    return act, refused


def deleting(user: str, *span_ids: str) -> Act:
    """A writer that deletes spans, or the trace without any."""

    def act(store: Store) -> None:
        for span_id in span_ids:
            with suppress(NotFound):
                writer(store, user).delete_span("t", span_id)
        if not span_ids:
            with suppress(NotFound):
                writer(store, user).delete_trace("t")

    return act


def turns(size: int, seed: int = 0) -> list[SpanFields]:
    """The spans of an agent that repeats the conversation so far."""
    noise = random.Random(seed)
    said = [noise.randbytes(700).hex() for _ in range(size)]
    return [call(f"s{n}", "root", input_data=" ".join(said[: n + 1]), message_id=f"m{n}") for n in range(size)]


@pytest.mark.parametrize("seed", SEEDS)
def test_creators_agree_on_one_trace(memory: MemoryDynamoDB, seed: int) -> None:
    """With and without the root, small and large, on either side of an hour."""
    user, clock = new_user().name, Clock(ms=Clock().ms // 3_600_000 * 3_600_000 - 1)
    root = call("root", operation_type="agent", output_data=random.Random(seed).randbytes(3000).hex(), message_id="r")
    spans = turns(4, seed)
    batches = [spans[:2], [root, spans[3]], [*spans[1:3]], [root]]
    writers = [capturing(user, batch) for batch in batches]
    stores = [store_on(memory, Clock(clock.ms + number % 2)) for number in range(len(writers))]
    race(memory, seed, *[(store, act) for store, (act, _) in zip(stores, writers, strict=True)])
    calm = store_on(memory, clock)
    assert stored_spans(calm, user) == {span["span_id"]: span for span in [root, *spans]}
    assert stored_summary(calm, user) == summary_of(root, *spans)
    assert all(trace_ids(calm, user, message_id=message) == ["t"] for message in ("r", "m0", "m3"))


@pytest.mark.parametrize("seed", SEEDS)
def test_the_same_requests_at_the_same_time_count_once(memory: MemoryDynamoDB, seed: int) -> None:
    user, clock, spans = new_user().name, Clock(), turns(7)
    one, two = store_on(memory, clock), store_on(memory, clock)
    writer(one, user).capture(batches_of(spans[:1]))
    writer(two, user).capture(batches_of(spans[1:2]))
    acts = [capturing(user, [span], [other])[0] for span, other in ((spans[2], spans[3]), (spans[3], spans[4]))]
    race(memory, seed, (one, acts[0]), (two, acts[1]), (one, acts[1]))
    calm = store_on(memory, clock)
    assert stored_spans(calm, user) == {span["span_id"]: span for span in spans[:5]}
    assert stored_summary(calm, user) == summary_of(*spans[:5])
    assert orphans(calm, user) == []


@pytest.mark.parametrize("seed", SEEDS)
def test_a_capture_that_meets_the_deletion_of_its_trace_leaves_nothing_behind(
    memory: MemoryDynamoDB, seed: int
) -> None:
    user, clock, spans = new_user().name, Clock(), turns(5)
    store = store_on(memory, clock)
    writer(store, user).capture(batches_of(spans[:2]))
    root = call("root", output_data=random.Random(seed).randbytes(3000).hex(), message_id="r")
    act, _ = capturing(user, [spans[2]], [root, spans[3]], [spans[1]])
    changed = SpanFields(span_id="s0", output_data=spans[4]["input_data"], message_id="p")

    def patching(at: Store) -> None:
        with suppress(NotFound):
            writer(at, user).patch("t", "s0", lambda _: changed)

    race(memory, seed, (store, act), (store_on(memory, clock), deleting(user)), (store_on(memory, clock), patching))
    assert list(stored_items(store, user)) == ["H"]
    assert trace_ids(store, user) == trace_ids(store, user, message_id="r") == []
    assert [refusal.code for refusal in writer(store, user).capture(batches_of([root]))] == ["trace_deleted"]


@pytest.mark.parametrize("seed", SEEDS)
def test_captures_that_meet_deletions_of_spans_keep_all_others(memory: MemoryDynamoDB, seed: int) -> None:
    user, clock, spans = new_user().name, Clock(), turns(9)
    one, two = store_on(memory, clock), store_on(memory, clock)
    for span in spans[:4]:
        writer(one, user).capture(batches_of([span]))
    writer(two, user).capture(batches_of(spans[4:5]))
    first, _ = capturing(user, [spans[5]], [spans[1], spans[6]])
    second, _ = capturing(user, [spans[2], spans[5]], [spans[7]])
    deleters = [(store_on(memory, clock), deleting(user, span_id)) for span_id in ("s1", "s4")]
    race(memory, seed, (one, first), (two, second), *deleters)
    calm = store_on(memory, clock)
    kept = [span for span in spans[:8] if span["span_id"] not in ("s1", "s4")]
    assert stored_spans(calm, user) == {span["span_id"]: span for span in kept}
    assert stored_summary(calm, user) == summary_of(*kept)
    assert not holds(calm, user, "call.s1")
    assert not holds(calm, user, "call.s4")
    assert orphans(calm, user) == []


@pytest.mark.parametrize("seed", SEEDS)
def test_folding_that_meets_deletions_and_captures_loses_nothing(memory: MemoryDynamoDB, seed: int) -> None:
    user, clock, spans = new_user().name, Clock(), turns(6)
    one = store_on(memory, clock)
    small = [call(f"a{n}", "root") for n in range(31 - len(spans[:5]))]
    for span in [*spans[:5], *small]:
        writer(one, user).capture(batches_of([span]))
    clock.advance(s=10)
    folder, _ = capturing(user, [call("b", "root")])
    other, _ = capturing(user, [spans[5]])
    race(
        memory,
        seed,
        (one, folder),
        (store_on(memory, clock), deleting(user, "s0", "a3")),
        (replace(one), other),
    )
    calm = store_on(memory, clock)
    kept = {span["span_id"]: span for span in [*spans, *small, call("b", "root")]}
    del kept["s0"], kept["a3"]
    assert stored_spans(calm, user) == kept
    assert stored_summary(calm, user) == summary_of(*kept.values())
    assert not holds(calm, user, "call.s0")
    assert not holds(calm, user, "call.a3")
    assert orphans(calm, user) == []


@pytest.mark.parametrize("seed", SEEDS)
def test_of_patches_at_the_same_time_each_is_laid_over_the_other(memory: MemoryDynamoDB, seed: int) -> None:
    user, clock, spans = new_user().name, Clock(), turns(3)
    store = store_on(memory, clock)
    writer(store, user).capture(batches_of(spans[:1]))

    def patching(**change: str) -> Act:
        fields = cast(SpanFields, {"span_id": "s0", **change})
        return lambda at: writer(at, user).patch("t", "s0", lambda _: fields)

    act, _ = capturing(user, [spans[1]])
    race(memory, seed, (store, patching(tool_name="x" * 900)), (store, patching(model_name="y")), (store, act))
    assert stored_spans(store, user)["s0"] == {**spans[0], "tool_name": "x" * 900, "model_name": "y"}
    assert stored_summary(store, user).span_count == 2
    assert orphans(store, user) == []


@pytest.mark.parametrize("engine", ["dynamodb-local"], indirect=True, scope="session")  # moto slows with every item
def test_500_spans_sent_one_by_one_by_8_threads_are_all_there(engine: Endpoint) -> None:
    user, store = new_user().name, store_on(engine, lambda: time.time_ns() // 1_000_000)
    spans = [call(f"s{n:03}", "root", input_data="x" * 1000) for n in range(499)]
    spans.append(call("root", operation_type="agent"))
    waiting = iter(spans)
    lock = threading.Lock()

    def work() -> None:
        while True:
            with lock:
                span = next(waiting, None)
            if span is None:
                return
            writer(store, user).capture(batches_of([span]))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert stored_spans(store, user) == {span["span_id"]: span for span in spans}
    assert stored_summary(store, user) == summary_of(*spans)
