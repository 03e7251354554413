"""Read the value of a field from the value of an attribute. *absent*: each returns None for an unusable value.

A value of the wrong type is converted where it can only mean one thing (a count as text, an id as a number). A text
that is too long is cut: an export must not lose a span because a name is too long.
"""

import hashlib
import math
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Final

from tracestore.domain.json_values import is_empty, parse_container
from tracestore.domain.spans import Json

from .model_names import ID_AT_BEDROCK
from .providers import API_WORDS, FRAMEWORK_WORD, FRAMEWORKS, PROVIDERS

MAX_LABEL_CHARACTERS: Final = 256
MAX_COUNT: Final = 2**53
MAX_COST_USD: Final = 1e9
_MAX_WORDS: Final = 100
_USUAL: Final = frozenset({"standard", "default", "normal", "regular"})
_HASH_DIGITS: Final = 12
_IDS_OF_ANSWERS: Final = ("resp_", "chatcmpl-")
"""The beginnings of the ids of answers. *source*: OpenAI's API reference, responses and chat completions."""

_FRAMEWORK_WORD: Final = re.compile(FRAMEWORK_WORD)
_SEPARATORS: Final = re.compile(r"[\s./:-]+")
_API_SUFFIX: Final = re.compile(rf"_(?:{API_WORDS})$")
_CLASS_SUFFIX: Final = re.compile(
    r"_?(?:llm|embeddings?|(?:chat|responses)?generator|(?:text|document)embedder|ranker)$"
)
_API_OF_PROVIDER: Final = re.compile(rf"(?<=\w)\.(?:{API_WORDS})$")

_CANONICAL: Final = {alias: name for name, aliases in PROVIDERS.items() for alias in aliases.split()}


def label(value: Json) -> str | None:
    """A name, cut to 256 characters."""
    return value[:MAX_LABEL_CHARACTERS] or None if isinstance(value, str) else None


def first_label(attributes: Mapping[str, Json], names: Iterable[str]) -> str | None:
    """The name in the first of these attributes that has one."""
    for name in names:
        if (text := label(attributes.get(name))) is not None:
            return text
    return None


def uncommon_label(value: Json) -> str | None:
    """A name that is not that of the usual case."""
    name = label(value)
    return None if name is None or name.lower() in _USUAL else name


def identifier(value: Json, most_characters: int = MAX_LABEL_CHARACTERS) -> str | None:
    """An id of at most 256 characters. A hash replaces the end of a longer one: cut alone, two ids might become one.

    *absent*: also None for the words that a client writes in place of every id that it hides or lacks.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value) if abs(value) <= MAX_COUNT else None
    if not isinstance(value, str) or not value or _NO_VALUE.fullmatch(value):
        return None
    if len(value) <= most_characters:
        return value
    digest = hashlib.sha256(value.encode(errors="replace")).hexdigest()[:_HASH_DIGITS]
    return f"{value[: most_characters - _HASH_DIGITS - 1]}-{digest}"


_NO_VALUE: Final = re.compile(
    r"\[\w+ due to .*\]|[\[<(_*]*(?:redacted|filtered|masked)[\])>_*]*|\*+|unknown|none|null|undefined", re.IGNORECASE
)
"""Words in place of a value. *source*: Logfire, which gives its reason, OpenInference's `__REDACTED__`, Guardrails,
whose user is `unknown`, and texts of Python's and JavaScript's values for nothing."""


def thread_identifier(value: Json) -> str | None:
    """The id of a conversation. *absent*: also None for the id of an answer, which frameworks send as the thread of a
    model that keeps no thread: each call has another one.
    """
    return None if isinstance(value, str) and value.startswith(_IDS_OF_ANSWERS) else identifier(value)


def flag(value: Json) -> bool | None:
    """True for a value that is true. *absent*: None for any other value."""
    return True if value is True or (isinstance(value, str) and value.lower() == "true") else None


def number(value: Json) -> float | None:
    """A finite number."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, int):
        return value if abs(value) <= MAX_COUNT else None
    return value if math.isfinite(value) else None


def nano_usd(value: Json) -> int | None:
    """Dollars as integer nano-dollars."""
    usd = number(value)
    return None if usd is None or not 0 <= usd <= MAX_COST_USD else round(Decimal(str(usd)) * 1_000_000_000)


def nano_usd_above_zero(value: Json) -> int | None:
    """Dollars as integer nano-dollars, if it is more than nothing."""
    return nano_usd(value) or None


def nano_usd_of_parts(value: Json) -> int | None:
    """The sum of costs that an object contains by kind, such as `{"input": 0.1, "output": 0.2}`, as nano-dollars.

    *absent*: None if they are zero, or a value is no cost: a sum without it would be too low.
    """
    parts = parse_container(value)
    if not isinstance(parts, dict):
        return None
    costs = [nano_usd(part) for name, part in parts.items() if part is not None and "total" not in name.lower()]
    known = [cost for cost in costs if cost is not None]
    return sum(known) or None if len(known) == len(costs) else None


