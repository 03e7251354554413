"""The tool that compares two traces."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from tracestore.api.traces.trace_json import outline_json, summary_json
from tracestore.domain.errors import NotFound
from tracestore.domain.heads import Summary
from tracestore.domain.outline import OutlineRow, outline_rows
from tracestore.http.identity import Identity
from tracestore.http.parameters import is_id
from tracestore.http.request import Request
from tracestore.http.wiring import reader

from .answers import Answer, short
from .arguments import TOKEN_BUDGET, Argument
from .searching import NAME_TOKENS, PREVIEW_TOKENS

COMPARE_ARGUMENTS: Final[Mapping[str, Argument]] = {
    "trace_id_a": Argument("string", "The trace_id of the first trace, such as one that failed.", is_required=True),
    "trace_id_b": Argument("string", "The trace_id of the second trace, such as one that succeeded.", is_required=True),
    "token_budget": TOKEN_BUDGET,
}

_ROWS: Final = {"type": "array", "items": {"type": "object"}}

COMPARE_OUTPUT: Final[dict[str, Any]] = {
    "totals": {"type": "object", "description": "Each as [a, b].", "additionalProperties": {"type": "array"}},
    "only_in_a": _ROWS,
    "only_in_b": _ROWS,
    "changed": {**_ROWS, "description": "Spans of both traces; each field that differs as [a, b]."},
    "same": {"type": "integer", "description": "The number of spans without a difference."},
}

_TOTALS: Final = (
    *("name", "status", "duration_ms", "span_count", "error_count", "llm_call_count", "input_tokens", "output_tokens"),
    *("total_tokens", "cost_usd", "wasted_cost_usd", "has_retry", "has_fallback", "models", "environment", "release"),
)
_COMPARED: Final = (
    *("status", "error_type", "error_message", "model_name", "model_provider", "finish_reason", "total_tokens"),
    *("cost_usd", "duration_ms", "preview"),
)
_SHOWN: Final = ("span_id", "span_name", "operation_type", "depth", "status", "error_type", "duration_ms", "cost_usd")
_TEXTS: Final = frozenset({"error_message", "preview"})

_SAME_DURATION: Final = 0.1
"""Durations vary from run to run: a smaller difference, as a share of the longer one, is none."""

_Key: TypeAlias = tuple[str, str, int]
"""The operation and the name of a span, and its place among the spans of the trace that have both."""


class _Change(NamedTuple):
    """A span of both traces: how much its difference matters, its place in the first trace, and its row."""

    precedence: int
    place: int
    row: dict[str, Any]


def compare_traces(request: Request, caller: Identity, token_budget: int) -> dict[str, Any]:
    """The totals of two traces, and their spans that differ. Spans correspond by operation, name and order."""
    trace_ids = [request.path[name] for name in ("trace_id_a", "trace_id_b")]
    if not all(map(is_id, trace_ids)):
        raise NotFound("There is no such trace.")
    read = [reader(request, caller).trace(trace_id, payloads=False) for trace_id in trace_ids]
    summaries = [summary_json(trace_id, head) for trace_id, (head, _) in zip(trace_ids, read, strict=True)]
    first, second = (_spans(outline_rows(spans, head.summary.root_span_id), head.summary) for head, spans in read)

    answer = Answer(token_budget, lists=3)
    totals = {name: [_short(name, summary[name]) for summary in summaries] for name in _TOTALS}
    answer.put_object("totals", {name: pair for name, pair in totals.items() if any(pair)}, answer.room // 3)

    changes = []
    for place, (key, span) in enumerate(first.items()):
        if key in second and (change := _change(place, span, second[key])):
            changes.append(change)
    changes.sort(key=lambda change: (change.precedence, change.place))
    both = len(first.keys() & second.keys())
    answer.put("same", both - len(changes))
    only_in_a = [_shown(span) for key, span in first.items() if key not in second]
    only_in_b = [_shown(span) for key, span in second.items() if key not in first]
    answer.put_rows("changed", [change.row for change in changes], answer.room // 2)
    answer.put_rows("only_in_a", only_in_a, answer.room // 2)
    answer.put_rows("only_in_b", only_in_b)
    return answer.end()


def _spans(rows: Sequence[OutlineRow], summary: Summary) -> dict[_Key, dict[str, Any]]:
    """The spans of a trace by their key, in tree order."""
    seen = Counter[tuple[str, str]]()
    spans = {}
    for row in rows:
        content = outline_json(row, summary.start_ns)
        kind = (content.get("operation_type", ""), content.get("span_name", ""))
        spans[*kind, seen[kind]] = content
        seen[kind] += 1
    return spans


def _change(place: int, first: Mapping[str, Any], second: Mapping[str, Any]) -> _Change | None:
    """The difference of two spans: of outcome, of model, or of numbers alone. *absent*: None for no difference."""
    different = [name for name in _COMPARED if _is_different(name, first.get(name), second.get(name))]
    if not different:
        return None
    precedence = min(0 if name in ("status", "error_type") else 1 if "model" in name else 2 for name in different)
    row = {name: _short(name, first[name]) for name in ("span_name", "operation_type") if name in first}
    row["span_ids"] = [first["span_id"], second["span_id"]]
    row |= {name: [_short(name, span.get(name)) for span in (first, second)] for name in different}
    return _Change(precedence, place, row)


def _is_different(name: str, first: Any, second: Any) -> bool:
    if name == "duration_ms" and first is not None and second is not None:
        return bool(abs(first - second) > _SAME_DURATION * max(first, second))
    return bool(first != second)


def _shown(span: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _short(name, span[name]) for name in _SHOWN if name in span}


def _short(name: str, value: Any) -> Any:
    if isinstance(value, list):
        return [short(each, NAME_TOKENS) for each in value[:5]]
    if not isinstance(value, str) or name == "span_id":
        return value
    return short(value, PREVIEW_TOKENS if name in _TEXTS else NAME_TOKENS)
