"""Comparing traces, spans and turns of conversations on the page, in Chromium."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, expect

from tests.api import Api, span
from tests.gateway import User
from tests.reading import WIDTHS, Reader, address, browser, reader, reading

__all__ = ["address", "browser", "reader"]

pytestmark = pytest.mark.parametrize("engine", ["moto"], indirect=True, scope="session")

NOW: Final = datetime.now(UTC)
PAIRS: Final = ".pairs [role=row][aria-selected]"
HOSTILE: Final = '<img src=x onerror=alert(1)>"\u202e'


def run(trace_id: str, minutes_ago: float, *steps: dict[str, Any], **fields: Any) -> list[dict[str, Any]]:
    """A trace of an agent with these steps."""
    start = NOW - timedelta(minutes=minutes_ago)
    root = {"span_name": "agent.run", "operation_type": "agent", "start_time": start.isoformat(), "duration_ms": 5_000}
    inner = [
        {
            "duration_ms": 1_000,
            **step,
            "trace_id": trace_id,
            "parent_span_id": "root",
            "start_time": (start + timedelta(seconds=index)).isoformat(),
        }
        for index, step in enumerate(steps)
    ]
    return [span(trace_id, "root", **{**root, **fields}), *inner]


def call(span_id: str, system: str, question: str, answer: str, **fields: Any) -> dict[str, Any]:
    """A model call with a system prompt."""
    messages = [{"role": "system", "content": system}, {"role": "user", "content": question}]
    return {
        "span_id": span_id,
        "span_name": "llm.completion",
        "operation_type": "completion",
        "model_name": "small",
        "input_data": {"messages": messages, "temperature": 0.2},
        "output_data": {"messages": [{"role": "assistant", "content": answer}]},
        "input_tokens": 100,
        "output_tokens": 10,
        "cost_usd": 0.001,
        **fields,
    }


def tool(span_id: str, name: str) -> dict[str, Any]:
    """A call of a tool."""
    return {"span_id": span_id, "span_name": name, "operation_type": "tool_call", "tool_name": name}


BEFORE: Final = run(
    "before",
    30,
    call("plan", "Be brief.", "A day in Lisbon", "Morning: Alfama."),
    tool("search", "search"),
    tool("fetch", "fetch"),
)
AFTER: Final = run(
    "after",
    10,
    call(
        "plan2",
        "Be brief and kind.",
        "A day in Porto",
        "Morning: Ribeira.",
        duration_ms=1_500,
        input_tokens=250,
        cost_usd=0.003,
    ),
    tool("search2", "search"),
)


def test_two_traces_stand_in_one_tree_with_what_differs(reader: Reader, api: Api) -> None:
    api.send(*BEFORE)
    api.send(*AFTER)
    reader.open("/traces/compare?a=before&b=after")
    page = reader.page
    expect(page.locator(PAIRS)).to_have_count(4)
    marks = page.locator(f"{PAIRS} .mark").evaluate_all("all => all.map((one) => one.getAttribute('aria-label'))")
    assert marks == ["equal", "changed", "equal", "only in A"]
    plan = page.locator(PAIRS).nth(1)
    expect(plan).to_contain_text("+500 ms")
    expect(plan).to_contain_text("+150")
    expect(plan).to_contain_text("+$0.002")
    expect(page.locator("dl").first).to_contain_text("110 → 260 +150 (+136 %)")
    texts = page.locator(".texts")
    expect(texts.get_by_role("heading", name="System prompt")).to_be_visible()
    expect(texts.locator("ins").first).to_contain_text("and kind")
    expect(texts.locator("del").filter(has_text="Lisbon")).to_be_visible()
    expect(texts.locator("ins").filter(has_text="Porto")).to_be_visible()


def test_the_keys_of_the_comparison_and_the_address_has_its_state(reader: Reader, api: Api) -> None:
    api.send(*BEFORE)
    api.send(*AFTER)
    reader.open("/traces/compare?a=before&b=after")
    page = reader.page
    expect(page.locator(PAIRS)).to_have_count(4)
    reader.press("o")
    expect(page.locator(PAIRS)).to_have_count(2)
    reader.press("e")
    page.wait_for_url("**pair=fetch%7E**")
    expect(page.locator(".texts h2")).to_have_text("fetch")
    page.reload()
    expect(page.locator(".texts h2")).to_have_text("fetch")
    expect(page.locator(PAIRS)).to_have_count(2)
    reader.press("x")
    page.wait_for_url("**a=after**b=before**")
    expect(page.locator(f"{PAIRS} .mark").last).to_have_attribute("aria-label", "only in B")
    page.go_back()
    page.wait_for_url("**a=before**b=after**")
    page.locator(PAIRS).first.click()
    page.get_by_role("link", name="Only these two").click()
    page.wait_for_url(re.compile(r"a=before%2F\w+&b=after%2F\w+"))
    expect(page.locator(PAIRS)).to_have_count(0)
    expect(page.locator(".sides .A")).to_contain_text("llm.completion")


def test_a_trace_is_compared_with_earlier_runs_of_its_name(reader: Reader, api: Api) -> None:
    api.send(*run("good", 40))
    api.send(*run("other", 35, span_name="another"))
    api.send(*run("bad", 30, status="error"))
    api.send(*run("now", 5))
    reader.open("/traces/t/now")
    page = reader.page
    expect(page.locator(".tree [role=row]").first).to_be_visible()
    reader.press("x")
    page.wait_for_url("**/traces/compare?a=now")
    page.get_by_role("button", name="With the previous run of this name").click()
    page.wait_for_url("**b=bad")
    page.get_by_role("button", name="With the last that succeeded").click()
    page.wait_for_url("**b=good")
    reader.open("/traces/compare?a=good")
    page.get_by_role("button", name="With the previous run of this name").click()
    expect(page.get_by_text("There is no earlier run of this name.")).to_be_visible()
    page.get_by_label("A trace or a span").fill(f"{reader.base}/traces/t/now?span=root")
    page.get_by_role("button", name="Compare", exact=True).click()
    page.wait_for_url("**b=now%2Froot")


def test_two_selected_traces_of_the_list_are_compared(reader: Reader, api: Api) -> None:
    api.send(*BEFORE)
    api.send(*AFTER)
    reader.open("/traces")
    page = reader.page
    expect(page.locator(".traces [role=row][aria-selected]")).to_have_count(2)
    reader.press("=")
    expect(page.get_by_text("Select two traces to compare")).to_be_visible()
    reader.press("j", "x", "j", "x")
    expect(page.get_by_role("link", name="Compare", exact=True)).to_be_visible()
    reader.press("=")
    page.wait_for_url("**/traces/compare?a=before&b=after")


def test_the_same_turn_of_two_conversations(reader: Reader, api: Api) -> None:
    for chat in ("one", "two"):
        for turn in (1, 2):
            question = f"question {turn} of {chat}"
            api.send(
                *run(
                    f"{chat}-{turn}",
                    60 - turn,
                    call("call", "Be brief.", question, "ok"),
                    conversation_id=f"chat/{chat}",
                )
            )
    reader.open("/traces/compare?ca=chat%2Fone&cb=chat%2Ftwo&turn=1")
    page = reader.page
    expect(page.locator(".texts")).to_contain_text("question 1 of")
    reader.press("]")
    expect(page.locator(".texts")).to_contain_text("question 2 of")
    assert "turn=2" in reader.place
    reader.press("]")
    expect(page.get_by_text("Neither conversation has a turn 3.")).to_be_visible()


def test_hostile_texts_are_text_and_missing_traces_are_said(
    browser: Browser, address: str, user: User, api: Api
) -> None:
    with reading(browser, address, user.token, refusals=True) as reader:
        api.send(*run("bad1", 20, call("c", HOSTILE, HOSTILE, "one"), span_name=HOSTILE))
        api.send(*run("bad2", 10, call("c", f"{HOSTILE}!", "two", HOSTILE), span_name=HOSTILE))
        reader.open("/traces/compare?a=bad1&b=bad2")
        page = reader.page
        expect(page.locator(".texts")).to_contain_text("onerror")
        assert page.locator("main img").count() == 0
        assert "\u202e" not in (page.locator("main").text_content() or "")
        reader.open("/traces/compare?a=bad1&b=nowhere")
        expect(page.get_by_text("One of the two could not be loaded.")).to_be_visible()
        reader.open("/traces/compare?a=%3Cscript%3E&b=../..")
        expect(page.get_by_role("heading", name="Compare two traces")).to_be_visible()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_the_comparison_is_accessible_and_fits_at_every_width_and_theme(
    browser: Browser, address: str, user: User, api: Api, width: int, dark: bool
) -> None:
    api.send(*BEFORE)
    api.send(*AFTER)
    with reading(browser, address, user.token, width=width, dark=dark) as reader:
        for path in (
            "/traces/compare?a=before&b=after",
            "/traces/compare?a=before/plan&b=after/plan2",
            "/traces/compare?a=before",
        ):
            reader.open(path)
            expect(reader.page.locator("h1")).to_be_visible()
            if "&b=" in path:
                expect(reader.page.get_by_role("heading", name="System prompt")).to_be_visible()
            assert reader.violations() == [], path
            assert not reader.page.evaluate("document.documentElement.scrollWidth > innerWidth"), path
