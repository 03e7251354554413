"""Token counts have one meaning and one price, whichever way a client reports them."""

import json
from decimal import Decimal
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracestore.domain.costs import cost_of
from tracestore.domain.spans import SpanFields
from tracestore.ingest.otlp import Origin, OtlpSpan
from tracestore.ingest.pricing import Priced, cost_nano_usd
from tracestore.ingest.span_fields import span_fields
from tracestore.ingest.usage_tables import CACHE, INSIDE, REASONING, USAGE, UsageSource

START_NS = 1_795_312_800_000_000_000
MODELS = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "anthropic"}
HAIKU, SONNET = "claude-haiku-4-5", "claude-sonnet-4-6"
BEDROCK = "opentelemetry.instrumentation.botocore.bedrock-runtime"


def read(attributes: dict[str, Any], model: str = HAIKU, scope: str = "") -> SpanFields:
    """The fields of a call of this model with these attributes."""
    sent = {**MODELS, "gen_ai.request.model": model, **attributes}
    span = OtlpSpan(
        trace_id="a" * 32,
        span_id="b" * 16,
        parent_span_id=None,
        name="call",
        kind="client",
        start_ns=START_NS,
        end_ns=START_NS + 1,
        attributes=sent,
        events=[],
        links=[],
        status="unset",
        status_message="",
        origin=Origin({}, scope, "", {}),
    )
    return span_fields(span)[1]


def usage_details(**counts: Any) -> dict[str, Any]:
    return {"langfuse.observation.usage_details": json.dumps(counts)}


def usd(fields: SpanFields) -> Decimal | None:
    """The computed cost in dollars. *absent*: None."""

    def price_of(fields: SpanFields) -> Any:
        priced = cost_nano_usd(
            model=fields["model_name"],
            provider=fields["model_provider"],
            usage=fields,
            at_ns=START_NS,
            tier=fields.get("service_tier"),
        )
        return (priced.cost_nano_usd, priced.price) if isinstance(priced, Priced) else priced

    nanos = cost_of(fields, price_of).nano_usd
    return None if nanos is None else Decimal(nanos).scaleb(-9)


def kinds_of(fields: SpanFields) -> tuple[int | None, ...]:
    """Input, cached, written, output and reasoning tokens."""
    return (
        fields.get("input_tokens"),
        fields.get("cached_input_tokens"),
        fields.get("cache_write_tokens"),
        fields.get("output_tokens"),
        fields.get("reasoning_tokens"),
    )


@pytest.mark.parametrize(
    ("counts", "input_tokens", "output_tokens"),
    [
        ({"input": 2000, "cache_read_input_tokens": 1500, "output": 100}, 3500, 100),
        ({"input": 2000, "input_cached_tokens": 1500, "output": 100}, 3500, 100),
        ({"input": 2000, "input_cache_read": 1500, "output": 100}, 3500, 100),
        ({"input": 2000, "output": 100, "output_reasoning_tokens": 40}, 2000, 140),
        ({"input": 2000, "output": 100, "output_reasoning": 40}, 2000, 140),
        ({"input": 2000, "input_audio_tokens": 30, "output": 100}, 2030, 100),
        ({"input": 2000, "output": 100, "output_audio_tokens": 30}, 2000, 130),
        ({"input_cached_tokens": 1500, "output": 100}, 1500, 100),
    ],
)
def test_flat_usage_details_are_buckets_apart_from_each_other(
    counts: dict[str, int], input_tokens: int, output_tokens: int
) -> None:
    fields = read(usage_details(**counts))
    assert (fields["input_tokens"], fields["output_tokens"]) == (input_tokens, output_tokens)
    assert "usage_ambiguous" not in fields


def test_buckets_have_the_price_of_each() -> None:
    fields = read(usage_details(input=2000, cache_read_input_tokens=1500, output=100))
    assert usd(fields) == Decimal("0.00265")


