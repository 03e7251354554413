"""No request to any route reaches the data of another owner: of another user, or of a team."""

import json
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote

import pytest

from dev.template import Template
from tests.api import TRACES, Api, member_of, new_team, span
from tests.attempts.by_route import ATTEMPTS
from tests.conftest import TableOnEngine, empty_moto
from tests.gateway import Call, User, new_user
from tests.victim import Victim, victim_of
from tracestore.api.traces.shares import SHARED_ROUTES
from tracestore.http.app import PUBLIC_ROUTES
from tracestore.http.identity import OWNER_HEADER


@pytest.fixture(autouse=True)
def emptied(template: Template) -> Iterator[None]:
    """Empties moto's table after each test: a walk along all routes is slower with every item of the walks before."""
    yield
    empty_moto(template)


@pytest.fixture
def victim(api: Api, engine: TableOnEngine) -> Victim:
    """The user whose data other users try to reach."""
    return victim_of(api, engine)


@pytest.mark.parametrize(
    ("engine", "credential"),
    [("moto", "jwt"), ("dynamodb-local", "jwt"), ("dynamodb-local", "api_key")],
    indirect=["engine"],
    scope="session",
)
def test_no_route_returns_or_changes_the_data_of_another_user(victim: Victim, call: Call, credential: str) -> None:
    walk(victim, lambda: Api(call, new_user()) if credential == "jwt" else key_of(Api(call, new_user())))


def walk(
    victim: Victim,
    stranger_for: Callable[[], Api],
    known: str = "",
    *,
    admitted: Collection[str] = tuple(ATTEMPTS),
) -> None:
    """Make every attempt on every route, each route as another caller. The victim's data must stay as it is.

    `known` is a text that the callers know. Routes to which they are not `admitted` refuse them, if they need a
    credential.
    """
    visible, stored = victim.visible(), victim.stored()
    secrets = [secret for secret in victim.secrets if secret != known]
    for route in Template().routes:
        stranger = stranger_for()
        for attempt in ATTEMPTS[route.key](victim):
            request = {"query": attempt.query, "body": attempt.body, "headers": attempt.headers}
            reply = stranger(route.method or "GET", attempt.path, **request)
            expected = attempt.expected if route.key in (*admitted, *PUBLIC_ROUTES) else (403,)
            assert reply.status in expected, (attempt, reply)
            returned = reply.body.decode() + str(reply.headers)
            is_own = reply.status == 201 or (route.method == "PUT" and reply.status == 200)
            own_text = json.dumps(attempt.body) + unquote(attempt.path) if is_own else ""
            assert not [secret for secret in secrets if secret in returned and secret not in own_text], attempt
        assert victim.stored() == stored, route
    assert victim.visible() == visible


def key_of(api: Api) -> Api:
    """The same owner with a new API key of every scope."""
    return api.with_key("ingest", "read", "delete", "annotate")


@pytest.mark.parametrize("engine", ["moto"], indirect=True, scope="session")
@pytest.mark.parametrize("credential", ["jwt", "api_key"])
def test_a_team_reaches_no_data_of_another_team(call: Call, engine: TableOnEngine, credential: str) -> None:
    victim = victim_of(member_of(call, new_team()), engine)

    def stranger() -> Api:
        member = member_of(call, new_team())
        return member if credential == "jwt" else key_of(member)

    walk(victim, stranger)


@pytest.mark.parametrize("engine", ["moto"], indirect=True, scope="session")
@pytest.mark.parametrize("credential", ["jwt", "api_key"])
def test_a_team_reaches_no_data_of_its_members(call: Call, engine: TableOnEngine, credential: str) -> None:
    user = new_user()
    victim = victim_of(Api(call, user), engine)

    def member() -> Api:
        member = member_of(call, new_team(), user.name)
        return member if credential == "jwt" else key_of(member)

    walk(victim, member, known=user.name)


