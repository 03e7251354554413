"""The same writes give the same trace, in any order, repetition and batching, on every engine."""

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
from tests.gateway import new_user
from tests.memory_dynamodb import MemoryDynamoDB
from tracestore.domain.errors import NotFound
from tracestore.domain.heads import Summary
from tracestore.domain.merge import Span
from tracestore.domain.spans import SpanFields
from tracestore.storage import keys
from tracestore.storage.dynamo import RequestFailed
from tracestore.storage.items import item_bytes
from tracestore.storage.new_traces import READ_UNIT_BYTES, WRITE_UNIT_BYTES
from tracestore.storage.store import Store

few = settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
many = settings(max_examples=60, deadline=None)

texts = st.sampled_from(["a", "b", "Zürich 🙂", "x" * 900])
payloads = st.sampled_from(
    [{"messages": [{"role": "user", "content": "hi"}]}, "text", [1.5, None, True], {"n": 10**20}]
)


trace_metadata = st.fixed_dictionaries(
    {}, optional={"trace_name": texts, "trace_input": payloads, "trace_output": payloads}
)


def reported(max_spans: int = 4) -> st.SearchStrategy[SpanFields]:
    """Captured fields of few spans, often in conflict with each other."""
    ids = st.sampled_from([f"s{n}" for n in range(max_spans)])
    return st.fixed_dictionaries(
        {"span_id": ids, "start_ns": st.integers(START_NS, START_NS + 3), "span_name": texts},
        optional={
            "parent_span_id": ids,
            "end_ns": st.integers(START_NS - 1, START_NS + 5),
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
            "metadata": payloads | trace_metadata,
        },
    )  # type: ignore[return-value]


History = tuple[list[SpanFields], random.Random]


def one_by_one(store: Store, user: str, spans: list[SpanFields]) -> None:
    """Capture each span in a request of its own."""
    for span in spans:
        writer(store, user).capture([("t", span)])


histories = st.tuples(st.lists(reported(), min_size=1, max_size=8), st.randoms(use_true_random=False))


@given(histories)
@many
def test_any_order_repetition_and_batching_gives_the_same_trace(history: History) -> None:
    _gives_the_same_trace(MemoryDynamoDB(page_items=3), *history)


@given(histories)
@few
def test_on_every_engine_any_order_repetition_and_batching_gives_the_same_trace(
    engine: Endpoint, history: History
) -> None:
    _gives_the_same_trace(engine, *history)


def _gives_the_same_trace(engine: Endpoint, spans: list[SpanFields], random: random.Random) -> None:
    clock, ordered, shuffled = Clock(), new_user().name, new_user().name
    store = store_on(engine, clock)
    one_by_one(store, ordered, spans)
    unsent = random.sample(spans * 2, len(spans) * 2)
    while unsent:
        size = random.randint(1, 4)
        process = random.choice([store, store_on(engine, clock)])  # one that has written this trace, or a new one
        writer(process, shuffled).capture(batches_of(unsent[:size]))
        unsent = unsent[size:] + random.sample(spans, random.choice([0, 0, 1]))
        clock.advance(s=random.choice([0, 1, 3600]))
    assert stored_spans(store, shuffled) == stored_spans(store, ordered)
    assert stored_summary(store, shuffled) == stored_summary(store, ordered)


@given(histories)
@many
def test_deleting_a_span_between_captures_equals_deleting_it_at_the_end(history: History) -> None:
    """The trace is the same whether a span was deleted once at the end or several times before."""
    spans, random = history
    store, at_end, between = store_on(MemoryDynamoDB(page_items=3)), new_user().name, new_user().name
    deleted = spans[0]["span_id"]
    one_by_one(store, at_end, spans)
    writer(store, at_end).delete_span("t", deleted)
    for span in random.sample(spans, len(spans)) + random.sample(spans, len(spans)):
        writer(store, between).capture(batches_of([span, *random.choices(spans, k=random.randint(0, 2))]))
        if random.random() < 0.3:
            _delete(store, between, deleted)
    _delete(store, between, deleted)
    assert _state(store, between) == _state(store, at_end)
    if _state(store, between)[1]:
        assert orphans(store, between) == []


