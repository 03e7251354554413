"""The page as a reader uses it, in Chromium against the local server: lists, traces, lessons, keys and states."""

import json
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from playwright.sync_api import Browser, Route, expect

from tests.api import Api, span
from tests.gateway import Call, User, new_user
from tests.reading import WIDTHS, Reader, address, browser, reader, reading
from tracestore_cli import demo

__all__ = ["address", "browser", "reader"]

pytestmark = pytest.mark.parametrize("engine", ["moto"], indirect=True, scope="session")

ROWS = ".traces [role=row][aria-selected]"
NODES = ".tree [role=row]"
SELECTED = ".tree [role=row][aria-selected=true]"


@pytest.fixture(scope="module")
def demo_user(address: str) -> User:
    """A user with the sample traces of `make dev`."""
    user = new_user()
    demo.send(address, user.token, 40)
    return user


@pytest.fixture
def demo_reader(browser: Browser, address: str, demo_user: User) -> Iterator[Reader]:
    """A reader of the sample traces."""
    with reading(browser, address, demo_user.token) as one:
        yield one


def ago(seconds: float) -> str:
    """A time before now."""
    return (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def call_span(
    trace_id: str, span_id: str, parent: str | None = None, seconds_ago: float = 60, **fields: Any
) -> dict[str, Any]:
    """A model call that ended."""
    values = {
        "operation_type": "completion",
        "model_name": "gpt-4o-mini",
        "model_provider": "openai",
        "start_time": ago(seconds_ago),
    }
    made = span(trace_id, span_id, **values, duration_ms=100, input_tokens=10, output_tokens=5)
    return {**made, **({"parent_span_id": parent} if parent else {}), **fields}


def traces_of(demo_api: Api, **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = demo_api.page(view="summary", limit=200, **query)["traces"]
    return found


@pytest.fixture
def demo_api(call: Call, demo_user: User) -> Api:
    """The API as the user of the sample traces calls it."""
    return Api(call, demo_user)


def views_of(demo_api: Api) -> dict[str, str]:
    """The address of each view, on content that shows all of its parts."""
    failed = traces_of(demo_api, status="error", has_retry="true")[0]["trace_id"]
    lesson = demo_api("GET", "/api/traces", query={"status": "failed"}).json["traces"][0]["id"]
    largest = max(traces_of(demo_api), key=lambda trace: int(trace["span_count"]))["trace_id"]
    turn = next(one for one in traces_of(demo_api) if one["name"] == "chat.turn")
    return {
        "list": "/traces",
        "filtered list": f"/traces?status=error&sel={failed}",
        "trace": f"/traces/t/{largest}",
        "failed trace": f"/traces/t/{failed}?view=details",
        "transcript": f"/traces/t/{largest}?view=read",
        "turn": f"/traces/t/{turn['trace_id']}",
        "search in a trace": f"/traces/t/{largest}?q=search&in=names",
        "conversations": "/traces/conversations",
        "conversation": f"/traces/c/{turn['conversation_id']}?turn=2",
        "lessons": "/traces/lessons",
        "lesson": f"/traces/lessons/{lesson}",
        "set-up": "/traces/setup",
    }


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_every_view_is_accessible_and_fits_at_every_width_and_theme(
    browser: Browser, address: str, demo_user: User, demo_api: Api, width: int, dark: bool
) -> None:
    with reading(browser, address, demo_user.token, width=width, dark=dark) as reader:
        for name, path in views_of(demo_api).items():
            reader.open(path)
            reader.page.wait_for_selector("h1, h2")
            assert reader.violations() == [], name
            too_wide = reader.page.evaluate("document.documentElement.scrollWidth > innerWidth")
            assert not too_wide, name


def test_a_reader_filters_in_words_and_the_address_has_it(demo_reader: Reader) -> None:
    demo_reader.open("/traces")
    page = demo_reader.page
    expect(page.locator(ROWS).first).to_be_visible()
    demo_reader.press("/")
    page.keyboard.type("status: fai")
    page.get_by_role("option", name="failed").click()
    page.wait_for_url("**status=error**")
    expect(page.locator(ROWS).filter(has=page.get_by_label("succeeded"))).to_have_count(0)
    expect(page.locator(ROWS).first).to_be_visible()
    failed = page.locator(ROWS).count()
    page.reload()
    expect(page.locator(ROWS)).to_have_count(failed)
    page.get_by_label("Remove status: failed").click()
    page.wait_for_url(lambda url: "status" not in url)
    page.go_back()
    expect(page.get_by_text("status: failed")).to_be_visible()
    expect(page.locator(ROWS)).to_have_count(failed)


def test_a_text_is_searched_in_payloads_too(reader: Reader, api: Api) -> None:
    api.send(call_span("one", "a", input_data={"messages": [{"role": "user", "content": "hello"}], "note": "a needle"}))
    api.send(call_span("two", "a", input_data="nothing"))
    reader.open("/traces")
    expect(reader.page.locator(ROWS)).to_have_count(2)
    reader.press("/")
    reader.page.keyboard.type("needle")
    reader.page.get_by_role("option", name="in inputs and outputs").click()
    expect(reader.page.locator(ROWS)).to_have_count(1)
    assert "search_in=payload" in reader.place


def test_the_keys_of_the_list(demo_reader: Reader) -> None:
    demo_reader.open("/traces")
    page = demo_reader.page
    expect(page.locator(ROWS).nth(3)).to_be_visible()
    ids = page.locator(ROWS).evaluate_all("rows => rows.map((row) => row.id.slice(4))")
    demo_reader.press("j", "j", "ArrowDown", "k")
    grid = page.get_by_role("grid", name="Traces")
    expect(grid).to_have_attribute("aria-activedescendant", f"row-{ids[1]}")
    demo_reader.press(" ")
    expect(page.get_by_role("complementary", name="Preview")).to_be_visible()
    assert f"sel={ids[1]}" in demo_reader.place
    demo_reader.press("Escape")
    expect(page.get_by_role("complementary", name="Preview")).to_have_count(0)
    demo_reader.press("x", "j", "x")
    expect(page.get_by_text("2 traces selected")).to_be_visible()
    demo_reader.press("Escape", "Enter")
    page.wait_for_url(f"**/traces/t/{ids[2]}")
    demo_reader.press("]")
    page.wait_for_url(f"**/traces/t/{ids[3]}")
    demo_reader.press("[")
    page.wait_for_url(f"**/traces/t/{ids[2]}")
    demo_reader.press("g", "t")
    page.wait_for_url("**/traces")
    demo_reader.press("?")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()
    page.get_by_label("Single letters are shortcuts").uncheck()
    demo_reader.press("Escape", "g", "s")
    assert demo_reader.place == "/traces"


def test_chosen_traces_are_deleted_after_a_question(reader: Reader, api: Api) -> None:
    for number in range(4):
        api.send(call_span(f"t{number}", "a", seconds_ago=100 - number))
    reader.open("/traces")
    page = reader.page
    expect(page.locator(ROWS)).to_have_count(4)
    page.locator("#row-t1 input").check(force=True)
    page.locator("#row-t2 input").check(force=True)
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    assert len(api.summaries()) == 4
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog", name="Delete 2 traces?").get_by_role("button", name="Delete").click()
    expect(page.locator(ROWS)).to_have_count(2)
    expect(page.get_by_text("Deleted 2 traces with 2 spans.")).to_be_visible()
    assert api.summaries() == ["t3", "t0"]


def test_chosen_traces_are_downloaded_whole(reader: Reader, api: Api) -> None:
    for number in range(3):
        api.send(call_span(f"t{number}", "a", input_data={"n": number}))
    reader.open("/traces")
    for number in (0, 2):
        reader.page.locator(f"#row-t{number} input").check(force=True)
    with reader.page.expect_download() as download:
        reader.page.get_by_role("button", name="Download").click()
    lines = [json.loads(line) for line in download.value.path().read_text().splitlines()]
    assert sorted((line["trace_id"], line["input_data"]["n"]) for line in lines) == [("t0", 0), ("t2", 2)]


def test_new_traces_appear_at_the_top_and_wait_while_a_reader_is_busy(reader: Reader, api: Api) -> None:
    api.send(call_span("first", "a", seconds_ago=90))
    reader.page.clock.install()
    reader.open("/traces")
    page = reader.page
    expect(page.locator(ROWS)).to_have_count(1)
    api.send(call_span("second", "a", seconds_ago=80))
    page.clock.run_for(6_000)
    expect(page.locator(ROWS).first).to_have_id("row-second")
    page.locator("#row-first input").check(force=True)
    api.send(call_span("third", "a", seconds_ago=70))
    page.clock.run_for(6_000)
    pill = page.get_by_role("button", name="1 new trace")
    expect(pill).to_be_visible()
    expect(page.locator(ROWS)).to_have_count(2)
    pill.click()
    expect(page.locator(ROWS).first).to_have_id("row-third")


def test_live_updates_stop_on_an_error_and_go_on_when_asked(
    browser: Browser, address: str, user: User, api: Api
) -> None:
    api.send(call_span("first", "a", seconds_ago=90))
    with reading(browser, address, user.token, refusals=True) as reader:
        page = reader.page
        page.clock.install()
        reader.open("/traces")
        expect(page.locator(ROWS)).to_have_count(1)
        page.route("**/api/analytics/traces?**", lambda route: refused(route, 500, "internal_error", "It broke."))
        page.clock.run_for(6_000)
        expect(page.get_by_text("Live updates stopped: It broke.")).to_be_visible()
        expect(page.locator(ROWS)).to_have_count(1)
        page.unroute("**/api/analytics/traces?**")
        api.send(call_span("second", "a", seconds_ago=80))
        page.get_by_role("button", name="Retry").click()
        expect(page.locator(ROWS)).to_have_count(2)


def refused(route: Route, status: int, code: str, message: str, **headers: str) -> None:
    """Answer a request with an error of the API."""
    body = json.dumps({"success": False, "error": {"code": code, "message": message, "details": []}})
    route.fulfill(status=status, body=body, headers={"content-type": "application/json", **headers})


def test_a_range_is_brushed_on_the_chart_and_the_table_has_the_numbers(demo_reader: Reader) -> None:
    demo_reader.open("/traces?range=24h")
    page = demo_reader.page
    chart = page.get_by_role("figure", name="Traces over time").get_by_role("img")
    box = chart.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + 20)
    page.mouse.up()
    page.wait_for_url(re.compile("from=.*to="))
    page.get_by_role("button", name="Table").click()
    total = page.get_by_role("status").filter(has_text="· all").first
    expect(total).to_be_visible()
    listed = int(total.inner_text().split()[0])
    deadline = time.monotonic() + 10
    while sum(map(int, page.locator("figure tbody tr td:nth-child(2)").all_inner_texts())) != listed:
        assert time.monotonic() < deadline
        page.wait_for_timeout(100)


def test_a_trace_opens_on_the_cause_of_its_failure(reader: Reader, api: Api) -> None:
    api.send(
        call_span("t", "root", operation_type="agent", status="error", error_type="AgentError"),
        call_span("t", "agent", "root", 59, operation_type="agent"),
        call_span(
            "t", "tool", "agent", 58, operation_type="tool_call", tool_name="find", status="error", error_type="Timeout"
        ),
        call_span("t", "after", "root", 57),
    )
    reader.open("/traces/t/t")
    page = reader.page
    expect(page.locator(SELECTED)).to_have_id("node-tool")
    expect(page.get_by_role("region", name="Error")).to_contain_text("Timeout")
    reader.press("Home")
    expect(page.get_by_role("region", name="Error")).to_contain_text("Passed on from")
    reader.press("e")
    expect(page.locator(SELECTED)).to_have_id("node-tool")


def test_the_attempts_of_a_call_are_one_row(reader: Reader, api: Api) -> None:
    ask = {"messages": [{"role": "user", "parts": [{"type": "text", "text": "hi"}]}]}
    failed = {"status": "error", "error_type": "RateLimitError", "cost_usd": 0.001}
    api.send(
        call_span("t", "root", operation_type="agent", duration_ms=5000),
        call_span("t", "c1", "root", 59, input_data=ask, **failed),
        call_span("t", "c2", "root", 58, input_data=ask, model_provider="anthropic", model_name="claude-haiku-4-5"),
    )
    reader.open("/traces/t/t")
    page = reader.page
    row = page.locator(NODES).nth(1)
    expect(row).to_contain_text("openai ✕")
    expect(row).to_contain_text("anthropic ✓")
    expect(page.locator(NODES)).to_have_count(2)
    expect(page.get_by_text("$0.001 wasted")).to_be_visible()
    row.click()
    reader.press("Enter")
    expect(page.get_by_role("article", name="Attempts of one call")).to_contain_text("The last one answered.")
    reader.press("ArrowRight")
    expect(page.locator(NODES)).to_have_count(4)
    page.get_by_role("button", name="llm.completion").first.or_(page.get_by_role("button", name="c1")).first.click()
    expect(page.get_by_role("region", name="Error")).to_contain_text("Fell back to claude-haiku-4-5")


def test_the_keys_of_a_trace(reader: Reader, api: Api) -> None:
    api.send(
        call_span("t", "root", operation_type="agent", duration_ms=5000, input_data="needle"),
        *(
            call_span("t", f"s{n}", "root", 59 - n, span_name=f"step.{n}", output_data={"text": f"find me {n}"})
            for n in range(3)
        ),
        call_span("t", "leaf", "s1", 57.9),
    )
    reader.open("/traces/t/t")
    page = reader.page
    expect(page.locator(NODES)).to_have_count(5)
    reader.press("j", "j")
    expect(page.locator(SELECTED)).to_have_id("node-s1")
    expect(page.get_by_role("status", name="Selected")).to_have_text("step.1, 100 ms, 3 of 5")
    reader.press(" ")
    expect(page.locator(NODES)).to_have_count(4)
    reader.press(" ")
    expect(page.locator(NODES)).to_have_count(5)
    reader.press("h")
    expect(page.locator(NODES)).to_have_count(4)
    reader.press("l", "l")
    expect(page.locator(SELECTED)).to_have_id("node-leaf")
    reader.press("ArrowLeft", ".")
    expect(page.locator(NODES)).to_have_count(2)
    assert "root=s1" in reader.place
    reader.press(",", "z")
    assert "zoom=" in reader.place
    reader.press("0")
    assert "zoom=" not in reader.place
    reader.press("/")
    page.keyboard.type("find me 2")
    expect(page.get_by_text("1 match", exact=False)).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.locator(SELECTED)).to_have_id("node-s2")
    reader.press("Escape", "m", "m")
    expect(page.get_by_role("button", name="raw")).to_have_attribute("aria-pressed", "true")
    reader.press("y")
    assert page.evaluate("navigator.clipboard.readText()") == "s2"
    reader.press("Escape")
    page.wait_for_url("**/traces")