def test_a_bucket_of_an_unknown_name_counts_into_the_total_and_has_no_price() -> None:
    fields = read(usage_details(input=2000, output=100, holograms=7))
    assert (fields["total_tokens"], fields["usage_details"]) == (2107, {"holograms": 7})
    assert usd(fields) is None


def test_usage_in_the_schema_of_openai_includes_its_parts() -> None:
    counts = {
        "prompt_tokens": 2000,
        "completion_tokens": 100,
        "total_tokens": 2100,
        "prompt_tokens_details": {"cached_tokens": 1500},
        "completion_tokens_details": {"reasoning_tokens": 40},
    }
    assert kinds_of(read(usage_details(**counts))) == (2000, 1500, None, 100, 40)


@pytest.mark.parametrize(
    ("scope", "input_tokens"),
    [
        ("opentelemetry.instrumentation.genai.bedrock", 3500),
        (BEDROCK, 3500),
        ("opentelemetry.instrumentation.openai_v2", 2000),
    ],
)
def test_the_scope_states_what_counts_include(scope: str, input_tokens: int) -> None:
    sent = {
        "gen_ai.usage.input_tokens": 2000,
        "gen_ai.usage.cache_read.input_tokens": 1500,
        "gen_ai.usage.output_tokens": 100,
    }
    assert read(sent, scope=scope)["input_tokens"] == input_tokens


APART_OF_CLAUDE = {
    "gen_ai.usage.input_tokens": 71,
    "gen_ai.usage.output_tokens": 47,
    "gen_ai.usage.cache_read.input_tokens": 641,
    "gen_ai.usage.cache_creation.input_tokens": 161,
    "gen_ai.client.token.usage": 118,
}
"""What OpenLIT 1.45 sends of an answer of Anthropic: the provider's counts, and a total that it adds up itself."""


@pytest.mark.parametrize("scope", ["openlit.instrumentation.anthropic", "openlit.instrumentation.bedrock", "unknown"])
def test_a_total_that_leaves_out_the_cache_contradicts_nothing(scope: str) -> None:
    fields = read(APART_OF_CLAUDE, SONNET, scope)
    assert (fields["input_tokens"], fields["output_tokens"]) == (873, 47)
    assert "total_tokens" not in fields  # that of the client is none
    assert usd(fields) == Decimal("0.00171405")


def test_a_total_that_leaves_out_thoughts_contradicts_no_scope_that_counts_them_apart() -> None:
    counts = {"input_tokens": 501, "output_tokens": 47, "reasoning_tokens": 33, "cache_read.input_tokens": 201}
    sent = {f"gen_ai.usage.{name}": count for name, count in counts.items()} | {"gen_ai.client.token.usage": 548}
    fields = read(sent, scope="openlit.instrumentation.google_ai_studio")
    assert (fields["input_tokens"], fields["output_tokens"], fields["cached_input_tokens"]) == (501, 80, 201)
    assert "usage_ambiguous" not in fields


WRITTEN = {
    **{"input_tokens": 71, "output_tokens": 47, "cache_read_input_tokens": 641, "cache_creation_input_tokens": 161},
    "cache_creation": {"ephemeral_5m_input_tokens": 61, "ephemeral_1h_input_tokens": 100},
}
"""The usage of an answer of Anthropic, with writes to both caches."""

SUMS = {
    "gen_ai.usage.input_tokens": 873,
    "gen_ai.usage.output_tokens": 47,
    "gen_ai.usage.cache_read.input_tokens": 641,
    "gen_ai.usage.cache_write.input_tokens": 161,
}


