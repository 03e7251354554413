"""The cost of a call: by the table, which must agree with the `genai-prices` package, and by the deployer's prices."""

import re
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracestore.domain.costs import UnknownCost
from tracestore.domain.errors import Invalid
from tracestore.ingest.billed_usage import TokenCounts
from tracestore.ingest.price_overlay import NO_OVERLAY, Overlay, parse_overlay
from tracestore.ingest.price_table import TABLE_PATH, table_version
from tracestore.ingest.pricing import SELF_HOSTED, Priced, cost_nano_usd

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

REGIONAL = "aws/regional.anthropic.claude-haiku-4-5-20251001-v1:0"
GLOBAL = "aws/global.anthropic.claude-haiku-4-5-20251001-v1:0"
ARN = "arn:aws:bedrock:us-east-1:123456789012"

by_provider = pytest.mark.parametrize("provider", providers, ids=lambda provider: provider.id)


def cost(
    model: str | None = "gpt-4o-mini",
    provider: str | None = None,
    usage: TokenCounts | None = None,
    time: datetime = ONE_DAY,
    requested: str | None = None,
    overlay: Overlay = NO_OVERLAY,
    tier: str | None = None,
) -> Priced | None:
    """The cost of a call with a million input and a million output tokens, unless `usage` is given."""
    priced = priced_or_reason(model, provider, usage, time, requested, overlay, tier)
    return priced if isinstance(priced, Priced) else None


def priced_or_reason(
    model: str | None,
    provider: str | None = None,
    usage: TokenCounts | None = None,
    time: datetime = ONE_DAY,
    requested: str | None = None,
    overlay: Overlay = NO_OVERLAY,
    tier: str | None = None,
) -> Priced | UnknownCost:
    """The same with the reason of an unknown cost."""
    return cost_nano_usd(
        model=model,
        provider=provider,
        usage={"input_tokens": 10**6, "output_tokens": 10**6} if usage is None else usage,
        at_ns=int(time.timestamp()) * 10**9,
        requested_model=requested,
        tier=tier,
        overlay=overlay,
    )


def price_of(model: str | None, provider: str | None = None, **others: object) -> str | None:
    """The name of the price that a call is charged by."""
    priced = cost(model, provider, **others)  # type: ignore[arg-type]
    return None if priced is None else priced.price


def package_cost(
    model: str,
    provider: str,
    usage: TokenCounts = USAGES[0],
    time: datetime = ONE_DAY,
    context: Mapping[str, str] | None = None,
) -> int | None:
    """The cost by the package in nano-dollars.

    *absent*: None for an unknown model, a model without a price by tokens, and counts that contradict each other.
    """
    cached = usage.get("cached_input_tokens", 0) + usage.get("cache_write_tokens", 0)
    counts = Usage(
        input_tokens=usage.get("input_tokens", 0),
        cache_read_tokens=usage.get("cached_input_tokens", 0),
        cache_write_tokens=usage.get("cache_write_tokens", 0),
        output_tokens=usage.get("output_tokens", 0),
        output_reasoning_tokens=usage.get("reasoning_tokens", 0),
    )
    try:
        calculated = PACKAGE.calc(counts, model, provider, None, time, context)
    except (LookupError, ValueError):
        return None
    if cached > usage.get("input_tokens", 0) or usage.get("reasoning_tokens", 0) > usage.get("output_tokens", 0):
        return None
    prices = calculated.model_price
    if not calculated.model.id.endswith(":free") and not is_sold_by_tokens(prices):
        return None
    return int((calculated.total_price * 10**9).to_integral_value(ROUND_HALF_EVEN))


def is_listed_without_a_price(model: str, provider: str) -> bool:
    """Whether the provider itself lists the model, but does not sell it by tokens."""
    try:
        calculated = PACKAGE.calc(Usage(input_tokens=1), model, provider, None, ONE_DAY)
    except (LookupError, ValueError):
        return False
    return not is_sold_by_tokens(calculated.model_price)


def is_sold_by_tokens(prices: types.ModelPrice) -> bool:
    return prices.input_mtok is not None or prices.output_mtok is not None


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
        if expected is not None:  # The lookup continues where the package stops.
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


