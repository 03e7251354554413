"""Anomalies through the real handler: real traces in one hour, over a history that was counted before."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.api import TRACES, Api, failure, fields_of, path_of, span
from tests.builders import long_deadline
from tests.head_stream import count_traces
from tracestore.domain.buckets import Bucket
from tracestore.domain.counters import MeasureCounter
from tracestore.domain.dimensions import Group, Series, cut
from tracestore.domain.histogram import bucket_of
from tracestore.domain.stats import NUMBERS, Measures
from tracestore.http.wiring import store
from tracestore.storage import keys
from tracestore.storage.counters import counter_item

PATH = "/api/analytics/anomalies"
DAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=2)
RANGE = {"start_date": DAY.isoformat(), "end_date": (DAY + timedelta(days=1)).isoformat()}
CHAT = {"operation_type": "completion", "model_provider": "openai", "model_name": "gpt-4o"}
HOUR = 10

once = pytest.mark.parametrize("engine", ["moto"], indirect=True, scope="session")


def time(seconds: float) -> str:
    """The time after so many seconds of the hour."""
    return (DAY + timedelta(hours=HOUR, seconds=seconds)).isoformat().replace("+00:00", "Z")


def usual(calls: int = 30, model_name: str = "gpt-4o") -> MeasureCounter:
    """A usual hour: each call takes a second and costs a cent."""
    numbers = {"calls": calls, "latency_us": calls * 1_000_000, "cost_nano_usd": calls * 10_000_000}
    measures = Measures([numbers.get(name, 0) for name in NUMBERS], {bucket_of(1_000_000): calls})
    counter = MeasureCounter()
    counter.groups[Group(Series("completion", "openai", model_name), "success")] = measures
    return counter


@pytest.fixture
def settled(api: Api) -> Api:
    """A user after a week without anomalies."""
    assert api.user
    user_pk = keys.user(api.user.name)
    hour = int(DAY.timestamp()) // 3_600 + HOUR
    hours = [hour - 24 * day + shift for day in range(1, 8) for shift in (-1, 0, 1)]
    items = [counter_item(store(), user_pk, Bucket("measures", "hour", number), usual()) for number in hours]
    store().table.write(items, deadline=long_deadline())
    return api


def calls(count: int, failed: int = 0, seconds: float = 1, cost_usd: float = 0.01) -> Iterator[dict[str, Any]]:
    """Traces of one call each; the first ones fail, and each takes and costs a little more than the one before."""
    for number in range(count):
        outcome = {"error_type": "rate_limit"} if number < failed else {"status": "success"}
        grown = 1 + number / 1_000
        took: dict[str, Any] = {"duration_ms": 1_000 * seconds * grown, "cost_usd": cost_usd * grown}
        yield span(f"t{number:02}", start_time=time(number * 100), **CHAT, **outcome, **took)


def after(api: Api, *spans: dict[str, Any]) -> Api:
    """The same once these spans are stored and counted."""
    assert api.user
    assert api.post({"spans": spans}).status == 201
    count_traces(store(), api.user.name)
    return api


def anomalies(api: Api, **query: Any) -> list[dict[str, Any]]:
    reply = api("GET", PATH, query={**RANGE, **query})
    assert reply.status == 200, reply.body
    assert set(reply.json) == {"success", "start_date", "end_date", "timezone", "anomalies"}
    found: list[dict[str, Any]] = reply.json["anomalies"]
    return found


def test_a_burst_of_errors_is_reported_with_failed_traces(settled: Api) -> None:
    after(settled, *calls(30, failed=9))
    (anomaly,) = anomalies(settled, timezone="Asia/Kathmandu")
    assert anomaly.pop("score") > 5
    local = DAY + timedelta(hours=HOUR + 5, minutes=45)
    assert anomaly == {
        **{"kind": "error_rate", **CHAT, "since": time(0).replace("Z", ".000Z"), "value": 0.3, "baseline": 0.0},
        "message": "openai gpt-4o completion: 9 of 30 calls failed at 15:45 on "
        f"{local.day} {local:%B} (30 %), usually 0 %.",
        "examples": ["t08", "t07", "t06"],
    }


@once
def test_slow_and_expensive_calls_are_reported_with_the_slowest_and_most_expensive_traces(settled: Api) -> None:
    after(settled, *calls(30, seconds=4, cost_usd=0.5))
    by_kind = {anomaly["kind"]: anomaly for anomaly in anomalies(settled)}
    assert set(by_kind) == {"latency", "cost"}
    assert "the slowest 5 % of 30 calls took 4.0 s or more at 10:00" in by_kind["latency"]["message"]
    assert by_kind["latency"]["baseline"] == pytest.approx(1_000, rel=0.05)
    assert set(by_kind["latency"]["examples"]) <= {f"t{number:02}" for number in range(30)}
    assert len(by_kind["latency"]["examples"]) == 3
    assert "30 calls cost $15.22 in the hour at 10:00" in by_kind["cost"]["message"]
    assert (by_kind["cost"]["value"], by_kind["cost"]["baseline"]) == (pytest.approx(15.2175), 0.3)
    assert by_kind["cost"]["examples"] == ["t29", "t28", "t27"]


@once
def test_a_deleted_trace_is_not_among_the_examples(settled: Api) -> None:
    after(settled, *calls(30, failed=9, seconds=4, cost_usd=0.5))
    for gone in ("t08", "t29"):
        assert settled("DELETE", path_of(gone)).status == 200
    for anomaly in anomalies(settled):
        assert anomaly["examples"]
        assert not {"t08", "t29"} & set(anomaly["examples"])
    assert settled("DELETE", TRACES, query="deleteAll=true").status in (200, 202)
    assert all(anomaly["examples"] == [] for anomaly in anomalies(settled))


@once
def test_filters_select_the_series(settled: Api) -> None:
    after(settled, *calls(30, failed=9))
    assert len(anomalies(settled, **CHAT)) == 1
    for name in CHAT:
        assert anomalies(settled, **{name: "another"}) == []


@once
def test_a_filter_by_a_model_name_longer_than_counters_keep_finds_metrics_and_anomalies(api: Api) -> None:
    model_name = "m" * 200
    assert api.user
    hour = int(DAY.timestamp()) // 3_600 + HOUR
    hours = [hour - 24 * day + shift for day in range(1, 8) for shift in (-1, 0, 1)]
    history = usual(model_name=cut(model_name))
    user_pk = keys.user(api.user.name)
    items = [counter_item(store(), user_pk, Bucket("measures", "hour", number), history) for number in hours]
    store().table.write(items, deadline=long_deadline())
    after(api, *(call | {"model_name": model_name} for call in calls(30, failed=9)))
    reply = api("GET", "/api/analytics/metrics", query={**RANGE, "model_name": model_name})
    assert reply.json["totals"]["errors"] == 9
    (anomaly,) = anomalies(api, model_name=model_name)
    assert anomaly["kind"] == "error_rate"
    assert anomalies(api, model_name="m" * 127) == []


@once
def test_a_new_account_has_no_anomalies(api: Api) -> None:
    after(api, *calls(30, failed=30, seconds=100, cost_usd=10))
    assert anomalies(api) == []


@once
def test_anomalies_of_other_hours_are_left_out(settled: Api) -> None:
    after(settled, *calls(30, failed=9))
    assert anomalies(settled, start_date=time(3_600)) == []


@once
def test_more_than_a_month_is_refused(api: Api) -> None:
    long_ago = (DAY - timedelta(days=32)).isoformat()
    reply = api("GET", PATH, query={"start_date": long_ago})
    assert failure(reply) == (400, "invalid_parameter")
    assert fields_of(reply) == ["start_date"]
    month_ago = (datetime.now(UTC) - timedelta(days=31) + timedelta(minutes=1)).isoformat()
    assert api("GET", PATH, query={"start_date": month_ago}).status == 200
    october = {"start_date": "2025-10-01", "end_date": "2025-10-31", "timezone": "Europe/Berlin"}  # and an hour
    assert api("GET", PATH, query=october).status == 200
