"""Frameworks for JavaScript report kinds, counts and tools in words and wrappers of their own."""

import json
from typing import Any

import pytest

from tests.otlp_spans import ANSWER, ANSWERED, ASKED, QUESTION, fields_of
from tracestore.ingest.field_readers import normalize_provider

RULES = {"role": "system", "parts": [{"type": "text", "text": "Answer briefly."}]}
CITY, WEATHER = {"city": "Zürich"}, {"celsius": 18}


# Google ADK


def answered(**counts: int) -> dict[str, Any]:
    """The attributes of a model call: the two counts that have attributes, and the answer that has them all."""
    answer = {
        "modelVersion": "gemini-2.5-flash-001",
        "content": {"role": "model", "parts": [{"text": ANSWER}]},
        "usageMetadata": counts,
    }
    return {
        "gen_ai.agent.name": "weather_agent",
        "gen_ai.system": "gcp.vertex.agent",
        "gen_ai.request.model": "gemini-2.5-flash",
        "gen_ai.usage.input_tokens": counts["promptTokenCount"],
        "gen_ai.usage.output_tokens": counts["candidatesTokenCount"],
        "gcp.vertex.agent.llm_request": json.dumps({"contents": [{"role": "user", "parts": [{"text": QUESTION}]}]}),
        "gcp.vertex.agent.llm_response": json.dumps(answer),
    }


def test_a_call_that_names_its_agent_is_a_call_with_the_counts_and_the_model_of_its_answer() -> None:
    counts = {"promptTokenCount": 1000, "candidatesTokenCount": 50, "totalTokenCount": 1080}
    fields = fields_of(answered(**counts, cachedContentTokenCount=700, thoughtsTokenCount=30), name="call_llm")
    assert (fields["operation_type"], fields["model_name"]) == ("completion", "gemini-2.5-flash-001")
    assert (fields["input_tokens"], fields["output_tokens"]) == (1000, 80)
    assert (fields["cached_input_tokens"], fields["reasoning_tokens"]) == (700, 30)
    assert fields["input_data"]["messages"] == [ASKED]


def test_thoughts_are_apart_from_the_answer_also_without_a_total() -> None:
    fields = fields_of(answered(promptTokenCount=1000, candidatesTokenCount=50, thoughtsTokenCount=30), name="call_llm")
    assert (fields["output_tokens"], fields["reasoning_tokens"]) == (80, 30)


def test_a_summary_of_parallel_tools_is_no_further_tool_call() -> None:
    attributes = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "(merged tools)"}
    assert fields_of(attributes, name="execute_tool (merged)")["operation_type"] == "chain"
    assert fields_of(attributes, name="execute_tool weather")["operation_type"] == "tool_call"


# VoltAgent


@pytest.mark.parametrize(
    ("name", "attributes", "operation"),
    [
        ("llm:generateText", {"span.type": "llm"}, "completion"),
        ("memory.read", {"span.type": "memory"}, "other"),
        ("retriever.search", {"span.type": "retriever"}, "retrieval"),
        ("tool.execution:weather", {"span.type": "tool"}, "tool_call"),
        ("first", {"span.type": "workflow-step"}, "chain"),
        ("judge", {"span.type": "scorer"}, "evaluation"),
        ("weather_agent", {"agent.state": "completed"}, "agent"),
        ("plan", {"workflow.execution.id": "e1"}, "workflow"),
        ("claude_code.interaction", {"span.type": "interaction"}, "agent"),
        ("claude_code.tool.execution", {"span.type": "tool.execution"}, "other"),
        ("claude_code.tool.blocked_on_user", {"span.type": "tool.blocked_on_user"}, "other"),
    ],
)
def test_the_type_of_a_span_is_its_kind(name: str, attributes: dict[str, Any], operation: str) -> None:
    assert fields_of({"entity.type": "agent", **attributes}, name=name)["operation_type"] == operation


def test_the_input_of_a_tool_goes_before_the_schema_of_its_parameters() -> None:
    attributes = {"tool.name": "weather", "tool.parameters": '{"type": "object"}', "input": json.dumps(CITY)}
    fields = fields_of({"span.type": "tool", **attributes}, name="tool.execution:weather")
    assert (fields["tool_name"], fields["input_data"]) == ("weather", CITY)


