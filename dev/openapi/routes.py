"""The parameters, the body and the responses of each route. The template and the handlers declare everything else."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from dev.openapi.answers import (
    ANY_MEMBERS,
    COSTS,
    CURSOR,
    FACET_LISTS,
    IGNORED,
    IN_POINTS,
    JSON_RPC,
    KEY_FIELDS,
    LESSON_STATISTICS,
    MESSAGE_ID,
    OMITTED_CHILDREN,
    OMITTED_PAYLOADS,
    OTLP_SUCCESS,
    RANGE,
    SHARE_FIELDS,
    STORED,
    SUCCESS,
    ZONE,
    success,
)
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
from tracestore.api.account.api_keys import MAX_NAME, MAX_RATE
from tracestore.api.account.views import MAX_QUERY_BYTES, MAX_TITLE
from tracestore.api.analytics.parameters import ANALYTICS_PARAMETERS
from tracestore.api.bulk_deletes import CHOSEN_MOST
from tracestore.api.lessons.parameters import OFFSET_MOST
from tracestore.api.sdk.langfuse_cursor_lists import (
    OBSERVATION_GROUPS,
    OBSERVATIONS_MOST,
    SCORE_GROUPS,
    SCORES_MOST,
)
from tracestore.api.traces.parameters import ID_LIST_CHARACTERS, NUMBER_MOST
from tracestore.domain.annotations import NAME_PATTERN
from tracestore.domain.dimensions import FILTERS, GROUPINGS
from tracestore.domain.filters import METADATA_PREFIX, SCORE_PREFIX
from tracestore.domain.heads import VALUE_FIELDS
from tracestore.domain.intervals import INTERVALS
from tracestore.domain.score_groups import SCORE_DIMENSIONS
from tracestore.domain.spans import ID_PATTERN
from tracestore.http.identity import SCOPES
from tracestore.http.parameters import LIMIT_DEFAULT, LIMIT_MOST, TEXT_MOST
from tracestore.ingest.annotation_model import MAX_NUMBER
from tracestore.ingest.lessons import STATUSES as LESSON_STATUSES
from tracestore.ingest.native import MAX_SPANS

JSON: Final = "application/json"
ANY_TYPE: Final = "*/*"
PROTOBUF: Final = "application/x-protobuf"
MULTIPART: Final = "multipart/form-data"
SPAN_STATUSES: Final = ("pending", "success", "error")


def _time_or_day(example: str) -> Schema:
    """The schema of the bound of a range."""
    return {"anyOf": [string(format="date-time"), string(format="date")], "examples": [example]}


ID_LIST: Final = string(
    maxLength=ID_LIST_CHARACTERS, pattern=f"^{ID_PATTERN}(,{ID_PATTERN}){{0,99}}$", examples=["trip-7,trip-8"]
)
WORDS: Final = string(minLength=1, maxLength=TEXT_MOST)
QUERY_TIME: Final = string(format="date-time", examples=["2026-11-22T10:00:00Z"])
START_DATE: Final = _time_or_day("2026-11-21")
END_DATE: Final = _time_or_day("2026-11-22")
QUERY_NUMBER: Final = number(maximum=NUMBER_MOST, examples=[0.05])
QUERY_ZONE: Final = {**ZONE, "format": "time-zone", "default": "UTC"}
QUERY_CURSOR: Final = string(minLength=1, format="cursor")
TRUE: Final = choice("true")


def page_size(default: int) -> Schema:
    """The schema of `limit`."""
    return integer(minimum=1, maximum=LIMIT_MOST, default=default)


CONDITION: Final = array(
    string(minLength=1, maxLength=TEXT_MOST, pattern="^(?!!?$)"), minItems=1, examples=[["gpt-4o"]]
)
"""Values of which one has to match. A value after `!` must not match."""

ID_CONDITION: Final = array(string(pattern=f"^!?{ID_PATTERN}$"), minItems=1, examples=[["run"]])

LABEL_CONDITION: Final = array(
    string(pattern=f"^!?{NAME_PATTERN}(:(.|\\n)*)?$", maxLength=TEXT_MOST), minItems=1, examples=[["category:travel"]]
)

TRACE_FILTERS: Final[Mapping[str, Schema]] = {
    "start_date": START_DATE,
    "end_date": END_DATE,
    "timezone": QUERY_ZONE,
    "conversation_id": CONDITION,
    "trace_id": ID_LIST,
    "status": array(choice(*(f"{sign}{status}" for status in SPAN_STATUSES for sign in ("", "!"))), minItems=1),
    **dict.fromkeys(("has_errors", "has_retry", "has_fallback", "has_model_call", "interrupted"), boolean()),
    **dict.fromkeys(VALUE_FIELDS, CONDITION),
    "parent_span_id": ID_CONDITION,
    "parent_trace_id": ID_CONDITION,
    **dict.fromkeys(("min_duration_ms", "max_duration_ms", "min_cost_usd", "max_cost_usd", "min_tokens"), QUERY_NUMBER),
    "label": LABEL_CONDITION,
    "search": CONDITION,
    "search_in": choice("names", "payload", default="names"),
    "order": choice("desc", "asc", default="desc"),
}
TRACE_LIST: Final[Mapping[str, Schema]] = {"limit": page_size(LIMIT_DEFAULT), "cursor": QUERY_CURSOR, **TRACE_FILTERS}

_ANALYTICS_SCHEMAS: Final[Mapping[str, Schema]] = {
    "start_date": START_DATE,
    "end_date": END_DATE,
    "interval": choice(*INTERVALS),
    "timezone": QUERY_ZONE,
    **dict.fromkeys(FILTERS, WORDS),
}
HOURLY: Final = choice(*(interval for interval in INTERVALS if interval != "15m"))
ANALYTICS: Final = {name: _ANALYTICS_SCHEMAS[name] for name in ANALYTICS_PARAMETERS}

PATH: Final[Mapping[str, Schema]] = {
    "trace_id": string("The id of a trace", pattern=f"^{ID_PATTERN}$", examples=["trip-7"]),
    "sha256": string(
        "The SHA-256 of the content, in hexadecimal",
        pattern="^[0-9a-f]{64}$",
        examples=["6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"],
    ),
    "span_id": string("The id of a span", pattern=f"^{ID_PATTERN}$", examples=["call"]),
    "name": string("The name of an annotation", pattern=f"^{NAME_PATTERN}$", examples=["quality"]),
    "id": string("The id of a lesson trace", pattern=f"^{ID_PATTERN}$", examples=["1f0c3f7d5b9e4c1f8a6a2b7f9d1e4c55"]),
    "job_id": string("The id of a job", pattern="^[0-9a-f-]{36}$", examples=["9b2f6a0e-6f0b-4a53-9f0e-5d8c1f3a7b21"]),
    "share_id": string("The id of a share", pattern="^[0-9a-f]{16}$", examples=["5f2d7c1a9b3e4d60"]),
    "conversation_id": string("The id of a conversation", minLength=1, examples=["chat-42"]),
    "key_id": string("The id of an API key", pattern="^[0-9a-f]{16}$", examples=["e97fad263bf7c322"]),
    "file": string("The name of a file", examples=["docs.js"]),
    "session_id": string("The id of a conversation", minLength=1, examples=["chat-42"]),
    "run_id": string("The id of a run", minLength=1, examples=["0af76519-16cd-43dd-8448-eb211c80319c"]),
    "opik_id": string("The id of a trace or a span", minLength=1, examples=["01a2214b-f4b9-7943-b297-799f11a0500c"]),
}
"""The parameters in paths. A text of another form is no id of anything, which is a 404."""


@dataclass(frozen=True)
class Body:
    """A request body: its schema for each media type, and the response codes of requests that cannot be used.

    `example` is JSON, for a body of which `docs/api.md` has none.
    """

    content: Mapping[str, Schema]
    codes: tuple[str, ...] = ()
    example: Any = None


@dataclass(frozen=True)
class Link:
    """A request that can follow: its route, and where its parameters are in the response, of each status or of one."""

    route: str
    parameters: Mapping[str, str]
    status: int | None = None


@dataclass(frozen=True)
class Operation:
    """The parameters, the body and the responses of one route.

    `answers` are the schemas of the successful statuses, by media type. `codes` are the errors that are particular to
    the route. `parameter_texts` are further headings of `docs/api.md` whose tables describe its parameters. `one_of`
    are parameters of which a request needs exactly one. `prefixes` begin the names of further parameters, which OpenAPI
    cannot describe. `texts` describe statuses of `answers` to which the usual text does not apply. `path` has
    the parameters in the path that differ from those in `PATH`.
    """

    answers: Mapping[int, Mapping[str, Schema]]
    query: Mapping[str, Schema] = field(default_factory=dict)
    body: Body | None = None
    codes: tuple[str, ...] = ()
    has_etag: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    parameter_texts: tuple[str, ...] = ()
    links: Mapping[str, Link] = field(default_factory=dict)
    one_of: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    path: Mapping[str, Schema] = field(default_factory=dict)
    ignores_other_parameters: bool = False
    texts: Mapping[int, str] = field(default_factory=dict)


def returns(schema: Schema, status: int = 200) -> dict[int, Mapping[str, Schema]]:
    """One JSON response."""
    return {status: {JSON: schema}}


_JSON_CODES: Final = ("malformed_json", "json_too_deep", "invalid_encoding", "invalid_request", "body_too_large")
_STORED: Final = ("span_too_large", "trace_deleted", "trace_too_large", "span_deleted")
_BYTES: Final = string(contentMediaType=PROTOBUF)
_FULL: Final[tuple[dict[str, Schema], ...]] = ({}, {"full": boolean(const=True)})
"""Members of a whole trace, without and with `since`."""

_TRACE_PATH: Final = {"trace_id": "$response.body#/data/trace_id"}
_FIRST_TRACE: Final = {"trace_id": "$response.body#/traces/0/trace_id"}
_SPAN_PATH: Final = {**_TRACE_PATH, "span_id": "$response.body#/data/span_id"}
_ANNOTATION_PATH: Final = {**_TRACE_PATH, "name": "$response.body#/data/name"}
_SHARE_PATH: Final = {**_TRACE_PATH, "share_id": "$response.body#/data/share_id"}
_LESSON_PATH: Final = {"id": "$response.body#/data/id"}
_ANY_VALUE: Final = obj({}, {"stringValue": string(), "boolValue": boolean(), "doubleValue": number(minimum=None)})
_ATTRIBUTES: Final = array(obj({"key": string(), "value": _ANY_VALUE}))
_TIME_NS: Final = string("Nanoseconds since 1970", pattern="^1?[0-9]{1,18}$", examples=["1795309200000000000"])
_RESOURCE: Final = obj({}, {"attributes": _ATTRIBUTES})
_SCOPE: Final = obj({}, {"name": string(), "version": string()})
_TRACE_ID: Final = string(pattern="^[0-9a-f]{32}$", examples=["0af7651916cd43dd8448eb211c80319c"])
_SPAN_ID: Final = string(pattern="^[0-9a-f]{16}$", examples=["b7ad6b7169203331"])


def otlp(
    resource_list: str, scope_list: str, records: str, record: Schema, example: Any, *, is_read: bool = True
) -> Operation:
    """A route that accepts OTLP. `example` is one record. `is_read` unless the route drops its body unread."""
    codes = ("body_too_large", "invalid_encoding", "malformed_otlp") if is_read else ()
    scopes = array(obj({records: array(record)}, {"scope": _SCOPE}))
    export = obj({}, {resource_list: array(obj({scope_list: scopes}, {"resource": _RESOURCE}))})
    return Operation(
        answers={200: {JSON: OTLP_SUCCESS, PROTOBUF: _BYTES}},
        body=Body(
            {JSON: export, PROTOBUF: _BYTES},
            (*codes, "unsupported_media_type"),
            {resource_list: [{scope_list: [{records: [example]}]}]},
        ),
        ignores_other_parameters=True,
    )


OTLP_SPANS: Final = otlp(
    "resourceSpans",
    "scopeSpans",
    "spans",
    obj(
        {
            "traceId": _TRACE_ID,
            "spanId": _SPAN_ID,
            "name": string(),
            "startTimeUnixNano": _TIME_NS,
            "endTimeUnixNano": _TIME_NS,
        },
        {
            "parentSpanId": _SPAN_ID,
            "kind": integer(maximum=5),
            "attributes": _ATTRIBUTES,
            "status": obj({}, {"code": integer(maximum=2), "message": string()}),
        },
    ),
    {
        "traceId": "0af7651916cd43dd8448eb211c80319c",
        "spanId": "b7ad6b7169203331",
        "name": "chat gpt-4o-mini",
        "startTimeUnixNano": "1795309200000000000",
        "endTimeUnixNano": "1795309201900000000",
        "attributes": [{"key": "gen_ai.request.model", "value": {"stringValue": "gpt-4o-mini"}}],
    },
)
OTLP_LOGS: Final = otlp(
    "resourceLogs",
    "scopeLogs",
    "logRecords",
    obj(
        {},
        {
            "traceId": _TRACE_ID,
            "spanId": _SPAN_ID,
            "timeUnixNano": _TIME_NS,
            "eventName": string(),
            "body": _ANY_VALUE,
            "attributes": _ATTRIBUTES,
        },
    ),
    {
        "traceId": "0af7651916cd43dd8448eb211c80319c",
        "spanId": "b7ad6b7169203331",
        "timeUnixNano": "1795309200000000000",
        "eventName": "gen_ai.user.message",
        "body": {"stringValue": "Is it raining in Lisbon?"},
    },
)
OTLP_METRICS: Final = otlp(
    "resourceMetrics", "scopeMetrics", "metrics", obj({"name": string()}), {"name": "tokens"}, is_read=False
)


_RUN_ID: Final = "0af76519-16cd-43dd-8448-eb211c80319c"
_RUN_EXAMPLE: Final = {"id": _RUN_ID, "trace_id": _RUN_ID, "name": "ask", "run_type": "chain"}


def open_obj(required: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None, **keywords: Any) -> Schema:
    """An object that may have any further members: SDKs send more than the store names."""
    return obj(required, optional, additionalProperties=True, **keywords)


_ID: Final = string(minLength=1)
_RUN: Final = open_obj({"id": _ID}, examples=[_RUN_EXAMPLE])
_SCORED: Final = {"anyOf": [number(minimum=-MAX_NUMBER, maximum=MAX_NUMBER), boolean(), _ID]}
_EMPTY: Final = {"enum": [None, ""]}
_FEEDBACK: Final = open_obj(
    {"run_id": _ID, "key": _ID},
    {name: {"anyOf": [_SCORED, _EMPTY]} for name in ("score", "value")},
    anyOf=[{"required": [name], "properties": {name: _SCORED}} for name in ("score", "value")],
)
_SCORE: Final = open_obj({"traceId": _ID, "name": _ID, "value": _SCORED})
_ITEM: Final = {
    "anyOf": [
        open_obj({"object": choice("trace"), "id": _ID}),
        open_obj({"object": choice("trace.span"), "id": _ID, "trace_id": _ID}),
    ]
}


def runs(content: Mapping[str, Schema], codes: tuple[str, ...] = (), example: Any = None) -> Operation:
    """A route that accepts LangSmith's runs."""
    return Operation(
        answers=returns(obj({"message": string(examples=["Runs batch ingested"])}), 202),
        body=Body(content, (*_JSON_CODES, *codes), example),
        codes=("conflict", *_STORED),
        ignores_other_parameters=True,
        texts={202: "The runs are stored"},
    )


