"""Compute the cost of a model call from its tokens and the price on its date: the deployer's, else the list price.

A call has a cost only if everything that its span states and that affects the price has a price: the model, the
service tier, each kind of tokens and each use with a fee. Else the cost is absent, which differs from zero, and has a
reason.
Amounts are integers throughout. The only rounding is the last step, to the nearest nano-dollar, half to even.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from itertools import chain
from typing import Final, TypeAlias

from ..domain.costs import UnknownCost
from ..domain.errors import Detail, Invalid
from ..domain.token_kinds import LIFETIMES, MODALITIES, USES, WHOLES, Kind, UnknownKind
from .billed_usage import PARTS, Contradiction, TokenCounts
from .billed_usage import billed_usage as amounts_of
from .field_readers import normalize_provider
from .model_names import readings, says_more
from .price_table import (
    PRICE_UNITS_PER_DOLLAR,
    ListedModel,
    Rate,
    Rates,
    find_model,
    find_model_by_name,
    price_units,
    provider_id,
    table_version,
)

PROVIDER_IDS: Final[Mapping[str, str]] = {
    "aws.bedrock": "aws",
    "az.ai.inference": "azure",
    "az.ai.openai": "azure",
    "azure.ai.inference": "azure",
    "azure.ai.openai": "azure",
    "fireworks_ai": "fireworks",
    "gcp.gemini": "google",
    "gcp.gen_ai": "google",
    "gcp.vertex_ai": "google",
    "mistral_ai": "mistral",
    "moonshot_ai": "moonshotai",
    "together_ai": "together",
    "x_ai": "x-ai",
}
"""The table's provider ids for stored provider names that differ. *source*: `gen_ai.provider.name`, OpenTelemetry GenAI
registry."""

SELF_HOSTED: Final = frozenset(
    {"aws.sagemaker", "llama.cpp", "llama_cpp", "lm_studio", "lmstudio", "localai", "ollama", "sglang", "vllm"}
)
"""Providers that serve models on the user's own machines or by the hour, for which the maker's list price does not
apply."""

EMULATED_PROVIDERS: Final = frozenset({"anthropic", "openai"})
"""Providers whose API others implement as well: a client may report them although it calls another provider. A model
with the name of another provider before it is therefore looked up there first. *source*: `gen_ai.provider.name`,
OpenTelemetry GenAI registry."""

MAKERS: Final = ("openai", "google", "cohere", "voyageai")
"""Providers whose models are searched for a name that matches no provider's rule, such as `text-embedding-3-small`."""

KINDS: Final = (*WHOLES, *PARTS)
OVERLAY_KINDS: Final = (
    *KINDS,
    *(f"cache_write_{lifetime}" for lifetime in LIFETIMES),
    *(f"{base}_{modality}" for modality in MODALITIES for base in ("input", "cached_input", "output")),
    *USES,
)
"""The kinds that an overlay may price."""

KINDS_SOLD: Final = frozenset(WHOLES)
"""A model without a price of any of these is not sold by tokens."""

PLAIN_TIERS: Final = frozenset(
    {"", "auto", "default", "none", "null", "on_demand", "standard", "standard_only", "unspecified"}
)
"""Service tiers for which the standard price applies."""

HIGHEST_PRICE: Final = 1_000_000
FINEST_PRICE: Final = Decimal(1).scaleb(-18)

LONGEST_NAME: Final = 256
"""Longest name of a model or a provider. The limit also bounds the memory of the lookup caches."""

_OWN_COPY: Final = re.compile(r":[0-9.]+[bm](?:-|$)")  # Self-hosted copies have their size as a tag: `deepseek-r1:7b`.
_TIER_PREFIX: Final = re.compile(r"^(?:service_tier|traffic_type|on_demand)_(?=.)")
_UNITS_PER_NANO_USD: Final = PRICE_UNITS_PER_DOLLAR * 1_000_000 // 10**9
_PER_THOUSAND: Final = 1_000  # A price per thousand requests equals this number of prices per million.