def test_a_call_has_its_model_and_its_messages_in_attributes_of_the_framework() -> None:
    sent = json.dumps([{"role": "system", "content": "Answer briefly."}, {"role": "user", "content": QUESTION}])
    fields = fields_of({"span.type": "llm", "llm.model": "gpt-4o-mini", "llm.messages": sent}, name="llm:streamText")
    assert fields["model_name"] == "gpt-4o-mini"
    assert fields["input_data"]["messages"] == [RULES, ASKED]
    assert (
        fields_of({"agent.state": "completed", "ai.model.name": "gpt-4o-mini"}, name="a")["model_name"] == "gpt-4o-mini"
    )


# TanStack AI


@pytest.mark.parametrize("mark", ["tanstack.ai.iteration", "tanstack.ai.iterations"])
@pytest.mark.parametrize(("model", "tokens"), [("claude-sonnet-4-5", 2802), ("gpt-4o-mini", 2000)])
def test_a_framework_passes_on_counts_without_the_cache(mark: str, model: str, tokens: int) -> None:
    counts = {"input_tokens": 2000, "output_tokens": 47, "total_tokens": 2047}
    counts |= {"cache_read.input_tokens": 641, "cache_creation.input_tokens": 161}
    attributes = {f"gen_ai.usage.{name}": count for name, count in counts.items()}
    fields = fields_of({"gen_ai.request.model": model, mark: 1, **attributes})
    assert (fields["input_tokens"], fields["cached_input_tokens"]) == (tokens, 641)


def test_the_loop_around_calls_is_a_chain() -> None:
    attributes = {"gen_ai.system": "openai", "gen_ai.request.model": "gpt-4o-mini"}
    assert fields_of({**attributes, "tanstack.ai.iterations": 2})["operation_type"] == "chain"
    assert fields_of(attributes)["operation_type"] == "completion"


# Tools inside of messages and requests


