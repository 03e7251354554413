"""The schemas of responses, by name. They are the fields that the modules `*_json.py` of `api/` return.

The integration tests validate every response of the real handlers against these schemas, without further fields.
"""

from collections.abc import Mapping
from typing import Final, get_args

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
from tracestore.api.traces.trace_json import STEPS_MOST
from tracestore.domain.contributions import FACETS
from tracestore.domain.costs import UnknownCost
from tracestore.domain.dimensions import Series
from tracestore.domain.intervals import INTERVALS
from tracestore.domain.reported_usage import TOKEN_KINDS
from tracestore.domain.spans import ID_PATTERN
from tracestore.http.errors import CODES
from tracestore.http.identity import SCOPES
from tracestore.ingest.lessons import STATUSES as LESSON_STATUSES

ID: Final = string(pattern=f"^{ID_PATTERN}$", examples=["trip-7"])
SPAN_ID: Final = {**ID, "examples": ["call"]}
UUID: Final = string(format="uuid", examples=["e0cc66d2-abbd-5892-8130-287dfd79dcdb"])
JOB_ID: Final = string(pattern="^[0-9a-f-]{36}$", examples=["9b2f6a0e-6f0b-4a53-9f0e-5d8c1f3a7b21"])
TEXT: Final = nullable(string())
COUNT: Final = nullable(integer())
SPAN_STATUS: Final = choice("pending", "success", "error", examples=["success"])
CURSOR: Final = nullable(string("The cursor of the next page; null at the end of the list", examples=[None]))
SCANNED_TO: Final = nullable(time("How far back the page has examined"))
IGNORED: Final = anything("Ignored in requests")
SUCCESS: Final = {"type": "boolean", "const": True}
OMITTED_PAYLOADS: Final = {"type": "boolean", "const": True, "description": "Payloads are left out for their size"}
OMITTED_CHILDREN: Final = {"type": "boolean", "const": True, "description": "Only the root is returned, for its size"}
ANY_MEMBERS: Final = {"type": "object", "description": "Any members"}
JSON_RPC: Final = {"type": "string", "const": "2.0"}
MESSAGE_ID: Final[Schema] = {"anyOf": [string(), integer(minimum=None)], "examples": [1]}
EVENT: Final = obj({"name": string()}, {"time": time(), "attributes": ANY_MEMBERS})
LINK: Final = obj({"trace_id": string(), "span_id": string()}, {"attributes": ANY_MEMBERS})
PAYLOADS: Final[Mapping[str, Schema]] = {
    **{name: anything("Any JSON value") for name in ("input_data", "output_data", "metadata")},
    "error_stack": nullable(string("The stack trace of the error")),
    "events": nullable(array(EVENT, "Moments within the span")),
    "links": nullable(array(LINK, "Related spans, also of other traces")),
}
ATTEMPT_OUTCOME: Final = nullable(choice("failed", "answered", "superseded", description="Null while it is pending"))
ATTEMPTS: Final = obj(
    {
        "group": SPAN_ID,
        "span_ids": array(SPAN_ID),
        "outcome": ATTEMPT_OUTCOME,
        "wasted_cost_usd": number(),
    }
)
INTERVAL: Final = choice(*INTERVALS, examples=["hour"])
ZONE: Final = string("An IANA name", examples=["Europe/Berlin"])

SPAN_FIELDS: Final[Mapping[str, Schema]] = {
    "id": nullable({**UUID, "description": "Always the same for the same user, trace and span; null in shares"}),
    "user_id": nullable(string("The owner; null in shares", examples=["ada"])),
    "trace_id": ID,
    "span_id": SPAN_ID,
    "parent_trace_id": nullable(string("The older name of `parent_span_id`", examples=["run"])),
    "parent_span_id": nullable(string(examples=["run"])),
    "span_name": nullable(string(examples=["llm.completion"])),
    "operation_type": nullable(string(examples=["completion"])),
    "status": SPAN_STATUS,
    "start_time": nullable(time()),
    "end_time": nullable(time()),
    "duration_ms": nullable(number()),
    "clock_skew": boolean("Whether the times contradict each other or cannot be right"),
    **dict.fromkeys(("model_name", "model_provider", "model_version"), TEXT),
    **dict.fromkeys(("input_tokens", "output_tokens", "total_tokens", *TOKEN_KINDS[2:]), COUNT),
    "cost_usd": nullable(number()),
    "cost_source": choice("reported", "computed", "unknown", description="The origin of the cost"),
    "cost_price": nullable(string("The price of a computed cost", examples=["openai/gpt-4o-mini @ overlay"])),
    "cost_reason": nullable(choice(*get_args(UnknownCost), description="Why the cost is unknown")),
    "usage_details": nullable({"type": "object", "additionalProperties": integer(), "description": "Tokens by kind"}),
    "time_to_first_token_ms": nullable(number()),
    **dict.fromkeys(("finish_reason", "service_tier", "environment", "release"), TEXT),
    **dict.fromkeys(("prompt_name", "prompt_version"), TEXT),
    "tags": nullable(array(string())),
    "interrupted": nullable(boolean("Whether the span was cut off")),
    **dict.fromkeys(("conversation_id", "message_id", "tool_name", "end_user_id", "service_name", "lesson_id"), TEXT),
    "error_type": TEXT,
    "error_message": TEXT,
    "created_at": time("When the server first stored the span"),
    "updated_at": time("When a stored value last changed"),
    "expires_at": time("When retention removes the trace"),
}

