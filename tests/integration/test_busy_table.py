"""Storing spans ends with a 503 after five seconds where DynamoDB is busy, long before the gateway gives up."""

import json
import random
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from tests.api import span
from tests.conftest import TableOnEngine
from tests.gateway import Call, new_user
from tests.otlp import export, headers
from tests.otlp import span as otlp_span
from tracestore.http import wiring


class Busy(BaseHTTPRequestHandler):
    """A DynamoDB that has no items, and leaves all items of a batch unprocessed."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        is_write = self.headers["x-amz-target"].endswith("BatchWriteItem")
        answer: dict[str, Any] = {"UnprocessedItems": body["RequestItems"]} if is_write else {"Items": [], "Count": 0}
        content = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("content-type", "application/x-amz-json-1.0")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Print nothing."""


@pytest.fixture
def busy_table(engine: TableOnEngine, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The functions with such a DynamoDB, in place of the engine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Busy)
    thread = Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("DYNAMODB_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    wiring.reset()
    yield
    wiring.reset()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("path", ["/api/analytics/traces", "/v1/traces"])
def test_storing_spans_waits_five_seconds_for_a_busy_table_and_says_when_to_send_again(
    busy_table: None, call: Call, path: str
) -> None:
    text = random.Random(0).randbytes(300_000).hex()  # too much for the head: it needs a batch
    sent: Any = span(output_data={"text": text})
    options: dict[str, Any] = {"body": sent}
    if path == "/v1/traces":
        body = export(otlp_span("a" * 32, values={"output.value": text}), encoding="json")
        options = {"body": body, "headers": headers("json")}
    started = time.monotonic()
    refused = call("POST", path, user=new_user(), **options)
    assert refused.status == 503
    assert int(refused.headers["retry-after"]) > 0
    assert 3 < time.monotonic() - started < 7
