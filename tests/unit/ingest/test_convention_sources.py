"""Conventions in the forms that no recording has: older names, other providers, clients in other languages."""

import json
from typing import Any

import pytest

from tests.otlp_spans import ANSWER, QUESTION, fields_of, values
from tracestore.ingest.field_readers import normalize_provider
from tracestore.ingest.otlp import Origin, OtlpSpan
from tracestore.ingest.span_fields import span_fields

ASKED = [{"role": "user", "parts": [{"type": "text", "text": QUESTION}]}]
ANSWERED = [{"role": "assistant", "parts": [{"type": "text", "text": ANSWER}]}]


def genkit(output: dict[str, Any], **attributes: str) -> dict[str, Any]:
    return fields_of(
        {
            "genkit:type": "action",
            "genkit:metadata:subtype": "model",
            "genkit:name": "googleai/gemini-2.5-flash",
            "genkit:input": json.dumps({"messages": [{"role": "user", "content": [{"text": QUESTION}]}]}),
            "genkit:output": json.dumps(output),
            **attributes,
        }
    )


@pytest.mark.parametrize(
    ("output", "tokens"),
    [
        # The provider's own response states what its counts include.
        (
            {
                "usage": {"inputTokens": 70, "outputTokens": 46},
                "raw": {
                    "usage": {
                        "input_tokens": 70,
                        "output_tokens": 46,
                        "cache_read_input_tokens": 64,
                        "cache_creation_input_tokens": 16,
                    }
                },
            },
            (150, 46, 64, 16, None),
        ),
        (
            {
                "usage": {"inputTokens": 100, "outputTokens": 46, "thoughtsTokens": 32, "totalTokens": 178},
                "raw": {
                    "usageMetadata": {
                        "promptTokenCount": 100,
                        "candidatesTokenCount": 46,
                        "thoughtsTokenCount": 32,
                        "totalTokenCount": 178,
                    }
                },
            },
            (100, 78, None, None, 32),
        ),
        # Genkit for Python quotes of Anthropic's answer only what its own counts lack.
        (
            {
                "usage": {
                    "inputTokens": 2071.0,
                    "outputTokens": 47.0,
                    "totalTokens": 2118.0,
                    "custom": {"cache_read_input_tokens": 641, "cache_creation_input_tokens": 161},
                }
            },
            (2873, 47, 641, 161, None),
        ),
        # Without it, the total decides.
        (
            {"usage": {"inputTokens": 100, "outputTokens": 46, "thoughtsTokens": 32, "totalTokens": 178}},
            (100, 78, None, None, 32),
        ),
        # Genkit also counts characters and files, which are no tokens.
        (
            {"usage": {"inputTokens": 9, "outputTokens": 5, "inputImages": 1, "inputAudioFiles": 2, "inputVideos": 1}},
            (9, 5, None, None, None),
        ),
    ],
)
def test_genkit_counts_of_each_provider(output: dict[str, Any], tokens: tuple[int | None, ...]) -> None:
    fields = genkit({"message": {"role": "model", "content": [{"text": ANSWER}]}, **output})
    names = ("input_tokens", "output_tokens", "cached_input_tokens", "cache_write_tokens", "reasoning_tokens")
    assert values(fields, *names) == tokens
    assert "usage_ambiguous" not in fields
    assert "usage_details" not in fields


def test_genkit_names_the_provider_before_the_model() -> None:
    fields = genkit({"message": {"role": "model", "content": [{"text": ANSWER}]}, "finishReason": "stop"})
    assert values(fields, "operation_type", "model_provider", "model_name", "finish_reason") == (
        *("completion", "google", "googleai/gemini-2.5-flash", "stop"),
    )
    assert (fields["input_data"]["messages"], fields["output_data"]["messages"][0]["parts"]) == (
        ASKED,
        ANSWERED[0]["parts"],
    )


@pytest.mark.parametrize(
    ("kind", "operation"),
    [
        ("flow", "workflow"),
        ("tool", "tool_call"),
        ("embedder", "embedding"),
        ("retriever", "retrieval"),
        ("x", "other"),
    ],
)
def test_genkit_kinds_of_actions(kind: str, operation: str) -> None:
    fields = fields_of({"genkit:type": "action", "genkit:metadata:subtype": kind, "genkit:name": "n"})
    assert fields["operation_type"] == operation


def test_genkit_media_and_tools_are_parts_of_messages() -> None:
    content = [
        {"media": {"url": "https://example.org/map.png", "contentType": "image/png"}},
        {"toolRequest": {"name": "weather", "ref": "1", "input": {"city": "Zürich"}}},
    ]
    parts = genkit({"message": {"role": "model", "content": content}})["output_data"]["messages"][0]["parts"]
    assert parts == [
        {"type": "media", "data": "https://example.org/map.png", "mime_type": "image/png"},
        {"type": "tool_call", "id": "1", "name": "weather", "arguments": {"city": "Zürich"}},
    ]


