"""Read the outcome of a span: its status, and the error that it failed with."""

import re
from typing import Any, Final, NamedTuple

from tracestore.domain.spans import MAX_STACK_CHARACTERS, Json

from .convention_tables import ERROR_LEVELS, ERROR_MESSAGES, ERROR_TYPES, GENERIC_ERRORS, LEVELS
from .opened import OpenedSpan

MAX_MESSAGE_CHARACTERS: Final = 65_536
_MAX_TYPE_CHARACTERS: Final = 256

_CLASS: Final = re.compile(r"<class '(?P<name>[^']+)'>")


class Outcome(NamedTuple):
    """The fields about the outcome, and the attributes that they contain."""

    fields: dict[str, Any]
    used: set[str]


def read_outcome(opened: OpenedSpan) -> Outcome:
    """The status and the error of a span. An exception in a span that did not fail was handled; it stays an event."""
    span, attributes = opened.span, opened.attributes
    failed = span.status == "error"
    if not failed and not attributes.keys().isdisjoint(LEVELS):
        failed = any(attributes.get(name) in ERROR_LEVELS for name in LEVELS)
    if not failed and not (span.status == "unset" and attributes.get("error.type")):
        return Outcome({"status": "success"} if span.status == "ok" else {}, set())
    fields: dict[str, Any] = {"status": "error"}
    exception: dict[str, Json] = {}
    for event in span.events:
        if event.name == "exception":
            exception = event.attributes  # The last exception is the one that the span failed with.
    types = [text for name in ERROR_TYPES for text in (attributes.get(name), exception.get(name)) if text]
    names = [_CLASS.sub(r"\g<name>", str(text)) for text in types]
    specific = [name for name in names if name not in GENERIC_ERRORS and not name.isdecimal()]
    if error_type := next(iter(specific or names), None):
        fields["error_type"] = error_type[:_MAX_TYPE_CHARACTERS]
    stacks = (exception.get("exception.stacktrace"), attributes.get("exception.stacktrace"))
    if stack := next((text for text in stacks if text and isinstance(text, str)), None):
        fields["error_stack"] = stack[:MAX_STACK_CHARACTERS]
    messages = (exception.get("exception.message"), span.status_message, *map(attributes.get, ERROR_MESSAGES))
    if message := next((str(text) for text in messages if text and str(text).strip()), None):
        fields["error_message"] = message.strip()[:MAX_MESSAGE_CHARACTERS]
    repeated = {name for name in (*ERROR_TYPES, *ERROR_MESSAGES) if attributes.get(name) in (error_type, message)}
    return Outcome(fields, repeated)
