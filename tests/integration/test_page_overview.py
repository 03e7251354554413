"""The overview of the page in Chromium: its charts, their links and tables, over counters that real traces made."""

import json
import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.api import Api, path_of, span
from tests.gateway import User, new_user
from tests.head_stream import count_traces
from tests.reading import WIDTHS, Reader, address, browser, demo_reader, reader, reading
from tracestore.http.wiring import store
from tracestore_cli import demo

__all__ = ["address", "browser", "demo_reader", "reader"]

pytestmark = pytest.mark.parametrize("engine", ["moto"], indirect=True, scope="session")

NOW: Final = datetime.now(UTC)
HOSTILE: Final = '<img src=x onerror=alert(1)>"\u202e'
COST: Final = "section.cost"


@pytest.fixture(scope="module")
def demo_user(address: str) -> User:
    """A user with counted sample traces."""
    user = new_user()
    demo.send(address, user.token)
    count_traces(store(), user.name)
    return user


def called(trace_id: str, hours_ago: float = 2, **fields: Any) -> dict[str, Any]:
    """A trace of one model call."""
    values = {
        "operation_type": "completion",
        "model_name": "small",
        "model_provider": "openai",
        "start_time": (NOW - timedelta(hours=hours_ago)).isoformat(),
        "duration_ms": 1_000,
        "cost_usd": 0.25,
    }
    return span(trace_id, "call", **{**values, **fields})


def counted(api: Api, *spans: dict[str, Any]) -> None:
    """Store spans, and count them."""
    assert api.post({"spans": list(spans)}).status == 201
    assert api.user
    count_traces(store(), api.user.name)


def query_of(href: str | None) -> dict[str, str]:
    """The parameters of a link."""
    return {name: values[0] for name, values in parse_qs(urlsplit(href or "").query).items()}


def analytics_query(href: str) -> dict[str, str]:
    """The parameters of a request for analytics, whose range may end now."""
    return {"end_date": NOW.isoformat().replace("+00:00", "Z"), "timezone": "UTC", **query_of(href)}


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_the_overview_is_accessible_and_fits_at_every_width_and_theme(
    browser: Browser, address: str, demo_user: User, width: int, dark: bool
) -> None:
    with reading(browser, address, demo_user.token, width=width, dark=dark) as reader:
        for path in ("/traces/overview", "/traces/overview?table=all&range=24h"):
            reader.open(path)
            expect(reader.page.get_by_role("heading", name="Providers")).to_be_visible()
            assert reader.violations() == [], path
            assert not reader.page.evaluate("document.documentElement.scrollWidth > innerWidth"), path


def test_every_figure_and_chart_leads_to_its_traces(reader: Reader, api: Api) -> None:
    counted(
        api,
        called("cheap", conversation_id="chat"),
        called("costly", cost_usd=3, model_name="large"),
        called("slow", 3, status="error", error_type="timeout", error_message="too late", duration_ms=9_000),
    )
    reader.open("/traces/overview?range=24h")
    page = reader.page
    figure = page.get_by_role("link", name=re.compile("^Failed calls"))
    expect(figure).to_contain_text("33 %")
    assert query_of(figure.get_attribute("href"))["has_errors"] == "true"
    legend = page.locator(COST).get_by_role("link", name=re.compile("^large"))
    expect(legend).to_contain_text("$3.00")
    legend.click()
    page.wait_for_url("**/traces?**model_name=large**")
    expect(page.locator(".traces [role=row][aria-selected]")).to_have_count(1)
    page.go_back()
    page.locator("section.errors").get_by_role("link", name=re.compile("^timeout")).click()
    expect(page.locator(".traces [role=row][aria-selected]")).to_have_count(1)
    expect(page.locator("#row-slow")).to_be_visible()
    page.go_back()
    page.get_by_role("link", name=re.compile("^too late")).click()
    page.wait_for_url("**/traces/t/slow")
    page.go_back()
    page.locator("section.top-traces").get_by_role("link").first.click()
    page.wait_for_url("**/traces/t/costly")
    page.go_back()
    page.locator("section.top-conversations").get_by_role("link", name=re.compile("^chat")).click()
    page.wait_for_url("**/traces/c/chat")


