"""Recorded exports of real clients through the API: they give their known values, in any order and repetition."""

import functools
import json
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.agents import Sent
from tests.api import Api, flat
from tests.gateway import Call, new_user
from tests.unit.ingest.test_conventions import CASES, checks

NOT_COMPARED = ("id", "user_id", "created_at", "updated_at", "expires_at", "cursor_position", "children")
"""Fields that differ between two users or two times, the position, which follows from the first request, and the tree,
which is compared separately."""


@functools.cache
def expected(case: Path) -> Any:
    return json.loads((case / "expected.json").read_text())


def requests_of(case: Path) -> list[Sent]:
    """The exports of a case in their order, without credentials."""
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


def replay(api: Api, requests: Iterable[Sent]) -> None:
    for request in requests:
        reply = api("POST", request.path, body=request.body, headers=request.headers)
        assert reply.status == 200, reply.body
        assert reply.body in (b"", b"{}")


@pytest.fixture(scope="module")
def in_order(call: Call) -> Api:
    """The API of a user whose clients sent every case once, in order."""
    api = Api(call, new_user())
    for case in CASES:
        replay(api, requests_of(case))
    return api


def comparable(api: Api, trace_id: str) -> Any:
    """The summary and the spans of a trace without `NOT_COMPARED`, each span by its id with the ids of its children."""
    trace = api.trace(trace_id)
    summary = {name: value for name, value in trace["summary"].items() if name not in NOT_COMPARED}
    spans = {
        span["span_id"]: {name: value for name, value in span.items() if name not in NOT_COMPARED}
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
        assert comparable(api, trace_id) == comparable(in_order, trace_id)


def test_a_list_returns_the_same_summary_as_each_trace(in_order: Api) -> None:
    listed = in_order.page(view="summary", limit=1000)["traces"]
    assert listed
    assert [in_order.trace(summary["trace_id"])["summary"] for summary in listed] == listed


def test_99_percent_of_the_known_values_are_returned(in_order: Api) -> None:
    results: list[bool] = []
    missed: list[str] = []
    for case in CASES:
        for trace in expected(case)["traces"]:
            for name, matches in _checks_of_trace(in_order, expected(case), trace):
                results.append(matches)
                if not matches:
                    missed.append(f"{'/'.join(case.parts[-2:])} {name}")
    assert len(results) > 1_000
    assert sum(results) >= 0.99 * len(results), missed


def _checks_of_trace(api: Api, known: Any, trace: Any) -> list[tuple[str, bool]]:
    """The known values of a trace and its spans by name, and whether the API returns them."""
    returned = api.trace(trace["trace_id"])
    summary, nodes = returned["summary"], {span["span_id"]: span for span in flat(returned["spans"])}
    parent_of = {child["span_id"]: span_id for span_id, span in nodes.items() for child in span["children"]}
    results = [("span count", len(nodes) == trace["span_count"] == summary["span_count"])]
    if not trace.get("same_call_as_in_another_trace"):
        for field, tokens in (trace.get("token_totals_without_double_counting") or {}).items():
            if tokens is not None and field in ("input_tokens", "output_tokens"):
                results.append((f"trace {field}", summary[field] == tokens))
    if trace.get("conversation_id"):
        results.append(("conversation", summary["conversation_id"] == trace["conversation_id"]))
    for span in known["spans"]:
        if span["trace_id"] == trace["trace_id"]:
            fields = {"input_data": None, "output_data": None} | {
                name: value for name, value in nodes[span["span_id"]].items() if value is not None
            }
            results += [
                (f"{span['name']}: {field}", matches)
                for field, matches in checks(span, fields, parent_of.get(span["span_id"]))
            ]
    return results
