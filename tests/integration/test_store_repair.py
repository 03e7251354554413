"""A reader shows and completes what an interrupted writer left, and writes nothing where nothing was left."""

import random
from contextlib import suppress
from dataclasses import replace
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import (
    START_NS,
    Clock,
    Endpoint,
    batches_of,
    call,
    db_on,
    fields,
    reader,
    scope,
    store_on,
    stored_items,
    summary_of,
    trace_ids,
    writer,
)
from tests.crashing import Counting, Crash, CrashingAtWrite
from tests.gateway import new_user
from tests.memory_dynamodb import MemoryDynamoDB
from tracestore.domain.annotations import Annotation
from tracestore.domain.errors import Conflict, NotFound
from tracestore.domain.heads import Summary
from tracestore.domain.merge import Span
from tracestore.domain.spans import SpanFields
from tracestore.storage import keys
from tracestore.storage.items import head_from
from tracestore.storage.model import Head
from tracestore.storage.store import Store

many = settings(max_examples=60, deadline=None)


def interrupted(engine: Endpoint, store: Store, user: str, spans: list[SpanFields]) -> None:
    """Capture spans with a process that crashes between the segment and the head."""
    before = set(stored_items(store, user))
    for writes in range(1, 20):
        with suppress(Crash):
            crashing = store_on(engine, store.now_ms, db=CrashingAtWrite(db_on(engine), writes))
            writer(crashing, user).capture(batches_of(spans))
        if any(sk.startswith("S#") for sk in set(stored_items(store, user)) - before):
            return
    raise AssertionError("no segment was stored")


def stored_head(store: Store, user: str) -> Head:
    """The head in the table, which lists and counters are made from."""
    head = head_from(stored_items(store, user)[keys.HEAD])
    assert isinstance(head, Head)
    return head


def seen_summary(store: Store, user: str, *, repairs: bool) -> Summary:
    """The summary in the answer to a reader of the trace."""
    return reader(store, user, repairs=repairs).trace("t", payloads=False)[0].summary


def test_a_reader_shows_and_repairs_the_summary_of_what_it_read(engine: Endpoint) -> None:
    store, user = store_on(engine), new_user().name
    first = [call(f"s{n}", "root", input_data="x") for n in range(61)]
    writer(store, user).capture(batches_of(first))
    late = [call("root", input_data="asked", error_type="Timeout")] + [call(f"l{n}", "root") for n in range(7)]
    interrupted(engine, store, user, late)
    assert stored_head(store, user).summary.span_count == 61
    expected = summary_of(*first, *late)
    assert seen_summary(store, user, repairs=False) == expected
    assert stored_head(store, user).summary.span_count == 61
    assert seen_summary(store, user, repairs=True) == expected
    assert stored_head(store, user).summary == expected
    assert trace_ids(store, user, has_errors=True) == ["t"]


@pytest.mark.parametrize("read", ["trace", "span", "lazy", "state", "after", "within"])
def test_every_read_of_a_trace_repairs_it(read: str) -> None:
    memory = MemoryDynamoDB(page_items=3)
    store, user = store_on(memory), new_user().name
    writer(store, user).capture(batches_of([call("root"), call("s", "root")]))
    interrupted(memory, store, user, [call("late", "root", output_data="x" * 2000)])
    stored, position = reader(store, user, repairs=True), stored_head(store, user).cursor_position
    heads = {
        "trace": lambda: stored.trace("t", payloads=True)[0],
        "within": lambda: stored.trace_within("t", 10)[0],
        "span": lambda: stored.span("t", "root")[0],
        "lazy": lambda: stored.lazy_trace("t").head,
        "state": lambda: stored.trace_state("t").head,
        "after": lambda: stored.spans_after(position, (0, ""))[0].head,
    }
    head = heads[read]()
    assert head.summary.span_count == 3
    assert stored_head(store, user) == head


