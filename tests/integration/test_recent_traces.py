"""A process adds to a trace that it wrote last without reading it, and acknowledges nothing that the table refuses."""

import random
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import (
    DAY_S,
    Clock,
    Endpoint,
    batches_of,
    call,
    db_on,
    long_deadline,
    orphans,
    reader,
    scope,
    store_on,
    stored_items,
    stored_spans,
    stored_summary,
    summary_of,
    trace_ids,
    writer,
)
from tests.crashing import Crash, CrashingAtWrite
from tests.gateway import new_user
from tests.memory_dynamodb import MemoryDynamoDB
from tracestore.domain.annotations import Annotation
from tracestore.domain.costs import PriceOf, no_prices
from tracestore.domain.errors import Conflict, NotFound
from tracestore.domain.filters import Filters
from tracestore.domain.heads import Summary
from tracestore.domain.merge import core_of
from tracestore.domain.spans import SpanFields
from tracestore.storage import keys, recent_traces
from tracestore.storage.compaction import COMPACT_AT
from tracestore.storage.dynamo import RequestFailed
from tracestore.storage.listing import TraceQuery
from tracestore.storage.model import StoredTrace
from tracestore.storage.recent_traces import MEMORY_BYTES, REMEMBERED_MS
from tracestore.storage.remembered_deletions import RememberedDeletions
from tracestore.storage.store import Store

many = settings(max_examples=60, deadline=None)

ROOT = call("root", operation_type="agent", end_ns=None, input_data="asked")


def ended(after_ns: int, output: str) -> SpanFields:
    """The end of the root."""
    return call("root", operation_type="agent", end_ns=ROOT["start_ns"] + after_ns, output_data=output)


class Calls:
    """A client that counts its calls by name, and the puts that were refused as `refused`."""

    def __init__(self, db: Any) -> None:
        self._db = db
        self.count = Counter[str]()

    def __getattr__(self, name: str) -> Any:
        def called(**request: Any) -> Any:
            self.count[name] += 1
            try:
                return getattr(self._db, name)(**request)
            except RequestFailed:
                self.count["refused"] += 1
                raise

        return called

    def taken(self) -> dict[str, int]:
        """The counts since the last time."""
        counted, self.count = dict(self.count), Counter()
        return counted


def remembered(store: Store, user: str) -> StoredTrace | None:
    """The trace as this process remembers it; it still does so afterwards."""
    pk, now_ms = keys.trace(user, "t"), store.now_ms()
    if stored := store.recent_traces.take(pk, now_ms):
        store.recent_traces.remember(pk, stored, now_ms)
    return stored


def closed(stored: StoredTrace) -> StoredTrace:
    """The trace with payloads as they are packed. One that is delta-encoded may be open although its base is not."""
    segments = {
        digest: replace(
            segment,
            updates=tuple(replace(update, fields=core_of(update.fields)) for update in segment.updates),
            text=None,
        )
        for digest, segment in stored.segments.items()
    }
    return replace(stored, segments=segments)


def capture(store: Store, user: str, *spans: SpanFields) -> list[str]:
    """Capture spans in one request; returns the codes of rejections."""
    return [rejection.code for rejection in writer(store, user).capture(batches_of(spans))]


def list_summary(store: Store, user: str) -> Summary:
    """The summary in the head that is stored, which lists show."""
    (listed,) = reader(store, user).traces(TraceQuery(Filters()), 1).traces
    return listed.head.summary


def agent(size: int) -> list[SpanFields]:
    """The steps of an agent, with small and large payloads, aliases and previews that change."""
    noise = random.Random(size)
    texts = [noise.randbytes(noise.choice([10, 300, 900])).hex() for _ in range(size)]
    return [call(f"s{n:03}", "root", input_data=text, message_id=f"m{n % 5}") for n, text in enumerate(texts)]


def remove_all_items(store: Store, user: str) -> None:
    """As `tracestore forget` and the table's TTL remove the items of a trace."""
    removed = [(keys.trace(user, "t"), sk) for sk in stored_items(store, user)]
    store.table.write(deletes=removed, deadline=long_deadline())


def act(store: Store, user: str, action: str, number: int) -> None:
    """One request of a user to a trace that other requests write to as well."""
    span = agent(number + 1)[-1]
    if action == "capture":
        capture(store, user, span)
    if action == "several":
        capture(store, user, *agent(20 if number % 2 else 3), ROOT)  # some have no room in the head
    if action == "lesson":
        capture(store, user, call("root", operation_type="lesson", lesson_id=f"l{number % 2}", end_ns=None))
    if action == "end":
        capture(store, user, ended(number, "answer " * 300))
    with suppress(NotFound):
        if action == "patch":
            writer(store, user).patch(
                "t", span["span_id"], lambda _: SpanFields(span_id=span["span_id"], model_name="m")
            )
        if action == "delete":
            writer(store, user).delete_span("t", span["span_id"])
        if action == "delete trace" and number % 7 == 0:
            writer(store, user).delete_trace("t")
    if action == "forget":
        remove_all_items(store, user)
    if action == "annotate":
        with suppress(Conflict):
            writer(store, user).annotate(
                "t", Annotation(name=f"n{number % 2}", annotation_id="", value=number, source="api")
            )


