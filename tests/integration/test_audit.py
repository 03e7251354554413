"""An audit finds each counter that is wrong, repairs it, and reports none that is only late."""

import pytest

from tests.builders import DAY_S, START_NS, Clock, call, long_deadline, scope, store_on, writer
from tests.gateway import new_user
from tests.head_stream import StreamedDynamoDB
from tests.integration.test_counters import DAY_NS, audited
from tracestore.domain.buckets import Bucket, ConversationTarget
from tracestore.storage.audit import audit, confirmed, repair
from tracestore.storage.counter_reading import read_stored
from tracestore.storage.counters import apply


def test_the_audit_finds_and_repairs_counters_that_missed_a_change() -> None:
    db, clock, user = StreamedDynamoDB(), Clock(), new_user().name
    store = store_on(db, clock)
    for trace_id in ("a", "b"):
        writer(store, user).capture([(trace_id, call("root", conversation_id="c", cost_nano_usd=3))])
    apply(store, "shard", db.changes[:1], long_deadline())
    found = audited(store, clock, user)
    kinds = {finding.target.kind for finding in found.findings}
    assert (kinds, len(found.findings)) == ({"measures", "values", "names", "marginals", "conversation"}, 7)
    assert repair(scope(store, user), found.findings) == 7
    assert audited(store, clock, user).findings == []


def test_a_repair_leaves_counters_that_have_changed_meanwhile() -> None:
    db, clock, user = StreamedDynamoDB(), Clock(), new_user().name
    store = store_on(db, clock)
    for trace_id in ("a", "b"):
        writer(store, user).capture([(trace_id, call("root"))])
    apply(store, "shard", db.changes[:1], long_deadline())
    found = audited(store, clock, user)
    apply(store, "shard", db.changes[1:], long_deadline())
    assert repair(scope(store, user), found.findings) == 0
    assert audited(store, clock, user).findings == []


@pytest.mark.parametrize("first_written", ["its first span", "its last span"])
def test_an_audit_finds_traces_listed_far_from_their_spans(first_written: str) -> None:
    """A trace is listed at the time of its first written span."""
    db, clock, user = StreamedDynamoDB(), Clock(), new_user().name
    store = store_on(db, clock)
    spans = [
        call("root", start_ns=START_NS - 5 * DAY_NS, conversation_id="c"),
        call("late", "root", end_ns=START_NS + 9),
    ]
    for span in spans if first_written == "its first span" else reversed(spans):
        writer(store, user).capture([("t", span)])
    apply(store, "shard", db.changes, long_deadline())
    for days_ago in (0, 5):
        day_ns = START_NS // DAY_NS * DAY_NS - days_ago * DAY_NS
        found = audit(scope(store, user), day_ns, day_ns + 1, moving_ms=-1)
        assert (found.heads, found.findings) == (1, [])


def test_an_audit_skips_counters_with_an_expired_trace() -> None:
    """It was long: it expired while its last span was still within the retention."""
    db, clock, user = StreamedDynamoDB(), Clock(), new_user().name
    store = store_on(db, clock)
    writer(store, user).capture([("long", call("root", conversation_id="c", end_ns=None))])
    clock.advance(s=5 * DAY_S)
    last_ns = START_NS + 5 * DAY_NS
    writer(store, user).capture([("long", call("last", "root", start_ns=last_ns, conversation_id="c", end_ns=None))])
    writer(store, user).capture([("t", call("root", start_ns=last_ns, conversation_id="c", end_ns=None))])
    apply(store, "shard", db.changes, long_deadline())
    whole = audit(scope(store, user), last_ns, last_ns + 1, moving_ms=-1)
    clock.advance(s=26 * DAY_S)
    found = audit(scope(store, user), last_ns, last_ns + 1)
    assert (whole.counters, whole.findings) == (7, [])
    assert (found.heads, found.counters, found.findings) == (1, 2, [])


def test_an_audit_skips_counters_that_are_no_longer_kept() -> None:
    """Traces may be kept for longer than numbers. Their names are kept as long as they are."""
    db, clock, user = StreamedDynamoDB(), Clock(), new_user().name
    store = store_on(db, clock, retention_s=1000 * DAY_S)
    writer(store, user).capture([("t", call("root"))])
    apply(store, "shard", db.changes, long_deadline())
    clock.advance(s=402 * DAY_S)
    assert audited(store, clock, user).counters == 1


def test_an_audit_finds_conversations_without_traces() -> None:
    db, clock, user = StreamedDynamoDB(), Clock(), new_user().name
    store = store_on(db, clock)
    writer(store, user).capture([("t", call("root", conversation_id="c"))])
    writer(store, user).delete_trace("t")
    apply(store, "shard", db.changes[:1], long_deadline())
    found = audited(store, clock, user)
    assert "conversation" in {finding.target.kind for finding in found.findings}
    repair(scope(store, user), found.findings)
    assert audited(store, clock, user).findings == []


def test_a_repaired_counter_stores_when_its_traces_expire() -> None:
    db, clock, user = StreamedDynamoDB(), Clock(), new_user().name
    store = store_on(db, clock)
    writer(store, user).capture([("t", call("root"))])
    assert repair(scope(store, user), audited(store, clock, user).findings) == 6
    clock.advance(s=30 * DAY_S - 1)
    day = Bucket("measures", "day", START_NS // DAY_NS)
    stored = read_stored(scope(store, user), [day])[day]
    assert stored.whole_until_s == START_NS // 10**9 + 30 * DAY_S
    assert [stored.is_whole(clock() + ms) for ms in (-1, 0)] == [True, False]


def test_a_change_that_is_not_counted_yet_is_not_confirmed() -> None:
    """A deletion is in no index, so the first audit reports the counters that still include it."""
    db, clock, user = StreamedDynamoDB(), Clock(), new_user().name
    store = store_on(db, clock)
    for trace_id in ("lost", "deleted"):
        writer(store, user).capture([(trace_id, call("root", conversation_id=trace_id))])
    writer(store, user).delete_trace("deleted")
    _, deleted, tombstone = db.changes
    apply(store, "shard", [deleted], long_deadline())
    first = audited(store, clock, user)
    apply(store, "shard", [tombstone], long_deadline())
    found = confirmed(first, audited(store, clock, user))
    assert {finding.target for finding in found} == {ConversationTarget("lost")}


def test_an_audit_skips_counters_whose_traces_have_just_changed() -> None:
    db, clock, user = StreamedDynamoDB(), Clock(), new_user().name
    store = store_on(db, clock)
    writer(store, user).capture([("t", call("root"))])
    found = audit(scope(store, user), START_NS // DAY_NS * DAY_NS, START_NS + 1)
    assert (found.findings, len(found.moving)) == ([], 6)


def test_a_conversation_is_moving_with_a_trace_of_another_time() -> None:
    db, clock, user = StreamedDynamoDB(), Clock(), new_user().name
    store = store_on(db, clock)
    for trace_id, days_ago in (("now", 0), ("then", 9)):
        clock.advance(s=600)
        writer(store, user).capture([(trace_id, call("a", start_ns=START_NS - days_ago * DAY_NS, conversation_id="c"))])
    found = audit(scope(store, user), START_NS // DAY_NS * DAY_NS, START_NS + 1, moving_ms=1000)
    assert found.moving == {ConversationTarget("c")}


def test_an_audit_has_to_begin_within_the_retention() -> None:
    store = store_on(StreamedDynamoDB())
    with pytest.raises(ValueError, match="retention"):
        audit(scope(store, "u"), START_NS - 31 * DAY_NS, START_NS)
