"""The cost of a span: as reported, else computed from its model and tokens, else unknown. Never a guess, never zero."""

from collections.abc import Callable
from typing import Final, Literal, NamedTuple, TypeAlias

from .spans import SpanFields

Price: TypeAlias = tuple[int, str]
"""Nano-dollars, and the name of the price that they were computed from."""

PriceOf: TypeAlias = Callable[[SpanFields], Price | None]
"""A function that returns the price of the model call with these fields; None where its model or tokens are unknown."""

REPEATING_OPERATIONS: Final = frozenset({"agent", "chain", "workflow", "lesson", "tool_call", "http"})
"""Operations that call no model themselves: their tokens repeat those of the calls inside."""


class Cost(NamedTuple):
    """A span's cost and its source. `price` names the price that a computed cost comes from."""

    nano_usd: int | None
    source: Literal["reported", "computed", "unknown"]
    price: str | None = None


UNKNOWN: Final = Cost(None, "unknown")


def cost_of(fields: SpanFields, price_of: PriceOf) -> Cost:
    """The cost of the span with these fields."""
    if "cost_nano_usd" in fields:
        return Cost(fields["cost_nano_usd"], "reported")
    is_call = "model_name" in fields and fields.get("operation_type") not in REPEATING_OPERATIONS
    priced = price_of(fields) if is_call else None
    return UNKNOWN if priced is None else Cost(priced[0], "computed", priced[1])


def no_prices(_fields: SpanFields) -> Price | None:
    """Know no price, so that only reported costs count."""
    return None