TIERED = [
    (provider, model, variant)
    for provider in providers
    for model in provider.models
    for variant in model.price_variants or ()
    if not {"service_tier", "processing", "speed"}.isdisjoint(variant.when)
]


@pytest.mark.parametrize("usage", USAGES)
def test_every_service_tier_has_the_cost_of_the_package(usage: TokenCounts) -> None:
    later = datetime(2027, 2, 1, tzinfo=UTC)
    for provider, model, variant in TIERED:
        (tier,) = variant.when.values()
        name = next(names_of(model))
        priced = cost(name, provider.id, usage, later, tier=tier)
        assert (priced and priced.cost_nano_usd) == package_cost(name, provider.id, usage, later, variant.when), name


def test_the_table_contains_every_price_of_the_package() -> None:
    listed = [
        prices
        for provider in providers
        for model in provider.models
        for prices in (
            *([model.prices] if isinstance(model.prices, types.ModelPrice) else [p.prices for p in model.prices]),
            *(variant.prices for variant in model.price_variants or ()),
        )
    ]
    names = {name for prices in listed for name, price in vars(prices).items() if price is not None}
    assert names <= KINDS.keys()
    assert len(set(KINDS.values())) == len(KINDS)


MILLION: TokenCounts = {"input_tokens": 10**6}


@pytest.mark.parametrize(
    ("model", "provider", "tier", "usd"),
    [
        ("gpt-5", "openai", "flex", "0.625"),
        ("gpt-5", "openai", "FLEX", "0.625"),
        ("gpt-5", "openai", "priority", "2.5"),
        ("gpt-5", "openai", "batch", "0.625"),
        ("gpt-5", None, "flex", "0.625"),
        ("claude-sonnet-4-6", "anthropic", "batch", "1.5"),
        ("claude-opus-5", "anthropic", "fast", "10"),
        ("gemini-2.5-flash", "google", "batch", "0.15"),
        *(("gpt-5", "openai", tier, "1.25") for tier in (None, "", "default", "auto", "standard", "on_demand")),
        ("claude-sonnet-4-6", "anthropic", "standard_only", "3"),
        ("gemini-2.5-flash", "google", "ON_DEMAND", "0.3"),
        ("gpt-5", "openai", "service_tier_flex", "0.625"),
        ("gpt-5", "openai", "SERVICE_TIER_DEFAULT", "1.25"),
    ],
)
def test_a_service_tier_has_its_own_price(model: str, provider: str | None, tier: str | None, usd: str) -> None:
    priced = cost(model, provider, MILLION, tier=tier)
    assert priced is not None
    assert priced.cost_nano_usd == Decimal(usd) * 10**9


def test_the_price_of_a_service_tier_names_it() -> None:
    assert price_of("gpt-5", "openai", tier="flex") == f"openai/gpt-5 (flex) @ {table_version()}"


@pytest.mark.parametrize(
    ("model", "provider", "tier"),
    [
        ("gpt-4o", "openai", "flex"),
        ("gpt-5", "openai", "scale"),
        ("claude-sonnet-4-6", "anthropic", "priority"),
        ("gpt-5", "azure", "priority"),
        ("llama-3.3-70b-versatile", "groq", "flex"),
    ],
)
def test_a_service_tier_without_a_listed_price_has_no_cost(model: str, provider: str, tier: str) -> None:
    assert priced_or_reason(model, provider, tier=tier) == "no_tier_price"


def test_a_tier_has_its_price_before_the_list_recorded_it_if_the_standard_price_was_the_same() -> None:
    priced = cost("gpt-5", "openai", MILLION, datetime(2026, 1, 1, tzinfo=UTC), tier="flex")
    assert priced is not None
    assert priced.cost_nano_usd == 625_000_000
    before_the_change = datetime(2025, 6, 1, tzinfo=UTC)
    assert priced_or_reason("o3", "openai", MILLION, before_the_change, tier="flex") == "no_tier_price"


def details(**kinds: int) -> TokenCounts:
    return {"usage_details": kinds}


