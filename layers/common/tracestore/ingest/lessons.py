"""Read lesson traces and their model calls (`docs/api.md`, "Lesson traces") into the fields of spans.

A lesson is the root span of its trace, and each call is a span below it. Null means absent everywhere.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from tracestore.domain.errors import Conflict, Detail, Invalid
from tracestore.domain.heads import root_of
from tracestore.domain.merge import FINAL_STATUSES, Span
from tracestore.domain.spans import PAYLOAD_FIELDS, Json, SpanFields, canonical_json

from .native import (
    MAX_SPAN_BYTES,
    TimeNames,
    derived_start,
    invalid,
    refuse_future_start,
    refuse_too_large,
    times_of,
    validated,
)

if TYPE_CHECKING:
    from .lesson_model import LessonChange, NewLesson, SentCall, SentRequest

OPERATION: Final = "lesson"
STATUSES: Final = {"started": "pending", "completed": "success", "failed": "error"}
"""The status of a span for each status of a lesson."""

PROVIDER_FIELDS: Final = ("provider_used", "fallback_providers")
"""Stored in the root's metadata under these names, because spans have no fields for them."""

_TIMES: Final = TimeNames("created_at", "completed_at")
_SET_BY_SERVER: Final = frozenset(
    {"user_id", "updated_at", "expires_at", "clock_skew", "payloads_omitted", "calls_omitted"}
)
_STEP_NS: Final = 1_000_000
_STARTED_WITH_END: Final = Detail(
    "status", "cannot be started together with completed_at, total_duration_ms or error_message: remove one of them"
)


@dataclass(frozen=True, slots=True)
class Call:
    """A model call as it was sent. `digest` identifies its content."""

    sent: "SentCall"
    digest: str

    @property
    def has_time(self) -> bool:
        """Whether the call has a timestamp. Only then is a repetition of the same content the same call."""
        return self.sent.start_ns is not None


@dataclass(frozen=True, slots=True)
class Lesson:
    """A lesson trace, or a change to one, as it was sent.

    `fields` belong to the root span: with the times that were sent, without the providers. `status` is that of a span.
    """

    trace_id: str | None
    fields: dict[str, Any]
    duration_ns: int | None
    status: str | None
    providers: dict[str, Json]
    calls: list[Call]

    @property
    def is_over(self) -> bool:
        """Whether the body reports that the lesson has ended, by any of its fields."""
        has_end = self.duration_ns is not None or "end_ns" in self.fields or "error_message" in self.fields
        return has_end or self.status in FINAL_STATUSES


def root_span_id(trace_id: str) -> str:
    """The id of a lesson's root span. *repeat*: the same for the same trace id."""
    return hashlib.blake2b(f"lesson\n{trace_id}".encode(), digest_size=8).hexdigest()


def parse_lesson(value: Json, *, now_ns: int, body_bytes: int = MAX_SPAN_BYTES) -> Lesson:
    """A new lesson trace with the calls in its body. *raises*: Invalid."""
    from .lesson_model import NewLesson

    return _parsed(NewLesson, _object(value, "A lesson trace"), now_ns, body_bytes)


def parse_change(value: Json, *, now_ns: int, body_bytes: int = MAX_SPAN_BYTES) -> Lesson:
    """The change to a lesson trace in a PATCH request, with the calls that it adds. *raises*: Invalid."""
    from .lesson_model import LessonChange

    body = _object(value, "A change")
    body.pop("id", None)  # The id is in the path.
    if not body:
        raise Invalid("The change is empty. Send at least one field that is not null.")
    return _parsed(LessonChange, body, now_ns, body_bytes)


def parse_call(value: Json, *, now_ns: int, body_bytes: int = MAX_SPAN_BYTES) -> Call:
    """A model call. *raises*: Invalid."""
    from .lesson_model import SentCall

    body = _object(value, "A call")
    return _call(validated(SentCall, body), body, now_ns, body_bytes)


def lesson_fields(lesson: Lesson, trace_id: str, stored_root: SpanFields | None, now_ns: int) -> list[SpanFields]:
    """The spans of a new lesson trace: the root, then its calls.

    `stored_root` are the root's stored fields, if any: they supply the times that were not sent. Calls without a
    timestamp follow one another. *repeat*: the same lesson again gives the same spans.
    """
    fields = {"span_id": root_span_id(trace_id), "span_name": "lesson", "operation_type": OPERATION, **lesson.fields}
    if lesson.providers:
        fields["metadata"] = lesson.providers
    stored: Mapping[str, Any] = stored_root or {}
    start_if_absent_ns = derived_start(fields.get("end_ns"), lesson.duration_ns, now_ns)
    fields["start_ns"] = start_ns = cast(int, fields.get("start_ns", stored.get("start_ns", start_if_absent_ns)))
    fields |= times_of(start_ns, fields.get("end_ns"), lesson.duration_ns, _TIMES)
    if "end_ns" not in fields and lesson.is_over:
        fields["end_ns"] = stored.get("end_ns", max(now_ns, start_ns))
    if lesson.status in FINAL_STATUSES:
        fields["status"] = lesson.status
    return [cast(SpanFields, fields), *_calls_from(start_ns, named_calls(lesson), cast(str, fields["span_id"]))]


