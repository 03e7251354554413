"""`GET /api/analytics/storage`: what a user's traces take, by month, estimated from heads."""

import random
import string
from typing import Any

import pytest

from tests.api import Api, failure, path_of, span
from tests.builders import (
    DAY_S,
    START_NS,
    Clock,
    Endpoint,
    call,
    fields,
    reader,
    scope,
    store_on,
    stored_items,
    writer,
)
from tests.crashing import Crash, CrashingAtWrite
from tests.gateway import new_user
from tests.memory_dynamodb import MemoryDynamoDB
from tracestore.api.analytics.storage import StorageSums, storage_json
from tracestore.api.dates import UTC
from tracestore.domain.annotations import Annotation
from tracestore.domain.times import NS_PER_DAY
from tracestore.storage import keys
from tracestore.storage.items import head_from, item_bytes
from tracestore.storage.model import DeletionScope, Head
from tracestore.storage.store import Store
from tracestore.storage.stored_sizes import read_stored_sizes
from tracestore.storage.user_store import TraceQuery

STORAGE = "/api/analytics/storage"


def noise(size: int, seed: int = 0) -> str:
    """A text that hardly compresses."""
    return "".join(random.Random(seed).choices(string.ascii_letters + string.digits, k=size))


def storage(api: Api, **query: Any) -> dict[str, Any]:
    reply = api("GET", STORAGE, query=query)
    assert reply.status == 200, reply.body
    content: dict[str, Any] = reply.json
    return content


def estimated(store: Store, user: str) -> int:
    """The bytes that the route would return for one trace."""
    sizes = reader(store, user).stored_sizes(TraceQuery(), 10)
    (size,) = sizes.traces
    return size.stored_bytes


def actual(store: Store, user: str, trace_id: str = "t") -> int:
    """The size of all items of a trace."""
    return sum(map(item_bytes, stored_items(store, user, trace_id).values()))


def test_months_are_those_of_the_callers_zone_and_add_up(api: Api) -> None:
    api.send(
        span("a", start_time="2025-01-02T10:00:00Z"),
        span("b", start_time="2025-01-31T23:30:00Z"),
        span("b", "child", parent_span_id="root", start_time="2025-01-31T23:31:00Z"),
        span("c", start_time="2025-02-01T01:00:00Z"),
    )
    utc = storage(api)
    assert [(each["month"], each["traces"], each["spans"]) for each in utc["months"]] == [
        ("2025-02", 1, 1),
        ("2025-01", 2, 3),
    ]
    berlin = storage(api, timezone="Europe/Berlin")
    assert [(each["month"], each["traces"]) for each in berlin["months"]] == [("2025-02", 2), ("2025-01", 1)]
    for content in (utc, berlin):
        assert (content["success"], content["estimated"], content["next_cursor"]) == (True, True, None)
        assert content["total"] == {
            name: sum(month[name] for month in content["months"]) for name in ("traces", "spans", "bytes")
        }
    assert utc["total"] == berlin["total"]
    assert utc["total"]["bytes"] > 3 * 300


def test_a_range_of_days_includes_the_positions_in_it(api: Api) -> None:
    for day in (1, 2, 3):
        api.send(span(f"t{day}", start_time=f"2025-01-0{day}T10:00:00Z"))
    assert storage(api, start_date="2025-01-02")["total"]["traces"] == 2
    assert storage(api, end_date="2025-01-02")["total"]["traces"] == 2
    assert storage(api, start_date="2025-01-02", end_date="2025-01-02")["total"]["traces"] == 1


def test_deleted_traces_take_no_storage(api: Api) -> None:
    api.send(span("a"), span("b", input_data=noise(5_000)))
    both = storage(api)["total"]["bytes"]
    assert api("DELETE", path_of("b")).status == 200
    assert 0 < storage(api)["total"]["bytes"] < both - 2_500
    assert api("DELETE", path_of("a")).status == 200
    assert storage(api)["months"] == []
    assert storage(api)["total"] == {"traces": 0, "spans": 0, "bytes": 0}


