"""A client of its own for each test, and stores that are not well."""

import contextlib
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import tracestore_client as client
from tracestore_client import _by_name, _quiet, _state

Configure = Callable[..., TracerProvider]


@pytest.fixture
def configure() -> Iterator[Configure]:
    """Configures the client with a provider of the test's own; afterwards nothing is left of it."""
    made: list[TracerProvider] = []

    def configured(endpoint: str = "http://127.0.0.1:9", **told: Any) -> TracerProvider:
        made.append(told.pop("tracer_provider", None) or TracerProvider(shutdown_on_exit=False))
        assert client.configure(endpoint, "tsk_test", "tests", tracer_provider=made[-1], **told)
        return made[-1]

    _quiet.forget_told()
    yield configured
    if _state.state.delivery:
        _state.state.delivery.stop(0)
    _state.state.__init__()  # type: ignore[misc]
    _by_name.trace_as_lessons([])


@pytest.fixture
def spans(configure: Configure) -> Iterator[InMemorySpanExporter]:
    """What has ended in a test that only looks at spans; they are sent to nobody."""
    provider = configure(limits=client.Limits(interval_s=60))
    exporter = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield exporter
    exporter.shutdown()


@dataclass
class Store:
    """A server that answers what it is told to, and how often it was asked."""

    base: str = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: {"content-type": "application/x-protobuf"})
    body: bytes = b""
    asked: list[dict[str, str]] = field(default_factory=list)
    is_open: threading.Event = field(default_factory=threading.Event)


@pytest.fixture
def store() -> Iterator[Store]:
    """A store that takes everything, unless it is told otherwise."""
    told = Store()
    told.is_open.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            told.asked.append({name.lower(): value for name, value in self.headers.items()})
            told.is_open.wait(30)
            with contextlib.suppress(OSError):
                self.send_response(told.status)
                for name, value in told.headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(told.body)))
                self.end_headers()
                self.wfile.write(told.body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    told.base = f"http://127.0.0.1:{server.server_port}"
    yield told
    told.is_open.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def garbage() -> Iterator[str]:
    """A server that answers what is no HTTP."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError):
                self.request.recv(1024)
                self.request.sendall(b"\x00\xffgarbage\r\n\r\n" * 100)

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def hanging() -> Iterator[str]:
    """A server that takes connections and never says a word, as one does that is slower than anybody waits."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@pytest.fixture
def refusing() -> str:
    """Where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return f"http://127.0.0.1:{listening.getsockname()[1]}"
