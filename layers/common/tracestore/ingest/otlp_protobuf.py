"""Read OTLP in protobuf.

This module walks the envelope (request, resource group, scope group) field by field, and decodes each record separately
with the official classes. An invalid record is therefore rejected alone, and the memory that a hostile body takes is
limited to that of one record. Decoding a whole request of 64 MiB of empty messages would take gigabytes.
*source*: protobuf encoding, "Message Structure".
"""

import base64
from collections.abc import Iterator
from functools import lru_cache, partial
from typing import Final, TypeAlias, TypeVar

from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tracestore.domain.json_values import finite
from tracestore.domain.spans import Json

from .otlp import (
    MAX_EVENTS,
    MAX_RECORD_BYTES,
    MAX_RECORDS,
    TOO_MANY_EVENTS,
    WRONG_ID_LENGTH,
    Attributes,
    BadRecord,
    Event,
    Link,
    Origin,
    OtlpLog,
    OtlpSpan,
    Reader,
    malformed_export,
    too_large,
    too_many_records,
)

M = TypeVar("M", bound=Message)
_Slice: TypeAlias = tuple[int, int]

# Field numbers, the same for traces and logs.
_GROUPS: Final = 1  # of a request: ResourceSpans, ResourceLogs
_RESOURCE: Final = 1  # of a resource group
_SCOPE_GROUPS: Final = 2  # of a resource group: ScopeSpans, ScopeLogs
_SCOPE: Final = 1  # of a scope group
_RECORDS: Final = 2  # of a scope group: Span, LogRecord

_MAX_FIELDS: Final = 2 * MAX_RECORDS
"""Most fields of the envelope: each record is one, and so is each group."""

_ORIGINS_REMEMBERED: Final = 256
_MAX_ORIGIN_BYTES_REMEMBERED: Final = 4_096
"""Sources that a process remembers, decoded. Those of SDKs have some hundred bytes."""

_VARINT, _FIXED64, _LENGTH_DELIMITED, _FIXED32 = 0, 1, 2, 5
_MAX_VARINT_BYTES: Final = 10

_KINDS: Final = ("unspecified", "internal", "server", "client", "producer", "consumer")
_STATUSES: Final = ("unset", "ok", "error")


def spans(body: bytes) -> Iterator[Reader[OtlpSpan]]:
    """A reader for each span. *raises*: Invalid for a malformed envelope; TooLarge beyond `_MAX_FIELDS` fields."""
    for origin, record in _records(body):
        yield partial(_span, body, record, origin)


def logs(body: bytes) -> Iterator[Reader[OtlpLog]]:
    """A reader for each log record. *raises*: as `spans`."""
    for origin, record in _records(body):
        yield partial(_log, body, record, origin)


def _records(body: bytes) -> Iterator[tuple[Origin, _Slice]]:
    budget = iter(range(_MAX_FIELDS))
    for number, group in _fields(body, (0, len(body)), budget):
        if number != _GROUPS:
            continue
        resource = b""
        scope_groups = []
        for number, field in _fields(body, group, budget):
            if number == _RESOURCE:
                resource = _encoded(body, field)
            elif number == _SCOPE_GROUPS:
                scope_groups.append(field)
        if not scope_groups:
            _origin(resource, b"")  # for the error of a resource that is malformed
        for scope_group in scope_groups:
            scope = b""
            records = []
            for number, field in _fields(body, scope_group, budget):
                if number == _SCOPE:
                    scope = _encoded(body, field)
                elif number == _RECORDS:
                    records.append(field)
            origin = _origin(resource, scope)
            for record in records:
                yield origin, record


def _origin(resource: bytes, scope: bytes) -> Origin:
    """The origin with this encoded resource and scope. Those of former requests are remembered, unless they are long.

    *raises*: Invalid when one of them is malformed.
    """
    is_short = len(resource) + len(scope) <= _MAX_ORIGIN_BYTES_REMEMBERED
    return (_remembered_origin if is_short else _new_origin)(resource, scope)


def _new_origin(resource: bytes, scope: bytes) -> Origin:
    named = _decoded(InstrumentationScope, scope)
    described = attributes(_decoded(Resource, resource).attributes)
    return Origin(described, named.name, named.version, attributes(named.attributes))


_remembered_origin: Final = lru_cache(maxsize=_ORIGINS_REMEMBERED)(_new_origin)