_OPIK_ID: Final = "01a2214b-f4b9-7943-b297-799f11a0500c"
_OPIK_TRACE: Final = open_obj({"id": _ID}, examples=[{"id": _OPIK_ID}])
_OPIK_SPAN: Final = open_obj({"id": _ID, "trace_id": _ID}, examples=[{"id": _OPIK_ID, "trace_id": _OPIK_ID}])
_OPIK_SCORES: Final = open_obj({"scores": array(open_obj({"id": _ID, "name": _ID, "value": _SCORED}))})


def opik(schema: Schema, *codes: str, example: Any = None) -> Operation:
    """A route that stores for Opik's SDKs, and returns nothing."""
    return Operation(
        answers={204: {}},
        body=Body({JSON: schema}, _JSON_CODES, example),
        codes=("conflict", *_STORED, *codes),
        ignores_other_parameters=True,
        texts={204: "Everything is stored"},
    )


_OPIK_CHANGE: Final = {"end_time": "2026-11-22T10:00:02Z", "trace_id": _OPIK_ID}
_OPIK: Final[Mapping[str, Operation]] = {
    "GET {prefix}/is-alive/ping": Operation(
        answers=returns(obj({"message": string(examples=["Healthy Server"]), "healthy": boolean()})),
        ignores_other_parameters=True,
    ),
    "POST {prefix}/v1/private/traces/batch": opik(open_obj({"traces": array(_OPIK_TRACE)})),
    "POST {prefix}/v1/private/spans/batch": opik(open_obj({"spans": array(_OPIK_SPAN)})),
    "POST {prefix}/v1/private/traces": opik(_OPIK_TRACE),
    "POST {prefix}/v1/private/spans": opik(_OPIK_SPAN),
    "PATCH {prefix}/v1/private/traces/{opik_id}": opik(ANY_MEMBERS, example=_OPIK_CHANGE),
    "PATCH {prefix}/v1/private/spans/{opik_id}": opik(open_obj({"trace_id": _ID}), example=_OPIK_CHANGE),
    "PUT {prefix}/v1/private/traces/feedback-scores": opik(_OPIK_SCORES, "too_many_annotations"),
    "PUT {prefix}/v1/private/spans/feedback-scores": opik(_OPIK_SCORES, "too_many_annotations"),
}
"""The routes of Opik's SDKs, whose address may end in `/api` or not."""

