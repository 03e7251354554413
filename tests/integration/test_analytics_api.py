"""Analytics through the real handler, over counters that real traces made."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.api import Api, failure, fields_of, span
from tests.conftest import TableOnEngine
from tests.gateway import Reply
from tests.head_stream import count_traces
from tracestore.domain.dimensions import MARGINALS
from tracestore.http.wiring import store

ROOT = Path(__file__).resolve().parents[2]
DAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=3)
"""Old counters expire, so this day is near."""

RANGE = {"start_date": DAY.isoformat(), "end_date": (DAY + timedelta(days=1)).isoformat()}
MODEL = {"operation_type": "completion", "model_provider": "openai", "model_name": "small"}


def time(hours: float) -> str:
    """The time after so many hours of the day, as responses write it."""
    return (DAY + timedelta(hours=hours)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def called(trace_id: str, hours: float = 10, root: str = "call", **fields: Any) -> dict[str, Any]:
    """A trace of one model call, which took a second."""
    usage = {"input_tokens": 10, "output_tokens": 2, "cost_usd": 0.25, "duration_ms": 1_000}
    return span(trace_id, root, **{"start_time": time(hours), **MODEL, **usage, **fields})


def failing(trace_id: str, hours: float = 10, **fields: Any) -> dict[str, Any]:
    return called(
        trace_id, hours, **{"status": "error", "error_type": "timeout", "error_message": "too late", **fields}
    )


@dataclass(frozen=True)
class Analytics:
    """Requests of one user to analytics."""

    api: Api

    def after(self, *spans: dict[str, Any]) -> "Analytics":
        """The same once these spans are stored and counted."""
        assert self.api.post({"spans": spans}).status == 201
        assert self.api.user
        count_traces(store(), self.api.user.name)
        return self

    def reply(self, name: str, **query: Any) -> Reply:
        return self.api("GET", f"/api/analytics/{name}", query=query)

    def __call__(self, name: str, **query: Any) -> Any:
        """The response about the day."""
        reply = self.reply(name, **(RANGE if name != "conversations" else {}), **query)
        assert reply.status == 200, reply.body
        return reply.json


@pytest.fixture
def analytics(api: Api) -> Analytics:
    """Analytics of a new user, on each engine."""
    return Analytics(api)


def test_metrics_contain_all_measures(analytics: Analytics) -> None:
    analytics.after(called("a"), failing("b", cost_usd=0.5, cached_input_tokens=4), called("c", duration_ms=4_000))
    answer = analytics("metrics", interval="hour")
    assert {name: answer[name] for name in ("start_date", "end_date", "interval", "timezone")} == {
        "start_date": time(0),
        "end_date": time(24),
        "interval": "hour",
        "timezone": "UTC",
    }
    latency, first_token = answer["totals"].pop("latency_ms"), answer["totals"].pop("time_to_first_token_ms")
    assert answer["totals"] == {
        **{"traces": 3, "calls": 3, "errors": 1, "error_rate": 0.333333, "cost_usd": 1.0, "wasted_cost_usd": 0.5},
        **{"input_tokens": 30, "output_tokens": 6, "total_tokens": 36},
        **{"cached_input_tokens": 4, "cache_write_tokens": 0, "reasoning_tokens": 0},
    }
    assert latency["avg"] == 2_000
    assert latency["p50"] == pytest.approx(1_000, rel=0.048)
    assert latency["p95"] == pytest.approx(4_000, rel=0.048)
    assert first_token == {"avg": None, "p50": None, "p90": None, "p95": None, "p99": None}


def test_metrics_contain_times_to_the_first_token_by_group_and_over_time(analytics: Analytics) -> None:
    streamed = [called(f"t{number}", number, time_to_first_token_ms=100 * (number + 1)) for number in range(4)]
    analytics.after(*streamed, called("whole", 2), called("tool", operation_type="tool_call", time_to_first_token_ms=9))
    (group,) = analytics("metrics", interval="hour", group_by="model_name")["groups"]
    assert group["totals"]["time_to_first_token_ms"]["avg"] == 250
    assert group["totals"]["time_to_first_token_ms"]["p50"] == pytest.approx(200, rel=0.048)
    assert group["totals"]["time_to_first_token_ms"]["p99"] == pytest.approx(400, rel=0.048)
    points = {point["time"]: point["time_to_first_token_ms"]["avg"] for point in group["points"] if point["calls"]}
    assert points == {time(number): 100 * (number + 1) for number in range(4)}


def test_metrics_have_a_point_for_every_interval(analytics: Analytics) -> None:
    answer = analytics.after(called("a"))("metrics")
    (group,) = answer["groups"]
    assert (answer["interval"], group["group"], len(group["points"])) == ("15m", None, 96)
    assert [point["time"] for point in group["points"] if point["calls"]] == [time(10)]


def test_a_day_is_included_whole_in_the_time_zone(analytics: Analytics) -> None:
    zone, offset = "Asia/Kathmandu", 5.75
    analytics.after(called("before", -offset - 0.1), called("a", -offset), called("b", 23.9 - offset), called("c", 20))
    day = {"start_date": DAY.date(), "end_date": DAY.date(), "timezone": zone}
    answer = analytics.reply("metrics", **day).json
    assert (answer["start_date"], answer["end_date"]) == (time(-offset), time(24 - offset))
    assert answer["totals"]["calls"] == 2
    for route in ("errors", "providers", "heatmap", "costs", "anomalies", "conversations", "facets"):
        assert analytics.reply(route, **day).status == 200
        assert fields_of(analytics.reply(route, **day | {"end_date": "2025-02-30"})) == ["end_date"]


def test_conversations_of_a_day_were_last_active_on_it(analytics: Analytics) -> None:
    spans = [called(f"t{hours}", hours, conversation_id=f"c{hours}") for hours in (-1, 0, 23, 24)]
    analytics.after(*spans)
    answer = analytics("conversations", start_date=DAY.date(), end_date=DAY.date())
    assert [one["conversation_id"] for one in answer["conversations"]] == ["c23", "c0"]


def test_metrics_are_grouped(analytics: Analytics) -> None:
    analytics.after(called("a"), called("b"), called("c", model_name=None), called("d", model_name="large"))
    groups = analytics("metrics", group_by="model_name")["groups"]
    assert [(group["group"], group["totals"]["calls"]) for group in groups] == [("small", 2), (None, 1), ("large", 1)]


def test_metrics_are_grouped_by_service(analytics: Analytics) -> None:
    agent = span("a", "run", operation_type="agent", start_time=time(9), service_name="web", duration_ms=5_000)
    inside = called("a", 9, "one", parent_span_id="run", service_name="shop")
    analytics.after(agent, inside, called("b", 9.5, service_name="shop", cost_usd=1), failing("c"))
    answer = analytics("metrics", group_by="service_name")
    assert (answer["interval"], answer["totals"]["calls"], answer["totals"]["cost_usd"]) == ("hour", 3, 1.5)
    shop, none = answer["groups"]
    assert (shop["group"], shop["totals"]["traces"], shop["totals"]["cost_usd"]) == ("shop", 2, 1.25)
    assert [(point["time"], point["calls"]) for point in shop["points"] if point["calls"]] == [(time(9), 2)]
    assert (none["group"], none["totals"]["errors"], len(none["points"])) == (None, 1, 24)


def test_tools_are_counted_by_their_own_calls(analytics: Analytics) -> None:
    tool = {"operation_type": "tool_call", "start_time": time(9), "duration_ms": 200}
    analytics.after(
        called("a"),
        span("a", "s1", parent_span_id="root", tool_name="search", **tool),
        span("a", "s2", parent_span_id="root", tool_name="search", status="error", **tool),
        span("a", "order", parent_span_id="root", tool_name="order", **tool),
        span("b", "s3", tool_name="search", **tool),
    )
    search, order = analytics("metrics", group_by="tool_name")["groups"]
    assert [search["group"], order["group"]] == ["search", "order"]
    assert [search["totals"][name] for name in ("traces", "calls", "errors")] == [2, 3, 1]
    assert (search["totals"]["latency_ms"]["avg"], order["totals"]["calls"]) == (200, 1)


@pytest.mark.parametrize("name", MARGINALS)
def test_metrics_are_grouped_by_each_marginal(analytics: Analytics, name: str) -> None:
    """So a further marginal takes one line of code, in `MARGINALS`, and its name in two documents."""
    analytics.after(
        *(called(trace_id) | {name: value} for trace_id, value in (("a", "one"), ("b", "two"), ("c", "two")))
    )
    groups = analytics("metrics", group_by=name)["groups"]
    assert [(group["group"], group["totals"]["calls"]) for group in groups] == [("two", 2), ("one", 1)]
    for document in ("api", "data-model"):
        assert f"`{name}`" in (ROOT / f"docs/{document}.md").read_text()


@pytest.mark.parametrize("more", [{"model_name": "small"}, {"interval": "15m"}])
def test_services_are_not_combined_with_filters_or_quarters(analytics: Analytics, more: dict[str, str]) -> None:
    reply = analytics.reply("metrics", **RANGE, group_by="service_name", **more)
    assert (failure(reply), fields_of(reply)) == ((400, "unsupported_combination"), list(more))


def test_metrics_are_filtered(analytics: Analytics) -> None:
    analytics.after(called("a"), called("b", model_provider="acme"), called("c", operation_type="embedding"))
    totals = analytics("metrics", model_provider="openai", operation_type="completion")["totals"]
    assert (totals["traces"], totals["calls"]) == (1, 1)


def test_a_day_is_the_callers_day(analytics: Analytics) -> None:
    analytics.after(called("a", 18), called("b", 18.25))
    (group,) = analytics("metrics", timezone="Asia/Kathmandu", interval="day")["groups"]
    assert [(point["time"], point["calls"]) for point in group["points"]] == [(time(0), 1), (time(18.25), 1)]


def test_without_dates_metrics_are_of_the_last_day(analytics: Analytics) -> None:
    now = datetime.now(UTC).isoformat()
    analytics.after(called("now", start_time=now, duration_ms=0), called("before", -24))
    assert analytics.reply("metrics").json["totals"]["calls"] == 1


def test_a_user_without_traces_gets_empty_responses(analytics: Analytics) -> None:
    assert analytics("metrics")["totals"]["calls"] == 0
    assert analytics("metrics", group_by="status")["groups"] == []
    assert analytics("errors")["errors"] == []
    assert analytics("providers")["providers"] == []
    assert analytics("heatmap")["heatmaps"] == []
    assert analytics("costs")["by_model"] == analytics("costs")["by_conversation"] == []
    assert analytics("conversations") == {"success": True, "conversations": [], "next_cursor": None}
    assert not any(analytics("facets")["facets"].values())


def test_errors_come_by_type_with_examples(analytics: Analytics) -> None:
    analytics.after(failing("a", 9), failing("b", 10.5), failing("c", error_type="refused"), called("d"))
    timeout, refused = analytics("errors", interval="hour")["errors"]
    assert (timeout["error_type"], timeout["count"], timeout["share"]) == ("timeout", 2, 0.666667)
    assert (timeout["first_seen"], timeout["last_seen"]) == (time(9), time(10.5))
    assert [point["count"] for point in timeout["points"]][8:12] == [0, 1, 1, 0]
    fields = {"span_name": "call.call", "error_message": "too late"}
    assert timeout["examples"] == [
        {"trace_id": "b", "time": time(10.5), **fields},
        {"trace_id": "a", "time": time(9), **fields},
    ]
    assert (refused["error_type"], refused["count"]) == ("refused", 1)


def test_a_deleted_trace_is_no_example(analytics: Analytics) -> None:
    analytics.after(failing("a"), failing("b"))
    assert analytics.api("DELETE", "/api/analytics/traces/a").status == 200
    (timeout,) = analytics("errors")["errors"]
    assert [example["trace_id"] for example in timeout["examples"]] == ["b"]
    assert analytics("providers")["providers"][0]["models"][0]["last_error"]["trace_id"] == "b"


def test_a_trace_hidden_by_a_bulk_deletion_is_no_example(analytics: Analytics) -> None:
    analytics.after(failing("a", conversation_id="c"), failing("b"))
    assert analytics.api("DELETE", "/api/analytics/traces", query="conversation_id=c").status in (200, 202)
    (timeout,) = analytics("errors")["errors"]
    assert [example["trace_id"] for example in timeout["examples"]] == ["b"]


def test_a_changed_error_is_no_example(analytics: Analytics) -> None:
    analytics.after(failing("a"), failing("b"))
    analytics.api.patched("call", "a", error_type="other")
    (timeout,) = analytics("errors")["errors"]
    assert [example["trace_id"] for example in timeout["examples"]] == ["b"]


def test_providers_have_a_state_and_their_last_error(analytics: Analytics) -> None:
    down = [failing(f"f{number}", 23.5, model_provider="acme") for number in range(12)]
    fine = [called(f"c{number}", 23.5) for number in range(12)]
    acme, openai = analytics.after(*down, *fine, called("x", 1, model_name="large"))("providers")["providers"][::-1]
    assert (acme["model_provider"], acme["state"]) == ("acme", "down")
    assert acme["reason"] == "12 of 12 calls failed in the last hour (100 %)."
    assert acme["models"][0]["last_error"] == {
        **{"trace_id": "f9", "span_name": "call.call", "error_type": "timeout", "error_message": "too late"},
        "time": time(23.5),
    }
    assert (openai["model_provider"], openai["state"], openai["totals"]["calls"]) == ("openai", "healthy", 13)
    assert [(model["model_name"], model["totals"]["calls"]) for model in openai["models"]] == [
        ("small", 12),
        ("large", 1),
    ]
    assert openai["models"][1]["reason"] == "1 call in the whole range, 0 failed: too few to judge by."
    assert openai["models"][1]["last_error"] is None


def test_a_heatmap_counts_calls_by_latency_and_time(analytics: Analytics) -> None:
    analytics.after(called("a", duration_ms=100), called("b", duration_ms=100), called("c", 12, duration_ms=30_000))
    (heatmap,) = analytics("heatmap", interval="hour")["heatmaps"]
    assert (heatmap["operation_type"], heatmap["times"][10]) == ("completion", time(10))
    assert len(heatmap["buckets_ms"]) == len(heatmap["counts"]) <= 16
    (low, high), counts = heatmap["buckets_ms"][0], heatmap["counts"][0]
    assert low <= 100 < high
    assert (counts[10], sum(counts)) == (2, 2)
    assert heatmap["counts"][-1][12] == 1


def test_costs_come_by_their_cause(analytics: Analytics) -> None:
    agent = span("a", "run", operation_type="agent", start_time=time(9), conversation_id="chat", duration_ms=5_000)
    inside = called("a", 9, "one", parent_span_id="run", cost_usd=2)
    analytics.after(agent, inside, failing("b", cost_usd=0.5, model_name="large"), called("c", model_provider="acme"))
    costs = analytics("costs")
    assert (costs["totals"]["cost_usd"], costs["totals"]["wasted_cost_usd"]) == (2.75, 0.5)
    assert [(row["model_provider"], row["model_name"], row["cost_usd"]) for row in costs["by_model"]] == [
        *[("openai", "small", 2), ("openai", "large", 0.5), ("acme", "small", 0.25)]
    ]
    assert [(row["model_provider"], row["wasted_cost_usd"]) for row in costs["by_provider"]] == [
        *[("openai", 0.5), ("acme", 0)]
    ]
    assert [(row["operation_type"], row["cost_usd"]) for row in costs["by_operation"]] == [
        *[("completion", 2.75), ("agent", 0)]
    ]
    assert [(row["model_provider"], row["status"], row["wasted_cost_usd"]) for row in costs["by_outcome"]] == [
        *[("openai", "success", 0), ("openai", "error", 0.5), ("acme", "success", 0)]
    ]
    assert [(row["conversation_id"], row["cost_usd"], row["calls"]) for row in costs["by_conversation"]] == [
        ("chat", 2, 1)
    ]
    assert [(trace["trace_id"], trace["cost_usd"]) for trace in costs["top_traces_by_cost"]] == [
        *[("a", 2), ("b", 0.5), ("c", 0.25)]
    ]


def test_top_traces_began_in_the_range_and_still_exist(analytics: Analytics) -> None:
    analytics.after(called("early", 1), called("a"), called("gone"), called("free", cost_usd=0))
    assert analytics.api("DELETE", "/api/analytics/traces/gone").status == 200
    later = RANGE | {"start_date": time(2)}
    traces = analytics.reply("costs", **later).json["top_traces_by_cost"]
    assert [trace["trace_id"] for trace in traces] == ["a"]


def test_filtered_costs_have_no_conversations(analytics: Analytics) -> None:
    costs = analytics.after(called("a"), called("b", model_name="large"))("costs", model_name="large")
    assert costs["by_conversation"] is None
    assert [trace["trace_id"] for trace in costs["top_traces_by_cost"]] == ["b"]


def turn(trace_id: str, hours: float, conversation_id: str, **fields: Any) -> dict[str, Any]:
    """A turn of a conversation."""
    payload: dict[str, Any] = {"input_data": {"prompt": f"in {trace_id}"}, "output_data": {"text": f"out {trace_id}"}}
    return called(trace_id, hours, conversation_id=conversation_id, **payload, **fields)


def ids(answer: Any) -> list[str]:
    return [conversation["conversation_id"] for conversation in answer["conversations"]]


def test_conversations_come_last_active_first_with_their_lifetime_measures(analytics: Analytics) -> None:
    analytics.after(turn("a", 1, "old"), turn("b", 2, "chat"), failing("c", 5, conversation_id="chat"))
    chat, old = analytics("conversations")["conversations"]
    assert (chat["conversation_id"], old["conversation_id"]) == ("chat", "old")
    assert (chat["first_time"], chat["last_time"]) == (time(2), time(5 + 1 / 3600))
    fields = {name: chat[name] for name in ("traces", "calls", "errors", "error_rate", "cost_usd", "wasted_cost_usd")}
    assert fields == {"traces": 2, "calls": 2, "errors": 1, "error_rate": 0.5, "cost_usd": 0.5, "wasted_cost_usd": 0.25}
    assert (old["input_preview"], old["output_preview"]) == ("in a", "out a")


def test_conversations_come_by_page(analytics: Analytics) -> None:
    analytics.after(*(turn(f"t{number}", number, f"c{number}") for number in range(5)))
    listed: list[str] = []
    query: dict[str, Any] = {"limit": 2}
    while True:
        page = analytics("conversations", **query)
        listed += ids(page)
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert listed == ["c4", "c3", "c2", "c1", "c0"]


def test_conversations_of_a_range_are_those_last_active_in_it(analytics: Analytics) -> None:
    analytics.after(turn("a", 1, "early"), turn("b", 5, "within"), turn("c", 9, "late"))
    assert ids(analytics("conversations", start_date=time(4), end_date=time(8))) == ["within"]
    assert ids(analytics("conversations", start_date=time(4), limit=2)) == ["late", "within"]


def test_a_conversation_whose_newest_trace_is_gone_shows_the_one_before(analytics: Analytics) -> None:
    analytics.after(turn("a", 1, "chat"), turn("b", 2, "chat"))
    assert analytics.api("DELETE", "/api/analytics/traces/b").status == 200
    (chat,) = analytics("conversations")["conversations"]
    assert chat["input_preview"] == "in a"


def test_a_conversation_without_visible_traces_is_left_out(analytics: Analytics) -> None:
    analytics.after(turn("a", 1, "chat"), turn("b", 2, "other"))
    assert analytics.api("DELETE", "/api/analytics/traces/a").status == 200
    assert ids(analytics("conversations")) == ["other"]


def test_conversations_are_filtered_by_their_newest_trace(analytics: Analytics) -> None:
    analytics.after(turn("a", 1, "chat", model_name="large"), turn("b", 2, "other"))
    assert ids(analytics("conversations", model_name="large")) == ["chat"]


def test_conversations_are_searched_by_id_and_previews(analytics: Analytics) -> None:
    other = called("b", 2, conversation_id="other", output_data={"text": "ＷＩＤＥ"})
    analytics.after(turn("a", 1, "Straße 7"), other, turn("c", 3, "third"))
    assert ids(analytics("conversations", search="STRASSE")) == ["Straße 7"]
    assert ids(analytics("conversations", search="wide")) == ["other"]
    assert ids(analytics("conversations", search="in ", limit=2)) == ["third", "Straße 7"]
    assert ids(analytics("conversations", search="nowhere")) == []
    assert fields_of(analytics.reply("conversations", search="", end_user_id="x" * 513)) == ["search", "end_user_id"]


def test_conversations_are_filtered_by_the_end_user_of_their_newest_trace(analytics: Analytics) -> None:
    analytics.after(
        turn("a", 1, "mine", end_user_id="ada"), turn("b", 2, "other", end_user_id="bob"), turn("c", 3, "nobody")
    )
    assert ids(analytics("conversations", end_user_id="ada")) == ["mine"]
    assert ids(analytics("conversations", end_user_id="ada", search="other")) == []


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
def test_a_filtered_list_of_conversations_looks_further_and_has_each_match_once(
    analytics: Analytics, limit: int
) -> None:
    spans = [turn(f"t{number}", number, f"{'odd' if number % 2 else 'even'} {number}") for number in range(7)]
    analytics.after(*spans)
    listed: list[str] = []
    query: dict[str, Any] = {"limit": limit, "search": "odd"}
    while True:
        page = analytics("conversations", **query)
        assert len(ids(page)) == limit or page["next_cursor"] is None
        listed += ids(page)
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert listed == ["odd 5", "odd 3", "odd 1"]


def test_a_search_of_conversations_ends_with_its_budget_and_goes_on_with_the_cursor(
    analytics: Analytics, monkeypatch: pytest.MonkeyPatch
) -> None:
    analytics.after(*(turn(f"t{number}", number, f"c{number}") for number in range(5)))
    monkeypatch.setattr("tracestore.storage.read_budget.READ_UNITS_MOST", 3)
    pages, query = 1, {"limit": 1, "search": "c0"}
    while ids(page := analytics("conversations", **query)) == [] and page["next_cursor"]:
        pages, query = pages + 1, {**query, "cursor": page["next_cursor"]}
    assert ids(page) == ["c0"]
    assert pages > 1


def test_one_conversation_has_the_measures_of_the_list(analytics: Analytics) -> None:
    analytics.after(turn("a", 1, "chat"), failing("b", 2, conversation_id="chat"), turn("c", 3, "other"))
    reply = analytics.reply("conversations/chat")
    assert reply.status == 200
    assert reply.json["data"] == analytics("conversations", search="chat")["conversations"][0]
    assert reply.json["data"]["traces"] == 2
    assert fields_of(analytics.reply("conversations/chat", interval="day")) == ["interval"]


@pytest.mark.parametrize("name", ["chat", "a b", "c#/%", "%2F", "é?x=1", "💬" * 256, ".."])
def test_one_conversation_is_found_by_its_id_encoded_twice(analytics: Analytics, name: str) -> None:
    analytics.after(turn("a", 1, name))
    reply = analytics.reply("conversations/" + quote(quote(name, safe=""), safe=""))
    assert (reply.status, reply.json["data"]["conversation_id"]) == (200, name)


def test_an_absent_conversation_is_not_found(analytics: Analytics, other: Api) -> None:
    analytics.after(turn("a", 1, "chat"), turn("b", 2, "gone"))
    assert analytics.api("DELETE", "/api/analytics/traces/b").status == 200
    for name in ("gone", "unknown", "c" * 257, "%"):
        assert failure(analytics.reply(f"conversations/{quote(name)}")) == (404, "not_found")
    assert failure(other("GET", "/api/analytics/conversations/chat")) == (404, "not_found")


def test_a_conversation_with_a_long_name_keeps_it(analytics: Analytics) -> None:
    name = "💬" * 200
    assert ids(analytics.after(turn("a", 1, name))("conversations")) == [name]


def test_a_cursor_of_conversations_is_valid_for_its_list_alone(analytics: Analytics, other: Api) -> None:
    analytics.after(turn("a", 1, "one"), turn("b", 2, "two"))
    cursor = analytics("conversations", limit=1)["next_cursor"]
    for reply in (
        other("GET", "/api/analytics/conversations", query={"cursor": cursor}),
        analytics.reply("conversations", model_name="small", cursor=cursor),
        analytics.api("GET", "/api/analytics/traces", query={"cursor": cursor}),
    ):
        assert failure(reply) == (400, "invalid_cursor")


def test_facets_contain_values_with_the_number_of_their_traces(analytics: Analytics) -> None:
    analytics.after(called("a", tool_name="web"), called("b"), failing("c", model_name="large"))
    facets = analytics("facets")["facets"]
    assert facets["model_name"] == [{"value": "small", "count": 2}, {"value": "large", "count": 1}]
    assert facets["status"] == [{"value": "success", "count": 2}, {"value": "error", "count": 1}]
    assert facets["tool_name"] == [{"value": "web", "count": 1}]
    assert facets["end_user_id"] == []


def test_facets_are_of_the_whole_days_that_the_range_touches(analytics: Analytics) -> None:
    analytics.after(called("a", 1))
    answer = analytics.reply("facets", start_date=time(20), end_date=time(30)).json
    assert (answer["start_date"], answer["end_date"]) == (time(0), time(48))
    assert answer["facets"]["model_name"] == [{"value": "small", "count": 1}]


ROUTES = ("metrics", "errors", "providers", "heatmap", "costs", "conversations", "facets")
once = pytest.mark.parametrize("engine", ["moto"], indirect=True, scope="session")  # the engine does not matter here


@once
@pytest.mark.parametrize("name", ROUTES)
def test_every_route_takes_the_common_parameters(analytics: Analytics, name: str) -> None:
    common = {"interval": "day", "timezone": "Europe/Berlin", **MODEL}
    assert analytics.reply(name, **(RANGE | common)).status == 200


@once
@pytest.mark.parametrize("name", ROUTES)
def test_every_route_refuses_unknown_parameters(analytics: Analytics, name: str) -> None:
    reply = analytics.reply(name, granularity="hour")
    assert (failure(reply), fields_of(reply)) == ((400, "invalid_request"), ["granularity"])


@once
@pytest.mark.parametrize("name", ROUTES)
def test_every_route_answers_a_matching_etag_with_304(analytics: Analytics, name: str) -> None:
    reply = analytics.reply(name, **RANGE)
    again = analytics.api(
        "GET", f"/api/analytics/{name}", query=RANGE, headers={"if-none-match": reply.headers["etag"]}
    )
    assert (again.status, again.body) == (304, b"")


def test_no_user_sees_the_measures_of_another(analytics: Analytics, other: Api, engine: TableOnEngine) -> None:
    analytics.after(failing("a", conversation_id="chat"))
    for name in ROUTES:
        body = other("GET", f"/api/analytics/{name}", query=RANGE).body
        assert b"chat" not in body
        assert b"timeout" not in body
