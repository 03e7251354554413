"""Store what a request of an SDK reports, and find out which parts of it could not be stored.

Spans are stored before scores. What is valid is stored, whatever else the request contains.
"""

from dataclasses import dataclass, field
from typing import Final

from tracestore.api.traces.scores import store_scores
from tracestore.domain.errors import Conflict, Detail, Invalid, NotFound, TracestoreError
from tracestore.domain.spans import Json, SpanFields
from tracestore.http.identity import Identity
from tracestore.http.request import Request
from tracestore.http.wiring import ingest_writer, redactor
from tracestore.ingest.media import MediaCollector
from tracestore.ingest.native import MAX_SPAN_BYTES, refuse_too_large
from tracestore.ingest.redaction import Redactor
from tracestore.ingest.scores import Problem
from tracestore.ingest.sdk_reports import Batch, Report, report_fields, stored_id
from tracestore.storage.user_store import UserWriter

_MOST_GROWTH: Final = 8
"""The JSON of a span is at most this many times as long as the body: a control character takes six bytes."""

_DETAILS_MOST: Final = 20


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
_NOT_FOUND: Final = 404


def store(request: Request, caller: Identity, batch: Batch, body: bytes) -> Stored:
    """Store the reports and the scores of a request. *raises*: Unavailable; some of it may be stored then."""
    target = ingest_writer(request, caller)
    stored = Stored(problems=list(batch.problems))
    masking = redactor()
    if batch.reports:
        _store_reports(target, masking, batch, body, stored)
    ids, problems = store_scores(target, masking, caller, batch.scores)
    stored.scores += ids
    stored.problems += problems
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
