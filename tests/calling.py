"""Calls of the real handlers with the events that API Gateway would send them, and users to call as."""

import gzip
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from dev.functions import Functions
from dev.gateway import Request
from dev.server import Api
from dev.template import Template
from tracestore_cli import tokens

SECRET = "a shared secret that is only good in tests"


@dataclass(frozen=True)
class User:
    """Somebody who can sign in."""

    name: str

    @property
    def token(self) -> str:
        """A JWT of theirs that the functions accept."""
        return tokens.token(self.name, SECRET)


def new_user() -> User:
    """Nobody else in the table has this name."""
    return User(f"user-{secrets.token_hex(8)}")


@dataclass(frozen=True)
class Reply:
    """What a caller gets. `body` is decompressed."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)


class Call:
    """`call("GET", "/api/me", user=user)`: one request through the template's routes to the real handler."""

    def __init__(self, template: Template) -> None:
        self._api = Api(template, Functions(template))

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
        """The reply to `path`, which is sent as it stands: percent-encode what needs it.

        `user` None calls without a credential. A `body` that is not bytes is sent as JSON.
        """
        sent = {"host": "localhost", **(headers or {})}
        if user:
            sent["authorization"] = f"Bearer {user.token}"
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        if body is not None:
            sent.setdefault("content-type", "application/json")
        answer = self._api.answer(
            Request(
                method=method,
                path=path,
                query=query if isinstance(query, str) else urlencode(query),
                headers=list(sent.items()),
                body=body or b"",
            )
        )
        got = dict(answer.headers)
        packed = got.get("content-encoding") == "gzip"
        return Reply(answer.status, got, gzip.decompress(answer.body) if packed else answer.body)
