"""OTLP over HTTP: the encodings of exports, their size limits, and the responses.

Valid records are stored, and a partial success reports the rejected ones. A failure carries a `google.rpc.Status`.

*source*: OTLP specification 1.x, "OTLP/HTTP Request" and "OTLP/HTTP Response".
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
"""Only a compressed body can be larger, and it may have been made to exhaust the function's memory."""

_MAX_VALUES: Final = 3_000_000
"""Values in a large body. One takes up to 90 bytes of memory, and the function has 1,024 MB."""

_VALUE_DELIMITERS: Final = (b",", b"{", b"[", b"\n")
"""Bytes that delimit values. The first three do so in JSON, also in JSON that is the text of an attribute. The newline
is the byte that begins each value of an array in protobuf."""

_MAX_WIDE_BYTES: Final = 40 * 1024 * 1024
"""Limit for JSON that contains an emoji: decoded, such a text takes four bytes for each of its characters."""

_MAX_JSON_TEXT_BYTES: Final = 4 * 1024 * 1024
_WIDE: Final = re.compile(rb"[\xf0-\xf4]")

_NAMED_SIGNAL: Final = re.compile(rb'\s*\{\s*"resource(Logs|Metrics)"')

ReportedSpans: TypeAlias = list[tuple[str, SpanFields]]
"""The fields of spans that an export reports, each with the id of its trace."""


def encoding_of(request: Request) -> WireFormat:
    """The encoding of an export. *raises*: Unsupported when it is neither protobuf nor JSON."""
    encoding = wire_format(request.headers.get("content-type"))
    if encoding is None:
        raise Unsupported("Send OTLP with Content-Type application/x-protobuf or application/json.")
    return encoding


def named_signal(request: Request) -> Signal:
    """The signal that the JSON of an export names with its first key. *absent*: "traces", also for protobuf."""
    named = _NAMED_SIGNAL.match(request.body()) if encoding_of(request) == "json" else None
    return "traces" if named is None else "logs" if named[1] == b"Logs" else "metrics"


def export_body(request: Request, encoding: WireFormat) -> bytes:
    """The body of an export that can be decoded within the function's memory.

    *raises*: TooLarge when it cannot, and as `Request.body`.
    """
    body = request.body()
    if len(body) > _LARGE_BYTES and (
        sum(map(body.count, _VALUE_DELIMITERS)) > _MAX_VALUES or (encoding == "json" and _has_wide_text(body))
    ):
        raise TooLarge("The decompressed request would take too much memory to decode. Send smaller batches.")
    return body


def _has_wide_text(body: bytes) -> bool:
    """Whether decoding could take several times the size of the body, or one of its texts exceeds a span's limit."""
    strides = range(0, len(body) - _MAX_JSON_TEXT_BYTES, _MAX_JSON_TEXT_BYTES)
    return (len(body) > _MAX_WIDE_BYTES and _WIDE.search(body) is not None) or any(
        body.find(b'"', start, start + _MAX_JSON_TEXT_BYTES) < 0 for start in strides
    )


def within_span_limit(reported: ReportedSpans, export: Export[Any], body_bytes: int) -> ReportedSpans:
    """The spans that are not larger than 4 MiB. The records of the others are added to the export's rejected ones."""
    if body_bytes * _MOST_GROWTH <= MAX_SPAN_BYTES:
        return reported
    accepted = []
    for trace_id, fields in reported:
        if len(canonical_json(fields)) <= MAX_SPAN_BYTES:
            accepted.append((trace_id, fields))
        else:
            export.rejected += record_count(fields)
            export.reasons.append("A span is larger than 4 MiB. Send less input or output with it.")
    return accepted


_MOST_GROWTH: Final = 8
"""The JSON of a span is at most this many times as long as its encoded form: a control character takes six bytes."""


def record_count(fields: SpanFields) -> int:
    """The number of records in an export that reported these fields: one span, or the log records of its messages."""
    messages: list[Any] = fields.get("log_messages", [])
    return sum(index == 0 for _, index, _, _ in messages) or 1


def rejected_records(reported: ReportedSpans, rejected_spans: Iterable[tuple[str, str]]) -> int:
    """The number of records that reported the rejected spans, which are given by trace id and span id."""
    records = Counter[tuple[str, str]]()
    for trace_id, fields in reported:
        records[trace_id, fields["span_id"]] += record_count(fields)
    return sum(records[span] for span in rejected_spans)


def otlp_response(signal: Signal, encoding: WireFormat, rejected: int, reasons: Iterable[str]) -> Response:
    """The response to an export that was read: the number of rejected records and each reason once.

    Reasons without a rejected record are a warning, as OTLP has it.
    """
    message = " ".join(dict.fromkeys(reasons))
    if not rejected and not message:
        return _response(200, encoding, b"{}" if encoding == "json" else b"")
    if encoding == "json":
        # 64-bit integers are strings in OTLP/JSON.
        partial = {_REJECTED[signal]: str(rejected), "errorMessage": message}
        return _response(200, encoding, json_bytes({"partialSuccess": partial}))
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

    response = ExportLogsServiceResponse() if signal == "logs" else ExportTraceServiceResponse()
    if isinstance(response, ExportLogsServiceResponse):
        response.partial_success.rejected_log_records = rejected
    else:
        response.partial_success.rejected_spans = rejected
    response.partial_success.error_message = message
    return _response(200, encoding, response.SerializeToString())


def otlp_error_response(error: TracestoreError, headers: Mapping[str, str]) -> Response:
    """A failure in the form that OTLP clients read, in the encoding of the request; JSON when that is unknown."""
    status = status_of(error)
    code = _RPC_CODES.get(status, 13)
    encoding = wire_format(headers.get("content-type")) or "json"
    if encoding == "json":
        body = json_bytes({"code": code, "message": error.message})
    else:
        from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]

        body = Status(code=code, message=error.message).SerializeToString()
    return _response(status, encoding, body, headers_for(error))


def _response(status: int, encoding: WireFormat, body: bytes, headers: Mapping[str, str] | None = None) -> Response:
    return Response(status, body, {"content-type": _CONTENT_TYPES[encoding], **(headers or {})})