@given(st.lists(reported(2), min_size=2, max_size=5), st.lists(texts, min_size=1, max_size=3))
@many
def test_patches_apply_in_order_when_captures_come_between_them(spans: list[SpanFields], names: list[str]) -> None:
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
def test_the_table_in_memory_stores_the_same_items_as_the_engines(engine: Endpoint, history: History) -> None:
    """Therefore a property that is tested in memory only also holds on the engines."""
    spans, random = history
    user, clock = new_user().name, Clock()
    stores = [store_on(endpoint, clock) for endpoint in (engine, MemoryDynamoDB())]
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
def test_a_trace_of_many_requests_is_compacted_and_reads_the_same(batch: int) -> None:
    _is_compacted(MemoryDynamoDB(page_items=5), batch)


def test_on_every_engine_a_trace_of_many_requests_is_compacted(engine: Endpoint) -> None:
    _is_compacted(engine, 3)


def _is_compacted(engine: Endpoint, batch: int) -> None:
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
        "1 MB child": [call("a", "root", output_data=noise.randbytes(600_000).hex())],
    }


@pytest.mark.parametrize("kind", _captures())
@pytest.mark.parametrize("later_s", [0, 7, 3 * 3600, DAY_S])
def test_a_repeated_capture_changes_no_stored_item(kind: str, later_s: int) -> None:
    _changes_no_item(MemoryDynamoDB(), kind, later_s)


@pytest.mark.parametrize("kind", _captures())
def test_on_every_engine_a_repeated_capture_changes_no_stored_item(engine: Endpoint, kind: str) -> None:
    _changes_no_item(engine, kind, later_s=3 * 3600)


def _changes_no_item(engine: Endpoint, kind: str, later_s: int) -> None:
    clock, user = Clock(), new_user().name
    store = store_on(engine, clock)
    spans = _captures()[kind]
    writer(store, user).capture(batches_of(spans))
    before = stored_items(store, user)
    clock.advance(s=later_s)
    writer(store, user).capture(batches_of(spans))
    assert stored_items(store, user) == before


@pytest.mark.parametrize("kind", _captures())
def test_a_repeated_capture_changes_no_item_of_a_trace_begun_by_another_span(kind: str) -> None:
    """The span that began the trace gave it another time and cursor position than this capture would have given."""
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


def test_a_payload_of_4_mb_is_read_back_whole(engine: Endpoint) -> None:
    store, user = store_on(engine), new_user().name
    noise = random.Random(4).randbytes(2_000_000).hex()
    writer(store, user).capture([("t", call(input_data=noise, span_id="root"))])
    assert reader(store, user).span("t", "root")[1].fields["input_data"] == noise
    assert all(item_bytes(item) < 400_000 for item in stored_items(store, user).values())


def test_a_payload_with_a_missing_part_is_read_as_absent(engine: Endpoint) -> None:
    store, user = store_on(engine), new_user().name
    writer(store, user).capture([("t", call("root", input_data=random.Random(4).randbytes(500_000).hex()))])
    parts = [sk for sk in stored_items(store, user) if sk.startswith("X#")]
    assert len(parts) > 1
    for missing_part in (parts[-1], parts[0]):
        store.table.write(deletes=[(keys.trace(user, "t"), missing_part)], deadline=long_deadline())
        assert "input_data" not in stored_spans(store, user)["root"]
        assert stored_summary(store, user).span_count == 1


