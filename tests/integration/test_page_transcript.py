"""The transcript of a trace on the page, in Chromium: what is new in each call, and its place on the screen."""

import time

import pytest
from playwright.sync_api import Browser, Route, expect

from tests.api import Api
from tests.gateway import User
from tests.page_traces import SELECTED, call_span, said
from tests.reading import Reader, address, browser, reader, reading

__all__ = ["address", "browser", "reader"]

pytestmark = pytest.mark.parametrize("engine", ["moto"], indirect=True, scope="session")


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
