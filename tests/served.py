"""The local server for one user, as real clients use it: with a store that works, or that is throttled at first."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from dev import server
from dev.functions import Functions
from dev.gateway import Answer, Request
from dev.template import Template
from tests.api import Api
from tests.otlp import Throttle, throttled
from tracestore.http import wiring


@dataclass
class Service:
    """A running server. `statuses` are those of its responses to the routes of the test.

    `throttled_count` is the number of requests that failed because the store was throttled. There may be other
    responses of 503: Opik's scores get one while their span is not stored.
    """

    base: str
    api: Api
    key: str
    statuses: list[int] = field(default_factory=list)
    throttle: Throttle | None = None
    throttled_count: int = 0


@contextmanager
def served(template: Template, api: Api, scopes: tuple[str, ...], routes: tuple[str, ...]) -> Iterator[Service]:
    """A server, with an API key of these scopes. It records the statuses of paths that begin with one of `routes`."""
    service = Service("", api, api.with_key(*scopes).headers["x-api-key"])

    def log(request: Request, answer: Answer, _: float) -> None:
        if request.path.startswith(routes):
            service.statuses.append(answer.status)

    functions = _ThrottledFunctions(template, service)
    with server.serving(template, server.listening(0), functions, log) as service.base:
        yield service


class _ThrottledFunctions(Functions):
    """The functions. One works at a time while the store is throttled, so that no third fails with the second."""

    def __init__(self, template: Template, service: Service) -> None:
        super().__init__(template)
        self._service = service
        self._lock = threading.Lock()

    def invoke(self, name: str, event: dict[str, Any]) -> Any:
        """Call the function; the second that fails ends the throttling. *raises*: as `Functions.invoke`."""
        throttle = self._service.throttle
        if throttle is None or not throttle.is_on:
            return super().invoke(name, event)
        with self._lock:
            result = super().invoke(name, event)
            self._service.throttled_count += throttle.is_on and result["statusCode"] == 503
            throttle.is_on = self._service.throttled_count < 2
            return result


@contextmanager
def served_throttled(service: Service, method: str, path: str, body: bytes = b"") -> Iterator[Service]:
    """The server with a store that is throttled until two requests have failed.

    A first request to a route that needs no store lets the server remember the API key.
    """
    assert service.api.call(method, path, body=body, headers={"x-api-key": service.key}).status == 200
    with throttled(wiring.dynamodb()) as service.throttle:
        yield service
