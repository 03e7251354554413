"""Conversations of every known shape are converted to one chat form."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracestore.domain.merge import merge
from tracestore.domain.previews import output_text
from tracestore.domain.spans import FROM_LOGS, SpanFields
from tracestore.domain.updates import span_update
from tracestore.ingest.log_fields import log_fields, log_messages
from tracestore.ingest.messages import conversation
from tracestore.ingest.otlp import OtlpLog

CALL = {"type": "tool_call", "id": "call_1", "name": "get_weather", "arguments": {"city": "Zürich"}}
RESULT = {"type": "tool_result", "id": "call_1", "result": "sunny"}
TEXT = {"type": "text", "text": "Grüezi"}


def message_of(role: str, *parts: Any, **others: Any) -> dict[str, Any]:
    return {"role": role, "parts": list(parts), **others}


CALLS = {
    "OpenTelemetry": {"role": "assistant", "parts": [{**CALL, "arguments": '{"city":"Zürich"}'}]},
    "OpenAI chat": {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Zürich"}'}}
        ],
    },
    "OpenAI responses": {
        "type": "function_call",
        "call_id": "call_1",
        "name": "get_weather",
        "arguments": '{"city": "Zürich"}',
    },
    "Anthropic": {
        "role": "assistant",
        "content": [{"type": "tool_use", "id": "call_1", "name": "get_weather", "input": {"city": "Zürich"}}],
    },
    "Bedrock": {
        "role": "assistant",
        "content": [{"toolUse": {"toolUseId": "call_1", "name": "get_weather", "input": {"city": "Zürich"}}}],
    },
    "Gemini": {
        "role": "model",
        "parts": [{"function_call": {"id": "call_1", "name": "get_weather", "args": {"city": "Zürich"}}}],
    },
    "Vercel": {
        "role": "assistant",
        "content": [
            {"type": "tool-call", "toolCallId": "call_1", "toolName": "get_weather", "input": {"city": "Zürich"}}
        ],
    },
    "OpenInference": {
        "message": {
            "role": "assistant",
            "tool_calls": [
                {
                    "tool_call": {
                        "id": "call_1",
                        "function": {"name": "get_weather", "arguments": '{"city": "Zürich"}'},
                    }
                }
            ],
        }
    },
    "LangChain": {
        "lc": 1,
        "type": "constructor",
        "id": ["langchain", "schema", "messages", "AIMessage"],
        "kwargs": {
            "content": "",
            "type": "ai",
            "tool_calls": [{"name": "get_weather", "args": {"city": "Zürich"}, "id": "call_1", "type": "tool_call"}],
        },
    },
}


@pytest.mark.parametrize("message", CALLS.values(), ids=CALLS)
def test_a_tool_call_has_one_form(message: Any) -> None:
    assert conversation([message], "assistant") == {"messages": [message_of("assistant", CALL)]}


RESULTS = {
    "OpenTelemetry": {"role": "tool", "parts": [{"type": "tool_call_response", "id": "call_1", "response": "sunny"}]},
    "OpenAI chat": {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
    "OpenAI responses": {"type": "function_call_output", "call_id": "call_1", "output": "sunny"},
    "Anthropic": {"role": "tool", "content": [{"type": "tool_result", "tool_use_id": "call_1", "content": "sunny"}]},
    "Bedrock": {"role": "tool", "content": [{"toolResult": {"toolUseId": "call_1", "content": "sunny"}}]},
    "Gemini": {"role": "function", "parts": [{"functionResponse": {"id": "call_1", "response": "sunny"}}]},
    "Vercel": {"role": "tool", "content": [{"type": "tool-result", "toolCallId": "call_1", "output": "sunny"}]},
    "LangChain": {"type": "tool", "data": {"content": "sunny", "tool_call_id": "call_1"}},
    "OpenTelemetry event": {"role": "tool", "content": "sunny", "id": "call_1"},
}


@pytest.mark.parametrize("message", RESULTS.values(), ids=RESULTS)
def test_a_tool_result_has_one_form(message: Any) -> None:
    assert conversation([message], "user") == {"messages": [message_of("tool", RESULT)]}


TEXTS = {
    "a string": "Grüezi",
    "OpenTelemetry": [{"type": "text", "content": "Grüezi"}],
    "OpenAI": [{"type": "input_text", "text": "Grüezi"}],
    "Bedrock": [{"text": "Grüezi"}],
    "numbered": [{"message_content": {"type": "text", "text": "Grüezi"}}],
    "parts in a string": '[{"text": "Grüezi"}]',
}


@pytest.mark.parametrize("content", TEXTS.values(), ids=TEXTS)
def test_a_text_has_one_form(content: Any) -> None:
    assert conversation([{"role": "human", "content": content}], "user") == {"messages": [message_of("user", TEXT)]}


@pytest.mark.parametrize(
    "part",
    [
        {"type": "reasoning", "content": "hm"},
        {"type": "thinking", "thinking": "hm"},
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
        {"text": "hm", "thought": True},
        {"reasoningContent": {"reasoningText": {"text": "hm"}}},
    ],
)
def test_reasoning_has_one_form(part: Any) -> None:
    chat: Any = conversation([{"role": "assistant", "content": [part]}], "assistant")
    assert chat["messages"][0]["parts"] == [{"type": "reasoning", "text": "hm"}]


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ({"type": "image_url", "image_url": {"url": "https://a/b.png"}}, {"data": "https://a/b.png"}),
        ({"type": "blob", "mime_type": "image/png", "data": "AA=="}, {"mime_type": "image/png", "data": "AA=="}),
        ({"inline_data": {"mime_type": "image/png", "data": "AA=="}}, {"mime_type": "image/png", "data": "AA=="}),
        (
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}},
            {"mime_type": "image/png", "data": "AA=="},
        ),
        ({"type": "file", "mediaType": "text/csv", "data": "AA=="}, {"mime_type": "text/csv", "data": "AA=="}),
    ],
)
def test_media_has_one_form(part: Any, expected: dict[str, Any]) -> None:
    chat: Any = conversation([{"role": "user", "content": [part]}], "user")
    assert chat["messages"][0]["parts"] == [{"type": "media", **expected}]


def test_an_unknown_part_is_stored_unchanged() -> None:
    part: Any = {"type": "hologram", "depth": 3}
    chat: Any = conversation([{"role": "user", "content": [part]}], "user")
    assert chat["messages"][0]["parts"] == [{"type": "other", "data": part}]


@pytest.mark.parametrize(
    ("response", "others"),
    [
        ({"choices": [{"index": 0, "message": {"role": "assistant", "content": "Grüezi"}}], "id": "x"}, {"id": "x"}),
        ({"output": [{"type": "message", "content": [{"type": "output_text", "text": "Grüezi"}]}]}, {}),
        ({"candidates": [{"content": {"role": "model", "parts": [{"text": "Grüezi"}]}}]}, {}),
        ({"content": {"role": "model", "parts": [{"text": "Grüezi"}]}}, {}),
        ({"role": "assistant", "content": [{"type": "text", "text": "Grüezi"}]}, {}),
        ({"generations": [[{"text": "Grüezi", "message": {"type": "ai", "content": "Grüezi"}}]]}, {}),
        ({"outputs": {"messages": [{"type": "ai", "content": "Grüezi"}]}, "tags": ["a"]}, {"tags": ["a"]}),
        ({"text": "Grüezi", "role": "assistant"}, {}),
        ([{"text": "Grüezi"}], {}),
        ([[{"type": "ai", "content": "Grüezi"}]], {}),
        ({"arguments": [{"messages": [{"role": "assistant", "content": "Grüezi"}], "model": "m"}]}, {"model": "m"}),
        ([{"messages": [{"role": "assistant", "content": "Grüezi"}]}], {}),
    ],
)
def test_a_message_is_found_inside_every_known_response(response: Any, others: dict[str, Any]) -> None:
    chat: Any = conversation(json.dumps(response), "assistant")
    (message,) = chat.pop("messages")
    assert (message["role"], message["parts"], chat) == ("assistant", [TEXT], others)


@pytest.mark.parametrize(
    "request_",
    [
        {"system": "Be terse.", "prompt": "Grüezi"},
        {"system": "Be terse.", "messages": [{"role": "user", "content": "Grüezi"}]},
        {"instructions": "Be terse.", "input": "Grüezi"},
        {"instructions": "Be terse.", "input": [{"role": "user", "content": "Grüezi"}]},
        {"config": {"system_instruction": "Be terse."}, "contents": [{"role": "user", "parts": [{"text": "Grüezi"}]}]},
        {"messages": [{"role": "system", "content": "Be terse."}, {"role": "user", "content": "Grüezi"}]},
    ],
)
def test_instructions_of_a_request_come_before_its_messages(request_: Any) -> None:
    chat: Any = conversation(request_, "user")
    assert chat["messages"] == [message_of("system", {"type": "text", "text": "Be terse."}), message_of("user", TEXT)]


def test_instructions_that_are_reported_separately_come_first() -> None:
    chat: Any = conversation(
        [{"role": "user", "content": "Grüezi"}], "user", system='[{"type":"text","content":"Be."}]'
    )
    assert chat["messages"][0] == message_of("system", {"type": "text", "text": "Be."})


def test_other_fields_of_a_request_stay_next_to_its_messages() -> None:
    request: Any = {"model": "m", "tools": [{"name": "t"}], "messages": [{"role": "user", "content": "Grüezi"}]}
    assert conversation(request, "user") == {
        "messages": [message_of("user", TEXT)],
        "model": "m",
        "tools": [{"name": "t"}],
    }


def test_other_fields_of_a_message_stay_with_it() -> None:
    chat: Any = conversation([{"role": "assistant", "content": "Grüezi", "finish_reason": "stop"}], "assistant")
    assert chat["messages"] == [message_of("assistant", TEXT, finish_reason="stop")]


@pytest.mark.parametrize(
    "value",
    [
        "plain",
        {"question": "what"},
        {"input": "what"},
        [1, 2],
        ["a"],
        [{"role": "admin", "since": 1}],
        [{"name": "x"}],
        7,
        True,
        [],
    ],
)
def test_a_value_without_a_conversation_is_unchanged(value: Any) -> None:
    assert conversation(value, "user") == value


def test_the_plain_text_of_a_model_call_becomes_a_message() -> None:
    assert conversation("Grüezi", "user", text_is_message=True) == {"messages": [message_of("user", TEXT)]}


_FIELDS = [
    *("role", "type", "content", "parts", "message", "messages", "choices", "output", "input", "text", "tool_calls"),
    *("function", "id", "kwargs", "data", "name", "arguments", "thinking", "toolUse", "system", "prompt", "model"),
]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(_FIELDS) | st.text(max_size=2),
            inner | st.sampled_from(["user", "text", "tool_call", "function_call", "message", "image", "ai"]),
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(json_values)
def test_any_value_gives_messages_with_parts_or_stays_unchanged(value: Any) -> None:
    chat: Any = conversation(value, "user")
    if chat != value:
        assert all({"role", "parts"} <= message.keys() for message in chat["messages"])


# Messages from log records.


def log(event: str, body: Any, *, time_ns: int = 1, attributes: Any = None) -> OtlpLog:
    return OtlpLog("t" * 32, "s" * 16, time_ns, event, body, attributes or {})


def chat_of(*records: OtlpLog) -> tuple[Any, Any]:
    (span,) = merge(span_update(fields, received_ms=0, precedence=FROM_LOGS) for _, fields in log_fields(records))
    return span.fields.get("input_data"), span.fields.get("output_data")


def test_each_message_event_gives_one_message() -> None:
    function = {"name": "get_weather", "arguments": '{"city": "Zürich"}'}
    calls = [{"id": "call_1", "type": "function", "function": function}]
    input_data, output_data = chat_of(
        log("gen_ai.user.message", {"content": "Grüezi"}, time_ns=1),
        log("gen_ai.assistant.message", {"tool_calls": calls}, time_ns=2),
        log("gen_ai.tool.message", {"id": "call_1", "content": "sunny"}, time_ns=3),
        log("gen_ai.choice", {"index": 0, "message": {"role": "assistant", "content": "Grüezi"}}, time_ns=4),
    )
    assert input_data == {
        "messages": [message_of("user", TEXT), message_of("assistant", CALL), message_of("tool", RESULT)]
    }
    assert [(message["role"], message["parts"]) for message in output_data["messages"]] == [("assistant", [TEXT])]


def test_one_event_may_contain_a_whole_conversation() -> None:
    details = {
        "gen_ai.system_instructions": [{"type": "text", "content": "Be."}],
        "gen_ai.input.messages": [{"role": "user", "parts": [{"type": "text", "content": "Grüezi"}]}],
        "gen_ai.output.messages": '[{"role": "assistant", "parts": [{"type": "text", "content": "Grüezi"}]}]',
    }
    input_data, output_data = chat_of(log("gen_ai.client.inference.operation.details", None, attributes=details))
    assert [message["role"] for message in input_data["messages"]] == ["system", "user"]
    assert output_data == {"messages": [message_of("assistant", TEXT)]}


def test_an_event_may_be_named_by_an_attribute() -> None:
    input_data, _ = chat_of(log("", {"content": "Grüezi"}, attributes={"event.name": "gen_ai.user.message"}))
    assert input_data == {"messages": [message_of("user", TEXT)]}


@pytest.mark.parametrize("record", [log("other", {"content": "x"}), log("", "a line of a log"), log("", None)])
def test_other_records_contain_no_messages(record: OtlpLog) -> None:
    assert log_messages([record]) == []


def test_a_record_without_a_span_gives_no_messages() -> None:
    assert log_messages([log("gen_ai.user.message", {"content": "Grüezi"})._replace(span_id="")]) == []


@given(st.permutations(range(4)))
def test_the_order_in_which_records_arrive_does_not_matter(order: list[int]) -> None:
    events = ["gen_ai.system.message", "gen_ai.user.message", "gen_ai.assistant.message", "gen_ai.tool.message"]
    records = [log(event, {"content": event}, time_ns=7) for event in events]
    input_data, _ = chat_of(*(records[index] for index in order), *records)
    assert [message["role"] for message in input_data["messages"]] == ["system", "user", "assistant", "tool"]


def test_input_and_start_that_the_span_reports_have_precedence() -> None:
    ((_, fields),) = log_fields([log("gen_ai.user.message", {"content": "Grüezi"})])
    reported = SpanFields(span_id=fields["span_id"], start_ns=5, input_data="from the span")
    (span,) = merge([span_update(fields, received_ms=0, precedence=FROM_LOGS), span_update(reported, received_ms=0)])
    assert (span.fields["input_data"], span.fields["start_ns"]) == ("from the span", 5)


# Unknown elements, and what is sent twice.


def messages_in(value: Any, role: str = "assistant") -> Any:
    chat: Any = conversation(value, role)
    return chat["messages"]


@pytest.mark.parametrize(
    "item",
    [
        {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "q"}},
        {"type": "file_search_call", "id": "fs_1", "queries": ["q"]},
        {"type": "code_interpreter_call", "id": "ci_1", "code": "1 + 1"},
        {"type": "computer_call", "id": "cc_1", "action": {"type": "click"}},
        {"type": "local_shell_call", "id": "ls_1", "action": {"command": ["ls"]}},
        {"type": "a_new_call", "id": "x_1", "arguments": {"a": 1}},
    ],
)
def test_items_of_a_response_are_tool_calls_by_their_suffix(item: dict[str, Any]) -> None:
    answer = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Grüezi"}]}
    messages = messages_in({"output": [item, answer]})
    call = messages[0]["parts"][0]
    assert (call["type"], call["id"], call["name"]) == ("tool_call", item["id"], item["type"].removesuffix("_call"))
    assert messages[1] == message_of("assistant", TEXT)


@pytest.mark.parametrize(
    "item",
    [
        {"type": "compaction", "encrypted_content": "x"},
        {"type": "item_reference", "id": "msg_1"},
        {"type": "mcp_list_tools", "server_label": "s", "tools": []},
        {"type": "mcp_approval_request", "name": "n"},
        {"type": "something_new", "secret": 1},
    ],
)
def test_an_unknown_element_keeps_its_place_and_hides_nothing(item: dict[str, Any]) -> None:
    answer = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Grüezi"}]}
    messages = messages_in([answer, item])
    assert messages[0] == message_of("assistant", TEXT)
    assert messages[1]["parts"] == [{"type": "other", "data": item}]
    assert output_text({"messages": messages}) == "Grüezi"


@pytest.mark.parametrize(
    ("block", "kind"),
    [
        ({"type": "bash_code_execution_tool_use", "id": "t", "input": {}}, "tool_call"),
        ({"type": "mcp_tool_use", "id": "t", "name": "n", "input": {"a": 1}}, "tool_call"),
        ({"type": "web_search_tool_result", "tool_use_id": "t", "content": [{"url": "u"}]}, "tool_result"),
        ({"type": "mcp_tool_result", "tool_use_id": "t", "content": []}, "tool_result"),
        ({"type": "code_execution_tool_result", "tool_use_id": "t", "content": {"stdout": ""}}, "tool_result"),
        ({"type": "a_new_block", "x": 1}, "other"),
    ],
)
def test_blocks_of_tools_that_the_provider_runs_are_known_by_their_suffix(block: dict[str, Any], kind: str) -> None:
    content = [{"type": "thinking", "thinking": "hm"}, block, {"type": "text", "text": "Grüezi"}]
    (message,) = messages_in([{"role": "assistant", "content": content}])
    assert [part["type"] for part in message["parts"]] == ["reasoning", kind, "text"]
    assert output_text({"messages": [message]}) == "Grüezi"


def test_pairs_and_plain_texts_among_messages_are_messages() -> None:
    assert messages_in([["user", "Grüezi"], ["ai", "Grüezi"]]) == [
        message_of("user", TEXT),
        message_of("assistant", TEXT),
    ]
    assert messages_in([{"role": "system", "content": "Grüezi"}, "Grüezi"], "user") == [
        message_of("system", TEXT),
        message_of("user", TEXT),
    ]


def test_a_list_of_plain_texts_or_of_other_pairs_is_no_conversation() -> None:
    values: list[Any] = [["a", "b"], [["x", "y"], ["x", "z"]], [[0.1, 0.2], [0.1, 0.3]]]
    for value in values:
        assert conversation(value, "user") == value


def test_plain_texts_under_the_name_of_messages_are_messages() -> None:
    asked = {"role": "user", "parts": [{"type": "text", "text": "Hi"}]}
    assert conversation({"messages": ["Hi", "Hi"], "top": 3}, "user") == {"messages": [asked, asked], "top": 3}
    values: list[Any] = [{"messages": ["Hi", 3]}, {"messages": [""]}, {"items": ["Hi"]}]
    values.append({"messages": ["ChatMessage(role=<MessageRole.USER: 'user'>, blocks=[])"]})
    for value in values:
        assert conversation(value, "user") == value


def test_the_updates_of_the_nodes_of_a_graph_contain_messages() -> None:
    update: dict[str, Any] = {"messages": [{"type": "ai", "content": "Hi"}]}
    answer = {"role": "assistant", "parts": [{"type": "text", "text": "Hi"}]}
    assert conversation({"agent": update}, "assistant") == {"messages": [answer]}
    assert conversation({"agent": update, "tools": None, "more": update}, "assistant") == {"messages": [answer] * 2}
    counted: Any = {"agent": {**update, "steps": 2}, "plan": {"todo": ["x"]}}
    others = {"agent": {"steps": 2}, "plan": {"todo": ["x"]}}
    assert conversation(counted, "assistant") == {"messages": [answer], **others}
    values: list[Any] = [{"agent": update, "x": 3}, {"agent": {"todo": ["x"]}}, {"agent": {"messages": [3]}}]
    for value in values:
        assert conversation(value, "assistant") == value


def test_the_commands_of_a_graph_contain_messages() -> None:
    update = {"messages": [{"role": "assistant", "content": "Grüezi"}]}
    for value in ({"update": update, "goto": "end"}, [{"update": update}, {"update": {}, "goto": "end"}]):
        assert messages_in(value) == [message_of("assistant", TEXT)]


def test_a_call_in_the_content_and_among_the_calls_is_one_part() -> None:
    function = {"name": "get_weather", "arguments": '{"city": "Zürich"}'}
    content = [{"type": "tool_use", "id": "call_1", "name": "get_weather", "input": {"city": "Zürich"}}]
    for id_field in ({"id": "call_1"}, {}):
        call = {"type": "function", "function": function, **id_field}
        messages = messages_in([{"role": "assistant", "content": content, "tool_calls": [call]}])
        assert messages == [message_of("assistant", CALL)]


def test_a_result_in_a_message_of_the_tool_and_of_the_user_is_one_part() -> None:
    messages = messages_in(
        [
            {"role": "assistant", "parts": [CALL]},
            {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call_1", "content": "sunny"}, TEXT]},
        ]
    )
    assert messages == [message_of("assistant", CALL), message_of("tool", RESULT), message_of("user", TEXT)]


def test_an_id_that_is_used_again_has_a_result_each_time() -> None:
    turn = [{"role": "assistant", "parts": [CALL]}, {"role": "tool", "parts": [RESULT]}]
    assert messages_in([*turn, *turn]) == [message_of("assistant", CALL), message_of("tool", RESULT)] * 2


@pytest.mark.parametrize(
    "definition",
    [
        {"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}},
        {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}},
        {"type": "function", "name": "f", "description": "d", "inputSchema": {}},
    ],
)
def test_the_definition_of_a_tool_is_no_call(definition: dict[str, Any]) -> None:
    (message,) = messages_in([{"role": "user", "content": [{"type": "text", "text": "Grüezi"}, definition]}])
    assert message["parts"] == [TEXT, {"type": "other", "data": definition}]


def test_a_message_of_a_tool_without_an_id_is_the_result_of_its_call() -> None:
    calls = [{**CALL, "id": "call_0", "name": "other_tool"}, CALL]
    by_name = [{"role": "tool", "name": "get_weather", "content": "sunny"}, {"role": "tool", "content": "rest"}]
    messages = messages_in([{"role": "assistant", "parts": calls}, *by_name])
    assert [(part["type"], part["id"]) for message in messages[1:] for part in message["parts"]] == [
        ("tool_result", "call_1"),
        ("tool_result", "call_0"),
    ]


@pytest.mark.parametrize("result", ["", [], {}, False, 0])
def test_an_empty_result_is_a_result(result: Any) -> None:
    message = {"role": "tool", "tool_call_id": "call_1", "content": result}
    block = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call_1", "content": result}]}
    for sent in (message, block):
        assert messages_in([sent]) == [message_of("tool", {**RESULT, "result": result})]


def test_a_result_in_the_wrapper_of_the_ai_sdk_is_unwrapped() -> None:
    part = {"type": "tool-result", "toolCallId": "call_1", "output": {"type": "json", "value": {"sky": "blue"}}}
    (message,) = messages_in([{"role": "tool", "content": [part]}])
    assert message["parts"][0]["result"] == {"sky": "blue"}


def messages_of(value: Any, role: str) -> Any:
    """The messages of a conversation."""
    chat: Any = conversation(value, role)
    return chat["messages"]


def first_message(message: Any) -> Any:
    """The first message of a conversation of one message."""
    return messages_of([message], "user")[0]


@pytest.mark.parametrize("result", ['"sunny"', '"{\\"a\\": 1}"', '"Zürich \\"🙂\\""', '""'])
def test_a_result_that_is_a_json_text_loses_its_quotes_alone(result: str) -> None:
    for message in (
        {"role": "tool", "tool_call_id": "c", "content": result},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c", "response": result}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c", "content": result}]},
    ):
        assert first_message(message)["parts"][0]["result"] == json.loads(result)


@pytest.mark.parametrize("result", ['"sunny', '"a" or "b"', "sunny", "42", "null", '{"a": "b"}'])
def test_a_result_that_is_no_json_text_stays_as_it_is(result: str) -> None:
    message = first_message({"role": "tool", "tool_call_id": "c", "content": result})
    assert message["parts"] == [{"type": "tool_result", "id": "c", "result": result}]


@pytest.mark.parametrize("key", ["content", "message"])
@pytest.mark.parametrize("text", ["hello", '[{"text": "hello"}]', [{"text": "hello"}]])
def test_a_content_in_a_wrapper_is_unwrapped(key: str, text: Any) -> None:
    message = first_message({"role": "assistant", "content": {key: text, "finish_reason": "end_turn"}})
    assert message == {"role": "assistant", "parts": [{"type": "text", "text": "hello"}]}


def test_a_block_of_a_tool_call_in_two_wrappers_is_one_part() -> None:
    function = {"name": "get_weather", "arguments": '{"city": "Zürich"}'}
    block = {"message_content": {"type": "tool_use"}, "tool_call": {"id": "call_1", "function": function}}
    message = {"role": "assistant", "contents": [block], "tool_calls": [{"tool_call": block["tool_call"]}]}
    (sent,) = messages_of([{"message": message}], "assistant")
    call = {"type": "tool_call", "id": "call_1", "name": "get_weather", "arguments": {"city": "Zürich"}}
    assert sent["parts"] == [call]


def test_a_refusal_in_place_of_a_content_is_a_text() -> None:
    choice = {"finish_reason": "stop", "message": {"role": "assistant", "content": None, "refusal": "I cannot."}}
    (message,) = messages_of({"choices": [choice]}, "assistant")
    assert message["parts"] == [{"type": "text", "text": "I cannot."}]


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (
            {"type": "reasoningContent", "content": {"reasoningText": {"text": "It is dry.", "signature": "s"}}},
            {"type": "reasoning", "text": "It is dry.", "signature": "s"},
        ),
        (
            {"type": "image", "content": {"format": "png", "source": {"bytes": "iVBORw0KGgo="}}},
            {"type": "media", "mime_type": "png", "data": "iVBORw0KGgo="},
        ),
    ],
)
def test_a_block_of_bedrock_under_its_name_is_known(part: dict[str, Any], expected: dict[str, Any]) -> None:
    (message,) = messages_of([{"role": "assistant", "parts": [part]}], "user")
    assert message["parts"] == [expected]


def test_the_roles_of_smolagents_are_those_of_a_model_and_a_tool() -> None:
    sent = [{"role": "tool-call", "content": "Calling tools"}, {"role": "tool-response", "content": "Observation: dry"}]
    first, second = messages_of(sent, "user")
    assert (first["role"], second["role"]) == ("assistant", "tool")
    assert second["parts"] == [{"type": "tool_result", "result": "Observation: dry"}]


def test_an_empty_block_is_nothing() -> None:
    (message,) = messages_of([{"role": "assistant", "content": [{}, {"text": "dry"}]}], "user")
    assert message["parts"] == [{"type": "text", "text": "dry"}]
