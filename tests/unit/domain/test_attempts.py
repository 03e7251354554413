"""Attempts of one call are recognised without any mark, and what they wasted adds up."""

from typing import Any

import pytest

from tests.builders import START_NS, call, fields, spans_of, summary_of
from tests.timing import processor_time
from tracestore.domain.attempts import MAX_PAUSE_NS, AttemptGroup, attempt_groups
from tracestore.domain.spans import SpanFields
from tracestore.domain.tree import tree_order

SECOND = 10**9
ASK = {"prompt": "Write a lesson on fractions."}


def attempt(span_id: str, from_s: float, to_s: float | None, *, failed: bool = False, **more: Any) -> SpanFields:
    """A model call below the root, between two seconds after the start of the trace."""
    end_ns = None if to_s is None else START_NS + int(to_s * SECOND)
    reported: dict[str, Any] = {
        "start_ns": START_NS + int(from_s * SECOND),
        "end_ns": end_ns,
        "status": "error" if failed else None,
        "model_provider": "openai",
        "model_name": "gpt-4o",
        "input_data": ASK,
    }
    return call(span_id, **{"parent": "root", **reported, **more})


def groups_of(*reported: SpanFields) -> list[AttemptGroup]:
    return attempt_groups(tree_order(spans_of(fields("root", operation_type="agent"), *reported)))


def outcomes_of(*reported: SpanFields) -> list[tuple[str | None, ...]]:
    return [group.outcomes for group in groups_of(*reported)]


def test_a_retry_after_a_failure_is_an_attempt_of_the_same_call() -> None:
    (group,) = groups_of(attempt("a", 0, 1, failed=True), attempt("b", 1.5, 3))
    assert (group.outcomes, group.has_retry, group.has_fallback) == (("failed", "answered"), True, False)


def test_a_fallback_goes_to_another_provider_even_with_other_words() -> None:
    other: dict[str, Any] = {
        "model_provider": "anthropic",
        "model_name": "claude",
        "input_data": {"prompt": "Please write a lesson."},
    }
    (group,) = groups_of(attempt("a", 0, 1, failed=True), attempt("b", 1, 3, **other))
    assert (group.outcome, group.has_retry, group.has_fallback) == ("answered", False, True)


def test_a_failure_and_its_retry_in_the_same_millisecond_are_in_order_whatever_their_ids() -> None:
    assert outcomes_of(attempt("b", 1, 1, failed=True), attempt("a", 1, 1.5)) == [("failed", "answered")]


def test_the_root_of_a_cycle_of_parents_is_no_attempt_of_a_call_within_it() -> None:
    cycle = [attempt("a", 0, 1, parent="b", failed=True), fields("b", parent_span_id="a", start_ns=START_NS + SECOND)]
    assert groups_of(*cycle, attempt("c", 2, 3, parent="b")) == []


def test_an_answer_that_is_asked_for_again_is_superseded() -> None:
    assert outcomes_of(attempt("a", 0, 1), attempt("b", 2, 3), attempt("c", 4, 5, failed=True)) == [
        ("superseded", "superseded", "failed")
    ]


def test_a_running_attempt_has_no_outcome_yet() -> None:
    assert outcomes_of(attempt("a", 0, 1, failed=True), attempt("b", 2, None)) == [("failed", None)]


def test_a_failure_without_recorded_messages_is_followed_by_its_retry() -> None:
    calls = [attempt("a", 0, 1, failed=True, input_data=None), attempt("b", 2, 3, input_data=None)]
    assert outcomes_of(*calls) == [("failed", "answered")]


@pytest.mark.parametrize(
    "later",
    [
        attempt("b", 0.5, 3),
        attempt("b", 2, 3, operation_type="embedding"),
        attempt("b", 2, 3, parent="elsewhere"),
        attempt("b", 2, 3, input_data={"prompt": "Write a lesson on decimals."}),
        attempt("b", 2 + MAX_PAUSE_NS / SECOND, 1_000),
        attempt("b", 2, 3, operation_type="tool_call"),
    ],
    ids=["while the other ran", "another operation", "another parent", "another question", "much later", "a tool"],
)
def test_calls_that_are_no_attempts_of_each_other(later: SpanFields) -> None:
    assert groups_of(attempt("a", 0, 1, failed=True), later) == []


