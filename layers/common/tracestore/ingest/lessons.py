"""Reads lesson traces and their model calls, as the contract's section "Lesson traces" has them, into facts of spans.

A lesson is the root span of its trace, and every call a span below it. Null means absent everywhere.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

from tracestore.domain.errors import Conflict, Detail, Invalid
from tracestore.domain.heads import root_of
from tracestore.domain.merge import FINAL_STATUSES, Span
from tracestore.domain.spans import PAYLOAD_FIELDS, Json, SpanFields, canonical_json

from .native import (
    MAX_SPAN_BYTES,
    TimeNames,
    apply_duration,
    invalid,
    refuse_future_start,
    refuse_too_large,
    validated,
)

if TYPE_CHECKING:
    from .lesson_model import SentCall, SentRequest

OPERATION: Final = "lesson"
STATUSES: Final = {"started": "pending", "completed": "success", "failed": "error"}
"""The words for a lesson's status, and what they are for a span."""

PROVIDER_FIELDS: Final = ("provider_used", "fallback_providers")
"""Kept in the root's metadata under these names: no field of a span takes them."""

_TIMES: Final = TimeNames("created_at", "completed_at", "total_duration_ms")
_SET_BY_SERVER: Final = frozenset({"user_id", "updated_at", "expires_at", "payloads_omitted", "calls_omitted"})
_STEP_NS: Final = 1_000_000
_STARTED_WITH_END: Final = Detail(
    "status", "cannot be started with a completed_at, total_duration_ms or error_message: leave one out"
)


@dataclass(frozen=True, slots=True)
class Call:
    """A model call as it was sent. `digest` names all that was said of it."""

    sent: "SentCall"
    digest: str

    @property
    def has_time(self) -> bool:
        """Whether it says when it was: then the same again is the same call."""
        return self.sent.start_ns is not None


@dataclass(frozen=True, slots=True)
class Lesson:
    """A lesson trace, or a change to one, as it was sent.

    `fields` are the root's: times as far as they were given, providers apart. `status` is a span's.
    """

    trace_id: str | None
    fields: dict[str, Any]
    duration_ns: int | None
    status: str | None
    providers: dict[str, Json]
    calls: list[Call] = field(default_factory=list)

    @property
    def is_over(self) -> bool:
        """Whether what was sent says that the lesson has ended, in whatever way."""
        ends = self.duration_ns is not None or "end_ns" in self.fields or "error_message" in self.fields
        return ends or self.status in FINAL_STATUSES


def root_span_id(trace_id: str) -> str:
    """The span id of a lesson that begins under this trace id: the same for the same lesson sent again."""
    return hashlib.blake2b(f"lesson\n{trace_id}".encode(), digest_size=8).hexdigest()


def parse_lesson(value: Json, *, now_ns: int, body_bytes: int = MAX_SPAN_BYTES) -> Lesson:
    """A lesson trace that begins, with the calls it comes with. Raises `Invalid`."""
    from .lesson_model import NewLesson

    told = _object(value, "A lesson trace")
    refuse_too_large({name: item for name, item in told.items() if name != "llm_calls"}, body_bytes)
    sent = validated(NewLesson, told)
    fields = {name: value for name, value in vars(sent).items() if value is not None}
    sent_calls = fields.pop("llm_calls", [])
    told_calls = cast("list[Json]", told.get("llm_calls", []))
    calls = [
        _call(call, _object(call_told, "A call"), now_ns, body_bytes, f"llm_calls[{index}].")
        for index, (call, call_told) in enumerate(zip(sent_calls, told_calls, strict=True))
    ]
    return _lesson(fields, now_ns, calls)


def parse_change(value: Json, *, now_ns: int, body_bytes: int = MAX_SPAN_BYTES) -> Lesson:
    """What a PATCH says of a lesson trace. Raises `Invalid`."""
    from .lesson_model import LessonChange

    told = _object(value, "A change")
    refuse_too_large(cast(Json, told), body_bytes)
    told.pop("id", None)  # it is in the path
    if not told:
        raise Invalid("The change is empty. Send at least one field that is not null.")
    return _lesson(
        {name: value for name, value in vars(validated(LessonChange, told)).items() if value is not None}, now_ns
    )


