"""Saved views by HTTP: a query string and a title of an owner, under a name."""

from typing import Any

import pytest

from tests.api import Api, failure, fields_of, member_of, new_team
from tests.gateway import Call
from tracestore.storage import views

VIEWS = "/api/me/views"
VIEW = {"title": "Failed today", "query": "status=error&order_by=cost"}


def saved(api: Api, name: str = "failed", **fields: Any) -> dict[str, Any]:
    """A view after it was saved."""
    reply = api("PUT", f"{VIEWS}/{name}", body={**VIEW, **fields})
    assert reply.status == 200, reply.body
    view: dict[str, Any] = reply.json["data"]
    return view


def listed(api: Api) -> list[dict[str, Any]]:
    reply = api("GET", VIEWS)
    assert reply.status == 200, reply.body
    all_views: list[dict[str, Any]] = reply.json["views"]
    return all_views


def test_views_are_saved_and_listed_by_name(api: Api) -> None:
    second, first = saved(api, "b"), saved(api, "a", title="Ünïcode ✓", query="")
    assert {name: second[name] for name in ("name", *VIEW)} == {"name": "b", **VIEW}
    assert second["created_at"] == second["updated_at"]
    assert listed(api) == [first, second]


def test_a_view_that_is_saved_again_unchanged_stays_as_it_is(api: Api) -> None:
    view = saved(api)
    assert saved(api) == saved(api, **view) == view
    assert listed(api) == [view]


def test_a_view_replaces_the_one_with_its_name(api: Api) -> None:
    view = saved(api)
    changed = saved(api, query="status=pending")
    assert changed == {**view, "query": "status=pending", "updated_at": changed["updated_at"]}
    assert changed["updated_at"] > view["updated_at"]
    assert listed(api) == [changed]


def test_a_deleted_view_is_not_found(api: Api) -> None:
    saved(api)
    assert api("DELETE", f"{VIEWS}/failed").json == {"success": True}
    for name in ("failed", "unknown", "%23", "x" * 65):
        assert failure(api("DELETE", f"{VIEWS}/{name}")) == (404, "not_found")
    assert listed(api) == []


def test_views_belong_to_the_owner_acted_for(api: Api, other: Api, call: Call) -> None:
    team = new_team()
    one, another = member_of(call, team), member_of(call, team)
    mine, theirs, shared = saved(api), saved(other, title="theirs"), saved(one, title="of the team")
    assert (listed(api), listed(other), listed(another)) == ([mine], [theirs], [shared])
    assert another("DELETE", f"{VIEWS}/failed").status == 200
    assert (listed(api), listed(one)) == ([mine], [])


def test_a_key_may_read_views_and_not_change_them(api: Api) -> None:
    view = saved(api)
    key = api.with_key("ingest", "read", "delete")
    assert listed(key) == [view]
    assert failure(key("PUT", f"{VIEWS}/failed", body=VIEW)) == (403, "jwt_required")
    assert failure(key("DELETE", f"{VIEWS}/failed")) == (403, "jwt_required")


@pytest.mark.parametrize(
    ("name", "body", "fields"),
    [
        ("failed", [], []),
        ("failed", {}, ["query", "title"]),
        ("failed", {**VIEW, "title": " "}, ["title"]),
        ("failed", {**VIEW, "title": "x" * 129}, ["title"]),
        ("failed", {**VIEW, "query": "x" * 4_097}, ["query"]),
        ("failed", {**VIEW, "query": "é" * 2_049}, ["query"]),
        ("failed", {**VIEW, "query": None}, ["query"]),
        ("failed", {**VIEW, "owner": "x"}, ["owner"]),
        ("x" * 65, VIEW, ["name"]),
        ("a%23b", VIEW, ["name"]),
        (".a", VIEW, ["name"]),
    ],
)
def test_a_malformed_view_is_refused(api: Api, name: str, body: Any, fields: list[str]) -> None:
    reply = api("PUT", f"{VIEWS}/{name}", body=body)
    assert (failure(reply), fields_of(reply)) == ((400, "invalid_request"), fields)
    assert listed(api) == []


def test_the_longest_view_is_accepted(api: Api) -> None:
    view = saved(api, "x" * 64, title="t" * 128, query="é" * 2_048)
    assert listed(api) == [view]


def test_a_view_beyond_the_limit_is_a_conflict_and_the_others_can_be_changed(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "VIEWS_PER_USER", 2)
    saved(api, "a")
    saved(api, "b")
    assert failure(api("PUT", f"{VIEWS}/c", body=VIEW)) == (409, "conflict")
    assert saved(api, "b", title="changed")["title"] == "changed"


def test_a_secret_in_a_view_is_masked(api: Api) -> None:
    secret = "sk-ant-api03-" + "a" * 90
    view = saved(api, query=f"search={secret}", title=secret)
    assert secret not in str(view) + str(listed(api))
    assert "[redacted:" in view["query"]
