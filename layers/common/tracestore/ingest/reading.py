"""The attributes of one span during reading: the table rows that they match, and which of them have been used."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple, TypeAlias

from tracestore.domain.spans import Json

from .values import MAX_LEVELS, Branch, nested, parse_any, value_at

_MAX_INDEX_DIGITS: Final = 6
_NAMES_REMEMBERED: Final = 8_192


class Source(NamedTuple):
    """Where a table row finds a value: the attribute `name`, and the `path` inside the JSON that it contains.

    A `path` of None means the attribute's value as it is. With `numbered`, `name` is the prefix before a number; with
    `members`, it is the prefix before each of these names.
    """

    name: str
    path: tuple[str, ...] | None = None
    numbered: bool = False
    members: tuple[str, ...] = ()


class Match(NamedTuple):
    """A source that a span has, with the table row that lists it and its precedence in that row."""

    row: int
    precedence: int
    source: Source


_Step: TypeAlias = "str | int"
_Numbered: TypeAlias = tuple[str, tuple[_Step, ...], _Step]
"""`llm.prompts.0.parts.1.text` as the prefix before the number, the steps after the prefix, and the last step."""


def source_of(text: str) -> Source:
    """The source that a table writes as `text`."""
    if text.endswith(".*"):
        return Source(text[:-1], numbered=True)
    if text.endswith("}"):
        name, _, members = text[:-1].partition("{")
        return Source(name, members=tuple(members.split(",")))
    name, separator, path = text.partition(">")
    return Source(name, tuple(path.split(".")) if path else () if separator else None)


class Index:
    """The sources of all table rows by attribute name: a span costs time by its own attributes, not by the tables."""

    def __init__(self, rows: Iterable[Sequence[str]]) -> None:
        self._matches: dict[str, list[Match]] = {}
        for row, texts in enumerate(rows):
            for precedence, source in enumerate(map(source_of, texts)):
                for name in [source.name + member for member in source.members] or [source.name]:
                    self._matches.setdefault(name, []).append(Match(row, precedence, source))
        self._prefixes = tuple(name for name, matches in self._matches.items() if matches[0].source.numbered)
        self.numbered = lru_cache(maxsize=_NAMES_REMEMBERED)(self._numbered)

    def matches(self, name: str) -> Sequence[Match]:
        """The table entries for an attribute name, or for the prefix of a numbered one."""
        return self._matches.get(name, ())

    def _numbered(self, name: str) -> _Numbered | None:
        """The parts of a numbered attribute name that a table lists. *absent*: None for any other name."""
        if name.startswith(self._prefixes):
            prefix = next(prefix for prefix in self._prefixes if name.startswith(prefix))
            *steps, last = map(_step, name[len(prefix) :].split(".", MAX_LEVELS))
            if isinstance(steps[0] if steps else last, int):
                return prefix, tuple(steps), last
        return None


class Reading:
    """The attributes of a span, and which of them a field already contains.

    `matches` are the sources that the span has, sorted by row and, within a row, by precedence.
    """

    def __init__(self, attributes: Mapping[str, Json], index: Index) -> None:
        self.attributes = attributes
        self._used: set[str] = set()
        self._parsed: dict[str, Json] = {}
        self._numbered: dict[str, list[tuple[tuple[_Step, ...], _Step, str]]] = {}
        matches: list[Match] = []
        for name in attributes:
            if numbered := index.numbered(name):
                prefix, steps, last = numbered
                self._numbered.setdefault(prefix, []).append((steps, last, name))
            else:
                matches += index.matches(name)
        for prefix in self._numbered:
            matches += index.matches(prefix)
        self.matches = sorted(matches)

    def value(self, source: Source) -> Json:
        """The value at a source. *absent*: None."""
        name, path, numbered, members = source
        if numbered:
            return self._list(name)
        if members:
            present = {member: self.attributes.get(name + member) for member in members}
            return {member: value for member, value in present.items() if value} or None
        if path is None:
            return self.attributes.get(name)
        if name not in self._parsed:
            self._parsed[name] = parse_any(self.attributes.get(name))
        return value_at(self._parsed[name], path)

    def mark_used(self, source: Source) -> None:
        """Mark the attributes of a source as used. A path inside an attribute leaves it unused: the rest may differ."""
        if source.numbered:
            self._used.update(name for _, _, name in self._numbered.get(source.name, ()))
        elif source.members:
            self._used.update(source.name + member for member in source.members)
        elif not source.path:
            self._used.add(source.name)

    def mark_names_used(self, names: Iterable[str]) -> None:
        """Mark attributes as used by their names."""
        self._used.update(names)

    def unused(self) -> dict[str, Json]:
        """The attributes that no field contains, as a tree."""
        return nested({name: value for name, value in self.attributes.items() if name not in self._used})

    def _list(self, prefix: str) -> Json:
        """The list that numbered attributes such as `llm.input_messages.0.message.role` describe."""
        tree = Branch()
        for steps, last, name in self._numbered.get(prefix, ()):
            tree.put(steps, last, self.attributes[name])
        return _with_lists(tree) or None


def _step(text: str) -> _Step:
    return int(text) if text.isdecimal() and len(text) <= _MAX_INDEX_DIGITS else text


def _with_lists(value: Any) -> Any:
    """The tree with each branch that has only numbers as keys turned into a list."""
    if type(value) is not Branch:
        return value
    if all(type(step) is int for step in value):
        return [_with_lists(value[number]) for number in sorted(value)]
    return {str(step): _with_lists(item) for step, item in value.items()}
