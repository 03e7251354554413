"""Chromium on this machine, for tests and benchmarks of the page."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

OPTIONS: Final = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run")


def executable() -> str | None:
    """The path of the browser. *absent*: None."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@contextmanager
def launched(path: str) -> Iterator[Any]:
    """A headless browser, controlled by Playwright."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(OPTIONS))
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def opened(browser: Any) -> Iterator[tuple[Any, Any, list[int]]]:
    """An empty page in a new context, its DevTools session, and the bytes of each response once it is received."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    try:
        page = context.new_page()
        devtools = context.new_cdp_session(page)
        received: list[int] = []
        devtools.send("Network.enable")
        devtools.on("Network.loadingFinished", lambda event: received.append(int(event["encodedDataLength"])))
        yield page, devtools, received
    finally:
        context.close()
