"""Annotations by HTTP: their routes, the summaries and lists that contain them, exports and imports."""

import json
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.api import TRACES, Api, at, child, failure, fields_of, path_of, span
from tests.gateway import Call, User, new_user
from tests.integration.test_export_api import exported
from tests.integration.test_transfer import exported as downloaded
from tests.integration.test_transfer import loaded, user_of
from tracestore.http.wiring import store
from tracestore.storage import keys
from tracestore_cli import transfer
from tracestore_cli.posting import NotServed

SECRET = "sk-ant-api03-abcdefghijklmnopqrstuvwxyz"
SET_BY_SERVER = ("created_at", "updated_at", "expires_at")


def path(name: str | None = None, trace_id: str = "t") -> str:
    annotations = f"{path_of(trace_id)}/annotations"
    return annotations if name is None else f"{annotations}/{name}"


def put(api: Api, name: str = "quality", trace_id: str = "t", **body: Any) -> dict[str, Any]:
    """Store an annotation, which must be accepted; returns it."""
    reply = api("PUT", path(name, trace_id), body={"value": 0.5, **body})
    assert reply.status == 200, reply.body
    content: dict[str, Any] = reply.json["data"]
    return content


def listed(api: Api, trace_id: str = "t") -> list[dict[str, Any]]:
    reply = api("GET", path(trace_id=trace_id))
    assert reply.status == 200, reply.body
    annotations: list[dict[str, Any]] = reply.json["annotations"]
    return annotations


def summary(api: Api) -> dict[str, Any]:
    (content,) = api.page(view="summary")["traces"]
    assert api.trace()["summary"] == content
    return {name: content[name] for name in ("scores", "labels", "annotation_count", "annotated_at")}


def test_an_annotation_is_returned_with_all_of_its_fields(api: Api) -> None:
    api.send(span())
    stored = put(api, value="wrong", comment="The price is old.", source="eve", id="7", span_id="root")
    assert stored == listed(api)[0]
    assert {name: value for name, value in stored.items() if name not in SET_BY_SERVER} == {
        **{"trace_id": "t", "name": "quality", "id": "7", "span_id": "root", "value": "wrong"},
        **{"comment": "The price is old.", "source": "eve", "is_waiting": False},
    }
    assert stored["expires_at"] == api.span()["expires_at"]
    assert stored["created_at"] == stored["updated_at"]
    assert put(api, **{name: value for name, value in stored.items() if name != "name"}) == stored


def test_the_source_is_a_user_with_a_jwt_and_a_program_with_a_key(api: Api) -> None:
    api.send(span())
    assert put(api)["source"] == "user"
    key = api.with_key("annotate")
    assert put(key)["source"] == "api"
    assert [each["id"] for each in listed(api)] == ["api", "user"]


def test_annotations_are_listed_by_name_then_by_span_then_by_id(api: Api) -> None:
    api.send(span())
    for name, span_id, source in (("b", None, "x"), ("a", "root", "x"), ("a", None, "y"), ("a", None, "x")):
        put(api, name, span_id=span_id, source=source)
    assert [(each["name"], each["span_id"], each["id"]) for each in listed(api)] == [
        *[("a", None, "x"), ("a", None, "y"), ("a", "root", "x"), ("b", None, "x")],
    ]


def test_the_summary_contains_scores_and_labels(api: Api) -> None:
    api.send(span())
    assert summary(api) == {"scores": {}, "labels": {}, "annotation_count": 0, "annotated_at": None}
    put(api, value=1, source="a")
    put(api, value=0.5, source="b")
    put(api, "category", value="billing")
    last = put(api, "star", value=True)
    assert summary(api) == {
        "scores": {"quality": 0.75, "star": 1.0},
        "labels": {"category": ["billing"], "star": ["true"]},
        "annotation_count": 4,
        "annotated_at": last["updated_at"],
    }


