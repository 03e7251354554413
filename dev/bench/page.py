"""The speed of the page in headless Chromium, as ratios against a bare page of the same run."""

import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from dev import chromium, page_files
from dev.bench.deployment import User, deployed
from dev.bench.report import console, rated, table
from dev.server import listening, serving
from dev.template import Template

Span = dict[str, Any]

ROUNDS: Final = 5
STEP_PX: Final = 420
STEPS: Final = 60

SCRIPT_MOST_S: Final = 1.0
"""Script time until a trace of 10,000 spans can be used."""

FRAME_MOST_MS: Final = 50.0
"""The longest frame while 10,000 rows are scrolled."""

STEP_SCRIPT_MOST_MS: Final = 4.0
"""Script time of a scroll step of 420 px."""

_FRAMES: Final = """async ([selector, step, steps]) => {
  const box = document.querySelector(selector);
  const frames = [];
  let last = performance.now();
  for (let index = 0; index < steps; index++) {
    box.scrollTop += step;
    await new Promise(requestAnimationFrame);
    const now = performance.now();
    frames.push(now - last);
    last = now;
  }
  return frames;
}"""


@dataclass(frozen=True)
class Load:
    """One load of a view: the time to its first row, the time of its scripts, its heap, and the bytes received."""

    first_row_ms: float
    script_s: float
    heap_mb: float
    received_kb: float


def main(rounds: int = ROUNDS) -> None:
    """Time to the first row, script time, heap and bytes of each view, and frames while scrolling 10,000 rows."""
    out = console()
    path = chromium.executable()
    if path is None:
        out.print("This needs Chromium: install the package chromium.")
        raise SystemExit(1)
    page_files.build()
    with deployed(out.print) as deployment:
        user = deployment.user("reader")
        views = _loaded(user)
        with serving(Template(), listening(0)) as base, chromium.launched(path) as browser:
            bare = _measured(browser, base, "/healthz", "body", user.token, rounds)
            rows = table("View", "first row", "bare", "ratio", "script s", "target", "heap MB", "KB")
            for name, (address, selector) in views.items():
                load = _measured(browser, base, address, selector, user.token, rounds)
                is_large = name.startswith("trace of 10")
                rows.add_row(
                    name,
                    f"{load.first_row_ms:,.0f} ms",
                    f"{bare.first_row_ms:,.0f} ms",
                    f"{load.first_row_ms / bare.first_row_ms:.1f}",
                    rated(load.script_s, SCRIPT_MOST_S) if is_large else f"{load.script_s:.2f}",
                    f"≤ {SCRIPT_MOST_S:.0f}" if is_large else "",
                    f"{load.heap_mb:.1f}",
                    f"{load.received_kb:,.0f}",
                )
            out.print(rows)
            frames, script_ms = _scrolled(browser, base, views["trace of 10,000 spans"][0], user.token)
            rows = table("Scrolling 10,000 rows", "value", "target")
            rows.add_row("longest frame", f"{rated(max(frames), FRAME_MOST_MS)} ms", f"≤ {FRAME_MOST_MS:.0f} ms")
            rows.add_row("median frame", f"{statistics.median(frames):.1f} ms", "")
            step = f"{rated(script_ms, STEP_SCRIPT_MOST_MS)} ms"
            rows.add_row(f"script of a step of {STEP_PX} px", step, f"≤ {STEP_SCRIPT_MOST_MS:.0f} ms")
            out.print(rows)


def _loaded(user: User) -> dict[str, tuple[str, str]]:
    """The views with their addresses and the selector of their first row, after their traces were sent."""
    start = datetime.now(UTC) - timedelta(hours=2)
    for number in range(50):
        user.post(_trace(f"list-{number}", start + timedelta(seconds=number), groups=1, steps=4))
    user.post(_trace("agent-41", start, groups=4, steps=9))
    large = _trace("large-10000", start, groups=101, steps=98)[:10_000]
    for first in range(0, len(large), 1_000):
        user.post(large[first : first + 1_000])
    history: list[Any] = []
    for turn in range(50):
        history.append(
            {"role": "user", "parts": [{"type": "text", "text": f"Question {turn}. " + "What is this? " * 40}]}
        )
        reply = {"role": "assistant", "parts": [{"type": "text", "text": f"Answer {turn}. " + "It is a tent. " * 60}]}
        root = _span(
            f"turn-{turn}", "root", None, start + timedelta(minutes=turn), "completion", conversation_id="fifty"
        )
        user.post([{**root, "input_data": {"messages": list(history)}, "output_data": {"messages": [reply]}}])
        history.append(reply)
    node = ".tree [role=row]"
    return {
        "list of 50": ("/traces?range=24h", ".traces [aria-selected]"),
        "trace of 41 spans": ("/traces/t/agent-41", node),
        "trace of 10,000 spans": ("/traces/t/large-10000", node),
        "conversation of 50 turns": ("/traces/c/fifty", ".turn"),
    }


