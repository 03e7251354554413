"""Spans, summaries of traces, and the views of both."""

from collections.abc import Mapping
from typing import Final, get_args

from dev.openapi.answers.values import ANY_MEMBERS, COUNT, ID, OMITTED_PAYLOADS, SPAN_ID, SPAN_STATUS, TEXT, UUID
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
from tracestore.domain.costs import UnknownCost
from tracestore.domain.reported_usage import TOKEN_KINDS
from tracestore.http.errors import CODES

OMITTED_CHILDREN: Final = {"type": "boolean", "const": True, "description": "Only the root is returned, for its size"}
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

COMPONENTS: Final[Mapping[str, Schema]] = {
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
    "HistogramPoint": obj(
        {"time": time(), "traces": integer(), "failed": integer(), "total_tokens": integer(), "cost_usd": number()}
    ),
}
