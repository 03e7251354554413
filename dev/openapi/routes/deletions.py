"""The routes that delete traces, and that of the jobs that do so."""

from collections.abc import Mapping
from typing import Final

from dev.openapi.answers.values import success
from dev.openapi.operations import JSON, JSON_CODES, Body, Link, Operation, returns
from dev.openapi.parameters import QUERY_TIME, TRUE, WORDS
from dev.openapi.schemas import array, obj, ref, string
from tracestore.api.bulk_deletes import CHOSEN_MOST
from tracestore.domain.spans import ID_PATTERN

_CHOSEN_BODY: Final = obj(
    {"trace_ids": array(string(pattern=f"^{ID_PATTERN}$", examples=["trip-7"]), minItems=1, maxItems=CHOSEN_MOST)},
    additionalProperties=False,
)
DELETIONS: Final = {200: {JSON: ref("Deleted")}, 202: {JSON: ref("DeletionJob")}}
JOB_LINK: Final = {"job": Link("GET /api/jobs/{job_id}", {"job_id": "$response.body#/job_id"}, 202)}

ROUTES: Final[Mapping[str, Operation]] = {
    "DELETE /api/analytics/traces/{trace_id}": Operation(answers=returns(ref("Deleted"))),
    "DELETE /api/analytics/traces/{trace_id}/spans/{span_id}": Operation(
        answers=returns(ref("Deleted")), codes=("too_many_deleted_spans",)
    ),
    "DELETE /api/analytics/traces": Operation(
        answers=DELETIONS,
        query={"conversation_id": WORDS, "before": QUERY_TIME, "deleteAll": TRUE},
        codes=("too_many_jobs",),
        links=JOB_LINK,
        one_of=("conversation_id", "before", "deleteAll"),
    ),
    "POST /api/analytics/traces/delete": Operation(
        answers=DELETIONS,
        body=Body({JSON: _CHOSEN_BODY}, JSON_CODES, {"trace_ids": ["trip-7", "trip-8"]}),
        links=JOB_LINK,
    ),
    "GET /api/jobs/{job_id}": Operation(answers=returns(success(data=ref("Job")))),
}
