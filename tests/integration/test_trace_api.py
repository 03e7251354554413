"""One trace by HTTP: as a tree, as an outline, as single spans; and its caching headers."""

import gzip
from typing import Any

import pytest

from tests.api import TRACES, Api, at, child, failure, flat, path_of, span

TREES: dict[str, list[dict[str, Any]]] = {
    "orphans": [span(), child("a", "gone"), child("b", "a"), child("c", "also-gone")],
    "a cycle": [child("a", "c"), child("b", "a"), child("c", "b"), child("d", "c")],
    "two cycles": [child("a", "b"), child("b", "a"), child("c", "d"), child("d", "c"), span()],
    "its own parent": [child("a", "a"), child("b", "a")],
    "two roots": [span(span_id="a"), span(span_id="b"), child("c", "b")],
    "nothing but a child": [child("a", "gone")],
    "children that started before": [span(), child("a", "root", start_time=at(-5)), child("b", "a", start_time=at(-9))],
}
SUMMARY = {
    *("trace_id", "name", "start_time", "end_time", "duration_ms", "status", "span_count", "error_count"),
    *("llm_call_count", "input_tokens", "output_tokens", "total_tokens", "cost_usd", "models", "providers"),
    *(
        "operations",
        "services",
        "error_types",
        "conversation_id",
        "end_user_id",
        "lesson_id",
        "input_preview",
        "output_preview",
    ),
    "updated_at",
}
"""The fields of a summary in the contract."""


def outlined(api: Api, trace_id: str = "t") -> list[tuple[str, int]]:
    return [(node["span_id"], node["depth"]) for node in api.trace(trace_id, view="outline")["outline"]]


@pytest.mark.parametrize("tree", TREES)
def test_every_span_is_in_the_tree_once(api: Api, tree: str) -> None:
    api.send(*TREES[tree])
    sent = sorted(fields["span_id"] for fields in TREES[tree])
    assert sorted(node["span_id"] for node in flat(api.trace()["spans"])) == sent
    assert sorted(span_id for span_id, _ in outlined(api)) == sent
    assert sorted(node["span_id"] for node in flat(api.page()["traces"])) == sent
    assert api.trace()["summary"]["span_count"] == len(sent)


def test_a_duplicate_span_id_is_one_span(api: Api) -> None:
    api.send(span(), child("a", "root"))
    api.send(span(span_id="a", tool_name="t"), child("b", "a"))
    assert outlined(api) == [("root", 0), ("a", 1), ("b", 2)]


def test_the_same_span_id_in_two_traces_is_two_spans(api: Api) -> None:
    api.send(span("t", model_name="one"), span("u", model_name="two"))
    assert (api.span("root", "t")["model_name"], api.span("root", "u")["model_name"]) == ("one", "two")


def test_siblings_are_sorted_by_start(api: Api) -> None:
    late, early = child("a", "root", start_time=at(2)), child("z", "root", start_time=at(1))
    api.send(late, span(), early)
    assert outlined(api) == [("root", 0), ("z", 1), ("a", 1)]


def test_a_tree_a_thousand_levels_deep_is_complete(api: Api) -> None:
    chain = [span(span_id="0"), *(child(str(depth), str(depth - 1)) for depth in range(1, 1_000))]
    assert api.post({"spans": chain}).status == 201
    for path, query in ((path_of("t"), ""), (TRACES, "trace_id=t")):
        reply = api("GET", path, query=query)
        assert reply.status == 200
        # Counted, not parsed: the JSON parsers of some Pythons stop at a thousand levels.
        assert [reply.body.count(b'"span_id":"%d"' % depth) for depth in range(1_000)] == [1] * 1_000
        assert reply.body.count(b'"children":[{') == 999
    assert outlined(api) == [(str(depth), depth) for depth in range(1_000)]


def test_a_trace_takes_its_name_status_and_previews_from_its_root(api: Api) -> None:
    api.send(
        child("b", "root", start_time=at(1), end_time=at(9), status="error", error_type="X", model_name="m"),
        span(span_name="agent.run", end_time=at(5), input_data="why?", output_data="because", end_user_id="eve"),
    )
    summary = api.trace()["summary"]
    expected = {
        **{"name": "agent.run", "start_time": at(), "end_time": at(9), "duration_ms": 9000, "status": "success"},
        **{"span_count": 2, "error_count": 1, "models": ["m"], "providers": [], "end_user_id": "eve"},
        **{"input_preview": "why?", "output_preview": "because", "conversation_id": None},
    }
    assert {name: summary[name] for name in expected} == expected


def test_tokens_and_cost_of_model_calls_add_up(api: Api) -> None:
    usage: dict[str, Any] = {"operation_type": "completion", "input_tokens": 10, "output_tokens": 2, "cost_usd": 0.1}
    api.send(span(operation_type="agent"), child("a", "root", **usage), child("b", "root", **usage))
    summary = api.trace()["summary"]
    totals = [summary[name] for name in ("llm_call_count", "input_tokens", "output_tokens", "total_tokens", "cost_usd")]
    assert totals == [2, 20, 4, 24, 0.2]