@pytest.mark.parametrize(
    ("model", "usage", "usd"),
    [
        ("claude-sonnet-4-6", {"input_tokens": 10_150, "cache_write_tokens": 10_000}, "0.03795"),
        ("claude-sonnet-4-6", details(input=150, cache_write_5m=10_000), "0.03795"),
        ("claude-sonnet-4-6", details(input=150, cache_write_1h=10_000), "0.06045"),
        ("claude-sonnet-4-6", details(input=150, input_cache_creation_1h=10_000), "0.06045"),
        ("claude-sonnet-4-6", details(input=150, ephemeral_1h_input_tokens=10_000), "0.06045"),
        (
            "claude-sonnet-4-6",
            {"input_tokens": 10_150, "cache_write_tokens": 10_000, "usage_details": {"cache_write_1h": 10_000}},
            "0.06045",
        ),
        (
            "claude-sonnet-4-6",
            {"input_tokens": 10_150, "cache_write_tokens": 10_000, "usage_details": {"cache_write_1h": 4_000}},
            "0.04695",
        ),
        ("claude-sonnet-4-6", {"input_tokens": 10**6, "usage_details": {"web_search_requests": 3}}, "3.03"),
        ("gemini-2.5-flash", details(input_text=10**6, input_audio=10**6), "1.3"),
        ("gemini-2.5-flash", details(audio_input_tokens=10**6), "1"),
        ("gemini-2.5-flash", details(input=10**6, input_cached_audio=10**6), "0.4"),
        ("gpt-5", {"input_tokens": 10**6, "usage_details": {"file_search": 2}}, "1.255"),
        ("claude-sonnet-4-5", {"input_tokens": 200_000}, "0.6"),
        ("claude-sonnet-4-5", {"input_tokens": 200_001}, "1.200006"),
        ("claude-sonnet-4-5", details(input=100_000, cached_input=100_001), "0.6600006"),
    ],
)
def test_each_kind_of_use_has_its_own_price(model: str, usage: TokenCounts, usd: str) -> None:
    priced = cost(model, None, usage)
    assert priced is not None
    assert priced.cost_nano_usd == Decimal(usd) * 10**9


@pytest.mark.parametrize(
    ("model", "provider", "usage"),
    [
        ("gpt-4o", "openai", details(input=10, input_audio=5)),
        ("gpt-4o", "openai", details(input=10, output_image=5)),
        ("gpt-4o", "openai", details(input=10, cache_write_1h=5)),
        ("anthropic.claude-sonnet-4-20250514-v1:0", "aws.bedrock", details(input=10, cache_write_1h=5)),
        ("gpt-4o", "openai", details(input=10, something_new=5)),
        ("gpt-oss-120b", "cerebras", details(input=10, web_search=1)),
    ],
)
def test_a_kind_of_use_without_a_listed_price_has_no_cost(model: str, provider: str, usage: TokenCounts) -> None:
    assert priced_or_reason(model, provider, usage) == "no_kind_price"


def test_kinds_that_were_not_used_need_no_price() -> None:
    assert cost("gpt-4o", "openai", details(input=10, input_audio=0, something_new=0, total=10)) is not None


@pytest.mark.parametrize(
    "usage",
    [
        {"input_tokens": 10, "cached_input_tokens": 11, "output_tokens": 1},
        {"input_tokens": 10, "output_tokens": 1, "total_tokens": 50},
        {"input_tokens": 10, "total_tokens": 50},
        {"input_tokens": 10, "usage_details": {"input_audio": 11}},
        {"input_tokens": 10, "cache_write_tokens": 5, "usage_details": {"cache_write_1h": 6}},
    ],
)
def test_counts_that_contradict_each_other_have_no_cost(usage: TokenCounts) -> None:
    assert priced_or_reason("claude-sonnet-4-6", "anthropic", usage) == "contradictory_tokens"


@pytest.mark.parametrize("total", [105, 15])
def test_a_total_may_leave_out_cached_tokens(total: int) -> None:
    usage: TokenCounts = {"input_tokens": 100, "cached_input_tokens": 90, "output_tokens": 5}
    assert cost("gpt-5", "openai", {**usage, "total_tokens": total}) == cost("gpt-5", "openai", usage) is not None


def test_a_whole_count_that_is_repeated_among_the_kinds_is_no_contradiction() -> None:
    usage: TokenCounts = {"input_tokens": 150, "cached_input_tokens": 64, "output_tokens": 1, "total_tokens": 151}
    repeated: TokenCounts = {**usage, "usage_details": {"input": 150, "cached_input": 64, "output": 1, "total": 151}}
    assert cost("gpt-5", "openai", repeated) == cost("gpt-5", "openai", usage)


