"""Messages from log records are joined to their span, whichever arrives first."""

import gzip
import json
import random
import time
from typing import Any

import pytest

from tests.api import TRACES, Api
from tests.otlp import ENCODINGS, Encoding, export, headers, message, new_id, partial_success, send, span

in_both_encodings = pytest.mark.parametrize("encoding", ENCODINGS)


def send_logs(api: Api, *records: Any, encoding: Encoding = "json") -> None:
    """Export log records, none of which may be rejected."""
    assert send(api, *records, signal="logs", encoding=encoding) == (0, "")


def texts(content: Any) -> list[str]:
    """The texts of the messages in a span's input or output."""
    return [part["text"] for message in content["messages"] for part in message["parts"]]


@in_both_encodings
@pytest.mark.parametrize("order", ["logs first", "span first", "span between"])
def test_messages_join_their_span_whichever_comes_first(api: Api, encoding: Encoding, order: str) -> None:
    trace_id = new_id()
    question, reply = message(trace_id, "Grüezi"), message(trace_id, "Hoi", role="choice", after_ms=2)
    if order == "span first":
        send(api, span(trace_id), encoding=encoding)
    send_logs(api, question, encoding=encoding)
    if order == "span between":
        send(api, span(trace_id), encoding=encoding)
    send_logs(api, reply, encoding=encoding)
    if order == "logs first":
        send(api, span(trace_id), encoding=encoding)
    stored = api.span("00000000000000aa", trace_id)
    assert (texts(stored["input_data"]), texts(stored["output_data"])) == (["Grüezi"], ["Hoi"])
    assert (stored["status"], stored["span_name"]) == ("success", "chat")


def test_repeated_messages_appear_once_in_the_order_of_their_times(api: Api) -> None:
    trace_id = new_id()
    messages = [message(trace_id, f"word {n}", after_ms=n) for n in range(1, 5)]
    send(api, span(trace_id))
    send_logs(api, messages[3], messages[1])
    send_logs(api, *messages)
    send_logs(api, messages[0], messages[3], encoding="protobuf")
    assert texts(api.span("00000000000000aa", trace_id)["input_data"]) == ["word 1", "word 2", "word 3", "word 4"]


@pytest.mark.parametrize("logs_first", [True, False])
def test_input_that_the_span_reports_has_precedence_over_messages(api: Api, logs_first: bool) -> None:
    trace_id = new_id()
    reported = span(
        trace_id, values={"gen_ai.operation.name": "chat", "gen_ai.input.messages": '[{"role":"user","content":"own"}]'}
    )
    records = [message(trace_id, "question"), message(trace_id, "reply", role="choice", after_ms=2)]
    for sends_logs in [True, False] if logs_first else [False, True]:
        if sends_logs:
            send_logs(api, *records)
        else:
            send(api, reported)
    stored = api.span("00000000000000aa", trace_id)
    assert (texts(stored["input_data"]), texts(stored["output_data"])) == (["own"], ["reply"])


@pytest.mark.parametrize("status", ["success", "error", "pending"])
@pytest.mark.parametrize("logs_first", [True, False])
def test_a_message_changes_neither_start_nor_status(api: Api, status: str, logs_first: bool) -> None:
    trace_id = new_id()
    fields: dict[str, Any] = {"trace_id": trace_id, "span_id": "00000000000000aa", "span_name": "chat"}
    fields |= {"start_time": "2025-01-02T10:00:00.000Z", "status": status}
    if logs_first:
        send_logs(api, message(trace_id, "Hi", after_ms=-5000))
    api.send(fields)
    if not logs_first:
        send_logs(api, message(trace_id, "Hi", after_ms=-5000))
    stored = api.span("00000000000000aa", trace_id)
    assert (stored["start_time"], stored["status"]) == (fields["start_time"], status)
    assert api.trace(trace_id)["summary"]["start_time"] == fields["start_time"]