@pytest.mark.parametrize(
    ("sent", "arguments"),
    [
        ([{"role": "tool", "content": json.dumps(CITY)}], CITY),
        ([{"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "w", "arguments": CITY}}]}], CITY),
        ({"callId": "c1", "name": "weather", "args": CITY, "prompt_id": "p1"}, CITY),
        ({"request": {"callId": "c1", "args": CITY}}, CITY),
        ({"args": CITY}, {"args": CITY}),
        ([{"role": "admin"}], [{"role": "admin"}]),
        ([{"role": "assistant", "parts": [{"type": "tool_call", "id": "c1"}]}], None),
        ([{"role": "tool", "tool_call_id": "c1"}], None),
        ([{"role": "tool", "content": "a"}, {"role": "tool", "content": "b"}], None),
    ],
)
def test_the_arguments_of_a_tool_are_taken_out_of_a_message_or_a_request(sent: Any, arguments: Any) -> None:
    fields = fields_of({"gen_ai.tool.name": "weather", "gen_ai.input.messages": json.dumps(sent)})
    assert fields["input_data"] == (sent if arguments is None else arguments)


@pytest.mark.parametrize(
    ("sent", "result"),
    [
        ([{"role": "tool", "content": json.dumps(WEATHER)}], WEATHER),
        ([{"role": "tool", "content": "dry"}], "dry"),
        ({"status": "success", "response": {"responseParts": [{"functionResponse": {"response": WEATHER}}]}}, WEATHER),
        ({"response": {"responseParts": []}}, {"response": {"responseParts": []}}),
        ({"response": WEATHER}, {"response": WEATHER}),
    ],
)
def test_the_result_of_a_tool_is_taken_out_of_a_message_or_an_answer(sent: Any, result: Any) -> None:
    fields = fields_of({"gen_ai.tool.name": "weather", "gen_ai.output.messages": json.dumps(sent)})
    assert fields["output_data"] == result


def test_a_handler_of_a_toolkit_is_a_tool_call() -> None:
    fields = fields_of({"tool": "weather", "parameters": json.dumps(CITY)}, name="Toolkit.handle")
    assert (fields["operation_type"], fields["tool_name"], fields["input_data"]) == ("tool_call", "weather", CITY)


TOOL_MESSAGE: dict[str, Any] = {"content": json.dumps(WEATHER), "name": "weather", "tool_call_id": "c1"}


@pytest.mark.parametrize(
    "sent",
    [
        {"lc": 1, "type": "constructor", "id": ["langchain_core", "messages", "ToolMessage"], "kwargs": TOOL_MESSAGE},
        {"type": "tool", **TOOL_MESSAGE},
    ],
)
def test_the_message_that_a_tool_returned_is_its_content(sent: dict[str, Any]) -> None:
    attributes = {"langfuse.observation.type": "tool", "langfuse.observation.output": json.dumps(sent)}
    assert fields_of(attributes)["output_data"] == WEATHER


def test_the_message_of_a_tool_that_failed_stays_whole() -> None:
    sent = {"type": "tool", "status": "error", **TOOL_MESSAGE}
    attributes = {"langfuse.observation.type": "tool", "langfuse.observation.output": json.dumps(sent)}
    assert fields_of(attributes)["output_data"] == sent


# Other forms


def test_instructions_alone_give_way_to_an_attribute_with_the_question() -> None:
    attributes = {
        "openinference.span.kind": "AGENT",
        "llm.input_messages.0.message.role": "system",
        "llm.input_messages.0.message.content": "Answer briefly.",
    }
    assert fields_of(attributes)["input_data"]["messages"] == [RULES]
    attributes["input.value"] = json.dumps({"system": "Answer briefly.", "prompt": QUESTION})
    assert fields_of(attributes)["input_data"]["messages"] == [RULES, ASKED]


def test_texts_and_vectors_of_an_embedding_are_without_quotes() -> None:
    attributes = {"ai.operationId": "ai.embedMany.doEmbed", "ai.values": ['"a"', "b"], "ai.embeddings": ["[0.25,-0.5]"]}
    fields = fields_of(attributes)
    assert (fields["input_data"], fields["output_data"]) == (["a", "b"], [[0.25, -0.5]])


def test_chunks_of_a_streamed_reply_are_one_message() -> None:
    parts: list[Any] = [{"text": "Hm", "thought": True}, {"text": "m.", "thought": True}]
    parts += [{"text": ANSWER[:5]}, {"text": ANSWER[5:]}, {"functionCall": {"id": "c1", "name": "w", "args": CITY}}]
    chunks: list[Any] = [{"candidates": [{"content": {"role": "model", "parts": [part]}}]} for part in parts]
    chunks[-1]["candidates"][0]["finishReason"] = "STOP"
    fields = fields_of({"gen_ai.operation.name": "chat", "gen_ai.output.messages": json.dumps(chunks)})
    (message,) = fields["output_data"]["messages"]
    kinds = [(part["type"], part.get("text")) for part in message["parts"]]
    assert kinds == [("reasoning", "Hmm."), ("text", ANSWER), ("tool_call", None)]
    assert fields["finish_reason"] == "STOP"


def test_chunks_of_two_candidates_are_two_messages() -> None:
    chunks = [
        {"candidates": [{"index": index, "content": {"role": "model", "parts": [{"text": text}]}}]}
        for index, text in ((0, "a"), (1, "x"), (0, "b"), (1, "y"))
    ]
    fields = fields_of({"gen_ai.operation.name": "chat", "gen_ai.output.messages": json.dumps(chunks)})
    texts = [message["parts"][0]["text"] for message in fields["output_data"]["messages"]]
    assert texts == ["ab", "xy"]


def test_instructions_that_a_client_quotes_from_the_answer_go_before_the_messages() -> None:
    fields = fields_of(
        {
            "langfuse.observation.type": "generation",
            "langfuse.observation.metadata.instructions": "Answer briefly.",
            "langfuse.observation.input": json.dumps([{"role": "user", "content": QUESTION}]),
            "langfuse.observation.output": json.dumps({"role": "assistant", "content": ANSWER}),
        }
    )
    assert fields["input_data"]["messages"] == [RULES, ASKED]
    assert fields["output_data"]["messages"] == [ANSWERED]
    assert "instructions" not in fields["metadata"]


@pytest.mark.parametrize("sent", ["my-own.chat", "my-own.responses", "my-own"])
def test_the_name_of_a_provider_ends_before_its_api(sent: str) -> None:
    assert normalize_provider(sent) == "my-own"
