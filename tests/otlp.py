"""Builders of exports in both encodings, and parsers of the responses to them."""

import base64
import copy
import gzip
import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, Literal, TypeAlias

from google.protobuf.json_format import ParseDict
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from tests.api import Api
from tests.gateway import Reply
from tracestore.storage.dynamo import Client, Request, RequestFailed, Send

Encoding: TypeAlias = Literal["json", "protobuf"]
Signal: TypeAlias = Literal["traces", "logs"]

ENCODINGS: Final[tuple[Encoding, ...]] = ("json", "protobuf")
CONTENT_TYPES: Final = {"json": "application/json", "protobuf": "application/x-protobuf"}
START_NS: Final = 1_735_812_000_000_000_000
"""The start of `tests.api`."""


def new_id(size: int = 16) -> str:
    """A new trace id; with size 8, a new span id."""
    return secrets.token_hex(size)


def attributes(values: dict[str, Any]) -> list[dict[str, Any]]:
    """Attributes in OTLP/JSON, with texts and integers as values."""
    return [
        {"key": name, "value": {"stringValue": value} if isinstance(value, str) else {"intValue": value}}
        for name, value in values.items()
    ]


def span(
    trace_id: str, span_id: str = "00000000000000aa", *, values: dict[str, Any] | None = None, **fields: Any
) -> Any:
    """A span of one second in OTLP/JSON, with `values` as attributes. None in `fields` leaves a default out."""
    whole = {
        "traceId": trace_id,
        "spanId": span_id,
        "name": "chat",
        "startTimeUnixNano": str(START_NS),
        "endTimeUnixNano": str(START_NS + 1_000_000_000),
        "attributes": attributes(values or {}),
        **fields,
    }
    return {name: value for name, value in whole.items() if value is not None}


def message(
    trace_id: str, text: str, span_id: str = "00000000000000aa", *, role: str = "user", after_ms: int = 1, **fields: Any
) -> Any:
    """A log record in OTLP/JSON with a message of `role`; the role `choice` is a reply of the model."""
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
    """The body of an export of these records, which are in OTLP/JSON."""
    if signal == "traces":
        whole: Any = {"resourceSpans": [{"scopeSpans": [{"spans": list(records)}]}]}
    else:
        whole = {"resourceLogs": [{"scopeLogs": [{"logRecords": list(records)}]}]}
    if encoding == "json":
        return json.dumps(whole).encode()
    written = ExportTraceServiceRequest() if signal == "traces" else ExportLogsServiceRequest()
    return bytes(ParseDict(_with_bytes(copy.deepcopy(whole)), written).SerializeToString())


def headers(encoding: Encoding, *, packed: bool = False) -> dict[str, str]:
    """The headers that declare the encoding of a body."""
    return {"content-type": CONTENT_TYPES[encoding], **({"content-encoding": "gzip"} if packed else {})}


def bomb(beginning: bytes, filling: bytes, ending: bytes, size: int) -> bytes:
    """A gzipped body of `size` bytes, which is `filling` repeated between `beginning` and `ending`."""
    block = filling * (1_048_576 // len(filling) or 1)
    members = [beginning, *[block] * (size // len(block)), ending]  # one stream, as RFC 1952 has it
    return b"".join(gzip.compress(member, 1) for member in members)


def partial_success(reply: Reply, signal: Signal = "traces") -> tuple[int, str]:
    """The number of rejected records and the reason. Asserts that the reply is a 200 in a known encoding."""
    assert reply.status == 200, reply.body
    if reply.headers["content-type"] == CONTENT_TYPES["json"]:
        content = reply.json
        assert set(content) <= {"partialSuccess"}
        partial = content.get("partialSuccess", {})
        name = "rejectedSpans" if signal == "traces" else "rejectedLogRecords"
        return int(partial.get(name, 0)), partial.get("errorMessage", "")
    assert reply.headers["content-type"] == CONTENT_TYPES["protobuf"]
    if signal == "traces":
        traces_success = ExportTraceServiceResponse.FromString(reply.body).partial_success
        return traces_success.rejected_spans, traces_success.error_message
    logs_success = ExportLogsServiceResponse.FromString(reply.body).partial_success
    return logs_success.rejected_log_records, logs_success.error_message


def rpc_status(reply: Reply) -> tuple[int, str]:
    """Code and message of the `google.rpc.Status` in a reply, in the encoding that its headers declare."""
    if reply.headers["content-type"] == CONTENT_TYPES["json"]:
        assert set(reply.json) == {"code", "message"}
        return reply.json["code"], reply.json["message"]
    assert reply.headers["content-type"] == CONTENT_TYPES["protobuf"]
    status = Status.FromString(reply.body)
    return status.code, status.message


def send(api: Api, *records: Any, signal: Signal = "traces", encoding: Encoding = "json") -> tuple[int, str]:
    """Send an export. Returns the number of rejected records and the reason."""
    body = export(*records, signal=signal, encoding=encoding)
    return partial_success(api("POST", f"/v1/{signal}", body=body, headers=headers(encoding)), signal)


class Throttle:
    """Throttles the requests of a DynamoDB client while `is_on`. They do not reach the engine."""

    def __init__(self) -> None:
        self.is_on = True

    def __call__(self, operation: str, request: Request, send: Send) -> Request:
        """Called in place of each request."""
        if self.is_on:
            raise RequestFailed("ThrottlingException", "slow down")
        return send(operation, request)


@contextmanager
def throttled(client: Client) -> Iterator[Throttle]:
    """Throttle the client's requests until the end of the block, or until the throttle is turned off."""
    throttle = Throttle()
    client.interceptors.append(throttle)
    try:
        yield throttle
    finally:
        client.interceptors.remove(throttle)


def _with_bytes(value: Any) -> Any:
    """Hexadecimal ids as base64, which the JSON format of protobuf expects."""
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
