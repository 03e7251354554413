"""Conversion of any value to valid JSON within a limit."""

import json
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, NamedTuple
from uuid import UUID

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracestore_client._values import as_json, as_text, cut

LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
PLAIN = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=20
)


class Kind(Enum):
    SHORT = "short"


class Point(NamedTuple):
    x: int


@dataclass
class Plain:
    name: str
    key: str = field(default="secret", repr=False)


class Model(pydantic.BaseModel):
    name: str
    key: pydantic.SecretStr


class Opaque:
    def __init__(self) -> None:
        self.api_key = "secret"


@given(PLAIN)
def test_json_values_round_trip(value: Any) -> None:
    assert json.loads(as_json(value)) == json.loads(json.dumps(value).encode().decode("utf-8", "replace"))


@given(PLAIN, st.integers(0, 60))
def test_a_cut_value_is_valid_json_within_the_limit(value: Any, limit: int) -> None:
    text = as_json(value, limit)
    json.loads(text)
    assert len(text) <= limit + 2_000


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (Kind.SHORT, "short"),
        (Point(1), {"x": 1}),
        (Plain("n"), {"name": "n"}),
        (Model(name="n", key=pydantic.SecretStr("secret")), {"name": "n", "key": "<pydantic.types.SecretStr>"}),
        (datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02T00:00:00+00:00"),
        (date(2026, 1, 2), "2026-01-02"),
        (Decimal("1.50"), "1.50"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (b"abc", "[3 bytes]"),
        (float("inf"), "inf"),
        (Opaque(), f"<{__name__}.Opaque>"),
        (ValueError("bad"), "bad"),
        ({1: {2}, None: ()}, {"1": [2], "null": []}),
    ],
)
def test_a_value_that_is_not_json_becomes_the_most_descriptive_json(value: Any, written: Any) -> None:
    assert json.loads(as_json(value)) == written


def test_a_cut_text_contains_its_original_length() -> None:
    assert cut("x" * 100, 10) == "x" * 10 + "… [cut: 100 characters]"


def test_a_cut_list_contains_the_number_of_missing_items() -> None:
    assert json.loads(as_json(["x" * 10] * 100, 50))[-1] == "… [cut: 96 more]"


def test_a_cycle_is_cut() -> None:
    loop: list[Any] = []
    loop.append(loop)
    assert "too deep" in as_json(loop)


def test_a_text_stays_unchanged() -> None:
    assert as_text("Rivers.") == "Rivers."


def test_lone_surrogates_are_replaced() -> None:
    assert as_text("a\ud800b").encode() == b"a?b"
