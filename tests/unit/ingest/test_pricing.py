"""The cost of a call: by the table, which must agree with the `genai-prices` package, and by the deployer's prices."""

import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracestore.domain.errors import Invalid
from tracestore.ingest.price_table import TABLE_PATH, table_version
from tracestore.ingest.pricing import (
    EMULATED_PROVIDERS,
    NO_OVERLAY,
    SELF_HOSTED,
    Overlay,
    Priced,
    TokenCounts,
    cost_nano_usd,
    parse_overlay,
)

if sys.version_info >= (3, 15):
    pytest.skip("The package that the prices come from has no version for this Python.", allow_module_level=True)

from genai_prices import Usage, types
from genai_prices.data import providers
from genai_prices.data_snapshot import DataSnapshot

from dev.prices import KINDS, table_text

PACKAGE = DataSnapshot(providers=providers, from_auto_update=False)
ONE_DAY = datetime(2026, 11, 1, 12, tzinfo=UTC)
USAGES: tuple[TokenCounts, ...] = (
    {"input_tokens": 1_234_567, "output_tokens": 7_654},
    {"input_tokens": 90_001, "cached_input_tokens": 40_000, "cache_write_tokens": 30_003, "output_tokens": 1},
    {"input_tokens": 7, "cached_input_tokens": 7, "output_tokens": 999_999, "reasoning_tokens": 123_457},
    {"input_tokens": 10, "cached_input_tokens": 8, "cache_write_tokens": 8, "output_tokens": 1, "reasoning_tokens": 2},
)

by_provider = pytest.mark.parametrize("provider", providers, ids=lambda provider: provider.id)


def cost(
    model: str | None = "gpt-4o-mini",
    provider: str | None = None,
    usage: TokenCounts | None = None,
    time: datetime = ONE_DAY,
    requested: str | None = None,
    overlay: Overlay = NO_OVERLAY,
) -> Priced | None:
    """The cost of a call with a million input and a million output tokens, unless `usage` is given."""
    return cost_nano_usd(
        model=model,
        provider=provider,
        usage={"input_tokens": 10**6, "output_tokens": 10**6} if usage is None else usage,
        at_ns=int(time.timestamp()) * 10**9,
        requested_model=requested,
        overlay=overlay,
    )


def price_of(model: str | None, provider: str | None = None, **others: object) -> str | None:
    """The name of the price that a call is charged by."""
    priced = cost(model, provider, **others)  # type: ignore[arg-type]
    return None if priced is None else priced.price


def package_cost(model: str, provider: str, usage: TokenCounts = USAGES[0], time: datetime = ONE_DAY) -> int | None:
    """The cost by the package in nano-dollars.

    *absent*: None for an unknown model, a model without a price by tokens, and counts that the package refuses.
    """
    counts = Usage(
        input_tokens=usage.get("input_tokens", 0),
        cache_read_tokens=usage.get("cached_input_tokens", 0),
        cache_write_tokens=usage.get("cache_write_tokens", 0),
        output_tokens=usage.get("output_tokens", 0),
        output_reasoning_tokens=usage.get("reasoning_tokens", 0),
    )
    try:
        calculated = PACKAGE.calc(counts, model, provider, None, time)
    except (LookupError, ValueError):
        return None
    is_free = calculated.model.id.endswith(":free")
    if not is_free and not any(getattr(calculated.model_price, name) is not None for name in KINDS):
        return None
    return int((calculated.total_price * 10**9).to_integral_value(ROUND_HALF_EVEN))


def names_of(model: types.ModelInfo) -> Iterator[str]:
    """Names that the model's match rule is likely to match."""
    yield from names_in(model.match)
    yield model.id


def names_in(clause: object) -> Iterator[str]:
    match clause:
        case types.ClauseEquals(equals=text) | types.ClauseContains(contains=text):
            yield text
        case types.ClauseStartsWith(starts_with=text):
            yield from (text, f"{text}-20251211")
        case types.ClauseEndsWith(ends_with=text):
            yield f"x-{text}"
        case types.ClauseRegex(regex=pattern):
            digits = re.sub(r"\\d\{(\d)\}", lambda times: "1" * int(times[1]), pattern)
            yield re.sub(r"\\d", "1", digits).replace("\\", "").strip("^$")
        case types.ClauseOr(or_=clauses):
            for item in clauses:
                yield from names_in(item)
        case types.ClauseAnd(and_=clauses):
            yield "-".join(name for item in clauses for name in names_in(item))


