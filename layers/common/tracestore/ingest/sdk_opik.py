"""Decode the traces, the spans and the feedback scores of Opik's SDKs into reports.

A write (POST) contains a trace or a span as a whole. Newer SDKs write at the start and again at the end, with the time
of the write. A change (PATCH) contains the changed fields alone, and may arrive before the write. The trace is an
object of its own with an input, an output and an end. It is the root of its spans, even where the first of them repeats
it.
*source*: the `opik` SDKs for Python (1.0 to 2.2) and JavaScript (2.0): `POST`, `PATCH` and `PUT` below `/v1/private`.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final, Literal, TypeAlias

from tracestore.domain.errors import Invalid
from tracestore.domain.json_values import is_empty
from tracestore.domain.spans import Json
from tracestore.domain.times import NS_PER_MS
from tracestore.domain.token_kinds import IGNORED, UnknownKind, kind_of

from .otlp import Attributes
from .scores import Problem, Score
from .sdk_reports import (
    FIRST,
    Batch,
    Report,
    amended,
    as_list,
    as_object,
    as_text,
    list_in,
    new_span,
    origin_of,
    problem_of_times,
    stored_id,
    time_ns,
)

Kind: TypeAlias = Literal["trace", "span"]

_ORIGIN: Final = origin_of("opik")
_TRACE_WORD: Final = "workflow"
_CALL_WORD: Final = "llm"
_UNNAMED_PROJECT: Final = "Default Project"
"""The project of an application that names none."""

_PROVIDER_USAGE: Final = "original_usage."
"""The beginning of the counts as the provider named them. Their paths are joined by dots."""

_OWN_COUNTS: Final = frozenset({"prompt_tokens", "completion_tokens", "total_tokens"})
"""The names of the SDK's own counts."""

_USAGE_STEPS: Final = 3
"""Dots that separate steps of such a path: a provider's counts are two levels deep."""

_READ: Final = frozenset(
    {
        *("id", "trace_id", "parent_span_id", "name", "type", "start_time", "end_time", "last_updated_at", "metadata"),
        *("tags", "project_name", "error_info", "usage"),
    }
)
"""Fields that have a place of their own. The others become attributes as they are."""


def written_traces(value: Json, *, now_ns: int) -> Batch:
    """The reports in the body of a batch of traces. *raises*: Invalid for a body of another form."""
    return _written(list_in(value, "traces", 'Send the traces of an Opik SDK as {"traces": [...]}.'), "trace", now_ns)


def written_spans(value: Json, *, now_ns: int) -> Batch:
    """The reports in the body of a batch of spans. *raises*: Invalid for a body of another form."""
    return _written(list_in(value, "spans", 'Send the spans of an Opik SDK as {"spans": [...]}.'), "span", now_ns)


def written_alone(value: Json, kind: Kind, *, now_ns: int) -> Batch:
    """The report in a body that contains one trace or one span, from an SDK that sends no batches."""
    return _written([value], kind, now_ns)


def changed(value: Json, kind: Kind, sent_id: str, *, now_ns: int) -> Batch:
    """The report in the body of a change. The id is in the path. *raises*: Invalid for a body that is no object."""
    if not isinstance(value, dict):
        raise Invalid("Send the changes of a trace or a span as a JSON object.")
    batch = Batch()
    batch.add(_report({**value, "id": sent_id}, kind, (kind,), is_write=False, now_ns=now_ns))
    return batch


def trace_scores(value: Json) -> Batch:
    """The scores of traces in a body. *raises*: Invalid for a body of another form."""
    return _scores(value, lambda score_id: (score_id, None))


def span_scores(value: Json) -> Batch:
    """The scores of spans in a body. Their traces have to be looked up.

    *raises*: Invalid for a body of another form.
    """
    return _scores(value, lambda score_id: (None, score_id))


def _written(items: Iterable[Json], kind: Kind, now_ns: int) -> Batch:
    """The reports about the written items. Two writes of one item in a body are one report, the later fields first."""
    batch = Batch()
    writes: dict[str, tuple[dict[str, Json], list[str]]] = {}
    for index, item in enumerate(items):
        source = f"{kind}s[{index}]"
        write = as_object(item)
        sent_id = stored_id(write.get("id"))
        if sent_id is None:
            batch.add(Problem(source, f"A {kind} must be an object with an id."))
            continue
        earlier, sources = writes.get(sent_id, ({}, []))
        is_later = _written_ms(write) >= _written_ms(earlier)
        merged = amended(earlier, write) if is_later else amended(write, earlier)
        writes[sent_id] = merged, [*sources, source]
    for write, sources in writes.values():
        batch.add(_report(write, kind, tuple(sources), is_write=True, now_ns=now_ns))
    return batch