@pytest.mark.parametrize(
    "query",
    ["start_date=x", "timezone=Mars", "cursor=x", "interval=day", "start_date=2025-01-02&end_date=2025-01-01"],
)
def test_a_malformed_parameter_is_refused(api: Api, query: str) -> None:
    assert failure(api("GET", STORAGE, query=query))[0] == 400


def test_expired_and_hidden_traces_are_left_out(engine: Endpoint) -> None:
    clock, user = Clock(), new_user().name
    store = store_on(engine, clock)
    writer(store, user).capture([("old", call("root"))])
    clock.advance(s=20 * DAY_S)
    writer(store, user).capture([("new", call("root"))])
    clock.advance(s=11 * DAY_S)
    assert len(reader(store, user).stored_sizes(TraceQuery(), 10).traces) == 1
    writer(store, user).start_deletion(DeletionScope())
    assert reader(store, user).stored_sizes(TraceQuery(), 10).traces == []


def test_sums_over_many_pages_are_those_of_one_page() -> None:
    """A month may span many pages, and a page many months; each month is returned once, when it is complete."""
    store, user = store_on(MemoryDynamoDB(), Clock()), new_user().name
    for number in range(60):
        start_ns = START_NS - number * 9 * NS_PER_DAY // 5
        writer(store, user).capture([(f"t{number}", call("root", start_ns=start_ns, end_ns=start_ns + 1))])
    results = []
    for most in (1, 2, 7, 1_000):
        months: list[Any] = []
        position: str | None = None
        while True:
            sums, after = StorageSums.from_cursor(position)
            sizes = reader(store, user).stored_sizes(TraceQuery(), most, after)
            assert len(sizes.traces) <= most
            sums.add(sizes.traces, UTC)
            if sizes.next_position is None:
                sums.end_month()
            content = storage_json(sums, UTC)
            months += content["months"]
            position = sums.cursor(sizes.next_position)
            if position is None:
                break
            assert sizes.scanned_to_ns is not None
        results.append((months, content["total"]))
    assert all(result == results[-1] for result in results)
    months, total = results[-1]
    assert len({month["month"] for month in months}) == len(months) == 4
    assert total["traces"] == 60


@pytest.mark.parametrize(
    "requests",
    [
        [[call("root", input_data="hi", message_id="m")]],
        [[call("root", input_data=noise(1_500))]],
        [[call("root", input_data=noise(9_000), message_id="m")]],
        [[call("root", input_data=noise(900_000))]],
        [[fields("root", end_ns=None)], [call("a", "root", input_data=noise(300))], [fields("root")]],
        [[fields("root", end_ns=None)], *[[call(f"c{n}", "root", input_data=noise(4_000, n))] for n in range(12)]],
        [[fields("root", end_ns=None)], *[[call(f"c{n}", "root", input_data=noise(200, n))] for n in range(40)]],
        [[fields("root", operation_type="lesson", lesson_id="l")], [call("a", "root", output_data=noise(2_000))]],
    ],
    ids=["inline", "core inline", "apart", "parts", "few", "many", "compacted", "lesson"],
)
@pytest.mark.parametrize("engine", ["dynamodb-local"], indirect=True)
def test_the_estimate_is_near_the_size_of_the_stored_items(engine: Endpoint, requests: list[Any]) -> None:
    clock, user = Clock(), new_user().name
    store = store_on(engine, clock)
    for spans in requests:
        clock.advance(s=1)
        writer(store, user).capture([("t", each) for each in spans])
    size = actual(store, user)
    assert abs(estimated(store, user) - size) <= 0.1 * size + 300


def test_the_estimate_follows_a_patch_and_the_deletion_of_a_span() -> None:
    clock, user = Clock(), new_user().name
    store = store_on(MemoryDynamoDB(), clock)
    writer(store, user).capture([("t", fields("root", end_ns=None))])
    for number in range(3):
        clock.advance(s=1)
        writer(store, user).capture([("t", call(f"c{number}", "root", input_data=noise(8_000, number)))])
    writer(store, user).patch("t", "c1", lambda _: fields("c1", output_data=noise(3_000, 9)))
    assert abs(estimated(store, user) - actual(store, user)) < 0.1 * actual(store, user)
    before = estimated(store, user)
    writer(store, user).delete_span("t", "c0")
    assert before - estimated(store, user) > 5_000
    assert abs(estimated(store, user) - actual(store, user)) < 0.1 * actual(store, user) + 300


