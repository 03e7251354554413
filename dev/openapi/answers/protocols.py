"""Errors, and the responses of protocols that others have defined: OTLP and MCP."""

from collections.abc import Mapping
from typing import Final

from dev.openapi.answers.values import ANY_MEMBERS
from dev.openapi.schemas import Schema, array, choice, integer, nullable, obj, string
from tracestore.http.errors import CODES

JSON_RPC: Final = {"type": "string", "const": "2.0"}
MESSAGE_ID: Final[Schema] = {"anyOf": [string(), integer(minimum=None)], "examples": [1]}

OTLP_SUCCESS: Final = obj(
    {},
    {
        "partialSuccess": obj(
            {"errorMessage": string()},
            dict.fromkeys(("rejectedSpans", "rejectedLogRecords", "rejectedDataPoints"), string("A 64-bit integer")),
        )
    },
    examples=[{}],
)


COMPONENTS: Final[Mapping[str, Schema]] = {
    "Error": obj(
        {
            "success": {"type": "boolean", "const": False},
            "error": obj(
                {
                    "code": choice(*CODES, description="Stable"),
                    "message": string("The failure and its remedy", examples=["There is no such trace or span."]),
                    "details": array(obj({"field": string(), "message": string()}), examples=[[]]),
                }
            ),
        }
    ),
    "GatewayError": obj({"message": string("Of API Gateway itself", examples=["Service Unavailable"])}),
    "RpcStatus": obj(
        {"code": integer("A `google.rpc.Code`", examples=[3]), "message": string(examples=["Send smaller batches."])},
        {"details": array(obj({}))},
    ),
    "McpError": obj(
        {
            "jsonrpc": JSON_RPC,
            "id": nullable({**MESSAGE_ID, "examples": [1]}),
            "error": obj(
                {"code": integer(minimum=-32_768, examples=[-32600]), "message": string()}, {"data": ANY_MEMBERS}
            ),
        }
    ),
    "McpResult": obj({"jsonrpc": JSON_RPC, "id": MESSAGE_ID, "result": ANY_MEMBERS}),
}
