"""Decode the items of the OpenAI Agents SDKs into reports.

A trace is an item of its own, without times and usually ahead of its spans, also in an earlier request. It becomes the
root of its spans. A span is sent once, when it has ended, children before parents. A model call may have neither text
nor model, in JavaScript not even its usage; the spans of type `custom` around it (`task`, `turn`) repeat the usage.
*source*: `openai-agents` 0.24 for Python (`tracing/processors.py`, `span_data.py`) and `@openai/agents` 0.20 for
JavaScript: `POST /v1/traces/ingest`.
"""

from collections.abc import Mapping
from typing import Final

from tracestore.domain.spans import Json

from .otlp import Attributes
from .scores import Problem
from .sdk_reports import (
    FIRST,
    Batch,
    Report,
    as_list,
    as_object,
    as_text,
    error_attributes,
    list_in,
    new_span,
    origin_of,
    problem_of_times,
    stored_id,
    time_ns,
)

_ORIGIN: Final = origin_of("openai-agents")
_FORM: Final = 'Send the items of the OpenAI Agents SDK as {"data": [...]}.'
_WORKFLOW: Final = "workflow"
_SDK_SPAN_TYPE: Final = "sdk_span_type"
"""The key in the data of a `custom` span by which the SDK marks those that are its own."""

_RESPONSE_FIELDS: Final = frozenset({"choices", "output"})
_USER_KEYS: Final = ("user_id", "userId")
_NEVER_STORED: Final = "tracing_api_key"


def agents_batch(value: Json, *, now_ns: int) -> Batch:
    """The reports in the body of a request. Their sources are the indexes of the items.

    *raises*: Invalid for a body of another form.
    """
    batch = Batch()
    for index, item in enumerate(list_in(value, "data", _FORM)):
        batch.add(_report(as_object(item), f"data[{index}]", now_ns))
    return batch


def _report(item: Mapping[str, Json], source: str, now_ns: int) -> Report | Problem:
    kind = item.get("object")
    if kind == "trace":
        return _trace_report(item, source)
    if kind == "trace.span":
        return _span_report(item, source, now_ns)
    return Problem(source, "An item must be an object whose field object is trace or trace.span.")


def _trace_report(item: Mapping[str, Json], source: str) -> Report | Problem:
    trace_id = stored_id(item.get("id"))
    if trace_id is None:
        return Problem(source, "A trace needs an id.")
    metadata = as_object(item.get("metadata"))
    attributes: Attributes = {
        "openai_agents.type": _WORKFLOW,
        "session.id": item.get("group_id"),
        "user.id": next((metadata[key] for key in _USER_KEYS if metadata.get(key)), None),
        **{f"openai_agents.metadata.{name}": entry for name, entry in metadata.items()},
        **_others(item, ("object", "id", "workflow_name", "group_id", "metadata")),
    }
    span = new_span(_ORIGIN, trace_id, trace_id, name=item.get("workflow_name"), attributes=attributes)
    return Report(span, (source,), report_order=FIRST, encloses=True)


def _span_report(item: Mapping[str, Json], source: str, now_ns: int) -> Report | Problem:
    trace_id, span_id = stored_id(item.get("trace_id")), stored_id(item.get("id"))
    data = as_object(item.get("span_data"))
    if trace_id is None or span_id is None:
        return Problem(source, "A span needs an id and a trace_id.")
    start_ns, end_ns = time_ns(item.get("started_at")), time_ns(item.get("ended_at"))
    if problem := problem_of_times(start_ns, end_ns, now_ns):
        return Problem(source, problem)
    custom = as_object(data.get("data"))
    kind = as_text(custom.get(_SDK_SPAN_TYPE)) or as_text(data.get("type")) or "custom"
    error = as_object(item.get("error"))
    attributes: Attributes = {
        "openai_agents.type": kind,
        **_content(data),
        **{f"openai_agents.data.{name}": entry for name, entry in custom.items() if name not in _REPEATED},
        **_others(item, ("object", "id", "trace_id", "parent_id", "started_at", "ended_at", "span_data", "error")),
        **_error_attributes(error),
    }
    if "usage" in custom:
        attributes["openai_agents.usage"] = custom["usage"]
    span = new_span(
        _ORIGIN,
        trace_id,
        span_id,
        parent_id=stored_id(item.get("parent_id")) or trace_id,
        name=as_text(data.get("name")) or kind,
        start_ns=start_ns,
        end_ns=end_ns,
        attributes=attributes,
        status="error" if error else "unset",
    )
    return Report(span, (source,))


_REPEATED: Final = frozenset({_SDK_SPAN_TYPE, "usage"})


def _content(data: Mapping[str, Json]) -> Attributes:
    """The attributes of a span's data. A list with nothing but the response of a model counts as the response."""
    attributes: Attributes = {
        f"openai_agents.{name}": value for name, value in data.items() if name not in ("type", "name", "data")
    }
    output = as_list(data.get("output"))
    if len(output) == 1 and not _RESPONSE_FIELDS.isdisjoint(as_object(output[0])):
        attributes["openai_agents.output"] = output[0]
    if config := as_object(data.get("model_config")):
        attributes["openai_agents.model_config"] = {name: item for name, item in config.items() if item is not None}
    return attributes


def _error_attributes(error: Mapping[str, Json]) -> Attributes:
    """The attributes of a failure. Its message may be general, and its data contain the particular one."""
    if not error:
        return {}
    data = as_object(error.get("data"))
    message, cause = as_text(error.get("message")) or "", as_text(data.get("error")) or ""
    texts = [message, cause] if cause not in message else [message]
    attributes = {name: text for name, text in error_attributes(cause).items() if name != "exception.message"}
    rest = {name: item for name, item in data.items() if name != "error" or not cause}
    return {
        **attributes,
        "exception.message": ": ".join(text for text in texts if text),
        **({"openai_agents.error_data": rest} if rest else {}),
    }


def _others(item: Mapping[str, Json], read: tuple[str, ...]) -> Attributes:
    return {f"openai_agents.{name}": value for name, value in item.items() if name not in (*read, _NEVER_STORED)}
