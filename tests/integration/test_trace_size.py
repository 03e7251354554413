"""A trace has a largest size, and its head is bounded: what is beyond is rejected alone, and the rest is stored."""

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.api import Api, failure, span
from tests.builders import (
    START_NS,
    Clock,
    Endpoint,
    batches_of,
    call,
    fields,
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
from tests.integration.test_recent_traces import Calls
from tests.memory_dynamodb import MemoryDynamoDB
from tracestore.domain.errors import Conflict
from tracestore.domain.spans import SpanFields
from tracestore.http import wiring
from tracestore.storage import deletes
from tracestore.storage.items import item_bytes
from tracestore.storage.store import Store
from tracestore.storage.writer import Rejection

MOST = 5


def small_store(engine: Endpoint, clock: Clock | None = None) -> Store:
    """A store whose traces have at most `MOST` spans."""
    return replace(store_on(engine, clock), trace_spans_most=MOST)


def spans(first: int, count: int) -> list[SpanFields]:
    """Spans below a root, in the order of their start."""
    return [call(f"s{n}", "root", start_ns=START_NS + n, input_data="x" * 900) for n in range(first, first + count)]


def rejected(rejections: list[Rejection]) -> list[tuple[str, str]]:
    """The span and the code of each rejection."""
    return [(rejection.span_id, rejection.code) for rejection in rejections]


def test_spans_beyond_the_largest_size_are_rejected_and_the_others_stored(engine: Endpoint) -> None:
    store, user = small_store(engine), new_user().name
    batch = [("full", each) for each in spans(0, 4)] + [("other", call("root"))]
    assert writer(store, user).capture(batch) == []
    refused = writer(store, user).capture([("full", each) for each in spans(3, 4)] + [("other", call("more"))])
    assert rejected(refused) == [("s5", "trace_too_large"), ("s6", "trace_too_large")]
    assert stored_spans(store, user, "full").keys() == {"s0", "s1", "s2", "s3", "s4"}
    assert stored_spans(store, user, "other").keys() == {"root", "more"}


def test_a_full_trace_still_takes_updates_of_its_spans_and_the_place_of_a_deleted_one() -> None:
    store, user = small_store(MemoryDynamoDB(page_items=3)), new_user().name
    writer(store, user).capture(batches_of(spans(0, 5)))
    assert writer(store, user).capture(batches_of([call("s4", "root", error_type="Timeout")])) == []
    assert stored_summary(store, user).error_count == 1
    with pytest.raises(Conflict, match="5 spans") as refused:
        writer(store, user).capture_one("t", call("s9"))
    assert refused.value.code == "trace_too_large"
    writer(store, user).delete_span("t", "s0")
    assert writer(store, user).capture(batches_of(spans(9, 1))) == []
    assert stored_summary(store, user).span_count == 5


@pytest.mark.parametrize("has_root", [True, False])
def test_one_request_cannot_exceed_the_largest_size(has_root: bool) -> None:
    store, user = small_store(MemoryDynamoDB(page_items=3)), new_user().name
    batch = [fields("root", start_ns=START_NS - 1)] * has_root + spans(0, 9)
    assert len(writer(store, user).capture(batches_of(batch))) == len(batch) - MOST
    assert stored_summary(store, user).span_count == MOST
    assert len(writer(store, user).capture(batches_of(batch))) == len(batch) - MOST


@pytest.mark.parametrize("size", [10, 900_000])
def test_a_repeated_root_does_not_open_a_full_trace_to_other_processes(size: int) -> None:
    """A process that does not know the trace stores a request with a root before it reads the trace."""
    memory, user, clock = MemoryDynamoDB(page_items=3), new_user().name, Clock()
    first = [fields("root"), *spans(0, 4)]
    writer(small_store(memory, clock), user).capture(batches_of(first))
    payload = random.Random(size).randbytes(size).hex()
    more = [fields("root"), *(call(f"m{n}", "root", input_data=payload) for n in range(3))]
    refused = writer(small_store(memory, clock), user).capture(batches_of(more))
    assert [span_id for span_id, _ in rejected(refused)] == ["m0", "m1", "m2"]
    assert stored_summary(small_store(memory, clock), user) == summary_of(*first)
    assert stored_spans(small_store(memory, clock), user).keys() == {"root", "s0", "s1", "s2", "s3"}


@pytest.mark.parametrize("size", [10, 900_000])
def test_a_rejected_span_takes_only_its_own_items_with_it(engine: Endpoint, size: int) -> None:
    """A process that does not know the trace stores payloads and aliases before it reads that the trace is full."""
    clock, user = Clock(), new_user().name
    writer(small_store(engine, clock), user).capture(batches_of([call("root", message_id="m"), *spans(0, 4)]))
    more = call("more", message_id="m", input_data=random.Random(size).randbytes(size).hex())
    refused = writer(small_store(engine, clock), user).capture(batches_of([more]))
    assert rejected(refused) == [("more", "trace_too_large")]
    assert trace_ids(small_store(engine, clock), user, message_id="m") == ["t"]
    assert orphans(small_store(engine, clock), user) == []


def test_a_first_request_of_the_largest_size_is_one_put() -> None:
    db, user = MemoryDynamoDB(), new_user().name
    client = Calls(db)
    store = replace(store_on(db, db=client), trace_spans_most=MOST)
    assert (
        writer(store, user).capture(batches_of([call("root"), *(call(f"s{n}", "root") for n in range(MOST - 1))])) == []
    )
    assert client.taken() == {"put_item": 1}


@given(st.lists(st.integers(0, MOST - 1), min_size=1, max_size=8), st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_below_the_largest_size_any_order_gives_the_same_trace(ids: list[int], noise: random.Random) -> None:
    memory, ordered, shuffled = MemoryDynamoDB(page_items=3), new_user().name, new_user().name
    history = [call(f"s{n}", "s0", start_ns=START_NS + n, tool_name=str(i)) for i, n in enumerate(ids)]
    writer(small_store(memory), ordered).capture(batches_of(history))
    for each in noise.sample(history * 2, len(history) * 2):
        assert writer(small_store(memory), shuffled).capture(batches_of([each])) == []
    assert stored_summary(small_store(memory), shuffled) == stored_summary(small_store(memory), ordered)


def test_ids_of_deleted_spans_do_not_make_a_head_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    memory, user = MemoryDynamoDB(), new_user().name
    store = store_on(memory)
    noise = random.Random(1)
    ids = [noise.randbytes(64).hex() for _ in range(1_000)]
    writer(store, user).capture(batches_of([call("root"), *(call(name, "root") for name in ids)]))
    monkeypatch.setattr(deletes, "DELETED_CHARACTERS_MOST", 128 * 40)
    for name in ids[:40]:
        writer(store, user).delete_span("t", name)
    with pytest.raises(Conflict) as refused:
        writer(store, user).delete_span("t", ids[40])
    assert refused.value.code == "too_many_deleted_spans"
    per_id = item_bytes(stored_items(store, user)["H"]) / 40
    assert per_id * 100_000 / 128 < 380_000
    assert reader(store, user).trace("t", payloads=False)[0].summary.span_count == 961


def test_the_api_rejects_a_span_of_a_full_trace_alone(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAX_TRACE_SPANS", "2")
    wiring.reset()
    reply = api.post({"spans": [span("full", span_id) for span_id in ("a", "b", "c")]})
    assert reply.status == 201
    assert [(each["index"], each["code"]) for each in reply.json["rejected"]] == [(2, "trace_too_large")]
    assert failure(api.post(span("full", "d"))) == (409, "trace_too_large")
    wiring.reset()
