"""A cursor works for its own list of its own owner alone."""

import base64
from typing import Any

import pytest

from tests.api import TRACES, Api, at, failure, member_of, new_team, path_of, span
from tests.gateway import Call, User, new_user
from tests.victim import LESSONS


@pytest.fixture
def cursor(api: Api) -> str:
    """A cursor of the user's list of summaries, one per page, newest first."""
    api.send(span("a", conversation_id="c"), span("b", conversation_id="c"), span("c"))
    next_cursor: str = api.page(view="summary", limit=1)["next_cursor"]
    return next_cursor


def refused(api: Api, cursor: str, **query: Any) -> bool:
    return failure(api("GET", TRACES, query={"view": "summary", **query, "cursor": cursor})) == (400, "invalid_cursor")


def test_a_cursor_works_for_its_own_list(api: Api, cursor: str) -> None:
    assert len(api.page(view="summary", limit=1, cursor=cursor)["traces"]) == 1


def test_a_cursor_of_another_user_is_refused(other: Api, cursor: str) -> None:
    assert refused(other, cursor)


PAGED = [(TRACES, "view=summary"), ("/api/analytics/export", ""), (LESSONS, "")]


@pytest.mark.parametrize(("path", "query"), PAGED)
def test_a_cursor_is_refused_when_the_same_user_acts_for_another_owner(call: Call, path: str, query: str) -> None:
    user = User(new_user().name, (new_team(), new_team()))
    owners = [Api(call, user), *(member_of(call, team, user.name) for team in user.teams)]
    cursors = []
    for owner in owners:
        for trace_id in ("a", "b", "c"):
            owner.send(span(trace_id, lesson_id="l"))
        page = owner("GET", path, query=f"{query}&limit=1")
        cursors.append(page.headers.get("x-next-cursor") or page.json["next_cursor"])
    for number, owner in enumerate(owners):
        statuses = [owner("GET", path, query=f"{query}&limit=1&cursor={cursor}").status for cursor in cursors]
        assert statuses == [200 if number == other else 400 for other in range(len(owners))]


@pytest.mark.parametrize(
    "query", [{"view": "forest"}, {"order": "asc"}, {"conversation_id": "c"}, {"start_date": at()}, {"search": "call"}]
)
def test_a_cursor_of_another_query_is_refused(api: Api, cursor: str, query: dict[str, str]) -> None:
    assert refused(api, cursor, **query)


def test_a_cursor_of_a_list_is_refused_by_an_outline(api: Api, cursor: str) -> None:
    reply = api("GET", path_of("a"), query={"view": "outline", "cursor": cursor})
    assert failure(reply) == (400, "invalid_cursor")


def test_a_forged_cursor_is_refused(api: Api, cursor: str) -> None:
    raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    forged = [raw[:index] + bytes([raw[index] ^ 1]) + raw[index + 1 :] for index in range(len(raw))]
    forged += [raw[:16], raw[16:], raw + b"0", bytes(16) + raw[16:], b"", raw[:16] + raw[16:].replace(b"#", b"$")]
    for text in forged:
        assert refused(api, base64.urlsafe_b64encode(text).rstrip(b"=").decode()), text


@pytest.mark.parametrize("text", ["", "0", "null", "é", "=", "====", "a b", "%00", "a" * 5_000, "eyJhIjoxfQ"])
def test_a_text_that_is_not_a_cursor_is_refused(api: Api, text: str) -> None:
    assert refused(api, text)
