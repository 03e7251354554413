"""Lesson traces."""

from collections.abc import Mapping
from typing import Final

from dev.openapi.answers.traces import ATTEMPTS
from dev.openapi.answers.values import ID, OMITTED_PAYLOADS, TEXT
from dev.openapi.schemas import (
    Schema,
    anything,
    array,
    boolean,
    choice,
    integer,
    nullable,
    number,
    obj,
    ref,
    string,
    time,
)
from tracestore.ingest.lessons import STATUSES as LESSON_STATUSES

LESSON_FIELDS: Final[Mapping[str, Schema]] = {
    "id": ID,
    "lesson_id": TEXT,
    "request_data": anything(),
    "response_data": anything(),
    "status": choice(*LESSON_STATUSES),
    "provider_used": anything("Text, unless a span was sent with another value"),
    "fallback_providers": anything("A list of texts, unless a span was sent with another value"),
    "total_duration_ms": nullable(number()),
    "clock_skew": boolean(),
    "created_at": nullable(time()),
    "completed_at": nullable(time()),
    "error_message": TEXT,
    "llm_calls": array(ref("LessonCall")),
    "updated_at": time(),
    "expires_at": time(),
}

LESSON_SUMMARY_FIELDS: Final[Mapping[str, Schema]] = {
    "id": ID,
    "lesson_id": TEXT,
    "status": choice(*LESSON_STATUSES),
    "provider_used": TEXT,
    "fallback_providers": array(string()),
    "total_duration_ms": nullable(number()),
    "created_at": time(),
    "completed_at": nullable(time()),
    "error_types": array(string()),
    "error_count": integer(),
    "llm_call_count": integer(),
    "attempts": array(ATTEMPTS),
    "total_tokens": integer(),
    "cost_usd": nullable(number()),
    "wasted_cost_usd": number(),
    "request_preview": TEXT,
    "response_preview": TEXT,
    "updated_at": time(),
    "expires_at": time(),
}

LESSON_STATISTICS: Final[Mapping[str, Schema]] = {
    "start_date": nullable(time()),
    "end_date": nullable(time()),
    **dict.fromkeys(("lessons", "started", "completed", "failed"), integer()),
    **dict.fromkeys(("failure_rate", "fallback_rate", "wasted_share"), number(maximum=1)),
    "total_duration_ms": obj({"p50": nullable(number()), "p95": nullable(number())}),
    "cost_usd": number(),
    "wasted_cost_usd": number(),
    "scanned_to": nullable(time()),
}

COMPONENTS: Final[Mapping[str, Schema]] = {
    "LessonTrace": obj(
        LESSON_FIELDS,
        {"payloads_omitted": OMITTED_PAYLOADS, "calls_omitted": {"type": "boolean", "const": True}},
    ),
    "LessonSummary": obj(LESSON_SUMMARY_FIELDS),
    "LessonCall": obj(
        {"id": ID},
        {
            "provider": string(),
            "request": obj(
                {},
                {"prompt": anything(), "model": string(), "temperature": anything(), "max_tokens": anything()},
            ),
            "response": obj(
                {},
                {
                    "content": anything(),
                    "usage": obj({}, dict.fromkeys(("prompt_tokens", "completion_tokens", "total_tokens"), integer())),
                },
            ),
            "duration_ms": number(),
            "success": boolean("Absent while the call is pending"),
            "error": string(),
            "timestamp": time(),
            "payloads_omitted": OMITTED_PAYLOADS,
        },
    ),
}
