"""The spans of one trace page by page by HTTP, and the places in them that contain a text."""

from typing import Any

import pytest

from tests.api import TRACES, Api, at, child, failure, fields_of, path_of, span
from tests.integration.test_large_traces import MB, fits_lambda, incompressible
from tracestore.storage import read_budget


def pages(api: Api, trace_id: str = "t", **query: Any) -> list[dict[str, Any]]:
    """All pages of a view of one trace."""
    found = []
    cursor: dict[str, str] = {}
    while True:
        reply = api("GET", path_of(trace_id), query={**query, **cursor})
        assert reply.status == 200, reply.body
        assert fits_lambda(reply.body)
        found.append(reply.json)
        if reply.json["next_cursor"] is None:
            return found
        cursor = {"cursor": reply.json["next_cursor"]}


def whole_spans(api: Api, **query: Any) -> list[dict[str, Any]]:
    return [each for page in pages(api, view="spans", **query) for each in page["trace"]["spans"]]


def matches(api: Api, text: str) -> dict[str, dict[str, str]]:
    found = [each for page in pages(api, search=text) for each in page["trace"]["matches"]]
    assert all(set(each) == {"span_id", "matched_in"} for each in found)
    return {each["span_id"]: {at["field"]: at["excerpt"] for at in each["matched_in"]} for each in found}


def message(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "parts": [{"type": "text", "text": text}]}


def agent(calls: int) -> list[dict[str, Any]]:
    """An agent whose calls repeat the history, with a tool call after each of them."""
    history = [message("system", "Be brief."), message("user", "why?")]
    spans = [span(operation_type="agent", input_data={"messages": history[1:]})]
    for number in range(calls):
        reply = message("assistant", f"thought {number}")
        payload: dict[str, Any] = {"input_data": {"messages": [*history]}, "output_data": {"messages": [reply]}}
        times = {"start_time": at(2 * number), "end_time": at(2 * number + 1)}
        spans.append(child(f"call-{number}", "root", operation_type="completion", **payload, **times))
        result = message("tool", f"result {number}")
        spans.append(child(f"tool-{number}", "root", operation_type="tool_call", start_time=at(2 * number + 1)))
        history += [reply, result]
    return spans


def test_spans_are_in_tree_order_and_as_their_route_returns_them(api: Api) -> None:
    api.send(span(input_data=1), child("b", "root", metadata={"k": 2}), child("c", "b", start_time=at(9)), span("u"))
    api.send(child("a", "root", start_time=at(5), events=[{"name": "e", "time": at(5)}]))
    (page,) = pages(api, view="spans")
    assert page["trace"]["summary"] == api.trace()["summary"]
    assert page["trace"]["spans"] == [api.span(name) for name in ("root", "b", "c", "a")]


def test_chosen_spans_are_returned_in_tree_order_without_absent_ones(api: Api) -> None:
    api.send(*agent(2))
    chosen = whole_spans(api, span_id="tool-1,nope,call-0")
    assert [each["span_id"] for each in chosen] == ["call-0", "tool-1"]
    assert whole_spans(api, span_id="nope") == []


def test_a_page_ends_below_5_mb_and_the_next_goes_on(api: Api) -> None:
    texts = [incompressible(2 * MB, seed) for seed in range(5)]
    for number, text in enumerate(texts):
        api.send(span(span_id=f"s{number}", input_data=text, start_time=at(number)))
    found = pages(api, view="spans")
    assert [len(page["trace"]["spans"]) for page in found] == [2, 2, 1]
    assert [each["input_data"] for page in found for each in page["trace"]["spans"]] == texts


@pytest.fixture
def small_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    """A budget that is spent with the first payload, so that a request reads the spans that are read together."""
    monkeypatch.setattr(read_budget, "OPENED_BYTES_MOST", 1)


def long(number: int) -> dict[str, Any]:
    """A span with a payload that is not stored inline."""
    return span(span_id=f"s{number:02}", start_time=at(number), input_data=incompressible(2_000, number))


