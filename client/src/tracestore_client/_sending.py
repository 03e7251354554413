"""Sending of one batch of spans by OpenTelemetry's own exporter, and its outcome.

The exporter only reports success or failure, logs every failed batch, treats any status below 400 as success and reads
responses of any size. This module adds the reason of a failure, a check that the response comes from a trace store, a
limit on the bytes read of a response, and silence in the log.
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
MAX_RESPONSE_BYTES: Final = 16_384
ALLOWED_HEADERS: Final = frozenset({"content-type", "content-encoding", "user-agent", "authorization"})
"""The only headers that are sent.

The exporter also adds the headers in OTEL_EXPORTER_OTLP_HEADERS, which may contain another service's key.
"""

_EXPORTER_LOGGERS: Final = (
    "opentelemetry.exporter.otlp.proto.http.trace_exporter",
    "opentelemetry.exporter.otlp.common.http",
    "opentelemetry.exporter.otlp.proto.common._internal",
    "urllib3.connectionpool",
)


class Outcome(NamedTuple):
    """How many spans of a batch the store did not accept, and why. `reason` is None when it accepted all."""

    lost: int
    reason: str | None


class Sender:
    """A sender of batches, one at a time."""

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
        """Send `spans` and return the outcome. A batch that is too large for one request is sent in halves.

        *raises*: never; a failure is an outcome.
        """
        outcome = self._send(spans)
        if self._session.status != TOO_LARGE or len(spans) < 2:
            return outcome
        middle = len(spans) // 2
        halves = self.send(spans[:middle]), self.send(spans[middle:])
        return Outcome(sum(half.lost for half in halves), halves[0].reason or halves[1].reason)

    def close(self) -> None:
        """Close the exporter. This ends its wait between retries, but not a request that is being sent.

        *raises*: never.
        """
        _silence.is_on = True
        try:
            self._exporter.shutdown()  # type: ignore[no-untyped-call]
        except Exception:
            return
        finally:
            _silence.is_on = False

    def _send(self, spans: Sequence[ReadableSpan]) -> Outcome:
        self._session.reset()
        # Otherwise an instrumented `requests` traces this request, and sending that span never ends.
        token = attach(set_value(_SUPPRESS_INSTRUMENTATION_KEY, True))
        _silence.is_on = True
        try:
            result = self._exporter.export(spans)
        except Exception as failure:
            return Outcome(len(spans), type(failure).__name__)
        finally:
            _silence.is_on = False
            detach(token)
        if result is SpanExportResult.SUCCESS:
            return self._session.outcome(len(spans))
        return Outcome(len(spans), self._session.failure_reason())


class _Session(requests.Session):
    """A session that remembers the result of the last request and limits how much of a response is read."""

    def __init__(self) -> None:
        super().__init__()
        self.auth = _no_auth  # otherwise ~/.netrc may add a second credential
        self.reset()

    def reset(self) -> None:
        self.status: int | None = None
        self._error: str | None = None
        self._content_type = ""
        self._body = b""
        self._is_complete = True

    def request(self, method: str, url: str, **options: Any) -> requests.Response:  # type: ignore[override]
        self.reset()
        options["headers"] = {k: v for k, v in (options.get("headers") or {}).items() if k.lower() in ALLOWED_HEADERS}
        for name in [name for name in self.headers if name.lower() not in ALLOWED_HEADERS]:
            del self.headers[name]
        deadline_s = time.monotonic() + _seconds(options.get("timeout"))
        try:
            with super().request(method, url, **{**options, "stream": True, "allow_redirects": False}) as response:
                body, self._is_complete = _read_limited(response, deadline_s)
        except Exception as failure:
            self._error = type(failure).__name__
            raise
        self.status, self._body = response.status_code, body
        self._content_type = response.headers.get("content-type", "")
        # The exporter gets a copy with the bytes that were read, so it cannot read more.
        copy = requests.Response()
        copy.status_code, copy.reason, copy.url = response.status_code, response.reason, response.url
        copy.headers = response.headers
        copy.headers.pop("content-encoding", None)
        copy.raw = io.BytesIO(body)
        return copy

    def outcome(self, count: int) -> Outcome:
        """The outcome of a batch of `count` spans that the exporter considers delivered."""
        if self.status is None or not 200 <= self.status < 300:
            return Outcome(count, self.failure_reason())
        if not self._body and not self._content_type:
            return Outcome(0, None)
        try:
            if "protobuf" not in self._content_type or not self._is_complete:
                raise ValueError
            partial_success = ExportTraceServiceResponse.FromString(self._body).partial_success
        except Exception:
            return Outcome(count, "the response is not from a trace store: check the endpoint")
        rejected_count = min(max(partial_success.rejected_spans, 0), count)
        return Outcome(rejected_count, "the store rejected some spans" if rejected_count else None)

    def failure_reason(self) -> str:
        """Why the last request failed. It never quotes text from the server or the application."""
        if self._error:
            return self._error
        if self.status is None:
            return "the batch could not be encoded"
        hint = {401: ": check the API key", 403: ": the API key lacks the scope ingest", 404: ": check the endpoint"}
        return f"HTTP {self.status}{hint.get(self.status, '')}"


def _no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _seconds(timeout: object) -> float:
    return float(timeout) if isinstance(timeout, int | float) else 10.0


def _read_limited(response: requests.Response, deadline_s: float) -> tuple[bytes, bool]:
    """The bytes of a response until the deadline and up to the limit, and whether they are the whole response."""
    body = bytearray()
    # One byte at a time, from a buffered socket: with larger chunks, a very slow response outlasts every timeout.
    for chunk in response.iter_content(1):
        body += chunk
        if len(body) >= MAX_RESPONSE_BYTES or time.monotonic() > deadline_s:
            return bytes(body), False
    return bytes(body), True


class _Silence(threading.local):
    is_on = False


_silence: Final = _Silence()


class _SilenceFilter(logging.Filter):
    """A filter that drops the log records of this module's requests, but not those of other exporters.

    `_delivery` logs each reason for lost spans once.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        return not _silence.is_on


_silence_filter: Final = _SilenceFilter()


def silence_exporter_logs() -> None:
    """Keep the exporter's log lines about our batches out of the log. *repeat*: changes nothing."""
    for name in _EXPORTER_LOGGERS:
        logging.getLogger(name).addFilter(_silence_filter)  # `addFilter` ignores an object that it already has
