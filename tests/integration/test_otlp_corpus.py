"""Recorded exports of real clients through the API: the known facts, in any order, however often."""

import functools
import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.api import Api, flat
from tests.calling import Call, new_user
from tests.unit.test_conventions import CASES, checks

OF_STORING = ("id", "user_id", "created_at", "updated_at", "expires_at", "children")
"""What differs between two users or two moments, and the tree, which is compared by its own."""


@dataclass(frozen=True)
class Sent:
    """One recorded request."""

    path: str
    headers: dict[str, str]
    body: bytes


@functools.cache
def expected(case: Path) -> Any:
    return json.loads((case / "expected.json").read_text())


def requests_of(case: Path) -> list[Sent]:
    """The exports of a case in their order, credentials left out."""
    return [
        Sent(
            request["path"],
            {"content-type": request["content_type"]}
            | ({"content-encoding": request["content_encoding"]} if request["content_encoding"] else {}),
            (case / request["file"]).read_bytes(),
        )
        for request in expected(case)["requests"]
        if request["signal"] in ("traces", "logs", "metrics")
    ]


def replay(api: Api, requests: list[Sent]) -> None:
    for request in requests:
        reply = api("POST", request.path, body=request.body, headers=request.headers)
        assert reply.status == 200, reply.body
        assert reply.body in (b"", b"{}")


@pytest.fixture(scope="module")
def in_order(call: Call) -> Api:
    """Somebody whose clients sent every case once, in order."""
    api = Api(call, new_user())
    for case in CASES:
        replay(api, requests_of(case))
    return api


def shown(api: Api, trace_id: str) -> Any:
    """A trace but for what its storing left on it: the summary, and each span by its id with its children's."""
    trace = api.trace(trace_id)
    summary = {name: value for name, value in trace["summary"].items() if name not in OF_STORING}
    spans = {
        span["span_id"]: {name: value for name, value in span.items() if name not in OF_STORING}
        | {"below": [child["span_id"] for child in span["children"]]}
        for span in flat(trace["spans"])
    }
    return summary, spans


@pytest.mark.parametrize("seed", [1])
def test_any_order_and_repetition_of_all_exports_gives_the_same_traces(call: Call, in_order: Api, seed: int) -> None:
    api = Api(call, new_user())
    requests = 2 * [request for case in CASES for request in requests_of(case)]
    random.Random(seed).shuffle(requests)
    replay(api, requests)
    trace_ids = in_order.summaries()
    assert len(trace_ids) >= len(CASES)
    assert sorted(api.summaries()) == sorted(trace_ids)
    for trace_id in trace_ids:
        assert shown(api, trace_id) == shown(in_order, trace_id)


def test_a_list_tells_of_each_trace_what_the_trace_does(in_order: Api) -> None:
    listed = in_order.page(view="summary", limit=1000)["traces"]
    assert listed
    assert [in_order.trace(summary["trace_id"])["summary"] for summary in listed] == listed


def test_99_percent_of_what_is_known_is_shown(in_order: Api) -> None:
    held: list[bool] = []
    missed: list[str] = []
    for case in CASES:
        for trace in expected(case)["traces"]:
            for what, holds in _fields_of(in_order, expected(case), trace):
                held.append(holds)
                if not holds:
                    missed.append(f"{'/'.join(case.parts[-2:])} {what}")
    assert len(held) > 1_000
    assert sum(held) >= 0.99 * len(held), missed


def _fields_of(api: Api, known: Any, trace: Any) -> list[tuple[str, bool]]:
    """What is known of a trace and its spans, and whether it is shown so."""
    answer = api.trace(trace["trace_id"])
    summary, nodes = answer["summary"], {span["span_id"]: span for span in flat(answer["spans"])}
    parent_of = {child["span_id"]: span_id for span_id, span in nodes.items() for child in span["children"]}
    found = [("span count", len(nodes) == trace["span_count"] == summary["span_count"])]
    if not trace.get("same_call_as_in_another_trace"):
        for field, tokens in (trace.get("token_totals_without_double_counting") or {}).items():
            if tokens is not None and field in ("input_tokens", "output_tokens"):
                found.append((f"trace {field}", summary[field] == tokens))
    if trace.get("conversation_id"):
        found.append(("conversation", summary["conversation_id"] == trace["conversation_id"]))
    for span in known["spans"]:
        if span["trace_id"] == trace["trace_id"]:
            told = {"input_data": None, "output_data": None} | {
                name: value for name, value in nodes[span["span_id"]].items() if value is not None
            }
            found += [
                (f"{span['name']}: {field}", holds)
                for field, holds in checks(span, told, parent_of.get(span["span_id"]))
            ]
    return found
