"""Log records of coding agents become the spans that they report."""

import json
from typing import Any

import pytest

from tests.agents import totals, traces_of
from tracestore.domain.merge import Span
from tracestore.ingest.agent_events import agent_fields
from tracestore.ingest.agent_spans import with_turns
from tracestore.ingest.otlp import Attributes, Origin, OtlpLog, OtlpSpan

MS = 1_000_000
END_NS = 1_750_000_000_000 * MS
ORIGIN = Origin({"service.name": "an-agent"}, "an.agent", "1", {})
IN_SESSION: Attributes = {"session.id": "s1", "prompt.id": "p1"}


def record(name: str, ids: tuple[str, str] = ("", ""), time_ns: int = END_NS, **values: Any) -> OtlpLog:
    """A record of an event; `__` in the names of attributes is a dot."""
    attributes = {key.replace("__", "."): value for key, value in values.items()}
    return OtlpLog(*ids, time_ns, "", None, {**IN_SESSION, "event.name": name, **attributes}, ORIGIN)


def span(name: str, start_ms: int, end_ms: int, **values: Any) -> OtlpSpan:
    """A captured span of the trace `t`, that many milliseconds after `END_NS`."""
    attributes = {key.replace("__", "."): value for key, value in values.items()}
    times = (END_NS + start_ms * MS, END_NS + end_ms * MS)
    return OtlpSpan("t" * 32, name, None, name, "internal", *times, attributes, [], [], "unset", "", ORIGIN)


def spans_of(*records: OtlpLog | OtlpSpan) -> dict[str, Span]:
    """The spans of the one trace that these records form, by name."""
    (spans,) = traces_of([records]).values()
    return {str(span.fields.get("span_name")): span for span in spans}


CLAUDE_CALL: dict[str, Any] = {
    **{"model": "claude-sonnet-4-5", "request_id": "r1", "duration_ms": 900, "cost_usd": 0.0026429999999999995},
    **{"input_tokens": 101, "output_tokens": 41, "cache_read_tokens": 2000, "cache_creation_tokens": 300},
}


def test_counts_of_claude_code_leave_the_cache_out() -> None:
    call = spans_of(record("api_request", **CLAUDE_CALL))["chat claude-sonnet-4-5"]
    assert (call.fields["input_tokens"], call.fields["cached_input_tokens"]) == (2401, 2000)
    assert (call.fields["cache_write_tokens"], call.fields["output_tokens"]) == (300, 41)
    assert call.fields["cost_nano_usd"] == 2_643_000
    assert call.fields["end_ns"] - call.fields["start_ns"] == 900 * MS


def test_counts_of_gemini_cli_leave_thoughts_out_and_those_of_qwen_code_include_them() -> None:
    counts: dict[str, Any] = {"input_token_count": 2401, "cached_content_token_count": 2000}
    counts |= {"model": "m", "thoughts_token_count": 16}
    for output, total in ((25, 2442), (41, 2442)):
        event = record("gemini_cli.api_response", output_token_count=output, total_token_count=total, **counts)
        call = spans_of(event)["chat m"]
        assert (call.fields["input_tokens"], call.fields["output_tokens"]) == (2401, 41)
        assert call.fields["reasoning_tokens"] == 16
        assert "usage_ambiguous" not in call.fields


def test_a_fork_of_gemini_cli_is_read_by_its_events() -> None:
    spans = spans_of(
        record("some_fork.user_prompt", prompt="Hello"),
        record("some_fork.api_response", model="m", input_token_count=3, output_token_count=4, total_token_count=7),
        record("some_fork.tool_call", function_name="ls", function_args='{"path": "."}', success=True, duration_ms=5),
    )
    assert spans["execute_tool ls"].fields["input_data"] == {"path": "."}
    assert spans["chat m"].fields["output_tokens"] == 4
    turn = spans["an-agent turn"].fields
    assert (turn["operation_type"], turn["conversation_id"]) == ("agent", "s1")
    assert "Hello" in str(turn["input_data"])


