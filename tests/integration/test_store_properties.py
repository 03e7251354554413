"""The same writes end in the same trace, however they come, on every engine."""

import random
import string
from contextlib import suppress
from dataclasses import replace
from functools import partial
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
    fields,
    long_deadline,
    orphans,
    reader,
    store_on,
    stored_items,
    stored_spans,
    stored_summary,
    trace_ids,
    writer,
)
from tests.calling import new_user
from tests.memory_dynamodb import MemoryDynamoDB
from tracestore.domain.errors import NotFound
from tracestore.domain.heads import Summary
from tracestore.domain.merge import Span
from tracestore.domain.spans import SpanFields
from tracestore.storage import keys
from tracestore.storage.items import item_bytes
from tracestore.storage.store import Store

few = settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
many = settings(max_examples=60, deadline=None)

texts = st.sampled_from(["a", "b", "Zürich 🙂", "x" * 900])
payloads = st.sampled_from(
    [{"messages": [{"role": "user", "content": "hi"}]}, "text", [1.5, None, True], {"n": 10**20}]
)


def reported(max_spans: int = 4) -> st.SearchStrategy[SpanFields]:
    """Captures of few spans, whose fields are often in conflict."""
    ids = st.sampled_from([f"s{n}" for n in range(max_spans)])
    return st.fixed_dictionaries(
        {"span_id": ids, "start_ns": st.integers(START_NS, START_NS + 3), "span_name": texts},
        optional={
            "parent_span_id": ids,
            "end_ns": st.integers(START_NS + 3, START_NS + 5),
            "status": st.sampled_from(["success", "error"]),
            "operation_type": st.sampled_from(["agent", "completion"]),
            "input_tokens": st.integers(0, 3),
            "output_tokens": st.integers(0, 3),
            "conversation_id": texts,
            "message_id": texts,
            "cost_nano_usd": st.integers(0, 5),
            "error_message": texts,
            "input_data": payloads,
            "output_data": payloads,
            "metadata": payloads,
        },
    )  # type: ignore[return-value]


History = tuple[list[SpanFields], random.Random]


def one_by_one(store: Store, user: str, spans: list[SpanFields]) -> None:
    """Each span in a request of its own."""
    for span in spans:
        writer(store, user).capture([("t", span)])


histories = st.tuples(st.lists(reported(), min_size=1, max_size=8), st.randoms(use_true_random=False))


@given(histories)
@many
def test_any_order_repetition_and_batching_ends_in_the_same_trace(history: History) -> None:
    _ends_in_the_same_trace(MemoryDynamoDB(page_items=3), *history)


@given(histories)
@few
def test_it_does_so_on_every_engine(engine: Endpoint, history: History) -> None:
    _ends_in_the_same_trace(engine, *history)


def _ends_in_the_same_trace(engine: Endpoint, spans: list[SpanFields], random: random.Random) -> None:
    clock, straight, shuffled = Clock(), new_user().name, new_user().name
    store = store_on(engine, clock)
    one_by_one(store, straight, spans)
    waiting = random.sample(spans * 2, len(spans) * 2)
    while waiting:
        size = random.randint(1, 4)
        at = random.choice([store, store_on(engine, clock)])  # a process that has written here before, or a new one
        writer(at, shuffled).capture(batches_of(waiting[:size]))
        waiting = waiting[size:] + random.sample(spans, random.choice([0, 0, 1]))
        clock.advance(s=random.choice([0, 1, 3600]))
    assert stored_spans(store, shuffled) == stored_spans(store, straight)
    assert stored_summary(store, shuffled) == stored_summary(store, straight)


@given(histories)
@many
def test_deletes_of_spans_in_between_do_not_show_in_the_end(history: History) -> None:
    """A span that was deleted at any time and one that was deleted at the end are equally gone."""
    spans, random = history
    store, late, between = store_on(MemoryDynamoDB(page_items=3)), new_user().name, new_user().name
    doomed = spans[0]["span_id"]
    one_by_one(store, late, spans)
    writer(store, late).delete_span("t", doomed)
    for span in random.sample(spans, len(spans)) + random.sample(spans, len(spans)):
        writer(store, between).capture(batches_of([span, *random.choices(spans, k=random.randint(0, 2))]))
        if random.random() < 0.3:
            _delete(store, between, doomed)
    _delete(store, between, doomed)
    assert _state(store, between) == _state(store, late)
    if _state(store, between)[1]:
        assert orphans(store, between) == []


