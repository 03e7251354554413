"""Give token counts one meaning, whichever way a client counts.

In a span, `input_tokens` includes the tokens read from and written to a cache, and `output_tokens` includes reasoning.
Each source states what its counts include. Arithmetic decides where a source states nothing, and where its counts
contradict its statement: a part is larger than the count that should include it, or the total fits only another
reading.
"""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import product
from typing import Any, Final, NamedTuple, TypeAlias, cast

from tracestore.domain.spans import Json
from tracestore.domain.token_kinds import IGNORED, USES, Kind, UnknownKind, kind_of

from .opened import OpenedSpan
from .usage_tables import (
    APART,
    CACHE,
    CACHE_APART,
    DETAILS,
    INSIDE,
    LONE_COUNTS,
    MODELS_WITH_CACHE_APART,
    MODELS_WITH_THOUGHTS_APART,
    PASSING_ATTRIBUTES,
    PASSING_SCOPES,
    REASONING,
    SCOPES,
    THOUGHTS_APART,
    UsageSource,
)

MAX_COUNT: Final = 2**53
_MAX_DIGITS: Final = 16
_MAX_KINDS: Final = 50
_MAX_NAME_CHARACTERS: Final = 64
_MAX_OBJECT_DEPTH: Final = 3

_TOOL_INPUT: Final = Kind("tool_input")
_INPUT, _OUTPUT, _CACHED, _WRITTEN, _REASONING = map(
    Kind, ("input", "output", "cached_input", "cache_write", "reasoning")
)
_CACHE: Final = (_CACHED, _WRITTEN)
_WRITTEN_5M, _WRITTEN_1H = Kind("cache_write", "5m"), Kind("cache_write", "1h")
_FIELDS: Final = {_CACHED: "cached_input_tokens", _WRITTEN: "cache_write_tokens", _REASONING: "reasoning_tokens"}
_WHOLE_FIELDS: Final = (("input_tokens", _INPUT), ("output_tokens", _OUTPUT))
_WHOLE_COUNTS: Final = frozenset({_INPUT, _OUTPUT, IGNORED})

_WORD: Final = re.compile("[A-Za-z0-9]+")
_Shape: TypeAlias = tuple[list[tuple[str, Kind | None]], frozenset[str] | None]


class Usage(NamedTuple):
    """The token counts as fields, what metadata keeps about them, and the attributes that they contain.

    `usage_as_sent` has the counts that were sent otherwise. `usage_ambiguous` marks counts that contradict each other,
    or that have two meanings: they have no price.
    """

    fields: dict[str, Any]
    metadata: dict[str, Json]
    used: set[str]


_NO_USAGE: Final = Usage({}, {}, set())


class _Sent(NamedTuple):
    """The counts by kind, each from the first source that has it, and that source's statement.

    `unknown` has the buckets whose names are not understood. `by_scope` is the statement of the client that sent them.
    *absent*: None for a client that states nothing. `passed_on` has the whole counts that are the provider's own.
    """

    counts: dict[Kind, int]
    includes: dict[Kind, frozenset[str] | None]
    unknown: dict[str, int]
    used: set[str]
    by_scope: frozenset[str] | None
    passed_on: set[Kind]


