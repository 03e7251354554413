"""Decode the runs of LangSmith's SDKs, and their feedback, into reports.

A run comes as a post and later as a patch, in either order, in one body or in several. Within one body, the fields of
the patch replace those of the post, except empty ones. The attributes of a run are named like those of LangSmith's own
OTLP export, or `langsmith.run.*`.
*source*: the `langsmith` SDKs for Python (0.1 to 0.15) and JavaScript (0.12): `POST /runs/multipart`, `/runs/batch`,
`/runs`, `PATCH /runs/{id}`, `POST /feedback`.
"""

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from tracestore.domain.errors import Invalid
from tracestore.domain.json_body import parse_json_texts
from tracestore.domain.json_values import is_empty
from tracestore.domain.spans import Json

from .otlp import Attributes, Event
from .scores import Problem, Score
from .sdk_multipart import Part
from .sdk_reports import (
    FIRST,
    Batch,
    Report,
    amended,
    as_list,
    as_object,
    as_text,
    error_attributes,
    new_span,
    origin_of,
    problem_of_times,
    stored_id,
    time_ns,
)

_ORIGIN: Final = origin_of("langsmith")
_MAX_CHILDREN_DEPTH: Final = 50
_READ: Final = frozenset(
    {
        *("id", "trace_id", "parent_run_id", "name", "run_type", "start_time", "end_time", "inputs", "outputs"),
        *("error", "tags", "events", "extra", "child_runs", "session_name", "attachments"),
    }
)
"""Fields of a run that have a place of their own. The others become attributes as they are."""

_ENVIRONMENT_PREFIXES: Final = ("LANGSMITH_", "LANGCHAIN_")
"""Environment variables that the SDK copies into the metadata of each run."""

_DOTTED_TIME: Final = "%Y%m%dT%H%M%S%fZ"
_DOTTED_TIME_CHARACTERS: Final = 22
_FIELDS_IN_PARTS: Final = ("inputs", "outputs", "events", "extra", "serialized", "error", "attachments")


@dataclass(slots=True)
class SentRuns:
    """The runs of one body by id, as posts and as patches, and its feedback. `files` are the attachments of runs."""

    posts: dict[str, dict[str, Json]] = field(default_factory=dict)
    patches: dict[str, dict[str, Json]] = field(default_factory=dict)
    files: dict[str, list[Json]] = field(default_factory=dict)
    feedback: dict[str, Json] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def runs_of_parts(parts: Iterable[Part]) -> SentRuns:
    """The runs in a multipart body: `post.<id>`, `patch.<id>`, their large fields, `attachment.<id>.<name>` and
    `feedback.<id>`.

    *raises*: TooLarge where the JSON of all parts together has too many values; Invalid for malformed JSON.
    """
    sent = SentRuns()
    texts: list[tuple[str, bytes]] = []
    for part in parts:
        kind, _, rest = part.name.partition(".")
        if kind == "attachment":
            run_id, _, name = rest.partition(".")
            sent.files.setdefault(run_id, []).append(
                {
                    "type": "media",
                    "name": name,
                    "mime_type": part.content_type or "application/octet-stream",
                    "data": base64.b64encode(part.content).decode(),
                }
            )
        elif kind in ("post", "patch", "feedback"):
            texts.append((part.name, part.content))
        else:
            sent.problems.append(Problem(part.name[:64], "The name of a part begins with none of the known words."))
    for (name, _), value in zip(texts, parse_json_texts([content for _, content in texts]), strict=True):
        kind, _, rest = name.partition(".")
        run_id, _, field_name = rest.partition(".")
        if kind == "feedback":
            sent.feedback[run_id] = value
            continue
        runs = sent.posts if kind == "post" else sent.patches
        run = runs.setdefault(run_id, {"id": run_id})
        if not field_name:
            run.update({**as_object(value), "id": run_id})
        elif field_name in _FIELDS_IN_PARTS:
            run[field_name] = value
    return sent


