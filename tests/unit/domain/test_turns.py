"""An input is split into the part that its history contains and the part that is new."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracestore.domain.message_texts import Message
from tracestore.domain.spans import Json
from tracestore.domain.turns import NewInput, history_after, messages_in, new_input

texts = st.text("ab \n", max_size=3)
parts = st.one_of(
    st.builds(lambda text: {"type": "text", "text": text}, texts),
    st.builds(
        lambda name, text: {"type": "tool_call", "id": "1", "name": name, "arguments": {"q": text}}, texts, texts
    ),
)
roles = st.sampled_from(["user", "assistant", "tool"])
messages = st.builds(lambda role, parts: {"role": role, "parts": parts}, roles, st.lists(parts, min_size=1, max_size=2))
system_messages = st.builds(lambda text: {"role": "system", "content": text}, texts)
conversations: st.SearchStrategy[list[Message]] = st.lists(messages, max_size=5)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda values: (
        st.lists(values, max_size=3)
        | st.dictionaries(st.sampled_from(["messages", "role", "content", "parts", "a"]), values, max_size=3)
    ),
    max_leaves=12,
)


def user(text: str, **fields: Any) -> Message:
    return {"role": "user", "content": text, **fields}


def assistant(text: str, **fields: Any) -> Message:
    return {"role": "assistant", "parts": [{"type": "text", "text": text}], **fields}


def reformatted(message: Message) -> Message:
    """The same message as another client sends it: with other ids and white space, and further fields."""
    changed: list[Json] = []
    for part in message["parts"]:  # type: ignore[union-attr]
        assert isinstance(part, dict)
        text: Message = {"text": f" {part['text']}\n"} if "text" in part else {"id": "another", "index": 0}
        changed.append({**part, **text})
    return {**message, "parts": changed, "id": "m-1", "finish_reason": "stop"}


def sent(*conversation: Message) -> Json:
    return {"messages": list(conversation), "tools": [{"name": "search"}]}


@given(conversations, conversations)
def test_a_history_that_grows_is_the_same_and_its_end_is_new(history: list[Message], added: list[Message]) -> None:
    new = new_input(sent(*map(reformatted, history), *added), history)
    assert new == NewInput(added, len(history), "same" if history else "none")


@given(conversations, conversations, st.lists(system_messages, max_size=2), st.lists(system_messages, max_size=2))
def test_system_prompts_are_compared_apart(
    history: list[Message], added: list[Message], old: list[Message], prompts: list[Message]
) -> None:
    new = new_input(sent(*prompts, *history, *added), [*old, *history])
    alone = new_input(sent(*prompts), old)
    assert new.history == ("same" if history else "none")
    assert new.new_messages == [*(alone.new_messages or []), *added]
    assert new.repeated_messages == alone.repeated_messages + len(history)


@given(st.lists(messages, min_size=1, max_size=5), st.integers(0, 4), conversations)
def test_an_edited_history_is_changed_from_the_edit_on(
    history: list[Message], place: int, added: list[Message]
) -> None:
    place = min(place, len(history) - 1)
    edited: list[Json] = [*history[:place], {"role": "user", "content": "edited"}, *history[place + 1 :], *added]
    new = new_input(edited, history)
    assert (new.new_messages, new.repeated_messages) == (edited[place:], place)
    assert new.history == ("changed" if len(edited) > 1 else "none")


@given(st.lists(messages, min_size=2, max_size=5), st.lists(messages, min_size=1, max_size=3))
def test_a_compacted_history_is_changed_and_returned_whole(history: list[Message], rest: list[Message]) -> None:
    compacted = [user("a summary of the above"), *rest]
    assert new_input(sent(*compacted), history) == NewInput(compacted, 0, "changed")


@given(json_values, json_values, json_values)
def test_every_message_is_either_repeated_or_new(before: Json, output: Json, value: Json) -> None:
    new = new_input(value, history_after(before, output))
    conversation = messages_in(value)
    if conversation is None:
        assert new == NewInput(None, 0, "none")
    else:
        assert new.new_messages is not None
        assert new.repeated_messages + len(new.new_messages) == len(conversation)
        kept = iter(conversation)
        assert all(any(message is each for each in kept) for message in new.new_messages)


@given(json_values, json_values)
def test_the_next_turn_repeats_the_whole_history(input_data: Json, output_data: Json) -> None:
    history = history_after(input_data, output_data)
    new = new_input([*history, user("next")], history)
    assert (new.new_messages, new.repeated_messages) == ([user("next")], len(history))


def test_a_delta_continues_the_history_whatever_it_was() -> None:
    history: list[Message] = [{"role": "user", "content": "one"}, {"role": "assistant", "content": "two"}]
    asked: Message = {"role": "user", "content": "one"}
    answered: Message = {"role": "assistant", "content": "three"}
    delta: Json = {"messages": [asked], "delta": True}
    assert new_input(delta, history) == ([asked], 2, "same")
    assert new_input(delta, []) == ([asked], 0, "none")
    after = history_after(delta, {"messages": [answered]}, history)
    assert after == [*history, asked, answered]


def test_an_input_that_ends_within_the_history_is_changed() -> None:
    history = [user("why?"), assistant("because")]
    assert new_input([user("why?")], history) == NewInput([], 1, "changed")


def test_a_single_message_that_is_not_in_the_history_has_none() -> None:
    history = [user("why?"), assistant("because")]
    assert new_input([user("and how?")], history) == NewInput([user("and how?")], 0, "none")


@pytest.mark.parametrize(
    "value", [None, "text", 5, {}, {"question": "why?"}, ["text"], [user("a"), "text"], [{"a": 1}]]
)
def test_an_input_that_is_no_list_of_messages_is_not_split(value: Json) -> None:
    assert new_input(value, [user("why?")]) == NewInput(None, 0, "none")


@pytest.mark.parametrize("value", [[], {"messages": []}])
def test_an_empty_list_of_messages_has_nothing_new(value: Json) -> None:
    assert new_input(value, [user("why?")]) == NewInput([], 0, "none")


@pytest.mark.parametrize(
    ("input_data", "output_data", "history"),
    [
        (None, None, []),
        ("why?", "because", [user("why?"), {"role": "assistant", "content": "because"}]),
        ({"question": "why?"}, None, [user("why?")]),
        (sent(user("why?")), sent(assistant("because")), [user("why?"), assistant("because")]),
        (sent(user("why?")), sent(user("why?"), assistant("because")), [user("why?"), assistant("because")]),
    ],
)
def test_a_history_is_the_input_and_its_output(input_data: Json, output_data: Json, history: list[Message]) -> None:
    assert history_after(input_data, output_data) == history


def test_an_output_with_the_whole_conversation_keeps_the_system_prompt_of_the_input() -> None:
    prompt: Message = {"role": "system", "content": "Be brief."}
    history = history_after(sent(prompt, user("why?")), sent(user("why?"), assistant("because")))
    assert history == [prompt, user("why?"), assistant("because")]


@pytest.mark.parametrize(
    ("returned", "replied"),
    [
        (assistant("Hi  there"), {"role": "assistant", "content": "Hi there"}),
        (
            assistant("Hi"),
            {"role": "assistant", "content": [{"type": "reasoning", "text": "Hm"}, {"type": "text", "text": "Hi"}]},
        ),
        (
            {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "function": {"name": "f"}}]},
            {"role": "assistant", "content": "", "tool_calls": [{"id": "2", "function": {"name": "f"}}]},
        ),
        (
            {"role": "user", "content": [{"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}]},
            user("Hi"),
        ),
    ],
)
def test_forms_of_one_message_are_the_same(returned: Message, replied: Message) -> None:
    assert new_input([returned, user("next")], [replied]).history == "same"


@pytest.mark.parametrize(
    "other",
    [
        user("because"),
        assistant("Because"),
        {"role": "assistant", "parts": [{"type": "tool_call", "name": "because"}]},
        {"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "f"}}]},
        {"role": {"a": []}, "content": "because"},
        {"parts": [["because"]]},
    ],
)
def test_other_messages_are_not_the_same(other: Message) -> None:
    assert new_input([other, user("next")], [assistant("because")]).history == "changed"
