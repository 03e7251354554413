"""Counters keep numbers for long, and names of people, conversations and traces only as long as traces are kept."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.api import Api, failure, fields_of, span
from tests.builders import DAY_S, START_NS, Clock, call, long_deadline, reader, scope, store_on, writer
from tests.gateway import new_user
from tests.head_stream import StreamedDynamoDB, count_traces
from tests.integration.test_counters import audited, live, replace_head, some_span, steps
from tracestore.api.analytics.reading import read_examples, read_marginals, read_values
from tracestore.domain.analytics import marginal_series
from tracestore.domain.buckets import Bucket
from tracestore.domain.counters import ErrorCounter, MarginalCounter, ValueCounter
from tracestore.domain.dimensions import FailureKind, Series
from tracestore.domain.intervals import Period
from tracestore.domain.pseudonyms import is_pseudonym, pseudonym_of
from tracestore.domain.spans import SpanFields
from tracestore.domain.stats import Aggregate, Example, Measures
from tracestore.http.wiring import store as deployed_store
from tracestore.storage import keys
from tracestore.storage.codec import pack, unpack
from tracestore.storage.counter_reading import read_counters
from tracestore.storage.counters import apply, counter_item
from tracestore.storage.gathered import GATHERED_BYTES, gathered_key
from tracestore.storage.store import Store
from tracestore.storage.stored_counters import CounterKey, StoredCounter

HOUR_NS = 3_600 * 10**9
DAY_NS = 24 * HOUR_NS
RETENTION_S = 30 * DAY_S
DAYS = Period(START_NS // DAY_NS * DAY_NS, START_NS // DAY_NS * DAY_NS + 2 * DAY_NS)
OF_TRACES = (
    "person-one",
    "person-two",
    "talk-one",
    "talk-two",
    "trace-one",
    "trace-two",
    "step-of-it",
    "said-so",
    "tagged",
)
"""Texts in the traces below that must not outlive them."""
KEPT = ("completion", "acme", "model-one", "shop", "lookup", "staging", "prompt-7", "Timeout")
"""Names that numbers are kept by."""


def span_of(number: str, **more: Any) -> SpanFields:
    """A failed call with every name that is counted."""
    return call(
        "root",
        **{
            **{"model_provider": "acme", "model_name": "model-one", "service_name": "shop", "environment": "staging"},
            **{"prompt_version": "prompt-7", "tool_name": "lookup", "tags": ["tagged"], "span_name": "step-of-it"},
            **{"status": "error", "error_type": "Timeout", "error_message": "said-so", "cost_nano_usd": 7},
            **{"end_user_id": f"person-{number}", "conversation_id": f"talk-{number}"},
            **more,
        },
    )


def counted(db: StreamedDynamoDB, clock: Clock, user: str, room: int = GATHERED_BYTES) -> Store:
    """Two traces, two hours apart, one of them changed by an unreadable head as well."""
    store = store_on(db, clock)
    writer(store, user).capture([("trace-one", span_of("one"))])
    clock.advance(s=7_200)
    writer(store, user).capture([("trace-two", span_of("two", start_ns=START_NS + 2 * HOUR_NS))])
    apply(store, "shard", db.changes, long_deadline(), begins=True, room=room)
    apply(store, "other", [replace_head(db.changes[0], b"\x7fnonsense")], long_deadline())
    return store


def texts_of(item: dict[str, Any]) -> str:
    """Everything in an item, opened. The cursor secret is random bytes, which may begin as if they were packed."""
    packed = [value["B"] for name, value in item.items() if "B" in value and name != "secret"]
    opened = [unpack(content) for content in packed if content[:1] == b"\x03"]
    return repr([*(value for value in item.items() if "B" not in value[1]), *opened])


def unexpired(db: StreamedDynamoDB, clock: Clock) -> list[dict[str, Any]]:
    return [item for item in db._items.values() if int(item.get("expires_at", {"N": "1" * 12})["N"]) * 1000 > clock()]


def test_no_stored_item_names_a_trace_or_a_person_after_the_retention() -> None:
    db, clock, user = StreamedDynamoDB(), Clock(), new_user().name
    store = counted(db, clock, user)
    before = " ".join(map(texts_of, unexpired(db, clock)))
    assert [text for text in (*OF_TRACES, *KEPT) if text not in before] == []
    clock.ms = DAYS.end_ns // 10**6 - DAY_NS // 10**6 + RETENTION_S * 1000  # the end of the day, and the retention
    after = " ".join(map(texts_of, unexpired(db, clock)))
    assert [text for text in OF_TRACES if text in after] == []
    assert [text for text in KEPT if text not in after] == []
    counter = read_counters(scope(store, user), [Bucket("measures", "day", START_NS // DAY_NS)])
    assert sum(counter[Bucket("measures", "day", START_NS // DAY_NS)].traces.values()) == 2


@pytest.mark.parametrize("room", [0, GATHERED_BYTES])
def test_numbers_are_kept_for_the_days_that_the_deployer_chose(room: int) -> None:
    """In the counter, or in the gathered item as long as they wait there."""
    db, clock, user = StreamedDynamoDB(), Clock(), new_user().name
    counted(db, clock, user, room)
    day = Bucket("measures", "day", START_NS // DAY_NS)
    key = gathered_key(keys.user(user)) if room else CounterKey(keys.user(user), day).key
    assert int(db._items[key]["expires_at"]["N"]) == day.end_ns // 10**9 + 400 * DAY_S
    short = Store(store_on(db, clock).table, RETENTION_S, now_ms=clock, counters_s=90 * DAY_S)
    writer(short, user).capture([("trace-three", span_of("one"))])
    apply(short, "shard", db.changes[-1:], long_deadline(), begins=True, room=room)
    assert int(db._items[key]["expires_at"]["N"]) == day.end_ns // 10**9 + 90 * DAY_S


def end_users(store: Store, user: str, chosen: str | None = None) -> dict[str, int]:
    counters, names = read_marginals(reader(store, user), [DAYS], "end_user_id", chosen)
    groups = marginal_series(counters, "end_user_id", 10, names)
    return {group.name: group.total.traces for group in groups if group.total.traces}


def test_an_end_user_has_a_name_within_the_retention_and_is_found_by_it_afterwards() -> None:
    db, clock, user = StreamedDynamoDB(), Clock(), new_user().name
    store = counted(db, clock, user)
    assert end_users(store, user) == {"person-one": 1, "person-two": 1}
    clock.advance(s=RETENTION_S + DAY_S)
    anonymous = end_users(store, user)
    assert sorted(anonymous.values()) == [1, 1]
    assert all(map(is_pseudonym, anonymous))
    assert end_users(store, user, "person-two") == {"person-two": 1}
    assert end_users(store, user, "person-three") == {}
    assert not any(counter.kinds for counter in read_examples(reader(store, user), DAYS))
    facets = {name for counter in read_values(reader(store, user), DAYS) for name in counter.values}
    assert facets == {"status", "model_name", "model_provider", "operation_type", "service_name", "environment"} | {
        *("tool_name", "error_type", "prompt_version")
    }


def test_two_owners_and_two_deployments_have_other_pseudonyms_of_one_person() -> None:
    first, second = store_on(StreamedDynamoDB()), store_on(StreamedDynamoDB())
    names = {store.pseudonym(owner, "eve") for store in (first, second) for owner in ("U#ada", "U#bob")}
    assert len(names) == 4
    assert first.pseudonym("U#ada", "eve") == store_on_same(first).pseudonym("U#ada", "eve")
    assert (first.pseudonym("U#ada", ""), first.pseudonym("U#ada", "other")) == ("", "other")


def store_on_same(store: Store) -> Store:
    """Another process on the same table."""
    return Store(store.table, store.retention_s)


@given(st.text(), st.binary(min_size=1))
def test_every_name_has_a_pseudonym_of_one_form(name: str, key: bytes) -> None:
    assert name in ("", "other") or is_pseudonym(pseudonym_of(key, name))


def of_end_users(rng: random.Random) -> tuple[str, SpanFields]:
    """As `some_span`, of a few end users."""
    trace_id, new = some_span(rng)
    end_user_id = rng.choice([None, "eve", "mallory"])
    return trace_id, {**new, "end_user_id": end_user_id} if end_user_id else new


@given(steps, st.integers(0, 2**32))
@settings(max_examples=40, deadline=None)
def test_counters_of_the_version_before_end_as_if_they_were_new(history: list[tuple[str, int]], seed: int) -> None:
    """Some of the counters that the version before stored are replaced by its form of them, with names in them."""
    db, clock, rng, user = StreamedDynamoDB(), Clock(), random.Random(seed), new_user().name
    store = store_on(db, clock)
    live(store, clock, user, [step for step in history if step[0] != "expire"], of_end_users)
    middle = rng.randrange(len(db.changes) + 1)
    apply(store, "early", db.changes[:middle], long_deadline())
    as_before(db, store, user)
    apply(store, "early", db.changes, long_deadline())
    assert audited(store, clock, user).findings == []
    found = end_users(store, user)
    assert found.keys() <= {"", "eve", "mallory"}


def as_before(db: StreamedDynamoDB, store: Store, user: str) -> None:
    """Name the end users in all counters of marginals, as the version before stored them."""
    names = {store.pseudonym(keys.user(user), name): name for name in ("eve", "mallory")}
    for key, item in list(db._items.items()):
        if "#R#marginals#" in key[0]:
            content = unpack(item["counter"]["B"])
            for row in content["c"]["m"].get("end_user_id", ()):
                row[0] = names.get(row[0], row[0])
            db._items[key] = {**item, "counter": {"B": pack(content)}}


def test_names_in_counters_of_the_version_before_are_read_until_the_retention_ends() -> None:
    db, clock, user = StreamedDynamoDB(), Clock(), new_user().name
    store = store_on(db, clock)
    kind, user_pk = FailureKind(Series("completion", "acme", "m"), "Timeout"), keys.user(user)
    day, hour = START_NS // DAY_NS, START_NS // HOUR_NS
    stored: dict[Bucket, Any] = {
        Bucket("errors", "day", day): ErrorCounter({kind: (2, [Example(START_NS, "t", "step", "said so")])}),
        Bucket("values", "day", day): ValueCounter(
            {"span_name": {"step": 2}, "model_name": {"m": 2}}, {"c": [1] * 13}, [(7, "t")]
        ),
        Bucket("marginals", "hour", hour): MarginalCounter({"end_user_id": {"eve": Aggregate(2, Measures())}}),
    }
    for bucket, counter in stored.items():
        store.table.put(counter_item(store, user_pk, bucket, counter), None)
    found = read_counters(scope(store, user), stored)
    assert found[Bucket("errors", "day", day)].kinds[kind][1]
    assert found[Bucket("values", "day", day)].values["span_name"] == {"step": 2}
    assert all(map(is_pseudonym, found[Bucket("marginals", "hour", hour)].values["end_user_id"]))
    clock.ms = (day + 1) * DAY_S * 1000 + RETENTION_S * 1000
    found = read_counters(scope(store, user), stored)
    assert found[Bucket("errors", "day", day)].kinds == {kind: (2, [])}
    assert found[Bucket("values", "day", day)] == ValueCounter({"model_name": {"m": 2}})


def test_an_example_in_a_counter_of_the_version_before_goes_with_its_trace() -> None:
    db, clock, user = StreamedDynamoDB(), Clock(), new_user().name
    store = store_on(db, clock)
    writer(store, user).capture([("t", span_of("one"))])
    apply(store, "shard", db.changes, long_deadline())
    bucket = Bucket("errors", "day", START_NS // DAY_NS)
    counter = read_counters(scope(store, user), [bucket])[bucket]
    ((kind, (count, _)),) = counter.kinds.items()
    key = CounterKey(keys.user(user), bucket)
    example = Example(START_NS, "t", "step-of-it", "said-so")
    former = StoredCounter(ErrorCounter({kind: (count, [example])}))
    db._items[key.key]["counter"] = counter_item(store, keys.user(user), bucket, former.counter)["counter"]
    writer(store, user).delete_trace("t")
    apply(store, "later", db.changes[-1:], long_deadline())
    assert read_counters(scope(store, user), [bucket])[bucket].kinds == {kind: (0, [])}


def test_a_dead_letter_expires_with_its_trace() -> None:
    db, clock, user = StreamedDynamoDB(), Clock(), new_user().name
    store = store_on(db, clock, retention_s=DAY_S)
    writer(store, user).capture([("t", call("root"))])
    apply(store, "shard", [replace_head(db.changes[0], b"\x7fnonsense")], long_deadline())
    (letter,) = (item for item in db._items.values() if "reason" in item)
    assert letter["expires_at"] == db._items[keys.trace(user, "t"), keys.HEAD]["expires_at"]


NEAR = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=2)
RANGE = {"start_date": f"{NEAR:%Y-%m-%d}", "end_date": f"{NEAR:%Y-%m-%d}", "interval": "day"}


@pytest.fixture
def of_two_people(api: Api) -> Api:
    for trace_id, person in (("a", "eve"), ("b", "eve"), ("c", "mallory")):
        api.send(
            span(
                trace_id,
                start_time=f"{NEAR:%Y-%m-%dT%H:%M:%S}Z",
                end_time=f"{NEAR:%Y-%m-%dT%H:%M:%S}.500Z",
                end_user_id=person,
                operation_type="completion",
            )
        )
    assert api.user
    count_traces(deployed_store(), api.user.name)
    return api


def groups(api: Api, **query: str) -> dict[str | None, int]:
    reply = api("GET", "/api/analytics/metrics", query={**RANGE, "group_by": "end_user_id", **query})
    assert reply.status == 200, reply.body
    return {group["group"]: group["totals"]["calls"] for group in reply.json["groups"]}


def test_metrics_are_grouped_by_the_names_of_end_users_and_limited_to_one(of_two_people: Api) -> None:
    assert groups(of_two_people) == {"eve": 2, "mallory": 1}
    assert groups(of_two_people, end_user_id="mallory") == {"mallory": 1}
    assert groups(of_two_people, end_user_id="nobody") == {}


def test_one_end_user_cannot_be_chosen_among_other_groups(api: Api) -> None:
    query = {**RANGE, "end_user_id": "eve", "group_by": "model_name"}
    reply = api("GET", "/api/analytics/metrics", query=query)
    assert failure(reply) == (400, "unsupported_combination")
    assert fields_of(reply) == ["end_user_id"]
