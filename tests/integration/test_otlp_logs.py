"""Messages that come as log records: joined to their span, whichever comes first."""

import gzip
import random
import time
from typing import Any

import pytest

from tests.api import TRACES, Api
from tests.otlp import ENCODINGS, Encoding, export, headers, message, new_id, partial_success, send, span

in_both_encodings = pytest.mark.parametrize("encoding", ENCODINGS)


def say(api: Api, *records: Any, encoding: Encoding = "json") -> None:
    """An export of log records, none of which may be rejected."""
    assert send(api, *records, signal="logs", encoding=encoding) == (0, "")


def texts(content: Any) -> list[str]:
    """What the messages of a span's input or output say."""
    return [part["text"] for message in content["messages"] for part in message["parts"]]


@in_both_encodings
@pytest.mark.parametrize("order", ["logs first", "span first", "span between"])
def test_messages_join_their_span_whichever_comes_first(api: Api, encoding: Encoding, order: str) -> None:
    trace_id = new_id()
    asked, replied = message(trace_id, "Grüezi"), message(trace_id, "Hoi", role="choice", after_ms=2)
    if order == "span first":
        send(api, span(trace_id), encoding=encoding)
    say(api, asked, encoding=encoding)
    if order == "span between":
        send(api, span(trace_id), encoding=encoding)
    say(api, replied, encoding=encoding)
    if order == "logs first":
        send(api, span(trace_id), encoding=encoding)
    stored = api.span("00000000000000aa", trace_id)
    assert (texts(stored["input_data"]), texts(stored["output_data"])) == (["Grüezi"], ["Hoi"])
    assert (stored["status"], stored["span_name"]) == ("success", "chat")


def test_repeated_messages_are_said_once_and_in_the_order_of_their_times(api: Api) -> None:
    trace_id = new_id()
    spoken = [message(trace_id, f"word {n}", after_ms=n) for n in range(1, 5)]
    send(api, span(trace_id))
    say(api, spoken[3], spoken[1])
    say(api, *spoken)
    say(api, spoken[0], spoken[3], encoding="protobuf")
    assert texts(api.span("00000000000000aa", trace_id)["input_data"]) == ["word 1", "word 2", "word 3", "word 4"]


@pytest.mark.parametrize("logs_first", [True, False])
def test_what_the_span_itself_tells_stays(api: Api, logs_first: bool) -> None:
    trace_id = new_id()
    own = span(
        trace_id, told={"gen_ai.operation.name": "chat", "gen_ai.input.messages": '[{"role":"user","content":"own"}]'}
    )
    records = [message(trace_id, "heard"), message(trace_id, "reply", role="choice", after_ms=2)]
    for part in [1, 0] if logs_first else [0, 1]:
        if part:
            say(api, *records)
        else:
            send(api, own)
    stored = api.span("00000000000000aa", trace_id)
    assert (texts(stored["input_data"]), texts(stored["output_data"])) == (["own"], ["reply"])


@pytest.mark.parametrize("status", ["success", "error", "pending"])
@pytest.mark.parametrize("logs_first", [True, False])
def test_a_message_changes_no_start_and_no_status(api: Api, status: str, logs_first: bool) -> None:
    trace_id = new_id()
    fields: dict[str, Any] = {"trace_id": trace_id, "span_id": "00000000000000aa", "span_name": "chat"}
    fields |= {"start_time": "2025-01-02T10:00:00.000Z", "status": status}
    if logs_first:
        say(api, message(trace_id, "Hi", after_ms=-5000))
    api.send(fields)
    if not logs_first:
        say(api, message(trace_id, "Hi", after_ms=-5000))
    stored = api.span("00000000000000aa", trace_id)
    assert (stored["start_time"], stored["status"]) == (fields["start_time"], status)
    assert api.trace(trace_id)["summary"]["start_time"] == fields["start_time"]


def test_a_trace_of_messages_alone_is_shown_as_pending(api: Api) -> None:
    trace_id = new_id()
    say(api, message(trace_id, "Hi"))
    trace = api.trace(trace_id)
    assert (trace["summary"]["status"], trace["summary"]["span_count"]) == ("pending", 1)
    assert trace["summary"]["start_time"] == "2025-01-02T10:00:00.001Z"
    assert texts(trace["spans"][0]["input_data"]) == ["Hi"]
    assert trace["summary"]["input_preview"] == "Hi"


def test_a_trace_of_messages_alone_is_in_the_lists_and_under_its_span_later(api: Api) -> None:
    trace_id = new_id()
    say(api, message(trace_id, "Hi"))
    assert api.summaries() == [trace_id]
    send(api, span(trace_id, parentSpanId="00000000000000ff"))
    assert api.summaries() == [trace_id]
    assert api.page(view="summary")["traces"][0]["name"] == "chat"


@pytest.mark.parametrize("time_ns", [0, 2**64 - 1])
def test_a_message_without_a_time_that_can_be_is_listed_as_of_now(api: Api, time_ns: int) -> None:
    trace_id, before_ns = new_id(), time.time_ns()
    say(api, message(trace_id, "Hi", timeUnixNano=str(time_ns)))
    start = api.page(view="summary")["traces"][0]["start_time"]
    assert start[:13] in (_hour(before_ns), _hour(time.time_ns()))


def test_other_log_records_are_accepted_and_dropped(api: Api) -> None:
    trace_id = new_id()
    say(
        api,
        message(trace_id, "started", eventName="app.started"),
        message(trace_id, "no span", traceId=""),
        message(trace_id, "a plain line", eventName="", body={"stringValue": "listening on 8080"}),
    )
    assert api.summaries() == []


def test_a_patch_still_outranks_what_the_messages_say(api: Api) -> None:
    trace_id = new_id()
    send(api, span(trace_id))
    say(api, message(trace_id, "heard"))
    api.patched("00000000000000aa", trace_id, input_data={"mine": 1})
    say(api, message(trace_id, "heard later", after_ms=9))
    assert api.span("00000000000000aa", trace_id)["input_data"] == {"mine": 1}


def test_log_records_of_a_deleted_trace_are_rejected_one_by_one(api: Api) -> None:
    trace_id = new_id()
    send(api, span(trace_id))
    assert api("DELETE", f"{TRACES}/{trace_id}").status == 200
    rejected, _ = send(api, message(trace_id, "one"), message(trace_id, "two", after_ms=2), signal="logs")
    assert rejected == 2


def test_messages_over_4_mb_of_one_span_are_rejected(api: Api) -> None:
    trace_id = new_id()
    noise = random.Random(4).randbytes(1_100_000).hex()
    records = [message(trace_id, noise, after_ms=after_ms) for after_ms in (1, 2)]
    body = gzip.compress(export(*records, signal="logs"), 1)
    reply = api("POST", "/v1/logs", body=body, headers=headers("json", packed=True))
    assert partial_success(reply, "logs")[0] == 2


def _hour(time_ns: int) -> str:
    return time.strftime("%Y-%m-%dT%H", time.gmtime(time_ns // 1_000_000_000))


def test_a_change_that_says_what_a_message_said_is_kept(api: Api) -> None:
    trace_id = new_id()
    say(api, message(trace_id, "heard"))
    heard = api.span("00000000000000aa", trace_id)["input_data"]
    api.patched("00000000000000aa", trace_id, input_data=heard)
    send(api, span(trace_id, told={"gen_ai.operation.name": "chat", "gen_ai.prompt": "something else"}))
    assert texts(api.span("00000000000000aa", trace_id)["input_data"]) == ["heard"]
