"""Frameworks pass on what providers and libraries report, in forms of their own."""

import json
from typing import Any, cast

import pytest

from tests.otlp_spans import ANSWER, ANSWERED, ASKED, CALL, QUESTION, fields_of
from tracestore.ingest.log_fields import log_fields
from tracestore.ingest.otlp import Event, OtlpLog

RULES = {"role": "system", "parts": [{"type": "text", "text": "Answer briefly."}]}


def event(name: str, content: Any) -> Event:
    return Event(name, 1, {"gen_ai.system": "az.ai.inference", "gen_ai.event.content": json.dumps(content)})


EVENTS = [
    event("gen_ai.system.message", {"role": "system", "content": "Answer briefly."}),
    event("gen_ai.user.message", {"role": "user", "content": QUESTION}),
    event(
        "gen_ai.assistant.message",
        {
            "role": "assistant",
            "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Zürich"}'}}
            ],
        },
    ),
    event("gen_ai.tool.message", {"role": "tool", "content": "dry", "tool_call_id": "call_1"}),
    event("gen_ai.choice", {"message": {"content": ANSWER}, "finish_reason": "stop", "index": 0}),
]


def test_the_content_of_an_event_may_be_json_in_one_attribute() -> None:
    fields = fields_of({"gen_ai.operation.name": "chat"}, EVENTS)
    assert fields["input_data"]["messages"] == [
        RULES,
        ASKED,
        {"role": "assistant", "parts": [CALL]},
        {"role": "tool", "parts": [{"type": "tool_result", "id": "call_1", "result": "dry"}]},
    ]
    (answer,) = fields["output_data"]["messages"]
    assert answer == {**ANSWERED, "finish_reason": "stop", "index": 0}
    assert fields["finish_reason"] == "stop"
    assert "events" not in fields


def test_an_event_may_contain_a_conversation_as_json_in_one_attribute() -> None:
    events = [
        event("gen_ai.system.instructions", [{"type": "text", "content": "Answer briefly."}]),
        event("gen_ai.input.messages", [{"role": "user", "parts": [{"type": "text", "content": QUESTION}]}]),
        event("gen_ai.output.messages", [{"role": "assistant", "parts": [{"type": "text", "content": ANSWER}]}]),
        event("gen_ai.workflow.action", [{"action": "wait"}]),
    ]
    fields = fields_of({"gen_ai.operation.name": "chat"}, events)
    assert fields["input_data"]["messages"] == [RULES, ASKED]
    assert fields["output_data"]["messages"] == [ANSWERED]
    assert [kept["name"] for kept in fields["events"]] == ["gen_ai.workflow.action"]


def test_a_log_record_without_a_body_has_the_same_content() -> None:
    user = EVENTS[1]
    record = OtlpLog("a" * 32, "b" * 16, 1, user.name, None, user.attributes)
    ((_, fields),) = log_fields([record])
    assert [cast("list[Any]", sent)[2:] for sent in fields["log_messages"]] == [["input", ASKED]]


CLAUDE = {
    "gen_ai.operation.name": "chat",
    "gen_ai.request.model": "claude-sonnet-4-5-20250929",
    "gen_ai.usage.input_tokens": 2071,
    "gen_ai.usage.output_tokens": 47,
    "gen_ai.usage.cache_read.input_tokens": 641,
    "gen_ai.usage.cache_creation.input_tokens": 161,
}
STRANDS_JS = {"gen_ai.event.start_time": "2026-11-28T18:50:51.730Z", "gen_ai.usage.total_tokens": 2118}


@pytest.mark.parametrize("scope", ["agent_framework", "openinference.instrumentation.agno"])
@pytest.mark.parametrize(
    ("model", "input_tokens"),
    [
        ("claude-sonnet-4-5-20250929", 2873),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", 2873),
        ("amazon.nova-pro-v1:0", 2873),
        ("gpt-4o-mini", 2071),
        ("anthropic/claude-sonnet-4.5", 2071),  # A gateway counts as OpenAI does.
    ],
)
def test_a_framework_passes_on_counts_that_mean_what_the_provider_means(
    scope: str, model: str, input_tokens: int
) -> None:
    fields = fields_of({**CLAUDE, "gen_ai.request.model": model}, scope=scope)
    assert (fields["input_tokens"], fields["output_tokens"]) == (input_tokens, 47)
    assert "usage_ambiguous" not in fields


def test_strands_for_javascript_passes_counts_on_and_its_scope_is_no_provider() -> None:
    attributes = {**CLAUDE, **STRANDS_JS, "gen_ai.provider.name": "weather-assistant"}
    fields = fields_of(attributes, scope="weather-assistant", service="weather-bot")
    assert fields["input_tokens"] == 2873
    assert "model_provider" not in fields


def test_strands_for_python_adds_up_the_input() -> None:
    fields = fields_of({**CLAUDE, **STRANDS_JS}, scope="strands.telemetry.tracer")
    assert (fields["input_tokens"], fields["total_tokens"]) == (2071, 2118)


def test_a_scope_that_is_named_like_a_provider_is_one() -> None:
    assert fields_of({**CLAUDE, "gen_ai.provider.name": "openai"}, scope="openai")["model_provider"] == "openai"


