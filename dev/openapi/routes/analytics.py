"""The routes of analytics."""

from collections.abc import Mapping
from typing import Final

from dev.openapi.answers.analytics import COSTS, FACET_LISTS, IN_POINTS, RANGE, STORED
from dev.openapi.answers.lessons import LESSON_STATISTICS
from dev.openapi.answers.values import CURSOR, SCANNED_TO, ZONE, success
from dev.openapi.operations import Operation, returns
from dev.openapi.parameters import (
    ANALYTICS,
    END_DATE,
    HOURLY,
    LIST_TEXT,
    QUERY_CURSOR,
    QUERY_ZONE,
    START_DATE,
    WORDS,
    page_size,
)
from dev.openapi.schemas import Schema, array, choice, obj, ref, string
from tracestore.domain.dimensions import GROUPINGS
from tracestore.domain.score_groups import SCORE_DIMENSIONS
from tracestore.http.parameters import LIMIT_DEFAULT


def _analytics(schema: Schema, **more: Schema) -> Operation:
    """A route of analytics."""
    return Operation(
        answers=returns(schema), query={**ANALYTICS, **more}, has_etag=True, parameter_texts=("## Analytics",)
    )


ROUTES: Final[Mapping[str, Operation]] = {
    "GET /api/analytics/metrics": Operation(
        answers=returns(success(**IN_POINTS, totals=ref("Measures"), groups=array(ref("Group")))),
        query={**ANALYTICS, "group_by": choice(*GROUPINGS), "end_user_id": WORDS},
        codes=("unsupported_combination",),
        has_etag=True,
        parameter_texts=("## Analytics",),
    ),
    "GET /api/analytics/errors": _analytics(success(**IN_POINTS, errors=array(ref("FailureType")))),
    "GET /api/analytics/providers": _analytics(success(**RANGE, providers=array(ref("Provider")))),
    "GET /api/analytics/heatmap": _analytics(success(**IN_POINTS, heatmaps=array(ref("Heatmap")))),
    "GET /api/analytics/costs": _analytics(COSTS),
    "GET /api/analytics/anomalies": _analytics(success(**RANGE, timezone=ZONE, anomalies=array(ref("Anomaly")))),
    "GET /api/analytics/conversations": _analytics(
        success(conversations=array(ref("Conversation")), next_cursor=CURSOR),
        limit=page_size(50),
        cursor=QUERY_CURSOR,
        search=WORDS,
        end_user_id=WORDS,
    ),
    "GET /api/analytics/conversations/{conversation_id}": Operation(
        answers=returns(success(data=ref("Conversation"))), has_etag=True
    ),
    "GET /api/analytics/facets": _analytics(success(**RANGE, facets=FACET_LISTS)),
    "GET /api/analytics/scores": Operation(
        answers=returns(success(**IN_POINTS, scores=array(ref("ScoreSeries")))),
        query={**ANALYTICS, "interval": HOURLY, "group_by": choice(*SCORE_DIMENSIONS), "name": WORDS},
        codes=("unsupported_combination",),
        has_etag=True,
        parameter_texts=("## Analytics",),
    ),
    "GET /api/analytics/lessons": Operation(
        answers=returns(success(**LESSON_STATISTICS)),
        query={
            "start_date": START_DATE,
            "end_date": END_DATE,
            "timezone": QUERY_ZONE,
            "lesson_id": WORDS,
            "provider_used": WORDS,
        },
        has_etag=True,
        parameter_texts=("### `GET /api/traces`", "## Analytics"),
    ),
    "GET /api/analytics/storage": Operation(
        answers=returns(
            success(
                estimated={"type": "boolean", "const": True},
                timezone=ZONE,
                months=array(obj({"month": string(examples=["2026-11"]), **STORED})),
                total=obj(STORED),
                scanned_to=SCANNED_TO,
                next_cursor=CURSOR,
            )
        ),
        query={"start_date": START_DATE, "end_date": END_DATE, "timezone": QUERY_ZONE, "cursor": QUERY_CURSOR},
        has_etag=True,
        parameter_texts=(LIST_TEXT,),
    ),
    "GET /api/analytics/deletions": Operation(
        answers=returns(success(deletions=array(ref("DeletionRecord")), next_cursor=CURSOR)),
        query={"limit": page_size(LIMIT_DEFAULT), "cursor": QUERY_CURSOR},
        has_etag=True,
        parameter_texts=(LIST_TEXT,),
    ),
}