def test_a_summary_has_every_field_of_the_contract(api: Api) -> None:
    api.send(span())
    assert set(api.trace()["summary"]) >= SUMMARY
    assert set(api.page(view="summary")["traces"][0]) >= SUMMARY


def test_an_outline_is_flat_and_has_neither_payloads_nor_absent_fields(api: Api) -> None:
    api.send(span(input_data="long", end_time=at(2)), child("a", "root", start_time=at(1), model_name="m"))
    assert api.trace(view="outline")["outline"] == [
        {
            **{"span_id": "root", "depth": 0, "span_name": "call.root", "status": "success"},
            **{"start_offset_ms": 0, "duration_ms": 2000, "counted": False, "critical": True, "preview": "long"},
            "subtree": {"spans": 2, "errors": 0, "tokens": 0, "cost_usd": None},
        },
        {
            **{"span_id": "a", "depth": 1, "span_name": "call.a", "status": "pending"},
            **{"start_offset_ms": 1000, "parent_span_id": "root", "model_name": "m"},
            **{"counted": False, "critical": True},
        },
    ]


def test_an_outline_that_fits_has_no_next_page(api: Api) -> None:
    api.send(span())
    assert api("GET", path_of("t"), query="view=outline").json["next_cursor"] is None


def test_payloads_can_be_left_out(api: Api) -> None:
    api.send(span(input_data=1, output_data=2, metadata=3))
    (with_payloads,), (without,) = api.trace()["spans"], api.trace(payloads="false")["spans"]
    payloads = {"input_data": 1, "output_data": 2, "metadata": 3, "error_stack": None, "events": None, "links": None}
    assert with_payloads == {**without, **payloads}
    assert not set(without) & set(payloads)


@pytest.mark.parametrize("query", ["view=forest", "view=", "payloads=no", "limit=1", "cursor=x", "payloads=true&x=1"])
def test_unknown_or_malformed_parameters_are_refused(api: Api, query: str) -> None:
    api.send(span())
    assert failure(api("GET", path_of("t"), query=query))[0] == 400


@pytest.mark.parametrize(
    "path", [path_of("nope"), path_of("nope", "root"), path_of("t", "nope"), path_of("t", "R"), path_of("T")]
)
def test_an_absent_trace_or_span_is_not_found(api: Api, path: str) -> None:
    api.send(span())
    assert failure(api("GET", path)) == (404, "not_found")


@pytest.mark.parametrize(
    ("path", "query"),
    [
        (path_of("t"), ""),
        (path_of("t"), "view=outline"),
        (path_of("t"), "payloads=false"),
        (path_of("t"), "view=spans"),
        (path_of("t"), "search=call"),
        (path_of("t", "root"), ""),
        (TRACES, ""),
        (TRACES, "view=summary"),
        (TRACES, "view=turns&conversation_id=c"),
    ],
)
def test_a_caller_with_the_latest_content_gets_304_until_it_changes(api: Api, path: str, query: str) -> None:
    api.send(span(conversation_id="c"))
    first = api("GET", path, query=query)
    cached = {"if-none-match": first.headers["etag"]}
    again = api("GET", path, query=query, headers=cached)
    assert (again.status, again.body, again.headers["etag"]) == (304, b"", first.headers["etag"])
    api.patched(status="error")
    changed = api("GET", path, query=query, headers=cached)
    assert changed.status == 200
    assert changed.headers["etag"] != first.headers["etag"]


def test_a_deleted_trace_is_not_304(api: Api) -> None:
    api.send(span())
    cached = {"if-none-match": api("GET", path_of("t")).headers["etag"]}
    api("DELETE", path_of("t"))
    assert api("GET", path_of("t"), headers=cached).status == 404


@pytest.mark.parametrize("path", [path_of("t"), path_of("t", "root"), TRACES])
def test_traces_may_be_cached_privately_and_are_revalidated_each_time(api: Api, path: str) -> None:
    api.send(span())
    reply = api("GET", path)
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["cache-control"] == "private, no-cache"
    assert "accept-encoding" in reply.headers["vary"].lower()


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
def test_responses_to_writes_are_not_cached(api: Api, method: str) -> None:
    api.send(span())
    path = TRACES if method == "POST" else path_of("t", "root")
    reply = api(method, path, body=None if method == "DELETE" else {**span(), "tool_name": "t"})
    assert reply.headers["cache-control"] == "no-store"


def test_a_large_response_is_gzipped_on_request_with_the_same_content(api: Api) -> None:
    api.send(span(input_data="long " * 1_000))
    plain = api("GET", path_of("t"))
    packed = api("GET", path_of("t"), headers={"accept-encoding": "gzip"})
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.body == plain.body
    assert packed.headers["etag"] == plain.headers["etag"]
    assert len(gzip.compress(plain.body)) < len(plain.body)
