"""One span that is open: what may be said about it, and how it ends.

Attributes are OpenTelemetry's GenAI ones where there is one, so that any backend reads them. All methods keep their
failures to themselves and may be called from any thread, also after the end, when they do nothing.
"""

import traceback
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from opentelemetry import trace as otel
from opentelemetry.context import Context, attach, create_key, detach, get_current, get_value, set_value
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode

from ._messages import messages
from ._openings import Opening
from ._quiet import never_raises
from ._state import tracer, value_limit
from ._values import as_json, as_text, cut, message_of

OPERATIONS: Final = {
    "agent": "invoke_agent",
    "tool": "execute_tool",
    "tool_call": "execute_tool",
    "completion": "chat",
    "embedding": "embeddings",
}
"""What OpenTelemetry calls our operations; the others go by their own names."""

USAGE: Final = {
    "input_tokens": "gen_ai.usage.input_tokens",
    "output_tokens": "gen_ai.usage.output_tokens",
    "total_tokens": "gen_ai.usage.total_tokens",
    "cached_input_tokens": "gen_ai.usage.cache_read.input_tokens",
    "cache_write_tokens": "gen_ai.usage.cache_creation.input_tokens",
    "reasoning_tokens": "gen_ai.usage.reasoning.output_tokens",
}

PARAMETERS: Final = {
    name: f"gen_ai.request.{name}"
    for name in (
        *("temperature", "max_tokens", "top_p", "top_k", "frequency_penalty", "presence_penalty", "seed"),
        *("stop_sequences", "choice_count"),
    )
}
"""What a model can be asked for besides an answer, by the names that most clients have for it."""

ATTRIBUTES: Final = {"conversation_id": "session.id", "user_id": "user.id", "message_id": "message.id"}
"""The attributes of what a step may be told by name."""

NAMED: Final = {"agent": "gen_ai.agent.name", "tool": "gen_ai.tool.name", "tool_call": "gen_ai.tool.name"}
"""Whose span's name is also that of an agent or a tool."""

REMOTE: Final = frozenset({"completion", "embedding", "rerank"})

_LESSON: Final = create_key("tracestore-lesson")
_FRAMES: Final = 20  # of a stack, the innermost: enough to see where, and bounded


def _setting(method: str, doc: str) -> Any:
    """A property that can only be set, by the method of that name, a subclass's own if it has one."""
    return property(None, lambda step, value: getattr(step, method)(value), doc=doc)


