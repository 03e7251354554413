"""Open a span: find the attributes that the tables name, and the value of each source that the span has.

This is the second stage of an export, after the decoders. Numbered attributes become lists, and a JSON text that
several sources name is parsed once. The later stages look up no attribute by a name of `convention_tables.ROWS`.
"""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple, TypeAlias

from tracestore.domain.json_values import MAX_LEVELS, Branch, OpenedTexts, value_at
from tracestore.domain.spans import Json

from .content_tables import CONVERSATION_ATTRIBUTES, EVENTS_WITH_ATTRIBUTES, INPUT, OUTPUT
from .convention_tables import METADATA_PREFIXES, OPERATION_ROW, ROWS, Row
from .operation_tables import EVIDENCE
from .otlp import Attributes, OtlpSpan
from .usage_tables import USAGE, UsageSource

_MAX_INDEX_DIGITS: Final = 6
_NAMES_REMEMBERED: Final = 8_192
_PLANS_REMEMBERED: Final = 512
_MAX_NAMES_REMEMBERED: Final = 128


FieldValue: TypeAlias = tuple[Row, Json, tuple[str, ...]]
"""A row, the value of one of its sources, and the names of the attributes that the value contains whole: none for a
value inside an attribute, whose rest may differ."""


UsageValue: TypeAlias = tuple[UsageSource, str, Json]
"""A source of token counts, the attribute, and its value: a count, or an object of counts."""


class ContentValue(NamedTuple):
    """One source of the input or output. `names` are the attributes that it contains whole.

    *absent*: None for `raw` unless one attribute is the whole value; None for a `value` that is a JSON text: only the
    one that counts is opened, by `texts`.
    """

    value: Json
    names: tuple[str, ...]
    raw: Json


class OpenedSpan(NamedTuple):
    """A span with the values of its sources, each list in the order of the tables.

    `attributes` include those of events that contain a conversation or attributes of the span, and `texts` has the JSON
    in each of them. `evidence` is the operation that the names of the attributes mean. *absent*: None for it. `chosen`
    are the names of attributes with metadata of the application, each with its key.
    """

    span: OtlpSpan
    attributes: Attributes
    texts: OpenedTexts
    evidence: str | None
    chosen: list[tuple[str, str]]
    fields: list[FieldValue]
    usage: list[UsageValue]
    inputs: list[ContentValue]
    outputs: list[ContentValue]


_Step: TypeAlias = "str | int"
_Numbered: TypeAlias = tuple[str, tuple[_Step, ...], _Step]
"""`llm.prompts.0.parts.1.text` as the prefix before the number, the steps after the prefix, and the last step."""

_Leaf: TypeAlias = tuple[tuple[_Step, ...], _Step, str]
"""A numbered attribute: the steps after the prefix, the last step, and the whole name."""


class _ListSteps(NamedTuple):
    """The steps that build a list from numbered attributes: the nodes, and what each contains.

    *shape*: the length of each node, None for an object; for each entry the index of its node, the key, the index of
    the node in it, and else the name of its attribute. The first node is the list.
    """

    lengths: list[int | None]
    entries: list[tuple[int, Any, int, str | None]]


class _Source(NamedTuple):
    """Where a table finds a value: the attribute `name`, and the `path` inside the JSON that it contains.

    A `path` of None means the attribute's value as it is. With `numbered`, `name` is the prefix before a number; with
    `members`, it is the prefix before each of these names. In a table, the second step of a name may be `*`.
    """

    name: str
    path: tuple[str, ...] | None = None
    numbered: bool = False
    members: tuple[str, ...] = ()


class _Match(NamedTuple):
    """A source with the row that lists it and its precedence in that row."""

    row: int
    precedence: int
    source: _Source

    def named(self, name: str) -> "_Match":
        """The match of a source whose name has any step where `name` has a certain one."""
        return self._replace(source=self.source._replace(name=name))


class _Plan(NamedTuple):
    """The sources of spans with the same attribute names, in the order of the tables.

    *shape*: of `chosen`, the attribute and the key of metadata in it; of fields, the row, the name, the path, the
    attributes used, and the members; of usage, the source, the name and the path; of contents, the row, the source, the
    attributes used, and the numbered ones below its name.
    """

    evidence: str | None
    chosen: list[tuple[str, str]]
    fields: list[tuple[Row, str, tuple[str, ...] | None, tuple[str, ...], tuple[str, ...]]]
    usage: list[tuple[UsageSource, str, tuple[str, ...] | None]]
    contents: list[tuple[int, _Source, tuple[str, ...], _ListSteps | None]]


