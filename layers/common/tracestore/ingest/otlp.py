"""OTLP exports in one neutral form, whichever of its two encodings they came in.

What is read here is what the protocol says, and nothing about models or prompts: `conventions` gives it a meaning.
*source*: OpenTelemetry Protocol 1.x, `opentelemetry/proto/trace/v1` and `logs/v1`; OTLP/HTTP for the JSON encoding.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final, Generic, Literal, NamedTuple, TypeAlias, TypeVar

from tracestore.domain.errors import Invalid, TooLarge
from tracestore.domain.spans import Json

Attributes: TypeAlias = dict[str, Json]
"""By name. Nothing is null at this level: an attribute without a value is left out. Bytes are Base64, and a double
that is no number is its name: NaN, Infinity, -Infinity."""

WireFormat: TypeAlias = Literal["protobuf", "json"]

MAX_RECORDS: Final = 50_000
"""Of one request. Exporters send 512 at a time and collectors 8,192; 64 MiB of empty messages would be 30 million."""

MAX_RECORD_BYTES: Final = 4 * 1024 * 1024
"""The contract's limit for a span. Decoded, 4 MiB may take 25 times as much, if they are all empty messages."""

MAX_EVENTS: Final = 10_000
"""Of one span, with its links. Software development kits keep 128 of each."""

MAX_PIECES: Final = 1_000_000
"""Attributes, events and links of all records together: two bytes each on the wire, but 150 in memory."""

_REASONS_KEPT: Final = 5


class Origin(NamedTuple):
    """Who reported: the resource, and the instrumentation scope. All of its records share one object."""

    resource: Attributes
    scope_name: str
    scope_version: str
    scope_attributes: Attributes


class Event(NamedTuple):
    """Something that happened during a span."""

    name: str
    time_ns: int
    attributes: Attributes


class Link(NamedTuple):
    """Another span, perhaps of another trace, that a span has to do with."""

    trace_id: str
    span_id: str
    attributes: Attributes


class OtlpSpan(NamedTuple):
    """A span as it was exported.

    Ids are lower-case hexadecimal; `kind` is a word such as `client`, `status` is `unset`, `ok` or `error`.
    """

    trace_id: str
    span_id: str
    parent_span_id: str | None
    name: str
    kind: str
    start_ns: int
    end_ns: int
    attributes: Attributes
    events: list[Event]
    links: list[Link]
    status: str
    status_message: str
    origin: Origin

    @property
    def pieces(self) -> int:
        """How many attributes, events and links it has."""
        return len(self.attributes) + len(self.events) + len(self.links)


class OtlpLog(NamedTuple):
    """A log record as it was exported. *absent*: ids are empty where it belongs to no span, `time_ns` is 0."""

    trace_id: str
    span_id: str
    time_ns: int
    event_name: str
    body: Json
    attributes: Attributes

    @property
    def pieces(self) -> int:
        """How many attributes it has."""
        return len(self.attributes)


R = TypeVar("R", OtlpSpan, OtlpLog)


@dataclass(slots=True)
class Export(Generic[R]):
    """What an export holds: the good records, how many were bad, and what was wrong with the first few of those."""

    records: list[R] = field(default_factory=list)
    rejected: int = 0
    reasons: list[str] = field(default_factory=list)


class BadRecord(Exception):
    """One record cannot be kept; `str` of it says why."""


Reader: TypeAlias = Callable[[], R]
"""Reads one record. Raises `BadRecord`."""


def wire_format(content_type: str | None) -> WireFormat | None:
    """The encoding that a `Content-Type` names; None for any other."""
    return _FORMATS.get((content_type or "").partition(";")[0].strip().lower())


_FORMATS: Final[dict[str, WireFormat]] = {
    "application/x-protobuf": "protobuf",
    "application/protobuf": "protobuf",
    "application/json": "json",
}


def read_traces(body: bytes, encoding: WireFormat, *, latest_start_ns: int | None = None) -> Export[OtlpSpan]:
    """The spans of an ExportTraceServiceRequest.

    A span that is bad is left out and counted, and so is one that starts after `latest_start_ns`.
    Raises `Invalid` for a body that cannot be read, `TooLarge` for one of more than `MAX_RECORDS`.
    """
    if encoding == "json":
        from .otlp_json import spans
    else:
        from .otlp_protobuf import spans

    def checked(read: Reader[OtlpSpan]) -> OtlpSpan:
        return _checked(read(), latest_start_ns)

    return _export(spans(body), checked)


def read_logs(body: bytes, encoding: WireFormat) -> Export[OtlpLog]:
    """The records of an ExportLogsServiceRequest. Raises as `read_traces` does."""
    if encoding == "json":
        from .otlp_json import logs
    else:
        from .otlp_protobuf import logs
    return _export(logs(body), lambda read: read())


def _export(readers: Iterator[Reader[R]], finish: Callable[[Reader[R]], R]) -> Export[R]:
    export: Export[R] = Export()
    pieces = 0
    for index, read in enumerate(readers):
        try:
            record = finish(read)
            export.records.append(record)
            pieces += record.pieces
        except BadRecord as bad:
            export.rejected += 1
            if len(export.reasons) < _REASONS_KEPT:
                export.reasons.append(str(bad))
        if index >= MAX_RECORDS or pieces > MAX_PIECES:
            raise too_many()
    return export


def too_many() -> TooLarge:
    """The failure for a request of more records, or more in them, than any exporter sends."""
    return TooLarge(
        f"The request holds more than {MAX_RECORDS:,} records or a million attributes. Send smaller batches."
    )


def unreadable() -> Invalid:
    """The failure for a body that is not what its content type says."""
    return Invalid("The body is not an OTLP export in the encoding that Content-Type names.", code="malformed_otlp")


def too_large() -> BadRecord:
    """The failure for a record beyond `MAX_RECORD_BYTES`."""
    return BadRecord("A record is larger than 4 MiB.")


def refuse_many_events(count: int) -> None:
    """Raises `BadRecord` for a span of more than `MAX_EVENTS` events and links."""
    if count > MAX_EVENTS:
        raise BadRecord(f"A span has more than {MAX_EVENTS:,} events and links.")


def hex_id(text: str, digits: int) -> str:
    """An id in lower case, and "" for the one of zeros, which names nothing. Raises `BadRecord`."""
    if len(text) != digits:
        raise BadRecord(f"An id of {digits // 2} bytes has another length.")
    return text.lower() if text.strip("0") else ""


def _checked(span: OtlpSpan, latest_start_ns: int | None) -> OtlpSpan:
    if not span.trace_id or not span.span_id:
        raise BadRecord("A trace_id or span_id is missing or all zeros.")
    if not span.start_ns or not span.end_ns:
        raise BadRecord("A start or end time is missing.")
    if span.end_ns < span.start_ns:
        raise BadRecord("A span ends before it starts.")
    if latest_start_ns is not None and span.start_ns > latest_start_ns:
        raise BadRecord("A span starts more than a day ahead.")
    return span
