"""Mask secrets in spans before they are stored: by their shape, by what is around them, and by the name of a value.

A marker such as `[redacted:openai_key]` replaces a secret. *repeat*: redacting again changes nothing.

Nearly all spans contain no secret, so the check that every span passes must be cheap. Rust's regular expressions,
available through pydantic, search the JSON of a whole span in linear time and 20 times as fast as `re`. The patterns of
this check therefore use only syntax that both engines support: no look-around, no back-references. The shapes of all
kinds are one search, for their fixed beginnings (`secret_kinds`).

Text that this check suspects is examined in Python. That work is bounded for each request (`search_budget`): when it is
used up, a whole field that is suspect becomes `[redacted:unexamined]`, which masks more than the secrets.
"""

import re
from collections.abc import Callable, Sequence
from copy import copy
from functools import cache
from typing import Any, Final, cast

from pydantic_core import SchemaValidator, core_schema, to_json

from tracestore.domain.media import sha256_of_reference
from tracestore.domain.span_text import SpanTexts
from tracestore.domain.spans import Json, SpanFields

from .encoded_text import CODE_FORMS, decoded
from .search_budget import Budget, BudgetSpent
from .secret_kinds import Found, quick_pattern, secrets_in, without_overlaps
from .secret_labels import LABEL, labelled_in
from .secret_names import SecretName, canonical, holds_secret, is_secret, secret_name
from .secret_structures import STRUCTURES, structured_in

_NOT_REDACTED: Final = ("span_id", "parent_span_id")
"""Ids connect spans to their parents and to their keys in the table, so they stay as they were sent."""

_UNEXAMINED: Final = "[redacted:unexamined]"
_MARKER: Final = re.compile(r"(\[redacted:[a-z_0-9]{1,40}\])")
_NAME_FIELDS: Final = ("name", "key", "header", "field", "parameter", "variable", "id")
_VALUE_FIELDS: Final = ("value", "val", "content", "text")
_SCHEMA_FIELDS: Final = frozenset({"properties", "patternProperties", "definitions", "$defs"})

_Finder = Callable[[str], "Sequence[Found]"]
_VALUE_STEPS: Final = 3
_NAME_STEPS: Final = 16
_TEXT_STEPS: Final = 40
_CHARACTERS_PER_STEP: Final = 10
_CHARACTERS_PER_SEARCH_STEP: Final = 200
"""The work of the parts of an examination: a value, one under the name of a secret, a text, its characters, and the
characters of an item that is searched as a whole."""