@pytest.mark.parametrize("separator", [">", "."])
def test_braintrust_sends_objects_or_single_attributes(separator: str) -> None:
    sent: dict[str, dict[str, Any]] = {
        "metadata": {"model": "gpt-4o-mini", "provider": "openai"},
        "metrics": {"prompt_tokens": 1200, "completion_tokens": 96, "tokens": 1296, "prompt_cached_tokens": 1024},
    }
    attributes: dict[str, Any] = {
        "braintrust.span_attributes": json.dumps({"type": "llm"}),
        "braintrust.input_json": json.dumps([{"role": "user", "content": QUESTION}]),
        "braintrust.output_json": json.dumps([{"message": {"role": "assistant", "content": ANSWER}}]),
    }
    for name, members in sent.items():
        if separator == ">":
            attributes[f"braintrust.{name}"] = json.dumps(members)
        else:
            attributes |= {f"braintrust.{name}.{member}": value for member, value in members.items()}
    fields = fields_of(attributes)
    assert values(fields, "operation_type", "model_name", "model_provider") == ("completion", "gpt-4o-mini", "openai")
    assert values(fields, "input_tokens", "output_tokens", "cached_input_tokens") == (1200, 96, 1024)
    assert (fields["input_data"]["messages"], fields["output_data"]["messages"]) == (ASKED, ANSWERED)


@pytest.mark.parametrize(
    "metrics",
    [
        {"promptTokens": 7, "completionTokens": 5, "cost": 0.001},
        {"type": "json", "value": {"promptTokens": 7, "completionTokens": 5, "cost": 0.001}},
    ],
)
def test_langwatch_values_are_read_out_of_their_types(metrics: dict[str, Any]) -> None:
    fields = fields_of(
        {
            "langwatch.span.type": "llm",
            "langwatch.user.id": "ada",
            "langwatch.thread.id": "chat-42",
            "langwatch.labels": '["trial"]',
            "langwatch.input": json.dumps({"type": "text", "value": QUESTION}),
            "langwatch.output": json.dumps({"type": "list", "value": [{"type": "text", "value": ANSWER}]}),
            "langwatch.metrics": json.dumps(metrics),
        }
    )
    assert values(fields, "input_tokens", "output_tokens", "cost_nano_usd") == (7, 5, 1_000_000)
    assert values(fields, "end_user_id", "conversation_id", "tags") == ("ada", "chat-42", ["trial"])
    assert (fields["input_data"]["messages"], fields["output_data"]["messages"]) == (ASKED, ANSWERED)


def test_a_langwatch_value_that_is_no_json_is_the_text() -> None:
    assert fields_of({"langwatch.span.type": "chain", "langwatch.input": QUESTION})["input_data"] == QUESTION


@pytest.mark.parametrize("prefix", ["lk.pii", "lk"])
def test_livekit_nodes_before_and_since_their_content_is_marked_as_personal(prefix: str) -> None:
    context = {"items": [{"type": "message", "role": "user", "content": [QUESTION]}]}
    call = {"call_id": "1", "name": "weather", "arguments": '{"city": "Zürich"}'}
    fields = fields_of(
        {
            f"{prefix}.chat_ctx": json.dumps(context),
            f"{prefix}.response.text": "",
            f"{prefix}.response.function_calls": json.dumps([call]),
            "lk.response.ttft": 0.25,
        }
    )
    assert fields["input_data"]["messages"] == ASKED
    assert fields["output_data"]["messages"][0]["parts"] == [
        {"type": "tool_call", "id": "1", "name": "weather", "arguments": {"city": "Zürich"}}
    ]
    assert fields["time_to_first_token_ns"] == 250_000_000
    tool = fields_of(
        {
            "lk.function_tool.name": "weather",
            f"{prefix}.function_tool.arguments": '{"city": "Zürich"}',
            f"{prefix}.function_tool.output": "dry",
        }
    )
    assert values(tool, "operation_type", "tool_name", "input_data", "output_data") == (
        *("tool_call", "weather", {"city": "Zürich"}, "dry"),
    )


@pytest.mark.parametrize(
    ("attributes", "field", "text"),
    [
        ({"gen_ai.operation.name": "tts", "text": ANSWER, "gen_ai.request.model": "m"}, "input_data", ANSWER),
        (
            {"gen_ai.operation.name": "stt", "transcript": QUESTION, "gen_ai.request.model": "m"},
            "output_data",
            QUESTION,
        ),
        ({"lk.tts_metrics": "{}", "lk.input_text": ANSWER, "gen_ai.response.model": "m"}, "input_data", ANSWER),
        ({"lk.tts.streaming": True, "lk.pii.input_text": ANSWER, "gen_ai.system": "openai"}, "input_data", ANSWER),
        ({"lk.pii.user_transcript": QUESTION, "lk.eou.probability": 0.9}, "output_data", QUESTION),
    ],
)
def test_speech_is_no_model_call_and_keeps_its_text(attributes: dict[str, Any], field: str, text: str) -> None:
    fields = fields_of(attributes)
    assert (fields["operation_type"], fields[field]) == ("other", text)


def test_the_name_of_a_requested_model_alone_is_no_model_call() -> None:
    assert fields_of({"gen_ai.request.model": "gpt-4o-mini"})["operation_type"] == "other"


