"""With strict isolation, every function reaches the data of the user whom it serves, and DynamoDB refuses all other."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest

from dev.template import Template
from tests.api import TRACES, Api, member_of, new_team
from tests.attempts.by_route import ATTEMPTS
from tests.conftest import TableOnEngine
from tests.gateway import Call, new_user
from tests.iam import Access
from tests.strict_isolation import STRICT, Made, StrictFunctions, may_itself, strictly_isolated
from tests.victim import Victim, victim_of

pytestmark = pytest.mark.parametrize("engine", ["moto"], indirect=True, scope="session")

ATTEMPTS_OF_A_ROUTE = 2
"""The first attempts on a route name what exists. Its owner succeeds with them."""

ISOLATED = {
    name
    for name, function in STRICT.of_type("AWS::Lambda::Function").items()
    if function["Environment"]["Variables"]["USER_ROLE_ARN"]
}

CREDENTIAL_WRITES = {"dynamodb:DeleteItem", "dynamodb:PutItem"}


@pytest.fixture(scope="module")
def made(engine: TableOnEngine, template: Template) -> Iterator[list[Made]]:
    """The accesses of the functions while a user and a team use every route."""
    with strictly_isolated(engine.endpoint) as front:
        call = Call(template, StrictFunctions(template, front))
        for api in (Api(call, new_user()), member_of(call, new_team())):
            use_every_route(victim_of(api, engine))
        yield front.made


def use_every_route(owner: Victim) -> None:
    """Send requests of an owner on every route, and requests with an API key and with the link of a share."""
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    share = owner.api("POST", f"{TRACES}/u/shares", body={"expires_at": tomorrow, "payloads": True}).json["data"]
    guest = Api(owner.api.call, None, {"authorization": f"Bearer {share['link'].partition('#')[2]}"})
    assert guest("GET", f"{TRACES}/-").status == 200
    key = owner.api.with_key("read", "delete")
    assert key.page(view="summary", limit=1)["next_cursor"]
    for route in Template().routes:
        for attempt in islice(ATTEMPTS[route.key](owner), ATTEMPTS_OF_A_ROUTE):
            request = {"query": attempt.query, "body": attempt.body, "headers": attempt.headers}
            reply = owner.api(route.method or "GET", attempt.path, **request)
            assert reply.status < 500, (attempt, reply)
    assert owner.api("DELETE", f"{TRACES}/u/shares/{share['share_id']}").status in (200, 404)


def test_every_access_that_a_function_makes_is_allowed(made: list[Made]) -> None:
    assert {each.function for each in made} == {*ISOLATED, "CaptureFunction"}
    assert [each for each in made if not each.is_allowed] == []


def test_the_data_of_a_user_is_reached_by_a_session_of_that_user_alone(made: list[Made]) -> None:
    """Except what capture stores, and the two items of a credential, which are written together."""
    for each in made:
        if each.function in ISOLATED and not each.session and each.access.action not in CREDENTIAL_WRITES:
            assert all(key.startswith(("K#", "SH#")) for key in each.access.leading_keys), each
    owners: dict[str, set[str]] = {}
    for each in made:
        if each.session:
            owners.setdefault(each.session.access_key, set()).update(map(owner_of, each.access.leading_keys))
    assert len(set.union(*owners.values())) == 2, "a user and a team"
    assert {len(reached) for reached in owners.values()} == {1}


def test_the_same_access_to_the_data_of_another_user_is_denied(made: list[Made]) -> None:
    in_sessions = {each for each in made if each.session}
    assert {each.function for each in in_sessions} == ISOLATED
    for each in in_sessions:
        for suffix in ("x", "%23", "%20"):
            foreign = replace(each, access=of_another(each.access, suffix))
            assert not foreign.is_allowed, foreign


def test_a_function_reaches_no_data_without_a_session(made: list[Made]) -> None:
    reads = {each for each in made if each.session and each.access.action not in CREDENTIAL_WRITES}
    assert reads
    assert [each for each in reads if may_itself(each.function, each.access)] == []


def owner_of(pk: str) -> str:
    """The part of a partition key that names the owner."""
    return "#".join(pk.split("#")[:2])


def of_another(access: Access, suffix: str) -> Access:
    """The access with the first of its keys in the partitions of an owner whose id begins with the same text."""
    first, *others = access.leading_keys
    return replace(access, leading_keys=(first.replace(owner_of(first), owner_of(first) + suffix, 1), *others))
