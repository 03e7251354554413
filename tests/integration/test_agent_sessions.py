"""Recorded sessions of coding agents through the API: what is known of them is shown, and a replay changes nothing."""

import json
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.agents import SESSIONS, TOKENS, Sent, reading, requests_of
from tests.api import Api, flat, path_of
from tests.gateway import Call, new_user

BY_NAME = {session.name: session for session in SESSIONS}
CHANGING = ("id", "user_id", "created_at", "updated_at", "expires_at", "cursor_position", "children")
"""Fields that differ between two users or two times, the position, which the first request decides, and the tree."""


def replay(api: Api, requests: Iterable[Sent]) -> None:
    for request in requests:
        reply = api("POST", request.path, body=request.body, headers=request.headers)
        assert reply.status == 200, reply.body
        assert reply.body in (b"", b"{}")


def shown(api: Api) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The summaries of all traces of a user, and all of their spans."""
    summaries, spans = [], []
    for trace_id in sorted(api.summaries()):
        trace = api.trace(trace_id)
        summaries.append({name: value for name, value in trace["summary"].items() if name not in CHANGING})
        spans += [
            {name: value for name, value in span.items() if name not in CHANGING} for span in flat(trace["spans"])
        ]
    return summaries, spans


@pytest.mark.parametrize("session", SESSIONS, ids=lambda session: session.name)
def test_a_session_is_one_conversation_with_its_calls_tools_tokens_and_cost(call: Call, session: Path) -> None:
    api, known = Api(call, new_user()), reading(session)
    replay(api, requests_of(session))
    first = summaries, spans = shown(api)
    replay(api, requests_of(session))
    assert shown(api) == first
    works = [each for each in summaries if each["llm_call_count"] or {"agent", "tool_call"} & set(each["operations"])]
    tools = [span for span in spans if span["operation_type"] == "tool_call"]
    assert len({each["conversation_id"] for each in works}) == known["conversations"]
    if known["turns"] is not None:
        assert known["turns"] <= len(works) <= known["turns"] + known.get("extra_traces", 0)
        assert len(tools) == known["tool_calls"]
        assert sum(span["status"] == "error" for span in tools) == known["failed_tool_calls"]
    for name in TOKENS if known["tokens"] else ():
        assert sum(each[name] or 0 for each in summaries) == known["tokens"][name]
    if known["cost_usd"] is not None:
        assert sum(each["cost_usd"] or 0 for each in summaries) == pytest.approx(known["cost_usd"], abs=1e-9)
    texts = json.dumps([[span["input_data"], span["output_data"]] for span in spans])
    assert all(marker in texts for marker in known["prompt_markers"])


@pytest.mark.parametrize("session", [each for each in SESSIONS if each.name != "opencode"], ids=lambda each: each.name)
def test_the_order_of_requests_does_not_matter(call: Call, session: Path) -> None:
    in_order, shuffled = Api(call, new_user()), Api(call, new_user())
    requests = list(requests_of(session))
    replay(in_order, requests)
    random.Random(1).shuffle(requests)
    replay(shuffled, requests)
    assert shown(shuffled) == shown(in_order)


@pytest.mark.parametrize("name", ["claude-code-traces", "codex-prompts"])
def test_each_span_is_returned_alone_as_in_its_trace(call: Call, name: str) -> None:
    api = Api(call, new_user())
    replay(api, requests_of(BY_NAME[name]))
    for trace_id in api.summaries():
        for span in flat(api.trace(trace_id)["spans"]):
            if span["operation_type"] not in ("completion", "tool_call", "agent"):
                continue
            alone = api("GET", path_of(trace_id, span["span_id"])).json["data"]
            assert {name: value for name, value in span.items() if name != "children"} == {
                name: value for name, value in alone.items() if name != "children"
            }


def test_calls_of_codex_have_the_model_around_them_and_its_price(call: Call) -> None:
    api = Api(call, new_user())
    replay(api, requests_of(BY_NAME["codex-prompts"]))
    calls = [span for span in shown(api)[1] if span["operation_type"] == "completion"]
    assert {(span["model_name"], span["cost_source"]) for span in calls} == {("gpt-5.1-codex", "computed")}


def test_a_deleted_span_does_not_come_back_with_the_records_about_it(call: Call) -> None:
    api = Api(call, new_user())
    replay(api, requests_of(BY_NAME["claude-code-traces"]))
    (trace_id, tool) = next(
        (trace_id, span)
        for trace_id in api.summaries()
        for span in flat(api.trace(trace_id)["spans"])
        if span["operation_type"] == "tool_call"
    )
    assert api("DELETE", path_of(trace_id, tool["span_id"])).status == 200
    for request in requests_of(BY_NAME["claude-code-traces"]):
        assert api("POST", request.path, body=request.body, headers=request.headers).status == 200
    left = [span for span in flat(api.trace(trace_id)["spans"]) if span["operation_type"] == "tool_call"]
    assert len(left) == 1
    assert left[0]["tool_name"] != tool["tool_name"]
