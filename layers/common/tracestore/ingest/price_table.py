"""Find the list price of a model in the generated table `prices.jsonl`, by provider and model name.

Matching follows the `genai-prices` package exactly, from which the table is generated (`make prices`): the first match
in the table's order counts, and case is ignored. The table is read on first use, the models of a provider on its first
lookup.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeAlias

TABLE_PATH: Final = Path(__file__).with_name("prices.jsonl")

PRICE_UNITS_PER_DOLLAR: Final = 10**18
"""Prices are integers in this fraction of a dollar, per million tokens: the table's prices have up to 18 decimals."""

_DATED: Final = re.compile(r"-(20[0-9]{2})([0-9]{2})([0-9]{2})(?=[-:]|$)")
_SECONDS_PER_DAY: Final = 86_400
_NS_PER_SECOND: Final = 10**9

_Clause: TypeAlias = Any  # str | list[_Clause] | dict[str, list[_Clause]], straight from the table


@dataclass(frozen=True, slots=True)
class Rate:
    """The price of one kind of token. Above the start of a tier, in input tokens, all tokens cost the tier's price."""

    base: int
    tiers: tuple[tuple[int, int], ...] = ()

    def price(self, input_tokens: int) -> int:
        """The price for a call with this number of input tokens."""
        for start, price in reversed(self.tiers):
            if input_tokens > start:
                return price
        return self.base


Rates: TypeAlias = Mapping[str, Rate]
"""Prices by kind of tokens, such as input, cached_input, cache_write_1h or output_audio, and by kind of use, such as
request or web_search (per thousand)."""

_TIER_CONDITIONS: Final = ("service_tier", "processing", "speed")
"""The conditions of variants that a service tier fulfils. Batches have their own condition in the package."""


@dataclass(frozen=True, slots=True)
class _Period:
    """Prices and when they are in force: from a time on, or every day between two seconds of the day (UTC).

    A variant has only the prices that differ in its service `tier`.
    """

    rates: Rates
    from_s: int | None = None
    daily_s: tuple[int, int] | None = None
    tier: str | None = None

    def is_in_force(self, time_s: int) -> bool:
        if self.from_s is not None:
            return time_s >= self.from_s
        if self.daily_s is not None:
            start, end = self.daily_s
            second = time_s % _SECONDS_PER_DAY
            return start <= second < end if start <= end else second >= start or second < end
        return True


