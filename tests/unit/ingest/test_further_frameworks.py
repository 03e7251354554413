"""Frameworks that report a call in events, in Python literals, or in attributes with plain names."""

import json
from typing import Any

import pytest

from tests.otlp_spans import ANSWER, ANSWERED, ASKED, CALL, QUESTION, fields_of, values
from tracestore.ingest.otlp import Event


def event(name: str, **attributes: Any) -> Event:
    """An event of LlamaIndex; `__` in the name of an attribute is a dot."""
    named = {key.replace("__", "."): value for key, value in attributes.items()}
    return Event(name, 1, {"id_": "e-1", "class_name": name, **named})


def block(**fields: Any) -> dict[str, Any]:
    return {"block_type": "text", **fields}


def chat_events(*, model: str, counts: dict[str, int], provider: str = "openai_llm") -> list[Event]:
    messages = [
        {"role": "user", "additional_kwargs": {}, "blocks": [block(text=QUESTION)]},
        {
            "role": "assistant",
            "additional_kwargs": {},
            "blocks": [
                {
                    "block_type": "tool_call",
                    "tool_call_id": "call_1",
                    "tool_name": "weather",
                    "tool_kwargs": '{"city": "Zürich"}',
                }
            ],
        },
        {"role": "tool", "additional_kwargs": {"tool_call_id": "call_1"}, "blocks": [block(text="dry")]},
    ]
    asked = json.dumps(messages)
    usage = {f"response.raw.usage.{name}": count for name, count in counts.items()}
    return [
        event("LLMChatStartEvent", messages=asked, model_dict__model_name=model, model_dict__class_name=provider),
        event(
            "LLMChatEndEvent",
            messages=asked,
            response__message__role="assistant",
            response__message__blocks=json.dumps([block(text=ANSWER)]),
            response__raw__model=f"{model}-2024-07-18",
            response__raw__choices='[{"finish_reason": "stop"}]',
            **usage,
        ),
    ]


OPENAI = {
    "prompt_tokens": 1200,
    "completion_tokens": 96,
    "total_tokens": 1296,
    "prompt_tokens_details.cached_tokens": 1024,
    "completion_tokens_details.reasoning_tokens": 32,
}


def test_events_of_llama_index_are_the_call_that_they_report() -> None:
    fields = fields_of({}, chat_events(model="gpt-4o-mini", counts=OPENAI), name="OpenAI.achat")
    assert values(fields, "operation_type", "model_name", "request_model", "model_provider", "finish_reason") == (
        *("completion", "gpt-4o-mini-2024-07-18", "gpt-4o-mini", "openai", "stop"),
    )
    names = ("input_tokens", "output_tokens", "total_tokens", "cached_input_tokens", "reasoning_tokens")
    assert values(fields, *names) == (1200, 96, 1296, 1024, 32)
    assert fields["input_data"]["messages"][:2] == [ASKED, {"role": "assistant", "parts": [CALL]}]
    assert fields["output_data"] == {"messages": [ANSWERED]}
    assert "events" not in fields


def test_llama_index_passes_on_the_counts_of_claude() -> None:
    counts = {
        "input_tokens": 70,
        "output_tokens": 46,
        "cache_read_input_tokens": 640,
        "cache_creation_input_tokens": 160,
    }
    events = chat_events(model="claude-sonnet-4-5-20250929", counts=counts, provider="Anthropic_LLM")
    fields = fields_of({}, events, scope="llamaindex.opentelemetry.tracer")
    names = ("model_provider", "input_tokens", "output_tokens", "cached_input_tokens", "cache_write_tokens")
    assert values(fields, *names) == ("anthropic", 870, 46, 640, 160)


def test_a_tools_message_of_llama_index_names_its_call() -> None:
    (_, _, result) = fields_of({}, chat_events(model="gpt-4o-mini", counts=OPENAI))["input_data"]["messages"]
    assert (result["role"], result["parts"][0]["type"], result["parts"][0]["id"]) == ("tool", "tool_result", "call_1")


