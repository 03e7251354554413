"""Shares by HTTP: links with which anybody reads one trace, and nothing else, until they expire or are revoked."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dev.template import Template
from tests.api import TRACES, Api, child, failure, fields_of, flat, member_of, new_team, path_of, span
from tests.conftest import TableOnEngine
from tests.gateway import Call, Reply, User
from tests.integration.test_scopes import GUARDED
from tests.media import asking, image, part
from tests.media import sha256_of as hash_of
from tests.victim import stored
from tracestore.api.traces.shares import SHARED_ROUTES
from tracestore.domain.credentials import sha256_of
from tracestore.http import wiring
from tracestore.http.identity import OWNER_HEADER
from tracestore.storage import keys, shares

PHOTO, CHART, VOICE = (image(seed=seed) for seed in range(3))

HIDDEN = "hidden canary"
QUOTED = "quoted canary"
SHOWN = "shown"

TEXT_FIELDS: dict[str, Any] = {
    "input_data": {"prompt": QUOTED},
    "output_data": {"text": QUOTED},
    "error_message": QUOTED,
    "error_stack": QUOTED,
    "events": [{"name": QUOTED, "time": "2025-01-02T10:00:00Z"}],
}
"""Fields that only a share with payloads shows."""

HIDDEN_FIELDS: dict[str, Any] = {
    **{name: f"{HIDDEN} {name}" for name in ("conversation_id", "message_id", "end_user_id", "lesson_id")},
    "metadata": {"tenant": HIDDEN},
    "links": [{"trace_id": "linked", "span_id": "linked", "attributes": {"why": HIDDEN}}],
}
"""Fields that no share shows."""

SHOWN_FIELDS: dict[str, Any] = {
    **dict.fromkeys(("model_name", "model_provider", "model_version", "tool_name", "service_name"), SHOWN),
    **dict.fromkeys(("environment", "release", "prompt_name", "prompt_version", "finish_reason"), SHOWN),
    **{"operation_type": "completion", "status": "error", "error_type": SHOWN, "tags": [SHOWN], "cost_usd": 0.5},
    **{"input_tokens": 12, "output_tokens": 3, "duration_ms": 1_000, "cached_input_tokens": 2},
}
"""Fields that every share shows."""


def in_days(days: float) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).isoformat()


def created(api: Api, trace_id: str = "t", **fields: Any) -> dict[str, Any]:
    """A new share."""
    body = {"expires_at": in_days(7), "payloads": False, **fields}
    reply = api("POST", f"{path_of(trace_id)}/shares", body=body)
    assert reply.status == 201, reply.body
    share: dict[str, Any] = reply.json["data"]
    return share


def secret_of(share: dict[str, Any]) -> str:
    match = re.fullmatch(r"/traces/shared#(tss_[A-Za-z0-9_-]{43})", share["link"])
    assert match
    return match[1]


def guest(api: Api, share: dict[str, Any]) -> Api:
    """Somebody with the link of a share and no other credential."""
    return Api(api.call, None, {"authorization": f"Bearer {secret_of(share)}"})


def listed(api: Api, trace_id: str = "t") -> list[dict[str, Any]]:
    reply = api("GET", f"{path_of(trace_id)}/shares")
    assert reply.status == 200, reply.body
    of_trace: list[dict[str, Any]] = reply.json["shares"]
    return of_trace


def revoke(api: Api, share: dict[str, Any]) -> Reply:
    return api("DELETE", f"{path_of(share['trace_id'])}/shares/{share['share_id']}")


@pytest.fixture
def cold(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Functions that look up each credential again, as after 60 seconds."""
    monkeypatch.setattr("tracestore.http.identity.CACHED_S", 0)
    wiring.reset()
    yield
    wiring.reset()


@pytest.fixture
def traced(api: Api) -> Api:
    """A user with a trace that has every field, and another trace of the same conversation."""
    api.send(
        span(**SHOWN_FIELDS, **HIDDEN_FIELDS, **TEXT_FIELDS),
        child("below", "root", **SHOWN_FIELDS, **HIDDEN_FIELDS, **TEXT_FIELDS),
    )
    api.send(span("another", **HIDDEN_FIELDS, **TEXT_FIELDS))
    return api


