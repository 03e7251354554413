"""Read spans in this service's own JSON format (`docs/api.md`, "Spans") into fields.

Null means absent everywhere. An end is derived from a duration. A single span without `span_id` gets an id, and a start
if it has none. `body_bytes` is the length of the request's body: a span from a short body need not be measured.
"""

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import chain, islice
from json import JSONEncoder
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeVar, cast, get_args, get_origin

from pydantic_core import ErrorDetails, ValidationError

from tracestore.domain.errors import Detail, Invalid
from tracestore.domain.spans import Json, SpanFields, contradicts
from tracestore.domain.times import NS_PER_DAY

if TYPE_CHECKING:
    from pydantic import BaseModel

Model = TypeVar("Model", bound="BaseModel")

MAX_SPANS: Final = 1_000
MAX_SPAN_BYTES: Final = 4 * 1024 * 1024
_JSON: Final = JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_MAX_NAME_CHARACTERS: Final = 64
_MAX_DETAILS: Final = 10

_PENDING_WITH_END: Final = Detail(
    "status", "cannot be pending together with end_time or duration_ms: remove one of them"
)
_SET_BY_SERVER: Final = frozenset(
    {
        "id",
        "user_id",
        "created_at",
        "updated_at",
        "expires_at",
        "cost_source",
        "cost_price",
        "cost_reason",
        "clock_skew",
        "annotations",
        "media_omitted",
    }
)
"""Ignored when sent, so that a client can send a span back as it read it. Annotations have a route of their own."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """The reason why the span at `index` of a batch was not stored."""

    index: int
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Capture:
    """The spans of one body: the valid ones as (index, trace_id, fields), and the rejected ones with their reason.

    `from_logs` has the indexes of those that only log records reported, in an export that is imported.
    """

    single: bool
    spans: list[tuple[int, str, SpanFields]]
    rejected: list[Rejection]
    from_logs: set[int] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Patch:
    """The fields of a change. The caller applies the duration to the stored start: see `times_of`."""

    fields: dict[str, Json]
    duration_ns: int | None


def parse_capture(value: Json, *, now_ns: int, body_bytes: int = MAX_SPAN_BYTES) -> Capture:
    """One span, or the valid and the rejected spans of `{"spans": […]}`.

    *repeat*: one span without `span_id` is a new span each time.
    *raises*: Invalid for a single span that is not valid, and for a body that is neither.
    """
    if not isinstance(value, dict):
        raise Invalid('Send one span as a JSON object, or many as {"spans": [...]}.')
    if "spans" not in value:
        parse = _parse_unnamed_span if value.get("span_id") is None else parse_span
        return Capture(True, [(0, *parse(value, now_ns=now_ns, body_bytes=body_bytes))], [])
    spans = value["spans"]
    if len(value) > 1:
        raise invalid(
            Detail(_cut(name), "is not allowed next to spans: remove it") for name in value if name != "spans"
        )
    if not isinstance(spans, list) or not 1 <= len(spans) <= MAX_SPANS:
        raise invalid([Detail("spans", f"must be a list of 1 to {MAX_SPANS:,} spans")])
    capture = Capture(False, [], [])
    for index, span in enumerate(spans):
        is_from_logs = isinstance(span, dict) and span.get("from_logs") is True
        parse = _parse_logged_span if is_from_logs else parse_span
        try:
            capture.spans.append((index, *parse(span, now_ns=now_ns, body_bytes=body_bytes)))
            capture.from_logs.update([index] if is_from_logs else ())
        except Invalid as error:
            capture.rejected.append(Rejection(index, error.code, error.message))
    return capture


def parse_span(value: Json, *, now_ns: int, body_bytes: int = MAX_SPAN_BYTES) -> tuple[str, SpanFields]:
    """The trace id and the fields of one span. *raises*: Invalid (`invalid_request`, `span_too_large`)."""
    refuse_too_large(value, body_bytes)
    return _captured(_validated_fields("NewSpan", value), now_ns, is_skewed=_is_skewed(value))


def _parse_unnamed_span(value: Json, *, now_ns: int, body_bytes: int) -> tuple[str, SpanFields]:
    """The trace id and the fields of a span without `span_id`, which gets a random id."""
    refuse_too_large(value, body_bytes)
    fields = _validated_fields("UnnamedSpan", value)
    fields["span_id"] = secrets.token_hex(16)
    fields.setdefault("start_ns", derived_start(fields.get("end_ns"), fields.get("duration_ns"), now_ns))
    return _captured(fields, now_ns, is_skewed=_is_skewed(value))


def _parse_logged_span(value: Json, *, now_ns: int, body_bytes: int) -> tuple[str, SpanFields]:
    """The trace id and the fields of a span that only log records reported."""
    refuse_too_large(value, body_bytes)
    fields = _validated_fields("LoggedSpan", value)
    del fields["from_logs"]
    fields.setdefault("start_ns", derived_start(fields.get("end_ns"), fields.get("duration_ns"), now_ns))
    return _captured(fields, now_ns, is_skewed=_is_skewed(value))


def _is_skewed(value: Json) -> bool:
    """Whether a span is sent as an export returned it, with times of OTLP that cannot be right."""
    return isinstance(value, dict) and value.get("clock_skew") is True


def _captured(fields: dict[str, Any], now_ns: int, *, is_skewed: bool) -> tuple[str, SpanFields]:
    """The trace id and the fields of a span whose fields are valid each by itself. *raises*: Invalid."""
    if not is_skewed:
        refuse_future_start(fields, now_ns)
    _join_parent_names(fields)
    duration_ns, end_ns = fields.pop("duration_ns", None), fields.get("end_ns")
    if not is_skewed or end_ns is None or end_ns >= fields["start_ns"]:
        fields |= times_of(fields["start_ns"], end_ns, duration_ns)
    # A span is pending if it has no end; the status itself is not stored.
    if fields.get("status") == "pending":
        if "end_ns" in fields:
            raise invalid([_PENDING_WITH_END])
        del fields["status"]
    return fields.pop("trace_id"), cast(SpanFields, fields)


def parse_patch(value: Json, *, now_ns: int, body_bytes: int = MAX_SPAN_BYTES) -> Patch:
    """The change in a PATCH request: any fields except the ids.

    *raises*: Invalid (`invalid_request`, `span_too_large`).
    """
    refuse_too_large(value, body_bytes)
    fields = _validated_fields("SpanChange", value)
    if not fields:
        raise Invalid("The change is empty. Send at least one field that is not null.")
    refuse_future_start(fields, now_ns)
    _join_parent_names(fields)
    duration_ns = fields.pop("duration_ns", None)
    if fields.get("status") == "pending" and (duration_ns is not None or "end_ns" in fields):
        raise invalid([_PENDING_WITH_END])
    return Patch(fields, duration_ns)


class TimeNames(NamedTuple):
    """The names of the times in a body."""

    start: str = "start_time"
    end: str = "end_time"


SPAN_TIMES: Final = TimeNames()


def times_of(
    start_ns: int, end_ns: int | None, duration_ns: int | None, names: TimeNames = SPAN_TIMES
) -> dict[str, int]:
    """The end of a span as a field, and the duration if it contradicts the end.

    The end is `end_ns` if given, else the start plus the duration. *absent*: no field without either.
    *raises*: Invalid if the end is before the start.
    """
    if end_ns is None:
        return {} if duration_ns is None else {"end_ns": start_ns + duration_ns}
    if end_ns < start_ns:
        raise invalid([Detail(names.end, f"must not be before {names.start}")])
    if duration_ns is not None and contradicts(start_ns, end_ns, duration_ns):
        return {"end_ns": end_ns, "duration_ns": duration_ns}
    return {"end_ns": end_ns}


def derived_start(end_ns: int | None, duration_ns: int | None, now_ns: int) -> int:
    """The start of a span that was sent without one: its end, or now, minus its duration."""
    if duration_ns is not None:
        return max(0, (now_ns if end_ns is None else end_ns) - duration_ns)
    return now_ns if end_ns is None else min(now_ns, end_ns)


_SENTENCES: Final[Mapping[str, str]] = {
    "missing": "is required",
    "string_type": "must be a string",
    "string_too_short": "must not be empty",
    "string_too_long": "must be at most {max_length:,} characters long",
    "int_type": "must be an integer",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "greater_than_equal": "must not be negative",
    "less_than_equal": "must be at most {le:,.0f}",
    "bool_type": "must be true or false",
    "list_type": "must be a list",
    "too_long": "must contain at most {max_length:,} entries",
    "model_type": "must be an object",
    "dict_type": "must be an object",
    "literal_error": "must be {expected}",
    "value_error": "{error}",
}
"""The sentence for each type of error that pydantic reports."""


def _validated_fields(
    kind: Literal["NewSpan", "UnnamedSpan", "LoggedSpan", "SpanChange"], value: Json
) -> dict[str, Any]:
    """The fields that a body contains, by their names in `SpanFields`, and those that the caller still converts."""
    from .native_model import LoggedSpan, NewSpan, SentSpan, SpanChange, UnnamedSpan

    models: Mapping[str, type[SentSpan]] = {
        "NewSpan": NewSpan,
        "UnnamedSpan": UnnamedSpan,
        "LoggedSpan": LoggedSpan,
        "SpanChange": SpanChange,
    }
    if not isinstance(value, dict):
        raise Invalid("A span must be a JSON object.")
    ignored = _SET_BY_SERVER | ({"cost_usd"} if value.get("cost_source") == "computed" else set())
    sent = {name: item for name, item in value.items() if item is not None and name not in ignored}
    span = validated(models[kind], sent)
    return {name: value for name, value in vars(span).items() if value is not None}


def validated(model: type[Model], sent: Mapping[str, Json]) -> Model:
    """The validated model of a body.

    *raises*: Invalid with the paths of unknown fields first, and then of those that are not valid.
    """
    unknown: list[Detail] = []
    known = _without_unknown(model, sent, "", unknown)
    try:
        parsed = model.model_validate(known)
    except ValidationError as error:
        problems = map(_detail, error.errors(include_url=False, include_input=False))
        # Without `from`: pydantic's message repeats the sent values, which may include a prompt.
        raise invalid(chain(unknown, problems)) from None
    if unknown:
        raise invalid(unknown)
    return parsed


def _without_unknown(
    model: "type[BaseModel]", sent: Mapping[str, Json], path: str, unknown: list[Detail]
) -> Mapping[str, Json]:
    """The fields of `sent` that the model has, in nested objects as well; the same object if it has no others.

    The first few others are added to `unknown`: pydantic would describe each of them, which takes seconds for 200,000.
    """
    nested_models = _names_of(model)
    known = sent
    if not sent.keys() <= nested_models.keys():
        others = (name for name in sent if name not in nested_models)
        unknown += (Detail(_cut(path + name), _UNKNOWN) for name in islice(others, _MAX_DETAILS - len(unknown)))
        known = {name: sent[name] for name in nested_models if name in sent}
    for name, value in known.items():
        if (nested := nested_models[name]) is None:
            continue
        if isinstance(value, dict) and not nested.in_list:
            known = {**known, name: cast(Json, _without_unknown(nested.model, value, f"{path}{name}.", unknown))}
        elif isinstance(value, list) and nested.in_list:
            items = [
                cast(Json, _without_unknown(nested.model, item, f"{path}{name}[{index}].", unknown))
                if isinstance(item, dict)
                else item
                for index, item in enumerate(value)
            ]
            known = {**known, name: items}
    return known


_UNKNOWN: Final = "is not an accepted field: check its name or remove it"


class _Nested(NamedTuple):
    """The model of the object in a field, or of each object in a list."""

    model: "type[BaseModel]"
    in_list: bool


@cache
def _names_of(model: "type[BaseModel]") -> Mapping[str, _Nested | None]:
    """The names of the fields that a body may contain, each with the model of the objects in it, if it has one."""
    return {field.alias or name: _nested_in(field.annotation) for name, field in model.model_fields.items()}


def _nested_in(annotation: Any, in_list: bool = False) -> _Nested | None:
    if hasattr(annotation, "model_fields"):
        return _Nested(annotation, in_list)
    in_list = in_list or get_origin(annotation) is list
    return next(filter(None, (_nested_in(part, in_list) for part in get_args(annotation))), None)


_NAMED_BY_CALLER: Final = frozenset({"usage_details"})
"""Objects whose keys are values of the caller: an error does not repeat them."""


def _detail(error: ErrorDetails) -> Detail:
    from .native_model import SENTENCE_BY_PATTERN

    context = error.get("ctx", {})
    sentence = SENTENCE_BY_PATTERN.get(context.get("pattern", "")) or _SENTENCES.get(error["type"], "is not valid")
    steps = error["loc"]
    if steps and steps[0] in _NAMED_BY_CALLER:
        steps = steps[:1]
    path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
    return Detail(_cut(path.removeprefix(".")), sentence.format(**context))


def _cut(name: str) -> str:
    return name[:_MAX_NAME_CHARACTERS]


def invalid(details: Iterable[Detail]) -> Invalid:
    """The error for a body, with the first few fields that are not valid."""
    first = tuple(islice(details, _MAX_DETAILS))
    return Invalid("; ".join(f"{detail.field} {detail.message}" for detail in first) + ".", details=first)


def refuse_too_large(value: Json, body_bytes: int = MAX_SPAN_BYTES) -> None:
    """Refuse a span of more than `MAX_SPAN_BYTES`. *raises*: Invalid (`span_too_large`)."""
    # JSON is never four times as long as the body (1e15 comes near), and to write it costs more than the validation.
    if body_bytes > MAX_SPAN_BYTES // 4 and len(_JSON.encode(value).encode()) > MAX_SPAN_BYTES:
        raise Invalid("The span is larger than 4 MiB. Send less input or output data.", code="span_too_large")


def refuse_future_start(fields: Mapping[str, Any], now_ns: int, name: str = SPAN_TIMES.start) -> None:
    """Refuse a start more than a day in the future. *raises*: Invalid."""
    if fields.get("start_ns", 0) > now_ns + NS_PER_DAY:
        raise invalid([Detail(name, "must be at most one day in the future")])


def _join_parent_names(fields: dict[str, Any]) -> None:
    """Replace `parent_trace_id`, the historical name for the id of the parent span, by `parent_span_id`."""
    parent = fields.pop("parent_trace_id", None)
    if parent is not None and fields.setdefault("parent_span_id", parent) != parent:
        raise invalid(
            [
                Detail(
                    "parent_span_id", "differs from parent_trace_id, which has the same meaning: send only one of them"
                )
            ]
        )
