"""The cost of keeping counters, and of reading a dashboard, which must not depend on the number of spans.

Keeping: heads of the capacity benchmark's agents are applied as the rollup function does, in batches of several sizes.
Reading: two users have counters of the same 30 days, one of them with a hundred times as many spans. The store's own
code adds them up from traces that differ in time alone. Then every route is requested for all 30 days.
"""

import statistics
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from random import Random
from typing import Annotated, Final, NamedTuple

import typer
from rich.console import Console

from dev import workloads
from dev.bench import report
from dev.bench.deployment import Deployment, User, changes_of, deployed, store_of_process
from dev.bench.meter import Meter, metered, write_units_of
from dev.bench.report import rated, table
from dev.engines import EngineUnavailable
from tracestore.domain.buckets import ConversationTarget, Target
from tracestore.domain.contributions import contributions_of
from tracestore.domain.counters import COUNTERS, ConversationCounter, Counter, ValueCounter
from tracestore.domain.dimensions import MARGINALS
from tracestore.domain.heads import Summary
from tracestore.domain.pseudonyms import Pseudonym
from tracestore.domain.stats import QUARTER_NS, QUARTERS_IN_HOUR, Stats
from tracestore.domain.times import NS_PER_DAY, NS_PER_MS, format_time
from tracestore.storage import keys
from tracestore.storage.activity import Activity, activity_items
from tracestore.storage.counters import apply, counter_item
from tracestore.storage.deadline import Deadline
from tracestore.storage.deltas import Change
from tracestore.storage.items import head_item, summary_from
from tracestore.storage.model import Head, Item
from tracestore.storage.store import Store

DAYS: Final = 30
SPANS_A_TRACE: Final = 5
KINDS_OF_TRACE: Final = 200
CONVERSATIONS: Final = 1_000
FLAT: Final = 1.1
DAY_S: Final = 86_400
MS_PER_HOUR: Final = 3_600_000
_ROUTES: Final = (
    "metrics",
    "metrics?group_by=model_name",
    "metrics?group_by=service_name",
    "metrics?group_by=end_user_id",
    "metrics?group_by=service_name&timezone=America/New_York",
    "errors",
    "providers",
    "heatmap",
    "costs",
    "anomalies",
    "conversations",
    "facets",
)


class Reading(NamedTuple):
    """The read units of one route, and the median of its times in ms."""

    units: float
    took_ms: float


def main(
    spans: Annotated[int, typer.Option(min=1000, help="Spans of the smaller user.")] = 10_000,
    times: Annotated[int, typer.Option(min=2, help="How many times as many the larger one has.")] = 100,
    repeats: Annotated[int, typer.Option(min=1, help="How often each route is timed.")] = 7,
) -> None:
    """Measure the write units of the counters, and the read units and times of every analytics route over 30 days."""
    console = report.console()
    began = time.monotonic()
    try:
        with deployed(console.print) as deployment, metered(deployment.api_client) as meter:
            summaries = _report_keeping(console, deployment, meter)
            _report_reading(console, deployment, meter, summaries, (spans, spans * times), repeats)
    except EngineUnavailable as reason:
        console.print(f"DynamoDB Local cannot run here, and only it reports capacity: {reason}.")
        raise typer.Exit(1) from reason
    console.print(f"{time.monotonic() - began:.0f} s. Units as DynamoDB Local reports them.")


def _report_keeping(console: Console, deployment: Deployment, meter: Meter) -> list[Summary]:
    """Print the cost of counting; return the summaries that were counted."""
    rows = table("Counting, in batches of", "traces", "spans", "write units", "a thousand spans", "read units", "calls")
    summaries: list[Summary] = []
    requests = list(workloads.agents(KINDS_OF_TRACE, turns=2))
    for size in (1, 10, 50, 200):
        user = deployment.user("counted")
        for number in range(0, len(requests), 20):
            user.post([span for request in requests[number : number + 20] for span in request])
        store = store_of_process()
        changes = list(changes_of(store, user))
        meter.take()
        for number in range(0, len(changes), size):
            apply(store, "shard", changes[number : number + size], Deadline.never())
        consumed, count = meter.take(), len(changes) * SPANS_A_TRACE
        rows.add_row(
            f"{size} traces",
            f"{len(changes):,}",
            f"{count:,}",
            f"{consumed.write_units:,.0f}",
            f"{consumed.write_units / count * 1000:,.0f}",
            f"{consumed.read_units:,.0f}",
            f"{consumed.call_count:,}",
        )
        summaries = [summary for change in changes if change.new and (summary := summary_from(change.new))]
    console.print(rows)
    return summaries


