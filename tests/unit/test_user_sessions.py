"""Sessions for one user each: their policy, how long they are kept, and what happens when there are none."""

import json
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

import pytest

from tests.dynamodb_server import Received, Scripted, serving, store_nothing
from tests.iam import Access, is_allowed
from tracestore.domain.errors import Unavailable
from tracestore.storage import dynamo, keys
from tracestore.storage.aws_credentials import REFRESH_BEFORE_S, Credentials
from tracestore.storage.dynamo import Request, RequestFailed, Send
from tracestore.storage.user_sessions import SESSIONS_KEPT, UserSessions, session_policy, user_sessions

NOW_S = 1_795_312_800.0
ROLE = "arn:aws:iam::000000000000:role/user"
ENVIRONMENT = {"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "own", "AWS_SECRET_ACCESS_KEY": "secret"}


def statements_of(user_id: str) -> list[dict[str, Any]]:
    """The statements of a user's session."""
    statements: list[dict[str, Any]] = json.loads(session_policy(keys.user(user_id)))["Statement"]
    return statements


def may_reach(user_id: str, *pks: str) -> bool:
    """Whether a user's session may read these partitions."""
    return is_allowed(statements_of(user_id), Access("dynamodb:BatchGetItem", "table", pks))


@pytest.mark.parametrize("user_id", ["ada", "@team:ada", "a*", "a?", "${aws:username}", "x" * 300, "👋"])
def test_a_session_reaches_every_partition_of_its_user_and_none_of_another(user_id: str) -> None:
    own = [keys.user(user_id), keys.trace(user_id, "t"), keys.by_time_shard(user_id, 3), keys.user_keys(user_id)]
    assert may_reach(user_id, *own)
    for other in ("ad", "adam", "ada#T#t", "ADA", "team:ada", "@team:adam", "aa", "a", user_id + "x", user_id + "#"):
        assert not may_reach(user_id, own[0], keys.trace(other, "t"))
        assert not may_reach(user_id, keys.user(other))
    assert not may_reach(user_id, keys.api_key("0" * 64))
    assert not may_reach(user_id, keys.SECRET[0])


def test_the_longest_policy_is_as_long_as_aws_accepts() -> None:
    """*source*: AWS Security Token Service API Reference, "AssumeRole": 2,048 characters."""
    assert len(session_policy(keys.user("x" * keys.MAX_ID_BYTES))) < 2_048


class Role:
    """A role that is assumed for users, with numbered sessions that last an hour."""

    def __init__(self) -> None:
        self.now_s = NOW_S
        self.assumed: list[str] = []

    def __call__(self, user_pk: str) -> tuple[Credentials, float]:
        """A new session."""
        self.assumed.append(user_pk)
        return Credentials(user_pk, str(len(self.assumed))), self.now_s + 3_600

    def sessions(self) -> UserSessions:
        """The sessions of this role, by its clock."""
        return UserSessions(self, lambda: self.now_s)


def test_a_session_is_kept_until_five_minutes_before_it_expires() -> None:
    role = Role()
    source = role.sessions().credentials_of("ada")
    assert source() == source()
    role.now_s += 3_600 - REFRESH_BEFORE_S
    assert source().secret_access_key == "1"
    role.now_s += 1
    assert source().secret_access_key == "2"
    assert role.assumed == ["U#ada", "U#ada"]


def test_the_hundred_users_that_were_served_last_are_remembered() -> None:
    role = Role()
    sessions = role.sessions()
    users = [f"user-{number}" for number in range(SESSIONS_KEPT)]
    for user in [*users, users[0], "one more"]:
        sessions.credentials_of(user)()
    assert len(role.assumed) == SESSIONS_KEPT + 1
    sessions.credentials_of(users[0])()
    assert len(role.assumed) == SESSIONS_KEPT + 1, "used again, so another user was forgotten"
    sessions.credentials_of(users[1])()
    assert len(role.assumed) == SESSIONS_KEPT + 2


def test_threads_of_two_users_never_get_each_others_credentials() -> None:
    """More users than are kept, and sessions that expire, so that the threads meet every change of what is kept."""
    role, together = Role(), threading.Barrier(16)
    sessions = role.sessions()

    def serve(number: int) -> None:
        together.wait(10)
        for turn in range(200):
            user = "ada" if number % 2 else f"bob-{turn % (SESSIONS_KEPT + 5)}"
            if turn % 50 == number:
                role.now_s += 3_600
            assert sessions.credentials_of(user)().access_key_id == keys.user(user)

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(serve, range(16))) == [None] * 16


def test_the_threads_of_one_request_wait_for_one_session() -> None:
    role, together = Role(), threading.Barrier(8)
    source = role.sessions().credentials_of("ada")

    def use(_: int) -> Credentials:
        together.wait(10)
        return source()

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(use, range(8)))) == 1
    assert role.assumed == ["U#ada"]


RESPONSE = """<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult>
<AssumedRoleUser><Arn>arn:aws:sts::0:assumed-role/user/u</Arn><AssumedRoleId>ARO:u</AssumedRoleId></AssumedRoleUser>
<Credentials><AccessKeyId>ASIA1</AccessKeyId><SecretAccessKey>s+/=</SecretAccessKey><SessionToken>t&amp;t</SessionToken>
<Expiration>{}</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"""


