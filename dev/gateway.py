"""What an HTTP API of API Gateway does between HTTP and a function: matching, events (format 2.0), answers, CORS.

Pure: it calls nothing and opens nothing. source: API Gateway developer guide, "Working with HTTP APIs".
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
MAX_ANSWER_BYTES = 6 * 1024 * 1024 + 56  # what Lambda hands back from a synchronous call
Headers = list[tuple[str, str]]


@dataclass(frozen=True)
class Request:
    """One HTTP request as it came. `path` is as sent, still percent-encoded."""

    method: str
    path: str
    query: str = ""
    headers: Sequence[tuple[str, str]] = ()
    body: bytes = b""
    client: str = "127.0.0.1"

    def header(self, name: str) -> str:
        """The header's values joined by commas; empty when it was not sent."""
        return ",".join(value for key, value in self.headers if key.lower() == name)


@dataclass(frozen=True)
class Answer:
    """One HTTP response."""

    status: int
    headers: Headers
    body: bytes = b""


def own_answer(status: int, message: str) -> Answer:
    """An answer that the gateway gives by itself, in its own shape."""
    return Answer(status, [("content-type", "application/json")], json.dumps({"message": message}).encode())


TOO_LARGE = own_answer(413, "Request Entity Too Large")
FAILED = own_answer(500, "Internal Server Error")
NOT_FOUND = own_answer(404, "Not Found")


class Router:
    """The routes of an API, the most specific first and `$default` last."""

    def __init__(self, routes: Iterable[Route]) -> None:
        by_segments = [(tuple(r.path.split("/")), r) for r in routes if r.key != "$default"]
        # A parameter sorts after text, segment by segment.
        self._routes = sorted(by_segments, key=lambda pair: [(_is_parameter(s), s) for s in pair[0]])
        self._default = next((r for r in routes if r.key == "$default"), None)

    def match(self, method: str, path: str) -> tuple[Route, dict[str, str]] | None:
        """The route for a path as sent, and its path parameters, decoded.

        absent: None when nothing matches and there is no `$default`. A parameter never matches an empty segment.
        """
        segments = path.split("/")
        for pattern, route in self._routes:
            if route.method in (method, "ANY"):
                parameters = _parameters(pattern, segments)
                if parameters is not None:
                    return route, parameters
        return (self._default, {}) if self._default else None


def event_of(request: Request, route: Route, parameters: Mapping[str, str]) -> dict[str, Any]:
    """The event that a function gets for `request`."""
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
    """The HTTP response for what a function returned; 500 when the gateway could not use it."""
    if not isinstance(result, dict) or "statusCode" not in result:
        # Format 2.0 takes anything else for the JSON body of a 200.
        return Answer(200, [("content-type", "application/json")], json.dumps(result).encode())
    body = result.get("body") or ""
    # Lambda counts the JSON of the result. A character takes six bytes of it at most: few answers have to be counted.
    if len(body) > MAX_ANSWER_BYTES // 6 and len(json.dumps(result, ensure_ascii=False).encode()) > MAX_ANSWER_BYTES:
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
    """Whether the gateway answers `request` by itself as a CORS preflight: only an API with origins does."""
    asks = request.method == "OPTIONS" and request.header("origin") and request.header("access-control-request-method")
    return bool(asks and cors.origins)


def preflight_answer(request: Request, cors: Cors) -> Answer:
    """The answer to a preflight; without any permission when the origin is not one of the API's."""
    allowed = _allowed_origin(request, cors)
    if not allowed:
        return Answer(204, [])
    return Answer(
        204,
        [
            *allowed,
            ("access-control-allow-methods", ",".join(cors.methods)),
            ("access-control-allow-headers", ",".join(cors.headers)),
            ("access-control-max-age", str(cors.max_age_s)),
        ],
    )


def with_cors(answer: Answer, request: Request, cors: Cors) -> Answer:
    """`answer` with the gateway's CORS headers in place of the function's, when the API has origins."""
    if not cors.origins or not request.header("origin"):
        return answer
    own = [(name, value) for name, value in answer.headers if not name.startswith("access-control-")]
    allowed = _allowed_origin(request, cors)
    exposed = [("access-control-expose-headers", ",".join(cors.expose))] if allowed and cors.expose else []
    return Answer(answer.status, own + allowed + exposed, answer.body)


def _allowed_origin(request: Request, cors: Cors) -> Headers:
    origin = request.header("origin")
    if "*" in cors.origins:
        return [("access-control-allow-origin", "*")]
    return [("access-control-allow-origin", origin), ("vary", "Origin")] if origin in cors.origins else []


def _is_parameter(segment: str) -> bool:
    return segment.startswith("{") and segment.endswith("}")


def _parameters(pattern: Sequence[str], segments: Sequence[str]) -> dict[str, str] | None:
    found: dict[str, str] = {}
    for i, expected in enumerate(pattern):
        if _is_parameter(expected) and expected.endswith("+}"):
            rest = "/".join(segments[i:])
            return {**found, expected[1:-2]: unquote(rest)} if rest else None
        if i >= len(segments):
            return None
        if _is_parameter(expected) and segments[i]:
            found[expected[1:-1]] = unquote(segments[i])
        elif expected != unquote(segments[i]):
            return None
    return found if len(pattern) == len(segments) else None


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
    known = sub.endswith(("json", "xml")) or sub in ("javascript", "x-www-form-urlencoded")
    return not (main == "text" or (main == "application" and known))
