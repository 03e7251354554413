"""Requests to a deployment: batches within its limits, retries while it is busy, and failures as sentences."""

import gzip
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, Final, Self, TypeVar
from urllib.parse import quote

import httpx

BATCH_SPANS: Final = 200
BATCH_BYTES: Final = 2_000_000
"""Well below the limit of a request, 6 MB."""

_ATTEMPTS: Final = 8
_TIMEOUT_S: Final = 60
_BUSY: Final = (httpx.codes.TOO_MANY_REQUESTS, httpx.codes.SERVICE_UNAVAILABLE)
_GZIP_FROM_BYTES: Final = 10_000
_GZIP_LEVEL: Final = 3
"""Faster than any network connection. A compressed request may contain any span of 4 MiB."""

Part = TypeVar("Part")


class NotServed(Exception):
    """The deployment did not accept a request. The message contains the reason and the remedy."""


class Deployment:
    """A client of a deployment, with an API key or a token, for a team of the token if `owner` names one.

    *raises*: NotServed when a request gets no response.
    """

    def __init__(
        self,
        base: str,
        key: str,
        owner: str | None = None,
        *,
        sleep: Callable[[float], None] = time.sleep,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        headers = {"Authorization": f"Bearer {key}"}
        if owner is not None:
            headers["x-tracestore-owner"] = quote(owner, safe="")
        base = base.rstrip("/")
        self._client = httpx.Client(base_url=base, headers=headers, timeout=_TIMEOUT_S, transport=transport)
        self._sleep = sleep
        self._has_answered = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._client.close()

    def get(self, path: str, query: Mapping[str, str]) -> httpx.Response:
        """The response to a GET, of any status. It is retried while the deployment is busy."""
        return self._answer("GET", path, params=dict(query))

    def post(self, path: str, content: object) -> httpx.Response:
        """The response to a POST of JSON, of any status. It is retried, so it must be repeatable."""
        return self._send("POST", path, content)

    def put(self, path: str, content: object) -> httpx.Response:
        """The response to a PUT of JSON, as of `post`."""
        return self._send("PUT", path, content)

    def _send(self, method: str, path: str, content: object) -> httpx.Response:
        headers = {"Content-Type": "application/json"}
        body = _json(content)
        if len(body) >= _GZIP_FROM_BYTES:
            body = gzip.compress(body, _GZIP_LEVEL, mtime=0)
            headers["Content-Encoding"] = "gzip"
        return self._answer(method, path, content=body, headers=headers)

    def _answer(self, method: str, path: str, **request: Any) -> httpx.Response:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                response = self._client.request(method, path, **request)
            except (httpx.TransportError, httpx.InvalidURL) as error:
                is_temporary = isinstance(error, httpx.TimeoutException | httpx.RemoteProtocolError)
                if attempt == _ATTEMPTS or not (is_temporary or self._has_answered):
                    problem = f"{self._client.base_url} does not answer ({type(error).__name__})"
                    raise NotServed(f"{problem}: is it running, and is the address right?") from error
                self._sleep(_backoff_s(attempt))
                continue
            self._has_answered = True
            if response.status_code not in _BUSY:
                break
            if attempt < _ATTEMPTS:
                self._sleep(_pause_s(response, attempt))
        return response


def refusal(response: httpx.Response, scope: str) -> NotServed:
    """The exception for a response that refuses a request. The request needs this scope."""
    remedy = {
        401: "the key or token was refused; for the local server, `tracestore token` prints a valid one",
        403: f"the key lacks the scope `{scope}`; create a key that has it",
        404: "there is no trace API at this address; pass the address without a path",
    }.get(response.status_code, "try again later")
    url = response.request.url.copy_with(query=None)
    return NotServed(f"{url} answered {response.status_code}: {message_of(response) or remedy}")


def message_of(response: httpx.Response) -> str:
    """The message of a failure; of a batch without any valid span, that of its first span. *absent*: empty."""
    error = json_of(response).get("error")
    if not isinstance(error, dict):
        return ""
    (first, *_) = error.get("details") or [error]
    return str((first if error.get("code") == "all_spans_rejected" else error).get("message", ""))


def json_of(response: httpx.Response) -> dict[str, Any]:
    """The JSON object in a response. *absent*: empty when the response is anything else."""
    try:
        content = response.json()
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def batches(parts: Iterable[Part], size_of: Callable[[Part], tuple[int, int]]) -> Iterator[list[Part]]:
    """The parts in order, in batches that a request may contain. `size_of` returns the spans and bytes of a part."""
    batch: list[Part] = []
    spans = size = 0
    for part in parts:
        more_spans, more_bytes = size_of(part)
        if batch and (spans + more_spans > BATCH_SPANS or size + more_bytes > BATCH_BYTES):
            yield batch
            batch, spans, size = [], 0, 0
        batch.append(part)
        spans += more_spans
        size += more_bytes
    if batch:
        yield batch


def _json(content: object) -> bytes:
    """JSON in UTF-8; in ASCII if a text contains lone surrogates, which UTF-8 cannot encode."""
    try:
        return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return json.dumps(content).encode()


def _pause_s(response: httpx.Response, attempt: int) -> float:
    try:
        return min(float(response.headers["Retry-After"]), 30.0)
    except (KeyError, ValueError):
        return _backoff_s(attempt)


def _backoff_s(attempt: int) -> float:
    """The pause after an attempt for which the deployment names none."""
    return min(2.0**attempt / 4, 10.0)
