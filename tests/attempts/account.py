"""Attempts at the lessons, saved views and keys of another owner."""

from collections.abc import Iterator
from typing import Any

from tests.api import at
from tests.victim import CANARY, LESSONS, VIEWS, Attempt, Victim, hostile, segments


def lessons(victim: Victim) -> Iterator[Attempt]:
    """A lesson of one's own may have the same id as another user's lesson."""
    mine = {"request_data": "mine", "id": "l", "llm_calls": [{"id": "call", "provider": "mine"}]}
    yield Attempt(LESSONS, (201,), body={**mine, "user_id": victim.name})
    yield Attempt(LESSONS, (400,), {"user_id": victim.name}, body=mine)
    for text in hostile(victim, "l"):
        yield Attempt(LESSONS, (201, 400), body={"request_data": "mine", "id": text, "lesson_id": text[:200]})


def lesson_lists(victim: Victim) -> Iterator[Attempt]:
    for text in [*hostile(victim, CANARY)][:16]:
        yield Attempt(LESSONS, (200, 400), {"lesson_id": text[:500]})
    yield from (
        Attempt(LESSONS, (200,), query)
        for query in ("", "offset=0", "offset=1", "status=started", "limit=1", "start_date=2025-01-01")
    )
    yield from (Attempt(LESSONS, (400,), {name: victim.name}) for name in ("user_id", "owner", "cursor"))
    yield Attempt(LESSONS, (400,), {"limit": 1, "cursor": victim.lesson_cursor})
    yield Attempt(LESSONS, (200,), headers={"if-none-match": victim.etag})


def lesson_paths(victim: Victim, rest: str = "", body: Any = None) -> Iterator[Attempt]:
    yield from (Attempt(f"{LESSONS}/{segment}{rest}", body=body) for segment in segments(victim, "l"))


def lesson_deletions(victim: Victim) -> Iterator[Attempt]:
    yield from (Attempt(LESSONS, (404,), {"id": text}) for text in hostile(victim, "l"))
    yield from (Attempt(LESSONS, (200,), {"lesson_id": text[:500]}) for text in (CANARY, f"{CANARY}#", "%", "x#L#y"))
    yield Attempt(LESSONS, (400,), {"deleteAll": "true", "user_id": victim.name})
    yield Attempt(LESSONS, (200,), {"before": at(86_400)})
    yield Attempt(LESSONS, (200,), {"deleteAll": "true"})


def saved_views(victim: Victim) -> Iterator[Attempt]:
    view = {"title": "theirs", "query": "status=error"}
    for segment in segments(victim, "mine"):
        if victim.name not in segment:  # the response repeats the name
            yield Attempt(f"{VIEWS}/{segment}", (200, 400, 403, 404), body=view)
    yield Attempt(f"{VIEWS}/mine", (400, 403), body={**view, "user_id": victim.name})
    yield Attempt(f"{VIEWS}/mine", (400, 403), {"user_id": victim.name}, view)


def new_keys(victim: Victim) -> Iterator[Attempt]:
    key = {"name": "mine", "scopes": ["read"], "user_id": victim.name, "key_id": victim.key_id}
    yield Attempt("/api/keys", (201, 403), body=key)
    yield Attempt("/api/keys", (400, 403), {"user_id": victim.name}, key)