def _report_reading(
    console: Console,
    deployment: Deployment,
    meter: Meter,
    summaries: list[Summary],
    sizes: tuple[int, int],
    repeats: int,
) -> None:
    today = time.time_ns() // NS_PER_DAY
    users = []
    for spans in sizes:
        user = deployment.user("dashboard")
        began = time.monotonic()
        store, user_pk = store_of_process(), keys.user(user.user_id)
        pseudonym = partial(store.pseudonym, user_pk)
        traces = _Traces(summaries, spans // SPANS_A_TRACE, (today - DAYS) * NS_PER_DAY, pseudonym)
        counters = traces.counters()
        items = [counter_item(store, user_pk, target, counter) for target, counter in counters.items()]
        items += activity_items(user_pk, "bench", activities_of(counters))
        heads = traces.heads(user.user_id, counters.values())
        store.table.write([*items, *heads], deadline=Deadline(time_left_s=lambda: 1e9))
        copies = _settled_days(store, user.user_id, summaries[0])
        console.print(
            f"{spans:,} spans: {len(items):,} counters, made in {time.monotonic() - began:.0f} s; "
            f"{len(copies):,} marginal days, written once for {sum(map(write_units_of, copies)):,} units"
        )
        users.append(user)
    rows = table(
        f"{DAYS} days of",
        *(f"units of {spans:,}" for spans in sizes),
        "ratio",
        *(f"ms of {spans:,}" for spans in sizes),
        "ratio",
    )
    sums = [0.0, 0.0, 0.0, 0.0]
    window = {"start_date": (today - DAYS) * NS_PER_DAY, "end_date": today * NS_PER_DAY}
    for route in _ROUTES:
        path, _, parameters = route.partition("?")
        ranged = (
            [] if path in ("conversations",) else [f"{name}={format_time(time_ns)}" for name, time_ns in window.items()]
        )
        query = "&".join([*ranged, *filter(None, [parameters])])
        few, many = _read_in_turn(meter, users, path, query, repeats)
        readings = (few.units, many.units, few.took_ms, many.took_ms)
        sums = [total + reading for total, reading in zip(sums, readings, strict=True)]
        rows.add_row(route, *_cells(*readings))
    rows.add_row("all of them", *_cells(*sums))
    console.print(rows)


def _settled_days(store: Store, user_id: str, summary: Summary) -> list[Item]:
    """The marginal days that batches of the present write, where the days before have been quiet for a day."""
    user_pk, now_ns = keys.user(user_id), store.now_ms() * NS_PER_MS
    present = replace(_moved(summary, now_ns), conversation_id=None)
    yesterday = replace(store, now_ms=lambda: now_ns // NS_PER_MS - 28 * MS_PER_HOUR)
    position, expires_at_s = keys.cursor_position(now_ns, ""), now_ns // 10**9 + DAYS * DAY_S
    for number in range(DAYS):
        trace_id = f"present{number}"
        head = head_item(user_id, trace_id, Head(1, "0", expires_at_s, position, 0, 0, summary=present), time_shards=1)
        changes = [Change(number, keys.trace(user_id, trace_id), None, head)]
        apply(store if number else yesterday, "shard", changes, Deadline.never())
    starts = [now_ns - age * NS_PER_DAY for age in range(2 * DAYS)]
    partitions = {keys.marginal_day(user_pk, name, start_ns)[0] for name in MARGINALS for start_ns in starts}
    return [item for pk in sorted(partitions) for item in store.table.query(pk)]


def _read_in_turn(meter: Meter, users: list[User], path: str, query: str, repeats: int) -> list[Reading]:
    """Send the same request by each user in turn, so that other load on the machine affects both."""
    units = [0.0] * len(users)
    took: list[list[float]] = [[] for _ in users]
    for _ in range(repeats + 1):  # the first warms up
        for index, user in enumerate(users):
            meter.take()
            began = time.perf_counter()
            user.ask(path, query)
            took[index].append((time.perf_counter() - began) * 1000)
            units[index] = meter.take().read_units
    return [Reading(units[index], statistics.median(took[index][1:])) for index in range(len(users))]


def _cells(few_units: float, many_units: float, few_ms: float, many_ms: float) -> Iterator[str]:
    yield from (f"{few_units:,.1f}", f"{many_units:,.1f}", rated(many_units / max(few_units, 0.5), FLAT))
    yield from (f"{few_ms:,.0f}", f"{many_ms:,.0f}", rated(many_ms / few_ms, FLAT))


class _Traces:
    """A number of traces like the given ones, scattered over the days. Each is the same whenever it is requested."""

    def __init__(self, summaries: list[Summary], count: int, from_ns: int, pseudonym: Pseudonym) -> None:
        self.count = count
        self._pseudonym = pseudonym
        self._summaries = summaries
        self._from_ns = from_ns
        self.expires_at_s = (from_ns + 2 * DAYS * NS_PER_DAY) // 10**9

    def summary(self, number: int) -> Summary:
        rng = Random(number)
        start_ns = self._from_ns + rng.randrange(DAYS * NS_PER_DAY // QUARTER_NS) * QUARTER_NS
        moved = _moved(self._summaries[number % len(self._summaries)], start_ns)
        return replace(moved, conversation_id=f"conv-{rng.randrange(CONVERSATIONS)}")

    def counters(self) -> dict[Target, Counter]:
        """Their counters, added up by the store's own code."""
        counters: dict[Target, Counter] = {}
        for number in range(self.count):
            contributions = contributions_of(_id(number), self.summary(number), self.expires_at_s, self._pseudonym)
            for target, contribution in contributions.items():
                if target not in counters:
                    counters[target] = COUNTERS[target.kind]()
                counters[target].add(contribution, 1)
        return counters

    def heads(self, user_id: str, counters: Iterable[Counter]) -> Iterator[Item]:
        """The heads of the traces that counters name, which responses read."""
        named: set[str] = set()
        for counter in counters:
            if isinstance(counter, ValueCounter):
                named |= {trace_id for _, trace_id in counter.most_expensive}
            elif isinstance(counter, ConversationCounter):
                named.add(counter.last_trace[1])
        for trace_id in sorted(named):
            summary = self.summary(int(trace_id, 16))
            position = keys.cursor_position(summary.start_ns, trace_id)
            head = Head(1, "0", self.expires_at_s, position, 0, 0, summary=summary)
            yield head_item(user_id, trace_id, head, time_shards=1)


def activities_of(counters: Mapping[Target, Counter]) -> Iterator[Activity]:
    """When each conversation of these counters was last active."""
    for target, counter in counters.items():
        if isinstance(target, ConversationTarget) and isinstance(counter, ConversationCounter):
            yield Activity(target.conversation_id, counter.last_ns, counter.expires_at_s)


def _id(number: int) -> str:
    return f"{number:032x}"


def _moved(summary: Summary, start_ns: int) -> Summary:
    """The same trace at another time."""
    shift = (start_ns - summary.start_ns) // QUARTER_NS
    start_ns, end_ns = summary.start_ns + shift * QUARTER_NS, (summary.end_ns or 0) + shift * QUARTER_NS
    stats = Stats(
        [row._replace(quarter=row.quarter + shift) for row in summary.stats.rows],
        [failure._replace(quarter=failure.quarter + shift) for failure in summary.stats.failures],
        [
            marginal
            if isinstance(marginal, str)
            else tuple(row._replace(hour=row.hour + shift // QUARTERS_IN_HOUR) for row in marginal)
            for marginal in summary.stats.marginals
        ],
    )
    return replace(summary, start_ns=start_ns, end_ns=end_ns, stats=stats)
