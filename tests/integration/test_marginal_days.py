"""Marginal days: what is read of a marginal is always what its hours contain."""

import random
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, cast
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import DAY_S, START_NS, Clock, call, fields, long_deadline, scope, store_on, writer
from tests.crashing import Crash, CrashingAtWrite
from tests.gateway import new_user
from tests.head_stream import StreamedDynamoDB, deliver_with_faults
from tests.integration.test_counters import audited, live, seeds, some_span, steps, to_fields
from tests.integration.test_gathered import apply, apply_batches, applying
from tests.memory_dynamodb import Scheduler
from tracestore.domain.buckets import Bucket, ConversationTarget, Target
from tracestore.domain.dimensions import MARGINALS
from tracestore.domain.settled_days import SettledDays
from tracestore.domain.spans import SpanFields
from tracestore.domain.stats import Aggregate
from tracestore.storage import keys, marginal_days
from tracestore.storage.audit import confirmed, repair
from tracestore.storage.counter_reading import read_counters, read_marginals
from tracestore.storage.counters import change_counter
from tracestore.storage.formats.gathered import pack_gathered, unpack_gathered
from tracestore.storage.formats.marginal_days import pack_marginal_day, unpack_marginal_day
from tracestore.storage.gathered import GATHERED_BYTES, gathered_key, read_gathered
from tracestore.storage.marginal_days import VALUES_COPIED_FROM
from tracestore.storage.store import Store
from tracestore_cli import audit

DAY = START_NS // 10**9 // DAY_S
HOURS = [Bucket("marginals", "hour", 24 * DAY + number) for number in range(48)]
HOUR_S = 3_600


@pytest.fixture(autouse=True, scope="module")
def _every_day_is_copied() -> Iterator[None]:
    with patch.object(marginal_days, "VALUES_COPIED_FROM", 1):
        yield


def named_span(rng: random.Random) -> tuple[str, SpanFields]:
    """As `some_span`, with a value of each marginal in some."""
    trace_id, span = some_span(rng)
    names = {name: rng.choice(["", "a", "b"]) for name in ("end_user_id", "tool_name", "environment", "prompt_version")}
    return trace_id, cast(SpanFields, {**span, **{name: value for name, value in names.items() if value}})


def assert_copies_equal_hours(store: Store, user: str, hours: Sequence[Bucket] = HOURS) -> None:
    """What is read of each marginal are the counters of the hours."""
    expected = read_counters(scope(store, user), hours)
    for name in MARGINALS:
        found = read_marginals(scope(store, user), name, hours)
        assert {hour: counter.values[name] for hour, counter in found.items() if counter.values.get(name)} == {
            hour: counter.values[name] for hour, counter in expected.items() if counter.values.get(name)
        }


def settled(store: Store, user: str) -> SettledDays:
    return read_gathered(store.table, keys.user(user)).days


def copied_aggregates(db: StreamedDynamoDB, pk: str, sk: str) -> dict[int, list[Aggregate]]:
    """The aggregates in a copy, by the hour of the day."""
    hours = unpack_marginal_day(db._items[pk, sk]["marginal"]["B"])
    return {hour: list(values.values()) for hour, values in hours.items()}


def copied_days(db: StreamedDynamoDB) -> set[str]:
    return {sk for pk, sk in db._items if "#R#marginal#" in pk}


@given(st.lists(st.tuples(steps, st.sampled_from([1, 20, 28, 60])), min_size=2, max_size=5), seeds)
@settings(max_examples=60, deadline=None)
def test_a_marginal_is_read_as_its_hours_whenever_they_change(
    rounds: list[tuple[list[tuple[str, int]], int]], seed: int
) -> None:
    """Spans, changes and deletions of days that were settled; batches repeated and interrupted at any write.

    A trace of the present is counted after each round, and settles the days that were quiet.
    """
    db, clock, rng, user = StreamedDynamoDB(page_items=3), Clock(), random.Random(seed), new_user().name
    store, counted = store_on(db, clock), 0
    apply_somehow = applying(rng)

    def stores() -> Store:
        crashing = CrashingAtWrite(db, rng.randrange(20)) if rng.random() < 0.4 else db
        return store_on(db, clock, db=crashing)

    def apply_and_look(*batch: Any) -> None:
        try:
            apply_somehow(*batch)
        finally:
            assert_copies_equal_hours(store, user)

    for history, hours in rounds:
        live(store, clock, user, [step for step in history if step[0] != "expire"], named_span)
        deliver_with_faults(stores, db.changes[counted:], rng, apply=apply_and_look)
        clock.advance(s=hours * HOUR_S)
        counted = len(db.changes)
        writer(store, user).capture([(f"then {counted}", call("root", start_ns=clock.ms * 10**6))])
        deliver_with_faults(stores, db.changes[counted:], rng, apply=apply_and_look)
        counted = len(db.changes)
    assert audited(store, clock, user).is_clean


