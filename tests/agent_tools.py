"""An agent that calls the tools of the Model Context Protocol with raw messages."""

import json
from dataclasses import dataclass
from typing import Any

from tests.api import Api
from tests.gateway import Reply

MCP = "/mcp"


def answer_of(result: dict[str, Any]) -> dict[str, Any]:
    """The answer in the result of a call that succeeded: the same as text and as structured content."""
    assert result["isError"] is False, result
    (content,) = result["content"]
    answer: dict[str, Any] = json.loads(content["text"])
    assert result.get("structuredContent", answer) == answer
    return answer


@dataclass(frozen=True)
class Agent:
    """An agent that uses the version 2025-11-25 of the protocol."""

    api: Api
    version: str = "2025-11-25"

    def send(self, message: Any, **headers: str) -> Reply:
        """The reply to any body."""
        return self.api("POST", MCP, body=message, headers={"mcp-protocol-version": self.version, **headers})

    def result(self, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        """The result of a request, which must succeed."""
        reply = self.send({"jsonrpc": "2.0", "id": 1, "method": method, "params": params or {}})
        assert reply.status == 200, reply.body
        assert (reply.json["jsonrpc"], reply.json["id"]) == ("2.0", 1)
        result: dict[str, Any] = reply.json["result"]
        return result

    def list_tools(self) -> list[dict[str, Any]]:
        """The definitions of the tools."""
        tools: list[dict[str, Any]] = self.result("tools/list")["tools"]
        return tools

    def text(self, tool: str, **arguments: Any) -> str:
        """The text of a tool's answer."""
        result = self.result("tools/call", {"name": tool, "arguments": arguments})
        assert answer_of(result)
        text: str = result["content"][0]["text"]
        return text

    def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """A tool's answer."""
        return answer_of(self.result("tools/call", {"name": tool, "arguments": arguments}))
