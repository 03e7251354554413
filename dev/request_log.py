"""The lines that the local server prints about requests."""

import time
from collections.abc import Callable
from typing import Final

from dev.gateway import Answer, Request

HTTP2_NOTICE: Final = (
    "A client speaks HTTP/2 to this port, as OTLP exporters over gRPC do. gRPC is not supported: set "
    "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf in the client's environment."
)
NOTICE_INTERVAL_S: Final = 60.0
"""An exporter over gRPC retries each batch several times: its notice must not hide the other lines."""

_HTTP2_PREFACE_METHOD: Final = "PRI"
"""Read as HTTP/1, the connection preface of HTTP/2 begins with the request `PRI *`. RFC 9113, section 3.4."""


class RequestLog:
    """A log of requests, enabled after the sample traces: their lines would break the progress bar.

    A connection in HTTP/2 gets a notice with the remedy instead of a line, once a minute at most.
    """

    def __init__(self, report: Callable[[str], None], clock_s: Callable[[], float] = time.monotonic) -> None:
        self.is_enabled = False
        self._report = report
        self._clock_s = clock_s
        self._next_notice_s = float("-inf")

    def show(self, request: Request, response: Answer, duration_ms: float) -> None:
        """Print the line of a request. Not safe for several threads: the server calls it from its event loop."""
        if not self.is_enabled:
            return
        if request.method == _HTTP2_PREFACE_METHOD:
            if self._clock_s() >= self._next_notice_s:
                self._next_notice_s = self._clock_s() + NOTICE_INTERVAL_S
                self._report(HTTP2_NOTICE)
            return
        self._report(
            f"{time.strftime('%H:%M:%S')} {response.status} {request.method} {request.path} {duration_ms:.0f} ms"
        )
