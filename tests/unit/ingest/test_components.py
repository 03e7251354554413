"""Frameworks of components, vector databases, and clients with attributes of their own for what a call answered."""

import json
from typing import Any, cast

import pytest

from tests.otlp_spans import ANSWER, ANSWERED, ASKED, CALL, QUESTION, fields_of, values
from tracestore.ingest.messages import conversation
from tracestore.ingest.otlp import Event


def messages_of(chat: Any) -> list[dict[str, Any]]:
    return cast(list[dict[str, Any]], chat["messages"])


def stored_result(result: Any) -> Any:
    part = {"type": "tool_result", "id": "call_1", "result": result}
    return messages_of(conversation([{"role": "tool", "parts": [part]}], "user"))[0]["parts"][0]["result"]


TOKENS = ("input_tokens", "output_tokens", "cached_input_tokens", "cache_write_tokens", "reasoning_tokens")
OPENAI = {
    "prompt_tokens": 1200,
    "completion_tokens": 96,
    "total_tokens": 1296,
    "prompt_tokens_details": {"cached_tokens": 1024},
    "completion_tokens_details": {"reasoning_tokens": 32},
}


def component(kind: str, output: Any, input: Any = None, **attributes: Any) -> dict[str, Any]:
    """A component of Haystack, which sends its data as JSON."""
    data = {"haystack.component.input": json.dumps(input or {}), "haystack.component.output": json.dumps(output)}
    return fields_of({"haystack.component.type": kind, **data, **attributes}, name="haystack.component.run")


def reply(*content: Any, model: str = "gpt-4o-mini-2024-07-18", usage: Any = None) -> dict[str, Any]:
    meta = {"model": model, "finish_reason": "stop", "usage": usage or OPENAI}
    return {"role": "assistant", "meta": meta, "name": None, "content": list(content)}


@pytest.mark.parametrize(
    ("kind", "operation"),
    [
        ("OpenAIChatGenerator", "completion"),
        ("HuggingFaceLocalGenerator", "completion"),
        ("OpenAITextEmbedder", "embedding"),
        ("InMemoryBM25Retriever", "retrieval"),
        ("TransformersSimilarityRanker", "rerank"),
        ("Agent", "agent"),
        ("DALLEImageGenerator", "other"),
        ("ChatPromptBuilder", "chain"),
    ],
)
def test_the_class_of_a_component_decides_what_its_span_does(kind: str, operation: str) -> None:
    assert fields_of({"haystack.component.type": kind})["operation_type"] == operation


@pytest.mark.parametrize(
    ("name", "operation"),
    [
        ("haystack.pipeline.run", "chain"),
        ("haystack.async_pipeline.run", "chain"),
        ("haystack.agent.run", "agent"),
        ("haystack.agent.step", "chain"),
        ("haystack.agent.step.llm", "completion"),
        ("haystack.agent.step.tool", "tool_call"),
        ("chroma.query", "retrieval"),
        ("chroma.add", "other"),
        ("db.weaviate.collections.query.near_text", "retrieval"),
        ("db.weaviate.collections.data.insert", "other"),
        ("langchain4j.tools.weather", "tool_call"),
    ],
)
def test_a_name_decides_where_no_attribute_does(name: str, operation: str) -> None:
    assert fields_of({}, name=name)["operation_type"] == operation


def test_a_generator_reports_its_call_in_what_it_returns() -> None:
    asked: dict[str, Any] = {"role": "user", "meta": {}, "name": None, "content": [{"text": QUESTION}]}
    fields = component("OpenAIChatGenerator", {"replies": [reply({"text": ANSWER})]}, {"messages": [asked]})
    names = ("model_name", "model_provider", "finish_reason")
    assert values(fields, *names) == ("gpt-4o-mini-2024-07-18", "openai", "stop")
    assert values(fields, *TOKENS) == (1200, 96, 1024, None, 32)
    assert fields["input_data"] == {"messages": [ASKED]}
    assert fields["output_data"]["messages"][0]["parts"] == ANSWERED["parts"]


def test_a_generator_passes_on_the_counts_of_claude() -> None:
    counts = {"prompt_tokens": 70, "completion_tokens": 46}
    counts |= {"cache_read_input_tokens": 640, "cache_creation_input_tokens": 160}
    answer = reply({"text": ANSWER}, model="claude-sonnet-4-5-20250929", usage=counts)
    fields = component("AnthropicChatGenerator", {"replies": [answer]})
    assert values(fields, "model_provider", *TOKENS) == ("anthropic", 870, 46, 640, 160, None)


