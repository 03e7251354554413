"""Lists return each trace that matches their filters once and in order, even while traces are written."""

import random
from collections.abc import Iterable
from itertools import count
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
    filters,
    long_deadline,
    reader,
    spans_of,
    store_on,
    stored_items,
    summary_of,
    trace_ids,
    writer,
)
from tests.gateway import new_user
from tests.memory_dynamodb import MemoryDynamoDB
from tracestore.domain.filters import Condition
from tracestore.domain.spans import SpanFields
from tracestore.storage import read_budget
from tracestore.storage.listing import SCANNED_MOST, TraceQuery
from tracestore.storage.store import Store


def write(store: Store, user: str, trace_id: str, minute: int = 0, **reported: Any) -> None:
    """Write a trace of one span that starts this many minutes after `START_NS`."""
    start_ns = START_NS + minute * 60 * 10**9
    span = call("root", start_ns=start_ns, **{"end_ns": start_ns + 10**6, **reported})
    writer(store, user).capture([(trace_id, span)])


@pytest.mark.parametrize("time_shards", [1, 3])
def test_failed_and_unfinished_traces_are_listed_from_all_shards(engine: Endpoint, time_shards: int) -> None:
    before, user = store_on(engine), new_user().name  # with one shard, as before it was raised
    store = store_on(engine, time_shards=time_shards)
    for minute in range(24):
        failed: dict[str, Any] = {"error_type": "Timeout"} if minute % 2 else {"end_ns": None}
        write(before if minute < 4 else store, user, f"t{minute:02}", minute, **failed)
    names = [f"t{minute:02}" for minute in range(24)]
    heads = [item for name in names for item in stored_items(store, user, name).values() if "by_status" in item]
    assert len({head["by_status"]["S"] for head in heads}) == 2 * time_shards
    for status, listed in (("error", names[1::2]), ("pending", names[::2])):
        query = TraceQuery(filters(status=Condition((status,))))
        assert [trace.trace_id for trace in reader(store, user).traces(query, 50).traces] == listed[::-1]


@pytest.mark.parametrize("time_shards", [1, 3])
def test_a_list_is_in_order_of_time_in_both_directions(engine: Endpoint, time_shards: int) -> None:
    store, user = store_on(engine, time_shards=time_shards), new_user().name
    starts = random.Random(1).sample(range(100), 7)
    writer(store, user).capture([(f"t{start:02}", call("root", start_ns=START_NS + start)) for start in starts])
    in_time = [f"t{start:02}" for start in sorted(starts)]
    for limit in (1, 3, 7, 100):
        assert trace_ids(store, user, limit) == in_time[::-1]
        assert trace_ids(store, user, limit, newest_first=False) == in_time


@pytest.mark.parametrize("newest_first", [True, False])
@pytest.mark.parametrize("time_shards", [1, 3])
def test_paging_during_writes_returns_each_existing_trace_once(
    engine: Endpoint, newest_first: bool, time_shards: int
) -> None:
    store, user = store_on(engine, time_shards=time_shards), new_user().name
    old = [f"old{minute:02}" for minute in range(20, 29)]
    for trace_id in old:
        write(store, user, trace_id, int(trace_id[3:]))
    query, listed, after = TraceQuery(newest_first=newest_first), list[str](), None
    noise = random.Random(3)
    for number in count():
        page = reader(store, user).traces(query, 3, after)
        listed += [trace.trace_id for trace in page.traces]
        after = page.next_position
        if after is None:
            break
        for minute in noise.sample(range(50), 2):  # before and after the cursor, and at existing traces' minutes
            write(store, user, f"new{number}.{minute}", minute)
        writer(store, user).capture([(noise.choice(old), call(f"late{number}", "root", start_ns=1))])
    assert [trace_id for trace_id in listed if trace_id.startswith("old")] == (old[::-1] if newest_first else old)
    assert len(set(listed)) == len(listed)


def test_a_trace_keeps_its_list_position_when_earlier_spans_arrive(engine: Endpoint) -> None:
    store, user = store_on(engine), new_user().name
    write(store, user, "a", 10)
    write(store, user, "b", 20)
    writer(store, user).capture([("b", call("early", "root", start_ns=START_NS))])
    assert trace_ids(store, user) == ["b", "a"]
    assert trace_ids(store, user, from_ns=START_NS + 15 * 60 * 10**9) == ["b"]


