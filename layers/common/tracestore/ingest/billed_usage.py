"""Split what a call used into the disjoint kinds that providers bill: tokens by kind, and uses such as web searches.

The token counts of a span include their parts: input includes cached and cache-write tokens, output includes reasoning.
`usage_details` may name finer kinds, by lifetime of the cache or by modality, and uses that cost a fee. Clients choose
the names of these kinds freely, so a name is read by its words, in any order.
"""

from collections import Counter
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