def test_a_repair_that_fails_does_not_fail_the_read() -> None:
    memory, user = MemoryDynamoDB(page_items=3), new_user().name
    store = store_on(memory)
    writer(store, user).capture(batches_of([call("root")]))
    interrupted(memory, store, user, [call("late", "root")])
    refusing = Counting(memory, refuses=True)
    assert seen_summary(store_on(memory, db=refusing), user, repairs=True).span_count == 2
    assert refusing.writes == 1


def test_a_reader_leaves_the_head_to_a_writer_that_is_at_it() -> None:
    """A reader of many pages meets segments that are newer than the head that it began with."""
    memory, user = MemoryDynamoDB(page_items=1), new_user().name
    store = store_on(memory)
    writer(store, user).capture(batches_of([call("root")]))

    class Writing(Counting):
        is_written = False

        def query(self, **request: object) -> object:
            answer = memory.query(**request)
            if not self.is_written:
                self.is_written = True
                writer(store, user).capture([("t", call("meanwhile", "root"))])
            return answer

    db = Writing(memory)
    seen_summary(store_on(memory, db=db), user, repairs=True)
    assert db.writes == 0
    assert stored_head(store, user).summary.span_count == 2


def test_a_repair_erases_a_deleted_span_that_comes_back() -> None:
    memory, user = MemoryDynamoDB(page_items=3), new_user().name
    store = store_on(memory)
    spans = [call("root"), call("gone", "root"), call("late", "root")]
    writer(store, user).capture(batches_of(spans[:2]))
    interrupted(memory, store, user, spans[1:])
    writer(store, user).delete_span("t", "gone")
    interrupted(memory, store, user, [call("later", "root")])
    assert seen_summary(store, user, repairs=True) == summary_of(spans[0], spans[2], call("later", "root"))
    assert "gone" not in str(stored_items(store, user))


def test_a_head_from_before_there_were_sums_is_not_rewritten_by_readers() -> None:
    memory, user = MemoryDynamoDB(), new_user().name
    store = store_on(memory)
    writer(store, user).capture(batches_of([call("root")]))
    db = Counting(memory)
    head = stored_head(store, user)
    scope(store, user).put_head("t", replace(head, version=head.version + 1, merged_sum=""), head)
    seen_summary(store_on(memory, db=db), user, repairs=True)
    assert db.writes == 0


histories = st.tuples(st.lists(st.integers(0, 5), min_size=1, max_size=12), st.randoms(use_true_random=False))


@given(histories)
@many
def test_after_any_history_without_a_crash_a_reader_writes_nothing(history: tuple[list[int], random.Random]) -> None:
    """Heads include exactly what is stored, after captures, repeated ones, PATCHes, annotations and deletions."""
    steps, noise = history
    memory, user, clock = MemoryDynamoDB(page_items=3), new_user().name, Clock()
    store = store_on(memory, clock)
    for step in steps:
        span_id = f"s{noise.randint(0, 3)}"
        with suppress(NotFound, Conflict):  # the span was deleted, or was never there
            if step <= 2:
                process = noise.choice([store, store_on(memory, clock)])
                spans = [
                    call(span_id, noise.choice([None, "s0"]), input_data="x" * noise.choice([1, 2000])),
                    fields(f"s{noise.randint(0, 5)}", start_ns=START_NS + noise.randint(0, 3)),
                ]
                writer(process, user).capture(batches_of(spans[: noise.randint(1, 2)]))
            elif step == 3:
                writer(store, user).patch("t", span_id, partial(_named, span_id, noise.choice("ab")))
            elif step == 4:
                writer(store, user).delete_span("t", span_id)
            else:
                annotation = Annotation("score", "id", 1.0, "a person", noise.choice([None, span_id]))
                writer(store, user).annotate("t", annotation)
        clock.advance(s=noise.choice([0, 1, 5000]))
    db = Counting(memory)
    with suppress(NotFound):
        seen = seen_summary(store_on(memory, clock, db=db), user, repairs=True)
        assert stored_head(store, user).summary == seen
    assert db.writes == 0


def _named(span_id: str, name: str, _: Span) -> SpanFields:
    return SpanFields(span_id=span_id, span_name=name)
