"""Split what a call used into the disjoint kinds that providers bill: tokens by kind, and uses such as web searches.

The token counts of a span include their parts: input includes cached and cache-write tokens, output includes reasoning.
`usage_details` may name finer kinds, by lifetime of the cache or by modality, and uses that cost a fee. Clients choose
the names of these kinds freely, so a name is read by its words, in any order.
"""

import re
from collections import Counter
from functools import lru_cache
from typing import Final, NamedTuple, TypedDict

WHOLES: Final = {"input": "input_tokens", "output": "output_tokens"}
"""The kinds that include other kinds, and the fields that count them."""

PARTS: Final = {
    "cached_input": ("input", "cached_input_tokens"),
    "cache_write": ("input", "cache_write_tokens"),
    "reasoning": ("output", "reasoning_tokens"),
    "citation": ("output", ""),
}
"""The kinds that another kind includes: that kind, and the field that counts the part."""

USES: Final = ("web_search", "storage_search", "social_search", "code_execution")
"""Uses with a fee of their own, priced per thousand."""

MODALITIES: Final = ("audio", "image", "video", "document")
LIFETIMES: Final = ("5m", "1h")

_WORDS: Final[dict[str, str]] = {
    word: meaning
    for meaning, words in {
        "input": "input prompt request",
        "output": "output completion candidates response answer prediction predictions accepted rejected",
        "cache": "cache cached",
        "write": "write writes written creation created create ephemeral",
        "reasoning": "reasoning thinking thoughts thought",
        "citation": "citation citations",
        "audio": "audio",
        "image": "image images",
        "video": "video",
        "document": "document documents",
        "5m": "5m 5min",
        "1h": "1h 1hour",
        "search": "search searches",
        "storage": "file storage",
        "social": "social x",
        "code": "code",
        "execution": "execution executions interpreter",
        "total": "total",
        "": "token tokens text count counts detail details usage read reads hit uncached standard base content tool "
        "use server requests queries number num of web ttl llm gen ai",
    }.items()
    for word in words.split()
}
"""The meaning of the words in names of kinds. A name with another word is not understood."""

_BETWEEN_WORDS: Final = re.compile(r"[^a-zA-Z0-9]+|(?<=[a-z0-9])(?=[A-Z])")


class Kind(NamedTuple):
    """A kind of tokens, or a use. `lifetime` is of the cache; a `modality` of "" means text."""

    base: str
    lifetime: str = ""
    modality: str = ""

    @property
    def name(self) -> str:
        """The name in the price table, such as `cache_write_1h` or `input_audio`."""
        return "_".join(filter(None, self))


class TokenCounts(TypedDict, total=False):
    """The usage of one call, as in `SpanFields`: input includes cached and cache-write, output includes reasoning."""

    input_tokens: int
    cached_input_tokens: int
    cache_write_tokens: int
    output_tokens: int
    reasoning_tokens: int
    total_tokens: int
    usage_details: dict[str, int]


class Contradiction(Exception):
    """The counts of a call contradict each other."""


class UnknownKind(Exception):
    """A call used something that is not known by its name."""


IGNORED: Final = Kind("total")
"""A sum of other kinds."""


def billed_usage(usage: TokenCounts) -> dict[Kind, int]:
    """The amounts of the disjoint kinds that are not zero.

    *raises*: UnknownKind, Contradiction if parts exceed what includes them or the total is not the sum.
    """
    detailed: Counter[Kind] = Counter()
    for name, amount in usage.get("usage_details", {}).items():
        if amount:
            detailed[kind_of(name)] += amount
    billed = {kind: amount for kind, amount in detailed.items() if kind.base in USES}
    totals = 0
    for whole in WHOLES:
        amounts = _disjoint(whole, usage, detailed)
        billed |= amounts
        totals += sum(amounts.values())
    if usage.get("total_tokens", totals) != totals:
        raise Contradiction
    return {kind: amount for kind, amount in billed.items() if amount}


def _disjoint(whole: str, usage: TokenCounts, detailed: Counter[Kind]) -> dict[Kind, int]:
    """The amounts of a whole kind and its parts, without what finer kinds contain."""
    amounts: dict[Kind, int] = {}
    for base in (whole, *(part for part, (including, _) in PARTS.items() if including == whole)):
        finer = {kind: amount for kind, amount in detailed.items() if kind.base == base and kind != Kind(base)}
        counted = sum(finer.values()) + detailed[Kind(base)]
        if base != whole:
            counted = _count(usage, PARTS[base][1], default=counted)
        amounts |= finer
        amounts[Kind(base)] = counted - sum(finer.values())
    total = _count(usage, WHOLES[whole], default=sum(amounts.values()))
    if amounts[Kind(whole)] == total:  # The client repeats the whole count under the name of the rest.
        amounts[Kind(whole)] = 0
    rest = total - sum(amounts.values())
    amounts[Kind(whole)] += rest
    if rest < 0 or min(amounts.values()) < 0:
        raise Contradiction
    return amounts


def _count(usage: TokenCounts, field: str, default: int) -> int:
    count: int = usage.get(field, default)  # type: ignore[assignment]
    return count


@lru_cache(maxsize=512)
def kind_of(name: str) -> Kind:
    """The kind of tokens, or the use, that a client calls `name`. *raises*: UnknownKind."""
    words = {_WORDS.get(word.lower(), "?") for word in _BETWEEN_WORDS.split(name) if word}
    if "?" in words:
        raise UnknownKind
    if "search" in words:
        return Kind(next((f"{place}_search" for place in ("storage", "social") if place in words), "web_search"))
    if "execution" in words:
        return Kind("code_execution")
    if "total" in words:
        return IGNORED
    modality = next((modality for modality in MODALITIES if modality in words), "")
    lifetime = next((lifetime for lifetime in LIFETIMES if lifetime in words), "")
    if "write" in words or lifetime:
        return Kind("cache_write", lifetime, modality)
    for word, base in (("cache", "cached_input"), ("reasoning", "reasoning"), ("citation", "citation")):
        if word in words:
            return Kind(base, "", modality)
    for base in WHOLES:
        if base in words:
            return Kind(base, "", modality)
    raise UnknownKind
