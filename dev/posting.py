"""Requests to any deployment: batches that fit, repeated while it is busy, and what went wrong in clear words."""

import gzip
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import httpx

BATCH_SPANS: Final = 200
BATCH_BYTES: Final = 2_000_000
"""Well below the 6 MB that a request may have."""

_ATTEMPTS: Final = 8
_TIMEOUT_S: Final = 60
_BUSY: Final = (httpx.codes.TOO_MANY_REQUESTS, httpx.codes.SERVICE_UNAVAILABLE)
_GZIP_FROM_BYTES: Final = 10_000
_GZIP_LEVEL: Final = 3
"""Faster than any line to a deployment; and what is compressed may hold a span of 4 MB, whatever it is made of."""

Part = TypeVar("Part")


class NotServed(Exception):
    """The deployment did not do what was asked of it; the message says why and what to do."""


class Deployment:
    """A deployment, as the bearer of an API key or a token. *raises* NotServed wherever it does not answer."""

    def __init__(
        self,
        base: str,
        key: str,
        *,
        sleep: Callable[[float], None] = time.sleep,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        headers = {"Authorization": f"Bearer {key}"}
        base = base.rstrip("/")
        self._client = httpx.Client(base_url=base, headers=headers, timeout=_TIMEOUT_S, transport=transport)
        self._sleep = sleep
        self._has_answered = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._client.close()

    def get(self, path: str, query: Mapping[str, str]) -> httpx.Response:
        """The answer to a request that reads, whatever it says, but for a deployment that stays busy."""
        return self._answer("GET", path, params=dict(query))

    def post(self, path: str, content: object) -> httpx.Response:
        """The answer to a body of JSON. What is sent so can be sent again without harm."""
        headers = {"Content-Type": "application/json"}
        body = _json(content)
        if len(body) >= _GZIP_FROM_BYTES:
            body = gzip.compress(body, _GZIP_LEVEL, mtime=0)
            headers["Content-Encoding"] = "gzip"
        return self._answer("POST", path, content=body, headers=headers)

    def _answer(self, method: str, path: str, **request: Any) -> httpx.Response:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                answer = self._client.request(method, path, **request)
            except (httpx.TransportError, httpx.InvalidURL) as error:
                passes = isinstance(error, httpx.TimeoutException | httpx.RemoteProtocolError) or self._has_answered
                if attempt == _ATTEMPTS or not passes:
                    why = f"{self._client.base_url} does not answer ({type(error).__name__})"
                    raise NotServed(f"{why}: is it running, and is the address right?") from error
                self._sleep(min(2.0**attempt / 4, 10))
                continue
            self._has_answered = True
            if answer.status_code not in _BUSY:
                break
            if attempt < _ATTEMPTS:
                self._sleep(_pause_s(answer, attempt))
        return answer


def refusal(answer: httpx.Response, scope: str) -> NotServed:
    """What to say of an answer that is a refusal, to a request that needs this scope."""
    remedy = {
        401: "the key or token was refused; `tracestore token` makes one for the local server",
        403: f"the key lacks the scope `{scope}`; make one that has it",
        404: "there is no trace API at this address; give the address without a path",
    }.get(answer.status_code, "try again later")
    url = answer.request.url.copy_with(query=None)
    return NotServed(f"{url} answered {answer.status_code}: {said(answer) or remedy}")


def said(answer: httpx.Response) -> str:
    """What an answer says of its failure; empty when it does not. Of a batch that is all bad, why its first span is."""
    error = json_of(answer).get("error")
    if not isinstance(error, dict):
        return ""
    (about, *_) = error.get("details") or [error]
    return str((about if error.get("code") == "all_spans_rejected" else error).get("message", ""))


def json_of(answer: httpx.Response) -> dict[str, Any]:
    """The JSON object that an answer is; empty for any other answer."""
    try:
        content = answer.json()
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def batches(parts: Iterable[Part], size_of: Callable[[Part], tuple[int, int]]) -> Iterator[list[Part]]:
    """The parts in order, as many together as a request may carry. `size_of` tells a part's spans and bytes."""
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
    """JSON; in ASCII only where a text is no Unicode."""
    try:
        return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return json.dumps(content).encode()


def _pause_s(answer: httpx.Response, attempt: int) -> float:
    try:
        return min(float(answer.headers["Retry-After"]), 30.0)
    except (KeyError, ValueError):
        return min(2.0**attempt / 4, 10.0)
