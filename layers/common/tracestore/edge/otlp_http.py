"""OTLP over HTTP: in which encoding an export comes, and what it is answered in the same one.

*source*: OTLP specification 1.x, "OTLP/HTTP Request" and "OTLP/HTTP Response". Bad records are told in a partial
success while the good ones are kept; a failure carries a `google.rpc.Status`.
"""

from collections.abc import Iterable, Mapping
from typing import Final, Literal, TypeAlias

from tracestore.domain.errors import TracestoreError, Unsupported
from tracestore.ingest.otlp import WireFormat, wire_format

from .errors import headers_for, status_of
from .http import Request, Response, json_bytes

Signal: TypeAlias = Literal["traces", "logs", "metrics"]

_CONTENT_TYPES: Final[Mapping[WireFormat, str]] = {"protobuf": "application/x-protobuf", "json": "application/json"}
_REJECTED: Final[Mapping[Signal, str]] = {
    "traces": "rejectedSpans",
    "logs": "rejectedLogRecords",
    "metrics": "rejectedDataPoints",
}

_RPC_CODES: Final[Mapping[int, int]] = {400: 3, 401: 16, 403: 7, 404: 5, 409: 10, 413: 8, 415: 3, 429: 8, 503: 14}
"""`google.rpc.Code` for an HTTP status; 13 (internal) for any other."""


def encoding_of(request: Request) -> WireFormat:
    """The encoding of an export. *raises* Unsupported."""
    encoding = wire_format(request.headers.get("content-type"))
    if encoding is None:
        raise Unsupported("Send OTLP with Content-Type application/x-protobuf or application/json.")
    return encoding


def export_answer(signal: Signal, encoding: WireFormat, rejected: int, reasons: Iterable[str]) -> Response:
    """The answer to an export that was read: what was rejected, if anything, and why."""
    if not rejected:
        return _answer(200, encoding, b"{}" if encoding == "json" else b"")
    message = " ".join(dict.fromkeys(reasons))
    if encoding == "json":
        partial = {
            _REJECTED[signal]: str(rejected),
            "errorMessage": message,
        }  # 64-bit integers are strings in OTLP/JSON
        return _answer(200, encoding, json_bytes({"partialSuccess": partial}))
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

    response = ExportLogsServiceResponse() if signal == "logs" else ExportTraceServiceResponse()
    if isinstance(response, ExportLogsServiceResponse):
        response.partial_success.rejected_log_records = rejected
    else:
        response.partial_success.rejected_spans = rejected
    response.partial_success.error_message = message
    return _answer(200, encoding, response.SerializeToString())


def otlp_error_answer(error: TracestoreError, headers: Mapping[str, str]) -> Response:
    """A failure as OTLP clients read it, in the request's encoding; JSON for one that sent neither."""
    status = status_of(error)
    code = _RPC_CODES.get(status, 13)
    encoding = wire_format(headers.get("content-type")) or "json"
    if encoding == "json":
        body = json_bytes({"code": code, "message": error.message})
    else:
        from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]

        body = Status(code=code, message=error.message).SerializeToString()
    return _answer(status, encoding, body, headers_for(error))


def _answer(status: int, encoding: WireFormat, body: bytes, headers: Mapping[str, str] | None = None) -> Response:
    return Response(status, body, {"content-type": _CONTENT_TYPES[encoding], **(headers or {})})
