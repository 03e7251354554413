"""A cursor works for the user and the query it was made for, and cannot be made up."""

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracestore.domain.errors import Invalid
from tracestore.storage.cursor import sign, verify

SECRET = b"s" * 32
CURSOR = sign(SECRET, "ada", "query", "place")


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=200))
@settings(max_examples=200, deadline=None)
def test_a_place_comes_back_and_the_cursor_is_safe_in_a_url(user: str, query: str, place: str) -> None:
    cursor = sign(SECRET, user, query, place)
    assert verify(SECRET, user, query, cursor) == place
    assert cursor.replace("-", "").replace("_", "").isalnum()


@pytest.mark.parametrize(
    ("secret", "user", "query"),
    [(b"t" * 32, "ada", "query"), (SECRET, "bob", "query"), (SECRET, "ada", "other"), (SECRET, "adaq", "uery")],
)
def test_a_cursor_of_somebody_or_something_else_is_refused(secret: bytes, user: str, query: str) -> None:
    with pytest.raises(Invalid) as refused:
        verify(secret, user, query, CURSOR)
    assert refused.value.code == "invalid_cursor"


@given(st.one_of(st.text(max_size=60), st.binary(max_size=60).map(lambda b: base64.urlsafe_b64encode(b).decode())))
@settings(max_examples=300, deadline=None)
def test_what_was_made_up_is_refused(cursor: str) -> None:
    with pytest.raises(Invalid):
        verify(SECRET, "ada", "query", cursor)


@pytest.mark.parametrize(
    "cursor", [CURSOR[:-1], CURSOR[1:], CURSOR + "AAAA", "", "=", "a", "é", "🙂", "\ud800", "A" * 9000]
)
def test_a_cursor_that_was_cut_or_damaged_is_refused(cursor: str) -> None:
    with pytest.raises(Invalid):
        verify(SECRET, "ada", "query", cursor)


def test_no_bit_of_a_cursor_can_be_changed() -> None:
    signed = base64.urlsafe_b64decode(CURSOR + "=" * (-len(CURSOR) % 4))
    for bit in range(len(signed) * 8):
        changed = bytearray(signed)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(Invalid):
            verify(SECRET, "ada", "query", base64.urlsafe_b64encode(changed).decode())
