"""Scores over time, as counters have them, exactly once for every change of an annotation."""

import random
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from math import fsum
from typing import Any

import pytest

from tests.api import TRACES, Api, failure, fields_of, path_of, span
from tests.builders import START_NS, Clock, batches_of, call, fields, reader, scope, store_on, summary_of, writer
from tests.gateway import new_user
from tests.head_stream import StreamedDynamoDB, count_traces, deliver_with_faults
from tracestore.domain.annotations import Annotation
from tracestore.domain.buckets import Bucket
from tracestore.domain.contributions import ScoreTotal
from tracestore.domain.counters import SCORES_IN_COUNTER, ScoreCounter, ScoreGroupCounter
from tracestore.domain.errors import Conflict, NotFound
from tracestore.domain.score_groups import score_groups_of
from tracestore.domain.scores import group_series, score_series
from tracestore.domain.stats import QUARTER_NS
from tracestore.domain.tree import tree_order
from tracestore.http.wiring import store
from tracestore.storage.audit import audit

SCORES = "/api/analytics/scores"
DAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=3)
"""Old counters expire, so this day is near."""


def at(seconds: float = 0) -> str:
    """The time so many seconds after the beginning of the day, as responses write it."""
    return (DAY + timedelta(seconds=seconds)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


RANGE = {"start_date": at(), "end_date": at(3 * 3_600)}


def annotate(api: Api, trace_id: str, name: str, value: Any, source: str = "judge", **more: str) -> None:
    reply = api("PUT", f"{path_of(trace_id)}/annotations/{name}", body={"value": value, "source": source, **more})
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
        ({"group_by": "service_name"}, "invalid_parameter", "group_by"),
        ({"group_by": "model_name", "model_name": "m"}, "unsupported_combination", "model_name"),
        ({"name": ""}, "invalid_parameter", "name"),
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


@pytest.fixture
def by_model(api: Api) -> Api:
    """A user with a trace of two models and prompts below an agent, and one without a call."""
    api.send(
        span("a", "agent", start_time=at(), operation_type="agent", prompt_version="root"),
        span("a", "big", start_time=at(1), end_time=at(2), model_name="big", parent_span_id="agent"),
        span("a", "tool", start_time=at(3), operation_type="tool_call", parent_span_id="agent"),
        span("a", "small", start_time=at(4), end_time=at(5), model_name="small", parent_span_id="tool"),
        span("b", "idle", start_time=at(3_700), operation_type="agent"),
    )
    annotate(api, "a", "quality", 0.5)
    for span_id, value in (("big", 1), ("tool", 0), ("agent", 0.2), ("not-there", 0.1)):
        annotate(api, "a", "quality", value, span_id, span_id=span_id)
    annotate(api, "b", "quality", 0.9)
    annotate(api, "b", "correct", True)
    assert api.user
    count_traces(store(), api.user.name)
    return api


def groups_of(api: Api, **query: str) -> dict[str, dict[str | None, tuple[int, float, list[int]]]]:
    """The count, the mean and the counts at the points of each group of each score."""
    return {
        score["name"]: {
            group["group"]: (group["count"], round(group["mean"], 6), [point["count"] for point in group["points"]])
            for group in score["groups"]
        }
        for score in scores(api, interval="hour", **query)["scores"]
    }


def test_scores_by_model_are_those_of_the_calls_that_they_are_about(by_model: Api) -> None:
    """A score about the trace or the agent counts for both models, one about a call or a tool for its own."""
    assert groups_of(by_model, group_by="model_name") == {
        "quality": {
            "big": (3, round((0.5 + 1 + 0.2) / 3, 6), [3, 0, 0]),
            "small": (3, round((0.5 + 0 + 0.2) / 3, 6), [3, 0, 0]),
            None: (2, 0.5, [1, 1, 0]),
        },
        "correct": {None: (1, 1.0, [0, 1, 0])},
    }


def test_scores_by_prompt_version_are_those_of_the_spans_that_have_it(by_model: Api) -> None:
    assert groups_of(by_model, group_by="prompt_version", name="quality") == {
        "quality": {None: (4, 0.5, [3, 1, 0]), "root": (2, 0.35, [2, 0, 0])}
    }


def test_one_score_is_chosen_by_its_name(by_model: Api) -> None:
    assert [score["name"] for score in scores(by_model, name="correct")["scores"]] == ["correct"]
    assert scores(by_model, name="unknown", group_by="model_name")["scores"] == []
    assert "groups" not in scores(by_model)["scores"][0]


def test_a_later_span_and_a_changed_model_move_the_scores_of_its_trace(api: Api) -> None:
    assert api.user
    api.send(span("t", "a", start_time=at(), end_time=at(1), model_name="first"))
    annotate(api, "t", "quality", 1, span_id="late")
    api.send(span("t", "late", start_time=at(2), end_time=at(3), model_name="second"))
    assert api.patch("a", "t", model_name="other one").status == 200
    annotate(api, "t", "quality", 0)
    count_traces(store(), api.user.name)
    assert groups_of(api, group_by="model_name")["quality"] == {
        "second": (2, 0.5, [2, 0, 0]),
        "other one": (1, 0.0, [1, 0, 0]),
    }


def some_call(rng: random.Random) -> tuple[str, Any]:
    """A span of one of two traces: a call or an agent, of one of two models and prompts or none."""
    names = {
        "model_name": rng.choice([None, "m1", "m2"]),
        "prompt_version": rng.choice([None, None, "v1", "v2"]),
        "operation_type": rng.choice(["completion", "completion", "agent", "tool_call"]),
        "parent_span_id": rng.choice([None, "a", "b"]),
        "end_ns": START_NS + 5,
    }
    span_id = rng.choice("abc")
    return rng.choice("tu"), fields(span_id, **{name: value for name, value in names.items() if value != span_id})


def expected_groups(stored: Any, user: str, trace_id: str) -> dict[tuple[str, str, str], list[float]]:
    """The values of each score by dimension and value, from the spans and the annotations as readers return them."""
    nodes = tree_order(reader(stored, user).trace(trace_id, payloads=False)[1])
    chosen: dict[tuple[str, str, str], list[float]] = {}
    for annotation in reader(stored, user).annotations(trace_id)[0]:
        if annotation.score is None:
            continue
        for dimension in ("model_name", "prompt_version"):
            ids = [node.span.span_id for node in nodes]
            first = ids.index(annotation.span_id) if annotation.span_id in ids else -1
            own = nodes[first].span.fields.get(dimension) if first >= 0 else None
            within = [
                node.span
                for node in nodes
                if annotation.span_id is None or (first >= 0 and annotation.span_id in ancestors(nodes, node.span))
            ]
            below = {each.fields[dimension] for each in within if each.fields.get(dimension)}
            for value in {own} if own else below or {""}:
                chosen.setdefault((dimension, annotation.name, str(value)), []).append(annotation.score)
    return chosen


def ancestors(nodes: Any, span: Any) -> set[str]:
    """The ids of all spans above a span, in a list in tree order."""
    found, depth = set(), None
    for node in reversed(nodes):
        if node.span.span_id == span.span_id:
            depth = node.depth
        elif depth is not None and node.depth < depth:
            depth = node.depth
            found.add(node.span.span_id)
    return found


@pytest.mark.parametrize("seed", range(40))
def test_scores_by_group_equal_those_of_the_traces_however_the_stream_is_delivered(seed: int) -> None:
    rng, db, clock, user = random.Random(seed), StreamedDynamoDB(), Clock(), new_user().name
    stored = store_on(db, clock)
    for _ in range(rng.randrange(4, 25)):
        trace_id, new = some_call(rng)
        with suppress(NotFound, Conflict):
            match rng.choice(["capture", "capture", "annotate", "annotate", "patch", "unannotate", "span", "trace"]):
                case "capture":
                    writer(stored, user).capture([(trace_id, new)])
                case "annotate":
                    name = rng.choice(["quality", "star"])
                    value: Any = rng.choice([0.1, 0.25, True, -3, "text", 1 / 3])
                    span_id = rng.choice([None, new["span_id"], "absent"])
                    writer(stored, user).annotate(trace_id, Annotation(name, rng.choice("xy"), value, "s", span_id))
                case "patch":
                    changed = fields(new["span_id"], model_name=new.get("model_name"), end_ns=new["end_ns"])
                    writer(stored, user).patch(trace_id, new["span_id"], lambda _: changed)  # noqa: B023
                case "unannotate":
                    writer(stored, user).delete_annotations(trace_id, "quality")
                case "span":
                    writer(stored, user).delete_span(trace_id, new["span_id"])
                case "trace" if rng.random() < 0.3:
                    writer(stored, user).delete_trace(trace_id)
        clock.advance(s=1)
    deliver_with_faults(lambda: stored, db.changes, rng)
    expected: dict[tuple[str, str, str], ScoreTotal] = {}
    for trace_id in "tu":
        with suppress(NotFound):
            for group, values in expected_groups(stored, user, trace_id).items():
                total = ScoreTotal(len(values), round(fsum(values) * 10**6))
                expected[group] = expected.get(group, ScoreTotal()).plus(total)
    bucket = Bucket("score_groups", "hour", START_NS // QUARTER_NS // 4)
    counter = reader(stored, user).counters([bucket]).get(bucket, ScoreGroupCounter())
    assert {
        (dimension, *pair): total for dimension, totals in counter.totals().items() for pair, total in totals.items()
    } == expected
    clock.advance(s=1)
    assert audit(scope(stored, user), START_NS, START_NS + 10**9, moving_ms=0).is_clean


def test_the_groups_beyond_those_that_are_shown_are_added_up() -> None:
    counter = ScoreGroupCounter({"model_name": {("a", f"m{n}"): ScoreTotal(n + 1, n) for n in range(9)}})
    counter.groups["model_name"] |= {("b", "m1"): ScoreTotal(1, 5), ("other", "other"): ScoreTotal(2, 7)}
    groups = group_series([[counter], []], "model_name", ["a"], 2)
    assert [(group.name, group.total) for group in groups["a"]] == [
        ("m8", ScoreTotal(9, 8)),
        ("m7", ScoreTotal(8, 7)),
        ("other", ScoreTotal(28, 21)),
    ]
    assert [(group.name, group.total) for group in groups["other"]] == [
        ("m1", ScoreTotal(1, 5)),
        ("other", ScoreTotal(2, 7)),
    ]


def test_a_head_keeps_ten_values_of_a_dimension_and_counts_a_score_about_more_once() -> None:
    calls = [call(f"c{n}", "root", model_name=f"m{n:02}") for n in range(13)]
    score = Annotation("q", "s", 0.5, "s")
    models, versions = score_groups_of([score], summary_of(*calls).values, spans=list)
    assert [(row.value, row.value_count) for row in models] == [(f"m{n:02}", 1) for n in range(10)] + [("other", 1)]
    assert [(row.value, row.sum_micro) for row in versions] == [("", 500_000)]


def test_a_trace_without_scores_contributes_nothing(api: Api) -> None:
    api.send(span(start_time=at()))
    annotate(api, "t", "note", "text")
    assert api.user
    count_traces(store(), api.user.name)
    assert scores(api)["scores"] == []
    assert len(api("GET", TRACES, query="view=summary&label=note").json["traces"]) == 1
