"""A cursor works only for the user and the list that it was made for, and cannot be forged."""

import base64
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracestore.domain.errors import Invalid
from tracestore.http.cursors import ListCursor
from tracestore.http.identity import Identity
from tracestore.http.request import Request, request_of
from tracestore.storage.cursor import sign, verify

SECRET = b"s" * 32
CURSOR = sign(SECRET, "ada", "query", "position")
ROUTE = "GET /things/{id}"


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=200))
@settings(max_examples=200, deadline=None)
def test_a_cursor_returns_its_position_and_is_safe_in_a_url(user: str, query: str, position: str) -> None:
    cursor = sign(SECRET, user, query, position)
    assert verify(SECRET, user, query, cursor) == position
    assert cursor.replace("-", "").replace("_", "").isalnum()


@pytest.mark.parametrize(
    ("secret", "user", "query"),
    [(b"t" * 32, "ada", "query"), (SECRET, "bob", "query"), (SECRET, "ada", "other"), (SECRET, "adaq", "uery")],
)
def test_a_cursor_of_another_user_or_query_is_refused(secret: bytes, user: str, query: str) -> None:
    with pytest.raises(Invalid) as refused:
        verify(secret, user, query, CURSOR)
    assert refused.value.code == "invalid_cursor"


@given(st.one_of(st.text(max_size=60), st.binary(max_size=60).map(lambda b: base64.urlsafe_b64encode(b).decode())))
@settings(max_examples=300, deadline=None)
def test_a_forged_cursor_is_refused(cursor: str) -> None:
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


def request(route: str = ROUTE, **query: str) -> Request:
    return request_of({"routeKey": route, "rawQueryString": urlencode(query)}, {}, now_ms=0, remaining_ms=lambda: 1_000)


def cursor_of(request: Request, user_id: str = "ada", **options: Any) -> ListCursor:
    caller = Identity(user_id, "api_key", frozenset({"read"}))
    return ListCursor(request, caller, secret=lambda: SECRET, **options)


def next_cursor(position: str = "position", user_id: str = "ada", **query: str) -> str:
    cursor = cursor_of(request(**query), user_id).next(position)
    assert cursor is not None
    return cursor


def test_a_list_without_a_cursor_has_no_position() -> None:
    assert cursor_of(request()).position() is None


def test_the_end_of_a_list_has_no_cursor() -> None:
    assert cursor_of(request()).next(None) is None


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=50))
def test_a_request_with_the_next_cursor_starts_at_its_position(position: str) -> None:
    following = request(search="tea", cursor=next_cursor(position, search="tea"))
    assert cursor_of(following).position() == position


def test_pages_of_a_list_may_differ_in_size() -> None:
    following = request(limit="7", cursor=next_cursor(limit="3"))
    assert cursor_of(following).position() == "position"


def test_the_order_of_parameters_does_not_matter() -> None:
    following = request(cursor=next_cursor(search="tea", status="error"), status="error", search="tea")
    assert cursor_of(following).position() == "position"


def test_a_parameter_that_is_not_bound_may_differ_between_pages() -> None:
    cursor = cursor_of(request(offset="7"), not_bound=("offset",)).next("position")
    assert cursor is not None
    assert cursor_of(request(cursor=cursor), not_bound=("offset",)).position() == "position"


@pytest.mark.parametrize(
    ("following", "options"),
    [
        pytest.param({"search": "coffee"}, {}, id="another value"),
        pytest.param({}, {}, id="a parameter less"),
        pytest.param({"search": "tea", "status": "error"}, {}, id="a parameter more"),
        pytest.param({"route": "GET /things", "search": "tea"}, {}, id="another route"),
        pytest.param({"search": "tea"}, {"user_id": "bob"}, id="another user"),
        pytest.param({"search": "tea"}, {"path_id": "2"}, id="another id in the path"),
    ],
)
def test_a_cursor_of_another_list_is_refused(following: dict[str, str], options: dict[str, str]) -> None:
    cursor = next_cursor(search="tea")
    with pytest.raises(Invalid) as refused:
        cursor_of(request(**following, cursor=cursor), **options).position()
    assert refused.value.code == "invalid_cursor"


def test_the_secret_is_not_read_for_a_list_that_fits_into_one_page() -> None:
    def unread() -> bytes:
        raise AssertionError("the secret was read")

    caller = Identity("ada", "api_key", frozenset({"read"}))
    cursor = ListCursor(request(), caller, secret=unread)
    assert (cursor.position(), cursor.next(None)) == (None, None)