PATHS = ("", "?view=outline", "?payloads=false", "/spans/root", "/spans/below")


def answers(caller: Api, trace_id: str = "t") -> dict[str, Reply]:
    """The response to each request that a share opens."""
    replies = {}
    for path in PATHS:
        rest, _, query = path.partition("?")
        replies[path] = caller("GET", f"{TRACES}/{trace_id}{rest}", query=query)
    return replies


def test_a_link_is_returned_once_and_reads_its_trace(traced: Api) -> None:
    share = created(traced, payloads=True)
    listing = traced("GET", f"{path_of('t')}/shares")
    assert listing.json["shares"] == [{name: value for name, value in share.items() if name != "link"}]
    assert secret_of(share).removeprefix("tss_") not in listing.body.decode()
    assert all(reply.status == 200 for reply in answers(guest(traced, share)).values())
    (root,) = guest(traced, share).trace()["spans"]
    assert [node["span_id"] for node in flat([root])] == ["root", "below"]


def test_the_path_may_name_the_trace_of_the_share_by_a_hyphen(traced: Api) -> None:
    visitor = guest(traced, created(traced))
    for path, reply in answers(visitor, "-").items():
        assert (reply.status, reply.json) == (200, answers(visitor)[path].json)
    assert visitor.trace("-")["summary"]["trace_id"] == "t"
    assert failure(traced("GET", f"{TRACES}/-")) == (404, "not_found")


@pytest.mark.parametrize("payloads", [True, False])
def test_what_shares_hide_is_in_no_response(traced: Api, payloads: bool, user: User) -> None:
    visitor = guest(traced, created(traced, payloads=payloads))
    ids = {node["id"] for node in flat(traced.trace()["spans"])}
    for path, reply in answers(visitor).items():
        text = reply.body.decode()
        assert reply.status == 200
        assert not [hidden for hidden in (HIDDEN, user.name, "linked", *ids) if hidden in text], path
        assert (QUOTED in text) is payloads, path


@pytest.mark.parametrize("payloads", [True, False])
def test_a_share_shows_the_other_fields_as_the_owner_sees_them(traced: Api, payloads: bool) -> None:
    visitor = guest(traced, created(traced, payloads=payloads))
    own, seen = traced.span(), visitor.span()
    assert set(own) == set(seen)
    hidden = {"id", "user_id", *HIDDEN_FIELDS, *(() if payloads else TEXT_FIELDS)}
    assert {name for name in own if own[name] != seen[name]} == hidden
    assert {name for name in hidden if seen[name] is not None} == set()
    assert all(own[name] == value for name, value in SHOWN_FIELDS.items())

    own, seen = traced.trace()["summary"], visitor.trace()["summary"]
    hidden = {"conversation_id", "end_user_id", "lesson_id"}
    assert {name for name in own if own[name] != seen[name]} == hidden | (
        set() if payloads else {"input_preview", "output_preview"}
    )

    own, seen = (caller.trace(view="outline")["outline"][1] for caller in (traced, visitor))
    assert {name for name in own if own[name] != seen.get(name)} == (
        set() if payloads else {"preview", "error_message"}
    )


def test_a_tree_without_payloads_is_marked(traced: Api) -> None:
    trace = guest(traced, created(traced)).trace()
    assert trace["payloads_omitted"] is True
    assert "input_data" not in trace["spans"][0]


@pytest.mark.parametrize("route", GUARDED)
def test_a_share_opens_its_routes_and_no_others(traced: Api, route: str) -> None:
    traced.send(child("photo", "root", input_data=asking(part(PHOTO))))
    visitor = guest(traced, created(traced, payloads=True))
    before = traced.trace()
    method, _, path = route.partition(" ")
    for name, value in {"trace_id": "t", "span_id": "root", "id": "t", "sha256": hash_of(PHOTO)}.items():
        path = path.replace(f"{{{name}}}", value)
    body = {"trace_ids": ["t"]} if method in ("POST", "PUT", "PATCH") else None
    reply = visitor(method, re.sub(r"[{}]", "", path), body=body)
    if route in SHARED_ROUTES:
        assert reply.status == 200
    else:
        error = reply.json if "error" in reply.json else {"error": {"code": "not_shared"}}
        code = "not_shared" if route == "POST /mcp" else error["error"]["code"]  # that route has the protocol's codes
        assert (reply.status, code) == (403, "not_shared")
    assert traced.trace() == before


