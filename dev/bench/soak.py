"""Minutes of mixed traffic while a tenth of the requests to DynamoDB fail: nothing may be lost, doubled or miscounted.

Clients send again after a 503, as exporters do, and remember what was acknowledged. In the end everything is read back,
and the counters are compared with the traces. The faults reach the functions on the stream as well.
"""

import gc
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Annotated, Any, Final

import typer

from dev import streams, workloads
from dev.bench import report
from dev.bench.analytics import store_of_process
from dev.bench.deployment import User, deployed
from dev.bench.report import table
from dev.engines import EngineUnavailable
from dev.functions import Functions
from dev.template import Template
from tracestore.domain.times import NS_PER_DAY
from tracestore.storage.audit import audit
from tracestore.storage.deadline import Deadline
from tracestore.storage.dynamo import Client, Request, RequestFailed, Send, Unreachable

FAULTS: Final = ("throttled", "error 500", "cut before", "cut after")
CLIENTS: Final = 4
COUNTED_S: Final = 180
"""How long the functions on the stream may take to count the last changes."""

MEMORY_GROWTH: Final = 1.15
"""The most that the process may grow from a third of the time to its end, in which caches are full."""

_FAILURES: Final = {
    "throttled": RequestFailed("ProvisionedThroughputExceededException"),
    "error 500": RequestFailed("InternalServerError", status=500),
}


@dataclass
class Faults:
    """Failures of a share of the requests of a client: refused, broken, or cut before or after they took effect."""

    share: float
    is_on: bool = True
    counted: Counter[str] = field(default_factory=Counter)
    random: Random = field(default_factory=lambda: Random(0))
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, operation: str, request: Request, send: Send) -> Request:
        """Called in place of each request. *raises*: RequestFailed, Unreachable."""
        with self.lock:
            fault = self.random.choice(FAULTS) if self.is_on and self.random.random() < self.share else None
            if fault:
                self.counted[fault] += 1
        if fault is None:
            return send(operation, request)
        if fault in _FAILURES:
            raise RequestFailed(_FAILURES[fault].code, status=_FAILURES[fault].status)
        if fault == "cut after":
            send(operation, request)
        raise Unreachable(f"{operation} was cut")


@dataclass
class Ledger:
    """The record of one client: the acknowledged spans by trace, and the traces that it has deleted."""

    user: User
    spans: dict[str, set[str]] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)

    def note(self, request: list[dict[str, Any]]) -> None:
        """Take note of an acknowledged request."""
        for span in request:
            self.spans.setdefault(span["trace_id"], set()).add(span["span_id"])


def main(
    minutes: Annotated[float, typer.Option(min=0.1, help="How long the traffic lasts.")] = 5.0,
    share: Annotated[float, typer.Option(min=0, max=0.5, help="Share of the requests to DynamoDB that fail.")] = 0.1,
) -> None:
    """Check that no acknowledged span is lost or doubled, and that the counters are exact, while DynamoDB fails."""
    console = report.console()
    try:
        with deployed(console.print) as deployment:
            functions = Functions(Template())
            ledgers = [Ledger(deployment.user("client")) for _ in range(CLIENTS)]
            with (
                _failing(deployment.api_client, share) as faults,
                streams.delivering(Template(), deployment.client.meta.endpoint_url, functions.invoke),
            ):
                early_mb = _send_all(ledgers, minutes * 60)
                faults.is_on = False
                problems = [problem for ledger in ledgers for problem in _problems(ledger)]
                problems += [problem for ledger in ledgers for problem in _miscounted(ledger.user)]
                # Only now: the local stream keeps in memory what the functions have not counted yet.
                late_mb = _memory_mb()
    except EngineUnavailable as reason:
        console.print(f"DynamoDB Local cannot run here: {reason}.")
        raise typer.Exit(1) from reason
    if late_mb > early_mb * MEMORY_GROWTH:
        problems.append(f"memory grew from {early_mb:.0f} to {late_mb:.0f} MB")
    rows = table(f"{minutes:g} minutes", "")
    rows.add_row("acknowledged spans", f"{sum(len(s) for each in ledgers for s in each.spans.values()):,}")
    rows.add_row("deleted traces", f"{sum(len(each.deleted) for each in ledgers):,}")
    for fault in FAULTS:
        rows.add_row(f"faults: {fault}", f"{faults.counted[fault]:,}")
    rows.add_row("MB after a third, and at the end", f"{early_mb:.0f}, {late_mb:.0f}")
    console.print(rows)
    for problem in problems:
        console.print(f"[red]{problem}[/]")
    console.print("" if problems else "Nothing lost, nothing doubled, all counters exact.")
    if problems:
        raise typer.Exit(1)