def test_a_record_without_a_session_or_of_an_unknown_event_is_not_an_agent_s() -> None:
    unknown = record("gemini_cli.config", model="m")
    without = OtlpLog("", "", END_NS, "", None, {"event.name": "user_prompt", "prompt": "Hi"}, ORIGIN)
    assert agent_fields([unknown, without]) == ([], [unknown, without])


@pytest.mark.parametrize("redacted", ["<REDACTED>", "[REDACTED]"])
def test_a_redacted_prompt_is_no_input(redacted: str) -> None:
    assert "input_data" not in spans_of(record("user_prompt", prompt=redacted))["an-agent turn"].fields


@pytest.mark.parametrize(
    ("values", "status", "message"),
    [
        ({"success": "false", "error": "No such file", "error_type": "ShellError"}, "error", "No such file"),
        ({"success": "true"}, "success", None),
        ({"success": True, "metadata": '{"exitCode": 2, "isError": true}'}, "error", "Exit code 2"),
        ({"success": "true", "output": "Wall time: 1\nProcess exited with code 7\nOutput:\n"}, "error", "Exit code 7"),
        ({"success": "true", "output": "Process exited with code 0\n"}, "success", None),
        ({"success": False, "decision": "reject"}, "success", None),
        ({"success": "false", "output": "unsupported call"}, "error", "unsupported call"),
        ({"success": "false", "output": "Process exited with code 3\n"}, "error", "Exit code 3"),
    ],
)
def test_the_outcome_of_a_tool(values: dict[str, Any], status: str, message: str | None) -> None:
    tool = spans_of(record("tool_result", tool_name="Bash", tool_use_id="u1", **values))["execute_tool Bash"]
    assert (tool.status, tool.fields.get("error_message")) == (status, message)


def test_a_rejected_tool_is_interrupted_and_no_error() -> None:
    tool = spans_of(record("tool_decision", tool_name="Bash", call_id="c1", decision="denied"))["execute_tool Bash"]
    assert (tool.status, tool.fields["interrupted"]) == ("success", True)
    assert tool.fields["events"][0]["attributes"] == {"decision": "denied"}  # type: ignore[index, call-overload]


@pytest.mark.parametrize(("decision", "is_interrupted"), [("reject", True), ("accept", None), ("unknown", None)])
def test_a_tool_whose_span_waits_for_a_refusal_is_interrupted(decision: str, is_interrupted: bool | None) -> None:
    tool = span("claude_code.tool", 0, 9, tool_name="Write", span__type="tool")
    wait = span("claude_code.tool.blocked_on_user", 0, 3, decision=decision, span__type="tool.blocked_on_user")
    spans = spans_of(tool, wait._replace(parent_span_id=tool.span_id))
    assert spans["claude_code.tool"].status == "success"
    assert spans["claude_code.tool"].fields.get("interrupted") is is_interrupted
    assert spans["claude_code.tool.blocked_on_user"].fields["operation_type"] == "other"


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        ({"mcp_server_name": "wx", "mcp_tool_name": "weather"}, "mcp__wx__weather"),
        ({"mcp_server_name": "wx"}, "mcp_tool"),
        ({"bash_command": "ls"}, "mcp_tool"),
    ],
)
def test_a_tool_of_an_mcp_server_has_the_name_that_the_model_called(parameters: dict[str, str], name: str) -> None:
    event = record("tool_result", tool_name="mcp_tool", tool_use_id="u1", tool_parameters=json.dumps(parameters))
    assert spans_of(event)[f"execute_tool {name}"].fields["tool_name"] == name


def test_the_reply_of_a_sub_agent_is_no_reply_of_the_turn() -> None:
    replies = [
        record("assistant_response", response="Looked.", query_source="agent:builtin:general-purpose", request_id="r1"),
        record("assistant_response", time_ns=END_NS + MS, response="Done.", query_source="sdk", request_id="r2"),
    ]
    calls = [record("api_request", **{**CLAUDE_CALL, "request_id": key}) for key in ("r1", "r2")]
    (spans,) = traces_of([[*replies, *calls]]).values()
    outputs = [text_of(span.fields["output_data"]) for span in spans if "output_data" in span.fields]
    assert sorted(outputs) == ["Done.", "Done.", "Looked."]


def text_of(content: Any) -> str:
    return "".join(part["text"] for message in content["messages"] for part in message["parts"])


