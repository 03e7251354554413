"""Compute the cost of a model call from its tokens and the price on its date: the deployer's, else the list price.

A call has a cost only if everything that its span states and that affects the price has a price: the model, the
service tier, each kind of tokens and each use with a fee. Else the cost is absent, which differs from zero, and has a
reason.
Amounts are integers throughout. The only rounding is the last step, to the nearest nano-dollar, half to even.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Final

from ..domain.costs import UnknownCost
from ..domain.token_kinds import USES, WHOLES, Kind, UnknownKind
from .billed_usage import PARTS, Contradiction, TokenCounts, billed_usage
from .field_readers import normalize_provider
from .model_names import readings, says_more
from .price_overlay import LONGEST_NAME, NO_OVERLAY, Overlay, OwnPrice, service_tier
from .price_table import (
    PRICE_UNITS_PER_DOLLAR,
    ListedModel,
    Rate,
    Rates,
    find_model,
    find_model_by_name,
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

KINDS_SOLD: Final = frozenset(WHOLES)
"""A model without a price of any of these is not sold by tokens."""

_OWN_COPY: Final = re.compile(r":[0-9.]+[bm](?:-|$)")  # Self-hosted copies have their size as a tag: `deepseek-r1:7b`.
_UNITS_PER_NANO_USD: Final = PRICE_UNITS_PER_DOLLAR * 1_000_000 // 10**9
_PER_THOUSAND: Final = 1_000  # A price per thousand requests equals this number of prices per million.


@dataclass(frozen=True, slots=True)
class Priced:
    """A computed cost. `price` names the price used: `openai/gpt-4o @ ` and the table's version, or `@ overlay`.

    A service tier follows the model: `openai/gpt-5 (flex) @ `.
    """

    cost_nano_usd: int
    price: str


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
    if "input_tokens" not in usage and "output_tokens" not in usage and not usage.get("usage_details"):
        return "no_price" if "total_tokens" in usage else "no_tokens"
    if provider and len(provider) > LONGEST_NAME:
        provider = None
    names = [name for name in (model, requested_model) if name and len(name) <= LONGEST_NAME]
    if len(names) > 1 and says_more(names[1], names[0]):
        names.reverse()
    tier = service_tier(tier)
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
        listed = _listed(provider, name)
        standard = listed.rates_at(at_ns) if listed else {}
        if listed is None or KINDS_SOLD.isdisjoint(standard):
            continue
        rates = listed.tier_rates_at(at_ns, tier) if tier else standard
        if rates is None:
            return "no_tier_price"
        return _priced(rates, _price_name(f"{listed.listed_by}/{listed.model}", tier, table_version()), usage)
    return "no_price"


def _overlay_price(provider: str | None, names: list[str], overlay: Overlay) -> tuple[str, OwnPrice | str] | None:
    """The overlay's key and entry for these names. *absent*: None."""
    return next(((key, overlay[key]) for key in _overlay_keys(provider, *names) if key in overlay), None)


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

    *absent*: None. A name that has a price alone has one at any provider that does not serve the user's own models and
    does not list the model itself: one that lists it without a price, as GitHub Copilot does, sells it differently.
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
        amounts = billed_usage(usage)
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
