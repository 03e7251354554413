"""The fields of single spans with given attributes, and the messages that the tests of conventions send."""

from typing import Any, Final

from tracestore.ingest.otlp import Event, Origin, OtlpSpan
from tracestore.ingest.span_fields import span_fields

QUESTION: Final = "Is it raining in Zürich?"
ANSWER: Final = "It is dry in Zürich."
ASKED: Final = {"role": "user", "parts": [{"type": "text", "text": QUESTION}]}
ANSWERED: Final = {"role": "assistant", "parts": [{"type": "text", "text": ANSWER}]}
CALL: Final = {"type": "tool_call", "id": "call_1", "name": "weather", "arguments": {"city": "Zürich"}}


def fields_of(
    attributes: dict[str, Any],
    events: list[Event] | None = None,
    *,
    name: str = "work",
    scope: str = "",
    service: str = "",
) -> dict[str, Any]:
    """The fields of a successful span, whose name and scope state nothing unless they are given."""
    origin = Origin({"service.name": service} if service else {}, scope, "", {})
    span = OtlpSpan("a" * 32, "b" * 16, None, name, "internal", 1, 2, attributes, events or [], [], "unset", "", origin)
    return dict(span_fields(span)[1])


def values(fields: dict[str, Any], *names: str) -> tuple[Any, ...]:
    """The values of these fields. *absent*: None."""
    return tuple(fields.get(name) for name in names)