def test_a_time_range_includes_its_start_and_excludes_its_end(engine: Endpoint) -> None:
    store, user = store_on(engine), new_user().name
    for minute in range(5):
        write(store, user, f"t{minute}", minute)
    minutes_ns = [START_NS + minute * 60 * 10**9 for minute in range(5)]
    assert trace_ids(store, user, from_ns=minutes_ns[1], to_ns=minutes_ns[3], newest_first=False) == ["t1", "t2"]
    assert trace_ids(store, user, 1, from_ns=minutes_ns[1], to_ns=minutes_ns[3]) == ["t2", "t1"]
    assert trace_ids(store, user, from_ns=minutes_ns[3], to_ns=minutes_ns[1]) == []
    assert trace_ids(store, user, from_ns=minutes_ns[2], to_ns=minutes_ns[2]) == []
    assert len(trace_ids(store, user, from_ns=0, to_ns=13_569_465_600 * 10**9)) == 5


def test_a_list_by_trace_ids_contains_each_of_the_users_traces_once(engine: Endpoint) -> None:
    store, user, other = store_on(engine), new_user().name, new_user().name
    for minute, trace_id in enumerate("abc"):
        write(store, user, trace_id, minute)
    write(store, other, "theirs")
    ids = ["c", "a", "theirs", "a", "none"]
    assert trace_ids(store, user, trace_ids=ids) == ["c", "a"]
    assert trace_ids(store, user, 1, trace_ids=ids, newest_first=False) == ["a", "c"]
    assert trace_ids(store, user, trace_ids=ids, model_name="other") == []


def test_a_trace_is_listed_by_any_message_id_of_its_spans(engine: Endpoint) -> None:
    store, user = store_on(engine), new_user().name
    writer(store, user).capture(batches_of([call("a", "root", message_id="m1"), call("b", "root", message_id="m2")]))
    write(store, user, "other", 1, message_id="m2")
    writer(store, user).patch("other", "root", lambda _: SpanFields(span_id="root", message_id="m3"))
    assert trace_ids(store, user, message_id="m1") == ["t"]
    assert trace_ids(store, user, message_id="m2") == ["t"]  # the other trace's message id has changed
    assert trace_ids(store, user, message_id="m3") == ["other"]
    assert trace_ids(store, user, message_id="m3", status="error") == []


def test_a_trace_moves_to_its_roots_conversation_when_the_root_arrives(engine: Endpoint) -> None:
    store, user = store_on(engine), new_user().name
    writer(store, user).capture([("t", call("a", "root", conversation_id="childs"))])
    assert trace_ids(store, user, conversation_id="childs") == ["t"]
    writer(store, user).capture([("t", call("root", conversation_id="roots"))])
    assert trace_ids(store, user, conversation_id="roots") == ["t"]
    assert trace_ids(store, user, conversation_id="childs") == []


def test_a_pending_trace_with_a_failed_span_is_listed_as_pending_and_as_having_errors(engine: Endpoint) -> None:
    store, user = store_on(engine), new_user().name
    writer(store, user).capture(batches_of([fields("root", end_ns=None), call("a", "root", status="error")]))
    write(store, user, "pending", 1, end_ns=None)
    assert trace_ids(store, user, status="pending") == ["pending", "t"]
    assert trace_ids(store, user, has_errors=True) == ["t"]
    assert trace_ids(store, user, status="pending", has_errors=True) == ["t"]
    assert trace_ids(store, user, status="pending", has_errors=False) == ["pending"]
    assert trace_ids(store, user, status="error") == []
    write(store, user, "pending", 1)
    assert trace_ids(store, user, status="pending") == ["t"]


def test_a_page_may_be_short_or_empty_without_being_last() -> None:
    store, user = store_on(MemoryDynamoDB()), new_user().name
    batch = [
        (f"t{n}", call("root", start_ns=START_NS + n, model_name="common" if n else "rare"))
        for n in range(SCANNED_MOST + 100)
    ]
    writer(store, user).capture(batch)
    query = TraceQuery(filters(model_name="rare"))
    page = reader(store, user).traces(query, 2, None)
    assert page.traces == []
    assert page.next_position is not None
    assert page.scanned_to_ns is not None
    assert trace_ids(store, user, 2, model_name="rare") == ["t0"]