def test_a_regional_profile_costs_more_than_the_global_one() -> None:
    models = [f"{profile}.anthropic.claude-sonnet-4-6-v1:0" for profile in ("us", "global")]
    costs = [cost(model, "aws.bedrock", MILLION) for model in models]
    assert [priced and priced.cost_nano_usd for priced in costs] == [3_300_000_000, 3_000_000_000]


counts = st.integers(0, 10**7)
KNOWN_NAMES = sorted({name for provider in providers for model in provider.models for name in names_of(model)})
NAMES_WITH_A_PRICE = [name for name in KNOWN_NAMES if cost(name, None, MILLION) is not None]

known_names = st.sampled_from(KNOWN_NAMES)
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
    if expected is not None:  # The lookup continues where the package stops.
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


@pytest.mark.parametrize(
    ("provider", "model", "price"),
    [
        *(
            (provider, "azure_ai/claude-opus-4-5", "anthropic/claude-opus-4-5")
            for provider in ("azure_ai", "azure", None)
        ),
        *((provider, "gemini/gemini-2.5-flash", "google/gemini-2.5-flash") for provider in ("gemini", "google", None)),
        *((provider, "vertex_ai/gemini-2.5-flash", "google/gemini-2.5-flash") for provider in ("vertex_ai", None)),
        *((provider, "groq/llama-3.3-70b-versatile", "groq/llama-3.3-70b-versatile") for provider in ("groq", None)),
        *((provider, "openai:gpt-4o", "openai/gpt-4o") for provider in ("openai", None, "a-framework")),
        *((provider, "openai/gpt-4o", "openai/gpt-4o") for provider in ("openai", None, "azure")),
        ("openrouter", "openai/gpt-4o:online", "openrouter/openai/gpt-4o"),
        ("openrouter", "anthropic/claude-3.7-sonnet:thinking", "openrouter/anthropic/claude-3.7-sonnet"),
        (None, "openrouter/anthropic/claude-sonnet-4.5", "openrouter/anthropic/claude-sonnet-4.5"),
        ("openai", "openrouter/openai/gpt-4o", "openrouter/openai/gpt-4o"),
        (None, "google-gla:gemini-2.5-flash", "google/gemini-2.5-flash"),
        (None, "google-vertex:gemini-2.5-flash", "google/gemini-2.5-flash"),
        (None, "anthropic:claude-haiku-4-5", "anthropic/claude-haiku-4-5"),
        ("anthropic", "claude-sonnet-4-6[1m]", "anthropic/claude-sonnet-4-6"),
        ("xai", "xai/grok-3", "x-ai/grok-3"),
        ("cohere", "cohere_chat/command-r", "cohere/command-r"),
        ("openai", "openai/responses/gpt-5", "openai/gpt-5"),
        ("vercel", "anthropic/claude-haiku-4.5", "anthropic/claude-haiku-4-5"),
        (None, "litellm_proxy/gpt-4o", "openai/gpt-4o"),
        (None, "@openai-prod/gpt-4o", "openai/gpt-4o"),
        (None, "gpt-4o/openai", "openai/gpt-4o"),
        ("azure", "azure/gpt-35-turbo", "openai/gpt-3.5-turbo"),
        ("azure", "azure/global-standard/gpt-4o-2024-08-06", "openai/gpt-4o"),
        ("azure", "azure/responses/gpt-5", "openai/gpt-5"),
        ("azure", "/openai/deployments/gpt-4o/chat/completions", "openai/gpt-4o"),
        ("azure", "azureml://registries/azure-openai/models/gpt-4o/versions/2024-08-06", "openai/gpt-4o"),
        ("google", "google/gemini-2.5-flash", "google/gemini-2.5-flash"),
        ("google", "gemini-2.5-flash@001", "google/gemini-2.5-flash"),
        ("google", "models/gemini-2.5-flash:generateContent", "google/gemini-2.5-flash"),
        (None, "bedrock_converse:anthropic.claude-haiku-4-5-20251001-v1:0", REGIONAL),
        (None, "google_genai:gemini-2.5-flash", "google/gemini-2.5-flash"),
        (None, "azure_openai:gpt-4o", "openai/gpt-4o"),
        ("google", "claude-haiku-4-5@20251001", "google/claude-haiku-4-5"),
        ("google", "claude-haiku-4-5@default", "google/claude-haiku-4-5"),
        (
            "google",
            "projects/p/locations/us-east5/publishers/anthropic/models/claude-haiku-4-5@20251001",
            "google/claude-haiku-4-5",
        ),
    ],
)
def test_a_model_has_its_price_in_every_form_of_its_name(provider: str | None, model: str, price: str) -> None:
    assert price_of(model, provider) == f"{price} @ {table_version()}"


