"""The state of a provider or one of its models, derived from its newest calls, with the reason in one sentence."""

from collections.abc import Callable, Sequence
from typing import Final, Literal, NamedTuple, TypeAlias

from .analytics import Key, Selection, aggregates_by
from .counters import MeasureCounter
from .dimensions import Group
from .histogram import percentile_us
from .intervals import NS_PER_HOUR, Period
from .phrases import duration, percent
from .stats import Aggregate

State: TypeAlias = Literal["healthy", "degraded", "down"]

CALLS_LEAST: Final = 10
"""Fewer calls give no verdict: one failed call of two is no outage."""

DOWN_FROM: Final = 0.5
DEGRADED_FROM: Final = 0.1
"""Shares of calls that fail."""

SLOWER_FROM: Final = 2.0
"""A window is slow when its p95 latency is at least this many times that of the whole range."""

WINDOWS: Final = (("the last hour", 1), ("the last 6 hours", 6), ("the last 24 hours", 24))
"""The windows of a verdict, with their hours: the first one with enough calls is."""

_US_PER_MS: Final = 1_000


class Verdict(NamedTuple):
    """A state and the reason for it."""

    state: State
    reason: str


class Health(NamedTuple):
    """The aggregate of the whole range, and the present state."""

    total: Aggregate
    now: Verdict


class Window(NamedTuple):
    """A part of a range.

    `name` stands for everything from the part's start to the end of the range. It is None where that is too long for a
    verdict.
    """

    name: str | None
    period: Period


def windows_of(period: Period) -> list[Window]:
    """Cut an aligned range into what each window adds to the one before, and the rest.

    *shape*: the newest part first; together the parts are the range.
    """
    windows: list[Window] = []
    end_ns = period.end_ns
    for name, hours in WINDOWS:
        start_ns = period.end_ns - hours * NS_PER_HOUR
        if start_ns <= period.start_ns:
            return [*windows, Window("the whole range", Period(period.start_ns, end_ns))]
        windows.append(Window(name, Period(start_ns, end_ns)))
        end_ns = start_ns
    return [*windows, Window(None, Period(period.start_ns, end_ns))]


def health_by(
    windows: Sequence[tuple[str | None, Sequence[MeasureCounter]]], selection: Selection, key: Callable[[Group], Key]
) -> dict[Key, Health]:
    """The health of each group of calls, given the name and the counters of each window that `windows_of` returns."""
    by_window = [(window, aggregates_by(counters, selection, key)) for window, counters in windows]
    health = {}
    for name in dict.fromkeys(name for _, by_name in by_window for name, aggregate in by_name.items() if aggregate):
        total = Aggregate()
        newest = []
        for window, by_name in by_window:
            total.add(by_name.get(name, Aggregate()))
            if window is not None:
                total_so_far = Aggregate()
                total_so_far.add(total)
                newest.append((window, total_so_far))
        health[name] = Health(total, judge(newest, total))
    return health


def judge(newest: Sequence[tuple[str, Aggregate]], whole: Aggregate) -> Verdict:
    """Judge something by the aggregates of its newest calls and of the whole range.

    *shape*: `newest` from the narrowest window to the widest, each with its name, such as "the last hour". The first
    one with enough calls decides.
    """
    for name, aggregate in newest:
        if aggregate.calls >= CALLS_LEAST:
            return _verdict(name, aggregate, whole)
    name, aggregate = newest[-1]
    if not aggregate.calls:
        return Verdict("healthy", f"No call in {name}: nothing to judge by.")
    calls = "1 call" if aggregate.calls == 1 else f"{aggregate.calls} calls"
    return Verdict("healthy", f"{calls} in {name}, {aggregate.errors} failed: too few to judge by.")


def _verdict(name: str, aggregate: Aggregate, whole: Aggregate) -> Verdict:
    share = aggregate.errors / aggregate.calls
    failing = f"{aggregate.errors:,} of {aggregate.calls:,} calls failed in {name} ({percent(share)})"
    if share >= DOWN_FROM:
        return Verdict("down", f"{failing}.")
    p95_us, usual_us = (percentile_us(each.measures.latencies, 95) for each in (aggregate, whole))
    if p95_us is None or usual_us is None:
        return Verdict("degraded" if share >= DEGRADED_FROM else "healthy", f"{failing}.")
    p95, usual = (duration(latency_us / _US_PER_MS) for latency_us in (p95_us, usual_us))
    slow = f"the p95 latency was {p95}, against {usual} in the whole range"
    if share >= DEGRADED_FROM or p95_us >= SLOWER_FROM * usual_us:
        return Verdict("degraded", f"{failing}; {slow}.")
    return Verdict("healthy", f"{failing}; {slow}.")
