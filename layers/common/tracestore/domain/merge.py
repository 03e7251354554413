"""The merge of a trace's updates into its spans: the same set of updates gives the same spans, in any order.

Updates of one span are merged field by field: a field takes its value from the highest update that reports it. The
order is a fixed rule that uses neither a clock nor the arrival: a PATCH before captured updates and a later PATCH
before an earlier one, then the later in the order that the client states, then ended before pending, then the later
end, then one with a measured duration, then the larger digest. An end and the measured duration that was sent with it
are taken from the same update.

Log records report calls too. Their updates have the lowest precedence, with the exceptions in `log_reports.py` and two
more: a failure that only a record reports is one, and a span that only records report begins with the first of them.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import inf
from operator import attrgetter
from typing import cast

from .costs import UNKNOWN, Cost, PriceOf, cost_of, no_prices
from .log_joins import joined_spans
from .log_messages import Direction, conversation, merge_messages
from .log_reports import take_from_records
from .spans import (
    CAPTURED,
    FROM_LOGS,
    PAYLOAD_FIELDS,
    Json,
    SpanFields,
    SpanUpdate,
    contradicts,
    digest_of,
    is_plausible,
)
from .times import NS_PER_MS

FINAL_STATUSES = frozenset({"success", "error"})

_PAYLOAD_NAMES = frozenset(PAYLOAD_FIELDS)


@dataclass(frozen=True)
class Span:
    """A span, merged from all of its updates. What follows from the fields is derived once: a summary asks repeatedly.

    `fields` has payload fields only where the updates were read with them. `payload_from` has, for each payload field,
    the digest of the update whose value was taken. It `is_from_logs` if no capture reports
    it, only log records: then it has no name.
    """

    fields: SpanFields
    status: str
    payload_from: dict[str, str]
    created_ms: int
    updated_ms: int
    cost: Cost = UNKNOWN
    is_from_logs: bool = False

    @cached_property
    def span_id(self) -> str:
        return self.fields["span_id"]

    @cached_property
    def parent_span_id(self) -> str | None:
        """The parent's span id. *absent*: None for a root, and for a span that names itself."""
        parent = self.fields.get("parent_span_id")
        return None if parent == self.fields["span_id"] else parent

    @cached_property
    def start_ns(self) -> int:
        """The position of the span in time: its start, or its first arrival where that start cannot be right."""
        return _position_ns(self.fields, self.created_ms)

    @cached_property
    def end_ns(self) -> int | None:
        """The end of the span. *absent*: None without an end, and where its times cannot be right."""
        end_ns = self.fields.get("end_ns")
        if end_ns is None or not self.fields.get("start_ns", 0) == self.start_ns <= end_ns:
            return None
        return end_ns if is_plausible(end_ns, self.updated_ms) else None

    @property
    def duration_ns(self) -> int | None:
        """The duration: as measured if it contradicts the end, else from start to end. *absent*: None without an end.

        Nor has a span a duration whose times cannot be right.
        """
        end_ns = self.end_ns
        return None if end_ns is None else self.fields.get("duration_ns", end_ns - self.start_ns)

    @property
    def has_clock_skew(self) -> bool:
        """Whether the times of the span contradict each other or cannot be right."""
        fields = self.fields
        if fields.get("start_ns", self.start_ns) != self.start_ns or ("end_ns" in fields and self.end_ns is None):
            return True
        duration_ns, end_ns = fields.get("duration_ns"), self.end_ns
        return duration_ns is not None and end_ns is not None and contradicts(self.start_ns, end_ns, duration_ns)

    @cached_property
    def order(self) -> tuple[int, str]:
        """The sort key of spans: by their position in time, then by id."""
        return (self.start_ns, self.fields["span_id"])


