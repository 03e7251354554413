"""Values and rules that schemas cannot describe, for the requests that schemathesis generates.

Only valid requests are changed, and only to keep a rule between fields that `docs/api.md` states, or to find what the
requests before them have stored.
"""

import itertools
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import schemathesis
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from schemathesis.generation.meta import CoveragePhaseData, StatefulPhaseData

from dev.openapi.answers.values import IGNORED
from dev.openapi.document import build
from dev.openapi.operations import PROTOBUF
from tracestore.domain.dimensions import FILTERS, MARGINALS

TURNS = {"view", "messages", "conversation_id", "limit", "cursor", "order", "start_date", "end_date", "timezone"}
"""The parameters that the turns of a conversation take."""

VIEWS_OF_TRACE = ("tree", "outline", "spans")

FROM_SERVER = {
    name
    for change in ("SpanChange", "LessonChange")
    for name, schema in build()["components"]["schemas"][change]["properties"].items()
    if schema == IGNORED
}
"""The fields of changes that are ignored: a change needs another one."""

TIMES = ("start_time", "end_time", "created_at", "completed_at", "timestamp")
LISTS = ("/api/analytics/traces", "/api/traces")
NUMBERS = itertools.count()
IN_BATCH = "Object with valid 'spans' value: Single-item array: "
COVERED: set[tuple[object, ...]] = set()
"""The kinds of requests of the phase `coverage` that were sent."""

NOW = datetime.now(UTC).replace(tzinfo=None)
RECENT = st.datetimes(NOW - timedelta(days=28), NOW - timedelta(days=2))
"""Times of which any two are a range that every route accepts."""

schemathesis.openapi.format("date-time", RECENT.map(lambda time: f"{time.isoformat(timespec='milliseconds')}Z"))
schemathesis.openapi.format("date", RECENT.map(lambda time: time.date().isoformat()))
schemathesis.openapi.format("time-zone", st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kathmandu"]))

# The empty message: exporters of all signals accept it. Recorded exports are tested elsewhere.
schemathesis.openapi.media_type(PROTOBUF, st.just(ExportMetricsServiceRequest().SerializeToString()))


@schemathesis.hook
def filter_case(context: schemathesis.HookContext, case: "schemathesis.Case[Any]") -> bool:
    """Keep one of the similar requests of the phase `coverage`, which has ten of some for each field."""
    if case.meta is None or not isinstance(data := case.meta.phase.data, CoveragePhaseData):
        return True
    mode = case.meta.generation.mode
    text = re.sub(r"\d+", "N", data.description.replace(IN_BATCH, ""))
    if mode == schemathesis.GenerationMode.POSITIVE:
        text = text.partition(" value:")[0]
    kind = (case.operation.label, case.method, case.media_type, mode, data.parameter, text)
    is_first = kind not in COVERED
    COVERED.add(kind)
    return is_first


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: "schemathesis.Case[Any]", kwargs: dict[str, Any]) -> None:
    """Change a valid request so that it keeps the rules between its fields."""
    if case.meta is None or case.meta.generation.mode != schemathesis.GenerationMode.POSITIVE:
        return
    if not isinstance(case.meta.phase.data, StatefulPhaseData):
        case.query.pop("since", None)  # only the server can make one: it is the parameter of a link
    elif case.operation.path in LISTS:
        for name in case.query.keys() - {"limit", "view", "order"}:  # links need an entry, which few filters find
            del case.query[name]
    if case.operation.path == "/api/analytics/scores":
        for name in FILTERS:  # scores are counted apart from calls: a filter is an unsupported combination
            case.query.pop(name, None)
    if case.operation.path == "/api/analytics/metrics" and "end_user_id" in case.query:
        case.query["group_by"] = "end_user_id"
    _keep_rules_of_query(case.query, case.operation.definition.raw.get("x-exactly-one-of", []))
    if isinstance(case.body, dict):
        _name_anew(case.body)
        _write_integers(case.body)
        for content in [case.body, *_objects(case.body.get("spans")), *_objects(case.body.get("llm_calls"))]:
            _keep_rules_of_body(content)
        if case.operation.method.lower() == "patch":
            _keep_rules_of_change(case.body)