def _span(trace_id: str, span_id: str, parent: str | None, start: datetime, kind: str, **fields: Any) -> Span:
    made = {
        "trace_id": trace_id,
        "span_id": span_id,
        "span_name": f"{kind}.step",
        "operation_type": kind,
        "start_time": start.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "duration_ms": 35,
        **(
            {"model_name": "gpt-4o-mini", "model_provider": "openai", "input_tokens": 120, "output_tokens": 30}
            if kind == "completion"
            else {}
        ),
        **({"parent_span_id": parent} if parent else {}),
    }
    return {**made, **fields}


def _trace(trace_id: str, start: datetime, *, groups: int, steps: int) -> list[Span]:
    """An agent with `groups` agents below it, each with `steps` calls of models and tools."""
    spans = [_span(trace_id, "root", None, start, "agent", duration_ms=groups * steps * 40)]
    for group in range(groups):
        at = start + timedelta(milliseconds=group * steps * 40)
        spans.append(_span(trace_id, f"g{group}", "root", at, "agent", duration_ms=steps * 40))
        for step in range(steps):
            kind = "completion" if step % 2 == 0 else "tool_call"
            said = {"output_data": {"text": f"result {group}.{step}"}}
            spans.append(
                _span(trace_id, f"g{group}s{step}", f"g{group}", at + timedelta(milliseconds=step * 40), kind, **said)
            )
    return spans


def _measured(browser: Any, base: str, address: str, selector: str, token: str, rounds: int) -> Load:
    """The median of several loads in fresh contexts, after one that is not counted."""
    loads = [_load(browser, base, address, selector, token) for _ in range(rounds + 1)][1:]
    return Load(*(statistics.median(getattr(load, name) for load in loads) for name in Load.__dataclass_fields__))


def _load(browser: Any, base: str, address: str, selector: str, token: str) -> Load:
    with _opened(browser, base, address, selector, token) as (page, devtools, received):
        first_row_ms = page.evaluate("performance.now()")
        page.wait_for_load_state("networkidle")
        metrics = _metrics(devtools)
        return Load(first_row_ms, metrics["ScriptDuration"], metrics["JSHeapUsedSize"] / 1e6, sum(received) / 1e3)


def _scrolled(browser: Any, base: str, address: str, token: str) -> tuple[list[float], float]:
    """The frames of scrolling through all rows, in milliseconds, and the script time of a step."""
    with _opened(browser, base, address, ".tree [role=row]", token) as (page, devtools, _):
        page.wait_for_load_state("networkidle")
        page.get_by_role("button", name="Expand all").click()
        page.wait_for_timeout(500)
        before_s = _metrics(devtools)["ScriptDuration"]
        frames: list[float] = page.evaluate(_FRAMES, [".window.tree", STEP_PX, STEPS])
        return frames, (_metrics(devtools)["ScriptDuration"] - before_s) / STEPS * 1e3


def _metrics(devtools: Any) -> dict[str, float]:
    """The measurements of Chromium about a page, by name. Times are in seconds."""
    return {metric["name"]: metric["value"] for metric in devtools.send("Performance.getMetrics")["metrics"]}


@contextmanager
def _opened(browser: Any, base: str, address: str, selector: str, token: str) -> Iterator[tuple[Any, Any, list[int]]]:
    """A view in a fresh context, when its first row is there; with its bytes as they are received."""
    with chromium.opened(browser) as (page, devtools, received):
        devtools.send("Performance.enable")
        page.goto(f"{base}{address}#token={token}")
        page.wait_for_selector(selector)
        yield page, devtools, received
