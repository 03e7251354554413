"""The tool that lists traces."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from tracestore.api.traces.parameters import trace_query
from tracestore.api.traces.ranking import MEASURES, RANKED_MOST, rank_by, ranked
from tracestore.api.traces.trace_json import summary_json, time_or_none
from tracestore.http.cursors import ListCursor
from tracestore.http.identity import Identity
from tracestore.http.parameters import limit_of
from tracestore.http.request import Request
from tracestore.http.wiring import reader
from tracestore.storage.user_store import ListedTrace, Page

from .answers import Answer, short
from .arguments import TOKEN_BUDGET, Argument

LIMIT_DEFAULT: Final = 20
LIMIT_MOST: Final = 100

NAME_TOKENS: Final = 30
PREVIEW_TOKENS: Final = 40

_CURSOR_TOKENS: Final = 25
"""Room for a cursor in addition to a token for each character of its position: about 20 for its signature."""

_SHORTEST: Final = ("trace_id", "status")

_TIME = "A time such as 2026-11-22T10:00:00Z, or a day such as 2026-11-22."

SEARCH_ARGUMENTS: Final[Mapping[str, Argument]] = {
    "search": Argument("string", "Text in names and previews, in any script and case."),
    "search_in": Argument(
        "string", "payload also looks into whole inputs and outputs.", rules={"enum": ["names", "payload"]}
    ),
    "status": Argument("string", "The status of the trace.", rules={"enum": ["pending", "success", "error"]}),
    "has_errors": Argument("boolean", "Whether any span failed."),
    "model_name": Argument("string", "The exact name of a model that a span used."),
    "model_provider": Argument("string", "The exact name of a provider, such as openai."),
    "operation_type": Argument("string", "The operation of a span, such as completion or tool_call."),
    "tool_name": Argument("string", "The exact name of a tool that was called."),
    "span_name": Argument("string", "The exact name of a span."),
    "error_type": Argument("string", "The exact type of an error."),
    "service_name": Argument("string", "The service that sent the trace."),
    "conversation_id": Argument("string", "The conversation of the trace."),
    "end_user_id": Argument("string", "The application's own user."),
    "environment": Argument("string", "Such as production."),
    "release": Argument("string", "The release of the application."),
    "tag": Argument("string", "A tag of a span."),
    "has_retry": Argument("boolean", "Whether a model call was repeated."),
    "has_fallback": Argument("boolean", "Whether another model took over a call."),
    "min_cost_usd": Argument("number", "The least cost of the trace in dollars."),
    "min_duration_ms": Argument("number", "The least duration of the trace in milliseconds."),
    "start_date": Argument("string", f"The trace starts then or later. {_TIME}"),
    "end_date": Argument("string", f"The trace starts before. {_TIME} A day is included."),
    "timezone": Argument("string", "The IANA time zone of days; UTC by default."),
    "order_by": Argument(
        "string",
        "Rank the newest 2,000 traces by this, the largest first. Without it, the newest are first.",
        rules={"enum": list(MEASURES)},
    ),
    "order": Argument("string", "desc is the default.", rules={"enum": ["desc", "asc"]}),
    "limit": Argument(
        "integer", "The most traces.", rules={"minimum": 1, "maximum": LIMIT_MOST, "default": LIMIT_DEFAULT}
    ),
    "cursor": Argument("string", "The next_cursor of the page before, with the same other arguments."),
    "token_budget": TOKEN_BUDGET,
}

SEARCH_OUTPUT: Final[dict[str, Any]] = {
    "traces": {"type": "array", "items": {"type": "object"}},
    "ranked": {"type": "integer", "description": "The number of traces that order_by compared."},
    "scanned_to": {"type": "string", "description": "How far back the search has looked."},
    "next_cursor": {"type": "string", "description": "Send it as cursor for more. Absent at the end."},
}

_SUMMARY_FIELDS: Final = (
    "trace_id",
    "name",
    "status",
    "start_time",
    "duration_ms",
    "span_count",
    "error_count",
    "total_tokens",
    "cost_usd",
    "wasted_cost_usd",
    "has_retry",
    "has_fallback",
    "models",
    "conversation_id",
    "environment",
)


def search_traces(request: Request, caller: Identity, token_budget: int) -> dict[str, Any]:
    """A page of summaries. A page that the budget cuts is continued by its cursor."""
    query = trace_query(request.query)
    limit = min(limit_of(request.query, LIMIT_DEFAULT), LIMIT_MOST)
    measure, cursor = rank_by(request.query), ListCursor(request, caller, not_bound=("token_budget",))
    stored, answer = reader(request, caller), Answer(token_budget, lists=1)
    if measure is not None:
        ranking = stored.traces(replace(query, newest_first=True), RANKED_MOST)
        traces = ranked(ranking.traces, measure, largest_first=query.newest_first)[:limit]
        answer.put("ranked", len(ranking.traces))
        _put_scanned_to(answer, ranking)
        _put_traces(answer, traces, reserved=0)
        return answer.end()
    page = stored.traces(query, limit, cursor.position())
    longest = max((len(listed.head.cursor_position) for listed in page.traces), default=0)
    _put_scanned_to(answer, page)
    shown = _put_traces(answer, page.traces, reserved=longest + _CURSOR_TOKENS)
    next_cursor = cursor.next(page.first(shown).next_position if shown else page.next_position)
    if next_cursor is None or answer.put("next_cursor", next_cursor):
        answer.leave_out("traces", 0)  # the next page has them
    return answer.end()


def _put_scanned_to(answer: Answer, page: Page) -> None:
    if (scanned_to := time_or_none(page.scanned_to_ns)) is not None:
        answer.put("scanned_to", scanned_to)


def _put_traces(answer: Answer, traces: Sequence[ListedTrace], reserved: int) -> int:
    """Add as many traces as leave the reserved tokens, at least one by its id alone; the number of them."""
    summaries = [summary_json(*listed) for listed in traces]
    shown = answer.put_rows("traces", [summary_row(summary) for summary in summaries], answer.room - reserved)
    if not shown:
        shown = answer.put_rows("traces", [{name: summary[name] for name in _SHORTEST} for summary in summaries[:1]])
        answer.leave_out("traces", len(summaries) - shown)
    answer.content.setdefault("traces", [])
    return shown


def summary_row(summary: Mapping[str, Any]) -> dict[str, Any]:
    """The main fields of a summary, with short texts. *absent*: left out, as are fields that are false or zero."""
    row = {name: summary[name] for name in _SUMMARY_FIELDS if summary[name]}
    row["name"] = short(summary["name"], NAME_TOKENS) or ""
    if "models" in row:
        row["models"] = [short(name, NAME_TOKENS) for name in row["models"][:5]]
    for name in ("conversation_id", "environment"):
        if name in row:
            row[name] = short(row[name], NAME_TOKENS)
    for name in ("input_preview", "output_preview"):
        if summary[name]:
            row[name] = short(summary[name], PREVIEW_TOKENS)
    return row
