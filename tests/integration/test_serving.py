"""The local server over HTTP and its stream delivery, with a scratch template of one function."""

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import httpx
import pytest

from dev import server, streams
from dev.engines import create_table
from dev.template import Template
from tests.conftest import TableOnEngine

TEMPLATE = """
Resources:
  Table:
    Type: AWS::DynamoDB::Table
    Properties: {}
  Api:
    Type: AWS::Serverless::HttpApi
  ScratchFunction:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: scratch/
      Handler: scratch_handler.handler
      Timeout: 29
      MemorySize: 512
      Events:
        Echo: { Type: HttpApi, Properties: { Method: POST, Path: "/echo/{name}" } }
        Heads:
          Type: DynamoDB
          Properties:
            Stream: !GetAtt Table.StreamArn
            BatchSize: 10
            FilterCriteria: { Filters: [{ Pattern: '{"dynamodb": {"Keys": {"sk": {"S": ["H"]}}}}' }] }
"""
WINDOWED = """
  WindowedFunction:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: scratch/
      Handler: scratch_handler.handler
      Timeout: 29
      MemorySize: 512
      Events:
        All:
          Type: DynamoDB
          Properties: { Stream: !GetAtt Table.StreamArn, TumblingWindowInSeconds: 900, BatchSize: 1 }
"""
HANDLER = """
import threading
meeting = threading.Barrier(2, timeout=10)
def handler(event, context):
    match event["pathParameters"]["name"]:
        case "meet":
            meeting.wait()
        case "fail":
            raise RuntimeError("on purpose")
        case "time":
            return {"statusCode": 200, "body": str(context.get_remaining_time_in_millis())}
    return {"statusCode": 200, "body": event.get("body", "")}
"""


@pytest.fixture
def scratch(tmp_path: Path) -> Template:
    (tmp_path / "scratch").mkdir()
    (tmp_path / "scratch" / "scratch_handler.py").write_text(HANDLER)
    (tmp_path / "template.yaml").write_text(TEMPLATE)
    return Template(tmp_path / "template.yaml", table=f"scratch-{secrets.token_hex(4)}")


@pytest.fixture
def http(scratch: Template) -> Iterator[httpx.Client]:
    with (
        server.serving(scratch, server.listening(0)) as base,
        httpx.Client(base_url=base) as client,
    ):
        yield client


def test_requests_are_served_concurrently(http: httpx.Client) -> None:
    with ThreadPoolExecutor(2) as pool:
        responses = list(pool.map(lambda _: http.post("/echo/meet"), range(2)))
    assert [response.status_code for response in responses] == [200, 200]


def test_a_chunked_body_arrives_complete(http: httpx.Client) -> None:
    response = http.post("/echo/x", content=iter([b"one ", b"two"]), headers={"content-type": "text/plain"})
    assert response.text == "one two"


def test_an_idle_connection_stays_open_while_a_client_waits_to_send_again(scratch: Template) -> None:
    """Opik's SDK waits for five seconds, after which uvicorn by default closed the connection."""
    text = {"content-type": "text/plain"}
    with (
        server.serving(scratch, server.listening(0)) as base,
        closing(HTTPConnection(base.removeprefix("http://"))) as connection,
    ):
        connection.request("POST", "/echo/x", body="first", headers=text)
        assert connection.getresponse().read() == b"first"
        connection.auto_open = 0
        time.sleep(6)
        connection.request("POST", "/echo/x", body="second", headers=text)
        assert connection.getresponse().read() == b"second"


def test_a_body_over_ten_megabytes_gets_the_gateways_413(http: httpx.Client) -> None:
    response = http.post("/echo/x", content=b" " * (10 * 1024 * 1024 + 1))
    assert (response.status_code, response.json()) == (413, {"message": "Request Entity Too Large"})


@pytest.mark.parametrize("place", ["query", "header"])
@pytest.mark.parametrize(("beyond", "status"), [(0, 200), (1, 431), (10_000, 431), (50_000, 431)])
def test_a_request_line_and_headers_over_ten_kilobytes_get_the_gateways_431(
    http: httpx.Client, place: str, beyond: int, status: int
) -> None:
    def request(filling: str) -> httpx.Request:
        return http.build_request(
            "POST",
            f"/echo/x?fill={filling}" if place == "query" else "/echo/x",
            headers={} if place == "query" else {"x-fill": filling},
            content=b"in",
        )

    sent = request("-")
    lines = [
        f"POST {sent.url.raw_path.decode()} HTTP/1.1",
        *(f"{name}: {value}" for name, value in sent.headers.items()),
    ]
    head = "".join(f"{line}\r\n" for line in [*lines, ""])
    response = http.send(request("-" * (10_240 - len(head) + 1 + beyond)))
    assert response.status_code == status
    if status == 431:
        assert response.json() == {"message": "Request Header Fields Too Large"}


