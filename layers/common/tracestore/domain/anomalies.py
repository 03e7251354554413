"""Anomalies: hours of a series that fail more, take longer or cost more than is usual for it.

A series is the calls of one operation with one model of one provider. The baseline is the median of the same hours of
the day over the week before, and the spread is the median distance from it, so that a few unusual hours among them do
not change it. The module does not depend on the storage of counters.

*source*: the modified z-score of Iglewicz and Hoaglin, "How to Detect and Handle Outliers", 1993. Floors are added to
its denominator, so that a series which hardly ever varies may vary a little.
"""

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Final, Literal, NamedTuple, TypeAlias

from .counters import MeasureCounter
from .dimensions import Series
from .histogram import Histogram, added, percentile_us

Kind: TypeAlias = Literal["error_rate", "latency", "cost"]

DAYS: Final = range(1, 8)
HISTORY_HOURS: Final = 24 * len(DAYS)
"""An hour is compared with the week before it."""

HOURS_AROUND: Final = 1
"""An hour is compared with the same hour of other days and with so many hours on either side: 21 hours together."""

SAMPLES_LEAST: Final = 5
DAYS_LEAST: Final = 3
"""With fewer hours, or hours on fewer days, there is no history. Where the same hours are too few, all hours of the
week are taken."""

SCORE_LEAST: Final = 5.0

_NORMAL: Final = 1.4826
"""The median distance of a normal distribution times this is its standard deviation."""

_NANO: Final = 1_000_000_000
_US_PER_MS: Final = 1_000


@dataclass(slots=True)
class Hour:
    """The measures of a series in one hour."""

    calls: int = 0
    errors: int = 0
    cost_nano_usd: int = 0
    latencies: Histogram = field(default_factory=dict)


Histories: TypeAlias = dict[Series, dict[int, Hour]]
"""The hours of each series in which it has measures. *units*: hours are counted since 1970."""


class Outlier(NamedTuple):
    """One hour that is far above its baseline. *units*: a share, milliseconds, or dollars in the hour."""

    hour: int
    value: float
    baseline: float
    score: float


@dataclass(frozen=True, slots=True)
class Anomaly:
    """Consecutive hours of a series that are outliers. `worst` is the one with the highest score."""

    kind: Kind
    series: Series
    first_hour: int
    last_hour: int
    worst: Outlier
    calls: int
    errors: int


@dataclass(frozen=True, slots=True)
class Rule:
    """The rule by which one kind of value is assessed.

    An hour is assessed with `calls_least` calls, and compared with hours of `history_calls_least` calls. A value that
    is above its baseline by less than `rise_least`, or by less than `rise_share` of the baseline, is no anomaly
    whatever its score. The score is the distance from the baseline divided by the spread of the history, or by the
    variation that `chance` alone gives so few calls where that is more; `floor` and `floor_share` of the baseline are
    added to the divisor. A value that `follows_traffic` is compared with the hours around as if these were usually as
    busy.
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

    def rises(self, value: float, baseline: float) -> bool:
        """Whether a value is so far above a baseline that its score matters."""
        return value - baseline >= max(self.rise_least, self.rise_share * baseline)


def _error_rate(hour: Hour) -> float:
    return hour.errors / hour.calls


def _p95_ms(hour: Hour) -> float:
    return (percentile_us(hour.latencies, 95) or 0) / _US_PER_MS


def _cost_usd(hour: Hour) -> float:
    return hour.cost_nano_usd / _NANO


def _chance_of_errors(calls: int, history: Sequence[Hour]) -> float:
    """The standard deviation of the share of errors among so many calls, given the share in the whole history."""
    share = (sum(hour.errors for hour in history) + 1) / (sum(hour.calls for hour in history) + 2)
    return math.sqrt(share * (1 - share) / calls)


def _chance_of_p95(calls: int, history: Sequence[Hour]) -> float:
    """The standard deviation of the 95th percentile of so many calls: half the distance, in the whole history, between
    the percentiles whose ranks are one standard deviation above and below. *units*: milliseconds.
    """
    latencies: Histogram = {}
    for hour in history:
        added(latencies, hour.latencies)
    ranks = 100 * math.sqrt(0.95 * 0.05 / calls)
    above, below = (percentile_us(latencies, percent) or 0 for percent in (min(95 + ranks, 99.9), 95 - ranks))
    return (above - below) / 2 / _US_PER_MS


RULES: Final[Mapping[Kind, Rule]] = {
    "error_rate": Rule(10, 1, _error_rate, 0.05, 0, _chance_of_errors, 0.01, 0, errors_least=5),
    "latency": Rule(20, 20, _p95_ms, 100, 0.5, _chance_of_p95, 0, 0.05),
    "cost": Rule(5, 1, _cost_usd, 1, 0.5, lambda *_: 0, 0, 0.1, follows_traffic=True),
}
"""*units*: shares, milliseconds and dollars an hour. It takes 20 calls to determine a 95th percentile. An hour's cost
does not show how much single calls differ, so costs are compared with their spread alone, and with a least rise of a
dollar."""


def histories_of(counters: Iterable[tuple[int, MeasureCounter]]) -> Histories:
    """The histories in counters of hours, each given with its hour.

    Series that were counted together, for want of room, are left out.
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
    """The anomalies in a range of hours.

    *shape*: those with the latest last hour first, then by score.
    """
    anomalies = [
        anomaly
        for series, history in histories.items()
        for kind, rule in RULES.items()
        for anomaly in _anomalies(kind, series, history, outliers(history, hours, rule))
    ]
    return sorted(
        anomalies, key=lambda anomaly: (-anomaly.last_hour, -anomaly.worst.score, anomaly.kind, anomaly.series)
    )


