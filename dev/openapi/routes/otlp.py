"""The routes that accept OTLP."""

from collections.abc import Mapping
from typing import Any, Final

from dev.openapi.answers.protocols import OTLP_SUCCESS
from dev.openapi.operations import JSON, PROTOBUF, Body, Operation
from dev.openapi.schemas import Schema, array, boolean, integer, number, obj, string

_BYTES: Final = string(contentMediaType=PROTOBUF)
_ANY_VALUE: Final = obj({}, {"stringValue": string(), "boolValue": boolean(), "doubleValue": number(minimum=None)})
_ATTRIBUTES: Final = array(obj({"key": string(), "value": _ANY_VALUE}))
_TIME_NS: Final = string("Nanoseconds since 1970", pattern="^1?[0-9]{1,18}$", examples=["1795309200000000000"])
_RESOURCE: Final = obj({}, {"attributes": _ATTRIBUTES})
_SCOPE: Final = obj({}, {"name": string(), "version": string()})
_TRACE_ID: Final = string(pattern="^[0-9a-f]{32}$", examples=["0af7651916cd43dd8448eb211c80319c"])
_SPAN_ID: Final = string(pattern="^[0-9a-f]{16}$", examples=["b7ad6b7169203331"])


def _otlp(
    resource_list: str, scope_list: str, records: str, record: Schema, example: Any, *, is_read: bool = True
) -> Operation:
    """A route that accepts OTLP. `example` is one record. `is_read` unless the route drops its body unread."""
    codes = ("body_too_large", "invalid_encoding", "malformed_otlp") if is_read else ()
    scopes = array(obj({records: array(record)}, {"scope": _SCOPE}))
    export = obj({}, {resource_list: array(obj({scope_list: scopes}, {"resource": _RESOURCE}))})
    return Operation(
        answers={200: {JSON: OTLP_SUCCESS, PROTOBUF: _BYTES}},
        body=Body(
            {JSON: export, PROTOBUF: _BYTES},
            (*codes, "unsupported_media_type"),
            {resource_list: [{scope_list: [{records: [example]}]}]},
        ),
        ignores_other_parameters=True,
    )


_SPANS: Final = _otlp(
    "resourceSpans",
    "scopeSpans",
    "spans",
    obj(
        {
            "traceId": _TRACE_ID,
            "spanId": _SPAN_ID,
            "name": string(),
            "startTimeUnixNano": _TIME_NS,
            "endTimeUnixNano": _TIME_NS,
        },
        {
            "parentSpanId": _SPAN_ID,
            "kind": integer(maximum=5),
            "attributes": _ATTRIBUTES,
            "status": obj({}, {"code": integer(maximum=2), "message": string()}),
        },
    ),
    {
        "traceId": "0af7651916cd43dd8448eb211c80319c",
        "spanId": "b7ad6b7169203331",
        "name": "chat gpt-4o-mini",
        "startTimeUnixNano": "1795309200000000000",
        "endTimeUnixNano": "1795309201900000000",
        "attributes": [{"key": "gen_ai.request.model", "value": {"stringValue": "gpt-4o-mini"}}],
    },
)
_LOGS: Final = _otlp(
    "resourceLogs",
    "scopeLogs",
    "logRecords",
    obj(
        {},
        {
            "traceId": _TRACE_ID,
            "spanId": _SPAN_ID,
            "timeUnixNano": _TIME_NS,
            "eventName": string(),
            "body": _ANY_VALUE,
            "attributes": _ATTRIBUTES,
        },
    ),
    {
        "traceId": "0af7651916cd43dd8448eb211c80319c",
        "spanId": "b7ad6b7169203331",
        "timeUnixNano": "1795309200000000000",
        "eventName": "gen_ai.user.message",
        "body": {"stringValue": "Is it raining in Lisbon?"},
    },
)
_METRICS: Final = _otlp(
    "resourceMetrics", "scopeMetrics", "metrics", obj({"name": string()}), {"name": "tokens"}, is_read=False
)

ROUTES: Final[Mapping[str, Operation]] = {
    "POST /v1/traces": _SPANS,
    "POST /api/public/otel/v1/traces": _SPANS,
    "POST /otel/v1/traces": _SPANS,
    "POST /api/otel/v1/traces": _SPANS,
    "POST /api/v1/otel/v1/traces": _SPANS,
    "POST /api/v1/private/otel/v1/traces": _SPANS,
    "POST /": _SPANS,
    "POST /v1/logs": _LOGS,
    "POST /v1/metrics": _METRICS,
}
