"""The functions that an application traces with. Each gives something to use with `with`, or as a decorator."""

from collections.abc import Mapping
from typing import Any

from ._openings import Opening
from ._steps import Lesson, LlmCall, Step, named_in


def trace_lesson(
    lesson_id: Any = None,
    request: Any = None,
    *,
    name: str = "lesson",
    conversation_id: str | None = None,
    user_id: str | None = None,
) -> Opening[Lesson]:
    """A lesson trace; every span that starts inside is part of it, instrumented model calls included.

    As a context manager it gives the `Lesson`, to set `response` on. As a decorator the function's arguments are the
    request (unless one is given) and its result the response; `lesson_id` may then name the argument that holds the
    id, or a path into it such as `request.lesson_id`, or be a function of the arguments as a dict.
    An exception is recorded and goes on untouched. *repeat*: the same lesson inside itself is a span of it.
    """
    told = {"input": request, "conversation_id": conversation_id, "user_id": user_id}

    def made(arguments: Mapping[str, Any] | None) -> Lesson:
        found = lesson_id
        if arguments is not None and (callable(lesson_id) or isinstance(lesson_id, str)):
            found = named_in(arguments, lesson_id, otherwise=lesson_id)
        return Lesson(name, found, told)

    return Opening(made)


def trace(
    name: str,
    operation: str = "workflow",
    *,
    input: Any = None,
    conversation_id: str | None = None,
    message_id: str | None = None,
    user_id: str | None = None,
) -> Opening[Step]:
    """A trace of its own, whatever is being traced around it, to which it is linked.

    `operation` says what its root is: `agent`, `workflow`, `chain`, or any other of `span`.
    """
    told = {"input": input, "conversation_id": conversation_id, "message_id": message_id, "user_id": user_id}
    return Opening(lambda _: Step(name, operation, told, is_root=True))


def span(name: str, operation: str = "chain", *, input: Any = None, **attributes: Any) -> Opening[Step]:
    """A step inside the current one: an `agent`, a `tool`, a `retrieval`, an `embedding`, a `rerank`, a `guardrail`,
    an `evaluation`, a `chain` or anything else. Models are called in `llm_call`.
    """
    return Opening(lambda _: Step(name, operation, {"input": input, **attributes}))


def llm_call(
    provider: str | None = None,
    model: str | None = None,
    *,
    prompt: str | None = None,
    messages: Any = None,
    temperature: float | None = None,
    max_tokens: int | None = None,
    **parameters: Any,
) -> Opening[LlmCall]:
    """A call of a model that no instrumentation sees, inside the current step.

    It was asked `messages`, in whatever form the provider takes them, or one `prompt`.
    """
    request = {
        **parameters,
        **{"prompt": prompt, "messages": messages, "temperature": temperature, "max_tokens": max_tokens},
    }
    return Opening(lambda _: LlmCall(provider, model, request))