def is_looked_up_elsewhere(model: str, provider: str) -> bool:
    """Whether the lookup continues where the package stops because the provider does not sell the model."""
    return provider in EMULATED_PROVIDERS or model.startswith(("models/", "projects/", "publishers/"))


def price_changes(model: types.ModelInfo) -> Iterator[datetime]:
    """A day, and the seconds before and after each change of the model's price."""
    yield ONE_DAY
    for dated in [] if isinstance(model.prices, types.ModelPrice) else model.prices:
        if isinstance(dated.constraint, types.StartDateConstraint):
            start = datetime.combine(dated.constraint.start_date, datetime.min.time(), UTC)
            yield from (start - timedelta(seconds=1), start)
        elif dated.constraint is not None:
            for clock in (dated.constraint.start_time, dated.constraint.end_time):
                turn = datetime.combine(ONE_DAY.date(), clock)
                yield from (turn - timedelta(seconds=1), turn)


def usages_at_tiers(model: types.ModelInfo) -> Iterator[TokenCounts]:
    """The usual token counts, and those at each tier of the model's price."""
    yield from USAGES
    dated = [model.prices] if isinstance(model.prices, types.ModelPrice) else [period.prices for period in model.prices]
    tiered = [price for prices in dated for price in vars(prices).values() if isinstance(price, types.TieredPrices)]
    for start in {tier.start for price in tiered for tier in price.tiers}:
        yield {"input_tokens": start, "cached_input_tokens": 1_000, "output_tokens": 333}
        yield {"input_tokens": start + 1, "cached_input_tokens": 1_000, "output_tokens": 333}


def test_the_table_agrees_with_the_installed_package() -> None:
    assert TABLE_PATH.read_text(encoding="utf-8") == table_text(), "Run `make prices`."


def test_the_table_contains_no_descriptions_or_links() -> None:
    assert not re.search(r"https?:|description|comment", TABLE_PATH.read_text(encoding="utf-8"))


def test_the_functions_do_not_ship_the_package() -> None:
    shipped = Path(__file__).parents[3] / "layers/common/requirements.txt"
    assert "genai" not in shipped.read_text(encoding="utf-8")


@by_provider
def test_every_name_has_the_cost_that_the_package_computes(provider: types.Provider) -> None:
    for name in {name for model in provider.models for name in names_of(model)}:
        expected = package_cost(name, provider.id)
        if expected is not None or not is_looked_up_elsewhere(name, provider.id):
            priced = cost(name, provider.id, USAGES[0])
            assert (priced and priced.cost_nano_usd) == expected, name


@by_provider
def test_every_model_has_the_cost_of_the_package_at_every_price_change(provider: types.Provider) -> None:
    for model in provider.models:
        name = next(names_of(model))
        for time in price_changes(model):
            for usage in usages_at_tiers(model):
                priced = cost(name, provider.id, usage, time)
                assert (priced and priced.cost_nano_usd) == package_cost(name, provider.id, usage, time), (name, time)


counts = st.integers(0, 10**7)
known_names = st.sampled_from(
    sorted({name for provider in providers for model in provider.models for name in names_of(model)})
)
names = st.builds(
    lambda prefix, name, suffix: prefix + name + suffix,
    st.sampled_from(["", "us.", "eu.anthropic.", "openai/", "X"]),
    known_names | known_names.map(str.upper) | st.text("abcdegloprtx-0123456789./:", min_size=1),
    st.sampled_from(["", "-latest", "-20260230", "-20260228", "-20260228:0", ":free", "-v1:0", "@20250514"]),
)


