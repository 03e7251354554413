"""Exports with sound defaults, in both encodings, and the answers to them taken apart."""

import base64
import copy
import gzip
import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, Literal, TypeAlias

from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from google.protobuf.json_format import ParseDict
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from tests.api import Api
from tests.calling import Reply

Encoding: TypeAlias = Literal["json", "protobuf"]
Signal: TypeAlias = Literal["traces", "logs"]

ENCODINGS: Final[tuple[Encoding, ...]] = ("json", "protobuf")
CONTENT_TYPES: Final = {"json": "application/json", "protobuf": "application/x-protobuf"}
JSON_OF_DYNAMODB: Final = "application/x-amz-json-1.0"
START_NS: Final = 1_735_812_000_000_000_000
"""The start of `tests.api`."""


def new_id(size: int = 16) -> str:
    """The id of a trace, or with a size of 8 of a span."""
    return secrets.token_hex(size)


def attributes(values: dict[str, Any]) -> list[dict[str, Any]]:
    """Attributes as OTLP/JSON has them: texts and integers."""
    return [
        {"key": name, "value": {"stringValue": value} if isinstance(value, str) else {"intValue": value}}
        for name, value in values.items()
    ]


def span(trace_id: str, span_id: str = "00000000000000aa", *, told: dict[str, Any] | None = None, **fields: Any) -> Any:
    """A span of a second in OTLP/JSON with the attributes `told`: a None in `fields` leaves out what has a default."""
    whole = {
        "traceId": trace_id,
        "spanId": span_id,
        "name": "chat",
        "startTimeUnixNano": str(START_NS),
        "endTimeUnixNano": str(START_NS + 1_000_000_000),
        "attributes": attributes(told or {}),
        **fields,
    }
    return {name: value for name, value in whole.items() if value is not None}


def message(
    trace_id: str, text: str, span_id: str = "00000000000000aa", *, role: str = "user", after_ms: int = 1, **fields: Any
) -> Any:
    """A log record in OTLP/JSON: what somebody said, or for the role `choice` what the model replied."""
    name = "gen_ai.choice" if role == "choice" else f"gen_ai.{role}.message"
    content = {"message": {"content": text}} if role == "choice" else {"content": text}
    return {
        "traceId": trace_id,
        "spanId": span_id,
        "timeUnixNano": str(START_NS + after_ms * 1_000_000),
        "eventName": name,
        "body": {"stringValue": json.dumps(content)},
        **fields,
    }


def export(*records: Any, signal: Signal = "traces", encoding: Encoding = "json") -> bytes:
    """A request with these records, which are in OTLP/JSON."""
    if signal == "traces":
        whole: Any = {"resourceSpans": [{"scopeSpans": [{"spans": list(records)}]}]}
    else:
        whole = {"resourceLogs": [{"scopeLogs": [{"logRecords": list(records)}]}]}
    if encoding == "json":
        return json.dumps(whole).encode()
    written = ExportTraceServiceRequest() if signal == "traces" else ExportLogsServiceRequest()
    return bytes(ParseDict(_with_bytes(copy.deepcopy(whole)), written).SerializeToString())


def headers(encoding: Encoding, *, packed: bool = False) -> dict[str, str]:
    """What says how a body is encoded."""
    return {"content-type": CONTENT_TYPES[encoding], **({"content-encoding": "gzip"} if packed else {})}


def bomb(beginning: bytes, filling: bytes, ending: bytes, size: int) -> bytes:
    """A body of so many bytes, nearly all of them `filling` over and over, in gzip."""
    block = filling * (1_048_576 // len(filling) or 1)
    members = [beginning, *[block] * (size // len(block)), ending]  # one stream, as RFC 1952 has it
    return b"".join(gzip.compress(member, 1) for member in members)


def partial_success(reply: Reply, signal: Signal = "traces") -> tuple[int, str]:
    """How many records were rejected, and why; the reply has to be a 200 in its encoding."""
    assert reply.status == 200, reply.body
    if reply.headers["content-type"] == CONTENT_TYPES["json"]:
        content = reply.json
        assert set(content) <= {"partialSuccess"}
        told = content.get("partialSuccess", {})
        name = "rejectedSpans" if signal == "traces" else "rejectedLogRecords"
        return int(told.get(name, 0)), told.get("errorMessage", "")
    assert reply.headers["content-type"] == CONTENT_TYPES["protobuf"]
    if signal == "traces":
        of_traces = ExportTraceServiceResponse.FromString(reply.body).partial_success
        return of_traces.rejected_spans, of_traces.error_message
    of_logs = ExportLogsServiceResponse.FromString(reply.body).partial_success
    return of_logs.rejected_log_records, of_logs.error_message


def rpc_status(reply: Reply) -> tuple[int, str]:
    """Code and message of a `google.rpc.Status`, in the encoding that the reply names."""
    if reply.headers["content-type"] == CONTENT_TYPES["json"]:
        assert set(reply.json) == {"code", "message"}
        return reply.json["code"], reply.json["message"]
    assert reply.headers["content-type"] == CONTENT_TYPES["protobuf"]
    told = Status.FromString(reply.body)
    return told.code, told.message


def send(api: Api, *records: Any, signal: Signal = "traces", encoding: Encoding = "json") -> tuple[int, str]:
    """What an export comes to: the number of rejected records, and why."""
    body = export(*records, signal=signal, encoding=encoding)
    return partial_success(api("POST", f"/v1/{signal}", body=body, headers=headers(encoding)), signal)


class Throttle:
    """DynamoDB turns away, while `is_on`, what a boto3 client asks of it, and nothing reaches the engine."""

    def __init__(self) -> None:
        self.is_on = True

    def __call__(self, request: Any, **_: Any) -> AWSResponse | None:
        """What botocore calls before it sends."""
        if not self.is_on:
            return None
        body = b'{"__type": "com.amazonaws.dynamodb.v20120810#ThrottlingException", "message": "slow down"}'
        return answered(request, 400, body)


def answered(request: Any, status: int, body: bytes) -> AWSResponse:
    """An answer of DynamoDB to a request that botocore is about to send."""
    return AWSResponse(request.url, status, HTTPHeaders.from_dict({"content-type": JSON_OF_DYNAMODB}), _Raw(body))


class _Raw:
    """As much of an HTTP response as botocore reads."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self) -> Iterator[bytes]:
        """The body at once."""
        yield self._body


@contextmanager
def throttled(client: Any) -> Iterator[Throttle]:
    """The client's requests are throttled until the end, or until that is taken off."""
    throttle = Throttle()
    client.meta.events.register("before-send.dynamodb", throttle)
    try:
        yield throttle
    finally:
        client.meta.events.unregister("before-send.dynamodb", throttle)


def _with_bytes(value: Any) -> Any:
    """Hexadecimal ids as the Base64 that protobuf's own JSON has."""
    if isinstance(value, list):
        return [_with_bytes(item) for item in value]
    if isinstance(value, dict):
        return {
            name: base64.b64encode(bytes.fromhex(item)).decode()
            if name in ("traceId", "spanId", "parentSpanId")
            else _with_bytes(item)
            for name, item in value.items()
        }
    return value
