"""The tools: their names, their descriptions and their schemas. All of it is fixed text, and none comes from traces."""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, TypeAlias

from tracestore.domain.dimensions import FILTERS, GROUPINGS
from tracestore.domain.errors import TracestoreError
from tracestore.http.errors import status_of
from tracestore.http.identity import Identity
from tracestore.http.request import Request

from .arguments import TOKEN_BUDGET, Argument, request_with, schema_of, sentence_of, token_budget_of
from .comparing import COMPARE_ARGUMENTS, COMPARE_OUTPUT, compare_traces
from .searching import SEARCH_ARGUMENTS, SEARCH_OUTPUT, search_traces
from .tokens import json_text
from .traces import SPAN_ARGUMENTS, SPAN_OUTPUT, TRACE_ARGUMENTS, TRACE_OUTPUT, get_span, get_trace

SERVER_ERRORS: Final = 500
"""The lowest status of failures that no other argument would prevent."""

Run: TypeAlias = Callable[[Request, Identity, int], dict[str, Any]]
"""A function that returns the answer of a tool within a budget of tokens. *raises*: TracestoreError."""


class Tool(NamedTuple):
    """A tool that reads the traces of the caller's owner."""

    title: str
    description: str
    arguments: Mapping[str, Argument]
    output: Mapping[str, Any]
    required: tuple[str, ...]
    run: Run

    def definition(self, name: str, *, has_structure: bool) -> dict[str, Any]:
        """The tool as a client lists it. Older versions of the protocol have no `has_structure`."""
        definition: dict[str, Any] = {
            "name": name,
            "title": self.title,
            "description": self.description,
            "inputSchema": schema_of(self.arguments),
            "annotations": {"title": self.title, "readOnlyHint": True, "openWorldHint": False},
        }
        if has_structure:
            definition["outputSchema"] = {
                "type": "object",
                "properties": {
                    "notice": {"type": "string"},
                    **self.output,
                    "left_out": {
                        "type": "object",
                        "description": "Rows that the budget had no room for, by list.",
                        "additionalProperties": {"type": "integer"},
                    },
                },
                "required": ["notice", *self.required],
            }
        return definition


def _costs(request: Request, caller: Identity, token_budget: int) -> dict[str, Any]:
    from .spending import costs  # imports analytics, which no other tool needs

    return costs(request, caller, token_budget)


COSTS_ARGUMENTS: Final[Mapping[str, Argument]] = {
    "group_by": Argument("string", "What to sum by.", rules={"enum": [*GROUPINGS], "default": "model_name"}),
    "start_date": Argument("string", "A time or a day, such as 2026-11-22. By default a day before end_date."),
    "end_date": Argument("string", "A time, or a day that is included. By default now."),
    "timezone": Argument("string", "The IANA time zone of days; UTC by default."),
    **{name: Argument("string", "Only calls with this value.") for name in FILTERS},
    "token_budget": TOKEN_BUDGET,
}

_COSTS_OUTPUT: Final[dict[str, Any]] = {
    "range": {"type": "object"},
    "group_by": {"type": "string"},
    "totals": {"type": "object"},
    "groups": {"type": "array", "items": {"type": "object"}, "description": "The most expensive first."},
}

TOOLS: Final[Mapping[str, Tool]] = {
    "search_traces": Tool(
        "Search traces",
        "List traces of an LLM application, the newest first, by text, outcome, model, tool, user, conversation, time, "
        "cost or duration. Returns one summary a trace. Begin here, then call get_trace.",
        SEARCH_ARGUMENTS,
        SEARCH_OUTPUT,
        ("traces",),
        search_traces,
    ),
    "get_trace": Tool(
        "Get a trace",
        "Explain one trace: what failed first, which model calls were repeated and what that cost, which steps took "
        "the time, and the other steps as far as the budget allows. For inputs and outputs, call get_span.",
        TRACE_ARGUMENTS,
        TRACE_OUTPUT,
        (),
        get_trace,
    ),
    "get_span": Tool(
        "Get a span",
        "Get one step of a trace with its input, output, error and metadata. Long texts are cut in their middle; "
        "cut_characters states how much. A larger token_budget shows more.",
        SPAN_ARGUMENTS,
        SPAN_OUTPUT,
        (),
        get_span,
    ),
    "compare_traces": Tool(
        "Compare two traces",
        "Compare two traces, such as a failed and a successful run: totals side by side, steps that only one has, and "
        "steps whose outcome, model, cost or duration differs.",
        COMPARE_ARGUMENTS,
        COMPARE_OUTPUT,
        (),
        compare_traces,
    ),
    "costs": Tool(
        "Sum costs",
        "Sum costs, calls, errors and tokens over a range of time, by model, provider, operation, service, tool, end "
        "user or environment, the most expensive first.",
        COSTS_ARGUMENTS,
        _COSTS_OUTPUT,
        (),
        _costs,
    ),
}


def call_tool(
    request: Request, caller: Identity, name: str, arguments: Mapping[str, Any], *, has_structure: bool
) -> dict[str, Any]:
    """The result of a call. A mistake of the caller gives a result too, so that the model can correct its arguments.

    *shape*: the same JSON as text and, where the protocol has it, as `structuredContent`. *raises*: Unavailable, and
    other failures of the server.
    """
    tool = TOOLS[name]
    try:
        inner = request_with(request, name, tool.arguments, arguments)
        answer = tool.run(inner, caller, token_budget_of(inner))
    except TracestoreError as error:
        if status_of(error) >= SERVER_ERRORS:
            raise
        return {"content": [{"type": "text", "text": sentence_of(error)}], "isError": True}
    result: dict[str, Any] = {"content": [{"type": "text", "text": json_text(answer)}], "isError": False}
    return {**result, "structuredContent": answer} if has_structure else result
