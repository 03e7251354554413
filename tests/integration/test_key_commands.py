"""`tracestore key` gives a deployment without an identity provider its API keys."""

import json

import pytest
from typer.testing import CliRunner, Result

from dev.template import Template
from tests.api import span
from tests.conftest import TableOnEngine
from tests.gateway import Call, new_user
from tracestore.http import wiring
from tracestore_cli.main import app

AWS = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}
"""The command uses the operator's credentials."""


@pytest.fixture
def keyless(own_table: Template, monkeypatch: pytest.MonkeyPatch) -> Template:
    """A deployment that knows no identity provider, with a table of its own."""
    for name in ("JWT_ISSUER", "JWT_AUDIENCE", "JWT_SECRET", "JWKS_URL"):
        monkeypatch.setenv(name, "")
    wiring.reset()
    return own_table


def run(engine: TableOnEngine, table: Template, *arguments: str) -> Result:
    options = ["--table", table.table_name, "--dynamodb", engine.endpoint]
    return CliRunner().invoke(app, ["key", *arguments, *options], env=AWS)


def created(engine: TableOnEngine, table: Template, *arguments: str) -> dict[str, str]:
    """The header with the secret of a new key."""
    ended = run(engine, table, "create", *arguments)
    assert ended.exit_code == 0, ended.output
    return {"x-api-key": ended.stdout.strip()}


def test_the_key_of_a_user_stores_and_reads_without_an_identity_provider(
    engine: TableOnEngine, keyless: Template, call: Call
) -> None:
    headers = created(engine, keyless, "--user", "ada", "--scopes", "ingest, read")
    assert call("POST", "/api/analytics/traces", headers=headers, body=span("t")).status == 201
    assert call("GET", "/api/analytics/traces/t", headers=headers).status == 200
    assert call("GET", "/api/me", headers=headers).json["data"]["owner_id"] == "ada"


def test_without_an_identity_provider_a_token_is_refused_with_the_remedy(keyless: Template, call: Call) -> None:
    refused = call("GET", "/api/me", user=new_user())
    assert refused.status == 401
    assert "accepts only API keys" in refused.json["error"]["message"]


def test_a_key_has_the_stated_scopes_and_no_others(engine: TableOnEngine, keyless: Template, call: Call) -> None:
    headers = created(engine, keyless, "--user", "ada", "--scopes", "ingest")
    assert call("GET", "/api/analytics/traces", headers=headers).status == 403


def test_the_key_of_a_team_belongs_to_the_team(engine: TableOnEngine, keyless: Template, call: Call) -> None:
    headers = created(engine, keyless, "--user", "@team:search")
    assert call("GET", "/api/me", headers=headers).json["data"]["owner_id"] == "@team:search"


def test_keys_are_listed_without_their_secret_and_revoked(engine: TableOnEngine, keyless: Template, call: Call) -> None:
    headers = created(engine, keyless, "--user", "ada", "--name", "laptop", "--expires-at", "2099-01-01T00:00:00Z")
    listed = run(engine, keyless, "list", "--user", "ada")
    (key,) = map(json.loads, listed.stdout.splitlines())
    assert (key["name"], key["scopes"], key["expires_at"]) == ("laptop", ["ingest", "read"], "2099-01-01T00:00:00.000Z")
    assert headers["x-api-key"] not in listed.stdout

    assert run(engine, keyless, "revoke", "--user", "ada", key["key_id"]).exit_code == 0
    wiring.reset()
    assert call("GET", "/api/me", headers=headers).status == 401
    again = run(engine, keyless, "revoke", "--user", "ada", key["key_id"])
    assert (again.exit_code, "no such API key" in again.output) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (("--user", "ada", "--scopes", "ingest,write"), "--scopes"),
        (("--user", ""), "--user"),
        (("--user", "ada", "--name", ""), "--name"),
        (("--user", "ada", "--expires-at", "tomorrow"), "--expires-at"),
    ],
)
def test_a_wrong_option_is_named(
    engine: TableOnEngine, keyless: Template, arguments: tuple[str, ...], option: str
) -> None:
    refused = run(engine, keyless, "create", *arguments)
    assert refused.exit_code == 2
    assert option in refused.output


def test_a_user_has_no_more_keys_than_the_api_allows(
    engine: TableOnEngine, keyless: Template, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tracestore.storage.api_keys.KEYS_PER_USER", 1)
    created(engine, keyless, "--user", "ada")
    refused = run(engine, keyless, "create", "--user", "ada")
    assert (refused.exit_code, "the maximum" in refused.output) == (1, True)
