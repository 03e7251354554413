"""Saved views of the list of traces, as a reader uses them in Chromium."""

import re
from datetime import UTC, datetime
from typing import Final

import pytest
from playwright.sync_api import Browser, expect

from tests.api import Api, span
from tests.gateway import User
from tests.page_traces import ROWS
from tests.reading import WIDTHS, Reader, address, browser, reader, reading

__all__ = ["address", "browser", "reader"]

pytestmark = pytest.mark.parametrize("engine", ["moto"], indirect=True, scope="session")

HOSTILE: Final = '<img src=x onerror=alert(1)>"\u202e'


def called(trace_id: str, model: str) -> dict[str, object]:
    """A trace of one model call, which has just begun."""
    fields = {"operation_type": "completion", "model_name": model, "model_provider": "openai"}
    return span(trace_id, "call", start_time=datetime.now(UTC).isoformat(), duration_ms=10, **fields)


def test_filters_order_range_and_columns_are_saved_under_a_title(reader: Reader, api: Api) -> None:
    api.send(called("one", "small"))
    api.send(called("two", "large"))
    reader.open("/traces?model_name=large&range=24h&order_by=cost")
    page = reader.page
    page.get_by_role("button", name="Columns").click()
    page.get_by_role("checkbox", name="Tokens").uncheck()
    page.get_by_role("button", name="Views").click()
    page.get_by_label("Save what the list shows as").fill("Large models")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved the view “Large models”.")).to_be_visible()
    (view,) = api("GET", "/api/me/views").json["views"]
    assert (view["name"], view["title"]) == ("large-models", "Large models")
    page.evaluate("localStorage.clear()")
    reader.open("/traces")
    expect(page.locator(ROWS)).to_have_count(2)
    expect(page.get_by_role("columnheader", name="Tokens")).to_be_visible()
    reader.press("V")
    page.get_by_role("link", name="Large models").click()
    expect(page.locator(ROWS)).to_have_count(1)
    expect(page.get_by_role("columnheader", name="Tokens")).to_have_count(0)
    assert {"model_name=large", "range=24h", "order_by=cost"} <= set(reader.place.split("?")[1].split("&"))
    page.reload()
    expect(page.get_by_role("columnheader", name="Tokens")).to_have_count(0)
    reader.press("V")
    expect(page.get_by_role("link", name="Large models")).to_have_attribute("aria-current", "true")
    page.get_by_role("button", name="Delete the view Large models").click()
    expect(page.get_by_role("link", name="Large models")).to_have_count(0)
    assert api("GET", "/api/me/views").json["views"] == []


def test_two_views_are_built_in(reader: Reader, api: Api) -> None:
    api.send({**called("bad", "small"), "status": "error"})
    api.send(called("good", "small"))
    reader.open("/traces")
    expect(reader.page.locator(ROWS)).to_have_count(2)
    reader.press("V")
    reader.page.get_by_role("link", name="Failed today").click()
    expect(reader.page.locator("#row-bad")).to_be_visible()
    expect(reader.page.locator(ROWS)).to_have_count(1)
    assert reader.place == "/traces?status=error&range=today"
    reader.press("V")
    reader.page.get_by_role("link", name="Most expensive in 7 days").click()
    expect(reader.page.get_by_label("Order")).to_have_value("cost")


def test_a_view_with_a_known_title_is_replaced_and_a_hostile_one_is_text(reader: Reader, api: Api) -> None:
    for title, query in ((HOSTILE, f"search={HOSTILE}"), ("Mine", "status=error")):
        name = "mine" if title == "Mine" else "hostile"
        assert api("PUT", f"/api/me/views/{name}", body={"title": title, "query": query}).status == 200
    reader.open("/traces?status=pending")
    page = reader.page
    reader.press("V")
    expect(page.get_by_role("link", name=re.compile("^<img src=x"))).to_be_visible()
    assert page.locator("#list-views img").count() == 0
    page.get_by_label("Save what the list shows as").fill("Mine")
    page.get_by_role("button", name="Replace").click()
    expect(page.get_by_text("Saved the view")).to_be_visible()
    views = {view["name"]: view["query"] for view in api("GET", "/api/me/views").json["views"]}
    assert views["mine"] == "status=pending"
    assert len(views) == 2


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_the_views_are_accessible_at_every_width_and_theme(
    browser: Browser, address: str, user: User, api: Api, width: int, dark: bool
) -> None:
    api("PUT", "/api/me/views/mine", body={"title": "Mine", "query": "status=error"})
    with reading(browser, address, user.token, width=width, dark=dark) as reader:
        reader.open("/traces")
        reader.press("V")
        expect(reader.page.get_by_role("link", name="Mine")).to_be_visible()
        assert reader.violations() == []
        assert not reader.page.evaluate("document.documentElement.scrollWidth > innerWidth")
