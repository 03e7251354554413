"""HTTP/1.1 connections to one server that are kept between requests, for many threads.

`http.client` would spend more time on the headers of a response than the rest of a request to DynamoDB takes. What is
left out here does not occur there: redirects, responses without a length, several responses to one request.
"""

import select
import socket
import ssl
import weakref
from collections import deque
from dataclasses import dataclass
from typing import BinaryIO, Final
from urllib.parse import urlsplit

CONNECT_TIMEOUT_S: Final = 2
READ_TIMEOUT_S: Final = 5
"""Together with the retries, these leave time to respond within API Gateway's 30 seconds."""

KEPT: Final = 16
"""The connections that are kept while idle: as many threads write at once."""

_LINE_BYTES: Final = 65_536
_HEADERS: Final = 100
"""The limits of a response's headers, as in Python's http.client."""


class BadResponse(OSError):
    """A response that was cut, or that is not HTTP/1.1."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A response: `headers` has lower-case names."""

    status: int
    headers: dict[str, str]
    body: bytes


class Connections:
    """The kept connections to the server of `endpoint`; the one that was used last is used first.

    `trusted` is a file of the certificates to trust in place of the system's. *raises*: ValueError where the endpoint
    is no address.
    """

    def __init__(self, endpoint: str, trusted: str | None = None) -> None:
        address = urlsplit(endpoint)
        if address.scheme not in ("http", "https") or not address.hostname:
            raise ValueError(
                f"The endpoint must be an address such as https://dynamodb.eu-west-1.amazonaws.com: {endpoint}"
            )
        self.host = address.netloc
        self._name = address.hostname
        self._port = address.port or (443 if address.scheme == "https" else 80)
        self._tls = ssl.create_default_context(cafile=trusted) if address.scheme == "https" else None
        self._idle: deque[_Connection] = deque()
        self.close = weakref.finalize(self, _close_all, self._idle)
        """Close the idle connections, at the latest when this object or the process ends."""

    def post(self, headers: dict[str, str], body: bytes) -> Answer:
        """Send a POST to `/` and read its response. `headers` has to contain the host.

        *raises*: OSError; the connection is closed then.
        """
        connection = self._take()
        try:
            answer = connection.post(headers, body)
        except BaseException:
            connection.close()
            raise
        if answer.headers.get("connection", "").lower() == "close" or len(self._idle) >= KEPT:
            connection.close()
        else:
            self._idle.append(connection)
        return answer

    def _take(self) -> "_Connection":
        """An idle connection that the server has not closed, else a new one.

        While a function is frozen, the server closes its connections: a request on such a connection would be lost.
        """
        while self._idle:
            try:
                connection = self._idle.pop()
            except IndexError:  # another thread took the last one
                break
            if not connection.is_readable():
                return connection
            connection.close()
        return self._connect()

    def _connect(self) -> "_Connection":
        plain = socket.create_connection((self._name, self._port), timeout=CONNECT_TIMEOUT_S)
        try:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            secured = self._tls.wrap_socket(plain, server_hostname=self._name) if self._tls else plain
        except BaseException:
            plain.close()
            raise
        secured.settimeout(READ_TIMEOUT_S)
        return _Connection(secured)


class _Connection:
    """One connection. A request is sent when the response to the one before has been read."""

    __slots__ = ("_reader", "_socket")

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._reader: BinaryIO = connected.makefile("rb")

    def post(self, headers: dict[str, str], body: bytes) -> Answer:
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self._socket.sendall(f"POST / HTTP/1.1\r\n{lines}content-length: {len(body)}\r\n\r\n".encode() + body)
        status = self._read_status()
        received = self._read_headers()
        return Answer(status, received, self._read_body(received))

    def is_readable(self) -> bool:
        """Whether there is something to read. On an idle connection, that is its end."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return bool(poll.poll(0))

    def close(self) -> None:
        self._reader.close()
        self._socket.close()

    def _read_status(self) -> int:
        version, _, rest = self._read_line().partition(b" ")
        if version != b"HTTP/1.1" or not rest[:3].isdigit():
            raise BadResponse("the response does not begin with an HTTP/1.1 status")
        return int(rest[:3])

    def _read_headers(self) -> dict[str, str]:
        headers: dict[str, str] = {}
        for _ in range(_HEADERS):
            line = self._read_line()
            if not line:
                return headers
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        raise BadResponse("the response has too many headers")

    def _read_body(self, headers: dict[str, str]) -> bytes:
        try:
            if headers.get("transfer-encoding", "").lower() != "chunked":
                return self._read_exactly(int(headers["content-length"]))
            chunks = []
            while size := int(self._read_line().partition(b";")[0], 16):
                chunks.append(self._read_exactly(size))
                self._read_line()
        except (KeyError, ValueError) as error:
            raise BadResponse("the response does not state its length") from error
        self._read_headers()  # of the trailer
        return b"".join(chunks)

    def _read_exactly(self, size: int) -> bytes:
        content = self._reader.read(size)
        if len(content) != size:
            raise BadResponse("the response was cut")
        return content

    def _read_line(self) -> bytes:
        line = self._reader.readline(_LINE_BYTES)
        if not line.endswith(b"\n"):
            raise BadResponse("the response was cut")
        return line.rstrip(b"\r\n")


def _close_all(connections: deque[_Connection]) -> None:
    while connections:
        connections.pop().close()
