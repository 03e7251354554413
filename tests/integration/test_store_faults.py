"""No acknowledged write is lost, whichever DynamoDB calls fail and at whichever write a process crashes.

The engines run a few of these cases; the table in memory runs every seed and a crash at every write.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import chain
from typing import Any

import pytest

from tests.builders import (
    Clock,
    Endpoint,
    batches_of,
    call,
    db_on,
    holds,
    long_deadline,
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
from tests.media import asking, image, reference, sha256_of
from tests.memory_dynamodb import MemoryDynamoDB
from tracestore.domain.errors import NotFound, Unavailable
from tracestore.domain.media import Medium
from tracestore.domain.spans import SpanFields
from tracestore.storage import keys
from tracestore.storage.deadline import Deadline
from tracestore.storage.dynamo import RequestFailed, Unreachable
from tracestore.storage.store import Store


class Flaky:
    """A DynamoDB client whose calls fail three times in ten: before or after the write, throttled, or half-way."""

    def __init__(self, db: Any, seed: int) -> None:
        self._db = db
        self._random = random.Random(seed)
        self.faults = 0

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def called(**request: Any) -> Any:
            if self._random.random() > 0.3:
                return getattr(self._db, name)(**request)
            self.faults += 1
            fault = self._random.choice(["before", "after", "throttled", "half"])
            if fault == "half" and name == "batch_write_item":
                return self._half_written(**request)
            if fault == "half" and name == "batch_get_item":
                return self._half_read(**request)
            if fault == "after":
                getattr(self._db, name)(**request)
            if fault == "throttled":
                raise RequestFailed("ThrottlingException")
            raise Unreachable("nowhere")

        return called

    def _half_written(self, RequestItems: dict[str, list[Any]]) -> dict[str, Any]:
        ((table, requests),) = RequestItems.items()
        done = [request for request in requests if self._random.random() < 0.5]
        if done:
            self._db.batch_write_item(RequestItems={table: done})
        unprocessed = [request for request in requests if request not in done]
        return {"UnprocessedItems": {table: unprocessed} if unprocessed else {}}

    def _half_read(self, RequestItems: dict[str, Any], **_: Any) -> dict[str, Any]:
        ((table, request),) = RequestItems.items()
        middle = len(request["Keys"]) // 2
        processed, unprocessed = request["Keys"][:middle], request["Keys"][middle:]
        response: dict[str, Any] = {"Responses": {}}
        if processed:
            response = self._db.batch_get_item(RequestItems={table: {**request, "Keys": processed}})
        return {**response, "UnprocessedKeys": {table: {**request, "Keys": unprocessed}}}


def users_after_crashes(
    engine: Endpoint, act: Callable[[Store, str], object], prepare: Callable[[str], object], *, step: int = 1
) -> Iterator[str]:
    """Users for whom `act` crashed: at its first write, its second, and so on; the last user's `act` completed.

    `prepare` runs first, without crashes. Each of the first eight writes crashes once, and then every `step`-th.
    """
    for writes in chain(range(8), range(8, 1000, step)):
        user = new_user().name
        prepare(user)
        try:
            act(store_on(engine, db=CrashingAtWrite(db_on(engine), writes)), user)
        except Crash:
            yield user
        else:
            assert writes > 0, "`act` writes nothing, so nothing crashed"
            yield user
            return


def until_acknowledged(act: Callable[[], Any]) -> Any:
    """Repeat a request until it is answered, as a client does."""
    while True:
        with suppress(Unavailable):
            return act()


def agent(size: int = 6) -> list[SpanFields]:
    """A trace with message ids on some spans, and with payloads too large to be stored inside their segment."""
    noise = random.Random(size)
    spans = [call("root", operation_type="agent", input_data="ask", output_data=noise.randbytes(900).hex())]
    spans += [call(f"s{n}", "root", input_data="p" * n * 200, message_id=f"m{n % 2}") for n in range(size - 1)]
    return spans


@pytest.fixture
def memory() -> MemoryDynamoDB:
    """A table in memory whose Queries end after three items."""
    return MemoryDynamoDB(page_items=3)


def test_on_every_engine_no_acknowledged_span_is_lost_when_calls_fail(engine: Endpoint) -> None:
    _captures_through_faults(engine, seed=0, size=16)


@pytest.mark.parametrize("seed", range(12))
def test_no_acknowledged_span_is_lost_for_any_seed_of_failing_calls(memory: MemoryDynamoDB, seed: int) -> None:
    _captures_through_faults(memory, seed, size=36)


def _captures_through_faults(engine: Endpoint, seed: int, size: int) -> None:
    clock, user = Clock(), new_user().name
    flaky = Flaky(db_on(engine), seed)
    store = store_on(engine, clock, db=flaky)
    noise = random.Random(seed)
    spans = agent(size)
    order = noise.sample(spans, len(spans))
    while order:
        size = noise.randint(1, 3)
        until_acknowledged(lambda: writer(store, user).capture(batches_of(order[:size])))  # noqa: B023
        stored = stored_spans(store_on(engine, clock), user)
        assert all(stored[span["span_id"]] == span for span in order[:size])
        order = order[size:]
        clock.advance(s=1)
    healthy = store_on(engine, clock)
    assert stored_spans(healthy, user) == {span["span_id"]: span for span in spans}
    assert stored_summary(healthy, user) == summary_of(*spans)
    assert until_acknowledged(lambda: trace_ids(store, user, message_id="m1", deadline=long_deadline())) == ["t"]
    assert flaky.faults > 5


@pytest.mark.parametrize("seed", range(5))
def test_a_request_with_many_traces_is_stored_whole_despite_faults(memory: MemoryDynamoDB, seed: int) -> None:
    clock, user = Clock(), new_user().name
    store = store_on(memory, clock, db=Flaky(db_on(memory), seed))
    batch = [(f"t{n}", call(f"s{m}", "s0" if m else None)) for n in range(3) for m in range(3)]
    assert until_acknowledged(lambda: writer(store, user).capture(batch)) == []
    healthy = store_on(memory, clock)
    assert sorted(trace_ids(healthy, user)) == sorted({trace_id for trace_id, _ in batch})
    assert all(stored_summary(healthy, user, f"t{n}").span_count == 3 for n in range(3))


@pytest.mark.parametrize("seed", range(12))
def test_deletes_and_patches_take_effect_for_any_seed_of_failing_calls(memory: MemoryDynamoDB, seed: int) -> None:
    clock, user = Clock(), new_user().name
    store = store_on(memory, clock, db=Flaky(db_on(memory), seed))
    healthy = store_on(memory, clock)
    spans = agent(5)
    writer(healthy, user).capture(batches_of(spans))
    until_acknowledged(lambda: writer(store, user).patch("t", "s1", lambda _: SpanFields(span_id="s1", tool_name="x")))
    _delete_until_gone(lambda: writer(store, user).delete_span("t", "s0"))
    remaining = {span["span_id"]: span for span in spans if span["span_id"] != "s0"}
    remaining["s1"] = SpanFields(**{**remaining["s1"], "tool_name": "x"})
    assert stored_spans(healthy, user) == remaining
    assert not holds(healthy, user, "call.s0")
    _delete_until_gone(lambda: writer(store, user).delete_trace("t"))
    _delete_until_gone(lambda: writer(store, user).delete_trace("t"))
    assert list(stored_items(healthy, user)) == ["H"]


def test_a_request_that_runs_out_of_time_is_unavailable(memory: MemoryDynamoDB) -> None:
    class Busy(Flaky):
        def _half_written(self, RequestItems: dict[str, list[Any]]) -> dict[str, Any]:
            return {"UnprocessedItems": RequestItems}

    busy = Busy(db_on(memory), 0)
    busy._random = type("Always", (random.Random,), {"random": lambda _: 0.0, "choice": lambda _, __: "half"})()
    seconds_left = iter(range(20, -1000, -1))
    deadline = Deadline(time_left_s=lambda: next(seconds_left), sleep=lambda _: None)
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
@pytest.mark.parametrize("exists", [False, True], ids=["new", "existing"])
def test_a_crash_during_a_capture_corrupts_nothing(memory: MemoryDynamoDB, kind: str, exists: bool) -> None:
    """After the crash, another writer adds a span, and then the client repeats the request."""
    clock, spans, other = Clock(), BATCHES[kind], call("other", "root", start_ns=1)
    store = store_on(memory, clock)

    def prepare(user: str) -> None:
        if exists:
            writer(store, user).capture([("t", call("first", "root"))])

    acknowledged = [call("first", "root"), other] if exists else [other]
    for user in users_after_crashes(
        memory, lambda crashing, user: writer(crashing, user).capture(batches_of(spans)), prepare
    ):
        writer(store, user).capture([("t", other)])
        partial = stored_spans(store, user)
        assert stored_summary(store, user) == summary_of(*partial.values())
        assert {span["span_id"] for span in acknowledged} <= partial.keys()
        writer(store, user).capture(batches_of(spans))
        assert stored_spans(store, user) == {span["span_id"]: span for span in [*acknowledged, *spans]}
        assert stored_summary(store, user) == summary_of(*acknowledged, *spans)
        messages = {span["message_id"] for span in spans if "message_id" in span}
        assert all(trace_ids(store, user, message_id=message) == ["t"] for message in messages)


@pytest.mark.parametrize("finisher", ["late capture", "delete again"])
def test_the_next_request_completes_a_half_finished_trace_deletion(memory: MemoryDynamoDB, finisher: str) -> None:
    clock = Clock()
    store = store_on(memory, clock)

    def prepare(user: str) -> None:
        writer(store, user).capture(batches_of(agent()))
        writer(store, user).capture([("t", call("later", "root"))])

    for user in users_after_crashes(memory, lambda crashing, user: writer(crashing, user).delete_trace("t"), prepare):
        if not trace_ids(store, user):
            with pytest.raises(NotFound):
                stored_spans(store, user)
        else:  # it crashed before anything was deleted
            writer(store, user).delete_trace("t")
        if finisher == "late capture":
            (rejection,) = writer(store, user).capture([("t", call("later", "root"))])
            assert rejection.code == "trace_deleted"
        else:
            with pytest.raises(NotFound):
                writer(store, user).delete_trace("t")
        assert list(stored_items(store, user)) == ["H"]


@pytest.mark.parametrize("deleted", ["root", "s0"])
@pytest.mark.parametrize("finisher", ["late capture", "delete again"])
def test_the_next_request_completes_a_half_finished_span_deletion(
    memory: MemoryDynamoDB, deleted: str, finisher: str
) -> None:
    clock, spans = Clock(), agent(4)
    store = store_on(memory, clock)
    late_span = call("late", "root")
    remaining = {span["span_id"]: span for span in [*spans, late_span] if span["span_id"] != deleted}

    def prepare(user: str) -> None:
        writer(store, user).capture(batches_of(spans[:2]))
        writer(store, user).capture(batches_of([*spans[1:], late_span]))

    for user in users_after_crashes(
        memory, lambda crashing, user: writer(crashing, user).delete_span("t", deleted), prepare
    ):
        if deleted in stored_spans(store, user):
            writer(store, user).delete_span("t", deleted)
        assert stored_spans(store, user) == remaining
        if finisher == "late capture":
            assert writer(store, user).capture([("t", late_span)]) == []
        else:
            with pytest.raises(NotFound):
                writer(store, user).delete_span("t", deleted)
        assert stored_spans(store, user) == remaining
        assert stored_summary(store, user) == summary_of(*remaining.values())
        assert not holds(store, user, f"call.{deleted}")


def test_a_crash_during_compaction_loses_nothing(memory: MemoryDynamoDB) -> None:
    clock = Clock()
    store = store_on(memory, clock)
    spans = [call(f"s{n:02}", "root", input_data="p" * n) for n in range(34)]

    def prepare(user: str) -> None:
        for span in spans[:31]:
            writer(store, user).capture([("t", span)])

    def compact(crashing: Store, user: str) -> None:
        for span in spans[31:33]:
            writer(crashing, user).capture([("t", span)])

    # Crashes before and between the writes of the compaction, and at a few of the 32 deletes after it.
    for user in users_after_crashes(memory, compact, prepare, step=5):
        clock.advance(s=10)
        before = stored_spans(store, user)
        assert before.keys() >= {span["span_id"] for span in spans[:31]}
        writer(store, user).capture(batches_of(spans[31:]))
        assert stored_spans(store, user) == {span["span_id"]: span for span in spans}
        assert stored_summary(store, user) == summary_of(*spans)


def test_a_crash_during_a_patch_applies_all_of_it_or_nothing(memory: MemoryDynamoDB) -> None:
    clock, spans = Clock(), agent(3)
    store = store_on(memory, clock)
    output = random.Random(3).randbytes(300_000).hex()

    def change(store: Store, user: str) -> None:
        writer(store, user).patch("t", "s0", lambda _: SpanFields(span_id="s0", output_data=output, message_id="late"))

    for user in users_after_crashes(memory, change, lambda user: _capture(store, user, spans)):
        changed = SpanFields(**{**spans[1], "output_data": output, "message_id": "late"})
        assert stored_spans(store, user)["s0"] in (spans[1], changed)
        change(store, user)
        assert stored_spans(store, user)["s0"] == changed
        assert trace_ids(store, user, message_id="late") == ["t"]


def _capture(store: Store, user: str, spans: list[SpanFields]) -> None:
    writer(store, user).capture(batches_of(spans))


def _delete_until_gone(delete: Callable[[], object]) -> None:
    """Repeat a deletion until it is answered; after a lost response, the repeat reports NotFound."""
    with suppress(NotFound):
        until_acknowledged(delete)


PHOTOS = {sha256_of(content): Medium("image/png", content) for content in (image(900_000, seed=n) for n in range(3))}


def photo_calls() -> list[SpanFields]:
    """Calls that refer to one more photo each."""
    references = [reference(medium.content) for medium in PHOTOS.values()]
    return [call(f"s{n}", "root", input_data=asking(*references[: n + 1])) for n in range(len(PHOTOS))]


def shown_photos(store: Store, user: str) -> list[bool]:
    """Whether each photo can be read."""
    shown = []
    for sha256, medium in PHOTOS.items():
        with suppress(NotFound):
            assert reader(store, user).medium("t", sha256) == medium
            shown.append(True)
            continue
        shown.append(False)
    return shown


@pytest.mark.parametrize("seed", range(12))
def test_no_acknowledged_medium_is_lost_for_any_seed_of_failing_calls(memory: MemoryDynamoDB, seed: int) -> None:
    clock, user = Clock(), new_user().name
    store, healthy = store_on(memory, clock, db=Flaky(db_on(memory), seed)), store_on(memory, clock)
    for number, span in enumerate(photo_calls()):
        until_acknowledged(lambda: writer(store, user).capture([("t", span)], media=PHOTOS))  # noqa: B023
        assert shown_photos(healthy, user)[: number + 1] == [True] * (number + 1)


@pytest.mark.parametrize("exists", [False, True], ids=["new", "existing"])
def test_a_crash_while_media_are_stored_loses_nothing(memory: MemoryDynamoDB, exists: bool) -> None:
    """No span refers to a medium that is stored in part, whatever another writer does after the crash."""
    clock, spans = Clock(), photo_calls()
    store = store_on(memory, clock)

    def prepare(user: str) -> None:
        if exists:
            writer(store, user).capture([("t", call("root"))])

    def capture_all(crashing: Store, user: str) -> None:
        writer(crashing, user).capture(batches_of(spans), media=PHOTOS)

    for user in users_after_crashes(memory, capture_all, prepare):
        writer(store, user).capture([("t", call("root"))])
        is_stored = "s0" in stored_spans(store, user)
        assert shown_photos(store, user) == [is_stored] * len(PHOTOS)
        writer(store, user).capture([("t", spans[1])], media=PHOTOS)
        assert shown_photos(store, user)[:2] == [True] * 2
        writer(store, user).capture(batches_of(spans), media=PHOTOS)
        assert shown_photos(store, user) == [True] * len(PHOTOS)


def test_a_crash_while_a_trace_with_media_is_deleted_leaves_nothing_to_read(memory: MemoryDynamoDB) -> None:
    store = store_on(memory, Clock())

    def prepare(user: str) -> None:
        writer(store, user).capture(batches_of(photo_calls()), media=PHOTOS)

    for user in users_after_crashes(memory, lambda crashing, user: writer(crashing, user).delete_trace("t"), prepare):
        with suppress(NotFound):
            writer(store, user).delete_trace("t")
        assert shown_photos(store, user) == [False] * len(PHOTOS)
        assert list(stored_items(store, user)) == ["H"]


def test_media_that_are_stored_are_not_written_again(memory: MemoryDynamoDB) -> None:
    store, user = store_on(memory, Clock()), new_user().name
    first, second, _ = photo_calls()
    writer(store, user).capture([("t", first)], media=PHOTOS)
    last = CrashingAtWrite(db_on(memory), 4 + 2)  # the second photo in four items, the segment and the head
    writer(store_on(memory, Clock(), db=last), user).capture([("t", second)], media=PHOTOS)
    assert shown_photos(store, user) == [True, True, False]


def test_a_trace_that_begins_again_after_its_expiry_stores_its_media_again(memory: MemoryDynamoDB) -> None:
    clock, user = Clock(), new_user().name
    store = store_on(memory, clock)
    writer(store, user).capture(batches_of(photo_calls()), media=PHOTOS)
    clock.advance(s=40 * 86_400)
    writer(store, user).capture(batches_of(photo_calls()[:1]), media=PHOTOS)
    assert shown_photos(store, user) == [True, False, False]
    expiries = {item["expires_at"]["N"] for sk, item in stored_items(store, user).items() if keys.is_medium(sk)}
    assert len(expiries) == 2