def test_a_link_opens_the_same_screen(reader: Reader, api: Api) -> None:
    api.send(
        call_span("t", "root", operation_type="agent", duration_ms=5000),
        *(call_span("t", f"s{n}", "root", 59 - n, span_name=f"step.{n}") for n in range(3)),
    )
    reader.open("/traces/t/t?span=s2&zoom=1000..3000&q=step.1")
    page = reader.page
    expect(page.locator(SELECTED)).to_have_id("node-s2")
    expect(page.get_by_role("button", name="Fit the whole trace")).to_be_visible()
    expect(page.locator(".tree .dimmed")).to_have_count(3)
    page.reload()
    expect(page.locator(SELECTED)).to_have_id("node-s2")
    expect(page.locator(".tree .dimmed")).to_have_count(3)


def test_the_sums_on_the_page_equal_the_summary(demo_reader: Reader, demo_api: Api) -> None:
    for trace in sorted(traces_of(demo_api), key=lambda one: -one["span_count"])[:6]:
        demo_reader.open(f"/traces/t/{trace['trace_id']}")
        page = demo_reader.page
        page.get_by_role("button", name="Expand all").click()
        page.wait_for_selector(NODES)
        shown = page.locator(".second [data-cost]").get_attribute("title") or ""
        in_header = None if shown == "unknown" else Decimal(shown.removeprefix("$").replace(",", ""))
        assert in_header == (None if trace["cost_usd"] is None else Decimal(repr(trace["cost_usd"])).normalize())
        outline = demo_api.trace(trace["trace_id"], view="outline")["outline"]
        counted = [row for row in outline if row["counted"]]
        assert sum(Decimal(str(row.get("cost_usd", 0))) for row in counted) == (in_header or 0)
        tokens = page.locator(".second").inner_text()
        assert f"{trace['input_tokens']:,} → {trace['output_tokens']:,} tokens" in tokens