def _keep_rules_of_query(query: dict[str, Any], one_of: list[str]) -> None:
    query.pop("cursor", None)  # only the server can make one
    for name in [name for name in one_of if name in query][1:]:
        del query[name]
    if one_of and not query:
        query[one_of[-1]] = "true"
    _keep_rules_of_view(query)
    if "search" not in query:
        query.pop("search_in", None)
    if "parent_span_id" in query:
        query.pop("parent_trace_id", None)
    if "search" in query or "provider_used" in query:
        query.pop("offset", None)
    if query.get("group_by") in MARGINALS:
        for name in ("operation_type", "model_name", "model_provider", "interval"):
            query.pop(name, None)
    if query.get("interval") in ("15m", "hour"):
        query |= {"start_date": (NOW - timedelta(days=3)).date().isoformat(), "end_date": NOW.date().isoformat()}
    elif "start_date" in query or "end_date" in query:
        days = sorted(str(query[name])[:10] for name in ("start_date", "end_date") if name in query)
        bounds = [max(day, (NOW - timedelta(days=28)).date().isoformat()) for day in days]
        query |= {"start_date": bounds[0], "end_date": max(bounds[-1], (NOW - timedelta(days=1)).date().isoformat())}


def _keep_rules_of_view(query: dict[str, Any]) -> None:
    """Remove what does not belong to the view of a list or of a trace."""
    view = query.get("view")
    if view == "turns" and "conversation_id" in query:
        conversation = str(query["conversation_id"][0]).lstrip("!\\")
        query["conversation_id"] = [conversation or "chat-42"]
        for name in query.keys() - TURNS:
            del query[name]
    elif view == "turns":
        query["view"] = "summary"
    if query.get("view") != "turns":
        query.pop("messages", None)
    if "since" in query:
        query.pop("search", None)
        query["view"] = "tree" if view == "spans" else view or "tree"
    if "search" in query and view in VIEWS_OF_TRACE:
        del query["view"]
    if "search" in query:
        query.pop("payloads", None)
    if query.get("view") == "spans":
        query.pop("payloads", None)
    else:
        query.pop("span_id", None)
        query.pop("new_messages", None)


def _write_integers(value: Any) -> None:
    """Write 1.0 as 1: it is an integer for JSON Schema, but not for this API."""
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _write_integers(part)
    if isinstance(value, dict):
        floats = {name: part for name, part in value.items() if isinstance(part, float) and name.endswith("_tokens")}
        value |= {name: int(part) for name, part in floats.items()}
        if isinstance(value.get("usage_details"), dict):
            details = value["usage_details"]
            details |= {name: int(part) for name, part in details.items() if isinstance(part, float)}


def _name_anew(body: dict[str, Any]) -> None:
    """Spread spans over ten traces, which share the time that writing takes, and give each lesson trace its own id."""
    number = next(NUMBERS)
    for trace in [body, *_objects(body.get("spans"))] if "spans" in body or "span_name" in body else []:
        if isinstance(trace.get("trace_id"), str):
            trace["trace_id"] = f"{trace['trace_id'][:100]}-{number % 10}"
    if "request_data" in body and isinstance(body.get("id"), str):
        body["id"] = f"{body['id'][:100]}-{number}"


def _keep_rules_of_body(body: dict[str, Any]) -> None:
    for name in TIMES:
        if (
            isinstance(body.get(name), str) and body[name] > NOW.isoformat()
        ):  # taken from the `expires_at` of a response
            body[name] = f"{(NOW - timedelta(days=2)).isoformat(timespec='milliseconds')}Z"
    if body.get("parent_trace_id") and body.get("parent_span_id"):
        body["parent_trace_id"] = body["parent_span_id"]
    for first, last in (("start_time", "end_time"), ("created_at", "completed_at")):
        if body.get(first) and body.get(last):
            body[first], body[last] = sorted((body[first], body[last]))
    ends = ("end_time", "duration_ms", "completed_at", "total_duration_ms", "error_message")
    if body.get("status") in ("pending", "started") and any(body.get(name) is not None for name in ends):
        del body["status"]
    if body.get("expires_at"):  # of a key or a share; on spans it is ignored
        body["expires_at"] = (NOW + timedelta(days=30)).isoformat() + "Z"


def _keep_rules_of_change(body: dict[str, Any]) -> None:
    """A change is not empty, and contains both times or none: a stored time may contradict a single one."""
    for first, last in (("start_time", "end_time"), ("created_at", "completed_at")):
        if body.get(last):
            body.setdefault(first, body[last])
            body[first] = body[first] or body[last]
        else:
            body.pop(first, None)
    if all(value in (None, "") for name, value in body.items() if name not in FROM_SERVER):
        body["error_message"] = "no answer"


def _objects(value: Any) -> list[dict[str, Any]]:
    return [part for part in value if isinstance(part, dict)] if isinstance(value, list) else []