def test_a_call_of_claude_code_is_anthropic_s_unless_its_model_is_at_bedrock() -> None:
    origin = Origin({"service.name": "claude-code"}, "", "", {})
    for model, provider in (("claude-sonnet-4-5", "anthropic"), ("us.anthropic.claude-sonnet-4-5-v1:0", "aws.bedrock")):
        event = record("api_request", **{**CLAUDE_CALL, "model": model})._replace(origin=origin)
        assert spans_of(event)[f"chat {model}"].fields["model_provider"] == provider


def test_the_wait_for_the_first_token_is_in_records_and_in_spans() -> None:
    event = record("codex.sse_event", model="m", input_token_count=9, output_token_count=1, ttft_ms=171)
    request = record("codex.api_request", time_ns=END_NS - MS, model="m", endpoint="/responses", duration_ms="1")
    assert spans_of(request, event)["chat m"].fields["time_to_first_token_ns"] == 171 * MS
    call = span("claude_code.llm_request", 0, 900, gen_ai__operation__name="chat", ttft_ms=161)
    assert spans_of(call)["claude_code.llm_request"].fields["time_to_first_token_ns"] == 161 * MS


@pytest.mark.parametrize("name", ["api_error", "codex.api_request", "codex.websocket_request"])
def test_a_failed_request_is_a_failed_call(name: str) -> None:
    event = record(name, model="m", error__message="Overloaded", http__response__status_code=529, success="false")
    call = spans_of(event)["chat m"]
    assert (call.status, call.fields["error_message"]) == ("error", "Overloaded")


def test_a_request_that_calls_no_model_is_no_call() -> None:
    assert agent_fields([record("api_request", model="m", endpoint="/models")])[0] == []


def test_usage_belongs_to_the_request_before_it_and_is_no_call_without_one() -> None:
    request = record("codex.api_request", model="m", endpoint="/responses", duration_ms="59")
    usage = record("codex.sse_event", time_ns=END_NS + 200 * MS, model="m", input_token_count="9", output_token_count=1)
    joined = spans_of(request, usage)["chat m"].fields
    assert (joined["operation_type"], joined["input_tokens"]) == ("completion", 9)
    assert joined["end_ns"] - joined["start_ns"] == 259 * MS
    alone = spans_of(usage)["chat m"].fields
    assert alone["operation_type"] == "other"
    assert "input_tokens" not in alone


@pytest.mark.parametrize(
    ("last", "status"),
    [
        ({"event__name": "api_error", "error": "Overloaded"}, "error"),
        ({"event__name": "api_error", "error": "Overloaded", "query_source": "agent:custom"}, "success"),
        ({"event__name": "api_error", "error": "Overloaded", "role": "utility_next_speaker"}, "success"),
        ({"event__name": "tool_result", "tool_name": "ls", "success": "false"}, "success"),
        ({"event__name": "api_request", **CLAUDE_CALL, "request_id": "r3"}, "success"),
    ],
)
@pytest.mark.parametrize("ids", [("", ""), ("t" * 32, "0" * 16)])
def test_a_turn_fails_where_the_last_call_of_the_agent_itself_has_failed(
    last: dict[str, Any], status: str, ids: tuple[str, str]
) -> None:
    records = [
        record("user_prompt", ids, prompt="Go"),
        record("api_error", ids, END_NS + 1 * MS, error="Overloaded", request_id="r1"),
        record("api_request", ids, END_NS + 2 * MS, **{**CLAUDE_CALL, "request_id": "r2"}),
        record("", ids, END_NS + 3 * MS, **last),
    ]
    for requests in ([records], [[event] for event in reversed(records)]):
        (spans,) = traces_of(requests).values()
        (turn,) = (span for span in spans if span.fields["operation_type"] == "agent")
        assert turn.status == status


def test_a_call_that_was_recorded_in_a_span_of_its_own_adds_no_turn() -> None:
    event = record("api_response", ("t" * 32, "0" * 16), model="m", input_token_count=1, output_token_count=1)
    del event.attributes["prompt.id"]
    assert list(spans_of(event)) == ["chat m"]