def read_usage(opened: OpenedSpan, operation: str, model: str = "") -> Usage:
    """The token counts of a span, such that input and output include their parts.

    `model` decides what the counts of a client include that passes on those of its provider.
    """
    if not opened.usage:
        return _NO_USAGE
    reported = _sent(opened, operation, model)
    counts = reported.counts
    if not counts:
        return Usage({}, {}, reported.used)
    if IGNORED in counts and counts.keys().isdisjoint((_REASONING, _TOOL_INPUT)):
        _add_thoughts(reported, model)
    if counts.keys() <= _WHOLE_COUNTS and not reported.unknown:
        return _whole_usage(counts, reported.used)
    if len(counts) > 1:
        written = counts.get(_WRITTEN_5M, 0) + counts.get(_WRITTEN_1H, 0)
        if written:
            counts[_WRITTEN] = max(counts.get(_WRITTEN, 0), written)
    fields: dict[str, Any] = {field: counts[kind] for kind, field in _FIELDS.items() if kind in counts}
    metadata: dict[str, Json] = {}
    sent = {f"{kind.base}_tokens": counts[kind] for kind in (_INPUT, _OUTPUT) if kind in counts}
    total = counts.get(IGNORED)
    readings = _readings(reported)
    fitting = [reading for reading in readings if _fits(reading, reported, total)]
    if (
        total is not None
        and total == sum(sent.values())
        and (not fitting or reported.by_scope is not None or reported.passed_on)
    ):
        # The client's own sum of input and output, which leaves out what the provider counts apart from them.
        fitting = [reading for reading in readings if _fits(reading, reported, None)]
    is_stated = reported.includes.get(_INPUT, INSIDE) is not None
    is_ambiguous = not fitting or (not is_stated and len(fitting) > 1)
    whole = fitting[0] if fitting else next((reading for reading in readings if _fits(reading, reported, None)), None)
    if whole is not None:
        fields |= whole
        if any(whole[name] != count for name, count in sent.items()):
            metadata["usage_as_sent"] = cast(Json, sent)
    else:
        fields |= sent
    if total is not None and (is_ambiguous or whole is None or _fits(whole, reported, total)):
        fields["total_tokens"] = total
    elif reported.unknown:
        fields["total_tokens"] = sum(fields.get(f"{kind}_tokens", 0) for kind in ("input", "output")) + sum(
            reported.unknown.values()
        )
    if details := _details(reported, fields):
        fields["usage_details"] = details
    if is_ambiguous and fields:
        metadata["usage_ambiguous"] = fields["usage_ambiguous"] = True
    return Usage(fields, metadata, reported.used)


def _whole_usage(counts: Mapping[Kind, int], used: set[str]) -> Usage:
    """The usage of counts that include no others. Most calls report no more: the shortcut halves their time."""
    fields: dict[str, Any] = {name: counts[kind] for name, kind in _WHOLE_FIELDS if kind in counts}
    metadata: dict[str, Json] = {}
    total = counts.get(IGNORED)
    if total is not None:
        if fields and total != sum(fields.values()):
            metadata["usage_ambiguous"] = fields["usage_ambiguous"] = True
        fields["total_tokens"] = total
    return Usage(fields, metadata, used)


def _add_thoughts(reported: _Sent, model: str) -> None:
    """Count the rest of a total as reasoning, for a model whose total alone has its thoughts."""
    counts = reported.counts
    rest = counts[IGNORED] - counts.get(_INPUT, counts[IGNORED]) - counts.get(_OUTPUT, 0)
    if rest > 0 and _OUTPUT in counts and re.fullmatch(MODELS_WITH_THOUGHTS_APART, model, re.IGNORECASE):
        counts[_REASONING] = rest
        reported.includes[_OUTPUT] = THOUGHTS_APART


def _sent(opened: OpenedSpan, operation: str, model: str) -> _Sent:
    scope = opened.span.origin.scope_name
    is_marked = not PASSING_ATTRIBUTES.isdisjoint(opened.attributes)
    by_scope = _statement_of_scope(scope)
    if by_scope is None:
        by_scope = _statement_passed_on(scope, model, is_marked)
    reported = _Sent({}, {}, {}, set(), by_scope, set())
    counts, statements, unknown, used, by_scope, _ = reported
    for source, attribute, value in opened.usage:
        if source.operations and operation not in source.operations:
            continue
        if isinstance(value, dict):
            named = _counts(_inside(source.name, attribute), value, _MAX_OBJECT_DEPTH, {})
            shape_of = _remembered_shape if len(named) <= _MAX_KINDS else _shape
            kinds, includes = shape_of(source, tuple(named))
            if source.quotes_provider:
                passed_on = _passed_on(kinds, named, counts)
                reported.passed_on.update(passed_on)
                statements.update(dict.fromkeys(passed_on, includes))
            for name, kind in kinds:
                if kind:
                    counts.setdefault(kind, named[name])
                    statements.setdefault(kind, includes)
                elif named[name] and includes is APART:
                    unknown.setdefault(name[:_MAX_NAME_CHARACTERS], named[name])
            continue
        amount = value if type(value) is int and 0 <= value <= MAX_COUNT else _count(value)
        if amount is None or (kind := _kind_of_attribute(source.name, attribute)) is None:
            continue
        if kind not in counts:
            counts[kind] = amount
            statements[kind] = source.includes if by_scope is None else by_scope
        if counts[kind] == amount:
            used.add(attribute)
    return reported


