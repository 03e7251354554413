"""Steps: open spans that an application creates and adds values to.

Attributes are OpenTelemetry's GenAI ones where one exists, so that any backend can read them. All methods log their
own failures instead of raising them. They may be called from any thread, and do nothing after the end of the span.
"""

import traceback
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from opentelemetry import trace as otel
from opentelemetry.context import Context, attach, create_key, detach, get_current, get_value, set_value
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode

from ._failures import never_raises
from ._messages import messages
from ._state import tracer, value_limit
from ._step_context import StepContext
from ._values import as_json, as_text, cut, message_of

OPERATIONS: Final = {
    "agent": "invoke_agent",
    "tool": "execute_tool",
    "tool_call": "execute_tool",
    "completion": "chat",
    "embedding": "embeddings",
}
"""OpenTelemetry's names for our operations. Other operations keep their names."""

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
"""Attributes of a model's request parameters, by the names that most clients give them."""

ATTRIBUTES: Final = {"conversation_id": "session.id", "user_id": "user.id", "message_id": "message.id"}
"""Attributes of the ids that a step accepts as arguments."""

NAME_ATTRIBUTES: Final = {"agent": "gen_ai.agent.name", "tool": "gen_ai.tool.name", "tool_call": "gen_ai.tool.name"}
"""The attribute that repeats the span's name, for operations in which it is also the name of an agent or a tool."""

REMOTE: Final = frozenset({"completion", "embedding", "rerank"})

_LESSON: Final = create_key("tracestore-lesson")
_MAX_FRAMES: Final = 20  # of a stack trace, the innermost: enough to find the failure, and bounded


def _setter(method: str, doc: str) -> Any:
    """A write-only property that calls the method with that name, including a subclass's own."""
    return property(None, lambda step, value: getattr(step, method)(value), doc=doc)


