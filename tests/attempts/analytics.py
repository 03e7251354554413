"""Attempts at the analytics of another owner, and through the tools of agents."""

from collections.abc import Iterator
from typing import Any

from tests.api import at
from tests.victim import CANARY, FIELDS, Attempt, Victim, hostile, segments


def histograms(victim: Victim) -> Iterator[Attempt]:
    path = "/api/analytics/histogram"
    wide = {"start_date": at(-86_400), "end_date": at(86_400)}
    for name in ("conversation_id", "message_id", "model_name"):
        yield Attempt(path, (200,), {**wide, name: FIELDS[name]})
    yield Attempt(path, (200,), {**wide, "search": CANARY, "search_in": "payload"})
    yield Attempt(path, (400,), {**wide, "cursor": victim.cursor})
    yield from (Attempt(path, (400,), {name: victim.name}) for name in ("user_id", "owner", "sub"))


def analytics(victim: Victim, name: str, filtered: int = 200) -> Iterator[Attempt]:
    path = f"/api/analytics/{name}"
    ever = {"start_date": at(-86_400), "end_date": at(86_400)}
    yield from (Attempt(path, (200,)), Attempt(path, (200,), ever), Attempt(path, (400,), {"user_id": victim.name}))
    yield Attempt(path, (filtered,), {**ever, "model_name": CANARY})
    yield Attempt(path, (400,), {"timezone": f"../{victim.name}"})
    yield Attempt(path, (400,), {"cursor": victim.cursor})


def deletion_records(victim: Victim) -> Iterator[Attempt]:
    path = "/api/analytics/deletions"
    yield from (Attempt(path, (200,)), Attempt(path, (200,), {"limit": 1}), Attempt(path, (400,), {"limit": 0}))
    yield from (Attempt(path, (400,), {name: victim.name}) for name in ("user_id", "owner", "cursor"))
    yield from (Attempt(path, (400,), {"limit": 1, "cursor": c}) for c in (victim.cursor, victim.deletions_cursor))


def storage(victim: Victim) -> Iterator[Attempt]:
    path = "/api/analytics/storage"
    yield from (Attempt(path, (200,)), Attempt(path, (200,), {"start_date": at(-86_400), "end_date": at(86_400)}))
    yield from (Attempt(path, (400,), {name: victim.name}) for name in ("user_id", "owner", "cursor"))
    yield Attempt(path, (400,), {"timezone": f"../{victim.name}"})
    yield from (Attempt(path, (400,), {"cursor": c}) for c in (victim.cursor, victim.deletions_cursor))


def conversations(victim: Victim) -> Iterator[Attempt]:
    yield from analytics(victim, "conversations")
    for text in [*hostile(victim, FIELDS["conversation_id"])][:16]:
        yield from (Attempt("/api/analytics/conversations", (200,), {name: text}) for name in ("search", "end_user_id"))


def one_conversation(victim: Victim) -> Iterator[Attempt]:
    path = "/api/analytics/conversations"
    for segment in segments(victim, FIELDS["conversation_id"]):
        yield from (Attempt(f"{path}/{segment}", (404,)), Attempt(f"{path}/{segment}", (400, 404), {"user_id": "x"}))


def tool_calls(victim: Victim) -> Iterator[Attempt]:
    """Calls of tools. A failed call is a result, with status 200."""

    def call(tool: str, **arguments: Any) -> Attempt:
        params = {"name": tool, "arguments": arguments}
        return Attempt("/mcp", (200,), body={"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})

    yield from (call("search_traces", **filters) for filters in ({}, {"order_by": "cost"}, {"limit": 100}))
    for name in ("conversation_id", "model_name"):
        yield call("search_traces", **{name: FIELDS[name]})
    yield call("search_traces", search=CANARY, search_in="payload")
    yield call("search_traces", limit=1, cursor=victim.cursor)
    for text in hostile(victim, "t"):
        yield call("get_trace", trace_id=text)
        yield call("get_span", trace_id=text, span_id="root")
        yield call("get_span", trace_id="t", span_id=text)
        yield call("compare_traces", trace_id_a=text, trace_id_b="u")
        yield call("search_traces", conversation_id=text[:500], cursor=text)
    for group_by in ("model_name", "end_user_id"):
        yield call("costs", start_date=at(-86_400), end_date=at(86_400), group_by=group_by)
    for name in ("user_id", "owner", "owner_id", "sub", "pk"):
        yield from (call(tool, **{name: victim.name}) for tool in ("search_traces", "get_trace", "costs"))
    yield Attempt("/mcp", (400,), {"user_id": victim.name}, {"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