def test_the_etag_moves_and_the_time_of_the_trace_stays(api: Api) -> None:
    api.send(span())
    requests: list[tuple[str, dict[str, str]]] = [(TRACES, {"view": "summary"}), (path_of("t"), {}), (path(), {})]
    tags: list[set[str]] = [set() for _ in requests]

    def note_tags() -> None:
        for (route, query), seen in zip(requests, tags, strict=True):
            seen.add(api("GET", route, query=query).headers["etag"])

    note_tags()
    updated_at = api.trace()["summary"]["updated_at"]
    bodies: tuple[dict[str, Any], ...] = ({"value": 0.5}, {"value": 0.5, "comment": "why"}, {"value": 0.7})
    for body in bodies:
        put(api, **body)
        note_tags()
        put(api, **body)
        note_tags()
    assert [len(seen) for seen in tags] == [4, 4, 4]
    assert api("DELETE", path("quality")).json == {"success": True, "deleted": {"annotations": 1}}
    note_tags()
    # Lists have the tag that they had without any annotation; that of a trace follows from its head's version.
    assert [len(seen) for seen in tags] == [4, 5, 4]
    assert api.trace()["summary"]["updated_at"] == updated_at


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("label=star", ["b", "a"]),
        ("label=star:true", ["a"]),
        ("label=category:a%3Ab+c", ["a"]),
        ("label=category:a", []),
        ("label=nothing", []),
        ("score.quality>=0.5", ["b", "a"]),
        ("score.quality%3E=0.75", ["b"]),
        ("score.quality<=0.5", ["a"]),
        ("score.quality=0.5", ["a"]),
        ("score.quality=0.4", []),
        ("score.quality>=0.1&score.quality<=0.6", ["a"]),
        ("score.star=1", ["a"]),
        ("score.quality>=-1&label=star:false", ["b"]),
    ],
)
def test_lists_filter_by_labels_and_scores(filtered: Api, query: str, ids: list[str]) -> None:
    reply = filtered("GET", TRACES, query=f"view=summary&{query}")
    assert [trace["trace_id"] for trace in reply.json["traces"]] == ids
    lines = filtered("GET", "/api/analytics/export", query=query).body.splitlines()
    assert [json.loads(line)["trace_id"] for line in lines] == ids


@pytest.fixture(scope="module")
def filtered(call: Call) -> Api:
    """A user with two annotated traces and one without annotations."""
    api = Api(call, new_user())
    api.send(*(span(trace_id, start_time=at(number)) for number, trace_id in enumerate("abc")))
    put(api, trace_id="a", value=0.5)
    put(api, "star", "a", value=True)
    put(api, "category", "a", value="a:b c")
    put(api, trace_id="b", value=1)
    put(api, "star", "b", value=False)
    return api


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("label=", "label"),
        ("label=:x", "label"),
        ("label=a%20b", "label"),
        ("score.quality>=high", "score.quality>"),
        ("score.quality>=", "score.quality>"),
        ("score.quality=NaN", "score.quality"),
        ("score.quality>0.5", "score.quality>0.5"),
        ("score.>=1", "score.>"),
        ("score.a:b=1", "score.a:b"),
        (f"score.{'a' * 200}=1", "score." + "a" * 58),
    ],
)
def test_a_malformed_filter_is_named(filtered: Api, query: str, name: str) -> None:
    reply = filtered("GET", TRACES, query=query)
    assert failure(reply) == (400, "invalid_parameter")
    assert fields_of(reply) == [name]


def test_a_cursor_is_bound_to_the_score(filtered: Api) -> None:
    reply = filtered("GET", TRACES, query="view=summary&limit=1&score.quality>=0.5")
    cursor = reply.json["next_cursor"]
    same = filtered("GET", TRACES, query=f"view=summary&limit=1&score.quality>=0.5&cursor={cursor}")
    assert [trace["trace_id"] for trace in same.json["traces"]] == ["a"]
    other = filtered("GET", TRACES, query=f"view=summary&limit=1&score.quality>=0.6&cursor={cursor}")
    assert failure(other) == (400, "invalid_cursor")


def test_an_annotation_before_its_trace_waits_for_it(api: Api) -> None:
    waiting = put(api, span_id="root")
    assert waiting["is_waiting"]
    assert listed(api) == [waiting]
    assert failure(api("GET", path_of("t"))) == (404, "not_found")
    assert api.summaries() == []
    api.send(span())
    (stored,) = listed(api)
    assert {**stored, "expires_at": "", "is_waiting": True} == {**waiting, "expires_at": ""}
    assert stored["expires_at"] == api.span()["expires_at"]
    assert summary(api)["scores"] == {"quality": 0.5}


