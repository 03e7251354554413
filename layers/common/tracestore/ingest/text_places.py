"""Find the places in a text where fixed texts occur."""

from typing import Final

from .search_budget import Budget

QUOTE: Final = r"""\\{0,31}["']"""
"""A pattern of a quote in a text, in JSON in a text, and so on."""


def anchor_places(anchors: tuple[str, ...], text: str, budget: Budget) -> list[tuple[int, int]]:
    """Where any of `anchors` is in a text, in any case, in order."""
    lower = text.replace("\u0130", "I").lower()  # the only character whose lower case is longer
    places: list[tuple[int, int]] = []
    for anchor in anchors:
        place, length = lower.find(anchor), len(anchor)
        while place >= 0:
            places.append((place, place + length))
            place = lower.find(anchor, place + 1)
    budget.spend(len(places))
    if len(anchors) > 1:
        places.sort()
    return places