@pytest.mark.usefixtures("small_budget")
def test_a_request_reads_no_more_than_its_budget(api: Api) -> None:
    for number in range(20):
        api.send(long(number))
    found = pages(api, view="spans")
    assert [len(page["trace"]["spans"]) for page in found] == [2] * 10
    assert [each["input_data"] for page in found for each in page["trace"]["spans"]] == [
        incompressible(2_000, number) for number in range(20)
    ]
    searched = pages(api, search=incompressible(2_000, 13)[500:600])
    assert [page["scanned"] for page in searched] == [2] * 10
    matching = [[each["span_id"] for each in page["trace"]["matches"]] for page in searched]
    assert matching == [*[[]] * 6, ["s13"], *[[]] * 3]


@pytest.mark.usefixtures("small_budget")
def test_pages_of_calls_are_compared_across_pages(api: Api) -> None:
    for sent in agent(20):
        sent["metadata"] = incompressible(2_000, len(str(sent)))
        api.send(sent)
    found = pages(api, view="spans", new_messages="true")
    assert len(found) > 4
    spans = [each for page in found for each in page["trace"]["spans"]]
    assert [each["span_id"] for each in spans] == [row["span_id"] for row in api.trace(view="outline")["outline"]]
    repeated = [each["repeated_messages"] for each in spans if "repeated_messages" in each]
    assert repeated == [0, *range(3, 41, 2)]


@pytest.mark.usefixtures("small_budget")
def test_spans_that_arrive_between_two_pages_neither_repeat_nor_hide_others(api: Api) -> None:
    for number in range(20):
        api.send(long(number))
    first = api("GET", path_of("t"), query="view=spans").json
    api.send(*(span(span_id=f"early{number}", start_time=at(-1)) for number in range(3)))
    second = api("GET", path_of("t"), query={"view": "spans", "cursor": first["next_cursor"]}).json
    ids = [each["span_id"] for page in (first, second) for each in page["trace"]["spans"]]
    assert ids == [f"s{number:02}" for number in range(4)]


@pytest.mark.usefixtures("small_budget")
def test_a_page_goes_on_at_its_place_where_its_last_span_was_deleted(api: Api) -> None:
    for number in range(12):
        api.send(long(number))
    first = api("GET", path_of("t"), query="view=spans").json
    api.send(span(span_id="early", start_time=at(-1)))
    assert api("DELETE", path_of("t", "s01")).status == 200
    rest = api("GET", path_of("t"), query={"view": "spans", "cursor": first["next_cursor"]}).json
    assert [each["span_id"] for each in rest["trace"]["spans"]] == ["s02", "s03"]


def test_new_messages_replace_the_history_of_the_call_before(api: Api) -> None:
    api.send(*agent(3))
    found = {each["span_id"]: each for each in whole_spans(api, new_messages="true")}
    calls = [found[f"call-{number}"] for number in range(3)]
    assert [call["repeated_messages"] for call in calls] == [0, 3, 5]
    assert [call["history"] for call in calls] == ["none", "same", "same"]
    assert calls[0]["new_messages"] == [message("system", "Be brief."), message("user", "why?")]
    assert [call["new_messages"] for call in calls[1:]] == [[message("tool", f"result {n}")] for n in (0, 1)]
    assert all("input_data" not in call for call in calls)
    whole = {each["span_id"]: each for each in whole_spans(api)}
    assert [found[name] for name in ("root", "tool-1")] == [whole[name] for name in ("root", "tool-1")]
    assert [call["history_span_id"] for call in calls] == [None, "call-0", "call-1"]
    added = {"new_messages", "repeated_messages", "history", "history_span_id", "input_rest"}
    for call in calls:
        rest = {name: value for name, value in call.items() if name not in added}
        assert rest == {name: value for name, value in whole[call["span_id"]].items() if name != "input_data"}


