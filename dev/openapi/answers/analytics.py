"""Analytics: measures, and what is derived from them."""

from collections.abc import Mapping
from typing import Final

from dev.openapi.answers.values import ID, TEXT, ZONE, success
from dev.openapi.schemas import Schema, array, choice, integer, nullable, number, obj, ref, string, time
from tracestore.domain.contributions import FACETS
from tracestore.domain.dimensions import Series
from tracestore.domain.intervals import INTERVALS
from tracestore.domain.reported_usage import TOKEN_KINDS

INTERVAL: Final = choice(*INTERVALS, examples=["hour"])
RANGE: Final[Mapping[str, Schema]] = {"start_date": time(), "end_date": time()}
IN_POINTS: Final[Mapping[str, Schema]] = {**RANGE, "interval": INTERVAL, "timezone": ZONE}

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

HEALTH: Final[Mapping[str, Schema]] = {
    "state": choice("healthy", "degraded", "down"),
    "reason": string("A sentence with the numbers"),
    "totals": ref("Measures"),
}

FAILED_CALL: Final[Mapping[str, Schema]] = {
    "trace_id": ID,
    "span_name": TEXT,
    "error_message": nullable(string("The first 200 characters")),
    "time": time(),
}

STORED: Final[Mapping[str, Schema]] = {"traces": integer(), "spans": integer(), "bytes": integer()}


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

FACET_VALUES: Final = array(obj({"value": string(examples=["gpt-4o-mini"]), "count": integer()}))
FACET_LISTS: Final = obj(dict.fromkeys(FACETS, FACET_VALUES))

COMPONENTS: Final[Mapping[str, Schema]] = {
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
}
