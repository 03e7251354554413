"""The content of a request in an SDK's own protocol: reports about spans, and scores.

The decoders of the protocols (`sdk_langsmith`, `sdk_langfuse`, `sdk_agents`) build spans in the neutral form of OTLP,
with the names of `convention_tables` as attributes, so that they pass the same stages as the spans of an export. Unlike
an export, a report may leave out what an earlier or a later one contains. No default takes the place of that.
"""

import hashlib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple, cast

from tracestore.domain.errors import Invalid
from tracestore.domain.json_values import is_empty
from tracestore.domain.spans import ID_PATTERN, Json, SpanFields
from tracestore.domain.times import NS_PER_DAY, NS_PER_MS, NS_PER_SECOND, parse_time

from .otlp import Attributes, Event, Origin, OtlpSpan
from .scores import Problem, Score
from .span_fields import spans_fields

_ID: Final = re.compile(ID_PATTERN)
_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_PREFIXED_HEX: Final = re.compile(r"(?:trace|span)_([0-9a-f]{16,32})", re.IGNORECASE)
_NOT_IN_IDS: Final = re.compile(r"[^A-Za-z0-9_.:-]")
_HASH_DIGITS: Final = 16
_READABLE_CHARACTERS: Final = 100

_LEAST_MS: Final = 10**11
_LEAST_US: Final = 10**14
_LEAST_NS: Final = 10**17
"""Numbers from here on are times in milliseconds, microseconds or nanoseconds: all between 1973 and 5138."""

_MOST_NS: Final = 10**19


FIRST: Final = 0
"""The order of the report that others amend."""


class Report(NamedTuple):
    """The report of one request about one span. `sources` are the protocol's names of the parts that it comes from.

    `states_operation` unless its operation is only inferred, for the reading of the other fields. The rest are fields
    of the span: see `SpanFields`. *absent*: left out.
    """

    span: OtlpSpan
    sources: tuple[str, ...]
    states_operation: bool = True
    report_order: int | None = None
    encloses: bool = False
    has_alias: bool = False


@dataclass(slots=True)
class Batch:
    """The content of one request. It `has_files` where reports contain media that are not base64 in its body."""

    reports: list[Report] = field(default_factory=list)
    scores: list[Score] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    has_files: bool = False

    def add(self, decoded: Report | Score | Problem) -> None:
        """Add a decoded part of the request."""
        if isinstance(decoded, Report):
            self.reports.append(decoded)
        elif isinstance(decoded, Score):
            self.scores.append(decoded)
        else:
            self.problems.append(decoded)


def report_fields(reports: Sequence[Report]) -> list[tuple[str, SpanFields]]:
    """The trace id and the fields of each report, in the same order; nothing that it does not report."""
    reported = []
    read = spans_fields([report.span for report in reports])
    for report, (trace_id, fields) in zip(reports, read, strict=True):
        is_reported = {
            "start_ns": report.span.start_ns > 0,
            "span_name": report.span.name != "",
            "operation_type": report.states_operation,
            "metadata": not _has_only_origin(fields),
        }
        kept = {name: value for name, value in fields.items() if is_reported.get(name, True)}
        if report.report_order is not None:
            kept["report_order"] = report.report_order
        if report.encloses:
            kept["encloses"] = True
        if report.has_alias:
            kept["has_alias"] = True
        reported.append((trace_id, cast(SpanFields, kept)))
    return reported


def _has_only_origin(fields: SpanFields) -> bool:
    metadata = fields.get("metadata")
    return isinstance(metadata, dict) and metadata.keys() <= {"scope"}


def origin_of(scope_name: str) -> Origin:
    """The origin of the spans of a protocol. The scope distinguishes them from spans of OTLP about the same call."""
    return Origin({}, scope_name, "", {})


def new_span(
    origin: Origin,
    trace_id: str,
    span_id: str,
    *,
    parent_id: str | None = None,
    name: Json = None,
    start_ns: int | None = None,
    end_ns: int | None = None,
    attributes: Attributes,
    events: Iterable[Event] = (),
    status: Literal["unset", "ok", "error"] = "unset",
) -> OtlpSpan:
    """A span in the neutral form. *absent*: empty, and 0 for a time, where the request does not report it.

    An end within the millisecond of the start, and before it, is that of a clock of milliseconds: the start is the end.
    """
    return OtlpSpan(
        trace_id=trace_id,
        span_id=span_id,
        parent_span_id=parent_id if parent_id != span_id else None,
        name=name if isinstance(name, str) else "",
        kind="internal",
        start_ns=start_ns or 0,
        end_ns=max(start_ns, end_ns) if start_ns and end_ns and _is_same_ms(start_ns, end_ns) else end_ns or 0,
        attributes={name: value for name, value in attributes.items() if not is_empty(value)},
        events=list(events),
        links=[],
        status=status,
        status_message="",
        origin=origin,
    )


