"""Lists of traces by HTTP: views, filters, and pages during concurrent writes."""

from typing import Any

import pytest

from tests.api import TRACES, Api, at, child, failure, fields_of, path_of, span
from tests.gateway import Call, new_user

MATCHING: dict[str, Any] = {
    **{"conversation_id": "c #1/👋", "message_id": "m %", "operation_type": "completion", "model_name": "gpt-4o"},
    **{"model_provider": "openai", "error_type": "RateLimited", "tool_name": "search", "end_user_id": "eve"},
    **{"service_name": "chat", "cost_usd": 0.5, "start_time": at(100), "end_time": at(110), "status": "error"},
    **{"span_name": "Wanted", "input_data": "Die Straße nach Süden", "parent_span_id": "above"},
    **{
        "environment": "production",
        "release": "1.4",
        "tags": ["eu", "beta"],
        "interrupted": True,
        "prompt_version": "7",
    },
    **{"input_tokens": 900, "output_tokens": 100, "metadata": {"tenant": {"name": "acme"}, "attempt": 2}},
}
"""The fields of a trace that matches every filter below."""

FILTERS: dict[str, str] = {
    **{name: MATCHING[name] for name in ("conversation_id", "message_id", "operation_type", "model_name")},
    **{name: MATCHING[name] for name in ("model_provider", "error_type", "tool_name", "end_user_id", "service_name")},
    **{"span_name": "Wanted", "status": "error", "has_errors": "true", "trace_id": "nope,wanted,nope"},
    **{"label": "star:true", "score.quality>": "0.5"},
    **{"min_duration_ms": "10000", "min_cost_usd": "5e-1", "search": "STRASSE", "start_date": at(100)},
    **{"environment": "production", "release": "1.4", "tag": "beta", "interrupted": "true", "min_tokens": "1000"},
    **{"prompt_version": "7"},
    **{"parent_span_id": "above", "has_model_call": "true", "metadata.tenant.name": "acme", "metadata.attempt": "2"},
}


@pytest.fixture(scope="module")
def filtered(call: Call) -> Api:
    """A user with one trace that matches the filters and one that does not. Nothing else is written for this user."""
    api = Api(call, new_user())
    api.send(span("wanted", **MATCHING), span("unwanted", span_name="Unwonted", end_time=at(1), cost_usd=0.25))
    for trace_id, name, value in (("wanted", "star", True), ("wanted", "quality", 0.5), ("unwanted", "quality", 0.4)):
        assert api("PUT", f"{TRACES}/{trace_id}/annotations/{name}", body={"value": value}).status == 200
    return api


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_returns_only_the_matching_trace(filtered: Api, name: str) -> None:
    assert filtered.summaries(**{name: FILTERS[name]}) == ["wanted"]


