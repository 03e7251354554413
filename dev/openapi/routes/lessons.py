"""The routes of lesson traces."""

from collections.abc import Mapping
from typing import Final

from dev.openapi.answers.values import CURSOR, SCANNED_TO, success
from dev.openapi.operations import JSON, JSON_CODES, STORED_CODES, Body, Link, Operation, returns
from dev.openapi.parameters import (
    END_DATE,
    PATH,
    QUERY_CURSOR,
    QUERY_TIME,
    QUERY_ZONE,
    START_DATE,
    TRUE,
    WORDS,
    page_size,
)
from dev.openapi.routes.deletions import DELETIONS, JOB_LINK
from dev.openapi.schemas import array, choice, integer, nullable, ref
from tracestore.api.lessons.parameters import OFFSET_MOST
from tracestore.ingest.lessons import STATUSES as LESSON_STATUSES

_LESSON_PATH: Final = {"id": "$response.body#/data/id"}
_CALL: Final = {
    "provider": "anthropic",
    "request": {"prompt": "Write a lesson", "model": "claude-sonnet-4-5", "max_tokens": 800},
    "response": {"content": "A leaf is a kitchen.", "usage": {"prompt_tokens": 412, "completion_tokens": 96}},
    "duration_ms": 3900,
}

ROUTES: Final[Mapping[str, Operation]] = {
    "POST /api/traces": Operation(
        answers=returns(success(data=ref("LessonTrace")), 201),
        body=Body(
            {JSON: ref("NewLesson")},
            JSON_CODES,
            {"lesson_id": "photosynthesis-7", "request_data": {"topic": "Photosynthesis"}},
        ),
        codes=("conflict", "lesson_ended", "not_found", *STORED_CODES),
        links={
            "lesson": Link("GET /api/traces/{id}", _LESSON_PATH),
            "call": Link("POST /api/traces/{id}/llm-calls", _LESSON_PATH),
            "change": Link("PATCH /api/traces/{id}", _LESSON_PATH),
            "delete": Link("DELETE /api/traces/{id}", _LESSON_PATH),
        },
    ),
    "POST /api/traces/{id}/llm-calls": Operation(
        answers=returns(success(data=ref("LessonCall")), 201),
        body=Body({JSON: ref("SentCall")}, JSON_CODES, _CALL),
        codes=("conflict", *STORED_CODES),
    ),
    "PATCH /api/traces/{id}": Operation(
        answers=returns(success(data=ref("LessonTrace"))),
        body=Body(
            {JSON: ref("LessonChange")},
            JSON_CODES,
            {"status": "completed", "response_data": {"title": "Photosynthesis"}},
        ),
        codes=("conflict", "lesson_ended", *STORED_CODES),
    ),
    "GET /api/traces": Operation(
        answers=returns(
            success(
                traces={"anyOf": [array(ref("LessonTrace")), array(ref("LessonSummary"))]},
                next_cursor=CURSOR,
                total=nullable(integer("Of all lesson traces that match the filters; null with a search")),
                scanned_to=SCANNED_TO,
            )
        ),
        query={
            "limit": page_size(50),
            "offset": integer(maximum=OFFSET_MOST, default=0),
            "cursor": QUERY_CURSOR,
            "lesson_id": WORDS,
            "status": choice(*LESSON_STATUSES),
            "start_date": START_DATE,
            "end_date": END_DATE,
            "timezone": QUERY_ZONE,
            "provider_used": WORDS,
            "search": WORDS,
            "view": choice("full", "summary", default="full"),
        },
        has_etag=True,
        links={"lesson": Link("GET /api/traces/{id}", {"id": "$response.body#/traces/0/id"})},
    ),
    "GET /api/traces/{id}": Operation(answers=returns(success(data=ref("LessonTrace"))), has_etag=True),
    "DELETE /api/traces/{id}": Operation(answers=returns(ref("Deleted"))),
    "DELETE /api/traces": Operation(
        answers=DELETIONS,
        query={"id": {**PATH["id"]}, "lesson_id": WORDS, "before": QUERY_TIME, "deleteAll": TRUE},
        codes=("too_many_jobs", "not_found"),
        links=JOB_LINK,
        one_of=("id", "lesson_id", "before", "deleteAll"),
    ),
}