def test_a_running_trace_grows_under_a_reader_who_loses_nothing(reader: Reader, api: Api) -> None:
    api.send(
        call_span("t", "root", seconds_ago=100, operation_type="agent", duration_ms=None, status="pending"),
        *(
            call_span("t", f"a{n}", "root", 99 - n / 10, span_name=f"first.{n}", input_data=f"{n} " + "long " * 3000)
            for n in range(60)
        ),
        call_span("t", "inner", "a5", 98),
    )
    page = reader.page
    page.clock.install()
    reader.open("/traces/t/t?span=a40&view=details")
    expect(page.locator(SELECTED)).to_have_id("node-a40")
    page.locator("#node-a40").evaluate(
        "() => { document.querySelector('.tree .window, .tree.window').scrollTop = 520 }"
    )
    scroll = "document.querySelector('.tree .window, .tree.window').scrollTop"
    page.get_by_role("button", name="Show all").click()
    before = page.evaluate(scroll)
    for round_ in range(10):
        api.send(call_span("t", f"new{round_}", "root", 50 - round_, span_name=f"later.{round_}"))
        page.clock.run_for(3_100)
        expect(page.get_by_text(f"{63 + round_} of {63 + round_} spans")).to_be_visible()
        assert page.evaluate(scroll) == before
        expect(page.locator(SELECTED)).to_have_id("node-a40")
        expect(page.get_by_role("button", name="Show less").first).to_be_visible()
    api.patched("root", "t", status="success", duration_ms=90_000)
    page.clock.run_for(3_100)
    expect(page.get_by_text("running", exact=True)).to_have_count(0)


