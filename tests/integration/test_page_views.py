"""All views of the page, in Chromium: their layout, their states of failure, and the ways between them."""

import pytest
from playwright.sync_api import Browser, expect

from tests.api import Api
from tests.gateway import User
from tests.page_traces import NODES, ROWS, call_span
from tests.reading import WIDTHS, Reader, address, browser, demo_api, demo_user, reader, reading, refused, traces_of

__all__ = ["address", "browser", "demo_api", "demo_user", "reader"]

pytestmark = pytest.mark.parametrize("engine", ["moto"], indirect=True, scope="session")


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


def test_a_server_that_is_reached_without_a_network_is_asked(reader: Reader, api: Api) -> None:
    api.send(call_span("t", "a"))
    reader.open("/traces")
    reader.page.evaluate("dispatchEvent(new Event('offline'))")
    reader.page.locator(ROWS).first.get_by_role("link").first.click()
    expect(reader.page.locator(NODES)).to_have_count(1)


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