@pytest.mark.parametrize(
    "sent",
    [
        {**SUMS, "gen_ai.usage.raw": json.dumps(WRITTEN)},
        {
            **SUMS,
            "anthropic.usage.cache_creation.ephemeral_5m_input_tokens": 61,
            "anthropic.usage.cache_creation.ephemeral_1h_input_tokens": 100,
        },
        {
            "llm.token_count.prompt": 873,
            "llm.token_count.completion": 47,
            "llm.token_count.total": 920,
            "llm.token_count.prompt_details.cache_read": 641,
            "llm.token_count.prompt_details.cache_write": 161,
            "output.value": json.dumps({"role": "assistant", "content": [], "usage": WRITTEN}),
        },
    ],
)
def test_the_lifetimes_in_the_response_of_the_provider_are_priced(sent: dict[str, Any]) -> None:
    fields = read(sent, SONNET)
    assert (fields["input_tokens"], fields["cache_write_tokens"]) == (873, 161)
    assert fields["usage_details"]["cache_write_1h"] == 100
    assert usd(fields) == Decimal("0.00193905")


def test_reasoning_that_only_the_response_of_the_provider_has_is_read() -> None:
    raw: dict[str, Any] = {"prompt_tokens": 1201, "completion_tokens": 91, "total_tokens": 1493}
    raw |= {"prompt_tokens_details": {"cached_tokens": 1025}, "completion_tokens_details": {"reasoning_tokens": 201}}
    sent = {"gen_ai.usage.input_tokens": 1201, "gen_ai.usage.output_tokens": 91, "gen_ai.usage.raw": json.dumps(raw)}
    fields = read(sent)
    assert (fields["output_tokens"], fields["reasoning_tokens"], fields["total_tokens"]) == (292, 201, 1493)
    assert "usage_ambiguous" not in fields  # xAI counts reasoning apart, as the total says


def test_tokens_of_tool_use_that_the_input_includes_count_once() -> None:
    sent: dict[str, Any] = {f"llm.token_count.{name}": count for name, count in (("prompt", 526), ("completion", 80))}
    response = {"usage_metadata": {"prompt_token_count": 501, "tool_use_prompt_token_count": 25}}
    sent |= {"llm.token_count.total": 606, "output.value": json.dumps(response)}
    assert read(sent)["input_tokens"] == 526


@pytest.mark.parametrize(
    "sent",
    [
        {"output.value": json.dumps({"choices": [], "usage": {"prompt_tokens": 9, "cost": 0.00124}})},
        {"gen_ai.usage.raw": json.dumps({"prompt_tokens": 9, "cost": 0.00124}), "operation.cost": 0.0001},
    ],
)
def test_the_cost_in_the_response_of_a_gateway_goes_before_that_of_the_client(sent: dict[str, Any]) -> None:
    assert read(sent)["cost_nano_usd"] == 1_240_000


def test_counts_of_openinference_include_their_parts_for_bedrock_too() -> None:
    sent = {
        "llm.token_count.prompt": 2000,
        "llm.token_count.prompt_details.cache_read": 1500,
        "llm.token_count.completion": 100,
    }
    assert read(sent, scope="openinference.instrumentation.bedrock")["input_tokens"] == 2000