@pytest.mark.parametrize(
    ("sent", "reason"),
    [("FinishReason.TOOL_CALLS", "tool_calls"), ('["FinishReason.STOP"]', "stop"), ("v1.STOP", "v1.STOP")],
)
def test_a_finish_reason_may_be_the_member_of_an_enumeration(sent: str, reason: str) -> None:
    assert fields_of({"gen_ai.response.finish_reason": sent})["finish_reason"] == reason


def test_an_answer_of_the_ai_sdk_is_a_message_wherever_it_is() -> None:
    answer = {"text": ANSWER, "toolCalls": [{"toolCallId": "1", "toolName": "weather", "args": {}}], "files": []}
    fields = fields_of({"mastra.span.type": "model_step", "mastra.model_step.output": json.dumps(answer)})
    parts = fields["output_data"]["messages"][0]["parts"]
    assert [part["type"] for part in parts] == ["text", "tool_call"]


@pytest.mark.parametrize(
    "prefix",
    ["lmnr.association.properties.metadata.", "mastra.metadata.", "ai.settings.context.", "braintrust.metadata."],
)
def test_metadata_of_the_application_has_its_own_keys(prefix: str) -> None:
    assert fields_of({f"{prefix}plan": "free"})["metadata"]["plan"] == "free"


def test_instructions_stand_before_a_plain_text() -> None:
    fields = fields_of(
        {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.system_instructions": "Answer briefly.",
            "mastra.agent_run.input": QUESTION,
        }
    )
    assert [message["role"] for message in fields["input_data"]["messages"]] == ["system", "user"]


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        ("api.openai.com", "openai"),
        ("api.groq.com", "groq"),
        ("api.example.com", "api.example.com"),
        ("127.0.0.1:8141", None),
        ("localhost:11434", None),
        ("10.0.0.7", None),
    ],
)
def test_a_host_is_the_provider_whose_domain_it_is_in(sent: str, name: str | None) -> None:
    assert normalize_provider(sent) == name


CHAT = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o-mini"}


@pytest.mark.parametrize(
    "attributes",
    [
        {"gen_ai.output.messages": json.dumps([{**ANSWERED[0], "finish_reason": "length"}])},
        {"anthropic.message.stop_reason": "length"},
        {"output.value": json.dumps({"finish_reason": "length", "content": ANSWER})},
        {"output.value": json.dumps({"choices": [{"finish_reason": "length", "message": {"content": ANSWER}}]})},
    ],
)
def test_a_finish_reason_is_found_in_the_answer(attributes: dict[str, Any]) -> None:
    assert fields_of({**CHAT, **attributes})["finish_reason"] == "length"
    assert "finish_reason" not in fields_of({"gen_ai.operation.name": "invoke_agent", **attributes}) or (
        "anthropic.message.stop_reason" in attributes
    )


@pytest.mark.parametrize(
    ("model", "provider"),
    [
        ("anthropic/claude-sonnet-4-5", "anthropic"),
        ("vertex_ai/gemini-2.5-flash", "google"),
        ("meta-llama/Llama-3.3-70B", None),
        ("gpt-4o-mini", None),
    ],
)
def test_a_gateway_that_names_only_itself_has_the_provider_in_its_names_of_models(
    model: str, provider: str | None
) -> None:
    sent = {**CHAT, "gen_ai.request.model": model}
    assert fields_of({**sent, "gen_ai.provider.name": "litellm"}).get("model_provider") == provider
    assert fields_of({**sent, "gen_ai.provider.name": "groq"})["model_provider"] == "groq"


def test_arguments_and_results_of_requested_tools_are_not_the_content_of_a_model_call() -> None:
    tools = {"gen_ai.tool.call.arguments": '[{"city": "Zürich"}]', "gen_ai.tool.call.result": "dry"}
    sent = {"gen_ai.input.messages": json.dumps(ASKED), "gen_ai.output.messages": json.dumps(ANSWERED)}
    fields = fields_of({**CHAT, **sent, **tools})
    assert values(fields, "input_data", "output_data") == ({"messages": ASKED}, {"messages": ANSWERED})
    assert fields_of({"gen_ai.operation.name": "execute_tool", **tools})["output_data"] == "dry"


@pytest.mark.parametrize(
    ("name", "kind", "operation"),
    [
        ("chat gpt-4o-mini", "client", "completion"),
        ("embeddings text-embedding-3-small", "client", "embedding"),
        ("chat gpt-4o-mini", "internal", "other"),
        ("chat", "client", "other"),
    ],
)
def test_a_client_span_that_failed_before_it_had_attributes_is_known_by_its_name(
    name: str, kind: str, operation: str
) -> None:
    origin = Origin({}, "openlit.instrumentation.openai", "", {})
    span = OtlpSpan("a" * 32, "b" * 16, None, name, kind, 1, 2, {}, [], [], "error", "RateLimitError: 429", origin)
    assert span_fields(span)[1]["operation_type"] == operation


def test_the_id_of_a_response_identifies_the_call() -> None:
    assert fields_of({**CHAT, "gen_ai.response.id": "msg_1"})["call_key"] == "msg_1"
