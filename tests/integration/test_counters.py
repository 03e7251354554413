"""Counters are right, to the token and the nano-dollar, however the stream delivers its records."""

import random
from collections.abc import Callable, Iterable
from contextlib import nullcontext, suppress
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import DAY_S, START_NS, Clock, Endpoint, call, fields, long_deadline, scope, store_on, writer
from tests.crashing import CrashingAtWrite
from tests.gateway import new_user
from tests.head_stream import StreamedDynamoDB, count_traces, deliver_with_faults, shards_of
from tests.memory_dynamodb import Scheduler
from tracestore.domain.analytics import Selection, aggregates_by, key_of_dimension
from tracestore.domain.annotations import Annotation
from tracestore.domain.buckets import Bucket
from tracestore.domain.contributions import MarginalContribution, MeasureContribution
from tracestore.domain.counters import GROUPS_IN_COUNTER, ConversationCounter, MarginalCounter, MeasureCounter
from tracestore.domain.errors import Conflict, NotFound
from tracestore.domain.merge import Span
from tracestore.domain.spans import SpanFields
from tracestore.domain.stats import NUMBERS, Aggregate, Measures
from tracestore.storage import keys
from tracestore.storage.activity import Activity, activity_items
from tracestore.storage.audit import Audit, audit
from tracestore.storage.codec import pack, unpack
from tracestore.storage.conversations import EXAMINED_MOST, read_conversations
from tracestore.storage.counter_reading import read_counters, read_stored
from tracestore.storage.counters import apply
from tracestore.storage.dead_letters import read_dead_letters
from tracestore.storage.deltas import Change, contributions_of_head
from tracestore.storage.dynamo import RequestFailed
from tracestore.storage.formats.counters import pack_activity, unpack_activity, unpack_counter
from tracestore.storage.gathered import GATHERED_BYTES, read_gathered
from tracestore.storage.store import Store
from tracestore.storage.stored_counters import CounterKey, has_expired

QUARTER_NS = 900 * 10**9
DAY_NS = DAY_S * 10**9
MODELS = [("openai", "gpt-4o"), ("anthropic", "claude"), ("", "")]

steps = st.lists(
    st.tuples(
        st.sampled_from(["capture"] * 6 + ["patch", "annotate", "unannotate", "delete span", "delete trace", "expire"]),
        st.integers(),
    ),
    min_size=1,
    max_size=25,
)
seeds = st.integers(0, 2**32)


def some_span(rng: random.Random) -> tuple[str, SpanFields]:
    """A span of one of few traces, at one of several hours, often the same span again with other fields."""
    provider, model = rng.choice(MODELS)
    start_ns = START_NS + rng.choice([0, 0, 1, 5, 30]) * QUARTER_NS + rng.randrange(3)
    span_id = rng.choice("abcd")
    values = {
        "start_ns": start_ns,
        "end_ns": rng.choice([None, start_ns + rng.randrange(10**10)]),
        "operation_type": rng.choice(["completion", "agent", "tool_call", "embedding"]),
        "model_provider": provider or None,
        "model_name": model or None,
        "status": rng.choice([None, None, "success", "error"]),
        "error_type": rng.choice([None, None, None, "Timeout", "RateLimit"]),
        "error_message": rng.choice([None, "too late"]),
        "input_tokens": rng.choice([None, rng.randrange(1000)]),
        "output_tokens": rng.choice([None, rng.randrange(100)]),
        "cached_input_tokens": rng.choice([None, 7]),
        "cost_nano_usd": rng.choice([None, rng.randrange(10**6)]),
        "conversation_id": rng.choice([None, "c1", "c2"]),
        "parent_span_id": rng.choice([None, None, "a"]) if span_id != "a" else None,
        "service_name": rng.choice([None, "shop", "cart"]),
        "time_to_first_token_ns": rng.choice([None, rng.randrange(10**9)]),
    }
    return rng.choice(["t1", "t2", "t3"]), fields(span_id, **values)


def live(
    store: Store,
    clock: Clock,
    user: str,
    history: list[tuple[str, int]],
    span_of: Callable[[random.Random], tuple[str, SpanFields]] = some_span,
) -> bool:
    """Perform a history; returns whether anything expired, which counters keep."""
    has_expired = False
    for step, seed in history:
        rng = random.Random(seed)
        trace_id, span = span_of(rng)
        with suppress(NotFound, Conflict):
            match step:
                case "capture":
                    more = [span_of(rng) for _ in range(rng.choice([0, 0, 2]))]
                    writer(store, user).capture([(trace_id, span), *more])
                case "patch":
                    changed = fields(
                        span["span_id"],
                        **{
                            name: span.get(name)
                            for name in ("input_tokens", "status", "end_ns", "start_ns", "time_to_first_token_ns")
                        },
                    )
                    writer(store, user).patch(trace_id, span["span_id"], to_fields(changed))
                case "annotate":
                    value: Any = rng.choice([True, "text", 0.1, rng.randrange(-(10**15), 10**15), rng.random()])
                    name, source = rng.choice(["quality", "star"]), rng.choice("xyz")
                    annotation = Annotation(name, source, value, source, rng.choice([None, span["span_id"]]))
                    writer(store, user).annotate(trace_id, annotation)
                case "unannotate":
                    writer(store, user).delete_annotations(trace_id, rng.choice(["quality", "star"]))
                case "delete span":
                    writer(store, user).delete_span(trace_id, span["span_id"])
                case "delete trace":
                    writer(store, user).delete_trace(trace_id)
                case "expire":
                    has_expired = True
                    clock.advance(s=31 * DAY_S)
        clock.advance(s=1)
    return has_expired


