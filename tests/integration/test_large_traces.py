"""Traces and spans at the size where Lambda and DynamoDB set limits."""

import json
import random
from typing import Any

import pytest

from tests.api import TRACES, Api, at, child, failure, path_of, span

# Where limits are real, and speed is bearable.
on_dynamodb_local = pytest.mark.parametrize("engine", ["dynamodb-local"], indirect=True, scope="session")

LAMBDA_BYTES = 6_000_000
MB = 1_000_000


def unlike(size: int, seed: int = 0) -> str:
    """Text that repeats nothing."""
    return random.Random(seed).randbytes(size // 2).hex()


def utf_8(*spans: dict[str, Any]) -> bytes:
    """A body in which an emoji takes four bytes; escaped it takes twelve."""
    return json.dumps({"spans": spans}, ensure_ascii=False).encode()


def small(body: bytes) -> bool:
    return len(body) < LAMBDA_BYTES


@on_dynamodb_local
def test_ten_thousand_spans_are_an_outline(api: Api) -> None:
    for batch in range(10):
        spans = [
            span(span_id=str(number), parent_span_id=str((number - 1) // 3) if number else None, start_time=at(number))
            for number in range(batch * 1_000, (batch + 1) * 1_000)
        ]
        assert api.post({"spans": spans}).status == 201
    reply = api("GET", path_of("t"), query="view=outline")
    assert small(reply.body)
    assert sorted(int(node["span_id"]) for node in reply.json["trace"]["outline"]) == list(range(10_000))
    assert reply.json["trace"]["summary"]["span_count"] == 10_000
    tree = api("GET", path_of("t"))
    assert (tree.status, small(tree.body)) == (200, True)
    assert tree.json["trace"]["payloads_omitted"] is True
    assert tree.json["trace"]["children_omitted"] is True
    listed = api("GET", TRACES)
    assert (listed.status, small(listed.body)) == (200, True)


@on_dynamodb_local
def test_an_outline_that_does_not_fit_goes_on_by_cursor(api: Api) -> None:
    for batch in range(3):
        spans = [span(span_id=f"{batch}-{number}", span_name="👋" * 512) for number in range(1_000)]
        assert api.post(utf_8(*spans)).status == 201
    found: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        reply = api("GET", path_of("t"), query={"view": "outline", **cursor})
        assert small(reply.body)
        found += [node["span_id"] for node in reply.json["trace"]["outline"]]
        if reply.json["next_cursor"] is None:
            break
        cursor = {"cursor": reply.json["next_cursor"]}
    assert sorted(found) == sorted(f"{batch}-{number}" for batch in range(3) for number in range(1_000))


def test_a_trace_beyond_5_mb_comes_without_payloads_and_its_spans_have_them(api: Api) -> None:
    texts = {name: unlike(2 * MB, seed) for seed, name in enumerate("abc")}
    for name, text in texts.items():
        assert api.post(span(span_id=name, input_data=text, metadata={"n": name})).status == 201
    trace = api.trace()
    assert trace["payloads_omitted"] is True
    assert all("input_data" not in root and "metadata" not in root for root in trace["spans"])
    assert [root["span_id"] for root in trace["spans"]] == list("abc")
    assert api.span("b")["input_data"] == texts["b"]
    assert "payloads_omitted" not in api.trace(payloads="false")
    assert [root["payloads_omitted"] for root in api.page()["traces"]] == [True] * 3


def test_a_trace_with_more_payload_than_is_ever_read_at_once_is_shown(api: Api) -> None:
    for number in range(6):
        assert api.post(span(span_id=f"s{number}", input_data=f"{number}" * 4 * MB)).status == 201
    trace = api.trace()
    assert trace["payloads_omitted"] is True
    assert [set(root) & {"input_data", "output_data", "metadata"} for root in trace["spans"]] == [set()] * 6
    assert [root["payloads_omitted"] for root in api.page()["traces"]] == [True] * 6
    assert api.span("s5")["input_data"] == "5" * 4 * MB


def test_a_trace_below_5_mb_comes_whole(api: Api) -> None:
    for name in "ab":
        assert api.post(span(span_id=name, input_data=name * (2 * MB + MB // 4))).status == 201
    trace = api.trace()
    assert "payloads_omitted" not in trace
    assert [len(root["input_data"]) for root in trace["spans"]] == [2 * MB + MB // 4] * 2


@pytest.mark.parametrize("of", ["text", "code", "emoji"])
def test_a_span_of_4_mb_round_trips(api: Api, of: str) -> None:
    text = {"text": unlike(4 * MB), "code": '"\\' * MB, "emoji": "👋🏽" * 500_000}[of]
    body = json.dumps(span(input_data=text), ensure_ascii=False).encode()
    assert api.post(body).status == 201
    assert api.span()["input_data"] == text
    assert api.trace()["spans"][0]["input_data"] == text
    assert api.page()["traces"][0]["input_data"] == text


def test_a_span_beyond_4_mb_is_refused(api: Api) -> None:
    assert failure(api.post(span(input_data="x" * 4_300_000))) == (400, "span_too_large")


def test_a_span_beyond_4_mb_is_rejected_alone(api: Api) -> None:
    reply = api.post({"spans": [span("a"), span("b", input_data="x" * 4_300_000), span("c")]})
    assert reply.status == 201
    assert [one["trace_id"] for one in reply.json["data"]] == ["a", "c"]
    assert [(one["index"], one["code"]) for one in reply.json["rejected"]] == [(1, "span_too_large")]


def test_a_change_does_not_make_a_span_too_large(api: Api) -> None:
    api.send(span(input_data="x" * 3 * MB))
    assert failure(api.patch(output_data="y" * 3 * MB)) == (400, "span_too_large")
    assert api.span()["output_data"] is None
    assert api.patched(end_time=at(1))["status"] == "success"


def test_a_span_that_grew_beyond_an_answer_comes_without_its_largest_parts(api: Api) -> None:
    api.send(span(input_data="x" * 3 * MB))
    shown = api.send(span(output_data="y" * (3 * MB + 1), end_time=at(1)))
    assert shown == api.span()
    assert (len(shown["input_data"]), shown["output_data"], shown["payloads_omitted"]) == (3 * MB, None, True)
    assert api.trace()["payloads_omitted"] is True
    assert api.page(view="summary")["traces"][0]["output_preview"].startswith("yyy")


def test_a_turn_beyond_5_mb_comes_as_its_summary(api: Api) -> None:
    api.send(span(input_data="x" * 3 * MB, conversation_id="c"))
    api.send(span(output_data="y" * 3 * MB, conversation_id="c"))
    (turn,) = api.page(view="turns", conversation_id="c")["traces"]
    assert turn["payloads_omitted"] is True
    assert "input_data" not in turn


@on_dynamodb_local
def test_summaries_are_cut_where_an_answer_is_full(api: Api) -> None:
    names = ("model_name", "model_provider", "service_name", "conversation_id", "end_user_id", "lesson_id")
    wide = {
        **dict.fromkeys(names, "👋" * 256),
        "span_name": "👋" * 512,
        "input_data": "👋" * 300,
        "output_data": "👋" * 300,
    }
    traces = [f"t{number:03}" for number in range(550)]
    for part in (traces[:275], traces[275:]):
        assert api.post(utf_8(*(span(name, **wide) for name in part))).status == 201
    first = api("GET", TRACES, query="view=summary&limit=1000")
    assert small(first.body)
    assert len(first.json["traces"]) < len(traces)
    assert first.json["scanned_to"] == at()
    assert sorted(api.summaries(limit=1_000)) == traces


@on_dynamodb_local
def test_long_errors_and_names_fit_however_many(api: Api) -> None:
    names = ("model_name", "tool_name", "service_name", "message_id")
    spans = [
        child(f"s{number}", "root", error_message=unlike(8_000, number), **dict.fromkeys(names, unlike(256, number)))
        for number in range(120)
    ]
    assert api.post({"spans": spans}).status == 201
    assert api.trace(view="outline")["summary"]["error_count"] == 120
    assert api.span("s7")["error_message"] == unlike(8_000, 7)
    assert api.summaries(tool_name=unlike(256, 119)) == ["t"]