SUMMARY_FIELDS: Final[Mapping[str, Schema]] = {
    "trace_id": ID,
    "cursor_position": string("The place in lists", examples=["1795309200000000000#trip-7"]),
    "name": TEXT,
    "start_time": time(),
    "end_time": nullable(time("Of the last span; null while the root is pending")),
    "duration_ms": nullable(number("Of all spans; null while the root is pending")),
    "status": {**SPAN_STATUS, "description": "That of the root"},
    "span_count": integer(),
    "error_count": integer("The number of failed spans in the whole trace"),
    "llm_call_count": integer(),
    **dict.fromkeys(("input_tokens", "output_tokens", "total_tokens", *TOKEN_KINDS[2:]), integer()),
    "cost_usd": nullable(number("Null while no span has a cost")),
    "wasted_cost_usd": number(),
    "attempts": array(ATTEMPTS, maxItems=20),
    **dict.fromkeys(("has_retry", "has_fallback", "interrupted"), boolean()),
    **dict.fromkeys(("environment", "release"), TEXT),
    "tags": array(string()),
    **dict.fromkeys(
        ("models", "providers", "operations", "services", "error_types", "prompt_versions"), array(string())
    ),
    **dict.fromkeys(("conversation_id", "end_user_id", "lesson_id"), TEXT),
    "input_preview": nullable(string("The first 300 characters of the last user message")),
    "output_preview": nullable(string("The first 300 characters of the reply")),
    "scores": {"type": "object", "additionalProperties": number(minimum=None), "description": "The means, by name"},
    "labels": {"type": "object", "additionalProperties": array(string()), "description": "The values, by name"},
    "annotation_count": integer(),
    "annotated_at": nullable(time("The last change of an annotation that exists")),
    "created_at": time(),
    "updated_at": time(),
    "expires_at": time(),
}

NEW_INPUT: Final[Mapping[str, Schema]] = {
    "new_messages": nullable(array(anything(), "Messages that the history does not have; null without a list of them")),
    "repeated_messages": integer("The number of the other messages"),
    "history": choice("same", "changed", "none"),
}

SUMMARY_CUT: Final[Mapping[str, Schema]] = {
    "annotations_cut": {"type": "boolean", "const": True, "description": "Some scores or labels are left out"}
}
"""The field that only a summary without all scores and labels has."""

ANNOTATION_VALUE: Final = {
    "anyOf": [boolean(), number(minimum=-(10**15), maximum=10**15), string(minLength=1, maxLength=512)],
    "description": "A score, a label or both",
    "examples": [0.8],
}

MEASURES: Final[Mapping[str, Schema]] = {
    "traces": integer(),
    "calls": integer(),
    "errors": integer(),
    "error_rate": number(maximum=1),
    **dict.fromkeys(("input_tokens", "output_tokens", "total_tokens", *TOKEN_KINDS[2:]), integer()),
    "cost_usd": number(),
    "wasted_cost_usd": number(),
    "latency_ms": ref("Durations"),
    "time_to_first_token_ms": ref("Durations"),
}

SCORE_TOTAL: Final[Mapping[str, Schema]] = {
    "count": integer("The number of values"),
    "mean": nullable(number("Null without values", minimum=None)),
}
SCORE_POINTS: Final[Mapping[str, Schema]] = {**SCORE_TOTAL, "points": array(obj({"time": time(), **SCORE_TOTAL}))}