def merge(updates: Iterable[SpanUpdate], deleted: Collection[str] = (), price_of: PriceOf = no_prices) -> list[Span]:
    """Merge updates into spans, by start, without the spans in `deleted`."""
    left = [update for update in updates if not deleted or update.fields["span_id"] not in deleted]
    groups = by_joined_span(left).items()
    merged = _with_extents([merge_span(group, price_of, span_id) for span_id, group in groups])
    return _with_models(sorted(merged, key=attrgetter("order")), price_of)


def depends_on_others(span: Span) -> bool:
    """Whether a span that was merged alone may lack what it takes from the other spans of its trace."""
    return "encloses" in span.fields or _lacks_model(span)


def with_core(span: Span, core: Span) -> Span:
    """A span that was merged alone with its payload, with the core that it has among the spans of its trace."""
    fields = cast(SpanFields, {**span.fields, **core_of(core.fields)})
    return replace(span, fields=fields, status=core.status, cost=core.cost)


def _with_extents(spans: list[Span]) -> list[Span]:
    """The spans, with the times and the status of those that enclose the others."""
    if not any("encloses" in span.fields for span in spans):
        return spans
    return [_extended(span, spans) if "encloses" in span.fields else span for span in spans]


def _extended(span: Span, spans: Iterable[Span]) -> Span:
    """A span that stands for its trace: from the first start to the last end, pending while a span below it is."""
    enclosed = [other for other in spans if "encloses" not in other.fields]
    below = {other.status for other in enclosed if other.parent_span_id == span.span_id}
    fields = cast(SpanFields, {**span.fields, "start_ns": min(other.start_ns for other in (span, *enclosed))})
    ends = [other.end_ns for other in enclosed if other.end_ns is not None]
    if "pending" in below or not (ends or "status" in fields):
        return replace(span, fields=fields, status="pending")
    fields["end_ns"] = max([fields["start_ns"], fields.get("end_ns", 0), *ends])
    return replace(span, fields=fields, status="error" if "error" in below else fields.get("status", "success"))


def _with_models(spans: list[Span], price_of: PriceOf) -> list[Span]:
    """The spans by start, with the model of the nearest span around each call that names none itself."""
    lacking = {span.span_id for span in spans if _lacks_model(span)}
    if not lacking:
        return spans
    by_id = {span.span_id: span for span in spans}
    named = [_with_model(span, by_id, price_of) if span.span_id in lacking else span for span in spans]
    return sorted(named, key=attrgetter("order"))


def _lacks_model(span: Span) -> bool:
    """Whether a span reports the usage of a model call and no model."""
    fields = span.fields
    return (
        fields.get("operation_type") == "completion"
        and "model_name" not in fields
        and ("input_tokens" in fields or "output_tokens" in fields)
    )


def _with_model(span: Span, by_id: dict[str, Span], price_of: PriceOf) -> Span:
    """The span with the model of the nearest span around it that names one. *absent*: unchanged.

    A span that is only the end of its call, where the usage arrives, begins with that span.
    """
    around, seen = span.parent_span_id, {span.span_id}
    while around in by_id and around not in seen:
        fields = by_id[around].fields
        if model := fields.get("model_name", fields.get("request_model")):
            priced = SpanFields(**{**span.fields, "model_name": model})
            if "needs_call" in priced:
                priced["start_ns"] = min(fields["start_ns"], priced["start_ns"])
            return replace(span, fields=priced, cost=cost_of(priced, price_of))
        seen.add(around)
        around = by_id[around].parent_span_id
    return span


def by_joined_span(updates: Sequence[SpanUpdate]) -> dict[str, list[SpanUpdate]]:
    """The updates of each span by its id, those of records among the updates of the span that they are about."""
    joined = joins_of(updates)
    by_span: dict[str, list[SpanUpdate]] = {}
    for update in updates:
        span_id = update.fields["span_id"]
        by_span.setdefault(joined.get(span_id, span_id), []).append(update)
    return by_span


def joins_of(updates: Iterable[SpanUpdate]) -> dict[str, str]:
    """The span that each span from records is about, by span id: see `log_joins`."""
    return joined_spans(updates, _merged_fields)