class Step:
    """A span that the application creates.

    `input` and `output` accept any value. A value that is not JSON is described, and one that is too long is cut.
    """

    def __init__(
        self,
        name: str,
        operation: str,
        fields: Mapping[str, Any],
        *,
        parent: "Step | None" = None,
        is_root: bool = False,
    ) -> None:
        self._name = name
        self._operation = operation
        self._fields = fields
        self._parent = parent
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
        """The trace's id as the store shows it. *absent*: zeros when tracing is off."""
        return otel.format_trace_id(self._span.get_span_context().trace_id)

    @property
    def span_id(self) -> str:
        """The span's id as the store shows it. *absent*: zeros when tracing is off."""
        return otel.format_span_id(self._span.get_span_context().span_id)

    @property
    def is_recording(self) -> bool:
        """Whether values are recorded: tracing is on, and the span is sampled and has not ended."""
        return self._span.is_recording()

    def _set_input(self, value: Any) -> None:
        self._record(self._input_name, value)

    def _set_output(self, value: Any) -> None:
        self._record(self._output_name, value)

    input = _setter("_set_input", "The step's input. Write-only; the last value is recorded.")
    output = _setter("_set_output", "The step's output. Write-only; the last value is recorded.")

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
        """Record the tokens and the cost of the step.

        *absent*: not recorded. The store computes a missing cost if it has the tokens and a price for the model.
        """
        if not self._span.is_recording():
            return
        counts = {
            "input_tokens": input_tokens,
            "output_tokens": output_tokens,
            "total_tokens": total_tokens,
            "cached_input_tokens": cached_input_tokens,
            "cache_write_tokens": cache_write_tokens,
            "reasoning_tokens": reasoning_tokens,
        }
        for name, count in counts.items():
            if count is not None:
                self._span.set_attribute(USAGE[name], int(count))
        if cost_usd is not None:
            self._span.set_attribute("gen_ai.usage.cost", float(cost_usd))

    def set(self, name: str, value: Any) -> None:
        """Record any other value as the attribute `name`. The store keeps it in `metadata`."""
        self._record(name, value)

    @never_raises(None)
    def fail(self, reason: BaseException | str, error_type: str | None = None) -> None:
        """Mark the step as failed although no exception leaves it: its span ends as an error."""
        if not self._span.is_recording():
            return
        self._has_failed = True
        if isinstance(reason, BaseException):
            message, error_type = message_of(reason), error_type or type(reason).__qualname__
            stack = traceback.format_exception(
                type(reason), reason, reason.__traceback__, limit=-_MAX_FRAMES, chain=False
            )
            exception = {"exception.type": error_type, "exception.message": message}
            self._span.add_event("exception", {**exception, "exception.stacktrace": cut("".join(stack), 16_384)})
        else:
            message = as_text(str(reason), 8_192)
        if error_type:
            self._span.set_attribute("error.type", error_type)
        self._span.set_status(Status(StatusCode.ERROR, message))

    def span(self, name: str, operation: str = "chain", **fields: Any) -> "StepContext[Step]":
        """Trace a step inside this one, as the function `span` does.

        It also works in a thread without this step's context.
        """
        return StepContext(lambda _: Step(name, operation, fields, parent=self))

    def llm_call(self, provider: str | None = None, model: str | None = None, **request: Any) -> "StepContext[LlmCall]":
        """Trace a model call inside this step, as the function `llm_call` does.

        It also works in a thread without this step's context.
        """
        return StepContext(lambda _: LlmCall(provider, model, request, parent=self))

    @never_raises(None)
    def begin(self) -> None:
        """Start the span in the current context and make it the current span."""
        context = get_current()
        links: Sequence[Link] = ()
        current = otel.get_current_span(context).get_span_context()
        if self._starts_trace() and current.is_valid:
            # A new trace with a link to the surrounding one. Otherwise a web framework's span would be the root.
            links = [Link(current)]
            context = otel.set_span_in_context(otel.INVALID_SPAN, context)
        elif self._parent is not None and self._parent.trace_id != otel.format_trace_id(current.trace_id):
            context = otel.set_span_in_context(self._parent._span, context)
        self._span = tracer().start_span(
            self._name,
            context,
            SpanKind.CLIENT if self._operation in REMOTE else SpanKind.INTERNAL,
            {"gen_ai.operation.name": OPERATIONS.get(self._operation, self._operation)},
            links,
        )
        self._context = self._own_context(context)
        self.enter()
        self._record_fields()

    def enter(self) -> None:
        """Make this the parent of spans that start from now on. *repeat*: each call needs a `leave` of its own."""
        if self._context is not None:
            self._token = attach(self._context)

    def leave(self) -> None:
        """Undo `enter`. *repeat*: does nothing."""
        token, self._token = self._token, None
        if token is not None:
            detach(token)

    @never_raises(None)
    def end(self, failure: BaseException | None = None) -> None:
        """End the span, as an error if `failure` is the exception that ended the code. *repeat*: does nothing."""
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

    def record_arguments(self, arguments: Mapping[str, Any]) -> None:
        """Record a decorated function's arguments as the input, unless an input was given."""
        if self._fields.get("input") is None:
            self._set_input(arguments)

    def record_result(self, value: Any) -> None:
        """Record a decorated function's result as the output."""
        if value is not None:
            self._set_output(value)

    def _starts_trace(self) -> bool:
        return self._is_root

    def _own_context(self, context: Context) -> Context:
        return otel.set_span_in_context(self._span, context)

    def _record_fields(self) -> None:
        """Record the values that were given before the span started."""
        if not self._span.is_recording():
            return
        for name, value in self._fields.items():
            if value is None:
                continue
            if name == "input":
                self._set_input(value)
            elif name == "output":
                self._set_output(value)
            else:
                self.set(ATTRIBUTES.get(name, name), value)
        if name_attribute := NAME_ATTRIBUTES.get(self._operation):
            self._span.set_attribute(name_attribute, self._name)

    @never_raises(None)
    def _record(self, name: str, value: Any) -> None:
        if value is not None and self._span.is_recording():
            # Numbers are not converted to text: otherwise a result of 2 would be returned as "2".
            is_plain = isinstance(value, bool | float) or (isinstance(value, int) and -(2**63) <= value < 2**63)
            self._span.set_attribute(name, value if is_plain else as_text(value, value_limit()))