def test_an_agent_below_another_has_a_history_of_its_own(api: Api) -> None:
    outer = agent(2)
    question: dict[str, Any] = {"input_data": {"messages": [message("user", "inner?")]}}
    inner = [
        child("inner", "root", operation_type="agent", start_time=at(1)),
        child("inner-0", "inner", operation_type="completion", start_time=at(1), **question),
        child("nested", "tool-0", operation_type="completion", start_time=at(1), **question),
    ]
    api.send(*outer, *inner)
    found = {each["span_id"]: each for each in whole_spans(api, new_messages="true")}
    before = {name: found[name]["history_span_id"] for name in ("call-0", "inner-0", "nested", "call-1")}
    assert before == {"call-0": None, "inner-0": None, "nested": None, "call-1": "call-0"}
    assert (found["call-1"]["repeated_messages"], found["call-1"]["history"]) == (3, "same")


def test_a_call_that_is_reported_twice_is_one_call_of_its_run(api: Api) -> None:
    def call(name: str, parent: str, seconds: int, *said: Any, **fields: Any) -> dict[str, Any]:
        words = {"messages": [*said]} if said else None
        return child(
            name, parent, operation_type="completion", start_time=at(seconds), **{"input_data": words, **fields}
        )

    why, because, how = message("user", "why?"), message("assistant", "because"), message("user", "how?")
    answer = {"output_data": {"messages": [because]}}
    api.send(
        span(operation_type="agent"),
        call("outer", "root", 1, why, **answer),
        call("inner", "outer", 1, why, **answer),
        call("silent", "root", 2),
        call("router", "root", 3, why, because, how),
        call("attempt-0", "router", 3, why, because, how),
        call("attempt-1", "router", 4, why, because, how, **answer),
        call("next", "root", 5, why, because, how, because, why),
    )
    found = {each["span_id"]: each for each in whole_spans(api, new_messages="true")}
    chosen = ("outer", "inner", "router", "attempt-0", "attempt-1", "next")
    assert {name: found[name]["history_span_id"] for name in chosen} == {
        "outer": None,
        "inner": "outer",
        "router": "outer",
        "attempt-0": "outer",
        "attempt-1": "attempt-0",
        "next": "attempt-1",
    }
    repeated = [(found[name]["repeated_messages"], found[name]["new_messages"]) for name in chosen]
    assert repeated == [(0, [why]), (1, []), (2, [how]), (2, [how]), (3, []), (4, [why])]


def test_what_an_input_has_in_addition_to_its_messages_is_kept(api: Api) -> None:
    tools = [{"name": "find"}]
    said = {"messages": [message("user", "why?")]}
    api.send(
        span(operation_type="agent"),
        child("a", "root", operation_type="completion", input_data={**said, "tools": tools}),
        child("b", "root", operation_type="completion", input_data=said, start_time=at(5)),
    )
    found = {each["span_id"]: each for each in whole_spans(api, new_messages="true")}
    assert (found["a"]["input_rest"], found["b"]["input_rest"]) == ({"tools": tools}, None)


def test_a_chosen_call_is_compared_with_the_call_before_it_in_the_trace(api: Api) -> None:
    api.send(*agent(4))
    third, fourth = whole_spans(api, new_messages="true", span_id="call-2,call-3")
    assert (third["repeated_messages"], third["new_messages"]) == (5, [message("tool", "result 1")])
    assert (fourth["repeated_messages"], fourth["new_messages"]) == (7, [message("tool", "result 2")])
    assert whole_spans(api, new_messages="true", span_id="call-3") == [fourth]


def test_a_call_without_messages_is_returned_whole(api: Api) -> None:
    api.send(span(operation_type="completion", input_data={"prompt": "why?"}))
    assert whole_spans(api, new_messages="true") == [api.span()]


