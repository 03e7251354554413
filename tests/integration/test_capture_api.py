"""Capture of spans by HTTP: the stored result of one request, of a batch, and of later requests for the same span."""

import gzip
import json
import re
import time
from datetime import datetime
from typing import Any

import pytest

from tests.api import Api, at, failure, fields_of, path_of, span

FIELDS = {
    *("id", "user_id", "trace_id", "span_id", "parent_trace_id", "parent_span_id", "span_name", "operation_type"),
    *("start_time", "end_time", "duration_ms", "clock_skew", "model_name", "model_provider", "model_version"),
    *("input_data", "output_data", "metadata", "conversation_id", "message_id"),
    *("input_tokens", "output_tokens", "total_tokens", "cached_input_tokens", "cache_write_tokens"),
    *(
        "reasoning_tokens",
        "cost_usd",
        "cost_source",
        "cost_price",
        "tool_name",
        "end_user_id",
        "service_name",
        "lesson_id",
    ),
    *("status", "error_message", "error_type", "error_stack", "created_at", "updated_at", "expires_at"),
    *("environment", "release", "tags", "prompt_name", "prompt_version", "usage_details", "cost_reason"),
    *("time_to_first_token_ms", "finish_reason", "service_tier", "interrupted", "events", "links"),
}
"""The fields of a span in the contract."""

EVERYTHING: dict[str, Any] = {
    "parent_span_id": "above",
    "operation_type": "completion",
    "end_time": at(1.5),
    "duration_ms": 1500,
    "model_name": "gpt-4o",
    "model_provider": "openai",
    "model_version": "2024-08-06",
    "input_data": {"messages": [{"role": "user", "parts": [{"type": "text", "text": "Grüße 👋"}]}]},
    "output_data": ["any", {"JSON": [1, 2.5, None, True]}],
    "metadata": {"temperature": 0.2, "big": 2**60, "empty": {}},
    "conversation_id": "a / b # c % d .. 👋",
    "message_id": "m?1",
    "input_tokens": 100,
    "output_tokens": 20,
    "total_tokens": 121,
    "cached_input_tokens": 60,
    "cache_write_tokens": 5,
    "reasoning_tokens": 7,
    "cost_usd": 0.000123456,
    "tool_name": "search",
    "end_user_id": "eve",
    "service_name": "chat",
    "lesson_id": "l1",
    "status": "error",
    "error_message": "It broke.",
    "error_type": "RateLimited",
    "error_stack": "Traceback\n  at line 1",
    "environment": "production",
    "release": "1.4.2",
    "tags": ["eu", "beta"],
    "prompt_name": "welcome",
    "prompt_version": "3",
    "usage_details": {"input": 92, "input_audio": 8},
    "time_to_first_token_ms": 120.5,
    "finish_reason": "length",
    "service_tier": "flex",
    "interrupted": True,
    "events": [{"name": "retry", "time": at(1), "attributes": {"after": 2}}, {"name": "done"}],
    "links": [{"trace_id": "other", "span_id": "span", "attributes": {"why": "resumed"}}],
}


def test_a_span_has_exactly_the_fields_of_the_contract(api: Api) -> None:
    assert set(api.send(span())) == FIELDS


def test_every_field_is_returned_as_it_was_sent(api: Api) -> None:
    api.send(span(**EVERYTHING))
    assert {name: value for name, value in api.span().items() if name in EVERYTHING} == EVERYTHING


def test_the_response_to_one_span_equals_a_later_get(api: Api) -> None:
    assert api.send(span(**EVERYTHING)) == api.span()


def test_the_response_to_a_batch_names_each_span(api: Api) -> None:
    entries = api.send(span("t", "a"), span("u", "a"))
    assert [set(entry) for entry in entries] == [{"id", "trace_id", "span_id"}] * 2
    assert [(entry["trace_id"], entry["span_id"]) for entry in entries] == [("t", "a"), ("u", "a")]
    assert [entry["id"] for entry in entries] == [api.span("a", "t")["id"], api.span("a", "u")["id"]]


def test_a_span_that_was_read_can_be_sent_again(api: Api) -> None:
    api.send(span(**EVERYTHING))
    stored = api.span()
    sendable = {name: value for name, value in stored.items() if name != "cost_source"}
    assert api.send(sendable) == stored


