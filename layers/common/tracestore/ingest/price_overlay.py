"""Read the deployer's own prices and aliases of models, which have precedence over the price list."""

import json
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Final, NamedTuple, TypeAlias

from ..domain.errors import Detail, Invalid
from ..domain.token_kinds import LIFETIMES, MODALITIES, USES, WHOLES
from .billed_usage import PARTS
from .price_table import Rate, Rates, price_units

OVERLAY_KINDS: Final = (
    *WHOLES,
    *PARTS,
    *(f"cache_write_{lifetime}" for lifetime in LIFETIMES),
    *(f"{base}_{modality}" for modality in MODALITIES for base in ("input", "cached_input", "output")),
    *USES,
)
"""The kinds that an overlay may price."""

PLAIN_TIERS: Final = frozenset(
    {"", "auto", "default", "none", "null", "on_demand", "standard", "standard_only", "unspecified"}
)
"""Service tiers for which the standard price applies."""

HIGHEST_PRICE: Final = 1_000_000
FINEST_PRICE: Final = Decimal(1).scaleb(-18)

LONGEST_NAME: Final = 256
"""Longest name of a model or a provider. The limit also bounds the memory of the lookup caches."""

_TIER_PREFIX: Final = r"^(?:service_tier|traffic_type|on_demand)_(?=.)"


class OwnPrice(NamedTuple):
    """A price of the deployer's: the prices of the standard tier, and of those service tiers that have their own."""

    rates: Rates
    tiers: Mapping[str, Rates]


Overlay: TypeAlias = Mapping[str, OwnPrice | str]
"""The deployer's prices and aliases, by `provider/model` or `model` in lower case."""

NO_OVERLAY: Final[Overlay] = {}


def parse_overlay(text: str) -> Overlay:
    """The overlay in a JSON document: `{"provider/model" or "model": {"input": 0.15, "output": 0.6}}`.

    An entry replaces the whole list price of its model. For each kind that is a part of another kind, it needs the
    price of that kind as well. Prices of a service tier are an object in it: `{"input": 2, "flex": {"input": 1}}`.
    An entry that is a text is an alias: the name of the model whose price applies, `{"our-model": "openai/gpt-4o"}`.
    *units*: US dollars per million tokens, and per thousand uses such as web searches.
    *absent*: no overlay for an empty text.
    *raises*: Invalid with a detail for each entry or price that is not valid.
    """
    if not text.strip():
        return NO_OVERLAY
    try:
        document = json.loads(text, parse_float=Decimal, parse_int=Decimal)
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise Invalid(
            'The prices are not valid JSON. Expected {"provider/model": {"input": 0.15, "output": 0.6}}.'
        ) from error
    if not isinstance(document, dict):
        raise Invalid('The prices must be a JSON object: {"provider/model": {"input": 0.15, "output": 0.6}}.')
    if details := tuple(detail for name, entry in document.items() for detail in _errors(name, entry)):
        raise Invalid("Some prices are not valid: correct or remove them.", details=details)
    return {name.lower(): entry if isinstance(entry, str) else _own_price(entry) for name, entry in document.items()}


def _own_price(entry: Mapping[str, object]) -> OwnPrice:
    tiers = {service_tier(name) or "": _rates(prices) for name, prices in entry.items() if isinstance(prices, dict)}
    return OwnPrice(_rates(entry), tiers)


def _rates(prices: Mapping[str, object]) -> Rates:
    return {kind: Rate(price_units(price)) for kind, price in prices.items() if isinstance(price, Decimal)}


def service_tier(name: str | None) -> str | None:
    """The service tier called `name`. *absent*: None where the standard price applies."""
    if not name:
        return None
    word = name.strip().lower().replace("-", "_")
    word = word if word in PLAIN_TIERS else re.sub(_TIER_PREFIX, "", word)
    return None if word in PLAIN_TIERS else word


def _errors(name: str, entry: object) -> Iterator[Detail]:
    """The errors in one entry of an overlay."""
    if not name.strip("/ ") or len(name) > LONGEST_NAME:
        yield Detail(
            "prices", f"The name of an entry must have 1 to {LONGEST_NAME} characters: provider/model or model."
        )
    elif isinstance(entry, str):
        if not entry.strip() or len(entry) > LONGEST_NAME:
            yield Detail(f"prices.{name}", f"The name of the model must have 1 to {LONGEST_NAME} characters.")
    elif not isinstance(entry, dict):
        message = f"The entry must be the name of a model, or an object of prices: {', '.join(OVERLAY_KINDS)}."
        yield Detail(f"prices.{name}", message)
    else:
        yield from _price_errors(f"prices.{name}", entry)
        for tier, prices in entry.items():
            if isinstance(prices, dict) and tier not in OVERLAY_KINDS:
                yield from _price_errors(f"prices.{name}.{tier}", prices, is_tier=True)


def _price_errors(field: str, prices: dict[str, object], *, is_tier: bool = False) -> Iterator[Detail]:
    if not prices:
        yield Detail(field, f"The entry must be an object of prices: {', '.join(OVERLAY_KINDS)}.")
    for kind, price in prices.items():
        if kind not in OVERLAY_KINDS:
            if is_tier or not isinstance(price, dict):
                yield Detail(f"{field}.{kind}", f"This is not a known price: use {', '.join(OVERLAY_KINDS)}.")
        elif not _is_price(price):
            message = f"The price must be a number of dollars per million tokens from 0 to {HIGHEST_PRICE:,}."
            yield Detail(f"{field}.{kind}", message)
        elif (whole := PARTS[kind][0] if kind in PARTS else kind) not in prices:
            yield Detail(f"{field}.{kind}", f"This price requires a price of {whole} in the same entry.")


def _is_price(value: object) -> bool:
    """Whether it is a Decimal (a float here is NaN or infinite), in range, and exact in `PRICE_UNITS_PER_DOLLAR`."""
    return isinstance(value, Decimal) and 0 <= value <= HIGHEST_PRICE and value % FINEST_PRICE == 0
