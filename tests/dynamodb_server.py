"""A server on the loopback interface that answers as a test says, in the place of DynamoDB."""

import contextlib
import json
import threading
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final


@dataclass(frozen=True)
class Scripted:
    """A response. After half of its body (`is_cut`) or all of it (`is_last`), the connection is closed unannounced."""

    body: bytes = b"{}"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    is_cut: bool = False
    is_last: bool = False
    is_chunked: bool = False


def failing(code: str, status: int = 400, headers: dict[str, str] | None = None, **members: Any) -> Scripted:
    """An error as DynamoDB reports it."""
    error = {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": "a message", **members}
    return Scripted(json.dumps(error).encode(), status, headers or {})


@dataclass(frozen=True)
class Received:
    """A request that arrived. `headers` has lower-case names."""

    headers: dict[str, str]
    body: bytes
    client_port: int

    @property
    def json(self) -> Any:
        """The members of the request."""
        return json.loads(self.body)


Answering = Callable[[Received], Scripted]


@contextlib.contextmanager
def serving(answer: Answering) -> Iterator[str]:
    """The address of a server whose responses `answer` returns, until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            with contextlib.suppress(ConnectionError):  # a client that no longer waits
                self._answer(self.rfile.read(int(self.headers.get("content-length", "0"))))

        do_GET = do_POST

        def _answer(self, body: bytes) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            scripted = answer(Received(headers, body, self.client_address[1]))
            self.send_response(scripted.status)
            sent = {"x-amz-crc32": str(zlib.crc32(scripted.body)), **scripted.headers}
            if scripted.is_chunked:
                sent["transfer-encoding"] = "chunked"
            else:
                sent["content-length"] = str(len(scripted.body))
            for name, value in sent.items():
                self.send_header(name, value)
            self.end_headers()
            if scripted.is_chunked:
                half = len(scripted.body) // 2
                for chunk in (scripted.body[:half], scripted.body[half:]):
                    self.wfile.write(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n" if chunk else b"")
                self.wfile.write(b"0\r\n\r\n")
            else:
                self.wfile.write(scripted.body[: len(scripted.body) // 2] if scripted.is_cut else scripted.body)
            self.close_connection = scripted.is_cut or scripted.is_last or sent.get("connection") == "close"

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


NOTHING_STORED: Final = {"Query": b'{"Items": [], "Count": 0}', "BatchGetItem": b'{"Responses": {}}'}


def store_nothing(received: Received) -> Scripted:
    """The response of a table from which reads return nothing and in which writes succeed."""
    return Scripted(NOTHING_STORED.get(received.headers["x-amz-target"].rpartition(".")[2], b"{}"))