@given(st.lists(reported(2), min_size=2, max_size=5), st.lists(texts, min_size=1, max_size=3))
@many
def test_patches_keep_their_order_wherever_captures_fall_between(spans: list[SpanFields], names: list[str]) -> None:
    store, before, between = store_on(MemoryDynamoDB(page_items=3)), new_user().name, new_user().name
    target = spans[0]["span_id"]
    one_by_one(store, before, spans)
    _rename(store, before, target, names)
    writer(store, between).capture(batches_of(spans[:1]))
    for index in range(max(len(names), len(spans))):
        _rename(store, between, target, names[index : index + 1])
        writer(store, between).capture(batches_of(spans[index : index + 1]))
    assert stored_spans(store, between) == stored_spans(store, before)
    assert stored_spans(store, between)[target]["span_name"] == names[-1]


@given(histories)
@few
def test_the_table_in_memory_holds_what_the_engines_hold(engine: Endpoint, history: History) -> None:
    """What is only tried in memory says something about them."""
    spans, random = history
    user, clock = new_user().name, Clock()
    stores = [store_on(at, clock) for at in (engine, MemoryDynamoDB())]
    steps = [random.choice(["capture"] * 4 + ["patch", "delete"]) for _ in spans] + ["capture"] * 3
    for step, span in zip(steps, spans + spans[:3], strict=False):
        for store in stores:
            if step == "capture":
                writer(store, user).capture(batches_of([span]))
            with suppress(NotFound):
                if step == "patch":
                    _rename(store, user, span["span_id"], ["new"])
                if step == "delete":
                    writer(store, user).delete_span("t", span["span_id"])
        clock.advance(s=1)
    real, memory = (stored_items(store, user) for store in stores)
    assert real == memory
    queries: list[dict[str, Any]] = [{}, {"has_errors": True}, {"conversation_id": "a"}, {"message_id": "a"}]
    for query in queries:
        assert trace_ids(stores[0], user, 1, **query) == trace_ids(stores[1], user, 1, **query)


@pytest.mark.parametrize("batch", [1, 7])
def test_a_trace_of_many_requests_is_folded_and_tells_the_same(batch: int) -> None:
    _is_folded(MemoryDynamoDB(page_items=5), batch)


def test_it_is_folded_on_every_engine(engine: Endpoint) -> None:
    _is_folded(engine, 3)


def _is_folded(engine: Endpoint, batch: int) -> None:
    clock, user = Clock(), new_user().name
    store = store_on(engine, clock)
    spans = [call(f"s{n:03}", "root", input_data="x" * (n * 37 % 1500), message_id=f"m{n}") for n in range(100)]
    spans.append(call("root", operation_type="agent"))
    for start in range(0, len(spans), batch):
        writer(store, user).capture(batches_of(spans[start : start + batch]))
        clock.advance(ms=500)
    at_once = new_user().name
    writer(store, at_once).capture(batches_of(spans))
    assert stored_spans(store, user) == stored_spans(store, at_once) == {span["span_id"]: span for span in spans}
    assert stored_summary(store, user) == stored_summary(store, at_once)
    assert sum(sk.startswith("S#") for sk in stored_items(store, user)) < 40
    assert orphans(store, user) == []
    assert trace_ids(store, user, message_id="m7") == ["t"]


def _captures() -> dict[str, list[SpanFields]]:
    noise = random.Random(7)
    return {
        "one": [call("root", input_data="hi", message_id="m")],
        "children first": [call("a", "root"), call("b", "root", message_id="m")],
        "200 spans": [call(f"s{n}", "root" if n else None, message_id=f"m{n % 3}") for n in range(200)],
        "1 MB": [call("root", output_data="".join(noise.choices(string.printable, k=1_400_000)), message_id="m")],
        "1 MB below": [call("a", "root", output_data=noise.randbytes(600_000).hex())],
    }


@pytest.mark.parametrize("kind", _captures())
@pytest.mark.parametrize("later_s", [0, 7, 3 * 3600, DAY_S])
def test_the_same_capture_again_leaves_every_item_as_it_is(kind: str, later_s: int) -> None:
    _stays_as_it_is(MemoryDynamoDB(), kind, later_s)


@pytest.mark.parametrize("kind", _captures())
def test_every_item_stays_as_it_is_on_every_engine(engine: Endpoint, kind: str) -> None:
    _stays_as_it_is(engine, kind, later_s=3 * 3600)


def _stays_as_it_is(engine: Endpoint, kind: str, later_s: int) -> None:
    clock, user = Clock(), new_user().name
    store = store_on(engine, clock)
    spans = _captures()[kind]
    writer(store, user).capture(batches_of(spans))
    before = stored_items(store, user)
    clock.advance(s=later_s)
    writer(store, user).capture(batches_of(spans))
    assert stored_items(store, user) == before


