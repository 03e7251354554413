"""Read OTLP exports into one neutral form from either of the two encodings.

This module reads only what the protocol defines. `conventions` interprets the attributes, such as models and prompts.
*source*: OpenTelemetry Protocol 1.x, `opentelemetry/proto/trace/v1` and `logs/v1`; OTLP/HTTP for the JSON encoding.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final, Generic, Literal, NamedTuple, TypeAlias, TypeVar

from tracestore.domain.errors import Invalid, TooLarge
from tracestore.domain.spans import Json

Attributes: TypeAlias = dict[str, Json]
"""Values by attribute name. *absent*: an attribute without a value is left out, so that no value is None at this level.
Bytes are Base64. A double that is not finite is its name: NaN, Infinity, -Infinity."""

WireFormat: TypeAlias = Literal["protobuf", "json"]

MAX_RECORDS: Final = 50_000
"""Most records in a request. Exporters send 512 at a time and collectors 8,192; 64 MiB of empty messages would be 30
million."""

MAX_RECORD_BYTES: Final = 4 * 1024 * 1024
"""The limit for a span (`docs/api.md`, "Conventions"). 4 MiB of empty messages take 25 times as much memory decoded."""

MAX_EVENTS: Final = 10_000
"""Most events and links together of a span. SDKs keep 128 of each by default."""

MAX_ELEMENTS: Final = 1_000_000
"""Most attributes, events and links in a request: each may take two bytes on the wire, but takes 150 in memory."""

_MAX_REASONS: Final = 5


@dataclass(frozen=True)
class Origin:
    """The source of records: the resource and the instrumentation scope. All records of a source share one object.

    `derived` is for what a later stage derives from it alone: a process sees few sources, and many records of each.
    """

    resource: Attributes
    scope_name: str
    scope_version: str
    scope_attributes: Attributes
    derived: dict[str, object] = field(default_factory=dict, compare=False, repr=False)


NO_ORIGIN: Final = Origin({}, "", "", {})


class Event(NamedTuple):
    """Something that happened during a span."""

    name: str
    time_ns: int
    attributes: Attributes


class Link(NamedTuple):
    """A reference to a related span, possibly in another trace."""

    trace_id: str
    span_id: str
    attributes: Attributes


class OtlpSpan(NamedTuple):
    """A span as it was exported.

    Ids are lower-case hexadecimal, `kind` is a word such as `client`, and `status` is `unset`, `ok` or `error`.
    Times are as they were sent, however wrong. *absent*: 0 for a missing end.
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
    def element_count(self) -> int:
        """The number of attributes, events and links."""
        return len(self.attributes) + len(self.events) + len(self.links)


class OtlpLog(NamedTuple):
    """A log record as it was exported. *absent*: empty ids for a record outside of any span; 0 for a missing time."""

    trace_id: str
    span_id: str
    time_ns: int
    event_name: str
    body: Json
    attributes: Attributes
    origin: Origin = NO_ORIGIN

    @property
    def element_count(self) -> int:
        """The number of attributes."""
        return len(self.attributes)


R = TypeVar("R", OtlpSpan, OtlpLog)


@dataclass(slots=True)
class Export(Generic[R]):
    """The valid records of an export, the number of rejected ones, and the reasons for the first few rejections."""

    records: list[R] = field(default_factory=list)
    rejected: int = 0
    reasons: list[str] = field(default_factory=list)


class BadRecord(Exception):
    """The rejection of one record; the text of the exception is the reason."""


TOO_MANY_EVENTS: Final = f"A span has more than {MAX_EVENTS:,} events and links. Send fewer."
WRONG_ID_LENGTH: Final = "An id is not {length} bytes long."
"""Reasons that both decoders give."""


Reader: TypeAlias = Callable[[], R]
"""A function that reads one record. *raises*: BadRecord."""


def wire_format(content_type: str | None) -> WireFormat | None:
    """The encoding that a `Content-Type` header names. *absent*: None for any other type."""
    return _FORMATS.get((content_type or "").partition(";")[0].strip().lower())


_FORMATS: Final[dict[str, WireFormat]] = {
    "application/x-protobuf": "protobuf",
    "application/protobuf": "protobuf",
    "application/json": "json",
}


def read_traces(body: bytes, encoding: WireFormat) -> Export[OtlpSpan]:
    """The spans of an ExportTraceServiceRequest. A span that is not valid is left out and counted as rejected.

    *raises*: Invalid for a body that is not an export; TooLarge for more than `MAX_RECORDS` or `MAX_ELEMENTS`.
    """
    if encoding == "json":
        from .otlp_json import spans
    else:
        from .otlp_protobuf import spans

    def checked(read: Reader[OtlpSpan]) -> OtlpSpan:
        return _checked(read())

    return _export(spans(body), checked)


def read_logs(body: bytes, encoding: WireFormat) -> Export[OtlpLog]:
    """The records of an ExportLogsServiceRequest. *raises*: as `read_traces`."""
    if encoding == "json":
        from .otlp_json import logs
    else:
        from .otlp_protobuf import logs
    return _export(logs(body), lambda read: read())


def _export(readers: Iterator[Reader[R]], finish: Callable[[Reader[R]], R]) -> Export[R]:
    export: Export[R] = Export()
    element_count = 0
    for index, read in enumerate(readers):
        try:
            record = finish(read)
            export.records.append(record)
            element_count += record.element_count
        except BadRecord as bad:
            export.rejected += 1
            if len(export.reasons) < _MAX_REASONS:
                export.reasons.append(str(bad))
        if index >= MAX_RECORDS or element_count > MAX_ELEMENTS:
            raise too_many_records()
    return export


def too_many_records() -> TooLarge:
    """The error for a request with more records or elements than any exporter sends."""
    return TooLarge(
        f"The request contains more than {MAX_RECORDS:,} records or a million attributes. Send smaller batches."
    )


def malformed_export() -> Invalid:
    """The error for a body that is not an export in the encoding of its content type."""
    return Invalid(
        "The body is not an OTLP export in the encoding that Content-Type names. Check both.", code="malformed_otlp"
    )


def too_large() -> BadRecord:
    """The error for a record of more than `MAX_RECORD_BYTES`."""
    return BadRecord("A record is larger than 4 MiB. Send shorter attributes.")


def _checked(span: OtlpSpan) -> OtlpSpan:
    """The span, if it has ids and a start. No other time rejects it: it is worth more than its clock."""
    if not span.trace_id or not span.span_id:
        raise BadRecord("trace_id or span_id is absent or consists of zeros.")
    if not span.start_ns:
        raise BadRecord("A span has no start_time_unix_nano.")
    return span
