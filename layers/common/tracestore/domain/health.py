"""Whether a provider, or one of its models, works: judged by its newest calls, with the reason in one sentence."""

from collections.abc import Callable, Sequence
from typing import Final, Literal, NamedTuple, TypeAlias

from .analytics import Aggregate, Key, Selection, aggregates_by
from .counters import MeasureCounter
from .histogram import percentile_us
from .intervals import Period
from .phrases import duration, percent
from .stats import Group
from .times import NS_PER_SECOND

State: TypeAlias = Literal["healthy", "degraded", "down"]

CALLS_LEAST: Final = 10
"""Fewer calls than this say nothing: one failed call of two is no outage."""

DOWN_FROM: Final = 0.5
DEGRADED_FROM: Final = 0.1
"""Shares of calls that fail."""

SLOWER_FROM: Final = 2.0
"""How many times the p95 of the whole range the newest p95 has to be."""

WINDOWS: Final = (("the last hour", 1), ("the last 6 hours", 6), ("the last 24 hours", 24))
"""What is judged: the first of these with enough calls."""

_NS_PER_HOUR: Final = 3_600 * NS_PER_SECOND
_US_PER_MS: Final = 1_000


class Judged(NamedTuple):
    """A state, and why."""

    state: State
    reason: str


class Health(NamedTuple):
    """How something fared in the whole range, and how it does now."""

    total: Aggregate
    now: Judged


class Piece(NamedTuple):
    """A part of a range. `window` names all from its start to the end of the range; None where that is old."""

    window: str | None
    period: Period


def pieces_of(period: Period) -> list[Piece]:
    """An aligned range cut into what each window adds to the one before, and the rest; the newest first."""
    pieces: list[Piece] = []
    end_ns = period.end_ns
    for name, hours in WINDOWS:
        start_ns = period.end_ns - hours * _NS_PER_HOUR
        if start_ns <= period.start_ns:
            return [*pieces, Piece("the whole range", Period(period.start_ns, end_ns))]
        pieces.append(Piece(name, Period(start_ns, end_ns)))
        end_ns = start_ns
    return [*pieces, Piece(None, Period(period.start_ns, end_ns))]


def health_by(
    pieces: Sequence[tuple[str | None, Sequence[MeasureCounter]]], selection: Selection, key: Callable[[Group], Key]
) -> dict[Key, Health]:
    """How each group of calls fares, given the counters of each of `pieces_of` a range, the newest first."""
    aggregates = [(window, aggregates_by(counters, selection, key)) for window, counters in pieces]
    found = {}
    for name in dict.fromkeys(name for _, by_name in aggregates for name, of in by_name.items() if of):
        total = Aggregate()
        newest = []
        for window, by_name in aggregates:
            total.add(by_name.get(name, Aggregate()))
            if window is not None:
                sofar = Aggregate()
                sofar.add(total)
                newest.append((window, sofar))
        found[name] = Health(total, judge(newest, total))
    return found


def judge(newest: Sequence[tuple[str, Aggregate]], whole: Aggregate) -> Judged:
    """The state of something, from the figures of its newest calls and those of the whole range.

    *shape*: `newest` from the narrowest window to the widest, each with its name, such as "the last hour". The first
    one with enough calls decides.
    """
    for name, aggregates in newest:
        if aggregates.calls >= CALLS_LEAST:
            return _judge(name, aggregates, whole)
    name, aggregates = newest[-1]
    if not aggregates.calls:
        return Judged("healthy", f"No call in {name}: nothing to judge by.")
    calls = "1 call" if aggregates.calls == 1 else f"{aggregates.calls} calls"
    return Judged("healthy", f"{calls} in {name}, {aggregates.errors} failed: too few to judge by.")


def _judge(name: str, aggregates: Aggregate, whole: Aggregate) -> Judged:
    share = aggregates.errors / aggregates.calls
    failing = f"{aggregates.errors:,} of {aggregates.calls:,} calls failed in {name} ({percent(share)})"
    if share >= DOWN_FROM:
        return Judged("down", f"{failing}.")
    p95, usual = (percentile_us(of.measures.latencies, 95) for of in (aggregates, whole))
    if p95 is None or usual is None:
        return Judged("degraded" if share >= DEGRADED_FROM else "healthy", f"{failing}.")
    here, there = (duration(p95_us / _US_PER_MS) for p95_us in (p95, usual))
    slow = f"the p95 latency was {here}, against {there} in the whole range"
    if share >= DEGRADED_FROM or p95 >= SLOWER_FROM * usual:
        return Judged("degraded", f"{failing}; {slow}.")
    return Judged("healthy", f"{failing}; {slow}.")
