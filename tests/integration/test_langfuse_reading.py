"""Observations and scores as the client of Langfuse's API reads them since version 5: in pages by cursor."""

from typing import Any

import pytest

from tests.api import Api, failure
from tests.gateway import Reply, new_user

pytestmark = pytest.mark.parametrize("engine", ["moto"], indirect=True, scope="session")

START, LATER, END = "2026-11-22T10:00:00Z", "2026-11-22T10:00:01Z", "2026-11-22T10:00:05Z"
DRY = '{"messages": [{"role": "assistant", "parts": [{"type": "text", "text": "dry"}]}]}'
OBSERVATIONS, SCORES = "/api/public/v2/observations", "/api/public/v3/scores"


def send(api: Api, *events: tuple[str, dict[str, Any]]) -> None:
    batch = [{"id": f"e{n}", "type": kind, "timestamp": START, "body": body} for n, (kind, body) in enumerate(events)]
    reply = api("POST", "/api/public/ingestion", body={"batch": batch})
    assert reply.json["errors"] == []


def send_trace(api: Api, trace_id: str = "t", start: str = START, count: int = 2) -> None:
    """A trace with a generation that contains spans."""
    ids = {"traceId": trace_id, "startTime": start, "endTime": END}
    call = {"name": "call", "model": "m", "usage": {"input": 1, "output": 2}, "input": {"q": "rain?"}, "output": "dry"}
    inner = [
        ("span-create", {**ids, "id": f"{trace_id}-{n}", "name": "inner", "parentObservationId": f"{trace_id}-g"})
        for n in range(count - 1)
    ]
    trace = {"id": trace_id, "timestamp": start, "name": "job", "sessionId": f"s-{trace_id}", "userId": "u"}
    send(
        api,
        ("trace-create", {**trace, "tags": ["x"], "metadata": {"m": 1}}),
        ("generation-create", {**ids, "id": f"{trace_id}-g", **call, "metadata": {"k": "v"}}),
        *inner,
    )


def read(api: Api, path: str, **query: Any) -> Any:
    reply: Reply = api("GET", path, query=query)
    assert reply.status == 200, reply.body
    return reply.json


def project_of(api: Api) -> str:
    project: str = read(api, "/api/public/projects")["data"][0]["id"]
    return project


def read_all(api: Api, path: str, **query: Any) -> tuple[list[Any], int]:
    """All items, and the number of pages."""
    items: list[Any] = []
    cursor: dict[str, str] = {}
    for pages in range(1, 30):
        page = read(api, path, **query, **cursor)
        items += page["data"]
        if "cursor" not in page["meta"]:
            return items, pages
        cursor = {"cursor": page["meta"]["cursor"]}
    raise AssertionError("the list has no end")


def test_observations_have_the_fields_of_the_named_groups(api: Api) -> None:
    send_trace(api)
    inner, call = sorted(read(api, OBSERVATIONS)["data"], key=lambda each: each["type"] == "GENERATION")
    assert call == {
        **{"id": "t-g", "traceId": "t", "startTime": "2026-11-22T10:00:00.000Z", "endTime": "2026-11-22T10:00:05.000Z"},
        **{"projectId": project_of(api), "parentObservationId": None, "type": "GENERATION", "name": "call"},
        **{"level": "DEFAULT", "statusMessage": None, "version": None, "environment": "default", "bookmarked": False},
        **{"public": False, "userId": "u", "sessionId": "s-t", "isRootObservation": True},
    }
    assert (inner["parentObservationId"], inner["isRootObservation"], inner["type"]) == ("t-g", False, "SPAN")
    fields = "io,metadata,model,usage,metrics,trace_context,time,prompt"
    (whole,) = read(api, OBSERVATIONS, type="GENERATION", fields=fields)["data"]
    assert (whole["input"], whole["output"], whole["metadata"]["k"]) == ('{"q": "rain?"}', DRY, "v")
    assert (whole["model"], whole["usageDetails"]["total"], whole["latency"]) == ("m", 3, 5)
    assert (whole["traceName"], whole["tags"]) == ("job", ["x"])
    assert "name" not in whole


def test_observations_are_paged_by_cursor_within_and_between_traces(api: Api) -> None:
    send_trace(api, "old", START, 3)
    send_trace(api, "new", LATER, 4)
    items, pages = read_all(api, OBSERVATIONS, limit=2, fields="core,io")
    assert [each["traceId"] for each in items] == 4 * ["new"] + 3 * ["old"]
    assert len({each["id"] for each in items}) == 7
    assert pages == 4
    assert [each["id"] for each in items] == [each["id"] for each in read(api, OBSERVATIONS)["data"]]