@pytest.mark.parametrize(
    ("provider", "model", "expected"),
    [
        ("anthropic", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "aws.bedrock"),
        ("anthropic", "anthropic.claude-3-haiku-20240307-v1:0", "aws.bedrock"),
        ("anthropic", "global.anthropic.claude-opus-4-6-v1", "aws.bedrock"),
        (None, "meta.llama3-3-70b-instruct-v1:0", "aws.bedrock"),
        ("openai", "openai.gpt-oss-120b-1:0", "aws.bedrock"),
        ("anthropic", "claude-sonnet-4-5-20250929", "anthropic"),
        ("oci", "cohere.command-r-plus", "oci"),
        ("cohere", "cohere.command-r-plus", "cohere"),
        ("openrouter", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "openrouter"),
    ],
)
def test_a_model_with_its_id_at_bedrock_is_not_served_by_its_maker(
    provider: str | None, model: str, expected: str
) -> None:
    attributes = {**CLAUDE, "gen_ai.request.model": model, "gen_ai.response.model": "claude-sonnet-4-5-20250929"}
    if provider is not None:
        attributes["gen_ai.system"] = provider
    assert fields_of(attributes)["model_provider"] == expected


@pytest.mark.parametrize(
    "attributes",
    [
        {"gen_ai.system": "anthropic", "langsmith.metadata.ls_provider": "amazon_bedrock"},
        {"langfuse.observation.metadata.ls_provider": '"amazon_bedrock"'},
    ],
)
def test_the_provider_that_langchain_names_counts(attributes: dict[str, Any]) -> None:
    assert fields_of({"gen_ai.operation.name": "chat", **attributes})["model_provider"] == "aws.bedrock"


def langchain_answer(**metadata: Any) -> str:
    usage = {
        "input_tokens": 2873,
        "output_tokens": 47,
        "total_tokens": 2920,
        "input_token_details": {"cache_read": 641, "cache_creation": 0, "ephemeral_5m_input_tokens": 161},
    }
    kwargs = {"content": ANSWER, "usage_metadata": usage, "response_metadata": metadata}
    message = {"lc": 1, "type": "constructor", "id": ["langchain", "schema", "messages", "AIMessage"], "kwargs": kwargs}
    return json.dumps({"generations": [[{"text": ANSWER, "message": message}]]})


@pytest.mark.parametrize("name", ["finish_reason", "stop_reason", "stopReason"])
@pytest.mark.parametrize("attribute", ["output.value", "gen_ai.completion"])
def test_the_reason_why_an_answer_ended_is_in_the_metadata_of_langchain(attribute: str, name: str) -> None:
    fields = fields_of({"openinference.span.kind": "LLM", attribute: langchain_answer(**{name: "end_turn"})})
    assert fields["finish_reason"] == "end_turn"


def test_counts_that_openinference_leaves_out_are_read_from_the_answer_of_langchain() -> None:
    fields = fields_of(
        {
            "openinference.span.kind": "LLM",
            "llm.token_count.prompt": 2873,
            "llm.token_count.completion": 47,
            "llm.token_count.total": 2920,
            "llm.token_count.prompt_details.cache_read": 641,
            "output.value": langchain_answer(),
        }
    )
    names = ("input_tokens", "output_tokens", "cached_input_tokens", "cache_write_tokens", "total_tokens")
    assert tuple(fields[name] for name in names) == (2873, 47, 641, 161, 2920)


@pytest.mark.parametrize("answer", ['{"city": "Zürich", "celsius": 18}', {"city": "Zürich", "celsius": 18}])
def test_an_object_that_the_ai_sdk_asked_for_is_the_text_of_the_answer(answer: Any) -> None:
    fields = fields_of({"ai.operationId": "ai.generateObject.doGenerate", "ai.response.object": answer})
    (message,) = fields["output_data"]["messages"]
    assert message == {
        "role": "assistant",
        "parts": [{"type": "text", "text": '{"city": "Zürich", "celsius": 18}'}],
    }


def test_the_parts_of_a_message_count_before_its_text_alone() -> None:
    prefix = "llm.output_messages.0.message."
    fields = fields_of(
        {
            "openinference.span.kind": "LLM",
            f"{prefix}role": "assistant",
            f"{prefix}content": ANSWER,
            f"{prefix}contents.0.message_content.type": "reasoning",
            f"{prefix}contents.0.message_content.text": "Look it up.",
            f"{prefix}contents.1.message_content.type": "text",
            f"{prefix}contents.1.message_content.text": ANSWER,
        }
    )
    (message,) = fields["output_data"]["messages"]
    assert message["parts"] == [{"type": "reasoning", "text": "Look it up."}, {"type": "text", "text": ANSWER}]


def test_reasoning_that_a_client_names_without_its_text_is_reasoning() -> None:
    parts = [{"type": "reasoningBlock"}, {"type": "text", "content": ANSWER}]
    output = json.dumps([{"role": "assistant", "parts": parts}])
    fields = fields_of({"gen_ai.operation.name": "chat", "gen_ai.output.messages": output})
    (message,) = fields["output_data"]["messages"]
    assert [part["type"] for part in message["parts"]] == ["reasoning", "text"]


def test_an_agent_fails_with_its_answer() -> None:
    output = [{"role": "assistant", "parts": [{"type": "text", "content": "No access."}], "finish_reason": "error"}]
    fields = fields_of({"gen_ai.operation.name": "invoke_agent", "gen_ai.output.messages": json.dumps(output)})
    assert (fields["status"], fields["error_message"]) == ("error", "Finish reason error")