_PHOENIX_VALUES: Final = {"score": _SCORED, "label": _SCORED, "explanation": _ID}
_PHOENIX_RESULT: Final = open_obj(
    {},
    {name: {"anyOf": [_PHOENIX_VALUES[name], _EMPTY]} for name in ("score", "label")},
    anyOf=[{"required": [name], "properties": {name: value}} for name, value in _PHOENIX_VALUES.items()],
)
_ANNOTATION_ID: Final = obj({"id": string(examples=["human"])})


def phoenix(data: Schema, answer: Schema) -> Operation:
    """A route that stores annotations for Phoenix's client."""
    return Operation(
        answers=returns(obj({"data": answer})),
        body=Body({JSON: open_obj({"data": data})}, _JSON_CODES),
        codes=("conflict", "not_found", "too_many_annotations", "trace_deleted", "span_deleted"),
        ignores_other_parameters=True,
    )


def phoenix_annotations(about: str) -> Operation:
    """A route that stores annotations about spans or about traces for Phoenix's client."""
    fields = {f"{about}_id": _ID, "name": _ID, "result": _PHOENIX_RESULT}
    return phoenix(array(open_obj(fields)), array(_ANNOTATION_ID))


_OF_LANGFUSE: Final[Schema] = {**ANY_MEMBERS, "examples": [{"id": "trip-7"}]}
_PAGE_NUMBERS: Final = obj({name: integer() for name in ("page", "limit", "totalItems", "totalPages")})


