"""A deleted trace or span disappears from every read at once, then from the table, and does not come back."""

import random
from collections.abc import Callable
from typing import Any

import pytest

from tests.builders import (
    DAY_S,
    Clock,
    Endpoint,
    batches_of,
    call,
    db_on,
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
from tests.crashing import Crash, CrashingAtWrite
from tests.gateway import new_user
from tests.memory_dynamodb import MemoryDynamoDB
from tracestore.domain.errors import NotFound
from tracestore.domain.spans import SpanFields
from tracestore.storage.user_store import UserWriter


def large(size: int = 2000) -> str:
    """A payload that is too large to be stored inside its segment."""
    return random.Random(size).randbytes(size).hex()


def test_no_read_returns_a_deleted_trace(engine: Endpoint) -> None:
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


class Repeating:
    """A client whose first write in a transaction is repeated, as the AWS SDK does when the answer is lost.

    Other requests may come `between` the two.
    """

    def __init__(self, db: Any, between: Callable[[], object] = lambda: None) -> None:
        self._db = db
        self._between = between
        self._repeats = 1

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)

    def transact_write_items(self, **request: Any) -> Any:
        answer = self._db.transact_write_items(**request)
        if not self._repeats:
            return answer
        self._repeats -= 1
        self._between()
        return self._db.transact_write_items(**{**request, "ClientRequestToken": "another"})


def test_a_deletion_whose_answer_was_lost_is_no_absent_trace(engine: Endpoint) -> None:
    store, user = store_on(engine), new_user().name
    writer(store, user).capture(batches_of([call("root"), call("s", "root")]))
    assert writer(store_on(engine, db=Repeating(db_on(engine))), user).delete_trace("t") == 2
    assert [record.spans for record in reader(store, user).deletion_records(10)[0]] == [2]
    with pytest.raises(NotFound):
        writer(store, user).delete_trace("t")


def test_a_deletion_of_a_span_whose_answer_was_lost_is_no_absent_span(engine: Endpoint) -> None:
    store, user = store_on(engine), new_user().name
    writer(store, user).capture(batches_of([call("root"), call("s", "root")]))
    writer(store_on(engine, db=Repeating(db_on(engine))), user).delete_span("t", "s")
    assert list(stored_spans(store, user)) == ["root"]
    with pytest.raises(NotFound):
        writer(store, user).delete_span("t", "s")


class Overtaken(Repeating):
    """A client before whose first write in a transaction other requests come."""

    def transact_write_items(self, **request: Any) -> Any:
        if self._repeats:
            self._repeats -= 1
            self._between()
        return self._db.transact_write_items(**request)


@pytest.mark.parametrize(
    "delete",
    [lambda own: own.delete_span("t", "s"), lambda own: own.delete_trace("t")],
    ids=["span", "trace"],
)
def test_a_deletion_that_another_request_carried_out_first_meets_nothing(
    engine: Endpoint, delete: Callable[[UserWriter], object]
) -> None:
    store, user = store_on(engine), new_user().name
    writer(store, user).capture(batches_of([call("root"), call("s", "root")]))
    overtaken = store_on(engine, db=Overtaken(db_on(engine), lambda: delete(writer(store, user))))
    with pytest.raises(NotFound):
        delete(writer(overtaken, user))


def test_a_span_that_arrives_after_its_trace_was_deleted_is_refused_and_not_stored(engine: Endpoint) -> None:
    store, user = store_on(engine), new_user().name
    writer(store, user).capture([("t", call("root"))])
    writer(store, user).delete_trace("t")
    late_spans = [call("root", output_data=large(), message_id="m"), call("s", "root")]
    for batch in (late_spans, late_spans[1:], late_spans[:1]):
        rejections = writer(store, user).capture([*batches_of(batch), ("other", call("root"))])
        assert {(rejection.trace_id, rejection.span_id, rejection.code) for rejection in rejections} == {
            ("t", span["span_id"], "trace_deleted") for span in batch
        }
        assert list(stored_items(store, user)) == ["H"]
    assert trace_ids(store, user) == ["other"]


def test_a_deleted_trace_id_can_be_used_again_once_its_tombstone_has_expired(engine: Endpoint) -> None:
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


