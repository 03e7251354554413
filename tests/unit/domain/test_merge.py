"""The updates of a trace give the same spans in any order, repetition and batching."""

import random
from dataclasses import replace
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import START_NS, fields, summary_of, update
from tracestore.domain.heads import previews_of, root_of, summarize
from tracestore.domain.merge import Span, core_of, merge, merge_span
from tracestore.domain.spans import FROM_LOGS, SpanFields, SpanUpdate, duration_of, has_clock_skew

texts = st.sampled_from(["a", "b", "Zürich 🙂", ""])
reported_fields = st.fixed_dictionaries(
    {"span_id": st.sampled_from("abc"), "start_ns": st.integers(START_NS, START_NS + 3)},
    optional={
        "span_name": texts,
        "parent_span_id": st.sampled_from("abcx"),
        "end_ns": st.integers(START_NS + 2, START_NS + 5),
        "duration_ns": st.sampled_from([0, 10**9 + 6]),
        "status": st.sampled_from(["pending", "success", "error"]),
        "error_message": texts,
        "operation_type": st.sampled_from(["agent", "completion"]),
        "input_tokens": st.integers(0, 3),
        "cost_nano_usd": st.integers(0, 3),
        "conversation_id": texts,
        "input_data": st.one_of(texts, st.integers(), st.lists(st.floats(allow_nan=False), max_size=2)),
        "output_data": texts,
    },
)
span_updates = st.builds(
    lambda span_fields, precedence, received_ms: update(
        cast(SpanFields, span_fields), precedence=precedence, received_ms=received_ms
    ),
    reported_fields,
    st.sampled_from([FROM_LOGS, 0, 0, 0, 3, 7]),
    st.integers(1, 3),
)


@given(st.lists(span_updates, min_size=1, max_size=12), st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None)
def test_any_order_and_repetition_gives_the_same_spans_and_summary(
    updates: list[SpanUpdate], random: random.Random
) -> None:
    repeated = random.sample(updates, len(updates)) + random.choices(updates, k=random.randint(0, 5))
    random.shuffle(repeated)
    assert merge(repeated) == merge(updates)
    assert _summary(merge(repeated)) == _summary(merge(updates))


@given(st.lists(span_updates, min_size=1, max_size=12))
@settings(max_examples=100, deadline=None)
def test_merging_without_payloads_changes_no_other_field(updates: list[SpanUpdate]) -> None:
    cores = [replace(span_update, fields=core_of(span_update.fields)) for span_update in updates]
    for whole, core in zip(merge(updates), merge(cores), strict=True):
        assert core.fields == core_of(whole.fields)
        assert (core.status, core.payload_from) == (whole.status, whole.payload_from)


@given(st.lists(span_updates, min_size=1, max_size=12), st.sets(st.sampled_from("abc")))
@settings(max_examples=100, deadline=None)
def test_updates_of_deleted_spans_are_ignored(updates: list[SpanUpdate], deleted: set[str]) -> None:
    assert merge(updates, deleted) == merge(
        [span_update for span_update in updates if span_update.fields["span_id"] not in deleted]
    )


def test_a_field_absent_from_the_winning_update_comes_from_another_update() -> None:
    span = _merged(fields(end_ns=None, model_name="m"), fields(output_tokens=3))
    assert (span.fields["model_name"], span.fields["output_tokens"]) == ("m", 3)


def test_an_ended_update_wins_over_a_pending_one() -> None:
    assert (
        _merged(fields(model_name="ended"), fields(end_ns=None, model_name="pending")).fields["model_name"] == "ended"
    )


def test_the_update_with_the_later_end_wins() -> None:
    span = _merged(fields(end_ns=START_NS + 2, model_name="b"), fields(end_ns=START_NS + 1, model_name="z"))
    assert (span.fields["model_name"], span.fields["end_ns"]) == ("b", START_NS + 2)


MEASURED = fields(end_ns=START_NS + 2, duration_ns=5 * 10**9)
"""A span with a measured duration that contradicts its end."""


def test_a_measured_duration_is_kept_with_the_end_it_was_sent_with() -> None:
    for others in (
        [],
        [fields(end_ns=None)],
        [fields(end_ns=START_NS + 1)],
        [fields(end_ns=START_NS + 2, status="error")],
    ):
        span = _merged(MEASURED, *others)
        assert (span.fields["end_ns"], duration_of(span.fields)) == (START_NS + 2, 5 * 10**9)
        assert has_clock_skew(span.fields)


