"""Reads spans in this service's own JSON, as the contract's table "LLM traces" has them, into facts.

Null means absent everywhere. Nothing is derived here but an end from a duration. `body_bytes` is how long the text of
the body was: what comes out of a short one need not be measured.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeVar, cast

from pydantic_core import ErrorDetails, ValidationError

from tracestore.domain.errors import Detail, Invalid
from tracestore.domain.spans import Json, SpanFields, canonical_json
from tracestore.domain.times import NS_PER_DAY, NS_PER_SECOND

if TYPE_CHECKING:
    from pydantic import BaseModel

Model = TypeVar("Model", bound="BaseModel")

MAX_SPANS: Final = 1_000
MAX_SPAN_BYTES: Final = 4 * 1024 * 1024
MAX_CONTRADICTION_NS: Final = NS_PER_SECOND
_MAX_NAME_SHOWN: Final = 64
_MAX_DETAILS: Final = 10

_PENDING_WITH_END: Final = Detail("status", "cannot be pending with an end_time or duration_ms: leave one out")
_SET_BY_SERVER: Final = frozenset(
    {"id", "user_id", "created_at", "updated_at", "expires_at", "cost_source", "cost_price"}
)
"""Ignored when sent, so that a span that was read can be sent again."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why the span at `index` of a batch was not kept."""

    index: int
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Capture:
    """What one body holds: good spans as (index, trace_id, facts), and the others with the reason."""

    single: bool
    spans: list[tuple[int, str, SpanFields]]
    rejected: list[Rejection]


@dataclass(frozen=True, slots=True)
class Patch:
    """The facts that change. A duration becomes an end where the stored start is known: see `apply_duration`."""

    fields: dict[str, Json]
    duration_ns: int | None


def parse_capture(value: Json, *, now_ns: int, body_bytes: int = MAX_SPAN_BYTES) -> Capture:
    """One span, or the good and the bad ones of `{"spans": […]}`.

    Raises `Invalid` for a single span that is bad, and for a body that is neither.
    """
    if not isinstance(value, dict):
        raise Invalid('Send one span as a JSON object, or many as {"spans": [...]}.')
    if "spans" not in value:
        return Capture(True, [(0, *parse_span(value, now_ns=now_ns, body_bytes=body_bytes))], [])
    spans = value["spans"]
    if len(value) > 1:
        raise invalid([Detail(_shown(name), "is not known beside spans") for name in value if name != "spans"])
    if not isinstance(spans, list) or not 1 <= len(spans) <= MAX_SPANS:
        raise invalid([Detail("spans", f"must be a list of 1 to {MAX_SPANS:,} spans")])
    capture = Capture(False, [], [])
    for index, span in enumerate(spans):
        try:
            capture.spans.append((index, *parse_span(span, now_ns=now_ns, body_bytes=body_bytes)))
        except Invalid as error:
            capture.rejected.append(Rejection(index, error.code, error.message))
    return capture


def parse_span(value: Json, *, now_ns: int, body_bytes: int = MAX_SPAN_BYTES) -> tuple[str, SpanFields]:
    """The trace's id and the facts of one span. Raises `Invalid` (`invalid_request`, `span_too_large`)."""
    refuse_too_large(value, body_bytes)
    fields = _reported("NewSpan", value)
    refuse_future_start(fields, now_ns)
    _join_parent_names(fields)
    end_ns = apply_duration(fields["start_ns"], fields.get("end_ns"), fields.pop("duration_ns", None))
    if end_ns is not None:
        fields["end_ns"] = end_ns
    # That a span is pending is told by the absence of an end, and nothing else.
    if fields.get("status") == "pending":
        if end_ns is not None:
            raise invalid([_PENDING_WITH_END])
        del fields["status"]
    return fields.pop("trace_id"), cast(SpanFields, fields)


def parse_patch(value: Json, *, now_ns: int, body_bytes: int = MAX_SPAN_BYTES) -> Patch:
    """What a PATCH changes, any field of a span but its ids. Raises `Invalid` (`invalid_request`, `span_too_large`)."""
    refuse_too_large(value, body_bytes)
    fields = _reported("SpanChange", value)
    if not fields:
        raise Invalid("The change is empty. Send at least one field that is not null.")
    refuse_future_start(fields, now_ns)
    _join_parent_names(fields)
    duration_ns = fields.pop("duration_ns", None)
    if fields.get("status") == "pending" and (duration_ns is not None or "end_ns" in fields):
        raise invalid([_PENDING_WITH_END])
    return Patch(fields, duration_ns)


