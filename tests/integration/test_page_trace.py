"""Reading one trace on the page, in Chromium against the local server: where a reader gets, and from where."""

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.api import Api, span
from tests.reading import Reader, address, browser, reader

__all__ = ["address", "browser", "reader"]

pytestmark = pytest.mark.parametrize("engine", ["moto"], indirect=True, scope="session")


def agent_with_long_results(calls: int) -> list[dict[str, Any]]:
    """An agent whose calls each ask for a tool with a result of many lines."""
    fields = {"start_time": "2026-11-28T08:00:00Z", "duration_ms": 100}
    spans = [span("agent", "root", operation_type="agent", span_name="plan", **fields)]
    for number in range(1, calls + 1):
        answer = {"messages": [{"role": "assistant", "content": f"Step {number}."}]}
        result = {"output_data": "\n".join(f"line {line} of {number}" for line in range(20))}
        start = f"2026-11-28T08:{number:02}"
        spans += [
            span(
                "agent",
                f"call{number:02}",
                **fields | {"start_time": f"{start}:00Z"},
                parent_span_id="root",
                operation_type="completion",
                output_data=answer,
            ),
            span(
                "agent",
                f"tool{number:02}",
                **fields | {"start_time": f"{start}:30Z"},
                parent_span_id="root",
                operation_type="tool_call",
                **result,
            ),
        ]
    return spans


def test_the_transcript_shows_the_selected_call_however_long_those_before_it_are(reader: Reader, api: Api) -> None:
    api.send(*agent_with_long_results(30))
    page = reader.page
    reader.open("/traces/t/agent?view=details")
    page.locator(".tree [id^='node-step:call28']").click()
    reader.press("t")
    transcript = page.get_by_role("region", name="Transcript")
    expect(transcript.get_by_text("Step 28.")).to_be_in_viewport()
    transcript.hover()
    page.mouse.wheel(0, -100_000)
    expect(transcript.get_by_text("Step 1.", exact=True)).to_be_in_viewport()


def test_a_turn_says_its_number_and_leads_to_its_neighbours_and_its_conversation(reader: Reader, api: Api) -> None:
    for number in range(1, 4):
        start = f"2026-11-28T08:0{number}:00Z"
        api.send(
            span(
                f"turn{number}",
                "call",
                start_time=start,
                duration_ms=100,
                conversation_id="chat",
                input_data=f"{number}?",
            )
        )
    page = reader.page
    reader.open("/traces/t/turn2?status=success")
    header = page.locator(".subject")
    expect(header).to_contain_text("turn 2 of 3")
    header.get_by_role("link", name="Next turn").click()
    expect(header).to_contain_text("turn 3 of 3")
    expect(header.get_by_role("link", name="Next turn")).to_have_count(0)
    header.get_by_role("link", name="Previous turn").click()
    page.wait_for_url("**/traces/t/turn2")
    header.get_by_role("link", name="conversation chat").click()
    page.wait_for_url("**/traces/c/chat?turn=2")
    expect(page.get_by_role("region", name="Turn 2")).to_be_in_viewport()


def test_a_search_is_restricted_to_parts_of_the_spans(reader: Reader, api: Api) -> None:
    fields = {"start_time": "2026-11-28T08:00:00Z", "duration_ms": 100}
    api.send(
        span("t", "root", operation_type="agent", span_name="needle in the name", **fields),
        span("t", "asked", parent_span_id="root", input_data="a needle?", **fields),
        span("t", "both", parent_span_id="root", input_data="the needle", output_data="no needle", **fields),
        span("t", "failed", parent_span_id="root", status="error", error_message="broken needle", **fields),
    )
    page = reader.page
    reader.open("/traces/t/t")
    page.get_by_role("button", name="Search in the trace").click()
    page.keyboard.type("needle")
    bar = page.get_by_role("search")
    expect(bar).to_contain_text("4 matches")
    expect(bar.get_by_role("button", name="Inputs 2")).to_be_visible()
    bar.get_by_role("button", name="Outputs 1").click()
    expect(bar).to_contain_text("1 match")
    page.keyboard.press("Escape")  # the field has lost the focus
    reader.open("/traces/t/t?q=needle&in=outputs&in=inputs")
    expect(bar).to_contain_text("2 matches")
    reader.press("n")
    expect(page.locator(".tree [role=row][aria-selected=true]")).to_have_id("node-asked")
    expect(bar).to_contain_text("1 of 2 matches")
    expect(bar).to_contain_text("Inputs: a needle?")
    reader.press("n")
    expect(bar).to_contain_text("2 of 2 matches")
    assert not reader.violations()
    root = page.locator("#node-root")
    expect(root).to_have_class(re.compile("dimmed"))
    reader.press("h", "h")  # the root, collapsed, contains both
    expect(root).to_have_attribute("aria-expanded", "false")
    expect(root).not_to_have_class(re.compile("dimmed"))
    bar.get_by_role("button", name="Close the search").click()
    assert reader.place == "/traces/t/t?span=root"


def test_long_lines_of_json_are_wrapped_unless_the_reader_wants_them_whole(reader: Reader, api: Api) -> None:
    long = "word " * 200 + "end"
    fields = {"start_time": "2026-11-28T08:00:00Z", "duration_ms": 100, "operation_type": "tool_call"}
    api.send(
        span("t", "short", input_data={"notes": long}, **fields),
        span("t", "windowed", input_data={"notes": long, "rows": [[number] * 40 for number in range(20)]}, **fields),
    )
    page = reader.page
    wrap = page.get_by_role("button", name="Wrap long lines")
    reader.open("/traces/t/t?view=details&span=short")
    line = page.locator(".details .json .line", has_text="word word").first
    expect(line).to_be_visible()
    box = page.locator(".details .json").first
    assert line.evaluate("element => element.offsetHeight") > 40
    wrap.click()
    expect(wrap).to_have_attribute("aria-pressed", "false")
    assert line.evaluate("element => element.offsetHeight") < 30
    assert box.evaluate("element => element.scrollWidth > element.clientWidth + 1000")
    assert not reader.violations()
    reader.open("/traces/t/t?view=details&span=windowed")
    expect(wrap).to_have_attribute("aria-pressed", "false")  # it is kept
    lines = page.locator(".details .json .line")
    expect(lines.filter(has_text="copy")).to_have_count(1)
    wrap.click()
    expect(lines.filter(has_text="copy")).to_have_count(0)
    expect(lines.filter(has_text="word")).not_to_have_count(1)
    expect(lines.filter(has_text="end")).to_be_visible()