def test_the_calls_of_a_sub_agent_are_one_turn_and_those_of_two_prompts_are_two() -> None:
    def traces(*prompts: str) -> int:
        calls: dict[str, Any] = {"model": "m", "input_token_count": 1, "output_token_count": 1}
        return len(traces_of([[record("api_response", prompt__id=prompt, **calls) for prompt in prompts]]))

    assert traces("s1#reader-call_1#0", "s1#reader-call_1#1") == 1
    assert traces("s1#reader-call_1#0", "s1#reader-call_2#0") == 2
    assert traces("s1########0", "s1########1") == 2


def test_a_process_for_one_prompt_is_one_turn_also_where_spans_and_records_name_different_sessions() -> None:
    arguments: Any = ["gemini", "--resume", "latest", "--prompt", "Go on"]
    origin = Origin({"session.id": "new", "process.pid": 7, "process.command_args": arguments}, "gemini-cli", "", {})
    call = span("llm_call", 0, 9, gen_ai__operation__name="llm_call", gen_ai__conversation__id="new")
    prompt = record("gemini_cli.user_prompt", prompt="Go on", session__id="resumed")
    merged = spans_of(call._replace(origin=origin), prompt._replace(origin=origin))
    (turn,) = (span for span in merged.values() if span.parent_span_id is None)
    assert (turn.fields["conversation_id"], merged["llm_call"].parent_span_id) == ("resumed", turn.span_id)


def test_a_sub_agent_of_gemini_cli_is_in_the_tree_of_its_turn() -> None:
    session = {"gen_ai__conversation__id": "s1"}
    origin = Origin({"service.name": "gemini-cli", "process.command_args": ["gemini", "-p"]}, "gemini-cli", "", {})
    spans = [
        span(name, 0, 9, gen_ai__operation__name=name, **session)._replace(origin=origin, parent_span_id=parent)
        for name, parent in (("tool_call", None), ("agent_call", "tool_call"), ("llm_call", "agent_call"))
    ]
    merged = spans_of(*spans)
    assert [merged[name].fields["operation_type"] for name in ("tool_call", "agent_call", "llm_call")] == [
        *("tool_call", "agent", "completion")
    ]
    assert merged["llm_call"].parent_span_id == "agent_call"


def test_a_span_with_the_usage_of_codex_begins_with_the_call_around_it() -> None:
    usage = {"gen_ai__usage__input_tokens": 9, "gen_ai__usage__output_tokens": 1, "codex__usage__total_tokens": 10}
    around = span("try_run_sampling_request", 0, 900, model="m")
    stream = span("receiving_stream", 60, 900)._replace(parent_span_id=around.span_id)
    end = span("handle_responses", 798, 800, **usage)._replace(parent_span_id=stream.span_id)
    tool = span("exec", 300, 900, call_id="c1", codex__tool__phase="dispatch")._replace(parent_span_id=stream.span_id)
    for order in ([around, stream, tool, end], [end, tool, stream, around]):
        (spans,) = traces_of([[each] for each in order]).values()
        (call,) = (found for found in spans if found.fields["operation_type"] == "completion")
        assert (call.fields["model_name"], call.fields["start_ns"]) == ("m", END_NS)
        assert call.fields["end_ns"] == END_NS + 800 * MS
    plain = end._replace(attributes={"gen_ai.usage.input_tokens": 9})
    for records in ([end], [around, stream, plain]):
        assert spans_of(*records)[end.name].fields["start_ns"] == END_NS + 798 * MS


def test_a_call_of_a_tool_that_two_spans_report_is_one() -> None:
    origin = Origin({"service.name": "opencode"}, "opencode", "1", {})
    values = {"tool__name": "weather", "tool__call_id": "c1"}
    for name in ("mcp.tools.call", "Tool.execute"):
        assert spans_of(span(name, 0, 9, **values)._replace(origin=origin))[name].fields["operation_type"] == "other"
    stated = span("Tool.execute", 0, 9, **values, gen_ai__operation__name="execute_tool")
    assert spans_of(stated)["Tool.execute"].fields["operation_type"] == "tool_call"


