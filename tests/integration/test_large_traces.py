"""Traces and spans near the size limits of Lambda and DynamoDB."""

import json
import random
from typing import Any

import pytest

from tests.api import TRACES, Api, at, child, failure, path_of, span

# This engine has the real limits and is fast enough.
on_dynamodb_local = pytest.mark.parametrize("engine", ["dynamodb-local"], indirect=True, scope="session")

LAMBDA_BYTES = 6_000_000
MB = 1_000_000


def incompressible(size: int, seed: int = 0) -> str:
    """Text that does not compress."""
    return random.Random(seed).randbytes(size // 2).hex()


def utf_8(*spans: dict[str, Any]) -> bytes:
    """A body in which an emoji takes four bytes; escaped it takes twelve."""
    return json.dumps({"spans": spans}, ensure_ascii=False).encode()


def fits_lambda(body: bytes) -> bool:
    return len(body) < LAMBDA_BYTES


@on_dynamodb_local
def test_an_outline_contains_ten_thousand_spans(api: Api) -> None:
    for batch in range(10):
        spans = [
            span(span_id=str(number), parent_span_id=str((number - 1) // 3) if number else None, start_time=at(number))
            for number in range(batch * 1_000, (batch + 1) * 1_000)
        ]
        assert api.post({"spans": spans}).status == 201
    reply = api("GET", path_of("t"), query="view=outline")
    assert fits_lambda(reply.body)
    assert sorted(int(node["span_id"]) for node in reply.json["trace"]["outline"]) == list(range(10_000))
    assert reply.json["trace"]["summary"]["span_count"] == 10_000
    tree = api("GET", path_of("t"))
    assert (tree.status, fits_lambda(tree.body)) == (200, True)
    assert tree.json["trace"]["payloads_omitted"] is True
    assert tree.json["trace"]["children_omitted"] is True
    listed = api("GET", TRACES)
    assert (listed.status, fits_lambda(listed.body)) == (200, True)


@on_dynamodb_local
def test_an_outline_that_does_not_fit_is_continued_by_cursor(api: Api) -> None:
    for batch in range(3):
        spans = [span(span_id=f"{batch}-{number}", span_name="👋" * 512) for number in range(1_000)]
        assert api.post(utf_8(*spans)).status == 201
    ids: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        reply = api("GET", path_of("t"), query={"view": "outline", **cursor})
        assert fits_lambda(reply.body)
        ids += [node["span_id"] for node in reply.json["trace"]["outline"]]
        if reply.json["next_cursor"] is None:
            break
        cursor = {"cursor": reply.json["next_cursor"]}
    assert sorted(ids) == sorted(f"{batch}-{number}" for batch in range(3) for number in range(1_000))


def test_a_trace_over_5_mb_has_no_payloads_and_its_span_routes_have_them(api: Api) -> None:
    texts = {name: incompressible(2 * MB, seed) for seed, name in enumerate("abc")}
    for name, text in texts.items():
        assert api.post(span(span_id=name, input_data=text, metadata={"n": name})).status == 201
    trace = api.trace()
    assert trace["payloads_omitted"] is True
    assert all("input_data" not in root and "metadata" not in root for root in trace["spans"])
    assert [root["span_id"] for root in trace["spans"]] == list("abc")
    assert api.span("b")["input_data"] == texts["b"]
    assert "payloads_omitted" not in api.trace(payloads="false")
    assert [root["payloads_omitted"] for root in api.page()["traces"]] == [True] * 3


def test_a_trace_with_more_payload_than_one_read_is_returned(api: Api) -> None:
    for number in range(6):
        assert api.post(span(span_id=f"s{number}", input_data=f"{number}" * 4 * MB)).status == 201
    trace = api.trace()
    assert trace["payloads_omitted"] is True
    assert [set(root) & {"input_data", "output_data", "metadata"} for root in trace["spans"]] == [set()] * 6
    assert [root["payloads_omitted"] for root in api.page()["traces"]] == [True] * 6
    assert api.span("s5")["input_data"] == "5" * 4 * MB


def test_a_trace_below_5_mb_has_its_payloads(api: Api) -> None:
    for name in "ab":
        assert api.post(span(span_id=name, input_data=name * (2 * MB + MB // 4))).status == 201
    trace = api.trace()
    assert "payloads_omitted" not in trace
    assert [len(root["input_data"]) for root in trace["spans"]] == [2 * MB + MB // 4] * 2


@pytest.mark.parametrize("content", ["text", "code", "emoji"])
def test_a_span_of_4_mb_round_trips(api: Api, content: str) -> None:
    text = {"text": incompressible(4 * MB), "code": '"\\' * MB, "emoji": "👋🏽" * 500_000}[content]
    body = json.dumps(span(input_data=text), ensure_ascii=False).encode()
    assert api.post(body).status == 201
    assert api.span()["input_data"] == text
    assert api.trace()["spans"][0]["input_data"] == text
    assert api.page()["traces"][0]["input_data"] == text


def test_a_span_over_4_mb_is_refused(api: Api) -> None:
    assert failure(api.post(span(input_data="x" * 4_300_000))) == (400, "span_too_large")


def test_a_span_over_4_mb_is_rejected_alone(api: Api) -> None:
    reply = api.post({"spans": [span("a"), span("b", input_data="x" * 4_300_000), span("c")]})
    assert reply.status == 201
    assert [entry["trace_id"] for entry in reply.json["data"]] == ["a", "c"]
    assert [(entry["index"], entry["code"]) for entry in reply.json["rejected"]] == [(1, "span_too_large")]


def test_a_change_that_makes_a_span_too_large_is_refused(api: Api) -> None:
    api.send(span(input_data="x" * 3 * MB))
    assert failure(api.patch(output_data="y" * 3 * MB)) == (400, "span_too_large")
    assert api.span()["output_data"] is None
    assert api.patched(end_time=at(1))["status"] == "success"


def test_a_span_larger_than_a_response_has_no_largest_payload_field(api: Api) -> None:
    api.send(span(input_data="x" * 3 * MB))
    returned = api.send(span(output_data="y" * (3 * MB + 1), end_time=at(1)))
    assert returned == api.span()
    assert (len(returned["input_data"]), returned["output_data"], returned["payloads_omitted"]) == (3 * MB, None, True)
    assert api.trace()["payloads_omitted"] is True
    assert api.page(view="summary")["traces"][0]["output_preview"].startswith("yyy")


def test_a_turn_over_5_mb_is_reduced_to_its_summary(api: Api) -> None:
    api.send(span(input_data="x" * 3 * MB, conversation_id="c"))
    api.send(span(output_data="y" * 3 * MB, conversation_id="c"))
    (turn,) = api.page(view="turns", conversation_id="c")["traces"]
    assert turn["payloads_omitted"] is True
    assert "input_data" not in turn


@on_dynamodb_local
def test_a_page_of_summaries_ends_where_the_response_is_full(api: Api) -> None:
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
    assert fits_lambda(first.body)
    assert len(first.json["traces"]) < len(traces)
    assert first.json["scanned_to"] == at()
    assert sorted(api.summaries(limit=1_000)) == traces


@on_dynamodb_local
def test_any_number_of_long_errors_and_names_fits(api: Api) -> None:
    names = ("model_name", "tool_name", "service_name", "message_id")
    spans = [
        child(
            f"s{number}",
            "root",
            error_message=incompressible(8_000, number),
            **dict.fromkeys(names, incompressible(256, number)),
        )
        for number in range(120)
    ]
    assert api.post({"spans": spans}).status == 201
    assert api.trace(view="outline")["summary"]["error_count"] == 120
    assert api.span("s7")["error_message"] == incompressible(8_000, 7)
    assert api.summaries(tool_name=incompressible(256, 119)) == ["t"]