@pytest.mark.parametrize("deleted", ["root", "a", "b"])
@pytest.mark.parametrize("size", [1, 2000], ids=["small", "large"])
def test_deleting_a_span_leaves_the_other_spans_unchanged(engine: Endpoint, deleted: str, size: int) -> None:
    store, user = store_on(engine), new_user().name
    spans = [
        call(name, None if name == "root" else "root", input_data=name + large(size)) for name in ("root", "a", "b")
    ]
    writer(store, user).capture(batches_of(spans))
    writer(store, user).capture(batches_of([call("c", "a", input_data=large())]))
    writer(store, user).delete_span("t", deleted)
    remaining = [span for span in [*spans, call("c", "a", input_data=large())] if span["span_id"] != deleted]
    assert stored_spans(store, user) == {span["span_id"]: span for span in remaining}
    assert stored_summary(store, user) == summary_of(*remaining)
    assert not holds(store, user, f"call.{deleted}")
    assert orphans(store, user) == []


def test_a_deleted_span_is_refused_when_sent_again_and_the_rest_of_its_request_is_stored(engine: Endpoint) -> None:
    store, user = store_on(engine), new_user().name
    spans = [call("root", output_data=large()), call("a", "root", input_data=large(900)), call("b", "root")]
    writer(store, user).capture(batches_of(spans))
    writer(store, user).delete_span("t", "a")
    for batch in (spans, [*spans, call("c", "root", input_data=large(700))], spans[1:2], spans[:2]):
        rejections = writer(store, user).capture(batches_of(batch))
        assert [(rejection.span_id, rejection.code) for rejection in rejections] == [("a", "span_deleted")]
        assert not holds(store, user, "call.a")
        assert orphans(store, user) == []
    assert stored_spans(store, user).keys() == {"root", "b", "c"}
    assert stored_spans(store, user)["root"] == spans[0]


@pytest.mark.parametrize("size", [10, 900_000])
def test_a_deleted_root_that_a_process_sends_as_a_new_trace_leaves_nothing(engine: Endpoint, size: int) -> None:
    """It stores the payload before it reads the trace. The alias stays, since another span has the same message."""
    clock, user = Clock(), new_user().name
    store = store_on(engine, clock)
    writer(store, user).capture(batches_of([call("root", message_id="m"), call("child", "root", message_id="m")]))
    writer(store, user).delete_span("t", "root")
    before = stored_items(store, user).keys()
    again = call("root", message_id="m", input_data=random.Random(size).randbytes(size).hex())
    assert [each.code for each in writer(store_on(engine, clock), user).capture(batches_of([again]))] == [
        "span_deleted"
    ]
    assert stored_items(store, user).keys() == before
    assert trace_ids(store, user, message_id="m") == ["t"]


def test_requests_that_are_equal_once_a_span_is_deleted_stay_readable(engine: Endpoint) -> None:
    store, user = store_on(engine), new_user().name
    remaining = call("a", "root", input_data="kept")
    writer(store, user).capture(batches_of([call("x", model_name="one"), remaining]))
    writer(store, user).capture(batches_of([call("x", model_name="two"), remaining]))
    writer(store, user).delete_span("t", "x")
    assert stored_spans(store, user) == {"a": remaining}
    assert writer(store, user).capture([("t", call("b", "a"))]) == []


def test_a_trace_without_spans_is_not_listed_until_a_new_span_arrives(engine: Endpoint) -> None:
    store, user = store_on(engine), new_user().name
    writer(store, user).capture([("t", call("root"))])
    writer(store, user).delete_span("t", "root")
    assert trace_ids(store, user) == []
    with pytest.raises(NotFound):
        writer(store, user).delete_trace("t")
    writer(store, user).capture([("t", call("other"))])
    assert stored_spans(store, user).keys() == {"other"}
    assert trace_ids(store, user) == ["t"]


def test_a_deleted_span_is_also_erased_from_compacted_items() -> None:
    clock, user = Clock(), new_user().name
    store = store_on(MemoryDynamoDB(page_items=5), clock)
    spans = [call(f"s{n:02}", "root", input_data="x" * n * 30) for n in range(40)]
    for span in spans:
        clock.advance(s=4)
        writer(store, user).capture([("t", span)])
    assert any(sk.startswith("SF#") for sk in stored_items(store, user))
    for deleted in ("s03", "s39"):
        writer(store, user).delete_span("t", deleted)
        assert not holds(store, user, f"call.{deleted}")
    remaining = [span for span in spans if span["span_id"] not in ("s03", "s39")]
    assert stored_spans(store, user) == {span["span_id"]: span for span in remaining}
    assert orphans(store, user) == []


