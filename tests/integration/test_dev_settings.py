"""`tracestore dev` with the parameters of a deployment: tokens of an identity provider, CORS, retention, prices."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest

from tests import dev_command
from tests.dev_command import Running
from tests.issuer import Issuer, token

APP = "https://app.example"
SECRET = "the legacy secret of an application, shared by both"


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    """An identity provider that publishes its keys over HTTP."""
    provider = Issuer()
    thread = threading.Thread(target=provider.server.serve_forever, daemon=True)
    thread.start()
    yield provider
    provider.server.shutdown()
    provider.server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def running(issuer: Issuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The command with all parameters."""
    options = ["--issuer", issuer.url, "--audience", "app", "--jwks", f"{issuer.url}/keys", "--owner-claim", "email"]
    options += ["--retention-days", "7", "--cors", APP, "--cors", "http://localhost:3000"]
    options += ["--price-overlay", '{"acme/large": {"input": 1, "output": 10}}']
    data_dir = tmp_path_factory.mktemp("data")
    with dev_command.started(data_dir, *options, TRACESTORE_JWT_SECRET=SECRET) as command:
        yield command


def me(running: Running, credential: str) -> Any:
    """The caller that the server sees, or the code of its refusal."""
    content = httpx.get(f"{running.base}/api/me", headers={"authorization": f"Bearer {credential}"}).json()
    return content["data"] if content["success"] else content["error"]["code"]


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_tokens_of_the_identity_provider_are_accepted(running: Running, issuer: Issuer, algorithm: str) -> None:
    caller = me(running, token(issuer, algorithm, email="ada@example.com"))
    assert (caller["user_id"], caller["credential"]) == ("ada@example.com", "jwt")


def test_tokens_with_the_shared_secret_are_accepted(running: Running, issuer: Issuer) -> None:
    assert me(running, token(issuer, "HS256", SECRET.encode(), email="ada@example.com"))["user_id"] == "ada@example.com"


@pytest.mark.parametrize(
    "claims", [{"aud": "another"}, {"iss": "https://another.example"}, {"email": None}, {"exp": 1}], ids=str
)
def test_tokens_that_the_deployment_would_refuse_are_refused(
    running: Running, issuer: Issuer, claims: dict[str, Any]
) -> None:
    assert me(running, token(issuer, **{"email": "ada@example.com", **claims})) == "unauthenticated"


def test_the_printed_token_and_key_are_those_of_the_demo_user(running: Running) -> None:
    assert me(running, running.token)["user_id"] == "demo"
    assert me(running, running.key)["user_id"] == "demo"


def test_the_printed_command_makes_tokens_of_other_users(running: Running) -> None:
    line = running.wait_for("A token for the user demo")
    command = line.partition("(more: tracestore ")[2].partition(")")[0].replace("NAME", "grace").split()
    printed = dev_command.run(*command, TRACESTORE_JWT_SECRET=SECRET).stdout.strip()
    assert me(running, printed)["user_id"] == "grace"


def test_the_start_page_names_the_issuer_and_the_origins(running: Running, issuer: Issuer) -> None:
    assert f"tokens of {issuer.url} for the audience app" in running.wait_for("It accepts tokens")
    assert running.wait_for("Pages of these origins").endswith(f"{APP},http://localhost:3000")


def test_a_page_of_the_origin_may_send_and_another_may_not(running: Running) -> None:
    asked = {"access-control-request-method": "POST", "access-control-request-headers": "authorization"}
    path = f"{running.base}/api/analytics/traces"
    allowed = httpx.options(path, headers={"origin": "http://localhost:3000", **asked})
    refused = httpx.options(path, headers={"origin": "https://evil.example", **asked})
    assert (allowed.status_code, refused.status_code) == (204, 204)
    assert allowed.headers["access-control-allow-origin"] == "http://localhost:3000"
    assert "authorization" in allowed.headers["access-control-allow-headers"]
    assert not [name for name in refused.headers if name.startswith("access-control-")]

    response = httpx.get(path, headers={"origin": APP, "x-api-key": running.key})
    assert (response.status_code, response.headers["access-control-allow-origin"]) == (200, APP)


def test_the_retention_is_the_given_one(running: Running) -> None:
    assert me(running, running.token)["retention_days"] == 7


def test_calls_cost_what_the_overlay_says(running: Running) -> None:
    span = {
        "trace_id": "a-trace",
        "span_name": "llm.completion",
        "operation_type": "completion",
        "model_provider": "acme",
        "model_name": "large",
        "input_tokens": 1_000_000,
        "output_tokens": 1_000_000,
    }
    headers = {"x-api-key": running.key}
    httpx.post(f"{running.base}/api/analytics/traces", json=span, headers=headers).raise_for_status()
    trace = httpx.get(f"{running.base}/api/analytics/traces/a-trace", headers=headers).json()["trace"]
    assert trace["spans"][0]["cost_usd"] == 11


def test_settings_that_the_functions_would_refuse_end_the_command_with_the_remedy(tmp_path: Path) -> None:
    ended = dev_command.run("dev", "--port", "0", "--data-dir", str(tmp_path), "--issuer", "https://issuer.example")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.strip() == "To accept the tokens of an identity provider, give both --issuer and --audience."


def test_a_token_without_options_is_that_of_a_server_without_options(tmp_path: Path) -> None:
    printed = dev_command.run("token", "--user", "ada", "--data-dir", str(tmp_path)).stdout.strip()
    claims = jwt.decode(printed, options={"verify_signature": False})
    assert (claims["sub"], claims["iss"], claims["aud"]) == ("ada", "https://tracestore.local", "tracestore")
