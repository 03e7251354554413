"""The cost of a span is reported, computed or unknown; the cost of a trace counts each call once."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.builders import START_NS, call, fields, update
from tracestore.domain.costs import REPEATING_OPERATIONS, Cost, Price, UnknownCost, cost_of
from tracestore.domain.merge import merge
from tracestore.domain.spans import INFERENCE_OPERATIONS, SpanFields
from tracestore.domain.tree import tree_order
from tracestore.domain.usage import charges_of, usage_of


@dataclass
class Prices:
    """Prices the model `m` at 3 nano-dollars a token and `free` at none, and records the fields of each lookup."""

    lookups: list[SpanFields] = field(default_factory=list)

    def __call__(self, span_fields: SpanFields) -> Price | UnknownCost:
        self.lookups.append(span_fields)
        if "input_tokens" not in span_fields:
            return "no_tokens"
        if span_fields.get("model_name") == "untiered":
            return "no_tier_price"
        if span_fields.get("model_name") == "free":
            return 0, "test/free"
        if span_fields.get("model_name") != "m":
            return "no_price"
        return 3 * (span_fields.get("input_tokens", 0) + span_fields.get("output_tokens", 0)), "test/m"


def total(*reported: SpanFields) -> int | None:
    """The cost in nano-dollars of the trace of these spans."""
    spans = merge([update(span_fields) for span_fields in reported], price_of=Prices())
    nodes = tree_order(spans)
    return usage_of(nodes, charges_of(nodes)).cost_nano_usd


def test_a_reported_cost_wins_without_a_price_lookup() -> None:
    prices = Prices()
    assert cost_of(call("s", model_name="m", cost_nano_usd=5), prices) == Cost(5, "reported")
    assert prices.lookups == []


@pytest.mark.parametrize(
    "reported",
    [
        {"model_name": "unpriced"},
        {"model_name": "free"},
        {"model_name": "m", "input_tokens": None, "output_tokens": None},
        {"model_name": "m", "input_tokens": 0, "output_tokens": 0},
        {},
    ],
)
def test_a_reported_cost_of_zero_counts_unless_the_model_has_a_price(reported: dict[str, Any]) -> None:
    assert cost_of(call("s", cost_nano_usd=0, **reported), Prices()) == Cost(0, "reported")


def test_a_reported_cost_of_zero_next_to_tokens_of_a_priced_model_is_no_cost() -> None:
    assert cost_of(call("s", model_name="m", cost_nano_usd=0), Prices()) == Cost(36, "computed", "test/m")
    agent = call("s", model_name="m", cost_nano_usd=0, operation_type="agent")
    assert cost_of(agent, Prices()) == Cost(None, "unknown", reason="repeats_calls")
    untiered = call("s", model_name="untiered", cost_nano_usd=0)
    assert cost_of(untiered, Prices()) == Cost(None, "unknown", reason="no_tier_price")


@pytest.mark.parametrize("reported", [{}, {"cost_nano_usd": 0}, {"total_tokens": 0}])
def test_counts_of_zero_next_to_output_are_unknown(reported: dict[str, Any]) -> None:
    answered = call("s", model_name="m", input_tokens=0, output_tokens=0, output_preview="Hello", **reported)
    assert cost_of(answered, Prices()) == Cost(None, "unknown", reason="no_tokens")


@pytest.mark.parametrize("counts", [{}, {"input_tokens": 0, "output_tokens": 12}])
def test_output_next_to_any_count_is_counted(counts: dict[str, Any]) -> None:
    answered = call("s", model_name="m", output_preview="Hello", **counts)
    assert cost_of(answered, Prices()) == Cost(36, "computed", "test/m")


@pytest.mark.parametrize(
    "reported", [{}, {"model_name": "m", "input_tokens": None, "output_tokens": None}], ids=["no model", "no counts"]
)
def test_a_reported_cost_of_zero_without_a_model_or_counts_needs_no_price(reported: dict[str, Any]) -> None:
    prices = Prices()
    assert cost_of(call("s", cost_nano_usd=0, **reported), prices) == Cost(0, "reported")
    assert prices.lookups == []


def test_counts_of_zero_without_output_cost_nothing() -> None:
    assert cost_of(call("s", model_name="m", input_tokens=0, output_tokens=0), Prices()) == Cost(
        0, "computed", "test/m"
    )


def test_a_computed_cost_names_its_price() -> None:
    assert cost_of(call("s", model_name="m"), Prices()) == Cost(36, "computed", "test/m")


@pytest.mark.parametrize(
    ("reported", "reason"),
    [
        ({"model_name": "unpriced"}, "no_price"),
        ({"model_name": "unpriced", "input_tokens": None, "output_tokens": None}, "no_tokens"),
        ({}, "no_model"),
        ({"model_name": "m", "operation_type": "agent"}, "repeats_calls"),
        ({"model_name": "m", "usage_ambiguous": True}, "contradictory_tokens"),
    ],
)
def test_a_cost_that_is_not_known_is_not_zero_and_has_a_reason(reported: dict[str, Any], reason: UnknownCost) -> None:
    assert cost_of(call("s", **reported), Prices()) == Cost(None, "unknown", reason=reason)


@pytest.mark.parametrize("operation", sorted(REPEATING_OPERATIONS))
def test_an_operation_that_only_repeats_calls_has_no_computed_cost(operation: str) -> None:
    assert cost_of(call("s", model_name="m", operation_type=operation), Prices()).source == "unknown"


@pytest.mark.parametrize("operation", sorted(INFERENCE_OPERATIONS))
def test_an_operation_that_calls_a_model_has_a_computed_cost(operation: str) -> None:
    assert cost_of(call("s", model_name="m", operation_type=operation), Prices()).source == "computed"


def test_a_cost_is_computed_from_a_model_and_tokens_of_different_requests() -> None:
    updates = [fields("s", operation_type="completion", model_name="m"), fields("s", input_tokens=10, output_tokens=2)]
    for order in (updates, updates[::-1]):
        (span,) = merge([update(span_fields) for span_fields in order], price_of=Prices())
        assert span.cost == Cost(36, "computed", "test/m")


def test_a_price_lookup_gets_all_merged_fields_of_the_call() -> None:
    prices = Prices()
    (span,) = merge([update(call("s", model_name="m", request_model="m-1", model_provider="p"))], price_of=prices)
    (lookup,) = prices.lookups
    assert lookup == span.fields
    assert lookup["start_ns"] == START_NS


def test_the_cost_of_a_trace_is_the_sum_of_its_calls() -> None:
    root = fields("root", operation_type="agent")
    assert total(root, call("a", "root", model_name="m"), call("b", "root", model_name="m")) == 72


@pytest.mark.parametrize("wrapper", ["agent", "chain", "workflow"])
def test_a_wrapper_that_repeats_tokens_adds_no_cost(wrapper: str) -> None:
    root = fields("root", operation_type=wrapper, model_name="m", input_tokens=20, output_tokens=4)
    assert total(root, call("a", "root", model_name="m"), call("b", "root", model_name="m")) == 72


def test_a_reported_sum_on_a_wrapper_is_not_added_to_the_calls() -> None:
    root = fields("root", operation_type="agent", input_tokens=10, output_tokens=2, cost_nano_usd=36)
    assert total(root, call("a", "root", model_name="m")) == 36


def test_a_reported_sum_on_a_wrapper_counts_when_no_call_below_has_a_cost() -> None:
    root = fields("root", operation_type="agent", input_tokens=10, output_tokens=2, cost_nano_usd=36)
    assert total(root, call("a", "root", model_name="unpriced")) == 36


def test_the_cost_of_a_call_that_two_spans_report_counts_once() -> None:
    root = fields("root", operation_type="agent")
    framework = call("framework", "root", model_name="m")
    assert total(root, framework, call("library", "framework", model_name="m")) == 36


def test_a_trace_whose_costs_are_all_unknown_has_no_cost() -> None:
    assert total(fields("root", operation_type="agent"), call("a", "root", model_name="unpriced")) is None


def test_known_costs_are_summed_when_others_are_unknown() -> None:
    root = fields("root", operation_type="agent")
    assert total(root, call("a", "root", model_name="m"), call("b", "root", model_name="unpriced")) == 36