@dataclass(frozen=True, slots=True)
class Priced:
    """A computed cost. `price` names the price used: `openai/gpt-4o @ ` and the table's version, or `@ overlay`.

    A service tier follows the model: `openai/gpt-5 (flex) @ `.
    """

    cost_nano_usd: int
    price: str


@dataclass(frozen=True, slots=True)
class OwnPrice:
    """A price of the deployer's: the prices of the standard tier, and of those service tiers that have their own."""

    rates: Rates
    tiers: Mapping[str, Rates]


Overlay: TypeAlias = Mapping[str, OwnPrice | str]
"""The deployer's prices and aliases, by `provider/model` or `model` in lower case."""

NO_OVERLAY: Final[Overlay] = {}


def cost_nano_usd(
    *,
    model: str | None,
    provider: str | None,
    usage: TokenCounts,
    at_ns: int,
    requested_model: str | None = None,
    tier: str | None = None,
    overlay: Overlay = NO_OVERLAY,
) -> Priced | UnknownCost:
    """The cost of a call at the prices in force at `at_ns`: of `model`, which served it, else of `requested_model`.

    A requested name that contains the served one and more, such as the profile of a Bedrock id, counts first.
    The overlay has precedence over the list: first under the names as given, then under the listed model they match.
    *absent*: the reason why the cost is unknown.
    """
    if not any(name in usage for name in ("input_tokens", "output_tokens", "usage_details")):
        return "no_price" if "total_tokens" in usage else "no_tokens"
    if provider and len(provider) > LONGEST_NAME:
        provider = None
    names = [name for name in (model, requested_model) if name and len(name) <= LONGEST_NAME]
    if len(names) > 1 and says_more(names[1], names[0]):
        names.reverse()
    tier = _tier(tier)
    own = _overlay_price(provider, names, overlay) if overlay else None
    if own is not None and isinstance(own[1], str):  # an alias, of which one step is followed
        provider, names = None, [own[1]]
        own = _overlay_price(provider, names, overlay)
    if own is not None and isinstance(own[1], OwnPrice):
        rates = own[1].tiers.get(tier) if tier else own[1].rates
        if rates is None:
            return "no_tier_price"
        return _priced(rates, _price_name(own[0], tier, "overlay"), usage, is_own=True)
    for name in names:
        if (listed := _listed(provider, name)) is not None and not KINDS_SOLD.isdisjoint(listed.rates_at(at_ns) or ()):
            if (rates := listed.rates_at(at_ns, tier)) is None:
                return "no_tier_price"
            price_name = _price_name(f"{listed.listed_by}/{listed.model}", tier, table_version())
            return _priced(rates, price_name, usage)
    return "no_price"


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


def _overlay_price(provider: str | None, names: list[str], overlay: Overlay) -> tuple[str, OwnPrice | str] | None:
    """The overlay's key and entry for these names. *absent*: None."""
    return next(((key, overlay[key]) for key in _overlay_keys(provider, *names) if key in overlay), None)


def _own_price(entry: Mapping[str, object]) -> OwnPrice:
    tiers = {_tier(name) or "": _rates(prices) for name, prices in entry.items() if isinstance(prices, dict)}
    return OwnPrice(_rates(entry), tiers)


def _rates(prices: Mapping[str, object]) -> Rates:
    return {kind: Rate(price_units(price)) for kind, price in prices.items() if isinstance(price, Decimal)}


def _tier(name: str | None) -> str | None:
    """The service tier called `name`. *absent*: None where the standard price applies."""
    word = _TIER_PREFIX.sub("", (name or "").strip().lower().replace("-", "_"))
    return None if word in PLAIN_TIERS else word


def _price_name(model: str, tier: str | None, source: str) -> str:
    return f"{model} ({tier}) @ {source}" if tier else f"{model} @ {source}"


