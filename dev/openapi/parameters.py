"""The schemas of parameters in queries and in paths."""

from collections.abc import Mapping
from typing import Final

from dev.openapi.answers.values import ZONE
from dev.openapi.schemas import Schema, array, boolean, choice, integer, number, string
from tracestore.api.analytics.parameters import ANALYTICS_PARAMETERS
from tracestore.api.traces.parameters import ID_LIST_CHARACTERS, NUMBER_MOST
from tracestore.domain.annotations import NAME_PATTERN
from tracestore.domain.dimensions import FILTERS
from tracestore.domain.heads import VALUE_FIELDS
from tracestore.domain.intervals import INTERVALS
from tracestore.domain.spans import ID_PATTERN
from tracestore.http.parameters import LIMIT_DEFAULT, LIMIT_MOST, TEXT_MOST

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

LIST_TEXT: Final = "### `GET /api/analytics/traces`"