def note(number: int, span_id: str | None = None, comment: str = "") -> Annotation:
    return Annotation(f"n{number}", "judge", number, "judge", span_id, comment or noise(300, number))


@pytest.mark.parametrize("comes_first", [True, False])
def test_annotations_count_in_the_estimate_until_they_are_deleted(comes_first: bool) -> None:
    clock, user = Clock(), new_user().name
    store = store_on(MemoryDynamoDB(), clock)
    own = writer(store, user)

    def is_near() -> bool:
        size = actual(store, user)
        return abs(estimated(store, user) - size) <= 0.1 * size + 300

    if not comes_first:
        own.capture([("t", call("root", input_data=noise(2_000)))])
        without = estimated(store, user)
    for number in range(10):
        own.annotate("t", note(number, "a" if number % 2 else None))
        assert comes_first or is_near()
    own.annotate("t", note(3, "a", comment=noise(3_000)))  # in place of the one before
    own.annotate("t", note(4))
    if comes_first:
        own.capture([("t", call("root", input_data=noise(2_000)))])
    assert is_near()
    clock.advance(s=1)
    own.capture([("t", call("a", "root", output_data=noise(2_000)))])
    assert is_near()
    own.delete_span("t", "a")
    assert is_near()
    for number in range(0, 10, 2):
        own.delete_annotations("t", f"n{number}")
        assert is_near()
    assert comes_first or abs(estimated(store, user) - without) < 500  # other segments than before


def test_an_annotation_whose_writer_was_interrupted_counts_once_it_is_repeated() -> None:
    clock, user, db = Clock(), new_user().name, MemoryDynamoDB()
    store = store_on(db, clock)
    writer(store, user).capture([("t", call("root"))])
    with pytest.raises(Crash):
        writer(store_on(db, clock, db=CrashingAtWrite(db, 1)), user).annotate("t", note(1))
    writer(store, user).annotate("t", note(2))
    writer(store, user).annotate("t", note(1))
    assert abs(estimated(store, user) - actual(store, user)) <= 0.05 * actual(store, user)


def test_a_head_with_a_size_stays_within_its_units(engine: Endpoint) -> None:
    """The size is part of the head, so it counts when the first segment is stored inline or not."""
    user = new_user().name
    store = store_on(engine, Clock())
    for number in range(300, 900, 7):
        trace_id = f"t{number}"
        writer(store, user).capture([(trace_id, fields("root", end_ns=None, input_data=noise(number)))])
        head = stored_items(store, user, trace_id)[keys.HEAD]
        stored = head_from(head)
        assert isinstance(stored, Head)
        assert item_bytes(head) <= 1_024


def test_large_heads_end_a_page_early() -> None:
    store, user = store_on(MemoryDynamoDB(), Clock()), new_user().name
    writer(store, user).capture([(f"t{number}", call("root")) for number in range(250)])
    pages, after = [], None
    while True:
        sizes = read_stored_sizes(scope(store, user), TraceQuery(), 1_000, after, head_bytes_most=1)
        pages.append(len(sizes.traces))
        after = sizes.next_position
        if after is None:
            break
    assert (sum(pages), max(pages)) == (250, 99)


def test_reading_sizes_reads_no_span() -> None:
    class Reading:
        """A client that fails where another item than a head or the pending deletions is read."""

        def __init__(self, db: Any) -> None:
            self._db = db

        def __getattr__(self, name: str) -> Any:
            def called(**request: Any) -> Any:
                if name == "batch_get_item":
                    wanted = [key["sk"]["S"] for each in request["RequestItems"].values() for key in each["Keys"]]
                    assert set(wanted) <= {keys.HEAD, keys.USER}
                else:
                    assert name == "query"
                    assert "IndexName" in request
                return getattr(self._db, name)(**request)

            return called

    db, user = MemoryDynamoDB(), new_user().name
    store = store_on(db, Clock())
    writer(store, user).capture([("t", call("root", input_data=noise(9_000)))])
    assert estimated(store_on(db, Clock(), db=Reading(db)), user) > 6_000
