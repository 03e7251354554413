"""The changes of one trace by HTTP: `version`, `since`, and what a caller is sent when nothing changed."""

from typing import Any

import pytest

from tests.api import Api, at, child, failure, fields_of, path_of, span
from tests.gateway import Reply

VIEWS = ["view=tree", "view=tree&payloads=false", "view=outline"]


def read(api: Api, query: str = "view=outline", **sent: Any) -> Reply:
    """One trace."""
    return api("GET", path_of("t"), query=query, **sent)


def since(api: Api, version: str, query: str = "view=outline") -> dict[str, Any]:
    """The answer to a caller that has a version."""
    reply = read(api, f"{query}&since={version}")
    assert reply.status == 200, reply.body
    content: dict[str, Any] = reply.json
    return content


def version_of(api: Api, query: str = "view=outline") -> str:
    version: str = read(api, query).json["version"]
    return version


@pytest.mark.parametrize("query", VIEWS)
def test_changed_rows_are_returned_as_the_view_returns_them(api: Api, query: str) -> None:
    api.send(span(input_data="in", start_time=at(-1)), child("a", "root"), child("b", "root"))
    version = version_of(api, query)
    api.patched("a", tool_name="search", output_data={"n": 1})
    changes = since(api, version, query)
    (row,) = (row for row in whole_rows(api, query) if row["span_id"] == "a")
    assert changes["trace"]["changed"] == [row]
    assert row["tool_name"] == "search"
    assert (changes["trace"]["gone"], changes["full"]) == ([], False)
    assert changes["trace"]["summary"] == api.trace()["summary"]
    assert changes["version"] == version_of(api, query) != version


def whole_rows(api: Api, query: str) -> list[dict[str, Any]]:
    """The rows of a view, without nesting."""
    trace = read(api, query).json["trace"]
    if "outline" in trace:
        rows: list[dict[str, Any]] = trace["outline"]
        return rows
    (root,) = trace["spans"]
    return [{name: value for name, value in row.items() if name != "children"} for row in (root, *root["children"])]


def test_rows_that_change_because_of_other_spans_are_returned(api: Api) -> None:
    api.send(span(operation_type="agent"), child("a", "root"), child("z", "root"))
    version = version_of(api)
    call: dict[str, Any] = {"operation_type": "completion", "input_tokens": 10, "output_tokens": 2, "start_time": at(3)}
    api.send(child("b", "a", **call))
    rows = since(api, version)["trace"]["changed"]
    assert [row["span_id"] for row in rows] == ["root", "a", "b"]
    assert [row["subtree"]["tokens"] for row in rows[:2]] == [12, 12]


def test_an_earlier_span_moves_the_offsets_of_all_rows(api: Api) -> None:
    api.send(span(), child("a", "root"))
    version = version_of(api)
    api.send(child("early", "root", start_time=at(-2)))
    rows = since(api, version)["trace"]["changed"]
    assert {row["span_id"]: row["start_offset_ms"] for row in rows} == {"root": 2000, "a": 2000, "early": 0}


@pytest.mark.parametrize("query", VIEWS)
def test_a_caller_with_the_present_version_gets_304(api: Api, query: str) -> None:
    api.send(span(), child("a", "root"))
    first = read(api, query)
    reply = read(api, f"{query}&since={first.json['version']}")
    assert (reply.status, reply.body, reply.headers["etag"]) == (304, b"", first.headers["etag"])
    api.send(span(), child("a", "root"))  # a repeated request changes nothing
    assert read(api, f"{query}&since={first.json['version']}").status == 304


def test_a_version_is_good_for_every_view(api: Api) -> None:
    api.send(span(), child("a", "root"))
    version = version_of(api, "view=outline")
    assert read(api, f"view=tree&since={version}").status == 304
    api.send(child("b", "root"))
    assert [row["span_id"] for row in since(api, version, "view=tree")["trace"]["changed"]] == ["b"]


def test_changes_have_an_etag_of_their_own(api: Api) -> None:
    api.send(span())
    query = f"view=outline&since={version_of(api)}"
    api.send(child("a", "root"))
    reply = read(api, query)
    assert read(api, query, headers={"if-none-match": reply.headers["etag"]}).status == 304
    api.send(child("b", "root"))
    assert read(api, query, headers={"if-none-match": reply.headers["etag"]}).status == 200


@pytest.mark.parametrize("query", VIEWS)
def test_after_a_deletion_of_a_span_the_whole_is_returned(api: Api, query: str) -> None:
    api.send(span(), child("a", "root"))
    version = version_of(api, query)
    assert api("DELETE", path_of("t", "a")).status == 200
    reply = read(api, query)
    assert since(api, version, query) == {**reply.json, "full": True}
    assert "full" not in reply.json


@pytest.mark.parametrize("version", ["AAAA", "AQ", "x" * 512, "AQ" + "A" * 300])
def test_a_version_that_names_nothing_gives_the_whole(api: Api, version: str) -> None:
    api.send(span())
    content = since(api, version)
    assert content["full"] is True
    assert [row["span_id"] for row in content["trace"]["outline"]] == ["root"]


@pytest.mark.parametrize("version", ["", "A", "x" * 513, "a b", "%00", "ä", "..", "a=", "a+b"])
def test_a_text_that_cannot_be_a_version_is_refused(api: Api, version: str) -> None:
    api.send(span())
    reply = api("GET", path_of("t"), query={"since": version})
    assert failure(reply) == (400, "invalid_parameter")
    assert fields_of(reply) == ["since"]


def test_a_cursor_cannot_be_combined_with_a_version(api: Api) -> None:
    api.send(span())
    reply = read(api, f"view=outline&since={version_of(api)}&cursor=x")
    assert failure(reply) == (400, "invalid_parameter")
    assert fields_of(reply) == ["since"]


@pytest.mark.parametrize("query", ["view=spans", "search=lisbon"])
def test_pages_of_spans_and_of_matches_have_no_changes(api: Api, query: str) -> None:
    api.send(span())
    reply = read(api, f"{query}&since={version_of(api)}")
    assert reply.status == 400
    assert fields_of(reply) == ["since"]
    assert "version" not in read(api, query).json


@pytest.mark.parametrize("query", VIEWS)
def test_a_version_of_another_user_gives_the_whole_of_ones_own_trace(api: Api, other: Api, query: str) -> None:
    api.send(span(tool_name="theirs"), child("a", "root"))
    other.send(span(tool_name="mine"))
    version = version_of(api, query)
    content = since(other, version, query)
    assert content == {**read(other, query).json, "full": True}
    assert b"theirs" not in read(other, f"{query}&since={version}").body


def test_a_version_of_another_trace_is_not_taken_for_ones_own(api: Api) -> None:
    api.send(span("t"), span("u"))
    version = api("GET", path_of("u")).json["version"]
    assert since(api, version)["full"] is True


def test_a_deleted_trace_is_not_found_with_its_version(api: Api) -> None:
    api.send(span())
    version = version_of(api)
    api("DELETE", path_of("t"))
    assert read(api, f"since={version}").status == 404
