"""Tables of the events that coding agents send as log records. Data only, read by `agent_events` and `agent_spans`.

A record is known by the last word of its event's name and by an attribute that each record of its kind has. Agents that
share a vocabulary, such as the forks of Gemini CLI, differ in the words before the last.
*source*: the telemetry documents and recorded sessions of Claude Code, Codex CLI, Gemini CLI and Qwen Code.
"""

from typing import Final, Literal, NamedTuple, TypeAlias

from tracestore.domain.log_messages import Direction

EventKind: TypeAlias = Literal["prompt", "call", "attempt", "usage", "request", "reply", "tool", "decision"]
"""The subject of a record: a user's prompt, a model call that ended, one HTTP request of a call, the usage of a call,
the messages sent with a call, the text of its reply, a tool call that ended, or the decision whether it may run."""


class EventRow(NamedTuple):
    """The kind of an event, one of whose attributes `requires` a record to have, and the attributes that are renamed.

    `names` are written as `attribute=name`, the name being one that the convention tables read.
    """

    kind: EventKind
    requires: frozenset[str]
    names: tuple[tuple[str, str], ...] = ()


def _row(kind: EventKind, requires: str, names: str = "") -> EventRow:
    pairs = (pair.partition("=") for pair in names.split())
    return EventRow(kind, frozenset(requires.split()), tuple((name, standard) for name, _, standard in pairs))


_MODEL = "model=gen_ai.request.model model_name=gen_ai.request.model"
_COUNTS = """input_token_count=agent.usage.input_tokens output_token_count=agent.usage.output_tokens
    cached_content_token_count=agent.usage.cached_tokens thoughts_token_count=agent.usage.reasoning_tokens
    cached_token_count=agent.usage.cached_tokens cache_write_token_count=agent.usage.cache_write_tokens
    reasoning_token_count=agent.usage.reasoning_tokens total_token_count=agent.usage.total_tokens"""
_APART = """input_tokens=agent.usage_apart.input_tokens output_tokens=agent.usage_apart.output_tokens
    cache_read_tokens=agent.usage_apart.cache_read_tokens
    cache_creation_tokens=agent.usage_apart.cache_creation_tokens
    cache_creation_5m_tokens=agent.usage_apart.cache_creation_5m_tokens
    cache_creation_1h_tokens=agent.usage_apart.cache_creation_1h_tokens"""
_TOOL = """tool_name=gen_ai.tool.name function_name=gen_ai.tool.name arguments=gen_ai.tool.call.arguments
    function_args=gen_ai.tool.call.arguments tool_input=gen_ai.tool.call.arguments
    tool_parameters=gen_ai.tool.call.arguments output=gen_ai.tool.call.result"""
_ANSWER = "finish_reasons=gen_ai.response.finish_reasons response_text=gen_ai.output.messages"
_FAILURE = "error_type=error.type error=error.message"

EVENTS: Final[dict[str, tuple[EventRow, ...]]] = {
    "user_prompt": (_row("prompt", "prompt prompt_length"),),
    "api_request": (
        _row("call", "input_tokens output_tokens cost_usd", f"{_MODEL} {_APART} {_ANSWER} cost_usd=gen_ai.usage.cost"),
        _row("attempt", "http.response.status_code endpoint", f"{_MODEL} {_FAILURE}"),
        _row("request", "request_text", f"{_MODEL} request_text=gen_ai.input.messages"),
    ),
    "api_response": (
        _row("call", "input_token_count output_token_count status_code", f"{_MODEL} {_COUNTS} {_ANSWER} {_FAILURE}"),
    ),
    "api_error": (_row("call", "error error_message error.message status_code", f"{_MODEL} {_FAILURE}"),),
    "assistant_response": (_row("reply", "response", f"{_MODEL} response=gen_ai.output.messages"),),
    "websocket_request": (_row("attempt", "success error.message", f"{_MODEL} {_FAILURE}"),),
    "sse_event": (
        # Codex names the total after tools.
        _row(
            "usage",
            "input_token_count error.message",
            f"{_MODEL} {_COUNTS} tool_token_count=agent.usage.total_tokens {_FAILURE}",
        ),
    ),
    "tool_result": (_row("tool", "tool_name", f"{_TOOL} {_FAILURE}"),),
    "tool_call": (_row("tool", "function_name tool_name", f"{_TOOL} {_FAILURE}"),),
    "tool_decision": (_row("decision", "tool_name", _TOOL),),
}