def test_the_marks_of_a_chart_are_links_for_the_pointer_and_the_keys(reader: Reader, api: Api) -> None:
    counted(api, called("one", model_name="large"), called("two", 30, model_name="large"))
    reader.open("/traces/overview?range=7d")
    chart = reader.page.locator(f"{COST} .plot a")
    chart.focus()
    reader.press("End")
    while "large $0.25" not in (chart.get_attribute("aria-label") or ""):
        reader.press("ArrowLeft")
    query = query_of(chart.get_attribute("href"))
    start, end = (datetime.fromisoformat(query[name]) for name in ("from", "to"))
    assert start <= NOW - timedelta(hours=2) < end <= start + timedelta(hours=1)
    assert (query["model_name"], query["order_by"]) == ("large", "cost")
    reader.press("Enter")
    reader.page.wait_for_url("**/traces?**")
    expect(reader.page.locator(".traces [role=row][aria-selected]")).to_have_count(1)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [375, 768, 1440])
def test_the_axis_of_costs_has_even_steps_that_fit_next_to_the_chart(
    browser: Browser, address: str, user: User, api: Api, width: int, dark: bool
) -> None:
    counted(api, called("one", cost_usd=0.0069), called("two", 30, cost_usd=0.0012))
    with reading(browser, address, user.token, width=width, dark=dark) as reader:
        reader.open("/traces/overview?range=7d")
        panel = reader.page.locator(COST)
        labels = panel.locator("text.value")
        expect(labels).to_have_text(["$0", "$0.005", "$0.010"])
        chart = panel.locator("line.grid").first.bounding_box()
        frame = panel.bounding_box()
        boxes = [box for label in labels.all() if (box := label.bounding_box())]
        assert chart
        assert frame
        assert len(boxes) == 3
        assert all(frame["x"] <= box["x"] and box["x"] + box["width"] <= chart["x"] for box in boxes)
        between = [before["y"] - after["y"] for before, after in pairwise(boxes)]
        assert between[0] == pytest.approx(between[1], abs=1)


def test_a_score_is_shown_by_model_and_by_prompt_version(reader: Reader, api: Api) -> None:
    scored = [("a", "large", "1", 0.9), ("b", "small", "2", 0.3), ("c", "large", "2", 0.5)]
    for trace_id, model, version, value in scored:
        api.send(called(trace_id, model_name=model, prompt_version=version))
        body = {"source": "judge", "value": value}
        assert api("PUT", f"{path_of(trace_id)}/annotations/quality", body=body).status == 200
    assert api.user
    count_traces(store(), api.user.name)
    reader.open("/traces/overview?range=7d")
    scores = reader.page.locator("section.scores")
    expect(scores.get_by_role("link", name="quality 0.567 (3)")).to_be_visible()
    scores.get_by_label("Score", exact=True).select_option("quality")
    expect(scores.get_by_role("link", name="small 0.3 (1)")).to_be_visible()
    link = scores.get_by_role("link", name="large 0.7 (2)")
    assert query_of(link.get_attribute("href"))["model_name"] == "large"
    scores.get_by_label("Score by").select_option("prompt_version")
    expect(scores.get_by_role("link", name="1 0.9 (1)")).to_be_visible()
    assert "score=quality&score_by=prompt_version" in reader.place
    scores.get_by_role("link", name="2 0.4 (2)").click()
    expect(reader.page.locator(".traces [role=row][aria-selected]")).to_have_count(2)


