"""The routes of annotations."""

from collections.abc import Mapping
from typing import Final

from dev.openapi.answers.values import success
from dev.openapi.operations import JSON, JSON_CODES, TRACE_PATH, Body, Link, Operation, returns
from dev.openapi.parameters import WORDS
from dev.openapi.schemas import array, integer, obj, ref

_ANNOTATION_PATH: Final = {**TRACE_PATH, "name": "$response.body#/data/name"}

ROUTES: Final[Mapping[str, Operation]] = {
    "PUT /api/analytics/traces/{trace_id}/annotations/{name}": Operation(
        answers=returns(success(data=ref("Annotation"))),
        body=Body({JSON: ref("SentAnnotation")}, JSON_CODES, {"value": 0.8, "source": "judge", "span_id": "call"}),
        codes=("conflict", "too_many_annotations", "trace_deleted", "span_deleted"),
        links={
            "annotations": Link("GET /api/analytics/traces/{trace_id}/annotations", TRACE_PATH),
            "deleteAnnotations": Link("DELETE /api/analytics/traces/{trace_id}/annotations/{name}", _ANNOTATION_PATH),
        },
    ),
    "GET /api/analytics/traces/{trace_id}/annotations": Operation(
        answers=returns(success(annotations=array(ref("Annotation")))), has_etag=True
    ),
    "DELETE /api/analytics/traces/{trace_id}/annotations/{name}": Operation(
        answers=returns(success(deleted=obj({"annotations": integer()}))),
        query={"id": WORDS, "span_id": WORDS, "source": WORDS},
    ),
}