def test_a_page_filled_exactly_by_the_last_traces_has_no_next_position(engine: Endpoint) -> None:
    store, user = store_on(engine), new_user().name
    for minute in range(4):
        write(store, user, f"t{minute}", minute)
    assert reader(store, user).traces(TraceQuery(), 4, None).next_position is None
    assert reader(store, user).traces(TraceQuery(), 3, None).next_position is not None


def test_expired_traces_are_not_listed(engine: Endpoint) -> None:
    clock, user = Clock(), new_user().name
    store = store_on(engine, clock, retention_s=DAY_S)
    write(store, user, "old", 1, message_id="m", conversation_id="c", status="error")
    clock.advance(s=DAY_S - 1)
    write(store, user, "new", 2, message_id="m", conversation_id="c", status="error")
    queries: list[dict[str, Any]] = [
        {},
        {"message_id": "m"},
        {"conversation_id": "c"},
        {"status": "error"},
        {"trace_ids": ["old", "new"]},
    ]
    assert all(trace_ids(store, user, **query) == ["new", "old"] for query in queries)
    clock.advance(s=1)
    assert all(trace_ids(store, user, **query) == ["new"] for query in queries)


@pytest.mark.parametrize("units_most", [1, 30])
def test_a_page_ends_when_its_budget_is_spent_and_the_next_one_goes_on(
    engine: Endpoint, monkeypatch: pytest.MonkeyPatch, units_most: int
) -> None:
    user, store = new_user().name, store_on(engine)
    for number in range(20):
        text = "needle" if number in (3, 17) else "hay"
        write(store, user, f"t{number:02}", number, input_data=f"{random.Random(number).randbytes(9_000).hex()} {text}")
    monkeypatch.setattr(read_budget, "READ_UNITS_MOST", units_most)
    query = TraceQuery(filters(search="needle", search_in_payload=True))
    found: list[str] = []
    after, pages = None, 0
    while pages == 0 or after is not None:
        page = reader(store, user).traces(query, 100, after)
        found += [trace.trace_id for trace in page.traces]
        assert page.next_position != after
        after, pages = page.next_position, pages + 1
    assert found == ["t17", "t03"]
    assert pages > 2 or engine.name == "moto"  # moto reports the same capacity for every read


