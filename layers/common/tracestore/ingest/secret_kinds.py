"""Find secrets by the shapes in the table `secret_kinds.jsonl`, one kind per line.

A kind has either `starts`, the fixed beginnings of its secrets, and `rest`, a pattern of what follows; or `contains`, a
pattern of a part that is easily found, and `pattern`, the whole secret. `sample` is how a made-up secret of the kind is
generated: fixed parts, and parts such as `alnum*20`. No sample is stored whole, because scanners would report it.

A secret with a fixed beginning is in a run of the characters of tokens, which ordinary text seldom has. Only at the
starts of words in such a run is a beginning looked up, by its first two characters, and its pattern tried.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from .search_budget import Budget

TABLE_PATH: Final = Path(__file__).with_name("secret_kinds.jsonl")

START: Final = (
    r"(?:(?<![A-Za-z0-9])|(?<=\\[bfnrt])|(?<=\\u[0-9a-fA-F]{4})|(?<=\[[0-9]m)|(?<=\[[0-9]{2}m)|(?<=;[0-9]m)"
    r"|(?<=;[0-9]{2}m))"
)
"""A token starts at the start of a word. JSON escapes and the colours of a terminal end in letters and digits that are
not part of a word."""

_HEX: Final = "[a-f0-9]{"
_FOLLOWS: Final = r"[A-Za-z0-9_.$%@/+=~-]{10}"
_FOLLOWS_HEX: Final = "[a-f0-9]{8}"
_ESCAPED_START: Final = r"\\[bfnrt]|\\u[0-9a-fA-F]{4}|\[[0-9;]{1,8}m"
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
    return "|".join((rf"(?:^|[^A-Za-z0-9]|{_ESCAPED_START})(?:{starts})", *parts))


def secrets_in(text: str, budget: Budget) -> list[Found]:
    """The secrets of all kinds in a text, in order and without overlaps. Longer beginnings count first."""
    return without_overlaps([*_found_by_start(text, budget), *_found_by_part(text, budget)])


def without_overlaps(found: list[Found]) -> list[Found]:
    """The places in order, where those that overlap are joined under the name of the first."""
    joined: list[Found] = []
    for place in sorted(found, key=lambda place: (place.start, -place.end)):
        if joined and place.start < joined[-1].end:
            joined[-1] = joined[-1]._replace(end=max(place.end, joined[-1].end))
        else:
            joined.append(place)
    return joined


_RUN: Final = re.compile(r"[A-Za-z0-9_.$%@/+=~-]{10,}")
"""The characters of beginnings and of what follows them: each secret with a fixed beginning is in one run."""

_BEFORE_WORD: Final = re.compile(r"[_.$%@/+=~-](?=[A-Za-z0-9_])")
_REST_OF_ESCAPE: Final = re.compile(r"(?<=\\)[bfnrt]|(?<=\\)u[0-9a-fA-F]{4}|(?<=[\[;])[0-9]{1,2}m")
_DISTINCT: Final = 3
"""Fewer different characters are a placeholder, such as `sk-xxxx-xxxx-xxxx`."""

_BEFORE_PART: Final = 64
_AFTER_PART: Final = 80
"""Characters around the part of a secret that is easily found within which its whole pattern is searched."""


def _found_by_start(text: str, budget: Budget) -> Iterator[Found]:
    beginnings = _by_first_two()
    for run in _RUN.finditer(text):
        words = [run.start(), *(match.end() for match in _BEFORE_WORD.finditer(text, *run.span()))]
        if escape := _REST_OF_ESCAPE.match(text, run.start()):
            words.insert(1, escape.end())
        budget.spend(len(words))
        end = 0
        for place in words:
            if place < end:
                continue
            for start, name, rest in beginnings.get(text[place : place + 2], ()):
                if text.startswith(start, place) and (match := rest.match(text, place + len(start))):
                    end = match.end()
                    if len(set(match[0])) >= _DISTINCT:
                        yield Found(place, end, name)
                    break


def _found_by_part(text: str, budget: Budget) -> Iterator[Found]:
    for name, contains, whole in _by_part():
        end = 0
        for part in contains.finditer(text):
            budget.spend(8)
            near = whole.search(text, max(end, part.start() - _BEFORE_PART), part.end() + _AFTER_PART)
            # A pattern that reaches the end of this region may continue after it.
            if part.start() >= end and near and (match := whole.match(text, near.start())):
                end = match.end()
                yield Found(match.start(), end, name)


@cache
def _by_first_two() -> dict[str, list[tuple[str, str, re.Pattern[str]]]]:
    """The kinds by the first two characters of their beginnings, longer beginnings first: `sk-ant-` before `sk-`."""
    ordered = sorted(((start, kind) for kind in kinds() for start in kind.starts), key=lambda pair: -len(pair[0]))
    beginnings: dict[str, list[tuple[str, str, re.Pattern[str]]]] = {}
    for start, kind in ordered:
        beginnings.setdefault(start[:2], []).append((start, kind.name, re.compile(kind.rest, re.ASCII)))
    return beginnings


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
