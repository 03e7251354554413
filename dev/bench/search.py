"""The cost of a search in payloads, which reads every payload of its range, page by page."""

import time
from typing import Any, Final
from urllib.parse import urlencode

from rich.console import Console

from dev import workloads
from dev.bench.deployment import Deployment, User
from dev.bench.meter import Meter
from dev.bench.report import rated, table

_PAGE_UNITS_MOST: Final = 2_000 * 1.05
"""Read units of one page: its budget, and the last trace that it began to read."""

_WORDS: Final = "the word that one trace contains"


def report_search(console: Console, deployment: Deployment, meter: Meter, count: int) -> None:
    """Print the capacity units of searching for a text in the payloads of `count` traces, over all pages."""
    user = deployment.user("searcher")
    for number, spans in enumerate(workloads.single_chats(count, seed=2)):
        if number == count // 2:
            spans[0]["output_data"]["messages"][0]["parts"][0]["text"] += f" {_WORDS}"
        user.post(spans)
    rows = table(
        f"Search in the payloads of {count:,} traces",
        "read units",
        "each",
        "pages",
        "most in a page",
        "target",
        "ms",
        "found",
    )
    for name, query in (
        ("a text of one trace", {"search": _WORDS, "search_in": "payload"}),
        ("a text of no trace", {"search": _WORDS[::-1], "search_in": "payload"}),
        ("the same in previews only", {"search": _WORDS}),
    ):
        meter.take()
        began, found = time.perf_counter(), 0
        units: list[float] = []
        for page in _pages(user, {**query, "view": "summary"}):
            units.append(meter.take().read_units)
            found += len(page["traces"])
        rows.add_row(
            name,
            f"{sum(units):,.0f}",
            f"{sum(units) / count:.2f}",
            str(len(units)),
            rated(max(units), _PAGE_UNITS_MOST),
            f"≤ {_PAGE_UNITS_MOST:,.0f}",
            f"{(time.perf_counter() - began) * 1000:,.0f}",
            str(found),
        )
    console.print(rows)


def _pages(user: User, query: dict[str, Any]) -> Any:
    cursor: str | None = ""
    while cursor is not None:
        page = user.get(query=urlencode({**query, "cursor": cursor} if cursor else query))
        yield page
        cursor = page["next_cursor"]