RANGE: Final[Mapping[str, Schema]] = {"start_date": time(), "end_date": time()}
IN_POINTS: Final[Mapping[str, Schema]] = {**RANGE, "interval": INTERVAL, "timezone": ZONE}
HEALTH: Final[Mapping[str, Schema]] = {
    "state": choice("healthy", "degraded", "down"),
    "reason": string("A sentence with the numbers"),
    "totals": ref("Measures"),
}
DELETED: Final = obj({"traces": integer(), "spans": integer()}, examples=[{"traces": 1, "spans": 12}])

FAILED_CALL: Final[Mapping[str, Schema]] = {
    "trace_id": ID,
    "span_name": TEXT,
    "error_message": nullable(string("The first 200 characters")),
    "time": time(),
}

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

STORED: Final[Mapping[str, Schema]] = {"traces": integer(), "spans": integer(), "bytes": integer()}

KEY_FIELDS: Final[Mapping[str, Schema]] = {
    "key_id": string(pattern="^[0-9a-f]{16}$", examples=["e97fad263bf7c322"]),
    "name": string(examples=["ci"]),
    "prefix": string("The beginning of the secret", examples=["tsk_nNX-"]),
    "scopes": array(choice(*SCOPES)),
    "created_at": time(),
    "expires_at": nullable(time()),
    "max_requests_per_second": nullable(integer(examples=[50])),
    "max_spans_per_second": nullable(integer(examples=[5_000])),
}

SHARE_FIELDS: Final[Mapping[str, Schema]] = {
    "share_id": string(pattern="^[0-9a-f]{16}$", examples=["5f2d7c1a9b3e4d60"]),
    "trace_id": ID,
    "payloads": boolean("Whether the share shows inputs and outputs"),
    "created_at": time(),
    "expires_at": time(),
}


def success(**members: Schema) -> Schema:
    """The schema of a successful response with these members."""
    return obj({"success": SUCCESS, **members})


