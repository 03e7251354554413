"""The fields of a span as clients send them: types, limits and units, which pydantic checks.

Imported only when needed: building these models takes longer than the rest of the capture function's start, and OTLP
requests never import them.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from tracestore.domain.spans import ID_PATTERN, MAX_DURATION_MS, MAX_STACK_CHARACTERS
from tracestore.domain.times import NS_PER_MS, format_time, parse_time

MAX_TAGS: Final = 100
MAX_USAGE_KINDS: Final = 50
MAX_EVENTS: Final = 10_000
"""The events of a span, and its links. OTLP requests have the same limit."""


def _duration_ns(duration_ms: float) -> int:
    return round(Decimal(str(duration_ms)) * NS_PER_MS)


def _cost_nano_usd(cost_usd: float) -> int:
    return round(Decimal(str(cost_usd)) * 1_000_000_000)


def _normal_time(text: str) -> str:
    return format_time(parse_time(text))


def _absent_when_empty(text: str) -> str | None:
    return text or None


_ID_PATTERN: Final = f"^{ID_PATTERN}$"
_OPERATION_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9_.:/-]{0,63}$"
_BEGINNING: Final = "and begin with a letter or digit"

SENTENCE_BY_PATTERN: Final[Mapping[str, str]] = {
    _ID_PATTERN: f"must have 1 to 128 characters, only ASCII letters, digits and _ . : -, {_BEGINNING}",
    _OPERATION_PATTERN: f"must have 1 to 64 characters, only ASCII letters, digits and _ . : / -, {_BEGINNING}",
}
"""The sentence for each pattern: an error never shows the pattern itself."""

Id = Annotated[str, StringConstraints(pattern=_ID_PATTERN)]
_Operation = Annotated[str, StringConstraints(pattern=_OPERATION_PATTERN)]
_SpanName = Annotated[str, StringConstraints(min_length=1, max_length=512)]
_ForeignId = Annotated[str, StringConstraints(min_length=1, max_length=256)]
Label = Annotated[str, StringConstraints(max_length=256), AfterValidator(_absent_when_empty)]
ErrorMessage = Annotated[str, StringConstraints(max_length=65_536), AfterValidator(_absent_when_empty)]
_Tag = Annotated[str, StringConstraints(min_length=1, max_length=256)]
_Stack = Annotated[str, StringConstraints(max_length=MAX_STACK_CHARACTERS), AfterValidator(_absent_when_empty)]
Count = Annotated[int, Field(ge=0, le=2**53)]
Time = Annotated[str, Field(json_schema_extra={"format": "date-time"}), AfterValidator(parse_time)]
Duration = Annotated[float, Field(ge=0, le=MAX_DURATION_MS, allow_inf_nan=False), AfterValidator(_duration_ns)]
_Cost = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False), AfterValidator(_cost_nano_usd)]


_UsageKind = Annotated[str, StringConstraints(min_length=1, max_length=64)]


class _Event(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    name: _SpanName
    time: Annotated[str, Field(json_schema_extra={"format": "date-time"}), AfterValidator(_normal_time)] | None = None
    attributes: dict[str, Any] | None = None


class _Link(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    trace_id: Id
    span_id: Id
    attributes: dict[str, Any] | None = None


def _as_json(entries: list[Any]) -> list[dict[str, Any]]:
    return [{name: value for name, value in vars(entry).items() if value is not None} for entry in entries]


class SentSpan(BaseModel):
    """The fields that every request may contain, validated into the names and units of `SpanFields`."""

    model_config = ConfigDict(strict=True, extra="forbid", protected_namespaces=())

    parent_trace_id: Id | None = None
    parent_span_id: Id | None = None
    operation_type: _Operation | None = None
    end_ns: Time | None = Field(None, alias="end_time")
    duration_ns: Duration | None = Field(None, alias="duration_ms")
    model_name: Label | None = None
    model_provider: Label | None = None
    model_version: Label | None = None
    conversation_id: _ForeignId | None = None
    message_id: _ForeignId | None = None
    input_tokens: Count | None = None
    output_tokens: Count | None = None
    total_tokens: Count | None = None
    cached_input_tokens: Count | None = None
    cache_write_tokens: Count | None = None
    reasoning_tokens: Count | None = None
    cost_nano_usd: _Cost | None = Field(None, alias="cost_usd")
    tool_name: Label | None = None
    end_user_id: Label | None = None
    service_name: Label | None = None
    lesson_id: Label | None = None
    environment: Label | None = None
    release: Label | None = None
    tags: Annotated[list[_Tag], Field(max_length=MAX_TAGS)] | None = None
    prompt_name: Label | None = None
    prompt_version: Label | None = None
    time_to_first_token_ns: Duration | None = Field(None, alias="time_to_first_token_ms")
    finish_reason: Label | None = None
    service_tier: Label | None = None
    usage_details: Annotated[dict[_UsageKind, Count], Field(max_length=MAX_USAGE_KINDS)] | None = None
    interrupted: bool | None = None
    status: Literal["pending", "success", "error"] | None = None
    error_message: ErrorMessage | None = None
    error_type: Label | None = None
    input_data: Any = None
    output_data: Any = None
    metadata: Any = None
    error_stack: _Stack | None = None
    events: Annotated[list[_Event], Field(max_length=MAX_EVENTS), AfterValidator(_as_json)] | None = None
    links: Annotated[list[_Link], Field(max_length=MAX_EVENTS), AfterValidator(_as_json)] | None = None


class UnnamedSpan(SentSpan):
    """A span in a capture of one span, without `span_id`; its start may be absent."""

    model_config = ConfigDict(defer_build=True)  # no other request needs it

    trace_id: Id
    span_id: Id | None = None
    span_name: _SpanName
    start_ns: Time | None = Field(None, alias="start_time")
    scope_name: Label | None = None
    request_model: Label | None = None
    call_key: Label | None = None
    usage_ambiguous: bool | None = None


class NewSpan(UnnamedSpan):
    """A span in a capture, with its required fields."""

    model_config = ConfigDict(defer_build=False)

    span_id: Id
    start_ns: Time = Field(alias="start_time")


class LoggedSpan(UnnamedSpan):
    """A span in a batch that only log records reported, as an export contains it: it has no name."""

    model_config = ConfigDict(defer_build=True)  # only imports need it

    span_id: Id
    span_name: _SpanName | None = None  # type: ignore[assignment]
    from_logs: Literal[True]


class SpanChange(SentSpan):
    """A change to a span in a PATCH request; the ids are in the path."""

    span_name: _SpanName | None = None
    start_ns: Time | None = Field(None, alias="start_time")