HOSTILE = (
    '<script>window.ran=1</script><img src="https://other.example/a.png" onerror="window.ran=2">'
    "[link](javascript:window.ran=3) ![image](https://other.example/b.png) <svg onload=window.ran=4></svg>"
    '<a href="javascript:window.ran=5">x</a> <style>*{display:none}</style> \u202ereversed\u202c \u0007 {{ran}} ${ran}'
)


def test_hostile_text_in_every_field_runs_nothing_and_requests_nothing(reader: Reader, api: Api) -> None:
    texts = dict.fromkeys(("error_message", "error_stack", "output_data"), HOSTILE)
    names = dict.fromkeys(
        ("span_name", "model_name", "model_provider", "tool_name", "service_name", "end_user_id"),
        "\u202e" + HOSTILE[:120],
    )
    more = dict.fromkeys(
        ("environment", "release", "prompt_name", "conversation_id", "error_type"), "\u202e" + HOSTILE[:100]
    )
    said = [
        {"type": "text", "text": HOSTILE},
        {"type": "text", "text": "x" * 2_000_000},
        {"type": "reasoning", "text": HOSTILE},
    ]
    called = [{"type": "tool_call", "id": "1", "name": HOSTILE, "arguments": {HOSTILE: HOSTILE}}]
    messages = [{"role": "user", "parts": said}, {"role": HOSTILE, "parts": called}]
    fields: dict[str, Any] = {
        **texts,
        **names,
        **more,
        "status": "error",
        "tags": ["\u202e" + HOSTILE[:60]],
        "metadata": {HOSTILE: [HOSTILE]},
    }
    api.send(call_span("t", "a", input_data={"messages": messages, HOSTILE: HOSTILE}, **fields))
    page = reader.page
    for view in ("/traces", "/traces?sel=t", "/traces/t/t?q=window.ran", "/traces/t/t?view=details"):
        reader.open(view)
        expect(page.get_by_text("<script>window.ran=1</script>").first).to_be_visible()
        assert "\u202e" not in page.locator("body").inner_text(), view
    expect(page.locator(".about").get_by_text("turn 1 of 1")).to_be_visible()
    page.get_by_role("button", name="Wrap long lines").click()
    for _ in range(3):
        reader.press("m")
        page.wait_for_timeout(200)
    for closed in page.locator("details:not([open]) > summary").all():
        closed.click()
    assert page.evaluate("window.ran") is None
    assert page.locator("#page img, #page iframe, #page style, #page script").count() == 0
    assert page.locator("a[href^='javascript']").count() == 0
    assert "\u202e" not in page.locator(".details h2").inner_text()


def test_a_trace_of_1000_levels_and_one_of_10000_spans_can_be_read(reader: Reader, api: Api) -> None:
    start = ago(600)
    for first in range(0, 1000, 500):
        levels = range(first, first + 500)
        api.send(
            *(
                call_span("deep", f"d{n}", f"d{n - 1}" if n else None, start_time=start, span_name=f"level.{n}")
                for n in levels
            )
        )
    failed: dict[str, Any] = {"status": "error", "error_type": "Lost"}
    spans = [call_span("wide", "root", start_time=start, duration_ms=500_000)]
    for group in range(100):
        spans.append(call_span("wide", f"g{group}", "root", start_time=start, span_name=f"group.{group}"))
        for step in range(98):
            extra: dict[str, Any] = failed if (group, step) == (73, 41) else {}
            spans.append(
                call_span("wide", f"g{group}s{step}", f"g{group}", start_time=start, span_name=f"step.{step}", **extra)
            )
    for first in range(0, len(spans), 1000):
        api.send(*spans[first : first + 1000])
    page = reader.page
    reader.open("/traces/t/deep?span=d999")
    expect(page.locator(SELECTED)).to_contain_text("level.999")
    reader.open("/traces/t/wide")
    expect(page.locator(SELECTED)).to_have_id("node-g73s41")
    expect(page.get_by_text("9,901 of 9,901 spans")).to_be_visible()
    began = time.monotonic()
    reader.press("End")
    expect(page.locator(SELECTED)).to_have_id("node-g99s97")
    assert time.monotonic() - began < 5
    assert page.locator(NODES).count() < 200


def test_a_trace_is_deleted_after_a_question_and_the_reader_is_back_in_the_list(
    browser: Browser, address: str, user: User, api: Api
) -> None:
    api.send(call_span("t", "a"), call_span("t", "b", "a"))
    api.send(call_span("other", "a"))
    with reading(browser, address, user.token, refusals=True) as reader:  # a poll may meet the deletion
        reader.open("/traces/t/t?status=success")
        reader.page.get_by_role("button", name="Delete the trace").click()
        question = reader.page.get_by_role("dialog", name="Delete this trace with its 2 spans?")
        question.get_by_role("button", name="Delete").click()
        reader.page.wait_for_url("**/traces?status=success")
        expect(reader.page.locator(ROWS)).to_have_count(1)
        assert api.summaries() == ["other"]