def test_many_long_error_messages_in_one_request_fit_the_item_limit(engine: Endpoint) -> None:
    store, user = store_on(engine), new_user().name
    noise = random.Random(9)
    spans = [call(f"s{n}", "root", error_message=noise.randbytes(30_000).hex()) for n in range(40)]
    writer(store, user).capture(batches_of(spans))
    writer(store, user).capture(batches_of(spans))
    assert stored_spans(store, user) == {span["span_id"]: span for span in spans}
    assert stored_summary(store, user).error_count == 40


def test_compacted_long_error_messages_fit_the_item_limit() -> None:
    clock, user = Clock(), new_user().name
    store = store_on(MemoryDynamoDB(), clock)
    noise = random.Random(9)
    spans = [call(f"s{n}", "root", error_message=noise.randbytes(30_000).hex()) for n in range(36)]
    for span in spans:
        clock.advance(s=1)
        writer(store, user).capture([("t", span)])
    assert stored_spans(store, user) == {span["span_id"]: span for span in spans}
    assert [sk for sk in stored_items(store, user) if sk.startswith("SF#")]


def test_a_hundred_long_values_of_every_field_fit_a_head(engine: Endpoint) -> None:
    store, user = store_on(engine), new_user().name
    noise = random.Random(2)
    names = ("span_name", "model_name", "model_provider", "error_type", "tool_name", "end_user_id", "service_name")
    spans = [call(f"s{n}", **{name: noise.randbytes(128).hex() for name in names}) for n in range(150)]
    for start in range(0, len(spans), 50):
        writer(store, user).capture(batches_of(spans[start : start + 50]))
    assert all(item_bytes(item) < 100_000 for sk, item in stored_items(store, user).items() if sk == "H")
    tool_name = spans[123]["tool_name"]
    assert trace_ids(store, user, tool_name=tool_name, search=spans[77]["span_name"]) == ["t"]


def test_previews_are_updated_by_a_payload_from_a_later_request(engine: Endpoint) -> None:
    store, user = store_on(engine), new_user().name
    writer(store, user).capture([("t", call("root", end_ns=None))])
    writer(store, user).capture([("t", call("root", input_data="asked", output_data="x" * 5000))])
    assert stored_summary(store, user).previews[:2] == ("asked", "x" * 299 + "…")


class Refusals:
    """A client that counts the puts whose condition failed."""

    def __init__(self, db: MemoryDynamoDB) -> None:
        self._db = db
        self.count = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)

    def put_item(self, **request: Any) -> Any:
        try:
            return self._db.put_item(**request)
        except RequestFailed:
            self.count += 1
            raise


@pytest.mark.parametrize("output", ["short", "long " * 400])
@pytest.mark.parametrize(("processes", "refused"), [(1, 0), (2, 1)])
def test_only_another_process_tries_to_begin_a_trace_that_exists(processes: int, refused: int, output: str) -> None:
    memory, user = MemoryDynamoDB(), new_user().name
    db = Refusals(memory)
    stores = [store_on(memory, db=db) for _ in range(processes)]
    writer(stores[0], user).capture([("t", call("root", end_ns=None, input_data=output))])
    writer(stores[-1], user).capture([("t", call("root", input_data=output, output_data=output))])
    assert db.count == refused
    assert stored_spans(stores[0], user)["root"]["output_data"] == output
    assert stored_summary(stores[0], user).status == "success"


def test_capture_one_returns_the_span_merged_from_all_requests(engine: Endpoint) -> None:
    store, user = store_on(engine), new_user().name
    writer(store, user).capture_one("t", fields("root", end_ns=None, input_data="in"))
    head, span = writer(store, user).capture_one("t", fields("root", output_data="out"))
    assert (span.fields["input_data"], span.fields["output_data"], span.status) == ("in", "out", "success")
    assert head == reader(store, user).trace("t", payloads=False)[0]


