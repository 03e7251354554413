"""Gathered sums: counters are the same whether small batches wait in the gathered item or not."""

import random
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import DAY_S, START_NS, Clock, call, long_deadline, scope, store_on, writer
from tests.crashing import Crash, CrashingAtWrite
from tests.gateway import new_user
from tests.head_stream import StreamedDynamoDB, deliver_with_faults, shards_of
from tests.integration.test_counters import audited, buckets_of_start, live, replace_head, seeds, steps
from tests.memory_dynamodb import Scheduler
from tracestore.domain.buckets import INTERVALS_OF, QUARTERS, Bucket
from tracestore.domain.counters import MeasureCounter
from tracestore.domain.gathered import is_gathered
from tracestore.domain.spans import SpanFields
from tracestore.storage import counters, keys
from tracestore.storage.audit import audit, confirmed, repair
from tracestore.storage.counter_reading import read_counters, read_stored
from tracestore.storage.dead_letters import read_dead_letters
from tracestore.storage.deltas import Change
from tracestore.storage.formats.gathered import pack_gathered, unpack_gathered
from tracestore.storage.gathered import GATHERED_BYTES, gathered_key, read_gathered
from tracestore.storage.items import item_bytes
from tracestore.storage.model import ItemKey
from tracestore.storage.store import Store
from tracestore.storage.stored_counters import CounterKey