def test_a_generator_may_reply_with_texts_and_their_metadata() -> None:
    fields = component("OpenAIGenerator", {"replies": [ANSWER], "meta": [{"model": "gpt-4o-mini", "usage": OPENAI}]})
    assert values(fields, "model_name", *TOKENS) == ("gpt-4o-mini", 1200, 96, 1024, None, 32)
    assert fields["output_data"]["messages"] == [ANSWERED]


def test_an_embedder_reports_its_counts() -> None:
    output = {"embedding": [0.1], "meta": {"model": "text-embedding-3-small", "usage": {"prompt_tokens": 8}}}
    fields = component("OpenAITextEmbedder", output, {"text": QUESTION})
    names = ("model_name", "model_provider", "input_tokens")
    assert values(fields, *names) == ("text-embedding-3-small", "openai", 8)


def test_calls_and_results_of_haystack_are_parts() -> None:
    call = {"tool_name": "weather", "arguments": {"city": "Zürich"}, "id": "call_1", "extra": None}
    result = {"tool_call_result": {"result": "dry", "origin": call, "error": False}}
    sent = [reply({"tool_call": call}), {"role": "tool", "meta": {}, "name": None, "content": [result]}]
    called, answered = messages_of(conversation({"messages": cast(Any, sent)}, "user"))
    assert called["parts"] == [CALL]
    (part,) = answered["parts"]
    assert part == {"type": "tool_result", "id": "call_1", "name": "weather", "result": "dry", "error": False}


def test_the_origin_of_another_part_remains() -> None:
    part = {"type": "text", "text": ANSWER, "origin": {"text": "a station"}}
    (message,) = messages_of(conversation([{"role": "assistant", "parts": cast(Any, [part])}], "user"))
    assert message["parts"] == [part]


def test_the_steps_of_an_agent_of_haystack_are_its_calls() -> None:
    output = json.dumps({"replies": [reply({"text": ANSWER})]})
    fields = fields_of({"haystack.agent.step.llm.output": output}, name="haystack.agent.step.llm")
    assert values(fields, "model_name", *TOKENS[:2]) == ("gpt-4o-mini-2024-07-18", 1200, 96)
    tool = {"haystack.tool.name": "weather", "haystack.agent.step.tool.input": '{"city": "Zürich"}'}
    fields = fields_of(tool | {"haystack.agent.step.tool.output": "dry"}, name="haystack.agent.step.tool")
    assert values(fields, "tool_name", "input_data", "output_data") == ("weather", {"city": "Zürich"}, "dry")


def test_a_pipeline_shows_the_messages_of_its_components() -> None:
    output = json.dumps({"llm": {"replies": [reply({"text": ANSWER})]}})
    fields = fields_of({"haystack.pipeline.output_data": output}, name="haystack.pipeline.run")
    assert fields["output_data"]["messages"][0]["parts"] == ANSWERED["parts"]


@pytest.mark.parametrize("text", [json.dumps([ANSWER]), ANSWER])
def test_sentry_sends_the_texts_of_answers_as_a_list_or_alone(text: str) -> None:
    fields = fields_of({"gen_ai.operation.name": "chat", "gen_ai.response.text": text})
    assert fields["output_data"] == {"messages": [ANSWERED]}


def test_an_answer_may_be_a_json_list_itself() -> None:
    fields = fields_of({"gen_ai.operation.name": "chat", "gen_ai.response.text": json.dumps(['["a", "b"]'])})
    assert fields["output_data"]["messages"][0]["parts"] == [{"type": "text", "text": '["a", "b"]'}]


def test_sentry_sends_calls_apart_from_the_text() -> None:
    function = {"name": "weather", "arguments": '{"city": "Zürich"}'}
    calls = json.dumps([{"id": "call_1", "type": "function", "function": function}])
    sent = {"gen_ai.response.text": '[""]', "gen_ai.response.tool_calls": calls}
    fields = fields_of({"gen_ai.operation.name": "chat", "gen_ai.request.messages": QUESTION, **sent})
    assert fields["output_data"] == {"messages": [{"role": "assistant", "parts": [CALL]}]}
    assert fields["input_data"] == {"messages": [ASKED]}


def test_sentry_counts_parts_of_tokens_below_the_whole() -> None:
    counts = {"input_tokens": 1200, "input_tokens.cached": 1024, "output_tokens": 96, "output_tokens.reasoning": 32}
    fields = fields_of({f"gen_ai.usage.{name}": count for name, count in counts.items()})
    assert values(fields, *TOKENS) == (1200, 96, 1024, None, 32)


