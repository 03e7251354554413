"""moto's DynamoDB over HTTP in this process, on persistent connections.

moto's own server closes the connection after each response and searches its services for each request. That took more
time than moto itself.
"""

import io
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from moto.core.model_instances import reset_model_data
from moto.moto_server.werkzeug_app import create_backend_app

from dev import moto_shortcuts

_REQUESTS_PER_FORGETTING: Final = 50


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # a connection of a client that is still running has a thread

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.tables = create_backend_app("dynamodb")
        self.streams = create_backend_app("dynamodbstreams")
        self.lock = threading.Lock()
        self._requests = 0

    def forget_instances(self) -> None:
        """Let moto forget the objects that it lists for its reset, once for many requests.

        moto lists every object that it ever made, and each transaction copies the whole table: a test run would take
        gigabytes. The lists serve only the reset of all of its services, which nothing here calls.
        """
        self._requests += 1
        if self._requests % _REQUESTS_PER_FORGETTING == 0:
            reset_model_data()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # persistent connections
    disable_nagle_algorithm = True
    wbufsize = -1  # one packet for headers and body
    server: _Server

    def do_POST(self) -> None:
        """Call moto with a request of DynamoDB or of its streams."""
        is_stream = self.headers.get("X-Amz-Target", "").startswith("DynamoDBStreams")
        application = self.server.streams if is_stream else self.server.tables
        environ = self._environ(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        # moto's state must not change while another thread iterates over it, such as a reader of the stream.
        with self.server.lock:
            content = b"".join(application(environ, self._start))
            self.server.forget_instances()
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *arguments: object) -> None:
        """Log nothing: it would be a line for every call."""

    def _environ(self, body: bytes) -> dict[str, Any]:
        """*source*: PEP 3333, "environ Variables"."""
        host, port = self.server.server_address[:2]
        path, _, query = self.path.partition("?")
        return {
            **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in self.headers.items()},
            "REQUEST_METHOD": self.command,
            "SCRIPT_NAME": "",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "SERVER_NAME": host,
            "SERVER_PORT": str(port),
            "SERVER_PROTOCOL": self.request_version,
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }

    def _start(self, status: str, headers: list[tuple[str, str]], error: Any = None) -> Any:
        code, _, reason = status.partition(" ")
        self.send_response_only(int(code), reason)
        for name, value in headers:
            if name.lower() not in ("content-length", "connection"):
                self.send_header(name, value)


@contextmanager
def running() -> Iterator[str]:
    """The address of a moto with a DynamoDB and its streams, in memory, until the end of the block."""
    moto_shortcuts.take()
    server = _Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, name="moto", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