DAY_NS = DAY_S * 10**9
apply = partial(counters.apply, begins=True)
ROOMS = [0, 350, 450, 600, 900, GATHERED_BYTES]
"""With none, no batch is gathered. With little, sums leave for the counters with nearly each batch."""
DAY = Bucket("measures", "day", START_NS // DAY_NS)


def counted(store: Store, user: str) -> dict[Bucket, Any]:
    """The totals of all counters of two days, except those of nothing."""
    quarter = START_NS // DAY_NS * QUARTERS["day"]
    buckets = [
        Bucket(kind, interval, (quarter + number) // QUARTERS[interval])
        for kind, intervals in INTERVALS_OF.items()
        for interval in intervals
        for number in range(0, 2 * QUARTERS["day"], QUARTERS[interval])
    ]
    totals = {bucket: counter.totals() for bucket, counter in read_counters(scope(store, user), buckets).items()}
    return {bucket: of_bucket for bucket, of_bucket in totals.items() if any(of_bucket.values())}


def applying(rng: random.Random, *, begins: bool | None = None, rooms: list[int] = ROOMS) -> Any:
    """`apply` with another room each time, and, unless stated, by any of the versions that may alternate."""

    def apply_somehow(store: Store, shard: str, changes: list[Change], deadline: Any) -> Any:
        may_begin = rng.random() < 0.7 if begins is None else begins
        applied = apply(store, shard, changes, deadline, begins=may_begin, room=rng.choice(rooms))
        assert not applied.dead_letters
        return applied

    return apply_somehow


@given(steps, seeds)
@settings(max_examples=60, deadline=None)
def test_counters_equal_the_heads_whatever_is_gathered(history: list[tuple[str, int]], seed: int) -> None:
    """However the stream is delivered, repeated and interrupted, also where the release before counts some batches."""
    db, clock, rng, user = StreamedDynamoDB(page_items=3), Clock(), random.Random(seed), new_user().name
    store = store_on(db, clock)
    live(store, clock, user, [step for step in history if step[0] != "expire"])

    def stores() -> Store:
        crashing = CrashingAtWrite(db, rng.randrange(12)) if rng.random() < 0.4 else db
        return store_on(db, clock, db=crashing)

    deliver_with_faults(stores, db.changes, rng, apply=applying(rng))
    assert audited(store, clock, user).findings == []


@given(steps, seeds)
@settings(max_examples=40, deadline=None)
def test_gathering_changes_no_counter(history: list[tuple[str, int]], seed: int) -> None:
    """Traces that expire and begin anew included. Two tables get the same changes; one of them gathers nothing."""
    db, clock, rng, user = StreamedDynamoDB(), Clock(), random.Random(seed), new_user().name
    store = store_on(db, clock)
    live(store, clock, user, history)
    other = store_on(StreamedDynamoDB(), clock)
    other.secrets["cursor"] = store.cursor_secret()
    deliver_with_faults(lambda: store, db.changes, rng, apply=applying(rng))
    apply(other, "shard", db.changes, long_deadline(), begins=False)
    assert counted(store, user) == counted(other, user)


@given(steps, seeds)
@settings(max_examples=20, deadline=None)
def test_a_stream_that_is_delivered_again_changes_nothing_that_is_read(
    history: list[tuple[str, int]], seed: int
) -> None:
    db, clock, rng, user = StreamedDynamoDB(), Clock(), random.Random(seed), new_user().name
    store = store_on(db, clock)
    live(store, clock, user, [step for step in history if step[0] != "expire"])
    deliver_with_faults(lambda: store, db.changes, rng, apply=applying(rng))
    before = counted(store, user)
    deliver_with_faults(lambda: store, db.changes, rng, apply=applying(rng))
    assert counted(store, user) == before


@given(steps, seeds)
@settings(max_examples=40, deadline=None)
def test_counters_equal_the_heads_where_the_item_is_older_than_the_stream(
    history: list[tuple[str, int]], seed: int
) -> None:
    """Also where a batch is interrupted as often as it is delivered again, by either release."""
    db, clock, rng, user = StreamedDynamoDB(page_items=3), Clock(), random.Random(seed), new_user().name
    store = store_on(db, clock)
    writer(store, user).capture([("first", call("root"))])
    apply(store, "before", db.changes, long_deadline())
    clock.advance(s=27 * 3_600)
    assert read_gathered(store.table, keys.user(user)).is_older_than_stream(store)
    live(store, clock, user, [step for step in history if step[0] != "expire"])

    def stores() -> Store:
        crashing = CrashingAtWrite(db, rng.randrange(12)) if rng.random() < 0.4 else db
        return store_on(db, clock, db=crashing)

    deliver_with_faults(stores, db.changes[1:], rng, apply=applying(rng))
    assert audited(store, clock, user).findings == []


@given(seeds)
@settings(max_examples=40, deadline=None)
def test_changes_that_counters_have_applied_are_not_gathered(seed: int) -> None:
    """The release that begins no gathered item is interrupted, and the next one gets its batch again, cut anew."""
    db, clock, rng, user = StreamedDynamoDB(), Clock(), random.Random(seed), new_user().name
    store = store_on(db, clock)
    live(store, clock, user, [("capture", rng.randrange(2**32)) for _ in range(4)])
    interrupted = store_on(db, clock, db=CrashingAtWrite(db, rng.randrange(40)))
    with suppress(Crash):
        apply(interrupted, "shard", db.changes, long_deadline(), begins=False, threads=1)
    for start in range(0, len(db.changes), size := rng.randint(1, 4)):
        apply(store, "shard", db.changes[start : start + size], long_deadline(), room=rng.choice(ROOMS))
    assert audited(store, clock, user).findings == []


@given(seeds)
@settings(max_examples=40, deadline=None)
def test_invocations_that_meet_count_once(seed: int) -> None:
    """Shards that meet, and two invocations for one shard that cut its records differently, as after a time-out."""
    db, clock, rng, user = StreamedDynamoDB(), Clock(), random.Random(seed), new_user().name
    store = store_on(db, clock)
    live(store, clock, user, [("capture", rng.randrange(2**32)) for _ in range(12)])
    for generation in shards_of(db.changes, (2, 1)):
        runs = [(shard, batches) for shard, of_shard in generation.items() for batches in cut_twice(of_shard, rng)]
        Scheduler(db, seed).run([partial(apply_batches, db, clock, rng.random(), *run) for run in runs])
    assert audited(store, clock, user).findings == []


def cut_twice(changes: list[Change], rng: random.Random) -> Iterator[list[list[Change]]]:
    for _ in range(2):
        size = rng.randint(1, 4)
        yield [changes[start : start + size] for start in range(0, len(changes), size)]


def apply_batches(
    db: StreamedDynamoDB, clock: Clock, seed: float, shard: str, batches: list[list[Change]], client: Any
) -> None:
    """Apply batches one counter at a time, since the scheduler identifies a writer by its client."""
    store, rng = store_on(db, clock, db=client), random.Random(seed)
    for batch in batches:
        apply(store, shard, batch, long_deadline(), threads=1, room=rng.choice(ROOMS))


@given(seeds)
@settings(max_examples=30, deadline=None)
def test_a_reader_sees_a_batch_whole_or_not_at_all(seed: int) -> None:
    """At whichever write the batch is interrupted, in each gathered counter."""
    db, clock, rng, user = StreamedDynamoDB(), Clock(), random.Random(seed), new_user().name
    store = store_on(db, clock)
    live(store, clock, user, [("capture", rng.randrange(2**32)) for _ in range(8)])
    before = numbers_of(store, user)
    for index, change in enumerate(db.changes):
        interrupted = store_on(db, clock, db=CrashingAtWrite(db, rng.randrange(12)))
        room = rng.choice(ROOMS[1:])
        with suppress(Crash):
            apply(interrupted, "shard", [change], long_deadline(), room=room)
        between = numbers_of(store, user)
        apply(store, "shard", [change], long_deadline(), room=room)
        after = numbers_of(store, user)
        for bucket in before | after:
            assert between.get(bucket) in (before.get(bucket), after.get(bucket)), index
        before = after


def numbers_of(store: Store, user: str) -> dict[Bucket, Any]:
    """As `counted`, of measures alone."""
    return {bucket: totals for bucket, totals in counted(store, user).items() if bucket.kind == "measures"}


@given(steps, seeds)
@settings(max_examples=25, deadline=None)
def test_a_repair_sets_counters_whatever_is_gathered(history: list[tuple[str, int]], seed: int) -> None:
    """Some changes are never delivered. The audit finds what they are missing from, and the repair adds that."""
    db, clock, rng, user = StreamedDynamoDB(), Clock(), random.Random(seed), new_user().name
    store = store_on(db, clock)
    live(store, clock, user, [step for step in history if step[0] != "expire"])
    delivered = [change for change in db.changes if rng.random() < 0.7]
    deliver_with_faults(lambda: store, delivered, rng, apply=applying(rng, rooms=[450, GATHERED_BYTES]))
    findings = confirmed(audited(store, clock, user), audited(store, clock, user))
    assert repair(scope(store, user), findings) == len(findings)
    assert audited(store, clock, user).findings == []
    writer(store, user).capture([("later", call("root"))])
    apply(store, "later", db.changes[-1:], long_deadline(), room=350)
    assert audited(store, clock, user).findings == []


def named(number: int) -> SpanFields:
    """A call with names of its own, which do not compress."""
    rng = random.Random(number)
    names = {name: f"{rng.getrandbits(256):064x}" for name in ("model_name", "service_name", "end_user_id")}
    return call("root", cost_nano_usd=rng.randrange(10**9), **names)


def test_a_trace_that_is_counted_alone_writes_its_numbers_once() -> None:
    db, user = StreamedDynamoDB(), new_user().name
    store = store_on(db)
    writer(store, user).capture([("t", call("root", conversation_id="c", service_name="shop"))])
    before = set(db._items)
    apply(store, "shard", db.changes, long_deadline())
    kinds = sorted(pk.split("#")[2:4] for pk, _ in set(db._items) - before if pk.startswith("U#"))
    assert kinds == [["C", "c"], ["CA"], ["R", "gathered"], ["R", "names"]]
    assert sum(counted(store, user)[DAY]["traces"].values()) == 1


class Reading(StreamedDynamoDB):
    """A table that records the keys of each BatchGetItem."""

    def __init__(self) -> None:
        super().__init__()
        self.reads: list[list[ItemKey]] = []

    def batch_get_item(self, *, RequestItems: dict[str, Any], **request: Any) -> dict[str, Any]:
        ((_, wanted),) = RequestItems.items()
        self.reads.append([(key["pk"]["S"], key["sk"]["S"]) for key in wanted["Keys"]])
        return super().batch_get_item(RequestItems=RequestItems, **request)


def test_counters_of_gathered_numbers_are_read_only_until_the_item_is_older_than_the_stream() -> None:
    """Before, the release before may have changed them itself, without an item."""
    db, clock, user = Reading(), Clock(), new_user().name
    store = store_on(db, clock)
    partitions = []
    for number, (hours, room) in enumerate([(0, GATHERED_BYTES), (26, GATHERED_BYTES), (1, GATHERED_BYTES), (0, 0)]):
        clock.advance(s=3_600 * hours)
        writer(store, user).capture([(f"t{number}", call("root", conversation_id="c"))])
        db.reads.clear()
        apply(store, "shard", db.changes[-1:], long_deadline(), room=room)
        partitions.append([sorted({pk.split("#")[3] for pk, _ in read}) for read in db.reads])
    gathering, numbers = ["c", "gathered", "names"], ["marginals", "measures", "values"]
    assert partitions == [[gathering, numbers], [gathering, numbers], [gathering], [gathering, numbers]]
    assert audited(store, clock, user).findings == []


def test_an_item_that_an_earlier_version_wrote_has_no_age() -> None:
    """It drops the hour in which the item began, and may have been deployed for any time."""
    db, clock, user = StreamedDynamoDB(), Clock(), new_user().name
    store = store_on(db, clock)
    writer(store, user).capture([("a", call("root"))])
    apply(store, "shard", db.changes, long_deadline())
    item = db._items[gathered_key(keys.user(user))]
    item["gathered"] = {"B": pack_gathered(unpack_gathered(item["gathered"]["B"])._replace(begun_hour=None))}
    clock.advance(s=27 * 3_600)
    assert not read_gathered(store.table, keys.user(user)).is_older_than_stream(store)
    writer(store, user).capture([("b", call("root"))])
    apply(store, "shard", db.changes[1:], long_deadline())
    assert not read_gathered(store.table, keys.user(user)).is_older_than_stream(store)
    clock.advance(s=27 * 3_600)
    assert read_gathered(store.table, keys.user(user)).is_older_than_stream(store)


def test_the_gathered_item_stays_small_and_the_counters_are_written_now_and_then() -> None:
    db, clock, user = StreamedDynamoDB(), Clock(), new_user().name
    store = store_on(db, clock)
    written, count = [], 60
    for number in range(count):
        writer(store, user).capture([(f"t{number}", named(number))])
        apply(store, "shard", db.changes[-1:], long_deadline())
        item = db._items[gathered_key(keys.user(user))]
        assert item_bytes(item) <= 2 * GATHERED_BYTES
        written.append(db._items.get(CounterKey(keys.user(user), DAY).key, {}).get("v"))
    assert 1 < len({version["N"] for version in written if version}) <= count / 5
    assert sum(counted(store, user)[DAY]["traces"].values()) == count


@given(st.lists(st.integers(1, 40), min_size=4, max_size=8))
@settings(max_examples=20, deadline=None)
def test_a_counter_is_whole_until_the_first_of_its_traces_expires(ages: list[int]) -> None:
    """Wherever its sums are: an audit leaves it alone from then on."""
    db, clock, user = StreamedDynamoDB(), Clock(), new_user().name
    store = store_on(db, clock)
    for number, hours in enumerate(ages):
        writer(store, user).capture([(f"t{number}", named(number))])
        expires_at_s = [int(change.new["expires_at"]["N"]) for change in db.changes if change.new]
        apply(store, "shard", db.changes[-1:], long_deadline(), room=GATHERED_BYTES if number % 2 else 900)
        counters_read = read_stored(scope(store, user), filter(is_gathered, buckets_of_start()))
        assert {stored.whole_until_s for stored in counters_read.values()} == {min(expires_at_s)}
        clock.advance(s=3_600 * hours)


def test_a_large_batch_changes_the_counters_themselves() -> None:
    db, user = StreamedDynamoDB(), new_user().name
    store = store_on(db)
    for number in range(100):
        writer(store, user).capture([(f"t{number}", named(number))])
    apply(store, "shard", db.changes, long_deadline())
    gathered = read_gathered(store.table, keys.user(user))
    assert not gathered.growing
    assert not gathered.leaving
    assert item_bytes(db._items[gathered_key(keys.user(user))]) < 300
    assert sum(counted(store, user)[DAY]["traces"].values()) == 100
    writer(store, user).capture([("alone", call("root"))])
    apply(store, "shard", db.changes[-1:], long_deadline())
    assert read_gathered(store.table, keys.user(user)).growing  # the next small batch is gathered again
    assert sum(counted(store, user)[DAY]["traces"].values()) == 101


def test_a_repair_begins_no_gathered_item() -> None:
    db, user = StreamedDynamoDB(), new_user().name
    store = store_on(db)
    hour = Bucket("marginals", "hour", 24 * DAY.number)
    assert counters.change_counter(scope(store, user), hour, lambda _: True)
    assert gathered_key(keys.user(user)) not in db._items


def test_a_user_without_a_gathered_item_gets_none_before_the_next_release() -> None:
    """The first of two releases reads and continues gathered items, and begins none."""
    db, user = StreamedDynamoDB(), new_user().name
    store = store_on(db)
    writer(store, user).capture([("t", call("root"))])
    apply(store, "shard", db.changes, long_deadline(), begins=False)
    assert gathered_key(keys.user(user)) not in db._items
    assert sum(counted(store, user)[DAY]["traces"].values()) == 1


def test_sums_that_a_counter_cannot_take_become_a_dead_letter_and_the_others_go_on() -> None:
    db, clock, user = StreamedDynamoDB(), Clock(), new_user().name
    store = store_on(db, clock)
    writer(store, user).capture([("a", call("root"))])
    apply(store, "shard", db.changes, long_deadline(), room=0)
    number = 0
    while not read_gathered(store.table, keys.user(user)).leaving:
        number += 1
        writer(store, user).capture([(f"t{number}", named(number))])
        apply(store, "shard", db.changes[-1:], long_deadline())
    db._items[CounterKey(keys.user(user), DAY).key]["counter"] = {"B": b"\x7fnonsense"}
    writer(store, user).capture([("d", call("root", start_ns=START_NS - 5 * DAY_NS))])
    apply(store, "shard", db.changes[-1:], long_deadline())
    assert read_dead_letters(scope(store, user)) == [{"trace_id": "d", "reason": "Unreadable"}]
    hour = Bucket("measures", "hour", DAY.number * 24 + (START_NS - DAY.start_ns) // (3_600 * 10**9))
    counter = read_counters(scope(store, user), [hour])[hour]
    assert isinstance(counter, MeasureCounter)
    assert sum(counter.traces.values()) == 1 + number


def test_a_gathered_item_that_cannot_be_read_makes_dead_letters_and_the_rest_counts() -> None:
    db, user = StreamedDynamoDB(), new_user().name
    store = store_on(db)
    for trace_id in "ab":
        writer(store, user).capture([(trace_id, call("root", conversation_id="c"))])
    apply(store, "shard", db.changes[:1], long_deadline())
    db._items[gathered_key(keys.user(user))]["gathered"] = {"B": b"\x7fnonsense"}
    applied = apply(store, "shard", db.changes[1:], long_deadline())
    assert [(change.trace_pk[-1], reason) for change, reason in applied.dead_letters] == [("b", "Unreadable")]
    (names,) = (bucket for bucket in buckets_of_start() if bucket.kind == "names")
    assert read_counters(scope(store, user), [names])[names].conversations["c"][0] == 2


def test_sums_of_an_expired_counter_are_left_out() -> None:
    db, clock, user = StreamedDynamoDB(), Clock(), new_user().name
    store = store_on(db, clock)
    writer(store, user).capture([("old", call("root", start_ns=START_NS - 399 * DAY_NS))])
    apply(store, "shard", db.changes, long_deadline())
    bucket = Bucket("measures", "day", START_NS // DAY_NS - 399)
    assert read_counters(scope(store, user), [bucket])
    clock.advance(s=3 * DAY_S)
    assert not read_counters(scope(store, user), [bucket])
    writer(store, user).capture([("new", call("root"))])
    apply(store, "shard", db.changes[1:], long_deadline(), room=350)
    apply(store, "shard", [replace_head(db.changes[1], b"\x7fnonsense")], long_deadline(), room=350)
    assert CounterKey(keys.user(user), bucket).key not in db._items


@pytest.mark.parametrize("hours", [0, 30])
def test_a_repair_between_two_batches_is_not_undone(hours: int) -> None:
    """Sums that the counter does not contain when it is repaired are added afterwards, once."""
    db, clock, user = StreamedDynamoDB(), Clock(), new_user().name
    store = store_on(db, clock)
    for number in range(5):
        writer(store, user).capture([(f"t{number}", call("root", end_user_id=f"person-{number}"))])
    for change in [*db.changes[:2], *db.changes[3:]]:
        apply(store, "shard", [change], long_deadline(), room=450)
    clock.advance(s=3_600 * hours)
    found = audit(scope(store, user), START_NS // DAY_NS * DAY_NS, START_NS + DAY_NS, moving_ms=-1)
    assert repair(scope(store, user), found.findings) == len(found.findings) > 0
    writer(store, user).capture([("t5", call("root"))])
    apply(store, "other", db.changes[5:], long_deadline(), room=450)
    assert audited(store, clock, user).findings == []
    assert sum(counted(store, user)[DAY]["traces"].values()) == 6