def test_a_later_end_without_a_duration_replaces_the_measured_duration() -> None:
    span = _merged(MEASURED, fields(end_ns=START_NS + 3))
    assert (duration_of(span.fields), has_clock_skew(span.fields)) == (3, False)


def test_a_corrected_start_that_agrees_with_the_duration_removes_the_contradiction() -> None:
    patch = SpanFields(span_id="root", start_ns=START_NS + 2 - 5 * 10**9)
    span = merge_span([update(MEASURED), update(patch, precedence=3)])
    assert (duration_of(span.fields), has_clock_skew(span.fields)) == (5 * 10**9, False)


def test_a_patch_outranks_captures_and_earlier_patches() -> None:
    span = merge_span(
        [
            update(fields(end_ns=START_NS + 10**9, model_name="captured")),
            update(SpanFields(span_id="root", model_name="second"), precedence=5),
            update(SpanFields(span_id="root", model_name="first"), precedence=3),
        ]
    )
    assert span.fields["model_name"] == "second"


@pytest.mark.parametrize(
    ("updates", "status"),
    [
        ([fields(end_ns=None)], "pending"),
        ([fields()], "success"),
        ([fields(end_ns=None), fields()], "success"),
        ([fields(end_ns=None, error_type="x")], "error"),
        ([fields(error_message="x")], "error"),
        ([fields(error_message="x", status="success")], "success"),
        ([fields(end_ns=None, status="error"), fields(error_message="x")], "error"),
        ([fields(status="error"), fields(end_ns=START_NS + 10**9, status="pending")], "error"),
        ([fields(end_ns=None, status="pending"), fields()], "success"),
    ],
)
def test_the_status_is_the_reported_one_or_is_derived_from_errors_and_end(
    updates: list[SpanFields], status: str
) -> None:
    assert _merged(*updates).status == status


def test_a_span_is_created_by_its_first_update_and_updated_by_its_last() -> None:
    span = merge_span([update(fields(), received_ms=5), update(fields(model_name="m"), received_ms=9)])
    assert (span.created_ms, span.updated_ms) == (5, 9)


def test_a_repeated_update_does_not_change_updated_ms() -> None:
    span = merge_span([update(fields(), received_ms=5), update(fields(), received_ms=9)])
    assert (span.created_ms, span.updated_ms) == (5, 5)


def test_a_payload_that_was_not_read_is_not_replaced_by_a_losing_one() -> None:
    winning = update(fields(input_data="winning"))
    unread = SpanUpdate(core_of(winning.fields), winning.digest, winning.payload_fields, 1)
    assert "input_data" not in merge_span([update(fields(end_ns=None, input_data="losing")), unread]).fields


@pytest.mark.parametrize("order", [1, -1])
def test_an_update_merged_with_and_without_its_payload_has_the_payload(order: int) -> None:
    whole = update(fields(input_data="x"))
    unread = SpanUpdate(core_of(whole.fields), whole.digest, whole.payload_fields, 1)
    assert merge_span([whole, unread][::order]).fields["input_data"] == "x"


def test_spans_are_in_order_of_start_and_then_id() -> None:
    reported = [fields("b", start_ns=2), fields("c", start_ns=1), fields("a", start_ns=2)]
    assert [span.span_id for span in merge(map(update, reported))] == ["c", "a", "b"]


def test_the_conversation_is_the_roots_or_else_the_earliest_spans_that_has_one() -> None:
    early = fields("a", parent_span_id="root", start_ns=1, conversation_id="early")
    late = fields("b", parent_span_id="root", start_ns=2, conversation_id="late")
    assert summary_of(late, early).conversation_id == "early"
    assert summary_of(late, early, fields("root", start_ns=3, conversation_id="roots")).conversation_id == "roots"
    assert summary_of(late, early, fields("root", start_ns=3)).conversation_id == "early"


def _merged(*reported: SpanFields) -> Span:
    return merge_span([update(span_fields) for span_fields in reported])


def _summary(spans: list[Span]) -> Any:
    return summarize(spans, previews_of(root_of(spans)))
