"""What a model call cost, from its tokens and the price on its date: the deployer's, else the list price.

A cost is only given where somebody states the price. An unknown model, one that is not sold by tokens, a copy on one's
own machine, and counts that contradict each other have none, which is not the same as zero.
Amounts are integers throughout; the one rounding is the last step, to the nearest nano-dollar, half to even.
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
    find_at,
    find_by_name,
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
"""Our provider names where the table has another. *source*: `gen_ai.provider.name` of OpenTelemetry's registry."""

OWN_MACHINES: Final = frozenset(
    {"aws.sagemaker", "llama.cpp", "llama_cpp", "lm_studio", "lmstudio", "localai", "ollama", "sglang", "vllm"}
)
"""What serves open models on one's own machines or by the hour, where the maker's list price is not what is paid."""

SPOKEN_BY_OTHERS: Final = frozenset({"anthropic", "openai"})
"""Providers whose API others offer as well, so that a client names them and calls somebody else: a model that they do
not sell is looked for by its name. *source*: `gen_ai.provider.name`, OpenTelemetry GenAI registry."""

MAKERS: Final = ("openai", "google", "cohere", "voyageai")
"""Whose lists are searched for a name that is nobody's by its form, such as `text-embedding-3-small`."""

KINDS: Final = ("input", "cached_input", "cache_write", "output", "reasoning")
PART_OF: Final[Mapping[str, str]] = {"cached_input": "input", "cache_write": "input", "reasoning": "output"}
"""Kinds that are counted in another as well. One without its own price costs what the other does."""

HIGHEST_PRICE: Final = 1_000_000
FINEST_PRICE: Final = Decimal(1).scaleb(-18)

LONGEST_NAME: Final = 256
"""A longer text names no model and no provider; this also bounds what the cache of found models can hold."""

_OWN_COPY: Final = re.compile(r":[0-9.]+[bm](?:-|$)")  # a size as a tag, `deepseek-r1:7b`: how local copies are named
_RESOURCE_PATH: Final = re.compile(r"^(?:(?:projects/.+/)?publishers/[^/]+/)?models/")
_UNITS_PER_NANO_USD: Final = PRICE_UNITS_PER_DOLLAR * 1_000_000 // 10**9
_PER_THOUSAND: Final = 1_000  # a price per thousand is this many prices per million


class TokenCounts(TypedDict, total=False):
    """The tokens of one call, as in `SpanFields`: input includes cached and cache-write, output includes reasoning."""

    input_tokens: int
    cached_input_tokens: int
    cache_write_tokens: int
    output_tokens: int
    reasoning_tokens: int


@dataclass(frozen=True, slots=True)
class Priced:
    """A computed cost. `price` says by which price: `openai/gpt-4o @ ` and the table's version, or `@ overlay`."""

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
    """What the call cost at the price of `at_ns`: that of `model`, the one that served it, else of the requested one.

    The overlay is asked first, for the names as given and then for the listed model that they stand for.
    *absent*: None for an unknown price, without a count of input or output tokens, and where a part exceeds its whole.
    """
    if "input_tokens" not in usage and "output_tokens" not in usage:
        return None
    if provider and len(provider) > LONGEST_NAME:
        provider = None
    names = [name for name in (model, requested_model) if name and len(name) <= LONGEST_NAME]
    if overlay and (stated := _stated(provider, names, overlay)):
        return _priced(*stated, usage)
    for name in names:
        if (listed := _listed(provider, name)) is not None and (rates := listed.rates_at(at_ns)):
            return _priced(rates, f"{listed.listed_by}/{listed.model} @ {table_version()}", usage)
    return None


def overlay_of(text: str) -> Overlay:
    """The overlay that a JSON document states: `{"provider/model" or "model": {"input": 0.15, "output": 0.6}}`.

    Dollars per million tokens of input, cached_input, cache_write, output and reasoning. An entry replaces the list
    price whole; it needs `input`, `output` or both, and the whole of each part it names. Empty text: no overlay.
    *raises*: `Invalid` with a detail for each entry or price that is wrong.
    """
    if not text.strip():
        return NO_OVERLAY
    try:
        document = json.loads(text, parse_float=Decimal, parse_int=Decimal)
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise Invalid("The prices are not JSON.") from error
    if not isinstance(document, dict):
        raise Invalid('The prices must be a JSON object: {"provider/model": {"input": 0.15, "output": 0.6}}.')
    if details := tuple(detail for name, entry in document.items() for detail in _faults(name, entry)):
        raise Invalid("Some prices cannot be used: correct or remove them.", details=details)
    return {
        name.lower(): {kind: Rate(price_units(price)) for kind, price in entry.items()}
        for name, entry in document.items()
    }


