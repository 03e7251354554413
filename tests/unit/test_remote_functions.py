"""Functions behind Lambda's API get the events of the local gateway; SAM's own gateway could not pass them on."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import flask
import pytest
from samcli.local.apigw.event_constructor import construct_v2_event_http  # type: ignore[import-untyped]

from dev.gateway import Request
from dev.remote_functions import FunctionFailed, RemoteFunctions
from dev.server import Api
from dev.template import Template

CAPTURE = "CaptureFunction"
QUERY = "QueryFunction"
BYTES = b"\x0a\xff\x00"


class Lambda(ThreadingHTTPServer):
    """An endpoint of Lambda's API. `answer` returns the status, the headers and the content for an event."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer: Callable[[dict[str, Any]], tuple[int, dict[str, str], Any]] = lambda event: (200, {}, event)
        self.paths: list[str] = []
        self.running: list[str] = []
        self.most_running = 0
        self.lock = threading.Lock()
        self.url = f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Lambda

    def do_POST(self) -> None:
        event = json.loads(self.rfile.read(int(self.headers["content-length"])))
        with self.server.lock:
            self.server.paths.append(self.path)
            self.server.running.append(self.path)
            self.server.most_running = max(self.server.most_running, len(self.server.running))
        status, headers, content = self.server.answer(event)
        with self.server.lock:
            self.server.running.remove(self.path)
        body = json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"content-length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def endpoint() -> Iterator[Lambda]:
    server = Lambda()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def functions(endpoint: Lambda) -> Iterator[RemoteFunctions]:
    remote = RemoteFunctions(Template(), endpoint.url)
    yield remote
    remote.close()


def test_a_function_is_called_by_its_logical_name_with_the_event(endpoint: Lambda, functions: RemoteFunctions) -> None:
    assert functions.invoke(CAPTURE, {"key": "é"}) == {"key": "é"}
    assert endpoint.paths == ["/2015-03-31/functions/CaptureFunction/invocations"]


def test_a_binary_body_arrives_in_base64_and_its_response_as_bytes(
    endpoint: Lambda, functions: RemoteFunctions
) -> None:
    endpoint.answer = lambda event: (200, {}, {"statusCode": 200, "body": event["body"], "isBase64Encoded": True})
    sent = Request("POST", "/v1/traces", headers=[("Content-Type", "application/x-protobuf")], body=BYTES)
    assert Api(Template(), functions).answer(sent).body == BYTES


def test_a_failed_function_is_reported_by_the_type_of_its_error_alone(
    endpoint: Lambda, functions: RemoteFunctions
) -> None:
    content = {"errorType": "KeyError", "errorMessage": "a prompt"}
    endpoint.answer = lambda _: (200, {"X-Amz-Function-Error": "Unhandled"}, content)
    with pytest.raises(FunctionFailed, match=r"^CaptureFunction has failed with KeyError\.$"):
        functions.invoke(CAPTURE, {})


@pytest.mark.parametrize("status", [404, 500])
def test_an_endpoint_that_cannot_call_the_function_is_reported(
    endpoint: Lambda, functions: RemoteFunctions, status: int
) -> None:
    endpoint.answer = lambda _: (status, {}, None)
    with pytest.raises(FunctionFailed, match=str(status)):
        functions.invoke(CAPTURE, {})


@pytest.mark.parametrize(("names", "most"), [((CAPTURE, CAPTURE), 1), ((CAPTURE, QUERY), 2)])
def test_calls_of_one_function_wait_for_each_other(
    endpoint: Lambda, functions: RemoteFunctions, names: tuple[str, str], most: int
) -> None:
    def slow(event: dict[str, Any]) -> tuple[int, dict[str, str], Any]:
        deadline = time.monotonic() + (5 if most == 2 else 0.2)
        while endpoint.most_running < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        return 200, {}, event

    endpoint.answer = slow
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(lambda name: functions.invoke(name, {}), names)) == [{}, {}]
    assert endpoint.most_running == most


def test_a_call_that_is_cut_off_by_the_end_ends_its_thread_without_a_traceback(endpoint: Lambda) -> None:
    def answer(event: dict[str, Any]) -> tuple[int, dict[str, str], Any]:
        ended.wait(10)
        return 200, {}, event

    def call() -> bool:
        with pytest.raises(SystemExit):  # which a thread does not print
            functions.invoke(CAPTURE, {})
        return True

    ended, endpoint.answer = threading.Event(), answer
    functions = RemoteFunctions(Template(), endpoint.url)
    with ThreadPoolExecutor(1) as pool:
        called = pool.submit(call)
        while not endpoint.running:
            time.sleep(0.01)
        functions.close()
        ended.set()
        assert called.result(10)


def test_sam_local_start_api_cannot_pass_on_a_binary_body() -> None:
    """The reason for the gateway of our own: an HTTP API has no list of binary types in SAM, and bodies are text.

    When this fails, SAM's own server may do.
    """
    with (
        flask.Flask("scratch").test_request_context(
            "/v1/traces", method="POST", data=BYTES, content_type="application/x-protobuf"
        ),
        pytest.raises(UnicodeDecodeError),
    ):
        construct_v2_event_http(flask.request, 3000, binary_types=[])
