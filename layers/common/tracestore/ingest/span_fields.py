"""Turn the spans of an export into the fields that this service stores, in one direction through the stages.

`otlp` decodes, `opened` finds the values, `reading` reads them by the tables, then `usage`, `content` and `outcome`
each build their part. This module calls each of them once for a span and adds what is left: events, links, and the
attributes that no field contains, which stay in `metadata`.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple, cast

from tracestore.domain.json_values import nested
from tracestore.domain.spans import Json, SpanFields
from tracestore.domain.times import format_time

from .content import read_content
from .content_tables import CONVERSATION_ATTRIBUTES, EVENTS_WITH_ATTRIBUTES, EVENTS_WITH_MESSAGES
from .convention_tables import FOUND_BY_ID, RESOURCE_FIELDS
from .field_readers import MAX_LABEL_CHARACTERS
from .opened import OpenedSpan, open_span
from .operation_tables import SERVED
from .otlp import Event, Link, Origin, OtlpSpan
from .outcome import read_outcome
from .reading import read
from .usage import read_usage

MAX_NAME_CHARACTERS: Final = 512


def span_fields(span: OtlpSpan) -> tuple[str, SpanFields]:
    """The trace id and the fields of a span."""
    return spans_fields([span])[0]


def spans_fields(spans: Iterable[OtlpSpan]) -> list[tuple[str, SpanFields]]:
    """The trace id and the fields of each span. Spans of one origin share its metadata objects."""
    return [(span.trace_id, _fields(span, _shared_of(span.origin))) for span in spans]


class _Shared(NamedTuple):
    """The fields and the metadata that all spans of an origin have."""

    fields: dict[str, str | bool]
    metadata: dict[str, Json]


def _shared_of(origin: Origin) -> _Shared:
    shared = origin.derived.get("shared")
    if not isinstance(shared, _Shared):
        shared = origin.derived["shared"] = _Shared(_origin_fields(origin), _origin_metadata(origin))
    return shared


def _fields(span: OtlpSpan, shared: _Shared) -> SpanFields:
    opened = open_span(span)
    operation, fields, metadata, used = read(opened)
    usage = read_usage(opened, operation, fields.get("model_name", ""))
    content = read_content(opened, operation, continues="previous_response_id" in metadata)
    if content.finish_reason is not None and operation in SERVED:
        fields.setdefault("finish_reason", content.finish_reason)
    outcome = read_outcome(opened, fields.get("finish_reason", content.finish_reason if operation == "agent" else None))
    fields = {**shared.fields, **fields, **usage.fields}
    fields.update(content.fields)
    fields.update(outcome.fields)
    metadata.update(usage.metadata)
    used.update(usage.used, content.used, outcome.used)
    chosen = _chosen_metadata(opened, used)
    fields["span_id"] = span.span_id
    fields["span_name"] = span.name[:MAX_NAME_CHARACTERS] or "unnamed"
    fields["operation_type"] = operation
    fields["start_ns"] = span.start_ns
    if span.end_ns:
        fields["end_ns"] = span.end_ns
    fields["metadata"] = {**chosen, **metadata, **_unused(span, opened.attributes, used), **shared.metadata}
    if span.parent_span_id:
        fields["parent_span_id"] = span.parent_span_id
    if events := [_event(event) for event in span.events if not _is_opened(event)]:
        fields["events"] = events
    if span.links:
        fields["links"] = [_link(link) for link in span.links]
    return cast(SpanFields, fields)


def _chosen_metadata(opened: OpenedSpan, used: set[str]) -> dict[str, Json]:
    """The metadata of the application that no field contains, under the keys that it chose."""
    chosen: dict[str, Json] = {}
    for name, key in opened.chosen:
        if name not in used:
            chosen.setdefault(key, opened.texts[name])
            used.add(name)
    return chosen


def _unused(span: OtlpSpan, attributes: dict[str, Json], used: set[str]) -> dict[str, Json]:
    """Everything of a span that no field contains."""
    rest: dict[str, Json] = {}
    if span.kind not in ("unspecified", "internal"):
        rest["kind"] = span.kind
    if unused := {name: value for name, value in attributes.items() if name not in used}:
        rest["attributes"] = nested(unused)
    return rest


def _is_opened(event: Event) -> bool:
    """Whether the span's own fields contain an event: its messages, or its attributes."""
    is_named = event.name in EVENTS_WITH_MESSAGES or event.name in EVENTS_WITH_ATTRIBUTES
    return is_named or not CONVERSATION_ATTRIBUTES.keys().isdisjoint(event.attributes)


def _event(event: Event) -> Json:
    fields: dict[str, Json] = {"name": event.name}
    if event.time_ns:
        fields["time"] = format_time(event.time_ns)
    if event.attributes:
        fields["attributes"] = nested(event.attributes)
    return fields


def _link(link: Link) -> Json:
    fields: dict[str, Json] = {"trace_id": link.trace_id, "span_id": link.span_id}
    if link.attributes:
        fields["attributes"] = nested(link.attributes)
    return fields


def _origin_fields(origin: Origin) -> dict[str, str | bool]:
    """The fields that a span takes from its resource or its scope if none of its own attributes contains them."""
    fields: dict[str, str | bool] = {}
    if origin.scope_name:
        fields["scope_name"] = origin.scope_name[:MAX_LABEL_CHARACTERS]
    if any(name in origin.resource for name in FOUND_BY_ID):
        fields["has_alias"] = True
    for field, sources in RESOURCE_FIELDS:
        for name in sources:
            if (text := origin.resource.get(name)) and isinstance(text, str):
                fields[field] = text[:MAX_LABEL_CHARACTERS]
                break
    return fields


def _origin_metadata(origin: Origin) -> dict[str, Json]:
    metadata: dict[str, Json] = {}
    if origin.resource:
        metadata["resource"] = nested(origin.resource)
    scope: dict[str, Json] = {}
    if origin.scope_name:
        scope["name"] = origin.scope_name
    if origin.scope_version:
        scope["version"] = origin.scope_version
    if origin.scope_attributes:
        scope["attributes"] = nested(origin.scope_attributes)
    if scope:
        metadata["scope"] = scope
    return metadata