def apply_change(stored: Span, change: Lesson, now_ns: int) -> SpanFields:
    """The fields that apply a change to the stored root of a lesson.

    A lesson that ends without an end time ends now. *repeat*: the same change again keeps the first end.
    *raises*: Conflict when the lesson has already ended with another status; Invalid.
    """
    fields = dict(change.fields)
    status = change.status
    refuse_another_end(stored, status)
    if change.providers:
        metadata = stored.fields.get("metadata")
        existing = metadata if isinstance(metadata, dict) else {} if metadata is None else {"metadata": metadata}
        fields["metadata"] = {**existing, **change.providers}
    if status is None and "error_message" in fields and stored.status == "pending":
        status = "error"
    if status in FINAL_STATUSES:
        fields["status"] = status
    start_ns = fields.get("start_ns", stored.fields.get("start_ns", now_ns))
    fields |= times_of(start_ns, fields.get("end_ns"), change.duration_ns, _TIMES)
    if "end_ns" not in fields and "end_ns" in stored.fields:
        if "start_ns" in fields:
            times_of(start_ns, stored.fields["end_ns"], None, _TIMES)
    elif "end_ns" not in fields and status in FINAL_STATUSES:
        fields["end_ns"] = max(now_ns, start_ns)
    if not fields.keys().isdisjoint(PAYLOAD_FIELDS):
        refuse_too_large({**cast(dict[str, Json], stored.fields), **fields})
    return cast(SpanFields, fields)


def refuse_another_end(stored: Span, status: str | None) -> None:
    """Refuse to change the status of a lesson that has ended. *raises*: Conflict (`lesson_ended`)."""
    if status is not None and stored.status in FINAL_STATUSES and status != stored.status:
        raise Conflict(
            "The lesson trace has already ended, and its status cannot be changed. Leave status out.",
            code="lesson_ended",
        )


def named_calls(lesson: Lesson) -> list[tuple[str, Call]]:
    """The calls in the body of a lesson or of its change, with their ids. *repeat*: the same for the same body."""
    return [(call.sent.id or call_span_id(call, str(index)), call) for index, call in enumerate(lesson.calls)]


def refuse_root_id(calls: Iterable[tuple[str, Call]], root_id: str) -> None:
    """Refuse a call with the id of the lesson's root span. *raises*: Conflict."""
    if any(span_id == root_id for span_id, _ in calls):
        raise Conflict("This id belongs to the lesson itself. Give the call an id of its own.")


def call_span_id(call: Call, index: str = "") -> str:
    """An id for a call that was sent without one. `index` distinguishes equal calls that have no timestamp.

    *repeat*: the same for the same call.
    """
    content = call.digest if call.has_time else f"{call.digest}\n{index}"
    return hashlib.blake2b(f"call\n{content}".encode(), digest_size=8).hexdigest()


def call_fields(call: Call, span_id: str, root_id: str, start_ns: int) -> SpanFields:
    """The span of a call, below the lesson's root. `start_ns` applies if the call has no timestamp."""
    sent, request, response = call.sent, call.sent.request, call.sent.response
    usage = response.usage if response else None
    if sent.start_ns is not None:
        start_ns = cast(int, sent.start_ns)
    fields: dict[str, Any] = {
        "span_id": span_id,
        "parent_span_id": root_id,
        "span_name": "llm.completion",
        "operation_type": "completion",
        "start_ns": start_ns,
        "end_ns": None if sent.duration_ns is None else start_ns + sent.duration_ns,
        "model_provider": sent.provider,
        "model_name": request and request.model,
        "input_tokens": usage and usage.prompt_tokens,
        "output_tokens": usage and usage.completion_tokens,
        "total_tokens": usage and usage.total_tokens,
        "status": _outcome(call),
        "error_message": sent.error,
        "input_data": None if request is None or request.prompt is None else {"prompt": request.prompt},
        "output_data": None if response is None else _output(response.content),
        "metadata": _parameters(request) if request else None,
    }
    return cast(SpanFields, {name: value for name, value in fields.items() if value is not None})


