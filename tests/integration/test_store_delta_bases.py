"""Payloads are compressed against the one before, as long as that can be read."""

import random
from collections.abc import Callable

import pytest

from tests.builders import DAY_S, Clock, call, long_deadline, scope, store_on, stored_items, stored_spans, writer
from tests.gateway import new_user
from tests.memory_dynamodb import MemoryDynamoDB
from tracestore.domain.spans import SpanFields
from tracestore.storage import keys
from tracestore.storage.delta_bases import CHAIN_LINKS
from tracestore.storage.store import Store


def turns(size: int) -> list[SpanFields]:
    """Calls that repeat the conversation so far."""
    noise = random.Random(size)
    messages = [noise.randbytes(700).hex() for _ in range(size)]
    return [call(f"s{number}", "root", input_data=" ".join(messages[: number + 1])) for number in range(size)]


def capture(store: Store, user: str, span: SpanFields) -> None:
    assert writer(store, user).capture([("t", span)]) == []


def bases(store: Store, user: str) -> dict[str, str | None]:
    """The span whose payload each span's is delta-encoded against. *absent*: None for one in full."""
    segments = scope(store, user).read_core("t").segments
    span_ids = {digest: segment.updates[0].fields["span_id"] for digest, segment in segments.items()}
    return {
        span_ids[digest]: None if segment.base is None else span_ids[segment.base]
        for digest, segment in segments.items()
    }


def expire(store: Store, user: str, clock: Clock) -> None:
    clock.advance(s=DAY_S)


def forget(store: Store, user: str, clock: Clock) -> None:
    items = [(keys.trace(user, "t"), sk) for sk in stored_items(store, user)]
    store.table.write(deletes=items, deadline=long_deadline())


@pytest.mark.parametrize("remove", [expire, forget])
def test_no_payload_depends_on_one_of_a_trace_that_is_gone(remove: Callable[[Store, str, Clock], None]) -> None:
    clock, user = Clock(), new_user().name
    store = store_on(MemoryDynamoDB(), clock, retention_s=DAY_S)
    first, second, third = turns(3)
    capture(store, user, first)
    remove(store, user, clock)
    capture(store, user, second)
    assert stored_spans(store, user) == {"s1": second}
    assert bases(store, user) == {"s1": None}
    capture(store, user, third)
    assert bases(store, user) == {"s1": None, "s2": "s1"}
    assert stored_spans(store, user) == {"s1": second, "s2": third}


def test_a_chain_has_at_most_the_links_that_one_read_follows() -> None:
    user, store = new_user().name, store_on(MemoryDynamoDB())
    spans = turns(2 * CHAIN_LINKS + 1)
    for span in spans:
        capture(store, user, span)
    in_full = [span_id for span_id, base in bases(store, user).items() if base is None]
    assert sorted(in_full) == sorted(f"s{number}" for number in (0, CHAIN_LINKS, 2 * CHAIN_LINKS))
    assert stored_spans(store, user) == {span["span_id"]: span for span in spans}


def test_a_small_payload_between_two_large_ones_is_no_base() -> None:
    user, store = new_user().name, store_on(MemoryDynamoDB())
    first, second = turns(2)
    for span in (first, call("small", "root", input_data="yes"), call("none", "root"), second):
        capture(store, user, span)
    assert bases(store, user) == {"s0": None, "small": None, "none": None, "s1": "s0"}