def test_every_shared_route_is_a_reading_route_of_the_template() -> None:
    assert set(SHARED_ROUTES) <= {route.key for route in Template().routes}
    assert all(route.startswith("GET ") for route in SHARED_ROUTES)
    assert len(SHARED_ROUTES) == 3


def medium_path(content: bytes, trace_id: str = "t") -> str:
    return f"{path_of(trace_id)}/media/{hash_of(content)}"


@pytest.fixture
def with_media(traced: Api) -> Api:
    """The user with media in fields that shares with payloads show, and one in a field that no share shows."""
    traced.send(child("photo", "root", input_data=asking(part(PHOTO)), metadata={"frame": part(PHOTO)}))
    traced.send(
        child(
            "chart",
            "root",
            events=[{"name": "drawn", "time": "2025-01-02T10:00:00Z", "attributes": {"a": part(CHART)}}],
        )
    )
    traced.send(child("voice", "root", output_data="said", metadata={"recording": part(VOICE)}))
    return traced


def test_a_share_with_payloads_returns_the_media_of_its_trace(with_media: Api) -> None:
    visitor = guest(with_media, created(with_media, payloads=True))
    for content in (PHOTO, CHART):
        own, seen = with_media("GET", medium_path(content)), visitor("GET", medium_path(content))
        assert (seen.status, seen.body) == (200, content)
        assert {**own.headers, **seen.headers} == seen.headers
        assert visitor("GET", medium_path(content, "-")).body == content
        cached = visitor("GET", medium_path(content), headers={"if-none-match": seen.headers["etag"]})
        assert (cached.status, cached.headers["x-robots-tag"]) == (304, "noindex")


def test_media_that_a_share_does_not_show_are_the_same_404_as_absent_ones(with_media: Api) -> None:
    bare, full = (guest(with_media, created(with_media, payloads=payloads)) for payloads in (False, True))
    absent = full("GET", medium_path(b"absent"))
    assert absent.status == 404
    assert with_media("GET", medium_path(VOICE)).body == VOICE
    hidden = [full("GET", medium_path(VOICE)), *(bare("GET", medium_path(one)) for one in (PHOTO, CHART, VOICE))]
    assert [(reply.status, reply.body) for reply in hidden] == [(404, absent.body)] * 4


def test_a_share_returns_no_media_of_another_trace_or_of_a_deleted_span(with_media: Api) -> None:
    with_media.send(span("another", output_data=[part(image(seed=9))]))
    visitor = guest(with_media, created(with_media, payloads=True))
    for trace_id in ("t", "another"):
        assert visitor("GET", medium_path(image(seed=9), trace_id)).status == 404
    assert with_media("DELETE", path_of("t", "photo")).status == 200
    assert visitor("GET", medium_path(PHOTO)).status == 404
    with_media.patched("chart", events=[])
    assert visitor("GET", medium_path(CHART)).status == 404


VIEWS = ("view=tree", "view=tree&payloads=false", "view=outline")


def changes(caller: Api, query: str, version: str) -> dict[str, Any]:
    reply = caller("GET", path_of("t"), query=f"{query}&since={version}")
    assert reply.status == 200, reply.body
    content: dict[str, Any] = reply.json
    return content


@pytest.mark.parametrize("query", VIEWS)
@pytest.mark.parametrize("payloads", [True, False])
def test_a_share_gets_the_changes_of_its_trace_without_what_it_hides(
    traced: Api, payloads: bool, query: str, user: User
) -> None:
    visitor = guest(traced, created(traced, payloads=payloads))
    version = visitor("GET", path_of("t"), query=query).json["version"]
    assert visitor("GET", path_of("t"), query=f"{query}&since={version}").status == 304
    traced.patched("below", tool_name="search", output_data={"text": QUOTED}, metadata={"tenant": HIDDEN})
    traced.send(child("new", "root", **HIDDEN_FIELDS, **TEXT_FIELDS))
    content = changes(visitor, query, version)
    whole = visitor("GET", path_of("t"), query=query).json
    rows = whole["trace"].get("outline") or [
        {name: value for name, value in row.items() if name != "children"} for row in flat(whole["trace"]["spans"])
    ]
    assert content["full"] is False
    assert [row["span_id"] for row in content["trace"]["changed"]][-2:] == ["below", "new"]
    assert all(row in rows for row in content["trace"]["changed"])
    assert (content["trace"]["summary"], content["version"]) == (whole["trace"]["summary"], whole["version"])
    text = json.dumps(content)
    assert not [hidden for hidden in (HIDDEN, user.name, "linked") if hidden in text]
    assert (QUOTED in text) is payloads


