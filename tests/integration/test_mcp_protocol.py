"""The Model Context Protocol through the real handler: versions, statuses, refusals, origins."""

import base64
import json
from dataclasses import replace
from typing import Any

import pytest

from dev.template import Template
from tests.agent_tools import MCP, Agent
from tests.api import Api, member_of, new_team, span
from tests.gateway import Call, Reply, User, new_user
from tests.otlp import throttled
from tracestore.http import wiring
from tracestore.http.settings import settings

pytestmark = pytest.mark.parametrize("engine", ["moto"], indirect=True, scope="session")

MODERN = "2026-07-28"
VERSION_KEY = "io.modelcontextprotocol/protocolVersion"
META: dict[str, Any] = {VERSION_KEY: MODERN, "io.modelcontextprotocol/clientCapabilities": {}}


@pytest.fixture
def agent(api: Api) -> Agent:
    return Agent(api)


def modern(api: Api, method: str, headers: dict[str, str] | None = None, **params: Any) -> Reply:
    """The reply to a request of the newest version, whose headers agree with it unless they are given."""
    agreeing = {"mcp-protocol-version": MODERN, "mcp-method": method}
    if "name" in params:
        agreeing["mcp-name"] = params["name"]
    message = {"jsonrpc": "2.0", "id": "r-1", "method": method, "params": {"_meta": META, **params}}
    sent = {name: value for name, value in {**agreeing, **(headers or {})}.items() if value}
    return api("POST", MCP, body=message, headers=sent)


def error_of(reply: Reply) -> tuple[int, int, Any]:
    """The status of an error, its code and the id that it has."""
    assert reply.headers["content-type"] == "application/json"
    assert reply.json["jsonrpc"] == "2.0"
    assert reply.json["error"]["message"].endswith(".")
    return reply.status, reply.json["error"]["code"], reply.json["id"]


