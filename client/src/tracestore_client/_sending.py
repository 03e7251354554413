"""One batch of spans to the store, by OpenTelemetry's own exporter, and what became of it.

The exporter tells success from failure and no more, logs every failed batch, takes any answer below 400 for a success
and reads answers of any size. What is added: the reason of a failure, which answers are the store's, a bound on what
is read of one, and silence.
"""

import io
import logging
import threading
import time
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import requests
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, attach, detach, set_value
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult

from ._settings import Settings

TOO_LARGE: Final = 413
MAX_ANSWER_BYTES: Final = 16_384
OUR_HEADERS: Final = frozenset({"content-type", "content-encoding", "user-agent", "authorization"})
"""What is sent. The exporter adds whatever OTEL_EXPORTER_OTLP_HEADERS names, which may be another service's key."""

_NOISY: Final = (
    "opentelemetry.exporter.otlp.proto.http.trace_exporter",
    "opentelemetry.exporter.otlp.common.http",
    "opentelemetry.exporter.otlp.proto.common._internal",
    "urllib3.connectionpool",
)


class Outcome(NamedTuple):
    """How many spans the store did not take, and why; `reason` is None when it took all."""

    lost: int
    reason: str | None


class Sender:
    """Sends batches, one at a time. `close` ends the waiting between retries, not a request under way."""

    def __init__(self, settings: Settings) -> None:
        self._session = _Session()
        self._exporter = OTLPSpanExporter(
            endpoint=settings.url,
            headers={"authorization": f"Bearer {settings.api_key}"},
            timeout=settings.limits.export_timeout_s,
            compression=Compression.Gzip,
            session=self._session,
        )

    def send(self, spans: Sequence[ReadableSpan]) -> Outcome:
        """What became of `spans`. What is too large for one request is sent in halves. Never raises."""
        outcome = self._send(spans)
        if self._session.status != TOO_LARGE or len(spans) < 2:
            return outcome
        middle = len(spans) // 2
        halves = self.send(spans[:middle]), self.send(spans[middle:])
        return Outcome(sum(half.lost for half in halves), halves[0].reason or halves[1].reason)

    def close(self) -> None:
        """End it. Never raises."""
        _in_silence.on = True
        try:
            self._exporter.shutdown()  # type: ignore[no-untyped-call]
        except Exception:
            return
        finally:
            _in_silence.on = False

    def _send(self, spans: Sequence[ReadableSpan]) -> Outcome:
        self._session.forget()
        token = attach(set_value(_SUPPRESS_INSTRUMENTATION_KEY, True))  # else an instrumented `requests` never ends
        _in_silence.on = True
        try:
            result = self._exporter.export(spans)
        except Exception as failure:
            return Outcome(len(spans), type(failure).__name__)
        finally:
            _in_silence.on = False
            detach(token)
        if result is SpanExportResult.SUCCESS:
            return self._session.taken(len(spans))
        return Outcome(len(spans), self._session.failure())


class _Session(requests.Session):
    """Remembers how the last request ended, and reads no more of an answer than one of the store's is long."""

    def __init__(self) -> None:
        super().__init__()
        self.auth = _nothing_to_add  # else ~/.netrc may add a second credential
        self.forget()

    def forget(self) -> None:
        self.status: int | None = None
        self._error: str | None = None
        self._kind = ""
        self._body = b""
        self._is_whole = True

    def request(self, method: str, url: str, **sent: Any) -> requests.Response:  # type: ignore[override]
        self.forget()
        sent["headers"] = {k: v for k, v in (sent.get("headers") or {}).items() if k.lower() in OUR_HEADERS}
        for name in [name for name in self.headers if name.lower() not in OUR_HEADERS]:
            del self.headers[name]
        deadline = time.monotonic() + _seconds(sent.get("timeout"))
        try:
            with super().request(method, url, **{**sent, "stream": True, "allow_redirects": False}) as answer:
                body, self._is_whole = _beginning(answer, deadline)
        except Exception as failure:
            self._error = type(failure).__name__
            raise
        self.status, self._kind, self._body = answer.status_code, answer.headers.get("content-type", ""), body
        # The exporter gets what was read, and cannot go on reading.
        copy = requests.Response()
        copy.status_code, copy.reason, copy.headers, copy.url = answer.status_code, answer.reason, answer.headers, url
        copy.headers.pop("content-encoding", None)
        copy.raw = io.BytesIO(body)
        return copy

    def taken(self, count: int) -> Outcome:
        """What the store says of a batch that the exporter takes for delivered."""
        if self.status is None or not 200 <= self.status < 300:
            return Outcome(count, self.failure())
        if not self._body and not self._kind:
            return Outcome(0, None)
        try:
            if "protobuf" not in self._kind or not self._is_whole:
                raise ValueError
            told = ExportTraceServiceResponse.FromString(self._body).partial_success
        except Exception:
            return Outcome(count, "something other than a trace store answered: check the endpoint")
        rejected = min(max(told.rejected_spans, 0), count)
        return Outcome(rejected, "the store rejected single spans" if rejected else None)

    def failure(self) -> str:
        """Why the last request failed, without anything that the other side or the application wrote."""
        if self._error:
            return self._error
        if self.status is None:
            return "it could not be encoded"
        hint = {401: ": check the API key", 403: ": the key lacks the scope ingest", 404: ": check the endpoint"}
        return f"HTTP {self.status}{hint.get(self.status, '')}"


def _nothing_to_add(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _seconds(timeout: object) -> float:
    return float(timeout) if isinstance(timeout, int | float) else 10.0


def _beginning(answer: requests.Response, deadline: float) -> tuple[bytes, bool]:
    """What comes until the deadline, up to the limit, and whether that is all of it."""
    body = bytearray()
    for piece in answer.iter_content(1):  # buffered below; in larger ones a trickle outlasts every timeout
        body += piece
        if len(body) >= MAX_ANSWER_BYTES or time.monotonic() > deadline:
            return bytes(body), False
    return bytes(body), True


class _Silence(threading.local):
    on = False


_in_silence: Final = _Silence()


class _OnlyOthers(logging.Filter):
    """Drops what is logged while this module sends: that is told once, elsewhere. Other exporters' stays."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not _in_silence.on


_only_others: Final = _OnlyOthers()


def be_silent() -> None:
    """Keep the exporter's own log lines about our batches out of the log. *repeat*: changes nothing."""
    for name in _NOISY:
        logging.getLogger(name).addFilter(_only_others)  # which adds an object once