def test_a_page_of_large_observations_ends_before_it_is_too_large(api: Api) -> None:
    ids = {"traceId": "t", "startTime": START, "endTime": END}
    for n in range(8):
        send(api, ("span-create", {**ids, "id": f"o{n}", "input": "x" * 900_000}))
    items, pages = read_all(api, OBSERVATIONS, fields="io")
    assert [len(each["input"]) for each in items] == 8 * [900_000]
    assert pages > 1


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"traceId": "old"}, ["old-0", "old-g"]),
        ({"traceId": "old,new"}, ["new-0", "new-g", "old-0", "old-g"]),
        ({"traceId": "none"}, []),
        ({"name": "inner"}, ["new-0", "old-0"]),
        ({"level": "ERROR"}, []),
        ({"parentObservationId": "new-g"}, ["new-0"]),
        ({"parentObservationId": ""}, ["new-g", "old-g"]),
        ({"isRootObservation": "false"}, ["new-0", "old-0"]),
        ({"isRootObservation": "true", "sessionId": "s-new"}, ["new-g"]),
        ({"userId": "nobody"}, []),
        ({"environment": "default", "type": "SPAN"}, ["new-0", "old-0"]),
        ({"environment": "staging"}, []),
        ({"fromStartTime": LATER}, ["new-0", "new-g"]),
        ({"toStartTime": LATER}, ["old-0", "old-g"]),
    ],
)
def test_observations_are_chosen_by_parameters(api: Api, query: dict[str, str], found: list[str]) -> None:
    send_trace(api, "old", START)
    send_trace(api, "new", LATER)
    assert sorted(each["id"] for each in read_all(api, OBSERVATIONS, **query)[0]) == found


@pytest.mark.parametrize(
    ("path", "query"),
    [
        (OBSERVATIONS, {"limit": "1001"}),
        (OBSERVATIONS, {"fields": "core,everything"}),
        (OBSERVATIONS, {"filter": "[]"}),
        (OBSERVATIONS, {"parseIoAsJson": "true"}),
        (OBSERVATIONS, {"isRootObservation": "yes"}),
        (OBSERVATIONS, {"cursor": "page-2"}),
        (OBSERVATIONS, {"fromStartTime": "yesterday"}),
        (OBSERVATIONS, {"traceId": ",".join(map(str, range(101)))}),
        (SCORES, {"limit": "101"}),
        (SCORES, {"fields": "io"}),
        (SCORES, {"valueMin": "0.5"}),
        (SCORES, {"fromTimestamp": "now"}),
    ],
)
def test_a_parameter_that_cannot_be_followed_is_refused(api: Api, path: str, query: dict[str, str]) -> None:
    (name,) = query
    reply = api("GET", path, query=query)
    assert reply.status == 400
    if name != "cursor":
        assert failure(reply)[1] == "invalid_parameter"
        assert [detail["field"] for detail in reply.json["error"]["details"]] == [name]


def send_scores(api: Api) -> None:
    send_trace(api)
    send(
        api,
        ("score-create", {"id": "s1", "traceId": "t", "name": "quality", "value": 0.5, "comment": "So so."}),
        ("score-create", {"id": "s2", "traceId": "t", "observationId": "t-g", "name": "topic", "value": "weather"}),
        ("score-create", {"id": "s3", "traceId": "t", "name": "right", "value": 1, "dataType": "BOOLEAN"}),
    )


def test_scores_have_values_of_their_types_and_a_subject(api: Api) -> None:
    send_scores(api)
    scores = {each["name"]: each for each in read(api, SCORES, fields="details,subject,annotation")["data"]}
    assert [(each["value"], each["dataType"]) for each in scores.values()] == [
        (0.5, "NUMERIC"),
        (True, "BOOLEAN"),
        ("weather", "CATEGORICAL"),
    ]
    assert (scores["quality"]["comment"], scores["quality"]["subject"]) == ("So so.", {"kind": "trace", "id": "t"})
    assert scores["topic"]["subject"] == {"kind": "observation", "id": "t-g", "traceId": "t"}
    assert scores["quality"]["projectId"] == project_of(api)
    core = read(api, SCORES)["data"][0]
    assert not {"comment", "subject", "authorUserId", "stringValue", "trace"} & core.keys()


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"name": "quality,topic"}, ["quality", "topic"]),
        ({"dataType": "numeric"}, ["quality"]),
        ({"source": "api", "id": "s3"}, ["right"]),
        ({"source": "ANNOTATION"}, []),
        ({"traceId": "t", "observationId": "t-g"}, ["topic"]),
        ({"traceId": "other"}, []),
        ({"sessionId": "s-t"}, []),
        ({"fromTimestamp": "2026-11-23T00:00:00Z"}, ["quality", "right", "topic"]),
        ({"toTimestamp": "2026-11-23T00:00:00Z"}, []),
    ],
)
def test_scores_are_chosen_by_parameters(api: Api, query: dict[str, str], found: list[str]) -> None:
    send_scores(api)
    assert sorted(each["name"] for each in read_all(api, SCORES, **query)[0]) == found


def test_scores_are_paged_by_cursor(api: Api) -> None:
    send_scores(api)
    send_trace(api, "without-scores", LATER)
    scores, pages = read_all(api, SCORES, limit=1)
    assert [each["name"] for each in scores] == ["quality", "right", "topic"]
    assert pages >= 3
    of_pages_by_number = read(api, "/api/public/v2/scores", limit=2)
    assert (len(of_pages_by_number["data"]), of_pages_by_number["meta"]["totalItems"]) == (2, 3)


def test_a_cursor_is_bound_to_its_owner_and_its_parameters(api: Api) -> None:
    send_trace(api)
    cursor = read(api, OBSERVATIONS, limit=1)["meta"]["cursor"]
    assert api("GET", OBSERVATIONS, query={"cursor": cursor, "limit": 2, "fields": "io"}).status == 200
    assert api("GET", OBSERVATIONS, query={"cursor": cursor, "name": "inner"}).status == 400
    assert Api(api.call, new_user())("GET", OBSERVATIONS, query={"cursor": cursor}).status == 400