@pytest.mark.parametrize("provider", ["aws.bedrock", "aws", "anthropic", "openai", None])
@pytest.mark.parametrize(
    ("form", "price"),
    [
        ("{id}", REGIONAL),
        ("us.{id}", REGIONAL),
        ("apac.{id}", REGIONAL),
        ("ca.{id}", REGIONAL),
        ("global.{id}", GLOBAL),
        ("bedrock/{id}", REGIONAL),
        ("bedrock:us.{id}", REGIONAL),
        ("bedrock/converse/global.{id}", GLOBAL),
        ("bedrock/us-gov-west-1/{id}", REGIONAL),
        ("@our-bedrock/us.{id}", REGIONAL),
        (ARN + ":inference-profile/global.{id}", GLOBAL),
        ("arn:aws-us-gov:bedrock:us-gov-west-1::foundation-model/{id}", REGIONAL),
        ("bedrock/" + ARN + ":inference-profile/us.{id}", REGIONAL),
        (ARN + ":application-inference-profile/a1b2c3", None),
        (ARN + ":provisioned-model/a1b2c3", None),
    ],
)
def test_a_bedrock_id_has_the_price_of_its_profile(provider: str | None, form: str, price: str | None) -> None:
    model = form.format(id="anthropic.claude-haiku-4-5-20251001-v1:0")
    assert price_of(model, provider) == (price and f"{price} @ {table_version()}")


@pytest.mark.parametrize(
    ("served", "requested", "price"),
    [
        ("claude-haiku-4-5-20251001", "global.anthropic.claude-haiku-4-5-20251001-v1:0", GLOBAL),
        ("claude-haiku-4-5-20251001", "us.anthropic.claude-haiku-4-5-20251001-v1:0", REGIONAL),
        ("claude-haiku-4-5", ARN + ":inference-profile/global.anthropic.claude-haiku-4-5-20251001-v1:0", GLOBAL),
    ],
)
def test_the_requested_profile_counts_although_the_response_names_the_model_alone(
    served: str, requested: str, price: str
) -> None:
    assert price_of(served, "aws.bedrock", requested=requested) == f"{price} @ {table_version()}"


@pytest.mark.parametrize("requested", ["gpt-5-mini", "gpt-5-mini/gpt-5-nano", "our/gpt-5", "gpt-5", "gpt-5-2025-08-07"])
def test_a_requested_name_that_says_no_more_does_not_count(requested: str) -> None:
    assert price_of("gpt-5", "openai", requested=requested) == f"openai/gpt-5 @ {table_version()}"


@pytest.mark.parametrize(
    "provider", ["groq", "cerebras", "openrouter", "azure", "aws.bedrock", "google", "databricks", "openai", "new"]
)
@pytest.mark.parametrize("model", ["gpt-4o", "claude-haiku-4-5", "openai/gpt-4o", "gemini/gemini-2.5-flash", "grok-3"])
def test_a_known_provider_never_hides_a_price(provider: str, model: str) -> None:
    assert price_of(model) is not None
    assert price_of(model, provider) is not None


@pytest.mark.parametrize("provider", [*(provider.id for provider in providers), "azure.ai.openai", "new"])
def test_a_price_by_the_name_alone_counts_at_each_provider_that_lists_no_model_of_this_name(provider: str) -> None:
    for name in NAMES_WITH_A_PRICE:
        if cost(name, provider, MILLION) is None:
            assert is_listed_without_a_price(name.rpartition("/")[2], provider), name


