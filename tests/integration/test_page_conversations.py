"""Conversations on the page, in Chromium."""

from typing import Any

import pytest
from playwright.sync_api import Browser, Route, expect

from tests.api import Api
from tests.gateway import User
from tests.page_traces import call_span, said
from tests.reading import address, browser, reading, refused

__all__ = ["address", "browser"]

pytestmark = pytest.mark.parametrize("engine", ["moto"], indirect=True, scope="session")


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


LINES = """
header => {
  const boxes = [...header.querySelectorAll('h1, .second > *')].map((element) => element.getBoundingClientRect());
  return new Set(boxes.filter((box) => box.height).map((box) => Math.round(box.top / 12))).size;
}
"""
"""The number of lines that the texts of a header take: texts of one line begin at most a few pixels apart."""


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [375, 768, 1440])
def test_the_header_of_a_conversation_has_two_lines_and_the_rest_opens_on_a_phone(
    browser: Browser, address: str, user: User, api: Api, width: int, dark: bool
) -> None:
    conversation_id = "the-trip-to-the-mountains-in-september-with-two-tents"
    for turn in range(1, 5):
        failed = {"status": "error", "error_type": "Timeout"} if turn == 3 else {}
        usage = {"input_tokens": 21_000 * turn, "cached_input_tokens": 9_000, "cost_usd": 0.034 * turn}
        api.send(call_span(f"t{turn}", "a", None, 100 - turn, conversation_id=conversation_id, **usage, **failed))
    # Analytics follow in half a minute: until then the browser reports that the sums of the conversation are a 404.
    with reading(browser, address, user.token, width=width, dark=dark, refusals=True) as reader:
        page = reader.page
        reader.open(f"/traces/c/{conversation_id}")
        header = page.locator("header.subject")
        expect(header).to_contain_text("4 turns")
        assert header.evaluate(LINES) == 2
        assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")
        rest = [
            *(header.get_by_role("button", name=name) for name in ("Conversation only", "With tools", "Everything")),
            *(header.get_by_role("link", name=name) for name in ("Compare", "As a list")),
            header.get_by_text("4 model calls").locator("visible=true"),
            header.get_by_text("210,000 → 20 tokens (17 % cached)").locator("visible=true"),
            header.get_by_text("$0.085 a turn, rising by 133 %").locator("visible=true"),
        ]
        if width < 640:
            for one in rest:
                expect(one).to_be_hidden()
            header.get_by_role("button", name="More actions").click()
        for one in rest:
            expect(one).to_be_in_viewport(ratio=1)
        assert reader.violations() == []
        header.get_by_role("button", name="Everything").click()
        page.wait_for_url("**show=all**")
        expect(header.get_by_role("button", name="More actions")).to_be_visible(visible=width < 640)


def test_a_further_page_of_conversations_that_fails_is_asked_for_once_and_again_by_the_reader(
    browser: Browser, address: str, user: User
) -> None:
    conversation = {
        **{"conversation_id": "c", "traces": 1, "errors": 0, "total_tokens": 7, "cost_usd": 0.5},
        **{"last_time": "2026-11-22T10:00:00.000Z", "input_preview": "asked", "output_preview": "answered"},
    }
    further: list[str] = []

    def answer(route: Route) -> None:
        if "cursor=" not in route.request.url:
            route.fulfill(json={"success": True, "conversations": [conversation], "next_cursor": "further"})
            return
        further.append(route.request.url)
        if len(further) == 1:
            refused(route, 400, "invalid_cursor", "The cursor is invalid.")
        else:
            route.fulfill(json={"success": True, "conversations": [], "next_cursor": None})

    with reading(browser, address, user.token, refusals=True) as reader:
        page = reader.page
        page.route("**/api/analytics/conversations?*", answer)
        reader.open("/traces/conversations")
        failure = page.get_by_role("alert")
        expect(failure).to_contain_text("More conversations could not be loaded.")
        page.wait_for_timeout(500)
        assert len(further) == 1
        failure.get_by_role("button", name="Try again").click()
        expect(failure).to_have_count(0)
        expect(page.get_by_role("status").filter(has_text="1 conversation")).not_to_contain_text("+")
