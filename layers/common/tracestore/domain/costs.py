"""What a span cost: as reported, else computed from its model and tokens, else unknown. Never a guess, never zero."""

from collections.abc import Callable
from typing import Final, Literal, NamedTuple, TypeAlias

from .spans import SpanFields

Price: TypeAlias = tuple[int, str]
"""Nano-dollars, and the name of the price they come from."""

PriceOf: TypeAlias = Callable[[SpanFields], Price | None]
"""What the model call that these facts tell of costs; None where the model or its tokens are not known."""

REPEATING_OPERATIONS: Final = frozenset({"agent", "chain", "workflow", "lesson", "tool_call", "http"})
"""Operations that call no model themselves: their tokens are those of the calls within."""


class Cost(NamedTuple):
    """`price` names what a computed cost comes from."""

    nano_usd: int | None
    source: Literal["reported", "computed", "unknown"]
    price: str | None = None


UNKNOWN: Final = Cost(None, "unknown")


def cost_of(fields: SpanFields, price_of: PriceOf) -> Cost:
    """What the span that these facts are about cost."""
    if "cost_nano_usd" in fields:
        return Cost(fields["cost_nano_usd"], "reported")
    is_call = "model_name" in fields and fields.get("operation_type") not in REPEATING_OPERATIONS
    priced = price_of(fields) if is_call else None
    return UNKNOWN if priced is None else Cost(priced[0], "computed", priced[1])


def no_prices(_fields: SpanFields) -> Price | None:
    """No price is known: only reported costs count."""
    return None
