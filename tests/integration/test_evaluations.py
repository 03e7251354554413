"""Evaluations in exports become annotations of what they evaluated."""

from typing import Any

import pytest

from tests.api import Api, path_of
from tests.otlp import ENCODINGS, START_NS, Encoding, new_id, send, span

NAMES = ("name", "span_id", "id", "value", "comment", "source")
SPAN = "00000000000000aa"

in_both_encodings = pytest.mark.parametrize("encoding", ENCODINGS)


def attributes(**values: Any) -> list[dict[str, Any]]:
    """The attributes of an evaluation, by the ends of their names."""
    return [
        {
            "key": f"gen_ai.evaluation.{name.replace('_', '.')}",
            "value": {"stringValue" if isinstance(value, str) else "doubleValue": value},
        }
        for name, value in values.items()
    ]


def record(trace_id: str, span_id: str | None = SPAN, **values: Any) -> Any:
    """A log record with an evaluation. A `span_id` of None leaves it out."""
    names = {"spanId": span_id} if span_id else {}
    evaluation = {"timeUnixNano": str(START_NS), "eventName": "gen_ai.evaluation.result"}
    return {"traceId": trace_id, **names, **evaluation, "attributes": attributes(**values)}


def annotations(api: Api, trace_id: str) -> list[tuple[Any, ...]]:
    """The annotations of a trace, each as its `NAMES`."""
    reply = api("GET", f"{path_of(trace_id)}/annotations")
    assert reply.status == 200, reply.body
    return sorted((tuple(each[name] for name in NAMES) for each in reply.json["annotations"]), key=repr)


@in_both_encodings
@pytest.mark.parametrize("evaluated_first", [True, False])
def test_an_evaluation_in_a_log_record_is_a_score_and_a_label_of_its_span(
    api: Api, encoding: Encoding, evaluated_first: bool
) -> None:
    trace_id = new_id()
    evaluation = record(
        trace_id, name="Relevance", score_value=0.75, score_label="relevant", explanation="It names the city."
    )
    if not evaluated_first:
        send(api, span(trace_id), encoding=encoding)
    assert send(api, evaluation, signal="logs", encoding=encoding) == (0, "")
    if evaluated_first:
        send(api, span(trace_id), encoding=encoding)
    assert annotations(api, trace_id) == [
        ("Relevance", SPAN, "api", 0.75, "It names the city.", "api"),
        ("Relevance", SPAN, "label", "relevant", None, "api"),
    ]
    summary = api("GET", path_of(trace_id)).json["trace"]["summary"]
    assert (summary["scores"], summary["labels"]) == ({"Relevance": 0.75}, {"Relevance": ["relevant"]})


def test_an_evaluation_that_is_sent_again_replaces_itself(api: Api) -> None:
    trace_id = new_id()
    send(api, span(trace_id))
    for value in (0.25, 0.5, 0.5):
        assert send(api, record(trace_id, name="Relevance", score_value=value), signal="logs") == (0, "")
    assert annotations(api, trace_id) == [("Relevance", SPAN, "api", 0.5, None, "api")]


@in_both_encodings
def test_an_evaluation_in_an_event_of_a_span_is_about_that_span(api: Api, encoding: Encoding) -> None:
    trace_id = new_id()
    event = {
        "name": "gen_ai.evaluation.result",
        "timeUnixNano": str(START_NS),
        "attributes": attributes(name="Tone of voice", score_label="pass", explanation="Friendly."),
    }
    assert send(api, span(trace_id, events=[event]), encoding=encoding) == (0, "")
    assert annotations(api, trace_id) == [("Tone_of_voice", SPAN, "api", "pass", "Friendly.", "api")]
    assert [kept["name"] for kept in api.span(SPAN, trace_id)["events"]] == ["gen_ai.evaluation.result"]


SECRET = f"sk-ant-api03-{'aB3dE5gH7jK9' * 8}"


@pytest.mark.parametrize("before_secret", [0, 250, 505, 980, 999])
def test_a_secret_where_a_text_of_an_evaluation_is_cut_is_masked(api: Api, before_secret: int) -> None:
    """The beginning of a secret alone is not recognized."""
    trace_id, text = new_id(), f"{'x' * before_secret} {SECRET}, which is {'y' * 1000}"
    evaluation = record(trace_id, name="Leaks", score_value=1.0, score_label=text, explanation=text)
    assert send(api, evaluation, signal="logs") == (0, "")
    masked = f"{'x' * before_secret} [redacted:anthropic_key], which is {'y' * 1000}"
    assert annotations(api, trace_id) == [
        ("Leaks", SPAN, "api", 1.0, masked[:1000], "api"),
        ("Leaks", SPAN, "label", masked[:512], None, "api"),
    ]


def test_an_evaluation_without_a_span_is_about_its_trace(api: Api) -> None:
    trace_id = new_id()
    send(api, span(trace_id))
    assert send(api, record(trace_id, None, name="Relevance", score_value=0.0), signal="logs") == (0, "")
    assert annotations(api, trace_id) == [("Relevance", None, "api", 0, None, "api")]


def test_an_evaluation_without_a_result_is_rejected_and_the_others_are_stored(api: Api) -> None:
    trace_id = new_id()
    records = [record(trace_id, name="Relevance"), record(trace_id, name="Tone", score_value=1.0)]
    rejected, reason = send(api, *records, signal="logs")
    assert (rejected, "gen_ai.evaluation.score.value" in reason) == (1, True)
    send(api, span(trace_id))
    assert [name for name, *_ in annotations(api, trace_id)] == ["Tone"]


def test_a_key_without_the_scope_annotate_stores_spans_and_no_evaluations(api: Api) -> None:
    trace_id = new_id()
    sender = api.with_key("ingest")
    event = {"name": "gen_ai.evaluation.result", "attributes": attributes(name="Tone", score_value=1.0)}
    missing = "This API key lacks the scope annotate."
    assert send(sender, span(trace_id, events=[event])) == (0, missing)
    assert send(sender, record(trace_id, name="Tone", score_value=1.0), signal="logs") == (1, missing)
    assert annotations(api, trace_id) == []
    assert api.span(SPAN, trace_id)["status"] == "success"