@pytest.mark.parametrize("payloads", [True, False])
def test_a_changed_error_text_is_a_change_only_for_a_share_that_shows_it(traced: Api, payloads: bool) -> None:
    visitor = guest(traced, created(traced, payloads=payloads))
    version = visitor("GET", path_of("t")).json["version"]
    traced.patched("below", error_message="another")
    rows = changes(visitor, "view=outline", version)["trace"]["changed"]
    assert [row["span_id"] for row in rows] == (["below"] if payloads else [])


def test_a_hidden_change_shows_no_row_of_an_outline(traced: Api) -> None:
    visitor = guest(traced, created(traced, payloads=True))
    version = visitor("GET", path_of("t")).json["version"]
    traced.patched("below", metadata={"tenant": f"{HIDDEN} again"})
    assert changes(visitor, "view=outline", version)["trace"]["changed"] == []


def test_a_version_of_anybody_else_gives_a_share_the_whole(traced: Api) -> None:
    visitor, another = (guest(traced, created(traced)) for _ in range(2))
    versions = {caller("GET", path_of("t")).json["version"] for caller in (traced, visitor, another)}
    assert len(versions) == 3
    whole = visitor("GET", path_of("t")).json
    for version in versions - {whole["version"]}:
        assert changes(visitor, "view=tree", version) == {**whole, "full": True}


@pytest.mark.parametrize("trace_id", ["another", "unknown", "T", "t%00", "t%2F..%2Fanother", "--", "%2D%2D"])
def test_another_trace_is_the_same_404_as_an_absent_one(traced: Api, trace_id: str) -> None:
    visitor = guest(traced, created(traced, payloads=True))
    absent = traced("GET", f"{TRACES}/unknown")
    for path in ("", "/spans/root"):
        reply = visitor("GET", f"{TRACES}/{trace_id}{path}")
        assert (reply.status, reply.body) == (404, absent.body)


def test_deleted_expired_revoked_and_unknown_shares_are_the_same_404(
    traced: Api, cold: None, engine: TableOnEngine
) -> None:
    traced.send(span("deleted"))
    deleted, revoked, expired = created(traced, "deleted"), created(traced), created(traced)
    assert traced("DELETE", path_of("deleted")).status == 200
    assert revoke(traced, revoked).status == 200
    item_key = {"pk": {"S": keys.share(sha256_of(secret_of(expired)))}, "sk": {"S": keys.SHARE}}
    engine.client.update_item(
        TableName=engine.table_name,
        Key=item_key,
        UpdateExpression="SET expires_at = :now",
        ExpressionAttributeValues={":now": {"N": str(int(datetime.now(UTC).timestamp()))}},
    )
    unknown = {"link": "/traces/shared#tss_" + "x" * 43}
    replies = [
        guest(traced, share)("GET", path_of(trace_id), headers={})
        for share, trace_id in ((deleted, "deleted"), (revoked, "t"), (expired, "t"), (unknown, "t"))
    ]
    malformed = Api(traced.call, None, {"authorization": "Bearer tss_short"})("GET", path_of("t"))
    assert {(reply.status, reply.body) for reply in (*replies, malformed)} == {
        (404, traced("GET", path_of("unknown")).body)
    }


def test_a_trace_of_a_pending_deletion_is_not_shared(traced: Api) -> None:
    visitor = guest(traced, created(traced))
    assert traced("DELETE", TRACES, query="deleteAll=true").status == 200
    assert failure(visitor("GET", path_of("t"))) == (404, "not_found")
    assert failure(traced("GET", f"{path_of('t')}/shares")) == (404, "not_found")