def test_a_trace_of_messages_alone_is_shown_as_pending(api: Api) -> None:
    trace_id = new_id()
    send_logs(api, message(trace_id, "Hi"))
    trace = api.trace(trace_id)
    assert (trace["summary"]["status"], trace["summary"]["span_count"]) == ("pending", 1)
    assert trace["summary"]["start_time"] == "2025-01-02T10:00:00.001Z"
    assert texts(trace["spans"][0]["input_data"]) == ["Hi"]
    assert trace["summary"]["input_preview"] == "Hi"


def test_a_trace_of_messages_alone_is_listed_before_and_after_its_span_arrives(api: Api) -> None:
    trace_id = new_id()
    send_logs(api, message(trace_id, "Hi"))
    assert api.summaries() == [trace_id]
    send(api, span(trace_id, parentSpanId="00000000000000ff"))
    assert api.summaries() == [trace_id]
    assert api.page(view="summary")["traces"][0]["name"] == "chat"


@pytest.mark.parametrize("time_ns", [0, 2**64 - 1])
def test_a_message_without_a_valid_time_is_listed_as_of_now(api: Api, time_ns: int) -> None:
    trace_id, before_ns = new_id(), time.time_ns()
    send_logs(api, message(trace_id, "Hi", timeUnixNano=str(time_ns)))
    start = api.page(view="summary")["traces"][0]["start_time"]
    assert start[:13] in (_hour(before_ns), _hour(time.time_ns()))


def test_other_log_records_are_accepted_and_dropped(api: Api) -> None:
    trace_id = new_id()
    send_logs(
        api,
        message(trace_id, "started", eventName="app.started"),
        message(trace_id, "no span", traceId=""),
        message(trace_id, "a plain line", eventName="", body={"stringValue": "listening on 8080"}),
    )
    assert api.summaries() == []


def test_a_patch_has_precedence_over_messages(api: Api) -> None:
    trace_id = new_id()
    send(api, span(trace_id))
    send_logs(api, message(trace_id, "question"))
    api.patched("00000000000000aa", trace_id, input_data={"mine": 1})
    send_logs(api, message(trace_id, "later question", after_ms=9))
    assert api.span("00000000000000aa", trace_id)["input_data"] == {"mine": 1}


def test_each_log_record_of_a_deleted_trace_is_rejected(api: Api) -> None:
    trace_id = new_id()
    send(api, span(trace_id))
    assert api("DELETE", f"{TRACES}/{trace_id}").status == 200
    rejected, _ = send(api, message(trace_id, "one"), message(trace_id, "two", after_ms=2), signal="logs")
    assert rejected == 2


def test_messages_of_more_than_4_mb_for_one_span_are_rejected(api: Api) -> None:
    trace_id = new_id()
    noise = random.Random(4).randbytes(1_100_000).hex()
    records = [message(trace_id, noise, after_ms=after_ms) for after_ms in (1, 2)]
    body = gzip.compress(export(*records, signal="logs"), 1)
    reply = api("POST", "/v1/logs", body=body, headers=headers("json", packed=True))
    assert partial_success(reply, "logs")[0] == 2