def _stated(provider: str | None, names: list[str], overlay: Overlay) -> tuple[Rates, str] | None:
    """The overlay's price for these names, and the key that it stands under."""
    for key in _overlay_keys(provider, *names):
        if key in overlay:
            return overlay[key], f"{key} @ overlay"
    return None


@lru_cache(maxsize=512)
def _overlay_keys(provider: str | None, *names: str) -> list[str]:
    """The keys that may price these names: the names as given, then the listed models that they stand for."""
    known_provider = _provider_id(provider)
    keys = [(owner, name) for name in names for owner in (provider, known_provider, None)]
    for listed in filter(None, (_listed(provider, name) for name in names)):
        keys += [(owner, listed.model) for owner in (provider, listed.provider, listed.listed_by, None)]
    return [(f"{owner}/{name}" if owner else name).lower() for owner, name in keys]


@lru_cache(maxsize=4096)
def _listed(provider: str | None, name: str) -> ListedModel | None:
    """The listed model of that name: at the provider where that is a known one, else by the name alone."""
    if provider and provider.lower() in OWN_MACHINES:
        return None
    if (known_provider := _provider_id(provider)) is None:
        return _listed_by_name(name)
    found = find_at(known_provider, name) or find_at(known_provider, _without_path(name))
    return _listed_by_name(name) if found is None and known_provider in SPOKEN_BY_OTHERS else found


def _listed_by_name(name: str) -> ListedModel | None:
    """The listed model of a name such as `gpt-4o`, or `azure/gpt-4o` as gateways write it."""
    prefix, slash, rest = name.partition("/")
    if prefix.lower() in OWN_MACHINES or _OWN_COPY.search(name.lower()):
        return None
    if slash and (provider := _provider_id(prefix)) is not None and (found := find_at(provider, rest)) is not None:
        return found
    plain_name = _without_path(name)
    listed = (find_at(maker, plain_name) for maker in MAKERS)
    return find_by_name(name) or find_by_name(plain_name) or next(filter(None, listed), None)


def _without_path(name: str) -> str:
    """The name without the resource path that Google's clients put before it."""
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
    units = sum([rate.of(input_tokens) * counts[kind] for kind, rate in rates.items()])
    nanos, rest = divmod(units, _UNITS_PER_NANO_USD)
    return Priced(nanos + (rest * 2 + nanos % 2 > _UNITS_PER_NANO_USD), price)


def _faults(name: str, entry: object) -> Iterator[Detail]:
    """What is wrong with one entry of an overlay."""
    if not name.strip("/ ") or len(name) > LONGEST_NAME:
        yield Detail("prices", f"An entry is named by 1 to {LONGEST_NAME} characters: provider/model or model.")
    elif not isinstance(entry, dict) or not entry:
        yield Detail(f"prices.{name}", f"This must be an object of prices: {', '.join(KINDS)}.")
    else:
        for kind, price in entry.items():
            if kind not in KINDS:
                yield Detail(f"prices.{name}.{kind}", f"There is no such price: use {', '.join(KINDS)}.")
            elif not _is_price(price):
                message = f"This must be a number of dollars per million tokens from 0 to {HIGHEST_PRICE:,}."
                yield Detail(f"prices.{name}.{kind}", message)
            elif kind in PART_OF and PART_OF[kind] not in entry:
                yield Detail(f"prices.{name}.{kind}", f"This needs a price of {PART_OF[kind]} beside it.")


def _is_price(value: object) -> bool:
    """Whether it is a Decimal (a float then is NaN or infinite) in range, exact in our units."""
    return isinstance(value, Decimal) and 0 <= value <= HIGHEST_PRICE and value % FINEST_PRICE == 0