def test_calls_with_different_answers_or_pictures_ask_differently() -> None:
    def picture(data: str) -> Any:
        parts = [{"type": "text", "text": "Describe it."}, {"type": "media", "mime_type": "image/png", "data": data}]
        return {"messages": [{"role": "user", "parts": parts}]}

    assert groups_of(attempt("a", 0, 1, input_data=picture("AA")), attempt("b", 2, 3, input_data=picture("AB"))) == []


def test_system_prompts_are_part_of_the_question() -> None:
    def asked(system: str) -> Any:
        roles = [("system", system), ("user", "A text.")]
        return {"messages": [{"role": role, "parts": [{"type": "text", "text": text}]} for role, text in roles]}

    first = attempt("a", 0, 1, input_data=asked("Summarise."))
    assert groups_of(first, attempt("b", 2, 3, input_data=asked("Translate."))) == []
    assert len(groups_of(first, attempt("b", 2, 3, input_data=asked(" Summarise.\n")))) == 1


def test_two_calls_that_are_retried_in_turn_stay_apart() -> None:
    other: dict[str, Any] = {"input_data": {"prompt": "Another question."}}
    groups = groups_of(
        attempt("a1", 0, 1, failed=True),
        attempt("b1", 0, 2, failed=True, **other),
        attempt("a2", 3, 4),
        attempt("b2", 3, 5, **other),
    )
    assert [group.outcomes for group in groups] == [("failed", "answered")] * 2


def test_the_summary_contains_the_attempts_and_what_they_wasted() -> None:
    summary = summary_of(
        fields("root", operation_type="agent"),
        attempt("a", 0, 1, failed=True, cost_nano_usd=5),
        attempt("b", 2, 3, cost_nano_usd=7, model_provider="anthropic"),
        attempt("c", 4, 5, cost_nano_usd=11, model_provider="anthropic"),
    )
    (attempts,) = summary.attempts
    assert attempts == ("a", ("a", "b", "c"), "answered", 12)
    assert (summary.has_retry, summary.has_fallback) == (True, True)
    assert (summary.usage.cost_nano_usd, summary.usage.wasted_nano_usd) == (23, 12)


def test_the_calls_below_a_discarded_attempt_are_wasted_too() -> None:
    wrapper: dict[str, Any] = {"input_tokens": None, "output_tokens": None}
    summary = summary_of(
        fields("root", operation_type="agent"),
        attempt("a", 0, 1, failed=True, **wrapper),
        call("inside a", "a", cost_nano_usd=5),
        attempt("b", 2, 3, **wrapper),
        call("inside b", "b", cost_nano_usd=7),
    )
    assert (summary.attempts[0].wasted_nano_usd, summary.usage.wasted_nano_usd) == (5, 5)


def test_a_failed_trace_wastes_all_that_was_spent_on_models() -> None:
    root = fields("root", operation_type="agent", status="error")
    assert summary_of(root, attempt("a", 0, 1, cost_nano_usd=5)).usage.wasted_nano_usd == 5


@pytest.mark.parametrize("kind", ["chain of retries", "equal calls at once", "different failures", "nothing recorded"])
def test_ten_thousand_siblings_take_no_quadratic_time(kind: str) -> None:
    def sibling(number: int) -> SpanFields:
        start = 0 if kind == "equal calls at once" else number
        asked = {"prompt": str(number)} if kind == "different failures" else ASK
        failed = kind != "equal calls at once"
        return attempt(
            f"s{number}", start, start + 0.5, failed=failed, input_data=None if kind == "nothing recorded" else asked
        )

    nodes = tree_order(spans_of(fields("root"), *map(sibling, range(10_000))))
    with processor_time() as used:
        attempt_groups(nodes)
    assert used.seconds < 2