@pytest.mark.parametrize("model", ["gpt-4o", "openai/gpt-4o", "gpt-3.5-turbo-0613"])
def test_a_model_that_the_provider_lists_without_a_price_has_not_the_price_of_its_maker(model: str) -> None:
    assert priced_or_reason(model, "github-copilot") == "no_price"  # A subscription includes it.
    assert price_of(model, "openai") is not None


@pytest.mark.parametrize(
    "model", ["gpt-4o-typo/unknown", "acme/large", "azure/us/gpt-4o", "mistral:7b", ":", "/", "a/"]
)
def test_a_name_that_cannot_be_read_has_no_cost(model: str) -> None:
    assert cost(model) is None


@pytest.mark.parametrize(
    "name",
    ["our-model", "Our-Model", "azure/our-model", "acme/our-model", "openai/responses/our-model"],
)
def test_an_alias_has_the_price_of_its_model(name: str) -> None:
    overlay = parse_overlay('{"our-model": "openai/gpt-4o", "acme/our-model": "gpt-4o"}')
    assert price_of(name, None, overlay=overlay) == f"openai/gpt-4o @ {table_version()}"
    assert price_of(name, "azure", overlay=overlay) == f"openai/gpt-4o @ {table_version()}"


@pytest.mark.parametrize("key", [f"{ARN}:application-inference-profile/a1b2c3", "a1b2c3"])
def test_an_application_inference_profile_may_be_an_alias(key: str) -> None:
    overlay = parse_overlay(f'{{"{key}": "us.anthropic.claude-haiku-4-5-20251001-v1:0"}}')
    model = f"{ARN}:application-inference-profile/a1b2c3"
    assert price_of(model, "aws.bedrock", overlay=overlay) == f"{REGIONAL} @ {table_version()}"
    assert price_of("bedrock/" + model, "aws.bedrock", overlay=overlay) == f"{REGIONAL} @ {table_version()}"


def test_an_alias_may_name_a_price_of_the_overlay() -> None:
    overlay = parse_overlay('{"our-model": "acme/large", "acme/large": {"input": 1}, "a": "b", "b": "a"}')
    assert cost("our-model", usage=MILLION, overlay=overlay) == Priced(10**9, "acme/large @ overlay")
    assert cost("a", usage=MILLION, overlay=overlay) is None


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


@pytest.mark.parametrize("usage", [{}, {"cached_input_tokens": 5}, {"reasoning_tokens": 5}, {"usage_details": {}}])
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


def test_an_overlay_may_price_finer_kinds_uses_and_service_tiers() -> None:
    overlay = parse_overlay(
        '{"m": {"input": 1, "cache_write": 2, "cache_write_1h": 3, "input_audio": 9, "web_search": 10,'
        ' "flex": {"input": 0.5}}}'
    )
    usage = details(input=10**6, cache_write_5m=10**6, cache_write_1h=10**6, input_audio=10**6, web_search=100)
    assert cost("m", usage=usage, overlay=overlay) == Priced(16 * 10**9, "m @ overlay")
    assert cost("m", usage=MILLION, overlay=overlay, tier="flex") == Priced(5 * 10**8, "m (flex) @ overlay")
    assert priced_or_reason("m", usage=MILLION, overlay=overlay, tier="priority") == "no_tier_price"


def test_a_finer_kind_without_its_own_price_costs_the_price_of_the_whole_in_an_overlay() -> None:
    overlay = parse_overlay('{"m": {"input": 1}}')
    usage = details(cache_write_1h=10**6, input_audio=10**6, input_cached_audio=10**6)
    assert cost("m", usage=usage, overlay=overlay) == Priced(3 * 10**9, "m @ overlay")
    assert priced_or_reason("m", usage=details(input=1, web_search=1), overlay=overlay) == "no_kind_price"


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
        ('{"a/m": " "}', "prices.a/m"),
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
        ('{"a/m": {"input": 1, "flex": {"imput": 1}}}', "prices.a/m.flex.imput"),
        ('{"a/m": {"input": 1, "flex": {}}}', "prices.a/m.flex"),
        ('{"a/m": {"input": 1, "flex": {"input": {"input": 1}}}}', "prices.a/m.flex.input"),
    ],
)
def test_a_refusal_names_each_invalid_price_of_an_overlay(text: str, field: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse_overlay(text)
    assert [detail.field for detail in refused.value.details] == [field]