def test_a_search_names_the_fields_and_shows_the_places(api: Api) -> None:
    error = {"status": "error", "error_type": "Needle", "error_message": "lost", "error_stack": "at needle.py"}
    api.send(
        span(span_name="needle.run", input_data={"q": "x" * 500 + " a NEEDLE here " + "y" * 500}),
        child("a", "root", output_data=["the ｎｅｅｄｌｅ"], metadata={"needle": 1}, **error),
        child("b", "root", events=[{"name": "needle", "time": at(1)}], links=[{"trace_id": "needle", "span_id": "s"}]),
        child("c", "root", input_data="hay"),
    )
    found = matches(api, "needle")
    assert list(found) == ["root", "a", "b"]
    assert [set(fields) for fields in found.values()] == [
        {"name", "input"},
        {"error", "output", "metadata"},
        {"events", "links"},
    ]
    assert "a NEEDLE here" in found["root"]["input"]
    assert all(len(excerpt) <= 120 for fields in found.values() for excerpt in fields.values())
    (page,) = pages(api, search="nothing")
    assert (page["trace"]["matches"], page["scanned"], page["next_cursor"]) == ([], 4, None)


@pytest.mark.parametrize("text", ["ﾀﾜｰ", "STRASSE", "!x", "a\\b"])
def test_a_search_ignores_case_and_forms_and_takes_the_text_as_it_is(api: Api, text: str) -> None:
    api.send(span(input_data="東京タワー in der Straße: !x a\\b"), child("a", "root", input_data="else"))
    assert list(matches(api, text)) == ["root"]


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ({"view": "spans", "payloads": "false"}, ["payloads"]),
        ({"span_id": "a"}, ["span_id"]),
        ({"view": "outline", "span_id": "a", "new_messages": "true"}, ["span_id", "new_messages"]),
        ({"view": "spans", "new_messages": "yes"}, ["new_messages"]),
        ({"view": "spans", "span_id": ""}, ["span_id"]),
        ({"view": "spans", "span_id": "a,,b"}, ["span_id"]),
        ({"view": "spans", "span_id": ",".join(["a"] * 101)}, ["span_id"]),
        ({"view": "spans", "span_id": ",".join(["a" * 100] * 60)}, ["span_id"]),
        ({"view": "spans", "search": "x"}, ["view"]),
        ({"search": "x", "payloads": "false", "span_id": "a"}, ["payloads", "span_id"]),
        ({"search": ""}, ["search"]),
        ({"search": "x" * 513}, ["search"]),
        ({"cursor": "x"}, ["cursor"]),
    ],
)
def test_parameters_that_do_not_belong_together_are_named(api: Api, query: dict[str, str], named: list[str]) -> None:
    reply = api("GET", path_of("t"), query=query)
    assert failure(reply) == (400, "invalid_parameter")
    assert fields_of(reply) == named


@pytest.mark.parametrize("path", [path_of("t"), TRACES])
def test_a_list_of_ids_ends_at_6_kb(api: Api, path: str) -> None:
    query = {"view": "spans"} if path != TRACES else {}
    name = "trace_id" if path == TRACES else "span_id"
    api.send(span())
    longest = ",".join(["a" * 99] * 60)
    assert api("GET", path, query={**query, name: longest}).status == 200
    reply = api("GET", path, query={**query, name: longest + ",bb"})
    assert failure(reply) == (400, "invalid_parameter")
    assert "6 KB" in reply.json["error"]["message"]


@pytest.mark.parametrize("query", [{"view": "spans"}, {"search": "x"}])
def test_a_page_of_an_absent_trace_is_not_found(api: Api, query: dict[str, str]) -> None:
    assert failure(api("GET", path_of("nope"), query=query)) == (404, "not_found")


@pytest.mark.usefixtures("small_budget")
def test_a_cursor_is_bound_to_its_trace_and_its_view(api: Api) -> None:
    for number in range(10):
        api.send(long(number))
    api.send(span("u"))
    cursor = api("GET", path_of("t"), query={"view": "spans"}).json["next_cursor"]
    assert cursor
    others = ({"search": "x"}, {"view": "outline"}, {"view": "spans", "span_id": "s09"})
    for path, query in ((path_of("u"), {"view": "spans"}), *((path_of("t"), query) for query in others)):
        assert failure(api("GET", path, query={**query, "cursor": cursor})) == (400, "invalid_cursor")