@contextmanager
def _failing(client: Client, share: float) -> Iterator[Faults]:
    faults = Faults(share)
    client.interceptors.append(faults)
    try:
        yield faults
    finally:
        client.interceptors.remove(faults)


def _send_all(ledgers: list[Ledger], duration_s: float) -> float:
    """Send as all clients at once; the memory of the process in MB after a third of the time."""
    ends_s = time.monotonic() + duration_s
    with ThreadPoolExecutor(len(ledgers)) as pool:
        sending = [pool.submit(_send, ledger, seed, ends_s) for seed, ledger in enumerate(ledgers)]
        time.sleep(duration_s / 3)
        early_mb = _memory_mb()
        for each in sending:
            each.result()
    return early_mb


def _send(ledger: Ledger, seed: int, ends_s: float) -> None:
    """Traffic of one client: chats, agents, traces that grow, reads and deletions."""
    rng, number = Random(seed), seed * 10**6
    while time.monotonic() < ends_s:
        number += 1
        for request in _requests(rng, number):
            ledger.user.post(request)
            ledger.note(request)
            if rng.random() < 0.1:
                ledger.user.post(request)  # a repetition of what is stored already
        if rng.random() < 0.2:
            ledger.user.get(query="view=summary&limit=20")
        if rng.random() < 0.1:
            trace_id = rng.choice(sorted(ledger.spans))
            ledger.user.delete(f"/{trace_id}")
            ledger.deleted.add(trace_id)
            del ledger.spans[trace_id]


def _requests(rng: Random, number: int) -> Iterator[list[dict[str, Any]]]:
    """One trace in one or more requests, moved to yesterday: only counters within the retention can be audited."""
    shift = timedelta(days=(datetime.now(UTC) - workloads.BEGINNING).days - 1)
    for request in _as_generated(rng, number):
        yield [
            span | {name: _moved(span[name], shift) for name in ("start_time", "end_time") if name in span}
            for span in request
        ]


def _moved(time_text: str, shift: timedelta) -> str:
    return (datetime.fromisoformat(time_text) + shift).isoformat()


def _as_generated(rng: Random, number: int) -> Iterator[list[dict[str, Any]]]:
    match rng.choice(("chat", "agent", "drip")):
        case "chat":
            yield from workloads.single_chats(1, seed=number)
        case "agent":
            yield from workloads.agents(1, turns=2, seed=number)
        case _:
            yield from workloads.drip(turns=3, seed=number)


def _problems(ledger: Ledger) -> Iterator[str]:
    """The differences: acknowledged and not stored, stored and not sent, or stored twice."""
    stored: Counter[tuple[str, str]] = Counter()
    cursor = ""
    while cursor is not None:
        page = ledger.user.get(query="view=summary&limit=1000" + (f"&cursor={cursor}" if cursor else ""))
        for trace_id in (trace["trace_id"] for trace in page["traces"]):
            trace = ledger.user.get(f"/{trace_id}", "payloads=false")["trace"]
            stored.update((trace_id, span_id) for span_id in _span_ids(trace["spans"]))
        cursor = page["next_cursor"]
    sent = {(trace_id, span_id) for trace_id, spans in ledger.spans.items() for span_id in spans}
    for name, spans in (
        ("lost", sent - stored.keys()),
        ("stored without having been sent", stored.keys() - sent),
        ("stored twice", {span for span, count in stored.items() if count > 1}),
    ):
        if spans:
            yield f"{len(spans)} spans {name}, such as {min(spans)}"


def _span_ids(spans: list[dict[str, Any]]) -> Iterator[str]:
    stack = list(spans)
    while stack:
        span = stack.pop()
        yield span["span_id"]
        stack += span["children"]


def _miscounted(user: User) -> Iterator[str]:
    """The counters that are not exact after the functions on the stream had time to count everything."""
    scope = store_of_process().scope(user.user_id, Deadline.never())
    ends_s = time.monotonic() + COUNTED_S
    while True:
        now_ns = time.time_ns()
        found = audit(scope, now_ns - now_ns % NS_PER_DAY - 7 * NS_PER_DAY, now_ns, moving_ms=0)
        if (found.is_clean and not found.moving) or time.monotonic() > ends_s:
            break
        time.sleep(2)
    if not found.heads:
        yield "no trace is counted, so the audit has compared nothing"
    if not found.is_clean:
        yield f"{len(found.findings)} of {found.counters} counters are wrong"
    if found.dead_letters:
        yield f"{found.dead_letters} changes could not be counted"


def _memory_mb() -> float:
    """The memory of this process. *absent*: 0 where the system has no /proc."""
    gc.collect()
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE") / 1e6
    except OSError:
        return 0.0