@lru_cache(maxsize=512)
def _overlay_keys(provider: str | None, *names: str) -> list[str]:
    """The overlay keys that apply to these names: as given, then in plainer readings, then the listed models."""
    known_provider = _provider_id(provider)
    keys = [(owner, name) for name in names for owner in (provider, known_provider, None)]
    for reading in (reading for name in names for reading in readings(name, _provider_id)):
        keys += [(owner, reading.name) for owner in (provider, known_provider, reading.owner, None)]
        if reading.name.startswith("arn:"):
            keys.append((None, reading.name.rpartition("/")[2]))
    for listed in filter(None, (_listed(provider, name) for name in names)):
        keys += [(owner, listed.model) for owner in (provider, listed.provider, listed.listed_by, None)]
    return [(f"{owner}/{name}" if owner else name).lower() for owner, name in keys]


@lru_cache(maxsize=4096)
def _listed(provider: str | None, name: str) -> ListedModel | None:
    """The listed model of this name: at the provider, else at the one that the name contains, else by the name alone.

    *absent*: None. A name that has a price alone has one at any provider that does not serve the user's own models.
    """
    if (provider and provider.lower() in SELF_HOSTED) or _OWN_COPY.search(name.lower()):
        return None
    known = _provider_id(provider)
    found = list(readings(name, _provider_id))
    if any(name.split("/")[0] in SELF_HOSTED for _, name in found):
        return None
    lookups = [(owner or known, text) for owner, text in found]
    if known not in EMULATED_PROVIDERS:
        lookups = [(known, text) for _, text in found] + lookups
    for owner, text in lookups:
        if owner is not None and (listed := find_model(owner, text)) is not None:
            return listed
    by_rule = (find_model_by_name(text) for _, text in found)
    by_maker = (find_model(maker, text) for _, text in found for maker in MAKERS)
    return next(filter(None, chain(by_rule, by_maker)), None)


@lru_cache(maxsize=1024)
def _provider_id(name: str | None) -> str | None:
    """The table's id of a provider, under any of its names. *absent*: None."""
    if not name:
        return None
    found = PROVIDER_IDS.get(name.lower()) or provider_id(name)
    if found is None and (stored := normalize_provider(name)) is not None:
        found = PROVIDER_IDS.get(stored) or provider_id(stored)
    return found


def _priced(rates: Rates, price: str, usage: TokenCounts, *, is_own: bool = False) -> Priced | UnknownCost:
    try:
        amounts = amounts_of(usage)
    except Contradiction:
        return "contradictory_tokens"
    except UnknownKind:
        return "no_kind_price"
    input_tokens = sum(amount for kind, amount in amounts.items() if _whole(kind) == "input")
    units = rates["request"].price(input_tokens) * _PER_THOUSAND if "request" in rates else 0
    for kind, amount in amounts.items():
        rate = _own_rate(kind, rates) if is_own else _listed_rate(kind, rates)
        if rate is None:
            return "no_kind_price"
        units += rate.price(input_tokens) * amount * (_PER_THOUSAND if kind.base in USES else 1)
    nanos, rest = divmod(units, _UNITS_PER_NANO_USD)
    return Priced(nanos + (rest * 2 + nanos % 2 > _UNITS_PER_NANO_USD), price)


def _whole(kind: Kind) -> str:
    return PARTS[kind.base][0] if kind.base in PARTS else kind.base


def _listed_rate(kind: Kind, rates: Rates) -> Rate | None:
    """The listed price of a kind, or of the kind that includes it if providers charge the same for both.

    *absent*: None. Audio, images, and writes to the one-hour cache cost more than what includes them. A model with
    prices of input alone, such as one for embeddings, does not charge for output.
    """
    if kind.name in rates or kind.modality or kind.lifetime == "1h" or kind.base in USES:
        return rates.get(kind.name)
    return rates.get(kind.base) or rates.get(_whole(kind)) or Rate(0)


def _own_rate(kind: Kind, rates: Rates) -> Rate | None:
    """The deployer's price of a kind, or of the closest kind that includes it; zero where the entry omits both."""
    whole = _whole(kind)
    by_modality = f"{whole}_{kind.modality}" if kind.modality else ""
    names = (kind.name, by_modality, kind.base, whole)
    found = next((rates[name] for name in names if name in rates), None)
    return found if found is not None or kind.base in USES else Rate(0)


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