def _fields(body: bytes, message: _Slice, budget: Iterator[int]) -> Iterator[tuple[int, _Slice]]:
    """The length-delimited fields of a message as (field number, slice of the body). Other fields are skipped."""
    position, end = message
    while position < end:
        if next(budget, None) is None:
            raise too_many_records()
        tag = body[position]
        position += 1
        if tag > 0x7F:
            tag, position = _varint(body, position - 1, end)
        number, wire_type = tag >> 3, tag & 7
        if wire_type == _LENGTH_DELIMITED:
            length, start = _varint(body, position, end)
            position = start + length
            if position <= end:
                yield number, (start, position)
        elif wire_type == _VARINT:
            _, position = _varint(body, position, end)
        elif wire_type == _FIXED64:
            position += 8
        elif wire_type == _FIXED32:
            position += 4
        else:
            raise malformed_export()
        if position > end or not number:
            raise malformed_export()


def _varint(body: bytes, position: int, end: int) -> tuple[int, int]:
    """The number at `position`, and the position after it."""
    if position < end and body[position] < 0x80:
        return body[position], position + 1
    value = 0
    for shift, byte in enumerate(body[position : min(end, position + _MAX_VARINT_BYTES)]):
        value |= (byte & 0x7F) << 7 * shift
        if byte < 0x80:
            return value, position + shift + 1
    raise malformed_export()


def _encoded(body: bytes, encoded: _Slice) -> bytes:
    """The bytes of a part of the envelope. *raises*: Invalid when it is longer than a record may be."""
    start, end = encoded
    if end - start > MAX_RECORD_BYTES:
        raise malformed_export()
    return body[start:end]


def _decoded(kind: type[M], encoded: bytes) -> M:
    try:
        return kind.FromString(encoded)
    except DecodeError as error:
        raise malformed_export() from error


def _decoded_record(kind: type[M], body: bytes, encoded: _Slice) -> M:
    if encoded[1] - encoded[0] > MAX_RECORD_BYTES:
        raise too_large()
    try:
        return kind.FromString(body[encoded[0] : encoded[1]])
    except DecodeError as error:  # Truncated, nested deeper than 100 messages, or text that is not UTF-8.
        raise BadRecord("A record is not valid protobuf.") from error


def _span(body: bytes, encoded: _Slice, origin: Origin) -> OtlpSpan:
    span = _decoded_record(Span, body, encoded)
    if len(span.events) + len(span.links) > MAX_EVENTS:
        raise BadRecord(TOO_MANY_EVENTS)
    status = span.status
    return OtlpSpan(
        _id(span.trace_id, 16),
        _id(span.span_id, 8),
        _id(span.parent_span_id, 8) or None,
        span.name,
        _KINDS[span.kind] if 0 < span.kind < len(_KINDS) else _KINDS[0],
        span.start_time_unix_nano,
        span.end_time_unix_nano,
        attributes(span.attributes),
        [Event(event.name, event.time_unix_nano, attributes(event.attributes)) for event in span.events],
        [Link(_id(link.trace_id, 16), _id(link.span_id, 8), attributes(link.attributes)) for link in span.links],
        _STATUSES[status.code] if 0 < status.code < len(_STATUSES) else _STATUSES[0],
        status.message,
        origin,
    )


def _log(body: bytes, encoded: _Slice, origin: Origin) -> OtlpLog:
    record = _decoded_record(LogRecord, body, encoded)
    return OtlpLog(
        _id(record.trace_id, 16),
        _id(record.span_id, 8),
        record.time_unix_nano or record.observed_time_unix_nano,
        record.event_name,
        any_value(record.body),
        attributes(record.attributes),
        origin,
    )


def _id(raw: bytes, length: int) -> str:
    """An id in hexadecimal. *absent*: "" without an id, or for one of zeros. *raises*: BadRecord."""
    if raw and len(raw) != length:
        raise BadRecord(WRONG_ID_LENGTH.format(length=length))
    return raw.hex() if raw.strip(b"\0") else ""


def attributes(pairs: object) -> Attributes:
    """The attributes in a list of `KeyValue`. If a name is repeated, the last value counts."""
    values: Attributes = {}
    for pair in pairs:  # type: ignore[attr-defined]
        message = pair.value
        value = message.string_value or any_value(message)
        if value is not None:
            values[pair.key] = value
    return values


def any_value(value: AnyValue) -> Json:
    """The value of an `AnyValue`. *absent*: None for an empty one."""
    if text := value.string_value:  # Nearly all values are texts, and `WhichOneof` costs more than this.
        return text
    kind = value.WhichOneof("value")
    if kind == "int_value":
        return value.int_value
    if kind == "double_value":
        return finite(value.double_value)
    if kind == "bool_value":
        return value.bool_value
    if kind == "string_value":
        return ""
    if kind == "array_value":
        return [any_value(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return {pair.key: any_value(pair.value) for pair in value.kvlist_value.values}
    if kind == "bytes_value":
        return base64.b64encode(value.bytes_value).decode()
    return None