class Redactor:
    """A redactor of the fields of spans, by shapes, structures, names, and the deployer's own regular expressions.

    With regular expressions of the deployer, every value of every span is checked, which is slower. One redactor
    examines the spans of one request, within one budget, and keeps the JSON of those without secrets in `texts`.
    *raises*: ValueError with the number of a regular expression that cannot be used.
    """

    def __init__(self, extra_patterns: Sequence[str] = ()) -> None:
        self._extra = [_custom_finder(number, pattern) for number, pattern in enumerate(extra_patterns, 1)]
        self._budget = Budget()
        self.texts = SpanTexts()

    def for_request(self) -> "Redactor":
        """A redactor with the same patterns and a budget of its own."""
        redactor = copy(self)
        redactor._budget, redactor.texts = Budget(), SpanTexts()
        return redactor

    def redact(self, fields: SpanFields) -> SpanFields:
        """`fields` with the secrets masked in all fields except the ids; the same object if there are none.

        When the budget is spent, fields that may contain a secret are masked as a whole.
        """
        try:
            if not self._extra and not self._is_suspect(fields):
                return fields
            content = _content(fields)
            redacted = self._value(content)
        except BudgetSpent:
            content = _content(fields)
            redacted = {name: _unless_suspect(value) for name, value in content.items()}
        return fields if redacted == content else cast(SpanFields, {**fields, **redacted})

    def redact_text(self, text: str) -> str:
        """`text` with the secrets masked, as in a field of a span."""
        try:
            return self._text(text)
        except BudgetSpent:
            return _UNEXAMINED

    def _is_suspect(self, fields: SpanFields) -> bool:
        try:
            text = self.texts.write(fields).whole.decode()  # bytes would be checked for UTF-8 by each search
        except ValueError:
            return True
        return _is_suspect(text, self._budget)

    def _value(self, value: Any, *, describes: bool = False, is_entry: bool = False) -> Any:
        """`value` with the secrets masked.

        `describes` for an object of schemas by the names of parameters, `is_entry` for an entry of a list of lists.
        """
        self._budget.spend(_VALUE_STEPS)
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, list):
            if is_entry and (marker := _marker_of_entry(value)):
                return [self._text(value[0]), marker]
            are_entries = all(isinstance(item, list) for item in value)
            return [self._value(item, is_entry=are_entries) if self._is_examined(item) else item for item in value]
        if isinstance(value, dict):
            return self._object(value, describes)
        return value

    def _is_examined(self, item: Any) -> bool:
        """Whether an item of a list may contain a secret: of the many messages in a prompt, few do."""
        if self._extra or not isinstance(item, list | dict):
            return True
        text = _json(item)
        self._budget.spend(_VALUE_STEPS + len(text or "") // _CHARACTERS_PER_SEARCH_STEP)
        return text is None or _is_suspect(text, self._budget)

    def _object(self, value: dict[str, Any], describes: bool) -> dict[str, Any]:
        redacted = {
            self._text(name): (None if describes and not isinstance(item, str) else self._marker_by_name(name, item))
            or self._value(item, describes=name in _SCHEMA_FIELDS)
            for name, item in value.items()
        }
        redacted |= _marked_pair(value)
        if (sha256 := sha256_of_reference(value)) is not None:
            redacted["ref"] = value["ref"]  # by chance, a hash may match a pattern of the deployer
            if value.get("sha256") == sha256:
                redacted["sha256"] = sha256
        return redacted

    def _marker_by_name(self, name: str, value: Json) -> str | None:
        """The marker that replaces `value` because `name` identifies a secret. *absent*: None if the value may stay."""
        if (found := secret_name(name[-64:])) is None:
            return None
        self._budget.spend(_NAME_STEPS)
        return f"[redacted:{canonical(found)}]" if holds_secret(found, value) else None

    def _text(self, text: str) -> str:
        # A mask may uncover a match for another mask. Markers are never masked again, so that the loop ends.
        before = None
        while text != before:
            before = text
            if _is_suspect(text.encode(errors="replace"), self._budget):
                text = _without_known(text, self._budget)
            for find in self._extra:
                segments = _MARKER.split(text)
                segments[::2] = [_masked(segment, find(segment)) for segment in segments[::2]]
                text = "".join(segments)
        return text


def _content(fields: SpanFields) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name not in _NOT_REDACTED}


def _unless_suspect(value: Any) -> Any:
    """The value of a field, or a marker if it may contain a secret. The list of a field remains a list.

    Encoded text is not decoded: all of it may contain a secret.
    """
    text = _json(value)
    if text is not None and not _secret_occurs(text) and not _has_codes(text):
        return value
    return [_UNEXAMINED] if isinstance(value, list) else _UNEXAMINED


