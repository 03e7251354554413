"""The page in a real browser: Chromium, controlled by Playwright, with a check of everything it complains about."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Error, Page, Request, Route, expect, sync_playwright

from dev import chromium
from dev.server import listening, serving
from dev.template import ROOT, Template
from tests import page
from tests.api import Api
from tests.conftest import IN_CHROMIUM
from tests.gateway import Call, User, new_user
from tracestore_cli import demo

WIDTHS: Final = {390: 844, 1280: 800, 1920: 1080}
"""The widths at which the page is tested, and their heights."""

EXPECTED_WITHIN_MS: Final = 30_000
"""What a view has to show may take this long on a busy machine."""

NETWORK_CHANGED: Final = "net::ERR_NETWORK_CHANGED"
"""Chromium aborts the requests that wait when a network interface appears, such as that of another test's container."""

LOADS_MOST: Final = 5
"""So often a document is loaded, if the network changes each time."""

AXE: Final = ROOT / "web/node_modules/axe-core/axe.min.js"


@dataclass
class Reader:
    """A page of a reader, and what the browser says about it."""

    page: Page
    base: str
    complaints: list[str] = field(default_factory=list)
    requested: list[str] = field(default_factory=list)
    """The addresses that the page has requested."""
    awaited: list[str] = field(default_factory=list)
    """Those that have no response yet."""
    aborted: int = 0
    """The number of requests that a change of the network has aborted."""

    def open(self, path: str) -> None:
        """Load a view of the page, and wait until it has nothing left to load."""
        self.load(self.base + path)
        self.page.wait_for_load_state("networkidle")

    def load(self, url: str) -> None:
        """Load a document with its scripts and styles, again if a change of the network has aborted one of them."""
        for _ in range(LOADS_MOST):
            before = self.aborted
            try:
                self.page.goto("about:blank")  # an address that differs in its fragment alone would load nothing
                self.page.goto(url)
            except Error as error:
                if NETWORK_CHANGED not in error.message:
                    raise
                continue
            if self.aborted == before:
                return
        raise AssertionError(f"The network has changed during each of {LOADS_MOST} loads of {url}.")

    @property
    def place(self) -> str:
        """The address without the host."""
        parts = urlsplit(self.page.url)
        return parts.path + (f"?{parts.query}" if parts.query else "")

    def press(self, *keys: str) -> None:
        """Press keys, one after the other."""
        for key in keys:
            self.page.keyboard.press(key)

    def violations(self) -> list[str]:
        """What axe finds in the present view: the rule and the first element of each violation."""
        self.page.evaluate(AXE.read_text())
        found = self.page.evaluate(
            "axe.run(document, {resultTypes: ['violations']}).then((result) => result.violations)"
        )
        return [
            f"{one['id']}: {one['nodes'][0]['html'][:160]} {one['nodes'][0]['failureSummary'][:200]}" for one in found
        ]


@pytest.fixture(scope="module")
def address(call: Call, template: Template) -> Iterator[str]:
    """The address of the local server, with the built page."""
    page.build()
    with serving(template, listening(0)) as base:
        yield base


@pytest.fixture(scope="module")
def browser(request: pytest.FixtureRequest) -> Iterator[Browser]:
    """A headless Chromium. *absent*: without it the test is skipped; under CI it fails.

    Of a module, not of the session: Playwright runs an event loop in the thread, which must end before other tests.
    """
    assert request.path.name in IN_CHROMIUM, f"Name {request.path.name} in IN_CHROMIUM of tests/conftest.py."
    path = chromium.executable()
    if path is None:
        if os.environ.get("CI", "").lower() in ("1", "true"):
            pytest.fail("Chromium must be installed under CI.")
        pytest.skip("This needs Chromium.")
    expect.set_options(timeout=EXPECTED_WITHIN_MS)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=list(chromium.OPTIONS))
        yield running
        running.close()