def test_dragging_over_one_chart_sets_the_range_of_all(demo_reader: Reader) -> None:
    demo_reader.open("/traces/overview?range=7d")
    page = demo_reader.page
    box = page.locator(f"{COST} .plot a").bounding_box()
    assert box
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * 0.4, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.6, y, steps=4)
    expect(page.locator("rect.chosen")).to_have_count(page.locator(".plot a").count())
    page.mouse.up()
    page.wait_for_url("**from=*to=*")
    query = query_of(page.url)
    assert "range" not in query
    length = datetime.fromisoformat(query["to"]) - datetime.fromisoformat(query["from"])
    assert timedelta(hours=24) < length < timedelta(hours=48)
    assert "/traces/overview" in page.url, "dragging does not follow the link"
    page.get_by_role("button", name="The whole range").click()
    page.wait_for_url(lambda url: "from=" not in url)
    page.go_back()
    expect(page.get_by_role("button", name="The whole range")).to_be_visible()


def test_v_shows_each_chart_as_a_table_with_the_same_numbers(reader: Reader, api: Api) -> None:
    counted(api, called("one", cost_usd=0.123456789), called("two", status="error", error_type="timeout"))
    reader.open("/traces/overview?range=24h")
    page = reader.page
    expect(page.locator(".plot a").first).to_be_visible()
    reader.press("v")
    page.wait_for_url("**table=all**")
    expect(page.locator(".plot a")).to_have_count(0)
    for panel in ("cost", "latency", "heatmap", "errors", "providers", "top-traces"):
        expect(page.locator(f"section.{panel} tbody tr").first).to_be_visible()
    expect(page.locator(f"{COST} tbody td a")).to_have_text("$0.373456789")
    page.reload()
    expect(page.locator(f"{COST} tbody td a")).to_have_text("$0.373456789")
    page.locator(COST).get_by_role("button", name=re.compile(":")).click()
    page.wait_for_url("**from=*")
    reader.press("v")
    expect(page.locator(f"{COST} .plot a")).to_be_visible()
    page.locator("section.latency").get_by_role("button", name="Table").click()
    page.wait_for_url("**table=latency**")
    expect(page.locator(".plot a")).to_have_count(3)


def test_waste_is_shown_by_provider_and_reason(reader: Reader, api: Api) -> None:
    counted(
        api,
        called("lost", status="error", cost_usd=0.5),
        called("also", cost_usd=2, model_provider="acme"),
        span(
            "agent",
            "root",
            operation_type="agent",
            status="error",
            start_time=(NOW - timedelta(hours=2)).isoformat(),
            duration_ms=2_000,
        ),
        called("agent", cost_usd=0.75, parent_span_id="root"),
    )
    reader.open("/traces/overview?range=24h&table=waste")
    rows = reader.page.locator("section.waste tbody tr")
    expect(rows).to_have_count(1)
    expect(rows.first.get_by_role("link")).to_have_text(["$0.5", "$0.75"])
    reader.page.locator("section.waste").get_by_role("button", name="Table").click()
    part = reader.page.get_by_role("link", name="openai, calls that failed: $0.5")
    query = query_of(part.get_attribute("href"))
    assert (query["model_provider"], query["has_errors"]) == ("openai", "true")


def test_a_provider_that_is_healthy_names_its_model_that_is_not(reader: Reader) -> None:
    measures = {"traces": 1, "calls": 900, "errors": 30, "error_rate": 0.03, "cost_usd": 1, "wasted_cost_usd": 0}
    latency = dict.fromkeys(("avg", "p50", "p90", "p95", "p99"), 900)
    totals = {**measures, "latency_ms": latency, "time_to_first_token_ms": latency}
    model = {"totals": totals, "last_error": None}
    provider = {
        "model_provider": "openai",
        "state": "healthy",
        "reason": "3 of 900 calls failed in the last hour (0.3 %).",
        "totals": totals,
        "models": [
            {"model_name": "main", "state": "down", "reason": "9 of 12 calls failed in the last hour (75 %).", **model},
            {"model_name": "fine", "state": "healthy", "reason": "0 of 800 calls failed.", **model},
        ],
    }
    reader.page.route(
        "**/api/analytics/providers?*", lambda route: fulfilled(route, {"success": True, "providers": [provider]})
    )
    reader.open("/traces/overview")
    panel = reader.page.locator("section.providers")
    expect(panel).to_contain_text("3 of 900 calls failed in the last hour (0.3 %).")
    expect(panel).to_contain_text("main is down: 9 of 12 calls failed in the last hour (75 %).")
    expect(panel).not_to_contain_text("fine is")