def _passed_on(
    kinds: Iterable[tuple[str, Kind | None]], named: Mapping[str, int], counts: Mapping[Kind, int]
) -> set[Kind]:
    """The whole counts that a client passed on as the provider sent them, which the provider's statement holds for.

    An answer that quotes no count of input quotes that of the cache because the count of input lacks it.
    """
    quoted = {kind: named[name] for name, kind in kinds if kind}
    passed_on = {kind for kind in (_INPUT, _OUTPUT) if kind in counts and counts[kind] == quoted.get(kind)}
    if _INPUT in counts and _INPUT not in quoted and any(quoted.get(kind) and kind not in counts for kind in _CACHE):
        passed_on.add(_INPUT)
    return passed_on


@lru_cache(maxsize=512)
def _statement_of_scope(name: str) -> frozenset[str] | None:
    return next((includes for pattern, includes in SCOPES if re.fullmatch(pattern, name)), None)


@lru_cache(maxsize=512)
def _statement_passed_on(scope: str, model: str, is_marked: bool) -> frozenset[str] | None:
    """The statement of a framework that passes on the counts of a provider. *absent*: None for other clients."""
    if not is_marked and re.fullmatch(PASSING_SCOPES, scope) is None:
        return None
    return CACHE_APART if re.fullmatch(MODELS_WITH_CACHE_APART, model) else None


@lru_cache(maxsize=1_024)
def _kind_of_attribute(source: str, attribute: str) -> Kind | None:
    return _kind(LONE_COUNTS.get(attribute) or _inside(source, attribute))


def _inside(source: str, attribute: str) -> str:
    """The name of a count, or of an object of counts, inside the name of an attribute. *absent*: empty."""
    return attribute.removeprefix(source if source.endswith(".") else attribute)


def _shape(source: UsageSource, names: Iterable[str]) -> _Shape:
    """The counts in an object that are read, the shortest names first, and what they include."""
    ordered = sorted(names, key=lambda name: (len(_WORD.findall(name)), name))
    return [(name, _kind(name)) for name in ordered if not _REST.search(name)], _statement(source, ordered)


_remembered_shape: Final = lru_cache(maxsize=512)(_shape)


def _counts(name: str, value: Json, depth: int, counts: dict[str, int]) -> dict[str, int]:
    """The counts in a value, each by the path to it, added to `counts`. A list of modalities counts as an object."""
    if isinstance(value, dict):
        for key, item in value.items() if depth else ():
            path = f"{name}.{key}" if name else key
            if type(item) is int and 0 <= item <= MAX_COUNT:
                counts[path] = item
            else:
                _counts(path, item, depth - 1, counts)
    elif isinstance(value, list):
        for item in value if depth else ():
            if isinstance(item, dict) and isinstance(modality := item.get("modality"), str):
                _counts(f"{name}.{modality}", item.get("token_count", item.get("tokenCount")), depth - 1, counts)
    elif (amount := _count(value)) is not None:
        counts[name] = amount
    return counts


def _count(value: Json) -> int | None:
    """A number of tokens. *absent*: None for any other value."""
    if type(value) is int:
        return value if 0 <= value <= MAX_COUNT else None
    if isinstance(value, str):
        value = int(value) if value.isdecimal() and len(value) <= _MAX_DIGITS else None
    if isinstance(value, float):
        value = int(value) if value.is_integer() else None
    return _count(value) if type(value) is int else None


_REST: Final = re.compile(
    "prediction|uncached|no_?cache|non_?cached|(?:^|_|\\.)text|^(?:in|out)put(?:images|videos|audiofiles)$",
    re.IGNORECASE,
)
"""Names of counts that others contain: predictions, and what remains without the cache. Genkit counts files, too."""


