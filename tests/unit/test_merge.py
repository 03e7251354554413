"""Records of a trace make the same spans in any order, however often and in whatever batches they come."""

import random
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import START_NS, facts, record, summary_of
from tracestore.domain.heads import previews_of, root_of, summarize
from tracestore.domain.merge import Span, merge, merge_span, without_payload
from tracestore.domain.spans import OVERHEARD, Facts, Record

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
records = st.builds(
    lambda told, rank, received_ms: record(cast(Facts, told), rank=rank, received_ms=received_ms),
    reported,
    st.sampled_from([OVERHEARD, 0, 0, 0, 3, 7]),
    st.integers(1, 3),
)


@given(st.lists(records, min_size=1, max_size=12), st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None)
def test_any_order_and_repetition_gives_the_same_spans_and_summary(told: list[Record], random: random.Random) -> None:
    again = random.sample(told, len(told)) + random.choices(told, k=random.randint(0, 5))
    random.shuffle(again)
    assert merge(again) == merge(told)
    assert _summary(merge(again)) == _summary(merge(told))


@given(st.lists(records, min_size=1, max_size=12))
@settings(max_examples=100, deadline=None)
def test_reading_without_payloads_changes_nothing_else(told: list[Record]) -> None:
    light = [Record(without_payload(r.facts), r.digest, r.payload_fields, r.received_ms, r.rank) for r in told]
    for whole, bare in zip(merge(told), merge(light), strict=True):
        assert bare.facts == without_payload(whole.facts)
        assert (bare.status, bare.payload_from) == (whole.status, whole.payload_from)


@given(st.lists(records, min_size=1, max_size=12), st.sets(st.sampled_from("abc")))
@settings(max_examples=100, deadline=None)
def test_what_was_deleted_is_as_if_it_had_never_come(told: list[Record], deleted: set[str]) -> None:
    assert merge(told, deleted) == merge([r for r in told if r.facts["span_id"] not in deleted])


def test_absent_fields_keep_what_a_weaker_record_says() -> None:
    span = _merged(facts(end_ns=None, model_name="m"), facts(output_tokens=3))
    assert (span.facts["model_name"], span.facts["output_tokens"]) == ("m", 3)


def test_the_ended_wins_over_the_pending() -> None:
    assert _merged(facts(model_name="ended"), facts(end_ns=None, model_name="pending")).facts["model_name"] == "ended"


def test_the_later_end_wins() -> None:
    span = _merged(facts(end_ns=START_NS + 2, model_name="b"), facts(end_ns=START_NS + 1, model_name="z"))
    assert (span.facts["model_name"], span.facts["end_ns"]) == ("b", START_NS + 2)


def test_a_patch_outranks_captures_and_earlier_patches() -> None:
    span = merge_span(
        [
            record(facts(end_ns=START_NS + 10**9, model_name="captured")),
            record(Facts(span_id="root", model_name="second"), rank=5),
            record(Facts(span_id="root", model_name="first"), rank=3),
        ]
    )
    assert span.facts["model_name"] == "second"


@pytest.mark.parametrize(
    ("told", "status"),
    [
        ([facts(end_ns=None)], "pending"),
        ([facts()], "success"),
        ([facts(end_ns=None), facts()], "success"),
        ([facts(end_ns=None, error_type="x")], "error"),
        ([facts(error_message="x")], "error"),
        ([facts(error_message="x", status="success")], "success"),
        ([facts(end_ns=None, status="error"), facts(error_message="x")], "error"),
        ([facts(status="error"), facts(end_ns=START_NS + 10**9, status="pending")], "error"),
        ([facts(end_ns=None, status="pending"), facts()], "success"),
    ],
)
def test_the_status_is_what_was_told_else_what_errors_and_the_end_tell(told: list[Facts], status: str) -> None:
    assert _merged(*told).status == status


def test_a_span_is_as_old_as_its_first_record_and_as_new_as_its_last() -> None:
    span = merge_span([record(facts(), received_ms=5), record(facts(model_name="m"), received_ms=9)])
    assert (span.created_ms, span.updated_ms) == (5, 9)


def test_a_record_that_comes_again_does_not_make_a_span_newer() -> None:
    span = merge_span([record(facts(), received_ms=5), record(facts(), received_ms=9)])
    assert (span.created_ms, span.updated_ms) == (5, 5)


def test_a_payload_that_was_not_read_does_not_give_way_to_a_weaker_one() -> None:
    strong = record(facts(input_data="strong"))
    unread = Record(without_payload(strong.facts), strong.digest, strong.payload_fields, 1)
    assert "input_data" not in merge_span([record(facts(end_ns=None, input_data="weak")), unread]).facts


@pytest.mark.parametrize("order", [1, -1])
def test_a_record_that_is_there_with_and_without_its_payload_has_it(order: int) -> None:
    whole = record(facts(input_data="x"))
    unread = Record(without_payload(whole.facts), whole.digest, whole.payload_fields, 1)
    assert merge_span([whole, unread][::order]).facts["input_data"] == "x"


def test_spans_come_by_start_and_then_by_id() -> None:
    told = [facts("b", start_ns=2), facts("c", start_ns=1), facts("a", start_ns=2)]
    assert [span.span_id for span in merge(map(record, told))] == ["c", "a", "b"]


def test_a_conversation_is_the_roots_else_that_of_the_earliest_span_that_has_one() -> None:
    early = facts("a", parent_span_id="root", start_ns=1, conversation_id="early")
    late = facts("b", parent_span_id="root", start_ns=2, conversation_id="late")
    assert summary_of(late, early).conversation_id == "early"
    assert summary_of(late, early, facts("root", start_ns=3, conversation_id="roots")).conversation_id == "roots"
    assert summary_of(late, early, facts("root", start_ns=3)).conversation_id == "early"


def _merged(*told: Facts) -> Span:
    return merge_span([record(each) for each in told])


def _summary(spans: list[Span]) -> Any:
    return summarize(spans, previews_of(root_of(spans)))
