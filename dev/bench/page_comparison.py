"""The page next to that of Phoenix: the same traces by OTLP, the same browser, the same run.

Measured are the time until the tree of a trace can be read, the bytes received, and how many interactions answer ten
questions about a run of an agent. Every click, key, hover, drag and scroll by most of a screen is one interaction. A
question counts as answered when its answer is in the visible part of the window. In both pages, the path to it is the
shortest that we know.
"""

import os
import re
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import httpx

from dev import chromium, page_files
from dev.bench.agent_run import Run, agent_run, conversation, large_run
from dev.bench.deployment import deployed
from dev.bench.report import console, table
from dev.server import listening, serving
from dev.template import Template

ROUNDS: Final = 3
_START_S: Final = 180
_ANSWER_MS: Final = 30_000
_READABLE_MS: Final = 240_000
"""The trace of 1,000 spans takes Phoenix most of a minute on two busy cores."""
_SCROLLS_MOST: Final = 40
_SESSION: Final = "trip-7"


@dataclass
class Hand:
    """A reader's hand on one page, which counts what it does."""

    page: Any
    interactions: int = 0

    def click(self, target: Any) -> None:
        target.click(timeout=_ANSWER_MS)
        self.interactions += 1

    def hover(self, target: Any) -> None:
        target.hover(timeout=_ANSWER_MS)
        self.interactions += 1

    def press(self, key: str) -> None:
        self.page.keyboard.press(key)
        self.interactions += 1

    def drag(self, start: tuple[int, int], end: tuple[int, int]) -> None:
        self.page.mouse.move(*start)
        self.page.mouse.down()
        self.page.mouse.move(*end, steps=8)
        self.page.mouse.up()
        self.interactions += 1

    def scroll_to(self, target: Any, over: tuple[int, int], height: int = 480) -> None:
        """Turn the wheel over a place until the target is visible, most of a screen at a time."""
        self.page.mouse.move(*over)
        for _ in range(_SCROLLS_MOST):
            self.page.wait_for_timeout(400)
            if target.count() and _is_seen(target):
                return
            self.page.mouse.wheel(0, height)
            self.interactions += 1


def _is_seen(target: Any) -> bool:
    """Whether most of an element is in the visible part of the window and of what it scrolls in."""
    return bool(
        target.evaluate(
            "(element) => new Promise((resolve) => new IntersectionObserver(([entry]) => "
            "resolve(entry.intersectionRatio > 0.5)).observe(element))"
        )
    )


@dataclass(frozen=True)
class Question:
    """A question with the path to its answer in each page. A path returns the element that has the answer."""

    text: str
    here: Callable[[Hand], Any]
    there: Callable[[Hand], Any]


def _row(hand: Hand, step: int) -> Any:
    """The row of a step of the run in this page, from 0."""
    return hand.page.locator(".tree [id^='node-step:']").nth(step)


def _call(hand: Hand, number: int) -> Any:
    """A model call in the tree of Phoenix, from 0."""
    return hand.page.get_by_text("ChatCompletion", exact=True).nth(number)


_TREE: Final = (460, 500)
_DETAILS: Final = (940, 600)
"""Places in Phoenix's window of 1,280 by 800 pixels: over the tree, and over the details."""


def _wide_tree(hand: Hand) -> None:
    """Widen the tree of Phoenix, which then shows durations, tokens and costs."""
    hand.drag((608, 500), (800, 500))


def _turn_here(hand: Hand) -> Any:
    hand.click(hand.page.get_by_role("link", name="conversation"))
    hand.click(hand.page.get_by_role("button", name="Turn 7", exact=True))
    return hand.page.get_by_role("region", name="Turn 7", exact=True).get_by_text("Question 6: what should").first


def _turn_there(hand: Hand) -> Any:
    hand.click(hand.page.get_by_text("View Session"))
    hand.page.get_by_text("Question 1: what should").last.wait_for(timeout=_ANSWER_MS)
    listed = hand.page.get_by_text("Question 6: what should").first
    hand.scroll_to(listed, (420, 500))
    hand.click(listed)
    return hand.page.get_by_text("Question 6: what should").last


def _slowest_here(hand: Hand) -> Any:
    hand.click(_row(hand, 8).locator(".collapse"))
    return hand.page.get_by_text("9.40 s", exact=True)


def _slowest_there(hand: Hand) -> Any:
    _wide_tree(hand)
    target = hand.page.get_by_text("9.4s", exact=True).first
    hand.scroll_to(target, _TREE)
    return target


