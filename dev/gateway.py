"""The work of an HTTP API of API Gateway between HTTP and a function: routes, events (format 2.0), responses and CORS.

Pure functions, without any input or output. *source*: API Gateway developer guide, "Working with HTTP APIs"; for CORS,
"Configure CORS for HTTP APIs".
"""

import base64
import binascii
import json
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote

from dev.template import ACCOUNT_ID, Cors, Route

MAX_BODY_BYTES = 10 * 1024 * 1024  # the gateway's own limit
MAX_HEAD_BYTES = 10_240
"""The gateway's limit of the request line and the headers together. Names count here too, so that a request which is
accepted here is accepted there. *source*: "Quotas for configuring and running an HTTP API", total combined size of
request line and header values."""
MAX_RESPONSE_BYTES = 6 * 1024 * 1024 + 56  # the limit of Lambda for the result of a synchronous call
Headers = list[tuple[str, str]]


@dataclass(frozen=True)
class Request:
    """One HTTP request. `path` is as sent, still percent-encoded."""

    method: str
    path: str
    query: str = ""
    headers: Sequence[tuple[str, str]] = ()
    body: bytes = b""
    client: str = "127.0.0.1"

    @property
    def head_bytes(self) -> int:
        """The size of the request line and the headers, with their line ends."""
        target = f"{self.path}?{self.query}" if self.query else self.path
        lines = [f"{self.method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in self.headers), ""]
        return sum(len(line) + len("\r\n") for line in lines)

    def header(self, name: str) -> str:
        """The header's values, joined by commas. *absent*: empty."""
        return ",".join(value for key, value in self.headers if key.lower() == name)


@dataclass(frozen=True)
class Answer:
    """One HTTP response."""

    status: int
    headers: Headers
    body: bytes = b""


def gateway_response(status: int, message: str) -> Answer:
    """A response that the gateway itself generates, in its own shape."""
    return Answer(status, [("content-type", "application/json")], json.dumps({"message": message}).encode())


TOO_LARGE = gateway_response(413, "Request Entity Too Large")
HEAD_TOO_LARGE = gateway_response(431, "Request Header Fields Too Large")
"""The documentation of the gateway states the limit without a status. *source*: RFC 6585, section 5."""
FAILED = gateway_response(500, "Internal Server Error")
NOT_FOUND = gateway_response(404, "Not Found")
PREFLIGHT = Answer(204, [])


class Router:
    """The routes of an API, the most specific first and `$default` last."""

    def __init__(self, routes: Iterable[Route]) -> None:
        by_segments = [(tuple(r.path.split("/")), r) for r in routes if r.key != "$default"]
        # A parameter sorts after text, segment by segment.
        self._routes = sorted(by_segments, key=lambda pair: [(_is_parameter(s), s) for s in pair[0]])
        any_method = {r.path for r in routes if r.method == "ANY"}
        self._exact = {(r.method, r.path): r for r in routes if "{" not in r.path and r.path not in any_method}
        self._default = next((r for r in routes if r.key == "$default"), None)

    def match(self, method: str, path: str) -> tuple[Route, dict[str, str]] | None:
        """The route for a path as sent, and its decoded path parameters. No parameter matches an empty segment.

        *absent*: None when no route matches and there is no `$default`.
        """
        if exact := self._exact.get((method, path)):  # no parameter is more specific
            return exact, {}
        segments = path.split("/")
        for pattern, route in self._routes:
            if route.method in (method, "ANY"):
                parameters = _parameters(pattern, segments)
                if parameters is not None:
                    return route, parameters
        return (self._default, {}) if self._default else None


def event_of(request: Request, route: Route, parameters: Mapping[str, str]) -> dict[str, Any]:
    """The event that a function receives for `request`."""
    now = time.time()
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": route.key,
        "rawPath": unquote(request.path),
        "rawQueryString": request.query,
        "headers": _joined((k.lower(), v) for k, v in request.headers if k.lower() != "cookie"),
        "requestContext": {
            "accountId": ACCOUNT_ID,
            "apiId": "local",
            "domainName": request.header("host"),
            "domainPrefix": request.header("host").split(".")[0],
            "http": {
                "method": request.method,
                "path": unquote(request.path),
                "protocol": "HTTP/1.1",
                "sourceIp": request.client,
                "userAgent": request.header("user-agent"),
            },
            "requestId": str(uuid.uuid4()),
            "routeKey": route.key,
            "stage": "$default",
            "time": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now)),
            "timeEpoch": int(now * 1000),
        },
        "isBase64Encoded": False,
    }
    if cookies := [part.strip() for k, v in request.headers if k.lower() == "cookie" for part in v.split(";")]:
        event["cookies"] = cookies
    if request.query:
        event["queryStringParameters"] = _joined(parse_qsl(request.query, keep_blank_values=True))
    if parameters:
        event["pathParameters"] = dict(parameters)
    if request.body:
        event["isBase64Encoded"] = _is_binary(request)
        event["body"] = (
            base64.b64encode(request.body).decode()
            if event["isBase64Encoded"]
            else request.body.decode(errors="replace")
        )
    return event