@pytest.mark.parametrize("version", ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"])
def test_a_client_gets_the_version_that_it_asks_for(api: Api, version: str) -> None:
    sent = {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    result = started(api, sent)
    assert result["protocolVersion"] == version
    assert result["capabilities"] == {"tools": {}}
    assert result["serverInfo"]["name"] == "tracestore"


def started(api: Api, params: dict[str, Any]) -> dict[str, Any]:
    """The result of `initialize`, which is sent without a version in the headers."""
    message = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}
    reply = api("POST", MCP, body=message)
    assert (reply.status, reply.json["id"]) == (200, 0)
    result: dict[str, Any] = reply.json["result"]
    return result


@pytest.mark.parametrize("version", ["1999-01-01", "2026-07-28", "latest"])
def test_a_client_with_another_version_gets_the_newest_that_has_a_handshake(api: Api, version: str) -> None:
    assert started(api, {"protocolVersion": version})["protocolVersion"] == "2025-11-25"


def test_a_notification_is_accepted_without_a_body(agent: Agent) -> None:
    for method in ("notifications/initialized", "notifications/cancelled", "notifications/anything"):
        reply = agent.send({"jsonrpc": "2.0", "method": method})
        assert (reply.status, reply.body) == (202, b"")


def test_a_ping_has_an_empty_result(agent: Agent) -> None:
    assert agent.result("ping") == {}


@pytest.mark.parametrize(("version", "has_structure"), [("2025-03-26", False), ("2025-06-18", True)])
def test_structured_content_is_sent_where_the_version_has_it(api: Api, version: str, has_structure: bool) -> None:
    agent = Agent(api, version)
    assert all(("outputSchema" in tool) is has_structure for tool in agent.list_tools())
    result = agent.result("tools/call", {"name": "search_traces"})
    assert ("structuredContent" in result) is has_structure
    assert json.loads(result["content"][0]["text"])["traces"] == []


def test_the_newest_version_needs_no_handshake(api: Api) -> None:
    api.send(span("t"))
    found = modern(api, "server/discover").json["result"]
    assert (found["resultType"], found["supportedVersions"], found["cacheScope"]) == ("complete", [MODERN], "public")
    tools = modern(api, "tools/list").json["result"]
    assert len(tools["tools"]) == 5
    assert tools["ttlMs"] > 0
    called = modern(api, "tools/call", name="get_trace", arguments={"trace_id": "t"}).json
    assert (called["id"], called["result"]["resultType"]) == ("r-1", "complete")
    encoded = f"=?base64?{base64.b64encode(b'search_traces').decode()}?="
    assert modern(api, "tools/call", {"mcp-name": encoded}, name="search_traces").status == 200


@pytest.mark.parametrize("method", ["initialize", "ping", "resources/list", "nonsense"])
def test_an_unknown_method_is_not_found(api: Api, method: str) -> None:
    assert error_of(modern(api, method)) == (404, -32601, "r-1")


@pytest.mark.parametrize("method", ["server/discover", "resources/list", ""])
def test_a_method_that_a_handshake_does_not_promise_is_not_found(agent: Agent, method: str) -> None:
    assert error_of(agent.send({"jsonrpc": "2.0", "id": 7, "method": method})) == (404, -32601, 7)


@pytest.mark.parametrize(
    "headers",
    [
        {"mcp-method": "tools/list"},
        {"mcp-method": ""},
        {"mcp-name": "costs"},
        {"mcp-name": ""},
        {"mcp-name": "=?base64?////?="},
        {"mcp-protocol-version": "2025-11-25"},
        {"mcp-protocol-version": ""},
    ],
)
def test_headers_must_agree_with_the_body(api: Api, headers: dict[str, str]) -> None:
    assert error_of(modern(api, "tools/call", headers, name="search_traces")) == (400, -32020, "r-1")


def test_the_newest_version_needs_its_fields_in_the_body(api: Api) -> None:
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    headers = {"mcp-protocol-version": MODERN, "mcp-method": "tools/list"}
    assert error_of(api("POST", MCP, body=message, headers=headers)) == (400, -32602, 1)


@pytest.mark.parametrize(("version", "requested"), [("1900-01-01", "1900-01-01"), ("my prompt", "unknown")])
def test_an_unknown_version_is_refused_with_the_versions_that_are_known(api: Api, version: str, requested: str) -> None:
    reply = Agent(api, version).send({"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
    assert error_of(reply) == (400, -32022, 1)
    assert reply.json["error"]["data"]["requested"] == requested
    assert reply.json["error"]["data"]["supported"][:2] == [MODERN, "2025-11-25"]


@pytest.mark.parametrize(
    ("body", "code", "message_id"),
    [
        (b"{", -32700, None),
        (b"\xff", -32700, None),
        (b"[" * 200 + b"]" * 200, -32700, None),
        (b"", -32700, None),
        ([{"jsonrpc": "2.0", "id": 1, "method": "ping"}], -32600, None),
        ([], -32600, None),
        ("secret", -32600, None),
        ({"id": 1, "method": "ping"}, -32600, 1),
        ({"jsonrpc": "1.0", "id": 1, "method": "ping"}, -32600, 1),
        ({"jsonrpc": "2.0", "id": None, "method": "ping"}, -32600, None),
        ({"jsonrpc": "2.0", "id": True, "method": "ping"}, -32600, None),
        ({"jsonrpc": "2.0", "id": ["secret"], "method": "ping"}, -32600, None),
        ({"jsonrpc": "2.0", "id": 1, "result": {}}, -32600, 1),
        ({"jsonrpc": "2.0", "id": 1, "method": 5}, -32600, 1),
        ({"jsonrpc": "2.0", "id": 1, "method": "ping", "params": ["secret"]}, -32600, 1),
        ({"jsonrpc": "2.0", "id": 1, "method": "tools/call"}, -32602, 1),
        ({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "secret"}}, -32602, 1),
        (
            {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "costs", "arguments": "secret"}},
            -32602,
            1,
        ),
        ({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"cursor": "secret"}}, -32602, 1),
        ({"jsonrpc": "2.0", "id": 1, "method": "initialize"}, -32602, 1),
    ],
)
def test_what_is_no_message_is_refused_by_its_kind(agent: Agent, body: Any, code: int, message_id: Any) -> None:
    reply = agent.send(body)
    assert error_of(reply) == (400, code, message_id)
    assert b"secret" not in reply.body


