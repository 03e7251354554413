"""The cost of a span: as reported, else computed from its model and tokens, else unknown. Never a guess, never zero.

A client without a price list reports a cost of zero, and one that received no usage reports zero tokens. Neither is a
statement about a call that cost something.
"""

from collections.abc import Callable
from typing import Final, Literal, NamedTuple, TypeAlias, get_args

from .spans import SpanFields

UnknownCost: TypeAlias = Literal[
    "no_model", "no_tokens", "no_price", "no_tier_price", "no_kind_price", "contradictory_tokens", "repeats_calls"
]
"""The reason why a cost is unknown: `docs/api.md`, "Cost". With `repeats_calls`, the operation calls no model itself:
its tokens are those of the calls inside."""

Price: TypeAlias = tuple[int, str]
"""Nano-dollars, and the name of the price that they were computed from."""

PriceOf: TypeAlias = Callable[[SpanFields], Price | UnknownCost]
"""A function that returns the price of the model call with these fields, or the reason why there is none."""

REPEATING_OPERATIONS: Final = frozenset({"agent", "chain", "workflow", "lesson", "tool_call", "http", "other"})
"""Operations that call no model themselves: their tokens repeat those of the calls inside."""


_COUNTS: Final = ("input_tokens", "output_tokens", "total_tokens")


class Cost(NamedTuple):
    """A span's cost and its source. `price` names the price that a computed cost comes from.

    `reason` is why a cost is unknown.
    """

    nano_usd: int | None
    source: Literal["reported", "computed", "unknown"]
    price: str | None = None
    reason: UnknownCost | None = None


UNKNOWN: Final = Cost(None, "unknown")
_UNKNOWN_FOR: Final = {reason: UNKNOWN._replace(reason=reason) for reason in get_args(UnknownCost)}


def cost_of(fields: SpanFields, price_of: PriceOf) -> Cost:
    """The cost of the span with these fields."""
    if "cost_nano_usd" in fields and (fields["cost_nano_usd"] or not _costs_something(fields, price_of)):
        return Cost(fields["cost_nano_usd"], "reported")
    if fields.get("operation_type") in REPEATING_OPERATIONS:
        return _UNKNOWN_FOR["repeats_calls"]
    if "model_name" not in fields:
        return _UNKNOWN_FOR["no_model"]
    if fields.get("usage_ambiguous"):
        return _UNKNOWN_FOR["contradictory_tokens"]
    if _is_uncounted(fields):
        return _UNKNOWN_FOR["no_tokens"]
    priced = price_of(fields)
    if isinstance(priced, str):
        return _UNKNOWN_FOR[priced]
    return Cost(priced[0], "computed", priced[1])


def _costs_something(fields: SpanFields, price_of: PriceOf) -> bool:
    """Whether a span reports tokens, or output without counting it, of a model that has a price."""
    if "model_name" not in fields or not any(name in fields for name in _COUNTS):
        return False
    priced = price_of(fields)
    if isinstance(priced, str):
        return priced not in ("no_price", "no_tokens")
    return priced[0] > 0 or _is_uncounted(fields)


def _is_uncounted(fields: SpanFields) -> bool:
    """Whether all counts are zero although the span has output."""
    counts = [fields[name] for name in _COUNTS if name in fields]
    return bool(counts) and not any(counts) and "output_preview" in fields


def no_prices(_fields: SpanFields) -> UnknownCost:
    """Know no price, so that only reported costs count."""
    return "no_price"