def answer_of(result: Any) -> Answer:
    """The HTTP response for the result of a function; 500 for a result that the gateway cannot use."""
    if not isinstance(result, dict) or "statusCode" not in result:
        # In format 2.0, any other result is the JSON body of a 200.
        return Answer(200, [("content-type", "application/json")], json.dumps(result).encode())
    body = result.get("body") or ""
    # Lambda measures the JSON of the result, with at most six bytes a character: few responses need to be measured.
    if (
        len(body) > MAX_RESPONSE_BYTES // 6
        and len(json.dumps(result, ensure_ascii=False).encode()) > MAX_RESPONSE_BYTES
    ):
        return FAILED
    try:
        content = base64.b64decode(body, validate=True) if result.get("isBase64Encoded") else body.encode()
    except binascii.Error:
        return FAILED
    headers = [(name.lower(), str(value)) for name, value in (result.get("headers") or {}).items()]
    headers += [("set-cookie", cookie) for cookie in result.get("cookies") or []]
    if "content-type" not in dict(headers) and content:
        headers.append(("content-type", "text/plain;charset=UTF-8"))
    return Answer(int(result["statusCode"]), headers, content)


def is_preflight(request: Request, cors: Cors) -> bool:
    """Whether `request` is a CORS preflight, and the API has origins."""
    has_method = request.method == "OPTIONS" and request.header("access-control-request-method")
    return bool(cors.origins and has_method and request.header("origin"))


def with_cors(answer: Answer, request: Request, cors: Cors) -> Answer:
    """`answer` with the gateway's CORS headers instead of the function's, if the API has origins.

    *absent*: no permission for an origin that the API does not list; the status stays.
    """
    if not cors.origins or not request.header("origin"):
        return answer
    headers = [(name, value) for name, value in answer.headers if not name.startswith("access-control-")]
    return Answer(answer.status, headers + _permissions(request, cors), answer.body)


def _permissions(request: Request, cors: Cors) -> Headers:
    origin = request.header("origin")
    if "*" in cors.origins:
        headers = [("access-control-allow-origin", "*")]
    elif any(_allows(allowed, origin) for allowed in cors.origins):
        headers = [("access-control-allow-origin", origin), ("vary", "Origin")]
    else:
        return []
    if cors.expose:
        headers.append(("access-control-expose-headers", ",".join(cors.expose)))
    if is_preflight(request, cors):
        headers.append(("access-control-allow-methods", ",".join(cors.methods)))
        headers.append(("access-control-allow-headers", ",".join(cors.headers)))
        headers.append(("access-control-max-age", str(cors.max_age_s)))
    return headers


def _allows(allowed: str, origin: str) -> bool:
    """Whether an entry of the API's origins is `origin`, or the pattern `http://*` or `https://*` for it."""
    is_scheme = allowed in ("http://*", "https://*")
    return origin.startswith(allowed[:-1]) if is_scheme else origin == allowed


def _is_parameter(segment: str) -> bool:
    return segment.startswith("{") and segment.endswith("}")


def _parameters(pattern: Sequence[str], segments: Sequence[str]) -> dict[str, str] | None:
    parameters: dict[str, str] = {}
    for i, expected in enumerate(pattern):
        if _is_parameter(expected) and expected.endswith("+}"):
            rest = "/".join(segments[i:])
            return {**parameters, expected[1:-2]: unquote(rest)} if rest else None
        if i >= len(segments):
            return None
        if _is_parameter(expected) and segments[i]:
            parameters[expected[1:-1]] = unquote(segments[i])
        elif expected != unquote(segments[i]):
            return None
    return parameters if len(pattern) == len(segments) else None


def _joined(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    joined: dict[str, str] = {}
    for key, value in pairs:
        joined[key] = f"{joined[key]},{value}" if key in joined else value
    return joined


def _is_binary(request: Request) -> bool:
    if request.header("content-encoding"):
        return True
    kind = request.header("content-type").split(";")[0].strip().lower()
    main, _, sub = kind.partition("/")
    is_text = sub.endswith(("json", "xml")) or sub in ("javascript", "x-www-form-urlencoded")
    return not (main == "text" or (main == "application" and is_text))