def test_the_body_must_be_json(agent: Agent) -> None:
    reply = agent.send(b"{}", **{"content-type": "text/plain"})
    assert error_of(reply)[0] == 415
    assert error_of(agent.api("POST", MCP, body={}, query="a=1"))[0] == 400


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_there_are_no_streams_and_no_sessions(api: Api, method: str) -> None:
    reply = api(method, MCP, headers={"mcp-session-id": "x", "accept": "text/event-stream"})
    assert (reply.status, reply.headers["allow"]) == (405, "POST")


def test_a_refused_credential_is_an_error_of_the_protocol(call: Call) -> None:
    reply = Agent(Api(call, None)).send({"jsonrpc": "2.0", "id": 1, "method": "ping"})
    assert error_of(reply) == (401, -32010, None)
    assert (reply.headers["www-authenticate"], reply.json["error"]["data"]) == ("Bearer", {"code": "unauthenticated"})


@pytest.fixture
def origins(monkeypatch: pytest.MonkeyPatch) -> None:
    """A deployment with two allowed origins."""
    named = Template(parameters={"CorsOrigins": "https://a.example, http://*"}).environment["CORS_ORIGINS"]
    monkeypatch.setenv("CORS_ORIGINS", named)
    settings.cache_clear()


@pytest.mark.usefixtures("origins")
@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost", 200),
        ("https://localhost", 200),
        ("https://a.example", 200),
        ("http://any.example:81", 200),
        ("https://localhost:444", 403),
        ("https://a.example.evil", 403),
        ("https://evil.example", 403),
        ("https://localhost.evil.example", 403),
        ("null", 403),
        ("", 403),
    ],
)
def test_a_page_may_call_from_an_allowed_origin_alone(agent: Agent, origin: str, status: int) -> None:
    reply = agent.send({"jsonrpc": "2.0", "id": 1, "method": "ping"}, origin=origin)
    assert reply.status == status
    if status == 403:
        assert (error_of(reply)[1], reply.json["error"]["data"]) == (-32010, {"code": "forbidden_origin"})
    settings.cache_clear()


def test_no_page_may_call_unless_the_deployer_names_its_origin(agent: Agent) -> None:
    ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    assert agent.send(ping, origin="https://a.example").status == 403
    assert agent.send(ping).status == 200


def test_an_agent_acts_for_the_team_that_its_header_names(call: Call) -> None:
    team, user = new_team(), new_user()
    member = member_of(call, team, user.name)
    member.send(span("of-team"))
    assert [trace["trace_id"] for trace in Agent(member).call("search_traces")["traces"]] == ["of-team"]
    alone = Agent(Api(call, User(user.name, (team,))))
    assert alone.call("search_traces")["traces"] == []
    stranger = Agent(member_of(call, new_team()))
    assert stranger.call("search_traces")["traces"] == []
    ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    assert alone.send(ping, **{"x-tracestore-owner": "another-team"}).json["error"]["data"]["code"] == "forbidden_owner"


def test_a_throttled_store_is_a_503_as_on_other_routes(api: Api, template: Template) -> None:
    agent = Agent(replace(api, call=hurried(template)))
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "search_traces"}}
    agent.send(call)
    with throttled(wiring.dynamodb()):
        reply = agent.send(call)
    assert error_of(reply)[:2] == (503, -32603)
    assert reply.json["error"]["data"] == {"code": "store_unavailable"}
    assert int(reply.headers["retry-after"]) > 0


def hurried(template: Template) -> Call:
    """Calls of a function that has a second, so that its retries end soon."""
    short = Template()
    short.functions["AgentToolsFunction"] = replace(template.functions["AgentToolsFunction"], timeout_s=1)
    return Call(short)


def test_an_unexpected_failure_is_an_error_of_the_protocol(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TABLE_NAME", "no-such-table")
    wiring.reset()
    reply = agent.send({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "search_traces"}})
    monkeypatch.undo()
    wiring.reset()
    assert error_of(reply)[:2] == (500, -32603)
    assert b"no-such-table" not in reply.body
