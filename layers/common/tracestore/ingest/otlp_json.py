"""Read OTLP in JSON.

An error inside a record rejects that record alone. Unknown fields are ignored, and a field of the wrong type counts as
absent.
*source*: OTLP/HTTP, "JSON Protobuf Encoding"; ProtoJSON for integers and doubles as text, enumerations as names.
"""

import base64
import binascii
import re
from collections.abc import Iterator
from functools import partial
from typing import Final, cast

from tracestore.domain.json_body import parse_json
from tracestore.domain.json_values import finite
from tracestore.domain.spans import Json

from .otlp import (
    MAX_EVENTS,
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
)

_HEX: Final = re.compile(r"[0-9a-fA-F]*")
_INTEGER: Final = re.compile(r"[+-]?\d{1,20}")
_INT64: Final = range(-(2**63), 2**63)
_UINT64: Final = range(2**64)

_KINDS: Final = ("unspecified", "internal", "server", "client", "producer", "consumer")
_STATUSES: Final = ("unset", "ok", "error")


def spans(body: bytes) -> Iterator[Reader[OtlpSpan]]:
    """A reader for each span. *raises*: Invalid for a body that is not an export; TooLarge as `parse_json`."""
    for origin, record in _records(body, "resourceSpans", "scopeSpans", "spans"):
        yield partial(_span, record, origin)


def logs(body: bytes) -> Iterator[Reader[OtlpLog]]:
    """A reader for each log record. *raises*: as `spans`."""
    for origin, record in _records(body, "resourceLogs", "scopeLogs", "logRecords"):
        yield partial(_log, record, origin)


def _records(body: bytes, groups: str, scope_groups: str, records: str) -> Iterator[tuple[Origin, Json]]:
    export = parse_json(body)
    if not isinstance(export, dict):
        raise malformed_export()
    for group in _groups(export, groups):
        resource = attributes(_object(group, "resource"))
        for scope_group in _groups(group, scope_groups):
            scope = _object(scope_group, "scope")
            origin = Origin(resource, _text(scope, "name"), _text(scope, "version"), attributes(scope))
            for record in _list(scope_group, records):
                yield origin, record


def _groups(parent: dict[str, Json], name: str) -> list[dict[str, Json]]:
    """The groups under `name`.

    *raises*: Invalid for anything but a list of objects: otherwise its spans would be lost without an error.
    """
    value = parent.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(group, dict) for group in value):
        raise malformed_export()
    return cast("list[dict[str, Json]]", value)


def _span(record: Json, origin: Origin) -> OtlpSpan:
    if not isinstance(record, dict):
        raise BadRecord("A record is not a JSON object.")
    if len(_list(record, "events")) + len(_list(record, "links")) > MAX_EVENTS:
        raise BadRecord(TOO_MANY_EVENTS)
    status = _object(record, "status")
    return OtlpSpan(
        _id(record, "traceId", 32),
        _id(record, "spanId", 16),
        _id(record, "parentSpanId", 16) or None,
        _text(record, "name"),
        _word(record, "kind", _KINDS, "SPAN_KIND_"),
        _time(record, "startTimeUnixNano"),
        _time(record, "endTimeUnixNano"),
        attributes(record),
        [
            Event(_text(event, "name"), _time(event, "timeUnixNano"), attributes(event))
            for event in _objects(record, "events")
        ],
        [
            Link(_id(link, "traceId", 32), _id(link, "spanId", 16), attributes(link))
            for link in _objects(record, "links")
        ],
        _word(status, "code", _STATUSES, "STATUS_CODE_"),
        _text(status, "message"),
        origin,
    )


def _log(record: Json, origin: Origin) -> OtlpLog:
    if not isinstance(record, dict):
        raise BadRecord("A record is not a JSON object.")
    return OtlpLog(
        _id(record, "traceId", 32),
        _id(record, "spanId", 16),
        _time(record, "timeUnixNano") or _time(record, "observedTimeUnixNano"),
        _text(record, "eventName"),
        any_value(record.get("body")),
        attributes(record),
        origin,
    )


def attributes(parent: dict[str, Json]) -> Attributes:
    """The attributes of a span, an event, a resource and so on. If a name is repeated, the last value counts."""
    values: Attributes = {}
    for pair in _objects(parent, "attributes"):
        value = any_value(pair.get("value"))
        if value is not None:
            values[_text(pair, "key")] = value
    return values


def any_value(value: Json) -> Json:
    """The value of an `AnyValue`. *absent*: None for an empty one, and for a value of the wrong type."""
    if not isinstance(value, dict):
        return None
    if isinstance(text := value.get("stringValue"), str):
        return text
    for name, item in value.items():
        if item is None:
            continue
        if name == "intValue":
            return _integer(item, _INT64)
        if name == "doubleValue":
            return _double(item)
        if name == "boolValue":
            return item if isinstance(item, bool) else None
        if name == "arrayValue":
            return [any_value(child) for child in _list(item, "values")] if isinstance(item, dict) else None
        if name == "kvlistValue":
            pairs = _objects(item, "values") if isinstance(item, dict) else []
            return {_text(pair, "key"): any_value(pair.get("value")) for pair in pairs}
        if name == "bytesValue":
            return _bytes(item)
    return None


def _integer(value: Json, bounds: range) -> int | None:
    if (isinstance(value, str) and _INTEGER.fullmatch(value)) or (isinstance(value, float) and value.is_integer()):
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value in bounds else None


def _double(value: Json) -> float | str | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return finite(float(value))
    except (ValueError, OverflowError):
        return None


def _bytes(value: Json) -> str | None:
    """The bytes as padded Base64 in the standard alphabet; the URL-safe alphabet is accepted, too."""
    if not isinstance(value, str):
        return None
    try:
        text = value.rstrip("=").translate(_STANDARD_ALPHABET)
        return base64.b64encode(base64.b64decode(text + "=" * (-len(text) % 4), validate=True)).decode()
    except (binascii.Error, ValueError):
        return None


_STANDARD_ALPHABET: Final = str.maketrans("-_", "+/")


def _time(parent: dict[str, Json], name: str) -> int:
    """A time in nanoseconds since 1970. *absent*: 0."""
    return _integer(parent.get(name), _UINT64) or 0


def _word(parent: dict[str, Json], name: str, words: tuple[str, ...], prefix: str) -> str:
    value = parent.get(name)
    if isinstance(value, str) and value.startswith(prefix):
        value = value.removeprefix(prefix).lower()
        return value if value in words else words[0]
    number = _integer(value, range(len(words)))
    return words[number or 0]


def _id(parent: dict[str, Json], name: str, digits: int) -> str:
    """An id in lower case. *absent*: "" without an id, or for one of zeros, which is not valid. *raises*: BadRecord."""
    value = parent.get(name)
    if value is None or value == "":
        return ""
    if not isinstance(value, str) or not _HEX.fullmatch(value):
        raise BadRecord("An id is not hexadecimal.")
    if len(value) != digits:
        raise BadRecord(WRONG_ID_LENGTH.format(length=digits // 2))
    return value.lower() if value.strip("0") else ""


def _text(parent: dict[str, Json], name: str) -> str:
    value = parent.get(name)
    return value if isinstance(value, str) else ""


def _object(parent: dict[str, Json], name: str) -> dict[str, Json]:
    value = parent.get(name)
    return value if isinstance(value, dict) else {}


def _objects(parent: dict[str, Json], name: str) -> list[dict[str, Json]]:
    return [item for item in _list(parent, name) if isinstance(item, dict)]


def _list(parent: dict[str, Json], name: str) -> list[Json]:
    value = parent.get(name)
    return value if isinstance(value, list) else []