@pytest.mark.parametrize(
    ("sent", "cost"),
    [
        (usage_details(input=150, input_cache_creation_5m=10_000), "0.03795"),
        (usage_details(input=150, input_cache_creation_1h=10_000), "0.06045"),
        (usage_details(input=150, ephemeral_5m_input_tokens=10_000), "0.03795"),
        (usage_details(input=150, ephemeral_1h_input_tokens=10_000), "0.06045"),
        (usage_details(input=150, cache_creation_input_tokens=10_000), "0.03795"),
        (usage_details(input=150, cache_creation_input_tokens=10_000, input_cache_creation_1h=10_000), "0.06045"),
        (
            {
                "gen_ai.usage.input_tokens": 10_150,
                "gen_ai.usage.cache_creation.input_tokens": 10_000,
                "gen_ai.usage.cache_creation.ephemeral_1h_input_tokens": 10_000,
            },
            "0.06045",
        ),
        (
            {
                "gen_ai.usage.input_tokens": 10_150,
                "gen_ai.usage.cache_creation.ephemeral_5m_input_tokens": 4_000,
                "gen_ai.usage.cache_creation.ephemeral_1h_input_tokens": 6_000,
            },
            "0.05145",
        ),
        (
            usage_details(
                input_tokens=150,
                cache_creation_input_tokens=10_000,
                cache_creation={"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 10_000},
            ),
            "0.06045",
        ),
    ],
)
def test_cache_writes_reported_in_parts_and_as_a_sum_count_once(sent: dict[str, Any], cost: str) -> None:
    fields = read(sent, SONNET)
    assert (fields["input_tokens"], fields["cache_write_tokens"]) == (10_150, 10_000)
    assert usd(fields) == Decimal(cost)


OPENAI_USAGE = {
    "completion_tokens": 46,
    "prompt_tokens": 150,
    "total_tokens": 196,
    "completion_tokens_details": {"reasoning_tokens": 32, "accepted_prediction_tokens": 0},
    "prompt_tokens_details": {"cached_tokens": 64, "audio_tokens": None},
}
ANTHROPIC_USAGE = {
    "input_tokens": 86,
    "cache_read_input_tokens": 64,
    "cache_creation_input_tokens": 0,
    "output_tokens": 46,
}


@pytest.mark.parametrize(
    ("sent", "kinds"),
    [
        (
            {
                "gen_ai.usage.input_tokens": 150,
                "gen_ai.usage.output_tokens": 46,
                "gen_ai.usage.total_tokens": 196,
                "metadata.usage_object": str(OPENAI_USAGE),
            },
            (150, 64, None, 46, 32),
        ),
        ({"llm.openai.usage": str(OPENAI_USAGE)}, (150, 64, None, 46, 32)),
        ({"llm.anthropic.usage": str(ANTHROPIC_USAGE)}, (150, 64, 0, 46, None)),
        ({"gen_ai.usage": json.dumps(OPENAI_USAGE)}, (150, 64, None, 46, 32)),
        (
            {
                "gen_ai.usage.input_tokens": 150,
                "gen_ai.usage.output_tokens": 46,
                "gen_ai.usage.thinking_tokens": 32,
                "gen_ai.usage.cache_read_tokens": 64,
                "gen_ai.usage.cache_write_tokens": 8,
            },
            (150, 64, 8, 46, 32),
        ),
        (
            {
                "gen_ai.usage.prompt_tokens": 150,
                "gen_ai.usage.prompt_tokens_details.cached_tokens": 64,
                "gen_ai.usage.completion_tokens": 46,
                "gen_ai.usage.completion_tokens_details.reasoning_tokens": 32,
            },
            (150, 64, None, 46, 32),
        ),
        (
            {"gen_ai.usage.input": 150, "gen_ai.usage.output": 46, "gen_ai.usage.reasoning": 32},
            (150, None, None, 46, 32),
        ),
        ({"usage.prompt_tokens": 150, "usage.completion_tokens": 46}, (150, None, None, 46, None)),
        (
            {
                "gcp.vertex.agent.llm_response": json.dumps(
                    {
                        "usage_metadata": {
                            "prompt_token_count": 150,
                            "cached_content_token_count": 64,
                            "candidates_token_count": 14,
                            "thoughts_token_count": 32,
                            "total_token_count": 196,
                        }
                    }
                )
            },
            (150, 64, None, 46, 32),
        ),
    ],
)
def test_counts_are_read_under_every_name(sent: dict[str, Any], kinds: tuple[int | None, ...]) -> None:
    fields = read(sent)
    assert kinds_of(fields) == kinds
    assert "usage_ambiguous" not in fields


def gemini(**counts: int) -> dict[str, Any]:
    return {"gcp.vertex.agent.llm_response": json.dumps({"usage_metadata": counts})}


def test_tokens_of_tool_use_are_input() -> None:
    fields = read(
        gemini(
            prompt_token_count=100, tool_use_prompt_token_count=30, candidates_token_count=50, total_token_count=180
        ),
        "gemini-2.5-flash",
    )
    assert (fields["input_tokens"], fields["output_tokens"], "usage_ambiguous" in fields) == (130, 50, False)


@pytest.mark.parametrize(
    "sent",
    [
        {"gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 50, "gen_ai.usage.total_tokens": 200},
        {"llm.token_count.prompt": 100, "llm.token_count.completion": 50, "llm.token_count.total": 120},
        gemini(prompt_token_count=100, candidates_token_count=50, total_token_count=200),
        usage_details(input=100, output=50, total=200),
        {
            "gen_ai.usage.input_tokens": 150,
            "gen_ai.usage.output_tokens": 46,
            "gen_ai.usage.cache_read.input_tokens": 64,
            "gen_ai.usage.total_tokens": 999,
        },
        {"mlflow.chat.tokenUsage": '{"input_tokens": 150, "output_tokens": 4, "cache_read_input_tokens": 64}'},
    ],
)
def test_counts_that_contradict_each_other_or_have_two_meanings_have_no_price(sent: dict[str, Any]) -> None:
    fields = read(sent)
    assert fields["usage_ambiguous"]
    assert usd(fields) is None


def test_a_total_decides_where_a_source_states_nothing() -> None:
    counts = {"input_tokens": 86, "output_tokens": 4, "cache_read_input_tokens": 64, "total_tokens": 154}
    fields = read({"mlflow.chat.tokenUsage": json.dumps(counts)})
    assert (fields["input_tokens"], "usage_ambiguous" in fields) == (150, False)


def test_the_service_tier_of_a_call_has_its_price() -> None:
    sent = {"gen_ai.usage.input_tokens": 10**6, "gen_ai.openai.response.service_tier": "flex"}
    assert usd(read({**sent, "gen_ai.provider.name": "openai"}, "gpt-5")) == Decimal("0.625")


class Schema(NamedTuple):
    """The names of input, output, cached, cache-write and reasoning tokens, and what input and output include.

    *absent*: None for a kind that has no name; None for `includes` where the source states it.
    """

    input: str
    output: str
    cached: str
    written: str | None
    reasoning: str | None
    includes: frozenset[str] | None = None


OPENAI = Schema(
    "prompt_tokens",
    "completion_tokens",
    "prompt_tokens_details.cached_tokens",
    None,
    "completion_tokens_details.reasoning_tokens",
    INSIDE,
)
ANTHROPIC = Schema(
    *("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", None),
    includes=frozenset({REASONING}),
)
GEMINI = Schema(
    *("prompt_token_count", "candidates_token_count", "cached_content_token_count", None, "thoughts_token_count"),
    includes=frozenset({CACHE}),
)
FLAT = Schema(
    *("input_tokens", "output_tokens", "cache_read.input_tokens", "cache_creation.input_tokens"),
    reasoning="reasoning.output_tokens",
)
OWN = {
    "braintrust.metrics.": Schema(
        "prompt_tokens",
        "completion_tokens",
        "prompt_cached_tokens",
        "prompt_cache_creation_tokens",
        "completion_reasoning_tokens",
    ),
    "gen_ai.usage.": FLAT,
    "gen_ai.aggregated_usage.": FLAT,
    "llm.token_count.": Schema(
        *("prompt", "completion", "prompt_details.cache_read", "prompt_details.cache_write"),
        reasoning="completion_details.reasoning",
    ),
    "ai.usage.": Schema(
        *("inputTokens", "outputTokens", "cachedInputTokens", "inputTokenDetails.cacheWriteTokens"),
        reasoning="reasoningTokens",
    ),
    "llm.usage.": Schema(
        *("prompt_tokens", "completion_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"),
        reasoning="reasoning_tokens",
    ),
    "agentscope.usage.": Schema(
        *("input_tokens", "output_tokens", "cache_input_tokens", "cache_creation_input_tokens", None),
    ),
    "agent.usage.": Schema(
        *("input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens"),
    ),
    "metadata.usage.": Schema(
        *("prompt_tokens", "completion_tokens", "cached_prompt_tokens", "cached_creation_tokens", None)
    ),
    "agent.usage_apart.": Schema(
        *("input_tokens", "output_tokens", "cache_read_tokens", "cache_creation_tokens", None),
    ),
    "codex.usage.": Schema("input_tokens", "output_tokens", "cached_input_tokens", None, "reasoning_output_tokens"),
    "langfuse.observation.usage_details>": Schema(
        *("input", "output", "input_cached_tokens", "input_cache_creation", "output_reasoning_tokens")
    ),
    "langsmith.metadata.usage_metadata>": Schema(
        *("input_tokens", "output_tokens", "input_token_details.cache_read", "input_token_details.cache_creation"),
        reasoning="output_token_details.reasoning",
    ),
}
OWN |= {
    f"LLM{kind}EndEvent.response.{counts}.": Schema(
        *("prompt_tokens", "completion_tokens", "prompt_tokens_details.cached_tokens"),
        written="prompt_tokens_details.cache_write_tokens",
        reasoning="completion_tokens_details.reasoning_tokens",
    )
    for kind in ("Chat", "Completion")
    for counts in ("raw.usage", "additional_kwargs")
}
"""The schemas of sources with names of their own. An object of any other source has the schema of a provider."""

STATED = [source for source in USAGE if source.includes is not None and source.name != "thoughts_token_count>"]
"""All sources that state what their counts include; one of them has a single count that is a part of another."""

TERMS = [(source, OWN[source.name]) for source in STATED if source.name in OWN] + [
    (source, schema) for source in STATED if ">" in source.name for schema in (OPENAI, ANTHROPIC, GEMINI)
]

amounts = st.integers(0, 10**6)


def test_every_source_that_states_what_its_counts_include_is_generated() -> None:
    assert {source.name for source, _ in TERMS} == {source.name for source in STATED}


def attributes_of(source: UsageSource, counts: dict[str, int]) -> dict[str, Any]:
    """The attributes that report counts in the terms of a source."""
    prefix, is_object, path = source.name.partition(">")
    if not is_object:
        return {prefix + name: amount for name, amount in counts.items()}
    tree: dict[str, Any] = {}
    for name, amount in counts.items():
        *branches, leaf = [*filter(None, path.split(".")), *name.split(".")]
        node = tree
        for branch in branches:
            node = node.setdefault(branch, {})
        node[leaf] = amount
    return {prefix.replace("*", "openai"): json.dumps(tree)}


@settings(max_examples=400)
@given(st.sampled_from(TERMS), amounts, amounts, amounts, amounts, amounts)
def test_usage_in_the_terms_of_any_source_is_read_back(
    terms: tuple[UsageSource, Schema], rest: int, cached: int, written: int, answer: int, reasoning: int
) -> None:
    source, schema = terms
    includes = source.includes if schema.includes is None else schema.includes
    assert includes is not None
    written, reasoning = (written if schema.written else 0), (reasoning if schema.reasoning else 0)
    counts = {
        schema.input: rest + (cached + written if CACHE in includes else 0),
        schema.output: answer + (reasoning if REASONING in includes else 0),
        schema.cached: cached,
    }
    counts |= {schema.written: written} if schema.written else {}
    counts |= {schema.reasoning: reasoning} if schema.reasoning else {}
    fields = read(attributes_of(source, counts))
    assert kinds_of(fields) == (
        *(rest + cached + written, cached, written if schema.written else None, answer + reasoning),
        reasoning if schema.reasoning else None,
    )
    assert "usage_ambiguous" not in fields


def answer_of(provider: str, **metadata: Any) -> dict[str, Any]:
    """What the AI SDK quotes from the answer of a provider."""
    return {"ai.response.providerMetadata": json.dumps({provider: metadata})}


CLAUDE_USAGE = {"input_tokens": 2000, "cache_read_input_tokens": 641, "cache_creation_input_tokens": 161}


@pytest.mark.parametrize(
    ("sent", "kinds"),
    [
        # Version 4 passes on Anthropic's count of input, which lacks the cache.
        (
            {"gen_ai.usage.input_tokens": 2000, "gen_ai.usage.output_tokens": 47}
            | answer_of("anthropic", cacheReadInputTokens=641, cacheCreationInputTokens=161),
            (2802, 641, 161, 47, None),
        ),
        # So does version 5, also where it adds a total of its own.
        (
            {"gen_ai.usage.input_tokens": 2000, "gen_ai.usage.output_tokens": 47}
            | {"ai.usage.cachedInputTokens": 641, "ai.usage.totalTokens": 2047}
            | answer_of("anthropic", usage=CLAUDE_USAGE | {"output_tokens": 47}),
            (2802, 641, 161, 47, None),
        ),
        # Version 6 counts the cache into the input.
        (
            {"gen_ai.usage.input_tokens": 2802, "gen_ai.usage.output_tokens": 47}
            | answer_of("anthropic", usage=CLAUDE_USAGE | {"output_tokens": 47}),
            (2802, 641, 161, 47, None),
        ),
        (
            {"gen_ai.usage.input_tokens": 2000, "gen_ai.usage.output_tokens": 47}
            | answer_of("bedrock", usage={"cacheReadInputTokens": 641, "cacheWriteInputTokens": 161}),
            (2802, 641, 161, 47, None),
        ),
        (
            {"gen_ai.usage.input_tokens": 1200, "gen_ai.usage.output_tokens": 96}
            | answer_of("openai", responseId="resp_1", cachedPromptTokens=1024, reasoningTokens=32),
            (1200, 1024, None, 96, 32),
        ),
        (
            {"gen_ai.usage.input_tokens": 1200, "gen_ai.usage.output_tokens": 96}
            | answer_of("deepseek", promptCacheHitTokens=1024, promptCacheMissTokens=176),
            (1200, 1024, None, 96, None),
        ),
        # Gemini counts thoughts apart from the answer; the quoted total is that of the provider.
        (
            {"gen_ai.usage.input_tokens": 1000, "gen_ai.usage.output_tokens": 50}
            | answer_of(
                "google",
                usageMetadata={
                    **{"promptTokenCount": 1000, "cachedContentTokenCount": 700, "candidatesTokenCount": 50},
                    **{"thoughtsTokenCount": 30, "totalTokenCount": 1080},
                },
            ),
            (1000, 700, None, 80, 30),
        ),
    ],
)
def test_counts_that_a_client_quotes_from_an_answer_keep_the_meaning_of_the_provider(
    sent: dict[str, Any], kinds: tuple[int | None, ...]
) -> None:
    fields = read(sent)
    assert kinds_of(fields) == kinds
    assert "usage_ambiguous" not in fields


def test_the_last_answer_that_an_outer_span_quotes_is_not_its_usage() -> None:
    sent = {"gen_ai.operation.name": "ai.generateText", "ai.usage.promptTokens": 4001, "ai.usage.completionTokens": 95}
    fields = read(sent | answer_of("anthropic", usage=CLAUDE_USAGE))
    assert kinds_of(fields) == (4001, None, None, 95, None)


def test_openllmetry_for_javascript_passes_on_anthropics_count_of_input() -> None:
    sent = {
        **{"gen_ai.usage.input_tokens": 2000, "gen_ai.usage.output_tokens": 47, "gen_ai.usage.total_tokens": 2047},
        **{"gen_ai.usage.cache_creation.input_tokens": 161, "gen_ai.usage.cache_read.input_tokens": 641},
    }
    fields = read(sent, scope="@traceloop/instrumentation-anthropic")
    assert kinds_of(fields) == (2802, 641, 161, 47, None)
    assert usd(fields) == Decimal("0.00250035")