actions = st.sampled_from(
    ["capture"] * 5 + ["several", "lesson", "end", "patch", "delete", "delete trace", "annotate", "forget"]
)


@given(st.lists(st.tuples(st.integers(0, 1), actions, st.integers(0, 9)), min_size=2, max_size=14))
@many
def test_what_is_remembered_of_a_trace_is_what_a_query_reads(steps: list[tuple[int, str, int]]) -> None:
    """With two processes, a version that is remembered and also stored has the same content in both places."""
    db, clock, user = MemoryDynamoDB(page_items=3), Clock(), new_user().name
    stores = [store_on(db, clock), store_on(db, clock)]
    for process, action, number in steps:
        act(stores[process], user, action, number)
        clock.advance(ms=300)
        read = scope(stores[0], user).read_core("t")
        for store in stores:
            trace = remembered(store, user)
            if trace is not None and read.head is not None and trace.head is not None:
                assert trace.head.version <= read.head.version
                if trace.head.version == read.head.version:
                    assert closed(trace) == closed(read)


@pytest.mark.parametrize("size", [0, 1, 3, 20, 80])
def test_a_pending_trace_is_remembered_as_it_begins_wherever_its_segment_is(size: int) -> None:
    """In the head, with its payload or without it, or in items of its own."""
    store, user = store_on(MemoryDynamoDB()), new_user().name
    capture(store, user, ROOT, *agent(size))
    trace = remembered(store, user)
    assert trace is not None
    assert closed(trace) == closed(scope(store, user).read_core("t"))


def test_further_writes_of_a_process_read_nothing(engine: Endpoint) -> None:
    db, user = Calls(db_on(engine)), new_user().name
    store = replace(store_on(engine, db=db), deletions=RememberedDeletions(lambda: 0.0))
    spans = [ROOT, *agent(12), ended(5, "answered")]
    capture(store, user, spans[0])
    capture(store, user, spans[1])  # the first one reads the user's pending deletions, for a second of that clock
    db.taken()
    for span in spans[2:]:
        capture(store, user, span)
    assert db.taken().keys() == {"put_item", "batch_write_item"}
    assert stored_summary(store, user) == summary_of(*spans)


def test_a_write_after_a_change_of_the_same_process_reads_nothing() -> None:
    memory, user = MemoryDynamoDB(), new_user().name
    db = Calls(memory)
    store = replace(store_on(memory, db=db), deletions=RememberedDeletions(lambda: 0.0))
    spans = agent(2)
    capture(store, user, ROOT, spans[0])
    writer(store, user).patch("t", "root", lambda _: SpanFields(span_id="root", model_name="m"))
    db.taken()
    capture(store, user, spans[1])
    assert db.taken().keys() == {"put_item", "batch_write_item"}
    assert stored_spans(store, user)["root"]["model_name"] == "m"


def test_a_trace_that_one_request_completed_is_remembered_once_it_is_added_to() -> None:
    memory, user = MemoryDynamoDB(), new_user().name
    db = Calls(memory)
    store = store_on(memory, db=db)
    answer = random.Random(0).randbytes(700).hex()  # inlined in the head, and too large for the item of a segment
    capture(store, user, call("root", output_data=answer), *agent(2))
    assert remembered(store, user) is None
    for number, queries in ((0, 1), (1, 0), (2, 0)):
        db.taken()
        capture(store, user, call(f"late-{number}", "root"))
        assert db.taken().get("query", 0) == queries
        trace, read = remembered(store, user), scope(store, user).read_core("t")
        assert trace is not None
        assert closed(trace) == closed(read)
        assert "X#" not in str(stored_items(store, user).keys())


def test_an_annotation_of_the_same_process_refuses_no_later_write() -> None:
    memory, user = MemoryDynamoDB(), new_user().name
    db = Calls(memory)
    store = store_on(memory, db=db)
    spans = agent(4)
    capture(store, user, ROOT, spans[0])
    act(store, user, "annotate", 1)
    for span in spans[1:]:
        capture(store, user, span)
    assert "refused" not in db.taken()
    assert stored_summary(store, user).annotations.scores


def test_a_trace_with_deleted_spans_is_read_by_each_writer() -> None:
    store, user = store_on(MemoryDynamoDB()), new_user().name
    capture(store, user, ROOT, *agent(3))
    writer(store, user).delete_span("t", "s001")
    for number in range(2):
        capture(store, user, call(f"later-{number}", "root"))
        assert remembered(store, user) is None