@pytest.mark.parametrize(
    ("query", "matches"),
    [
        ({"has_errors": "false"}, ["unwanted"]),
        ({"status": "success"}, ["unwanted"]),
        ({"status": "pending"}, []),
        ({"end_date": at(100)}, ["unwanted"]),
        ({"end_date": "9999-12-31T23:59:59Z"}, ["wanted", "unwanted"]),
        ({"end_date": "2300-01-01T00:00:00Z"}, ["wanted", "unwanted"]),
        ({"start_date": "2300-01-01T00:00:00Z"}, []),
        ({"start_date": at(100), "end_date": at(1)}, []),
        ({"start_date": at(), "end_date": at()}, []),
        ({"start_date": "2025-01-02", "end_date": "2025-01-02"}, ["wanted", "unwanted"]),
        ({"end_date": "2025-01-01"}, []),
        ({"start_date": "2025-01-03"}, []),
        ({"start_date": "2025-01-03", "timezone": "Pacific/Kiritimati"}, ["wanted", "unwanted"]),  # from 10:00 on
        ({"end_date": "2025-01-02", "timezone": "Pacific/Kiritimati"}, []),  # up to 10:00
        ({"end_date": "9999-12-31", "timezone": "Pacific/Kiritimati"}, ["wanted", "unwanted"]),
        ({"start_date": "1970-01-01", "timezone": "Pacific/Kiritimati"}, ["wanted", "unwanted"]),
        ({"start_date": "2011-12-30", "end_date": "2011-12-30", "timezone": "Pacific/Apia"}, []),
        ({"start_date": "2025-01-02T11:01:40 01:00"}, ["wanted"]),
        ({"min_duration_ms": "10000.0000001"}, []),
        ({"min_cost_usd": "0.5000000001"}, []),
        ({"max_cost_usd": "0.4999999999"}, ["unwanted"]),
        ({"max_cost_usd": "0.5"}, ["wanted", "unwanted"]),
        ({"max_duration_ms": "1000"}, ["unwanted"]),
        ({"max_duration_ms": "999.9999"}, []),
        ({"min_tokens": "1001"}, []),
        ({"parent_trace_id": "above"}, ["wanted"]),
        ({"parent_span_id": "!above"}, ["unwanted"]),
        ({"has_model_call": "false", "interrupted": "false"}, ["unwanted"]),
        ({"has_retry": "false", "has_fallback": "false"}, ["wanted", "unwanted"]),
        ({"has_retry": "true"}, []),
        ({"model_name": ["gpt-3", "gpt-4o"]}, ["wanted"]),
        ({"model_name": "!gpt-4o"}, ["unwanted"]),
        ({"model_name": ["gpt-4o", "!gpt-4o"]}, []),
        ({"tag": ["eu", "us"], "environment": "!staging"}, ["wanted"]),
        ({"status": ["error", "success"]}, ["wanted", "unwanted"]),
        ({"status": "!success"}, ["wanted"]),
        ({"status": ["pending", "error"]}, ["wanted"]),
        ({"conversation_id": ["c #1/👋", "another"]}, ["wanted"]),
        ({"conversation_id": "!c #1/👋"}, ["unwanted"]),
        ({"message_id": ["m %", "n"]}, ["wanted"]),
        ({"message_id": "!m %"}, ["unwanted"]),
        ({"model_name": "\\!gpt-4o"}, []),
        ({"search": ["wanted", "nothing"]}, ["wanted"]),
        ({"search": "!wanted"}, ["unwanted"]),
        ({"search": "ACME", "search_in": "payload"}, ["wanted"]),
        ({"search": "acme", "search_in": "names"}, []),
        ({"metadata.tenant": "acme"}, []),
        ({"metadata.tenant.name": ["other", "acme"], "metadata.attempt": "!3"}, ["wanted"]),
        ({"metadata.missing": "!x"}, ["wanted", "unwanted"]),
        ({"score.quality>": "0.500000001"}, []),
        ({"score.quality<": "0.4"}, ["unwanted"]),
        ({"score.quality": "0.5"}, ["wanted"]),
        ({"label": "quality"}, ["wanted", "unwanted"]),
        ({"label": "star:false"}, []),
        ({"min_cost_usd": "0"}, ["wanted", "unwanted"]),
        ({"min_cost_usd": "3.79e-241"}, ["wanted", "unwanted"]),
        ({"search": "wan"}, ["wanted"]),
        ({"search": "w"}, ["wanted", "unwanted"]),
        ({"search": "%"}, []),
        ({"model_name": "GPT-4o"}, []),
        (FILTERS, ["wanted"]),
        ({**FILTERS, "tool_name": "hammer"}, []),
        ({"order": "asc"}, ["unwanted", "wanted"]),
        ({"order": "desc"}, ["wanted", "unwanted"]),
    ],
)
def test_filters_are_exact_at_limits_and_combine(filtered: Api, query: dict[str, Any], matches: list[str]) -> None:
    assert filtered.summaries(**query) == matches


def test_a_value_that_begins_with_an_exclamation_mark_is_sent_after_a_backslash(api: Api) -> None:
    api.send(span("a", model_name="!x"), span("b", model_name="\\!x"), span("c"))
    queries = ["\\!x", "\\\\!x", "!!x", "!\\!x"]
    assert [api.summaries(model_name=value) for value in queries] == [["a"], ["b"], ["c", "b"], ["c", "b"]]


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ({"limit": ["1", "2"]}, "limit"),
        ({"min_tokens": ["1", "2"]}, "min_tokens"),
        ({"status": ["error", "!ok"]}, "status"),
        ({"parent_span_id": "a b"}, "parent_span_id"),
        ({"parent_span_id": "a", "parent_trace_id": "a"}, "parent_trace_id"),
        ({"search_in": "payload"}, "search_in"),
        ({"search_in": "everywhere", "search": "x"}, "search_in"),
        ({"metadata.": "x"}, "metadata."),
        ({f"metadata.k{number}": "x" for number in range(11)}, "metadata."),
        ({"model_name": "!"}, "model_name"),
        ({"order_by": "age"}, "order_by"),
        ({"order_by": "cost", "cursor": "x"}, "cursor"),
    ],
)
def test_a_malformed_condition_is_named(api: Api, query: dict[str, Any], named: str) -> None:
    reply = api("GET", TRACES, query=query)
    assert (reply.status, reply.json["error"]["details"][0]["field"]) == (400, named)


