"""Finds a model's list price in the generated table `prices.jsonl`, by the provider and the name that a span gives.

Matching follows the `genai-prices` package, which the table is generated from (`make prices`), to the letter: order
decides, and names match ignoring case. The table is read on first use, and a provider's models when it is first asked.
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
"""Prices are integers of this part of a dollar per million tokens: the table's finest has 18 decimals."""

_DATED: Final = re.compile(r"-(20[0-9]{2})([0-9]{2})([0-9]{2})(?=[-:]|$)")
_SECONDS_A_DAY: Final = 86_400
_NS_A_SECOND: Final = 10**9

_Clause: TypeAlias = Any  # str | list[_Clause] | dict[str, list[_Clause]], straight from the table


@dataclass(frozen=True, slots=True)
class Rate:
    """The price of one kind of token. With more than a tier's start of input tokens, all tokens cost the tier's."""

    base: int
    tiers: tuple[tuple[int, int], ...] = ()

    def of(self, input_tokens: int) -> int:
        """The price at this many input tokens."""
        for start, price in reversed(self.tiers):
            if input_tokens > start:
                return price
        return self.base


Rates: TypeAlias = Mapping[str, Rate]
"""Prices by kind: input, cached_input, cache_write, output, reasoning, and request (a thousand of them)."""


@dataclass(frozen=True, slots=True)
class _Period:
    """Prices, and when they are in force: from a time on, or daily from one second of the day (UTC) until another."""

    rates: Rates
    from_s: int | None = None
    daily_s: tuple[int, int] | None = None

    def holds(self, at_s: int) -> bool:
        if self.from_s is not None:
            return at_s >= self.from_s
        if self.daily_s is not None:
            start, end = self.daily_s
            second = at_s % _SECONDS_A_DAY
            return start <= second < end if start <= end else second >= start or second < end
        return True


@dataclass(frozen=True, slots=True)
class ListedModel:
    """A model of the table. `listed_by` is whose price it is, where one provider offers another's models."""

    provider: str
    listed_by: str
    model: str
    periods: tuple[_Period, ...]

    def rates_at(self, at_ns: int) -> Rates:
        """The prices of that moment: of several in force the last listed. Empty: not sold by tokens."""
        at_s = at_ns // _NS_A_SECOND
        for period in reversed(self.periods):
            if period.holds(at_s):
                return period.rates
        return self.periods[0].rates


@dataclass(frozen=True, slots=True)
class _Provider:
    """A provider of the table: whom its rules name, and the lines of its models."""

    id: str
    named: _Clause
    models_named: _Clause
    falls_back_to: tuple[str, ...]
    lines: list[str]


@dataclass(frozen=True, slots=True)
class _Models:
    """A provider's models in order; by index, those that a name equals and those that its form may fit."""

    listed: list[list[Any]]
    exact: dict[str, int]
    forms: list[tuple[int, _Clause]]


def table_version() -> str:
    """What the table was generated from."""
    return _table()[0]


def provider_id(name: str) -> str | None:
    """The table's id of the provider that is called `name`."""
    name = name.lower().strip()
    _, providers = _table()
    if name in providers:
        return name
    return next((each.id for each in providers.values() if _matches(each.named, name)), None)


def find_at(provider: str, model: str) -> ListedModel | None:
    """The model that the provider, by its id in the table, sells under this name."""
    name = model.lower()
    found = _find_at(provider, name)
    if found is None and (dashed := _DATED.sub(_with_dashes, name)) != name:
        return _find_at(provider, dashed)
    return found


def find_by_name(model: str) -> ListedModel | None:
    """The model by its name alone, at the first provider whose models are called like it."""
    name = model.lower()
    claimants = (each.id for each in _table()[1].values() if _matches(each.models_named, name))
    provider = next(claimants, None)
    return None if provider is None else find_at(provider, model)


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
    # Decimals stay text until their model is found: most never are.
    listed = json.loads(f"[{','.join(_table()[1][provider].lines)}]", parse_float=str)
    models = _Models(listed, {}, [])
    for index, (_, clause, *_) in enumerate(listed):
        for each in clause if isinstance(clause, list) else [clause]:
            if isinstance(each, str) and each.startswith("="):
                models.exact.setdefault(each[1:], index)
            else:
                models.forms.append((index, each))
    return models


def _find_at(provider: str, name: str) -> ListedModel | None:
    for lister in (provider, *_table()[1][provider].falls_back_to):
        models = _models(lister)
        fitting = (index for index, form in models.forms if _matches(form, name))
        first = min(models.exact.get(name, len(models.listed)), next(fitting, len(models.listed)))
        if first < len(models.listed):
            model, _, *periods = models.listed[first]
            return ListedModel(provider, lister, model, tuple(map(_period, periods)))
    return None


def _matches(clause: _Clause, text: str) -> bool:
    """Whether a lower-case text fits: `=text`, `^start`, `$end`, `*part`, `~regex`; any of a list; `all` of them."""
    if isinstance(clause, list):
        return any(_matches(each, text) for each in clause)
    if isinstance(clause, dict):
        return all(_matches(each, text) for each in clause["all"])
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
    """`-20251211`, as gateways write a model's date, as `-2025-12-11`, as its maker does."""
    try:
        return f"-{date(*map(int, compact.groups())).isoformat()}"
    except ValueError:
        return compact[0]


def _period(listed: dict[str, Any]) -> _Period:
    rates = {kind: _rate(price) for kind, price in listed.items() if kind not in ("from", "daily")}
    if "from" in listed:
        midnight = datetime.fromisoformat(listed["from"]).replace(tzinfo=UTC)
        return _Period(rates, from_s=int(midnight.timestamp()))
    if "daily" in listed:
        start, end = map(_second_of_day, listed["daily"])
        return _Period(rates, daily_s=(start, end))
    return _Period(rates)


def _rate(price: Any) -> Rate:
    if not isinstance(price, list):
        return Rate(price_units(Decimal(price)))
    base, *tiers = price
    return Rate(price_units(Decimal(base)), tuple((start, price_units(Decimal(above))) for start, above in tiers))


def _second_of_day(clock: str) -> int:
    hours, minutes = clock.split(":")
    return int(hours) * 3600 + int(minutes) * 60
