"""Deletions by HTTP: of a span, of a trace, of many traces; and spans that arrive after them."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dev.template import Template
from tests.api import TRACES, Api, at, child, failure, fields_of, flat, path_of, span
from tests.gateway import Call


def deleted(api: Api, path: str, **query: str) -> dict[str, int]:
    """The counts of a deletion that is complete when it responds."""
    reply = api("DELETE", path, query=query)
    assert reply.status == 200, reply.body
    assert set(reply.json) == {"success", "deleted"}
    counts: dict[str, int] = reply.json["deleted"]
    return counts


def test_a_deleted_trace_is_absent_from_every_route(api: Api) -> None:
    api.send(span(conversation_id="c"), child("b", "root"), span("kept", conversation_id="c"))
    assert deleted(api, path_of("t")) == {"traces": 1, "spans": 2}
    for path in (path_of("t"), path_of("t", "root")):
        assert failure(api("GET", path)) == (404, "not_found")
    assert api.summaries() == api.summaries(conversation_id="c") == api.summaries(trace_id="t,kept") == ["kept"]
    assert [root["trace_id"] for root in api.page()["traces"]] == ["kept"]


def test_a_second_deletion_of_a_trace_is_not_found(api: Api) -> None:
    api.send(span())
    deleted(api, path_of("t"))
    assert failure(api("DELETE", path_of("t"))) == (404, "not_found")


def test_a_late_span_of_a_deleted_trace_is_a_conflict(api: Api) -> None:
    api.send(span())
    deleted(api, path_of("t"))
    for late in (span(), span(span_id="another"), child("below", "root")):
        assert failure(api.post(late)) == (409, "trace_deleted")
    assert api("GET", path_of("t")).status == 404


def test_a_late_span_in_a_batch_is_rejected_alone(api: Api) -> None:
    api.send(span())
    deleted(api, path_of("t"))
    reply = api.post({"spans": [span(), span("new"), child("below", "root")]})
    assert reply.status == 201
    assert [entry["trace_id"] for entry in reply.json["data"]] == ["new"]
    assert [(entry["index"], entry["code"]) for entry in reply.json["rejected"]] == [
        (0, "trace_deleted"),
        (2, "trace_deleted"),
    ]


def test_a_deleted_span_leaves_its_children_as_roots(api: Api) -> None:
    api.send(span(), child("b", "root"), child("c", "b"))
    assert deleted(api, path_of("t", "b")) == {"traces": 0, "spans": 1}
    assert failure(api("GET", path_of("t", "b"))) == (404, "not_found")
    assert [root["span_id"] for root in api.trace()["spans"]] == ["c", "root"]
    assert api.trace()["summary"]["span_count"] == 2


def test_a_deleted_span_stays_deleted(api: Api) -> None:
    api.send(span(), child("b", "root"))
    deleted(api, path_of("t", "b"))
    assert failure(api("DELETE", path_of("t", "b"))) == (404, "not_found")
    assert failure(api.post(child("b", "root"))) == (409, "span_deleted")
    reply = api.post({"spans": [child("b", "root"), child("c", "root")]})
    assert [(entry["index"], entry["code"]) for entry in reply.json["rejected"]] == [(0, "span_deleted")]
    assert [node["span_id"] for node in flat(api.trace()["spans"])] == ["root", "c"]


def test_a_trace_without_spans_is_absent_and_can_begin_again(api: Api) -> None:
    api.send(span())
    deleted(api, path_of("t", "root"))
    assert api("GET", path_of("t")).status == 404
    assert api.summaries() == []
    api.send(child("b", "root"))
    assert [root["span_id"] for root in api.trace()["spans"]] == ["b"]


@pytest.mark.parametrize("path", [path_of("t"), path_of("t", "root"), path_of("#"), path_of("t", "..")])
def test_the_deletion_of_an_absent_trace_or_span_is_not_found(api: Api, path: str) -> None:
    assert failure(api("DELETE", path)) == (404, "not_found")


def test_a_conversation_is_deleted(api: Api) -> None:
    api.send(span("a", conversation_id="c / 1"), span("b", conversation_id="c / 1"), span("c", conversation_id="c"))
    assert deleted(api, TRACES, conversation_id="c / 1") == {"traces": 2, "spans": 2}
    assert api.summaries() == ["c"]
    assert failure(api.post(span("a", "late"))) == (409, "trace_deleted")


def test_traces_that_started_before_a_time_are_deleted(api: Api) -> None:
    api.send(span("early"), span("at", start_time=at(10)), span("late", start_time=at(11)))
    assert deleted(api, TRACES, before=at(10)) == {"traces": 1, "spans": 1}
    assert api.summaries(order="asc") == ["at", "late"]


def test_a_plus_that_is_not_percent_encoded_is_part_of_the_offset_of_a_time(api: Api) -> None:
    api.send(span("early"), span("late", start_time=at(11)))
    reply = api("DELETE", TRACES, query="before=2025-01-02T11:00:10+01:00")
    assert (reply.status, reply.json["deleted"]) == (200, {"traces": 1, "spans": 1})
    assert api.summaries() == ["late"]


def test_all_traces_are_deleted_except_later_ones(api: Api, other: Api) -> None:
    other.send(span("theirs"))
    api.send(*(span(f"t{number}") for number in range(30)))
    assert deleted(api, TRACES, deleteAll="true") == {"traces": 30, "spans": 30}
    api.send(span("new"))
    assert api.summaries() == ["new"]
    assert other.summaries() == ["theirs"]


@pytest.mark.parametrize(
    "query",
    [
        *("", "deleteAll=false", "deleteAll=", "deleteAll=TRUE", "before=yesterday", "before=2025-01-01T00:00:00"),
        *("before=2025-01-01", "before=2025-01-01T00:00:00Z&timezone=UTC"),
        *("conversation_id=", "deleteAll=true&before=2025-01-01T00:00:00Z", "conversation_id=c&deleteAll=true"),
        *("deleteAll=true&deleteAll=true", "deleteall=true", "trace_id=t", "limit=1", "deleteAll=true&user_id=u"),
    ],
)
def test_a_bulk_deletion_without_exactly_one_valid_parameter_deletes_nothing(api: Api, query: str) -> None:
    api.send(span(conversation_id="c"))
    assert failure(api("DELETE", TRACES, query=query))[0] == 400
    assert api.summaries() == ["t"]


def test_a_time_in_the_future_is_refused(api: Api) -> None:
    api.send(span())
    soon = (datetime.now(UTC) + timedelta(minutes=1)).isoformat()
    reply = api("DELETE", TRACES, query={"before": soon})
    assert (failure(reply), fields_of(reply)) == ((400, "invalid_parameter"), ["before"])
    assert api.summaries() == ["t"]


@pytest.fixture
def slow(api: Api) -> Api:
    """The same user, with deletions that run out of time before they remove anything."""
    template = Template()
    template.functions["QueryFunction"] = replace(template.functions["QueryFunction"], timeout_s=4)
    return Api(Call(template), api.user)


def test_a_long_deletion_hides_its_traces_immediately_and_has_a_job(api: Api, slow: Api) -> None:
    api.send(span("a"), span("b"), child("c", "root", "b"))
    reply = slow("DELETE", TRACES, query={"deleteAll": "true"})
    assert (reply.status, reply.json["deleted"]) == (202, {"traces": 0, "spans": 0})
    assert api.summaries() == []
    assert failure(api("GET", path_of("a"))) == (404, "not_found")
    assert failure(api.post(span("b", "late"))) == (409, "trace_deleted")
    job: dict[str, Any] = api("GET", f"/api/jobs/{reply.json['job_id']}").json["data"]
    assert job.pop("created_at").endswith("Z")
    progress = {"state": "queued", "deleted": {"traces": 0, "spans": 0}, "finished_at": None}
    assert job == {"job_id": reply.json["job_id"], **progress}


def test_traces_that_a_slow_deletion_left_can_be_removed_by_another(api: Api, slow: Api) -> None:
    api.send(span("a"), span("b"))
    assert slow("DELETE", TRACES, query={"deleteAll": "true"}).status == 202
    assert deleted(api, TRACES, deleteAll="true") == {"traces": 2, "spans": 2}


CHOSEN = f"{TRACES}/delete"


def test_the_chosen_traces_are_deleted_and_unknown_ids_are_not_counted(api: Api, other: Api) -> None:
    other.send(span("a"))
    api.send(span("a"), child("c", "root", "a"), span("b"), span("delete"), span("kept"))
    reply = api("POST", CHOSEN, body={"trace_ids": ["a", "b", "delete", "a", "unknown"]})
    assert (reply.status, reply.json) == (200, {"success": True, "deleted": {"traces": 3, "spans": 4}})
    assert api.summaries() == ["kept"]
    assert failure(api.post(span("a", "late"))) == (409, "trace_deleted")
    assert other.summaries() == ["a"]
    repeated = api("POST", CHOSEN, body={"trace_ids": ["a", "b"]})
    assert (repeated.status, repeated.json["deleted"]) == (200, {"traces": 0, "spans": 0})


def test_each_chosen_trace_is_recorded_once(api: Api, slow: Api) -> None:
    noise = random.Random(0).randbytes(3_000).hex()
    api.send(span("a"), span("b"), span("large", output_data=noise), span("large", "more", output_data=noise))
    assert slow("POST", CHOSEN, body={"trace_ids": ["a", "large", "unknown"]}).status == 202
    assert api("POST", CHOSEN, body={"trace_ids": ["a", "large"]}).status == 200
    records = api("GET", "/api/analytics/deletions").json["deletions"]
    assert {(record["kind"], record["state"]) for record in records} == {("trace", "done")}
    assert sorted(record["deleted"]["spans"] for record in records) == [1, 2]


def test_a_thousand_ids_can_be_chosen(api: Api) -> None:
    ids = [f"t{number}" for number in range(1_000)]
    api.send(*(span(trace_id) for trace_id in ids[::50]))
    reply = api("POST", CHOSEN, body={"trace_ids": ids})
    assert (reply.status, reply.json["deleted"]) == (200, {"traces": 20, "spans": 20})
    assert api.summaries() == []


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ([], []),
        ({}, ["trace_ids"]),
        ({"trace_ids": []}, ["trace_ids"]),
        ({"trace_ids": "t"}, ["trace_ids"]),
        ({"trace_ids": ["t"] * 1_001}, ["trace_ids"]),
        ({"trace_ids": ["t", "#", None]}, ["trace_ids[1]", "trace_ids[2]"]),
        ({"trace_ids": ["t"], "deleteAll": True}, ["deleteAll"]),
    ],
)
def test_a_malformed_choice_deletes_nothing(api: Api, body: Any, fields: list[str]) -> None:
    api.send(span())
    reply = api("POST", CHOSEN, body=body)
    assert (failure(reply), fields_of(reply)) == ((400, "invalid_request"), fields)
    assert api.summaries() == ["t"]


def test_chosen_traces_are_invisible_at_once_and_a_job_removes_what_is_left_of_them(api: Api, slow: Api) -> None:
    noise = random.Random(0).randbytes(3_000).hex()
    api.send(span("small"), span("large", output_data=noise), span("large", "b", output_data=noise))
    reply = slow("POST", CHOSEN, body={"trace_ids": ["small", "large"]})
    assert (reply.status, reply.json["deleted"]) == (202, {"traces": 1, "spans": 1})
    assert api.summaries() == []
    assert failure(api("GET", path_of("large"))) == (404, "not_found")
    assert failure(api.post(span("large", "late"))) == (409, "trace_deleted")
    job: dict[str, Any] = api("GET", f"/api/jobs/{reply.json['job_id']}").json["data"]
    assert (job["state"], job["deleted"], job["finished_at"]) == ("queued", {"traces": 1, "spans": 1}, None)


@pytest.mark.parametrize("job_id", ["nope", "0" * 36, "%23", "..%2F..", "%F0%9F%98%80", "x" * 3_000])
def test_an_absent_job_is_not_found(api: Api, job_id: str) -> None:
    assert failure(api("GET", f"/api/jobs/{job_id}")) == (404, "not_found")