class TimeNames(NamedTuple):
    """What a body calls its times."""

    start: str = "start_time"
    end: str = "end_time"
    duration: str = "duration_ms"


SPAN_TIMES: Final = TimeNames()


def apply_duration(
    start_ns: int, end_ns: int | None, duration_ns: int | None, names: TimeNames = SPAN_TIMES
) -> int | None:
    """When the span ended: `end_ns` where it is known, else start and duration; None without either.

    Raises `Invalid` when it ends before it starts, or when the two differ by more than `MAX_CONTRADICTION_NS`.
    """
    if end_ns is None:
        return None if duration_ns is None else start_ns + duration_ns
    if end_ns < start_ns:
        raise invalid([Detail(names.end, f"must not lie before {names.start}")])
    if duration_ns is not None and abs(end_ns - start_ns - duration_ns) > MAX_CONTRADICTION_NS:
        raise invalid([Detail(names.duration, f"contradicts {names.end} by more than a second: send one of them")])
    return end_ns


_SENTENCES: Final[Mapping[str, str]] = {
    "missing": "is required",
    "extra_forbidden": "is not a field that can be sent here",
    "string_type": "must be a string",
    "string_too_short": "must not be empty",
    "string_too_long": "must be at most {max_length} characters long",
    "string_pattern_mismatch": "must match {pattern}",
    "int_type": "must be an integer",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "greater_than_equal": "must not be negative",
    "less_than_equal": "must be at most {le:,.0f}",
    "bool_type": "must be true or false",
    "list_type": "must be a list",
    "too_long": "must have at most {max_length:,} entries",
    "model_type": "must be an object",
    "literal_error": "must be {expected}",
    "value_error": "{error}",
}
"""What is said of each kind of error that pydantic finds."""


def _reported(kind: Literal["NewSpan", "SpanChange"], value: Json) -> dict[str, Any]:
    """The facts of a span that are there, by their names in `SpanFields`, and what is left to make facts of."""
    from .native_model import NewSpan, SpanChange

    model = NewSpan if kind == "NewSpan" else SpanChange
    if not isinstance(value, dict):
        raise Invalid("A span must be a JSON object.")
    ours = _SET_BY_SERVER | ({"cost_usd"} if value.get("cost_source") == "computed" else set())
    sent = {name: item for name, item in value.items() if item is not None and name not in ours}
    span = validated(model, sent)
    return {name: value for name, value in vars(span).items() if value is not None}


def validated(model: type[Model], sent: Mapping[str, Json]) -> Model:
    """What pydantic makes of it. Raises `Invalid` that names each bad field, those inside others by their path."""
    try:
        return model.model_validate(sent)
    except ValidationError as error:
        # Without `from`: pydantic's text repeats what was sent, which may be somebody's prompt.
        raise invalid([_detail(found) for found in error.errors(include_url=False, include_input=False)]) from None


def _detail(found: ErrorDetails) -> Detail:
    sentence = _SENTENCES.get(found["type"], "cannot be read")
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in found["loc"])
    return Detail(_shown(path.removeprefix(".")), sentence.format(**found.get("ctx", {})))


def _shown(name: str) -> str:
    return name[:_MAX_NAME_SHOWN]


def invalid(details: Sequence[Detail]) -> Invalid:
    """The refusal of a body, by field."""
    shown = tuple(details[:_MAX_DETAILS])
    return Invalid("; ".join(f"{detail.field} {detail.message}" for detail in shown) + ".", details=shown)


def refuse_too_large(value: Json, body_bytes: int = MAX_SPAN_BYTES) -> None:
    """Raises `Invalid` (`span_too_large`) for a span that is."""
    # Canonical JSON is never four times as long as what was sent (1e15 comes near), and costs more than the validation.
    if body_bytes > MAX_SPAN_BYTES // 4 and len(canonical_json(value)) > MAX_SPAN_BYTES:
        raise Invalid("The span is larger than 4 MB. Send less input or output with it.", code="span_too_large")


def refuse_future_start(fields: Mapping[str, Any], now_ns: int, name: str = SPAN_TIMES.start) -> None:
    """Raises `Invalid` for a start that is more than a day ahead."""
    if fields.get("start_ns", 0) > now_ns + NS_PER_DAY:
        raise invalid([Detail(name, "must be at most a day ahead")])


def _join_parent_names(fields: dict[str, Any]) -> None:
    """`parent_trace_id` names the parent span, historically: it becomes `parent_span_id`."""
    parent = fields.pop("parent_trace_id", None)
    if parent is not None and fields.setdefault("parent_span_id", parent) != parent:
        raise invalid([Detail("parent_span_id", "differs from parent_trace_id, which means the same: send one")])
