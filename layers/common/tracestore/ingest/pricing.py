"""Compute the cost of a model call from its tokens and the price on its date: the deployer's, else the list price.

A call has a cost only if its price is known. The cost is absent, which differs from zero, for an unknown model, a model
that is not sold by tokens, a self-hosted copy, and counts that contradict each other.
Amounts are integers throughout. The only rounding is the last step, to the nearest nano-dollar, half to even.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Final, TypeAlias, TypedDict

from ..domain.errors import Detail, Invalid
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
that they do not sell is therefore looked up by its name alone. *source*: `gen_ai.provider.name`, OpenTelemetry GenAI
registry."""

MAKERS: Final = ("openai", "google", "cohere", "voyageai")
"""Providers whose models are searched for a name that matches no provider's rule, such as `text-embedding-3-small`."""

KINDS: Final = ("input", "cached_input", "cache_write", "output", "reasoning")
PART_OF: Final[Mapping[str, str]] = {"cached_input": "input", "cache_write": "input", "reasoning": "output"}
"""Kinds that another kind includes. A kind without its own price costs the price of the kind that includes it."""

HIGHEST_PRICE: Final = 1_000_000
FINEST_PRICE: Final = Decimal(1).scaleb(-18)

LONGEST_NAME: Final = 256
"""Longest name of a model or a provider. The limit also bounds the memory of the lookup caches."""

_OWN_COPY: Final = re.compile(r":[0-9.]+[bm](?:-|$)")  # Self-hosted copies have their size as a tag: `deepseek-r1:7b`.
_RESOURCE_PATH: Final = re.compile(r"^(?:(?:projects/.+/)?publishers/[^/]+/)?models/")
_UNITS_PER_NANO_USD: Final = PRICE_UNITS_PER_DOLLAR * 1_000_000 // 10**9
_PER_THOUSAND: Final = 1_000  # A price per thousand requests equals this number of prices per million.


class TokenCounts(TypedDict, total=False):
    """The tokens of one call, as in `SpanFields`: input includes cached and cache-write, output includes reasoning."""

    input_tokens: int
    cached_input_tokens: int
    cache_write_tokens: int
    output_tokens: int
    reasoning_tokens: int


@dataclass(frozen=True, slots=True)
class Priced:
    """A computed cost. `price` names the price used: `openai/gpt-4o @ ` and the table's version, or `@ overlay`."""

    cost_nano_usd: int
    price: str


Overlay: TypeAlias = Mapping[str, Rates]
"""The deployer's prices, by `provider/model` or `model` in lower case."""

NO_OVERLAY: Final[Overlay] = {}


def cost_nano_usd(
    *,
    model: str | None,
    provider: str | None,
    usage: TokenCounts,
    at_ns: int,
    requested_model: str | None = None,
    overlay: Overlay = NO_OVERLAY,
) -> Priced | None:
    """The cost of a call at the prices in force at `at_ns`: of `model`, which served it, else of `requested_model`.

    The overlay has precedence over the list: first under the names as given, then under the listed model they match.
    *absent*: None for an unknown price, without a count of input or output tokens, and if a part exceeds its total.
    """
    if "input_tokens" not in usage and "output_tokens" not in usage:
        return None
    if provider and len(provider) > LONGEST_NAME:
        provider = None
    names = [name for name in (model, requested_model) if name and len(name) <= LONGEST_NAME]
    if overlay and (overlay_price := _overlay_price(provider, names, overlay)):
        return _priced(*overlay_price, usage)
    for name in names:
        if (listed := _listed(provider, name)) is not None and (rates := listed.rates_at(at_ns)):
            return _priced(rates, f"{listed.listed_by}/{listed.model} @ {table_version()}", usage)
    return None


