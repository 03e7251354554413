"""Concurrent writers of one trace leave the same result as writers that run one after the other.

On a table in memory a seed decides, call by call, which writer runs next; each test tries one order per seed. Real
threads race on DynamoDB Local.
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
    reader,
    store_on,
    stored_items,
    stored_spans,
    stored_summary,
    summary_of,
    trace_ids,
    writer,
)
from tests.gateway import new_user
from tests.media import asking, image, reference, sha256_of
from tests.memory_dynamodb import MemoryDynamoDB, Scheduler
from tracestore.domain.errors import NotFound
from tracestore.domain.media import Medium
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
    """Run writers concurrently, each with its process's store and caches; the seed decides the order of calls."""
    Scheduler(memory, seed).run(
        [lambda db, store=store, act=act: act(replace(store, table=Table(db, "memory"))) for store, act in writers]  # type: ignore[misc]
    )


def capturing(user: str, *batches: list[SpanFields]) -> tuple[Act, list[Rejection]]:
    """A writer that captures one batch after the other, and the list of its rejections."""
    rejections: list[Rejection] = []

    def act(store: Store) -> None:
        for batch in batches:
            rejections.extend(writer(store, user).capture(batches_of(batch)))

    return act, rejections


def deleting(user: str, *span_ids: str) -> Act:
    """A writer that deletes these spans, or the trace when no span is given."""

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
    messages = [noise.randbytes(700).hex() for _ in range(size)]
    return [call(f"s{n}", "root", input_data=" ".join(messages[: n + 1]), message_id=f"m{n}") for n in range(size)]