@pytest.mark.parametrize("kind", _captures())
def test_a_root_that_comes_again_later_leaves_every_item_as_it_is(kind: str) -> None:
    """The trace was begun by another span, at another time and place than the root would have begun it."""
    clock, user = Clock(), new_user().name
    store = store_on(MemoryDynamoDB(), clock)
    spans = _captures()[kind]
    writer(store, user).capture(batches_of([call("first", "root", start_ns=START_NS + 5)]))
    clock.advance(s=5000)
    writer(store, user).capture(batches_of(spans))
    before = stored_items(store, user)
    clock.advance(s=5000)
    writer(store, user).capture(batches_of(spans))
    assert stored_items(store, user) == before
    if any("message_id" in span for span in spans):
        message = next(span["message_id"] for span in spans if "message_id" in span)
        assert trace_ids(store, user, message_id=message) == ["t"]


def test_a_payload_of_4_mb_comes_back_whole(engine: Endpoint) -> None:
    store, user = store_on(engine), new_user().name
    noise = random.Random(4).randbytes(2_000_000).hex()
    writer(store, user).capture([("t", call(input_data=noise, span_id="root"))])
    assert reader(store, user).span("t", "root")[1].fields["input_data"] == noise
    assert all(item_bytes(item) < 400_000 for item in stored_items(store, user).values())


def test_an_incomplete_set_of_payload_parts_reads_as_no_payload(engine: Endpoint) -> None:
    store, user = store_on(engine), new_user().name
    writer(store, user).capture([("t", call("root", input_data=random.Random(4).randbytes(500_000).hex()))])
    parts = [sk for sk in stored_items(store, user) if sk.startswith("X#")]
    assert len(parts) > 1
    for lost in (parts[-1], parts[0]):
        store.table.write(deletes=[(keys.trace(user, "t"), lost)], deadline=long_deadline())
        assert "input_data" not in stored_spans(store, user)["root"]
        assert stored_summary(store, user).span_count == 1


def test_many_long_error_messages_in_one_request_fit_into_items(engine: Endpoint) -> None:
    store, user = store_on(engine), new_user().name
    noise = random.Random(9)
    spans = [call(f"s{n}", "root", error_message=noise.randbytes(30_000).hex()) for n in range(40)]
    writer(store, user).capture(batches_of(spans))
    writer(store, user).capture(batches_of(spans))
    assert stored_spans(store, user) == {span["span_id"]: span for span in spans}
    assert stored_summary(store, user).error_count == 40


def test_folding_long_error_messages_fits_into_items() -> None:
    clock, user = Clock(), new_user().name
    store = store_on(MemoryDynamoDB(), clock)
    noise = random.Random(9)
    spans = [call(f"s{n}", "root", error_message=noise.randbytes(30_000).hex()) for n in range(36)]
    for span in spans:
        clock.advance(s=1)
        writer(store, user).capture([("t", span)])
    assert stored_spans(store, user) == {span["span_id"]: span for span in spans}
    assert [sk for sk in stored_items(store, user) if sk.startswith("SF#")]


def test_a_hundred_long_values_of_every_field_fit_into_a_head(engine: Endpoint) -> None:
    store, user = store_on(engine), new_user().name
    noise = random.Random(2)
    names = ("span_name", "model_name", "model_provider", "error_type", "tool_name", "end_user_id", "service_name")
    spans = [call(f"s{n}", **{name: noise.randbytes(128).hex() for name in names}) for n in range(150)]
    for start in range(0, len(spans), 50):
        writer(store, user).capture(batches_of(spans[start : start + 50]))
    assert all(item_bytes(item) < 100_000 for sk, item in stored_items(store, user).items() if sk == "H")
    wanted = spans[123]["tool_name"]
    assert trace_ids(store, user, tool_name=wanted, search=spans[77]["span_name"]) == ["t"]


def test_the_previews_follow_a_payload_that_comes_with_a_later_request(engine: Endpoint) -> None:
    store, user = store_on(engine), new_user().name
    writer(store, user).capture([("t", call("root", end_ns=None))])
    writer(store, user).capture([("t", call("root", input_data="asked", output_data="x" * 5000))])
    assert stored_summary(store, user).previews[:2] == ("asked", "x" * 299 + "…")


def test_capture_one_answers_with_the_span_as_all_requests_together_tell_it(engine: Endpoint) -> None:
    store, user = store_on(engine), new_user().name
    writer(store, user).capture_one("t", fields("root", end_ns=None, input_data="in"))
    head, span = writer(store, user).capture_one("t", fields("root", output_data="out"))
    assert (span.fields["input_data"], span.fields["output_data"], span.status) == ("in", "out", "success")
    assert head == reader(store, user).trace("t", payloads=False)[0]