def _written_ms(write: Mapping[str, Json]) -> int:
    """The time of a write. *absent*: that of a first report."""
    written_ns = time_ns(write.get("last_updated_at"))
    return FIRST if written_ns is None else max(FIRST + 1, written_ns // NS_PER_MS)


def _report(
    item: Mapping[str, Json], kind: Kind, sources: tuple[str, ...], *, is_write: bool, now_ns: int
) -> Report | Problem:
    is_trace = kind == "trace"
    span_id = stored_id(item.get("id"))
    trace_id = span_id if is_trace else stored_id(item.get("trace_id"))
    if span_id is None or trace_id is None:
        return Problem(sources[0], "A span needs an id and a trace_id.")
    start_ns, end_ns = time_ns(item.get("start_time")), time_ns(item.get("end_time"))
    if problem := problem_of_times(start_ns, end_ns, now_ns):
        return Problem(sources[0], problem)
    error = as_object(item.get("error_info"))
    word = _TRACE_WORD if is_trace else as_text(item.get("type"))
    span = new_span(
        _ORIGIN,
        trace_id,
        span_id,
        parent_id=stored_id(item.get("parent_span_id")) or (trace_id if is_write else None),
        name=item.get("name"),
        start_ns=start_ns,
        end_ns=end_ns,
        attributes={"opik.type": word or _inferred_type(item), **_attributes(item), **_error_attributes(error)},
        status="error" if error else "unset",
    )
    return Report(
        span,
        sources,
        states_operation=word is not None,
        report_order=_written_ms(item) if is_write else None,
        has_alias=not is_trace,
    )


def _inferred_type(item: Mapping[str, Json]) -> str | None:
    """The type of a span whose change does not repeat it, as far as it decides how outputs are read: a model call's.

    *absent*: None without evidence of one.
    """
    is_call = not is_empty(item.get("usage")) or not is_empty(item.get("model"))
    return _CALL_WORD if is_call else None


def _attributes(item: Mapping[str, Json]) -> Attributes:
    attributes: Attributes = {f"opik.{name}": value for name, value in item.items() if name not in _READ}
    tags: list[Json] = [tag for tag in as_list(item.get("tags")) if isinstance(tag, str)]
    project = as_text(item.get("project_name"))
    is_named = project is not None and project != _UNNAMED_PROJECT
    attributes["opik.tags"] = [*tags, project] if is_named and project not in tags else tags
    attributes["opik.usage"] = _usage(as_object(item.get("usage")))
    metadata = item.get("metadata")
    if isinstance(metadata, dict):
        return attributes | {f"opik.metadata.{name}": value for name, value in metadata.items()}
    return {**attributes, "opik.metadata": metadata}


def _usage(sent: Mapping[str, Json]) -> dict[str, Json]:
    """The counts of a call: as its provider named them, where the SDK sends those, and the SDK's other counts.

    The SDK's total includes every token, so that it decides what the provider's other counts include. Its input and
    its output count where the provider's counts have none.
    """
    usage: dict[str, Json] = {}
    for name, count in sent.items():
        if not name.startswith(_PROVIDER_USAGE):
            continue
        *path, last = name.removeprefix(_PROVIDER_USAGE).split(".", _USAGE_STEPS)
        inner = usage
        for step in path:
            inner = as_object(inner.setdefault(step, {}))
        inner[last] = count
    if not usage:
        return dict(sent)
    counted = {_kind_name(name) for name, count in usage.items() if not isinstance(count, dict)} - {IGNORED.name}
    own = {name: count for name, count in sent.items() if name in _OWN_COUNTS and _kind_name(name) not in counted}
    return {**usage, **own}


def _kind_name(name: str) -> str | None:
    """The kind of tokens that the name of a count means. *absent*: None for a name that is not understood."""
    try:
        return kind_of(name).name
    except UnknownKind:
        return None


def _error_attributes(error: Mapping[str, Json]) -> Attributes:
    if not error:
        return {}
    kind = error.get("exception_type")
    return {
        "exception.type": kind,
        "exception.message": as_text(error.get("message")) or kind,
        "exception.stacktrace": error.get("traceback"),
    }


def _scores(value: Json, ids_of: Callable[[str], tuple[str | None, str | None]]) -> Batch:
    """The scores in a body: of several with one name about one object, the last. `ids_of` are trace and span."""
    batch = Batch()
    scores: dict[tuple[str, str], Score] = {}
    for index, item in enumerate(list_in(value, "scores", 'Send the scores of an Opik SDK as {"scores": [...]}.')):
        source, sent = f"scores[{index}]", as_object(item)
        name, score_id = as_text(sent.get("name")), stored_id(sent.get("id"))
        if name is None or score_id is None:
            batch.add(Problem(source, "A score must be an object with an id and a name."))
            continue
        comment = as_text(sent.get("reason")) or as_text(sent.get("category_name"))
        made_by = as_text(sent.get("author")) or as_text(sent.get("source"))
        scores[score_id, name] = Score(source, *ids_of(score_id), name, None, sent.get("value"), comment, made_by)
    batch.scores = list(scores.values())
    return batch