def test_the_first_span_is_noticed_by_itself(reader: Reader, api: Api) -> None:
    reader.page.clock.install()
    reader.open("/traces")
    expect(reader.page.get_by_role("heading", name="No traces yet")).to_be_visible()
    api.send(call_span("first", "a"))
    reader.page.clock.run_for(4_000)
    reader.page.wait_for_url("**/traces/t/first")


def test_nothing_matches_says_so_and_drops_a_filter(reader: Reader, api: Api) -> None:
    api.send(call_span("t", "a"))
    reader.open("/traces?model_name=other&status=success")
    expect(reader.page.get_by_role("heading", name="Nothing matches")).to_be_visible()
    reader.page.get_by_role("button", name="without “model: other”").click()
    expect(reader.page.locator(ROWS)).to_have_count(1)


def test_traces_without_a_model_call_are_hidden_until_asked_for(reader: Reader, api: Api) -> None:
    api.send(call_span("model", "a"))
    api.send(call_span("tool", "a", operation_type="tool_call"))
    reader.open("/traces")
    expect(reader.page.locator(ROWS)).to_have_count(1)
    reader.page.get_by_role("button", name="show all").click()
    expect(reader.page.locator(ROWS)).to_have_count(2)


def test_states_of_failure_are_said_in_words(browser: Browser, address: str, user: User, api: Api) -> None:
    api.send(call_span("t", "a"))
    with reading(browser, address, user.token, refusals=True) as reader:
        page = reader.page
        reader.open("/traces/t/unknown")
        expect(page.get_by_text("deleted, has expired, or belongs to somebody else")).to_be_visible()
        page.route(
            "**/api/analytics/traces?**", lambda route: refused(route, 400, "invalid_parameter", "status is wrong.")
        )
        reader.open("/traces")
        expect(page.get_by_role("alert")).to_contain_text("status is wrong.")
        page.unroute("**/api/analytics/traces?**")
        page.get_by_role("alert").get_by_role("button", name="Try again").click()
        expect(page.locator(ROWS)).to_have_count(1)
        page.context.set_offline(True)
        expect(page.get_by_text("You are offline.")).to_be_visible()
        expect(page.locator(ROWS)).to_have_count(1)
        page.context.set_offline(False)
        expect(page.get_by_text("You are offline.")).to_have_count(0)


def test_a_key_without_the_scope_sees_which_scope_is_missing(browser: Browser, address: str, api: Api) -> None:
    key = api.with_key("ingest").headers["x-api-key"]
    with reading(browser, address, key, refusals=True) as reader:
        reader.open("/traces")
        expect(reader.page.get_by_role("alert")).to_contain_text("cannot be shown with this credential")
        expect(reader.page.get_by_role("alert")).to_contain_text("scope read")


def test_numbers_of_stored_json_are_shown_as_they_were_sent(reader: Reader, api: Api, call: Call) -> None:
    body = json.dumps(call_span("t", "a", input_data={"x": "BIG"})).replace('"BIG"', "12345678901234567890")
    assert (
        api("POST", "/api/analytics/traces", body=body.encode(), headers={"content-type": "application/json"}).status
        == 201
    )
    reader.open("/traces/t/t?view=details")
    expect(reader.page.get_by_role("group", name="Input")).to_contain_text("x: 12345678901234567890")


LESSONS = ".lessons [role=row][aria-rowindex]:not([aria-rowindex='1'])"


def lesson(api: Api, lesson_id: str, name: str, **fields: Any) -> None:
    """Store a lesson that is completed."""
    body = {
        "id": name,
        "lesson_id": lesson_id,
        "request_data": {"topic": f"About {name}"},
        "status": "completed",
        **fields,
    }
    reply = api("POST", "/api/traces", body=body)
    assert reply.status == 201, reply.body


def stored_lessons(api: Api) -> set[str]:
    """The ids of the lessons that are stored."""
    return {one["id"] for one in api("GET", "/api/traces", query={"view": "summary"}).json["traces"]}


def test_a_lesson_is_deleted_unless_the_reader_undoes_it_in_time(reader: Reader, api: Api) -> None:
    lesson(api, "rivers", "one")
    lesson(api, "rivers", "two")
    page = reader.page
    page.clock.install()
    reader.open("/traces/lessons/one")
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("button", name="Delete this lesson trace").click()
    page.get_by_role("button", name="Undo").click()
    page.clock.run_for(6_000)
    assert stored_lessons(api) == {"one", "two"}
    reader.open("/traces/lessons/one")
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("button", name="Delete this lesson trace").click()
    page.wait_for_url("**/traces/lessons")
    expect(page.get_by_text("About two")).to_be_visible()
    expect(page.get_by_role("grid", name="Lessons").get_by_text("About one")).to_have_count(0)
    assert stored_lessons(api) == {"one", "two"}
    with page.expect_response(lambda response: response.request.method == "DELETE"):
        page.clock.run_for(6_000)
    assert stored_lessons(api) == {"two"}


def test_all_traces_of_a_lesson_and_all_lessons_are_deleted_after_a_question(reader: Reader, api: Api) -> None:
    for name in ("one", "two"):
        lesson(api, "rivers", name)
    lesson(api, "hills", "three")
    api.send(call_span("no-lesson", "a"))
    page = reader.page
    reader.open("/traces/lessons?lesson_id=rivers")
    page.get_by_role("button", name="Delete this lesson").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete 2 traces").click()
    expect(page.get_by_text("Deleted 2 lesson traces")).to_be_visible()
    assert stored_lessons(api) == {"three"}
    reader.open("/traces/lessons")
    page.get_by_role("button", name="Delete all").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete it").click()
    expect(page.get_by_text("Deleted 1 lesson trace")).to_be_visible()
    assert stored_lessons(api) == set()
    assert api.summaries() == ["no-lesson"]


