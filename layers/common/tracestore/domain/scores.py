"""Scores over time: the number of values and their mean, by name, for each point of a chart."""

from collections.abc import Sequence
from typing import NamedTuple

from .counters import ScoreCounter, ScoreTotal
from .dimensions import OTHER


class ScoreSeries(NamedTuple):
    """A score with its total and its values at each point."""

    name: str
    total: ScoreTotal
    points: list[ScoreTotal]


def score_series(points: Sequence[Sequence[ScoreCounter]], most: int) -> list[ScoreSeries]:
    """The series of each score in the counters of each point.

    *shape*: at most `most` names, those with most values first, then by name; all others are added up as `OTHER`, last.
    """
    totals: dict[str, ScoreTotal] = {}
    for counters in points:
        for counter in counters:
            for name, total in counter.scores.items():
                totals[name] = totals.get(name, ScoreTotal()).plus(total)
    names = sorted(
        (name for name, total in totals.items() if total.value_count and name != OTHER),
        key=lambda name: (-totals[name].value_count, name),
    )[:most]
    rest = {name for name, total in totals.items() if total.value_count} - {*names}
    series = [ScoreSeries(name, totals[name], [_sum(counters, {name}) for counters in points]) for name in names]
    if rest:
        of_rest = [_sum(counters, rest) for counters in points]
        series.append(ScoreSeries(OTHER, _total(of_rest), of_rest))
    return series


def _sum(counters: Sequence[ScoreCounter], names: set[str]) -> ScoreTotal:
    return _total([total for counter in counters for name, total in counter.scores.items() if name in names])


def _total(totals: Sequence[ScoreTotal]) -> ScoreTotal:
    total = ScoreTotal()
    for each in totals:
        total = total.plus(each)
    return total
