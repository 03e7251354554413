"""The memory that an ended span takes, and copies of the span with its longest values cut."""

import sys
from collections.abc import Mapping
from typing import Any, Final

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan

from ._settings import Limits
from ._values import cut

SPAN_BYTES: Final = 2_000
ENTRY_BYTES: Final = 100
"""The rough size of the objects themselves, without their texts."""

CUT_NOTE_CHARACTERS: Final = 2_000
"""By how much a text that has already been cut may exceed the limit, because of the note that it was cut."""

SHORTEST_LIMIT: Final = 256

_MEMBERS: Final = (
    "name",
    "context",
    "parent",
    "resource",
    "attributes",
    "events",
    "links",
    "kind",
    "status",
    "start_time",
    "end_time",
    "instrumentation_scope",
)
"""The arguments of `ReadableSpan`, named as its properties."""


def size_bytes(span: ReadableSpan) -> int:
    """The approximate memory size of `span`."""
    total = SPAN_BYTES + _attributes_bytes(span.attributes)
    for event in span.events:
        total += SPAN_BYTES + _attributes_bytes(event.attributes)
    return total + ENTRY_BYTES * len(span.links)


def is_within(span: ReadableSpan, limits: Limits) -> bool:
    """Return whether `span` may be queued without cuts."""
    size = size_bytes(span)
    if size <= limits.max_value_characters:
        return True
    values = [*(span.attributes or {}).values()]
    for event in span.events:
        values += (event.attributes or {}).values()
    return size <= limits.max_span_bytes and all(_fits(value, limits.max_value_characters) for value in values)


def shortened(span: ReadableSpan, limits: Limits) -> ReadableSpan:
    """A copy of `span` with its texts cut to the limit of one value, or shorter while the whole span is too large.

    The copy may still be too large when the span has very many short values.
    """
    max_characters = limits.max_value_characters
    copy = _cut_span(span, max_characters)
    while size_bytes(copy) > limits.max_span_bytes and max_characters > SHORTEST_LIMIT:
        max_characters //= 4
        copy = _cut_span(span, max_characters)
    return copy


def with_resource(span: ReadableSpan, resource: Resource) -> ReadableSpan:
    """A copy of `span` that belongs to `resource`."""
    return _copy(span, resource=resource)


def _cut_span(span: ReadableSpan, max_characters: int) -> ReadableSpan:
    return _copy(
        span,
        name=cut(span.name, max_characters),
        attributes=_cut_attributes(span.attributes, max_characters),
        events=[
            Event(event.name, _cut_attributes(event.attributes, max_characters), event.timestamp)
            for event in span.events
        ],
    )


def _copy(span: ReadableSpan, **changed: Any) -> ReadableSpan:
    return ReadableSpan(**{name: getattr(span, name) for name in _MEMBERS} | changed)


def _attributes_bytes(attributes: Mapping[str, Any] | None) -> int:
    total = 0
    for value in (attributes or {}).values():
        total += ENTRY_BYTES
        if isinstance(value, str | bytes):
            total += sys.getsizeof(value)
        elif isinstance(value, tuple | list):
            total += sum(map(sys.getsizeof, value))
    return total


def _fits(value: Any, max_characters: int) -> bool:
    return _length(value) <= max_characters + CUT_NOTE_CHARACTERS


def _length(value: Any) -> int:
    if isinstance(value, str | bytes):
        return len(value)
    if isinstance(value, tuple | list):
        return sum(len(item) if isinstance(item, str | bytes) else 8 for item in value)
    return 0


def _cut_attributes(attributes: Mapping[str, Any] | None, max_characters: int) -> dict[str, Any]:
    return {name: _cut_value(value, max_characters) for name, value in (attributes or {}).items()}


def _cut_value(value: Any, max_characters: int) -> Any:
    if _fits(value, max_characters):
        return value
    if isinstance(value, str):
        return cut(value, max_characters)
    return f"[cut: {len(value)} {'bytes' if isinstance(value, bytes) else 'items'}]"