def added_calls(
    calls: Sequence[tuple[str, Call]], root_id: str, spans: Sequence[Span], end_ns: int
) -> list[SpanFields]:
    """The spans of calls that are added to a lesson, which contains `spans`: not read if all calls have a timestamp.

    Calls without a timestamp follow one another up to `end_ns`. They start after all earlier calls, so that calls keep
    the order of their requests. *repeat*: a call that is already stored keeps its start.
    """
    if not spans:
        return _calls_from(end_ns, calls, root_id)
    starts = {span.span_id: span.order[0] for span in spans}
    new = [call for span_id, call in calls if not call.has_time and span_id not in starts]
    duration_ns = sum(int(call.sent.duration_ns or 0) for call in new)
    earlier = [span.order[0] + _STEP_NS for span in spans if span.fields.get("operation_type") == "completion"]
    return _calls_from(max(end_ns - duration_ns, root_of(spans).order[0], *earlier), calls, root_id, starts)


def _calls_from(
    start_ns: int, calls: Sequence[tuple[str, Call]], root_id: str, stored_starts: Mapping[str, int] | None = None
) -> list[SpanFields]:
    """The spans of calls. Those without a timestamp or a stored start follow one another from `start_ns` on."""
    spans = []
    for span_id, call in calls:
        span = call_fields(call, span_id, root_id, (stored_starts or {}).get(span_id, start_ns))
        start_ns = max(start_ns + _STEP_NS, span.get("end_ns", span["start_ns"]))
        spans.append(span)
    return spans


def _outcome(call: Call) -> str | None:
    """The status of a call. *absent*: None while no field reports its end."""
    sent = call.sent
    if sent.success is not None:
        return "success" if sent.success else "error"
    if sent.error is not None:
        return "error"
    return "success" if sent.response is not None or sent.duration_ns is not None else None


def _output(content: Json) -> Json:
    """The content as an output: a text as it is, any other value in an object: a reader gets it back unchanged."""
    return content if content is None or isinstance(content, str) else {"content": content}


def _parameters(request: "SentRequest") -> dict[str, Json] | None:
    parameters = {"temperature": request.temperature, "max_tokens": request.max_tokens}
    return {name: value for name, value in parameters.items() if value is not None} or None


def _object(value: Json, subject: str) -> dict[str, Json]:
    if not isinstance(value, dict):
        raise Invalid(f"{subject} must be a JSON object.")
    return {name: item for name, item in value.items() if item is not None and name not in _SET_BY_SERVER}


def _call(sent: "SentCall", body: dict[str, Json], now_ns: int, body_bytes: int, path: str = "") -> Call:
    refuse_too_large(cast(Json, body), body_bytes)
    refuse_future_start({"start_ns": sent.start_ns or 0}, now_ns, f"{path}timestamp")
    return Call(sent, hashlib.blake2b(canonical_json(body), digest_size=16).hexdigest())


def _parsed(model: "type[NewLesson | LessonChange]", body: dict[str, Json], now_ns: int, body_bytes: int) -> Lesson:
    """The lesson in a body. The lesson and each call have limits of their own."""
    refuse_too_large({name: item for name, item in body.items() if name != "llm_calls"}, body_bytes)
    if isinstance(sent_calls := body.get("llm_calls"), list):
        body["llm_calls"] = [_object(call, "A call") if isinstance(call, dict) else call for call in sent_calls]
    fields = {name: value for name, value in vars(validated(model, body)).items() if value is not None}
    call_bodies = cast("list[Json]", body.get("llm_calls", []))
    calls = [
        _call(call, cast("dict[str, Json]", call_body), now_ns, body_bytes, f"llm_calls[{index}].")
        for index, (call, call_body) in enumerate(zip(fields.pop("llm_calls", []), call_bodies, strict=True))
    ]
    return _lesson(fields, now_ns, calls)


def _lesson(fields: dict[str, Any], now_ns: int, calls: list[Call]) -> Lesson:
    refuse_future_start(fields, now_ns, _TIMES.start)
    providers: dict[str, Json] = {name: fields.pop(name) for name in PROVIDER_FIELDS if name in fields}
    if "fallback_providers" in providers:
        providers["fallback_providers"] = list(filter(None, cast("list[Json]", providers["fallback_providers"])))
    for field_name, name in (("input_data", "request_data"), ("output_data", "response_data")):
        if name in fields:
            fields[field_name] = fields.pop(name)
    trace_id, duration_ns = fields.pop("id", None), fields.pop("duration_ns", None)
    status = STATUSES[fields.pop("status")] if "status" in fields else None
    lesson = Lesson(trace_id, fields, duration_ns, status, providers, calls)
    if status == "pending" and lesson.is_over:
        raise invalid([_STARTED_WITH_END])
    return lesson