def _new_here(hand: Hand) -> Any:
    hand.click(_row(hand, 10))
    hand.press("t")
    return hand.page.get_by_role("region", name="Transcript").get_by_text("Call 12:")


def _new_there(hand: Hand) -> Any:
    hand.scroll_to(_call(hand, 11), _TREE)
    hand.click(_call(hand, 11))
    last = hand.page.get_by_text(re.compile(r"ref-9-1")).last
    last.wait_for(state="attached", timeout=_ANSWER_MS)
    hand.scroll_to(last, _DETAILS)
    return last


def _model_there(hand: Hand) -> Any:
    hand.click(_call(hand, 0))
    return hand.page.get_by_text("gpt-4o-mini-2024-07-18").first


def _expensive_there(hand: Hand) -> Any:
    _wide_tree(hand)
    target = hand.page.get_by_text("48,120").first
    hand.scroll_to(target, _TREE)
    return target


def _tokens_there(hand: Hand, call: int, answer: re.Pattern[str]) -> Any:
    hand.click(_call(hand, call))
    hand.page.get_by_text("Invocation Params").first.wait_for(timeout=_ANSWER_MS)
    hand.hover(hand.page.get_by_text(re.compile(r"^\d,\d{3}$|^\d{3}$")).last)
    return hand.page.get_by_text(answer).last


def _arguments_here(hand: Hand) -> Any:
    hand.click(_row(hand, 0))
    return hand.page.locator(".details").get_by_text(re.compile("ref-0-0")).first


def _arguments_there(hand: Hand) -> Any:
    hand.click(hand.page.get_by_text("find_trains", exact=True).first)
    return hand.page.get_by_text(re.compile("ref-0-0")).last


def _stack_there(hand: Hand) -> Any:
    hand.click(_call(hand, 4))
    hand.click(hand.page.get_by_role("tab", name="Events"))
    hand.click(hand.page.get_by_text("exception", exact=True).first)
    return hand.page.get_by_text(re.compile("Traceback")).last


QUESTIONS: Final = (
    Question(
        "Which call failed first?",
        lambda hand: _row(hand, 4).get_by_text("✕").first,
        lambda hand: _call(hand, 4),
    ),
    Question("What did the user ask in turn 7?", _turn_here, _turn_there),
    Question("Which tool was slowest?", _slowest_here, _slowest_there),
    Question(
        "What did the retry cost?",
        lambda hand: hand.page.locator(".second .wasted"),
        lambda hand: _tokens_there(hand, 4, re.compile(r"^\$0\.0001$")),
    ),
    Question("What is new in call 12's prompt?", _new_here, _new_there),
    Question(
        "Which model served the calls?",
        lambda hand: hand.page.locator(".second .models"),
        _model_there,
    ),
    Question(
        "Which share of the input was cached?",
        lambda hand: hand.page.locator(".second").get_by_text("cached"),
        lambda hand: _tokens_there(hand, 0, re.compile("cache", re.IGNORECASE)),
    ),
    Question(
        "Which call was the most expensive?",
        lambda hand: _row(hand, 9).locator(".cost"),
        _expensive_there,
    ),
    Question("Which arguments did the first tool get?", _arguments_here, _arguments_there),
    Question("Where was the error raised?", lambda hand: hand.page.get_by_text("Traceback").first, _stack_there),
)


@dataclass(frozen=True)
class Site:
    """A page with the address of each trace, and the selector of a row of its tree."""

    name: str
    address: Callable[[Run], str]
    row: str


def main(phoenix: Path = Path("phoenix"), rounds: int = ROUNDS) -> None:
    """Compare the page with that of Phoenix, whose executable is named: it must be in an environment of its own."""
    os.environ["POWERTOOLS_LOG_LEVEL"] = "ERROR"  # before a module reads it
    out = console()
    path = chromium.executable()
    if path is None:
        out.print("This needs Chromium: install the package chromium.")
        raise SystemExit(1)
    page_files.build()
    start_ns = time.time_ns() - 3600 * 10**9
    run, large = agent_run("agent", start_ns, _SESSION), large_run("large", start_ns, "year")
    runs = [run, large, *conversation(_SESSION, start_ns + 600 * 10**9)]
    with deployed(out.print) as deployment, serving(Template(), listening(0)) as base, _phoenix(phoenix) as other:
        user = deployment.user("reader")
        for each in runs:
            _send(base, each, {"authorization": f"Bearer {user.token}"})
            _send(other, each, {})
        sites = (
            Site(
                "tracestore",
                lambda each: f"{base}/traces/t/{each.trace_id.hex()}#token={user.token}",
                ".tree [role=row]",
            ),
            Site("Phoenix", lambda each: f"{other}/redirects/traces/{each.trace_id.hex()}", ".span-node__heading"),
        )
        with chromium.launched(path) as browser:
            out.print(_times(browser, sites, {"41 spans": run, "1,000 spans": large}, rounds))
            out.print(_answers(browser, sites, run))