@pytest.fixture
def reader(browser: Browser, address: str, user: User) -> Iterator[Reader]:
    """A reader without traces."""
    with reading(browser, address, user.token) as one:
        yield one


@pytest.fixture(scope="module")
def demo_user(address: str) -> User:
    """A user with the sample traces of `make dev`."""
    user = new_user()
    demo.send(address, user.token, 40)
    return user


@pytest.fixture
def demo_reader(browser: Browser, address: str, demo_user: User) -> Iterator[Reader]:
    """A reader of the sample traces."""
    with reading(browser, address, demo_user.token) as one:
        yield one


@pytest.fixture
def demo_api(call: Call, demo_user: User) -> Api:
    """The API as the user of the sample traces calls it."""
    return Api(call, demo_user)


def traces_of(demo_api: Api, **query: Any) -> list[dict[str, Any]]:
    """The summaries of sample traces that match a query."""
    found: list[dict[str, Any]] = demo_api.page(view="summary", limit=200, **query)["traces"]
    return found


@contextmanager
def visiting(
    browser: Browser, base: str, *others: str, refusals: bool = False, is_busy: bool = False, **options: Any
) -> Iterator[Reader]:
    """A visitor with no storage and no cookie, who at the end has no complaint and has asked only these addresses.

    With `refusals`, responses with an error are part of the test, and with `is_busy` those that ask for another try.
    The browser reports each of them. `options` are those of Playwright's contexts.
    """
    context = browser.new_context(base_url=base, **options)
    page = context.new_page()
    reader = Reader(page, base)
    page.set_default_timeout(40_000)

    def said(message: ConsoleMessage) -> None:
        refused = message.text.startswith("Failed to load resource")
        if refused and NETWORK_CHANGED in message.text:
            return
        asks_again = is_busy and refused and "status of 503" in message.text
        if message.type in ("error", "warning") and not asks_again and not (refusals and refused):
            reader.complaints.append(message.text)

    def failed(request: Request) -> None:
        reader.aborted += request.failure == NETWORK_CHANGED

    page.on("console", said)
    page.on("requestfailed", failed)
    page.on("pageerror", lambda error: reader.complaints.append(str(error)))
    page.on("request", lambda request: reader.requested.append(request.url))
    page.on("request", lambda request: reader.awaited.append(request.url))
    for event in ("requestfinished", "requestfailed"):
        page.on(event, lambda request: reader.awaited.remove(request.url))
    try:
        yield reader
    finally:  # shown where a test has failed
        print(f"The browser complains of {reader.complaints}, and has no response from {reader.awaited}.")
    assert reader.complaints == [], reader.complaints
    hosts = {urlsplit(url).netloc for url in reader.requested}
    assert hosts <= {urlsplit(address).netloc for address in ("", base, *others)}, hosts
    context.close()


@contextmanager
def reading(
    browser: Browser,
    base: str,
    token: str,
    *,
    width: int = 1280,
    dark: bool = False,
    forced_colors: bool = False,
    refusals: bool = False,
    timezone: str | None = None,
) -> Iterator[Reader]:
    """A signed-in reader, who at the end has no complaint and has asked no other host."""
    with visiting(
        browser,
        base,
        refusals=refusals,
        is_busy=True,
        viewport={"width": width, "height": WIDTHS.get(width, 800)},
        color_scheme="dark" if dark else "light",
        has_touch=width < 500,
        forced_colors="active" if forced_colors else "none",
        reduced_motion="reduce",
        permissions=["clipboard-read", "clipboard-write"],
        timezone_id=timezone,
    ) as reader:
        reader.load(f"{base}/traces/setup#token={token}")
        reader.page.wait_for_selector("#main")
        yield reader


def refused(route: Route, status: int, code: str, message: str, **headers: str) -> None:
    """Answer a request with an error of the API."""
    body = json.dumps({"success": False, "error": {"code": code, "message": message, "details": []}})
    route.fulfill(status=status, body=body, headers={"content-type": "application/json", **headers})
