"""Read the outcome of a span: its status, and the error that it failed with."""

import re
from typing import Any, Final, NamedTuple

from tracestore.domain.spans import MAX_STACK_CHARACTERS, Json

from .opened import OpenedSpan
from .outcome_tables import (
    CONTROL_FLOW,
    ERROR_LEVELS,
    ERROR_MESSAGES,
    ERROR_TYPES,
    EXIT_CODES,
    FAILED_REASONS,
    GENERIC_ERRORS,
    LEVELS,
)

MAX_MESSAGE_CHARACTERS: Final = 65_536
_MAX_TYPE_CHARACTERS: Final = 256

_STACK: Final = "exception.stacktrace"
_CONTROL_FLOW: Final = re.compile(CONTROL_FLOW, re.IGNORECASE)
_TYPE: Final = re.compile(r"[\w.]{1,200}(?=$|\(|:)")
_CLASS: Final = re.compile(r"<class '(?P<name>[^']+)'>")


class Outcome(NamedTuple):
    """The fields about the outcome, and the attributes that they contain."""

    fields: dict[str, Any]
    used: set[str]


_SUCCESS: Final = Outcome({"status": "success"}, set())
_UNSTATED: Final = Outcome({}, set())


def read_outcome(opened: OpenedSpan, finish_reason: str | None) -> Outcome:
    """The status and the error of a span. An exception in a span that did not fail was handled; it stays an event.

    An exception that only interrupts the work is no error. A span without a status fails with its answer.
    """
    span, attributes = opened.span, opened.attributes
    failed = span.status == "error"
    if not failed and not attributes.keys().isdisjoint(LEVELS):
        failed = any(attributes.get(name) in ERROR_LEVELS for name in LEVELS)
    exit_code = next((code for name in EXIT_CODES if (code := attributes.get(name))), 0)
    is_failed_answer = finish_reason is not None and finish_reason.lower() in FAILED_REASONS
    if not failed and not (span.status == "unset" and (attributes.get("error.type") or exit_code or is_failed_answer)):
        return _SUCCESS if span.status == "ok" else _UNSTATED
    exception: dict[str, Json] = {}
    for event in span.events:
        if event.name == "exception":
            exception = event.attributes  # The last exception is the one that the span failed with.
    types = [text for name in ERROR_TYPES for text in (attributes.get(name), exception.get(name)) if text]
    names = [_CLASS.sub(r"\g<name>", str(text)) for text in types]
    specific = [name for name in names if name not in GENERIC_ERRORS and not name.isdecimal()]
    error_type = next(iter(specific or names), None)
    messages = (exception.get("exception.message"), span.status_message, *map(attributes.get, ERROR_MESSAGES))
    texts = [text for value in messages if value and (text := str(value).strip())]
    if any(map(_is_control_flow, [error_type] if error_type else texts)):
        return Outcome({"status": "success", "interrupted": True}, set())
    fields: dict[str, Any] = {"status": "error"}
    if exit_code:
        fields["error_message"] = f"Exit code {exit_code}"
    elif is_failed_answer:
        fields["error_message"] = f"Finish reason {finish_reason}"
    if error_type:
        fields["error_type"] = error_type[:_MAX_TYPE_CHARACTERS]
    stacks = (exception.get(_STACK), attributes.get(_STACK))
    stack = next((text for text in stacks if text and isinstance(text, str)), None)
    if stack:
        fields["error_stack"] = stack[:MAX_STACK_CHARACTERS]
    if texts:
        fields["error_message"] = texts[0][:MAX_MESSAGE_CHARACTERS]
    stated = (error_type, *texts[:1])
    repeated = {name for name in (*ERROR_TYPES, *ERROR_MESSAGES) if attributes.get(name) in stated}
    if stack and attributes.get(_STACK) == fields["error_stack"]:
        repeated.add(_STACK)
    return Outcome(fields, repeated)


def _is_control_flow(error: str) -> bool:
    """Whether an error is an interrupt or a cancellation, by its type or by a message that begins with it."""
    name = _TYPE.match(error)
    return name is not None and _CONTROL_FLOW.fullmatch(name[0].rpartition(".")[2]) is not None