def problem_of_times(start_ns: int | None, end_ns: int | None, now_ns: int) -> str | None:
    """The reason why a span with these times cannot be stored. *absent*: None."""
    if start_ns and start_ns > now_ns + NS_PER_DAY:
        return "The span starts more than one day in the future. Check the clock of the sender."
    if start_ns and end_ns and end_ns < start_ns and not _is_same_ms(start_ns, end_ns):
        return "The span ends before it starts. Check the clock of the sender."
    return None


def _is_same_ms(start_ns: int, end_ns: int) -> bool:
    return start_ns // NS_PER_MS == end_ns // NS_PER_MS


def amended(fields: Mapping[str, Json], changes: Mapping[str, Json]) -> dict[str, Json]:
    """The fields with the values of `changes` in their place, except empty ones, which report nothing."""
    return {**fields, **{name: value for name, value in changes.items() if not is_empty(value)}}


def stored_id(value: Json) -> str | None:
    """The stored form of an id of a protocol, the same for all spellings of one id.

    A UUID becomes the 32 digits that it is in OTLP, and an id such as `trace_…` its digits. Any other text with the
    characters of stored ids stays as it is; else it becomes a readable text with a hash. *absent*: None for no text.
    """
    if not isinstance(value, str) or not value:
        return None
    if _UUID.fullmatch(value):
        return value.replace("-", "").lower()
    if prefixed := _PREFIXED_HEX.fullmatch(value):
        return prefixed[1].lower()
    if _ID.fullmatch(value):
        return value
    digest = hashlib.sha256(value.encode(errors="replace")).hexdigest()[:_HASH_DIGITS]
    return f"id-{_NOT_IN_IDS.sub('_', value)[:_READABLE_CHARACTERS]}-{digest}"


def time_ns(value: Json) -> int | None:
    """A time as nanoseconds since 1970, from ISO 8601 (UTC without a zone) or from a number. *absent*: None."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        return _time_of_number(value)
    if not isinstance(value, str):
        return None
    for text in (value, f"{value}Z"):
        try:
            return parse_time(text)
        except ValueError:
            continue
    return None


def _time_of_number(value: float) -> int | None:
    if not math.isfinite(value) or not 0 < value < _MOST_NS:
        return None
    if value >= _LEAST_NS:
        return int(value)
    if value >= _LEAST_US:
        return int(value * 1_000)
    return int(value * NS_PER_MS) if value >= _LEAST_MS else round(value * NS_PER_SECOND)


_STACK: Final = re.compile(r"\s*Traceback \(most recent call last\):|\n\s+at \S")
_REPR: Final = re.compile(r"(?P<type>[A-Za-z_][\w.]*)\((?P<content>.*)\)\s*", re.DOTALL)
_PREFIXED: Final = re.compile(
    r"(?P<type>[A-Za-z_$][\w.$]*(?:Error|Exception|Interrupt|Exit|Warning)): (?P<content>.*)", re.DOTALL
)


def error_attributes(text: Json) -> Attributes:
    """The attributes of an exception that a client sends as one text: its representation, then its stack.

    *shape*: Python's `repr` and a traceback, or JavaScript's `Error: message` and its stack; any other text is the
    message.
    """
    if not isinstance(text, str):
        return {}
    stack = _STACK.search(text)
    head = text[: stack.start()] if stack else text
    attributes: Attributes = {"exception.stacktrace": text[stack.start() :].strip("\n")} if stack else {}
    match = _REPR.fullmatch(head) or _PREFIXED.fullmatch(head)
    if match is None:
        return {**attributes, "exception.message": head.strip() or text}
    content = match["content"].strip()
    if len(content) >= 2 and content[0] == content[-1] and content[0] in "'\"":
        content = content[1:-1]
    return {**attributes, "exception.type": match["type"], "exception.message": content or match["type"]}


def as_object(value: Any) -> dict[str, Json]:
    """The object itself. *absent*: empty for any other value."""
    return value if isinstance(value, dict) else {}


def as_list(value: Any) -> list[Json]:
    """The list itself. *absent*: empty for any other value."""
    return value if isinstance(value, list) else []


def list_in(body: Json, name: str, form: str) -> list[Json]:
    """The list that a body must have under a name. *raises*: Invalid with the `form` of the body if it has none."""
    items = as_object(body).get(name)
    if not isinstance(items, list):
        raise Invalid(form)
    return items


def as_text(value: Any) -> str | None:
    """The text itself. *absent*: None for any other value, and for an empty one."""
    return value if isinstance(value, str) and value else None