def runs_of_batch(value: Json) -> SentRuns:
    """The runs in the JSON of a batch: `{"post": […], "patch": […]}`. *raises*: Invalid for a body of another form."""
    sent = SentRuns()
    if not isinstance(value, dict):
        raise Invalid(_BATCH_FORM)
    for kind, runs in (("post", sent.posts), ("patch", sent.patches)):
        listed = value.get(kind, [])
        if not isinstance(listed, list):
            raise Invalid(_BATCH_FORM)
        for index, run in enumerate(listed):
            _add_run(sent, runs, run, f"{kind}[{index}]")
    return sent


_BATCH_FORM: Final = 'Send the runs of a LangSmith SDK as {"post": [...], "patch": [...]}.'


def run_alone(value: Json, run_id: str | None = None) -> SentRuns:
    """The run in a body that contains nothing else: a patch where the path has its id, else a post."""
    sent = SentRuns()
    if run_id is None:
        _add_run(sent, sent.posts, value, "run")
    else:
        _add_run(sent, sent.patches, {**as_object(value), "id": run_id}, "run")
    return sent


def _add_run(sent: SentRuns, runs: dict[str, dict[str, Json]], run: Json, source: str, depth: int = 0) -> None:
    """Add a run and those nested in it, which old clients send as `child_runs`."""
    run_id = as_text(as_object(run).get("id"))
    if run_id is None:
        sent.problems.append(Problem(source, "A run must be an object with an id."))
        return
    content = as_object(run)
    runs[run_id] = amended(runs.get(run_id, {}), content)
    for index, child in enumerate(as_list(content.get("child_runs"))):
        if depth < _MAX_CHILDREN_DEPTH:
            inherited = {"parent_run_id": run_id, "trace_id": content.get("trace_id") or run_id}
            _add_run(sent, runs, amended(inherited, as_object(child)), f"{source}.child_runs[{index}]", depth + 1)


def langsmith_batch(sent: SentRuns, *, now_ns: int) -> Batch:
    """The reports about the runs, and the scores in the feedback."""
    batch = Batch(problems=list(sent.problems), has_files=bool(sent.files))
    for run_id in dict.fromkeys((*sent.posts, *sent.patches)):
        post, patch = sent.posts.get(run_id), sent.patches.get(run_id)
        run = amended(post or {}, patch or {})
        if post and patch:
            run["extra"] = _joined_extra(as_object(post.get("extra")), as_object(patch.get("extra")))
        batch.add(_report(run, sent.files.get(run_id, []), is_opening=patch is None, now_ns=now_ns))
    for feedback_id, value in sent.feedback.items():
        batch.add(feedback_score(value, feedback_id))
    return batch


def trace_id_of_run(run: Mapping[str, Json]) -> str | None:
    """The stored id of a run's trace: as sent, else the first id of its dotted order, else its own if it is a root.

    *absent*: None for a run below another that names no trace.
    """
    if trace_id := stored_id(run.get("trace_id")):
        return trace_id
    if chain := _chain(run):
        return stored_id(chain[0][_DOTTED_TIME_CHARACTERS:])
    return None if run.get("parent_run_id") else stored_id(run.get("id"))


def _chain(run: Mapping[str, Json]) -> list[str]:
    """The start and the id of each run from the root to this one. *absent*: empty."""
    order = as_text(run.get("dotted_order"))
    return order.split(".") if order else []


def _joined_extra(post: Mapping[str, Json], patch: Mapping[str, Json]) -> dict[str, Json]:
    joined = amended(post, patch)
    joined["metadata"] = amended(as_object(post.get("metadata")), as_object(patch.get("metadata")))
    return joined