def test_a_lesson_shows_its_document_next_to_its_calls(reader: Reader, api: Api) -> None:
    calls = [
        {
            "provider": "openai",
            "request": {"prompt": "Write", "model": "gpt-4o"},
            "duration_ms": 1100,
            "success": False,
            "error": "overloaded",
        },
        {
            "provider": "anthropic",
            "request": {"prompt": "Write", "model": "claude-sonnet-4-5"},
            "response": {"content": "A **leaf**."},
            "duration_ms": 900,
        },
    ]
    lesson(api, "leaf", "one", response_data={"title": "The leaf", "sections": ["Light", "Water"]}, llm_calls=calls)
    page = reader.page
    reader.open("/traces/lessons/one")
    document = page.get_by_role("region", name="Request and response")
    expect(document.get_by_role("heading", name="The leaf")).to_be_visible()
    expect(document.get_by_text("Water")).to_be_visible()
    expect(page.get_by_role("region", name="Calls")).to_contain_text("openai")
    reader.press("m")
    expect(document.get_by_text('"The leaf"')).to_be_visible()
    reader.press("o")
    page.wait_for_url("**/traces/t/one")


def test_a_key_is_created_with_its_secret_shown_once_and_revoked(reader: Reader, api: Api, call: Call) -> None:
    page = reader.page
    reader.open("/traces/setup")
    page.get_by_label("Name").fill("the checkout")
    page.get_by_role("button", name="Create a key").first.click()
    secret = page.get_by_text(re.compile("^tsk_[A-Za-z0-9_-]{30,}$")).first
    expect(secret).to_be_visible()
    key = Api(call, None, {"x-api-key": secret.inner_text()})
    key.send(call_span("by-key", "a"))
    page.reload()
    expect(page.get_by_role("list", name="Keys")).to_contain_text("the checkout")
    expect(page.get_by_text(re.compile("^tsk_[A-Za-z0-9_-]{30,}$"))).to_have_count(0)
    page.get_by_role("button", name="Revoke the checkout").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(page.get_by_role("button", name="Revoke the checkout")).to_have_count(0)
    assert api("GET", "/api/keys").json["keys"] == []


def test_signed_in_by_a_key_the_view_of_keys_shows_the_commands(browser: Browser, address: str, api: Api) -> None:
    key = api.with_key("ingest", "read").headers["x-api-key"]
    with reading(browser, address, key, refusals=True) as reader:
        reader.open("/traces/setup")
        expect(reader.page.get_by_role("heading", name="Set-up")).to_be_visible()
        expect(reader.page.get_by_role("region", name="API keys")).to_contain_text("/api/keys")


def said(role: str, text: str) -> dict[str, Any]:
    """A message in the form of the API."""
    return {"role": role, "parts": [{"type": "text", "text": text}]}


def test_the_transcript_shows_what_is_new_and_each_result_at_its_call(reader: Reader, api: Api) -> None:
    called = {
        "role": "assistant",
        "parts": [{"type": "tool_call", "id": "c1", "name": "find", "arguments": {"town": "Malmö"}}],
    }
    result = {
        "role": "tool",
        "parts": [{"type": "tool_result", "id": "c1", "name": "find", "result": {"hotel": "Nova"}}],
    }
    first = [said("system", "be brief"), said("user", "a room please")]
    api.send(
        call_span("t", "root", operation_type="agent", duration_ms=9000),
        call_span("t", "a", "root", 59, input_data={"messages": first}, output_data={"messages": [called]}),
        call_span("t", "tool", "root", 58, operation_type="tool_call", tool_name="find", input_data={"town": "Malmö"}),
        call_span(
            "t", "b", "root", 57, input_data={"messages": [*first, called, result]}, output_data="the Nova, then"
        ),
    )
    reader.open("/traces/t/t")
    page = reader.page
    reader.press("t")
    transcript = page.get_by_role("region", name="Transcript")
    expect(transcript.get_by_text("a room please")).to_have_count(1)
    tool = transcript.get_by_role("group", name="1 tool call")
    expect(tool).to_contain_text('{ "town": "Malmö" }')
    expect(tool).to_contain_text("Nova")
    expect(transcript).to_contain_text("3 messages as before")
    tool.get_by_role("button", name="find").click()
    expect(page.locator(SELECTED)).to_have_id("node-tool")
    reader.press("j")
    expect(page.locator(SELECTED)).to_have_id("node-b")
    expect(transcript.locator(".selected")).to_contain_text(["3 messages as before", "the Nova, then"])


def agent_of_41(**fields: Any) -> list[dict[str, Any]]:
    """An agent of eight model calls with four tools each."""
    root = {"operation_type": "agent", "duration_ms": 90_000, **fields}
    spans = [call_span("t", "root", seconds_ago=100, **root)]
    for step in range(8):
        spans.append(call_span("t", f"c{step}", "root", 99 - step, span_name="think", output_data=f"thought {step}"))
        for number in range(4):
            tool = {"operation_type": "tool_call", "tool_name": f"tool.{number}", "span_name": f"tool.{number}"}
            spans.append(call_span("t", f"t{step}{number}", "root", 98.9 - step - number / 10, **tool))
    return spans


def test_an_agent_of_41_spans_opens_as_nine_rows_next_to_its_transcript(reader: Reader, api: Api) -> None:
    api.send(*agent_of_41())
    reader.open("/traces/t/t")
    page = reader.page
    expect(page.locator(NODES)).to_have_count(9)
    expect(page.get_by_role("region", name="Transcript")).to_contain_text("thought 7")
    row = page.locator(NODES).nth(3)
    expect(row).to_contain_text("tool.0, tool.1, tool.2, tool.3")
    row.click()
    expect(page.get_by_role("region", name="Transcript").get_by_text("thought 2")).to_be_in_viewport()
    row.locator(".collapse").click()
    expect(page.locator(NODES)).to_have_count(14)
    page.reload()
    expect(page.locator(NODES)).to_have_count(14)
    page.get_by_role("button", name="Expand all").click()
    expect(page.get_by_text("49 rows")).to_be_visible()
    assert "open=all" in reader.place
    page.locator(NODES).nth(1).locator(".collapse").click()
    page.reload()
    expect(page.get_by_text("44 rows")).to_be_visible()


