"""The texts and the examples of `docs/api.md`, so that the OpenAPI document does not repeat them."""

import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from dev.template import ROOT

_FENCE: Final = re.compile(r"^```(\w*)\n(.*?)^```\n", re.MULTILINE | re.DOTALL)
_LINK: Final = re.compile(r"\[([^\]]+)\]\([^)\s]+\)")
_ROUTE: Final = re.compile(r"### `([A-Z]+ /\S*)`")
_INLINE_JSON: Final = re.compile(r"`(\{[^`]*\})`")
_TABLE: Final = re.compile(r"^\|.*\n", re.MULTILINE)
_PARAMETER_TABLES: Final = ("parameter", "lesson parameter", "common parameter")


@dataclass(frozen=True)
class Table:
    """A table: the cells of its head, and those of each row."""

    head: list[str]
    rows: list[list[str]]


class Prose:
    """A document in the form of `docs/api.md`."""

    def __init__(self, text: str | None = None) -> None:
        self._text = (ROOT / "docs/api.md").read_text() if text is None else text

    @cached_property
    def sections(self) -> dict[str, str]:
        """The text below each heading of levels 1 to 3, up to the next heading of any of these levels."""
        parts = re.split(r"^(#{1,3} .*)\n", self._text, flags=re.MULTILINE)
        return {heading: text.strip() + "\n" for heading, text in zip(parts[1::2], parts[2::2], strict=True)}

    @cached_property
    def routes(self) -> dict[str, str]:
        """The routes with a heading of their own, and the heading of level 2 that each is under."""
        chapter, found = "", {}
        for heading in self.sections:
            chapter = heading if heading.startswith("## ") else chapter
            if match := _ROUTE.fullmatch(heading):
                found[match[1]] = chapter
        return found

    def introduction(self, without: Collection[str]) -> str:
        """The first paragraph of the document, and its chapters except those in `without`."""
        first = plain(self.sections["# The HTTP API"].partition("\n\n")[0])
        chapters = [name for name in self.sections if name.startswith("## ") and name not in without]
        return "\n\n".join([first, *(f"{name}\n\n{self.chapter(name)}" for name in chapters)])

    def chapter(self, heading: str) -> str:
        """The text of a chapter outside the sections of its routes."""
        texts, inside = [], False
        for name, text in self.sections.items():
            if name.startswith("## "):
                inside = name == heading
            if inside and not _ROUTE.fullmatch(name):
                texts.append(text if name == heading else f"{name}\n\n{text}")
        return plain("\n".join(texts))

    def section(self, heading: str) -> str:
        """The text of a section, without its examples in blocks. *raises*: KeyError for an absent heading."""
        return plain(_FENCE.sub(lambda block: "" if block[1] == "json" else block[0], self.sections[heading]))

    def examples(self, *headings: str) -> list[Any]:
        """The JSON values in these sections, in blocks and between backticks. Abbreviated ones are left out."""
        found = []
        for heading in headings or self.sections:
            text = self.sections[heading]
            for part in [block[2] for block in _FENCE.finditer(text) if block[1] == "json"] + _INLINE_JSON.findall(
                _FENCE.sub("", text)
            ):
                try:
                    found.append(json.loads(part))
                except ValueError:
                    continue
        return found

    def parameter(self, name: str, *headings: str) -> str:
        """The description of a query parameter, from the first of these sections that has one.

        A parameter is described by rows of a table of parameters, by a table of its values, or by a sentence that
        begins with its name. *raises*: LookupError when no section describes it.
        """
        for heading in headings:
            for described in (self._rows, self._values, self._sentences):
                if texts := list(described(name, heading)):
                    return "; ".join(texts)
        raise LookupError(f"docs/api.md does not describe the parameter {name} under {', '.join(headings)}.")

    def fields(self, heading: str) -> dict[str, str]:
        """The last cell of each row of the tables of fields in a section, by the names in the first cell."""
        notes: dict[str, str] = {}
        for table in tables(self.sections[heading]):
            if table.head[0] == "field":
                for row in table.rows:
                    for name in re.findall(r"`([a-z_.]+)`", row[0]):
                        notes[name] = plain(row[-1])
        return {name: note for name, note in notes.items() if note}

    def errors(self) -> dict[str, tuple[int, str, str]]:
        """Each code with its status, its cause and its remedy."""
        (table,) = tables(self.sections["## Errors"])
        return {
            code.strip("`"): (int(status), plain(cause), plain(remedy)) for code, status, cause, remedy in table.rows
        }

    def _rows(self, name: str, heading: str) -> Iterator[str]:
        for table in tables(self.sections[heading]):
            if table.head[0] not in _PARAMETER_TABLES:
                continue
            for first, text, *_ in table.rows:
                written = re.findall(r"`([A-Za-z_.]+)(?:=([^`]*))?`", first.partition(" (")[0])
                for value in [value for found, value in written if found == name]:
                    sentence = plain(text if table.head[1] == "response" else f"{table.head[1]} {text}")
                    yield f"`{value}`: {sentence}" if value else sentence[:1].upper() + sentence[1:]

    def _values(self, name: str, heading: str) -> Iterator[str]:
        for table in tables(self.sections[heading]):
            if table.head[0] == f"`{name}`":
                yield "; ".join(f"{row[0]}: {plain(row[1])}" for row in table.rows)

    def _sentences(self, name: str, heading: str) -> Iterator[str]:
        text = re.sub(r"\s+", " ", _TABLE.sub("", _FENCE.sub("", self.sections[heading]))).strip()
        for sentence in re.split(r"(?<=[.]) (?=[A-Z`])", text):
            subjects = re.match(r"(?:(?:, | and )?`\w+`(?: \([^)]*\))?)+", sentence)
            if subjects and f"`{name}`" in subjects[0]:
                yield plain(sentence)


def tables(text: str) -> Iterator[Table]:
    """The tables of a text."""
    for head, rows in re.findall(r"^(\|.*\|)\n\|[-| ]+\|\n((?:\|.*\|\n?)+)", text, re.MULTILINE):
        yield Table(_cells(head), [_cells(row) for row in rows.strip().split("\n")])


def plain(text: str) -> str:
    """A text without its links, whose targets are in the repository."""
    return _LINK.sub(r"\1", text).strip()


def _cells(row: str) -> list[str]:
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", row.strip()[1:-1])]
