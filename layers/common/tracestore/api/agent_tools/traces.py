"""The tools that read one trace and one span."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tracestore.api.traces.trace_json import outline_json, span_json, summary_json
from tracestore.domain.heads import Summary
from tracestore.domain.outline import OutlineRow, outline_rows
from tracestore.domain.spans import SHOWN_PAYLOAD_FIELDS
from tracestore.http.identity import Identity
from tracestore.http.parameters import path_id
from tracestore.http.request import Request
from tracestore.http.wiring import reader

from .answers import Answer, quoted, short
from .arguments import TOKEN_BUDGET, Argument
from .searching import NAME_TOKENS, PREVIEW_TOKENS, summary_row
from .tokens import json_text, json_tokens

_TRACE_ID = Argument("string", "The trace_id of a trace.", is_required=True)

TRACE_ARGUMENTS: Final[Mapping[str, Argument]] = {"trace_id": _TRACE_ID, "token_budget": TOKEN_BUDGET}

SPAN_ARGUMENTS: Final[Mapping[str, Argument]] = {
    "trace_id": _TRACE_ID,
    "span_id": Argument("string", "The span_id of a span of the trace.", is_required=True),
    "token_budget": TOKEN_BUDGET,
}

_ROWS: Final = {"type": "array", "items": {"type": "object"}}

TRACE_OUTPUT: Final[dict[str, Any]] = {
    "summary": {"type": "object"},
    "failures": {**_ROWS, "description": "Failed spans, the causes first: those without a failed span below."},
    "attempts": {**_ROWS, "description": "Model calls with retries or fallbacks, and the cost of those in vain."},
    "critical_path": {**_ROWS, "description": "The spans that the duration depends on."},
    "outline": {**_ROWS, "description": "The other spans in tree order, those near the root preferred."},
    "input_preview": {"type": "string", "description": "The beginning of what the trace was asked."},
    "output_preview": {"type": "string", "description": "The beginning of what it answered."},
}

SPAN_OUTPUT: Final[dict[str, Any]] = {
    "span": {"type": "object"},
    **{
        name: {
            "type": "object",
            "properties": {
                "text": {"type": "string"},
                "characters": {"type": "integer"},
                "cut_characters": {"type": "integer", "description": "Left out of the middle of text."},
            },
            "required": ["text", "characters", "cut_characters"],
        }
        for name in SHOWN_PAYLOAD_FIELDS
    },
}

_FAILURE_FIELDS: Final = (
    *("span_id", "span_name", "depth", "operation_type", "model_name", "model_provider", "tool_name", "error_type"),
    *("error_message", "attempt", "start_offset_ms", "duration_ms", "finish_reason"),
)
_PATH_FIELDS: Final = ("span_id", "span_name", "depth", "start_offset_ms", "duration_ms")
_OUTLINE_FIELDS: Final = (
    *("span_id", "span_name", "depth", "operation_type", "status", "start_offset_ms", "duration_ms", "model_name"),
    *("tool_name", "total_tokens", "cost_usd", "wasted", "interrupted", "preview"),
)
_NAMES: Final = frozenset({"span_name", "model_name", "model_provider", "tool_name", "error_type", "operation_type"})
_SHORTEST: Final = ("span_id", "span_name", "error_type", "error_message")

_PAYLOAD_WEIGHTS: Final[Mapping[str, int]] = {
    "error_stack": 3,
    "output_data": 4,
    "input_data": 4,
    "events": 2,
    "metadata": 2,
    "links": 1,
}

_NOT_SHOWN: Final = frozenset(
    {"id", "user_id", "trace_id", "span_id", "parent_trace_id", "created_at", "updated_at", "expires_at", "cost_price"}
)
"""Fields of a span that say nothing about what happened, or that the caller sent."""


def get_trace(request: Request, caller: Identity, token_budget: int) -> dict[str, Any]:
    """A trace in the order in which it is debugged: its state, its failures, its waste, its slowest path, the rest."""
    head, spans = reader(request, caller).trace(path_id(request, "trace_id"), payloads=False)
    summary = head.summary
    rows = outline_rows(spans, summary.root_span_id)
    answer = Answer(token_budget, lists=4)
    shown_summary = summary_json(request.path["trace_id"], head)
    members = {name: value for name, value in summary_row(shown_summary).items() if name != "trace_id"}
    previews = {name: members.pop(name) for name in ("input_preview", "output_preview") if name in members}
    answer.put_object("summary", members, answer.room // 3)

    causes = _failures(rows)
    message_tokens = max(12, token_budget // 20)
    failures = [_row(rows[index], summary, _FAILURE_FIELDS, message_tokens) for index in causes]
    shown = answer.put_rows("failures", failures, answer.room * 2 // 3)
    if failures and not shown:
        shortest = [_row(rows[index], summary, _SHORTEST, message_tokens) for index in causes[:1]]
        shown = answer.put_rows("failures", shortest)
        answer.leave_out("failures", len(failures) - shown)
    listed = {*causes[:shown]}

    answer.put_rows("attempts", [_attempts(attempts) for attempts in shown_summary["attempts"]], answer.room // 4)

    path = [index for index, row in enumerate(rows) if row.is_critical] if len(rows) > 1 else []
    path_rows = [_row(rows[index], summary, _PATH_FIELDS) for index in path]
    shallow_first = sorted(range(len(path)), key=lambda place: (rows[path[place]].node.depth, place))
    answer.put_chosen("critical_path", path_rows, shallow_first, answer.room // 3)

    for name, preview in previews.items():
        answer.put(name, preview)

    others = [index for index in range(len(rows)) if index not in listed]
    outline = [_row(rows[index], summary, _OUTLINE_FIELDS) for index in others]
    shallow_first = sorted(range(len(others)), key=lambda place: (rows[others[place]].node.depth, place))
    answer.put_chosen("outline", outline, shallow_first)
    return answer.end()


def get_span(request: Request, caller: Identity, token_budget: int) -> dict[str, Any]:
    """A span: its fields, and its payload as far as the budget allows, each part with a share of its own."""
    trace_id = path_id(request, "trace_id")
    head, span = reader(request, caller).span(trace_id, path_id(request, "span_id"))
    content = span_json(caller.owner_id, trace_id, span, head.expires_at_s)
    payload = {name: content.pop(name) for name in SHOWN_PAYLOAD_FIELDS}
    answer = Answer(token_budget, lists=0)
    fields = {
        name: short(value, max(20, token_budget // 10)) if isinstance(value, str) else value
        for name, value in content.items()
        if name not in _NOT_SHOWN and value is not None and value is not False
    }
    answer.put_object("span", fields, answer.room // 2)
    present = {name: payload[name] for name in _PAYLOAD_WEIGHTS if payload[name] not in (None, {}, [])}
    for name, tokens in _shares(present, answer.room).items():
        answer.put(name, quoted(present[name], tokens - json_tokens({name: 0})))
    return answer.end()


def _shares(payload: Mapping[str, Any], room: int) -> dict[str, int]:
    """The tokens for each part of a payload: all that it needs, or its share of what the smaller parts leave.

    *shape*: in the order of the weights.
    """
    needs = {name: _needed(value, room) for name, value in payload.items()}
    shares = {}
    weights = {name: _PAYLOAD_WEIGHTS[name] for name in payload}
    for name in sorted(needs, key=lambda name: needs[name] / weights[name]):
        share = room * weights.pop(name) // (_PAYLOAD_WEIGHTS[name] + sum(weights.values()))
        shares[name] = min(needs[name], share)
        room -= shares[name]
    return {name: shares[name] for name in payload}


def _needed(value: Any, room: int) -> int:
    """The tokens of a part of a payload that is not cut, or more than `room`."""
    text = value if isinstance(value, str) else json_text(value)
    if len(text) > 24 * room:
        return room + 1
    return json_tokens(text) + _QUOTED_TOKENS


_QUOTED_TOKENS: Final = 40
"""The names and numbers of a quoted text."""


def _failures(rows: Sequence[OutlineRow]) -> list[int]:
    """The failed spans by index: those without a failed span below them first, each kind from the deepest up."""
    failed = [index for index, row in enumerate(rows) if row.span.status == "error"]
    return sorted(failed, key=lambda index: (rows[index].subtree.errors > 1, -rows[index].node.depth, index))


def _row(
    row: OutlineRow, summary: Summary, names: Sequence[str], message_tokens: int = PREVIEW_TOKENS
) -> dict[str, Any]:
    """Some fields of a span in its trace, with short texts. *absent*: left out, as is the status of a success."""
    content = outline_json(row, summary.start_ns)
    shown = {name: content[name] for name in names if name in content}
    for name in _NAMES & shown.keys():
        shown[name] = short(shown[name], NAME_TOKENS)
    if "error_message" in shown:
        shown["error_message"] = short(shown["error_message"], message_tokens)
    if "preview" in shown:
        shown["preview"] = short(shown["preview"], PREVIEW_TOKENS)
    if shown.get("status") == "success":
        del shown["status"]
    return shown


def _attempts(attempts: Mapping[str, Any]) -> dict[str, Any]:
    """A call with several attempts, from the summary of its trace."""
    return {
        "first_span_id": attempts["group"],
        "attempts": len(attempts["span_ids"]),
        "outcome": attempts["outcome"],
        "wasted_cost_usd": attempts["wasted_cost_usd"],
    }