@pytest.mark.parametrize(
    ("kind", "operation"),
    [("session", "workflow"), ("operation", "chain"), ("task", "chain"), ("tool", "tool_call"), ("agent", "agent")],
)
def test_agentops_names_the_content_by_the_kind_of_the_span(kind: str, operation: str) -> None:
    sent = {f"agentops.{kind}.input": json.dumps({"args": [], "kwargs": {"city": "Zürich"}})}
    fields = fields_of({"agentops.span.kind": kind, **sent, f"agentops.{kind}.output": "dry"})
    assert values(fields, "operation_type", "input_data", "output_data") == (operation, {"city": "Zürich"}, "dry")


def test_an_answer_may_be_nothing_but_the_reason_why_it_ended() -> None:
    sent = {"gen_ai.completion.0.role": "assistant", "gen_ai.completion.0.finish_reason": "tool_calls"}
    fields = fields_of({"gen_ai.operation.name": "chat", **sent})
    message = {"role": "assistant", "parts": [], "finish_reason": "tool_calls"}
    assert values(fields, "finish_reason", "output_data") == ("tool_calls", {"messages": [message]})


def test_a_role_alone_is_no_answer() -> None:
    assert "output_data" not in fields_of({"gen_ai.operation.name": "chat", "gen_ai.completion.0.role": "assistant"})


@pytest.mark.parametrize(("word", "operation"), [("embedding", "embedding"), ("chat", "completion")])
def test_the_type_of_a_request_decides_what_its_span_does(word: str, operation: str) -> None:
    sent = {"gen_ai.request.type": word, "gen_ai.system": "OpenAI", "gen_ai.request.model": "m"}
    assert fields_of(sent)["operation_type"] == operation


def test_traceai_numbers_messages_and_sends_the_model_among_parameters() -> None:
    call = {"id": "call_1", "function.name": "weather", "function.arguments": '{"city": "Zürich"}'}
    sent = {f"gen_ai.output.messages.0.message.tool_calls.0.tool_call.{name}": value for name, value in call.items()}
    asked = {"message.role": "user", "message.content": QUESTION}
    sent |= {f"gen_ai.input.messages.0.{name}": value for name, value in asked.items()}
    sent |= {
        "gen_ai.output.messages.0.message.role": "assistant",
        "input.value": "Be brief.",
        "output.value": "Function:",
    }
    fields = fields_of(sent | {"gen_ai.span.kind": "LLM", "gen_ai.request.parameters": '{"model": "gpt-4o-mini"}'})
    assert values(fields, "operation_type", "model_name") == ("completion", "gpt-4o-mini")
    assert fields["input_data"] == {"messages": [ASKED]}
    assert fields["output_data"] == {"messages": [{"role": "assistant", "parts": [CALL]}]}


@pytest.mark.parametrize(
    ("kind", "operation"),
    [("model", "completion"), ("tool", "tool_call"), ("chain", "chain"), ("session", "workflow"), ("event", "other")],
)
def test_honeyhive_names_the_type_of_an_event(kind: str, operation: str) -> None:
    fields = fields_of({"honeyhive_event_type": kind, "honeyhive_outputs.result": '{"sky": "dry"}'})
    assert fields["operation_type"] == operation
    assert fields["output_data"] == {"sky": "dry"}


def test_a_session_and_a_user_may_have_the_prefix_of_models() -> None:
    fields = fields_of({"gen_ai.span.kind": "ENTRY", "gen_ai.session.id": "s-1", "gen_ai.user.id": "u-1"})
    assert values(fields, "operation_type", "conversation_id", "end_user_id") == ("chain", "s-1", "u-1")


@pytest.mark.parametrize(
    ("model", "counts", "expected"),
    [
        ("gpt-4o-mini", {"input_tokens": 1200, "cache_input_tokens": 1024}, (1200, 96, 1024, None)),
        (
            "claude-sonnet-4-5-20250929",
            {"input_tokens": 70, "cache_input_tokens": 640, "cache_creation_input_tokens": 160},
            (870, 96, 640, 160),
        ),
    ],
)
def test_agentscope_counts_the_cache_under_its_own_name(
    model: str, counts: dict[str, int], expected: tuple[int | None, ...]
) -> None:
    sent: dict[str, Any] = {"gen_ai.usage.input_tokens": counts.pop("input_tokens"), "gen_ai.usage.output_tokens": 96}
    sent |= {f"agentscope.usage.{name}": count for name, count in counts.items()}
    fields = fields_of(sent | {"gen_ai.operation.name": "chat", "gen_ai.request.model": model}, scope="agentscope")
    assert values(fields, *TOKENS[:4]) == expected


