"""Scores over time: the number of values and their mean, by name and by group, for each point of a chart."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from .contributions import ScoreTotal
from .counters import ScoreCounter, ScoreGroupCounter
from .dimensions import OTHER


class ScoreSeries(NamedTuple):
    """A score, or a group of its values, with its total and its values at each point."""

    name: str
    total: ScoreTotal
    points: list[ScoreTotal]


def score_series(points: Sequence[Sequence[ScoreCounter]], most: int) -> list[ScoreSeries]:
    """The series of each score in the counters of each point.

    *shape*: at most `most` names, those with most values first, then by name; all others are added up as `OTHER`, last.
    """
    return _series([_added_up(counter.scores for counter in counters) for counters in points], most)


def group_series(
    points: Sequence[Sequence[ScoreGroupCounter]], dimension: str, shown: Iterable[str], most: int
) -> dict[str, list[ScoreSeries]]:
    """The series of each value of a dimension for each of the names `shown`, and for the rest as `OTHER`.

    *shape*: the values of each name as the names of `score_series`.
    """
    by_name: dict[str, list[dict[str, ScoreTotal]]] = {name: [{} for _ in points] for name in (*shown, OTHER)}
    for index, counters in enumerate(points):
        for counter in counters:
            for (name, value), total in counter.groups.get(dimension, {}).items():
                by_value = by_name.get(name, by_name[OTHER])[index]
                by_value[value] = by_value.get(value, ScoreTotal()).plus(total)
    return {name: _series(of_name, most) for name, of_name in by_name.items()}


def _series(points: Sequence[Mapping[str, ScoreTotal]], most: int) -> list[ScoreSeries]:
    totals = _added_up(points)
    counted = [name for name, total in totals.items() if total.value_count]
    names = sorted((name for name in counted if name != OTHER), key=lambda name: (-totals[name].value_count, name))
    kept = names[:most]
    if len(kept) < len(counted):
        points = [
            _added_up({name if name in kept else OTHER: total} for name, total in point.items()) for point in points
        ]
        totals, kept = _added_up(points), [*kept, OTHER]
    return [ScoreSeries(name, totals[name], [point.get(name, ScoreTotal()) for point in points]) for name in kept]


def _added_up(parts: Iterable[Mapping[str, ScoreTotal]]) -> dict[str, ScoreTotal]:
    sums: dict[str, ScoreTotal] = {}
    for part in parts:
        for name, total in part.items():
            sums[name] = sums.get(name, ScoreTotal()).plus(total)
    return sums
