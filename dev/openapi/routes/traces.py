"""The routes that store traces and read them."""

from collections.abc import Mapping
from typing import Final

from dev.openapi.answers.analytics import IN_POINTS
from dev.openapi.answers.traces import OMITTED_CHILDREN
from dev.openapi.answers.values import CURSOR, OMITTED_PAYLOADS, SCANNED_TO, SUCCESS, success
from dev.openapi.operations import ANY_TYPE, JSON, JSON_CODES, STORED_CODES, TRACE_PATH, Body, Link, Operation, returns
from dev.openapi.parameters import ID_LIST, LIST_TEXT, QUERY_CURSOR, TRACE_FILTERS, TRACE_LIST, WORDS
from dev.openapi.schemas import Schema, array, boolean, choice, integer, nullable, obj, ref, string
from tracestore.domain.filters import METADATA_PREFIX, SCORE_PREFIX
from tracestore.domain.intervals import INTERVALS
from tracestore.ingest.native import MAX_SPANS

_FULL: Final[tuple[dict[str, Schema], ...]] = ({}, {"full": boolean(const=True)})
"""Members of a whole trace, without and with `since`."""

_RANKED: Final = integer("The number of traces that were ranked")
_FIRST_TRACE: Final = {"trace_id": "$response.body#/traces/0/trace_id"}
_SPAN_PATH: Final = {**TRACE_PATH, "span_id": "$response.body#/data/span_id"}
_BATCH: Final = obj(
    {"spans": array({"anyOf": [ref("NewSpan"), ref("LoggedSpan")]}, minItems=1, maxItems=MAX_SPANS)},
    description="Many spans in one request",
    additionalProperties=False,
)

