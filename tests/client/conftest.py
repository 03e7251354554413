"""Fixtures: a new client for each test, and stores with faults."""

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
from tracestore_client import _by_name, _failures, _state

Configure = Callable[..., TracerProvider]


@pytest.fixture
def configure() -> Iterator[Configure]:
    """A function that configures the client with a new provider. The state of the client is reset after the test."""
    providers: list[TracerProvider] = []

    def configured(endpoint: str = "http://127.0.0.1:9", **options: Any) -> TracerProvider:
        providers.append(options.pop("tracer_provider", None) or TracerProvider(shutdown_on_exit=False))
        assert client.configure(endpoint, "tsk_test", "tests", tracer_provider=providers[-1], **options)
        return providers[-1]

    _failures.forget_logged_kinds()
    yield configured
    if _state.state.delivery:
        _state.state.delivery.stop(0)
    _state.state.__init__()  # type: ignore[misc]
    _by_name.trace_as_lessons([])


@pytest.fixture
def spans(configure: Configure) -> Iterator[InMemorySpanExporter]:
    """The ended spans of a test that needs no store."""
    provider = configure(limits=client.Limits(interval_s=60))
    exporter = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield exporter
    exporter.shutdown()


@dataclass
class Store:
    """A server with a configurable response. `requests` contains the headers of each request, in lower case."""

    base: str = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: {"content-type": "application/x-protobuf"})
    body: bytes = b""
    requests: list[dict[str, str]] = field(default_factory=list)
    is_open: threading.Event = field(default_factory=threading.Event)


@pytest.fixture
def store() -> Iterator[Store]:
    """A store that accepts everything, unless the test configures it otherwise."""
    store = Store()
    store.is_open.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            store.requests.append({name.lower(): value for name, value in self.headers.items()})
            store.is_open.wait(30)
            with contextlib.suppress(OSError):
                self.send_response(store.status)
                for name, value in store.headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(store.body)))
                self.end_headers()
                self.wfile.write(store.body)

        def log_message(self, format: str, *args: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    store.base = f"http://127.0.0.1:{server.server_port}"
    yield store
    store.is_open.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def garbage() -> Iterator[str]:
    """The address of a server whose responses are not HTTP."""

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
    """The address of a server that accepts connections and never responds, like one slower than every timeout."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@pytest.fixture
def refusing() -> str:
    """An address that refuses connections."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return f"http://127.0.0.1:{listening.getsockname()[1]}"
