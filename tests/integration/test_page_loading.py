"""The page while its own files or the API's responses do not arrive: an aborted request, a missing file, no network."""

import re

import pytest
from playwright.sync_api import Browser, Error, Page, Route, expect

from tests.api import Api
from tests.gateway import User
from tests.page_traces import ROWS, call_span
from tests.reading import address, browser, reader, reading, visiting

__all__ = ["address", "browser", "reader"]

pytestmark = pytest.mark.parametrize("engine", ["moto"], indirect=True, scope="session")

BLOCKED_STORAGE = """
for (const name of ["localStorage", "sessionStorage"])
  Object.defineProperty(window, name, { get() { throw new DOMException("denied", "SecurityError"); } });
"""
"""What a browser does that blocks the data of sites."""

ANY_TRACE = re.compile(r"/api/analytics/traces\?view=summary&limit=1$")
"""The request with which an empty list finds out whether there is any trace at all."""

OVERVIEW_CODE = re.compile(r"/traces/assets/OverviewView-.*\.js$")


def open_overview(page: Page) -> None:
    page.get_by_role("navigation", name="Views").get_by_role("link", name="Overview").click()


@pytest.mark.parametrize("failures", [1, 2])
def test_a_view_whose_code_arrives_late_is_shown(browser: Browser, address: str, user: User, failures: int) -> None:
    with reading(browser, address, user.token, refusals=True) as reader:
        aborted: list[str] = []

        def abort_the_first(route: Route) -> None:
            if len(aborted) < failures:
                aborted.append(route.request.url)
                route.abort("connectionaborted")
            else:
                route.continue_()

        reader.page.route(OVERVIEW_CODE, abort_the_first)
        open_overview(reader.page)
        expect(reader.page.get_by_role("heading", name="Overview", level=1)).to_be_visible()
        assert len(aborted) == failures
        assert not [url for url in reader.requested if url.endswith("/traces/overview")]  # the document stayed


def test_a_view_whose_code_is_gone_loads_the_page_again_and_then_offers_to(
    browser: Browser, address: str, user: User
) -> None:
    with reading(browser, address, user.token, refusals=True) as reader:
        page = reader.page
        page.route(OVERVIEW_CODE, lambda route: route.fulfill(status=404))
        open_overview(page)
        failure = page.get_by_role("alert")
        expect(failure).to_contain_text("The overview could not be loaded.")
        assert len([url for url in reader.requested if url.endswith("/traces/overview")]) == 1
        expect(page.get_by_role("navigation", name="Views")).to_be_visible()
        page.unroute(OVERVIEW_CODE)
        failure.get_by_role("button", name="Try again").click()
        expect(page.get_by_role("heading", name="Overview", level=1)).to_be_visible()


def test_a_view_that_is_opened_offline_says_so_and_is_shown_afterwards(
    browser: Browser, address: str, user: User
) -> None:
    with reading(browser, address, user.token, refusals=True) as reader:
        page = reader.page
        page.context.set_offline(True)
        open_overview(page)
        failure = page.get_by_role("alert")
        expect(failure).to_contain_text("Offline: The overview cannot be loaded.")
        page.context.set_offline(False)
        failure.get_by_role("button", name="Try again").click()
        expect(page.get_by_role("heading", name="Overview", level=1)).to_be_visible()


def test_a_page_whose_script_does_not_arrive_is_not_blank(browser: Browser, address: str) -> None:
    with visiting(browser, address, refusals=True) as visitor:
        visitor.page.route(re.compile(r"/traces/assets/index-.*\.js$"), lambda route: route.abort("connectionaborted"))
        visitor.page.goto("/traces")
        expect(visitor.page.get_by_text("The page is loading. If nothing follows, load it again.")).to_be_visible()


def test_a_list_without_traces_that_cannot_ask_for_any_says_so(browser: Browser, address: str, user: User) -> None:
    with visiting(browser, address, refusals=True) as visitor:
        page = visitor.page
        page.route(ANY_TRACE, lambda route: route.fulfill(status=500))
        page.goto(f"/traces#token={user.token}")
        failure = page.get_by_role("alert")
        expect(failure).to_contain_text("The traces could not be loaded.")
        page.unroute(ANY_TRACE)
        failure.get_by_role("button", name="Try again").click()
        expect(page.get_by_role("heading", name="No traces yet")).to_be_visible()


def test_a_page_that_may_store_nothing_is_read_and_keeps_its_choices_while_it_is_open(
    browser: Browser, address: str, user: User, api: Api
) -> None:
    api.send(call_span("t", "s"))
    with visiting(browser, address) as visitor:
        page = visitor.page
        page.add_init_script(BLOCKED_STORAGE)
        page.goto(f"/traces#token={user.token}")
        with pytest.raises(Error, match="denied"):
            page.evaluate("localStorage.length")
        expect(page.locator(ROWS)).to_have_count(1)
        page.get_by_role("button", name="Theme: system").click()
        expect(page.get_by_role("button", name="Theme: light")).to_be_visible()
        open_overview(page)
        expect(page.get_by_role("heading", name="Overview", level=1)).to_be_visible()


def test_a_list_whose_request_is_aborted_is_shown(browser: Browser, address: str, user: User, api: Api) -> None:
    api.send(call_span("t", "s"))
    aborted: list[str] = []
    with reading(browser, address, user.token, refusals=True) as reader:

        def abort_the_first(route: Route) -> None:
            if aborted:
                route.continue_()
            else:
                aborted.append(route.request.url)
                route.abort("connectionaborted")

        reader.page.route(re.compile(r"/api/analytics/traces\?"), abort_the_first)
        reader.open("/traces")
        expect(reader.page.locator(ROWS)).to_have_count(1)
        assert len(aborted) == 1