def outliers(history: Mapping[int, Hour], hours: range, rule: Rule) -> list[Outlier]:
    """The hours of a range, in order, that are outliers of a series by a rule."""
    values = {number: rule.value(hour) for number, hour in history.items() if hour.calls >= rule.history_calls_least}
    lowest_baseline = 0.0 if rule.follows_traffic else min(values.values(), default=0.0)
    found = []
    for number in hours:
        hour = history.get(number)
        if hour is None or hour.calls < rule.calls_least or hour.errors < rule.errors_least:
            continue
        value = rule.value(hour)
        if not rule.rises(value, lowest_baseline):
            continue
        compared = _compared(values, number, rule.follows_traffic)
        if not compared:
            continue
        baseline = median(compared.values())
        if not rule.rises(value, baseline):
            continue
        spread = _NORMAL * median(abs(other - baseline) for other in compared.values())
        spread = max(spread, rule.chance(hour.calls, [history[other] for other in compared]))
        score = (value - baseline) / (spread + rule.floor + rule.floor_share * baseline)
        if score >= SCORE_LEAST:
            found.append(Outlier(number, value, baseline, score))
    return found


def _compared(values: Mapping[int, float], number: int, follows_traffic: bool) -> dict[int, float]:
    """The hours that an hour is compared with, and their values. *absent*: empty while they are no history."""
    by_shift = {
        shift: {other: values[other] for day in DAYS if (other := number - 24 * day + shift) in values}
        for shift in range(-HOURS_AROUND, HOURS_AROUND + 1)
    }
    same_hours = {other: value for at_shift in by_shift.values() for other, value in at_shift.items()}
    if _is_history(same_hours, number):
        return _as_busy(by_shift) if follows_traffic else same_hours
    week = {other: values[other] for other in range(number - HISTORY_HOURS, number) if other in values}
    return week if _is_history(week, number) else {}


def _is_history(hours: Collection[int], number: int) -> bool:
    """Whether these are enough hours, on enough days, to compare an hour with."""
    days = {(number - other + 12) // 24 for other in hours} - {0}
    return len(hours) >= SAMPLES_LEAST and len(days) >= DAYS_LEAST


def _as_busy(by_shift: Mapping[int, Mapping[int, float]]) -> dict[int, float]:
    """The values of the hours around, scaled to have the median of the values at the hour of the day itself."""
    medians = {shift: median(values.values()) for shift, values in by_shift.items() if values}
    target = medians.get(0, 0.0) if len(by_shift[0]) >= DAYS_LEAST else 0.0
    return {
        hour: value * target / medians[shift] if target and medians[shift] else value
        for shift, values in by_shift.items()
        for hour, value in values.items()
    }


def _anomalies(kind: Kind, series: Series, history: Mapping[int, Hour], found: Iterable[Outlier]) -> list[Anomaly]:
    """Outliers as anomalies, those of consecutive hours as one."""
    rows: list[list[Outlier]] = []
    for outlier in found:
        if not rows or rows[-1][-1].hour + 1 != outlier.hour:
            rows.append([])
        rows[-1].append(outlier)
    anomalies = []
    for row in rows:
        worst = max(row, key=lambda outlier: outlier.score)
        hour = history[worst.hour]
        anomalies.append(Anomaly(kind, series, row[0].hour, row[-1].hour, worst, hour.calls, hour.errors))
    return anomalies