@given(seeds)
@settings(max_examples=40, deadline=None)
def test_invocations_that_meet_settle_what_is_right(seed: int) -> None:
    """One of them changes a day while another one copies it."""
    db, clock, rng, user = StreamedDynamoDB(), Clock(), random.Random(seed), new_user().name
    store, counted = store_on(db, clock), 0
    for number in range(4):
        live(store, clock, user, [("capture", rng.randrange(2**32)) for _ in range(3 * (number % 2 == 0))])
        writer(store, user).capture([(f"then {number}", call("root", start_ns=clock.ms * 10**6))])
        runs = []
        for shard, changes in (("late", db.changes[counted:-1]), ("present", db.changes[-1:])):
            batches = [[change] for change in changes]
            runs.append(partial(apply_batches, db, clock, rng.random(), shard, batches))
        Scheduler(db, rng.randrange(2**32)).run(runs)
        assert_copies_equal_hours(store, user)
        counted = len(db.changes)
        clock.advance(s=rng.choice([28, 50]) * HOUR_S)
    assert audited(store, clock, user).is_clean


class Queried(StreamedDynamoDB):
    """A table that records the partitions which queries read."""

    def __init__(self) -> None:
        super().__init__()
        self.partitions: list[str] = []

    def query(self, **request: Any) -> dict[str, Any]:
        self.partitions.append("#".join(request["ExpressionAttributeValues"][":p"]["S"].split("#")[3:]))
        return super().query(**request)


def partitions_read(db: Queried, store: Store, user: str) -> list[str]:
    """The partitions that are queried for the services of the day."""
    db.partitions.clear()
    assert read_marginals(scope(store, user), "service_name", HOURS[:24])
    return list(db.partitions)


def count_a_trace(
    db: StreamedDynamoDB, clock: Clock, user: str, trace_id: str, room: int = 0, writes: int = 99
) -> None:
    """Count a trace of now. The batch is interrupted at a write, and repeated by the caller."""
    writer(store_on(db, clock), user).capture(
        [(trace_id, call("root", start_ns=clock.ms * 10**6, service_name="shop"))]
    )
    count_again(db, clock, room=room, writes=writes)


def count_again(db: StreamedDynamoDB, clock: Clock, *, room: int = 0, writes: int = 99) -> None:
    """Count the last change."""
    with suppress(Crash):
        crashing = store_on(db, clock, db=CrashingAtWrite(db, writes))
        assert not apply(crashing, "shard", db.changes[-1:], long_deadline(), room=room).dead_letters


@pytest.fixture
def db() -> Queried:
    return Queried()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def user() -> str:
    return new_user().name


@pytest.mark.parametrize("room", [0, GATHERED_BYTES])
def test_a_day_that_has_been_quiet_is_read_from_its_copy(db: Queried, clock: Clock, user: str, room: int) -> None:
    """A batch copies it, 26 hours after the first one of the next day, where nothing of it waits any more."""
    store = store_on(db, clock)
    for number, hours in enumerate((0, 1, 23, 26, 1)):
        clock.advance(s=hours * HOUR_S)
        assert DAY not in settled(store, user)
        count_a_trace(db, clock, user, f"t{number}", room=room)
        assert_copies_equal_hours(store, user)
    read = partitions_read(db, store, user)
    if room:
        assert read == ["marginals#hour#2026-11"]
        assert not copied_days(db)
    else:
        assert read == ["marginal#service_name#2026"]
        copies = [item for (pk, _), item in db._items.items() if "#R#marginal#" in pk]
        assert {item["expires_at"]["N"] for item in copies} == {str((DAY + 1) * DAY_S + store.counters_s)}
        assert len(copies) == 1  # no span names an end user, a tool and so on


