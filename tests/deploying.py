"""Deployments for tests of the commands: the real handlers as an HTTP client's transport, with simulated failures."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx

from tests.gateway import Call, User
from tracestore_cli.posting import Deployment

Fault = Callable[[httpx.Request], httpx.Response | None]


@dataclass
class Seen:
    """The requests that a deployment received, and the pauses that its caller made between them."""

    requests: list[httpx.Request] = field(default_factory=list)
    pauses_s: list[float] = field(default_factory=list)


@contextmanager
def deployment_of(
    call: Call, user: User, fault: Fault = lambda _: None, owner: str | None = None
) -> Iterator[tuple[Deployment, Seen]]:
    """The API as this user, who acts for the team `owner` if it is given.

    `fault` may return a response instead of it, or raise.
    """
    seen = Seen()

    def answer(request: httpx.Request) -> httpx.Response:
        seen.requests.append(request)
        if (failed := fault(request)) is not None:
            return failed
        headers = {name: value for name, value in request.headers.items() if name != "accept-encoding"}
        query = request.url.query.decode()
        body = request.content or None
        reply = call(request.method, request.url.path, user=None, body=body, headers=headers, query=query)
        return httpx.Response(reply.status, headers=reply.headers, content=reply.body)

    transport = httpx.MockTransport(answer)
    with Deployment(
        "http://api.test", user.token, owner, sleep=seen.pauses_s.append, transport=transport
    ) as deployment:
        yield deployment, seen


def broken_every(nth: int, failure: Callable[[], httpx.Response]) -> Fault:
    """Let every n-th request fail."""
    count = 0

    def fault(_: httpx.Request) -> httpx.Response | None:
        nonlocal count
        count += 1
        return failure() if count % nth == 0 else None

    return fault


def busy() -> httpx.Response:
    """The response of a throttled deployment."""
    return httpx.Response(503, json={"message": "Service Unavailable"})