def test_another_generation_of_the_trace_is_not_shared(traced: Api, engine: TableOnEngine, user: User) -> None:
    share = created(traced, payloads=True)
    head_key = {"pk": {"S": keys.trace(user.name, "t")}, "sk": {"S": keys.HEAD}}
    engine.client.update_item(  # a change of a head, which has a version of its own
        TableName=engine.table_name,
        Key=head_key,
        UpdateExpression="SET expires_at = :past ADD v :one",
        ExpressionAttributeValues={":past": {"N": "1"}, ":one": {"N": "1"}},
    )
    item = next(one for one in stored(engine, keys.user_shares(user.name)) if one["sk"]["S"].startswith("t#"))
    for key in (
        {"pk": item["pk"], "sk": item["sk"]},
        {"pk": {"S": keys.share(item["sha256"]["S"])}, "sk": {"S": "SH"}},
    ):
        engine.client.update_item(  # the hour of a trace that began earlier
            TableName=engine.table_name,
            Key=key,
            UpdateExpression="SET g = :g",
            ExpressionAttributeValues={":g": {"S": "0"}},
        )
    traced.send(span(input_data="new"))
    assert traced.span()["input_data"] == "new"
    assert listed(traced) == []
    assert {reply.status for reply in answers(guest(traced, share)).values()} == {404}


def test_a_revoked_share_is_removed_and_no_longer_listed(traced: Api, engine: TableOnEngine, user: User) -> None:
    kept, share = created(traced), created(traced)
    assert revoke(traced, share).json == {"success": True}
    assert [one["share_id"] for one in listed(traced)] == [kept["share_id"]]
    assert stored(engine, keys.share(sha256_of(secret_of(share)))) == []
    assert len(stored(engine, keys.user_shares(user.name))) == 1
    for path in (f"t/shares/{share['share_id']}", f"another/shares/{kept['share_id']}", "t/shares/x"):
        assert failure(traced("DELETE", f"{TRACES}/{path}")) == (404, "not_found")


def test_the_secret_is_stored_as_its_hash_only(traced: Api, engine: TableOnEngine, user: User) -> None:
    secret = secret_of(created(traced))
    items = stored(engine, keys.user_shares(user.name)) + stored(engine, keys.share(sha256_of(secret)))
    assert len(items) == 2
    assert secret.removeprefix("tss_") not in str(items)


def test_no_log_line_contains_the_secret(traced: Api, caplog: pytest.LogCaptureFixture, capfd: Any) -> None:
    share = created(traced)
    visitor = guest(traced, share)
    answers(visitor)
    visitor("GET", "/api/me")
    visitor("GET", path_of("another"))
    lines = [str(vars(record)) for record in caplog.records]
    assert [line for line in lines if f"@share:{share['share_id']}" in line]
    written = capfd.readouterr()
    secret = secret_of(share).removeprefix("tss_")
    assert not [text for text in (*lines, written.out, written.err) if secret in text]


def test_responses_to_shares_are_not_indexed_and_send_no_referrer(traced: Api) -> None:
    visitor = guest(traced, created(traced))
    unknown = Api(traced.call, None, {"authorization": f"Bearer tss_{'x' * 43}"})
    replies = [*answers(visitor).values(), visitor("GET", "/api/me"), unknown("GET", path_of("t"))]
    assert [reply.status for reply in replies[-2:]] == [403, 404]
    for reply in replies:
        assert (reply.headers["referrer-policy"], reply.headers["x-robots-tag"]) == ("no-referrer", "noindex")
    assert "x-robots-tag" not in traced("GET", path_of("t")).headers


def test_a_share_revalidates_by_an_etag_of_its_own(traced: Api) -> None:
    visitor = guest(traced, created(traced))
    reply = visitor("GET", path_of("t"))
    assert reply.headers["etag"] != traced("GET", path_of("t")).headers["etag"]
    again = visitor("GET", path_of("t"), headers={"if-none-match": reply.headers["etag"]})
    assert (again.status, again.headers["x-robots-tag"]) == (304, "noindex")


def test_a_search_is_refused_without_payloads(traced: Api) -> None:
    visitor = guest(traced, created(traced))
    assert failure(visitor("GET", path_of("t"), query="search=quoted")) == (403, "not_shared")