@pytest.mark.parametrize(
    ("name", "events", "operation"),
    [
        ("OpenAI.complete", [event("LLMCompletionStartEvent", prompt=QUESTION)], "completion"),
        ("OpenAIEmbedding.get_text", [event("EmbeddingStartEvent", model_dict__model_name="e")], "embedding"),
        ("VectorIndexRetriever.retrieve", [event("RetrievalStartEvent", str_or_query_bundle=QUESTION)], "retrieval"),
        ("LLMRerank.postprocess", [event("ReRankStartEvent", model_name="r")], "rerank"),
        ("RetrieverQueryEngine.query", [event("QueryStartEvent", query=QUESTION)], "chain"),
        ("BaseWorkflowAgent.setup_agent", [event("step.output", output="AgentSetup()")], "chain"),
        ("BaseWorkflowAgent.parse_agent_output", [], "chain"),
        ("FunctionTool.acall", [], "tool_call"),
        ("FunctionAgent.run", [event("workflow.output", output="StopEvent()")], "agent"),
        ("SentenceSplitter.__call__", [], "other"),
    ],
)
def test_an_event_of_llama_index_decides_what_its_span_does(name: str, events: list[Event], operation: str) -> None:
    assert fields_of({}, events, name=name)["operation_type"] == operation


def test_the_class_of_a_tool_is_not_its_name() -> None:
    assert "tool_name" not in fields_of({}, name="FunctionTool.acall")


def test_the_preparation_of_a_call_is_no_call() -> None:
    attributes = {"openinference.span.kind": "LLM", "llm.model_name": "gpt-4o-mini"}
    assert fields_of(attributes, name="OpenAI._prepare_chat_with_tools")["operation_type"] == "chain"
    assert fields_of(attributes, name="OpenAI.chat")["operation_type"] == "completion"