class Step:
    """A span by hand. `input` and `output` take any value; what is no JSON is described, what is too long is cut."""

    def __init__(
        self,
        name: str,
        operation: str,
        told: Mapping[str, Any],
        *,
        within: "Step | None" = None,
        is_root: bool = False,
    ) -> None:
        self._name = name
        self._operation = operation
        self._told = told
        self._within = within
        self._is_root = is_root
        self._span: Span = otel.INVALID_SPAN
        self._context: Context | None = None
        self._token: Any = None
        self._has_failed = False
        self._input_name, self._output_name = "input.value", "output.value"
        if OPERATIONS.get(operation) == "execute_tool":
            self._input_name, self._output_name = "gen_ai.tool.call.arguments", "gen_ai.tool.call.result"

    @property
    def trace_id(self) -> str:
        """The trace's id as the store shows it; zeros when nothing is traced."""
        return otel.format_trace_id(self._span.get_span_context().trace_id)

    @property
    def span_id(self) -> str:
        """The span's id as the store shows it; zeros when nothing is traced."""
        return otel.format_span_id(self._span.get_span_context().span_id)

    @property
    def is_recording(self) -> bool:
        """Whether what is said here goes anywhere: tracing is on, the span is sampled and has not ended."""
        return self._span.is_recording()

    def _set_input(self, value: Any) -> None:
        self._record(self._input_name, value)

    def _set_output(self, value: Any) -> None:
        self._record(self._output_name, value)

    input = _setting("_set_input", "What went in. Can only be set; the last value counts.")
    output = _setting("_set_output", "What came out. Can only be set; the last value counts.")

    @never_raises(None)
    def usage(
        self,
        *,
        input_tokens: int | None = None,
        output_tokens: int | None = None,
        total_tokens: int | None = None,
        cached_input_tokens: int | None = None,
        cache_write_tokens: int | None = None,
        reasoning_tokens: int | None = None,
        cost_usd: float | None = None,
    ) -> None:
        """What it took. *absent*: not known; the store computes the cost where it knows model and tokens."""
        if not self._span.is_recording():
            return
        told = {
            "input_tokens": input_tokens,
            "output_tokens": output_tokens,
            "total_tokens": total_tokens,
            "cached_input_tokens": cached_input_tokens,
            "cache_write_tokens": cache_write_tokens,
            "reasoning_tokens": reasoning_tokens,
        }
        for name, count in told.items():
            if count is not None:
                self._span.set_attribute(USAGE[name], int(count))
        if cost_usd is not None:
            self._span.set_attribute("gen_ai.usage.cost", float(cost_usd))

    def set(self, name: str, value: Any) -> None:
        """Anything else, as an attribute of that name: it is kept in `metadata`."""
        self._record(name, value)

    @never_raises(None)
    def fail(self, reason: BaseException | str, error_type: str | None = None) -> None:
        """It went wrong, although no exception leaves it: it ends as an error."""
        if not self._span.is_recording():
            return
        self._has_failed = True
        if isinstance(reason, BaseException):
            message, error_type = message_of(reason), error_type or type(reason).__qualname__
            stack = traceback.format_exception(type(reason), reason, reason.__traceback__, limit=-_FRAMES, chain=False)
            told = {"exception.type": error_type, "exception.message": message}
            self._span.add_event("exception", {**told, "exception.stacktrace": cut("".join(stack), 16_384)})
        else:
            message = as_text(str(reason), 8_192)
        if error_type:
            self._span.set_attribute("error.type", error_type)
        self._span.set_status(Status(StatusCode.ERROR, message))

    def span(self, name: str, operation: str = "chain", **told: Any) -> "Opening[Step]":
        """As the function `span`, in this step even in a thread that was not given its context."""
        return Opening(lambda _: Step(name, operation, told, within=self))

    def llm_call(self, provider: str | None = None, model: str | None = None, **request: Any) -> "Opening[LlmCall]":
        """As the function `llm_call`, in this step even in a thread that was not given its context."""
        return Opening(lambda _: LlmCall(provider, model, request, within=self))

    @never_raises(None)
    def begin(self) -> None:
        """Start the span, in what is current here."""
        around = get_current()
        links: Sequence[Link] = ()
        current = otel.get_current_span(around).get_span_context()
        if self._starts_trace() and current.is_valid:
            # A trace of its own, that remembers from where: a web framework's span would else be its root.
            links = [Link(current)]
            around = otel.set_span_in_context(otel.INVALID_SPAN, around)
        elif self._within is not None and self._within.trace_id != otel.format_trace_id(current.trace_id):
            around = otel.set_span_in_context(self._within._span, around)
        self._span = tracer().start_span(
            self._name,
            around,
            SpanKind.CLIENT if self._operation in REMOTE else SpanKind.INTERNAL,
            {"gen_ai.operation.name": OPERATIONS.get(self._operation, self._operation)},
            links,
        )
        self._context = self._own_context(around)
        self.enter()
        self._tell()

    def enter(self) -> None:
        """Make it what spans that start are in. *repeat*: each time needs its `leave`."""
        if self._context is not None:
            self._token = attach(self._context)

    def leave(self) -> None:
        """Undo `enter`. *repeat*: does nothing."""
        token, self._token = self._token, None
        if token is not None:
            detach(token)

    @never_raises(None)
    def end(self, failure: BaseException | None = None) -> None:
        """It is over, as an error if `failure` is what it ended with. *repeat*: does nothing."""
        self.leave()
        if not self._span.is_recording():
            return
        try:
            if failure is not None and not isinstance(failure, GeneratorExit):
                self.fail(failure)
            elif not self._has_failed:
                self._span.set_status(Status(StatusCode.OK))
        finally:
            self._span.end()

    def take_arguments(self, arguments: Mapping[str, Any]) -> None:
        """A decorated function's arguments are its input, unless that was told."""
        if self._told.get("input") is None:
            self._set_input(arguments)

    def take_result(self, value: Any) -> None:
        """A decorated function's result is its output."""
        if value is not None:
            self._set_output(value)

    def _starts_trace(self) -> bool:
        return self._is_root

    def _own_context(self, around: Context) -> Context:
        return otel.set_span_in_context(self._span, around)

    def _tell(self) -> None:
        """Say what was known before it started."""
        if not self._span.is_recording():
            return
        for name, value in self._told.items():
            if value is None:
                continue
            if name in ("input", "output"):
                self._set_input(value) if name == "input" else self._set_output(value)
            else:
                self.set(ATTRIBUTES.get(name, name), value)
        if name_of := NAMED.get(self._operation):
            self._span.set_attribute(name_of, self._name)

    @never_raises(None)
    def _record(self, name: str, value: Any) -> None:
        if value is not None and self._span.is_recording():
            # As they are, not as text: a result of 2 would come back as "2".
            is_plain = isinstance(value, bool | float) or (isinstance(value, int) and -(2**63) <= value < 2**63)
            self._span.set_attribute(name, value if is_plain else as_text(value, value_limit()))