def test_a_patch_outranks_a_capture_that_comes_later_even_when_it_changed_nothing(engine: Endpoint) -> None:
    store, user = store_on(engine), new_user().name
    writer(store, user).capture([("t", call("root", output_data="right"))])
    writer(store, user).patch("t", "root", lambda _: SpanFields(span_id="root", output_data="right"))
    writer(store, user).capture([("t", call("root", output_data="wrong", end_ns=START_NS + 10**9))])
    assert stored_spans(store, user)["root"]["output_data"] == "right"


def test_a_patch_tells_true_from_one(engine: Endpoint) -> None:
    store, user = store_on(engine), new_user().name
    writer(store, user).capture([("t", call("root"))])
    for value in (1, True, 1.0):
        wanted = {"n": value}
        change = partial(_with_metadata, wanted)
        writer(store, user).patch("t", "root", change)
        assert repr(stored_spans(store, user)["root"]["metadata"]) == repr(wanted)


def test_the_same_patch_again_writes_nothing(engine: Endpoint) -> None:
    store, user = store_on(engine), new_user().name
    writer(store, user).capture([("t", call("root"))])
    _rename(store, user, "root", ["new"])
    before = stored_items(store, user)
    _rename(store, user, "root", ["new"])
    assert stored_items(store, user) == before


def test_a_trace_written_again_after_it_expired_shows_nothing_of_the_old_one(engine: Endpoint) -> None:
    clock, user = Clock(), new_user().name
    store = store_on(engine, clock, retention_s=DAY_S)
    old = [call(f"s{n}", "root" if n else None, input_data="old " * 9000, message_id="old") for n in range(3)]
    writer(store, user).capture(batches_of(old))
    writer(store, user).delete_span("t", "s1")
    clock.advance(s=DAY_S)
    assert trace_ids(store, user) == []
    with pytest.raises(NotFound):
        reader(store, user).trace("t", payloads=True)
    new = call("s1", start_ns=START_NS + 10**12, message_id="new")
    assert writer(store, user).capture([("t", new)]) == []
    assert stored_spans(store, user) == {"s1": new}
    assert stored_summary(store, user).span_count == 1
    assert trace_ids(store, user, message_id="old") == []
    assert trace_ids(store, user, message_id="new") == trace_ids(store, user) == ["t"]


def test_when_a_trace_expires_is_fixed_by_its_first_write(engine: Endpoint) -> None:
    clock, user = Clock(), new_user().name
    store = store_on(engine, clock, retention_s=DAY_S)
    writer(store, user).capture([("t", call("root"))])
    expires_at_s = reader(store, user).trace("t", payloads=False)[0].expires_at_s
    clock.advance(s=DAY_S - 1)
    writer(store, user).capture([("t", call("child", "root"))])
    assert reader(store, user).trace("t", payloads=False)[0].expires_at_s == expires_at_s == Clock().ms // 1000 + DAY_S
    assert all(int(item["expires_at"]["N"]) >= expires_at_s for item in stored_items(store, user).values())


@pytest.mark.parametrize("trace_id", ["a:b.c-d_e", "x" * 128])
@pytest.mark.parametrize("user", ["#", "%", "a/../b", "🙂" * 256, "U#x#T#t"])
def test_odd_ids_reach_their_own_trace(engine: Endpoint, user: str, trace_id: str) -> None:
    store, user = store_on(engine), new_user().name + user
    conversation = "#T#/%2F🙂" * 30
    writer(store, user).capture([(trace_id, call("root", conversation_id=conversation, message_id=conversation))])
    assert trace_ids(store, user, conversation_id=conversation) == [trace_id]
    assert trace_ids(store, user, message_id=conversation) == [trace_id]
    assert trace_ids(store, user, trace_ids=[trace_id]) == [trace_id]
    assert trace_ids(store, user + "x") == []


def _rename(store: Store, user: str, span_id: str, names: list[str]) -> None:
    for name in names:
        writer(store, user).patch("t", span_id, partial(_named, span_id, name))


def _named(span_id: str, name: str, _: Span) -> SpanFields:
    return SpanFields(span_id=span_id, span_name=name)


def _with_metadata(metadata: Any, _: Span) -> SpanFields:
    return SpanFields(span_id="root", metadata=metadata)


def _delete(store: Store, user: str, span_id: str) -> None:
    with suppress(NotFound):  # not there yet, or deleted before
        writer(store, user).delete_span("t", span_id)


def _state(store: Store, user: str) -> tuple[dict[str, Any], Summary | None]:
    """The trace as a reader sees it; nothing when no span is left."""
    try:
        return dict(stored_spans(store, user)), replace(stored_summary(store, user))
    except NotFound:
        return {}, None