def langfuse_list(**query: Schema) -> Operation:
    """A route that lists for the client of Langfuse's API."""
    pages = {"page": integer(minimum=1, maximum=50, default=1), "limit": integer(minimum=1, maximum=100, default=50)}
    return Operation(
        answers=returns(obj({"data": array(_OF_LANGFUSE), "meta": _PAGE_NUMBERS})),
        query={**pages, **query},
        parameter_texts=("### `GET /api/public/traces`", "### `GET /api/public/observations`"),
        ignores_other_parameters=True,
    )


def langfuse_pages(heading: str, limit_most: int, groups: Iterable[str], **query: Schema) -> Operation:
    """A route that lists by cursor for the client of Langfuse's API since version 5."""
    words = "|".join(groups)
    pages = {"cursor": QUERY_CURSOR, "limit": integer(minimum=1, maximum=limit_most, default=50)}
    fields = {"fields": string(pattern=f"^({words})(,({words}))*$")}
    return Operation(
        answers=returns(obj({"data": array(_OF_LANGFUSE), "meta": open_obj({"limit": integer()})})),
        query={**pages, **fields, **query},
        parameter_texts=(heading,),
        ignores_other_parameters=True,
    )


def analytics(schema: Schema, **more: Schema) -> Operation:
    """A route of analytics."""
    return Operation(
        answers=returns(schema), query={**ANALYTICS, **more}, has_etag=True, parameter_texts=("## Analytics",)
    )