@pytest.mark.parametrize(
    ("code", "service", "status"), [(7, "opencode", "error"), (0, "opencode", "success"), (7, "x", "success")]
)
def test_a_command_of_opencode_fails_by_the_exit_code_in_its_result(code: int, service: str, status: str) -> None:
    result = json.dumps({"title": "run", "metadata": {"exit": code, "output": ""}, "output": ""})
    command = span("ai.toolCall", 0, 9, ai__operationId="ai.toolCall", ai__toolCall__result=result)
    origin = Origin({"service.name": service}, "opencode", "1", {})
    merged = spans_of(command._replace(parent_span_id="p", origin=origin))["ai.toolCall"]
    assert (merged.status, merged.fields.get("error_message")) == (status, "Exit code 7" if status == "error" else None)


@pytest.mark.parametrize(("version", "calls"), [("0.125.0", 1), ("0.128.0", 0), ("unknown", 0), ("1.0", 0)])
def test_usage_of_a_codex_without_usage_in_spans_is_a_call(version: str, calls: int) -> None:
    values: dict[str, Any] = {"model": "m", "app__version": version}
    usage = record(
        "codex.sse_event", time_ns=END_NS + 9_000 * MS, input_token_count="9", output_token_count=1, **values
    )
    request = record("codex.api_request", http__response__status_code=200, **values)
    in_trace = request._replace(trace_id="t" * 32, span_id="0" * 16)
    apart = [
        span for spans in traces_of([[usage, in_trace]]).values() for span in spans if "input_tokens" in span.fields
    ]
    assert [span.fields["operation_type"] for span in apart] == ["completion"] * calls
    assert totals(traces_of([[usage, in_trace]]))["model_calls"] == 1
    assert totals(traces_of([[usage, request]]))["model_calls"] == 1
    failure = record("codex.sse_event", error__message="cut off", **values)
    assert totals(traces_of([[failure]]))["model_calls"] == 0


def test_parallel_tools_of_one_name_are_joined_by_their_ids() -> None:
    names = {"tool_name": "Read", "gen_ai__tool__name": "Read"}
    spans = [
        span(f"tool-{key}", 0, 100, tool_use_id=key, gen_ai__operation__name="execute_tool", **names) for key in "ab"
    ]
    ids = ("t" * 32, "0" * 15 + "1")
    results = [
        record("tool_result", ids, END_NS + 90 * MS, tool_name="Read", tool_use_id=key, success=success, duration_ms=80)
        for key, success in (("a", "true"), ("b", "false"))
    ]
    merged = spans_of(*spans, *results)
    assert {name: merged[name].status for name in ("tool-a", "tool-b")} == {"tool-a": "success", "tool-b": "error"}
    assert len(merged) == 2


def test_a_long_id_of_a_call_joins_its_record_to_its_span() -> None:
    """Their times do not overlap: only the ids join them."""
    ids, key = ("t" * 32, "call-span"), "k" * 200
    call = span("chat m", 0, 10, gen_ai__operation__name="chat", request_id=key)
    event = record("api_request", ids, END_NS + 9_000 * MS, **{**CLAUDE_CALL, "request_id": key})
    (only,) = (found for found in spans_of(call, event).values() if found.fields["operation_type"] == "completion")
    assert only.fields["input_tokens"] == 2401


def test_the_first_record_of_a_turn_is_its_start_and_the_last_its_end() -> None:
    turn = spans_of(
        record("tool_result", tool_name="ls", duration_ms=5, time_ns=END_NS + 50 * MS),
        record("user_prompt", prompt_length=3),
        record("api_request", **CLAUDE_CALL | {"duration_ms": 10}, time_ns=END_NS + 20 * MS),
    )["an-agent turn"].fields
    assert (turn["start_ns"], turn["end_ns"]) == (END_NS, END_NS + 50 * MS)


def test_a_prompt_alone_is_no_work_of_an_agent() -> None:
    assert "operation_type" not in spans_of(record("user_prompt", prompt="Hi"))["an-agent turn"].fields


@pytest.mark.parametrize("operation", [["chat"], {"chat": 1}, 7])
def test_an_operation_that_is_no_text_is_no_call_of_an_agent(operation: Any) -> None:
    assert with_turns([sent := span("call", 0, 1, gen_ai__operation__name=operation)]) == [sent]