def parse_call(value: Json, *, now_ns: int, body_bytes: int = MAX_SPAN_BYTES) -> Call:
    """A model call. Raises `Invalid`."""
    from .lesson_model import SentCall

    told = _object(value, "A call")
    return _call(validated(SentCall, told), told, now_ns, body_bytes)


def lesson_fields(lesson: Lesson, trace_id: str, known: SpanFields | None, now_ns: int) -> list[SpanFields]:
    """The spans of a lesson trace that begins: its root and then its calls.

    `known` is what is stored of the root: times that were not sent are taken from there, so that the same lesson again
    changes nothing. Calls that do not say when they were follow one another.
    """
    fields = {"span_id": root_span_id(trace_id), "span_name": "lesson", "operation_type": OPERATION, **lesson.fields}
    if lesson.providers:
        fields["metadata"] = lesson.providers
    stored: Mapping[str, Any] = known or {}
    fields["start_ns"] = start_ns = cast(
        int, fields.get("start_ns", stored.get("start_ns", _likely_start(lesson, now_ns)))
    )
    end_ns = apply_duration(start_ns, fields.get("end_ns"), lesson.duration_ns, _TIMES)
    if end_ns is None and lesson.is_over:
        end_ns = cast(int, stored.get("end_ns", max(now_ns, start_ns)))
    if end_ns is not None:
        fields["end_ns"] = end_ns
    if lesson.status in FINAL_STATUSES:
        fields["status"] = lesson.status
    spans = [cast(SpanFields, fields)]
    at_ns = start_ns
    for index, call in enumerate(lesson.calls):
        call_id = call.sent.id or call_span_id(call, str(index))
        span = call_fields(call, call_id, fields["span_id"], at_ns)
        at_ns = max(at_ns + _STEP_NS, span.get("end_ns", span["start_ns"]))
        spans.append(span)
    return spans


def changed(stored: Span, change: Lesson, now_ns: int) -> SpanFields:
    """The facts that lay a change over a lesson's root as it is. Raises `Conflict` when its end forbids it, `Invalid`.

    Who ends a lesson without saying when ends it now, once: the same change again finds that it has an end.
    """
    fields = dict(change.fields)
    status = change.status
    refuse_another_end(stored, status)
    if change.providers:
        metadata = stored.fields.get("metadata")
        kept = metadata if isinstance(metadata, dict) else {} if metadata is None else {"metadata": metadata}
        fields["metadata"] = {**kept, **change.providers}
    if status is None and "error_message" in fields and stored.status == "pending":
        status = "error"
    if status in FINAL_STATUSES:
        fields["status"] = status
    start_ns = fields.get("start_ns", stored.fields.get("start_ns", now_ns))
    end_ns = apply_duration(start_ns, fields.get("end_ns"), change.duration_ns, _TIMES)
    if end_ns is not None:
        fields["end_ns"] = end_ns
    elif "end_ns" in stored.fields:
        apply_duration(start_ns, stored.fields["end_ns"], None, _TIMES)
    elif status in FINAL_STATUSES:
        fields["end_ns"] = max(now_ns, start_ns)
    if not fields.keys().isdisjoint(PAYLOAD_FIELDS):
        refuse_too_large({**cast(dict[str, Json], stored.fields), **fields})
    return cast(SpanFields, fields)


def refuse_another_end(stored: Span, status: str | None) -> None:
    """*raises*: `Conflict` where a lesson has ended with another status than this one."""
    if status is not None and stored.status in FINAL_STATUSES and status != stored.status:
        raise Conflict("The lesson has ended, and its status stays what it is.", code="lesson_ended")


def call_span_id(call: Call, place: str = "") -> str:
    """An id for a call that has none: the same for the same call. `place` tells alike ones apart that have no time."""
    named = call.digest if call.has_time else f"{call.digest}\n{place}"
    return hashlib.blake2b(f"call\n{named}".encode(), digest_size=8).hexdigest()