def open_span(span: OtlpSpan) -> OpenedSpan:
    """The span with the value of each source that it has."""
    attributes = span.attributes
    for event in span.events:
        if not CONVERSATION_ATTRIBUTES.keys().isdisjoint(event.attributes):
            attributes = event.attributes | attributes
        elif event.name in EVENTS_WITH_ATTRIBUTES:
            attributes = attributes | {f"{event.name}.{name}": value for name, value in event.attributes.items()}
    texts = OpenedTexts(attributes)
    plan = _plan(attributes)
    fields = [
        (row, _members(attributes, name, members), names)
        if members
        else (row, attributes[name] if path is None else value_at(texts[name], path) if path else texts[name], names)
        for row, name, path, names, members in plan.fields
    ]
    usage = [
        (source, name, attributes[name] if type(attributes[name]) is int else value_at(texts[name], path or ()))
        for source, name, path in plan.usage
    ]
    inputs: list[ContentValue] = []
    outputs: list[ContentValue] = []
    for row, (name, path, _, members), names, steps in plan.contents:
        raw = value = None
        if steps:
            value = _listed(steps, attributes)
        elif members:
            value = _members(attributes, name, members)
        else:
            raw = attributes[name]
            value = raw if path is None else value_at(texts[name], path) if path else None
        (inputs if row == _INPUT_ROW else outputs).append(ContentValue(value, names, raw))
    return OpenedSpan(span, attributes, texts, plan.evidence, plan.chosen, fields, usage, inputs, outputs)


def _members(attributes: Attributes, prefix: str, members: Iterable[str]) -> Json:
    """The object of the attributes with these names after a prefix. *absent*: None if all are empty."""
    return {member: item for member in members if (item := attributes.get(prefix + member))} or None


def _plan(attributes: Attributes) -> _Plan:
    """The sources of a span. Spans of one kind have the same names: most plans are remembered."""
    names = tuple(attributes)
    return _remembered_plan(names) if len(names) <= _MAX_NAMES_REMEMBERED else _new_plan(names)


def _new_plan(names: tuple[str, ...]) -> _Plan:
    leaves: dict[str, list[_Leaf]] = {}
    matches: list[_Match] = []
    for name in names:
        if parts := _INDEX.numbered(name):
            prefix, steps, last = parts
            leaves.setdefault(prefix, []).append((steps, last, name))
        else:
            matches += _INDEX.matches(name)
    for prefix in leaves:
        matches += _INDEX.matches(prefix)
    usage = sorted((*source, name) for name in names for source in _usage_sources(name))
    evidence = (operation for operation, among in EVIDENCE if not among.isdisjoint(names))
    plan = _Plan(
        next(evidence, None),
        [(name, key) for name in names if (key := _metadata_key(name))],
        [],
        [(USAGE[number], name, _USAGE_PATHS[number]) for number, _, name in usage],
        [],
    )
    for row, _, source in dict.fromkeys(sorted(matches)):  # each once: a source may have several members
        name, path, _, members = source
        numbered = leaves.get(name, []) if source.numbered else []
        if row < _INPUT_ROW:
            used = [name + member for member in members] or ([] if path else [name])
            plan.fields.append((_FIELD_ROWS[row], name, path, tuple(used), members))
        else:
            used = [name + member for member in members] or [leaf_name for _, _, leaf_name in numbered] or [name]
            plan.contents.append((row, source, tuple(used), _list_steps(numbered) if numbered else None))
    return plan


_remembered_plan: Final = lru_cache(maxsize=_PLANS_REMEMBERED)(_new_plan)


def _metadata_key(name: str) -> str | None:
    """The key of metadata in the name of an attribute. *absent*: None, also for a key that this service uses itself."""
    if not name.startswith(METADATA_PREFIXES):
        return None
    prefix = next(prefix for prefix in METADATA_PREFIXES if name.startswith(prefix))
    key = name.removeprefix(prefix)
    return key if key and key not in _OWN_METADATA else None


_OWN_METADATA: Final = frozenset(
    {
        *(row.field.removeprefix("metadata.") for row in ROWS if row.field.startswith("metadata.")),
        *("kind", "attributes", "resource", "scope", "usage_as_sent", "usage_ambiguous"),
    }
)


@lru_cache(maxsize=_NAMES_REMEMBERED)
def _usage_sources(name: str) -> tuple[tuple[int, int], ...]:
    """The number of each source of token counts that lists an attribute, with the number of steps in its name."""
    if not _ANY_USAGE_NAME.fullmatch(name):
        return ()
    steps = len(_WORD.findall(name))
    return tuple((number, steps) for number, names in enumerate(_USAGE_NAMES) if names.fullmatch(name))