def test_costs_are_stacked_by_what_the_reader_chooses(reader: Reader, api: Api) -> None:
    counted(
        api,
        called("one", service_name="shop", end_user_id="ada"),
        called("two", service_name="tutor", end_user_id="linus", cost_usd=1),
    )
    reader.open("/traces/overview?range=24h")
    page = reader.page
    for choice, first in {"by service": "tutor", "by end user": "linus", "by provider": "openai"}.items():
        page.get_by_label("Cost by").select_option(choice)
        expect(page.locator(f"{COST} ul a").first).to_contain_text(first)
    assert "by=model_provider" in reader.place
    reader.open("/traces/overview?range=24h&model_name=small&by=service_name")
    options = page.get_by_label("Cost by").locator("option")
    expect(options).to_have_text(["by model", "by provider", "by operation"])
    page.get_by_role("button", name="Remove model: small").click()
    expect(page.locator(f"{COST} ul a").first).to_contain_text("tutor")


def test_the_bill_of_the_month_is_an_estimate_next_to_published_prices(reader: Reader, api: Api) -> None:
    month = NOW.astimezone(ZoneInfo("UTC")).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    counted(
        api,
        called("one", start_time=(month + timedelta(seconds=1)).isoformat()),
        called("before", start_time=(month - timedelta(days=2)).isoformat()),
    )
    with reader.page.expect_response("**/api/analytics/storage?*"):
        reader.open("/traces/overview?range=24h")
    panel = reader.page.locator("section.bill")
    expect(panel).to_contain_text("estimated")
    expect(panel).to_contain_text("1 trace with 1 span")
    expect(panel).to_contain_text("per 1,000 spans")
    for service in ("Langfuse Cloud", "LangSmith", "Pydantic Logfire"):
        expect(panel.get_by_role("listitem").filter(has_text=service)).to_contain_text(re.compile(r"read \d+ \w+ 2026"))


def test_the_latencies_are_those_of_model_calls_until_another_kind_is_chosen(reader: Reader, api: Api) -> None:
    counted(
        api,
        called("call"),
        *(called(f"unknown{number}", operation_type=None, model_name=None) for number in range(3)),
        *(called(f"web{number}", operation_type="http", model_name=None) for number in range(2)),
    )
    reader.open("/traces/overview?range=24h")
    kinds = reader.page.get_by_role("combobox", name="Latencies of")
    expect(kinds).to_have_value("completion")
    for kind, value in (("spans without a kind", ""), ("HTTP spans", "http"), ("model calls", "completion")):
        kinds.select_option(kind)
        expect(kinds).to_have_value(value)
        expect(reader.page.get_by_label(f"Distribution of the latencies of {kind} over time")).to_be_visible()


def test_hostile_names_are_text(reader: Reader, api: Api) -> None:
    counted(
        api,
        called("one", model_name=HOSTILE, model_provider=HOSTILE, conversation_id=HOSTILE),
        called("two", status="error", error_type=HOSTILE, error_message=HOSTILE, model_name="!not"),
    )
    reader.open("/traces/overview?range=24h")
    page = reader.page
    expect(page.locator("section.errors")).to_contain_text("<img src=x onerror=alert(1)>")
    expect(page.locator(COST)).to_contain_text("<img src=x")
    assert page.locator("main img").count() == 0
    assert "\u202e" not in (page.locator("main").text_content() or "")
    negated = page.locator(COST).get_by_role("link", name=re.compile("^!not"))
    assert query_of(negated.get_attribute("href"))["model_name"] == "\\!not"
    reader.open("/traces/overview?range=24h&table=all")
    assert page.locator("main img").count() == 0


