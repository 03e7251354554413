"""OTLP over HTTP: in which encoding an export comes, what of it is too large, and what it is answered.

*source*: OTLP specification 1.x, "OTLP/HTTP Request" and "OTLP/HTTP Response". Bad records are told in a partial
success while the good ones are kept; a failure carries a `google.rpc.Status`.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, TypeAlias

from tracestore.domain.errors import TooLarge, TracestoreError, Unsupported
from tracestore.domain.spans import SpanFields, canonical_json
from tracestore.http.errors import headers_for, status_of
from tracestore.http.request import Request
from tracestore.http.response import Response, json_bytes
from tracestore.ingest.native import MAX_SPAN_BYTES
from tracestore.ingest.otlp import Export, WireFormat, wire_format

Signal: TypeAlias = Literal["traces", "logs", "metrics"]

_CONTENT_TYPES: Final[Mapping[WireFormat, str]] = {"protobuf": "application/x-protobuf", "json": "application/json"}
_REJECTED: Final[Mapping[Signal, str]] = {
    "traces": "rejectedSpans",
    "logs": "rejectedLogRecords",
    "metrics": "rejectedDataPoints",
}

_RPC_CODES: Final[Mapping[int, int]] = {400: 3, 401: 16, 403: 7, 404: 5, 409: 10, 413: 8, 415: 3, 429: 8, 503: 14}
"""`google.rpc.Code` for an HTTP status; 13 (internal) for any other."""

_LARGE_BYTES: Final = 8 * 1024 * 1024
"""More than can be sent unpacked: only what was compressed is as large, and may have been made to fill the memory."""

_MAX_PIECES: Final = 3_000_000
"""Values in a large body. One takes up to 90 bytes of memory, and the function has 1,024 MB."""

_PIECES: Final = (b",", b"{", b"[", b"\n")
"""What a value in JSON begins or ends with, also where JSON is text in an attribute; and what begins each value of an
array in protobuf, a byte that else is a new line."""

_MAX_WIDE_BYTES: Final = 40 * 1024 * 1024
"""Of JSON with an emoji in it: decoded, such a text takes four bytes for each of its characters."""

_MAX_JSON_TEXT_BYTES: Final = 4 * 1024 * 1024
_WIDE: Final = re.compile(rb"[\xf0-\xf4]")

Reported: TypeAlias = list[tuple[str, SpanFields]]
"""The facts that an export tells of spans, each with its trace's id."""


def encoding_of(request: Request) -> WireFormat:
    """The encoding of an export. *raises* Unsupported."""
    encoding = wire_format(request.headers.get("content-type"))
    if encoding is None:
        raise Unsupported("Send OTLP with Content-Type application/x-protobuf or application/json.")
    return encoding


def export_body(request: Request, encoding: WireFormat) -> bytes:
    """The body of an export, which can be decoded within the function's memory. *raises* as `Request.body`."""
    body = request.body()
    if len(body) > _LARGE_BYTES and (
        sum(map(body.count, _PIECES)) > _MAX_PIECES or (encoding == "json" and _has_wide_text(body))
    ):
        raise TooLarge("The request is too large for what it holds when decompressed. Send smaller batches.")
    return body


def _has_wide_text(body: bytes) -> bool:
    """Whether decoding could take several times as much as the body does, or one of its texts exceeds a span."""
    strides = range(0, len(body) - _MAX_JSON_TEXT_BYTES, _MAX_JSON_TEXT_BYTES)
    return (len(body) > _MAX_WIDE_BYTES and _WIDE.search(body) is not None) or any(
        body.find(b'"', start, start + _MAX_JSON_TEXT_BYTES) < 0 for start in strides
    )


def small_enough(reported: Reported, export: Export[Any], body_bytes: int) -> Reported:
    """What one span may hold of what an export reported; the rest is counted among its rejected records."""
    if body_bytes * _MOST_GROWTH <= MAX_SPAN_BYTES:
        return reported
    kept = []
    for trace_id, fields in reported:
        if len(canonical_json(fields)) <= MAX_SPAN_BYTES:
            kept.append((trace_id, fields))
        else:
            export.rejected += records_of(fields)
            export.reasons.append("A span is larger than 4 MB.")
    return kept


_MOST_GROWTH: Final = 8
"""How many times as long as on the wire the JSON of a span can be: a control character takes six bytes."""


def records_of(fields: SpanFields) -> int:
    """How many records of an export told these facts: one of a span, or the log records with its messages."""
    messages: list[Any] = fields.get("log_messages", [])
    return sum(place == 0 for _, place, _, _ in messages) or 1


def rejected_records(reported: Reported, refused: Iterable[tuple[str, str]]) -> int:
    """How many records told of the spans, by trace and span id, that were refused."""
    told = Counter[tuple[str, str]]()
    for trace_id, fields in reported:
        told[trace_id, fields["span_id"]] += records_of(fields)
    return sum(told[span] for span in refused)


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