def to_fields(changed: SpanFields) -> Callable[[Span], SpanFields]:
    """A PATCH that sets these fields of any span."""
    return lambda _: changed


def audited(store: Store, clock: Clock, user: str, days: int = 2) -> Audit:
    """The audit of the days of the history, recent changes included."""
    clock.advance(s=1)
    return audit(scope(store, user), START_NS // DAY_NS * DAY_NS, START_NS + days * DAY_NS, moving_ms=0)


@given(steps, seeds)
@settings(max_examples=80, deadline=None)
def test_counters_equal_the_heads_however_the_stream_is_delivered(history: list[tuple[str, int]], seed: int) -> None:
    history = [step for step in history if step[0] != "expire"]
    db, clock, rng, user = StreamedDynamoDB(page_items=3), Clock(), random.Random(seed), new_user().name
    store = store_on(db, clock)
    live(store, clock, user, history)

    def stores() -> Store:
        crashing = CrashingAtWrite(db, rng.randrange(12)) if rng.random() < 0.3 else db
        return store_on(db, clock, db=crashing)

    deliver_with_faults(stores, db.changes, rng)
    assert audited(store, clock, user).findings == []


@given(steps, seeds)
@settings(max_examples=30, deadline=None)
def test_a_stream_that_is_delivered_again_changes_nothing(history: list[tuple[str, int]], seed: int) -> None:
    db, clock, rng, user = StreamedDynamoDB(), Clock(), random.Random(seed), new_user().name
    store = store_on(db, clock)
    live(store, clock, user, [step for step in history if step[0] != "expire"])
    deliver_with_faults(lambda: store, db.changes, rng)
    before = stored_counters(db)
    deliver_with_faults(lambda: store, db.changes, rng)
    assert stored_counters(db) == before


@given(steps, seeds)
@settings(max_examples=30, deadline=None)
def test_expired_traces_keep_counting(history: list[tuple[str, int]], seed: int) -> None:
    """A trace that begins anew after its retention counts in addition to its former contribution."""
    db, clock, user = StreamedDynamoDB(), Clock(), new_user().name
    store = store_on(db, clock)
    live(store, clock, user, history)
    deliver_with_faults(lambda: store, db.changes, random.Random(seed))
    expected, marginals_expected = MeasureCounter(), MarginalCounter()
    for change in db.changes:
        goes_on = change.old is not None and change.new is not None and change.old["g"] == change.new["g"]
        for image, sign in ((change.old if goes_on else None, -1), (change.new, 1)):
            for target, contribution in contributions_of_head(store, change, image).items():
                if isinstance(target, Bucket) and (target.kind, target.interval) == ("measures", "day"):
                    expected.add(contribution, sign)  # type: ignore[arg-type]
                if isinstance(contribution, MarginalContribution):
                    marginals_expected.add(contribution, sign)
    assert marginals_of(store, user).totals() == marginals_expected.totals()
    days = [Bucket("measures", "day", START_NS // DAY_NS + day) for day in range(2)]
    found = MeasureCounter()
    for counter in read_counters(scope(store, user), days).values():
        found.add(MeasureContribution(list(counter.groups.items())), 1)
        for groups, traces in counter.traces.items():
            found.traces[groups] = found.traces.get(groups, 0) + traces
    assert found.totals() == expected.totals()


def marginals_of(store: Store, user: str, days: int = 2) -> MarginalCounter:
    """The sum of all marginals of the days of the history."""
    total = MarginalCounter()
    first = START_NS // DAY_NS * 24
    hours = [Bucket("marginals", "hour", first + number) for number in range(24 * days)]
    for counter in read_counters(scope(store, user), hours).values():
        for name, values in counter.values.items():
            for value, aggregate in values.items():
                total.values.setdefault(name, {}).setdefault(value, Aggregate()).add(aggregate)
    return total


@given(steps, seeds)
@settings(max_examples=60, deadline=None)
def test_marginals_equal_the_groups_of_a_dimension_that_has_the_same_values(
    history: list[tuple[str, int]], seed: int
) -> None:
    """Every span has its service's name as its model's, so counting by model gives what must be counted by service."""
    db, clock, user = StreamedDynamoDB(), Clock(), new_user().name
    store = store_on(db, clock)
    live(store, clock, user, [step for step in history if step[0] != "expire"], span_of_one_name)
    deliver_with_faults(lambda: store, db.changes, random.Random(seed))
    days = [Bucket("measures", "day", START_NS // DAY_NS + day) for day in range(2)]
    by_model = aggregates_by(
        read_counters(scope(store, user), days).values(), Selection(), key_of_dimension("model_name")
    )
    found = marginals_of(store, user).totals().get("service_name", {})
    assert found == {
        name: {"traces": aggregate.traces, **aggregate.measures.nonzero()}
        for name, aggregate in by_model.items()
        if aggregate
    }


def span_of_one_name(rng: random.Random) -> tuple[str, SpanFields]:
    """As `some_span`, where the model has the service's name. A PATCH changes neither.

    No span is in another: a call without a model would take that of the span around it, and not its service.
    """
    trace_id, span = some_span(rng)
    span.pop("model_name", None)
    span.pop("parent_span_id", None)
    if "service_name" in span:
        span["model_name"] = span["service_name"]
    return trace_id, span


class FormerlyWritten(StreamedDynamoDB):
    """A table of whose heads a `share` is put by the version before marginals and times to the first token."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._rng = random.Random(seed)
        self.share = 0.5

    def _put(self, item: Any) -> None:
        if item["sk"]["S"] == keys.HEAD and self._rng.random() < self.share:
            content = unpack(item["head"]["B"])
            if content.get("s"):
                content["s"]["stats"].pop("m", None)
                for *_, numbers, _, _ in content["s"]["stats"]["r"]:
                    del numbers[NUMBERS.index("first_token_us") :]
                item = {**item, "head": {"B": pack(content)}}
        super()._put(item)


@given(steps, seeds)
@settings(max_examples=60, deadline=None)
def test_heads_of_a_former_version_add_what_they_contain(history: list[tuple[str, int]], seed: int) -> None:
    """Versions may alternate, as in a roll-back: the audit agrees with whatever the heads contain."""
    db, clock, user = FormerlyWritten(seed), Clock(), new_user().name
    store = store_on(db, clock)
    live(store, clock, user, [step for step in history if step[0] != "expire"])
    deliver_with_faults(lambda: store, db.changes, random.Random(seed))
    assert audited(store, clock, user).findings == []


def test_a_head_from_before_marginals_adds_its_whole_share_with_its_next_change() -> None:
    db, clock, user = StreamedDynamoDB(), Clock(), new_user().name
    store = store_on(db, clock)
    writer(store, user).capture([("t", call("root", service_name="shop", cost_nano_usd=5))])
    writer(store, user).capture([("t", call("other", input_tokens=3, service_name="cart", cost_nano_usd=7))])
    first, second = db.changes
    assert first.new is not None
    content = unpack(first.new["head"]["B"])
    del content["s"]["stats"]["m"]
    before = replace_head(first, pack(content))
    apply(store, "shard", [before], long_deadline())
    assert marginals_of(store, user).totals() == {}
    apply(store, "shard", [second._replace(old=before.new)], long_deadline())
    found = marginals_of(store, user).totals()["service_name"]
    assert {name: (totals["traces"], totals["cost_nano_usd"]) for name, totals in found.items()} == {
        "shop": (1, 5),
        "cart": (1, 7),
    }


@pytest.mark.parametrize("seed", range(15))
def test_shards_that_meet_at_a_counter_both_count(seed: int) -> None:
    db, clock, rng, user = StreamedDynamoDB(), Clock(), random.Random(seed), new_user().name
    store = store_on(db, clock)
    live(store, clock, user, [("capture", rng.randrange(2**32)) for _ in range(12)])
    for generation in shards_of(db.changes, (3,)):
        scheduler = Scheduler(db, seed)
        scheduler.run([partial(apply_alone, db, clock, shard, batch) for shard, batch in generation.items()])
    assert audited(store, clock, user).findings == []


def apply_alone(db: StreamedDynamoDB, clock: Clock, shard: str, batch: list[Change], client: Any) -> None:
    """Apply a batch one change and one counter at a time, since the scheduler identifies a writer by its client."""
    store = store_on(db, clock, db=client)
    for change in batch:
        apply(store, shard, [change], long_deadline(), threads=1)


def test_it_counts_on_every_engine(engine: Endpoint) -> None:
    clock, user = Clock(), new_user().name
    store = store_on(engine, clock)
    live(store, clock, user, [("capture", seed) for seed in range(12)])
    count_traces(store, user)
    found = audited(store, clock, user)
    assert (found.findings, found.heads) == ([], 3)
    assert found.counters > 10


def test_deleting_a_trace_subtracts_all_that_it_contributed() -> None:
    db, clock, user = StreamedDynamoDB(), Clock(), new_user().name
    store = store_on(db, clock)
    writer(store, user).capture([("t", call("root", conversation_id="c", status="error", error_type="E"))])
    writer(store, user).delete_trace("t")
    apply(store, "shard", db.changes, long_deadline())
    found = read_counters(scope(store, user), buckets_of_start())
    assert len(found) == 11
    assert all(not any(counter.totals().values()) for counter in found.values())
    assert read_conversations(scope(store, user), 10) == ([], None)
    assert list(store.table.query(keys.by_conversations(keys.user(user)), index="by_time")) == []


def test_a_head_from_before_times_to_the_first_token_adds_them_with_its_next_change() -> None:
    db, user = FormerlyWritten(1), new_user().name
    store = store_on(db)
    day = Bucket("measures", "day", START_NS // DAY_NS)
    db.share = 1

    def counted() -> Measures:
        apply(store, "shard", db.changes, long_deadline())
        counter = read_counters(scope(store, user), [day])[day]
        assert isinstance(counter, MeasureCounter)
        return next(iter(counter.groups.values()))

    writer(store, user).capture([("t", call("a", time_to_first_token_ns=300_000_000))])
    assert counted().first_tokens == {}
    db.share = 0
    writer(store, user).capture([("t", call("b", time_to_first_token_ns=500_000_000))])
    assert (sum(counted().first_tokens.values()), counted()["first_token_us"]) == (2, 800_000)
    writer(store, user).delete_span("t", "a")
    assert (sum(counted().first_tokens.values()), counted()["first_token_us"]) == (1, 500_000)
    writer(store, user).delete_trace("t")
    assert not counted()


def test_counters_contain_calls_tokens_costs_and_waste() -> None:
    db, user = StreamedDynamoDB(), new_user().name
    store = store_on(db)
    spans = [
        fields("root", operation_type="agent"),
        call("failed", "root", status="error", model_name="m", cost_nano_usd=5, end_ns=START_NS + 2_000_000),
        call("done", "root", model_name="m", cost_nano_usd=7, end_ns=START_NS + 3_000_000),
    ]
    writer(store, user).capture([("t", span) for span in spans])
    apply(store, "shard", db.changes, long_deadline())
    day = Bucket("measures", "day", START_NS // DAY_NS)
    counter = read_counters(scope(store, user), [day])[day]
    by_group = {
        (group.series.operation_type, group.status): (
            sums["calls"],
            sums["input_tokens"],
            sums["cost_nano_usd"],
            sums["wasted_nano_usd"],
        )
        for group, sums in counter.groups.items()
    }
    assert by_group == {
        ("agent", "success"): (1, 0, 0, 0),
        ("completion", "error"): (1, 10, 5, 5),
        ("completion", "success"): (1, 10, 7, 0),
    }
    assert list(counter.traces.values()) == [1]


def test_all_model_calls_of_a_failed_trace_are_waste() -> None:
    db, user = StreamedDynamoDB(), new_user().name
    store = store_on(db)
    spans = [fields("root", operation_type="agent", status="error"), call("a", "root", cost_nano_usd=7)]
    writer(store, user).capture([("t", span) for span in spans])
    apply(store, "shard", db.changes, long_deadline())
    day = Bucket("measures", "day", START_NS // DAY_NS)
    groups = read_counters(scope(store, user), [day])[day].groups
    assert sum(sums["wasted_nano_usd"] for sums in groups.values()) == 7


def test_a_head_that_cannot_be_read_becomes_a_dead_letter_and_the_rest_counts() -> None:
    db, clock, user = StreamedDynamoDB(), Clock(), new_user().name
    store = store_on(db, clock)
    for trace_id in ("good", "bad", "better"):
        writer(store, user).capture([(trace_id, call("root"))])
    good, bad, better = db.changes
    assert bad.new is not None
    broken = replace_head(bad, b"\x7fnonsense")
    applied = apply(store, "shard", [good, broken, better], long_deadline())
    assert [(change.sequence, reason) for change, reason in applied.dead_letters] == [(1, "Unreadable")]
    assert read_dead_letters(scope(store, user)) == [{"trace_id": "bad", "reason": "Unreadable"}]
    day = Bucket("measures", "day", START_NS // DAY_NS)
    assert sum(read_counters(scope(store, user), [day])[day].traces.values()) == 2


def test_each_change_that_cannot_be_counted_becomes_a_dead_letter() -> None:
    db, clock, user = StreamedDynamoDB(), Clock(), new_user().name
    store = store_on(db, clock)
    for trace_id in "ab":
        writer(store, user).capture([(trace_id, call("root"))])
    apply(store, "shard", [replace_head(change, b"\x7fnonsense") for change in db.changes], long_deadline())
    assert sorted(letter["trace_id"] for letter in read_dead_letters(scope(store, user))) == ["a", "b"]


@pytest.mark.parametrize(("code", "is_dead_letter"), [("ValidationException", True), ("AccessDeniedException", False)])
def test_an_error_that_no_change_caused_is_raised(code: str, is_dead_letter: bool) -> None:
    class Refusing(StreamedDynamoDB):
        def put_item(self, *, Item: Any, **request: Any) -> Any:
            if "counter" in Item:
                raise RequestFailed(code)
            return super().put_item(Item=Item, **request)

    db, user = Refusing(), new_user().name
    store = store_on(db)
    writer(store, user).capture([("t", call("root"))])
    with nullcontext() if is_dead_letter else pytest.raises(RequestFailed, match=code):
        assert {reason for _, reason in apply(store, "shard", db.changes, long_deadline()).dead_letters} == {code}


@pytest.mark.parametrize("room", [0, GATHERED_BYTES])
def test_a_counter_is_kept_for_400_days_after_its_time(room: int) -> None:
    db, clock, user = StreamedDynamoDB(), Clock(), new_user().name
    store = store_on(db, clock)
    writer(store, user).capture([("t", call("root"))])
    apply(store, "shard", db.changes, long_deadline(), begins=True, room=room)
    day = Bucket("measures", "day", START_NS // DAY_NS)
    clock.ms = day.end_ns // 1_000_000 + 400 * DAY_S * 1000 - 1
    assert not has_expired(store, day)
    assert read_counters(scope(store, user), [day])[day].totals()["traces"]
    clock.advance(ms=1)
    assert has_expired(store, day)
    assert not any(counter.totals()["traces"] for counter in read_counters(scope(store, user), [day]).values())


def test_a_counter_that_cannot_be_read_does_not_block_others() -> None:
    """As after a roll-back: a failure at one counter becomes a dead letter, since otherwise the stream would stop."""
    db, clock, user = StreamedDynamoDB(), Clock(), new_user().name
    store = store_on(db, clock)
    writer(store, user).capture([("a", call("root")), ("b", call("root", conversation_id="c"))])
    apply(store, "shard", db.changes[:1], long_deadline(), room=0)
    day = Bucket("measures", "day", START_NS // DAY_NS)
    db._items[CounterKey(keys.user(user), day).key]["counter"] = {"B": b"\x7fnonsense"}
    applied = apply(store, "shard", db.changes[1:], long_deadline(), room=0)
    assert [reason for _, reason in applied.dead_letters] == ["Unreadable"]
    assert len(read_conversations(scope(store, user), 10)[0]) == 1


@pytest.mark.parametrize("room", [0, GATHERED_BYTES])
def test_a_span_older_than_counters_are_kept_counts_for_its_conversation_alone(room: int) -> None:
    db, user = StreamedDynamoDB(), new_user().name
    store = store_on(db)
    for days_ago in (401, 399):
        writer(store, user).capture([(f"t{days_ago}", call("a", start_ns=START_NS - days_ago * DAY_NS))])
    writer(store, user).capture([("t", call("a", start_ns=START_NS - 401 * DAY_NS, conversation_id="c"))])
    counted = [apply(store, "shard", [change], long_deadline(), begins=True, room=room) for change in db.changes]
    assert [applied.counters for applied in counted] == [0, 5, 1]


@pytest.mark.parametrize("room", [0, GATHERED_BYTES])
def test_a_span_of_the_oldest_day_counts_only_where_its_counter_is_kept(room: int) -> None:
    """Its hour has expired, and its day has not."""
    db, clock, user = StreamedDynamoDB(), Clock(), new_user().name
    store = store_on(db, clock)
    start_ns = START_NS - 400 * DAY_NS - 4 * QUARTER_NS
    writer(store, user).capture([("t", call("a", start_ns=start_ns))])
    apply(store, "shard", db.changes, long_deadline(), begins=True, room=room)
    assert all(int(item["expires_at"]["N"]) > clock.ms // 1000 for item in stored_counters(db).values())
    day, hour = Bucket("measures", "day", start_ns // DAY_NS), Bucket("measures", "hour", start_ns // (4 * QUARTER_NS))
    assert (has_expired(store, hour), has_expired(store, day)) == (True, False)
    assert read_counters(scope(store, user), [day, hour]).keys() == {day}


@pytest.mark.parametrize("room", [0, GATHERED_BYTES])
def test_a_batch_that_is_delivered_again_puts_nothing(room: int) -> None:
    """Neither the whole batch nor a part of it."""
    db, user = StreamedDynamoDB(), new_user().name
    store = store_on(db)
    for trace_id in "ab":
        writer(store, user).capture([(trace_id, call("root", conversation_id="c"))])
    apply(store, "shard", db.changes, long_deadline(), begins=True, room=room)
    before = versions_of(db)
    for batch in (db.changes, db.changes[:1], db.changes[1:]):
        apply(store, "shard", batch, long_deadline(), begins=True, room=room)
        assert versions_of(db) == before


def versions_of(db: StreamedDynamoDB) -> dict[Any, Any]:
    """The version of each item that has one."""
    return {key: item["v"] for key, item in db._items.items() if "v" in item}


def test_an_expired_conversation_begins_anew_and_keeps_its_checkpoints() -> None:
    """DynamoDB removes an expired item up to days later."""
    db, clock, user = StreamedDynamoDB(), Clock(), new_user().name
    store = store_on(db, clock)
    writer(store, user).capture([("a", call("root", conversation_id="c"))])
    apply(store, "shard", db.changes, long_deadline())
    clock.advance(s=30 * DAY_S)
    assert read_conversations(scope(store, user), 10) == ([], None)
    writer(store, user).capture([("b", call("root", conversation_id="c", start_ns=START_NS + 30 * DAY_NS))])
    for _ in range(2):
        apply(store, "shard", db.changes, long_deadline())
        ((_, counter, _),), _ = read_conversations(scope(store, user), 10)
        assert (counter.traces, counter.first_ns) == (1, START_NS + 30 * DAY_NS)


@pytest.mark.parametrize("is_removed", [False, True])
def test_a_change_of_an_expired_conversation_does_not_affect_the_next_one(is_removed: bool) -> None:
    """A trace is deleted just before it expires, and the stream lags until the conversation goes on."""
    db, clock, user = StreamedDynamoDB(), Clock(), new_user().name
    store = store_on(db, clock, retention_s=DAY_S)
    writer(store, user).capture([("a", call("root", conversation_id="c"))])
    apply(store, "shard", db.changes, long_deadline())
    writer(store, user).delete_trace("a")
    clock.advance(s=DAY_S)
    writer(store, user).capture([("b", call("root", conversation_id="c"))])
    if is_removed:
        del db._items[keys.conversation(keys.user(user), "c"), keys.CONVERSATION]
    apply(store, "shard", db.changes[1:], long_deadline())
    ((_, counter, _),), _ = read_conversations(scope(store, user), 10)
    assert (counter.traces, counter.measures["calls"]) == (1, 1)


def test_a_deletion_that_is_counted_after_its_trace_expired_is_subtracted_from_a_conversation_that_goes_on() -> None:
    db, clock, user = StreamedDynamoDB(), Clock(), new_user().name
    store = store_on(db, clock, retention_s=DAY_S)
    writer(store, user).capture([("a", call("root", conversation_id="c"))])
    clock.advance(s=DAY_S - 1)
    writer(store, user).capture([("b", call("root", conversation_id="c"))])
    writer(store, user).delete_trace("a")
    for number, change in enumerate(db.changes):
        clock.advance(s=1 * (number == 2))  # the trace expires
        apply(store, "shard", [change], long_deadline())
    ((_, counter, _),), _ = read_conversations(scope(store, user), 10)
    assert (counter.traces, counter.measures["calls"]) == (1, 1)


def test_a_trace_that_expired_before_it_was_counted_is_no_part_of_its_conversation() -> None:
    """The stream lags, and one batch has the trace and the first one after it."""
    db, clock, user = StreamedDynamoDB(), Clock(), new_user().name
    store = store_on(db, clock, retention_s=DAY_S)
    writer(store, user).capture([("a", call("root", conversation_id="c"))])
    clock.advance(s=DAY_S)
    writer(store, user).capture([("b", call("root", conversation_id="c"))])
    apply(store, "shard", db.changes, long_deadline())
    ((_, counter, _),), _ = read_conversations(scope(store, user), 10)
    assert (counter.traces, counter.measures["calls"]) == (1, 1)


@pytest.mark.parametrize("room", [0, GATHERED_BYTES])
def test_checkpoints_of_closed_shards_are_removed(room: int) -> None:
    db, clock, user = StreamedDynamoDB(), Clock(), new_user().name
    store = store_on(db, clock)
    for shard, hours in (("old", 25), ("young", 2), ("new", 0)):
        writer(store, user).capture([(f"in {shard}", call("root"))])
        apply(store, shard, db.changes[-1:], long_deadline(), begins=True, room=room)
        clock.advance(s=hours * 3600)
    day = Bucket("measures", "day", START_NS // DAY_NS)
    counter, gathered = (
        read_stored(scope(store, user), [day])[day],
        read_gathered(store.table, keys.user(user)),
    )
    assert (len(counter.checkpoints), len(gathered.checkpoints)) == (0 if room else 2, 2)


def test_counters_are_the_same_read_singly_or_by_a_query() -> None:
    db, clock, user = StreamedDynamoDB(), Clock(), new_user().name
    store = store_on(db, clock)
    live(store, clock, user, [("capture", seed) for seed in range(12)])
    count_traces(store, user)
    quarter = START_NS // QUARTER_NS // 96 * 96
    buckets = [Bucket("measures", "15m", quarter + number) for number in range(2 * 96)]
    together = read_counters(scope(store, user), buckets)
    alone = [bucket for each in buckets for bucket in read_counters(scope(store, user), [each])]
    assert list(together) == alone
    assert len(alone) > 2


class Asked(StreamedDynamoDB):
    """A table that records how many keys each request for counters asks for. *absent*: a Query names none."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[int | None] = []

    def batch_get_item(self, *, RequestItems: dict[str, Any], **request: Any) -> dict[str, Any]:
        ((_, wanted),) = RequestItems.items()
        self.requests.append(len(wanted["Keys"]))
        return super().batch_get_item(RequestItems=RequestItems, **request)

    def query(self, **request: Any) -> dict[str, Any]:
        self.requests.append(None)
        return super().query(**request)


@pytest.mark.parametrize(
    ("ages", "requests"),
    [
        (range(3), [3]),
        (range(4), [None]),
        ([0, 1, 3, 4], [4]),
        (range(39), [None]),
        (range(0, 2 * 39, 2), [39]),
        (range(0, 2 * 40, 2), [None]),
    ],
)
def test_a_range_of_counters_is_read_by_its_bytes(ages: Iterable[int], requests: list[int | None]) -> None:
    """Of a few scattered ones each is asked for, since a query reads the counters between as well."""
    db, clock, user = Asked(), Clock(), new_user().name
    store = store_on(db, clock)
    days = [START_NS // DAY_NS - age for age in ages]
    for day in days:
        writer(store, user).capture([(f"t{day}", call("root", start_ns=day * DAY_NS))])
    apply(store, "shard", db.changes, long_deadline(), room=0)
    db.requests.clear()
    buckets = [Bucket("measures", "day", day) for day in days]
    found = read_counters(scope(store, user), buckets)
    assert [sum(found[bucket].traces.values()) for bucket in buckets] == [1] * len(buckets)
    assert db.requests == requests


def test_names_beyond_the_limit_are_added_and_subtracted_as_other() -> None:
    db, clock, user = StreamedDynamoDB(), Clock(), new_user().name
    store = store_on(db, clock)
    for number in range(GROUPS_IN_COUNTER + 6):
        writer(store, user).capture([(f"t{number}", call("root", model_name=f"m{number}"))])
    for number in (1, GROUPS_IN_COUNTER + 2, GROUPS_IN_COUNTER + 3):
        writer(store, user).delete_trace(f"t{number}")
    deliver_with_faults(lambda: store, db.changes, random.Random(1))
    day = Bucket("measures", "day", START_NS // DAY_NS)
    counter = read_counters(scope(store, user), [day])[day]
    calls = {group.series.model_name: sums["calls"] for group, sums in counter.groups.items()}
    assert (len(calls), calls["other"]) == (GROUPS_IN_COUNTER + 1, 4)
    assert sum(calls.values()) == GROUPS_IN_COUNTER + 3
    assert audited(store, clock, user).findings == []


def test_conversations_are_listed_last_active_first_and_page_by_page() -> None:
    db, clock, user = StreamedDynamoDB(), Clock(), new_user().name
    store = store_on(db, clock)
    for number in (0, 3, 1, 2, 4, 0):
        span = call("root", conversation_id=f"c{number}", start_ns=START_NS + clock.ms, end_ns=START_NS + clock.ms + 5)
        writer(store, user).capture([(f"t{clock.ms}", span)])
        clock.advance(s=1)
    apply(store, "shard", db.changes, long_deadline())
    listed = []
    after = None
    while True:
        page, after = read_conversations(scope(store, user), 2, after)
        listed += [(name, counter.traces) for name, counter, _ in page]
        if after is None:
            break
    assert listed == [("c0", 2), ("c4", 1), ("c2", 1), ("c1", 1), ("c3", 1)]


def of_conversations(rng: random.Random) -> tuple[str, SpanFields]:
    """As `some_span`, of many traces of a few conversations, over hours."""
    _, span = some_span(rng)
    span["conversation_id"] = rng.choice(["c1", "c2", "c3", "c4", "with # and ä" * 20])
    return rng.choice("abcdefgh"), span


def with_index(db: StreamedDynamoDB, user: str, rng: random.Random) -> None:
    """Give some conversations an index entry in place of their activity items, as the version before stored them."""
    for key, item in list(db._items.items()):
        if "#C#" in key[0] and rng.random() < 0.5:
            counter = unpack_counter("conversation", item["counter"]["B"]).counter
            assert isinstance(counter, ConversationCounter)
            name = item["conversation_id"]["S"]
            at = keys.cursor_position(counter.last_ns, name)
            if counter.traces > 0:
                db._items[key] = {**item, "by_time": {"S": keys.by_conversations(keys.user(user))}, "at": {"S": at}}
            for other, active in list(db._items.items()):
                if "active" in active:
                    left = [entry for entry in unpack_activity(active["active"]["B"]) if entry[0] != name]
                    db._items[other] = {**active, "active": {"B": pack_activity(left)}}


@given(steps, steps, seeds)
@settings(max_examples=60, deadline=None)
def test_lists_have_each_conversation_once_where_it_was_last_active(
    history: list[tuple[str, int]], later: list[tuple[str, int]], seed: int
) -> None:
    """However the stream is delivered, and whichever version began the conversation."""
    db, clock, rng, user = StreamedDynamoDB(page_items=3), Clock(), random.Random(seed), new_user().name
    store = store_on(db, clock)

    def stores() -> Store:
        crashing = CrashingAtWrite(db, rng.randrange(12)) if rng.random() < 0.3 else db
        return store_on(db, clock, db=crashing)

    live(store, clock, user, [step for step in history if step[0] != "expire"], of_conversations)
    deliver_with_faults(stores, db.changes, rng)
    with_index(db, user, rng)
    done = len(db.changes)
    live(store, clock, user, [step for step in later if step[0] != "expire"], of_conversations)
    deliver_with_faults(stores, db.changes[done:], rng, (2,))
    expected = []
    for item in (item for key, item in db._items.items() if "#C#" in key[0]):
        counter = unpack_counter("conversation", item["counter"]["B"]).counter
        assert isinstance(counter, ConversationCounter)
        if counter.traces > 0:
            expected.append((keys.cursor_position(counter.last_ns, item["conversation_id"]["S"]), counter.traces))
    listed, after = [], None
    while True:
        page, after = read_conversations(scope(store, user), rng.randint(1, 3), after)
        listed += [(position, counter.traces) for _, counter, position in page]
        if after is None:
            break
    assert listed == sorted(expected, reverse=True)
    limit_ns = START_NS + rng.choice([1, 5, 30]) * QUARTER_NS
    earlier, _ = read_conversations(scope(store, user), 100, before_ns=limit_ns)
    before = [position for position, _ in listed if keys.start_ns_of(position) < limit_ns]
    assert [each.cursor_position for each in earlier] == before


def test_a_conversation_costs_one_item_however_many_are_counted_together() -> None:
    db, user = StreamedDynamoDB(), new_user().name
    store = store_on(db)
    for number in range(250):
        writer(store, user).capture([(f"t{number}", call("root", conversation_id=f"c{number}"))])
    apply(store, "shard", db.changes, long_deadline())
    active = [item for item in db._items.values() if "active" in item]
    assert [len(unpack_activity(item["active"]["B"])) for item in active] == [200, 50]
    assert not any("by_time" in item for key, item in db._items.items() if "#C#" in key[0])
    assert len(read_conversations(scope(store, user), 1_000)[0]) == 250


def test_a_list_ends_after_a_thousand_entries_that_are_not_current() -> None:
    """Each is the entry of a conversation that was active again later, and is listed there."""
    db, user = StreamedDynamoDB(), new_user().name
    store = store_on(db)
    writer(store, user).capture([("t", call("root", conversation_id="c"))])
    apply(store, "shard", db.changes, long_deadline())
    former = [Activity(f"gone-{number}", START_NS + 10**9 + number, 2**31) for number in range(EXAMINED_MOST)]
    store.table.write(activity_items(keys.user(user), "former", former), deadline=long_deadline())
    page, after = read_conversations(scope(store, user), 10)
    assert page == []
    page, after = read_conversations(scope(store, user), 10, after)
    assert ([each.conversation_id for each in page], after) == (["c"], None)


def buckets_of_start() -> list[Bucket]:
    """All counters of `START_NS`, except conversations."""
    quarter = START_NS // QUARTER_NS
    numbers = {"15m": quarter, "hour": quarter // 4, "day": quarter // 96}
    found = [Bucket(kind, interval, number) for interval, number in numbers.items() for kind in ("measures", "errors")]  # type: ignore[arg-type]
    of_hour = [Bucket(kind, "hour", quarter // 4) for kind in ("examples", "names", "marginals")]
    return [*found, *of_hour, *(Bucket(kind, "day", quarter // 96) for kind in ("examples", "values"))]


def replace_head(change: Change, content: bytes) -> Change:
    """The change with another content in its new head."""
    assert change.new is not None
    return change._replace(new={**change.new, "head": {"B": content}})


def stored_counters(db: StreamedDynamoDB) -> dict[Any, Any]:
    """Every counter in a table, as it is stored."""
    return {key: dict(item) for key, item in db._items.items() if "counter" in item}


def test_a_change_without_a_contribution_writes_nothing() -> None:
    db, clock, user = StreamedDynamoDB(), Clock(), new_user().name
    store = store_on(db, clock)
    writer(store, user).capture([("t", call("root", conversation_id="c"))])
    writer(store, user).patch("t", "root", to_fields(fields("root", output_data="done")))
    first, second = db.changes
    assert apply(store, "shard", [first], long_deadline()).counters == 7
    assert apply(store, "shard", [second], long_deadline()).counters == 0