def test_fields_that_the_server_sets_are_ignored_when_sent(api: Api) -> None:
    sent = span(id="mine", user_id="somebody", created_at=at(-1), updated_at="no time", expires_at=5, cost_source=[])
    stored = api.send(sent)
    assert stored["user_id"] == (api.user and api.user.name)
    assert stored["expires_at"] > stored["created_at"] > at()


def test_times_are_stored_to_the_nanosecond_and_returned_in_utc(api: Api) -> None:
    stored = api.send(span(start_time="2025-01-02T11:00:00.123456789+01:00", end_time="2025-01-02 10:00:01z"))
    assert (stored["start_time"], stored["end_time"]) == ("2025-01-02T10:00:00.123456789Z", "2025-01-02T10:00:01.000Z")
    assert stored["duration_ms"] == 876.543211


@pytest.mark.parametrize(
    ("sent", "end_time", "duration_ms"),
    [
        ({"duration_ms": 1500.5}, "2025-01-02T10:00:01.500500Z", 1500.5),
        ({"end_time": at(2)}, at(2), 2000),
        ({"end_time": at(2), "duration_ms": 1001}, at(2), 2000),
        ({"duration_ms": 0}, at(), 0),
        ({}, None, None),
    ],
)
def test_end_and_duration_derive_from_each_other(
    api: Api, sent: dict[str, Any], end_time: str | None, duration_ms: float | None
) -> None:
    stored = api.send(span(**sent))
    assert (stored["end_time"], stored["duration_ms"]) == (end_time, duration_ms)


@pytest.mark.parametrize("batch", [False, True])
@pytest.mark.parametrize("duration_ms", [999, 3000.5, 0])
def test_a_duration_that_contradicts_the_end_is_kept_and_marked(api: Api, batch: bool, duration_ms: float) -> None:
    sent = span(end_time=at(2), duration_ms=duration_ms)
    api.send(sent, span("other")) if batch else api.send(sent)
    stored = api.span()
    assert (stored["start_time"], stored["end_time"]) == (at(), at(2))
    assert (stored["duration_ms"], stored["clock_skew"]) == (duration_ms, True)
    assert api.send(stored) == {**stored, "updated_at": api.span()["updated_at"]}
    (line,) = api.trace(view="outline")["outline"]
    assert (line["duration_ms"], line["clock_skew"]) == (duration_ms, True)
    assert api.trace()["summary"]["duration_ms"] == 2000


def test_times_that_agree_are_not_marked(api: Api) -> None:
    assert api.send(span(end_time=at(2), duration_ms=1000))["clock_skew"] is False


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({}, "pending"),
        ({"end_time": at(1)}, "success"),
        ({"duration_ms": 5}, "success"),
        ({"error_message": "x"}, "error"),
        ({"error_type": "x", "end_time": at(1)}, "error"),
        ({"status": "success"}, "success"),
        ({"status": "success", "error_message": "survived"}, "success"),
        ({"status": "pending"}, "pending"),
        ({"status": "error"}, "error"),
    ],
)
def test_a_status_is_as_sent_or_derived_from_other_fields(api: Api, sent: dict[str, Any], status: str) -> None:
    assert api.send(span(**sent))["status"] == status


@pytest.mark.parametrize("name", ["parent_trace_id", "parent_span_id"])
def test_a_parent_may_be_sent_under_two_names(api: Api, name: str) -> None:
    stored = api.send(span(**{name: "above"}))
    assert (stored["parent_trace_id"], stored["parent_span_id"]) == ("above", "above")


def test_two_names_for_two_parents_contradict_each_other(api: Api) -> None:
    assert failure(api.post(span(parent_trace_id="a", parent_span_id="b"))) == (400, "invalid_request")


@pytest.mark.parametrize(
    ("sent", "total"),
    [({"input_tokens": 3, "output_tokens": 4}, 7), ({"input_tokens": 3}, 3), ({"total_tokens": 9}, 9), ({}, None)],
)
def test_total_tokens_default_to_input_plus_output(api: Api, sent: dict[str, Any], total: int | None) -> None:
    assert api.send(span(**sent))["total_tokens"] == total


def test_retention_counts_from_the_first_write(api: Api) -> None:
    first = api.send(span())
    days = datetime.fromisoformat(first["expires_at"]) - datetime.fromisoformat(first["created_at"])
    assert abs(days.total_seconds() - 30 * 86_400) < 2
    time.sleep(1.1)
    assert api.send(span(end_time=at(1)))["expires_at"] == first["expires_at"]


