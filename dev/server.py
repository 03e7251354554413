"""The API over HTTP on this machine: the gateway's rules around the real handlers, with concurrent requests.

Routes, handlers and CORS come from template.yaml. The environment must be set before the first request.
"""

import asyncio
import contextlib
import socket
import threading
import time
import traceback
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from dev import gateway
from dev.functions import Functions, Invoker
from dev.gateway import Answer, Request, Router
from dev.template import Template

HEAD_BYTES_READ = 1024 * 1024  # far above the gateway's limit, so that its own response is the one that clients get
CONCURRENCY = 16  # concurrent handlers, one for each environment of Lambda
STOP_TIMEOUT_S = 10
IDLE_TIMEOUT_S = 600
"""How long an idle connection stays open: longer than a client reuses it. A request that is sent while the server
closes the connection is lost, and Opik's SDK, which sends again after five seconds, does not send it once more."""

Log = Callable[[Request, Answer, float], None]


class Api:
    """An API that responds to requests as the deployed one does. Safe for many threads."""

    def __init__(self, template: Template, functions: Invoker) -> None:
        self._router = Router(template.routes)
        self._cors = template.cors
        self._functions = functions

    def answer(self, request: Request) -> Answer:
        """The response to `request`. If a handler raises: a 500 in the gateway's shape, and a traceback on stderr."""
        return gateway.with_cors(self._routed(request), request, self._cors)

    def _routed(self, request: Request) -> Answer:
        if request.head_bytes > gateway.MAX_HEAD_BYTES:
            return gateway.HEAD_TOO_LARGE
        if len(request.body) > gateway.MAX_BODY_BYTES:
            return gateway.TOO_LARGE
        match = self._router.match(request.method, request.path)
        if match is None:
            # A preflight goes to a route that accepts OPTIONS, such as $default, and only otherwise to the gateway.
            return gateway.PREFLIGHT if gateway.is_preflight(request, self._cors) else gateway.NOT_FOUND
        route, parameters = match
        try:
            return gateway.answer_of(
                self._functions.invoke(route.function, gateway.event_of(request, route, parameters))
            )
        except Exception:  # as Lambda does: report the error, and let the gateway respond
            traceback.print_exc()
            return gateway.FAILED


def application(api: Api, log: Log | None = None) -> Starlette:
    """`api` as an ASGI application."""
    pool = ThreadPoolExecutor(CONCURRENCY, thread_name_prefix="lambda")

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        pool.shutdown(wait=False, cancel_futures=True)

    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        http = HttpRequest(scope, receive)
        began = time.perf_counter()
        request = await _request_of(http)
        answer = await asyncio.get_running_loop().run_in_executor(pool, api.answer, request)
        await _response_of(answer)(scope, receive, send)
        if log:
            log(request, answer, (time.perf_counter() - began) * 1000)

    app = Starlette(lifespan=lifespan)
    app.router.default = handle  # the gateway's router, not Starlette's
    return app


def listening(port: int, host: str = "127.0.0.1") -> socket.socket:
    """A socket that listens on `port`; 0 for any free port. *raises*: OSError when the port is in use."""
    sock = socket.socket()
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Connections inherit it. Without it, a body waits up to 40 ms for the client to acknowledge the headers.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.bind((host, port))
        sock.listen(2048)
    except OSError:
        sock.close()
        raise
    return sock


@contextlib.contextmanager
def serving(
    template: Template, sock: socket.socket, functions: Invoker | None = None, log: Log | None = None
) -> Iterator[str]:
    """Serve the API from a thread, and yield its address. At the end of the block, running requests are completed."""
    app = application(Api(template, functions or Functions(template)), log)
    config = uvicorn.Config(
        app,
        http="h11",  # the implementation whose limit of the head can be set
        h11_max_incomplete_event_size=HEAD_BYTES_READ,
        log_level="error",
        access_log=False,
        timeout_keep_alive=IDLE_TIMEOUT_S,
        timeout_graceful_shutdown=STOP_TIMEOUT_S,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, name="http", daemon=True)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.01)
    try:
        host, port = sock.getsockname()
        yield f"http://{host}:{port}"
    finally:
        server.should_exit = True
        thread.join(STOP_TIMEOUT_S + 5)
        sock.close()


async def _request_of(http: HttpRequest) -> Request:
    body = bytearray()
    async for chunk in http.stream():
        if len(body) <= gateway.MAX_BODY_BYTES:  # the rest is read only to let the client finish
            body += chunk
    scope = http.scope
    raw_path: bytes = scope.get("raw_path") or scope["path"].encode()
    return Request(
        method=scope["method"],
        path=raw_path.decode("latin-1").partition("?")[0],
        query=scope["query_string"].decode("latin-1"),
        headers=[(key.decode("latin-1"), value.decode("latin-1")) for key, value in scope["headers"]],
        body=bytes(body),
        client=http.client.host if http.client else "",
    )


def _response_of(answer: Answer) -> Response:
    response = Response(answer.body, answer.status)  # adds the length, where the status has a body
    response.raw_headers += [(k.encode(), v.encode("latin-1")) for k, v in answer.headers if k != "content-length"]
    return response