@pytest.mark.parametrize("export", ["/v1/traces", TRACES])
def test_an_annotation_waits_for_a_trace_from_every_way_of_sending(api: Api, export: str) -> None:
    trace_id = "0123456789abcdef" * 2
    put(api, trace_id=trace_id)
    if export == TRACES:
        api.send(child("b", "a", trace_id), span(trace_id, "a"))
    else:
        record = {"traceId": trace_id, "spanId": "0" * 15 + "1", "name": "n"} | dict.fromkeys(
            ("startTimeUnixNano", "endTimeUnixNano"), str(10**18)
        )
        body = {"resourceSpans": [{"scopeSpans": [{"spans": [record]}]}]}
        assert api("POST", export, body=body).status == 200
    assert api.trace(trace_id)["summary"]["scores"] == {"quality": 0.5}


def test_a_deletion_chooses_by_its_parameters(api: Api) -> None:
    api.send(span())
    for source, span_id in (("a", None), ("b", None), ("a", "root")):
        put(api, source=source, span_id=span_id)
    assert api("DELETE", path("quality"), query={"id": "a", "span_id": "root"}).json["deleted"] == {"annotations": 1}
    assert api("DELETE", path("quality"), query={"source": "b"}).json["deleted"] == {"annotations": 1}
    assert failure(api("DELETE", path("quality"), query={"source": "b"})) == (404, "not_found")
    assert failure(api("DELETE", path("other"))) == (404, "not_found")
    assert [(each["source"], each["span_id"]) for each in listed(api)] == [("a", None)]
    assert api("DELETE", path("quality")).json == {"success": True, "deleted": {"annotations": 1}}
    assert listed(api) == []


@pytest.mark.parametrize("query", ["user_id=x", "id=", "span_id=a&span_id=b"])
def test_a_deletion_refuses_other_parameters(api: Api, query: str) -> None:
    api.send(span())
    put(api)
    assert failure(api("DELETE", path("quality"), query=query))[0] == 400
    assert len(listed(api)) == 1


def test_annotations_of_an_absent_or_deleted_trace_are_not_found(api: Api) -> None:
    for trace_id in ("t", "a b", "x" * 129):
        assert failure(api("GET", path(trace_id="t"))) == (404, "not_found")
        assert failure(api("DELETE", path("quality", trace_id))) == (404, "not_found")
    assert failure(api("PUT", path("quality", "a b"), body={"value": 1})) == (404, "not_found")
    api.send(span())
    put(api)
    assert api("DELETE", path_of("t")).status == 200
    assert failure(api("GET", path())) == (404, "not_found")
    assert failure(api("PUT", path("quality"), body={"value": 1})) == (409, "trace_deleted")
    api.send(span("u"), child("a", "root", "u"))
    assert api("DELETE", path_of("u", "a")).status == 200
    assert failure(api("PUT", path("quality", "u"), body={"value": 1, "span_id": "a"})) == (409, "span_deleted")


def test_bulk_deletions_delete_annotations(api: Api) -> None:
    api.send(span(conversation_id="c"), span("u"))
    put(api)
    put(api, trace_id="u")
    assert api("DELETE", TRACES, query="conversation_id=c").json["deleted"] == {"traces": 1, "spans": 1}
    assert failure(api("GET", path())) == (404, "not_found")
    assert len(listed(api, "u")) == 1
    assert api.user
    assert [item["sk"]["S"] for item in store().table.query(keys.trace(api.user.name, "t"))] == [keys.HEAD]


@pytest.mark.parametrize(
    ("name", "body", "field"),
    [
        ("quality", {"value": []}, "value"),
        ("quality", {}, "value"),
        ("quality", {"value": 1, "colour": "red"}, "colour"),
        ("a%20b", {"value": 1}, "name"),
        ("quality", {"value": 1, "comment": "x" * 4_097}, "comment"),
        (SECRET, {"value": 1}, "name"),
    ],
)
def test_an_invalid_annotation_is_refused(api: Api, name: str, body: dict[str, Any], field: str) -> None:
    api.send(span())
    reply = api("PUT", path(name), body=body)
    assert failure(reply) == (400, "invalid_request")
    assert field in fields_of(reply)
    assert SECRET not in reply.body.decode()
    assert listed(api) == []


def test_secrets_in_annotations_are_masked_before_they_are_stored(api: Api) -> None:
    api.send(span())
    put(api, value=SECRET, comment=f"It printed {SECRET}.")
    (stored,) = listed(api)
    assert stored["value"] == "[redacted:anthropic_key]"
    assert stored["comment"] == "It printed [redacted:anthropic_key]."
    assert summary(api)["labels"] == {"quality": ["[redacted:anthropic_key]"]}


