"""Texts as a search compares them: in any script, whatever their case and their form in Unicode."""

import json
import unicodedata
from collections.abc import Iterator
from typing import Final

from .spans import Json

EXCERPT_CHARACTERS: Final = 120


def normalized(text: str) -> str:
    """A text without the differences that a search ignores: case, width, ligatures, composed or separate accents."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def texts_in(value: Json) -> Iterator[str]:
    """All texts of a JSON value: strings, names of members, and numbers as text."""
    unvisited = [value]
    while unvisited:
        value = unvisited.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            yield from value
            unvisited += reversed(value.values())
        elif isinstance(value, list):
            unvisited += reversed(value)
        elif value is not None:
            yield json.dumps(value)


def excerpt(text: str, needle: str) -> str | None:
    """The part of a text around the first place where it contains `needle`, which is normalized. *absent*: None."""
    if needle not in normalized(text):
        return None
    at = _place_of(text, needle)
    first = max(0, at - EXCERPT_CHARACTERS // 3)
    part = " ".join(text[first : first + EXCERPT_CHARACTERS - 2].split())
    return f"{'…' if first else ''}{part}{'…' if first + EXCERPT_CHARACTERS - 2 < len(text) else ''}"


def _place_of(text: str, needle: str) -> int:
    """The place in a text where a needle begins, about: normalization may change the number of characters."""
    low, high = 0, len(text)
    while low < high:  # the shortest beginning that contains the needle ends where the needle does
        middle = (low + high) // 2
        low, high = (low, middle) if needle in normalized(text[:middle]) else (middle + 1, high)
    return max(0, low - len(needle))
