"""A change of `RetentionDays` applies to traces that begin after it: docs/deploy.md states this."""

from dataclasses import replace

import pytest

from tests.builders import (
    DAY_S,
    Clock,
    Endpoint,
    awaiting,
    call,
    reader,
    store_on,
    stored_items,
    trace_ids,
    unexpected,
    writer,
)
from tests.gateway import new_user
from tracestore.domain.errors import NotFound
from tracestore.domain.spans import SpanFields
from tracestore.storage import keys
from tracestore.storage.model import DeletionScope
from tracestore.storage.store import Store


def days(store: Store, count: int) -> Store:
    """The store after `RetentionDays` was changed to this number."""
    return replace(store, retention_s=count * DAY_S)


def expiry_days(store: Store, user: str, trace_id: str, since_ms: int) -> float:
    """The days from then until the trace expires."""
    head, _ = reader(store, user).trace(trace_id, payloads=False)
    return (head.expires_at_s - since_ms // 1000) / DAY_S


@pytest.mark.parametrize("changed", [7, 90])
def test_a_stored_trace_keeps_its_expiry_whatever_is_written_to_it(engine: Endpoint, changed: int) -> None:
    clock, user = Clock(), new_user().name
    began_ms, store = clock(), store_on(engine, clock)
    writer(store, user).capture([("t", call("root", end_ns=None, output_data="x" * 5_000))])
    clock.advance(s=DAY_S)
    later = days(store, changed)
    writer(later, user).capture([("t", call("child", "root", output_data="y" * 5_000))])
    writer(later, user).patch("t", "child", lambda _: SpanFields(span_id="child", tool_name="x"))
    writer(later, user).delete_span("t", "child")
    assert expiry_days(later, user, "t", began_ms) == 30
    expiries = {int(item["expires_at"]["N"]) for item in stored_items(later, user).values()}
    assert all(30 * DAY_S <= expiry - began_ms // 1000 <= 31 * DAY_S for expiry in expiries)


@pytest.mark.parametrize("changed", [7, 90])
def test_a_trace_that_begins_after_the_change_has_the_new_period(engine: Endpoint, changed: int) -> None:
    clock, user = Clock(), new_user().name
    store = days(store_on(engine, clock), changed)
    writer(store, user).capture([("t", call("root"))])
    assert expiry_days(store, user, "t", clock()) == changed


def test_a_shorter_period_is_applied_to_old_traces_by_pruning(engine: Endpoint) -> None:
    clock, user = Clock(), new_user().name
    store = store_on(engine, clock)
    writer(store, user).capture([("old", call("root"))])
    clock.advance(s=10 * DAY_S)
    new_start_ns = clock() * 10**6
    writer(store, user).capture([("new", call("root", start_ns=new_start_ns, end_ns=new_start_ns + 1))])
    clock.advance(s=1)
    shorter = days(store, 7)
    assert sorted(trace_ids(shorter, user)) == ["new", "old"]
    before_ns = (clock() - 7 * DAY_S * 1000) * 10**6
    job = writer(shorter, user).start_deletion(DeletionScope(before_ns=before_ns))
    writer(shorter, user, awaiting(clock)).step_deletion(job.job_id, report=unexpected)
    assert trace_ids(shorter, user) == ["new"]


def test_a_longer_period_does_not_bring_back_what_expired(engine: Endpoint) -> None:
    clock, user = Clock(), new_user().name
    store = days(store_on(engine, clock), 7)
    writer(store, user).capture([("t", call("root"))])
    clock.advance(s=7 * DAY_S)
    longer = days(store, 90)
    assert stored_items(longer, user).keys() == {keys.HEAD}, "DynamoDB has not removed it yet"
    assert trace_ids(longer, user) == []
    with pytest.raises(NotFound):
        reader(longer, user).trace("t", payloads=True)


def test_a_tombstone_refuses_late_spans_for_the_period_at_the_deletion(engine: Endpoint) -> None:
    clock, user = Clock(), new_user().name
    store = store_on(engine, clock)
    writer(store, user).capture([("t", call("root"))])
    writer(days(store, 7), user).delete_trace("t")
    clock.advance(s=7 * DAY_S - 1)
    assert [each.code for each in writer(store, user).capture([("t", call("late"))])] == ["trace_deleted"]
    clock.advance(s=2)
    assert writer(store, user).capture([("t", call("late"))]) == []