def test_a_request_sent_again_after_a_change_of_prices_shows_the_new_cost_in_lists() -> None:
    """Although the trace has all of its spans already: a head is what the present version derives."""

    def costing(nano_usd: int) -> PriceOf:
        return lambda _: (nano_usd, "test/m")

    memory, user = MemoryDynamoDB(), new_user().name
    for price_of, cost_nano_usd in ((no_prices, None), (costing(5), 5), (costing(7), 7)):
        store = replace(store_on(memory), price_of=price_of)
        for span in (ROOT, call("child", "root", model_name="m")):
            capture(store, user, span)
        assert list_summary(store, user).usage.cost_nano_usd == cost_nano_usd


def test_a_trace_that_is_compacted_is_remembered_as_it_is_stored() -> None:
    clock, user = Clock(), new_user().name
    store = store_on(MemoryDynamoDB(), clock)
    capture(store, user, ROOT)
    for span in agent(COMPACT_AT * 2 + 6):
        capture(store, user, span)
        clock.advance(s=1)
        if trace := remembered(store, user):
            assert closed(trace) == closed(scope(store, user).read_core("t"))
    assert trace is not None
    assert len(trace.compacted) == 2


def test_a_trace_whose_items_were_all_removed_begins_anew(engine: Endpoint) -> None:
    """While the process goes on."""
    clock, user = Clock(), new_user().name
    store = store_on(engine, clock)
    spans = agent(3)
    capture(store, user, ROOT, *spans[:2])
    clock.advance(s=1)
    remove_all_items(store, user)
    assert capture(store, user, spans[2]) == []
    assert stored_spans(store, user).keys() == {"s002"}
    assert stored_summary(store, user) == summary_of(spans[2])
    assert orphans(store, user) == []


def test_a_trace_that_expires_while_it_is_remembered_begins_anew() -> None:
    memory, clock, user = MemoryDynamoDB(), Clock(), new_user().name
    store = store_on(memory, clock, retention_s=DAY_S)
    spans = agent(2)
    capture(store, user, ROOT)
    clock.advance(s=DAY_S - 1)
    capture(store, user, spans[0])
    assert remembered(store, user) is not None
    clock.advance(s=1)
    assert capture(store, user, spans[1]) == []
    assert stored_spans(store, user).keys() == {"s001"}
    assert list_summary(store, user) == summary_of(spans[1])


@pytest.mark.parametrize("is_annotated", [False, True])
def test_what_was_removed_does_not_come_back_after_another_process_began_the_trace_anew(
    engine: Endpoint, is_annotated: bool
) -> None:
    """After as many writes as before: the process that remembers the old trace must not take it for the new one."""
    clock, user = Clock(), new_user().name
    store, other = store_on(engine, clock), store_on(engine, clock)
    tags = set()
    for process, text in ((store, "erased"), (other, "new")):
        remove_all_items(process, user)
        if is_annotated:
            act(process, user, "annotate", 1)
        capture(process, user, call("child", "root", input_data=text))
        capture(process, user, {**ROOT, "input_data": text})
        tags.add(reader(process, user).trace_tag("t")[1])
        clock.advance(s=1)
    assert len(tags) == 2
    assert capture(store, user, ended(5, "answered")) == []
    expected = [call("child", "root", input_data="new"), {**ROOT, "input_data": "new"}, ended(5, "answered")]
    assert list_summary(other, user).previews[:2] == ("new", "answered")
    assert {span["input_data"] for span in stored_spans(other, user).values()} == {"new"}
    assert stored_spans(store, user).keys() == {span["span_id"] for span in expected}


def test_an_alias_that_is_stored_is_not_written_again(engine: Endpoint) -> None:
    db, user = Calls(db_on(engine)), new_user().name
    for store in (store_on(engine, db=db), store_on(engine, db=db)):  # one that remembers the trace, and a new process
        for number in range(3):
            capture(store, user, call(f"{id(store)}-{number}", "root", message_id="m"))
    assert db.taken()["batch_write_item"] == 1 + 6
    assert trace_ids(store, user, message_id="m") == ["t"]


def test_a_trace_of_several_processes_costs_each_of_them_one_refused_put() -> None:
    memory, clock, user = MemoryDynamoDB(), Clock(), new_user().name
    clients = [Calls(memory), Calls(memory)]
    stores = [
        replace(store_on(memory, clock, db=client), deletions=RememberedDeletions(lambda: 0.0)) for client in clients
    ]
    spans = [ROOT, *agent(10)]
    for number, span in enumerate(spans):
        assert capture(stores[number % 2], user, span) == []
        clock.advance(ms=100)
    taken = [client.taken() for client in clients]
    assert [calls["refused"] for calls in taken] == [1, 1]
    assert [calls["get_item"] for calls in taken] == [1, 1]  # the user's pending deletions
    assert stored_summary(store_on(memory), user) == summary_of(*spans)


