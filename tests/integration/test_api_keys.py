"""API keys through the account function, over a table in moto."""

import json
import time
from collections.abc import Iterator
from typing import Any

import boto3
import jwt
import pytest
from moto import mock_aws

from functions.account import account_handler
from tests.builders import long_deadline
from tracestore.domain.credentials import sha256_of
from tracestore.domain.errors import Conflict, NotFound
from tracestore.http import wiring
from tracestore.storage import api_keys
from tracestore.storage.api_keys import find_api_key, new_secret
from tracestore.storage.model import ApiKey
from tracestore.storage.store import ForeignPartition, Store
from tracestore.storage.user_store import UserWriter

JWT_SECRET = "a secret that only this test knows"
NOW_S = 1_700_000_000


class Context:
    aws_request_id = "lambda-1"

    @staticmethod
    def get_remaining_time_in_millis() -> int:
        return 30_000


@pytest.fixture(scope="module")
def aws() -> Iterator[Any]:
    """A client of a mocked AWS with one table, which the function is configured to use."""
    environment = {
        **dict.fromkeys(("DYNAMODB_ENDPOINT", "JWKS_URL", "JWT_AUDIENCE", "JWT_ISSUER", "JWT_OWNER_CLAIM"), ""),
        "TABLE_NAME": "traces",
        "JWT_SECRET": JWT_SECRET,
        "RETENTION_DAYS": "14",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "DYNAMODB_CLIENT": "boto3",  # the only client that `mock_aws` reaches
    }
    with pytest.MonkeyPatch.context() as patch, mock_aws():
        for name, value in environment.items():
            patch.setenv(name, value)
        wiring.reset()
        client = boto3.client("dynamodb")
        client.create_table(
            TableName="traces",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        )
        yield client
    wiring.reset()


@pytest.fixture(autouse=True)
def table(aws: Any) -> Iterator[Any]:
    """The same client. Items that a test leaves in the table are removed before the next test."""
    yield aws
    for item in aws.scan(TableName="traces")["Items"]:
        aws.delete_item(TableName="traces", Key={"pk": item["pk"], "sk": item["sk"]})


def call(route: str, body: object = None, *, user: str | None = "ada", key: str | None = None, **event: Any) -> Any:
    """Status and content of the response to a user with a JWT, to an API key, or to a caller without a credential."""
    headers = {}
    if key:
        headers["X-Api-Key"] = key
    elif user:
        token = jwt.encode({"sub": user, "exp": time.time() + 600}, JWT_SECRET, "HS256")
        headers["Authorization"] = f"Bearer {token}"
    sent = body if isinstance(body, str) else json.dumps(body)
    response = account_handler.handler({"routeKey": route, "headers": headers, "body": sent, **event}, Context())
    return response["statusCode"], json.loads(response["body"])


def created_key(user: str = "ada", **changes: Any) -> dict[str, Any]:
    status, content = call("POST /api/keys", {"name": "laptop", "scopes": ["read", "ingest"], **changes}, user=user)
    assert status == 201, content
    created: dict[str, Any] = content["data"]
    return created


def revoke(key_id: str, user: str = "ada") -> int:
    status, _ = call("DELETE /api/keys/{key_id}", user=user, pathParameters={"key_id": key_id})
    return int(status)


def listed_keys(user: str = "ada") -> list[dict[str, Any]]:
    keys: list[dict[str, Any]] = call("GET /api/keys", user=user)[1]["keys"]
    return keys


def test_a_user_can_read_their_identity() -> None:
    assert call("GET /api/me") == (
        200,
        {
            "success": True,
            "data": {
                "user_id": "ada",
                "owner_id": "ada",
                "team": None,
                "teams": [],
                "credential": "jwt",
                "scopes": ["ingest", "read", "delete", "annotate"],
                "retention_days": 14,
            },
        },
    )


def test_a_new_key_works_immediately_with_its_scopes() -> None:
    data = call("GET /api/me", key=created_key()["secret"])[1]["data"]
    assert (data["user_id"], data["credential"], data["scopes"]) == ("ada", "api_key", ["ingest", "read"])


def test_only_the_response_to_the_creation_contains_the_secret() -> None:
    created = created_key(expires_at="2099-01-01T01:00:00.5+01:00")
    assert created.pop("secret").startswith(created["prefix"])
    assert listed_keys() == [created]
    assert (created["name"], created["expires_at"]) == ("laptop", "2099-01-01T00:00:00.000Z")


def test_a_secret_in_the_name_of_a_key_is_masked() -> None:
    secret = "gsk_" + "a1B2c3D4e5" * 5
    created = created_key(name=f"key {secret}")
    assert created["name"] == "key [redacted:groq_key]"
    assert [key["name"] for key in listed_keys()] == ["key [redacted:groq_key]"]


def test_the_secret_is_not_in_the_table(table: Any) -> None:
    secret = created_key()["secret"]
    stored = json.dumps(table.scan(TableName="traces")["Items"])
    assert sha256_of(secret) in stored
    assert secret[12:] not in stored


def test_a_revoked_key_is_removed_and_refused(table: Any) -> None:
    created = created_key()
    assert (revoke(created["key_id"]), revoke(created["key_id"])) == (200, 404)
    assert listed_keys() == []
    assert table.scan(TableName="traces")["Items"] == []
    assert call("GET /api/me", key=created["secret"])[0] == 401


def test_a_user_can_neither_list_nor_revoke_the_keys_of_others() -> None:
    created = created_key("ada")
    assert listed_keys("eve") == []
    assert revoke(created["key_id"], "eve") == 404
    assert call("GET /api/me", key=created["secret"])[0] == 200