class LlmCall(Step):
    """One call of a model. Set `response` to what it said, and tell `usage`."""

    def __init__(
        self, provider: str | None, model: str | None, request: Mapping[str, Any], within: Step | None = None
    ) -> None:
        told = dict(request)
        asked = told.pop("messages", None)
        prompt = told.pop("prompt", None)
        self._asked = asked if asked is not None else prompt
        told = {PARAMETERS.get(name, name): value for name, value in told.items()}
        told |= {"gen_ai.provider.name": provider, "gen_ai.request.model": model}
        super().__init__(f"chat {model}" if model else "chat", "completion", told, within=within)

    def _set_output(self, value: Any) -> None:
        self.respond(value)

    def _set_input(self, value: Any) -> None:
        self._say("gen_ai.input.messages", value, "user")

    response = _setting("_set_output", "What it said: a text, a message or several. Can only be set.")

    def respond(
        self,
        content: Any,
        *,
        model: str | None = None,
        response_id: str | None = None,
        finish_reason: str | None = None,
    ) -> None:
        """What it said, and by which model; *absent*: the one that was asked for."""
        self._say("gen_ai.output.messages", content, "assistant")
        told = {"gen_ai.response.model": model, "gen_ai.response.id": response_id}
        for name, value in told.items():
            if value is not None:
                self.set(name, value)
        if finish_reason is not None:
            self.set("gen_ai.response.finish_reasons", [finish_reason])

    def take_arguments(self, arguments: Mapping[str, Any]) -> None:
        """A decorated function's `messages` or `prompt`, or else its arguments, are what was asked."""
        if self._asked is None:
            self._set_input(arguments.get("messages") or arguments.get("prompt") or as_json(arguments, value_limit()))

    def _tell(self) -> None:
        super()._tell()
        if self._asked is not None:
            self._set_input(self._asked)

    @never_raises(None)
    def _say(self, name: str, value: Any, role: str) -> None:
        if value is not None and self._span.is_recording():
            self._span.set_attribute(name, as_json(messages(value, role), value_limit()))


class Lesson(Step):
    """A lesson that is being made: the root of its trace. Set `response` to what came out of it."""

    def __init__(self, name: str, lesson_id: Any, told: Mapping[str, Any]) -> None:
        self.lesson_id = str(lesson_id) if isinstance(lesson_id, str | int | UUID) else None
        super().__init__(name, "lesson", {**told, "lesson.id": self.lesson_id}, is_root=True)
        self._input_name, self._output_name = "request_data", "response_data"

    request = _setting("_set_input", "What was asked for. Can only be set; the last value counts.")
    response = _setting("_set_output", "What came out. Can only be set; the last value counts.")

    def _starts_trace(self) -> bool:
        # A function that a rule wraps may trace itself: one lesson, not two.
        return self.lesson_id is None or get_value(_LESSON) != self.lesson_id

    def _own_context(self, around: Context) -> Context:
        return set_value(_LESSON, self.lesson_id, super()._own_context(around))


@never_raises(None)
def named_in(arguments: Mapping[str, Any], told: Any, otherwise: Any = None) -> Any:
    """What `told` means in a function's arguments, as a function of them or as an argument's name or a path into one;
    `otherwise` where there is no such argument.
    """
    if callable(told):
        return told(arguments)
    first, *path = told.split(".")
    if first not in arguments:
        return otherwise
    found = arguments[first]
    for step in path:
        found = found.get(step) if isinstance(found, Mapping) else getattr(found, step, None)
    return found
