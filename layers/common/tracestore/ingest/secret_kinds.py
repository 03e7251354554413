"""Find secrets by the shapes in the table `secret_kinds.jsonl`, one kind per line.

A kind has either `starts`, the fixed beginnings of its secrets, and `rest`, a pattern of what follows; or `contains`, a
pattern of a part that is easily found, and `pattern`, the whole secret. `sample` is how a made-up secret of the kind is
generated: fixed parts, and parts such as `alnum*20`. No sample is stored whole, because scanners would report it.

A text is first searched for all beginnings at once. Only where one occurs is a pattern tried.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

TABLE_PATH: Final = Path(__file__).with_name("secret_kinds.jsonl")

START: Final = r"(?:(?<![A-Za-z0-9])|(?<=\\[bfnrt])|(?<=\\u[0-9a-fA-F]{4}))"
"""A token starts at the start of a word. JSON escapes end in letters and digits that are not part of a word."""

_SHORT_TEXT: Final = 500
"""Characters up to which looking beginnings up by their first two characters is faster than searching for each."""

_LONGEST_ESCAPE: Final = 6
_HEX: Final = "[a-f0-9]{"
_FOLLOWS: Final = r"[A-Za-z0-9_.$%@/+=~-]{10}"
_FOLLOWS_HEX: Final = "[a-f0-9]{8}"
"""The least that follows a beginning, for the search of all at once. Two classes for all kinds keep its automaton
small: with the patterns of all kinds, text without repetitions would take a hundred times as long."""


class Found(NamedTuple):
    """The place of a secret in a text."""

    start: int
    end: int
    name: str


@dataclass(frozen=True, slots=True)
class Kind:
    """A row of the table. *absent*: a kind without `starts` has `contains` and a `rest` that is the whole pattern."""

    name: str
    provider: str
    starts: tuple[str, ...]
    contains: str | None
    rest: str
    sample: tuple[str, ...]


@cache
def kinds() -> tuple[Kind, ...]:
    """All kinds, in the table's order."""
    rows = map(json.loads, TABLE_PATH.read_text(encoding="utf-8").splitlines())
    return tuple(
        Kind(
            row["kind"],
            row["provider"],
            tuple(row.get("starts", ())),
            row.get("contains"),
            row.get("rest") or row["pattern"],
            tuple(row["sample"]),
        )
        for row in rows
    )


def quick_pattern() -> str:
    """A pattern that occurs in every text with a secret of a kind. It has no look-around."""
    by_class: dict[str, set[str]] = {_FOLLOWS: set(), _FOLLOWS_HEX: set()}
    for kind in kinds():
        by_class[_FOLLOWS_HEX if kind.rest.startswith(_HEX) else _FOLLOWS].update(kind.starts)
    starts = "|".join(f"(?:{'|'.join(map(_escaped, sorted(starts)))}){follows}" for follows, starts in by_class.items())
    parts = (kind.contains for kind in kinds() if kind.contains)
    return "|".join((rf"(?:^|[^A-Za-z0-9]|\\[bfnrt]|\\u[0-9a-fA-F]{{4}})(?:{starts})", *parts))


def secrets_in(text: str) -> list[Found]:
    """The secrets of all kinds in a text, in order and without overlaps. Longer beginnings count first."""
    found: list[Found] = []
    for start, rests in _by_start() if len(text) > _SHORT_TEXT else _by_start_in(text):
        if start in text:
            found += _after(text, start, rests)
    for name, contains, whole in _by_part():
        if contains.search(text):
            found += (Found(match.start(), match.end(), name) for match in whole.finditer(text))
    return without_overlaps(found)


def without_overlaps(found: list[Found]) -> list[Found]:
    """The places in order, where those that overlap are joined under the name of the first."""
    joined: list[Found] = []
    for place in sorted(found, key=lambda place: (place.start, -place.end)):
        if joined and place.start < joined[-1].end:
            joined[-1] = joined[-1]._replace(end=max(place.end, joined[-1].end))
        else:
            joined.append(place)
    return joined


def _after(text: str, start: str, rests: "list[tuple[str, re.Pattern[str]]]") -> Iterator[Found]:
    index = text.find(start)
    while index >= 0:
        end = index + 1
        if _STARTS_WORD.match(text[max(0, index - _LONGEST_ESCAPE) : index]):
            for name, rest in rests:
                if match := rest.match(text, index + len(start)):
                    end = match.end()
                    yield Found(index, end, name)
                    break
        index = text.find(start, end)


_STARTS_WORD: Final = re.compile(r"(?s:.*)(?:\A|[^A-Za-z0-9]|\\[bfnrt]|\\u[0-9a-fA-F]{4})\Z")


@cache
def _by_start() -> list[tuple[str, list[tuple[str, re.Pattern[str]]]]]:
    """The patterns after each beginning, longer beginnings first: `sk-ant-` before `sk-`."""
    patterns: dict[str, list[tuple[str, re.Pattern[str]]]] = {}
    for kind in kinds():
        for start in kind.starts:
            patterns.setdefault(start, []).append((kind.name, re.compile(kind.rest, re.ASCII)))
    return sorted(patterns.items(), key=lambda item: -len(item[0]))


def _by_start_in(text: str) -> "list[tuple[str, list[tuple[str, re.Pattern[str]]]]]":
    """The entries of `_by_start`, in its order, whose first two characters occur in a text."""
    places = _places_by_pair()
    pairs = {text[index : index + 2] for index in range(len(text) - 1)} & places.keys()
    ordered = _by_start()
    return [ordered[place] for place in sorted(place for pair in pairs for place in places[pair])]


@cache
def _places_by_pair() -> dict[str, list[int]]:
    places: dict[str, list[int]] = {}
    for place, (start, _) in enumerate(_by_start()):
        places.setdefault(start[:2], []).append(place)
    return places


@cache
def _by_part() -> list[tuple[str, re.Pattern[str], re.Pattern[str]]]:
    return [
        (kind.name, re.compile(kind.contains), re.compile(START + kind.rest, re.ASCII))
        for kind in kinds()
        if kind.contains
    ]


def _escaped(text: str) -> str:
    """`text` as a pattern for both engines: Rust's refuses a backslash before `-` and `~`."""
    return re.sub(r"([.$+*?()\[\]{}|^\\])", r"\\\1", text)
