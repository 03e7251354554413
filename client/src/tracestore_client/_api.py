"""The functions that an application calls to trace. Each returns a context manager that is also a decorator."""

from collections.abc import Mapping
from typing import Any

from ._step_context import StepContext
from ._steps import Lesson, LlmCall, Step, select_argument


def trace_lesson(
    lesson_id: Any = None,
    request: Any = None,
    *,
    name: str = "lesson",
    conversation_id: str | None = None,
    user_id: str | None = None,
) -> StepContext[Lesson]:
    """Trace a lesson. Every span that starts inside is part of its trace, including instrumented model calls.

    As a context manager, it returns the `Lesson`; set `response` on it. As a decorator, it records the function's
    arguments as the request, unless `request` is given, and the result as the response. A decorator's `lesson_id` may
    be the name of the argument that contains the id, a path into an argument such as `request.lesson_id`, or a
    function that takes the arguments as a dict and returns the id.
    *repeat*: inside the same lesson, this is a span of that lesson's trace and not a new trace.
    *raises*: only exceptions of the traced code. They are recorded and re-raised unchanged.
    """
    fields = {"input": request, "conversation_id": conversation_id, "user_id": user_id}

    def create(arguments: Mapping[str, Any] | None) -> Lesson:
        resolved_id = lesson_id
        if arguments is not None and (callable(lesson_id) or isinstance(lesson_id, str)):
            resolved_id = select_argument(arguments, lesson_id, default=lesson_id)
        return Lesson(name, resolved_id, fields)

    return StepContext(create)


def trace(
    name: str,
    operation: str = "workflow",
    *,
    input: Any = None,
    conversation_id: str | None = None,
    message_id: str | None = None,
    user_id: str | None = None,
) -> StepContext[Step]:
    """Start a new trace, even inside another one. Its root is linked to the surrounding span.

    `operation` is the root's operation: `agent`, `workflow`, `chain`, or any other that `span` accepts.
    """
    fields = {"input": input, "conversation_id": conversation_id, "message_id": message_id, "user_id": user_id}
    return StepContext(lambda _: Step(name, operation, fields, is_root=True))


def span(name: str, operation: str = "chain", *, input: Any = None, **attributes: Any) -> StepContext[Step]:
    """Trace a step inside the current one.

    `operation` is an `agent`, a `tool`, a `retrieval`, an `embedding`, a `rerank`, a `guardrail`, an `evaluation`, a
    `chain` or any other text. Use `llm_call` for calls of a model.
    """
    return StepContext(lambda _: Step(name, operation, {"input": input, **attributes}))


def llm_call(
    provider: str | None = None,
    model: str | None = None,
    *,
    prompt: str | None = None,
    messages: Any = None,
    temperature: float | None = None,
    max_tokens: int | None = None,
    **parameters: Any,
) -> StepContext[LlmCall]:
    """Trace a call of a model that has no instrumentation, inside the current step.

    The call's input is `messages`, in the form that the provider accepts, or one `prompt`.
    """
    request = {
        **parameters,
        **{"prompt": prompt, "messages": messages, "temperature": temperature, "max_tokens": max_tokens},
    }
    return StepContext(lambda _: LlmCall(provider, model, request))
