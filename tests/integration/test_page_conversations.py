"""Conversations on the page, in Chromium."""

from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.api import Api
from tests.gateway import User
from tests.page_traces import call_span, said
from tests.reading import address, browser, reading

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
