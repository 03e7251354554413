"""The page next to that of Phoenix: the same traces by OTLP, the same browser, the same run.

Measured are the time until the tree of a trace can be read, the bytes received, and how many interactions answer ten
questions about a run of an agent. The pages take turns, so that a machine that is busy for a while slows both; the
results are medians over the rounds.
"""

import shutil
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from dev import chromium, page_files
from dev.bench import peer_servers
from dev.bench.agent_run import Run, agent_run, conversation, large_run
from dev.bench.deployment import deployed
from dev.bench.page_questions import QUESTIONS, Unanswered, interactions
from dev.bench.page_questions import Path as QuestionPath
from dev.bench.report import console, table
from dev.server import listening, serving
from dev.template import Template

ROUNDS: Final = 3
_READABLE_MS: Final = 240_000
"""The trace of 1,000 spans takes Phoenix most of a minute on two busy cores."""
_SETTLED_MS: Final = 3_000
"""A reader has looked at the page for so long before the first interaction."""
_SESSION: Final = "trip-7"


@dataclass(frozen=True)
class Site:
    """A page with the address of each trace, and the selector of a row of its tree."""

    name: str
    address: Callable[[Run], str]
    row: str


def main(phoenix: Path = Path("phoenix"), rounds: int = ROUNDS) -> None:
    """Compare the page with that of Phoenix, whose executable is named: it must be in an environment of its own."""
    out = console()
    path = chromium.executable()
    if path is None:
        out.print("This needs Chromium: install the package chromium.")
        raise SystemExit(1)
    installed = shutil.which(phoenix)
    if installed is None:
        out.print(f"There is no executable {phoenix}: name that of Phoenix with --phoenix.")
        raise SystemExit(1)
    page_files.build()
    start_ns = time.time_ns() - 3600 * 10**9
    run, large = agent_run("agent", start_ns, _SESSION), large_run("large", start_ns, "year")
    runs = [run, large, *conversation(_SESSION, start_ns + 600 * 10**9)]
    with (
        deployed(out.print) as deployment,
        serving(Template(), listening(0)) as base,
        peer_servers.phoenix(Path(installed).absolute()) as other,
    ):
        user = deployment.user("reader")
        for each in runs:
            _send(base, each, {"authorization": f"Bearer {user.token}"})
            _send(other.base, each, {})
        sites = (
            Site(
                "tracestore",
                lambda each: f"{base}/traces/t/{each.trace_id.hex()}#token={user.token}",
                ".tree [role=row]",
            ),
            Site("Phoenix", lambda each: f"{other.base}/redirects/traces/{each.trace_id.hex()}", ".span-node__heading"),
        )
        with chromium.launched(path) as browser:
            out.print(_times(browser, sites, {"41 spans": run, "1,000 spans": large}, rounds))
            out.print(_answers(browser, sites, run, rounds))


def _times(browser: Any, sites: tuple[Site, ...], runs: Mapping[str, Run], rounds: int) -> Any:
    title = f"Until the tree can be read, medians of {rounds}"
    rows = table(title, *(f"{site.name}, {unit}" for site in sites for unit in ("ms", "KB")), "ratios")
    for name, run in runs.items():
        loads = [[_load(browser, site, run) for site in sites] for _ in range(rounds + 1)][1:]  # the first is a warm-up
        medians = [
            [statistics.median(values) for values in zip(*of_site, strict=True)] for of_site in zip(*loads, strict=True)
        ]
        ratios = (f"{there / here:.1f}" for here, there in zip(*medians, strict=True))
        rows.add_row(name, *(f"{value:,.0f}" for values in medians for value in values), ", ".join(ratios))
    return rows


def _load(browser: Any, site: Site, run: Run) -> tuple[float, float]:
    """Milliseconds until the first row of the tree is visible in a new context, and the kilobytes until then."""
    with chromium.opened(browser) as (page, _, received):
        began = time.monotonic()
        page.goto(site.address(run), wait_until="commit")
        page.locator(site.row).first.wait_for(timeout=_READABLE_MS)
        return (time.monotonic() - began) * 1e3, sum(received) / 1e3


def _answers(browser: Any, sites: tuple[Site, ...], run: Run, rounds: int) -> Any:
    rows = table(f"Interactions, medians of {rounds}", *(site.name for site in sites))
    sums = dict.fromkeys((site.name for site in sites), 0.0)
    with chromium.opened(browser) as (page, _, _):
        page.add_init_script("localStorage.clear()")  # what one question has set must not help the next
        for question in QUESTIONS:
            results: dict[str, list[int | Unanswered]] = {site.name: [] for site in sites}
            for _round in range(rounds):
                for site, path in zip(sites, (question.here, question.there), strict=True):
                    results[site.name].append(_asked(page, site, run, path))
            cells = []
            for name, of_site in results.items():
                counts = [result for result in of_site if not isinstance(result, Unanswered)]
                reasons = [result for result in of_site if isinstance(result, Unanswered)]
                if len(counts) > len(reasons):
                    sums[name] += statistics.median(counts)
                    cells.append(f"{statistics.median(counts):g}")
                else:
                    cells.append(f"not answered: {reasons[-1]}")
            rows.add_row(question.text, *cells)
    rows.add_section()
    rows.add_row("all", *(f"{total:g}" for total in sums.values()))
    return rows


def _asked(page: Any, site: Site, run: Run, path: QuestionPath) -> int | Unanswered:
    """The interactions that answer a question, from the trace as it is opened, or why it is not answered."""
    page.goto("about:blank")
    page.goto(site.address(run), wait_until="commit")
    page.locator(site.row).first.wait_for(timeout=_READABLE_MS)
    page.wait_for_timeout(_SETTLED_MS)
    try:
        return interactions(page, path)
    except Unanswered as reason:
        return reason


def _send(base: str, run: Run, headers: Mapping[str, str]) -> None:
    content_type = {"content-type": "application/x-protobuf"}
    httpx.post(
        f"{base}/v1/traces", content=run.body, headers={**content_type, **headers}, timeout=60
    ).raise_for_status()