class _Index:
    """The sources of all rows by attribute name: a span costs time by its own attributes, not by the tables."""

    def __init__(self, rows: Iterable[Sequence[str]]) -> None:
        self._matches: dict[str, list[_Match]] = {}
        for row, texts in enumerate(rows):
            for precedence, source in enumerate(map(_source_of, texts)):
                for name in [source.name + member for member in source.members] or [source.name]:
                    self._matches.setdefault(name, []).append(_Match(row, precedence, source))
        self._prefixes = tuple(name for name, matches in self._matches.items() if matches[0].source.numbered)
        self.numbered = lru_cache(maxsize=_NAMES_REMEMBERED)(self._numbered)

    def matches(self, name: str) -> Sequence[_Match]:
        """The table entries for an attribute name, or for the prefix of a numbered one."""
        found = self._matches.get(name, ())
        first, _, others = name.partition(".")
        _, _, rest = others.partition(".")
        patterns = self._matches.get(f"{first}.*.{rest}", ()) if rest else ()
        return [*found, *(match.named(name) for match in patterns)] if patterns else found

    def _numbered(self, name: str) -> _Numbered | None:
        """The parts of a numbered attribute name that a table lists. *absent*: None for any other name."""
        if name.startswith(self._prefixes):
            prefix = next(prefix for prefix in self._prefixes if name.startswith(prefix))
            *steps, last = map(_step, name[len(prefix) :].split(".", MAX_LEVELS))
            if isinstance(steps[0] if steps else last, int):
                return prefix, tuple(steps), last
        return None


def _source_of(text: str) -> _Source:
    """The source that a table writes as `text`."""
    if text.endswith(".*"):
        return _Source(text[:-1], numbered=True)
    if text.endswith("}"):
        name, _, members = text[:-1].partition("{")
        return _Source(name, members=tuple(members.split(",")))
    name, separator, path = text.partition(">")
    return _Source(name, tuple(path.split(".")) if path else () if separator else None)


def _step(text: str) -> _Step:
    return int(text) if text.isdecimal() and len(text) <= _MAX_INDEX_DIGITS else text


def _list_steps(leaves: Iterable[_Leaf]) -> _ListSteps:
    """The steps that build the list which numbered attributes such as `llm.input_messages.0.message.role` describe.

    They depend on names alone. A node that has only numbers as keys is a list.
    """
    tree = Branch()
    for steps, last, name in leaves:
        tree.put(steps, last, name)
    lengths: list[int | None] = []
    entries: list[tuple[int, Any, int, str | None]] = []
    nodes = [tree]
    for index, node in enumerate(nodes):
        is_list = all(type(step) is int for step in node)
        lengths.append(len(node) if is_list else None)
        places = {step: place for place, step in enumerate(sorted(node))} if is_list else {}
        for step, item in node.items():
            key = places[step] if is_list else str(step)
            if type(item) is Branch:
                entries.append((index, key, len(nodes), None))
                nodes.append(item)
            else:
                entries.append((index, key, 0, item))
    return _ListSteps(lengths, entries)


def _listed(steps: _ListSteps, attributes: Attributes) -> Json:
    """The list that numbered attributes describe."""
    nodes: list[Any] = [{} if length is None else [None] * length for length in steps.lengths]
    for index, key, child, name in steps.entries:
        nodes[index][key] = nodes[child] if name is None else attributes[name]
    listed: Json = nodes[0]
    return listed


_FIELD_ROWS: Final = (OPERATION_ROW, *ROWS)
_INPUT_ROW: Final = len(_FIELD_ROWS)
_INDEX: Final = _Index([*(row.sources.split() for row in _FIELD_ROWS), INPUT.split(), OUTPUT.split()])
_USAGE_PATHS: Final = [
    tuple(path.split(".")) if path else () if separator else None
    for _, separator, path in (source.name.partition(">") for source in USAGE)
]
_STEP: Final = "[^.]+"
_USAGE_NAMES: Final = [
    re.compile(_STEP.join(map(re.escape, name.split("*"))) + ("" if separator else ".+"))
    for name, separator, _ in (source.name.partition(">") for source in USAGE)
]
_ANY_USAGE_NAME: Final = re.compile("|".join(names.pattern for names in _USAGE_NAMES))
_WORD: Final = re.compile("[A-Za-z0-9]+")
