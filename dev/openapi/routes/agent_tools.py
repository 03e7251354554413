"""The route of the tools for agents."""

from collections.abc import Mapping
from typing import Final

from dev.openapi.answers.protocols import JSON_RPC, MESSAGE_ID
from dev.openapi.answers.values import ANY_MEMBERS
from dev.openapi.operations import JSON, JSON_CODES, Body, Operation
from dev.openapi.schemas import nullable, obj, ref, string

ROUTES: Final[Mapping[str, Operation]] = {
    "POST /mcp": Operation(
        answers={200: {JSON: ref("McpResult")}, 202: {}, 404: {JSON: ref("McpError")}},
        texts={202: "The notification is accepted", 404: "There is no such method of the protocol"},
        body=Body(
            {JSON: obj({"jsonrpc": JSON_RPC, "method": string()}, {"id": MESSAGE_ID, "params": nullable(ANY_MEMBERS)})},
            (*JSON_CODES, "unsupported_media_type"),
            {"jsonrpc": "2.0", "id": 1, "method": "tools/list"},
        ),
        codes=("forbidden_origin", "store_unavailable"),
    ),
}