def test_a_search_in_payloads_finds_any_text_of_any_script(api: Api) -> None:
    api.send(
        span(
            "a", input_data={"messages": [{"role": "user", "parts": [{"type": "text", "text": "x" * 400 + "Größe"}]}]}
        ),
        span("b", output_data=["東京タワーの高さ"], metadata={"Ключ": 1}),
        span("c", error_message="Connection reset", error_stack="at handler.py:7", events=[{"name": "retried"}]),
    )
    texts = ["GRÖSSE", "grösse", "タワー", "ﾀﾜｰ", "КЛЮЧ", "reset", "HANDLER.py", "retried", "absent"]
    found = [api.summaries(search=text, search_in="payload") for text in texts]
    assert found == [["a"], ["a"], ["b"], ["b"], ["b"], ["c"], ["c"], ["c"], []]
    assert api.summaries(search="タワー", search_in="names") == ["b"]  # in the preview
    assert api.summaries(search="GRÖSSE") == []
    assert api.summaries(search=["!reset", "!größe"], search_in="payload") == ["b"]


def test_a_ranking_has_one_page_with_the_largest_first(api: Api) -> None:
    costs = {"a": 0.5, "b": 2, "c": None, "d": 1}
    for second, (trace_id, cost) in enumerate(costs.items()):
        end = at(second + (cost or 9))
        api.send(span(trace_id, start_time=at(second), end_time=end, input_tokens=second, cost_usd=cost))
    page = api.page(view="summary", order_by="cost", limit=3)
    assert [trace["trace_id"] for trace in page["traces"]] == ["b", "d", "a"]
    assert (page["next_cursor"], page["ranked"], page["scanned_to"]) == (None, 4, None)
    rankings = [({"order_by": "cost", "order": "asc"}, "adbc"), ({"order_by": "duration"}, "cbda")]
    for query, expected in [*rankings, ({"order_by": "tokens"}, "dcba"), ({"order_by": "cost", "status": "error"}, "")]:
        assert "".join(trace["trace_id"] for trace in api.page(view="summary", **query)["traces"]) == expected
    assert [root["trace_id"] for root in api.page(order_by="cost", limit=1)["traces"]] == ["b"]


def test_a_ranking_by_waste_counts_what_was_spent_in_vain(api: Api) -> None:
    api.send(span("costly", "a", cost_usd=9))
    api.send(span("failed", "a", operation_type="completion", cost_usd=2, status="error"))
    calls = {"operation_type": "completion", "parent_span_id": "a", "model_name": "m", "span_name": "chat"}
    api.send(
        span("repeated", "a", operation_type="agent", status="success"),
        span("repeated", "b", start_time=at(1), end_time=at(2), cost_usd=1, status="error", **calls),
        span("repeated", "c", start_time=at(3), end_time=at(4), cost_usd=5, status="success", **calls),
    )
    api.send(span("unknown", "a", cost_usd=None))
    traces = api.page(view="summary", order_by="wasted")["traces"]
    assert [(trace["trace_id"], trace["wasted_cost_usd"]) for trace in traces] == [
        ("failed", 2),
        ("repeated", 1),
        ("costly", 0),
        ("unknown", 0),
    ]


def test_neighbours_are_those_of_the_filtered_list(api: Api) -> None:
    api.send(
        *(span(f"t{n}", start_time=at(n), end_time=at(n + 1), status="error" if n % 2 else None) for n in range(5))
    )
    path = f"{path_of('t2')}/neighbours"
    summary = api.trace("t2")["summary"]
    for query, expected in [
        ({}, ("t3", "t1")),
        ({"order": "asc"}, ("t1", "t3")),
        ({"status": "success"}, ("t4", "t0")),
        ({"status": "pending"}, (None, None)),
        ({"start_date": at(2)}, ("t3", None)),
    ]:
        found = api("GET", path, query=query).json["data"]
        assert (found["before"], found["after"]) == expected
        assert (found["complete"], found["cursor_position"]) == (True, summary["cursor_position"])
    assert api("GET", f"{path_of('absent')}/neighbours").status == 404


def test_neighbours_in_a_conversation_have_the_number_of_the_turn(api: Api) -> None:
    for number in range(4):
        api.send(span(f"t{number}", start_time=at(number), end_time=at(number + 1), conversation_id="chat"))
    api.send(span("other", start_time=at(2), end_time=at(3), conversation_id="another"))

    def turn(trace: str, **query: Any) -> tuple[int | None, int | None]:
        data = api("GET", f"{path_of(trace)}/neighbours", query=query).json["data"]
        return data["turn"], data["turns"]

    assert [turn(f"t{number}", conversation_id="chat") for number in range(4)] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert turn("t2", conversation_id="chat", status="error") == (3, 4)
    assert turn("other", conversation_id="another") == (1, 1)
    for query in ({}, {"conversation_id": "another"}, {"conversation_id": "!chat"}, {"status": "success"}):
        assert turn("t2", **query) == (None, None)