@pytest.mark.parametrize("limit", ["PROCESSOR_S_MOST", "ELAPSED_S_MOST"])
def test_a_page_ends_when_its_time_is_spent_and_the_next_one_goes_on(
    monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    user, store = new_user().name, store_on(MemoryDynamoDB())
    for number in range(5):
        write(store, user, f"t{number}", number, input_data="needle" if number == 1 else "hay")
    monkeypatch.setattr(read_budget, limit, 0)
    query = TraceQuery(filters(search="needle"))
    pages = [reader(store, user).traces(query, 100)]
    while (after := pages[-1].next_position) is not None:
        pages.append(reader(store, user).traces(query, 100, after))
    assert [trace.trace_id for page in pages for trace in page.traces] == ["t1"]
    assert len(pages) >= 5


@pytest.mark.parametrize("units", [1, 13, 90, 500])
@pytest.mark.parametrize("query", [{}, {"search": "zzz"}, {"parent_span_id": "zzz"}])
def test_a_page_of_expensive_heads_stays_within_its_read_units(units: int, query: dict[str, Any]) -> None:
    """Whatever a head and a trace cost, a page ends at most one batch of unknown cost after its budget."""
    user, memory = new_user().name, MemoryDynamoDB()
    for number in range(250):
        write(store_on(memory), user, f"t{number}", number)

    class Metered:
        units = 0

        def __getattr__(self, name: str) -> Any:
            def called(**request: Any) -> Any:
                answer = getattr(memory, name)(**request)
                items = [item for found in answer.get("Responses", {}).values() for item in found]
                cost = units * (len(items) or (name == "query" and "IndexName" not in request))
                self.units += cost
                return answer | {"ConsumedCapacity": {"CapacityUnits": cost}}

            return called

    db = Metered()
    page = reader(store_on(memory, db=db), user).traces(TraceQuery(filters(**query)), 20)
    assert page.next_position is not None or db.units <= 2_000
    assert db.units <= 2_000 + 21 * units


READ_BYTES = 1_000_000


class Named:
    """A client that notes the names of the calls."""

    def __init__(self, db: Any) -> None:
        self._db = db
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        self.calls.append(name)
        return getattr(self._db, name)


@pytest.mark.parametrize(
    ("later", "reads"),
    [
        pytest.param([], 0, id="a trace in its head"),
        pytest.param([call("later", "root", output_data="yes")], 1, id="a further segment"),
        pytest.param([call("root", name="renamed")], 1, id="a changed span"),
    ],
)
def test_a_listed_trace_is_read_only_where_its_head_does_not_contain_all_of_it(
    later: list[SpanFields], reads: int
) -> None:
    memory = MemoryDynamoDB()
    memory_store, user = store_on(memory), new_user().name
    write(memory_store, user, "t", input_data={"question": "why"}, output_data="because")
    for span in later:
        writer(memory_store, user).capture([("t", span)])
    db = Named(memory)
    listing_reader = reader(store_on(memory, db=db), user)
    (listed,) = listing_reader.traces(TraceQuery(), 20).traces
    db.calls.clear()
    head, spans, is_whole = listing_reader.listed_trace_within(listed, READ_BYTES, ())
    assert db.calls.count("query") == len(db.calls) == reads
    assert is_whole
    assert (head.summary, spans) == (listed.head.summary, reader(memory_store, user).trace("t", payloads=True)[1])


def test_a_listed_trace_with_a_deleted_span_is_read() -> None:
    store, user = store_on(MemoryDynamoDB()), new_user().name
    writer(store, user).capture([("t", call("root")), ("t", call("gone", "root", input_data="secret"))])
    writer(store, user).delete_span("t", "gone")
    (listed,) = reader(store, user).traces(TraceQuery(), 20).traces
    _, spans, _ = reader(store, user).listed_trace_within(listed, READ_BYTES, ())
    assert [span.span_id for span in spans] == ["root"]


def test_traces_written_with_fewer_time_shards_are_still_listed(engine: Endpoint) -> None:
    user = new_user().name
    for minute, shards in enumerate([1, 1, 3, 3]):
        write(store_on(engine, time_shards=shards), user, f"t{minute}", minute)
    assert trace_ids(store_on(engine, time_shards=3), user) == ["t3", "t2", "t1", "t0"]


Query = dict[str, Any]

words = st.sampled_from(["x", "y", "z"])
trace_lists = st.lists(
    st.lists(
        st.fixed_dictionaries(
            {"span_id": st.sampled_from("abc"), "start_ns": st.integers(START_NS, START_NS + 5), "span_name": words},
            optional={
                "parent_span_id": st.sampled_from("abc"),
                "end_ns": st.integers(START_NS + 5, START_NS + 9),
                "status": st.sampled_from(["success", "error"]),
                "error_type": words,
                "operation_type": words,
                "model_name": words,
                "conversation_id": words,
                "message_id": words,
                "cost_nano_usd": st.integers(0, 4),
                "input_tokens": st.integers(0, 4),
                "input_data": words,
                "metadata": st.fixed_dictionaries({}, optional={"k": words}),
                "tags": st.lists(words, max_size=2),
                "interrupted": st.booleans(),
            },
        ),
        min_size=1,
        max_size=4,
    ),
    max_size=6,
)
some_words = st.lists(words, max_size=2, unique=True).map(tuple)
conditions = st.builds(Condition, some_words, some_words)
query_dicts = st.fixed_dictionaries(
    {},
    optional={
        "conversation_id": conditions,
        "status": st.builds(
            Condition,
            st.lists(st.sampled_from(["pending", "success", "error"]), max_size=2, unique=True).map(tuple),
            st.lists(st.sampled_from(["pending", "success", "error"]), max_size=1).map(tuple),
        ),
        "has_errors": st.booleans(),
        "interrupted": st.booleans(),
        "min_duration_ns": st.integers(0, 9),
        "max_duration_ns": st.integers(0, 9),
        "min_cost_nano_usd": st.integers(0, 4),
        "max_cost_nano_usd": st.integers(0, 4),
        "min_tokens": st.integers(0, 4),
        "search": conditions,
        "search_in_payload": st.booleans(),
        "parent_span_id": st.builds(Condition, st.lists(st.sampled_from("abc"), max_size=2).map(tuple)),
        "metadata": st.dictionaries(st.just("k"), conditions, max_size=1),
        "message_id": conditions,
        "model_name": conditions,
        "operation_type": conditions,
        "error_type": conditions,
        "tag": conditions,
        "from_ns": st.integers(START_NS, START_NS + 6),
        "to_ns": st.integers(START_NS, START_NS + 6),
        "newest_first": st.booleans(),
    },
)


def _holds(condition: Condition, values: Iterable[Any]) -> bool:
    present = set(values)
    return not (condition.any_of and present.isdisjoint(condition.any_of)) and present.isdisjoint(condition.none_of)


def _expected(spans: list[Any], query: Query) -> bool:
    """Whether a list contains the trace of these spans, decided span by span and without a summary."""
    merged = spans_of(*spans)
    summary = summary_of(*spans)
    all_fields: list[dict[str, Any]] = [{**span.fields} for span in merged]
    duration = None if summary.end_ns is None else summary.end_ns - summary.start_ns
    failed = any(span.status == "error" for span in merged)
    texts = {summary.name, summary.previews.input, summary.previews.output} | {f.get("span_name") for f in all_fields}
    if query.get("search_in_payload"):
        for f in all_fields:
            texts |= {f.get("input_data"), f.get("error_type"), *f.get("metadata", {}).values()}
            texts |= {"k"} if "k" in f.get("metadata", {}) else set()
    values: dict[str, list[Any]] = {
        name: [f.get(name) for f in all_fields] for name in ("message_id", "model_name", "operation_type", "error_type")
    }
    values |= {"conversation_id": [summary.conversation_id], "status": [summary.status], "search": [*texts]}
    values |= {"parent_span_id": [span.parent_span_id for span in merged]}
    values |= {"tag": [tag for f in all_fields for tag in f.get("tags", [])]}
    bounds = {"duration_ns": duration, "cost_nano_usd": summary.usage.cost_nano_usd}
    return (
        all(_holds(query[name], found) for name, found in values.items() if name in query)
        and all(
            _holds(condition, [f.get("metadata", {}).get(key) for f in all_fields])
            for key, condition in query.get("metadata", {}).items()
        )
        and query.get("has_errors", failed) == failed
        and query.get("interrupted", summary.is_interrupted) == any(f.get("interrupted") for f in all_fields)
        and query.get("min_tokens", 0) <= summary.usage.total_tokens
        and all(
            (f"min_{name}" not in query or (value is not None and value >= query[f"min_{name}"]))
            and (f"max_{name}" not in query or (value is not None and value <= query[f"max_{name}"]))
            for name, value in bounds.items()
        )
    )


def _lists_as_the_model(engine: Endpoint, traces: list[list[Any]], queries: list[Query], page_size: int) -> None:
    user, store = new_user().name, store_on(engine, time_shards=1 + len(traces) % 3)
    for number, spans in enumerate(traces):
        for span in spans[:-1]:
            writer(store, user).capture([(f"t{number}", span)])
        writer(store, user).capture(batches_of(spans, f"t{number}"))
    if traces:
        writer(store, user).delete_trace("t0")
    for query in queries:
        starts = {f"t{number}": spans[0]["start_ns"] for number, spans in enumerate(traces)}
        matches = [
            f"t{number}"
            for number, spans in enumerate(traces)
            if number
            and _expected(spans, query)
            and query.get("from_ns", 0) <= starts[f"t{number}"] < query.get("to_ns", START_NS + 10)
        ]
        in_order = sorted(
            matches, key=lambda trace_id: (starts[trace_id], trace_id), reverse=query.get("newest_first", True)
        )
        assert trace_ids(store, user, page_size, deadline=long_deadline(), **query) == in_order


@given(trace_lists, st.lists(query_dicts, min_size=5, max_size=10), st.integers(1, 4))
@settings(max_examples=100, deadline=None)
def test_a_list_with_any_filters_equals_a_model_of_it(
    traces: list[list[Any]], queries: list[Query], page_size: int
) -> None:
    _lists_as_the_model(MemoryDynamoDB(page_items=2), traces, queries, page_size)


@given(trace_lists, st.lists(query_dicts, min_size=5, max_size=10), st.integers(1, 4))
@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_on_every_engine_a_list_with_any_filters_equals_a_model_of_it(
    engine: Endpoint, traces: list[list[Any]], queries: list[Query], page_size: int
) -> None:
    _lists_as_the_model(engine, traces, queries, page_size)
