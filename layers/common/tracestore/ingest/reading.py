"""The attributes of one span while they are read: found by the sources of the tables, and ticked off when told."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple, TypeAlias

from tracestore.domain.spans import Json

from .values import MAX_LEVELS, Branch, at, nested, unquoted

_MAX_INDEX_DIGITS: Final = 6
_NAMES_REMEMBERED: Final = 8_192


class Source(NamedTuple):
    """A place that a table names: the attribute `name`, and where in the JSON that it holds (None: the value itself).

    `numbered` says that `name` is what stands before a number, `members` that it is what stands before each of these.
    """

    name: str
    path: tuple[str, ...] | None = None
    numbered: bool = False
    members: tuple[str, ...] = ()


class Place(NamedTuple):
    """A source with the row of the table that names it, and its precedence in that row."""

    row: int
    rank: int
    source: Source


_Step: TypeAlias = "str | int"
_Numbered: TypeAlias = tuple[str, tuple[_Step, ...], _Step]
"""`llm.prompts.0.parts.1.text` as what stands before the number, the steps from there, and the last of them."""


def source_of(text: str) -> Source:
    """The source that a table writes as `text`."""
    if text.endswith(".*"):
        return Source(text[:-1], numbered=True)
    if text.endswith("}"):
        name, _, members = text[:-1].partition("{")
        return Source(name, members=tuple(members.split(",")))
    name, opens, path = text.partition(">")
    return Source(name, tuple(path.split(".")) if path else () if opens else None)


class Index:
    """For each attribute's name the places that name it: reading costs what a span has, not what the tables have."""

    def __init__(self, rows: Iterable[Sequence[str]]) -> None:
        self._places: dict[str, list[Place]] = {}
        for row, texts in enumerate(rows):
            for rank, source in enumerate(map(source_of, texts)):
                for name in [source.name + member for member in source.members] or [source.name]:
                    self._places.setdefault(name, []).append(Place(row, rank, source))
        self._prefixes = tuple(name for name, places in self._places.items() if places[0].source.numbered)
        self.numbered = lru_cache(maxsize=_NAMES_REMEMBERED)(self._numbered)

    def places(self, name: str) -> Sequence[Place]:
        """The places that name an attribute, or what stands before the number in one."""
        return self._places.get(name, ())

    def _numbered(self, name: str) -> _Numbered | None:
        """The pieces of a numbered attribute that some place names; None for any other."""
        if name.startswith(self._prefixes):
            prefix = next(prefix for prefix in self._prefixes if name.startswith(prefix))
            *steps, last = map(_step, name[len(prefix) :].split(".", MAX_LEVELS))
            if isinstance(steps[0] if steps else last, int):
                return prefix, tuple(steps), last
        return None


class Reading:
    """The attributes of a span, and which of them some fact has told.

    `places` are where the tables find something, by row, and in each row by precedence.
    """

    def __init__(self, attributes: Mapping[str, Json], index: Index) -> None:
        self.attributes = attributes
        self._told: set[str] = set()
        self._opened: dict[str, Json] = {}
        self._numbered: dict[str, list[tuple[tuple[_Step, ...], _Step, str]]] = {}
        found: list[Place] = []
        for name in attributes:
            if numbered := index.numbered(name):
                prefix, steps, last = numbered
                self._numbered.setdefault(prefix, []).append((steps, last, name))
            else:
                found += index.places(name)
        for prefix in self._numbered:
            found += index.places(prefix)
        self.places = sorted(found)

    def value(self, source: Source) -> Json:
        """What stands at a source; None for nothing."""
        name, path, numbered, members = source
        if numbered:
            return self._list(name)
        if members:
            present = {member: self.attributes.get(name + member) for member in members}
            return {member: value for member, value in present.items() if value} or None
        if path is None:
            return self.attributes.get(name)
        if name not in self._opened:
            self._opened[name] = unquoted(self.attributes.get(name))
        return at(self._opened[name], path)

    def tell(self, source: Source) -> None:
        """Ticks a source off: what stands there need not be told again. A place inside of one says not all of it."""
        if source.numbered:
            self._told.update(name for _, _, name in self._numbered.get(source.name, ()))
        elif source.members:
            self._told.update(source.name + member for member in source.members)
        elif not source.path:
            self._told.add(source.name)

    def tell_names(self, names: Iterable[str]) -> None:
        """Ticks attributes off by their names."""
        self._told.update(names)

    def untold(self) -> dict[str, Json]:
        """What no fact has told, as a tree."""
        return nested({name: value for name, value in self.attributes.items() if name not in self._told})

    def _list(self, prefix: str) -> Json:
        """Attributes such as `llm.input_messages.0.message.role` as the list that they spell out."""
        tree = Branch()
        for steps, last, name in self._numbered.get(prefix, ()):
            tree.put(steps, last, self.attributes[name])
        return _with_lists(tree) or None


def _step(text: str) -> _Step:
    return int(text) if text.isdecimal() and len(text) <= _MAX_INDEX_DIGITS else text


def _with_lists(value: Any) -> Any:
    """A tree in which every branch of numbers is a list."""
    if type(value) is not Branch:
        return value
    if all(type(step) is int for step in value):
        return [_with_lists(value[number]) for number in sorted(value)]
    return {str(step): _with_lists(item) for step, item in value.items()}
