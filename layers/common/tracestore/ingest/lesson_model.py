"""The fields of a lesson trace and of its model calls as clients send them, which pydantic checks.

Imported only when needed, like `native_model`, whose types these models use.
"""

from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from .native_model import Count, Duration, ErrorMessage, Id, Label, Time

MAX_CALLS: Final = 999
"""One less than the spans of a request: the lesson itself is a span, too."""

MAX_FALLBACKS: Final = 100


def _number(value: Any) -> Any:
    """The number as it was sent, so that a reader gets 1 as 1 and 1.0 as 1.0."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("must be a number")
    return value


_Number = Annotated[
    Any,
    Field(json_schema_extra={"type": ["number", "null"]}),
    AfterValidator(lambda value: None if value is None else _number(value)),
]


class _Sent(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", protected_namespaces=())


class SentUsage(_Sent):
    """The tokens of a call."""

    prompt_tokens: Count | None = None
    completion_tokens: Count | None = None
    total_tokens: Count | None = None


class SentRequest(_Sent):
    """The request of a call."""

    prompt: Any = None
    model: Label | None = None
    temperature: _Number = None
    max_tokens: Count | None = None


class SentResponse(_Sent):
    """The response of a call."""

    content: Any = None
    usage: SentUsage | None = None


class SentCall(_Sent):
    """One model call of a lesson."""

    id: Id | None = None
    provider: Label | None = None
    request: SentRequest | None = None
    response: SentResponse | None = None
    duration_ns: Duration | None = Field(None, alias="duration_ms")
    success: bool | None = None
    error: ErrorMessage | None = None
    start_ns: Time | None = Field(None, alias="timestamp")


class _SentLesson(_Sent):
    lesson_id: Label | None = None
    request_data: Any = None
    response_data: Any = None
    status: Literal["started", "completed", "failed"] | None = None
    provider_used: Label | None = None
    fallback_providers: Annotated[list[Label], Field(max_length=MAX_FALLBACKS)] | None = None
    duration_ns: Duration | None = Field(None, alias="total_duration_ms")
    start_ns: Time | None = Field(None, alias="created_at")
    end_ns: Time | None = Field(None, alias="completed_at")
    error_message: ErrorMessage | None = None
    llm_calls: Annotated[list[SentCall], Field(max_length=MAX_CALLS)] | None = None


class NewLesson(_SentLesson):
    """A new lesson trace, which may have ended already."""

    id: Id | None = None
    request_data: Annotated[Any, Field(json_schema_extra={"not": {"type": "null"}})]


class LessonChange(_SentLesson):
    """A change to a lesson trace in a PATCH request; its id is in the path, and its calls are added."""