def test_the_same_span_again_changes_nothing(api: Api) -> None:
    first = api.send(span(**EVERYTHING))
    assert api.send(span(**EVERYTHING)) == first


def test_the_same_span_again_changes_nothing_of_its_trace(api: Api) -> None:
    spans = [span(**EVERYTHING), span(span_id="second", end_time=at(1))]
    api.send(*spans)
    before = api.trace()
    api.send(*spans)
    api.send(spans[1])
    assert api.trace() == before


def test_a_span_that_is_repeated_with_a_new_one_is_not_updated(api: Api) -> None:
    before = api.send(span())
    time.sleep(0.01)
    api.send(span(), span(span_id="new"))
    assert api.span() == before


def test_a_change_sets_updated_at_and_no_other_server_field(api: Api) -> None:
    first = api.send(span())
    time.sleep(0.01)
    second = api.send(span(end_time=at(1)))
    assert second["updated_at"] > first["updated_at"]
    assert (second["id"], second["created_at"]) == (first["id"], first["created_at"])


def test_fields_are_merged_and_null_erases_nothing(api: Api) -> None:
    api.send(span(model_name="gpt-4o", input_data={"a": 1}, input_tokens=3))
    erasing = dict.fromkeys(["model_name", "input_data", "input_tokens", "metadata"])
    merged = api.send(span() | erasing | {"output_data": "hello", "output_tokens": 4})
    values = tuple(merged[name] for name in ("model_name", "input_data", "output_data", "total_tokens"))
    assert values == ("gpt-4o", {"a": 1}, "hello", 7)


@pytest.mark.parametrize("ended_first", [True, False])
def test_an_ended_span_wins_over_a_pending_one_in_any_order(api: Api, ended_first: bool) -> None:
    pending = span(span_name="guess", model_name="old", tool_name="kept")
    ended = span(span_name="final", model_name="new", end_time=at(1))
    for sent in (ended, pending) if ended_first else (pending, ended):
        api.send(sent)
    merged = api.span()
    values = tuple(merged[name] for name in ("span_name", "model_name", "tool_name", "status", "end_time"))
    assert values == ("final", "new", "kept", "success", at(1))


@pytest.mark.parametrize("late_first", [True, False])
def test_the_later_end_wins_in_any_order(api: Api, late_first: bool) -> None:
    late, early = span(end_time=at(2), output_data="late"), span(end_time=at(1), output_data="early")
    for sent in (late, early) if late_first else (early, late):
        api.send(sent)
    assert (api.span()["output_data"], api.span()["end_time"]) == ("late", at(2))


def test_a_span_without_an_id_and_a_start_gets_both_and_can_be_a_parent(api: Api) -> None:
    before_ms = int(time.time() * 1000)
    parent = api.send({"trace_id": "t", "span_name": "agent.run"})
    assert before_ms <= datetime.fromisoformat(parent["start_time"]).timestamp() * 1000 <= time.time() * 1000
    assert re.fullmatch(r"[0-9a-f]{32}", parent["span_id"])
    assert (parent["status"], parent["end_time"]) == ("pending", None)
    child = api.send(
        {"trace_id": "t", "span_id": None, "span_name": "llm.completion", "parent_trace_id": parent["span_id"]}
    )
    (root,) = api.trace()["spans"]
    assert (root["span_id"], [node["span_id"] for node in root["children"]]) == (parent["span_id"], [child["span_id"]])
    assert api.span(parent["span_id"]) == parent
    ended = api.patched(parent["span_id"], end_time=child["start_time"], output_data="done")
    assert (ended["status"], ended["start_time"]) == ("success", parent["start_time"])


def test_a_repeated_request_without_an_id_is_a_second_span(api: Api) -> None:
    sent = {"trace_id": "t", "span_name": "tool.search", "start_time": at(), "output_data": 1}
    first, second = api.send(sent), api.send(sent)
    assert first["span_id"] != second["span_id"]
    assert api.trace()["summary"]["span_count"] == 2


