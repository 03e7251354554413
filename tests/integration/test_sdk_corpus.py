"""Recorded requests of SDKs in their own protocols: they give their known values, in any order and repetition."""

import functools
import json
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.api import Api, flat
from tests.gateway import Call, Reply, new_user
from tracestore.domain.times import NS_PER_MS
from tracestore.ingest.sdk_reports import stored_id, time_ns

CASES = sorted(path.parent for path in (Path(__file__).parents[1] / "data/native").glob("*/*/expected.json"))
SENT_HEADERS = ("content-type", "content-encoding", "accept")
TOKENS = {
    **{name: name for name in ("input_tokens", "output_tokens", "total_tokens", "cached_input_tokens")},
    "reasoning_tokens": "reasoning_tokens",
    "cache_creation_tokens": "cache_write_tokens",
}
NOT_COMPARED = (
    *("id", "user_id", "created_at", "updated_at", "expires_at", "cursor_position", "children"),
    "annotated_at",
)
IN_ORDER = ("/feedback", "/scores", "/feedback-scores", "_annotations", "_annotations?sync=true", "_notes")
"""Ends of the paths whose requests replace the scores of earlier ones, or need a run that is stored."""


@functools.cache
def expected(case: Path) -> Any:
    return json.loads((case / "expected.json").read_text())


def name_of(case: Path) -> str:
    return "/".join(case.parts[-2:])


def send(api: Api, case: Path, request: Any) -> Reply:
    body = (case / request["file"]).read_bytes() if request.get("file") else None
    headers = {name: value for name, value in request["headers"].items() if name in SENT_HEADERS}
    path, _, query = request["path"].partition("?")
    reply = api(request["method"], path, query=query, body=body, headers=headers)
    if request["expect"].get("successes_for_every_event_id"):
        events = {event["id"] for event in json.loads(body or b"{}")["batch"]}
        assert {success["id"] for success in reply.json["successes"]} == events
        assert reply.json["errors"] == []
    assert reply.status in request["expect"]["status"], (name_of(case), reply.body)
    return reply


def replay(api: Api, cases: list[Path], *, seed: int | None = None) -> None:
    """Send the requests of these cases: once and in order, or with a seed twice and in any order."""
    requests = [(case, request) for case in cases for request in expected(case)["requests"]]
    if seed is not None:
        last = [sent for sent in requests if sent[1]["path"].endswith(IN_ORDER)]
        requests = 2 * [sent for sent in requests if not sent[1]["path"].endswith(IN_ORDER)]
        random.Random(seed).shuffle(requests)
        requests += 2 * last
    for case, request in requests:
        send(api, case, request)


@pytest.fixture(scope="module")
def in_order(call: Call) -> Api:
    """The API of a user whose clients sent every case once, in order."""
    api = Api(call, new_user())
    replay(api, CASES)
    return api


def known_traces() -> Iterator[tuple[Path, Any]]:
    for case in CASES:
        for trace in expected(case)["traces"]:
            yield case, trace


def read(api: Api, sent_id: str) -> Any:
    return api.trace(stored_id(sent_id) or "")


def test_all_known_values_are_returned(in_order: Api) -> None:
    results = [
        (f"{name_of(case)} {field}", matches)
        for case, trace in known_traces()
        for field, matches in checks_of_trace(in_order, expected(case), trace)
    ]
    assert len(results) > 1_500
    assert [field for field, matches in results if not matches] == []


@pytest.mark.parametrize("seed", [1])
def test_any_order_and_repetition_of_all_requests_gives_the_same_traces(call: Call, in_order: Api, seed: int) -> None:
    api = Api(call, new_user())
    replay(api, CASES, seed=seed)
    for case, trace in known_traces():
        assert comparable(api, trace) == comparable(in_order, trace), (name_of(case), trace["trace_id"])


def comparable(api: Api, known: Any) -> Any:
    trace = read(api, known["trace_id"])
    summary = {name: value for name, value in trace["summary"].items() if name not in NOT_COMPARED}
    spans = {
        span["span_id"]: {name: value for name, value in span.items() if name not in NOT_COMPARED}
        | {"below": [child["span_id"] for child in span["children"]]}
        for span in flat(trace["spans"])
    }
    return summary, spans


