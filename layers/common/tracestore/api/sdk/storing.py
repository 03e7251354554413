"""Store what a request of an SDK reports, and find out which parts of it could not be stored.

Spans are stored before scores. What is valid is stored, whatever else the request contains.
"""

import json
import re
from dataclasses import dataclass, field
from typing import Final

from tracestore.domain.errors import Conflict, Detail, Invalid, NotFound, TracestoreError
from tracestore.domain.spans import Json, SpanFields
from tracestore.http.errors import status_of
from tracestore.http.identity import Identity
from tracestore.http.request import Request
from tracestore.http.wiring import ingest_writer, redactor
from tracestore.ingest.annotations import parse_annotation
from tracestore.ingest.field_readers import identifier
from tracestore.ingest.media import MediaCollector
from tracestore.ingest.native import MAX_SPAN_BYTES, refuse_too_large
from tracestore.ingest.redaction import Redactor
from tracestore.ingest.sdk_reports import Batch, Problem, Report, Score, report_fields, stored_id
from tracestore.storage.user_store import UserWriter

_MOST_GROWTH: Final = 8
"""The JSON of a span is at most this many times as long as the body: a control character takes six bytes."""

_DETAILS_MOST: Final = 20
_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9_.-]")
_NAME_CHARACTERS: Final = 64
_VALUE_CHARACTERS: Final = 512
_COMMENT_CHARACTERS: Final = 1_000
"""A comment is cut so that it has at most 4,096 bytes as JSON: an SDK cannot send a shorter one."""

MAX_ID_CHARACTERS: Final = 128
_SOURCE: Final = "api"


@dataclass(slots=True)
class Stored:
    """The result of storing a request: the number of stored reports, the ids of scores, and the parts that were not.

    A part has the protocol's name of it as `source`.
    """

    report_count: int = 0
    scores: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def raise_if_incomplete(self) -> None:
        """Report the parts that were not stored, for protocols without a form for that.

        *raises*: Conflict if all of them were deleted before; Invalid otherwise.
        """
        if not self.problems:
            return
        details = tuple(Detail(problem.source, problem.message) for problem in self.problems[:_DETAILS_MOST])
        message = f"{len(self.problems)} parts of the request are not stored: see details. The others are stored."
        if all(problem.status == _CONFLICT for problem in self.problems):
            raise Conflict(message, details=details)
        raise Invalid(message, details=details)

    def raise_if_unknown(self, failure: TracestoreError) -> None:
        """Report with this failure that a span which a score is about is not stored. The other parts are stored."""
        if any(problem.status == _NOT_FOUND for problem in self.problems):
            raise failure


_CONFLICT: Final = 409
_FORBIDDEN: Final = 403
_NOT_FOUND: Final = 404


def store(request: Request, caller: Identity, batch: Batch, body: bytes) -> Stored:
    """Store the reports and the scores of a request. *raises*: Unavailable; some of it may be stored then."""
    target = ingest_writer(request, caller)
    stored = Stored(problems=list(batch.problems))
    masking = redactor()
    if batch.reports:
        _store_reports(target, masking, batch, body, stored)
    for score in batch.scores:
        _store_score(target, masking, caller, score, stored)
    return stored


def _store_reports(target: UserWriter, masking: Redactor, batch: Batch, body: bytes, stored: Stored) -> None:
    media = MediaCollector(body, has_files=batch.has_files)
    measured_bytes = MAX_SPAN_BYTES if len(body) * _MOST_GROWTH > MAX_SPAN_BYTES else 0
    accepted: list[tuple[Report, str, SpanFields]] = []
    for report, (trace_id, fields) in zip(batch.reports, media.take_from(report_fields(batch.reports)), strict=True):
        try:
            refuse_too_large(fields, measured_bytes)  # type: ignore[arg-type]
        except Invalid as error:
            stored.problems += [Problem(source, error.message) for source in report.sources]
            continue
        accepted.append((report, trace_id, masking.redact(fields)))
    rejections = target.capture(
        [(trace_id, fields) for _, trace_id, fields in accepted], media=media.found, texts=masking.texts
    )
    rejected = {(rejection.trace_id, rejection.span_id): rejection.message for rejection in rejections}
    for report, trace_id, fields in accepted:
        if message := rejected.get((trace_id, fields["span_id"])):
            stored.problems += [Problem(source, message, _CONFLICT) for source in report.sources]
        else:
            stored.report_count += 1


def _store_score(target: UserWriter, masking: Redactor, caller: Identity, score: Score, stored: Stored) -> None:
    if "annotate" not in caller.scopes:
        stored.problems.append(Problem(score.source, "This API key lacks the scope annotate.", _FORBIDDEN))
        return
    try:
        stored.scores.append(store_score(target, masking, score))
    except (Invalid, Conflict, NotFound) as error:
        stored.problems.append(Problem(score.source, error.message, status_of(error)))


def store_score(target: UserWriter, masking: Redactor, score: Score) -> str:
    """Store one score as an annotation; returns its id.

    *raises*: Invalid for a value that no annotation can have; NotFound where the run has to be looked up and is absent;
    Conflict when its trace was deleted or has too many.
    """
    annotation = parse_annotation(
        annotation_name(score.name),
        {
            "id": identifier(score.score_id, MAX_ID_CHARACTERS),
            "value": _value(score.value),
            "comment": score.comment[:_COMMENT_CHARACTERS] if score.comment else None,
            "source": score.made_by[:MAX_ID_CHARACTERS] if score.made_by else None,
            "span_id": score.span_id,
        },
        default_source=_SOURCE,
        redactor=masking,
    )
    trace_id = score.trace_id or target.trace_of_span(score.span_id or "")
    return target.annotate(trace_id, annotation)[0].annotation_id


def with_trace(target: UserWriter, run: dict[str, Json], run_id: str) -> dict[str, Json]:
    """The run with the id of its trace, which is looked up where the run names none.

    *absent*: unchanged where its post has not arrived and it may be a root. *raises*: NotFound where it is none.
    """
    if run.get("trace_id") or run.get("dotted_order"):
        return run
    try:
        return {**run, "trace_id": target.trace_of_span(stored_id(run_id) or "")}
    except NotFound:
        if run.get("parent_run_id"):
            raise
        return run


def annotation_name(name: str) -> str:
    """The name of a score in the characters of annotations."""
    readable = _NOT_IN_NAMES.sub("_", name)[:_NAME_CHARACTERS]
    return readable if readable[:1].isalnum() else f"x{readable}"[:_NAME_CHARACTERS]


def _value(value: Json) -> Json:
    """A value as annotations have it: an object or an array as JSON, a text cut to its limit."""
    if isinstance(value, dict | list):
        value = json.dumps(value, ensure_ascii=False)
    return value[:_VALUE_CHARACTERS] if isinstance(value, str) else value
