"""Scores over time, as counters have them, exactly once for every change of an annotation."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.api import TRACES, Api, failure, fields_of, path_of, span
from tests.builders import START_NS, Clock, batches_of, call, reader, scope, store_on, writer
from tests.gateway import new_user
from tests.head_stream import StreamedDynamoDB, count_traces, deliver_with_faults
from tracestore.domain.annotations import Annotation
from tracestore.domain.counters import SCORES_IN_COUNTER, Bucket, ScoreCounter, ScoreTotal
from tracestore.domain.scores import score_series
from tracestore.domain.stats import QUARTER_NS
from tracestore.http.wiring import store
from tracestore.storage.audit import audit

SCORES = "/api/analytics/scores"
DAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=3)
"""Old counters expire, so this day is near."""


def at(seconds: float = 0) -> str:
    """The time so many seconds after the beginning of the day, as responses write it."""
    return (DAY + timedelta(seconds=seconds)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


RANGE = {"start_date": at(), "end_date": at(3 * 3_600)}


def annotate(api: Api, trace_id: str, name: str, value: Any, source: str = "judge") -> None:
    reply = api("PUT", f"{path_of(trace_id)}/annotations/{name}", body={"value": value, "source": source})
    assert reply.status == 200, reply.body


def scores(api: Api, **query: Any) -> dict[str, Any]:
    reply = api("GET", SCORES, query={**RANGE, **query})
    assert reply.status == 200, reply.body
    content: dict[str, Any] = reply.json
    return content


@pytest.fixture
def scored(api: Api) -> Api:
    """A user with three annotated traces: two in the first hour, one in the third."""
    api.send(*(span(name, start_time=at(seconds)) for name, seconds in (("a", 0), ("b", 60), ("c", 7_300))))
    for trace_id, value in (("a", 0.1), ("b", 0.2), ("c", 1)):
        annotate(api, trace_id, "quality", value)
    annotate(api, "a", "quality", 0.3, "eve")
    annotate(api, "b", "correct", True)
    annotate(api, "b", "note", "not a score")
    assert api.user
    count_traces(store(), api.user.name)
    return api


def test_scores_have_their_number_of_values_and_mean_at_each_point(scored: Api) -> None:
    content = scores(scored, interval="hour")
    assert content["scores"] == [
        {
            **{"name": "quality", "count": 4, "mean": 0.4},
            "points": [
                {"time": at(), "count": 3, "mean": pytest.approx(0.2)},
                {"time": at(3_600), "count": 0, "mean": None},
                {"time": at(7_200), "count": 1, "mean": 1.0},
            ],
        },
        {
            **{"name": "correct", "count": 1, "mean": 1.0},
            "points": [
                {"time": at(), "count": 1, "mean": 1.0},
                {"time": at(3_600), "count": 0, "mean": None},
                {"time": at(7_200), "count": 0, "mean": None},
            ],
        },
    ]
    assert (content["start_date"], content["interval"], content["timezone"]) == (at(), "hour", "UTC")


def test_days_and_ranges_add_up_the_hours(scored: Api) -> None:
    day = scores(scored, start_date=at()[:10], end_date=at()[:10], interval="day")["scores"]
    assert [(score["name"], score["count"], len(score["points"])) for score in day] == [
        ("quality", 4, 1),
        ("correct", 1, 1),
    ]
    late = scores(scored, start_date=at(7_200), end_date=at(7_201))
    assert [(score["name"], score["mean"]) for score in late["scores"]] == [("quality", 1.0)]
    assert (late["start_date"], late["end_date"], late["interval"]) == (at(7_200), at(10_800), "hour")
    assert scores(scored, start_date=at(86_400), end_date=at(90_000))["scores"] == []


@pytest.mark.parametrize(
    ("query", "code", "name"),
    [
        ({"interval": "15m"}, "unsupported_combination", "interval"),
        ({"model_name": "m"}, "unsupported_combination", "model_name"),
        ({"group_by": "name"}, "invalid_request", "group_by"),
        ({"end_date": at(93 * 86_400)}, "invalid_parameter", "start_date"),
        ({"timezone": "Berlin"}, "invalid_parameter", "timezone"),
    ],
)
def test_an_unsupported_parameter_is_named(api: Api, query: dict[str, str], code: str, name: str) -> None:
    reply = api("GET", SCORES, query={**RANGE, **query})
    assert failure(reply) == (400, code)
    assert fields_of(reply) == [name]


def test_changes_and_deletions_of_annotations_change_the_counters_exactly() -> None:
    for seed in range(20):
        rng, db, clock, user = random.Random(seed), StreamedDynamoDB(), Clock(), new_user().name
        stored = store_on(db, clock)
        for trace_id in "ab":
            writer(stored, user).capture(batches_of([call("root")], trace_id))
        for _ in range(12):
            trace_id, source = rng.choice("abc"), rng.choice("xyz")  # the last one has no span
            value: Any = rng.choice([0.1, 0.2, True, -3, "text", 1 / 3])
            writer(stored, user).annotate(trace_id, Annotation("quality", source, value, source))
            clock.advance(s=1)
        writer(stored, user).delete_annotations("a", "quality", source=rng.choice(_sources(stored, user, "a")))
        writer(stored, user).delete_trace("b")
        deliver_with_faults(lambda: stored, db.changes, rng)  # noqa: B023
        bucket = Bucket("scores", "hour", START_NS // QUARTER_NS // 4)
        summary = reader(stored, user).trace("a", payloads=False)[0].summary
        left = dict(summary.annotations.scores).get("quality")
        expected = ScoreTotal(left.value_count, round(left.mean * left.value_count * 10**6)) if left else ScoreTotal()
        counter = reader(stored, user).counters([bucket])
        assert counter.get(bucket, ScoreCounter()).scores.get("quality", ScoreTotal()) == expected
        clock.advance(s=1)
        found = audit(scope(stored, user), START_NS, START_NS + 10**9, moving_ms=0)
        assert (found.is_clean, found.dead_letters) == (True, 0)


def _sources(stored: Any, user: str, trace_id: str) -> list[str]:
    writer(stored, user).annotate(trace_id, Annotation("quality", "x", 5, "x"))
    return [annotation.source for annotation in reader(stored, user).annotations(trace_id)[0]]


def test_the_names_beyond_those_that_are_shown_are_added_up() -> None:
    first = ScoreCounter({f"s{number:03}": ScoreTotal(1, number) for number in range(SCORES_IN_COUNTER)})
    second = ScoreCounter({"other": ScoreTotal(5, 50), "s001": ScoreTotal(2, 10), "gone": ScoreTotal()})
    series = score_series([[first], [second], []], 2)
    assert [score.name for score in series] == ["s001", "s000", "other"]
    assert series[0] == ("s001", ScoreTotal(3, 11), [ScoreTotal(1, 1), ScoreTotal(2, 10), ScoreTotal()])
    assert series[2].total == ScoreTotal(98 + 5, sum(range(2, 100)) + 50)
    assert score_series([[ScoreCounter({"gone": ScoreTotal()})]], 2) == []


def test_a_trace_without_scores_contributes_nothing(api: Api) -> None:
    api.send(span(start_time=at()))
    annotate(api, "t", "note", "text")
    assert api.user
    count_traces(store(), api.user.name)
    assert scores(api)["scores"] == []
    assert len(api("GET", TRACES, query="view=summary&label=note").json["traces"]) == 1
