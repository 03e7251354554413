"""Write the price table, from which the functions compute costs, out of the `genai-prices` package.

Importing the package takes 250 ms of a cold start, so the functions do not use it. The table contains all prices of the
package, and what selects them (ids, match patterns, dates, service tiers), in the package's order, which decides
between matches. Each model is one line, so that the diff of a newer package shows the prices that changed. `make
prices` runs this.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import time
from decimal import Decimal
from importlib.metadata import version
from typing import Any, Final, TypeAlias

from genai_prices import types
from genai_prices.data import providers as known_providers
from genai_prices.data_units import unit_data

from tracestore.ingest.price_table import TABLE_PATH

Written: TypeAlias = "str | int | Decimal | list[Written] | dict[str, Written]"

_TOKEN_TYPES: Final = {"cache_read": "cached_input", "cache_write": "cache_write", "tool": "input_tool"}
_FEES: Final = {"requests": "request", "rerank": "rerank_search"}


def kind_of(unit: Mapping[str, Any]) -> str:
    """The table's name for what a unit of the package measures, such as `cache_write_1h` or `cached_input_audio`."""
    dimensions = unit["dimensions"]
    family = dimensions["family"]
    if family == "tokens":
        token_type = dimensions.get("token_type", dimensions["direction"])
        parts = (_TOKEN_TYPES.get(token_type, token_type), dimensions.get("cache_ttl"), dimensions.get("modality"))
        return "_".join(filter(None, parts))
    if family == "tool_calls":
        return str(dimensions["tool_type"])
    return str(_FEES.get(family, unit["price_key"]))


KINDS: Final = {
    unit["price_key"]: kind_of(unit)
    for unit in sorted(unit_data.values(), key=lambda unit: str(unit["dimensions"].get("direction", "uses")))
}
"""The table's names for the package's prices: of input, output, then uses."""

REGEX_PREFIX: Final = re.compile(r"\^((?:[a-z0-9/_-]|\\[.\-\[\]])+)(?![*+?{])")
"""A pattern for the fixed start of an anchored pattern: only a text with this start can match the pattern."""


def main() -> None:
    """Write the table to its file."""
    TABLE_PATH.write_text(table_text(), encoding="utf-8")
    print(f"{TABLE_PATH.name}: {sum(len(provider.models) for provider in known_providers)} models")


def table_text(providers: Iterable[types.Provider] = known_providers) -> str:
    """The text of the table. *repeat*: the same for the same version of the package.

    *shape*: lines of JSON: the version, then each provider (an object) followed by its models (arrays).
    """
    lines: list[Written] = [f"genai-prices {version('genai-prices')}"]
    for provider in providers:
        lines += [_provider(provider), *map(_model, provider.models)]
    return "".join(f"{_json(line)}\n" for line in lines)


def _provider(provider: types.Provider) -> Written:
    fields: dict[str, Written] = {"id": provider.id}
    if provider.provider_match is not None:
        fields["named"] = _clause(provider.provider_match)
    if provider.model_match is not None:
        fields["models_named"] = _clause(provider.model_match)
    if provider.fallback_model_providers:
        fields["falls_back_to"] = list(provider.fallback_model_providers)
    return fields


def _model(model: types.ModelInfo) -> Written:
    """A model as `[id, clause, prices…, variants…]`. Of several prices, the last one in force counts, else the first.

    A variant has the prices that differ under the condition `when`, such as `service_tier=flex`. Of several variants
    in force, the first one with a price counts.
    """
    if isinstance(model.prices, types.ModelPrice):
        dated: list[Written] = [_prices(model, model.prices)]
    else:
        dated = [_constraint(period.constraint) | _prices(model, period.prices) for period in model.prices]
    return [model.id, _clause(model.match), *dated, *map(_variant, model.price_variants or ())]


def _variant(variant: types.PriceVariant) -> Written:
    when = "&".join(f"{name}={value}" for name, value in variant.when.items())
    return {"when": when, **_constraint(variant.constraint), **_listed(variant.prices)}


def _prices(model: types.ModelInfo, prices: types.ModelPrice) -> dict[str, Written]:
    """Dollars by kind: per million tokens or characters, per thousand requests, searches or pages, per hour.

    *absent*: empty if the package lists no price. The package itself then computes zero, which is correct only for a
    `:free` variant.
    """
    listed = _listed(prices)
    if not listed and model.id.endswith(":free"):
        return {"input": 0, "output": 0}
    return listed


def _listed(prices: types.ModelPrice) -> dict[str, Written]:
    return {kind: _price(price) for name, kind in KINDS.items() if (price := getattr(prices, name)) is not None}


def _price(price: Decimal | types.TieredPrices) -> Written:
    """A price, or `[price, [start, price]…]` if more than `start` input tokens change the price of all tokens."""
    if isinstance(price, types.TieredPrices):
        tiers: list[Written] = [[tier.start, tier.price] for tier in price.tiers]
        return [price.base, *tiers]
    return price


def _constraint(constraint: types.StartDateConstraint | types.TimeOfDateConstraint | None) -> dict[str, Written]:
    if constraint is None:
        return {}
    if isinstance(constraint, types.StartDateConstraint):
        return {"from": constraint.start_date.isoformat()}
    return {"daily": [_minutes(constraint.start_time), _minutes(constraint.end_time)]}


def _minutes(time_of_day: time) -> str:
    if time_of_day.utcoffset() or time_of_day.second or time_of_day.microsecond:
        raise ValueError("The table supports times of day in whole UTC minutes only: extend it for the new package.")
    return time_of_day.strftime("%H:%M")


def _clause(clause: Any) -> Written:
    """A match rule: `=text`, `^start`, `$end`, `*part` or `~regex`; a list matches if any does, `all` if all do."""
    match clause:
        case types.ClauseEquals(equals=text):
            return f"={text.lower()}"
        case types.ClauseStartsWith(starts_with=text):
            return f"^{text.lower()}"
        case types.ClauseEndsWith(ends_with=text):
            return f"${text.lower()}"
        case types.ClauseContains(contains=text):
            return f"*{text.lower()}"
        case types.ClauseRegex(regex=pattern):
            return _regex(pattern)
        case types.ClauseOr(or_=clauses):
            return [_clause(item) for item in clauses]
        case types.ClauseAnd(and_=clauses):
            return {"all": [_clause(item) for item in clauses]}
    raise ValueError(f"The table does not support {type(clause).__name__}: extend it for the new package.")


def _regex(pattern: str) -> Written:
    """The pattern, after a cheap test for its fixed start: compiling the pattern costs more than most calls."""
    fixed = REGEX_PREFIX.match(pattern)
    if fixed is None or "|" in pattern:
        return f"~{pattern}"
    return {"all": ["^" + fixed[1].replace("\\", ""), f"~{pattern}"]}


def _json(value: Written) -> str:
    """JSON in which decimals are written in full; `json` supports only floats."""
    if isinstance(value, Decimal):
        whole = value.to_integral_value()
        return str(int(whole)) if value == whole else format(value.normalize(), "f")
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(name)}: {_json(item)}" for name, item in value.items()) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(map(_json, value)) + "]"
    return json.dumps(value)


if __name__ == "__main__":
    main()
