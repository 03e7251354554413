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
    long_deadline,
    orphans,
    store_on,
    stored_items,
    stored_spans,
    stored_summary,
    summary_of,
    trace_ids,
)
from tests.calling import new_user
from tests.memory_dynamodb import MemoryDynamoDB
from tracestore.domain.errors import NotFound
from tracestore.domain.spans import SpanFields
from tracestore.storage.deletes import delete_span, delete_trace
from tracestore.storage.patching import patch
from tracestore.storage.reading import read_span, read_trace
from tracestore.storage.writer import capture


def large(size: int = 2000) -> str:
    """A payload that does not fit beside its segment."""
    return random.Random(size).randbytes(size).hex()


def test_a_deleted_trace_is_gone_from_every_read(engine: Endpoint) -> None:
    store, user = store_on(engine), new_user().name
    spans = [call("root", conversation_id="c", message_id="m", output_data=large()), call("s", "root", status="error")]
    capture(store, user, batches_of(spans), long_deadline())
    assert delete_trace(store, user, "t", long_deadline()) == 2
    for query in ({}, {"conversation_id": "c"}, {"message_id": "m"}, {"has_errors": True}, {"trace_ids": ["t"]}):
        assert trace_ids(store, user, **query) == []
    for read in (
        lambda: read_trace(store, user, "t", payloads=True),
        lambda: read_span(store, user, "t", "s"),
        lambda: patch(store, user, "t", "s", lambda _: SpanFields(span_id="s", tool_name="x"), long_deadline()),
        lambda: delete_span(store, user, "t", "s", long_deadline()),
        lambda: delete_trace(store, user, "t", long_deadline()),
    ):
        with pytest.raises(NotFound):
            read()
    assert list(stored_items(store, user)) == ["H"]


def test_a_span_that_comes_late_to_a_deleted_trace_is_refused_and_not_kept(engine: Endpoint) -> None:
    store, user = store_on(engine), new_user().name
    capture(store, user, [("t", call("root"))], long_deadline())
    delete_trace(store, user, "t", long_deadline())
    late = [call("root", output_data=large(), message_id="m"), call("s", "root")]
    for batch in (late, late[1:], late[:1]):
        refused = capture(store, user, [*batches_of(batch), ("other", call("root"))], long_deadline())
        assert {(r.trace_id, r.span_id, r.code) for r in refused} == {
            ("t", span["span_id"], "trace_deleted") for span in batch
        }
        assert list(stored_items(store, user)) == ["H"]
    assert trace_ids(store, user) == ["other"]


