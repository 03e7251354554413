"""Spans whose times cannot be right are stored with everything else that they report."""

from typing import Any

import pytest

from tests.api import TRACES, Api, at, failure, flat
from tests.api import span as native
from tests.otlp import ENCODINGS, START_NS, Encoding, new_id, send, span

ROOT, INNER = "00000000000000aa", "00000000000000bb"
USAGE = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o", "gen_ai.usage.input_tokens": 1_000_000}
DAY_NS = 86_400 * 10**9
pytestmark = pytest.mark.parametrize("engine", ["moto"], indirect=True, scope="session")
in_both_encodings = pytest.mark.parametrize("encoding", ENCODINGS)


def stored(api: Api, trace_id: str, span_id: str = ROOT) -> dict[str, Any]:
    return next(each for each in flat(api.trace(trace_id)["spans"]) if each["span_id"] == span_id)


@in_both_encodings
@pytest.mark.parametrize("skew_ns", [1, 10**6, 10**9, 30 * DAY_NS, START_NS - 1])
def test_an_end_before_the_start_is_stored_without_a_length(api: Api, encoding: Encoding, skew_ns: int) -> None:
    trace_id = new_id()
    bad = span(trace_id, INNER, parentSpanId=ROOT, endTimeUnixNano=str(START_NS - skew_ns), values=USAGE)
    assert send(api, span(trace_id), bad, encoding=encoding) == (0, "")
    kept = stored(api, trace_id, INNER)
    assert (kept["clock_skew"], kept["duration_ms"], kept["status"]) == (True, None, "success")
    assert (kept["start_time"], kept["input_tokens"], kept["cost_usd"]) == (at(), 1_000_000, 2.5)
    assert kept["end_time"] < kept["start_time"]
    summary = api.trace(trace_id)["summary"]
    assert (summary["duration_ms"], summary["llm_call_count"]) == (1000, 1)


@in_both_encodings
@pytest.mark.parametrize("end", [None, "0"])
def test_a_span_without_an_end_is_pending_until_its_end_arrives(api: Api, encoding: Encoding, end: str | None) -> None:
    trace_id = new_id()
    assert send(api, span(trace_id, endTimeUnixNano=end), encoding=encoding) == (0, "")
    kept = stored(api, trace_id)
    assert (kept["status"], kept["end_time"], kept["duration_ms"], kept["clock_skew"]) == ("pending", None, None, False)
    send(api, span(trace_id), encoding=encoding)
    kept = stored(api, trace_id)
    assert (kept["status"], kept["duration_ms"], kept["clock_skew"]) == ("success", 1000, False)


def test_a_span_without_an_end_has_the_status_that_it_reports(api: Api) -> None:
    for code, status in ((1, "success"), (2, "error")):
        trace_id = new_id()
        send(api, span(trace_id, endTimeUnixNano="0", status={"code": code}))
        assert stored(api, trace_id)["status"] == status


@in_both_encodings
@pytest.mark.parametrize("start_ns", [1, 10**18, 4 * 10**18, 2**63, 2**64 - 1])
def test_a_trace_with_an_impossible_start_is_listed_where_it_arrived(
    api: Api, encoding: Encoding, start_ns: int
) -> None:
    trace_id = new_id()
    bad = span(trace_id, startTimeUnixNano=str(start_ns), endTimeUnixNano=str(start_ns), values=USAGE)
    assert send(api, bad, encoding=encoding) == (0, "")
    kept = stored(api, trace_id)
    assert (kept["clock_skew"], kept["duration_ms"], kept["cost_usd"]) == (True, None, 2.5)
    assert kept["start_time"] == kept["end_time"] != kept["created_at"]
    summary = api.trace(trace_id)["summary"]
    assert (summary["start_time"], summary["end_time"], summary["duration_ms"]) == (kept["created_at"], None, None)
    listed = api("GET", TRACES, query={"view": "summary", "start_date": kept["created_at"]}).json["traces"]
    assert trace_id in [trace["trace_id"] for trace in listed]


def test_a_trace_with_one_impossible_start_lasts_as_long_as_its_other_spans(api: Api) -> None:
    trace_id = new_id()
    send(api, span(trace_id), span(trace_id, INNER, parentSpanId=ROOT, startTimeUnixNano="1", endTimeUnixNano="2"))
    summary = api.trace(trace_id)["summary"]
    assert (summary["start_time"], summary["duration_ms"], summary["span_count"]) == (at(), 1000, 2)


def test_a_patch_of_a_span_with_skewed_times_need_not_repair_them(api: Api) -> None:
    trace_id = new_id()
    send(api, span(trace_id, endTimeUnixNano=str(START_NS - 1)))
    path = f"{TRACES}/{trace_id}/spans/{ROOT}"
    reply = api("PATCH", path, body={"output_data": "late"})
    assert (reply.status, reply.json["data"]["output_data"], reply.json["data"]["clock_skew"]) == (200, "late", True)
    changed = api("PATCH", path, body={"end_time": at(2)}).json["data"]
    assert (changed["duration_ms"], changed["clock_skew"]) == (2000, False)


@pytest.mark.parametrize("times", [{"end_time": at(-1)}, {"start_time": "2999-01-01T00:00:00.000Z"}])
def test_a_native_span_with_impossible_times_is_refused_unless_it_was_exported_so(api: Api, times: Any) -> None:
    assert failure(api.post(native(**times))) == (400, "invalid_request")
    kept = api.send(native(**times, clock_skew=True))
    assert (kept["clock_skew"], kept["duration_ms"]) == (True, None)
    assert kept | times == kept