def test_a_patch_outranks_a_later_capture_even_if_the_patch_changed_nothing(engine: Endpoint) -> None:
    store, user = store_on(engine), new_user().name
    writer(store, user).capture([("t", call("root", output_data="right"))])
    writer(store, user).patch("t", "root", lambda _: SpanFields(span_id="root", output_data="right"))
    writer(store, user).capture([("t", call("root", output_data="wrong", end_ns=START_NS + 10**9))])
    assert stored_spans(store, user)["root"]["output_data"] == "right"


def test_a_patch_distinguishes_1_from_true_and_1_0(engine: Endpoint) -> None:
    store, user = store_on(engine), new_user().name
    writer(store, user).capture([("t", call("root"))])
    for value in (1, True, 1.0):
        metadata = {"n": value}
        change = partial(_with_metadata, metadata)
        writer(store, user).patch("t", "root", change)
        assert repr(stored_spans(store, user)["root"]["metadata"]) == repr(metadata)


def test_a_repeated_patch_changes_no_stored_item(engine: Endpoint) -> None:
    store, user = store_on(engine), new_user().name
    writer(store, user).capture([("t", call("root"))])
    _rename(store, user, "root", ["new"])
    before = stored_items(store, user)
    _rename(store, user, "root", ["new"])
    assert stored_items(store, user) == before


def test_a_trace_written_again_after_it_expired_contains_nothing_of_the_old_one(engine: Endpoint) -> None:
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


def test_the_first_write_of_a_trace_fixes_its_expiry(engine: Endpoint) -> None:
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
def test_ids_with_unusual_characters_reach_their_own_trace(engine: Endpoint, user: str, trace_id: str) -> None:
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
    with suppress(NotFound):  # not captured yet, or already deleted
        writer(store, user).delete_span("t", span_id)


def _state(store: Store, user: str) -> tuple[dict[str, Any], Summary | None]:
    """The spans and the summary that a reader sees; *absent*: `({}, None)` when no span remains."""
    try:
        return dict(stored_spans(store, user)), replace(stored_summary(store, user))
    except NotFound:
        return {}, None


def first_request(size: int, span_count: int, *, is_ended: bool) -> list[SpanFields]:
    """A root with a payload of this size, and spans below it whose ids do not compress."""
    noise = random.Random(size)
    root = call("root", input_data=noise.randbytes(size // 2).hex(), **({} if is_ended else {"end_ns": None}))
    return [root, *(call(noise.randbytes(16).hex(), "root") for _ in range(span_count))]


@pytest.mark.parametrize(
    ("size", "span_count", "is_ended", "apart"),
    [
        (5_000, 0, True, ""),
        (9_000, 0, True, "X#"),
        (10, 60, True, ""),
        (5_000, 60, True, "X#"),
        (10, 300, True, "S#"),
        (20_000, 300, True, "S# X#"),
        (500, 0, False, ""),
        (1_500, 0, False, "X#"),
        (3_000, 8, False, "X#"),
        (10, 60, False, "S#"),
        (5_000, 60, False, "S# X#"),
    ],
)
def test_a_head_has_as_much_of_the_first_segment_as_fits(
    size: int, span_count: int, is_ended: bool, apart: str
) -> None:
    """Of the payload and the core, then of the core alone; less while more spans are to come."""
    store, user = store_on(MemoryDynamoDB()), new_user().name
    writer(store, user).capture(batches_of(first_request(size, span_count, is_ended=is_ended)))
    assert sorted({sk[:2] for sk in stored_items(store, user)} - {"H"}) == apart.split()


@given(st.integers(0, 12_000), st.integers(0, 120), st.booleans())
@many
def test_a_first_head_with_a_segment_inside_takes_one_unit(size: int, span_count: int, is_ended: bool) -> None:
    store, user = store_on(MemoryDynamoDB()), new_user().name
    writer(store, user).capture(batches_of(first_request(size, span_count, is_ended=is_ended)))
    items = stored_items(store, user)
    if not any(sk.startswith("S#") for sk in items):
        assert item_bytes(items["H"]) <= (READ_UNIT_BYTES if is_ended else WRITE_UNIT_BYTES)