@pytest.mark.parametrize(
    ("answer", "stored"),
    [
        ({"state": "success", "content": [{"type": "text", "text": '{"sky": "dry"}', "id": "1"}]}, {"sky": "dry"}),
        ({"state": "error", "content": [{"type": "text", "text": "no city"}]}, None),
        ({"state": "success", "content": [{"type": "text", "text": "dry"}, {"type": "image"}]}, None),
        ({"state": "success", "content": [{"type": "text", "text": "dry"}], "metadata": {"a": 1}}, None),
    ],
)
def test_the_answer_of_a_tool_of_agentscope_is_its_text(answer: dict[str, Any], stored: Any) -> None:
    sent = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.call.result": json.dumps(answer)}
    assert fields_of(sent)["output_data"] == (stored if stored is not None else answer)


def test_deepeval_names_the_parts_of_a_call_by_its_own_words() -> None:
    llm = {"model": "gpt-4o-mini", "input_token_count": 1200, "output_token_count": 96, "cost_per_input_token": 1}
    sent: dict[str, Any] = {f"confident.llm.{name}": value for name, value in llm.items()}
    span = {"type": "llm", "provider": "openai", "input": QUESTION, "output": ANSWER}
    sent |= {f"confident.span.{name}": value for name, value in span.items()}
    trace = {"thread_id": "s-1", "user_id": "u-1", "tags": ["trial"]}
    fields = fields_of(sent | {f"confident.trace.{name}": value for name, value in trace.items()})
    names = ("operation_type", "model_name", "model_provider", *TOKENS[:2], "conversation_id", "end_user_id", "tags")
    assert values(fields, *names) == ("completion", "gpt-4o-mini", "openai", 1200, 96, "s-1", "u-1", ["trial"])
    assert values(fields, "input_data", "output_data") == ({"messages": [ASKED]}, {"messages": [ANSWERED]})


def test_a_tool_of_deepeval_has_its_name() -> None:
    sent = {
        "confident.span.type": "tool",
        "confident.tool.name": "weather",
        "confident.span.input": '{"city": "Zürich"}',
    }
    assert values(fields_of(sent), "tool_name", "input_data") == ("weather", {"city": "Zürich"})


def test_agentops_reports_the_first_token_in_seconds() -> None:
    sent = {"gen_ai.request.type": "chat", "gen_ai.request.model": "gpt-4o-mini", "gen_ai.system": "OpenAI"}
    fields = fields_of(sent | {"gen_ai.streaming.time_to_first_token": 0.25})
    assert fields["time_to_first_token_ns"] == 250_000_000


def test_the_arguments_of_a_tool_of_smolagents_are_the_models() -> None:
    sent = json.dumps({"args": [], "sanitize_inputs_outputs": True, "kwargs": {"city": "Zürich"}})
    fields = fields_of({"openinference.span.kind": "TOOL", "tool.name": "weather", "input.value": sent})
    assert fields["input_data"] == {"city": "Zürich"}


def test_an_argument_of_that_name_remains() -> None:
    sent = json.dumps({"sanitize_inputs_outputs": True, "city": "Zürich"})
    fields = fields_of({"openinference.span.kind": "TOOL", "tool.name": "weather", "input.value": sent})
    assert fields["input_data"] == {"city": "Zürich", "sanitize_inputs_outputs": True}


def test_the_documents_that_a_search_found_are_events() -> None:
    found: dict[str, Any] = {"db.query.result.id": "1", "db.query.result.document": "Zürich lies at a lake."}
    fields = fields_of({"db.system": "chroma"}, [Event("db.query.result", 1, found)], name="chroma.query")
    assert fields["output_data"] == [{"id": "1", "document": "Zürich lies at a lake."}]


def test_mistral_embeds_in_a_call_of_its_own_name() -> None:
    counts = {"gen_ai.usage.prompt_tokens": 8, "gen_ai.usage.output_tokens": 0}
    fields = fields_of({"mistral_ai.operation.id": "embeddings_v1_embeddings_post", **counts})
    assert fields["operation_type"] == "embedding"
    fields = fields_of({"mistral_ai.operation.id": "chat_completion_v1_chat_completions_post", **counts})
    assert fields["operation_type"] == "completion"