def test_the_first_line_of_a_trace_in_an_export_carries_its_annotations(api: Api) -> None:
    api.send(span(), child("a", "root", start_time=at(1)), span("u", start_time=at(-1)))
    put(api, comment="why")
    put(api, span_id="a")
    first, second, other = exported(api)
    assert first == {**api.span(), "annotations": listed(api)}
    assert "annotations" not in second
    assert "annotations" not in other
    assert api.post(first).status == 201
    assert api.trace()["summary"]["annotation_count"] == 2


def test_an_export_of_a_trace_in_parts_has_its_annotations_once(api: Api) -> None:
    for number in range(3):
        api.send(child(f"s{number}", "root", start_time=at(number), input_data="x" * 3_000_000))
    put(api, comment="why")
    lines = exported(api)
    assert [line.get("annotations") for line in lines] == [listed(api), None, None]


def test_annotations_that_no_response_can_contain_are_marked(api: Api) -> None:
    for number in range(2):
        changed = {"output_data" if number else "input_data": "x" * 2_400_000}
        assert api.post(span(**changed)).status == 201
    for number in range(60):
        put(api, f"n{number}", comment="x" * 4_096)
    (line,) = exported(api)
    assert line["annotations_omitted"] is True
    assert len(line["input_data"]) + len(line["output_data"]) == 4_800_000


def test_annotations_are_imported_with_their_trace(api: Api, call: Call) -> None:
    api.send(span("t", end_time=at(1)), child("a", "root"), span("u"))
    put(api, comment="why", source="judge 1/2")
    put(api, "correct", value=True, span_id="a")
    put(api, "category", "u", value="a:b")
    content, copy = downloaded(call, user_of(api)), new_user()
    assert loaded(call, copy, content) == {}
    assert loaded(call, copy, content) == {}
    for trace_id in "tu":
        original, imported = (
            [
                {name: value for name, value in each.items() if name not in SET_BY_SERVER}
                for each in listed(one, trace_id)
            ]
            for one in (api, Api(call, copy))
        )
        assert imported == original != []
    only = downloaded(call, copy, transfer.query_of(["score.quality>=0.5", "label=quality"]))
    assert {json.loads(line)["trace_id"] for line in only.splitlines()} == {"t"}


def test_an_import_reports_the_line_of_a_refused_annotation(api: Api, call: Call) -> None:
    api.send(span(), span("u", start_time=at(-1)))
    put(api)
    first, second = map(json.loads, downloaded(call, user_of(api)).splitlines())
    first["annotations"].append({**first["annotations"][0], "name": "a b"})
    second["annotations"] = [{"value": 1}]
    copy = new_user()
    rejected = loaded(call, copy, b"\n".join(json.dumps(line).encode() for line in (first, second)))
    assert rejected == {
        1: "an annotation was refused: name must have 1 to 64 letters, digits and _ . -, and begin with a letter or "
        "digit.",
        2: "has annotations of another form than an export",
    }
    assert len(listed(Api(call, copy))) == 1
    assert sorted(Api(call, copy).summaries()) == ["t", "u"]


def test_an_import_of_annotations_needs_their_scope(api: Api, call: Call) -> None:
    api.send(span())
    put(api)
    content, ingest_only = downloaded(call, user_of(api)), Api(call, new_user()).with_key("ingest")

    key_only = cast(User, SimpleNamespace(token=ingest_only.headers["x-api-key"]))
    with pytest.raises(NotServed, match="annotate"):
        loaded(call, key_only, content)


@pytest.mark.parametrize("engine", ["moto"], indirect=True, scope="session")
def test_a_trace_has_at_most_50_annotations_before_its_first_span_and_more_after_it(api: Api) -> None:
    """The limit of 200 is tested on a table in memory."""
    for number in range(50):
        put(api, f"n{number:02}")
    reply = api("PUT", path("more"), body={"value": 1})
    assert failure(reply) == (409, "too_many_annotations")
    assert "200" in reply.json["error"]["message"]
    put(api, "n00", value=1)
    api.send(span())
    put(api, "n99")
    assert len(listed(api)) == 51
    content = api.trace()["summary"]
    assert (content["annotation_count"], len(content["scores"]), content["annotations_cut"]) == (51, 50, True)
    assert api("GET", TRACES, query="view=summary&score.n99=0.5").json["traces"] == [content]
    assert api("GET", TRACES, query="view=summary&score.n99=0.6").json["traces"] == []
    assert api("GET", TRACES, query="view=summary&label=!n99").json["traces"] == []
    assert api("GET", TRACES, query="view=summary&label=n99&label=!nothing").json["traces"] == [content]