def test_a_cursor_of_the_owner_is_not_one_of_the_share(traced: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tracestore.api.traces.responses.RESPONSE_BYTES", 10)
    cursors = []
    for caller in (traced, guest(traced, created(traced))):
        reply = caller("GET", path_of("t"), query="view=outline")
        cursors.append((caller, reply.json["next_cursor"]))
    for (caller, own), (_, foreign) in zip(cursors, reversed(cursors), strict=True):
        query = {"view": "outline", "cursor": own}
        assert caller("GET", path_of("t"), query=query).json["trace"]["outline"][0]["span_id"] == "below"
        assert failure(caller("GET", path_of("t"), query={**query, "cursor": foreign})) == (400, "invalid_cursor")


def test_a_share_with_another_credential_or_as_another_one_is_refused(traced: Api) -> None:
    secret = secret_of(created(traced))
    key = traced.with_key("read").headers["x-api-key"]
    for headers in ({"authorization": f"Bearer {secret}", "x-api-key": key}, {"x-api-key": secret}):
        assert Api(traced.call, None, headers)("GET", path_of("t")).status == 401
    acting = Api(traced.call, None, {"authorization": f"Bearer {secret}", OWNER_HEADER: "team"})
    assert failure(acting("GET", path_of("t"))) == (403, "forbidden_owner")


def test_shares_are_managed_by_signed_in_members_of_the_owner(call: Call, other: Api) -> None:
    team = new_team()
    one, another = member_of(call, team), member_of(call, team)
    one.send(span(input_data="shared"))
    share = created(one, payloads=True)
    assert guest(one, share).span()["input_data"] == "shared"
    assert team not in guest(one, share)("GET", path_of("t")).body.decode()
    key = one.with_key("ingest", "read", "delete")
    body = {"expires_at": in_days(1), "payloads": True}
    assert failure(key("POST", f"{path_of('t')}/shares", body=body)) == (403, "jwt_required")
    assert failure(key("GET", f"{path_of('t')}/shares")) == (403, "jwt_required")
    assert failure(revoke(key, share)) == (403, "jwt_required")
    for stranger in (other, replace(one, headers={})):
        assert failure(stranger("POST", f"{path_of('t')}/shares", body=body)) == (404, "not_found")
        assert failure(stranger("GET", f"{path_of('t')}/shares")) == (404, "not_found")
        assert failure(revoke(stranger, share)) == (404, "not_found")
    assert revoke(another, share).status == 200


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ([], []),
        ({}, ["expires_at", "payloads"]),
        ({"expires_at": None, "payloads": True}, ["expires_at"]),
        ({"expires_at": "2020-01-01T00:00:00Z", "payloads": True}, ["expires_at"]),
        ({"expires_at": "tomorrow", "payloads": True}, ["expires_at"]),
        ({"expires_at": in_days(91), "payloads": True}, ["expires_at"]),
        ({"expires_at": in_days(1), "payloads": 1}, ["payloads"]),
        ({"expires_at": in_days(1), "payloads": True, "spans": ["root"]}, ["spans"]),
    ],
)
def test_a_malformed_share_is_refused(traced: Api, body: Any, fields: list[str]) -> None:
    reply = traced("POST", f"{path_of('t')}/shares", body=body)
    assert (failure(reply), fields_of(reply)) == ((400, "invalid_request"), fields)
    assert listed(traced) == []


def test_a_share_may_last_ninety_days(traced: Api) -> None:
    expires_at = in_days(89.99)
    assert created(traced, expires_at=expires_at)["expires_at"][:19] == expires_at[:19]


def test_an_absent_trace_cannot_be_shared(api: Api) -> None:
    body = {"expires_at": in_days(1), "payloads": True}
    for trace_id in ("unknown", "-", "%23"):
        assert failure(api("POST", f"{TRACES}/{trace_id}/shares", body=body)) == (404, "not_found")


def test_shares_beyond_the_limit_of_a_trace_are_a_conflict(traced: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shares, "SHARES_PER_TRACE", 2)
    created(traced)
    created(traced)
    reply = traced("POST", f"{path_of('t')}/shares", body={"expires_at": in_days(1), "payloads": True})
    assert failure(reply) == (409, "conflict")
    assert json.dumps(listed(traced)).count("share_id") == 2
    created(traced, "another")