@given(
    provider=st.sampled_from([provider.id for provider in providers]),
    name=names,
    usage=st.builds(
        lambda uncached, cached, written, answer, reasoning: TokenCounts(
            input_tokens=uncached + cached + written,
            cached_input_tokens=cached,
            cache_write_tokens=written,
            output_tokens=answer + reasoning,
            reasoning_tokens=reasoning,
        ),
        *[counts] * 5,
    ),
    time=st.datetimes(datetime(2023, 1, 1), datetime(2028, 1, 1), timezones=st.just(UTC)),
)
@settings(max_examples=300, deadline=None)
def test_any_call_has_the_cost_that_the_package_computes(
    provider: str, name: str, usage: TokenCounts, time: datetime
) -> None:
    expected = package_cost(name, provider, usage, time)
    if expected is not None or not is_looked_up_elsewhere(name, provider):
        priced = cost(name, provider, usage, time)
        assert (priced and priced.cost_nano_usd) == expected


@given(name=known_names)
@settings(max_examples=200, deadline=None)
def test_a_name_without_a_provider_has_the_cost_that_the_package_computes(name: str) -> None:
    expected = package_cost(name, "litellm")  # This provider id means that the provider is in the name, or unknown.
    priced = cost(name, None, USAGES[0])
    if expected is not None and not re.search(r":[0-9.]+[bm]", name):
        assert priced is not None
        assert priced.cost_nano_usd == expected


@pytest.mark.parametrize(
    ("provider", "model", "price"),
    [
        ("openai", "gpt-4o-mini-2024-07-18", "openai/gpt-4o-mini"),
        ("azure.ai.openai", "phi-4", "azure/phi-4"),
        ("azure.ai.openai", "gpt-4o-mini", "openai/gpt-4o-mini"),
        ("azure.ai.inference", "grok-3", "x-ai/grok-3"),
        ("aws.bedrock", "amazon.nova-lite-v1:0", "aws/amazon.nova-lite-v1:0"),
        ("gcp.gemini", "gemini-2.5-flash", "google/gemini-2.5-flash"),
        ("gcp.gen_ai", "models/gemini-2.5-flash", "google/gemini-2.5-flash"),
        (
            "gcp.vertex_ai",
            "projects/p/publishers/google/models/gemini-2.5-flash",
            "google/gemini-2.5-flash",
        ),
        ("mistral_ai", "mistral-small-latest", "mistral/mistral-small-latest"),
        ("x_ai", "grok-3", "x-ai/grok-3"),
        ("groq", "llama-3.3-70b-versatile", "groq/llama-3.3-70b-versatile"),
        ("deepseek", "deepseek-chat", "deepseek/deepseek-chat"),
        ("cohere", "command-r", "cohere/command-r"),
        ("perplexity", "sonar", "perplexity/sonar"),
        ("moonshot_ai", "kimi-k2-0905-preview", "moonshotai/kimi-k2-0905-preview"),
        ("azure", "gpt-4o-mini", "openai/gpt-4o-mini"),
        ("google", "gemini-2.5-flash", "google/gemini-2.5-flash"),
        ("xai", "grok-3", "x-ai/grok-3"),
        ("moonshot", "kimi-k2-0905-preview", "moonshotai/kimi-k2-0905-preview"),
        ("voyage", "voyage-3.5", "voyageai/voyage-3.5"),
        ("openai", "claude-3-haiku-20240307", "anthropic/claude-3-haiku"),
        ("openai.responses", "gpt-4o-mini", "openai/gpt-4o-mini"),
        ("a-framework", "gpt-4o-mini", "openai/gpt-4o-mini"),
        (None, "claude-3-haiku-20240307", "anthropic/claude-3-haiku"),
        (None, "text-embedding-3-small", "openai/text-embedding-3-small"),
        (None, "azure/phi-4", "azure/phi-4"),
        ("", "GPT-4o-mini", "openai/gpt-4o-mini"),
    ],
)
def test_stored_provider_names_match_those_of_the_table(provider: str | None, model: str, price: str) -> None:
    assert price_of(model, provider) == f"{price} @ {table_version()}"


@pytest.mark.parametrize("model", ["my-model-7b", "fail-429", "llama3.2", "", None, "gpt-4o-mini" * 1000])
@pytest.mark.parametrize("provider", ["openai", "groq", "a-framework", "x" * 1000, None])
def test_an_unknown_model_has_no_cost(model: str | None, provider: str | None) -> None:
    assert cost(model, provider) is None


