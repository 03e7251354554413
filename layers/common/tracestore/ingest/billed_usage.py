"""Split what a call used into the disjoint kinds that providers bill: tokens by kind, and uses such as web searches.

The token counts of a span include their parts: input includes cached and cache-write tokens, output includes reasoning.
`usage_details` may name finer kinds, by lifetime of the cache or by modality, and uses that cost a fee. Clients choose
the names of these kinds freely, so a name is read by its words, in any order.
"""

from collections.abc import Iterable, Mapping
from typing import Final, TypedDict

from tracestore.domain.token_kinds import USES, WHOLES, Kind, kind_of

PARTS: Final = {
    "cached_input": ("input", "cached_input_tokens"),
    "cache_write": ("input", "cache_write_tokens"),
    "reasoning": ("output", "reasoning_tokens"),
    "citation": ("output", ""),
}
"""The kinds that another kind includes: that kind, and the field that counts the part."""


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


_PARTS_OF: Final = {
    whole: tuple((Kind(part), field) for part, (including, field) in PARTS.items() if including == whole)
    for whole in WHOLES
}
_WHOLES: Final = tuple((Kind(whole), field, _PARTS_OF[whole]) for whole, field in WHOLES.items())


def billed_usage(usage: TokenCounts) -> dict[Kind, int]:
    """The amounts of the disjoint kinds that are not zero.

    *raises*: UnknownKind, Contradiction if parts exceed what includes them or the total does not fit.
    """
    detailed: dict[Kind, int] = {}
    for name, amount in usage.get("usage_details", {}).items():
        if amount:
            kind = kind_of(name)
            detailed[kind] = detailed.get(kind, 0) + amount
    billed = {kind: amount for kind, amount in detailed.items() if kind.base in USES}
    tokens: dict[Kind, int] = {}
    for whole, field, parts in _WHOLES:
        tokens |= _disjoint(whole, field, parts, usage, detailed)
    if "total_tokens" in usage and not _explains(usage["total_tokens"], tokens):
        raise Contradiction
    return billed | {kind: amount for kind, amount in tokens.items() if amount}


def _explains(total: int, tokens: Mapping[Kind, int]) -> bool:
    """Whether a total is the sum of the tokens, perhaps without those that a client counts apart from the others."""
    if total == (whole := sum(tokens.values())):
        return True
    cached, reasoning = (
        sum(amount for kind, amount in tokens.items() if kind.base in bases)
        for bases in (("cached_input", "cache_write"), ("reasoning",))
    )
    return whole - total in (cached, reasoning, cached + reasoning)


def _disjoint(
    whole: Kind, field: str, parts: Iterable[tuple[Kind, str]], usage: TokenCounts, detailed: Mapping[Kind, int]
) -> dict[Kind, int]:
    """The amounts of a whole kind and its parts, each without what finer kinds contain."""
    amounts = _finer(whole, detailed)
    for part, part_field in parts:
        finer = _finer(part, detailed)
        contained = sum(finer.values())
        amounts |= finer
        amounts[part] = _count(usage, part_field, default=detailed.get(part, 0) + contained) - contained
    named, others = detailed.get(whole, 0), sum(amounts.values())
    total = _count(usage, field, default=named + others)
    rest = total - others
    # A client may repeat the whole count under the name of the rest.
    if rest < 0 or (named > rest and named != total) or min(amounts.values()) < 0:
        raise Contradiction
    amounts[whole] = rest
    return amounts


def _finer(kind: Kind, detailed: Mapping[Kind, int]) -> dict[Kind, int]:
    """The amounts of the kinds that a kind contains."""
    return {finer: amount for finer, amount in detailed.items() if finer.base == kind.base and finer != kind}


def _count(usage: TokenCounts, field: str, default: int) -> int:
    count: int = usage.get(field, default)  # type: ignore[assignment]
    return count