COMPONENTS: Final[Mapping[str, Schema]] = {
    "Error": obj(
        {
            "success": {"type": "boolean", "const": False},
            "error": obj(
                {
                    "code": choice(*CODES, description="Stable"),
                    "message": string("The failure and its remedy", examples=["There is no such trace or span."]),
                    "details": array(obj({"field": string(), "message": string()}), examples=[[]]),
                }
            ),
        }
    ),
    "GatewayError": obj({"message": string("Of API Gateway itself", examples=["Service Unavailable"])}),
    "RpcStatus": obj(
        {"code": integer("A `google.rpc.Code`", examples=[3]), "message": string(examples=["Send smaller batches."])},
        {"details": array(obj({}))},
    ),
    "McpError": obj(
        {
            "jsonrpc": JSON_RPC,
            "id": nullable({**MESSAGE_ID, "examples": [1]}),
            "error": obj(
                {"code": integer(minimum=-32_768, examples=[-32600]), "message": string()}, {"data": ANY_MEMBERS}
            ),
        }
    ),
    "McpResult": obj({"jsonrpc": JSON_RPC, "id": MESSAGE_ID, "result": ANY_MEMBERS}),
    "Span": obj({**SPAN_FIELDS, **PAYLOADS}, {"payloads_omitted": OMITTED_PAYLOADS}),
    "SpanNode": obj(
        {**SPAN_FIELDS, "children": array(ref("SpanNode"), examples=[[]])},
        {**PAYLOADS, "payloads_omitted": OMITTED_PAYLOADS, "children_omitted": OMITTED_CHILDREN},
    ),
    "ChangedSpan": obj(SPAN_FIELDS, PAYLOADS),
    "ExportedSpan": obj(
        {**SPAN_FIELDS, **PAYLOADS},
        {
            "scope_name": string(),
            "request_model": string(),
            "call_key": string(),
            "usage_ambiguous": boolean("Whether the counts of tokens contradict each other"),
            "payloads_omitted": OMITTED_PAYLOADS,
            "annotations": array(ref("Annotation"), "Of the trace and its spans; only on the first line of a trace"),
            "annotations_omitted": {
                "type": "boolean",
                "const": True,
                "description": "They do not fit next to the span",
            },
            "media_omitted": {"type": "boolean", "const": True, "description": "Media do not fit into the line"},
            "from_logs": {"type": "boolean", "const": True, "description": "Only log records reported the span"},
        },
    ),
    "SpanId": obj({"id": UUID, "trace_id": ID, "span_id": SPAN_ID}),
    "RejectedSpan": obj(
        {
            "index": integer("Of the span in the request", examples=[2]),
            "code": choice(*CODES, examples=["invalid_request"]),
            "message": string(examples=["start_time is required."]),
        }
    ),
    "TraceSummary": obj(SUMMARY_FIELDS, SUMMARY_CUT),
    "Turn": obj(
        {
            **SUMMARY_FIELDS,
            "turn": integer("From 1; less if older traces arrived between two pages", minimum=None),
            **{name: NEW_INPUT[name] for name in ("repeated_messages", "history")},
            "steps": array(ref("Step"), maxItems=STEPS_MOST),
        },
        {
            **SUMMARY_CUT,
            "new_messages": NEW_INPUT["new_messages"],
            "steps_omitted": integer("The number of the other steps"),
            **{name: PAYLOADS[name] for name in ("input_data", "output_data")},
            "payloads_omitted": OMITTED_PAYLOADS,
        },
    ),
    "Step": obj(
        {
            "span_id": SPAN_ID,
            "kind": nullable(string(examples=["completion"])),
            "name": nullable(string(examples=["llm.completion"])),
            "status": SPAN_STATUS,
            "duration_ms": nullable(number()),
            "cost_usd": nullable(number()),
            "model_name": TEXT,
            "tool_name": TEXT,
        }
    ),
    "SpanOfPage": obj(
        {**SPAN_FIELDS, **{name: schema for name, schema in PAYLOADS.items() if name != "input_data"}},
        {
            "input_data": PAYLOADS["input_data"],
            **NEW_INPUT,
            "history_span_id": nullable(string("The completion whose input and output are the history")),
            "input_rest": nullable(anything("What the input contains in addition to its messages")),
            "payloads_omitted": OMITTED_PAYLOADS,
        },
    ),
    "Match": obj(
        {
            "span_id": SPAN_ID,
            "matched_in": array(
                obj(
                    {
                        "field": choice("name", "error", "input", "output", "metadata", "events", "links"),
                        "excerpt": string("Up to 120 characters around the first match"),
                    }
                )
            ),
        }
    ),
    "OutlineSpan": obj(
        {
            "span_id": SPAN_ID,
            "depth": integer("The number of spans above it"),
            "status": SPAN_STATUS,
            "start_offset_ms": number("From the start of the trace", minimum=None),
            "counted": boolean("Whether the tokens or the cost count"),
        },
        {
            "duration_ms": number(),
            "clock_skew": {"type": "boolean", "const": True},
            "parent_span_id": string(),
            "span_name": string(),
            "operation_type": string(),
            "model_name": string(),
            "model_provider": string(),
            "input_tokens": integer(),
            "output_tokens": integer(),
            "total_tokens": integer(),
            "cost_usd": number(),
            "tool_name": string(),
            "service_name": string(),
            "error_type": string(),
            "error_message": string("The first 300 characters"),
            "time_to_first_token_ms": number(),
            "interrupted": boolean(),
            "request_model": string(),
            "cached_input_tokens": integer(),
            "reasoning_tokens": integer(),
            "finish_reason": string(),
            "cost_source": choice("reported", "computed"),
            "not_counted": choice("tokens", "cost"),
            "wasted": {"type": "boolean", "const": True},
            "critical": {"type": "boolean", "const": True},
            "attempt": obj({"group": SPAN_ID, "number": integer(minimum=1), "outcome": ATTEMPT_OUTCOME}),
            "subtree": obj(
                {"spans": integer(), "errors": integer(), "tokens": integer(), "cost_usd": nullable(number())}
            ),
            "preview": string("80 characters at most"),
        },
    ),
    "Annotation": obj(
        {
            "trace_id": ID,
            "name": string(examples=["quality"]),
            "id": string(examples=["judge"]),
            "span_id": nullable(string(examples=["call"])),
            "value": ANNOTATION_VALUE,
            "comment": TEXT,
            "source": string(examples=["judge"]),
            "created_at": time(),
            "updated_at": time(),
            "expires_at": nullable(time("When the annotation is removed")),
            "is_waiting": boolean("Whether its trace has not arrived yet"),
        }
    ),
    "ScoreSeries": obj(
        {
            "name": string(examples=["quality"]),
            **SCORE_POINTS,
        },
        {
            "groups": array(
                obj({"group": nullable(string(examples=["gpt-4o"])), **SCORE_POINTS}),
                description="Only with `group_by`",
            )
        },
    ),
    "Deleted": success(deleted=DELETED),
    "DeletionJob": success(deleted=DELETED, job_id=JOB_ID),
    "Job": obj(
        {
            "job_id": JOB_ID,
            "state": choice("queued", "running", "done", "failed", examples=["done"]),
            "deleted": DELETED,
            "created_at": time(),
            "finished_at": nullable(time("Null until the job has ended")),
        }
    ),
    "LessonSummary": obj(LESSON_SUMMARY_FIELDS),
    "DeletionRecord": obj(
        {
            "kind": string(examples=["trace"]),
            "user_id": string(examples=["ada"]),
            "credential": string(examples=["jwt"]),
            "key_id": TEXT,
            "state": string(examples=["done"]),
            "requested_at": time(),
            "finished_at": nullable(time()),
            "deleted": DELETED,
        }
    ),
    "HistogramPoint": obj(
        {"time": time(), "traces": integer(), "failed": integer(), "total_tokens": integer(), "cost_usd": number()}
    ),
    "LessonTrace": obj(
        LESSON_FIELDS,
        {"payloads_omitted": OMITTED_PAYLOADS, "calls_omitted": {"type": "boolean", "const": True}},
    ),
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
    "Durations": obj(
        {name: nullable(number("ms; null where no call has one")) for name in ("avg", "p50", "p90", "p95", "p99")}
    ),
    "Measures": obj(MEASURES),
    "Group": obj(
        {
            "group": nullable(string("The value; null for calls without one", examples=["openai"])),
            "totals": ref("Measures"),
            "points": array(obj({"time": time(), **MEASURES})),
        }
    ),
    "FailedCall": obj(FAILED_CALL),
    "FailureType": obj(
        {
            "error_type": string(examples=["timeout"]),
            "count": integer(),
            "share": number(maximum=1),
            "first_seen": time(),
            "last_seen": time(),
            "points": array(obj({"time": time(), "count": integer()})),
            "examples": array(ref("FailedCall")),
        }
    ),
    "Provider": obj(
        {
            "model_provider": nullable(string(examples=["openai"])),
            **HEALTH,
            "models": array(
                obj(
                    {
                        "model_name": nullable(string(examples=["gpt-4o-mini"])),
                        **HEALTH,
                        "last_error": nullable(obj({"error_type": string(), **FAILED_CALL})),
                    }
                )
            ),
        }
    ),
    "Heatmap": obj(
        {
            "operation_type": nullable(string(examples=["completion"])),
            "times": array(time()),
            "buckets_ms": array(array(number(), minItems=2, maxItems=2, examples=[[952.6, 1395.1]])),
            "counts": array(array(integer())),
        }
    ),
    "Anomaly": obj(
        {
            "kind": choice("error_rate", "latency", "cost"),
            **dict.fromkeys(Series._fields, TEXT),
            "since": time(),
            "value": number(),
            "baseline": number(),
            "score": number(),
            "message": string("A sentence with the numbers"),
            "examples": array(ID, maxItems=3),
        }
    ),
    "Conversation": obj(
        {
            "conversation_id": string(examples=["chat-42"]),
            "first_time": time(),
            "last_time": time(),
            **MEASURES,
            "input_preview": TEXT,
            "output_preview": TEXT,
        }
    ),
    "ApiKey": obj(KEY_FIELDS),
    "SavedView": obj(
        {
            "name": string(examples=["failed-today"]),
            "title": string(examples=["Failed today"]),
            "query": string(examples=["status=error&order_by=cost"]),
            "created_at": time(),
            "updated_at": time(),
        }
    ),
    "Share": obj(SHARE_FIELDS),
}

FACET_VALUES: Final = array(obj({"value": string(examples=["gpt-4o-mini"]), "count": integer()}))


def rows(*names: str) -> Schema:
    """Measures by these names."""
    return array(obj({**dict.fromkeys(names, TEXT), **MEASURES}))


COSTS: Final = success(
    **RANGE,
    totals=ref("Measures"),
    by_model=rows("model_provider", "model_name"),
    by_provider=rows("model_provider"),
    by_operation=rows("operation_type"),
    by_outcome=rows("model_provider", "status"),
    by_conversation=nullable(array(obj({"conversation_id": string(), **MEASURES}), "Null with a filter")),
    conversation_days=obj(RANGE),
    top_traces_by_cost=array(ref("TraceSummary")),
)

FACET_LISTS: Final = obj(dict.fromkeys(FACETS, FACET_VALUES))

OTLP_SUCCESS: Final = obj(
    {},
    {
        "partialSuccess": obj(
            {"errorMessage": string()},
            dict.fromkeys(("rejectedSpans", "rejectedLogRecords", "rejectedDataPoints"), string("A 64-bit integer")),
        )
    },
    examples=[{}],
)
