"""Records of a trace make the same spans in any order, however often and in whatever batches they come."""

import random
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import START_NS, fields, summary_of, update
from tracestore.domain.heads import previews_of, root_of, summarize
from tracestore.domain.merge import Span, core_of, merge, merge_span
from tracestore.domain.spans import FROM_LOGS, SpanFields, SpanUpdate

texts = st.sampled_from(["a", "b", "Zürich 🙂", ""])
reported = st.fixed_dictionaries(
    {"span_id": st.sampled_from("abc"), "start_ns": st.integers(START_NS, START_NS + 3)},
    optional={
        "span_name": texts,
        "parent_span_id": st.sampled_from("abcx"),
        "end_ns": st.integers(START_NS + 2, START_NS + 5),
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
updates = st.builds(
    lambda told, precedence, received_ms: update(
        cast(SpanFields, told), precedence=precedence, received_ms=received_ms
    ),
    reported,
    st.sampled_from([FROM_LOGS, 0, 0, 0, 3, 7]),
    st.integers(1, 3),
)


@given(st.lists(updates, min_size=1, max_size=12), st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None)
def test_any_order_and_repetition_gives_the_same_spans_and_summary(
    told: list[SpanUpdate], random: random.Random
) -> None:
    again = random.sample(told, len(told)) + random.choices(told, k=random.randint(0, 5))
    random.shuffle(again)
    assert merge(again) == merge(told)
    assert _summary(merge(again)) == _summary(merge(told))


@given(st.lists(updates, min_size=1, max_size=12))
@settings(max_examples=100, deadline=None)
def test_reading_without_payloads_changes_nothing_else(told: list[SpanUpdate]) -> None:
    core = [SpanUpdate(core_of(r.fields), r.digest, r.payload_fields, r.received_ms, r.precedence) for r in told]
    for whole, bare in zip(merge(told), merge(core), strict=True):
        assert bare.fields == core_of(whole.fields)
        assert (bare.status, bare.payload_from) == (whole.status, whole.payload_from)


@given(st.lists(updates, min_size=1, max_size=12), st.sets(st.sampled_from("abc")))
@settings(max_examples=100, deadline=None)
def test_what_was_deleted_is_as_if_it_had_never_come(told: list[SpanUpdate], deleted: set[str]) -> None:
    assert merge(told, deleted) == merge([r for r in told if r.fields["span_id"] not in deleted])


def test_absent_fields_keep_what_a_weaker_record_says() -> None:
    span = _merged(fields(end_ns=None, model_name="m"), fields(output_tokens=3))
    assert (span.fields["model_name"], span.fields["output_tokens"]) == ("m", 3)


def test_the_ended_wins_over_the_pending() -> None:
    assert (
        _merged(fields(model_name="ended"), fields(end_ns=None, model_name="pending")).fields["model_name"] == "ended"
    )


def test_the_later_end_wins() -> None:
    span = _merged(fields(end_ns=START_NS + 2, model_name="b"), fields(end_ns=START_NS + 1, model_name="z"))
    assert (span.fields["model_name"], span.fields["end_ns"]) == ("b", START_NS + 2)


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
    ("told", "status"),
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
def test_the_status_is_what_was_told_else_what_errors_and_the_end_tell(told: list[SpanFields], status: str) -> None:
    assert _merged(*told).status == status


def test_a_span_is_as_old_as_its_first_record_and_as_new_as_its_last() -> None:
    span = merge_span([update(fields(), received_ms=5), update(fields(model_name="m"), received_ms=9)])
    assert (span.created_ms, span.updated_ms) == (5, 9)


def test_a_record_that_comes_again_does_not_make_a_span_newer() -> None:
    span = merge_span([update(fields(), received_ms=5), update(fields(), received_ms=9)])
    assert (span.created_ms, span.updated_ms) == (5, 5)


def test_a_payload_that_was_not_read_does_not_give_way_to_a_weaker_one() -> None:
    strong = update(fields(input_data="strong"))
    unread = SpanUpdate(core_of(strong.fields), strong.digest, strong.payload_fields, 1)
    assert "input_data" not in merge_span([update(fields(end_ns=None, input_data="weak")), unread]).fields


@pytest.mark.parametrize("order", [1, -1])
def test_a_record_that_is_there_with_and_without_its_payload_has_it(order: int) -> None:
    whole = update(fields(input_data="x"))
    unread = SpanUpdate(core_of(whole.fields), whole.digest, whole.payload_fields, 1)
    assert merge_span([whole, unread][::order]).fields["input_data"] == "x"


def test_spans_come_by_start_and_then_by_id() -> None:
    told = [fields("b", start_ns=2), fields("c", start_ns=1), fields("a", start_ns=2)]
    assert [span.span_id for span in merge(map(update, told))] == ["c", "a", "b"]


def test_a_conversation_is_the_roots_else_that_of_the_earliest_span_that_has_one() -> None:
    early = fields("a", parent_span_id="root", start_ns=1, conversation_id="early")
    late = fields("b", parent_span_id="root", start_ns=2, conversation_id="late")
    assert summary_of(late, early).conversation_id == "early"
    assert summary_of(late, early, fields("root", start_ns=3, conversation_id="roots")).conversation_id == "roots"
    assert summary_of(late, early, fields("root", start_ns=3)).conversation_id == "early"


def _merged(*told: SpanFields) -> Span:
    return merge_span([update(each) for each in told])


def _summary(spans: list[Span]) -> Any:
    return summarize(spans, previews_of(root_of(spans)))