def _report(run: Mapping[str, Json], files: list[Json], *, is_opening: bool, now_ns: int) -> Report | Problem:
    source = str(run["id"])
    span_id, trace_id = stored_id(run["id"]), trace_id_of_run(run)
    if span_id is None or trace_id is None:
        return Problem(source, "A run below another needs a trace_id or a dotted_order.")
    chain = _chain(run)
    parent_id = stored_id(run.get("parent_run_id"))
    if parent_id is None and len(chain) > 1:
        parent_id = stored_id(chain[-2][_DOTTED_TIME_CHARACTERS:])
    start_ns, end_ns = time_ns(run.get("start_time")), time_ns(run.get("end_time"))
    if start_ns is None and chain:
        start_ns = _dotted_time_ns(chain[-1])
    if problem := problem_of_times(start_ns, end_ns, now_ns):
        return Problem(source, problem)
    error = run.get("error")
    span = new_span(
        _ORIGIN,
        trace_id,
        span_id,
        parent_id=parent_id,
        name=run.get("name"),
        start_ns=start_ns,
        end_ns=end_ns,
        attributes=_attributes(run, files) | ({} if is_empty(error) else error_attributes(error)),
        events=[_event(as_object(event)) for event in as_list(run.get("events"))],
        status="unset" if is_empty(error) else "error",
    )
    return Report(
        span,
        (source,),
        states_operation=not is_empty(run.get("run_type")),
        report_order=FIRST if is_opening else None,
        has_alias=True,
    )


def _attributes(run: Mapping[str, Json], files: list[Json]) -> Attributes:
    extra = as_object(run.get("extra"))
    tags = [tag for tag in as_list(run.get("tags")) if isinstance(tag, str)]
    project = as_text(run.get("session_name"))
    attributes: Attributes = {
        "langsmith.span.kind": run.get("run_type") or _inferred_type(run),
        "langsmith.span.tags": [*tags, *([project] if project and project not in tags else [])],
        "langsmith.run.inputs": run.get("inputs"),
        "langsmith.run.outputs": run.get("outputs"),
        "langsmith.run.attachments": files,
    }
    for name, value in as_object(extra.get("metadata")).items():
        if not name.startswith(_ENVIRONMENT_PREFIXES):
            attributes[f"langsmith.metadata.{name}"] = value
    for name, value in extra.items():
        if name != "metadata":
            attributes[f"langsmith.run.extra.{name}"] = value
    for name, value in run.items():
        if name not in _READ:
            attributes[f"langsmith.run.{name}"] = value
    return attributes


def _inferred_type(run: Mapping[str, Json]) -> str | None:
    """The type of a run that a patch does not repeat, as far as it decides how outputs are read: that of a model call.

    *absent*: None without evidence of one.
    """
    metadata = as_object(as_object(run.get("extra")).get("metadata"))
    is_call = "ls_model_name" in metadata or not _OUTPUTS_OF_CALLS.isdisjoint(as_object(run.get("outputs")))
    return "llm" if is_call else None


_OUTPUTS_OF_CALLS: Final = frozenset({"choices", "generations", "usage_metadata"})


def _event(event: Mapping[str, Json]) -> Event:
    attributes = {name: value for name, value in event.items() if name not in ("name", "time") and not is_empty(value)}
    return Event(as_text(event.get("name")) or "event", time_ns(event.get("time")) or 0, attributes)


def _dotted_time_ns(step: str) -> int | None:
    try:
        moment = datetime.strptime(step[:_DOTTED_TIME_CHARACTERS], _DOTTED_TIME).replace(tzinfo=UTC)
    except ValueError:
        return None
    return time_ns(moment.isoformat())


def feedback_score(value: Json, feedback_id: str | None = None) -> Score | Problem:
    """The score in one feedback. *absent*: its trace has to be looked up by the run where it names none."""
    feedback = as_object(value)
    source = f"feedback.{feedback_id}" if feedback_id else "feedback"
    name, run_id = as_text(feedback.get("key")), stored_id(feedback.get("run_id"))
    trace_id = stored_id(feedback.get("trace_id"))
    if name is None or not (run_id or trace_id):
        return Problem(source, "Feedback must be an object with a key and a run_id or a trace_id.")
    sent = feedback.get("score")
    comment = as_text(feedback.get("comment"))
    if is_empty(sent):
        sent = feedback.get("value")
    if is_empty(sent):
        sent = feedback.get("correction") if comment is None else comment
    made_by = as_text(as_object(feedback.get("feedback_source")).get("type"))
    score_id = as_text(feedback.get("id")) or feedback_id
    return Score(source, trace_id, run_id, name, score_id, sent, comment, made_by)