_BATCH: Final = obj(
    {"spans": array({"anyOf": [ref("NewSpan"), ref("LoggedSpan")]}, minItems=1, maxItems=MAX_SPANS)},
    description="Many spans in one request",
    additionalProperties=False,
)
_KEY_BODY: Final = obj(
    {
        "name": string(minLength=1, maxLength=MAX_NAME, pattern=r"\S", examples=["ci"]),
        "scopes": array(choice(*SCOPES), minItems=1),
    },
    {
        "expires_at": nullable(string("In the future", format="date-time", examples=["2030-01-01T00:00:00Z"])),
        **dict.fromkeys(
            ("max_requests_per_second", "max_spans_per_second"), nullable(integer(minimum=1, maximum=MAX_RATE))
        ),
        **dict.fromkeys(("key_id", "user_id", "prefix", "created_at", "secret"), IGNORED),
    },
    additionalProperties=False,
)
_SHARE_BODY: Final = obj(
    {
        "expires_at": string("At most 90 days ahead", format="date-time", examples=["2026-11-29T10:00:00Z"]),
        "payloads": boolean(),
    },
    dict.fromkeys(("share_id", "trace_id", "created_at", "link"), IGNORED),
    additionalProperties=False,
)
_LINK_TO_SHARE: Final = string("Only in this response", examples=["/traces/shared#tss_8hQ…"])
_VIEW_BODY: Final = obj(
    {
        "query": string(maxLength=MAX_QUERY_BYTES, examples=["status=error&order_by=cost"]),
        "title": string(minLength=1, maxLength=MAX_TITLE, pattern=r"\S", examples=["Failed today"]),
    },
    dict.fromkeys(("name", "created_at", "updated_at"), IGNORED),
    additionalProperties=False,
)
_CHOSEN_BODY: Final = obj(
    {"trace_ids": array(string(pattern=f"^{ID_PATTERN}$", examples=["trip-7"]), minItems=1, maxItems=CHOSEN_MOST)},
    additionalProperties=False,
)
_VIEW_NAME: Final = string(
    "The name of a view", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$", examples=["failed-today"]
)
SCANNED_TO: Final = nullable(time("How far back the page has examined"))
RANKED: Final = integer("The number of traces that were ranked")
_LIST_TEXT: Final = "### `GET /api/analytics/traces`"
_DELETIONS: Final = {200: {JSON: ref("Deleted")}, 202: {JSON: ref("DeletionJob")}}
_JOB_LINK: Final = {"job": Link("GET /api/jobs/{job_id}", {"job_id": "$response.body#/job_id"}, 202)}

_CALL: Final = {
    "provider": "anthropic",
    "request": {"prompt": "Write a lesson", "model": "claude-sonnet-4-5", "max_tokens": 800},
    "response": {"content": "A leaf is a kitchen.", "usage": {"prompt_tokens": 412, "completion_tokens": 96}},
    "duration_ms": 3900,
}

