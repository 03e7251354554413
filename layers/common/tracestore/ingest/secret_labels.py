"""Find secrets by their names in a text: JSON in a string, `KEY=value`, `Header: value`."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Final

from .search_budget import Budget
from .secret_kinds import Found
from .secret_names import (
    NAME_ENDS,
    ORDINAL,
    PROVIDER_NAMES,
    RANDOM_CHARACTER,
    RANDOM_NAMES,
    SECRET_NAMES,
    SHORT_NAMES,
    WORD_AND_NUMBER,
    canonical,
    code_at_end,
    is_secret,
    looks_random,
    secret_name,
    spellings,
)
from .text_places import QUOTE, anchor_places

_STRONG: Final = "|".join(
    (
        spellings([name for name in SECRET_NAMES if name not in RANDOM_NAMES]),
        spellings(PROVIDER_NAMES),
        spellings(SHORT_NAMES),
    )
)

_GENERATED: Final = re.compile(r"(?=[^0-9]*[0-9])(?=[^A-Z]*[A-Z])(?=[^a-z]*[a-z])[A-Za-z0-9!#$%*+/:@^_~-]{12,}[.?!]?")
"""A password as programs generate it, also where a sentence goes on after it."""

_VARIABLE: Final = re.compile(r"[a-z]+(?:_[a-z]+)*")
_PAIR: Final = re.compile(r"[A-Za-z]+(?:[_.-][A-Za-z]+)*=")

_SIGN: Final = r"""\\{0,31}["'`]?\]? {0,8}[=:]"""
LABEL: Final = (
    rf"""(?:{_STRONG})[sS]?{ORDINAL}(?:{_SIGN}|\\{{0,31}}["'](?:[ ,}}\n]|\\{{1,31}}n)|>|[ ][a-z:]{{1,20}}=)"""
    rf"""|(?:{spellings(RANDOM_NAMES)})[sS]?{ORDINAL}(?:{_SIGN}[ =>\[\\"'`]{{0,48}}{RANDOM_CHARACTER}{{20}}"""
    rf"""|{QUOTE}, ?{QUOTE}(?:[vV]al|content|text)|>)"""
)
"""The start of a labelled value. For names whose value has to look random, the pattern checks the value as well: a
generated word may appear as `"token": "hello"`. A name in quotes may be part of a pair, one before `>` an element."""

_AFTER_NAME: Final = re.compile(
    rf"""(?P<plural>[sS]?){ORDINAL}(?:\\{{0,15}}["'`])?\]?(?P<sign>[ ]{{0,8}}(?:=>|:=|[=:](?!=))[ ]{{0,8}})"""
)
"""The end of a name, in JSON and in code, and the sign that a value follows."""

_LABELLED: Final = r"""
    (?:\[[ ]{0,8})?
    (?:
        (?P<quote>(?P<escape>\\{0,15})["'`])
        (?P<quoted>(?!-----BEGIN)(?:
            .*?(?<!\\)(?:\\(?P=escape)\\(?P=escape))*(?=(?P=quote))  # to the same quote, escaped as often
            |.*                                                 # or the text was cut off
        ))
    |
        (?i:(?:bearer|basic|token|apikey)[ ]{1,4})?
        (?P<bare>(?!-----BEGIN|[$%*=])[^\s"'`&,;<>(){}\[\]\\|\x1b]++)
        (?![(\[{])                                             # otherwise it is a call
    )"""
"""The value after a secret name and a sign: in quotes, escaped any number of times, or without."""


_NAME_CHARACTERS: Final = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_. -"


def labelled_in(text: str, budget: Budget) -> Iterator[Found]:
    """The values of secret names in a text."""
    end = 0
    for start, name_end in anchor_places(NAME_ENDS, text, budget):
        if start < end or not (sign := _AFTER_NAME.match(text, name_end)):
            continue
        before = text[max(0, start - 16) : start]
        words = before[len(before.rstrip(_NAME_CHARACTERS)) :]  # without a value before them, names repeat
        name = secret_name(words + text[start:name_end] + sign["plural"])
        if name is None or not (match := _labelled().match(text, sign.end())):
            continue
        budget.spend(8)
        if sign["sign"] != "=" and _PAIR.match(match["bare"] or ""):
            continue  # in `credentials: region=…`, the value is a pair with a name of its own
        end = match.end()
        value, group = match["quoted"], "quoted"
        if value is None:
            value, group = match["bare"], "bare"
            # `api_key=settings.api_key` is code, "password: it must be long" is a sentence: a word is a value only
            # directly after `=`.
            is_code = code_at_end().search(value) or (
                _VARIABLE.fullmatch(value) and text[end : end + 1] in (",", ")")  # `f(api_key=key, url=url)`
            )
            if is_code or (sign["sign"] != "=" and not _stands_out(match)):
                continue
        if is_secret(name, value):
            yield Found(*match.span(group), canonical(name))


@cache
def _labelled() -> re.Pattern[str]:
    return re.compile(_LABELLED, re.ASCII | re.MULTILINE | re.VERBOSE)


def _stands_out(match: re.Match[str]) -> bool:
    """Whether a value without quotes looks random, or ends its line and contains letters and digits."""
    ends_line = match.string[match.end() : match.end() + 1] in ("", "\n", "\r", "\\", '"', "'", "\x1b")
    if looks_random(match["bare"]) or _GENERATED.fullmatch(match["bare"]):
        return True
    return ends_line and WORD_AND_NUMBER.fullmatch(match["bare"]) is not None
