"""Costs in the API: reported, computed from model, tokens and date, or unknown; a trace counts each call once."""

import json
import sys
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from tests.api import START, Api, at, child, span
from tests.otlp import export, headers, new_id
from tests.otlp import span as otlp_span
from tracestore.http import wiring

MILLION = 1_000_000


def called(**fields: Any) -> dict[str, Any]:
    """An ended call of a listed model, with a million input and a million output tokens."""
    usual = {"operation_type": "completion", "end_time": at(1), "model_name": "gpt-4o", "model_provider": "openai"}
    return span(**{**usual, "input_tokens": MILLION, "output_tokens": MILLION, **fields})


def cost(stored: dict[str, Any]) -> tuple[float | None, str, str | None]:
    """The cost of a span, its source, and the price used."""
    return stored["cost_usd"], stored["cost_source"], stored["cost_price"]


def total(api: Api) -> float | None:
    """The cost of the trace, which its list entry must contain as well."""
    cost_usd: float | None = api.trace()["summary"]["cost_usd"]
    assert api.page(view="summary")["traces"][0]["cost_usd"] == cost_usd
    return cost_usd


@pytest.fixture
def own_prices(api: Api, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A deployment with two prices of its own."""
    prices = {"acme/acme-1": {"input": 1, "output": 2}, "openai/gpt-4o": {"input": 7, "output": 0}}
    monkeypatch.setenv("PRICES", json.dumps(prices))
    wiring.reset()
    yield
    monkeypatch.undo()
    wiring.reset()


def test_a_reported_cost_has_precedence_over_a_computed_one(api: Api) -> None:
    assert cost(api.send(called(cost_usd=0.123456789))) == (0.123456789, "reported", None)
    assert total(api) == 0.123456789


def test_a_cost_is_computed_from_model_and_tokens_and_names_its_price(api: Api) -> None:
    cost_usd, source, price = cost(api.send(called()))
    assert (cost_usd, source) == (12.5, "computed")
    assert price is not None
    assert price.startswith("openai/gpt-4o @ genai-prices ")
    assert total(api) == 12.5


@pytest.mark.parametrize(
    ("model", "day"),
    [
        ("gpt-4o", datetime(2025, 1, 2)),
        ("gpt-4o-mini", datetime(2025, 1, 2)),
        ("claude-3-5-haiku-latest", datetime(2025, 1, 2)),
        ("o3", datetime(2025, 6, 1)),
        ("o3", datetime(2025, 7, 1)),
        ("gemini-2.0-flash", datetime(2025, 7, 1)),
    ],
)
@pytest.mark.skipif(sys.version_info >= (3, 15), reason="The package has no version for this Python.")
def test_a_computed_cost_agrees_with_the_package_on_the_spans_date(api: Api, model: str, day: datetime) -> None:
    from genai_prices import Usage, calc_price

    usage = Usage(input_tokens=1_234_567, cache_read_tokens=400_000, output_tokens=98_765)
    price = calc_price(usage, model, genai_request_timestamp=day.replace(tzinfo=START.tzinfo))
    start = day.strftime("%Y-%m-%dT00:00:00Z")
    counts = {"input_tokens": 1_234_567, "cached_input_tokens": 400_000, "output_tokens": 98_765}
    stored = api.send(called(model_name=model, model_provider=None, start_time=start, end_time=start, **counts))
    assert stored["cost_usd"] == pytest.approx(float(price.total_price), abs=1e-9)


def test_a_price_that_changed_is_taken_from_the_spans_date(api: Api) -> None:
    before, after = (
        api.send(
            called(trace_id=f"t{day}", model_name="o3", start_time=f"{day}T00:00:00Z", end_time=f"{day}T00:00:01Z")
        )
        for day in ("2025-06-01", "2025-07-01")
    )
    assert (before["cost_usd"], after["cost_usd"]) == (50, 10)


def test_the_served_model_is_priced_or_else_the_requested_one(api: Api) -> None:
    costs = []
    for served in ("gpt-4o-mini", "unheard-of-1"):
        trace_id = new_id()
        attributes = {
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.response.model": served,
        }
        counts = {"gen_ai.usage.input_tokens": MILLION, "gen_ai.usage.output_tokens": 0}
        api(
            "POST",
            "/v1/traces",
            body=export(otlp_span(trace_id, values={**attributes, **counts})),
            headers=headers("json"),
        )
        costs.append(api.span("00000000000000aa", trace_id)["cost_usd"])
    assert costs == [0.15, 2.5]


@pytest.mark.parametrize(
    "fields", [{"model_name": "unheard-of"}, {"model_name": None}, {"input_tokens": None, "output_tokens": None}]
)
def test_a_cost_without_a_price_is_unknown_and_never_zero(api: Api, fields: dict[str, Any]) -> None:
    assert cost(api.send(called(**fields))) == (None, "unknown", None)
    assert total(api) is None


def test_a_reported_cost_of_zero_is_a_cost_of_a_model_without_a_price(api: Api) -> None:
    assert cost(api.send(called(cost_usd=0, model_name="unpriced"))) == (0, "reported", None)
    assert total(api) == 0


def test_the_deployer_may_add_a_price(api: Api, own_prices: None) -> None:
    stored = api.send(called(model_name="acme-1", model_provider="acme"))
    assert cost(stored) == (3, "computed", "acme/acme-1 @ overlay")


def test_the_deployer_may_correct_a_price(api: Api, own_prices: None) -> None:
    assert cost(api.send(called())) == (7, "computed", "openai/gpt-4o @ overlay")
    assert total(api) == 7


def test_a_wrapper_and_the_calls_inside_it_are_counted_once(api: Api) -> None:
    usage: dict[str, Any] = {"input_tokens": 2 * MILLION, "output_tokens": 2 * MILLION, "model_name": "gpt-4o"}
    api.send(
        span(operation_type="agent", end_time=at(9), **usage),
        *(called(span_id=name, parent_span_id="root") for name in ("a", "b")),
    )
    assert cost(api.span()) == (None, "unknown", None)
    assert (total(api), api.trace()["summary"]["input_tokens"]) == (25, 2 * MILLION)


def test_a_reported_sum_on_a_wrapper_is_counted_once(api: Api) -> None:
    api.send(span(operation_type="agent", end_time=at(9), cost_usd=25, input_tokens=MILLION, output_tokens=MILLION))
    assert total(api) == 25
    api.send(called(span_id="a", parent_span_id="root"))
    assert total(api) == 12.5


def test_a_call_that_a_framework_and_a_library_report_is_counted_once(api: Api) -> None:
    api.send(called(), called(span_id="inner", parent_span_id="root"))
    assert total(api) == 12.5


def test_a_tool_call_with_a_model_has_no_computed_cost(api: Api) -> None:
    api.send(child("tool", "root", operation_type="tool_call", model_name="gpt-4o", input_tokens=MILLION))
    assert api.span("tool")["cost_source"] == "unknown"


def test_a_model_that_a_patch_adds_gives_the_call_a_cost(api: Api) -> None:
    api.send(called(model_name=None))
    assert total(api) is None
    assert cost(api.patched(model_name="gpt-4o"))[:2] == (12.5, "computed")
    assert total(api) == 12.5


def test_tokens_that_a_later_post_adds_give_the_call_a_cost(api: Api) -> None:
    api.send(called(input_tokens=None, output_tokens=None))
    api.send(called(input_tokens=MILLION, output_tokens=0))
    assert cost(api.span())[:2] == (2.5, "computed")
    assert total(api) == 2.5


def test_a_cost_that_a_patch_reports_replaces_the_computed_one(api: Api) -> None:
    api.send(called())
    assert cost(api.patched(cost_usd=1)) == (1, "reported", None)
    assert total(api) == 1


def test_a_trace_can_be_found_by_its_computed_cost(api: Api) -> None:
    api.send(called())
    assert (api.summaries(min_cost_usd=12.5), api.summaries(min_cost_usd=12.6)) == (["t"], [])


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ({"model_name": "gpt-5", "service_tier": "flex"}, (0.625, "computed", None)),
        ({"model_name": "gpt-5", "service_tier": "scale"}, (None, "unknown", "no_tier_price")),
        ({"model_name": "azure_ai/claude-opus-4-5", "model_provider": "azure_ai"}, (5.0, "computed", None)),
        ({"model_name": "gpt-4o", "usage_details": {"input_audio": 5}}, (None, "unknown", "no_kind_price")),
        ({"model_name": "gpt-5", "total_tokens": 7}, (None, "unknown", "contradictory_tokens")),
        ({"model_name": "gpt-5", "cost_usd": 0}, (1.25, "computed", None)),
        ({"model_name": "unpriced", "cost_usd": 0}, (0.0, "reported", None)),
        ({"model_name": "gpt-5", "input_tokens": 0, "output_tokens": 0}, (0.0, "computed", None)),
        (
            {"model_name": "gpt-5", "input_tokens": 0, "output_tokens": 0, "output_data": "Hello"},
            (None, "unknown", "no_tokens"),
        ),
        *(
            (
                {
                    "model_name": "claude-sonnet-4-6",
                    "model_provider": "anthropic",
                    "input_tokens": 10_150,
                    "cache_write_tokens": 10_000,
                    "usage_details": {"input": 150, f"cache_write_{lifetime}": 10_000},
                },
                (usd, "computed", None),
            )
            for lifetime, usd in (("5m", 0.03795), ("1h", 0.06045))
        ),
    ],
)
def test_a_cost_follows_from_everything_that_the_span_states(
    api: Api, sent: dict[str, Any], expected: tuple[float | None, str, str | None]
) -> None:
    stored = api.send(called(**{"output_tokens": None, **sent}))
    assert (stored["cost_usd"], stored["cost_source"], stored["cost_reason"]) == expected
    assert total(api) == expected[0]


def test_an_alias_of_the_deployment_prices_its_calls(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRICES", json.dumps({"our-model": "openai/gpt-5"}))
    wiring.reset()
    cost_usd, source, price = cost(api.send(called(model_name="our-model", output_tokens=None)))
    monkeypatch.undo()
    wiring.reset()
    assert (cost_usd, source) == (1.25, "computed")
    assert price is not None
    assert price.startswith("openai/gpt-5 @ genai-prices ")