def parse_overlay(text: str) -> Overlay:
    """The overlay in a JSON document: `{"provider/model" or "model": {"input": 0.15, "output": 0.6}}`.

    An entry replaces the whole list price of its model. It needs `input`, `output` or both, and for each kind that is a
    part of another kind also the price of that kind.
    *units*: US dollars per million tokens of input, cached_input, cache_write, output and reasoning.
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
    return {
        name.lower(): {kind: Rate(price_units(price)) for kind, price in entry.items()}
        for name, entry in document.items()
    }


def _overlay_price(provider: str | None, names: list[str], overlay: Overlay) -> tuple[Rates, str] | None:
    """The overlay's prices for these names, and the price's name. *absent*: None."""
    for key in _overlay_keys(provider, *names):
        if key in overlay:
            return overlay[key], f"{key} @ overlay"
    return None


@lru_cache(maxsize=512)
def _overlay_keys(provider: str | None, *names: str) -> list[str]:
    """The overlay keys that apply to these names: the names as given, then the listed models that they match."""
    known_provider = _provider_id(provider)
    keys = [(owner, name) for name in names for owner in (provider, known_provider, None)]
    for listed in filter(None, (_listed(provider, name) for name in names)):
        keys += [(owner, listed.model) for owner in (provider, listed.provider, listed.listed_by, None)]
    return [(f"{owner}/{name}" if owner else name).lower() for owner, name in keys]


@lru_cache(maxsize=4096)
def _listed(provider: str | None, name: str) -> ListedModel | None:
    """The listed model of this name: at the provider if the table has it, else by the name alone. *absent*: None."""
    if provider and provider.lower() in SELF_HOSTED:
        return None
    if (known_provider := _provider_id(provider)) is None:
        return _listed_by_name(name)
    listed = find_model(known_provider, name) or find_model(known_provider, _without_path(name))
    return _listed_by_name(name) if listed is None and known_provider in EMULATED_PROVIDERS else listed


def _listed_by_name(name: str) -> ListedModel | None:
    """The listed model of a name such as `gpt-4o`, or `azure/gpt-4o` as gateways write it. *absent*: None."""
    prefix, slash, rest = name.partition("/")
    if prefix.lower() in SELF_HOSTED or _OWN_COPY.search(name.lower()):
        return None
    if slash and (provider := _provider_id(prefix)) is not None and (listed := find_model(provider, rest)) is not None:
        return listed
    plain_name = _without_path(name)
    by_maker = (find_model(maker, plain_name) for maker in MAKERS)
    return find_model_by_name(name) or find_model_by_name(plain_name) or next(filter(None, by_maker), None)


def _without_path(name: str) -> str:
    """The name without the resource path that Google's clients add before it."""
    return _RESOURCE_PATH.sub("", name)


def _provider_id(name: str | None) -> str | None:
    return (PROVIDER_IDS.get(name.lower()) or provider_id(name)) if name else None


def _priced(rates: Rates, price: str, usage: TokenCounts) -> Priced | None:
    input_tokens = usage.get("input_tokens", 0)
    counts = {
        "input": input_tokens,
        "cached_input": usage.get("cached_input_tokens", 0),
        "cache_write": usage.get("cache_write_tokens", 0),
        "output": usage.get("output_tokens", 0),
        "reasoning": usage.get("reasoning_tokens", 0),
        "request": _PER_THOUSAND,
    }
    for part, whole in PART_OF.items():
        if part in rates:
            counts[whole] -= counts[part]
    if counts["input"] < 0 or counts["output"] < 0:
        return None
    units = sum([rate.price(input_tokens) * counts[kind] for kind, rate in rates.items()])
    nanos, rest = divmod(units, _UNITS_PER_NANO_USD)
    return Priced(nanos + (rest * 2 + nanos % 2 > _UNITS_PER_NANO_USD), price)


def _errors(name: str, entry: object) -> Iterator[Detail]:
    """The errors in one entry of an overlay."""
    if not name.strip("/ ") or len(name) > LONGEST_NAME:
        yield Detail(
            "prices", f"The name of an entry must have 1 to {LONGEST_NAME} characters: provider/model or model."
        )
    elif not isinstance(entry, dict) or not entry:
        yield Detail(f"prices.{name}", f"The entry must be an object of prices: {', '.join(KINDS)}.")
    else:
        for kind, price in entry.items():
            if kind not in KINDS:
                yield Detail(f"prices.{name}.{kind}", f"This is not a known price: use {', '.join(KINDS)}.")
            elif not _is_price(price):
                message = f"The price must be a number of dollars per million tokens from 0 to {HIGHEST_PRICE:,}."
                yield Detail(f"prices.{name}.{kind}", message)
            elif kind in PART_OF and PART_OF[kind] not in entry:
                yield Detail(
                    f"prices.{name}.{kind}", f"This price requires a price of {PART_OF[kind]} in the same entry."
                )


def _is_price(value: object) -> bool:
    """Whether it is a Decimal (a float here is NaN or infinite), in range, and exact in `PRICE_UNITS_PER_DOLLAR`."""
    return isinstance(value, Decimal) and 0 <= value <= HIGHEST_PRICE and value % FINEST_PRICE == 0