def test_a_handler_that_raises_gets_the_gateways_500(http: httpx.Client, capfd: pytest.CaptureFixture[str]) -> None:
    response = http.post("/echo/fail")
    assert (response.status_code, response.json()) == (500, {"message": "Internal Server Error"})


CORS = """
      CorsConfiguration: { AllowOrigins: ["https://app.example"], AllowMethods: [POST] }
"""


def test_without_a_route_for_options_the_gateway_answers_a_preflight(scratch: Template) -> None:
    scratch.path.write_text(TEMPLATE.replace("HttpApi\n", "HttpApi\n    Properties:" + CORS, 1))
    headers = {"origin": "https://app.example", "access-control-request-method": "POST"}
    with server.serving(Template(scratch.path), server.listening(0)) as base:
        answered = httpx.options(f"{base}/echo/x", headers=headers)
        unknown = httpx.options(f"{base}/echo/x", headers={"origin": "https://app.example"})
    assert (answered.status_code, answered.headers["access-control-allow-methods"]) == (204, "POST")
    assert unknown.status_code == 404


def test_a_handler_can_read_its_remaining_time(http: httpx.Client) -> None:
    assert 20_000 < int(http.post("/echo/time").text) <= 29_000


class Inbox:
    """The batches that a subscriber received. It fails the first `failures` of them."""

    def __init__(self, failures: int = 0) -> None:
        self.batches: list[list[dict[str, Any]]] = []
        self._failures = failures
        self._lock = threading.Lock()

    def take(self, _: str, event: dict[str, Any]) -> None:
        with self._lock:
            self.batches.append(event["Records"])
            if len(self.batches) <= self._failures:
                raise RuntimeError("on purpose")

    def changes_of(self, pk: str) -> list[tuple[str, str]]:
        with self._lock:
            records = [r for batch in self.batches for r in batch if r["dynamodb"]["Keys"]["pk"]["S"] == pk]
        return [(r["eventName"], r["dynamodb"]["Keys"]["sk"]["S"]) for r in records]


@pytest.fixture
def deliver(engine: TableOnEngine, scratch: Template, user: Any) -> Callable[[Inbox, int], list[tuple[str, str]]]:
    """Writes, overwrites and deletes a head, writes a segment, and waits for the expected number of changes.

    It uses a table of its own: a stream is read from its beginning, and the shared table's contains the changes of all
    tests.
    """
    client = create_table(engine.endpoint, Template(table=scratch.table_name))

    def run(inbox: Inbox, expected: int) -> list[tuple[str, str]]:
        pk = {"S": user.name}
        with streams.delivering(scratch, engine.endpoint, inbox.take):
            for item in ({"sk": {"S": "H"}}, {"sk": {"S": "S#1"}}, {"sk": {"S": "H"}, "n": {"N": "1"}}):
                client.put_item(TableName=scratch.table_name, Item={"pk": pk, **item})
            client.delete_item(TableName=scratch.table_name, Key={"pk": pk, "sk": {"S": "H"}})
            deadline = time.monotonic() + 15
            while len(inbox.changes_of(user.name)) < expected and time.monotonic() < deadline:
                time.sleep(0.05)
        return inbox.changes_of(user.name)

    return run


def test_a_failing_function_delays_no_other_and_a_window_has_a_state(
    engine: TableOnEngine, scratch: Template, capfd: pytest.CaptureFixture[str]
) -> None:
    scratch.path.write_text(TEMPLATE + WINDOWED)
    template = Template(scratch.path, table=scratch.table_name)
    client = create_table(engine.endpoint, Template(table=scratch.table_name))
    for name in ("H", "I", "J"):
        client.put_item(TableName=scratch.table_name, Item={"pk": {"S": "x"}, "sk": {"S": name}})
    states: list[dict[str, Any]] = []
    enough = threading.Event()

    def take(function: str, event: dict[str, Any]) -> dict[str, Any]:
        if function == "ScratchFunction":
            raise RuntimeError("on purpose")
        states.append(event["state"])
        if len(states) == 3:
            enough.set()
        return {"state": {"shard": event["shardId"], "calls": len(states)}}

    with streams.delivering(template, engine.endpoint, take):
        assert enough.wait(15)
    assert [state.get("calls") for state in states] == [None, 1, 2]
    assert len({state["shard"] for state in states[1:]}) == 1


HEADS = [("INSERT", "H"), ("MODIFY", "H"), ("REMOVE", "H")]


def test_a_subscriber_receives_the_matching_changes_in_order(
    deliver: Callable[[Inbox, int], list[tuple[str, str]]],
) -> None:
    assert deliver(Inbox(), 3) == HEADS


def test_a_failed_batch_is_delivered_again(
    deliver: Callable[[Inbox, int], list[tuple[str, str]]],
    capfd: pytest.CaptureFixture[str],
) -> None:
    inbox = Inbox(failures=1)
    deliver(inbox, 4)
    assert inbox.batches[0] == inbox.batches[1]