@lru_cache(maxsize=1_024)
def _kind(name: str) -> Kind | None:
    """The kind of a count by its name. *absent*: None for an unknown one, and for what other counts contain."""
    if _REST.search(name):
        return None
    try:
        kind = kind_of(name)
    except UnknownKind:
        return None
    return _TOOL_INPUT if kind == _INPUT and _TOOL_USE.search(name) else kind


_TOOL_USE: Final = re.compile("tool_?use", re.IGNORECASE)


def _statement(source: UsageSource, names: list[str]) -> frozenset[str] | None:
    """The statement of an object of counts: its shape, also where a convention passes it on, else its source."""
    lowered = [name.lower().replace("_", "") for name in names]
    if any("prompttokencount" in name for name in lowered):
        return THOUGHTS_APART
    if any("details." in name or name.startswith(("prompttokens", "completiontokens")) for name in lowered):
        return INSIDE
    if source.includes is INSIDE and any(name.startswith("cacheread") for name in lowered):
        return CACHE_APART
    return source.includes


def _readings(reported: _Sent) -> list[dict[str, int]]:
    """The input and output by each reading, the stated one first. A count that was not sent is not invented."""
    counts = reported.counts
    of_input = reported.includes.get(_INPUT, reported.includes.get(_CACHED, INSIDE))
    of_output = reported.includes.get(_OUTPUT, reported.includes.get(_REASONING, INSIDE))
    is_bucket = of_input == APART and DETAILS not in (of_input or ())
    cached = counts.get(_CACHED, 0) + counts.get(_WRITTEN, 0)
    reasoning = counts.get(_REASONING, 0)
    if not cached and not reasoning and not is_bucket and _TOOL_INPUT not in counts:
        return [{f"{kind.base}_tokens": counts[kind] for kind in (_INPUT, _OUTPUT) if kind in counts}]
    modal = {
        base: 0
        if not is_bucket
        else sum(amount for kind, amount in counts.items() if kind.base == base and kind.modality)
        for base in ("input", "output")
    }
    readings = []
    cache_first = CACHE in (INSIDE if of_input is None else of_input)
    reasoning_first = REASONING in (INSIDE if of_output is None else of_output)
    for cache_inside, reasoning_inside, tools in product(
        (cache_first, not cache_first),
        (reasoning_first, not reasoning_first),
        dict.fromkeys((counts.get(_TOOL_INPUT, 0), 0)),
    ):
        reading = {}
        if _INPUT in counts or (is_bucket and cached + modal["input"]):
            added = tools + modal["input"]
            reading["input_tokens"] = counts.get(_INPUT, 0) + added + (0 if cache_inside else cached)
        if _OUTPUT in counts or (is_bucket and reasoning + modal["output"]):
            reading["output_tokens"] = counts.get(_OUTPUT, 0) + modal["output"] + (0 if reasoning_inside else reasoning)
        if reading not in readings:
            readings.append(reading)
    return readings


def _fits(reading: Mapping[str, int], reported: _Sent, total: int | None) -> bool:
    """Whether the parts are not larger than what includes them, and the total is the sum."""
    counts = reported.counts
    if "input_tokens" in reading and reading["input_tokens"] < counts.get(_CACHED, 0) + counts.get(_WRITTEN, 0):
        return False
    if "output_tokens" in reading and reading["output_tokens"] < counts.get(_REASONING, 0):
        return False
    return total is None or not reading or total == sum(reading.values()) + sum(reported.unknown.values())


def _details(reported: _Sent, fields: Mapping[str, int]) -> dict[str, int]:
    """The disjoint kinds, if some are finer than the fields. *absent*: an empty object."""
    finer = {
        kind.name: amount
        for kind, amount in reported.counts.items()
        if amount and (kind.lifetime or kind.modality or kind.base in USES)
    } | {name: amount for name, amount in reported.unknown.items() if amount}
    return dict(list(finer.items())[:_MAX_KINDS])