def test_a_span_sent_again_to_a_trace_that_was_deleted_elsewhere_is_refused() -> None:
    memory, clock, user = MemoryDynamoDB(), Clock(), new_user().name
    store, other = store_on(memory, clock), store_on(memory, clock)
    spans = agent(3)
    capture(store, user, ROOT, spans[0])
    capture(store, user, spans[1])
    assert remembered(store, user) is not None
    writer(other, user).delete_trace("t")
    assert capture(store, user, spans[1]) == ["trace_deleted"]
    assert capture(store, user, spans[2]) == ["trace_deleted"]


def test_a_span_deleted_elsewhere_is_refused() -> None:
    memory, clock, user = MemoryDynamoDB(), Clock(), new_user().name
    store, other = store_on(memory, clock), store_on(memory, clock)
    spans = agent(3)
    capture(store, user, ROOT, *spans[:2])
    writer(other, user).delete_span("t", spans[0]["span_id"])
    assert capture(store, user, spans[0], spans[2]) == ["span_deleted"]
    assert stored_spans(store, user).keys() == {"root", "s001", "s002"}


def test_a_full_trace_takes_in_a_span_after_another_process_deleted_one() -> None:
    memory, clock, user = MemoryDynamoDB(), Clock(), new_user().name
    store = replace(store_on(memory, clock), trace_spans_most=3)
    spans = agent(4)
    capture(store, user, ROOT, spans[0])
    capture(store, user, spans[1])
    writer(store_on(memory, clock), user).delete_span("t", spans[0]["span_id"])
    assert capture(store, user, spans[2]) == []
    assert capture(store, user, spans[3]) == ["trace_too_large"]


def test_a_segment_of_an_interrupted_writer_is_taken_in_by_the_next_reader(engine: Endpoint) -> None:
    store, user = store_on(engine), new_user().name
    spans = [call(f"s{number}", "root") for number in range(3)]
    capture(store, user, ROOT)
    with suppress(Crash):
        capture(store_on(engine, db=CrashingAtWrite(db_on(engine), 1)), user, spans[0])  # its segment alone is stored
    capture(store, user, spans[1])
    assert list_summary(store, user) == summary_of(ROOT, spans[1])
    assert stored_summary(store, user) == summary_of(ROOT, *spans[:2])
    capture(store_on(engine), user, spans[2])
    assert list_summary(store, user) == stored_summary(store, user) == summary_of(ROOT, *spans)


@pytest.mark.parametrize(("later_ms", "queries"), [(REMEMBERED_MS - 1, 0), (REMEMBERED_MS, 1), (-1, 1)])
def test_a_trace_is_remembered_for_a_quarter_of_an_hour(later_ms: int, queries: int) -> None:
    memory, clock, user = MemoryDynamoDB(), Clock(), new_user().name
    db = Calls(memory)
    store = store_on(memory, clock, db=db)
    capture(store, user, ROOT)
    clock.advance(ms=later_ms)
    db.taken()
    capture(store, user, call("child", "root"))
    assert db.taken().get("query", 0) == queries


@pytest.mark.parametrize("longest", ["errors", "annotations"])
def test_long_texts_that_compress_well_count_in_full(longest: str) -> None:
    """A thousand spans that failed with the same message take a few kilobytes in the table, and megabytes in memory."""
    store, user = store_on(MemoryDynamoDB()), new_user().name
    text = "It failed again. " * 200
    capture(store, user, ROOT)
    for number in range(20):
        if longest == "errors":
            capture(store, user, *(call(f"s{number}-{n}", status="error", error_message=text) for n in range(10)))
        else:
            writer(store, user).annotate("t", Annotation(f"n{number}", "x", number, "x", comment=text))
    capture(store, user, call("last", "root"))
    count = 200 if longest == "errors" else 20
    assert count * len(text) < store.recent_traces.memory_bytes < 2 * count * len(text)


def test_the_memory_of_a_process_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent_traces, "MEMORY_BYTES", 100_000)
    store, user = store_on(MemoryDynamoDB()), new_user().name
    for number in range(50):
        writer(store, user).capture(batches_of([ROOT, *agent(2)], f"t{number}"))
        assert store.recent_traces.memory_bytes <= 100_000
    now_ms = store.now_ms()
    found = [n for n in range(50) if store.recent_traces.take(keys.trace(user, f"t{n}"), now_ms)]
    assert found == list(range(50 - len(found), 50))
    assert len(found) >= 5
    assert store.recent_traces.memory_bytes == 0
    capture(store, user, ROOT, *agent(200))
    assert store.recent_traces.memory_bytes == 0
    assert MEMORY_BYTES == 32_000_000
