"""A user acts for a team that the token lists: its members share its traces, jobs and keys, apart from their own."""

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest

from tests import otlp
from tests.api import TRACES, Api, failure, member_of, new_team, path_of, span
from tests.conftest import TableOnEngine
from tests.deploying import deployment_of
from tests.gateway import Call, User, new_user
from tests.victim import stored
from tracestore.http import wiring
from tracestore.http.identity import OWNER_HEADER
from tracestore.storage import keys
from tracestore_cli import loading, tokens, transfer

pytestmark = pytest.mark.parametrize("engine", ["moto"], indirect=True, scope="session")


@pytest.fixture
def team() -> str:
    return new_team()


@pytest.fixture
def ada(call: Call, team: str) -> Api:
    """A member who acts for the team."""
    return member_of(call, team)


@pytest.fixture
def bob(call: Call, team: str) -> Api:
    """Another member who acts for the team."""
    return member_of(call, team)


def alone(member: Api) -> Api:
    """The same user without the header."""
    return replace(member, headers={})


def naming(caller: Api, header: str) -> Api:
    """The same caller with this header."""
    return replace(caller, headers={**caller.headers, OWNER_HEADER: header})


def me(caller: Api) -> dict[str, Any]:
    content: dict[str, Any] = caller("GET", "/api/me").json["data"]
    return content


def test_members_read_change_and_delete_each_others_traces(ada: Api, bob: Api, team: str) -> None:
    ada.send(span("t"))
    assert bob.span()["user_id"] == f"@team:{team}"
    assert bob.patch(span_name="renamed").status == 200
    assert ada.span()["span_name"] == "renamed"
    assert bob("DELETE", path_of("t")).status == 200
    assert ada.summaries() == []


def test_a_members_own_traces_and_those_of_the_team_are_apart(ada: Api) -> None:
    ada.send(span("of-the-team"))
    alone(ada).send(span("own"))
    assert ada.summaries() == ["of-the-team"]
    assert alone(ada).summaries() == ["own"]


def test_every_reply_contains_the_same_id_and_the_team_as_the_owner(ada: Api, team: str) -> None:
    posted = ada.send(span("t"))
    (in_batch,) = ada.post({"spans": [span("t")]}).json["data"]
    exported = json.loads(ada("GET", "/api/analytics/export").body)
    (root,), (listed,) = ada.trace()["spans"], ada.page()["traces"]
    spans = [posted, exported, root, listed, ada.span(), ada.patched(span_name="renamed")]
    assert {(each["id"], each["user_id"]) for each in spans} == {(in_batch["id"], f"@team:{team}")}
    assert ada("GET", "/api/public/projects").json["data"][0]["id"] == f"@team:{team}"


def test_one_trace_id_is_one_trace_for_each_owner(ada: Api) -> None:
    ada.send(span("t", tool_name="team"))
    alone(ada).send(span("t", tool_name="own"))
    assert (ada.span()["tool_name"], alone(ada).span()["tool_name"]) == ("team", "own")
    assert ada.span()["id"] != alone(ada).span()["id"]


def test_a_key_made_for_a_team_writes_and_reads_the_teams_traces(ada: Api, bob: Api, team: str) -> None:
    key = ada.with_key("ingest", "read")
    key.send(span("t"))
    assert bob.summaries() == key.summaries() == ["t"]
    assert alone(ada).summaries() == []
    assert me(key) == {
        "user_id": f"@team:{team}",
        "owner_id": f"@team:{team}",
        "team": team,
        "teams": [team],
        "credential": "api_key",
        "scopes": ["ingest", "read"],
        "retention_days": 30,
    }


def test_a_key_made_alone_belongs_to_the_user(ada: Api) -> None:
    key = alone(ada).with_key("ingest", "read")
    key.send(span("t"))
    assert alone(ada).summaries() == ["t"]
    assert ada.summaries() == []
    assert me(key)["teams"] == []


def test_the_header_may_name_the_team_of_a_key(ada: Api, team: str) -> None:
    key = ada.with_key("ingest", "read")
    naming(key, team).send(span("t"))
    assert key.summaries() == ["t"]


def test_members_list_and_revoke_the_keys_of_their_team(ada: Api, bob: Api) -> None:
    key = ada.with_key("read")
    (listed,) = bob("GET", "/api/keys").json["keys"]
    assert alone(ada)("GET", "/api/keys").json["keys"] == []
    path = f"/api/keys/{listed['key_id']}"
    assert alone(ada)("DELETE", path).status == 404
    assert bob("DELETE", path).status == 200
    wiring.key_cache.cache_clear()  # as after 60 seconds
    assert key("GET", "/api/me").status == 401


def test_jobs_belong_to_the_owner_acted_for(ada: Api, bob: Api, team: str, engine: TableOnEngine) -> None:
    ada.send(span("a", conversation_id="c"))
    assert ada("DELETE", TRACES, query="conversation_id=c").status == 200
    (job,) = (item for item in stored(engine, keys.user(f"@team:{team}")) if item["sk"]["S"] != keys.USER)
    path = f"/api/jobs/{job['sk']['S'].removeprefix(keys.job(''))}"
    assert bob("GET", path).json["data"]["deleted"] == {"traces": 1, "spans": 1}
    assert alone(ada)("GET", path).status == 404


