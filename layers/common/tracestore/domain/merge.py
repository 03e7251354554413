"""The merge of a trace's updates into its spans: the same set of updates gives the same spans, in any order.

Updates of one span are merged field by field: a field takes its value from the highest update that reports it. The
order is a fixed rule that uses neither a clock nor the arrival: a PATCH before captured updates and a later PATCH
before an earlier one, then ended before pending, then the later end, then one with a measured duration, then the larger
digest. An end and the measured duration that was sent with it are taken from the same update.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import cast

from .costs import UNKNOWN, Cost, PriceOf, cost_of, no_prices
from .log_messages import Direction, conversation, merge_messages
from .spans import CAPTURED, PAYLOAD_FIELDS, SpanFields, SpanUpdate, contradicts, digest_of, is_plausible
from .times import NS_PER_MS

FINAL_STATUSES = frozenset({"success", "error"})


@dataclass(frozen=True, slots=True)
class Span:
    """A span, merged from all of its updates.

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

    @property
    def span_id(self) -> str:
        return self.fields["span_id"]

    @property
    def parent_span_id(self) -> str | None:
        """The parent's span id. *absent*: None for a root, and for a span that names itself."""
        parent = self.fields.get("parent_span_id")
        return None if parent == self.fields["span_id"] else parent

    @property
    def start_ns(self) -> int:
        """The position of the span in time: its start, or its first arrival where that start cannot be right."""
        return _position_ns(self.fields, self.created_ms)

    @property
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

    @property
    def order(self) -> tuple[int, str]:
        """The sort key of spans: by their position in time, then by id."""
        return (self.start_ns, self.fields["span_id"])


def merge(updates: Iterable[SpanUpdate], deleted: Collection[str] = (), price_of: PriceOf = no_prices) -> list[Span]:
    """Merge updates into spans, by start, without the spans in `deleted`."""
    by_span: dict[str, list[SpanUpdate]] = {}
    for update in updates:
        span_id = update.fields["span_id"]
        if span_id not in deleted:
            by_span.setdefault(span_id, []).append(update)
    return sorted((merge_span(group, price_of) for group in by_span.values()), key=lambda span: span.order)


def merge_span(updates: list[SpanUpdate], price_of: PriceOf = no_prices) -> Span:
    """Merge the updates of one span."""
    lowest_first = sorted(updates, key=_precedence) if len(updates) > 1 else updates
    fields: dict[str, object] = {}
    payload_from: dict[str, str] = {}
    for update in lowest_first:
        overlay(fields, update.fields)
        for field in update.payload_fields:
            if field not in update.fields and payload_from.get(field) != update.digest:
                fields.pop(field, None)  # read without it: the value of a lower update must not appear instead
            payload_from[field] = update.digest
    merged = cast(SpanFields, fields)
    _join_log_messages(updates, merged, payload_from)
    created_ms, updated_ms = _received_ms(updates)
    start_ns = _position_ns(merged, created_ms)
    priced = merged if merged.get("start_ns") == start_ns else cast(SpanFields, {**merged, "start_ns": start_ns})
    return Span(
        fields=merged,
        status=_status(lowest_first, merged),
        payload_from=payload_from,
        created_ms=created_ms,
        updated_ms=updated_ms,
        cost=cost_of(priced, price_of),
        is_from_logs=all(update.precedence != CAPTURED for update in updates),
    )


def _position_ns(fields: SpanFields, created_ms: int) -> int:
    """The start in these fields, or their first arrival where that start cannot be right."""
    start_ns = fields.get("start_ns", 0)
    return start_ns if is_plausible(start_ns, created_ms) else created_ms * NS_PER_MS


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


def _precedence(update: SpanUpdate) -> tuple[int, bool, int, bool, str]:
    fields = update.fields
    return (update.precedence, is_ended(fields), fields.get("end_ns", -1), "duration_ns" in fields, update.digest)


def _status(lowest_first: list[SpanUpdate], merged: SpanFields) -> str:
    """The outcome in the highest update that reports one; else derived from the error fields and the end."""
    for update in reversed(lowest_first):
        if (reported := update.fields.get("status")) in FINAL_STATUSES:
            return str(reported)
    if "error_type" in merged or "error_message" in merged:
        return "error"
    return "success" if any(is_ended(update.fields) for update in lowest_first) else "pending"


def core_of(fields: SpanFields) -> SpanFields:
    """The core of `fields`: everything except the payload."""
    return cast(SpanFields, {name: value for name, value in fields.items() if name not in PAYLOAD_FIELDS})


def payload_of(fields: SpanFields) -> dict[str, object]:
    """The payload of `fields`."""
    return {name: fields[name] for name in PAYLOAD_FIELDS if name in fields}
