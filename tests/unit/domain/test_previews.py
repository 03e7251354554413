"""Previews: the beginning of an input and an output."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracestore.domain.previews import PREVIEW_CHARACTERS, input_preview, output_preview

json_values: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=20)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["messages", "role", "content", "parts", "text", "x"]), inner, max_size=3),
    ),
    max_leaves=12,
)


@given(json_values)
@settings(max_examples=150, deadline=None)
def test_any_value_gives_a_short_line_or_none(value: Any) -> None:
    for text in (input_preview(value), output_preview(value)):
        assert text is None or (0 < len(text) <= PREVIEW_CHARACTERS and text == " ".join(text.split()))


@given(st.lists(st.sampled_from(["word", "é", " ", "\n", " " * 350, "x" * 90]), max_size=60).map("".join))
@settings(max_examples=200, deadline=None)
def test_a_preview_is_the_beginning_of_the_text_without_repeated_white_space(text: str) -> None:
    line = " ".join(text[:4_000].split())
    for characters in (80, PREVIEW_CHARACTERS):
        expected = line if len(line) <= characters else line[: characters - 1] + "…"
        assert input_preview(text, characters) == (expected or None)


def message(role: str, text: str) -> dict[str, Any]:
    """A message in the shape in which conversations are stored."""
    return {"role": role, "parts": [{"type": "text", "text": text}]}


def test_the_input_preview_is_the_last_message_of_the_user() -> None:
    messages: Any = [
        message("system", "be kind"),
        message("user", "first"),
        message("user", "last"),
        message("tool", "x"),
    ]
    assert input_preview({"messages": messages}) == "last"


def test_without_a_message_of_a_user_the_input_preview_is_the_last_message() -> None:
    assert input_preview({"messages": [message("system", "be kind"), message("assistant", "well")]}) == "well"


def test_the_output_preview_is_the_last_message() -> None:
    assert output_preview({"messages": [message("user", "no"), message("assistant", "yes")]}) == "yes"


@pytest.mark.parametrize(
    ("part", "text"),
    [
        (
            {"type": "tool_call", "id": "c1", "name": "search", "arguments": {"town": "Malmö"}},
            'search({"town": "Malmö"})',
        ),
        ({"type": "tool_call", "name": "search", "arguments": '{"town": 1}'}, 'search({"town": 1})'),
        ({"type": "tool_call", "name": "stop", "arguments": None}, "stop()"),
        ({"type": "tool_result", "id": "c1", "result": {"count": 3, "ok": True}}, '{"count": 3, "ok": true}'),
        ({"type": "media", "mime_type": "image/png", "sha256": "0"}, "[image/png]"),
    ],
)
def test_a_message_without_text_shows_what_it_calls_or_contains(part: Any, text: str) -> None:
    assert output_preview({"messages": [{"role": "assistant", "parts": [part]}]}) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain", "plain"),
        ({"prompt": "alone in an object"}, "alone in an object"),
        ({"a": {"b": {"c": "deep"}}}, "deep"),
        ({"a": 1, "b": "é"}, '{"a": 1, "b": "é"}'),
        ([1, 2], "[1, 2]"),
        (0, "0"),
        (False, "false"),
        ([{"role": "user", "content": "chat"}], "chat"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}, {"text": "b"}]}]}, "a b"),
        ({"messages": [{"role": "user", "parts": [{"type": "media"}]}]}, '[{"type": "media"}]'),
        ({"messages": "not a list"}, "not a list"),
        ("  white \n\t space ", "white space"),
        ("", None),
        (None, None),
        ({}, "{}"),
        ({"messages": []}, "[]"),
    ],
)
def test_a_preview_is_readable_text(value: Any, text: str | None) -> None:
    assert input_preview(value) == output_preview(value) == text


def test_a_long_text_is_cut_and_ends_with_an_ellipsis() -> None:
    assert input_preview("x" * 301) == "x" * 299 + "…"
    assert input_preview("x" * 300) == "x" * 300


def test_white_space_does_not_use_up_a_preview() -> None:
    assert input_preview(" " * 1000 + "x" * 10) == "x" * 10


def test_the_deepest_json_that_is_accepted_has_a_preview() -> None:
    value: Any = "x"
    for level in range(99):
        value = {"a": value} if level % 2 else [value, 1]
    assert input_preview(value) == json.dumps(value["a"] if isinstance(value, dict) else value)[:299] + "…"


def test_an_input_of_an_unknown_kind_does_not_hide_the_text_before_it() -> None:
    unknown: Any = {"role": "user", "parts": [{"type": "other", "data": {"approve": True}}]}
    assert (
        input_preview({"messages": [message("user", "Book it"), message("assistant", "Sure?"), unknown]}) == "Book it"
    )
    assert input_preview({"messages": [unknown]}) is not None


def test_a_text_that_an_agent_adds_to_a_message_is_shown_only_without_another() -> None:
    added: Any = {"type": "text", "text": "<system-reminder>\nDate"}
    own: Any = {"type": "text", "text": "Read the notes."}
    assert input_preview({"messages": [{"role": "user", "parts": [added, own, added]}]}) == "Read the notes."
    assert input_preview({"messages": [{"role": "user", "parts": [added]}]}) == "<system-reminder> Date"
