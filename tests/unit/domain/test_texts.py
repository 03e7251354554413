"""A search compares texts of any script, and shows where it found one."""

import pytest

from tracestore.domain.spans import Json
from tracestore.domain.texts import EXCERPT_CHARACTERS, excerpt, normalized, texts_in


@pytest.mark.parametrize(
    ("text", "needle"),
    [
        *(("Straße", "STRASSE"), ("GRÖSSE", "größe"), ("ΣΊΣΥΦΟΣ", "σίσυφος"), ("東京タワー", "ﾀﾜｰ"), ("ﬁle", "file")),
        *(("cafe\u0301", "café"), ("НАЙТИ", "найти"), ("１２３", "123")),
    ],
)
def test_case_width_and_composition_make_no_difference(text: str, needle: str) -> None:
    assert normalized(needle) in normalized(text)


def test_all_texts_of_a_value_are_found() -> None:
    value: Json = {"a": ["b", {"c": 1.5, "d": True}], "e": None, "f": "g"}
    assert list(texts_in(value)) == ["a", "e", "f", "b", "c", "d", "1.5", "true", "g"]


def test_a_deep_value_is_walked_without_recursion() -> None:
    value: list[object] = ["found"]
    for _ in range(100_000):
        value = [value]
    assert list(texts_in(value)) == ["found"]  # type: ignore[arg-type]


@pytest.mark.parametrize("position", [0, 10, 500, 990])
def test_an_excerpt_contains_the_place(position: int) -> None:
    text = ("x" * position + " ﬁle STRASSE " + "y" * 1_000)[:1_000]
    shown = excerpt(text, normalized("straße" if position < 900 else "ﬁl"))
    assert shown is not None
    assert ("STRASSE" in shown) is (position < 900) or "ﬁl" in shown
    assert len(shown) <= EXCERPT_CHARACTERS


def test_there_is_no_excerpt_of_a_text_without_the_needle() -> None:
    assert excerpt("text", "other") is None