@pytest.mark.parametrize("engine", ["moto"], indirect=True, scope="session")
def test_a_member_who_acts_alone_reaches_no_data_of_the_team(call: Call, engine: TableOnEngine) -> None:
    team = new_team()
    victim = victim_of(member_of(call, team), engine)
    walk(victim, lambda: Api(call, User(new_user().name, (team,))))


@pytest.mark.parametrize("engine", ["moto"], indirect=True, scope="session")
@pytest.mark.parametrize("credential", ["jwt", "api_key"])
def test_a_stranger_who_names_the_team_is_refused_everywhere(
    call: Call, engine: TableOnEngine, credential: str
) -> None:
    team = new_team()
    victim = victim_of(member_of(call, team), engine)

    def stranger() -> Api:
        caller = Api(call, User(new_user().name, (f"{team}x", team[:-1], team.upper(), f"{team},")))
        if credential == "api_key":
            caller = key_of(caller)
        return replace(caller, headers={**caller.headers, OWNER_HEADER: team})

    walk(victim, stranger, admitted=())


@pytest.mark.parametrize("engine", ["moto"], indirect=True, scope="session")
def test_the_share_of_another_users_trace_reaches_no_data(victim: Victim, other: Api) -> None:
    other.send(span("x"))
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    share = other("POST", f"{TRACES}/x/shares", body={"expires_at": tomorrow, "payloads": True}).json["data"]
    secret = share["link"].partition("#")[2]
    guest = Api(other.call, None, {"authorization": f"Bearer {secret}"})
    walk(victim, lambda: guest, admitted=SHARED_ROUTES)


def test_users_with_similar_names_are_isolated(call: Call) -> None:
    base = new_user().name
    similar = [
        base,
        f"{base}#T#t",
        f"{base}#",
        f"{base}%23",
        f"{base}#K",
        f"{base} ",
        base.upper(),
        f"../{base}",
        f"{base}👋",
    ]
    similar += [
        f"{base}\n",
        f"{base}\x00",
        f"{base}{'x' * 220}",
        f"{base}{'x' * 219}y",
        "e\u0301" + base,
        "\u00e9" + base,
    ]
    users = [Api(call, User(name)) for name in similar]
    teams = [base, f"{base}#", f"{base}%23", f"{base}#T#t", f"@team:{base}", f" {base}", f"{base}{'x' * 220}"]
    users += [member_of(call, team, base) for team in teams]
    similar += [f"@team:{team}" for team in teams]
    for number, user in enumerate(users):
        user.send(span("t", tool_name=f"tool {number}", conversation_id="c"))
        assert user("DELETE", TRACES, query="conversation_id=nothing").status == 200
    for number, user in enumerate(users):
        assert user.span()["tool_name"] == f"tool {number}"
        assert user.span()["user_id"] == similar[number]
        assert len(user.summaries(conversation_id="c")) == 1
        assert user("GET", "/api/keys").json == {"success": True, "keys": []}
    assert users[0]("DELETE", TRACES, query="deleteAll=true").json["deleted"] == {"traces": 1, "spans": 1}
    assert [len(user.summaries()) for user in users] == [0] + [1] * (len(similar) - 1)


def test_conversations_with_similar_keys_are_isolated(call: Call) -> None:
    base = new_user().name
    first, second = Api(call, User(base)), Api(call, User(f"{base}#C#c"))
    first.send(span("first", conversation_id="c#C#d"))
    second.send(span("second", conversation_id="d"))
    assert first.summaries(conversation_id="c#C#d") == ["first"]
    assert second.summaries(conversation_id="d") == ["second"]


@pytest.mark.parametrize(
    "name", ["x-user-id", "x-forwarded-user", "x-amzn-oidc-identity", "x-tracestore-user", "cookie"]
)
def test_only_the_credential_identifies_the_caller(api: Api, other: Api, name: str) -> None:
    assert other.user
    reply = api("GET", "/api/me", headers={name: other.user.name})
    assert api.user
    assert reply.json["data"]["user_id"] == api.user.name
