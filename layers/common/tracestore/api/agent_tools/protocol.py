"""The Model Context Protocol over HTTP, without sessions: one JSON-RPC message a request, one JSON answer.

Two eras of the protocol are served. Until 2025-11-25, a client begins with `initialize`; the server keeps nothing of
it. From 2026-07-28 on, each request carries its version, and headers repeat its method and its tool.

*source*: MCP specification 2026-07-28, "Streamable HTTP", "Versioning and Compatibility" and "Discovery"; 2025-11-25,
"Transports" and "Lifecycle".
"""

import base64
import binascii
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from tracestore.domain.errors import Forbidden, Invalid, TracestoreError, Unsupported
from tracestore.domain.json_body import parse_json
from tracestore.http.errors import headers_for, status_of
from tracestore.http.request import MAX_FORM_BYTES, Request
from tracestore.http.response import Response, json_bytes

SERVER: Final = {"name": "tracestore", "title": "tracestore", "version": "0.1.0"}

HANDSHAKE_VERSIONS: Final = ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")
"""The versions that begin with `initialize`, the newest first."""

MODERN_VERSIONS: Final = ("2026-07-28",)
"""The versions that every request names."""

VERSIONS: Final = (*MODERN_VERSIONS, *HANDSHAKE_VERSIONS)

_WITHOUT_HEADER: Final = "2025-03-26"
"""The version of a request without the header, which 2025-06-18 introduced."""

_WITHOUT_STRUCTURE: Final = ("2025-03-26", "2024-11-05")

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
INTERNAL_ERROR: Final = -32603
HEADER_MISMATCH: Final = -32020
UNSUPPORTED_VERSION: Final = -32022
REFUSED: Final = -32010
"""Codes of JSON-RPC and of MCP; the last one is our own, for what HTTP refuses: credentials, scopes, origins."""

_STATUSES: Final[Mapping[int, int]] = {METHOD_NOT_FOUND: 404}
"""The HTTP status of an error; 400 for any other."""

_UNREADABLE: Final = frozenset({"malformed_json", "json_too_deep", "invalid_encoding"})

VERSION_HEADER: Final = "mcp-protocol-version"
METHOD_HEADER: Final = "mcp-method"
NAME_HEADER: Final = "mcp-name"
_VERSION_KEY: Final = "io.modelcontextprotocol/protocolVersion"
_CAPABILITIES_KEY: Final = "io.modelcontextprotocol/clientCapabilities"

_VERSION: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_BASE64: Final = re.compile(r"=\?base64\?([A-Za-z0-9+/]*={0,2})\?=")


