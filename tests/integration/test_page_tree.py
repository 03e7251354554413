"""The tree of a trace on the page, in Chromium: its rows, keys, sums, growth and size."""

import time
from decimal import Decimal
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.api import Api
from tests.gateway import User
from tests.page_traces import NODES, ROWS, SELECTED, ago, call_span
from tests.reading import Reader, address, browser, demo_api, demo_reader, demo_user, reader, reading, traces_of

__all__ = ["address", "browser", "demo_api", "demo_reader", "demo_user", "reader"]

pytestmark = pytest.mark.parametrize("engine", ["moto"], indirect=True, scope="session")


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


@pytest.mark.parametrize(("width", "percent"), [(1280, 44), (1920, 38)])
def test_the_tree_is_widened_next_to_one_column_and_to_two(
    browser: Browser, address: str, user: User, api: Api, width: int, percent: int
) -> None:
    api.send(call_span("t", "a"))
    with reading(browser, address, user.token, width=width) as reader:
        reader.open("/traces/t/t")
        edge = reader.page.get_by_role("separator", name="Width of the tree")
        for wanted in (percent, percent + 2):
            expect(edge).to_have_attribute("aria-valuenow", str(wanted))
            tree = reader.page.locator(".panes > .tree").bounding_box()
            assert tree
            assert tree["width"] == pytest.approx(width * wanted / 100, abs=2)
            edge.press("ArrowRight")


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