def _merged_fields(updates: list[SpanUpdate]) -> SpanFields:
    """The fields of a span whose records have not been joined to another span."""
    fields: dict[str, object] = {}
    for update in sorted(updates, key=_precedence):
        overlay(fields, update.fields)
    merged = cast(SpanFields, fields)
    _take_first_start(updates, merged)
    return merged


def merge_span(updates: list[SpanUpdate], price_of: PriceOf = no_prices, span_id: str | None = None) -> Span:
    """Merge the updates of one span. `span_id` is its id where records with ids of their own were joined to it."""
    lowest_first = sorted(updates, key=_precedence) if len(updates) > 1 else updates
    merged, payload_from = _overlaid(lowest_first)
    if len(updates) > 1 or updates[0].precedence == FROM_LOGS or "log_messages" in payload_from:
        if lowest_first[0].precedence == FROM_LOGS:
            take_from_records(lowest_first, merged, payload_from)
        _take_first_start(updates, merged)
        _join_log_messages(updates, merged, payload_from)
        _join_metadata(lowest_first, merged, payload_from)
    merged["span_id"] = span_id or merged["span_id"]
    created_ms, updated_ms = _received_ms(updates)
    if "start_ns" not in merged:  # only an amendment of the span has arrived
        arrival_ns = created_ms * NS_PER_MS
        merged["start_ns"] = min(arrival_ns, merged.get("end_ns", arrival_ns))
    start_ns = _position_ns(merged, created_ms)
    priced = merged if merged["start_ns"] == start_ns else cast(SpanFields, {**merged, "start_ns": start_ns})
    return Span(
        fields=merged,
        status=_status(lowest_first, merged),
        payload_from=payload_from,
        created_ms=created_ms,
        updated_ms=updated_ms,
        cost=cost_of(priced, price_of),
        is_from_logs=all(update.precedence != CAPTURED for update in updates),
    )


def _overlaid(lowest_first: Sequence[SpanUpdate]) -> tuple[SpanFields, dict[str, str]]:
    """The fields of updates, each from the highest that reports it, and the digests that payload fields come from."""
    if len(lowest_first) == 1:
        (update,) = lowest_first
        return update.fields.copy(), dict.fromkeys(update.payload_fields, update.digest)
    fields: dict[str, object] = {}
    payload_from: dict[str, str] = {}
    for update in lowest_first:
        overlay(fields, update.fields)
        for name in update.payload_fields:
            if name not in update.fields and payload_from.get(name) != update.digest:
                fields.pop(name, None)  # read without it: the value of a lower update must not appear instead
            payload_from[name] = update.digest
    return cast(SpanFields, fields), payload_from


def _position_ns(fields: SpanFields, created_ms: int) -> int:
    """The start in these fields, or their first arrival where that start cannot be right."""
    start_ns = fields.get("start_ns", 0)
    return start_ns if is_plausible(start_ns, created_ms) else created_ms * NS_PER_MS


def _take_first_start(updates: Iterable[SpanUpdate], merged: SpanFields) -> None:
    """Let a span that encloses its trace, or that only records report, begin with the first of its reports."""
    starting = [update for update in updates if "start_ns" in update.fields]
    if starting and ("encloses" in merged or all(update.precedence == FROM_LOGS for update in starting)):
        merged["start_ns"] = min(update.fields["start_ns"] for update in starting)


def _received_ms(updates: list[SpanUpdate]) -> tuple[int, int]:
    """The first arrival of the first and of the last of these updates, each of which may have arrived repeatedly."""
    if len(updates) == 1:
        return updates[0].received_ms, updates[0].received_ms
    first_received_ms: dict[tuple[int, str], int] = {}
    for update in sorted(updates, key=lambda update: update.received_ms):
        first_received_ms.setdefault((update.precedence, update.digest), update.received_ms)
    return min(first_received_ms.values()), max(first_received_ms.values())


