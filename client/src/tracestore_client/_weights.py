"""What an ended span weighs in memory, and the same span with its over-long values cut."""

import sys
from collections.abc import Mapping
from typing import Any, Final

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan

from ._settings import Limits
from ._values import cut

SPAN_BYTES: Final = 2_000
ENTRY_BYTES: Final = 100
"""What the objects themselves take, roughly, without their texts."""

MARK: Final = 2_000
"""How much longer a text may be that was cut already, by what says so."""

SHORT: Final = 256


def weight(span: ReadableSpan) -> int:
    """The bytes that `span` takes, about."""
    total = SPAN_BYTES + _weight(span.attributes)
    for event in span.events:
        total += SPAN_BYTES + _weight(event.attributes)
    return total + ENTRY_BYTES * len(span.links)


def is_within(span: ReadableSpan, limits: Limits) -> bool:
    """Whether `span` may be queued as it is."""
    size = weight(span)
    if size <= limits.max_value_characters:
        return True
    values = [*(span.attributes or {}).values()]
    for event in span.events:
        values += (event.attributes or {}).values()
    return size <= limits.max_span_bytes and all(_fits(value, limits.max_value_characters) for value in values)


def lightened(span: ReadableSpan, limits: Limits) -> ReadableSpan:
    """`span` with its texts cut as long as they may be, or shorter where all of it would be too much.

    It may still be too much, of many short ones.
    """
    at_most = limits.max_value_characters
    lighter = _copy(span, at_most)
    while weight(lighter) > limits.max_span_bytes and at_most > SHORT:
        at_most //= 4
        lighter = _copy(span, at_most)
    return lighter


def described(span: ReadableSpan, resource: Resource) -> ReadableSpan:
    """`span` as one of `resource`."""
    return ReadableSpan(
        name=span.name,
        context=span.context,
        parent=span.parent,
        resource=resource,
        attributes=span.attributes,
        events=span.events,
        links=span.links,
        kind=span.kind,
        status=span.status,
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _copy(span: ReadableSpan, at_most: int) -> ReadableSpan:
    return ReadableSpan(
        name=cut(span.name, at_most),
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=_cut(span.attributes, at_most),
        events=[Event(event.name, _cut(event.attributes, at_most), event.timestamp) for event in span.events],
        links=span.links,
        kind=span.kind,
        status=span.status,
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _weight(attributes: Mapping[str, Any] | None) -> int:
    total = 0
    for value in (attributes or {}).values():
        total += ENTRY_BYTES
        if isinstance(value, str | bytes):
            total += sys.getsizeof(value)
        elif isinstance(value, tuple | list):
            total += sum(map(sys.getsizeof, value))
    return total


def _fits(value: Any, at_most: int) -> bool:
    return _length(value) <= at_most + MARK


def _length(value: Any) -> int:
    if isinstance(value, str | bytes):
        return len(value)
    if isinstance(value, tuple | list):
        return sum(len(item) if isinstance(item, str | bytes) else 8 for item in value)
    return 0


def _cut(attributes: Mapping[str, Any] | None, at_most: int) -> dict[str, Any]:
    return {name: _shorter(value, at_most) for name, value in (attributes or {}).items()}


def _shorter(value: Any, at_most: int) -> Any:
    if _fits(value, at_most):
        return value
    if isinstance(value, str):
        return cut(value, at_most)
    return f"[cut: {len(value)} {'bytes' if isinstance(value, bytes) else 'items'}]"
