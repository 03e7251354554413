"""Decode characters that are written as codes (`%2D`, `&#45;`, `\\u002d`), and find their places in the original text.

Codes may be nested: `%252D`, `&amp;#45;`, `\\\\u002d`. Only printable ASCII characters, tabs and line ends are decoded,
since secrets and their names consist of those.
"""

import re
from bisect import bisect_right
from typing import Final, NamedTuple

from .search_budget import Budget

_NAMED: Final = {
    **{"amp": "&", "quot": '"', "apos": "'", "lt": "<", "gt": ">", "equals": "=", "colon": ":", "period": "."},
    **{"sol": "/", "lowbar": "_", "hyphen": "-", "plus": "+", "num": "#", "commat": "@", "dollar": "$"},
}

CODE_FORMS: Final = (
    ("%", r"%(?:25){0,8}(?:[2-7][0-9A-Fa-f]|0[9AaDd])"),
    (
        "&",
        rf"&(?:amp;){{0,8}}(?:#0{{0,4}}(?:9|10|13|3[2-9]|[4-9][0-9]|1[01][0-9]|12[0-6]);|#[xX]0{{0,4}}(?:[2-7][0-9A-Fa-f]|[9AaDd]);"
        rf"|(?:{'|'.join(_NAMED)});)",
    ),
    ("u00", r"\\{1,31}u00(?:[2-7][0-9A-Fa-f]|0[9AaDd])"),
)
"""The forms of a code: a text that each contains, and a pattern for both engines of regular expressions."""

_CODE: Final = re.compile("|".join(pattern for _, pattern in CODE_FORMS))


class Decoded(NamedTuple):
    """A decoded text. `places` and `origins` are the places after each code, in this text and in the original."""

    text: str
    places: list[int]
    origins: list[int]

    def original(self, place: int) -> int:
        """The place in the original text of the character at `place`."""
        index = bisect_right(self.places, place) - 1
        return self.origins[index] + place - self.places[index]


_STEPS: Final = 3 * 256
"""Steps for 256 codes: they are spent in blocks, since a call for each would take as long as decoding it."""


def decoded(text: str, budget: Budget) -> Decoded | None:
    """The decoded text. *absent*: None for a text without codes. *raises*: BudgetSpent."""
    pieces: list[str] = []
    places, origins, length, end = [0], [0], 0, 0
    for match in _CODE.finditer(text):
        pieces += (text[end : match.start()], _character(match[0]))
        length += match.start() - end + 1
        end = match.end()
        places.append(length)
        origins.append(end)
        if len(places) % 256 == 0:
            budget.spend(_STEPS)
    if not pieces:
        return None
    pieces.append(text[end:])
    return Decoded("".join(pieces), places, origins)


def _character(code: str) -> str:
    if code[0] == "&":
        name = code.rstrip(";").rpartition(";")[2].lstrip("&")
        if name[0] != "#":
            return _NAMED[name]
        return chr(int(name[2:], 16) if name[1] in "xX" else int(name[1:]))
    return chr(int(code[-2:], 16))