def _join_log_messages(updates: list[SpanUpdate], merged: SpanFields, payload_from: dict[str, str]) -> None:
    """Take the input and output from log messages where the span itself reports none."""
    reporting = [update for update in updates if "log_messages" in update.payload_fields]
    if not reporting:
        return
    messages = merge_messages(update.fields.get("log_messages", []) for update in reporting)
    merged.pop("log_messages", None)
    source = digest_of("+".join(sorted({update.digest for update in reporting})).encode())
    for field, direction in (("input_data", "input"), ("output_data", "output")):
        if field not in payload_from:
            payload_from[field] = source
            if (content := conversation(messages, cast(Direction, direction))) is not None:
                merged[field] = content  # type: ignore[literal-required]


def _join_metadata(lowest_first: list[SpanUpdate], merged: SpanFields, payload_from: dict[str, str]) -> None:
    """Join the metadata of reports that amend each other: an amendment does not repeat what it leaves unchanged."""
    reporting = [
        update for update in lowest_first if update.precedence <= CAPTURED and "metadata" in update.payload_fields
    ]
    digests = {update.digest for update in reporting}
    is_amended = len(digests) > 1 and any("report_order" in update.fields for update in reporting)
    if not is_amended or payload_from["metadata"] not in digests:  # else a PATCH has replaced it
        return
    payload_from["metadata"] = digest_of("+".join(sorted(digests)).encode())
    if "metadata" in merged:
        joined: Json = {}
        for update in reporting:
            joined = _joined(joined, update.fields.get("metadata"))
        merged["metadata"] = joined


def _joined(value: Json, higher: Json) -> Json:
    """Two values in one: objects key by key, of any others the higher."""
    if not isinstance(value, dict) or not isinstance(higher, dict):
        return value if higher is None else higher
    return {**value, **{name: _joined(value.get(name), item) for name, item in higher.items()}}


def overlay(fields: dict[str, object], higher: SpanFields) -> None:
    """Replace these fields by those of a higher update. A measured duration is replaced together with its end."""
    if "end_ns" in higher:
        fields.pop("duration_ns", None)
    fields.update(higher)


def is_ended(fields: SpanFields) -> bool:
    """Whether these fields report that the span has ended."""
    return (
        "end_ns" in fields
        or fields.get("status") in FINAL_STATUSES
        or "error_type" in fields
        or "error_message" in fields
    )


def _precedence(update: SpanUpdate) -> tuple[int, float, bool, int, bool, str]:
    fields = update.fields
    return (
        update.precedence,
        fields.get("report_order", inf),
        is_ended(fields),
        fields.get("end_ns", -1),
        "duration_ns" in fields,
        update.digest,
    )


def _status(lowest_first: list[SpanUpdate], merged: SpanFields) -> str:
    """The outcome in the highest update that reports one; else derived from the error fields and the end."""
    for update in reversed(lowest_first):
        if (reported := update.fields.get("status")) in FINAL_STATUSES:
            if reported == "success" and update.precedence == CAPTURED and _is_failed_in_records(lowest_first):
                return "error"
            return str(reported)
    if "error_type" in merged or "error_message" in merged:
        return "error"
    return "success" if any(is_ended(update.fields) for update in lowest_first) else "pending"


def _is_failed_in_records(lowest_first: Sequence[SpanUpdate]) -> bool:
    """Whether the last record that reports an outcome reports a failure."""
    reported = (
        u.fields["status"] for u in reversed(lowest_first) if u.precedence == FROM_LOGS and "status" in u.fields
    )
    return next(reported, None) == "error"


def core_of(fields: SpanFields) -> SpanFields:
    """The core of `fields`: everything except the payload."""
    return cast(SpanFields, {name: value for name, value in fields.items() if name not in _PAYLOAD_NAMES})


def payload_of(fields: SpanFields) -> dict[str, object]:
    """The payload of `fields`."""
    return {name: fields[name] for name in PAYLOAD_FIELDS if name in fields}
