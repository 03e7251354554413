"""What departs from its own history: hours of a series that fail more, take longer or cost more than they usually do.

A series is the calls of one operation with one model of one provider. Usual is what the same hours of the day were
over the week before, in a way that a few odd hours among them do not sway: the median, and as a measure of how much
they differ anyway the median distance from it. Looks upward only, knows nothing of where counters are kept.

*source*: the modified z-score of Iglewicz and Hoaglin, "How to Detect and Handle Outliers", 1993, with floors below its
denominator, so that what hardly ever varies may vary a little.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Final, Literal, NamedTuple, TypeAlias

from .counters import MeasureCounter
from .dimensions import Series
from .histogram import Histogram, added, percentile_us

Kind: TypeAlias = Literal["error_rate", "latency", "cost"]

DAYS: Final = range(1, 8)
HISTORY_HOURS: Final = 24 * len(DAYS)
"""The week before an hour is what it is compared with."""

HOURS_AROUND: Final = 1
"""An hour is compared with the same hour of other days and this many to either side, which makes 21."""

SAMPLES_LEAST: Final = 5
DAYS_LEAST: Final = 3
"""Fewer hours, or on fewer days, are no history. Where the same hours are too few all hours of the week are taken."""

SCORE_LEAST: Final = 5.0

_NORMAL: Final = 1.4826
"""What makes the median distance of a normal distribution its standard deviation."""

_NANO: Final = 1_000_000_000
_US_PER_MS: Final = 1_000


@dataclass(slots=True)
class Hour:
    """What happened to a series in one hour."""

    calls: int = 0
    errors: int = 0
    cost_nano_usd: int = 0
    latencies: Histogram = field(default_factory=dict)


Histories: TypeAlias = dict[Series, dict[int, Hour]]
"""The hours of each series in which anything happened, counted since 1970."""


class Departure(NamedTuple):
    """One hour that departs, by how much. `value` and `baseline` are a share, milliseconds, or dollars in the hour."""

    hour: int
    value: float
    baseline: float
    score: float


@dataclass(frozen=True, slots=True)
class Anomaly:
    """Hours in a row in which a series departs from its history. `worst` is the one with the highest score."""

    kind: Kind
    series: Series
    first_hour: int
    last_hour: int
    worst: Departure
    calls: int
    errors: int


@dataclass(frozen=True, slots=True)
class Rule:
    """How one kind of value is judged.

    `calls_least` are needed in an hour that is judged, `history_calls_least` in one that it is compared with. What is
    less above usual than `rise_least`, or than `rise_share` of what is usual, is no anomaly whatever its score. The
    score is the distance from usual by the spread of the history, or by what `chance` alone makes of so few calls where
    that is more; `floor` and `floor_share` of what is usual are added to it. What `follows_traffic` is compared with
    the hours around as if these were usually as busy.
    """

    calls_least: int
    history_calls_least: int
    value: Callable[[Hour], float]
    rise_least: float
    rise_share: float
    chance: Callable[[int, Sequence[Hour]], float]
    floor: float
    floor_share: float
    errors_least: int = 0
    follows_traffic: bool = False

    def rises(self, value: float, usual: float) -> bool:
        """Whether a value is so far above what is usual that its score is worth a look."""
        return value - usual >= max(self.rise_least, self.rise_share * usual)


def _error_rate(hour: Hour) -> float:
    return hour.errors / hour.calls


def _p95_ms(hour: Hour) -> float:
    return (percentile_us(hour.latencies, 95) or 0) / _US_PER_MS


def _cost_usd(hour: Hour) -> float:
    return hour.cost_nano_usd / _NANO


def _chance_of_errors(calls: int, history: Sequence[Hour]) -> float:
    """The standard deviation of the share of errors among so many calls, given the share in all of the history."""
    share = (sum(hour.errors for hour in history) + 1) / (sum(hour.calls for hour in history) + 2)
    return math.sqrt(share * (1 - share) / calls)


def _chance_of_p95(calls: int, history: Sequence[Hour]) -> float:
    """The same of the 95th percentile, in milliseconds: where the ranks a deviation off are in all of the history."""
    together: Histogram = {}
    for hour in history:
        added(together, hour.latencies)
    ranks = 100 * math.sqrt(0.95 * 0.05 / calls)
    above, below = (percentile_us(together, percent) or 0 for percent in (min(95 + ranks, 99.9), 95 - ranks))
    return (above - below) / 2 / _US_PER_MS


RULES: Final[Mapping[Kind, Rule]] = {
    "error_rate": Rule(10, 1, _error_rate, 0.05, 0, _chance_of_errors, 0.01, 0, errors_least=5),
    "latency": Rule(20, 20, _p95_ms, 100, 0.5, _chance_of_p95, 0, 0.05),
    "cost": Rule(5, 1, _cost_usd, 1, 0.5, lambda *_: 0, 0, 0.1, follows_traffic=True),
}
"""Shares, milliseconds and dollars an hour. What a 95th percentile is takes 20 calls to say. Costs tell nothing of how
much single calls differ, so they are held to their spread alone, and to a dollar."""


def histories_of(counters: Iterable[tuple[int, MeasureCounter]]) -> Histories:
    """The histories that counters of hours tell, each given with its hour.

    What was counted together, for want of room, is no series: it is left out.
    """
    histories: Histories = {}
    for number, counter in counters:
        for group, measures in counter.groups.items():
            if group.series.is_other:
                continue
            hour = histories.setdefault(group.series, {}).setdefault(number, Hour())
            hour.calls += measures["calls"]
            hour.errors += measures["calls"] if group.status == "error" else 0
            hour.cost_nano_usd += measures["cost_nano_usd"]
            added(hour.latencies, measures.latencies)
    return histories


def anomalies_of(histories: Histories, hours: range) -> list[Anomaly]:
    """The anomalies in a range of hours, those that lasted longest into it first, then the stronger ones."""
    found = [
        anomaly
        for series, history in histories.items()
        for kind, rule in RULES.items()
        for anomaly in _in_rows(kind, series, history, departures(history, hours, rule))
    ]
    return sorted(found, key=lambda one: (-one.last_hour, -one.worst.score, one.kind, one.series))


def departures(history: Mapping[int, Hour], hours: range, rule: Rule) -> list[Departure]:
    """The hours of a range, in order, that depart from what a series usually is by this rule."""
    known = {number: rule.value(hour) for number, hour in history.items() if hour.calls >= rule.history_calls_least}
    least = 0.0 if rule.follows_traffic else min(known.values(), default=0.0)  # what is usual is no less
    found = []
    for number in hours:
        hour = history.get(number)
        if hour is None or hour.calls < rule.calls_least or hour.errors < rule.errors_least:
            continue
        value = rule.value(hour)
        if not rule.rises(value, least) or not (compared := _compared(known, number, rule.follows_traffic)):
            continue
        usual = median(compared.values())
        if not rule.rises(value, usual):
            continue
        spread = _NORMAL * median(abs(one - usual) for one in compared.values())
        spread = max(spread, rule.chance(hour.calls, [history[one] for one in compared]))
        score = (value - usual) / (spread + rule.floor + rule.floor_share * usual)
        if score >= SCORE_LEAST:
            found.append(Departure(number, value, usual, score))
    return found


def _compared(known: Mapping[int, float], number: int, follows_traffic: bool) -> dict[int, float]:
    """The hours that an hour is compared with, and their values; none where they make no history yet."""
    by_shift = {
        shift: {one: known[one] for day in DAYS if (one := number - 24 * day + shift) in known}
        for shift in range(-HOURS_AROUND, HOURS_AROUND + 1)
    }
    same = {one: value for of_shift in by_shift.values() for one, value in of_shift.items()}
    if _is_history(same, number):
        return _as_busy(by_shift) if follows_traffic else same
    week = {one: known[one] for one in range(number - HISTORY_HOURS, number) if one in known}
    return week if _is_history(week, number) else {}


def _is_history(hours: Iterable[int], number: int) -> bool:
    there = list(hours)
    days = {(number - one + 12) // 24 for one in there} - {0}
    return len(there) >= SAMPLES_LEAST and len(days) >= DAYS_LEAST


def _as_busy(by_shift: Mapping[int, Mapping[int, float]]) -> dict[int, float]:
    """The values at each distance from the hour of the day scaled to have the median of those at that hour itself."""
    middles = {shift: median(values.values()) for shift, values in by_shift.items() if values}
    middle = middles.get(0, 0.0) if len(by_shift[0]) >= DAYS_LEAST else 0.0
    return {
        one: value * middle / middles[shift] if middle and middles[shift] else value
        for shift, values in by_shift.items()
        for one, value in values.items()
    }


def _in_rows(kind: Kind, series: Series, history: Mapping[int, Hour], departures: Iterable[Departure]) -> list[Anomaly]:
    """Departures as anomalies: those of consecutive hours are one."""
    rows: list[list[Departure]] = []
    for departure in departures:
        if not rows or rows[-1][-1].hour + 1 != departure.hour:
            rows.append([])
        rows[-1].append(departure)
    found = []
    for row in rows:
        worst = max(row, key=lambda one: one.score)
        at = history[worst.hour]
        found.append(Anomaly(kind, series, row[0].hour, row[-1].hour, worst, at.calls, at.errors))
    return found
