"""Calls of the real handlers with the events of API Gateway, and the users that call."""

import gzip
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from dev.functions import Invoker
from dev.gateway import Request, Router
from dev.openapi import conformance
from dev.server import Api
from dev.template import Template
from tests.permissions import GuardedFunctions
from tracestore_cli import tokens

SECRET = "a shared secret that is only good in tests"


@dataclass(frozen=True)
class User:
    """A user with tokens."""

    name: str
    teams: tuple[str, ...] = ()

    @property
    def token(self) -> str:
        """A JWT of this user that the functions accept."""
        return tokens.token(self.name, SECRET, teams=self.teams)


def new_user() -> User:
    """A user with a name that is new to the table."""
    return User(f"user-{secrets.token_hex(8)}")


@dataclass(frozen=True)
class Reply:
    """A response. `body` is decompressed."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)


class Call:
    """`call("GET", "/api/me", user=user)`: one request through the template's routes to the real handler."""

    def __init__(self, template: Template, functions: Invoker | None = None) -> None:
        self._api = Api(template, functions or GuardedFunctions(template))
        self._router = Router(template.routes)

    def __call__(
        self,
        method: str,
        path: str,
        *,
        user: User | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, Any] | str = "",
    ) -> Reply:
        """The reply to a request for `path`, which is sent unchanged: the test has to percent-encode it.

        *absent*: without `user` no credential is sent. A `body` that is not bytes is sent as JSON.
        """
        sent = {"host": "localhost", **(headers or {})}
        if user:
            sent["authorization"] = f"Bearer {user.token}"
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        if body is not None:
            sent.setdefault("content-type", "application/json")
        request = Request(
            method=method,
            path=path,
            query=query if isinstance(query, str) else urlencode(query, doseq=True),
            headers=list(sent.items()),
            body=body or b"",
        )
        answer = self._api.answer(request)
        received = dict(answer.headers)
        is_packed = received.get("content-encoding") == "gzip"
        reply = Reply(answer.status, received, gzip.decompress(answer.body) if is_packed else answer.body)
        self._compare_with_document(request, reply)
        return reply

    def _compare_with_document(self, request: Request, reply: Reply) -> None:
        """Compare each reply, and each request that was accepted, with the OpenAPI document."""
        match = self._router.match(request.method, request.path)
        assert match
        route, _ = match
        problems = list(conformance.problems_of_reply(route, reply.status, reply.headers, reply.body))
        if reply.status < 400 and b'"rejected":[{' not in reply.body:
            is_packed = request.header("content-encoding") == "gzip"
            body = gzip.decompress(request.body) if is_packed else request.body
            problems += conformance.problems_of_request(route, request.query, body)
        assert problems == [], f"{route.key} does not agree with dev/openapi"