class LlmCall(Step):
    """One call of a model. Set `response` to the model's output, and call `usage` with its tokens."""

    def __init__(
        self, provider: str | None, model: str | None, request: Mapping[str, Any], parent: Step | None = None
    ) -> None:
        fields = dict(request)
        input_messages = fields.pop("messages", None)
        prompt = fields.pop("prompt", None)
        self._input = input_messages if input_messages is not None else prompt
        fields = {PARAMETERS.get(name, name): value for name, value in fields.items()}
        fields |= {"gen_ai.provider.name": provider, "gen_ai.request.model": model}
        super().__init__(f"chat {model}" if model else "chat", "completion", fields, parent=parent)

    def _set_output(self, value: Any) -> None:
        self.respond(value)

    def _set_input(self, value: Any) -> None:
        self._record_messages("gen_ai.input.messages", value, "user")

    response = _setter("_set_output", "The model's output: a text, a message or several messages. Write-only.")

    def respond(
        self,
        content: Any,
        *,
        model: str | None = None,
        response_id: str | None = None,
        finish_reason: str | None = None,
    ) -> None:
        """Record the model's output. `model` is the model that answered; *absent*: the requested model."""
        self._record_messages("gen_ai.output.messages", content, "assistant")
        attributes = {"gen_ai.response.model": model, "gen_ai.response.id": response_id}
        for name, value in attributes.items():
            if value is not None:
                self.set(name, value)
        if finish_reason is not None:
            self.set("gen_ai.response.finish_reasons", [finish_reason])

    def record_arguments(self, arguments: Mapping[str, Any]) -> None:
        """Record a decorated function's `messages`, `prompt` or all arguments as the input, unless one was given."""
        if self._input is None:
            self._set_input(arguments.get("messages") or arguments.get("prompt") or as_json(arguments, value_limit()))

    def _record_fields(self) -> None:
        super()._record_fields()
        if self._input is not None:
            self._set_input(self._input)

    @never_raises(None)
    def _record_messages(self, name: str, value: Any, role: str) -> None:
        if value is not None and self._span.is_recording():
            self._span.set_attribute(name, as_json(messages(value, role), value_limit()))


class Lesson(Step):
    """A lesson: the root of its trace. Set `response` to the generated content."""

    def __init__(self, name: str, lesson_id: Any, fields: Mapping[str, Any]) -> None:
        self.lesson_id = str(lesson_id) if isinstance(lesson_id, str | int | UUID) else None
        super().__init__(name, "lesson", {**fields, "lesson.id": self.lesson_id}, is_root=True)
        self._input_name, self._output_name = "request_data", "response_data"

    request = _setter("_set_input", "The lesson's request. Write-only; the last value is recorded.")
    response = _setter("_set_output", "The lesson's response. Write-only; the last value is recorded.")

    def _starts_trace(self) -> bool:
        # A function that a rule wraps may also trace itself: that is one lesson, not two.
        return self.lesson_id is None or get_value(_LESSON) != self.lesson_id

    def _own_context(self, context: Context) -> Context:
        return set_value(_LESSON, self.lesson_id, super()._own_context(context))


@never_raises(None)
def select_argument(arguments: Mapping[str, Any], selector: Any, default: Any = None) -> Any:
    """Select a value from a function's arguments.

    `selector` is an argument's name, a path into an argument, or a function of the arguments.
    *absent*: `default` when there is no argument with the name; None when the path leads nowhere.
    """
    if callable(selector):
        return selector(arguments)
    name, *path = selector.split(".")
    if name not in arguments:
        return default
    value = arguments[name]
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else getattr(value, key, None)
    return value
