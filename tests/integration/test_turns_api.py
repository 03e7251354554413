"""The turns of a conversation by HTTP: their numbers, new messages, steps and pages."""

from typing import Any

import pytest

from tests.api import TRACES, Api, at, child, failure, fields_of, span
from tests.integration.test_large_traces import incompressible
from tracestore.storage import read_budget

STEP = {"span_id", "kind", "name", "status", "duration_ms", "cost_usd", "model_name", "tool_name"}


def message(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "parts": [{"type": "text", "text": text}]}


def question(number: int) -> dict[str, Any]:
    return message("user", f"question {number}")


def answer(number: int) -> dict[str, Any]:
    return message("assistant", f"answer {number}")


def turn(number: int, history: list[dict[str, Any]] | None = None, **fields: Any) -> dict[str, Any]:
    """A turn of one model call, which sends the system prompt and the whole history."""
    if history is None:
        history = [part for before in range(number) for part in (question(before), answer(before))]
    sent = {"messages": [message("system", "Be brief."), *history, question(number)], "tools": [{"name": "search"}]}
    replied = {"messages": [{**answer(number), "finish_reason": "stop"}]}
    payload = {"input_data": sent, "output_data": replied}
    return span(f"t{number:02}", conversation_id="c", start_time=at(number), **{**payload, **fields})


def turns(api: Api, **query: Any) -> list[dict[str, Any]]:
    """The turns on all pages."""
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        page = api.page(view="turns", conversation_id="c", **query, **cursor)
        found += page["traces"]
        if page["next_cursor"] is None:
            return found
        cursor = {"cursor": page["next_cursor"]}


@pytest.mark.parametrize("order", ["desc", "asc"])
@pytest.mark.parametrize("limit", [1, 2, 100])
def test_turns_are_numbered_and_have_their_new_messages(api: Api, order: str, limit: int) -> None:
    api.send(*(turn(number) for number in range(5)), span("other", conversation_id="d"))
    found = turns(api, order=order, limit=limit)
    if order == "desc":
        found.reverse()
    assert [(each["trace_id"], each["turn"]) for each in found] == [(f"t{n:02}", n + 1) for n in range(5)]
    assert [each["history"] for each in found] == ["none", *["same"] * 4]
    assert found[0]["new_messages"] == [message("system", "Be brief."), question(0)]
    assert [each["new_messages"] for each in found[1:]] == [[question(number)] for number in range(1, 5)]
    assert [each["repeated_messages"] for each in found] == [0, 3, 5, 7, 9]
    assert [each["output_data"]["messages"][0]["parts"] for each in found] == [answer(n)["parts"] for n in range(5)]
    assert all("input_data" not in each for each in found)


def test_a_turn_has_the_summary_of_its_trace(api: Api) -> None:
    api.send(turn(0))
    (summary,) = api.page(view="summary", trace_id="t00")["traces"]
    (found,) = turns(api)
    added = {"turn", "new_messages", "repeated_messages", "history", "steps", "output_data"}
    assert {name: value for name, value in found.items() if name not in added} == summary


def test_whole_inputs_are_returned_on_demand(api: Api) -> None:
    api.send(turn(0), turn(1))
    found = turns(api, messages="all", order="asc")
    assert [each["input_data"] for each in found] == [turn(number)["input_data"] for number in (0, 1)]
    assert [len(each["new_messages"]) for each in found] == [2, 1]


def test_an_input_that_is_no_list_of_messages_is_returned_whole(api: Api) -> None:
    api.send(turn(0, input_data="why?", output_data=["because"]), turn(1, input_data=None, output_data=None))
    first, second = turns(api, order="asc")
    assert (first["input_data"], first["output_data"], first["new_messages"]) == ("why?", ["because"], None)
    assert (second["input_data"], second["output_data"], second["new_messages"]) == (None, None, None)


def test_an_edited_history_is_marked(api: Api) -> None:
    api.send(turn(0), turn(1, [question(0), message("assistant", "another answer")]))
    newest, _ = turns(api)
    assert (newest["history"], newest["repeated_messages"]) == ("changed", 2)
    assert newest["new_messages"] == [message("assistant", "another answer"), question(1)]


def test_turns_of_a_range_keep_their_numbers_and_are_compared_with_the_turn_before_it(api: Api) -> None:
    api.send(*(turn(number) for number in range(5)))
    for order in ("asc", "desc"):
        found = turns(api, start_date=at(2), end_date=at(4), order=order)
        assert sorted(each["turn"] for each in found) == [3, 4]
        assert [each["history"] for each in found] == ["same", "same"]


def test_deleted_turns_do_not_count_and_the_next_is_compared_with_the_turn_before(api: Api) -> None:
    api.send(*(turn(number) for number in range(4)))
    assert api("DELETE", f"{TRACES}/t00").status == 200
    assert api("DELETE", f"{TRACES}/t02").status == 200
    second, first = turns(api)
    assert [first["turn"], second["turn"]] == [1, 2]
    assert first["history"] == "none"
    assert (second["history"], second["new_messages"][0]) == ("same", question(2))


