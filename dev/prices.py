"""Writes the price table that the functions compute costs from, out of the `genai-prices` package.

The package costs a cold start 250 ms of import, so it stays here: the table keeps of it what a span's tokens can be
priced by (ids, match patterns, numbers), in its order, which is part of the matching. One model a line, so that a
newer package shows in a diff as the prices that changed. `make prices` runs this.
"""

import json
import re
from collections.abc import Iterable, Sequence
from datetime import time
from decimal import Decimal
from importlib.metadata import version
from typing import Any, Final, TypeAlias

from genai_prices import types
from genai_prices.data import providers as known_providers

from tracestore.ingest.price_table import TABLE_PATH

Written: TypeAlias = "str | int | Decimal | list[Written] | dict[str, Written]"

KINDS: Final = {
    "input_mtok": "input",
    "cache_read_mtok": "cached_input",
    "cache_write_mtok": "cache_write",
    "output_mtok": "output",
    "output_reasoning_mtok": "reasoning",
    "requests_kcount": "request",
}
"""The package's prices that a span's token counts, or the call itself, decide. The others (audio, images, pages,
searches, writes to the one-hour cache) price what a span does not tell of, and count nothing then."""

REGEX_PREFIX: Final = re.compile(r"\^((?:[a-z0-9/_-]|\\[.\-\[\]])+)(?![*+?{])")
"""What a text must start with for an anchored pattern to match."""


def main() -> None:
    """Write the table."""
    TABLE_PATH.write_text(table_text(), encoding="utf-8")
    print(f"{TABLE_PATH.name}: {sum(len(provider.models) for provider in known_providers)} models")


def table_text(providers: Iterable[types.Provider] = known_providers) -> str:
    """The whole table, the same for the same version of the package.

    A line of JSON each: the version, then every provider (an object) followed by its models (arrays).
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
    """A model as `[id, clause, prices…]`; of several prices the last that is in force counts, else the first."""
    if isinstance(model.prices, types.ModelPrice):
        return [model.id, _clause(model.match), _prices(model, model.prices)]
    dated = [_constraint(each.constraint) | _prices(model, each.prices) for each in model.prices]
    return [model.id, _clause(model.match), *dated]


def _prices(model: types.ModelInfo, prices: types.ModelPrice) -> dict[str, Written]:
    """Dollars a million tokens by kind, and dollars a thousand requests.

    Empty where the package lists no price by tokens: it then answers zero, which is only true of a `:free` variant.
    """
    listed = {name: price for name, price in vars(prices).items() if price is not None}
    if not listed and model.id.endswith(":free"):
        return {"input": 0, "output": 0}
    return {kind: _price(listed[name]) for name, kind in KINDS.items() if name in listed}


def _price(price: Decimal | types.TieredPrices) -> Written:
    """A price, or `[price, [start, price]…]` where more than `start` input tokens change it for all tokens."""
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


def _minutes(of_day: time) -> str:
    if of_day.utcoffset() or of_day.second or of_day.microsecond:
        raise ValueError("The table holds times of day as whole minutes in UTC: teach it what the package now has.")
    return of_day.strftime("%H:%M")


def _clause(clause: Any) -> Written:
    """A match rule: `=text`, `^start`, `$end`, `*part` or `~regex`; a list holds when any does, `all` when all do."""
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
            return [_clause(each) for each in clauses]
        case types.ClauseAnd(and_=clauses):
            return {"all": [_clause(each) for each in clauses]}
    raise ValueError(f"The table has no word for {type(clause).__name__}: teach it what the package now has.")


def _regex(pattern: str) -> Written:
    """The pattern; behind the cheap test for its fixed start, because compiling it costs more than most calls."""
    fixed = REGEX_PREFIX.match(pattern)
    if fixed is None or "|" in pattern:
        return f"~{pattern}"
    return {"all": ["^" + fixed[1].replace("\\", ""), f"~{pattern}"]}


def _json(value: Written) -> str:
    """JSON with decimals written out in full, which `json` can only do for floats."""
    if isinstance(value, Decimal):
        whole = value.to_integral_value()
        return str(int(whole)) if value == whole else format(value.normalize(), "f")
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(name)}: {_json(each)}" for name, each in value.items()) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(map(_json, value)) + "]"
    return json.dumps(value)


if __name__ == "__main__":
    main()