def test_a_deleted_trace_may_begin_anew_when_its_tombstone_has_expired(engine: Endpoint) -> None:
    clock, user = Clock(), new_user().name
    store = store_on(engine, clock, retention_s=DAY_S)
    capture(store, user, [("t", call("old"))], long_deadline())
    clock.advance(s=DAY_S // 2)
    delete_trace(store, user, "t", long_deadline())
    clock.advance(s=DAY_S - 1)
    assert capture(store, user, [("t", call("new"))], long_deadline()) != []
    clock.advance(s=1)
    assert capture(store, user, [("t", call("new"))], long_deadline()) == []
    assert stored_spans(store, user).keys() == {"new"}


@pytest.mark.parametrize("doomed", ["root", "a", "b"])
@pytest.mark.parametrize("size", [1, 2000], ids=["small", "large"])
def test_a_deleted_span_is_gone_and_the_others_are_as_they_were(engine: Endpoint, doomed: str, size: int) -> None:
    store, user = store_on(engine), new_user().name
    spans = [
        call(name, None if name == "root" else "root", input_data=name + large(size)) for name in ("root", "a", "b")
    ]
    capture(store, user, batches_of(spans), long_deadline())
    capture(store, user, batches_of([call("c", "a", input_data=large())]), long_deadline())
    delete_span(store, user, "t", doomed, long_deadline())
    kept = [span for span in [*spans, call("c", "a", input_data=large())] if span["span_id"] != doomed]
    assert stored_spans(store, user) == {span["span_id"]: span for span in kept}
    assert stored_summary(store, user) == summary_of(*kept)
    assert not holds(store, user, f"call.{doomed}")
    assert orphans(store, user) == []


def test_a_deleted_span_that_comes_again_is_refused_and_the_others_of_its_request_are_kept(engine: Endpoint) -> None:
    store, user = store_on(engine), new_user().name
    spans = [call("root", output_data=large()), call("a", "root", input_data=large(900)), call("b", "root")]
    capture(store, user, batches_of(spans), long_deadline())
    delete_span(store, user, "t", "a", long_deadline())
    for batch in (spans, [*spans, call("c", "root", input_data=large(700))], spans[1:2], spans[:2]):
        refused = capture(store, user, batches_of(batch), long_deadline())
        assert [(refusal.span_id, refusal.code) for refusal in refused] == [("a", "span_deleted")]
        assert not holds(store, user, "call.a")
        assert orphans(store, user) == []
    assert stored_spans(store, user).keys() == {"root", "b", "c"}
    assert stored_spans(store, user)["root"] == spans[0]


def test_requests_that_are_the_same_without_a_deleted_span_leave_one(engine: Endpoint) -> None:
    store, user = store_on(engine), new_user().name
    kept = call("a", "root", input_data="kept")
    capture(store, user, batches_of([call("x", model_name="one"), kept]), long_deadline())
    capture(store, user, batches_of([call("x", model_name="two"), kept]), long_deadline())
    delete_span(store, user, "t", "x", long_deadline())
    assert stored_spans(store, user) == {"a": kept}
    assert capture(store, user, [("t", call("b", "a"))], long_deadline()) == []


def test_a_trace_without_spans_is_listed_nowhere_until_a_new_one_comes(engine: Endpoint) -> None:
    store, user = store_on(engine), new_user().name
    capture(store, user, [("t", call("root"))], long_deadline())
    delete_span(store, user, "t", "root", long_deadline())
    assert trace_ids(store, user) == []
    with pytest.raises(NotFound):
        delete_trace(store, user, "t", long_deadline())
    capture(store, user, [("t", call("other"))], long_deadline())
    assert stored_spans(store, user).keys() == {"other"}
    assert trace_ids(store, user) == ["t"]


def test_a_span_is_deleted_from_folds_too() -> None:
    clock, user = Clock(), new_user().name
    store = store_on(MemoryDynamoDB(page_items=5), clock)
    spans = [call(f"s{n:02}", "root", input_data="x" * n * 30) for n in range(40)]
    for span in spans:
        clock.advance(s=4)
        capture(store, user, [("t", span)], long_deadline())
    assert any(sk.startswith("SF#") for sk in stored_items(store, user))
    for doomed in ("s03", "s39"):
        delete_span(store, user, "t", doomed, long_deadline())
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
        capture(store, user, [("t", span)], long_deadline())
    for doomed in ("s00", f"s{size // 2:02}", f"s{size - 1:02}"):
        delete_span(store, user, "t", doomed, long_deadline())
        spans = [span for span in spans if span["span_id"] != doomed]
        assert stored_spans(store, user) == {span["span_id"]: span for span in spans}
        assert orphans(store, user) == []
    late = call("late", "root", input_data=" ".join(history))
    capture(store, user, [("t", late)], long_deadline())
    assert stored_spans(store, user)["late"] == late


def test_the_same_payload_with_its_keys_in_another_order_spoils_none_that_leans_on_it(engine: Endpoint) -> None:
    store, user = store_on(engine), new_user().name
    history = large(900)
    capture(store, user, [("t", call("first", "root"))], long_deadline())
    root = call("root", input_data={"a": history, "b": 1}, output_data={"a": 1, "b": large(700)})
    capture(store, user, [("t", root)], long_deadline())
    leaning = call("s", "root", input_data={"a": history + "more", "b": 1})
    capture(store, user, [("t", leaning)], long_deadline())
    turned = call("root", input_data={"b": 1, "a": history}, output_data={"b": large(700), "a": 1})
    capture(store_on(engine), user, [("t", turned)], long_deadline())
    assert stored_spans(store, user) == {"first": call("first", "root"), "root": root, "s": leaning}


def test_a_deletion_finds_every_item_of_a_trace_of_many_pages() -> None:
    """Purges and scrubs of more than one page of items."""
    store, user = store_on(MemoryDynamoDB(page_items=4)), new_user().name
    for start in range(0, 60, 3):
        spans = [call(f"s{n}", "root", input_data=large(500 + n), message_id=f"m{n}") for n in range(start, start + 3)]
        capture(store, user, batches_of(spans), long_deadline())
    delete_span(store, user, "t", "s31", long_deadline())
    assert not holds(store, user, "call.s31")
    assert delete_trace(store, user, "t", long_deadline()) == 59
    assert list(stored_items(store, user)) == ["H"]
