"""The list of traces on the page, in Chromium: filters, search, keys, selection, new traces and columns."""

import json
import re
import time

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.api import Api
from tests.gateway import User
from tests.page_traces import ROWS, call_span
from tests.reading import Reader, address, browser, demo_reader, demo_user, reader, reading, refused

__all__ = ["address", "browser", "demo_reader", "demo_user", "reader"]

pytestmark = pytest.mark.parametrize("engine", ["moto"], indirect=True, scope="session")


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


def brushed(page: Page) -> Locator:
    """The chart, on which the mouse has been dragged and is still pressed."""
    chart = page.get_by_role("figure", name="Traces over time").get_by_role("img")
    box = chart.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + 20)
    return chart


def test_a_range_is_brushed_on_the_chart_and_the_table_has_the_numbers(demo_reader: Reader) -> None:
    demo_reader.open("/traces?range=24h")
    page = demo_reader.page
    brushed(page)
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


def test_a_gesture_that_the_browser_takes_over_chooses_no_range(demo_reader: Reader) -> None:
    demo_reader.open("/traces?range=24h")
    page = demo_reader.page
    chart = brushed(page)
    expect(chart.locator(".brush")).to_have_count(1)
    chart.dispatch_event("pointercancel")
    expect(chart.locator(".brush")).to_have_count(0)
    page.mouse.up()
    assert demo_reader.place == "/traces?range=24h"


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