def _times(browser: Any, sites: tuple[Site, ...], runs: Mapping[str, Run], rounds: int) -> Any:
    rows = table("Until the tree can be read", *(f"{site.name}, {unit}" for site in sites for unit in ("ms", "KB")))
    for name, run in runs.items():
        cells = []
        for site in sites:
            loads = [_load(browser, site, run) for _ in range(rounds + 1)][1:]
            cells += [f"{statistics.median(values):,.0f}" for values in zip(*loads, strict=True)]
        rows.add_row(name, *cells)
    return rows


def _load(browser: Any, site: Site, run: Run) -> tuple[float, float]:
    """Milliseconds until the first row of the tree is visible in a new context, and the kilobytes until then."""
    with _opened(browser) as (page, received):
        began = time.monotonic()
        page.goto(site.address(run), wait_until="commit")
        page.locator(site.row).first.wait_for(timeout=_READABLE_MS)
        return (time.monotonic() - began) * 1e3, sum(received) / 1e3


def _answers(browser: Any, sites: tuple[Site, ...], run: Run) -> Any:
    rows = table("Interactions", *(site.name for site in sites))
    sums = [0, 0]
    for question in QUESTIONS:
        cells = []
        for index, (site, path) in enumerate(zip(sites, (question.here, question.there), strict=True)):
            with _opened(browser) as (page, _):
                page.goto(site.address(run), wait_until="commit")
                page.locator(site.row).first.wait_for(timeout=_READABLE_MS)
                page.wait_for_timeout(3_000)
                count = _interactions(page, path)
            sums[index] += count or 0
            cells.append("not answered" if count is None else str(count))
        rows.add_row(question.text, *cells)
    rows.add_section()
    rows.add_row("all", *(str(total) for total in sums))
    return rows


def _interactions(page: Any, path: Callable[[Hand], Any]) -> int | None:
    """The interactions until the answer is visible. *absent*: None if it does not become visible."""
    from playwright.sync_api import Error, expect

    hand = Hand(page)
    try:
        expect(path(hand)).to_be_in_viewport(ratio=0.5, timeout=_ANSWER_MS)
    except (AssertionError, Error):
        return None
    return hand.interactions


def _send(base: str, run: Run, headers: Mapping[str, str]) -> None:
    content_type = {"content-type": "application/x-protobuf"}
    httpx.post(
        f"{base}/v1/traces", content=run.body, headers={**content_type, **headers}, timeout=60
    ).raise_for_status()


@contextmanager
def _phoenix(executable: Path) -> Iterator[str]:
    """A running Phoenix with an empty database, and its address."""
    with listening(0) as first, listening(0) as second:
        port, grpc_port = first.getsockname()[1], second.getsockname()[1]
    with TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            "PHOENIX_WORKING_DIR": folder,
            "PHOENIX_HOST": "127.0.0.1",
            "PHOENIX_PORT": str(port),
            "PHOENIX_GRPC_PORT": str(grpc_port),
            "PHOENIX_TELEMETRY_ENABLED": "false",
        }
        environment.pop("PYTHONPATH", None)
        process = subprocess.Popen(
            [executable, "serve"], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        base = f"http://127.0.0.1:{port}"
        try:
            deadline = time.monotonic() + _START_S
            while not _is_up(base):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit("Phoenix did not start.")
                time.sleep(1)
            yield base
        finally:
            process.terminate()
            process.wait(30)


def _is_up(base: str) -> bool:
    try:
        return httpx.get(base, timeout=5).is_success
    except httpx.HTTPError:
        return False


@contextmanager
def _opened(browser: Any) -> Iterator[tuple[Any, list[int]]]:
    """A page in a new context, with its bytes as they are received."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    cdp = context.new_cdp_session(page)
    received: list[int] = []
    cdp.send("Network.enable")
    cdp.on("Network.loadingFinished", lambda event: received.append(int(event["encodedDataLength"])))
    yield page, received
    context.close()