@pytest.mark.parametrize("key_id", ["", "x", "../..", "a" * 3000, "0" * 16, "%23", "\ud800"])
def test_a_key_id_that_does_not_exist_is_not_found(key_id: str) -> None:
    assert revoke(key_id) == 404


@pytest.mark.parametrize("route", ["POST /api/keys", "GET /api/keys", "DELETE /api/keys/{key_id}"])
def test_keys_are_managed_by_signed_in_users_only(route: str) -> None:
    status, content = call(route, key=created_key()["secret"], pathParameters={"key_id": "x"})
    assert (status, content["error"]["code"]) == (403, "jwt_required")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"scopes": ["read"]}, "name"),
        ({"name": "", "scopes": ["read"]}, "name"),
        ({"name": "n" * 129, "scopes": ["read"]}, "name"),
        ({"name": 7, "scopes": ["read"]}, "name"),
        ({"name": "n"}, "scopes"),
        ({"name": "n", "scopes": []}, "scopes"),
        ({"name": "n", "scopes": "read"}, "scopes"),
        ({"name": "n", "scopes": ["read", "sesame"]}, "scopes"),
        ({"name": "n", "scopes": [["read"]]}, "scopes"),
        ({"name": "n", "scopes": ["read"], "expires_at": "2001-01-01T00:00:00Z"}, "expires_at"),
        ({"name": "n", "scopes": ["read"], "expires_at": "2099-01-01T00:00:00"}, "expires_at"),
        ({"name": "n", "scopes": ["read"], "expires_at": "sesame"}, "expires_at"),
        ({"name": "n", "scopes": ["read"], "expires_at": 4_000_000_000}, "expires_at"),
        ({"name": "n", "scopes": ["read"], "expires_at": False}, "expires_at"),
        ({"name": "n", "scopes": ["read"], "expires": "sesame"}, "expires"),
    ],
)
def test_an_invalid_field_is_named_and_its_value_is_not_repeated(body: object, field: str) -> None:
    status, content = call("POST /api/keys", body)
    assert (status, [detail["field"] for detail in content["error"]["details"]]) == (400, [field])
    assert "sesame" not in json.dumps(content)


@pytest.mark.parametrize("body", ["", "{", "[]", "null", '"x"', "7", '{"name": NaN}'])
def test_a_body_that_is_not_an_object_is_refused(body: str) -> None:
    assert call("POST /api/keys", body)[0] == 400


def test_fields_that_the_server_sets_are_ignored_when_sent() -> None:
    created = created_key(key_id="mine", user_id="eve", prefix="x", created_at="x", secret="x")
    assert created["key_id"] != "mine"
    assert [key["key_id"] for key in listed_keys("ada")] == [created["key_id"]]


@pytest.mark.parametrize("route", ["GET /api/me", "POST /api/keys", "GET /api/keys", "DELETE /api/keys/{key_id}"])
def test_unknown_query_parameters_are_refused(route: str) -> None:
    assert call(route, rawQueryString="x=1", pathParameters={"key_id": "x"})[0] == 400


@pytest.mark.parametrize("route", ["GET /api/me", "POST /api/keys", "GET /api/keys", "DELETE /api/keys/{key_id}"])
def test_a_request_without_a_credential_is_refused(route: str) -> None:
    assert call(route, user=None)[0] == 401


def test_the_health_check_needs_no_credential() -> None:
    assert call("GET /healthz", user=None) == (200, {"success": True, "status": "ok"})


def test_an_unknown_route_is_refused_in_the_error_shape_of_the_api() -> None:
    status, content = call("$default", user=None)
    assert (status, content["error"]["code"]) == (404, "route_not_found")


def writer_at(seconds: int) -> UserWriter:
    """A writer of ada's whose clock stands `seconds` after `NOW_S`."""
    store = Store(wiring.table(), retention_s=86_400, now_ms=lambda: (NOW_S + seconds) * 1000)
    return UserWriter(store, "ada", long_deadline())


def test_an_expired_key_is_absent_before_dynamodb_removes_it() -> None:
    secret = new_secret()
    key = ApiKey("0" * 16, "ada", "n", secret[:8], frozenset({"read"}), NOW_S * 1000, expires_at_s=NOW_S + 10)
    writer_at(0).create_api_key(key, secret)
    assert find_api_key(wiring.table(), sha256_of(secret), NOW_S + 9) == key
    assert find_api_key(wiring.table(), sha256_of(secret), NOW_S + 10) is None
    assert writer_at(9).api_keys() == [key]
    assert writer_at(10).api_keys() == []
    with pytest.raises(NotFound):
        writer_at(10).revoke_api_key(key.key_id)


def test_a_key_beyond_the_limit_is_a_conflict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_keys, "KEYS_PER_USER", 1)
    writer = writer_at(0)
    writer.create_api_key(ApiKey("0" * 16, "ada", "n", "tsk_", frozenset({"read"}), 0), new_secret())
    with pytest.raises(Conflict):
        writer.create_api_key(ApiKey("1" * 16, "ada", "n", "tsk_", frozenset({"read"}), 0), new_secret())


def test_a_key_of_another_user_is_neither_stored_nor_removed() -> None:
    writer, secret = writer_at(0), new_secret()
    with pytest.raises(ForeignPartition):
        writer.create_api_key(ApiKey("2" * 16, "eve", "n", "tsk_", frozenset({"read"}), 0), secret)
    assert find_api_key(wiring.table(), sha256_of(secret), NOW_S) is None


def test_a_user_may_have_any_name() -> None:
    for user in ("a#b%/..", "é" * 128, "🦉" * 100):
        created = created_key(user)
        assert [key["key_id"] for key in listed_keys(user)] == [created["key_id"]]
        assert call("GET /api/me", key=created["secret"])[1]["data"]["user_id"] == user
