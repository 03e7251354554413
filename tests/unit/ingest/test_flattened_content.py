"""Content that a client reports twice, once flattened into attributes, is read from the form that has it whole."""

import json
from typing import Any

import pytest

from tests.otlp_spans import ASKED, QUESTION, fields_of

RULES = {"role": "system", "parts": [{"type": "text", "text": "Answer briefly."}]}


def langchain(kind: str, **fields: Any) -> dict[str, Any]:
    """A message as LangChain serializes it."""
    return {"lc": 1, "type": "constructor", "id": ["langchain_core", "messages", kind], "kwargs": fields}


FLATTENED = {
    "openinference.span.kind": "LLM",
    "llm.model_name": "gpt-4o-mini",
    "llm.input_messages.0.message.role": "system",
    "llm.input_messages.1.message.role": "user",
    "llm.input_messages.1.message.content": QUESTION,
    "llm.output_messages.0.message.role": "assistant",
    "llm.output_messages.0.message.tool_calls.0.tool_call.function.name": "weather",
    "llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments": '{"city": "Zürich"}',
}
"""A call as OpenInference flattens it: without the texts of a list of parts, and without the ids of tool calls."""

RULES_IN_PARTS = langchain("SystemMessage", content=[{"type": "text", "text": "Answer briefly."}])
REQUEST = {"messages": [[RULES_IN_PARTS, langchain("HumanMessage", content=QUESTION)]]}
CALL = {"name": "weather", "args": {"city": "Zürich"}, "type": "tool_call", "id": "call_1"}
ANSWER = langchain(
    "AIMessage", content="", tool_calls=[CALL], response_metadata={"model_name": "gpt-4o-mini-2024-07-18"}
)
RESPONSE = {"generations": [[{"text": "", "message": ANSWER}]]}


def test_messages_that_lost_their_parts_are_read_from_the_request() -> None:
    fields = fields_of({**FLATTENED, "input.value": json.dumps(REQUEST)})
    assert fields["input_data"]["messages"] == [RULES, ASKED]
    assert "llm" not in fields["metadata"].get("attributes", {})


def test_a_call_that_lost_its_id_and_the_served_model_are_read_from_the_answer() -> None:
    fields = fields_of({**FLATTENED, "output.value": json.dumps(RESPONSE)})
    (message,) = fields["output_data"]["messages"]
    (part,) = message["parts"]
    assert (part["id"], part["name"], part["arguments"]) == ("call_1", "weather", {"city": "Zürich"})
    assert fields["model_name"] == "gpt-4o-mini-2024-07-18"


@pytest.mark.parametrize(
    "request_text",
    [
        json.dumps({"messages": [[langchain("HumanMessage", content=QUESTION)]]}),
        json.dumps({"messages": [{"role": "system", "content": []}, {"role": "user", "content": QUESTION}]}),
        "not JSON",
    ],
)
def test_a_source_that_does_not_complete_the_messages_leaves_them(request_text: str) -> None:
    fields = fields_of({**FLATTENED, "input.value": request_text})
    assert fields["input_data"]["messages"] == [{"role": "system", "parts": []}, ASKED]


@pytest.mark.parametrize("name", ["system", "instructions"])
def test_instructions_among_the_parameters_of_a_request_are_a_message_of_the_system(name: str) -> None:
    attributes = {
        "openinference.span.kind": "LLM",
        "llm.invocation_parameters": json.dumps({name: "Answer briefly.", "max_tokens": 200}),
        "llm.input_messages.0.message.role": "user",
        "llm.input_messages.0.message.content": QUESTION,
    }
    assert fields_of(attributes)["input_data"]["messages"] == [RULES, ASKED]
    repeated = {
        "llm.input_messages.0.message.role": "system",
        "llm.input_messages.0.message.content": "Answer briefly.",
        "llm.input_messages.1.message.role": "user",
        "llm.input_messages.1.message.content": QUESTION,
    }
    assert fields_of({**attributes, **repeated})["input_data"]["messages"] == [RULES, ASKED]


@pytest.mark.parametrize(
    ("sent", "arguments"),
    [
        ({"args": [], "kwargs": {"city": "Zürich"}}, {"city": "Zürich"}),
        ({"kwargs": {"city": "Zürich"}}, {"city": "Zürich"}),
        ({"kwargs": "Zürich"}, {"kwargs": "Zürich"}),
        ({"args": ["Zürich"]}, {"args": ["Zürich"]}),
        ({"args": ["Zürich"], "kwargs": {}}, {"args": ["Zürich"], "kwargs": {}}),
        ({"args": [], "kwargs": {}, "unit": "C"}, {"args": [], "kwargs": {}, "unit": "C"}),
    ],
)
def test_named_arguments_of_a_function_are_those_of_the_tool(sent: dict[str, Any], arguments: dict[str, Any]) -> None:
    attributes = {"traceloop.span.kind": "tool", "traceloop.entity.input": json.dumps(sent)}
    assert fields_of(attributes)["input_data"] == arguments


@pytest.mark.parametrize(
    ("sent", "content"),
    [
        ({"args": [QUESTION], "kwargs": {}}, QUESTION),
        ({"args": [QUESTION]}, QUESTION),
        ({"args": [], "kwargs": {"question": QUESTION}}, {"question": QUESTION}),
        ({"args": [QUESTION, 2], "kwargs": {}}, {"args": [QUESTION, 2], "kwargs": {}}),
        ({"args": [{"messages": [{"role": "user", "content": QUESTION}]}], "kwargs": {}}, {"messages": [ASKED]}),
    ],
)
def test_a_function_called_with_one_argument_has_it_as_its_input(sent: dict[str, Any], content: Any) -> None:
    attributes = {"traceloop.span.kind": "workflow", "traceloop.entity.input": json.dumps(sent)}
    assert fields_of(attributes)["input_data"] == content
