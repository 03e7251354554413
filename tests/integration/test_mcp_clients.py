"""Clients of the Model Context Protocol that others made, against the local server: the official one and the inspector.

The official client validates each answer against the schema of the protocol's version, and each structured answer
against the tool's output schema.
"""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CallToolResult
from mcp_types.methods import validate_server_result

from dev import server
from dev.node import NodeUnavailable
from dev.template import Template
from tests import node
from tests.agent_tools import MCP, Agent
from tests.api import Api, at, child, span
from tests.conftest import TableOnEngine
from tracestore.api.agent_tools.protocol import HANDSHAKE_VERSIONS
from tracestore.api.agent_tools.tools import TOOLS

pytestmark = pytest.mark.parametrize("engine", ["moto"], indirect=True, scope="session")

CHAT = {"operation_type": "completion", "model_name": "gpt-4o-mini", "model_provider": "openai"}
CALLS: dict[str, dict[str, Any]] = {
    "search_traces": {"has_errors": True, "limit": 1},
    "get_trace": {"trace_id": "t", "token_budget": 500},
    "get_span": {"trace_id": "t", "span_id": "call"},
    "compare_traces": {"trace_id_a": "t", "trace_id_b": "u"},
    "costs": {"group_by": "model_provider"},
}
TIMEOUT_S = 120


@pytest.fixture
def stored(api: Api) -> None:
    for trace_id in ("t", "u"):
        failed = {"error_message": "Too many requests.", "error_type": "RateLimit", "input_data": {"prompt": "Hello?"}}
        api.send(
            span(trace_id, span_name="agent", end_time=at(2), status="error"),
            child("call", "root", trace_id, span_name="chat", end_time=at(1), **CHAT, **failed),
        )


@pytest.fixture
def base(engine: TableOnEngine, template: Template) -> Iterator[str]:
    """The address of the local server."""
    with server.serving(template, server.listening(0)) as address:
        yield address


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize(
    ("mode", "version"), [("auto", "2026-07-28"), ("legacy", "2025-11-25"), ("2026-07-28", "2026-07-28")]
)
def test_the_official_client_calls_every_tool(base: str, api: Api, mode: Any, version: str) -> None:
    headers = api.with_key("read").headers

    async def use() -> None:
        async with (
            httpx2.AsyncClient(headers=headers, timeout=TIMEOUT_S) as http,
            Client(streamable_http_client(f"{base}{MCP}", http_client=http), mode=mode) as client,
        ):
            assert client.protocol_version == version
            tools = (await client.list_tools()).tools
            assert [tool.name for tool in tools] == [*TOOLS]
            for name, arguments in CALLS.items():
                result = await client.call_tool(name, arguments)
                assert isinstance(result, CallToolResult)
                assert not result.is_error
                assert result.structured_content == json.loads(result.content[0].text)  # type: ignore[union-attr]
            assert (await client.call_tool("get_trace", {"trace_id": "absent"})).is_error
            with pytest.raises(MCPError):
                await client.list_resources()

    anyio.run(use)


def test_the_official_client_is_refused_without_a_credential(base: str) -> None:
    async def use() -> None:
        async with Client(f"{base}{MCP}"):
            pass

    with pytest.raises(ExceptionGroup) as refused:
        anyio.run(use)
    assert refused.group_contains(MCPError, match="This route needs a credential")


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize("version", HANDSHAKE_VERSIONS)
def test_every_result_has_the_schema_of_its_version(api: Api, version: str) -> None:
    agent = Agent(api, version)
    params = {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    for method, sent in (("initialize", params), ("ping", {}), ("tools/list", {})):
        validate_server_result(method, version, agent.result(method, sent))
    for name, arguments in CALLS.items():
        validate_server_result(
            "tools/call", version, agent.result("tools/call", {"name": name, "arguments": arguments})
        )


@pytest.mark.usefixtures("stored")
def test_every_answer_has_the_output_schema_of_its_tool(api: Api) -> None:
    agent = Agent(api)
    for tool in agent.list_tools():
        for schema in (tool["inputSchema"], tool["outputSchema"]):
            Draft202012Validator.check_schema(schema)
        Draft202012Validator(tool["inputSchema"]).validate(CALLS[tool["name"]])
        answer = agent.call(tool["name"], **CALLS[tool["name"]])
        Draft202012Validator(tool["outputSchema"]).validate(answer)
        assert set(answer) <= set(tool["outputSchema"]["properties"])


@pytest.fixture(scope="session")
def inspector() -> list[str]:
    """The command of the inspector.

    *absent*: where Node cannot run, its tests are skipped; under CI they fail.
    """
    try:
        return node.inspector()
    except NodeUnavailable as reason:
        node.unavailable(reason)


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_the_inspector_lists_and_calls_the_tools(
    inspector: list[str], base: str, api: Api, era: str, tmp_path: Path
) -> None:
    key = api.with_key("read").headers["x-api-key"]

    def inspect(*arguments: str) -> Any:
        server_of_key = ["--server-url", f"{base}{MCP}", "--transport", "http", "--header", f"x-api-key: {key}"]
        command = [*inspector, *server_of_key, "--protocol-era", era, "--format", "json", "--quiet", *arguments]
        process = subprocess.run(
            command,
            cwd=tmp_path,
            env={**os.environ, "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT_S,
        )
        assert process.returncode == 0, process.stdout + process.stderr
        return json.loads(process.stdout)["result"]

    listed = inspect("--method", "tools/list", "--strict")
    assert [tool["name"] for tool in listed["tools"]] == [*TOOLS]
    arguments = json.dumps(CALLS["get_trace"])
    called = inspect("--method", "tools/call", "--tool-name", "get_trace", "--tool-args-json", arguments)
    assert called["structuredContent"]["failures"][0]["error_message"] == "Too many requests."