def test_a_running_agent_gets_no_rows_above_those_that_are_read(reader: Reader, api: Api) -> None:
    spans = agent_of_41(status="pending", duration_ms=None)
    api.send(*spans[:20])
    page = reader.page
    page.clock.install()
    reader.open("/traces/t/t?span=t32")
    expect(page.locator(NODES)).to_have_count(20)
    api.send(*spans[20:])
    page.clock.run_for(3_100)
    expect(page.get_by_text("41 rows")).to_be_visible()  # the document has those that are near
    expect(page.locator(SELECTED)).to_have_attribute("aria-rowindex", "21")


def test_a_server_that_is_reached_without_a_network_is_asked(reader: Reader, api: Api) -> None:
    api.send(call_span("t", "a"))
    reader.open("/traces")
    reader.page.evaluate("dispatchEvent(new Event('offline'))")
    reader.page.locator(ROWS).first.get_by_role("link").first.click()
    expect(reader.page.locator(NODES)).to_have_count(1)


def answered_late(route: Route) -> None:
    """Answer a request after those that were sent with it."""
    time.sleep(0.5)
    route.continue_()


def test_a_changed_history_shows_its_difference_and_a_link_names_a_message(reader: Reader, api: Api) -> None:
    tools = {"tools": [{"name": "find"}]}
    before = [said("system", "be brief"), said("user", "a long story about the trip to Malmö")]
    after = [said("system", "be very brief"), said("user", "a summary of the trip to Malmö"), said("user", "and now?")]
    more = {"tools": [{"name": "find"}, {"name": "book"}]}
    api.send(
        call_span("t", "root", operation_type="agent", duration_ms=9000),
        call_span("t", "a", "root", 59, input_data={"messages": before, **tools}, output_data="I see."),
        call_span("t", "b", "root", 57, input_data={"messages": after, **more}, output_data="Now we rest."),
    )
    reader.open("/traces/t/t?view=read")
    page = reader.page
    transcript = page.get_by_role("region", name="Transcript")
    expect(transcript).to_contain_text("1 tool: find")
    expect(transcript).to_contain_text("2 tools, changed: added book")
    expect(transcript).to_contain_text("changed: +1 −1")
    page.route("**/spans/a", answered_late)
    transcript.get_by_text("Call 2: the history was changed").click()
    difference = transcript.get_by_role("list", name="Difference of the history")
    expect(difference.locator("ins").first).to_have_text("very ")
    expect(difference.locator("del").first).to_have_text("long")
    expect(difference).to_contain_text("removed: assistant")
    page.reload()
    expect(difference).to_be_visible()
    reader.press("d", "t")
    expect(difference).to_be_visible()
    message = transcript.get_by_role("article", name="user").filter(has_text="and now?")
    message.hover()
    message.get_by_role("button", name="Copy a link to this message").click()
    link = page.evaluate("navigator.clipboard.readText()")
    assert "msg=b%3Ain%3A2" in link
    reader.open(link.removeprefix(reader.base))
    expect(transcript.locator(".named")).to_contain_text("and now?")
    message.get_by_text("and now?").click()
    transcript.evaluate("(element) => element.focus()")
    reader.press("j")
    expect(transcript.locator(".named")).to_contain_text("Now we rest.")
    assert "msg=b%3Aout%3A0" in reader.place


def test_the_end_of_a_running_trace_is_followed_on_request(reader: Reader, api: Api) -> None:
    root = {"operation_type": "agent", "duration_ms": None, "status": "pending"}
    api.send(
        call_span("t", "root", seconds_ago=100, **root),
        *(call_span("t", f"a{n}", "root", 99 - n / 10, output_data=f"answer {n}") for n in range(40)),
    )
    page = reader.page
    page.clock.install()
    reader.open("/traces/t/t?view=read")
    transcript = page.get_by_role("region", name="Transcript")
    expect(transcript).to_contain_text("answer 39")
    expect(transcript.get_by_text("answer 39")).not_to_be_in_viewport()
    page.get_by_role("button", name="Follow").click()
    expect(transcript.get_by_text("answer 39")).to_be_in_viewport()
    api.send(call_span("t", "new", "root", 1, output_data="the newest"))
    page.clock.run_for(3_100)
    expect(transcript.get_by_text("the newest")).to_be_in_viewport()
    assert "span=" not in reader.place
    reader.press("L")
    expect(page.get_by_role("button", name="Follow")).to_have_attribute("aria-pressed", "false")


def test_tree_transcript_and_details_stand_next_to_each_other_on_a_wide_screen(
    browser: Browser, address: str, user: User, api: Api
) -> None:
    api.send(call_span("t", "a", input_data="hello", output_data="hi"))
    with reading(browser, address, user.token, width=1920) as reader:
        reader.open("/traces/t/t")
        expect(reader.page.get_by_role("treegrid", name="Spans")).to_be_visible()
        expect(reader.page.get_by_role("region", name="Transcript")).to_contain_text("hello")
        expect(
            reader.page.get_by_role("article", name="Span a").or_(reader.page.locator("article.details"))
        ).to_be_visible()