def test_a_turn_has_the_spans_below_its_root_as_steps(api: Api) -> None:
    model: dict[str, Any] = {
        "operation_type": "completion",
        "model_name": "m",
        "cost_usd": 0.5,
        "start_time": at(1),
        "end_time": at(2),
    }
    api.send(
        span("t", conversation_id="c", operation_type="agent", input_data="why?"),
        child("b", "root", operation_type="tool_call", tool_name="search", start_time=at(3), status="error"),
        child("a", "root", **model, span_name="chat"),
    )
    (found,) = turns(api)
    assert all(set(step) == STEP for step in found["steps"])
    assert [step["span_id"] for step in found["steps"]] == ["a", "b"]
    assert found["steps"][0] == {
        **{"span_id": "a", "kind": "completion", "name": "chat", "status": "success", "duration_ms": 1000},
        **{"cost_usd": 0.5, "model_name": "m", "tool_name": None},
    }
    assert (found["steps"][1]["tool_name"], found["steps"][1]["status"]) == ("search", "error")


def test_a_turn_of_one_call_has_that_call_as_step(api: Api) -> None:
    api.send(turn(0))
    assert [step["span_id"] for step in turns(api)[0]["steps"]] == ["root"]


def test_the_steps_of_a_turn_are_bounded(api: Api) -> None:
    api.send(turn(0), *(child(f"s{number:03}", "root", "t00", start_time=at(number)) for number in range(103)))
    (found,) = turns(api)
    assert [step["span_id"] for step in found["steps"]] == [f"s{number:03}" for number in range(100)]
    assert found["steps_omitted"] == 3


@pytest.mark.parametrize("order", ["desc", "asc"])
def test_a_page_reads_no_more_than_its_budget(api: Api, order: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(20):
        api.send(turn(number, metadata=incompressible(2_000, number)))
    monkeypatch.setattr(read_budget, "OPENED_BYTES_MOST", 1)
    first = api.page(view="turns", conversation_id="c", order=order)
    assert 0 < len(first["traces"]) <= 8
    found = turns(api, order=order)
    assert sorted(each["turn"] for each in found) == [*range(1, 21)]
    assert sorted(each["repeated_messages"] for each in found) == [0, *range(3, 41, 2)]


def test_a_conversation_without_traces_has_no_turns(api: Api) -> None:
    assert turns(api) == []


def test_turns_that_arrive_between_two_pages_do_not_change_the_numbers_of_the_rest(api: Api) -> None:
    api.send(*(turn(number) for number in range(4)))
    first = api.page(view="turns", conversation_id="c", limit=2)
    api.send(turn(9), span("early", conversation_id="c", start_time=at(-1)))
    rest = api.page(view="turns", conversation_id="c", cursor=first["next_cursor"])
    assert [each["turn"] for each in first["traces"] + rest["traces"]][:4] == [4, 3, 2, 1]


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_older_turns_that_arrive_between_two_pages_are_numbered_among_themselves(api: Api, limit: int) -> None:
    api.send(*(turn(number) for number in range(4)))
    found = []
    page = api.page(view="turns", conversation_id="c", limit=2)
    api.send(*(span(f"early{number}", conversation_id="c", start_time=at(-1 - number)) for number in range(3)))
    while True:
        found += [(each["trace_id"], each["turn"]) for each in page["traces"]]
        if page["next_cursor"] is None:
            break
        page = api.page(view="turns", conversation_id="c", limit=limit, cursor=page["next_cursor"])
    assert found[:4] == [("t03", 4), ("t02", 3), ("t01", 2), ("t00", 1)]
    assert found[4:] == [("early0", 3), ("early1", 2), ("early2", 1)]


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ({"view": "turns"}, "view"),
        ({"view": "summary", "messages": "all"}, "messages"),
        ({"messages": "all"}, "messages"),
        ({"view": "turns", "conversation_id": "c", "messages": "some"}, "messages"),
        ({"view": "turns", "conversation_id": "!c"}, "conversation_id"),
        ({"view": "turns", "conversation_id": ["c", "d"]}, "conversation_id"),
        ({"view": "turns", "conversation_id": "c", "status": "error"}, "status"),
        ({"view": "turns", "conversation_id": "c", "order_by": "cost"}, "order_by"),
        ({"view": "turns", "conversation_id": "c", "search": "x"}, "search"),
        ({"view": "turns", "conversation_id": "c", "metadata.tenant": "x"}, "metadata.tenant"),
        ({"view": "turns", "conversation_id": "c", "trace_id": "t00"}, "trace_id"),
    ],
)
def test_parameters_that_do_not_belong_to_turns_are_named(api: Api, query: dict[str, Any], named: str) -> None:
    reply = api("GET", TRACES, query=query)
    assert failure(reply) == (400, "invalid_parameter")
    assert fields_of(reply) == [named]


def test_a_cursor_of_turns_is_bound_to_its_conversation(api: Api) -> None:
    api.send(*(turn(number) for number in range(3)), span("other", conversation_id="d"))
    cursor = api.page(view="turns", conversation_id="c", limit=1)["next_cursor"]
    for query in ({"view": "turns", "conversation_id": "d"}, {"view": "summary", "conversation_id": "c"}):
        assert failure(api("GET", TRACES, query={**query, "cursor": cursor})) == (400, "invalid_cursor")