def test_a_histogram_counts_the_traces_of_a_filtered_list_by_time(api: Api) -> None:
    minutes = [0, 10, 20, 50, 70]
    api.send(
        *(
            span(f"t{n}", start_time=at(n * 60), end_time=at(n * 60 + 1), cost_usd=0.5, input_tokens=n)
            | ({"status": "error"} if n == 20 else {})
            for n in minutes
        )
    )
    query = {"start_date": at(), "end_date": at(7_200), "interval": "hour"}
    reply = api("GET", "/api/analytics/histogram", query=query).json
    assert [
        (point["traces"], point["failed"], point["total_tokens"], point["cost_usd"]) for point in reply["points"]
    ] == [*((4, 1, 80, 2.0), (1, 0, 70, 0.5))]
    assert (reply["interval"], reply["timezone"], reply["next_cursor"], reply["scanned_to"]) == (
        "hour",
        "UTC",
        None,
        None,
    )
    failed = api("GET", "/api/analytics/histogram", query={**query, "status": "error", "interval": "15m"}).json
    assert [point["traces"] for point in failed["points"]] == [0, 1, 0, 0, 0, 0, 0, 0]
    assert api("GET", "/api/analytics/histogram", query={**query, "end_date": at(-1)}).status == 400
    assert api("GET", "/api/analytics/histogram").json["interval"] == "15m"


def test_a_filter_on_a_field_matches_any_span_of_the_trace(api: Api) -> None:
    api.send(span(), child("a", "root", model_name="m", tool_name="t"), span("other", model_name="m"))
    assert api.summaries(model_name="m", tool_name="t") == ["t"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("limit", bad) for bad in ("0", "1001", "-1", "1.0", "ten", "", "٣", "0000000010000", "1" + "0" * 5_000)),
        *(("start_date", bad) for bad in ("", "today", "2025-02-30", "2025-01-01T00:00:00", "2025-13-01T00:00:00Z")),
        *(("timezone", bad) for bad in ("", "Berlin", "+01:00", "../UTC")),
        *(("min_cost_usd", bad) for bad in ("", "-1", "NaN", "Infinity", "1_000", "1e999", " 1", "0x1", "1e15")),
        *(("trace_id", bad) for bad in ("", ",", "a,", "#", "a" * 129, ",".join("abc" * 34), "..", "%2F")),
        *(
            ("status", "ok"),
            ("has_errors", "1"),
            ("order", "up"),
            ("view", "tree"),
            ("search", ""),
            ("search", "x" * 513),
        ),
        *(("conversation_id", ""), ("model_name", ""), ("min_duration_ms", "fast"), ("end_date", "0000-00-00T00:00Z")),
    ],
)
def test_a_malformed_parameter_is_named(filtered: Api, name: str, value: str) -> None:
    reply = filtered("GET", TRACES, query={name: value})
    assert failure(reply) == (400, "invalid_parameter")
    assert fields_of(reply) == [name]


@pytest.mark.parametrize("query", ["user_id=u", "offset=1", "LIMIT=1", "limit=1&limit=1", "=", "a[]=1", "view=turns"])
def test_an_unknown_repeated_or_incomplete_parameter_is_refused(api: Api, query: str) -> None:
    assert failure(api("GET", TRACES, query=query))[0] == 400


def test_one_error_names_every_malformed_parameter(api: Api) -> None:
    reply = api("GET", TRACES, query={"status": "ok", "start_date": "x", "min_cost_usd": "y"})
    assert sorted(fields_of(reply)) == ["min_cost_usd", "start_date", "status"]


def test_a_date_that_does_not_exist_is_refused_with_the_remedy(api: Api) -> None:
    (detail,) = api("GET", TRACES, query="end_date=2025-02-30").json["error"]["details"]
    assert detail == {"field": "end_date", "message": "must be a date that exists, such as 2026-11-22"}


def test_a_plus_that_is_not_percent_encoded_is_part_of_an_offset(filtered: Api) -> None:
    reply = filtered("GET", TRACES, query="view=summary&end_date=2025-01-02T11:01:40+01:00")
    assert [trace["trace_id"] for trace in reply.json["traces"]] == ["unwanted"]