def test_a_phone_shows_one_column_at_a_time(browser: Browser, address: str, user: User, api: Api) -> None:
    api.send(call_span("t", "a", input_data="hello", output_data="hi"), call_span("t", "b", "a", 59))
    with reading(browser, address, user.token, width=390) as reader:
        page = reader.page
        reader.open("/traces/t/t")
        page.locator("#node-b").click()
        expect(page.locator("article.details")).to_be_visible()
        expect(page.get_by_role("treegrid", name="Spans")).to_be_hidden()
        page.go_back()
        expect(page.get_by_role("treegrid", name="Spans")).to_be_visible()
        page.get_by_role("button", name="Read").click()
        expect(page.get_by_role("region", name="Transcript")).to_contain_text("hello")


def test_a_conversation_of_fifty_turns_is_one_page(browser: Browser, address: str, user: User, api: Api) -> None:
    history: list[dict[str, Any]] = []
    for turn in range(1, 51):
        history.append(said("user", f"question {turn}"))
        failed = {"status": "error", "error_type": "Timeout"} if turn == 33 else {}
        spans = [
            call_span(f"turn-{turn}", "root", None, 1000 - turn, operation_type="agent", conversation_id="a/b?c#d%"),
            call_span(f"turn-{turn}", "call", "root", 1000 - turn, conversation_id="a/b?c#d%"),
        ]
        spans[0] |= {
            "input_data": {"messages": list(history)},
            "output_data": {"messages": [said("assistant", f"answer {turn}")]},
        }
        api.send({**spans[0], **failed}, spans[1])
        history.append(said("assistant", f"answer {turn}"))
    # Analytics follow in half a minute: until then the browser reports that the sums of the conversation are a 404.
    with reading(browser, address, user.token, refusals=True) as reader:
        page = reader.page
        reader.open("/traces/t/turn-7")
        page.get_by_role("link", name="conversation a/b").click()
        conversation = page.get_by_role("region", name="Conversation", exact=True)
        expect(conversation).to_contain_text("question 1")
        page.get_by_role("button", name="Turn 20", exact=True).click()
        expect(page.get_by_role("region", name="Turn 20", exact=True)).to_be_in_viewport()
        assert "turn=20" in reader.place
        expect(page.get_by_role("region", name="Turn 20", exact=True).get_by_text("question 19")).to_have_count(0)
        conversation.evaluate("(element) => element.scrollTo(0, element.scrollHeight)")
        expect(page.get_by_role("button", name="Turn 40", exact=True)).to_be_attached()
        reader.open(f"{reader.place.split('?')[0]}?turn=45")
        expect(page.get_by_role("region", name="Turn 45", exact=True)).to_be_in_viewport()
        reader.press("E")
        expect(page.get_by_role("region", name="Turn 33", exact=True)).to_be_in_viewport()
        reader.press("Enter")
        page.wait_for_url("**/traces/t/turn-33?**")
        page.go_back()
        page.get_by_role("button", name="Conversation only").click()
        expect(page.locator(".chips")).to_have_count(0)


def test_an_id_is_pasted_into_the_palette(reader: Reader, api: Api) -> None:
    api.send(call_span("0af7651916cd43dd8448eb211c80319c", "a"))
    page = reader.page
    reader.open("/traces")
    reader.press("Control+k")
    page.keyboard.type("0af76519-16cd-43dd-8448-eb211c80319c")
    page.keyboard.press("Enter")
    page.wait_for_url("**/traces/t/0af7651916cd43dd8448eb211c80319c")
    expect(page.locator(NODES)).to_have_count(1)
    reader.press("Control+k")
    page.keyboard.type("conver")
    page.keyboard.press("Enter")
    page.wait_for_url("**/traces/conversations")
    reader.press("Control+k")
    page.get_by_role("dialog", name="Go to").get_by_role("option", name="0af7651916cd43dd8448eb211c80319c").click()
    page.wait_for_url("**/traces/t/0af7651916cd43dd8448eb211c80319c")


def test_bars_and_the_selection_are_visible_in_forced_colors(
    browser: Browser, address: str, user: User, api: Api
) -> None:
    api.send(call_span("t", "root", operation_type="agent"), call_span("t", "a", "root", 59))
    with reading(browser, address, user.token, forced_colors=True) as reader:
        reader.open("/traces/t/t?span=a")
        bar = reader.page.locator("#node-a .bar")
        expect(bar).to_be_visible()
        assert bar.evaluate("(element) => getComputedStyle(element).forcedColorAdjust") == "none"
        assert reader.page.locator(SELECTED).evaluate("(row) => getComputedStyle(row).outlineStyle") == "solid"


def test_columns_are_hidden_by_choice(reader: Reader, api: Api) -> None:
    api.send(call_span("t", "a"))
    reader.open("/traces")
    page = reader.page
    header = page.get_by_role("columnheader", name="Tokens")
    expect(header).to_be_visible()
    page.get_by_role("button", name="Columns").click()
    page.get_by_role("checkbox", name="Tokens").uncheck()
    expect(header).to_have_count(0)
    page.reload()
    expect(page.get_by_role("columnheader", name="Cost")).to_be_visible()
    expect(header).to_have_count(0)


def test_columns_are_widened_and_pinned_by_choice(reader: Reader, api: Api) -> None:
    api.send(call_span("t", "a"))
    reader.open("/traces")
    page = reader.page
    edge = page.get_by_role("separator", name="Width of Cost")
    before = int(edge.get_attribute("aria-valuenow") or 0)
    edge.focus()
    reader.press("ArrowLeft", "ArrowLeft")
    expect(edge).to_have_attribute("aria-valuenow", str(before + 16))
    page.reload()
    expect(edge).to_have_attribute("aria-valuenow", str(before + 16))
    assert reader.violations() == []
    header = page.get_by_role("columnheader", name="Spans")
    page.set_viewport_size({"width": 900, "height": 800})
    expect(header).to_have_count(0)
    page.get_by_role("button", name="Columns").click()
    page.get_by_role("button", name="Pin Spans").click()
    expect(header).to_be_visible()