@pytest.mark.parametrize("provider", ["openai", "mistral_ai"])
def test_a_model_that_is_not_sold_by_tokens_has_no_cost(provider: str) -> None:
    model = {"openai": "whisper-1", "mistral_ai": "mistral-ocr-latest"}[provider]
    assert cost(model, provider) is None


def test_a_free_variant_has_a_cost_of_zero() -> None:
    priced = cost("deepseek/deepseek-r1:free", "openrouter")
    assert priced is not None
    assert priced.cost_nano_usd == 0


@pytest.mark.parametrize("provider", sorted(SELF_HOSTED))
def test_a_self_hosted_model_has_no_cost(provider: str) -> None:
    assert cost("deepseek-chat", provider) is None


@pytest.mark.parametrize("model", ["deepseek-r1:7b", "deepseek-r1:1.5b-q4_K_M", "ollama/deepseek-chat"])
@pytest.mark.parametrize("provider", ["openai", None])
def test_a_self_hosted_model_is_recognized_by_its_name(model: str, provider: str | None) -> None:
    assert cost(model, provider) is None


@pytest.mark.parametrize("usage", [{}, {"cached_input_tokens": 5}, {"reasoning_tokens": 5}])
def test_a_call_without_token_counts_has_no_cost(usage: TokenCounts) -> None:
    assert cost(usage=usage) is None


def test_a_part_larger_than_its_total_has_no_cost() -> None:
    assert cost(usage={"input_tokens": 10, "cached_input_tokens": 11, "output_tokens": 1}) is None


def test_a_call_with_zero_tokens_has_a_cost_of_zero() -> None:
    priced = cost(usage={"input_tokens": 0, "output_tokens": 0})
    assert priced is not None
    assert priced.cost_nano_usd == 0


def test_cached_tokens_are_charged_once_at_their_own_price() -> None:
    priced = cost("gpt-4o-mini", "openai", {"input_tokens": 1_000, "cached_input_tokens": 400, "output_tokens": 10})
    assert priced is not None
    assert priced.cost_nano_usd == 600 * 150 + 400 * 75 + 10 * 600


def test_reasoning_without_its_own_price_costs_the_price_of_output() -> None:
    thinking: TokenCounts = {"input_tokens": 1, "output_tokens": 100, "reasoning_tokens": 90}
    assert cost("o3-mini", "openai", thinking) == cost("o3-mini", "openai", {"input_tokens": 1, "output_tokens": 100})


def test_the_served_model_has_precedence_over_the_requested_one() -> None:
    assert price_of("gpt-4o", requested="gpt-4o-mini") == f"openai/gpt-4o @ {table_version()}"


@pytest.mark.parametrize("served", [None, "", "an-unknown-deployment"])
def test_the_requested_model_is_priced_if_the_served_one_is_unknown(served: str | None) -> None:
    assert price_of(served, requested="gpt-4o-mini") == f"openai/gpt-4o-mini @ {table_version()}"


@pytest.mark.parametrize(("tokens", "nano_usd"), [(1, 0), (2, 1), (3, 2), (5, 2), (7, 4)])
def test_half_a_nano_dollar_is_rounded_to_even(tokens: int, nano_usd: int) -> None:
    priced = cost("m", usage={"input_tokens": tokens}, overlay=parse_overlay('{"m": {"input": 0.0005}}'))
    assert priced == Priced(nano_usd, "m @ overlay")


def test_an_overlay_may_price_an_unlisted_model() -> None:
    overlay = parse_overlay('{"acme/llama-ft": {"input": 0.15, "cached_input": 0.05, "output": 0.6, "reasoning": 1}}')
    usage: TokenCounts = {
        "input_tokens": 1_000,
        "cached_input_tokens": 100,
        "output_tokens": 50,
        "reasoning_tokens": 20,
    }
    priced = cost("Llama-FT", "acme", usage, overlay=overlay)
    assert priced == Priced(900 * 150 + 100 * 50 + 30 * 600 + 20 * 1_000, "acme/llama-ft @ overlay")


