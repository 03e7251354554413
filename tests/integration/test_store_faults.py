"""Whatever DynamoDB does to a request, and wherever a writer dies, nothing that was acknowledged is lost.

The engines see some of it; every seed and every place to die is tried on a table in memory.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import chain
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from tests.builders import (
    Clock,
    Endpoint,
    batches_of,
    call,
    db_on,
    holds,
    long_deadline,
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
from tests.mortal import Crash, Mortal
from tracestore.domain.errors import NotFound, Unavailable
from tracestore.domain.spans import SpanFields
from tracestore.storage.deadline import Deadline
from tracestore.storage.store import Store


class Flaky:
    """A DynamoDB client of which every third call fails: before or after it was done, throttled, or half-way."""

    def __init__(self, db: Any, seed: int) -> None:
        self._db = db
        self._random = random.Random(seed)
        self.faults = 0

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def called(**request: Any) -> Any:
            if self._random.random() > 0.3:
                return getattr(self._db, name)(**request)
            self.faults += 1
            kind = self._random.choice(["before", "after", "throttled", "half"])
            if kind == "half" and name == "batch_write_item":
                return self._half_written(**request)
            if kind == "half" and name == "batch_get_item":
                return self._half_read(**request)
            if kind == "after":
                getattr(self._db, name)(**request)
            if kind == "throttled":
                raise ClientError({"Error": {"Code": "ThrottlingException"}}, name)
            raise EndpointConnectionError(endpoint_url="http://nowhere")

        return called

    def _half_written(self, RequestItems: dict[str, list[Any]]) -> dict[str, Any]:
        ((table, requests),) = RequestItems.items()
        done = [request for request in requests if self._random.random() < 0.5]
        if done:
            self._db.batch_write_item(RequestItems={table: done})
        left = [request for request in requests if request not in done]
        return {"UnprocessedItems": {table: left} if left else {}}

    def _half_read(self, RequestItems: dict[str, Any]) -> dict[str, Any]:
        ((table, asked),) = RequestItems.items()
        middle = len(asked["Keys"]) // 2
        now, later = asked["Keys"][:middle], asked["Keys"][middle:]
        answer: dict[str, Any] = {"Responses": {}}
        if now:
            answer = self._db.batch_get_item(RequestItems={table: {**asked, "Keys": now}})
        return {**answer, "UnprocessedKeys": {table: {**asked, "Keys": later}}}


def deaths(
    engine: Endpoint, act: Callable[[Store, str], object], begin: Callable[[str], object], *, step: int = 1
) -> Iterator[str]:
    """Users whose process died in `act` after `begin`: at its first write, its second, and so on until it survives.

    Every write of the first eight, and then each `step`-th.
    """
    for writes in chain(range(8), range(8, 1000, step)):
        user = new_user().name
        begin(user)
        try:
            act(store_on(engine, db=Mortal(db_on(engine), writes)), user)
        except Crash:
            yield user
        else:
            assert writes > 0, "this test lets nobody die"
            yield user
            return


def until_acknowledged(act: Callable[[], Any]) -> Any:
    """What a client does: the same again until it is answered."""
    while True:
        with suppress(Unavailable):
            return act()


def agent(size: int = 6) -> list[SpanFields]:
    """A trace of which some spans have messages, and payloads that do not fit beside their segment."""
    noise = random.Random(size)
    spans = [call("root", operation_type="agent", input_data="ask", output_data=noise.randbytes(900).hex())]
    spans += [call(f"s{n}", "root", input_data="p" * n * 200, message_id=f"m{n % 2}") for n in range(size - 1)]
    return spans


@pytest.fixture
def memory() -> MemoryDynamoDB:
    """A table in memory whose Queries end after three items."""
    return MemoryDynamoDB(page_items=3)


def test_no_acknowledged_span_is_lost_when_every_third_call_fails(engine: Endpoint) -> None:
    _lose_nothing(engine, seed=0, size=16)


@pytest.mark.parametrize("seed", range(12))
def test_no_acknowledged_span_is_lost_whichever_calls_fail(memory: MemoryDynamoDB, seed: int) -> None:
    _lose_nothing(memory, seed, size=36)


def _lose_nothing(engine: Endpoint, seed: int, size: int) -> None:
    clock, user = Clock(), new_user().name
    flaky = Flaky(db_on(engine), seed)
    store = store_on(engine, clock, db=flaky)
    noise = random.Random(seed)
    spans = agent(size)
    order = noise.sample(spans, len(spans))
    while order:
        size = noise.randint(1, 3)
        until_acknowledged(lambda: writer(store, user).capture(batches_of(order[:size])))  # noqa: B023
        seen = stored_spans(store_on(engine, clock), user)
        assert all(seen[span["span_id"]] == span for span in order[:size])
        order = order[size:]
        clock.advance(s=1)
    calm = store_on(engine, clock)
    assert stored_spans(calm, user) == {span["span_id"]: span for span in spans}
    assert stored_summary(calm, user) == summary_of(*spans)
    assert until_acknowledged(lambda: trace_ids(store, user, message_id="m1", deadline=long_deadline())) == ["t"]
    assert flaky.faults > 5


@pytest.mark.parametrize("seed", range(5))
def test_many_traces_in_one_request_survive_faults_together(memory: MemoryDynamoDB, seed: int) -> None:
    clock, user = Clock(), new_user().name
    store = store_on(memory, clock, db=Flaky(db_on(memory), seed))
    batch = [(f"t{n}", call(f"s{m}", "s0" if m else None)) for n in range(3) for m in range(3)]
    assert until_acknowledged(lambda: writer(store, user).capture(batch)) == []
    calm = store_on(memory, clock)
    assert sorted(trace_ids(calm, user)) == sorted({trace_id for trace_id, _ in batch})
    assert all(stored_summary(calm, user, f"t{n}").span_count == 3 for n in range(3))


@pytest.mark.parametrize("seed", range(12))
def test_deletes_and_patches_hold_whichever_calls_fail(memory: MemoryDynamoDB, seed: int) -> None:
    clock, user = Clock(), new_user().name
    store = store_on(memory, clock, db=Flaky(db_on(memory), seed))
    calm = store_on(memory, clock)
    spans = agent(5)
    writer(calm, user).capture(batches_of(spans))
    until_acknowledged(lambda: writer(store, user).patch("t", "s1", lambda _: SpanFields(span_id="s1", tool_name="x")))
    _deleted(lambda: writer(store, user).delete_span("t", "s0"))
    kept = {span["span_id"]: span for span in spans if span["span_id"] != "s0"}
    kept["s1"] = SpanFields(**{**kept["s1"], "tool_name": "x"})
    assert stored_spans(calm, user) == kept
    assert not holds(calm, user, "call.s0")
    _deleted(lambda: writer(store, user).delete_trace("t"))
    _deleted(lambda: writer(store, user).delete_trace("t"))
    assert list(stored_items(calm, user)) == ["H"]


def test_a_request_out_of_time_says_so_instead_of_waiting_for_ever(memory: MemoryDynamoDB) -> None:
    class Busy(Flaky):
        def _half_written(self, RequestItems: dict[str, list[Any]]) -> dict[str, Any]:
            return {"UnprocessedItems": RequestItems}

    busy = Busy(db_on(memory), 0)
    busy._random = type("Always", (random.Random,), {"random": lambda _: 0.0, "choice": lambda _, __: "half"})()
    left = iter(range(20, -1000, -1))
    deadline = Deadline(time_left_s=lambda: next(left), sleep=lambda _: None)
    with pytest.raises(Unavailable):
        writer(store_on(memory, db=busy), new_user().name, deadline).capture(batches_of(agent()))


BATCHES: dict[str, list[SpanFields]] = {
    "a small trace": [call("root", input_data="hi", message_id="m")],
    "a trace with payloads": agent(),
    "a payload in parts": [call("root", output_data=random.Random(1).randbytes(450_000).hex())],
    "a trace without its root": agent()[1:],
    "a large light part": [call(f"s{n}", "s0" if n else None, tool_name=str(n * 7919**5)) for n in range(200)],
}


@pytest.mark.parametrize("kind", BATCHES)
@pytest.mark.parametrize("is_begun", [False, True], ids=["new", "begun"])
def test_who_dies_while_writing_a_trace_spoils_nothing(memory: MemoryDynamoDB, kind: str, is_begun: bool) -> None:
    """Another writer comes by, and then the same request again."""
    clock, spans, other = Clock(), BATCHES[kind], call("other", "root", start_ns=1)
    store = store_on(memory, clock)

    def begin(user: str) -> None:
        if is_begun:
            writer(store, user).capture([("t", call("first", "root"))])

    known = [call("first", "root"), other] if is_begun else [other]
    for user in deaths(memory, lambda mortal, user: writer(mortal, user).capture(batches_of(spans)), begin):
        writer(store, user).capture([("t", other)])
        between = stored_spans(store, user)
        assert stored_summary(store, user) == summary_of(*between.values())
        assert {span["span_id"] for span in known} <= between.keys()
        writer(store, user).capture(batches_of(spans))
        assert stored_spans(store, user) == {span["span_id"]: span for span in [*known, *spans]}
        assert stored_summary(store, user) == summary_of(*known, *spans)
        messages = {span["message_id"] for span in spans if "message_id" in span}
        assert all(trace_ids(store, user, message_id=message) == ["t"] for message in messages)


@pytest.mark.parametrize("finisher", ["late capture", "delete again"])
def test_who_meets_a_half_deleted_trace_finishes_it(memory: MemoryDynamoDB, finisher: str) -> None:
    clock = Clock()
    store = store_on(memory, clock)

    def begin(user: str) -> None:
        writer(store, user).capture(batches_of(agent()))
        writer(store, user).capture([("t", call("later", "root"))])

    for user in deaths(memory, lambda mortal, user: writer(mortal, user).delete_trace("t"), begin):
        if not trace_ids(store, user):
            with pytest.raises(NotFound):
                stored_spans(store, user)
        else:  # died before anything was deleted
            writer(store, user).delete_trace("t")
        if finisher == "late capture":
            (rejection,) = writer(store, user).capture([("t", call("later", "root"))])
            assert rejection.code == "trace_deleted"
        else:
            with pytest.raises(NotFound):
                writer(store, user).delete_trace("t")
        assert list(stored_items(store, user)) == ["H"]


@pytest.mark.parametrize("doomed", ["root", "s0"])
@pytest.mark.parametrize("finisher", ["late capture", "delete again"])
def test_who_meets_a_half_deleted_span_finishes_it(memory: MemoryDynamoDB, doomed: str, finisher: str) -> None:
    clock, spans = Clock(), agent(4)
    store = store_on(memory, clock)
    late = call("late", "root")
    kept = {span["span_id"]: span for span in [*spans, late] if span["span_id"] != doomed}

    def begin(user: str) -> None:
        writer(store, user).capture(batches_of(spans[:2]))
        writer(store, user).capture(batches_of([*spans[1:], late]))

    for user in deaths(memory, lambda mortal, user: writer(mortal, user).delete_span("t", doomed), begin):
        if doomed in stored_spans(store, user):
            writer(store, user).delete_span("t", doomed)
        assert stored_spans(store, user) == kept
        if finisher == "late capture":
            assert writer(store, user).capture([("t", late)]) == []
        else:
            with pytest.raises(NotFound):
                writer(store, user).delete_span("t", doomed)
        assert stored_spans(store, user) == kept
        assert stored_summary(store, user) == summary_of(*kept.values())
        assert not holds(store, user, f"call.{doomed}")


def test_who_dies_while_folding_spoils_nothing(memory: MemoryDynamoDB) -> None:
    clock = Clock()
    store = store_on(memory, clock)
    spans = [call(f"s{n:02}", "root", input_data="p" * n) for n in range(34)]

    def begin(user: str) -> None:
        for span in spans[:31]:
            writer(store, user).capture([("t", span)])

    def run(mortal: Store, user: str) -> None:
        for span in spans[31:33]:
            writer(mortal, user).capture([("t", span)])

    # Dying before and between the writes of the fold, and at a few of the 32 deletes behind it.
    for user in deaths(memory, run, begin, step=5):
        clock.advance(s=10)
        before = stored_spans(store, user)
        assert before.keys() >= {span["span_id"] for span in spans[:31]}
        writer(store, user).capture(batches_of(spans[31:]))
        assert stored_spans(store, user) == {span["span_id"]: span for span in spans}
        assert stored_summary(store, user) == summary_of(*spans)


def test_who_dies_while_patching_changes_all_or_nothing(memory: MemoryDynamoDB) -> None:
    clock, spans = Clock(), agent(3)
    store = store_on(memory, clock)
    answer = random.Random(3).randbytes(300_000).hex()

    def change(to: Store, user: str) -> None:
        writer(to, user).patch("t", "s0", lambda _: SpanFields(span_id="s0", output_data=answer, message_id="late"))

    for user in deaths(memory, change, lambda user: _captured(store, user, spans)):
        changed = SpanFields(**{**spans[1], "output_data": answer, "message_id": "late"})
        assert stored_spans(store, user)["s0"] in (spans[1], changed)
        change(store, user)
        assert stored_spans(store, user)["s0"] == changed
        assert trace_ids(store, user, message_id="late") == ["t"]


def _captured(store: Store, user: str, spans: list[SpanFields]) -> None:
    writer(store, user).capture(batches_of(spans))


def _deleted(delete: Callable[[], object]) -> None:
    """Until it is gone: whose answer was lost finds nothing the second time."""
    with suppress(NotFound):
        until_acknowledged(delete)