def test_a_span_that_got_its_id_from_the_server_is_repeated_and_merged_with_it(api: Api) -> None:
    sent = {"trace_id": "t", "span_name": "tool.search", "duration_ms": 250}
    first = api.send(sent)
    assert (first["status"], first["duration_ms"]) == ("success", 250)
    named = {**sent, "span_id": first["span_id"], "start_time": first["start_time"]}
    assert api.send(named) == first
    merged = api.send({**named, "output_data": "found"})
    assert [merged[name] for name in ("start_time", "end_time", "output_data")] == [
        first["start_time"],
        first["end_time"],
        "found",
    ]
    assert api.trace()["summary"]["span_count"] == 1


def test_a_report_about_a_known_span_needs_its_start(api: Api) -> None:
    stored = api.send(span())
    reply = api.post({"trace_id": "t", "span_id": "root", "span_name": "call.root", "end_time": at(1)})
    assert (failure(reply), fields_of(reply)) == ((400, "invalid_request"), ["start_time"])
    assert api.span() == stored


def test_a_span_twice_in_one_batch_is_one_span(api: Api) -> None:
    api.send(span(model_name="m"), span(end_time=at(1)))
    trace = api.trace()
    assert trace["summary"]["span_count"] == 1
    assert (trace["spans"][0]["model_name"], trace["spans"][0]["status"]) == ("m", "success")


def test_an_invalid_span_is_rejected_by_its_index_and_the_others_are_stored(api: Api) -> None:
    bad = [span("t", "b", input_tokens=-1), {"a": 1}, "no object", None, span("t", "c", start_time="yesterday")]
    reply = api.post({"spans": [bad[0], span("t", "a"), *bad[1:]]})
    assert reply.status == 201
    assert [entry["span_id"] for entry in reply.json["data"]] == ["a"]
    assert [entry["index"] for entry in reply.json["rejected"]] == [0, 2, 3, 4, 5]
    assert {entry["code"] for entry in reply.json["rejected"]} == {"invalid_request"}
    assert [set(entry) for entry in reply.json["rejected"]] == [{"index", "code", "message"}] * 5
    assert api.trace()["summary"]["span_count"] == 1


def test_a_batch_of_invalid_spans_only_is_refused(api: Api) -> None:
    reply = api.post({"spans": [{}, span(status="done")]})
    assert failure(reply) == (400, "all_spans_rejected")
    assert fields_of(reply) == ["spans[0]", "spans[1]"]
    assert api("GET", path_of("t")).status == 404


def test_a_span_may_be_sent_gzipped(api: Api) -> None:
    packed = gzip.compress(json.dumps(span(output_data="packed")).encode())
    assert api.post(packed, headers={"content-encoding": "gzip"}).status == 201
    assert api.span()["output_data"] == "packed"


def test_half_of_a_surrogate_pair_becomes_the_replacement_character(api: Api) -> None:
    body = json.dumps(span(input_data={"k": "cut \ud83d off"}, output_data="whole \U0001f44b")).encode()
    assert api.post(body).status == 201
    assert (api.span()["input_data"], api.span()["output_data"]) == ({"k": "cut � off"}, "whole 👋")


def test_any_json_value_is_a_payload(api: Api) -> None:
    values = [False, 0, 0.0, "", [], {}, "text", 2**70, 1e-300, [None]]
    api.send(*(span(span_id=f"s{number}", input_data=value) for number, value in enumerate(values)))
    payloads = [node["input_data"] for node in api.trace()["spans"]]
    assert json.dumps(payloads) == json.dumps(values)


@pytest.mark.parametrize("trace_id", ["a" * 128, "0", "A.b_c:d-e", "f" * 32])
def test_any_valid_id_can_be_stored_read_listed_and_deleted(api: Api, trace_id: str) -> None:
    api.send(span(trace_id, trace_id))
    assert api.span(trace_id, trace_id)["span_id"] == trace_id
    assert api.summaries(trace_id=trace_id) == [trace_id]
    assert api("DELETE", path_of(trace_id)).status == 200


def test_the_id_of_a_span_depends_on_its_user(api: Api, other: Api) -> None:
    assert api.send(span())["id"] != other.send(span())["id"]


def test_a_span_acknowledged_with_201_is_in_the_next_get_and_list(api: Api) -> None:
    for number in range(5):
        api.send(span(f"t{number}"))
        assert api.trace(f"t{number}")["summary"]["span_count"] == 1
        assert len(api.summaries()) == number + 1
