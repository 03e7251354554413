"""What a span states besides its tokens affects its cost: modes, uses with a fee, and raw objects of providers."""

from typing import Any

import pytest

from tracestore.domain.costs import UnknownCost
from tracestore.ingest.otlp import Origin, OtlpSpan
from tracestore.ingest.pricing import Priced, cost_nano_usd
from tracestore.ingest.span_fields import span_fields

NOW_NS = 1_795_312_800_000_000_000
ANTHROPIC = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "anthropic",
    "gen_ai.request.model": "claude-opus-4-8",
    "gen_ai.usage.input_tokens": 1_000_000,
    "gen_ai.usage.output_tokens": 0,
}
OPENAI = {**ANTHROPIC, "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o"}
INPUT_USD = {"anthropic": 5_000_000_000, "openai": 2_500_000_000}
"""The list prices of a million tokens, in nano-dollars."""


def fields_of(attributes: dict[str, Any]) -> Any:
    origin = Origin({}, "", "", {})
    span = OtlpSpan("t", "s", None, "x", "client", NOW_NS, NOW_NS + 1, attributes, [], [], "unset", "", origin)
    return span_fields(span)[1]


def cost_of(attributes: dict[str, Any]) -> int | UnknownCost:
    fields = fields_of(attributes)
    priced = cost_nano_usd(
        model=fields.get("model_name"),
        provider=fields.get("model_provider"),
        usage=fields,
        at_ns=NOW_NS,
        tier=fields.get("service_tier"),
    )
    return priced.cost_nano_usd if isinstance(priced, Priced) else priced


@pytest.mark.parametrize(
    "fast",
    [
        {"gen_ai.request.speed": "fast"},
        {"gen_ai.response.speed": "fast", "gen_ai.response.service_tier": "standard"},
        {"llm.invocation_parameters": '{"speed": "fast"}'},
        {"gen_ai.usage": '{"speed": "fast", "service_tier": "standard"}'},
        {"ai.response.providerMetadata": '{"anthropic": {"usage": {"speed": "fast"}}}'},
    ],
)
def test_fast_mode_has_its_own_price_or_none(fast: dict[str, Any]) -> None:
    assert cost_of({**ANTHROPIC, **fast}) == 2 * INPUT_USD["anthropic"]
    assert cost_of({**ANTHROPIC, **fast, "gen_ai.request.model": "claude-haiku-4-5"}) == "no_tier_price"


@pytest.mark.parametrize("word", ["standard", "default", "normal"])
def test_the_usual_speed_has_the_plain_price(word: str) -> None:
    assert cost_of({**ANTHROPIC, "gen_ai.request.speed": word}) == INPUT_USD["anthropic"]
    assert cost_of({**ANTHROPIC, "gen_ai.request.speed": word, "gen_ai.response.service_tier": "batch"}) < 5 * 10**9  # type: ignore[operator]


@pytest.mark.parametrize(
    "name",
    [
        "gen_ai.usage.server_tool_use.web_search_requests",
        "gen_ai.usage.web_search_requests",
        "gen_ai.usage.web_search_calls",
        "gen_ai.usage.num_web_search_calls",
        "llm.token_count.web_search_requests",
        "llm.usage.server_tool_use.web_search_requests",
    ],
)
@pytest.mark.parametrize("call", [ANTHROPIC, OPENAI])
def test_a_web_search_costs_its_fee(call: dict[str, Any], name: str) -> None:
    fee = 3 * 10_000_000
    assert cost_of({**call, name: 3}) == INPUT_USD[call["gen_ai.provider.name"]] + fee
    assert fields_of({**call, name: 3})["usage_details"] == {"web_search": 3}


@pytest.mark.parametrize("name", ["gen_ai.usage.server_tool_use.web_search_requests", "gen_ai.usage.web_search_calls"])
def test_a_search_without_a_listed_fee_leaves_the_cost_unknown(name: str) -> None:
    call = {**OPENAI, "gen_ai.provider.name": "groq", "gen_ai.request.model": "llama-3.3-70b-versatile"}
    assert isinstance(cost_of(call), int)
    assert cost_of({**call, name: 1}) == "no_kind_price"


def test_the_raw_objects_of_a_provider_are_read_under_its_own_name() -> None:
    fields = fields_of(
        {
            "llm.anthropic.model": "claude-haiku-4-5",
            "llm.anthropic.messages": "[{'role': 'user', 'content': 'ask'}]",
            "llm.anthropic.content": "[{'type': 'text', 'text': 'answer'}]",
            "llm.anthropic.max_tokens": "9",
            "llm.anthropic.usage": "{'input_tokens': 3, 'output_tokens': 5, 'cache_read_input_tokens': 2}",
        }
    )
    assert (fields["model_name"], fields["input_tokens"], fields["cached_input_tokens"]) == ("claude-haiku-4-5", 5, 2)
    assert fields["metadata"]["max_tokens"] == 9
    texts = [fields[name]["messages"][0]["parts"][0]["text"] for name in ("input_data", "output_data")]
    assert texts == ["ask", "answer"]


@pytest.mark.parametrize(
    ("provider", "request_name", "response_name", "answer"),
    [
        ("openai", "messages", "choices", "[{'message': {'role': 'assistant', 'content': 'answer'}}]"),
        ("gemini", "contents", "candidates", "[{'content': {'role': 'model', 'parts': [{'text': 'answer'}]}}]"),
    ],
)
def test_raw_objects_have_the_names_of_each_provider(
    provider: str, request_name: str, response_name: str, answer: str
) -> None:
    asked = "[{'role': 'user', 'parts': [{'text': 'ask'}]}]"
    fields = fields_of({f"llm.{provider}.{request_name}": asked, f"llm.{provider}.{response_name}": answer})
    texts = [fields[name]["messages"][0]["parts"][0]["text"] for name in ("input_data", "output_data")]
    assert texts == ["ask", "answer"]


def test_a_cost_inside_the_usage_that_a_gateway_returns_is_the_cost() -> None:
    usage = "{'prompt_tokens': 3, 'completion_tokens': 5, 'cost': 0.00125}"
    assert fields_of({"llm.openrouter.usage": usage})["cost_nano_usd"] == 1_250_000


def test_numbers_under_other_names_are_no_content() -> None:
    fields = fields_of({"llm.cost.input": 4, "llm.usage.output": 5, "llm.token_count.total": 9})
    assert fields.keys().isdisjoint({"input_data", "output_data"})
