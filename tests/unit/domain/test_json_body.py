"""A body is strict JSON within limits, or refused with an error that repeats none of its content."""

import json
from contextlib import suppress
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracestore.domain.errors import Invalid, TooLarge
from tracestore.domain.json_body import MAX_DEPTH, MAX_VALUES, parse_json


def nested(depth: int, opening: str = "[", closing: str = "]") -> bytes:
    return (opening * depth + closing * depth).encode()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"{'secret prompt': 1}",
        b'{"secret prompt": }',
        b'{"a": "secret prompt',
        b'["secret prompt\n"]',
        b"[1] secret prompt",
        b"[01]",
        b"[1,]",
        b"\xff\xfe",
        b'"\xed\xa0\x80"',
        b'"\\ud8"',
        b"[NaN]",
        b"[Infinity]",
        b"[-Infinity]",
        b"[1e400]",
        b"[-1e400]",
        b"[" + b"9" * 5_000 + b"]",
    ],
)
def test_anything_but_strict_json_is_malformed(body: bytes) -> None:
    with pytest.raises(Invalid) as refused:
        parse_json(body)
    assert refused.value.code == "malformed_json"


def test_a_refusal_reports_the_position_and_repeats_no_content() -> None:
    with pytest.raises(Invalid, match="line 2, column 6") as refused:
        parse_json(b'{"a": 1,\n"b": secret}')
    assert "secret" not in refused.value.message


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":[', "]}")])
def test_the_deepest_permitted_body_is_read(opening: str, closing: str) -> None:
    levels = opening.count("[") + opening.count("{")
    assert parse_json(nested(MAX_DEPTH // levels, opening, closing))


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 1_000, 100_000])
def test_a_deeper_body_is_refused_and_does_not_crash(depth: int) -> None:
    with pytest.raises(Invalid) as refused:
        parse_json(nested(depth))
    assert refused.value.code == "json_too_deep"


@pytest.mark.parametrize(
    "body",
    [
        b"[" + b"0," * MAX_VALUES + b"0]",
        b"[" + b"[]," * (MAX_VALUES // 2) + b"[]]",
        b"{" + b'"a":0,' * MAX_VALUES + b'"a":0}',
        b'["\\\\",' + b"0," * MAX_VALUES + b"0]",
    ],
    ids=["numbers", "lists", "entries", "after a string that ends with a backslash"],
)
def test_a_body_with_more_values_than_permitted_is_refused_before_it_is_decoded(body: bytes) -> None:
    with pytest.raises(TooLarge, match="1,000,000 JSON values"):
        parse_json(body)


def test_the_most_permitted_values_are_read() -> None:
    assert len(cast("list[int]", parse_json(b"[" + b"0," * (MAX_VALUES - 2) + b"0]"))) == MAX_VALUES - 1


@pytest.mark.parametrize("text", [",[{" * MAX_VALUES, '\\",[' * (MAX_VALUES // 2)])
def test_the_text_in_strings_counts_as_one_value(text: str) -> None:
    assert parse_json(json.dumps([text]).encode()) == [text]


def test_a_text_that_is_not_closed_is_counted_in_linear_time() -> None:
    with pytest.raises(Invalid):
        parse_json(b'["' + b'\\",' * (3 * MAX_VALUES))


def test_many_brackets_on_one_level_are_not_deep() -> None:
    assert parse_json(b"[" + b"[{}]," * 1_000 + b"[]]") == [[{}]] * 1_000 + [[]]


def test_brackets_in_strings_are_not_deep() -> None:
    assert parse_json(json.dumps("[{" * 1_000).encode()) == "[{" * 1_000


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (rb'"\ud800"', "\ufffd"),
        (rb'"a\uDC00b"', "a\ufffdb"),
        (rb'"\uDE00\uD83D"', "\ufffd\ufffd"),
        (rb'"\ud83d\ud83d\ude00\ude00"', "\ufffd\U0001f600\ufffd"),
        (rb'"\\\ud800"', "\\\ufffd"),
        (rb'{"\ud800": ["\udfff"]}', {"\ufffd": ["\ufffd"]}),
        (rb'"\ud83d\ude00"', "\U0001f600"),
        (rb'"\\ud800"', "\\ud800"),
    ],
)
def test_half_a_surrogate_pair_becomes_the_replacement_character(body: bytes, value: Any) -> None:
    assert parse_json(body) == value


def test_the_last_value_of_a_repeated_key_counts() -> None:
    assert parse_json(b'{"a": 1, "a": 2}') == {"a": 2}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(json_values, st.booleans())
def test_every_json_value_is_read_as_it_was_written(value: Any, ascii_only: bool) -> None:
    assert parse_json(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


@given(st.lists(st.sampled_from(["\\", "\\u", "d83d", "DE00", "x"]), max_size=8).map("".join))
def test_no_escape_leaves_a_string_that_utf8_cannot_encode(escapes: str) -> None:
    with suppress(Invalid):
        str(parse_json(f'"{escapes}"'.encode())).encode()


@given(st.binary(max_size=40))
def test_no_body_raises_another_error(body: bytes) -> None:
    with suppress(Invalid):
        parse_json(body)