def test_days_are_those_of_the_reader_across_a_change_of_clocks(browser: Browser, address: str, user: User) -> None:
    """In the week of 25 October 2026, the clocks of Berlin go back: that day has 25 hours."""
    requests: list[dict[str, str]] = []
    with reading(browser, address, user.token, timezone="Europe/Berlin") as reader:
        reader.page.on(
            "request", lambda request: requests.append(query_of(request.url)) if "/metrics?" in request.url else None
        )
        reader.page.route("**/api/analytics/metrics?*", answered_by_day)
        reader.open("/traces/overview?from=2026-10-23T22:00:00.000Z&to=2026-10-26T23:00:00.000Z")
        assert {query["timezone"] for query in requests} == {"Europe/Berlin"}
        assert ("2026-10-20T22:00:00.000Z", "2026-10-23T22:00:00.000Z") in {
            (query["start_date"], query.get("end_date")) for query in requests
        }, "three days are compared with three days, although these have an hour more"
        labels = reader.page.locator("section.latency text.day")
        expect(labels).to_have_text(["24 Oct", "25 Oct", "26 Oct"])


def test_a_month_over_a_million_spans_is_drawn_within_a_second(browser: Browser, address: str, user: User) -> None:
    """The largest responses that the API gives for 30 days: 50 groups, 20 heatmaps of 16 rows, 50 types of error."""
    with reading(browser, address, user.token) as reader:
        answer_for_a_month(reader.page)
        reader.open("/traces/setup")
        metrics = reader.page.context.new_cdp_session(reader.page)
        metrics.send("Performance.enable")
        before = script_seconds(metrics)
        reader.press("g", "o")
        expect(reader.page.locator("section.providers li").first).to_be_visible()
        expect(reader.page.locator("section.heatmap path.heat").first).to_be_attached()
        reader.page.wait_for_load_state("networkidle")
        assert script_seconds(metrics) - before < 1


def script_seconds(session: Any) -> float:
    """The time that scripts of the page have taken."""
    found = session.send("Performance.getMetrics")["metrics"]
    return float(next(metric["value"] for metric in found if metric["name"] == "ScriptDuration"))


def fulfilled(route: Route, answer: dict[str, Any]) -> None:
    """Answer a request of the page."""
    route.fulfill(status=200, content_type="application/json", body=json.dumps(answer))


def measures(calls: int = 700, cost: float = 1.5) -> dict[str, Any]:
    """Measures of this many calls."""
    latency = {"avg": 1400.5, "p50": 900.0, "p90": 2500.0, "p95": 4100.0, "p99": 9000.0}
    tokens = dict.fromkeys(
        ("input_tokens", "output_tokens", "total_tokens", "cached_input_tokens", "cache_write_tokens"), calls * 900
    )
    return {
        "traces": calls,
        "calls": calls,
        "errors": calls // 50,
        "error_rate": 0.02,
        **tokens,
        "reasoning_tokens": 0,
        "cost_usd": cost,
        "wasted_cost_usd": cost / 20,
        "latency_ms": latency,
        "time_to_first_token_ms": latency,
    }


def answered_by_day(route: Route) -> None:
    """Answer metrics with a point for each day of the zone that the request names."""
    query = analytics_query(route.request.url)
    zone = ZoneInfo(query["timezone"])
    start, end = datetime.fromisoformat(query["start_date"]), datetime.fromisoformat(query["end_date"])
    times = [start]
    while True:
        midnight = datetime.combine(times[-1].astimezone(zone).date() + timedelta(days=1), datetime.min.time(), zone)
        if midnight.astimezone(UTC) >= end:
            break
        times.append(midnight.astimezone(UTC))
    fulfilled(route, metrics_answer(query, [time.isoformat().replace("+00:00", "Z") for time in times], 3))