def failure(code: str, status: int) -> Scripted:
    """An error as STS reports it."""
    error = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>a message</Message></Error>"
    namespace = "https://sts.amazonaws.com/doc/2011-06-15/"
    return Scripted(f'<ErrorResponse xmlns="{namespace}">{error}</ErrorResponse>'.encode(), status)


def granted() -> Scripted:
    """A session that lasts an hour."""
    expires = datetime.fromtimestamp(datetime.now(UTC).timestamp() + 3_600, UTC)
    return Scripted(RESPONSE.format(expires.strftime("%Y-%m-%dT%H:%M:%SZ")).encode())


@contextmanager
def answering(*responses: Scripted) -> Iterator[tuple[UserSessions, list[Received]]]:
    """Sessions of an STS with these responses, the last of them repeated, and the requests that arrive."""
    received: list[Received] = []

    def answer(request: Received) -> Scripted:
        received.append(request)
        return responses[min(len(received), len(responses)) - 1]

    with serving(answer) as address:
        yield user_sessions(ROLE, {**ENVIRONMENT, "AWS_ENDPOINT_URL_STS": address}), received


def test_the_role_is_assumed_with_the_functions_own_credentials_and_without_the_users_name() -> None:
    with answering(granted()) as (sessions, received):
        assert sessions.credentials_of("ada")() == Credentials("ASIA1", "s+/=", "t&t")
    (request,) = received
    sent = {name: value for name, (value,) in parse_qs(request.body.decode()).items()}
    policy, name = sent.pop("Policy"), sent.pop("RoleSessionName")
    assert sent == {"Action": "AssumeRole", "Version": "2011-06-15", "RoleArn": ROLE}
    assert policy == session_policy("U#ada")
    assert name.startswith("user-")
    assert "ada" not in name
    assert len(name) <= 64
    assert "/eu-west-1/sts/aws4_request" in request.headers["authorization"]
    assert "Credential=own/" in request.headers["authorization"]


@pytest.mark.parametrize(
    "busy", [failure("Throttling", 400), failure("InternalFailure", 500), Scripted(b"<html>Bad gateway", 502)]
)
def test_a_failure_of_sts_that_may_pass_is_retried(busy: Scripted) -> None:
    with answering(busy, granted()) as (sessions, received):
        assert sessions.credentials_of("ada")().access_key_id == "ASIA1"
    assert len(received) == 2
    with answering(busy) as (sessions, received), pytest.raises(Unavailable):
        sessions.credentials_of("ada")()


def test_a_role_that_does_not_trust_the_function_is_a_mistake_of_the_deployment() -> None:
    with answering(failure("AccessDenied", 403)) as (sessions, received), pytest.raises(RequestFailed) as raised:
        sessions.credentials_of("ada")()
    assert (raised.value.code, len(received)) == ("AccessDenied", 1)


def test_the_requests_of_two_users_at_the_same_time_are_signed_with_their_own_sessions() -> None:
    """Each thread sends requests of both users, through clients that share their connections."""
    used: Counter[tuple[str, str]] = Counter()

    def count(received: Received) -> Scripted:
        access_key = received.headers["authorization"].split("Credential=")[1].split("/")[0]
        used[access_key, received.json["Key"]["pk"]["S"]] += 1
        return store_nothing(received)

    role = Role()
    sessions = role.sessions()
    with serving(count) as address:
        shared = dynamo.client(address, ENVIRONMENT)

        def read(number: int) -> None:
            user = ("ada", "bob")[number % 2]
            client = shared.with_credentials(sessions.credentials_of(user))
            client.get_item(TableName="t", Key={"pk": {"S": keys.user(user)}})

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(read, range(100)))
    assert used == {("U#ada", "U#ada"): 50, ("U#bob", "U#bob"): 50}


def test_interceptors_of_a_client_see_the_requests_of_all_users() -> None:
    seen: list[str] = []

    def note(operation: str, request: Request, send: Send) -> Request:
        seen.append(operation)
        return send(operation, request)

    with serving(store_nothing) as address:
        shared = dynamo.client(address, ENVIRONMENT)
        client = shared.with_credentials(lambda: Credentials("AK", "s"))
        shared.interceptors.append(note)
        client.get_item(TableName="t", Key={})
    assert seen == ["GetItem"]


def test_sessions_need_a_region_and_credentials_in_the_environment() -> None:
    with pytest.raises(ValueError, match="AWS_REGION"):
        user_sessions(ROLE, {})
    assert user_sessions(ROLE, {**ENVIRONMENT, "AWS_REGION": "cn-north-1"})


def test_boto3_sends_no_requests_of_users() -> None:
    client = dynamo.client("http://127.0.0.1:9", {**ENVIRONMENT, "DYNAMODB_CLIENT": "boto3"})
    with pytest.raises(ValueError, match="own DynamoDB client"):
        client.with_credentials(lambda: Credentials("AK", "s"))