def checks_of_trace(api: Api, case: Any, known: Any) -> Iterator[tuple[str, bool]]:
    """The known values of a trace, its spans and its scores by name, and whether the API returns them."""
    trace = read(api, known["trace_id"])
    summary, nodes = trace["summary"], {span["span_id"]: span for span in flat(trace["spans"])}
    parent_of = {child["span_id"]: span_id for span_id, span in nodes.items() for child in span["children"]}
    spans = [span for span in case["spans"] if span["trace_id"] == known["trace_id"]]
    extra = nodes.keys() - {stored_id(span["span_id"]) for span in spans}
    yield "span count", len(nodes) - len(extra) == known["span_count"] and len(extra) <= known["extra_root_allowed"]
    yield "trace status", summary["status"] == known["status"]
    if known["name"]:
        yield "trace name", known["name"] in [summary["name"], *(span["span_name"] for span in nodes.values())]
    for field, tokens in (known["token_totals_without_double_counting"] or {}).items():
        yield f"trace {field}", (summary[field] or 0) == tokens
    yield "conversation", summary["conversation_id"] == known["conversation_id"]
    yield "user", summary["end_user_id"] == known["user_id"]
    whole = text(trace)
    yield from ((f"text {marker}", marker in whole) for marker in known["texts"])
    yield from ((f"tag {tag}", any(tag in (span["tags"] or []) for span in nodes.values())) for tag in known["tags"])
    for span in spans:
        span_id = stored_id(span["span_id"]) or ""
        where = span.get("name") or span["operation_type"]
        for field, matches in checks_of_span(span, nodes[span_id], parent_of.get(span_id), extra):
            yield f"{where} {field}", matches
    annotations = api("GET", f"/api/analytics/traces/{stored_id(known['trace_id'])}/annotations").json
    for score in case["scores"]:
        if score["trace_id"] == known["trace_id"]:
            same = [each for each in annotations["annotations"] if each["name"] == score["name"]]
            yield (
                score["name"],
                [(each["value"], each["comment"]) for each in same] == [(score["value"], score.get("comment"))],
            )


def checks_of_span(known: Any, span: Any, parent: str | None, extra: set[str]) -> Iterator[tuple[str, bool]]:
    if known.get("name"):
        yield "name", span["span_name"] == known["name"]
    is_inner = known.get("parent_in_payload")
    yield "parent", parent == stored_id(known["parent_span_id"]) if is_inner else parent is None or parent in extra
    yield "operation", span["operation_type"] in known["operation_type_accept"]
    yield "status", span["status"] == known["status"]
    for field in ("model_name", "model_provider"):
        if known.get(field):
            yield field, span[field] in (known.get(f"{field}_accept") or [known[field]])
    for name, field in TOKENS.items():
        if known.get(name) is not None:
            yield field, span[field] == known[name]
    if known.get("cost_usd") is not None:
        yield "cost", span["cost_usd"] == pytest.approx(known["cost_usd"])
    for field, markers in (("input_data", "input_contains"), ("output_data", "output_contains")):
        yield from ((field, marker in text(span[field])) for marker in known.get(markers) or [])
    for marker in known.get("input_or_metadata_contains") or []:
        yield "data", marker in text([span["input_data"], span["metadata"]])
    for file in known.get("attachments") or []:
        (shown,) = span["metadata"]["attachments"]
        yield "attachment", (shown["name"], shown["mime_type"]) == (file["name"], file["mime_type"])
    if known.get("tool_name"):
        yield "tool name", span["tool_name"] == known["tool_name"]
    for tool in known.get("tool_calls") or []:
        yield "tool call", tool["name"] in text(span["output_data"])
    if known["status"] == "error":
        yield "error type", known.get("error_type", "").split(".")[-1] in (span["error_type"] or "")
        yield "error message", known.get("error_message_contains", "") in text(span["error_message"])
    for field in ("start_time", "end_time"):
        if known.get(field):
            difference_ns = (time_ns(known[field]) or 0) - (time_ns(span[field]) or 0)
            yield field, abs(difference_ns) <= NS_PER_MS


def text(value: Any) -> str:
    """A value as JSON, with the JSON in its texts opened: a marker may be in either."""
    plain = json.dumps(value, ensure_ascii=False)
    return plain + re.sub(r"\\+u([0-9a-f]{4})", lambda match: chr(int(match[1], 16)), plain)