@dataclass(frozen=True, slots=True)
class ListedModel:
    """A model of the table. `listed_by` is the provider whose price applies: one may offer another's models."""

    provider: str
    listed_by: str
    model: str
    periods: tuple[_Period, ...]
    variants: tuple[_Period, ...]

    def rates_at(self, time_ns: int) -> Rates:
        """The standard prices at a time: of the last listed period that is in force, else of the first one."""
        time_s = time_ns // _NS_PER_SECOND
        for period in reversed(self.periods):
            if period.is_in_force(time_s):
                return period.rates
        return self.periods[0].rates

    def tier_rates_at(self, time_ns: int, tier: str) -> Rates | None:
        """The prices of a service tier at a time. *absent*: None if they are not listed.

        Most variants are dated from the day on which the list recorded them. Before that day, they count as long as the
        model's standard prices were the same.
        """
        # A provider that offers another's models has tiers of its own, which the list does not contain.
        offered = [variant for variant in self.variants if variant.tier == tier and self.provider == self.listed_by]
        if not offered:
            return None
        standard = self.rates_at(time_ns)
        in_force = [variant for variant in offered if variant.is_in_force(time_ns // _NS_PER_SECOND)]
        if not in_force:
            recorded_s = min(variant.from_s or 0 for variant in offered)
            if self.rates_at(recorded_s * _NS_PER_SECOND) != standard:
                return None
            in_force = [variant for variant in offered if variant.from_s == recorded_s]
        return {**standard, **{kind: rate for variant in reversed(in_force) for kind, rate in variant.rates.items()}}


@dataclass(frozen=True, slots=True)
class _Provider:
    """A provider of the table: the rules that match its name and its models' names, and the lines of its models."""

    id: str
    named: _Clause
    models_named: _Clause
    falls_back_to: tuple[str, ...]
    lines: list[str]


@dataclass(frozen=True, slots=True)
class _Models:
    """The models of a provider in order, and the indexes of the exact names and of the patterns that match them."""

    listed: list[list[Any]]
    exact: dict[str, int]
    patterns: list[tuple[int, _Clause]]


def table_version() -> str:
    """The package and version from which the table was generated."""
    return _table()[0]


def provider_id(name: str) -> str | None:
    """The table's id of the provider called `name`. *absent*: None."""
    name = name.lower().strip()
    _, providers = _table()
    if name in providers:
        return name
    return next((provider.id for provider in providers.values() if _matches(provider.named, name)), None)


def find_model(provider: str, model: str) -> ListedModel | None:
    """The model of this name at a provider, given by its id in the table. *absent*: None."""
    name = model.lower()
    listed = _find_model(provider, name)
    if listed is None and (dashed := _DATED.sub(_with_dashes, name)) != name:
        return _find_model(provider, dashed)
    return listed


def find_model_by_name(model: str) -> ListedModel | None:
    """The model of this name at the first provider whose rule for model names matches. *absent*: None."""
    name = model.lower()
    matching_ids = (provider.id for provider in _table()[1].values() if _matches(provider.models_named, name))
    matching_id = next(matching_ids, None)
    return None if matching_id is None else find_model(matching_id, model)


def price_units(dollars: Decimal) -> int:
    """Dollars as an integer, exact to 18 decimals."""
    return int(dollars * PRICE_UNITS_PER_DOLLAR)


@cache
def _table() -> tuple[str, dict[str, _Provider]]:
    version, *lines = TABLE_PATH.read_text(encoding="utf-8").splitlines()
    providers: dict[str, _Provider] = {}
    models: list[str] = []
    for line in lines:
        if line.startswith("["):
            models.append(line)
        else:
            fields, models = json.loads(line), []
            providers[fields["id"]] = _Provider(
                id=fields["id"],
                named=fields.get("named", []),
                models_named=fields.get("models_named", []),
                falls_back_to=tuple(fields.get("falls_back_to", ())),
                lines=models,
            )
    return json.loads(version), providers


@cache
def _models(provider: str) -> _Models:
    # Decimals stay text until their model is looked up: most models never are.
    listed = json.loads(f"[{','.join(_table()[1][provider].lines)}]", parse_float=str)
    models = _Models(listed, {}, [])
    for index, (_, clause, *_) in enumerate(listed):
        for pattern in clause if isinstance(clause, list) else [clause]:
            if isinstance(pattern, str) and pattern.startswith("="):
                models.exact.setdefault(pattern[1:], index)
            else:
                models.patterns.append((index, pattern))
    return models


def _find_model(provider: str, name: str) -> ListedModel | None:
    for lister in (provider, *_table()[1][provider].falls_back_to):
        models = _models(lister)
        matching = (index for index, pattern in models.patterns if _matches(pattern, name))
        first = min(models.exact.get(name, len(models.listed)), next(matching, len(models.listed)))
        if first < len(models.listed):
            model, _, *periods = models.listed[first]
            standard = tuple(_period(period) for period in periods if "when" not in period)
            variants = tuple(_period(period) for period in periods if "when" in period)
            return ListedModel(provider, lister, model, standard, variants)
    return None


def _matches(clause: _Clause, text: str) -> bool:
    """Whether a lower-case text matches: `=text`, `^start`, `$end`, `*part`, `~regex`; any of a list; `all` of them."""
    if isinstance(clause, list):
        return any(_matches(item, text) for item in clause)
    if isinstance(clause, dict):
        return all(_matches(item, text) for item in clause["all"])
    kind, operand = clause[0], clause[1:]
    if kind == "=":
        return bool(text == operand)
    if kind == "^":
        return text.startswith(operand)
    if kind == "*":
        return operand in text
    if kind == "$":
        return text.endswith(operand)
    return re.search(operand, text) is not None


def _with_dashes(compact: re.Match[str]) -> str:
    """A model's date with dashes: gateways write `-20251211` where the model's maker writes `-2025-12-11`."""
    try:
        return f"-{date(*map(int, compact.groups())).isoformat()}"
    except ValueError:
        return compact[0]


def _period(listed: dict[str, Any]) -> _Period:
    rates = {kind: _rate(price) for kind, price in listed.items() if kind not in ("from", "daily", "when")}
    condition, _, value = listed.get("when", "").partition("=")
    tier = value if condition in _TIER_CONDITIONS else None
    if "from" in listed:
        midnight = datetime.fromisoformat(listed["from"]).replace(tzinfo=UTC)
        return _Period(rates, from_s=int(midnight.timestamp()), tier=tier)
    if "daily" in listed:
        start, end = map(_second_of_day, listed["daily"])
        return _Period(rates, daily_s=(start, end), tier=tier)
    return _Period(rates, tier=tier)


def _rate(price: Any) -> Rate:
    if not isinstance(price, list):
        return Rate(price_units(Decimal(price)))
    base, *tiers = price
    return Rate(
        price_units(Decimal(base)), tuple((start, price_units(Decimal(tier_price))) for start, tier_price in tiers)
    )


def _second_of_day(clock: str) -> int:
    hours, minutes = clock.split(":")
    return int(hours) * 3600 + int(minutes) * 60
