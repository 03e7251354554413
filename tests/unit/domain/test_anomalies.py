"""An outlier is found within the hour; steady traffic gives no anomaly, however noisy it is."""

import math
from collections import Counter
from random import Random
from typing import Any

import pytest

from tracestore.domain.anomalies import (
    HISTORY_HOURS,
    RULES,
    Anomaly,
    Histories,
    Hour,
    Kind,
    anomalies_of,
    histories_of,
)
from tracestore.domain.counters import MeasureCounter
from tracestore.domain.dimensions import OTHER, Group, Series
from tracestore.domain.histogram import bucket_of
from tracestore.domain.stats import Measures

CHAT = Series("completion", "openai", "gpt-4o")
LOAD = (2, 1, 1, 1, 1, 2, 4, 8, 14, 19, 20, 17, 13, 15, 19, 18, 15, 12, 9, 8, 8, 7, 5, 3)
NOON = 24 * 20_000 + 12
DOLLAR = 10**9

SERIES_WEEKS = 200
FALSE_ALARMS_MOST = 0.05
"""In a week of a steady series, of all three kinds together. Stated in docs/api.md."""


def calls(rng: Random, busiest: int, number: int) -> int:
    """A Poisson number of calls, with a rhythm of days and quiet weekends."""
    mean = busiest * LOAD[number % 24] / max(LOAD) * (0.4 if number // 24 % 7 >= 5 else 1)
    if mean > 30:
        return max(0, round(rng.gauss(mean, math.sqrt(mean))))
    count, left = 0, rng.random()
    chance = math.exp(-mean)
    while left > chance:
        left -= chance
        count += 1
        chance *= mean / count
    return count


def steady(seed: int, weeks: int, busiest: int = 100, error_rate: float = 0.01) -> dict[int, Hour]:
    """Hours of a series that does not change: latencies and costs of calls are lognormal."""
    rng = Random(seed)
    buckets = [bucket_of(int(2e6 * rng.lognormvariate(0, 0.6))) for _ in range(5_000)]
    costs = [int(0.03 * DOLLAR * rng.lognormvariate(0, 0.8)) for _ in range(5_000)]
    hours = {}
    for number in range(168 * weeks):
        if count := calls(rng, busiest, number):
            errors = sum(rng.random() < error_rate for _ in range(count))
            latencies = dict(Counter(rng.choices(buckets, k=count)))
            hours[number] = Hour(count, errors, sum(rng.choices(costs, k=count)), latencies)
    return hours


def even(count: int = 60, **values: Any) -> dict[int, Hour]:
    """A week and an hour up to `NOON`, each hour the same: all calls succeed, take a second and cost a cent."""
    return {number: hour(count, **values) for number in range(NOON - HISTORY_HOURS, NOON + 1)}


def hour(count: int = 60, errors: int = 0, cost_usd: float | None = None, ms: int = 1_000) -> Hour:
    cost = count * 0.01 if cost_usd is None else cost_usd
    return Hour(count, errors, int(cost * DOLLAR), {bucket_of(ms * 1_000): count})


def anomalies_in(history: dict[int, Hour], hours: range = range(NOON, NOON + 1)) -> list[Anomaly]:
    return anomalies_of({CHAT: history}, hours)


def kinds(history: dict[int, Hour]) -> list[Kind]:
    return [anomaly.kind for anomaly in anomalies_in(history)]


@pytest.mark.parametrize(("busiest", "error_rate"), [(20, 0.05), (60, 0.01), (150, 0.002)])
def test_steady_traffic_gives_few_false_alarms(busiest: int, error_rate: float) -> None:
    weeks = SERIES_WEEKS // 3 + 1
    history = steady(busiest, weeks + 1, busiest, error_rate)
    alarms = anomalies_in(history, range(168, 168 * (weeks + 1)))
    assert len(alarms) / weeks <= FALSE_ALARMS_MOST


INCIDENTS: dict[Kind, tuple[int, float]] = {"error_rate": (40, 0.95), "latency": (300, 0.9), "cost": (300, 0.9)}
"""The number of calls in the busiest hour, and the share of incidents that are found in their first hour."""


@pytest.mark.parametrize("kind", INCIDENTS)
def test_an_incident_is_found_within_its_first_hour(kind: Kind) -> None:
    busiest, least = INCIDENTS[kind]
    history = steady(7, 6, busiest)
    rng = Random(3)
    workdays = [number for number in range(24 * 8, 168 * 6) if number // 24 % 7 < 5 and 9 <= number % 24 <= 17]
    hits = tried = 0
    for number in rng.sample(workdays, 60):
        usual = history[number]
        hit = {
            "error_rate": Hour(usual.calls, usual.calls * 3 // 10, usual.cost_nano_usd, usual.latencies),
            "latency": Hour(usual.calls, 0, 0, {bucket + 8: count for bucket, count in usual.latencies.items()}),
            "cost": Hour(usual.calls, 0, usual.cost_nano_usd * 3, usual.latencies),
        }[kind]
        alarms = anomalies_in({**history, number: hit}, range(number, number + 1))
        tried += 1
        hits += kind in [anomaly.kind for anomaly in alarms]
    assert hits / tried >= least


def test_a_burst_of_errors_is_reported_with_its_numbers() -> None:
    (anomaly,) = anomalies_in(even() | {NOON: hour(errors=18)})
    assert (anomaly.kind, anomaly.series) == ("error_rate", CHAT)
    assert (anomaly.calls, anomaly.errors, anomaly.worst.value, anomaly.worst.baseline) == (60, 18, 0.3, 0)
    assert anomaly.worst.score > 5


def test_latency_is_in_milliseconds_and_cost_in_dollars() -> None:
    slow, expensive = anomalies_in(even(200) | {NOON: hour(200, cost_usd=20, ms=3_000)})
    assert {slow.kind, expensive.kind} == {"latency", "cost"}
    by_kind = {anomaly.kind: anomaly.worst for anomaly in (slow, expensive)}
    assert by_kind["latency"].value == pytest.approx(3_000, rel=0.05)
    assert by_kind["latency"].baseline == pytest.approx(1_000, rel=0.05)
    assert (by_kind["cost"].value, by_kind["cost"].baseline) == (20, 2)


@pytest.mark.parametrize(
    "better", [hour(errors=0), hour(ms=100), hour(cost_usd=0)], ids=["fewer errors", "faster", "cheaper"]
)
def test_an_improvement_is_no_anomaly(better: Hour) -> None:
    assert kinds(even(errors=20, cost_usd=50, ms=9_000) | {NOON: better}) == []


@pytest.mark.parametrize(
    "small",
    [
        hour(9, errors=9),
        hour(60, errors=4),
        hour(200, errors=9, cost_usd=0.6),
        hour(19, ms=60_000),
        hour(60, ms=1_400),
        hour(60, cost_usd=1.5),
        hour(4, cost_usd=1_000),
    ],
    ids=["few calls", "few errors", "few per cent", "few latencies", "hardly slower", "less than a dollar", "4 calls"],
)
def test_a_small_rise_is_no_anomaly(small: Hour) -> None:
    assert kinds(even() | {NOON: small}) == []


def test_a_latency_rises_by_a_hundred_milliseconds_at_least() -> None:
    assert kinds(even(300, ms=20) | {NOON: hour(300, ms=80)}) == []
    assert kinds(even(300, ms=20) | {NOON: hour(300, ms=200)}) == ["latency"]


@pytest.mark.parametrize("days", [0, 1, 2])
def test_a_new_account_has_no_anomalies(days: int) -> None:
    young = {number: measured for number, measured in even().items() if number > NOON - 24 * days - 2}
    assert kinds(young | {NOON: hour(600, errors=300, cost_usd=900, ms=60_000)}) == []


def test_after_three_days_there_is_history_enough() -> None:
    young = {number: measured for number, measured in even().items() if number > NOON - 24 * 3 - 2}
    assert kinds(young | {NOON: hour(errors=30)}) == ["error_rate"]


def test_a_value_that_is_usual_at_this_hour_is_no_anomaly() -> None:
    nightly = even() | {NOON - 24 * day: hour(cost_usd=80, ms=9_000, errors=30) for day in range(8)}
    lonely = {number: measured for number, measured in nightly.items() if (NOON - number) % 24 == 0}
    assert kinds(lonely) == []


def test_an_hour_usually_without_calls_is_compared_with_the_whole_week() -> None:
    by_day = {
        number: measured for number, measured in even().items() if 8 <= (number + 8) % 24 <= 18
    }  # nothing around NOON
    assert kinds(by_day | {NOON: hour()}) == []
    assert kinds(by_day | {NOON: hour(cost_usd=50)}) == ["cost"]


def test_a_few_bad_hours_in_the_history_do_not_hide_an_anomaly() -> None:
    outage = {NOON - 24 * day + shift: hour(errors=60) for day in (1, 2) for shift in (-1, 0, 1)}
    assert kinds(even() | outage | {NOON: hour(errors=30)}) == ["error_rate"]


def test_errors_that_are_usual_are_no_anomaly() -> None:
    assert kinds(even(errors=18) | {NOON: hour(errors=24)}) == []


def test_consecutive_hours_are_one_anomaly_with_the_numbers_of_the_worst() -> None:
    history = even() | {NOON - 2: hour(errors=20), NOON - 1: hour(errors=40), NOON: hour(errors=30)}
    (anomaly,) = anomalies_in(history, range(NOON - 5, NOON + 1))
    assert (anomaly.first_hour, anomaly.last_hour, anomaly.worst.hour, anomaly.errors) == (NOON - 2, NOON, NOON - 1, 40)


def test_a_quiet_hour_separates_two_anomalies_and_the_later_comes_first() -> None:
    history = even() | {NOON - 2: hour(errors=50), NOON: hour(errors=20)}
    assert [anomaly.first_hour for anomaly in anomalies_in(history, range(NOON - 5, NOON + 1))] == [NOON, NOON - 2]


def test_each_series_has_a_history_of_its_own() -> None:
    agent = Series("agent", "", "")
    histories: Histories = {CHAT: even(errors=30), agent: even() | {NOON: hour(errors=30)}}
    assert [anomaly.series for anomaly in anomalies_of(histories, range(NOON, NOON + 1))] == [agent]


def test_histories_are_read_from_counters() -> None:
    counter = MeasureCounter()
    for status, count in (("success", 3), ("error", 2)):
        numbers = [count, count * 1_000_000, count * DOLLAR]
        measures = Measures([*numbers, *[0] * (len(Measures().numbers) - 3)], {bucket_of(1_000_000): count})
        counter.groups[Group(Series("completion", "openai", "gpt-4o"), status)] = measures
        counter.groups[Group(Series("completion", OTHER, OTHER), status)] = measures
    assert histories_of([(7, counter)]) == {CHAT: {7: Hour(5, 2, 5 * DOLLAR, {bucket_of(1_000_000): 5})}}


def test_every_kind_has_its_rule() -> None:
    assert set(RULES) == set(INCIDENTS)