def metrics_answer(query: dict[str, str], times: list[str], groups: int) -> dict[str, Any]:
    """A response of metrics with so many groups, or with one if nothing is grouped."""
    names: list[str | None] = [f"group-{number}" for number in range(groups)] if "group_by" in query else [None]
    points = [{"time": time, **measures()} for time in times]
    return {
        "success": True,
        "start_date": query["start_date"],
        "end_date": query["end_date"],
        "interval": "day",
        "timezone": query["timezone"],
        "totals": measures(1_000_000, 2000),
        "groups": [{"group": name, "totals": measures(20_000, 40), "points": points} for name in names],
    }


def answer_for_a_month(page: Page) -> None:
    """Let the API answer with counters of a million spans over 30 days."""

    def answer(route: Route) -> None:
        parts = urlsplit(route.request.url)
        query = analytics_query(route.request.url)
        start = datetime.fromisoformat(query["start_date"])
        times = [(start + timedelta(days=day)).isoformat().replace("+00:00", "Z") for day in range(30)]
        common = {
            "success": True,
            "start_date": query["start_date"],
            "end_date": query["end_date"],
            "interval": "day",
            "timezone": query["timezone"],
        }
        example = {"trace_id": "t", "span_name": "llm", "error_message": "too late" * 20, "time": times[0]}
        match parts.path.rsplit("/", 1)[1]:
            case "metrics":
                fulfilled(route, metrics_answer(query, times, 50))
            case "errors":
                points = [{"time": time, "count": 7} for time in times]
                kinds = [
                    {
                        "error_type": f"kind-{number}",
                        "count": 210,
                        "share": 0.02,
                        "first_seen": times[0],
                        "last_seen": times[-1],
                        "points": points,
                        "examples": [{**example, "trace_id": f"t{index}"} for index in range(5)],
                    }
                    for number in range(50)
                ]
                fulfilled(route, {**common, "errors": kinds})
            case "heatmap":
                maps = [
                    {
                        "operation_type": f"operation-{number}",
                        "times": times,
                        "buckets_ms": [[2.0**row, 2.0 ** (row + 1)] for row in range(16)],
                        "counts": [[(row * day) % 900 for day in range(30)] for row in range(16)],
                    }
                    for number in range(20)
                ]
                fulfilled(route, {**common, "heatmaps": maps})
            case "providers":
                model = {"state": "degraded", "reason": "Slow.", "totals": measures(), "last_error": None}
                providers = [
                    {
                        "model_provider": f"provider-{number}",
                        "state": "healthy",
                        "reason": "Fine.",
                        "totals": measures(),
                        "models": [{"model_name": f"model-{index}", **model} for index in range(2)],
                    }
                    for number in range(50)
                ]
                fulfilled(route, {**common, "providers": providers})
            case "costs":
                outcomes = [
                    {"model_provider": f"provider-{number}", "status": "error", **measures()} for number in range(50)
                ]
                conversations = [{"conversation_id": f"c{number}", **measures()} for number in range(50)]
                fulfilled(
                    route,
                    {
                        **common,
                        "totals": measures(),
                        "by_outcome": outcomes,
                        "by_conversation": conversations,
                        "top_traces_by_cost": [],
                    },
                )
            case "scores":
                points = [{"time": time, "count": 30, "mean": 0.8} for time in times]
                means = {"count": 900, "mean": 0.8, "points": points}
                groups = [{"group": f"model-{number}", **means} for number in range(50)]
                scores = [{"name": f"score-{number}", **means, "groups": groups} for number in range(50)]
                fulfilled(route, {**common, "scores": scores})
            case "storage":
                fulfilled(route, {**common, "total": {"traces": 2_000, "spans": 50_000, "bytes": 20_000_000}})
            case _:
                fulfilled(route, {**common, "anomalies": []})

    page.route("**/api/analytics/*?*", answer)
