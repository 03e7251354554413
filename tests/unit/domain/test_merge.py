"""The updates of a trace give the same spans in any order, repetition and batching."""

import random
from dataclasses import replace
from typing import Any, NamedTuple, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import END_NS, START_NS, fields, summary_of, update
from tracestore.domain.heads import summarize
from tracestore.domain.merge import Span, core_of, merge, merge_span
from tracestore.domain.spans import EARLIEST_NS, FROM_LOGS, SpanFields, SpanUpdate
from tracestore.domain.times import NS_PER_DAY
from tracestore.domain.trace_previews import previews_of

START_MS = START_NS // 10**6

texts = st.sampled_from(["a", "b", "Zürich 🙂", ""])
reported_fields = st.fixed_dictionaries(
    {"span_id": st.sampled_from("abc")},
    optional={
        "start_ns": st.integers(START_NS, START_NS + 3),
        "span_name": texts,
        "parent_span_id": st.sampled_from("abcx"),
        "end_ns": st.integers(START_NS + 2, START_NS + 5),
        "duration_ns": st.sampled_from([0, 10**9 + 6]),
        "status": st.sampled_from(["pending", "success", "error"]),
        "error_message": texts,
        "operation_type": st.sampled_from(["agent", "completion"]),
        "model_name": st.sampled_from(["m", "n"]),
        "request_model": st.sampled_from(["m", "n"]),
        "input_tokens": st.integers(0, 3),
        "output_tokens": st.integers(0, 3),
        "cost_nano_usd": st.integers(0, 3),
        "conversation_id": texts,
        "input_data": st.one_of(texts, st.integers(), st.lists(st.floats(allow_nan=False), max_size=2)),
        "output_data": texts,
        "metadata": st.fixed_dictionaries({}, optional={"trace_name": texts, "trace_input": texts}),
        "report_order": st.integers(0, 2),
        "encloses": st.just(True),
        "needs_call": st.just(True),
    },
)
span_updates = st.builds(
    lambda span_fields, precedence, received_ms: update(
        cast(SpanFields, span_fields), precedence=precedence, received_ms=received_ms
    ),
    reported_fields,
    st.sampled_from([FROM_LOGS, 0, 0, 0, 3, 7]),
    st.integers(START_MS, START_MS + 2),
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
        assert (span.fields["end_ns"], span.duration_ns) == (START_NS + 2, 5 * 10**9)
        assert span.has_clock_skew


def test_a_later_end_without_a_duration_replaces_the_measured_duration() -> None:
    span = _merged(MEASURED, fields(end_ns=START_NS + 3))
    assert (span.duration_ns, span.has_clock_skew) == (3, False)


def test_a_corrected_start_that_agrees_with_the_duration_removes_the_contradiction() -> None:
    patch = SpanFields(span_id="root", start_ns=START_NS + 2 - 5 * 10**9)
    span = merge_span([update(MEASURED), update(patch, precedence=3)])
    assert (span.duration_ns, span.has_clock_skew) == (5 * 10**9, False)


@pytest.mark.parametrize("skew_ns", [1, 10**6, 10**9, 10**18, END_NS])
def test_a_span_that_ends_before_its_start_has_no_duration(skew_ns: int) -> None:
    span = _merged(fields(end_ns=END_NS - skew_ns, start_ns=END_NS))
    assert (span.end_ns, span.duration_ns, span.has_clock_skew) == (None, None, True)
    assert (span.status, span.start_ns, span.fields["end_ns"]) == ("success", END_NS, END_NS - skew_ns)


@pytest.mark.parametrize("start_ns", [1, EARLIEST_NS - 1, START_NS + NS_PER_DAY + 1, 2**64 - 1])
def test_a_span_with_an_impossible_start_is_positioned_at_its_first_arrival(start_ns: int) -> None:
    updates = [fields(start_ns=start_ns, end_ns=start_ns + 5), fields(start_ns=start_ns, end_ns=start_ns + 6)]
    span = merge_span([update(fields, received_ms=START_MS + later) for later, fields in enumerate(updates)])
    assert (span.order, span.end_ns, span.duration_ns, span.has_clock_skew) == ((START_NS, "root"), None, None, True)
    assert (span.fields["start_ns"], span.fields["end_ns"]) == (start_ns, start_ns + 6)


@pytest.mark.parametrize("start_ns", [EARLIEST_NS, START_NS + NS_PER_DAY])
def test_a_start_from_2015_to_a_day_after_the_arrival_is_kept(start_ns: int) -> None:
    span = _merged(fields(start_ns=start_ns, end_ns=None))
    assert (span.start_ns, span.duration_ns, span.has_clock_skew) == (start_ns, None, False)


def test_an_end_is_compared_with_the_arrival_of_the_update_that_reports_it() -> None:
    week_ns = 7 * NS_PER_DAY
    ended = update(fields(end_ns=START_NS + week_ns), received_ms=(START_NS + week_ns) // 10**6)
    assert merge_span([update(fields(end_ns=None)), ended]).duration_ns == week_ns
    assert _merged(fields(end_ns=START_NS + week_ns)).duration_ns is None


def test_a_price_is_that_of_the_arrival_where_the_start_is_impossible() -> None:
    seen = []

    def price(priced: SpanFields) -> tuple[int, str]:
        seen.append(priced["start_ns"])
        return 1, "price"

    merge_span([update(fields(start_ns=1, model_name="m", input_tokens=1))], price)
    assert seen == [START_NS]


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


@pytest.mark.parametrize("order", [1, -1])
def test_a_repeated_update_does_not_change_updated_ms(order: int) -> None:
    span = merge_span([update(fields(), received_ms=5), update(fields(), received_ms=9)][::order])
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


@pytest.mark.parametrize("order", [1, -1])
def test_reports_amend_each_other_in_the_order_that_the_client_states(order: int) -> None:
    first = fields(span_name="first", metadata={"kept": 1, "changed": {"a": 1, "b": 1}}, report_order=0)
    second = fields(end_ns=None, span_name="second", metadata={"changed": {"b": 2}}, report_order=1)
    third = fields(end_ns=None, span_name="third", metadata=None, report_order=2)
    span = _merged(*[first, second, third][::order])
    assert span.fields["span_name"] == "third"
    assert span.fields["metadata"] == {"kept": 1, "changed": {"a": 1, "b": 2}}
    assert span.status == "success"


def test_metadata_of_captures_that_state_no_order_are_not_mixed() -> None:
    pending, ended = fields(end_ns=None, metadata={"a": 1}), fields(metadata={"b": 2})
    assert _merged(ended, pending).fields["metadata"] == {"b": 2}


def test_a_record_of_usage_whose_call_no_record_reports_is_no_call() -> None:
    reported = fields(operation_type="completion", needs_call=True, input_tokens=1, cost_nano_usd=7)
    span = merge_span([update(reported, precedence=FROM_LOGS)])
    assert span.fields["operation_type"] == "other"
    assert span.fields.keys().isdisjoint({"needs_call", "input_tokens", "cost_nano_usd"})


def test_a_patch_replaces_the_metadata_of_reports_that_amend_each_other() -> None:
    reports = [update(fields(metadata={"a": 1}, report_order=0)), update(fields(metadata={"b": 2}))]
    span = merge_span([*reports, update(fields(metadata={"c": 3}), precedence=5)])
    assert span.fields["metadata"] == {"c": 3}


def test_a_span_that_encloses_its_trace_has_the_times_and_the_status_of_the_others() -> None:
    root = update(fields("trace", start_ns=None, end_ns=None, encloses=True), received_ms=START_NS // 10**6 + 5_000)
    step = update(fields("step", parent_span_id="trace", start_ns=START_NS + 1, end_ns=START_NS + 9))
    failed = update(
        fields("failed", parent_span_id="trace", start_ns=START_NS + 2, end_ns=START_NS + 4, status="error")
    )
    inner = update(fields("inner", parent_span_id="step", start_ns=START_NS + 2, end_ns=None))

    def enclosing(*updates: SpanUpdate) -> tuple[str, int, int | None]:
        (span,) = (span for span in merge(updates) if span.span_id == "trace")
        return span.status, span.order[0] - START_NS, span.fields.get("end_ns", START_NS - 1) - START_NS

    assert enclosing(root) == ("pending", 5_000_000_000, -1)
    assert enclosing(root, step, inner) == ("success", 1, 9)
    assert enclosing(root, step, failed) == ("error", 1, 9)
    pending = update(fields("open", parent_span_id="trace", end_ns=None))
    assert enclosing(root, step, pending) == ("pending", 0, -1)


class Enclosed(NamedTuple):
    """A span of a trace that another span stands for. *units*: times are in nanoseconds after `START_NS`."""

    parent: str | None
    start: int
    duration: int | None
    status: str | None

    @property
    def end(self) -> int | None:
        return None if self.duration is None else self.start + self.duration

    @property
    def outcome(self) -> str:
        return self.status or ("pending" if self.duration is None else "success")


enclosed_spans = st.lists(
    st.builds(
        Enclosed,
        st.sampled_from(["trace", "trace", "s0", None]),
        st.integers(0, 9),
        st.none() | st.integers(0, 9),
        st.sampled_from([None, None, "success", "error"]),
    ),
    max_size=5,
)


@given(enclosed_spans, st.sampled_from([None, "success", "error"]), st.booleans())
def test_a_span_that_encloses_its_trace_follows_from_the_others(
    others: list[Enclosed], reported: str | None, has_sibling: bool
) -> None:
    """Its outcome from those directly below it, its times from all, except from others that enclose the trace."""
    updates = [
        update(fields("trace", start_ns=START_NS + 5, end_ns=None, status=reported, encloses=True)),
        *(
            update(
                fields(
                    f"s{number}",
                    parent_span_id=other.parent,
                    start_ns=START_NS + other.start,
                    end_ns=None if other.end is None else START_NS + other.end,
                    status=other.status,
                )
            )
            for number, other in enumerate(others)
        ),
    ]
    if has_sibling:
        sibling = fields("sibling", parent_span_id="trace", start_ns=START_NS - 9, end_ns=START_NS + 99, status="error")
        updates.append(update(cast(SpanFields, {**sibling, "encloses": True})))
    spans = {span.span_id: span for span in merge(updates)}
    for number, other in enumerate(others):
        assert spans[f"s{number}"].status == other.outcome
        assert spans[f"s{number}"].start_ns == START_NS + other.start
    span = spans["trace"]
    below = {other.outcome for other in others if other.parent == "trace"}
    ends = [other.end for other in others if other.end is not None]
    start = min([5, *(other.start for other in others)])
    assert span.start_ns == START_NS + start
    if "pending" in below or (not ends and reported is None):
        assert (span.status, span.end_ns) == ("pending", None)
    else:
        assert span.status == ("error" if "error" in below else reported or "success")
        assert span.end_ns == START_NS + max([start, *ends])


def test_an_amendment_alone_starts_when_it_was_received() -> None:
    span = merge_span([update(fields(start_ns=None, end_ns=None), received_ms=7)])
    assert span.fields["start_ns"] == 7_000_000


def test_spans_are_in_order_of_start_and_then_id() -> None:
    reported = [fields("b", start_ns=START_NS + 1), fields("c", start_ns=START_NS), fields("a", start_ns=START_NS + 1)]
    assert [span.span_id for span in merge(map(update, reported))] == ["c", "a", "b"]


def test_the_conversation_is_the_roots_or_else_the_earliest_spans_that_has_one() -> None:
    early = fields("a", parent_span_id="root", start_ns=START_NS, conversation_id="early")
    late = fields("b", parent_span_id="root", start_ns=START_NS + 1, conversation_id="late")
    assert summary_of(late, early).conversation_id == "early"
    assert summary_of(late, early, fields("root", start_ns=3, conversation_id="roots")).conversation_id == "roots"
    assert summary_of(late, early, fields("root", start_ns=3)).conversation_id == "early"


def _merged(*reported: SpanFields) -> Span:
    return merge_span([update(span_fields) for span_fields in reported])


def _summary(spans: list[Span]) -> Any:
    return summarize(spans, previews_of(spans))


def test_a_call_without_a_model_has_the_one_of_the_nearest_span_around_it() -> None:
    def span(span_id: str, **values: Any) -> SpanUpdate:
        return update(cast(SpanFields, {"span_id": span_id, "start_ns": START_NS, **values}))

    call: dict[str, Any] = {"operation_type": "completion", "input_tokens": 1}
    updates = [
        span("turn", request_model="far", operation_type="other"),
        span("request", request_model="near", operation_type="other", parent_span_id="turn"),
        span("stream", operation_type="other", parent_span_id="request"),
        span("call", parent_span_id="stream", **call),
        span("own", parent_span_id="stream", model_name="own", **call),
        span("alone", **call),
        span("cycle", parent_span_id="cycle2", **call),
        span("cycle2", parent_span_id="cycle"),
        span("above", parent_span_id="above2"),
        span("above2", parent_span_id="above"),
        span("below", parent_span_id="above", **call),
        span("agent", parent_span_id="stream", operation_type="agent", input_tokens=1),
        span("empty", parent_span_id="stream", operation_type="completion"),
    ]
    models = {each.span_id: each.fields.get("model_name") for each in merge(updates)}
    named = {span_id: model for span_id, model in models.items() if model is not None}
    assert named == {"call": "near", "own": "own"}


@given(st.lists(st.sampled_from([FROM_LOGS, 0, 3]), min_size=1, max_size=4))
def test_only_a_span_that_no_capture_reports_is_from_logs(precedences: list[int]) -> None:
    updates = [
        update(fields("a", span_name=str(number)), precedence=precedence)
        for number, precedence in enumerate(precedences)
    ]
    assert merge_span(updates).is_from_logs == (0 not in precedences)


@pytest.mark.parametrize("order", [1, -1])
def test_a_record_of_a_call_has_the_id_of_the_record_of_its_request_in_any_order(order: int) -> None:
    def record(span_id: str, start_ns: int, **values: Any) -> SpanUpdate:
        named = {"span_id": span_id, "start_ns": start_ns, "operation_type": "completion", **values}
        return update(cast(SpanFields, named), precedence=FROM_LOGS)

    records = [record("b-request", START_NS), record("a-call", START_NS, end_ns=START_NS + 1, input_tokens=1)]
    (span,) = merge(records[::order])
    assert (span.span_id, span.fields["input_tokens"]) == ("b-request", 1)
