"""Scores over time: the number of values and their mean, by name and by group, for each point of a chart."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from .counters import ScoreCounter, ScoreGroupCounter, ScoreTotal
from .dimensions import OTHER

Key = TypeVar("Key", bound=Hashable)


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
    names = frozenset(shown)
    by_pair = [_added_up(counter.groups.get(dimension, {}) for counter in counters) for counters in points]

    def name_of(pair: tuple[str, str]) -> str:
        return pair[0] if pair[0] in names else OTHER

    return {
        name: _series(
            [
                _renamed({pair: total for pair, total in totals.items() if name_of(pair) == name}, lambda pair: pair[1])
                for totals in by_pair
            ],
            most,
        )
        for name in {*names, OTHER}
    }


def _series(points: Sequence[Mapping[str, ScoreTotal]], most: int) -> list[ScoreSeries]:
    totals = _added_up(points)
    counted = [name for name, total in totals.items() if total.value_count]
    names = sorted((name for name in counted if name != OTHER), key=lambda name: (-totals[name].value_count, name))
    kept = names[:most]
    if len(kept) < len(counted):
        points = [_renamed(point, lambda name: name if name in kept else OTHER) for point in points]
        totals, kept = _added_up(points), [*kept, OTHER]
    return [ScoreSeries(name, totals[name], [point.get(name, ScoreTotal()) for point in points]) for name in kept]


def _added_up(parts: Iterable[Mapping[Key, ScoreTotal]]) -> dict[Key, ScoreTotal]:
    sums: dict[Key, ScoreTotal] = {}
    for part in parts:
        for key, total in part.items():
            sums[key] = sums.get(key, ScoreTotal()).plus(total)
    return sums


def _renamed(totals: Mapping[Key, ScoreTotal], new_name: Callable[[Key], str]) -> dict[str, ScoreTotal]:
    """The totals by their new names; those that get the same one are added up."""
    return _added_up({new_name(key): total} for key, total in totals.items())