def test_consecutive_days_contain_each_trace_once_when_clocks_change(api: Api) -> None:
    starts = ["2025-10-25T21:59:59.999Z", "2025-10-25T22:00:00Z", "2025-10-26T22:59:59.999999Z", "2025-10-26T23:00:00Z"]
    api.send(*(span(f"t{number}", start_time=start) for number, start in enumerate(starts)))
    days = [
        api.summaries(start_date=day, end_date=day, timezone="Europe/Berlin", order="asc")
        for day in ("2025-10-25", "2025-10-26", "2025-10-27")
    ]
    assert days == [["t0"], ["t1", "t2"], ["t3"]]


def test_a_cursor_is_bound_to_the_zone(api: Api) -> None:
    api.send(*(span(f"t{number}", start_time=at(number)) for number in range(3)))
    query = {"start_date": "2025-01-02", "timezone": "Europe/Berlin", "limit": 2, "view": "summary"}
    cursor = api.page(**query)["next_cursor"]
    assert [trace["trace_id"] for trace in api.page(**query, cursor=cursor)["traces"]] == ["t0"]
    other = api("GET", TRACES, query={**query, "timezone": "UTC", "cursor": cursor})
    assert failure(other) == (400, "invalid_cursor")


def test_a_list_without_traces_is_empty(api: Api) -> None:
    assert api.page() == {"success": True, "traces": [], "next_cursor": None}
    assert api.page(view="summary") == {"success": True, "traces": [], "next_cursor": None, "scanned_to": None}


def test_a_forest_has_the_roots_of_each_trace_newest_trace_first(api: Api) -> None:
    api.send(
        span("old"),
        child("a", "root", "old"),
        span("new", start_time=at(9)),
        child("b", "gone", "new", start_time=at(9)),
    )
    roots = [(root["trace_id"], root["span_id"], len(root["children"])) for root in api.page()["traces"]]
    assert roots == [("new", "b", 0), ("new", "root", 0), ("old", "root", 1)]


def test_a_limit_counts_traces_not_spans(api: Api) -> None:
    api.send(span("a"), child("b", "root", "a"), child("c", "gone", "a"), span("z"))
    page = api.page(limit=1, order="asc")
    assert [root["trace_id"] for root in page["traces"]] == ["a", "a"]
    assert page["next_cursor"]


@pytest.mark.parametrize("query", [{"view": "summary"}, {"view": "forest"}, {"view": "turns", "conversation_id": "c"}])
@pytest.mark.parametrize("order", ["desc", "asc"])
def test_pages_return_each_old_trace_once_during_concurrent_writes(api: Api, query: dict[str, str], order: str) -> None:
    old = [f"t{number:02}" for number in range(12)]
    api.send(*(span(name, start_time=at(int(name[1:]) // 2), conversation_id="c") for name in old))
    ids: list[str] = []
    cursor: dict[str, str] = {}
    for number in range(100):
        page = api.page(**query, order=order, limit=5, **cursor)
        ids += [trace["trace_id"] for trace in page["traces"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
        # New traces before, between and after the old ones, and changes to the old ones, including their start.
        api.send(*(span(f"n{number}-{s}", start_time=at(s), conversation_id="c") for s in (-9, 2, 99)))
        api.send(*(child(f"s{number}", "root", name, start_time=at(-5 * number)) for name in old))
    assert sorted(name for name in ids if name in old) == old
    assert len(ids) == len(set(ids))


def test_a_page_may_be_short_without_being_the_last(api: Api) -> None:
    api.send(*(span(f"t{number}", input_data="x" * 2_000_000) for number in range(2)))
    api.send(span("t2", input_data="x" * 2_000_000))
    first = api.page(limit=10)
    assert len(first["traces"]) == 2
    second = api.page(limit=10, cursor=first["next_cursor"])
    assert len(second["traces"]) == 1
    assert second["next_cursor"] is None


def test_a_cursor_works_with_another_limit(api: Api) -> None:
    api.send(*(span(f"t{number}") for number in range(5)))
    first = api.page(limit=1, view="summary", order="asc")
    rest = api.page(limit=100, view="summary", order="asc", cursor=first["next_cursor"])
    assert [trace["trace_id"] for trace in rest["traces"]] == ["t1", "t2", "t3", "t4"]


def test_a_summary_page_reports_the_position_that_it_reached(api: Api) -> None:
    api.send(span("a", start_time=at(1)), span("b", start_time=at(2)))
    assert api.page(view="summary", limit=1)["scanned_to"] == at(2)


def test_a_full_last_page_has_no_cursor(api: Api) -> None:
    api.send(span("a"), span("b"))
    assert api.page(limit=2)["next_cursor"] is None
