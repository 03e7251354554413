"""Minutes of mixed traffic while a tenth of the requests to DynamoDB fail: nothing may be lost, doubled or miscounted.

Clients send again after a 503, as exporters do, and remember what was acknowledged. In the end everything is read back,
and the counters are compared with the traces. The faults reach the functions on the stream as well.

Memory is compared at two quiet moments, after a third of the traffic and after all of it: no request is under way, and
every change is counted. Compared is what Python has allocated and not freed. The size of the process also grows where
nothing leaks: of 23 MB in 80 seconds, 3 were in use, by delta bases and by records that the local stream
had not delivered yet.
"""

import gc
import os
import threading
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Annotated, Any, Final

import typer

from dev import streams, workloads
from dev.bench import report
from dev.bench.deployment import User, deployed, store_of_process
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

FILLED_BYTES: Final = 1_000_000
"""Memory that caches of a fixed number of entries may fill between the two moments."""

LEAKED_BYTES: Final = 100
"""The most that may stay in use for each further acknowledged span. A list of the ids of all spans would be more."""

MEMORY_GROWTH: Final = 1.25
"""The most that the process may grow between the two moments, caches left out: what leaks outside of Python's memory
shows here only."""

_OWN: Final = ("*/dev/*", "*/boto3/*", "*/botocore/*", "*/tracemalloc.py")
"""Files whose memory is that of the benchmark: the record of what was sent, and the reader of the local stream."""

_FAILURES: Final[dict[str, Callable[[], RequestFailed]]] = {
    "throttled": lambda: RequestFailed("ProvisionedThroughputExceededException"),
    "error 500": lambda: RequestFailed("InternalServerError", status=500),
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
            raise _FAILURES[fault]()
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
            tracemalloc.start()
            with (
                _failing(deployment.api_client, share) as faults,
                streams.delivering(Template(), deployment.client.meta.endpoint_url, functions.invoke),
            ):
                problems, memory = [], []
                for part, seconds in enumerate((minutes * 20, minutes * 40)):
                    faults.is_on = True
                    _send_all(ledgers, seconds, part)
                    faults.is_on = False
                    problems += [problem for ledger in ledgers for problem in _miscounted(ledger.user)]
                    memory.append(_memory(ledgers))
                problems += [problem for ledger in ledgers for problem in _problems(ledger)]
    except EngineUnavailable as reason:
        console.print(f"DynamoDB Local cannot run here: {reason}.")
        raise typer.Exit(1) from reason
    early, late = memory
    if late.used_bytes - early.used_bytes > FILLED_BYTES + LEAKED_BYTES * (late.spans - early.spans):
        problems.append(f"more memory stays in use than caches account for: {late.largest_since(early)}")
    if late.process_without_caches_mb > early.process_without_caches_mb * MEMORY_GROWTH:
        problems.append(f"the process grew from {early.process_mb:.0f} to {late.process_mb:.0f} MB")
    rows = table(f"{minutes:g} minutes", "")
    rows.add_row("deleted traces", f"{sum(len(each.deleted) for each in ledgers):,}")
    for fault in FAULTS:
        rows.add_row(f"faults: {fault}", f"{faults.counted[fault]:,}")
    rows.add_row("acknowledged spans after a third, and at the end", f"{early.spans:,}, {late.spans:,}")
    rows.add_row("MB in use", f"{early.used_bytes / 1e6:.1f}, {late.used_bytes / 1e6:.1f}")
    rows.add_row("… by delta bases and recent traces", f"{early.cached_bytes / 1e6:.1f}, {late.cached_bytes / 1e6:.1f}")
    rows.add_row("MB of the process", f"{early.process_mb:.0f}, {late.process_mb:.0f}")
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


def _send_all(ledgers: list[Ledger], duration_s: float, part: int) -> None:
    """Send as all clients at once, in each part of the time other traces."""
    ends_s = time.monotonic() + duration_s
    with ThreadPoolExecutor(len(ledgers)) as pool:
        seeds = range(part * CLIENTS, (part + 1) * CLIENTS)
        for each in [pool.submit(_send, *client, ends_s) for client in zip(ledgers, seeds, strict=True)]:
            each.result()


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


@dataclass(frozen=True)
class Memory:
    """The memory at one moment: in use by the lines of the code, except the benchmark's own, and of the process.

    *absent*: `process_mb` is 0 where the system has no /proc.
    """

    spans: int
    by_line: Mapping[str, int]
    cached_bytes: int
    process_mb: float

    @property
    def used_bytes(self) -> int:
        """The memory in use, without that of delta bases and remembered traces, which stay below limits."""
        return sum(self.by_line.values()) - self.cached_bytes

    @property
    def process_without_caches_mb(self) -> float:
        """The memory of the process, without the same."""
        return self.process_mb - self.cached_bytes / 1e6

    def largest_since(self, earlier: "Memory") -> str:
        """The lines whose memory has grown most."""
        grown = {line: size - earlier.by_line.get(line, 0) for line, size in self.by_line.items()}
        most = sorted(grown, key=lambda line: -grown[line])[:5]
        return "; ".join(f"{line} {grown[line] / 1e3:+.0f} KB" for line in most)


def _memory(ledgers: list[Ledger]) -> Memory:
    gc.collect()
    process_mb = _process_mb()  # before the snapshot, which is large itself
    own = [tracemalloc.Filter(inclusive=False, filename_pattern=pattern) for pattern in _OWN]
    lines = tracemalloc.take_snapshot().filter_traces(own).statistics("lineno")
    spans = sum(len(span_ids) for each in ledgers for span_ids in each.spans.values())
    by_line = {str(line.traceback): line.size for line in lines}
    store = store_of_process()
    cached_bytes = store.delta_bases.memory_bytes + store.recent_traces.memory_bytes
    return Memory(spans, by_line, cached_bytes, process_mb)


def _process_mb() -> float:
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE") / 1e6
    except OSError:
        return 0.0