def _hour(time_ns: int) -> str:
    return time.strftime("%Y-%m-%dT%H", time.gmtime(time_ns // 1_000_000_000))


def test_a_change_to_the_value_of_a_message_keeps_its_precedence(api: Api) -> None:
    trace_id = new_id()
    send_logs(api, message(trace_id, "question"))
    input_data = api.span("00000000000000aa", trace_id)["input_data"]
    api.patched("00000000000000aa", trace_id, input_data=input_data)
    send(api, span(trace_id, values={"gen_ai.operation.name": "chat", "gen_ai.prompt": "something else"}))
    assert texts(api.span("00000000000000aa", trace_id)["input_data"]) == ["question"]


INSTRUCTIONS = {
    "gen_ai.operation.name": "chat",
    "gen_ai.system_instructions": '[{"type": "text", "content": "Be kind."}]',
}


@pytest.mark.parametrize("order", ["logs first", "span first", "instructions in both"])
def test_instructions_on_the_span_do_not_shut_out_messages_from_log_records(api: Api, order: str) -> None:
    trace_id = new_id()
    records = [message(trace_id, "Grüezi"), message(trace_id, "Hoi", role="choice", after_ms=2)]
    if order == "instructions in both":
        records.append(message(trace_id, "Be kind.", role="system"))
    if order == "span first":
        send(api, span(trace_id, values=INSTRUCTIONS))
    for record in records:
        send_logs(api, record)
    if order != "span first":
        send(api, span(trace_id, values=INSTRUCTIONS))
    stored = api.span("00000000000000aa", trace_id)
    assert (texts(stored["input_data"]), texts(stored["output_data"])) == (["Be kind.", "Grüezi"], ["Hoi"])
    assert [each["role"] for each in stored["input_data"]["messages"]] == ["system", "user"]


def test_instructions_without_messages_are_the_input(api: Api) -> None:
    trace_id = new_id()
    send(api, span(trace_id, values=INSTRUCTIONS))
    assert texts(api.span("00000000000000aa", trace_id)["input_data"]) == ["Be kind."]


@pytest.mark.parametrize("nests", ["text", "wrapper", "json in wrapper"])
def test_a_body_with_input_and_output_is_joined(api: Api, nests: str) -> None:
    def content(text: str, key: str) -> Any:
        return {
            "text": text,
            "wrapper": {key: text},
            "json in wrapper": {key: json.dumps([{"text": text}]), "finish_reason": "end_turn"},
        }[nests]

    trace_id = new_id()
    body = {
        "input": {
            "messages": [
                {"role": "system", "content": content("Be kind.", "content")},
                {"role": "user", "content": content("Grüezi", "content")},
            ]
        },
        "output": {"messages": [{"role": "assistant", "content": content("Hoi", "message")}]},
    }
    record = message(trace_id, "", eventName="strands.telemetry.tracer", body={"stringValue": json.dumps(body)})
    send(api, span(trace_id, values={"gen_ai.operation.name": "chat"}))
    send_logs(api, record)
    stored = api.span("00000000000000aa", trace_id)
    assert (texts(stored["input_data"]), texts(stored["output_data"])) == (["Be kind.", "Grüezi"], ["Hoi"])


@pytest.mark.parametrize("body", [{"input": "a", "output": "b"}, {"input": {"messages": 1}}, {"output": ["a"]}])
def test_another_body_with_input_and_output_is_no_conversation(api: Api, body: Any) -> None:
    trace_id = new_id()
    send(api, span(trace_id))
    send_logs(api, message(trace_id, "", eventName="checkout", body={"stringValue": json.dumps(body)}))
    assert api.span("00000000000000aa", trace_id)["input_data"] is None


@pytest.mark.parametrize(
    "values",
    [
        {"gen_ai.request.previous_response_id": "resp_1"},
        {"llm.invocation_parameters": '{"previous_response_id": "resp_1"}'},
        {"gen_ai.input.messages": '{"input": [{"role": "user", "content": "and then?"}], "previous_response_id": "r"}'},
    ],
)
def test_an_input_of_only_what_is_new_says_so(api: Api, values: dict[str, str]) -> None:
    trace_id = new_id()
    chat = {"gen_ai.operation.name": "chat", "gen_ai.input.messages": '[{"role": "user", "content": "and then?"}]'}
    send(api, span(trace_id, values={**chat, **values}))
    asked = api.span("00000000000000aa", trace_id)["input_data"]
    assert (asked["delta"], texts(asked)) == (True, ["and then?"])
    whole = new_id()
    send(api, span(whole, values=chat))
    assert "delta" not in api.span("00000000000000aa", whole)["input_data"]