def content(value: Json) -> Json:
    """Any value except an empty one."""
    return None if is_empty(value) else value


def milliseconds(value: Json) -> float | None:
    """A duration in milliseconds, to the microsecond."""
    amount = number(value)
    return None if amount is None or amount < 0 else round(amount, 3)


def seconds(value: Json) -> float | None:
    """A duration in seconds, as milliseconds."""
    amount = number(value)
    return None if amount is None else milliseconds(amount * 1_000)


def seconds_or_milliseconds(value: Json) -> float | None:
    """A duration as milliseconds, from a client that sends integer milliseconds or fractional seconds."""
    return milliseconds(value) if isinstance(value, int) else seconds(value)


def word_list(value: Json) -> Json:
    """A list of words, from a list, a list in JSON, or a single word."""
    value = parse_container(value)
    words = [
        word[:MAX_LABEL_CHARACTERS] for word in (value if isinstance(value, list) else [value]) if isinstance(word, str)
    ]
    return list(words[:_MAX_WORDS]) or None


def comma_separated(value: Json) -> Json:
    """A list of words, from a text with commas between them or from any form of `word_list`."""
    words = word_list(value)
    parts = [part.strip() for word in words for part in str(word).split(",")] if isinstance(words, list) else []
    return word_list([part for part in parts if part])


def finish_words(value: Json) -> Json:
    """Reasons why an answer ended, as `word_list`. Python's name of a member of an enumeration becomes its value."""
    words = word_list(value)
    if not isinstance(words, list):
        return words
    return [member["name"].lower() if (member := _ENUM_MEMBER.fullmatch(str(word))) else word for word in words]


_ENUM_MEMBER: Final = re.compile(r"[A-Z]\w*\.(?P<name>[A-Z][A-Z_]*)")


def provider_before_slash(value: Json) -> str | None:
    """The provider before a model's name, as in `googleai/gemini-2.5-flash`. *absent*: None without one."""
    provider, slash, _ = value.partition("/") if isinstance(value, str) else ("", "", "")
    return normalize_provider(provider) if slash else None


def known_provider(value: Json) -> str | None:
    """The provider in the name of a class such as `openai_llm`. *absent*: None for any other word."""
    word = _SEPARATORS.sub("_", value.lower()) if isinstance(value, str) else ""
    return _CANONICAL.get(_CLASS_SUFFIX.sub("", word))


def known_provider_before_slash(value: Json) -> str | None:
    """The provider before a model's name, as in `anthropic/claude-sonnet-4-5`. *absent*: None for any other word."""
    word, slash, _ = value.partition("/") if isinstance(value, str) else ("", "", "")
    return _CANONICAL.get(_SEPARATORS.sub("_", word.lower())) if slash else None


def maker_at_bedrock(value: Json) -> str | None:
    """The maker, as a provider, of a model whose name is its id at Bedrock. *absent*: None for any other name."""
    found = ID_AT_BEDROCK.fullmatch(value.lower()) if isinstance(value, str) else None
    return normalize_provider(found["maker"] or found["profiled_maker"]) if found else None


def media_list(value: Json) -> Json:
    """A list of media, each an object with its name."""
    return value if isinstance(value, list) and value else None


def normalize_provider(name: object) -> str | None:
    """The stored name of the provider that a client calls `name`. *absent*: None for a framework or an empty name."""
    return _normalize(name) if isinstance(name, str) else None


_ADDRESS: Final = re.compile(r"(?:https?://)?(?:localhost|[\d.]+|.*(?=:\d))(?::\d+)?(?:/.*)?")
"""The address of a server of one's own, which some clients send as the provider."""


_DOMAIN: Final = re.compile(r"[.](?P<name>[^./:]+)[.](?:ai|cn|co|com|dev|io|net|org)(?:$|[:/])")


def _provider_at(host: str) -> str | None:
    """The provider whose domain a host belongs to, as in `api.openai.com`. *absent*: None."""
    domain = _DOMAIN.search(host)
    return _CANONICAL.get(domain["name"]) if domain else None


@lru_cache(maxsize=1_024)
def _normalize(name: str) -> str | None:
    word = _SEPARATORS.sub("_", name.strip().lower()).strip("_")
    known = _CANONICAL.get(word) or _CANONICAL.get(_API_SUFFIX.sub("", word)) or _provider_at(name.strip().lower())
    if known or not word or word in FRAMEWORKS or _FRAMEWORK_WORD.search(word) or _ADDRESS.fullmatch(name.strip()):
        return known
    return _API_OF_PROVIDER.sub("", name.strip().lower())[:MAX_LABEL_CHARACTERS]