def test_promptflow_reports_details_as_python_literals() -> None:
    attributes = {
        "framework": "promptflow",
        "span_type": "LLM",
        "inputs": json.dumps({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": QUESTION}]}),
        "llm.response.model": "gpt-4o-mini-2024-07-18",
        "llm.generated_message": json.dumps({"role": "assistant", "content": ANSWER, "tool_calls": None}),
        "output": json.dumps({"choices": [{"finish_reason": "stop", "message": {"content": ANSWER}}]}),
        "llm.usage.prompt_tokens": 1200,
        "llm.usage.completion_tokens": 96,
        "llm.usage.total_tokens": 1296,
        "llm.usage.prompt_tokens_details": "{'audio_tokens': 0, 'cached_tokens': 1024, 'text_tokens': None}",
        "llm.usage.completion_tokens_details": "{'audio_tokens': 0, 'reasoning_tokens': 32, 'text_tokens': None}",
    }
    fields = fields_of(attributes)
    assert values(fields, "operation_type", "model_name", "finish_reason") == (
        *("completion", "gpt-4o-mini-2024-07-18", "stop"),
    )
    assert values(fields, "input_tokens", "output_tokens", "cached_input_tokens", "reasoning_tokens") == (
        *(1200, 96, 1024, 32),
    )
    assert (fields["input_data"]["messages"], fields["output_data"]["messages"]) == ([ASKED], [ANSWERED])


@pytest.mark.parametrize(
    ("attributes", "operation"),
    [
        ({"span_type": "Function"}, "chain"),
        ({"span_type": "Tool"}, "tool_call"),
        ({"span_type": "Flow"}, "workflow"),
        ({"span_type": "Embedding"}, "embedding"),
        # An application's own word reports nothing.
        ({"span_type": "billing", "gen_ai.tool.name": "weather"}, "tool_call"),
        ({"span_type": "billing"}, "other"),
        ({"span_type": "Function", "openinference.span.kind": "TOOL"}, "tool_call"),
    ],
)
def test_the_type_of_a_span_counts_after_conventions(attributes: dict[str, Any], operation: str) -> None:
    assert fields_of(attributes)["operation_type"] == operation


def test_a_crew_reports_the_usage_of_its_calls() -> None:
    attributes = {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.provider.name": "crewai",
        "crewai.crew.result": ANSWER,
        "crewai.crew.usage_metrics": "{'total_tokens': 2586, 'prompt_tokens': 2403, 'cached_prompt_tokens': 2051, "
        "'completion_tokens': 183, 'reasoning_tokens': 63, 'cache_creation_tokens': 0, 'successful_requests': 2}",
    }
    names = ("input_tokens", "output_tokens", "cached_input_tokens", "reasoning_tokens", "total_tokens", "output_data")
    assert values(fields_of(attributes), *names) == (2403, 183, 2051, 63, 2586, ANSWER)


def test_beeai_reports_the_cache_in_the_metadata_of_its_call() -> None:
    attributes = {
        "openinference.span.kind": "LLM",
        "llm.token_count.prompt": 1200,
        "llm.token_count.completion": 96,
        "metadata.usage.prompt_tokens": 1200,
        "metadata.usage.completion_tokens": 96,
        "metadata.usage.cached_prompt_tokens": 1024,
        "metadata.usage.cached_creation_tokens": 0,
    }
    names = ("input_tokens", "output_tokens", "cached_input_tokens", "cache_write_tokens")
    assert values(fields_of(attributes), *names) == (1200, 96, 1024, 0)


@pytest.mark.parametrize(
    "hidden",
    [
        *("[Removed due to 'session']", "__REDACTED__", "[REDACTED]", "<redacted>", "[Filtered]", "***"),
        *("unknown", "None", "null", "undefined"),
    ],
)
def test_words_in_place_of_an_id_are_no_id(hidden: str) -> None:
    fields = fields_of({"session.id": hidden, "gen_ai.conversation.id": "chat-42", "user.id": hidden})
    assert values(fields, "conversation_id", "end_user_id") == ("chat-42", None)


def test_a_user_and_a_session_of_posthog_are_those_of_the_span() -> None:
    fields = fields_of({"posthog.distinct_id": "ada", "$session_id": "chat-42"})
    assert values(fields, "end_user_id", "conversation_id") == ("ada", "chat-42")


@pytest.mark.parametrize(
    ("model", "counts", "expected"),
    [
        # The total has 33 thoughts that no other count has.
        ("gemini-2.5-flash", (501, 47, 581), (501, 80, 33, 581, None)),
        ("google/gemini-2.5-pro", (501, 47, 581), (501, 80, 33, 581, None)),
        ("gemini-2.5-flash", (501, 47, 548), (501, 47, None, 548, None)),
        ("gemini-2.5-flash", (501, 47, 500), (501, 47, None, 500, True)),
        # The total of another provider has nothing of its own: these counts contradict each other.
        ("gpt-4o-mini", (501, 47, 581), (501, 47, None, 581, True)),
        ("not-gemini", (501, 47, 581), (501, 47, None, 581, True)),
    ],
)
@pytest.mark.parametrize("cached", [{}, {"gen_ai.usage.cache_read.input_tokens": 201}])
def test_the_rest_of_a_total_of_gemini_is_its_thoughts(
    model: str, counts: tuple[int, ...], expected: tuple[Any, ...], cached: dict[str, int]
) -> None:
    names = ("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens", "gen_ai.usage.total_tokens")
    attributes = {"gen_ai.operation.name": "chat", "gen_ai.response.model": model}
    fields = fields_of({**attributes, **dict(zip(names, counts, strict=True)), **cached})
    read = ("input_tokens", "output_tokens", "reasoning_tokens", "total_tokens", "usage_ambiguous")
    assert values(fields, *read) == expected