def test_a_deleted_span_is_also_erased_where_an_interrupted_writer_left_it_in_an_earlier_hour(engine: Endpoint) -> None:
    clock, user = Clock(), new_user().name
    spans = [call("root"), call("a", "root", input_data=large(5_000)), call("b", "root")]
    interrupted = store_on(engine, clock, db=CrashingAtWrite(db_on(engine), 2))
    with pytest.raises(Crash):  # after the payload and the segment, before the head
        writer(interrupted, user).capture(batches_of(spans[1:]))
    store = store_on(engine, clock)
    left = stored_items(store, user).keys()
    assert {sk.partition("#")[0] for sk in left} == {"S", "X"}
    clock.advance(s=3600)
    writer(store, user).capture(batches_of(spans))
    assert left <= stored_items(store, user).keys()
    writer(store, user).delete_span("t", "a")
    assert left.isdisjoint(stored_items(store, user))
    assert not holds(store, user, "call.a")
    assert stored_spans(store, user) == {"root": spans[0], "b": spans[2]}


@pytest.mark.parametrize("size", [5, 40])
def test_a_payload_whose_delta_base_was_deleted_is_still_readable(size: int) -> None:
    _deletes_delta_bases(MemoryDynamoDB(page_items=5), size)


def test_on_every_engine_a_payload_whose_delta_base_was_deleted_is_still_readable(engine: Endpoint) -> None:
    _deletes_delta_bases(engine, 5)


def _deletes_delta_bases(engine: Endpoint, size: int) -> None:
    clock, user = Clock(), new_user().name
    store = store_on(engine, clock)
    history = [random.Random(n).randbytes(800).hex() for n in range(size)]
    spans = [call(f"s{n:02}", "root", input_data=" ".join(history[: n + 1])) for n in range(size)]
    for span in spans:
        clock.advance(s=1)
        writer(store, user).capture([("t", span)])
    for deleted in ("s00", f"s{size // 2:02}", f"s{size - 1:02}"):
        writer(store, user).delete_span("t", deleted)
        spans = [span for span in spans if span["span_id"] != deleted]
        assert stored_spans(store, user) == {span["span_id"]: span for span in spans}
        assert orphans(store, user) == []
    late_span = call("late", "root", input_data=" ".join(history))
    writer(store, user).capture([("t", late_span)])
    assert stored_spans(store, user)["late"] == late_span


def test_a_delta_base_resent_with_its_keys_reordered_does_not_break_dependent_payloads(engine: Endpoint) -> None:
    store, user = store_on(engine), new_user().name
    history = large(900)
    writer(store, user).capture([("t", call("first", "root"))])
    root = call("root", input_data={"a": history, "b": 1}, output_data={"a": 1, "b": large(700)})
    writer(store, user).capture([("t", root)])
    dependent = call("s", "root", input_data={"a": history + "more", "b": 1})
    writer(store, user).capture([("t", dependent)])
    reordered = call("root", input_data={"b": 1, "a": history}, output_data={"b": large(700), "a": 1})
    writer(store_on(engine), user).capture([("t", reordered)])
    assert stored_spans(store, user) == {"first": call("first", "root"), "root": root, "s": dependent}


def test_a_deletion_removes_every_item_of_a_trace_with_many_query_pages() -> None:
    """Purging and erasing both read more than one page of items."""
    store, user = store_on(MemoryDynamoDB(page_items=4)), new_user().name
    for start in range(0, 60, 3):
        spans = [call(f"s{n}", "root", input_data=large(500 + n), message_id=f"m{n}") for n in range(start, start + 3)]
        writer(store, user).capture(batches_of(spans))
    writer(store, user).delete_span("t", "s31")
    assert not holds(store, user, "call.s31")
    assert writer(store, user).delete_trace("t") == 59
    assert list(stored_items(store, user)) == ["H"]
