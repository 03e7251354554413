"""What was deleted is gone from every read at once, from the table right after, and does not come back."""

import random

import pytest

from tests.builders import (
    DAY_S,
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
from tests.calling import new_user
from tests.memory_dynamodb import MemoryDynamoDB
from tracestore.domain.errors import NotFound
from tracestore.domain.spans import SpanFields


def large(size: int = 2000) -> str:
    """A payload that does not fit beside its segment."""
    return random.Random(size).randbytes(size).hex()


def test_a_deleted_trace_is_gone_from_every_read(engine: Endpoint) -> None:
    store, user = store_on(engine), new_user().name
    spans = [call("root", conversation_id="c", message_id="m", output_data=large()), call("s", "root", status="error")]
    writer(store, user).capture(batches_of(spans))
    assert writer(store, user).delete_trace("t") == 2
    for query in ({}, {"conversation_id": "c"}, {"message_id": "m"}, {"has_errors": True}, {"trace_ids": ["t"]}):
        assert trace_ids(store, user, **query) == []
    for read in (
        lambda: reader(store, user).trace("t", payloads=True),
        lambda: reader(store, user).span("t", "s"),
        lambda: writer(store, user).patch("t", "s", lambda _: SpanFields(span_id="s", tool_name="x")),
        lambda: writer(store, user).delete_span("t", "s"),
        lambda: writer(store, user).delete_trace("t"),
    ):
        with pytest.raises(NotFound):
            read()
    assert list(stored_items(store, user)) == ["H"]


def test_a_span_that_comes_late_to_a_deleted_trace_is_refused_and_not_kept(engine: Endpoint) -> None:
    store, user = store_on(engine), new_user().name
    writer(store, user).capture([("t", call("root"))])
    writer(store, user).delete_trace("t")
    late = [call("root", output_data=large(), message_id="m"), call("s", "root")]
    for batch in (late, late[1:], late[:1]):
        refused = writer(store, user).capture([*batches_of(batch), ("other", call("root"))])
        assert {(r.trace_id, r.span_id, r.code) for r in refused} == {
            ("t", span["span_id"], "trace_deleted") for span in batch
        }
        assert list(stored_items(store, user)) == ["H"]
    assert trace_ids(store, user) == ["other"]


def test_a_deleted_trace_may_begin_anew_when_its_tombstone_has_expired(engine: Endpoint) -> None:
    clock, user = Clock(), new_user().name
    store = store_on(engine, clock, retention_s=DAY_S)
    writer(store, user).capture([("t", call("old"))])
    clock.advance(s=DAY_S // 2)
    writer(store, user).delete_trace("t")
    clock.advance(s=DAY_S - 1)
    assert writer(store, user).capture([("t", call("new"))]) != []
    clock.advance(s=1)
    assert writer(store, user).capture([("t", call("new"))]) == []
    assert stored_spans(store, user).keys() == {"new"}


@pytest.mark.parametrize("doomed", ["root", "a", "b"])
@pytest.mark.parametrize("size", [1, 2000], ids=["small", "large"])
def test_a_deleted_span_is_gone_and_the_others_are_as_they_were(engine: Endpoint, doomed: str, size: int) -> None:
    store, user = store_on(engine), new_user().name
    spans = [
        call(name, None if name == "root" else "root", input_data=name + large(size)) for name in ("root", "a", "b")
    ]
    writer(store, user).capture(batches_of(spans))
    writer(store, user).capture(batches_of([call("c", "a", input_data=large())]))
    writer(store, user).delete_span("t", doomed)
    kept = [span for span in [*spans, call("c", "a", input_data=large())] if span["span_id"] != doomed]
    assert stored_spans(store, user) == {span["span_id"]: span for span in kept}
    assert stored_summary(store, user) == summary_of(*kept)
    assert not holds(store, user, f"call.{doomed}")
    assert orphans(store, user) == []


def test_a_deleted_span_that_comes_again_is_refused_and_the_others_of_its_request_are_kept(engine: Endpoint) -> None:
    store, user = store_on(engine), new_user().name
    spans = [call("root", output_data=large()), call("a", "root", input_data=large(900)), call("b", "root")]
    writer(store, user).capture(batches_of(spans))
    writer(store, user).delete_span("t", "a")
    for batch in (spans, [*spans, call("c", "root", input_data=large(700))], spans[1:2], spans[:2]):
        refused = writer(store, user).capture(batches_of(batch))
        assert [(refusal.span_id, refusal.code) for refusal in refused] == [("a", "span_deleted")]
        assert not holds(store, user, "call.a")
        assert orphans(store, user) == []
    assert stored_spans(store, user).keys() == {"root", "b", "c"}
    assert stored_spans(store, user)["root"] == spans[0]


def test_requests_that_are_the_same_without_a_deleted_span_leave_one(engine: Endpoint) -> None:
    store, user = store_on(engine), new_user().name
    kept = call("a", "root", input_data="kept")
    writer(store, user).capture(batches_of([call("x", model_name="one"), kept]))
    writer(store, user).capture(batches_of([call("x", model_name="two"), kept]))
    writer(store, user).delete_span("t", "x")
    assert stored_spans(store, user) == {"a": kept}
    assert writer(store, user).capture([("t", call("b", "a"))]) == []


def test_a_trace_without_spans_is_listed_nowhere_until_a_new_one_comes(engine: Endpoint) -> None:
    store, user = store_on(engine), new_user().name
    writer(store, user).capture([("t", call("root"))])
    writer(store, user).delete_span("t", "root")
    assert trace_ids(store, user) == []
    with pytest.raises(NotFound):
        writer(store, user).delete_trace("t")
    writer(store, user).capture([("t", call("other"))])
    assert stored_spans(store, user).keys() == {"other"}
    assert trace_ids(store, user) == ["t"]


def test_a_span_is_deleted_from_folds_too() -> None:
    clock, user = Clock(), new_user().name
    store = store_on(MemoryDynamoDB(page_items=5), clock)
    spans = [call(f"s{n:02}", "root", input_data="x" * n * 30) for n in range(40)]
    for span in spans:
        clock.advance(s=4)
        writer(store, user).capture([("t", span)])
    assert any(sk.startswith("SF#") for sk in stored_items(store, user))
    for doomed in ("s03", "s39"):
        writer(store, user).delete_span("t", doomed)
        assert not holds(store, user, f"call.{doomed}")
    kept = [span for span in spans if span["span_id"] not in ("s03", "s39")]
    assert stored_spans(store, user) == {span["span_id"]: span for span in kept}
    assert orphans(store, user) == []


@pytest.mark.parametrize("size", [5, 40])
def test_what_leans_on_a_deleted_payload_is_still_read(size: int) -> None:
    _still_reads(MemoryDynamoDB(page_items=5), size)


def test_it_is_still_read_on_every_engine(engine: Endpoint) -> None:
    _still_reads(engine, 5)


def _still_reads(engine: Endpoint, size: int) -> None:
    clock, user = Clock(), new_user().name
    store = store_on(engine, clock)
    history = [random.Random(n).randbytes(800).hex() for n in range(size)]
    spans = [call(f"s{n:02}", "root", input_data=" ".join(history[: n + 1])) for n in range(size)]
    for span in spans:
        clock.advance(s=1)
        writer(store, user).capture([("t", span)])
    for doomed in ("s00", f"s{size // 2:02}", f"s{size - 1:02}"):
        writer(store, user).delete_span("t", doomed)
        spans = [span for span in spans if span["span_id"] != doomed]
        assert stored_spans(store, user) == {span["span_id"]: span for span in spans}
        assert orphans(store, user) == []
    late = call("late", "root", input_data=" ".join(history))
    writer(store, user).capture([("t", late)])
    assert stored_spans(store, user)["late"] == late


def test_the_same_payload_with_its_keys_in_another_order_spoils_none_that_leans_on_it(engine: Endpoint) -> None:
    store, user = store_on(engine), new_user().name
    history = large(900)
    writer(store, user).capture([("t", call("first", "root"))])
    root = call("root", input_data={"a": history, "b": 1}, output_data={"a": 1, "b": large(700)})
    writer(store, user).capture([("t", root)])
    leaning = call("s", "root", input_data={"a": history + "more", "b": 1})
    writer(store, user).capture([("t", leaning)])
    turned = call("root", input_data={"b": 1, "a": history}, output_data={"b": large(700), "a": 1})
    writer(store_on(engine), user).capture([("t", turned)])
    assert stored_spans(store, user) == {"first": call("first", "root"), "root": root, "s": leaning}


def test_a_deletion_finds_every_item_of_a_trace_of_many_pages() -> None:
    """Purges and scrubs of more than one page of items."""
    store, user = store_on(MemoryDynamoDB(page_items=4)), new_user().name
    for start in range(0, 60, 3):
        spans = [call(f"s{n}", "root", input_data=large(500 + n), message_id=f"m{n}") for n in range(start, start + 3)]
        writer(store, user).capture(batches_of(spans))
    writer(store, user).delete_span("t", "s31")
    assert not holds(store, user, "call.s31")
    assert writer(store, user).delete_trace("t") == 59
    assert list(stored_items(store, user)) == ["H"]