@pytest.fixture
def settled_store(db: Queried, clock: Clock, user: str) -> Store:
    """A store in which the day is settled, with three traces of as many services."""
    store = store_on(db, clock)
    for number in range(3):
        writer(store, user).capture([(f"t{number}", call("root", service_name=f"shop {number}"))])
    apply(store, "shard", db.changes, long_deadline(), room=0)
    for number in range(2):
        clock.advance(s=28 * HOUR_S)
        count_a_trace(db, clock, user, f"later {number}")
    assert DAY in settled(store, user)
    assert copied_days(db) == {"11-22"}
    return store


def traces_by_service(store: Store, user: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for counter in read_marginals(scope(store, user), "service_name", HOURS[:24]).values():
        for value, aggregate in counter.values.get("service_name", {}).items():
            if aggregate.traces:
                found[value] = found.get(value, 0) + aggregate.traces
    return found


@pytest.mark.parametrize("room", [0, 350])
def test_a_change_a_week_later_counts_at_once_and_the_day_is_copied_again(
    db: Queried, clock: Clock, user: str, settled_store: Store, room: int
) -> None:
    store = settled_store
    assert traces_by_service(store, user) == {"shop 0": 1, "shop 1": 1, "shop 2": 1}
    clock.advance(s=7 * DAY_S)
    writer(store, user).delete_trace("t0")
    writer(store, user).patch("t1", "root", to_fields(fields("root", service_name="cart")))
    for change in db.changes[-2:]:
        apply(store, "shard", [change], long_deadline(), room=room)
        assert_copies_equal_hours(store, user)
    assert traces_by_service(store, user) == {"cart": 1, "shop 2": 1}
    for number in range(30):
        waits = DAY in read_gathered(store.table, keys.user(user)).waiting_days()
        is_copied = partitions_read(db, store, user) == ["marginal#service_name#2026"]
        assert is_copied == (DAY in settled(store, user) and not waits)
        clock.advance(s=28 * HOUR_S)
        count_a_trace(db, clock, user, f"then {number}", room=room)
        assert traces_by_service(store, user) == {"cart": 1, "shop 2": 1}
    assert DAY in settled(store, user)
    assert_copies_equal_hours(store, user)


def test_an_interrupted_copy_is_not_read(db: Queried, clock: Clock, user: str, settled_store: Store) -> None:
    """At whichever write of the batches that change the day and settle it again."""
    writer(settled_store, user).delete_trace("t0")
    for writes in range(15):
        count_again(db, clock, writes=writes)
        assert_copies_equal_hours(settled_store, user)
    for number in range(3):
        clock.advance(s=28 * HOUR_S)
        for writes in range(15):
            count_a_trace(db, clock, user, f"then {number}", writes=writes)
            assert_copies_equal_hours(settled_store, user)
    assert DAY in settled(settled_store, user)
    assert partitions_read(db, settled_store, user) == ["marginal#service_name#2026"]
    assert traces_by_service(settled_store, user) == {"shop 1": 1, "shop 2": 1}


@pytest.mark.parametrize("writes", range(12))
def test_a_day_is_not_settled_while_the_stream_may_repeat_a_change_of_it(
    db: Queried, clock: Clock, user: str, settled_store: Store, writes: int
) -> None:
    """A batch that changes the counters themselves is interrupted, and repeated a day later."""
    store = settled_store
    writer(store, user).delete_trace("t0")
    late = len(db.changes) - 1
    count_again(db, clock, writes=writes)
    for number, hours in enumerate((1, 23)):
        clock.advance(s=hours * HOUR_S)
        writer(store, user).capture([(f"then {number}", call("root", start_ns=clock.ms * 10**6))])
        apply(store, "other", db.changes[-1:], long_deadline(), room=0)
        assert_copies_equal_hours(store, user)
    apply(store, "shard", db.changes[late : late + 1], long_deadline(), room=0)
    assert_copies_equal_hours(store, user)
    assert traces_by_service(store, user) == {"shop 1": 1, "shop 2": 1}


def test_the_release_before_forgets_which_days_are_settled(
    db: Queried, clock: Clock, user: str, settled_store: Store
) -> None:
    """It counts without noting the changed day, so no copy is read until each is made again."""
    store, item = settled_store, db._items[gathered_key(keys.user(user))]
    writer(store, user).delete_trace("t0")
    apply(store, "shard", db.changes[-1:], long_deadline(), room=0)
    item = db._items[gathered_key(keys.user(user))]
    item["gathered"] = {"B": pack_gathered(unpack_gathered(item["gathered"]["B"])._replace(days=SettledDays()))}
    assert traces_by_service(store, user) == {"shop 1": 1, "shop 2": 1}
    for number in range(3):
        count_a_trace(db, clock, user, f"then {number}")
        assert_copies_equal_hours(store, user)
        clock.advance(s=28 * HOUR_S)
    assert traces_by_service(store, user) == {"shop 1": 1, "shop 2": 1}


def test_an_audit_finds_a_wrong_copy_and_has_it_read_no_longer(
    db: Queried, clock: Clock, user: str, settled_store: Store
) -> None:
    """The same by the command, which discards the copy once two audits agree."""
    store = settled_store
    assert audited(store, clock, user).is_clean
    pk, sk = keys.marginal_day(keys.user(user), "service_name", DAY * DAY_S * 10**9)
    wrong = {hour: {"shop 1": aggregate} for hour, (aggregate, *_) in copied_aggregates(db, pk, sk).items()}
    db._items[pk, sk]["marginal"] = {"B": pack_marginal_day(wrong)}
    found = audited(store, clock, user)
    assert (found.findings, found.outdated_days, found.is_clean) == ([], {DAY}, False)
    lines: list[str] = []
    assert audit.run(store, [user], 5, should_repair=True, report=lines.append, moving_ms=0, sleep=lambda _: None)
    assert lines[1] == "The copied marginals of these days differ from their hours: 2026-11-22."
    assert lines[-1].startswith("Discarded the copies of 1 of 1 days:")
    assert audited(store, clock, user).is_clean
    assert_copies_equal_hours(store, user)
    clock.advance(s=28 * HOUR_S)
    count_a_trace(db, clock, user, "then")
    assert DAY in settled(store, user)
    assert audited(store, clock, user).is_clean


def test_a_repair_counts_at_once(db: Queried, clock: Clock, user: str, settled_store: Store) -> None:
    store = settled_store
    writer(store, user).delete_trace("t0")  # its change is lost
    findings = confirmed(audited(store, clock, user), audited(store, clock, user))
    assert repair(scope(store, user), findings) == len(findings) > 0
    assert DAY not in settled(store, user)
    assert traces_by_service(store, user) == {"shop 1": 1, "shop 2": 1}


@pytest.mark.parametrize("target", [Bucket("measures", "day", DAY), ConversationTarget("c")])
def test_a_repair_of_other_counters_leaves_the_copies(user: str, settled_store: Store, target: Target) -> None:
    change_counter(scope(settled_store, user), target, lambda _: True)
    assert DAY in settled(settled_store, user)


def test_a_day_of_which_an_hour_cannot_be_read_stays_unsettled_and_the_batch_counts(
    db: Queried, clock: Clock, user: str
) -> None:
    store = store_on(db, clock)
    writer(store, user).capture([("t", call("root"))])
    apply(store, "shard", db.changes, long_deadline(), room=0)
    hour = next(key for key in db._items if "#marginals#hour#" in key[0])
    whole, db._items[hour]["counter"] = db._items[hour]["counter"], {"B": b"\x7fnonsense"}
    for number in range(4):
        if number == 3:
            db._items[hour]["counter"] = whole
        clock.advance(s=28 * HOUR_S)
        count_a_trace(db, clock, user, f"later {number}")
        assert DAY not in settled(store, user) or number == 3
    clock.advance(s=28 * HOUR_S)
    for number in range(4):
        count_a_trace(db, clock, user, f"at last {number}")
    assert DAY in settled(store, user)
    assert_copies_equal_hours(store, user)


def test_a_day_of_few_values_is_settled_without_a_copy(db: Queried, clock: Clock, user: str) -> None:
    store = store_on(db, clock)
    with patch.object(marginal_days, "VALUES_COPIED_FROM", VALUES_COPIED_FROM):
        for number in range(3):
            count_a_trace(db, clock, user, f"t{number}")
            clock.advance(s=28 * HOUR_S)
    assert DAY in settled(store, user)
    assert_copies_equal_hours(store, user)
    assert not copied_days(db)


@pytest.mark.parametrize(("hours", "is_left"), [(-1, True), (1, True), (2, False), (12, False), (23, False)])
def test_a_copy_is_not_read_once_hours_of_its_day_have_expired(
    clock: Clock, user: str, settled_store: Store, hours: int, is_left: bool
) -> None:
    """Counted from the expiry of the first hour. The traces began in the third; the copy expires with the last."""
    store = settled_store
    clock.ms = 1000 * (DAY * DAY_S + HOUR_S + store.counters_s + hours * HOUR_S)
    assert_copies_equal_hours(store, user)
    assert bool(traces_by_service(store, user)) is is_left


def test_the_oldest_day_that_is_kept_is_copied_again_after_a_change(
    db: Queried, clock: Clock, user: str, settled_store: Store
) -> None:
    store = settled_store
    clock.ms = 1000 * ((DAY - 2) * DAY_S + store.counters_s + 10 * HOUR_S)
    writer(store, user).capture([("late", call("root", service_name="late"))])
    apply(store, "shard", db.changes[-1:], long_deadline(), room=0)
    clock.advance(s=28 * HOUR_S)
    for number in range(12):
        count_a_trace(db, clock, user, f"then {number}")
        assert_copies_equal_hours(store, user)
    assert DAY in settled(store, user)
    assert traces_by_service(store, user)["late"] == 1


def test_a_day_that_changes_is_not_copied_with_the_empty_days_after_it(db: Queried, clock: Clock, user: str) -> None:
    """The batch that changes it was interrupted before the counters, and is repeated after another batch."""
    store = store_on(db, clock)
    hours = [Bucket("marginals", "hour", 24 * (DAY - 60) + number) for number in range(24)]
    writer(store, user).capture([("t", call("root", start_ns=START_NS - 60 * DAY_S * 10**9, service_name="shop"))])
    apply(store, "shard", db.changes, long_deadline(), room=0)
    clock.advance(s=12 * DAY_S)
    count_a_trace(db, clock, user, "then")
    clock.advance(s=28 * HOUR_S)
    writer(store, user).delete_trace("t")
    deletion = db.changes[-2:]
    with suppress(Crash):  # after the gathered item
        apply(store_on(db, clock, db=CrashingAtWrite(db, 1)), "shard", deletion, long_deadline(), room=0)
    for number in range(3):
        writer(store, user).capture([(f"other {number}", call("root", start_ns=clock.ms * 10**6))])
        apply(store, "other", db.changes[-1:], long_deadline(), room=0)
        assert_copies_equal_hours(store, user, hours)
    apply(store, "shard", deletion, long_deadline(), room=0)
    assert_copies_equal_hours(store, user, hours)
    assert not any(counter.totals() for counter in read_counters(scope(store, user), hours).values())


def test_days_without_spans_and_days_that_have_expired_are_settled_by_months(
    db: Queried, clock: Clock, user: str
) -> None:
    store = store_on(db, clock)
    writer(store, user).capture([("t", call("root", start_ns=START_NS - 100 * DAY_S * 10**9, tool_name="search"))])
    apply(store, "shard", db.changes, long_deadline(), room=0)
    clock.advance(s=28 * HOUR_S)
    ranges, numbers = [], []
    for number in range(20):
        count_a_trace(db, clock, user, f"then {number}")
        ranges.append([days.last - DAY for days in settled(store, user).changed if days.first == 0])
        numbers.append(len(settled(store, user).changed))
    assert copied_days(db) == {"08-14"}
    assert ranges[0] == [-53]  # the batch looked at November and October
    assert max(numbers) <= 2, numbers  # the days before, and the present one
    assert ranges[-1] == []
