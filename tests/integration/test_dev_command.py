"""`tracestore dev` as a new user meets it: the printed key and variables work, and gRPC clients are noticed."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from dev import server
from dev.demo_user import NoKey, exporter_variables, replace_key
from dev.request_log import HTTP2_NOTICE
from dev.template import ROOT, Template
from tests import page
from tests.conftest import TableOnEngine
from tests.dev_command import Running, started
from tests.gateway import User

NAME = "tracestore dev"

EXPORTING = """
from opentelemetry import trace
from opentelemetry.sdk._configuration import _OTelSDKConfigurator  # what opentelemetry-instrument runs

_OTelSDKConfigurator().configure()
with trace.get_tracer("tests").start_as_current_span("sent.as.printed") as span:
    print(trace.format_trace_id(span.get_span_context().trace_id))
"""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The command on moto, on a free port."""
    with started(tmp_path_factory.mktemp("data")) as command:
        yield command


def test_spans_arrive_with_exactly_the_printed_lines(running: Running, tmp_path: Path) -> None:
    program = tmp_path / "application.py"
    program.write_text(EXPORTING)
    variables = "\n".join([*running.exports, "export OTEL_TRACES_EXPORTER=otlp"])
    script = f'set -eu\n{variables}\nexec "$1" "$2"'
    ended = subprocess.run(
        ["sh", "-c", script, "sh", sys.executable, str(program)],
        env={},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    path = f"{running.base}/api/analytics/traces/{ended.stdout.strip()}"
    response = httpx.get(path, headers={"x-api-key": running.key})
    assert response.json()["trace"]["summary"]["name"] == "sent.as.printed"


def test_the_printed_link_opens_the_page_with_the_token_of_the_demo_user(running: Running) -> None:
    page.prepared()
    address, _, token = running.wait_for(f"{running.base}/traces#token=").partition("#token=")
    assert token == running.token
    assert "<title>tracestore</title>" in httpx.get(address).text
    assert httpx.get(f"{running.base}/", follow_redirects=True).text == httpx.get(address).text


def test_the_printed_key_belongs_to_the_demo_user_and_may_send_read_and_annotate(running: Running) -> None:
    caller = httpx.get(f"{running.base}/api/me", headers={"x-api-key": running.key}).json()["data"]
    assert (caller["user_id"], caller["scopes"]) == ("demo", ["ingest", "read", "annotate"])


def test_requests_are_shown_for_people(running: Running) -> None:
    assert httpx.get(f"{running.base}/api/me", headers={"x-api-key": running.key}).is_success
    running.wait_for(r"[\d:]{8} 200 GET /api/me \d+ ms$")
    assert not any(line.startswith("{") for line in running.lines)


def test_connections_in_http2_get_one_line_with_the_remedy(running: Running) -> None:
    address = httpx.URL(running.base)
    for _ in range(3):
        with socket.create_connection((address.host, address.port), timeout=10) as connection:
            connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(4) + b"\x04" + bytes(4))
            assert connection.recv(4096)
    httpx.get(f"{running.base}/healthz")
    running.wait_for("A client speaks HTTP/2")
    running.wait_for(".* /healthz .* ms$")
    assert running.lines.count(HTTP2_NOTICE) == 1
    assert not any(" PRI " in line for line in running.lines)
    assert "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf" in HTTP2_NOTICE


def test_the_readme_has_the_same_lines() -> None:
    lines = "\n".join(exporter_variables("http://127.0.0.1:8000", "tsk_…"))
    assert lines in (ROOT / "README.md").read_text()


@pytest.fixture
def api(engine: TableOnEngine, template: Template, user: User) -> Iterator[httpx.Client]:
    """The local server as a new user."""
    with (
        server.serving(template, server.listening(0)) as base,
        httpx.Client(base_url=base, headers={"authorization": f"Bearer {user.token}"}) as client,
    ):
        yield client


def names(api: httpx.Client) -> list[str]:
    """The names of the user's keys, sorted."""
    return sorted(key["name"] for key in api.get("/api/keys").json()["keys"])


@pytest.mark.parametrize("engine", ["moto"], indirect=True, scope="session")
def test_a_new_key_replaces_the_former_one_of_the_same_name_only(api: httpx.Client) -> None:
    api.post("/api/keys", json={"name": "ci", "scopes": ["read"]}).raise_for_status()
    first, second = (replace_key(api, NAME, ("ingest", "read")) for _ in range(2))
    assert first != second
    assert names(api) == ["ci", NAME]
    me = httpx.get(f"{api.base_url}/api/me", headers={"x-api-key": second})
    assert me.json()["data"]["scopes"] == ["ingest", "read"]


@pytest.mark.parametrize("engine", ["moto"], indirect=True, scope="session")
def test_a_user_with_the_maximum_of_keys_gets_the_reason(api: httpx.Client) -> None:
    for number in range(100):
        api.post("/api/keys", json={"name": f"ci-{number}", "scopes": ["read"]}).raise_for_status()
    with pytest.raises(NoKey, match="100"):
        replace_key(api, NAME, ("ingest",))