@pytest.mark.parametrize("seed", SEEDS)
def test_concurrent_first_writes_create_one_trace(memory: MemoryDynamoDB, seed: int) -> None:
    """Requests with and without the root, small and large, before and after the full hour that names a generation."""
    user, clock = new_user().name, Clock(ms=Clock().ms // 3_600_000 * 3_600_000 - 1)
    root = call("root", operation_type="agent", output_data=random.Random(seed).randbytes(3000).hex(), message_id="r")
    spans = turns(4, seed)
    batches = [spans[:2], [root, spans[3]], [*spans[1:3]], [root]]
    writers = [capturing(user, batch) for batch in batches]
    stores = [store_on(memory, Clock(clock.ms + number % 2)) for number in range(len(writers))]
    race(memory, seed, *[(store, act) for store, (act, _) in zip(stores, writers, strict=True)])
    fresh = store_on(memory, clock)
    assert stored_spans(fresh, user) == {span["span_id"]: span for span in [root, *spans]}
    assert stored_summary(fresh, user) == summary_of(root, *spans)
    assert all(trace_ids(fresh, user, message_id=message) == ["t"] for message in ("r", "m0", "m3"))


@pytest.mark.parametrize("seed", SEEDS)
def test_concurrent_requests_with_the_same_span_store_it_once(memory: MemoryDynamoDB, seed: int) -> None:
    user, clock, spans = new_user().name, Clock(), turns(7)
    store_a, store_b = store_on(memory, clock), store_on(memory, clock)
    writer(store_a, user).capture(batches_of(spans[:1]))
    writer(store_b, user).capture(batches_of(spans[1:2]))
    acts = [capturing(user, [span], [other])[0] for span, other in ((spans[2], spans[3]), (spans[3], spans[4]))]
    race(memory, seed, (store_a, acts[0]), (store_b, acts[1]), (store_a, acts[1]))
    fresh = store_on(memory, clock)
    assert stored_spans(fresh, user) == {span["span_id"]: span for span in spans[:5]}
    assert stored_summary(fresh, user) == summary_of(*spans[:5])
    assert orphans(fresh, user) == []


@pytest.mark.parametrize("seed", SEEDS)
def test_a_writer_of_one_span_gets_it_whichever_writer_put_the_head(memory: MemoryDynamoDB, seed: int) -> None:
    user, clock, spans = new_user().name, Clock(), turns(4)
    writer(store_on(memory, clock), user).capture(batches_of(spans[:1]))
    returned: dict[str, dict[str, object]] = {}

    def capturing_one(span: SpanFields) -> Act:
        def act(store: Store) -> None:
            head, found = writer(store, user).capture_one("t", span)
            assert head.summary.span_count >= 2
            returned[found.span_id] = {name: found.fields.get(name) for name in span}

        return act

    race(memory, seed, *((store_on(memory, clock), capturing_one(span)) for span in spans[1:]))
    assert returned == {span["span_id"]: span for span in spans[1:]}


@pytest.mark.parametrize("seed", SEEDS)
def test_a_capture_during_the_deletion_of_its_trace_leaves_only_the_tombstone(
    memory: MemoryDynamoDB, seed: int
) -> None:
    user, clock, spans = new_user().name, Clock(), turns(5)
    store = store_on(memory, clock)
    writer(store, user).capture(batches_of(spans[:2]))
    root = call("root", output_data=random.Random(seed).randbytes(3000).hex(), message_id="r")
    act, _ = capturing(user, [spans[2]], [root, spans[3]], [spans[1]])
    changed = SpanFields(span_id="s0", output_data=spans[4]["input_data"], message_id="p")

    def patching(store: Store) -> None:
        with suppress(NotFound):
            writer(store, user).patch("t", "s0", lambda _: changed)

    race(memory, seed, (store, act), (store_on(memory, clock), deleting(user)), (store_on(memory, clock), patching))
    assert list(stored_items(store, user)) == ["H"]
    assert trace_ids(store, user) == trace_ids(store, user, message_id="r") == []
    assert [rejection.code for rejection in writer(store, user).capture(batches_of([root]))] == ["trace_deleted"]


@pytest.mark.parametrize("seed", SEEDS)
def test_captures_during_deletions_of_spans_keep_all_other_spans(memory: MemoryDynamoDB, seed: int) -> None:
    user, clock, spans = new_user().name, Clock(), turns(9)
    store_a, store_b = store_on(memory, clock), store_on(memory, clock)
    for span in spans[:4]:
        writer(store_a, user).capture(batches_of([span]))
    writer(store_b, user).capture(batches_of(spans[4:5]))
    first, _ = capturing(user, [spans[5]], [spans[1], spans[6]])
    second, _ = capturing(user, [spans[2], spans[5]], [spans[7]])
    deleters = [(store_on(memory, clock), deleting(user, span_id)) for span_id in ("s1", "s4")]
    race(memory, seed, (store_a, first), (store_b, second), *deleters)
    fresh = store_on(memory, clock)
    remaining = [span for span in spans[:8] if span["span_id"] not in ("s1", "s4")]
    assert stored_spans(fresh, user) == {span["span_id"]: span for span in remaining}
    assert stored_summary(fresh, user) == summary_of(*remaining)
    assert not holds(fresh, user, "call.s1")
    assert not holds(fresh, user, "call.s4")
    assert orphans(fresh, user) == []


@pytest.mark.parametrize("seed", SEEDS)
def test_compaction_during_deletions_and_captures_loses_nothing(memory: MemoryDynamoDB, seed: int) -> None:
    user, clock, spans = new_user().name, Clock(), turns(6)
    store = store_on(memory, clock)
    small = [call(f"a{n}", "root") for n in range(31 - len(spans[:5]))]
    for span in [*spans[:5], *small]:
        writer(store, user).capture(batches_of([span]))
    clock.advance(s=10)
    compacting, _ = capturing(user, [call("b", "root")])
    other, _ = capturing(user, [spans[5]])
    race(
        memory,
        seed,
        (store, compacting),
        (store_on(memory, clock), deleting(user, "s0", "a3")),
        (replace(store), other),
    )
    fresh = store_on(memory, clock)
    remaining = {span["span_id"]: span for span in [*spans, *small, call("b", "root")]}
    del remaining["s0"], remaining["a3"]
    assert stored_spans(fresh, user) == remaining
    assert stored_summary(fresh, user) == summary_of(*remaining.values())
    assert not holds(fresh, user, "call.s0")
    assert not holds(fresh, user, "call.a3")
    assert orphans(fresh, user) == []


@pytest.mark.parametrize("seed", SEEDS)
def test_concurrent_patches_of_different_fields_are_all_applied(memory: MemoryDynamoDB, seed: int) -> None:
    user, clock, spans = new_user().name, Clock(), turns(3)
    store = store_on(memory, clock)
    writer(store, user).capture(batches_of(spans[:1]))

    def patching(**change: str) -> Act:
        fields = cast(SpanFields, {"span_id": "s0", **change})
        return lambda store: writer(store, user).patch("t", "s0", lambda _: fields)

    act, _ = capturing(user, [spans[1]])
    race(memory, seed, (store, patching(tool_name="x" * 900)), (store, patching(model_name="y")), (store, act))
    assert stored_spans(store, user)["s0"] == {**spans[0], "tool_name": "x" * 900, "model_name": "y"}
    assert stored_summary(store, user).span_count == 2
    assert orphans(store, user) == []


@pytest.mark.parametrize(  # moto is slower with every item
    "engine", ["dynamodb-local", "dynamodb-local by boto3"], indirect=True, scope="session"
)
def test_500_spans_sent_one_by_one_by_8_threads_are_all_stored(engine: Endpoint) -> None:
    user, store = new_user().name, store_on(engine, lambda: time.time_ns() // 1_000_000)
    spans = [call(f"s{n:03}", "root", input_data="x" * 1000) for n in range(499)]
    spans.append(call("root", operation_type="agent"))
    unsent = iter(spans)
    lock = threading.Lock()

    def work() -> None:
        while True:
            with lock:
                span = next(unsent, None)
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


@pytest.mark.parametrize("seed", SEEDS)
def test_racing_writers_of_one_image_lose_neither_it_nor_their_spans(memory: MemoryDynamoDB, seed: int) -> None:
    """Another one deletes a span that refers to it, or the trace."""
    clock, user, content = Clock(), new_user().name, image(800_000)
    media = {sha256_of(content): Medium("image/png", content)}
    spans = [call(f"s{n}", "root" if n else None, input_data=asking(reference(content))) for n in range(4)]
    store = store_on(memory, clock)
    writer(store, user).capture([("t", spans[0])], media=media)

    def capturing_photo(span: SpanFields) -> Act:
        return lambda own: writer(own, user).capture([("t", span)], media=media)

    def deleting(own: Store) -> None:
        if seed % 2:
            writer(own, user).delete_trace("t")
        else:
            writer(own, user).delete_span("t", "s0")

    acts: list[Act] = [*map(capturing_photo, spans[1:]), deleting]
    race(memory, seed, *((store_on(memory, clock), act) for act in acts))
    if seed % 2:
        assert list(stored_items(store, user)) == ["H"]
        return
    assert sorted(stored_spans(store, user)) == ["s1", "s2", "s3"]
    assert reader(store, user).medium("t", sha256_of(content)).content == content