class RpcError(Exception):
    """The refusal of a message, with the code of JSON-RPC. `message_id` is None while it is unknown."""

    def __init__(
        self, code: int, message: str, message_id: str | int | None = None, data: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.message_id = message_id
        self.data = data


@dataclass(frozen=True, slots=True)
class Message:
    """One request or notification of a client. A notification has no `message_id`."""

    message_id: str | int | None
    method: str
    params: Mapping[str, Any]
    version: str

    @property
    def is_notification(self) -> bool:
        return self.message_id is None

    @property
    def is_modern(self) -> bool:
        """Whether its version has no handshake."""
        return self.version in MODERN_VERSIONS

    @property
    def has_structure(self) -> bool:
        """Whether its version has `structuredContent` and output schemas."""
        return self.version not in _WITHOUT_STRUCTURE

    def text(self, name: str) -> str:
        """A parameter that must be a text. *raises*: RpcError."""
        value = self.params.get(name)
        if not isinstance(value, str):
            raise self.invalid_params(f"params.{name} must be a string.")
        return value

    def members(self, name: str) -> Mapping[str, Any]:
        """A parameter that is an object. *absent*: an empty one. *raises*: RpcError."""
        value = self.params.get(name)
        if value is not None and not isinstance(value, dict):
            raise self.invalid_params(f"params.{name} must be an object.")
        return value or {}

    def invalid_params(self, sentence: str) -> RpcError:
        return RpcError(INVALID_PARAMS, sentence, self.message_id)


def require_origin(headers: Mapping[str, str], allowed: Collection[str]) -> None:
    """Check that a page that sent the request, if any, is on the deployment's own host or an origin that it allows.

    *raises*: Forbidden for any other page.
    """
    origin = headers.get("origin")
    if origin is None:
        return
    own_host = headers.get("host", "").lower()
    is_own = bool(own_host) and origin != "null" and urlsplit(origin).netloc.lower() == own_host
    if not is_own and not any(_allows(pattern, origin) for pattern in allowed):
        raise Forbidden(
            "Pages on this origin may not call this route. Add the origin to the deployment's CorsOrigins.",
            code="forbidden_origin",
        )


def message_of(request: Request) -> Message:
    """The message of a request. *raises*: RpcError, Unsupported; Invalid and TooLarge as `Request.body`."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Unsupported("Send one JSON-RPC message with Content-Type application/json.")
    content = parse_json(request.body(MAX_FORM_BYTES))
    if isinstance(content, list):
        raise RpcError(INVALID_REQUEST, "Batches are not accepted. Send each message in a request of its own.")
    if not isinstance(content, dict):
        raise RpcError(INVALID_REQUEST, "The body must be one JSON-RPC message: a JSON object.")
    message_id = _id_of(content)
    if content.get("jsonrpc") != "2.0":
        raise RpcError(INVALID_REQUEST, 'jsonrpc must be "2.0".', message_id)
    method, params = content.get("method"), content.get("params")
    if not isinstance(method, str):
        raise RpcError(INVALID_REQUEST, "method must be a string. Responses are not accepted.", message_id)
    if params is not None and not isinstance(params, dict):
        raise RpcError(INVALID_REQUEST, "params must be an object.", message_id)
    return _in_its_version(request.headers, message_id, method, params or {})


def response_to(message: Message, result: Mapping[str, Any]) -> Response:
    """The response to a request that succeeded."""
    members = {"resultType": "complete", **result} if message.is_modern else result
    return _json(200, {"jsonrpc": "2.0", "id": message.message_id, "result": members})


def accepted() -> Response:
    """The response to a notification."""
    return Response(202)


def refusal(error: RpcError) -> Response:
    """The response to a message that was refused."""
    content: dict[str, Any] = {"code": error.code, "message": error.message}
    if error.data is not None:
        content["data"] = error.data
    return _json(_STATUSES.get(error.code, 400), {"jsonrpc": "2.0", "id": error.message_id, "error": content})


def rpc_error_response(error: TracestoreError, _headers: Mapping[str, str]) -> Response:
    """An error of this API as one of JSON-RPC, with its code in `data`. The id of the message is not known."""
    status = status_of(error)
    if error.code in _UNREADABLE:
        code = PARSE_ERROR
    elif isinstance(error, Invalid):
        code = INVALID_REQUEST
    else:
        code = INTERNAL_ERROR if status >= 500 else REFUSED
    content = {"code": code, "message": error.message, "data": {"code": error.code}}
    return _json(status, {"jsonrpc": "2.0", "id": None, "error": content}, headers_for(error))


def _id_of(content: Mapping[str, Any]) -> str | int | None:
    """The id of a message. *absent*: None for a notification. *raises*: RpcError for a value that can be no id."""
    if "id" not in content:
        return None
    message_id = content["id"]
    if isinstance(message_id, bool) or not isinstance(message_id, str | int):
        raise RpcError(INVALID_REQUEST, "id must be a string or an integer.")
    return message_id


def _in_its_version(
    headers: Mapping[str, str], message_id: str | int | None, method: str, params: Mapping[str, Any]
) -> Message:
    """The message with its version. *raises*: RpcError for an unknown version, or headers that contradict the body."""
    sent = headers.get(VERSION_HEADER)
    if sent is not None and sent not in VERSIONS:
        # The protocol requires the version that was requested; any other text is not repeated.
        requested = sent if _VERSION.fullmatch(sent) else "unknown"
        data = {"supported": VERSIONS, "requested": requested}
        raise RpcError(UNSUPPORTED_VERSION, "The server does not support this protocol version.", message_id, data)
    meta = params.get("_meta")
    named = meta.get(_VERSION_KEY) if isinstance(meta, dict) else None
    if sent in MODERN_VERSIONS or named is not None:
        message = Message(message_id, method, params, MODERN_VERSIONS[0])
        if not message.is_notification:
            _require_envelope(message, headers, meta)
        return message
    return Message(message_id, method, params, sent or _WITHOUT_HEADER)


def _require_envelope(message: Message, headers: Mapping[str, str], meta: Any) -> None:
    """Check the version in the body, and that the headers repeat it, the method and the name of the tool."""
    if not isinstance(meta, dict) or not {_VERSION_KEY, _CAPABILITIES_KEY} <= meta.keys():
        raise message.invalid_params(f"params._meta must have {_VERSION_KEY} and {_CAPABILITIES_KEY}.")
    expected = {VERSION_HEADER: meta[_VERSION_KEY], METHOD_HEADER: message.method}
    if message.method == "tools/call":
        expected[NAME_HEADER] = message.params.get("name")
    for header, value in expected.items():
        if _decoded(headers.get(header, "")) != value:
            sentence = f"The header {header} is missing, or differs from the body. Send the same value in both."
            raise RpcError(HEADER_MISMATCH, sentence, message.message_id)


def _decoded(value: str) -> str | None:
    """The value of a header, which may be base64 between `=?base64?` and `?=`. *absent*: None when malformed."""
    encoded = _BASE64.fullmatch(value)
    if encoded is None:
        return value
    try:
        return base64.b64decode(encoded[1], validate=True).decode()
    except (binascii.Error, ValueError):
        return None


def _allows(pattern: str, origin: str) -> bool:
    """Whether an entry of CorsOrigins permits an origin, as API Gateway reads it."""
    if pattern in ("http://*", "https://*"):
        return origin.startswith(pattern[:-1])
    return pattern in ("*", origin)


def _json(status: int, content: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    return Response(status, json_bytes(content), {"content-type": "application/json", **(headers or {})})