def call_fields(call: Call, span_id: str, root_id: str, start_ns: int) -> SpanFields:
    """A call as a span below the lesson's root; `start_ns` is when it began unless it says so itself."""
    sent, request, response = call.sent, call.sent.request, call.sent.response
    usage = response.usage if response else None
    if sent.start_ns is not None:
        start_ns = cast(int, sent.start_ns)
    told: dict[str, Any] = {
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
    return cast(SpanFields, {name: value for name, value in told.items() if value is not None})


def likely_start(call: Call, span_id: str, spans: Sequence[Span], now_ns: int) -> int:
    """When a call began that does not say so and is added to these spans: as long before now as it took.

    But behind all calls that came before, so that calls which are reported in one go keep their order; and when it
    began as it is stored, so that the same call again changes nothing.
    """
    known = next((span for span in spans if span.span_id == span_id), None)
    if known is not None:
        return known.order[0]
    lesson_start_ns = root_of(spans).order[0]
    starts = [span.order[0] + _STEP_NS for span in spans if span.fields.get("operation_type") == "completion"]
    return max(now_ns - int(call.sent.duration_ns or 0), lesson_start_ns, *starts)


def _outcome(call: Call) -> str | None:
    """How a call ended; None while nothing says that it has."""
    sent = call.sent
    if sent.success is not None:
        return "success" if sent.success else "error"
    if sent.error is not None:
        return "error"
    return "success" if sent.response is not None or sent.duration_ns is not None else None


def _output(content: Json) -> Json:
    """A text is an output by itself. What else a model answers is wrapped, so that it comes back as it was."""
    return content if content is None or isinstance(content, str) else {"content": content}


def _parameters(request: "SentRequest") -> dict[str, Json] | None:
    told = {"temperature": request.temperature, "max_tokens": request.max_tokens}
    return {name: value for name, value in told.items() if value is not None} or None


def _object(value: Json, what: str) -> dict[str, Json]:
    if not isinstance(value, dict):
        raise Invalid(f"{what} must be a JSON object.")
    return {name: item for name, item in value.items() if item is not None and name not in _SET_BY_SERVER}


def _call(sent: "SentCall", told: dict[str, Json], now_ns: int, body_bytes: int, path: str = "") -> Call:
    refuse_too_large(cast(Json, told), body_bytes)
    refuse_future_start({"start_ns": sent.start_ns or 0}, now_ns, f"{path}timestamp")
    return Call(sent, hashlib.blake2b(canonical_json(told), digest_size=16).hexdigest())


def _lesson(fields: dict[str, Any], now_ns: int, calls: list[Call] | None = None) -> Lesson:
    refuse_future_start(fields, now_ns, _TIMES.start)
    providers: dict[str, Json] = {name: fields.pop(name) for name in PROVIDER_FIELDS if name in fields}
    if "fallback_providers" in providers:
        providers["fallback_providers"] = list(filter(None, cast("list[Json]", providers["fallback_providers"])))
    for span_name, name in (("input_data", "request_data"), ("output_data", "response_data")):
        if name in fields:
            fields[span_name] = fields.pop(name)
    trace_id, duration_ns = fields.pop("id", None), fields.pop("duration_ns", None)
    status = STATUSES[fields.pop("status")] if "status" in fields else None
    lesson = Lesson(trace_id, fields, duration_ns, status, providers, calls or [])
    if status == "pending" and lesson.is_over:
        raise invalid([_STARTED_WITH_END])
    return lesson


def _likely_start(lesson: Lesson, now_ns: int) -> int:
    """When a lesson began that does not say so: as long before its end, or now, as it took."""
    fields: Mapping[str, int] = lesson.fields
    if lesson.duration_ns is not None:
        return max(0, fields.get("end_ns", now_ns) - lesson.duration_ns)
    return min(now_ns, fields.get("end_ns", now_ns))
