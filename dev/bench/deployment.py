"""The API in this process on DynamoDB Local, called as API Gateway calls it, for benchmarks."""

import json
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from dev import engines
from dev.functions import Functions, local_environment
from dev.gateway import Answer, Request
from dev.server import Api
from dev.template import Template
from tracestore.storage import keys
from tracestore.storage.deadline import Deadline
from tracestore.storage.deltas import Change
from tracestore.storage.dynamo import Client
from tracestore.storage.listing import TraceQuery
from tracestore.storage.model import INDEXES
from tracestore.storage.store import Store
from tracestore.storage.user_store import UserReader
from tracestore_cli import tokens

ITEM_OVERHEAD_BYTES: Final = 100
"""DynamoDB bills these for each item and each entry of an index, in addition to its bytes. *source*: its price page."""

_ATTEMPTS: Final = 20
_BUSY: Final = 503


@dataclass(frozen=True)
class Deployment:
    """A running API. `api_client` is the DynamoDB client of its handlers, `client` is boto3's."""

    api: Api
    api_client: Client
    client: Any
    table_name: str
    secret: str

    def user(self, name: str) -> "User":
        """A new user of the API, without traces."""
        user_id = f"{name}-{secrets.token_hex(4)}"
        return User(self.api, tokens.token(user_id, self.secret), user_id)

    def stored(self) -> tuple[int, int]:
        """The number of items in the table and their bytes as DynamoDB counts them: names and values, no indexes."""
        sizes = list(map(_bytes, self._items()))
        return len(sizes), sum(sizes)

    def billed_bytes(self) -> int:
        """The bytes that DynamoDB bills for: of the table, and of the entries of indexes, which contain keys only."""
        size = 0
        for item in self._items():
            size += _bytes(item) + ITEM_OVERHEAD_BYTES
            for index in filter(item.__contains__, INDEXES):
                size += _bytes({name: item[name] for name in ("pk", "sk", "at", index)}) + ITEM_OVERHEAD_BYTES
        return size

    def _items(self) -> Iterator[dict[str, Any]]:
        for page in self.client.get_paginator("scan").paginate(TableName=self.table_name):
            yield from page["Items"]


@dataclass(frozen=True)
class User:
    """One caller of the API. Safe for many threads."""

    api: Api
    token: str
    user_id: str

    def post(self, spans: list[dict[str, Any]]) -> None:
        """Send spans as one request, and retry while the API is busy. Fails unless all spans are stored."""
        self.post_body(json.dumps({"spans": spans}, ensure_ascii=False).encode())

    def post_body(self, body: bytes) -> None:
        """Send a request with this body, likewise."""
        answer = self.call_json("POST", "/api/analytics/traces", body=body)
        assert not answer["rejected"], answer["rejected"]

    def get(self, path: str = "", query: str = "") -> Any:
        """The response to a GET below /api/analytics/traces."""
        return self.call_json("GET", f"/api/analytics/traces{path}", query)

    def delete(self, path: str) -> None:
        """DELETE below /api/analytics/traces. A trace that is absent, as after a lost response, is fine."""
        answer = self.call("DELETE", f"/api/analytics/traces{path}")
        assert answer.status in (200, 404), (answer.status, answer.body[:500])

    def read(self, path: str, query: str) -> tuple[int, bytes]:
        """The status and the body of a GET below /api/analytics/traces that may return no content."""
        answer = self.call("GET", f"/api/analytics/traces{path}", query)
        assert answer.status in (200, 304), (answer.status, answer.body[:500])
        return answer.status, answer.body

    def ask(self, path: str, query: str = "") -> Any:
        """The response to a GET below /api/analytics."""
        return self.call_json("GET", f"/api/analytics/{path}", query)

    def call_json(self, method: str, path: str, query: str = "", body: bytes = b"") -> Any:
        """The content of the response to a request, which has to succeed."""
        answer = self.call(method, path, query, body)
        assert answer.status in (200, 201), (answer.status, answer.body[:500])
        return json.loads(answer.body)

    def call(self, method: str, path: str, query: str = "", body: bytes = b"") -> Answer:
        """The response to a request, which is repeated while the API is busy."""
        headers = [("authorization", f"Bearer {self.token}"), ("content-type", "application/json")]
        request = Request(method, path, query, headers, body)
        for attempt in range(_ATTEMPTS):
            answer = self.api.answer(request)
            if answer.status != _BUSY:
                break
            time.sleep(0.05 * (attempt + 1))
        return answer


@contextmanager
def deployed(report: Callable[[str], None] = lambda _: None) -> Iterator[Deployment]:
    """A deployment of template.yaml on a new DynamoDB Local in memory. It changes the environment of this process.

    *raises*: EngineUnavailable where DynamoDB Local cannot run.
    """
    template, secret = Template(), secrets.token_urlsafe(48)
    with engines.started(engines.EngineName.DYNAMODB_LOCAL, report=report) as engine:
        engines.pretend_credentials(engine.endpoint)
        client = engines.create_table(engine.endpoint, template)
        os.environ.update(local_environment(template, engine.endpoint, secret) | {"POWERTOOLS_LOG_LEVEL": "ERROR"})
        functions = Functions(template)
        functions.load()
        from tracestore.http import wiring  # not earlier: parts of it read the environment on import

        wiring.reset()
        yield Deployment(Api(template, functions), wiring.dynamodb(), client, template.table_name, secret)


def store_of_process() -> Store:
    """The store of the handlers in this process, which has a deployment."""
    from tracestore.http import wiring  # reads the environment, which the deployment has set

    return wiring.store()


def changes_of(store: Store, user: User) -> Iterator[Change]:
    """The user's heads as the stream would deliver them, oldest first."""
    page = UserReader(store, user.user_id, Deadline.never()).traces(TraceQuery(newest_first=False), limit=1_000_000)
    for number, listed in enumerate(page.traces):
        pk = keys.trace(user.user_id, listed.trace_id)
        yield Change(number, pk, None, store.table.get(pk, keys.HEAD))


def _bytes(item: dict[str, Any]) -> int:
    return sum(len(name.encode()) + _value_bytes(*next(iter(value.items()))) for name, value in item.items())


def _value_bytes(kind: str, value: Any) -> int:
    """The size of an attribute's value. *source*: DynamoDB developer guide, "Item sizes and formats"."""
    match kind:
        case "S":
            return len(value.encode())
        case "B":
            return len(value)
        case "N":
            return len(value.strip("-.")) // 2 + 2
        case "L":
            return 3 + sum(1 + _value_bytes(*next(iter(each.items()))) for each in value)
        case "M":
            return 3 + sum(
                1 + len(name.encode()) + _value_bytes(*next(iter(each.items()))) for name, each in value.items()
            )
        case "SS" | "NS" | "BS":
            return sum(len(each) for each in value)
        case _:
            return 1
