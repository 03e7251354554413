"""Documents of the totals of scores, in counters and in gathered sums."""

from collections.abc import Mapping

from tracestore.domain.contributions import ScoreTotal

from .positional import extended
from .stats import Document


def score_document(totals: Mapping[str, ScoreTotal]) -> Document:
    """`s` are, by name, `[number of values, their sum in millionths]`."""
    return {"s": {name: list(total) for name, total in totals.items()}}


def scores_in(document: Document) -> dict[str, ScoreTotal]:
    """The totals that `score_document` was given."""
    return {name: _total(total) for name, total in document["s"].items()}


def score_group_document(groups: Mapping[str, Mapping[tuple[str, str], ScoreTotal]]) -> Document:
    """`g` are, by dimension, `[name, value, number of values, their sum in millionths]`."""
    return {
        "g": {dimension: [[*pair, *total] for pair, total in totals.items()] for dimension, totals in groups.items()}
    }


def score_groups_in(document: Document) -> dict[str, dict[tuple[str, str], ScoreTotal]]:
    """The totals that `score_group_document` was given."""
    return {
        dimension: {(name, value): _total(total) for name, value, *total in rows}
        for dimension, rows in document["g"].items()
    }


def _total(packed: list[int]) -> ScoreTotal:
    return ScoreTotal(*extended(packed, (0, 0)))