def test_exports_contain_the_traces_of_the_owner_acted_for(ada: Api, bob: Api) -> None:
    ada.send(span("team"))
    alone(ada).send(span("own"))
    assert b'"trace_id":"team"' in bob("GET", "/api/analytics/export").body
    assert b'"trace_id":"own"' not in ada("GET", "/api/analytics/export").body
    assert b'"trace_id":"team"' not in alone(ada)("GET", "/api/analytics/export").body


def test_the_commands_export_and_import_for_the_team_of_their_option(call: Call, ada: Api, team: str) -> None:
    ada.send(span("team"))
    assert ada.user
    user = replace(ada.user, teams=(team, new_team()))
    exported = io.BytesIO()
    with deployment_of(call, user, owner=team) as (deployment, _):
        transfer.export(deployment, transfer.Stream(exported, {}), lambda _: None)
    with deployment_of(call, user, owner=user.teams[1]) as (deployment, _):
        loading.load(deployment, io.BytesIO(exported.getvalue()), lambda *_: None)
    assert member_of(call, user.teams[1]).summaries() == ["team"]
    assert alone(ada).summaries() == []


def test_a_caller_learns_the_owner_and_the_teams(call: Call) -> None:
    user = User(new_user().name, ("search", "ads"))
    expected = {"user_id": user.name, "owner_id": user.name, "team": None, "teams": ["search", "ads"]}
    assert me(Api(call, user)).items() >= expected.items()
    acting = me(Api(call, user, {OWNER_HEADER: "ads"}))
    assert acting.items() >= {**expected, "owner_id": "@team:ads", "team": "ads"}.items()


@pytest.mark.parametrize("name", ["Forschung Süd", "a,b", "50%25", "研究", "a/b#c?d", "@team:x", " x ", "x" * 256])
def test_a_team_may_have_any_name(call: Call, name: str) -> None:
    team = f"{new_team()}{name}"[:256]
    ada, bob = member_of(call, team), member_of(call, team)
    ada.send(span("t"))
    assert bob.summaries() == ["t"]
    assert me(bob)["team"] == team


@pytest.mark.parametrize("header", ["", "another", "{team}x", "@team:{team}", "{team},{team}", "{team}%", "{user}"])
def test_anything_else_in_the_header_is_refused(ada: Api, team: str, header: str) -> None:
    assert ada.user
    sent = header.format(team=team, user=ada.user.name)
    for caller in (alone(ada), ada.with_key("read"), alone(ada).with_key("read")):
        assert failure(naming(caller, sent)("GET", TRACES)) == (403, "forbidden_owner")


def test_a_key_of_a_user_is_refused_with_the_header(ada: Api, team: str) -> None:
    assert failure(naming(alone(ada).with_key("read"), team)("GET", TRACES)) == (403, "forbidden_owner")


def test_a_former_member_is_refused(ada: Api, team: str) -> None:
    ada.send(span("t"))
    assert ada.user
    former = replace(ada, user=User(ada.user.name))
    assert failure(former("GET", TRACES)) == (403, "forbidden_owner")
    assert alone(former).summaries() == []


def test_the_error_repeats_no_name(ada: Api) -> None:
    reply = naming(ada, "secret-plans")("GET", TRACES)
    assert b"secret" not in reply.body


def test_otlp_clients_receive_the_refusal_in_their_own_format(ada: Api) -> None:
    sent = {**otlp.headers("json"), OWNER_HEADER: "another"}
    reply = ada("POST", "/v1/traces", body=otlp.export(otlp.span(otlp.new_id()), encoding="json"), headers=sent)
    assert (reply.status, reply.json["code"]) == (403, 7)  # PERMISSION_DENIED


@pytest.fixture
def without_teams(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A deployment with an empty JwtTeamsClaim."""
    monkeypatch.setenv("JWT_TEAMS_CLAIM", "")
    wiring.reset()
    yield
    wiring.reset()


@pytest.mark.usefixtures("without_teams")
def test_without_a_claim_no_token_has_teams(ada: Api, team: str) -> None:
    assert failure(ada("GET", TRACES)) == (403, "forbidden_owner")
    assert me(alone(ada))["teams"] == []


def test_a_user_with_the_id_of_a_team_is_refused_and_reaches_nothing(call: Call, ada: Api, team: str) -> None:
    ada.send(span("t"))
    impostor = Api(call, User(f"@team:{team}"))
    assert failure(impostor("GET", path_of("t"))) == (401, "unauthenticated")
    assert failure(impostor.post(span("t", tool_name="forged"))) == (401, "unauthenticated")
    assert ada.span()["tool_name"] is None


def test_a_user_with_the_name_of_a_team_is_another_owner(call: Call, ada: Api, team: str) -> None:
    ada.send(span("t"))
    namesake = Api(call, User(team))
    assert namesake("GET", path_of("t")).status == 404
    assert failure(naming(namesake, team)("GET", path_of("t"))) == (403, "forbidden_owner")


def test_only_the_configured_claim_lists_teams(call: Call, team: str) -> None:
    """A team in a claim of another name, or in the user's id, gives no access."""
    assert tokens.TEAMS_CLAIM == "groups"
    member_of(call, team).send(span("t"))
    for name in (team, f"groups={team}", f'","groups":["{team}"],"x":"'):
        stranger = Api(call, User(name), {OWNER_HEADER: quote(team, safe="")})
        assert failure(stranger("GET", path_of("t"))) == (403, "forbidden_owner")