SESSIONS: Final = ("session.id", "conversation.id", "gen_ai.conversation.id", "session_id", "conversation_id")
"""Attributes with the id of the session, which is the conversation. Every event of an agent has one."""

PROMPTS: Final = ("prompt.id", "prompt_id", "gen_ai.prompt.name")
"""Attributes with the id of the prompt that began a turn."""

ROUND_OF_SUBAGENT: Final = r"(?<!#)#\d+$"
"""The end of a prompt id that numbers the calls of a sub agent. *source*: Gemini CLI (`agent#0`), Qwen Code; the ids of
prompts themselves end with `########0`."""

TURN_TEXTS: Final[dict[EventKind, tuple[Direction, str, str]]] = {
    "prompt": ("input", "user", "prompt"),
    "reply": ("output", "assistant", "response"),
}
"""The attributes with a text of the whole turn: its direction, its role, and the name."""

CALL_KEYS: Final = {
    "completion": ("request_id", "response_id"),
    "tool_call": ("tool_use_id", "call_id", "tool.call_id", "gen_ai.tool.call.id", "gen_ai.tool.call_id"),
}
"""Attributes with the sender's id of a call, by its operation: records and spans of the same call share it."""

USAGE_IN_SPANS: Final = ("app.version", (0, 128))
"""The attribute with the version of an agent, and the version since which its spans have the usage of calls. Records of
usage that name no trace are the only ones before. *source*: Codex."""

CALL_ENDPOINTS: Final = frozenset({"responses", "completions", "messages"})
"""The last word in the `endpoint` of an HTTP request that calls a model, as opposed to one that lists models."""

DURATIONS: Final = ("duration_ms", "duration")

PROVIDERS: Final = {"firstParty": "anthropic", "bedrock": "aws.bedrock", "vertex": "gcp.vertex_ai"}
PROVIDER: Final = "anthropic.provider"
"""The attribute of Claude Code that names its provider, and the providers by its values."""

PROVIDERS_OF_SERVICES: Final = {"gemini-cli": "gcp.gemini", "claude-code": "anthropic"}
"""Providers of agents whose records name none. The id of a model at Bedrock goes before."""

WRITTEN_IN_TURNS: Final = "prompt.id"
"""The attribute of records about calls that name the span of the turn, not that of the call. *source*: Claude Code."""

ASIDE: Final = (("query_source", "agent:"), ("role", "subagent"), ("role", "utility_"))
"""Attributes with the origin of a call or a reply, and the start of their values where that is a sub agent or an aid of
the agent: its reply does not go to the user, and its failure is not that of the turn.

*source*: Claude Code (`query_source`), Gemini CLI (`role`)."""

MCP_DETAILS: Final = "tool_parameters"
MCP_NAMES: Final = ("mcp_server_name", "mcp_tool_name")
MCP_NAME: Final = "mcp__{}__{}"
"""Where a record that calls each tool of an MCP server by one name has the names of both, and how the model calls it.

*source*: Claude Code, `tool_result`."""

REDACTED: Final = frozenset({"<REDACTED>", "[REDACTED]"})
"""Texts in place of a prompt or a reply that the settings of the agent exclude."""

REJECTIONS: Final = frozenset({"reject", "rejected", "deny", "denied", "abort", "aborted", "cancel", "cancelled"})
"""Decisions of a person that a tool may not run."""

EXIT_CODE_KEYS: Final = ("exitCode", "exit_code", "exit")
EXIT_CODE_TEXT: Final = r"^Process exited with code (-?\d+)$"
"""Where the result of a command has its exit code, in the details of a record and in the text of the result."""

COMMANDS: Final = ("opencode", "ai.toolCall", "ai.toolCall.result")
"""The service, the name of a span and its attribute with the result of a tool, in whose `metadata` the exit code is."""

PROMPT_IN_ARGUMENTS: Final = frozenset({"-p", "--prompt"})
"""Arguments of an agent that is started for a single prompt."""

CALLS_APART: Final = frozenset({"llm_call", "tool_call", "schedule_tool_calls", "agent_call"})
"""Operations (`gen_ai.operation.name`) of an agent that gives each model call and each round of tools its own trace.

*source*: Gemini CLI, `GeminiCliOperation`.
"""

MARK_OF_CALLS_APART: Final = "installation.id"
"""The attribute of all records of such an agent, also of those with standard names."""