def _without_known(text: str, budget: Budget) -> str:
    """`text` with its secrets masked, except for those by patterns of the deployer. Markers stay.

    The text between markers is searched at once, with line ends in place of markers: a search for each part would take
    seconds for a text of many small ones.
    """
    segments = _MARKER.split(text)
    between = "\n".join(segments[::2])
    if len(segments) > 1 and not _is_suspect(
        between.encode(errors="replace"), budget
    ):  # nearly always, after the first round
        return text
    budget.spend(_TEXT_STEPS + len(text) // _CHARACTERS_PER_STEP)
    places = iter(without_overlaps(list(_find_known(between, budget))))
    place, start = next(places, None), 0
    for index in range(0, len(segments), 2):
        end, inside = start + len(segments[index]), []
        while place is not None and place.start < end:
            first, last = max(place.start, start), min(place.end, end)
            if first < last:
                inside.append(Found(first - start, last - start, place.name))
            if place.end > end:
                break  # it continues after the marker
            place = next(places, None)
        segments[index] = _masked(segments[index], inside)
        start = end + 1
    return "".join(segments)


def _masked(text: str, found: Sequence[Found]) -> str:
    if not found:
        return text
    pieces: list[str] = []
    end = 0
    for place in without_overlaps(list(found)):
        pieces += (text[end : place.start], f"[redacted:{place.name}]")
        end = place.end
    return "".join((*pieces, text[end:]))


def _finder(pattern: str) -> Callable[[bytes | str], bool]:
    """A function that searches UTF-8 text for `pattern` with Rust's engine."""
    return SchemaValidator(core_schema.str_schema(pattern=pattern)).isinstance_python


_KIND_OCCURS: Final = _finder(quick_pattern())
_STRUCTURE_OCCURS: Final = _finder("|".join((*(rule.occurs for rule in STRUCTURES if rule.occurs), LABEL)))
"""Two searches for everything. Their patterns are loose and not joined, so that each automaton fits into the engine's
cache. One that does not is built again and again: joined, they take 5 times as long for spans, 16 times for source
code, and 100 times for text without repetitions."""

_CODES: Final = [(text, text.encode(), _finder(pattern)) for text, pattern in CODE_FORMS]


def _is_suspect(text: bytes | str, budget: Budget) -> bool:
    return _secret_occurs(text) or (_has_codes(text) and _secret_occurs(_plain(text, budget)))


def _secret_occurs(text: bytes | str) -> bool:
    return _KIND_OCCURS(text) or _STRUCTURE_OCCURS(text)


def _has_codes(text: bytes | str) -> bool:
    """Whether a text contains a code. The fixed text of each form is searched first: most texts have none of them."""
    for mark, encoded_mark, occurs_in in _CODES:
        if (encoded_mark in text if isinstance(text, bytes) else mark in text) and occurs_in(text):
            return True
    return False


def _plain(text: bytes | str, budget: Budget) -> str:
    plain = decoded(text if isinstance(text, str) else text.decode(errors="replace"), budget)
    return "" if plain is None else plain.text


def _json(value: Any) -> str | None:
    """JSON of a value. *absent*: None if it has none, for example because of a lone surrogate."""
    try:
        return to_json(value).decode()
    except ValueError:
        return None


def _find_kinds(text: str, budget: Budget) -> Sequence[Found]:
    return secrets_in(text, budget) if _KIND_OCCURS(text.encode(errors="replace")) else ()


def _find_labelled(text: str, budget: Budget) -> Sequence[Found]:
    return list(labelled_in(text, budget)) if _quick_finder(LABEL)(text.encode(errors="replace")) else ()


def _find_structured(text: str, budget: Budget) -> Sequence[Found]:
    encoded = text.encode(errors="replace")
    found: list[Found] = []
    if not _STRUCTURE_OCCURS(encoded):  # one search for all rules: a span may have a thousand short secrets
        return found
    for rule in STRUCTURES:
        if _quick_finder(rule.occurs or LABEL)(encoded):
            found += structured_in(rule, text, budget)
    return found


@cache
def _quick_finder(pattern: str) -> Callable[[bytes | str], bool]:
    """A finder for one rule, compiled for the first suspicious text, which most cold starts do not meet."""
    return _finder(pattern)


def _find_encoded(text: str, budget: Budget) -> Sequence[Found]:
    """The secrets in the decoded text, at their places in the text itself."""
    if not _has_codes(text.encode(errors="replace")):
        return ()
    plain = decoded(text, budget)
    if plain is None or not _secret_occurs(plain.text.encode(errors="replace")):
        return ()
    budget.spend(_TEXT_STEPS + len(plain.text) // _CHARACTERS_PER_STEP)
    found = [place for find in (_find_labelled, _find_structured, _find_kinds) for place in find(plain.text, budget)]
    return [Found(plain.original(place.start), plain.original(place.end), place.name) for place in found]


def _find_known(text: str, budget: Budget) -> Sequence[Found]:
    """All secrets. Those in the decoded text may be longer than in the text itself, or shorter: places are joined."""
    finders = (_find_labelled, _find_structured, _find_kinds, _find_encoded)
    return [place for find in finders for place in find(text, budget)]


def _custom_finder(number: int, text: str) -> _Finder:
    try:
        pattern = re.compile(text)
    except re.error as error:
        problem = f"is not a valid regular expression: {error.msg}"
    else:
        if not pattern.search(""):
            return lambda segment: [Found(*match.span(), "custom") for match in pattern.finditer(segment) if match[0]]
        problem = "matches an empty string: require at least one character"
    raise ValueError(f"Redaction pattern {number} {problem}.")


def _marked_pair(value: dict[str, Any]) -> dict[str, str]:
    """The marker of the value of `{"name": "DB_PASSWORD", "value": …}`, under its name. *absent*: empty."""
    names = [name for field, text in value.items() if field.lower() in _NAME_FIELDS and (name := _name_in(text))]
    if not names:
        return {}
    return {
        field: f"[redacted:{canonical(names[0])}]"
        for field, item in value.items()
        if field.lower() in _VALUE_FIELDS and holds_secret(names[0], item)
    }


def _marker_of_entry(value: list[Any]) -> str | None:
    """The marker of the value of `["x-api-key", …]`. *absent*: None for another list."""
    if len(value) != 2 or not isinstance(value[1], str) or " " in value[1] or (name := _name_in(value[0])) is None:
        return None
    return f"[redacted:{canonical(name)}]" if is_secret(name, value[1]) else None


def _name_in(value: Any) -> SecretName | None:
    return secret_name(value[-64:]) if isinstance(value, str) and len(value) <= 256 else None