@pytest.mark.parametrize("kind", ["anthropic", "bedrock"])
def test_openlit_for_javascript_passes_on_what_is_apart_from_the_cache(kind: str) -> None:
    counts = {"input_tokens": 70, "output_tokens": 46, "cache_read.input_tokens": 640}
    sent = {f"gen_ai.usage.{name}": count for name, count in counts.items()}
    fields = fields_of(sent, scope=f"@openlit/instrumentation-{kind}")
    assert values(fields, *TOKENS[:3]) == (710, 46, 640)


def test_an_object_in_place_of_an_answer_is_none() -> None:
    sent = {"openinference.span.kind": "LLM", "output.value": "<groq.Stream object at 0x7f3990caf810>"}
    assert "output_data" not in fields_of(sent)
    sent["output.value"] = "It says <groq.Stream object at 0x7f3990caf810>"
    assert "output_data" in fields_of(sent)


@pytest.mark.parametrize(
    "result", [[{"text": "dry"}], [{"type": "text", "text": "dry"}], [{"type": "text", "content": "dry"}], "dry"]
)
def test_a_result_in_blocks_of_text_is_the_text(result: Any) -> None:
    chat = conversation(
        [{"role": "tool", "parts": [{"type": "tool_result", "id": "call_1", "result": result}]}], "user"
    )
    assert chat == {"messages": [{"role": "tool", "parts": [{"type": "tool_result", "id": "call_1", "result": "dry"}]}]}


@pytest.mark.parametrize("result", [[{"type": "image", "text": "dry"}], [{"text": "dry", "url": "x"}], ["dry"], [{}]])
def test_any_other_result_remains_as_it_is(result: Any) -> None:
    chat = conversation(
        [{"role": "tool", "parts": [{"type": "tool_result", "id": "call_1", "result": result}]}], "user"
    )
    assert chat["messages"][0]["parts"][0]["result"] == result  # type: ignore[call-overload, index]


def test_autogen_lists_the_answers_to_calls_as_functions() -> None:
    answer = json.dumps({"name": "weather", "content": "dry", "call_id": "call_1", "is_error": False})
    sent = {"llm.input_messages.0.message.role": "function", "llm.input_messages.0.function.0": answer}
    fields = fields_of({"openinference.span.kind": "LLM", **sent})
    (message,) = fields["input_data"]["messages"]
    (part,) = message["parts"]
    assert message["role"] == "tool"
    assert values(part, "type", "id", "name", "result") == ("tool_result", "call_1", "weather", "dry")


def test_a_tool_is_called_by_the_last_part_of_the_name_of_its_span() -> None:
    assert fields_of({}, name="langchain4j.tools.weather")["tool_name"] == "weather"


@pytest.mark.parametrize(
    ("word", "operation"),
    [
        ("call_llm", "completion"),
        ("chat_streaming", "completion"),
        ("text.completions", "completion"),
        ("orchestrate_tools", "chain"),
        ("STEP", "chain"),
    ],
)
def test_further_words_of_operations(word: str, operation: str) -> None:
    assert fields_of({"gen_ai.operation.name": word})["operation_type"] == operation


@pytest.mark.parametrize(
    ("attributes", "operation"),
    [
        ({"spring.ai.kind": "chat_client"}, "chain"),
        ({"spring.ai.kind": "advisor"}, "chain"),
        ({"spring.ai.kind": "tool_call"}, "tool_call"),
        ({"spring.ai.kind": "vector_store", "db.vector.query.content": QUESTION}, "retrieval"),
        ({"spring.ai.kind": "vector_store", "db.operation.name": "add"}, "other"),
    ],
)
def test_spring_names_what_a_span_does_by_its_own_kind(attributes: dict[str, Any], operation: str) -> None:
    sent = {} if "vector_store" in attributes.values() else {"gen_ai.operation.name": "framework"}
    assert fields_of(sent | attributes)["operation_type"] == operation


def test_a_tool_of_spring_has_its_arguments_and_its_result() -> None:
    names = {"definition.name": "weather", "call.arguments": '{"city": "Zürich"}', "call.result": '"dry"'}
    sent = {f"spring.ai.tool.{name}": value for name, value in names.items()}
    fields = fields_of({"gen_ai.operation.name": "framework", "spring.ai.kind": "tool_call", **sent})
    assert values(fields, "tool_name", "input_data", "output_data") == ("weather", {"city": "Zürich"}, "dry")