OPERATIONS: Final[Mapping[str, Operation]] = {
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
        body=Body({JSON: {"anyOf": [_BATCH, ref("NewSpan"), ref("UnnamedSpan")]}}, _JSON_CODES),
        codes=("all_spans_rejected", *_STORED),
        links={
            "span": Link("GET /api/analytics/traces/{trace_id}/spans/{span_id}", _SPAN_PATH),
            "change": Link("PATCH /api/analytics/traces/{trace_id}/spans/{span_id}", _SPAN_PATH),
            "trace": Link("GET /api/analytics/traces/{trace_id}", _TRACE_PATH),
            "share": Link("POST /api/analytics/traces/{trace_id}/shares", _TRACE_PATH),
            "deleteSpan": Link("DELETE /api/analytics/traces/{trace_id}/spans/{span_id}", _SPAN_PATH),
            "deleteTrace": Link("DELETE /api/analytics/traces/{trace_id}", _TRACE_PATH),
        },
    ),
    "PATCH /api/analytics/traces/{trace_id}/spans/{span_id}": Operation(
        answers=returns(success(data=ref("Span"))),
        body=Body(
            {JSON: ref("SpanChange")},
            _JSON_CODES,
            {"end_time": "2026-11-22T01:00:02.100Z", "output_data": {"text": "Morning: Alfama."}, "output_tokens": 96},
        ),
        codes=("span_ended", *_STORED),
    ),
    "GET /api/analytics/traces": Operation(
        answers=returns(
            {
                "anyOf": [
                    obj(
                        {"success": SUCCESS, "traces": array(ref("TraceSummary")), "next_cursor": CURSOR},
                        {"scanned_to": SCANNED_TO, "ranked": RANKED},
                    ),
                    obj(
                        {"success": SUCCESS, "traces": array(ref("SpanNode"), minItems=1), "next_cursor": CURSOR},
                        {"scanned_to": SCANNED_TO, "ranked": RANKED},
                    ),
                    obj(
                        {"success": SUCCESS, "traces": array(ref("Turn"), minItems=1), "next_cursor": CURSOR},
                        {"scanned_to": SCANNED_TO, "ranked": RANKED},
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
        parameter_texts=(_LIST_TEXT,),
    ),
    "GET /api/analytics/histogram": Operation(
        answers=returns(
            success(**IN_POINTS, points=array(ref("HistogramPoint")), scanned_to=SCANNED_TO, next_cursor=CURSOR)
        ),
        query={**TRACE_FILTERS, "interval": choice(*INTERVALS), "cursor": QUERY_CURSOR},
        prefixes=(METADATA_PREFIX, SCORE_PREFIX),
        has_etag=True,
        parameter_texts=(_LIST_TEXT, "## Analytics"),
    ),
    "GET /api/analytics/export": Operation(
        answers={200: {"application/x-ndjson": string("A JSON object `ExportedSpan` on each line")}},
        query=TRACE_LIST,
        prefixes=(METADATA_PREFIX, SCORE_PREFIX),
        headers={"x-next-cursor": "The cursor of the next response; absent in the last one"},
        parameter_texts=("### `GET /api/analytics/traces`",),
    ),
    "PUT /api/analytics/traces/{trace_id}/annotations/{name}": Operation(
        answers=returns(success(data=ref("Annotation"))),
        body=Body({JSON: ref("SentAnnotation")}, _JSON_CODES, {"value": 0.8, "source": "judge", "span_id": "call"}),
        codes=("conflict", "too_many_annotations", "trace_deleted", "span_deleted"),
        links={
            "annotations": Link("GET /api/analytics/traces/{trace_id}/annotations", _TRACE_PATH),
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
    "DELETE /api/analytics/traces/{trace_id}": Operation(answers=returns(ref("Deleted"))),
    "DELETE /api/analytics/traces/{trace_id}/spans/{span_id}": Operation(
        answers=returns(ref("Deleted")), codes=("too_many_deleted_spans",)
    ),
    "DELETE /api/analytics/traces": Operation(
        answers=_DELETIONS,
        query={"conversation_id": WORDS, "before": QUERY_TIME, "deleteAll": TRUE},
        codes=("too_many_jobs",),
        links=_JOB_LINK,
        one_of=("conversation_id", "before", "deleteAll"),
    ),
    "POST /api/analytics/traces/delete": Operation(
        answers=_DELETIONS,
        body=Body({JSON: _CHOSEN_BODY}, _JSON_CODES, {"trace_ids": ["trip-7", "trip-8"]}),
        links=_JOB_LINK,
    ),
    "POST /api/analytics/traces/{trace_id}/shares": Operation(
        answers=returns(
            success(data=obj({**SHARE_FIELDS, "link": _LINK_TO_SHARE})),
            201,
        ),
        body=Body({JSON: _SHARE_BODY}, _JSON_CODES, {"expires_at": "2026-11-29T10:00:00Z", "payloads": False}),
        codes=("conflict",),
        links={"revoke": Link("DELETE /api/analytics/traces/{trace_id}/shares/{share_id}", _SHARE_PATH)},
    ),
    "GET /api/analytics/traces/{trace_id}/shares": Operation(answers=returns(success(shares=array(ref("Share"))))),
    "DELETE /api/analytics/traces/{trace_id}/shares/{share_id}": Operation(answers=returns(success())),
    "GET /api/jobs/{job_id}": Operation(answers=returns(success(data=ref("Job")))),
    "POST /v1/traces": OTLP_SPANS,
    "POST /api/public/otel/v1/traces": OTLP_SPANS,
    "POST /otel/v1/traces": OTLP_SPANS,
    "POST /api/otel/v1/traces": OTLP_SPANS,
    "POST /api/v1/otel/v1/traces": OTLP_SPANS,
    "POST /api/v1/private/otel/v1/traces": OTLP_SPANS,
    "POST /": OTLP_SPANS,
    "POST /v1/logs": OTLP_LOGS,
    "POST /v1/metrics": OTLP_METRICS,
    "GET /info": Operation(
        answers=returns(
            obj(
                {
                    "version": string(examples=["0.12.0"]),
                    "license_expiration_time": {"type": "null"},
                    "batch_ingest_config": obj(
                        {
                            "use_multipart_endpoint": boolean(),
                            "scale_up_qsize_trigger": integer(),
                            "scale_up_nthreads_limit": integer(),
                            "scale_down_nempty_trigger": integer(),
                            "size_limit": integer(),
                            "size_limit_bytes": integer(),
                        }
                    ),
                    "instance_flags": obj({"zstd_compression_enabled": boolean(), "gzip_body_enabled": boolean()}),
                }
            )
        ),
        ignores_other_parameters=True,
    ),
    "POST /runs/multipart": runs(
        {MULTIPART: string(contentMediaType=MULTIPART)}, ("malformed_multipart", "unsupported_media_type")
    ),
    "POST /runs/batch": runs(
        {JSON: open_obj({}, {"post": array(_RUN), "patch": array(_RUN)})}, example={"post": [_RUN_EXAMPLE]}
    ),
    "POST /runs": runs({JSON: _RUN}),
    "PATCH /runs/{run_id}": runs({JSON: ANY_MEMBERS}, example={"end_time": "2026-11-22T10:00:02Z"}),
    "POST /feedback": Operation(
        answers=returns(obj({"id": string(examples=["f1"])})),
        body=Body({JSON: _FEEDBACK}, _JSON_CODES, {"run_id": "call", "key": "quality", "score": 1}),
        codes=("conflict", "not_found", "too_many_annotations", "trace_deleted", "span_deleted"),
        ignores_other_parameters=True,
    ),
    "POST /api/public/ingestion": Operation(
        answers=returns(
            obj(
                {
                    "successes": array(obj({"id": string(examples=["e1"]), "status": integer(examples=[201])})),
                    "errors": array(
                        obj({"id": string(), "status": integer(examples=[400]), "message": string()}), examples=[[]]
                    ),
                }
            ),
            207,
        ),
        body=Body({JSON: obj({"batch": array(anything())}, {"metadata": anything()})}, _JSON_CODES),
        codes=_STORED,
        ignores_other_parameters=True,
        texts={207: "The status of each event"},
    ),
    "POST /api/public/scores": Operation(
        answers={
            200: {JSON: obj({}, {"id": string(examples=["s1"]), "message": string(examples=["Accepted"])})},
            207: {
                JSON: obj(
                    {
                        "accepted": integer(),
                        "rejected": integer(),
                        "errors": array(
                            obj({"index": integer(), "status": integer(examples=[400]), "message": string()})
                        ),
                    }
                )
            },
        },
        body=Body({JSON: {"anyOf": [_SCORE, array(anything())]}}, _JSON_CODES),
        codes=("conflict", *_STORED),
        ignores_other_parameters=True,
        texts={200: "All scores are stored", 207: "Some scores are not stored"},
    ),
    "GET /api/public/traces": langfuse_list(
        **dict.fromkeys(("name", "userId", "sessionId", "tags", "release", "environment", "orderBy"), string()),
        **dict.fromkeys(("fromTimestamp", "toTimestamp"), QUERY_TIME),
    ),
    "GET /api/public/traces/{trace_id}": Operation(answers=returns(_OF_LANGFUSE), ignores_other_parameters=True),
    "GET /api/public/observations": langfuse_list(
        **dict.fromkeys(("traceId", "name", "type", "parentObservationId", "userId", "environment"), string()),
        **dict.fromkeys(("fromStartTime", "toStartTime"), QUERY_TIME),
    ),
    "GET /api/public/sessions/{session_id}": Operation(answers=returns(_OF_LANGFUSE), ignores_other_parameters=True),
    "GET /api/public/scores": langfuse_list(
        **dict.fromkeys(("traceId", "name", "userId", "environment"), string()),
        **dict.fromkeys(("fromTimestamp", "toTimestamp"), QUERY_TIME),
    ),
    "GET /api/public/v2/scores": langfuse_list(
        **dict.fromkeys(("traceId", "name", "userId", "environment"), string()),
        **dict.fromkeys(("fromTimestamp", "toTimestamp"), QUERY_TIME),
    ),
    "GET /api/public/v2/observations": langfuse_pages(
        "### `GET /api/public/v2/observations`",
        OBSERVATIONS_MOST,
        OBSERVATION_GROUPS,
        **dict.fromkeys(("traceId", "name", "type", "level", "version", "parentObservationId"), string()),
        **dict.fromkeys(("userId", "sessionId", "environment"), string()),
        isRootObservation=choice("true", "false"),
        **dict.fromkeys(("fromStartTime", "toStartTime"), QUERY_TIME),
    ),
    "GET /api/public/v3/scores": langfuse_pages(
        "### `GET /api/public/v3/scores`",
        SCORES_MOST,
        SCORE_GROUPS,
        **dict.fromkeys(("traceId", "observationId", "id", "name", "source", "dataType", "environment"), string()),
        **dict.fromkeys(("fromTimestamp", "toTimestamp"), QUERY_TIME),
    ),
    "POST /v1/traces/ingest": Operation(
        answers=returns(success()),
        body=Body({JSON: open_obj({"data": array(_ITEM)})}, _JSON_CODES),
        codes=("conflict", *_STORED),
        ignores_other_parameters=True,
    ),
    **{route.replace("{prefix}", prefix): declared for prefix in ("", "/api") for route, declared in _OPIK.items()},
    "POST /v1/span_annotations": phoenix_annotations("span"),
    "POST /v1/trace_annotations": phoenix_annotations("trace"),
    "POST /v1/span_notes": phoenix(open_obj({"span_id": _ID, "note": _ID}), _ANNOTATION_ID),
    "GET /api/public/projects": Operation(
        answers=returns(
            success(
                data=array(
                    obj(
                        {
                            "id": string(examples=["ada"]),
                            "name": string(examples=["tracestore"]),
                            "metadata": obj({}),
                            "organization": obj({"id": string(examples=["ada"]), "name": string()}),
                        }
                    )
                )
            )
        ),
        ignores_other_parameters=True,
    ),
    "POST /api/traces": Operation(
        answers=returns(success(data=ref("LessonTrace")), 201),
        body=Body(
            {JSON: ref("NewLesson")},
            _JSON_CODES,
            {"lesson_id": "photosynthesis-7", "request_data": {"topic": "Photosynthesis"}},
        ),
        codes=("conflict", "lesson_ended", "not_found", *_STORED),
        links={
            "lesson": Link("GET /api/traces/{id}", _LESSON_PATH),
            "call": Link("POST /api/traces/{id}/llm-calls", _LESSON_PATH),
            "change": Link("PATCH /api/traces/{id}", _LESSON_PATH),
            "delete": Link("DELETE /api/traces/{id}", _LESSON_PATH),
        },
    ),
    "POST /api/traces/{id}/llm-calls": Operation(
        answers=returns(success(data=ref("LessonCall")), 201),
        body=Body({JSON: ref("SentCall")}, _JSON_CODES, _CALL),
        codes=("conflict", *_STORED),
    ),
    "PATCH /api/traces/{id}": Operation(
        answers=returns(success(data=ref("LessonTrace"))),
        body=Body(
            {JSON: ref("LessonChange")},
            _JSON_CODES,
            {"status": "completed", "response_data": {"title": "Photosynthesis"}},
        ),
        codes=("conflict", "lesson_ended", *_STORED),
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
        answers=_DELETIONS,
        query={"id": {**PATH["id"]}, "lesson_id": WORDS, "before": QUERY_TIME, "deleteAll": TRUE},
        codes=("too_many_jobs", "not_found"),
        links=_JOB_LINK,
        one_of=("id", "lesson_id", "before", "deleteAll"),
    ),
    "GET /api/analytics/metrics": Operation(
        answers=returns(success(**IN_POINTS, totals=ref("Measures"), groups=array(ref("Group")))),
        query={**ANALYTICS, "group_by": choice(*GROUPINGS), "end_user_id": WORDS},
        codes=("unsupported_combination",),
        has_etag=True,
        parameter_texts=("## Analytics",),
    ),
    "GET /api/analytics/errors": analytics(success(**IN_POINTS, errors=array(ref("FailureType")))),
    "GET /api/analytics/providers": analytics(success(**RANGE, providers=array(ref("Provider")))),
    "GET /api/analytics/heatmap": analytics(success(**IN_POINTS, heatmaps=array(ref("Heatmap")))),
    "GET /api/analytics/costs": analytics(COSTS),
    "GET /api/analytics/anomalies": analytics(success(**RANGE, timezone=ZONE, anomalies=array(ref("Anomaly")))),
    "GET /api/analytics/conversations": analytics(
        success(conversations=array(ref("Conversation")), next_cursor=CURSOR),
        limit=page_size(50),
        cursor=QUERY_CURSOR,
        search=WORDS,
        end_user_id=WORDS,
    ),
    "GET /api/analytics/conversations/{conversation_id}": Operation(
        answers=returns(success(data=ref("Conversation"))), has_etag=True
    ),
    "GET /api/analytics/facets": analytics(success(**RANGE, facets=FACET_LISTS)),
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
        parameter_texts=(_LIST_TEXT,),
    ),
    "GET /api/analytics/deletions": Operation(
        answers=returns(success(deletions=array(ref("DeletionRecord")), next_cursor=CURSOR)),
        query={"limit": page_size(LIMIT_DEFAULT), "cursor": QUERY_CURSOR},
        has_etag=True,
        parameter_texts=(_LIST_TEXT,),
    ),
    "GET /api/me": Operation(
        answers=returns(
            success(
                data=obj(
                    {
                        "user_id": string(examples=["ada"]),
                        "owner_id": string(examples=["ada"]),
                        "team": nullable(string(examples=["search"])),
                        "teams": array(string()),
                        "credential": choice("jwt", "api_key"),
                        "scopes": array(choice(*SCOPES)),
                        "retention_days": integer(examples=[30]),
                    }
                )
            )
        )
    ),
    "PUT /api/me/views/{name}": Operation(
        answers=returns(success(data=ref("SavedView"))),
        body=Body({JSON: _VIEW_BODY}, _JSON_CODES, {"query": "status=error&order_by=cost", "title": "Failed today"}),
        codes=("conflict",),
        path={"name": _VIEW_NAME},
        links={"delete": Link("DELETE /api/me/views/{name}", {"name": "$response.body#/data/name"})},
    ),
    "GET /api/me/views": Operation(answers=returns(success(views=array(ref("SavedView"))))),
    "DELETE /api/me/views/{name}": Operation(answers=returns(success()), path={"name": _VIEW_NAME}),
    "POST /api/keys": Operation(
        answers=returns(
            success(data=obj({**KEY_FIELDS, "secret": string("Only in this response", examples=["tsk_nNX-…"])})), 201
        ),
        body=Body({JSON: _KEY_BODY}, _JSON_CODES),
        codes=("conflict",),
        links={"revoke": Link("DELETE /api/keys/{key_id}", {"key_id": "$response.body#/data/key_id"})},
    ),
    "GET /api/keys": Operation(answers=returns(success(keys=array(ref("ApiKey"))))),
    "DELETE /api/keys/{key_id}": Operation(answers=returns(success())),
    "POST /mcp": Operation(
        answers={200: {JSON: ref("McpResult")}, 202: {}, 404: {JSON: ref("McpError")}},
        texts={202: "The notification is accepted", 404: "There is no such method of the protocol"},
        body=Body(
            {JSON: obj({"jsonrpc": JSON_RPC, "method": string()}, {"id": MESSAGE_ID, "params": nullable(ANY_MEMBERS)})},
            (*_JSON_CODES, "unsupported_media_type"),
            {"jsonrpc": "2.0", "id": 1, "method": "tools/list"},
        ),
        codes=("forbidden_origin", "store_unavailable"),
    ),
    "GET /healthz": Operation(
        answers=returns(success(status={"type": "string", "const": "ok"})), ignores_other_parameters=True
    ),
    "GET /openapi.json": Operation(answers=returns(anything("An OpenAPI 3.1 document")), has_etag=True),
    "GET /docs": Operation(answers={200: {"text/html": string()}}, has_etag=True, ignores_other_parameters=True),
    "GET /docs/{file}": Operation(answers={200: {"text/css": string(), "text/javascript": string()}}, has_etag=True),
    "GET /": Operation(
        answers={302: {}},
        texts={302: "The page is at the address in `Location`, which is relative"},
        headers={"Location": "The address of the page, relative to that of the request"},
        ignores_other_parameters=True,
    ),
    "GET /traces": Operation(
        answers={200: {"text/html": string()}}, has_etag=True, ignores_other_parameters=True, codes=("not_found",)
    ),
    "GET /traces/config.json": Operation(
        answers=returns(
            success(
                oidc=nullable(
                    obj({"issuer": string(), "client_id": string(), "scope": string(), "token": choice("access", "id")})
                ),
                version=nullable(string()),
                retention_days={"type": "integer", "minimum": 1},
            )
        ),
        has_etag=True,
    ),
}
"""Every route of the template except `$default` and those that stand for paths of any length."""