def test_an_overlay_may_price_a_self_hosted_model() -> None:
    assert price_of("llama3.2", "ollama", overlay=parse_overlay('{"llama3.2": {"input": 0}}')) == "llama3.2 @ overlay"


@pytest.mark.parametrize("key", ["openai/gpt-4o", "gpt-4o", "GPT-4o", "gpt-4o-2024-08-06", "OpenAI/gpt-4o-2024-08-06"])
def test_an_overlay_may_price_a_listed_model_under_any_of_its_names(key: str) -> None:
    overlay = parse_overlay(f'{{"{key}": {{"input": 1, "output": 1}}}}')
    assert cost("gpt-4o-2024-08-06", "openai", overlay=overlay) == Priced(2 * 10**9, f"{key.lower()} @ overlay")


@pytest.mark.parametrize("key", ["azure.ai.openai/gpt-4o", "azure/gpt-4o"])
def test_an_overlay_may_name_a_provider_as_stored_or_as_listed(key: str) -> None:
    overlay = parse_overlay(f'{{"{key}": {{"input": 1}}, "gpt-4o": {{"input": 2}}}}')
    assert price_of("gpt-4o", "azure.ai.openai", overlay=overlay) == f"{key} @ overlay"


def test_an_overlay_for_one_provider_does_not_affect_others() -> None:
    overlay = parse_overlay('{"azure.ai.openai/gpt-4o": {"input": 1}}')
    assert price_of("gpt-4o", "openai", overlay=overlay) == f"openai/gpt-4o @ {table_version()}"


def test_an_overlay_for_the_requested_name_has_precedence_over_the_list() -> None:
    overlay = parse_overlay('{"our-deployment": {"input": 1}}')
    price = price_of("gpt-4o-2024-08-06", "azure.ai.openai", requested="our-deployment", overlay=overlay)
    assert price == "our-deployment @ overlay"


def test_an_overlay_entry_replaces_the_whole_list_price() -> None:
    priced = cost("gpt-4o", overlay=parse_overlay('{"gpt-4o": {"input": 1}}'))
    assert priced is not None
    assert priced.cost_nano_usd == 10**9


@pytest.mark.parametrize("text", ["", " \n", "{}"])
def test_an_empty_overlay_changes_nothing(text: str) -> None:
    assert cost(overlay=parse_overlay(text)) == cost()


def test_an_overlay_keeps_every_decimal() -> None:
    overlay = parse_overlay('{"m": {"input": 0.000000000000000001}}')
    priced = cost("m", usage={"input_tokens": 10**15}, overlay=overlay)
    assert priced is not None
    assert priced.cost_nano_usd == int(Decimal("1e-18") * 10**15 * 1000)


@pytest.mark.parametrize("text", ["{", "[]", "1", '{"m": {"input": 1e99999999999999999999}}', "[" * 100_000])
def test_an_overlay_that_is_not_a_json_object_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match=r"prices (are not valid JSON|must be a JSON object)"):
        parse_overlay(text)


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ('{"": {"input": 1}}', "prices"),
        ('{"a/m": 1}', "prices.a/m"),
        ('{"a/m": {}}', "prices.a/m"),
        ('{"a/m": {"imput": 1}}', "prices.a/m.imput"),
        ('{"a/m": {"input": "1"}}', "prices.a/m.input"),
        ('{"a/m": {"input": true}}', "prices.a/m.input"),
        ('{"a/m": {"input": null}}', "prices.a/m.input"),
        ('{"a/m": {"input": -1}}', "prices.a/m.input"),
        ('{"a/m": {"input": NaN}}', "prices.a/m.input"),
        ('{"a/m": {"input": 1e7}}', "prices.a/m.input"),
        ('{"a/m": {"input": 1e-19}}', "prices.a/m.input"),
        ('{"a/m": {"cached_input": 1, "output": 1}}', "prices.a/m.cached_input"),
        ('{"a/m": {"input": 1, "reasoning": 1}}', "prices.a/m.reasoning"),
    ],
)
def test_a_refusal_names_each_invalid_price_of_an_overlay(text: str, field: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse_overlay(text)
    assert [detail.field for detail in refused.value.details] == [field]