ROUTES: Final[Mapping[str, Operation]] = {
    "POST /api/analytics/traces": Operation(
        answers={
            201: {
                JSON: {
                    "anyOf": [
                        success(data=ref("Span")),
                        success(data=array(ref("SpanId")), rejected=array(ref("RejectedSpan"))),
                    ]
                }
            }
        },
        body=Body({JSON: {"anyOf": [_BATCH, ref("NewSpan"), ref("UnnamedSpan")]}}, JSON_CODES),
        codes=("all_spans_rejected", *STORED_CODES),
        links={
            "span": Link("GET /api/analytics/traces/{trace_id}/spans/{span_id}", _SPAN_PATH),
            "change": Link("PATCH /api/analytics/traces/{trace_id}/spans/{span_id}", _SPAN_PATH),
            "trace": Link("GET /api/analytics/traces/{trace_id}", TRACE_PATH),
            "share": Link("POST /api/analytics/traces/{trace_id}/shares", TRACE_PATH),
            "deleteSpan": Link("DELETE /api/analytics/traces/{trace_id}/spans/{span_id}", _SPAN_PATH),
            "deleteTrace": Link("DELETE /api/analytics/traces/{trace_id}", TRACE_PATH),
        },
    ),
    "PATCH /api/analytics/traces/{trace_id}/spans/{span_id}": Operation(
        answers=returns(success(data=ref("Span"))),
        body=Body(
            {JSON: ref("SpanChange")},
            JSON_CODES,
            {"end_time": "2026-11-22T01:00:02.100Z", "output_data": {"text": "Morning: Alfama."}, "output_tokens": 96},
        ),
        codes=("span_ended", *STORED_CODES),
    ),
    "GET /api/analytics/traces": Operation(
        answers=returns(
            {
                "anyOf": [
                    obj(
                        {"success": SUCCESS, "traces": array(ref("TraceSummary")), "next_cursor": CURSOR},
                        {"scanned_to": SCANNED_TO, "ranked": _RANKED},
                    ),
                    obj(
                        {"success": SUCCESS, "traces": array(ref("SpanNode"), minItems=1), "next_cursor": CURSOR},
                        {"scanned_to": SCANNED_TO, "ranked": _RANKED},
                    ),
                    obj(
                        {"success": SUCCESS, "traces": array(ref("Turn"), minItems=1), "next_cursor": CURSOR},
                        {"scanned_to": SCANNED_TO, "ranked": _RANKED},
                    ),
                ]
            }
        ),
        query={
            **TRACE_LIST,
            "view": choice("forest", "summary", "turns", default="forest"),
            "order_by": choice("cost", "wasted", "duration", "tokens"),
            "messages": choice("new", "all", default="new"),
        },
        prefixes=(METADATA_PREFIX, SCORE_PREFIX),
        has_etag=True,
        links={"trace": Link("GET /api/analytics/traces/{trace_id}", _FIRST_TRACE)},
    ),
    "GET /api/analytics/traces/{trace_id}": Operation(
        answers=returns(
            {
                "anyOf": [
                    *(
                        success(
                            trace=obj(
                                {"summary": ref("TraceSummary"), "spans": array(ref("SpanNode"))},
                                {"payloads_omitted": OMITTED_PAYLOADS, "children_omitted": OMITTED_CHILDREN},
                            ),
                            version=nullable(string()),
                            **full,
                        )
                        for full in _FULL
                    ),
                    *(
                        success(
                            trace=obj({"summary": ref("TraceSummary"), "outline": array(ref("OutlineSpan"))}),
                            next_cursor=CURSOR,
                            version=string(),
                            **full,
                        )
                        for full in _FULL
                    ),
                    *(
                        success(
                            trace=obj(
                                {"summary": ref("TraceSummary"), "changed": array(ref(row)), "gone": array(string())}
                            ),
                            version=string(),
                            full=boolean(const=False),
                        )
                        for row in ("OutlineSpan", "ChangedSpan")
                    ),
                    success(
                        trace=obj({"summary": ref("TraceSummary"), "spans": array(ref("SpanOfPage"))}),
                        next_cursor=CURSOR,
                    ),
                    success(
                        trace=obj({"summary": ref("TraceSummary"), "matches": array(ref("Match"))}),
                        next_cursor=CURSOR,
                        scanned=integer("The number of spans that the page has examined"),
                    ),
                ]
            }
        ),
        query={
            "view": choice("tree", "outline", "spans", default="tree"),
            "payloads": boolean(default=True),
            "span_id": ID_LIST,
            "new_messages": boolean(default=False),
            "search": WORDS,
            "cursor": QUERY_CURSOR,
            "since": string(pattern="^[A-Za-z0-9_-]{1,512}$"),
        },
        has_etag=True,
        links={
            "changes": Link(
                "GET /api/analytics/traces/{trace_id}",
                {"trace_id": "$request.path.trace_id", "since": "$response.body#/version"},
            )
        },
    ),
    "GET /api/analytics/traces/{trace_id}/spans/{span_id}": Operation(
        answers=returns(success(data=ref("Span"))), has_etag=True
    ),
    "GET /api/analytics/traces/{trace_id}/media/{sha256}": Operation(
        answers={200: {ANY_TYPE: string("The bytes of the medium")}}, has_etag=True
    ),
    "GET /api/analytics/traces/{trace_id}/neighbours": Operation(
        answers=returns(
            success(
                data=obj(
                    {
                        "before": nullable(string(examples=["trip-8"])),
                        "after": nullable(string(examples=["trip-6"])),
                        "cursor_position": string(),
                        "complete": boolean(),
                        "turn": nullable(integer(minimum=1)),
                        "turns": nullable(integer(minimum=1)),
                    }
                )
            )
        ),
        query=TRACE_FILTERS,
        prefixes=(METADATA_PREFIX, SCORE_PREFIX),
        has_etag=True,
        parameter_texts=(LIST_TEXT,),
    ),
    "GET /api/analytics/histogram": Operation(
        answers=returns(
            success(**IN_POINTS, points=array(ref("HistogramPoint")), scanned_to=SCANNED_TO, next_cursor=CURSOR)
        ),
        query={**TRACE_FILTERS, "interval": choice(*INTERVALS), "cursor": QUERY_CURSOR},
        prefixes=(METADATA_PREFIX, SCORE_PREFIX),
        has_etag=True,
        parameter_texts=(LIST_TEXT, "## Analytics"),
    ),
    "GET /api/analytics/export": Operation(
        answers={200: {"application/x-ndjson": string("A JSON object `ExportedSpan` on each line")}},
        query=TRACE_LIST,
        prefixes=(METADATA_PREFIX, SCORE_PREFIX),
        headers={"x-next-cursor": "The cursor of the next response; absent in the last one"},
        parameter_texts=("### `GET /api/analytics/traces`",),
    ),
}
