"""A span in the service's own JSON becomes fields, or is refused by field name without repeating a value."""

import re
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.timing import processor_time
from tracestore.domain.errors import Invalid
from tracestore.domain.spans import Json, SpanFields
from tracestore.domain.times import NS_PER_DAY, format_time, parse_time
from tracestore.domain.updates import DERIVED_FIELDS
from tracestore.ingest.native import MAX_SPAN_BYTES, parse_capture, parse_patch, parse_span, times_of

START = "2026-11-22T10:00:00Z"
START_NS = parse_time(START)
SECOND_NS = 1_000_000_000


def span(**fields: Any) -> dict[str, Any]:
    return {"trace_id": "t", "span_id": "s", "span_name": "llm.completion", "start_time": START, **fields}


def fields_of(**fields: Any) -> SpanFields:
    return parse_span(span(**fields), now_ns=START_NS)[1]


def refusal_of(**fields: Any) -> Invalid:
    with pytest.raises(Invalid) as refused:
        fields_of(**fields)
    return refused.value


def test_every_field_of_a_span_is_read() -> None:
    trace_id, fields = parse_span(
        span(
            parent_trace_id="p",
            operation_type="completion",
            end_time="2026-11-22T10:00:01.5Z",
            model_name="gpt-4o",
            model_provider="openai",
            model_version="2024-08-06",
            input_data={"prompt": "hi"},
            output_data=["ho"],
            metadata="any value",
            conversation_id="chat 💬",
            message_id="m/1",
            input_tokens=5,
            output_tokens=2**53,
            total_tokens=7,
            cached_input_tokens=0,
            cache_write_tokens=1,
            reasoning_tokens=2,
            cost_usd=0.00123,
            tool_name="search",
            end_user_id="u",
            service_name="api",
            lesson_id="l",
            status="error",
            error_message="boom",
            error_type="Timeout",
            error_stack="at line 1",
            environment="production",
            release="1.4.2",
            tags=["eu", "beta"],
            prompt_name="welcome",
            prompt_version="3",
            time_to_first_token_ms=120.5,
            finish_reason="length",
            service_tier="flex",
            usage_details={"input": 2, "input_audio": 3},
            interrupted=True,
            events=[{"name": "retry", "time": "2026-11-22T11:00:00+01:00", "attributes": {"n": 1}}, {"name": "x"}],
            links=[{"trace_id": "other", "span_id": "span"}],
        ),
        now_ns=START_NS,
    )
    assert trace_id == "t"
    assert fields == {
        "span_id": "s",
        "parent_span_id": "p",
        "span_name": "llm.completion",
        "operation_type": "completion",
        "start_ns": START_NS,
        "end_ns": START_NS + 1_500_000_000,
        "model_name": "gpt-4o",
        "model_provider": "openai",
        "model_version": "2024-08-06",
        "input_data": {"prompt": "hi"},
        "output_data": ["ho"],
        "metadata": "any value",
        "conversation_id": "chat 💬",
        "message_id": "m/1",
        "input_tokens": 5,
        "output_tokens": 2**53,
        "total_tokens": 7,
        "cached_input_tokens": 0,
        "cache_write_tokens": 1,
        "reasoning_tokens": 2,
        "cost_nano_usd": 1_230_000,
        "tool_name": "search",
        "end_user_id": "u",
        "service_name": "api",
        "lesson_id": "l",
        "status": "error",
        "error_message": "boom",
        "error_type": "Timeout",
        "error_stack": "at line 1",
        "environment": "production",
        "release": "1.4.2",
        "tags": ["eu", "beta"],
        "prompt_name": "welcome",
        "prompt_version": "3",
        "time_to_first_token_ns": 120_500_000,
        "finish_reason": "length",
        "service_tier": "flex",
        "usage_details": {"input": 2, "input_audio": 3},
        "interrupted": True,
        "events": [{"name": "retry", "time": "2026-11-22T10:00:00.000Z", "attributes": {"n": 1}}, {"name": "x"}],
        "links": [{"trace_id": "other", "span_id": "span"}],
    }


SENDABLE: dict[str, Any] = {
    **dict.fromkeys(("parent_trace_id", "parent_span_id"), "p"),
    **dict.fromkeys(("operation_type", "model_name", "model_provider", "model_version", "tool_name"), "x"),
    **dict.fromkeys(("conversation_id", "message_id", "end_user_id", "service_name", "lesson_id"), "x"),
    **dict.fromkeys(("input_tokens", "output_tokens", "total_tokens"), 1),
    **dict.fromkeys(("cached_input_tokens", "cache_write_tokens", "reasoning_tokens"), 1),
    **{name: {} for name in ("input_data", "output_data", "metadata")},
    **{"end_time": "2026-11-22T10:00:01Z", "duration_ms": 1_000, "cost_usd": 1},
    **{"status": "error", "error_message": "x", "error_type": "x", "error_stack": "x"},
    **dict.fromkeys(("environment", "release", "prompt_name", "prompt_version", "finish_reason", "service_tier"), "x"),
    **{"tags": ["x"], "usage_details": {"input": 1}, "interrupted": True, "time_to_first_token_ms": 5},
    **{"events": [{"name": "x"}], "links": [{"trace_id": "t", "span_id": "s"}]},
}


ONLY_IN_OTLP = {"request_model", "scope_name", "call_key", "usage_ambiguous", "log_messages", "needs_call"}
"""The first four are in an export as well. A merged span has neither of the others: its other fields contain them."""


ONLY_FROM_SDKS = {"report_order", "encloses", "has_alias"}


def test_every_stored_field_can_be_sent() -> None:
    fields = SpanFields.__required_keys__ | SpanFields.__optional_keys__
    fields -= ONLY_IN_OTLP | ONLY_FROM_SDKS | {*DERIVED_FIELDS}
    assert {*span(), *SENDABLE} == {
        *(fields - {"start_ns", "end_ns", "duration_ns", "cost_nano_usd", "time_to_first_token_ns"}),
        *("trace_id", "parent_trace_id", "start_time", "end_time", "duration_ms", "cost_usd"),
        "time_to_first_token_ms",
    }


@pytest.mark.parametrize("name", [*SENDABLE, "nonsense"])
def test_null_means_absent(name: str) -> None:
    assert fields_of(**{name: None}) == fields_of()


@pytest.mark.parametrize(
    "name", ["id", "user_id", "created_at", "updated_at", "expires_at", "cost_source", "clock_skew"]
)
def test_fields_that_the_server_sets_are_ignored(name: str) -> None:
    assert fields_of(**{name: "anything"}) == fields_of()


@pytest.mark.parametrize("name", ["model_name", "tool_name", "error_message", "error_type", "lesson_id"])
def test_an_empty_label_is_absent(name: str) -> None:
    assert name not in fields_of(**{name: ""})


@pytest.mark.parametrize("value", ["", 0, False, [], {}])
def test_an_empty_payload_is_a_payload(value: Any) -> None:
    assert fields_of(input_data=value)["input_data"] == value


BAD: dict[str, list[Any]] = {
    "trace_id": [None, "", " ", "a b", "-a", ".a", "a/b", "a#b", "a\n", "é", "a" * 129, 5, True],
    "span_id": [None, "", "a%b", "a" * 129, ["a"]],
    "parent_span_id": ["", "a b", 1],
    "parent_trace_id": ["", "a b", 1],
    "span_name": [None, "", "x" * 513, 5, {}],
    "operation_type": ["", "a b", "x" * 65, 5],
    "conversation_id": ["", "x" * 257, 5],
    "model_name": ["x" * 257, 5, True, ["gpt"]],
    "error_message": ["x" * 65_537, 5, {}],
    "input_tokens": [-1, 1.0, 1.5, "5", True, 2**53 + 1, 10**400, []],
    "cost_usd": [-0.01, "1", True, 1e9 + 1, 10**400, float("inf"), float("nan")],
    "start_time": [None, 5, "2026-11-22T10:00:00", "now", "1969-12-31T00:00:00Z", ""],
    "end_time": [5, "2026-11-22T10:00:01", "2026-11-22T09:59:59Z"],
    "duration_ms": [-1, "5", True, 1e300, float("inf"), float("nan")],
    "status": ["done", "", 1, "Success"],
    "environment": ["x" * 257, 5],
    "tags": ["eu", ["x"] * 101],
    "usage_details": [["input"], {str(number): 1 for number in range(51)}],
    "interrupted": ["true", 1],
    "time_to_first_token_ms": [-1, "5"],
    "error_stack": ["x" * 262_145, ["frame"]],
    "events": ["retry", {"name": "retry"}],
    "links": ["t", [{"trace_id": "t", "span_id": "s"}] * 10_001],
    **{name: [1] for name in ("nonsense", "start_ns", "children", "depth", "tokens")},
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BAD.items() for value in values])
def test_an_invalid_value_is_refused_with_the_name_of_its_field(name: str, value: Any) -> None:
    refusal = refusal_of(**{name: value})
    assert [detail.field for detail in refusal.details] == [name]
    assert refusal.message.startswith(f"{name} ")


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({"tags": ["eu", ""]}, "tags[1]"),
        ({"usage_details": {"input": -1}}, "usage_details"),
        ({"events": [{"name": "x"}, {"time": "now"}]}, "events[1].name"),
        ({"events": [{"name": "x", "time": "now"}]}, "events[0].time"),
        ({"links": [{"trace_id": "t", "span_id": "a b"}]}, "links[0].span_id"),
        ({"links": [{"trace_id": "t", "span_id": "s", "state": 1}]}, "links[0].state"),
    ],
)
def test_an_invalid_entry_is_refused_with_its_path(sent: dict[str, Any], field: str) -> None:
    assert field in [detail.field for detail in refusal_of(**sent).details]


@pytest.mark.parametrize("name", SENDABLE)
@pytest.mark.parametrize("wrap", [str, lambda text: [text], lambda text: {text: text}])
def test_no_refusal_repeats_a_value(name: str, wrap: Any) -> None:
    text = "A-PRIVATE-TEXT " * 5_000
    refusal = refusal_of(**{"output_tokens": text, name: wrap(text), "input_tokens": text})
    assert "PRIVATE" not in f"{refusal.message} {refusal.details} {refusal.__cause__}"


def test_a_refusal_names_every_invalid_field() -> None:
    assert {detail.field for detail in refusal_of(span_name="", cost_usd=-1, foo=1).details} == {
        *("span_name", "cost_usd", "foo")
    }


def test_a_refusal_cuts_the_long_name_of_an_unknown_field() -> None:
    assert refusal_of(**{"x" * 1_000: 1}).details[0].field == "x" * 64


def test_unknown_fields_are_named_before_invalid_ones() -> None:
    refusal = refusal_of(cost_usd=-1, foo=1, events=[{"name": "x", "bar": 1}])
    assert [detail.field for detail in refusal.details] == ["foo", "events[0].bar", "cost_usd"]


def test_the_first_ten_unknown_fields_are_named_in_the_order_in_which_they_were_sent() -> None:
    names = [f"f{number}" for number in range(20, 0, -1)]
    assert [detail.field for detail in refusal_of(**dict.fromkeys(names, 1)).details] == names[:10]


@pytest.mark.parametrize(
    "sent",
    [
        {f"field {number}": 1 for number in range(200_000)},
        {"events": [{"name": "x", f"field {number}": 1} for number in range(10_000)]},
        {"events": [{"name": "x", **{f"field {number}": 1 for number in range(20)}} for _ in range(10_000)]},
    ],
    ids=["in a span", "one in each event", "many in each event"],
)
def test_many_unknown_fields_are_refused_in_a_fraction_of_a_second(sent: dict[str, Any]) -> None:
    body = span(**sent)
    with processor_time() as used, pytest.raises(Invalid):
        parse_span(body, now_ns=START_NS)
    assert used.seconds < 0.3  # measured: 0.1; 11 when each field is described


def test_many_unknown_fields_in_each_span_of_a_batch_are_refused_in_a_fraction_of_a_second() -> None:
    spans = [span(**{f"field {number}": 1 for number in range(200)}) for _ in range(1_000)]
    with processor_time() as used:
        rejected = parse_capture(cast(Json, {"spans": spans}), now_ns=START_NS).rejected
    assert used.seconds < 0.3  # measured: 0.05
    assert len(rejected) == 1_000


def test_a_thousand_unknown_fields_give_a_short_refusal() -> None:
    assert len(refusal_of(**{f"f{number}": 1 for number in range(1_000)}).message) < 1_000


@pytest.mark.parametrize("id_", ["a", "0", "A-b_c.d:e", "x" * 128])
def test_an_id_may_contain_every_character_of_the_contract(id_: str) -> None:
    assert parse_span(span(trace_id=id_), now_ns=START_NS)[0] == id_


@pytest.mark.parametrize("name", ["parent_trace_id", "parent_span_id"])
def test_both_names_of_the_parent_mean_the_same(name: str) -> None:
    assert fields_of(**{name: "p"})["parent_span_id"] == "p"


def test_two_different_parents_are_refused() -> None:
    assert refusal_of(parent_trace_id="p", parent_span_id="q").details[0].field == "parent_span_id"


@pytest.mark.parametrize(
    ("cost_usd", "cost_nano_usd"),
    [(0, 0), (1, 10**9), (1e9, 10**18), (1e-9, 1), (0.1, 10**8), (0.1 + 0.2, 3 * 10**8), (5e-10, 0), (15e-10, 2)],
)
def test_costs_are_rounded_to_whole_nano_dollars(cost_usd: float, cost_nano_usd: int) -> None:
    assert fields_of(cost_usd=cost_usd)["cost_nano_usd"] == cost_nano_usd


@given(st.integers(0, 10**12))
def test_costs_with_nine_decimals_are_exact(cost_nano_usd: int) -> None:
    assert fields_of(cost_usd=float(f"{cost_nano_usd}e-9"))["cost_nano_usd"] == cost_nano_usd


def test_a_duration_gives_the_end() -> None:
    assert fields_of(duration_ms=1_500.25)["end_ns"] == START_NS + 1_500_250_000


def test_an_end_within_a_second_of_the_duration_has_precedence() -> None:
    end_time = format_time(START_NS + 2 * SECOND_NS)
    assert fields_of(end_time=end_time, duration_ms=1_000)["end_ns"] == START_NS + 2 * SECOND_NS


def test_a_duration_that_contradicts_the_end_is_kept() -> None:
    fields = fields_of(end_time=format_time(START_NS + 2 * SECOND_NS), duration_ms=999)
    assert (fields["end_ns"], fields["duration_ns"]) == (START_NS + 2 * SECOND_NS, 999_000_000)


@pytest.mark.parametrize("field", [{"duration_ms": 0}, {"end_time": START}])
def test_a_span_of_no_duration_has_ended(field: dict[str, Any]) -> None:
    assert fields_of(**field)["end_ns"] == START_NS


def test_a_start_one_day_in_the_future_is_accepted() -> None:
    assert parse_span(span(), now_ns=START_NS - NS_PER_DAY)[1]["start_ns"] == START_NS


def test_a_start_more_than_one_day_in_the_future_is_refused() -> None:
    with pytest.raises(Invalid, match="start_time"):
        parse_span(span(), now_ns=START_NS - NS_PER_DAY - 1)


def test_the_pending_status_is_not_stored() -> None:
    assert "status" not in fields_of(status="pending")


@pytest.mark.parametrize("field", [{"duration_ms": 0}, {"end_time": START}])
def test_a_pending_span_that_has_ended_is_refused(field: dict[str, Any]) -> None:
    assert refusal_of(status="pending", **field).details[0].field == "status"


def test_success_with_an_error_message_is_stored_as_sent() -> None:
    assert fields_of(status="success", error_message="recovered")["status"] == "success"


@pytest.mark.parametrize("value", [None, 5, "span", True])
def test_a_span_that_is_not_an_object_is_refused(value: Any) -> None:
    with pytest.raises(Invalid, match="JSON object"):
        parse_span(value, now_ns=START_NS)


def payload_for(span_bytes: int) -> str:
    empty = len('{"input_data":"","span_id":"s","span_name":"llm.completion","start_time":"","trace_id":"t"}') + len(
        START
    )
    return "é" * ((span_bytes - empty) // 2)


def test_a_span_of_four_megabytes_is_accepted() -> None:
    assert fields_of(input_data=payload_for(MAX_SPAN_BYTES))


def test_a_larger_span_is_refused_with_its_own_code() -> None:
    assert refusal_of(input_data=payload_for(MAX_SPAN_BYTES + 2)).code == "span_too_large"


def test_a_short_body_whose_numbers_exceed_the_limit_as_json_is_refused() -> None:
    numbers = [1e15] * 250_000
    with pytest.raises(Invalid) as refused:
        parse_span(span(input_data=numbers), now_ns=START_NS, body_bytes=5 * len(numbers))
    assert refused.value.code == "span_too_large"


def test_one_span_is_a_capture_of_one() -> None:
    capture = parse_capture(span(), now_ns=START_NS)
    assert capture.single
    assert capture.spans == [(0, "t", fields_of())]


def test_a_single_invalid_span_is_refused() -> None:
    with pytest.raises(Invalid, match="span_name"):
        parse_capture(span(span_name=""), now_ns=START_NS)


def unnamed(**fields: Any) -> SpanFields:
    """The fields of a single span that was sent without `span_id` and `start_time`, at the time `START_NS`."""
    capture = parse_capture({"trace_id": "t", "span_name": "llm.completion", **fields}, now_ns=START_NS)
    assert capture.single
    ((_, trace_id, captured),) = capture.spans
    assert trace_id == "t"
    return captured


@pytest.mark.parametrize("sent", [{}, {"span_id": None, "start_time": None}], ids=["absent", "null"])
def test_a_single_span_gets_an_id_and_the_time_of_the_request_as_its_start(sent: dict[str, None]) -> None:
    fields = unnamed(**sent)
    assert re.fullmatch(r"[0-9a-f]{32}", fields["span_id"])
    assert fields == {"span_id": fields["span_id"], "span_name": "llm.completion", "start_ns": START_NS}


def test_two_spans_without_an_id_get_different_ids() -> None:
    assert len({unnamed()["span_id"] for _ in range(1_000)}) == 1_000


def test_a_span_without_an_id_keeps_the_start_that_was_sent() -> None:
    assert unnamed(start_time="2026-11-22T09:00:00Z")["start_ns"] == START_NS - 3_600 * SECOND_NS


@pytest.mark.parametrize(
    ("sent", "start_s", "end_s"),
    [
        ({"end_time": "2026-11-22T09:59:50Z"}, -10, -10),
        ({"end_time": "2026-11-22T10:00:10Z"}, 0, 10),
        ({"end_time": "2026-11-22T09:59:50Z", "duration_ms": 2_000}, -12, -10),
        ({"end_time": "2026-11-22T10:00:10Z", "duration_ms": 2_000}, 8, 10),
        ({"duration_ms": 2_000}, -2, 0),
    ],
)
def test_a_start_is_derived_from_the_end_and_the_duration(sent: dict[str, Any], start_s: int, end_s: int) -> None:
    fields = unnamed(**sent)
    assert (fields["start_ns"], fields["end_ns"]) == (START_NS + start_s * SECOND_NS, START_NS + end_s * SECOND_NS)


@given(
    st.none() | st.integers(-10 * NS_PER_DAY, NS_PER_DAY),
    st.none() | st.integers(0, 10 * 86_400_000),
)
def test_a_derived_start_contradicts_neither_the_end_nor_the_duration(
    end_offset_ns: int | None, duration_ms: int | None
) -> None:
    end_time = None if end_offset_ns is None else format_time(START_NS + end_offset_ns)
    fields = unnamed(end_time=end_time, duration_ms=duration_ms)
    if end_offset_ns is not None:
        assert fields["end_ns"] == START_NS + end_offset_ns
    if duration_ms is not None:
        assert fields["end_ns"] - fields["start_ns"] == duration_ms * 1_000_000
    assert fields["start_ns"] <= fields.get("end_ns", START_NS)


def test_a_derived_start_more_than_one_day_in_the_future_is_refused() -> None:
    with pytest.raises(Invalid, match="start_time"):
        unnamed(end_time="2026-12-22T10:00:00Z", duration_ms=1)


def test_a_single_span_with_an_id_needs_a_start() -> None:
    with pytest.raises(Invalid, match=r"^start_time is required\.$"):
        unnamed(span_id="s")


def test_every_other_rule_holds_for_a_span_without_an_id() -> None:
    with pytest.raises(Invalid) as refused:
        unnamed(span_name="", trace_id="#", status="done", nonsense=1)
    assert {detail.field for detail in refused.value.details} == {"trace_id", "span_name", "status", "nonsense"}
    with pytest.raises(Invalid) as too_large:
        unnamed(input_data="x" * MAX_SPAN_BYTES)
    assert too_large.value.code == "span_too_large"


def test_a_batch_needs_ids_and_starts() -> None:
    capture = parse_capture({"spans": [{"trace_id": "t", "span_name": "x"}]}, now_ns=START_NS)
    assert [rejection.message for rejection in capture.rejected] == ["span_id is required; start_time is required."]


def test_a_batch_keeps_the_valid_spans_and_reports_the_others_by_index() -> None:
    too_large = span(input_data="x" * MAX_SPAN_BYTES)
    capture = parse_capture({"spans": [span(), 5, span(span_id="s2"), span(cost_usd=-1), too_large]}, now_ns=START_NS)
    assert not capture.single
    assert [(index, trace_id, fields["span_id"]) for index, trace_id, fields in capture.spans] == [
        (0, "t", "s"),
        (2, "t", "s2"),
    ]
    assert [(rejection.index, rejection.code) for rejection in capture.rejected] == [
        (1, "invalid_request"),
        (3, "invalid_request"),
        (4, "span_too_large"),
    ]
    assert "cost_usd" in capture.rejected[1].message


def test_a_batch_of_invalid_spans_alone_is_still_a_capture() -> None:
    assert len(parse_capture({"spans": [{}, {}]}, now_ns=START_NS).rejected) == 2


def test_a_batch_may_contain_a_thousand_spans() -> None:
    assert len(parse_capture({"spans": [span()] * 1_000}, now_ns=START_NS).spans) == 1_000


@pytest.mark.parametrize("spans", [[], [{}] * 1_001, None, {}, "spans", 5])
def test_a_batch_that_is_empty_too_long_or_no_list_is_refused(spans: Any) -> None:
    with pytest.raises(Invalid) as refused:
        parse_capture({"spans": spans}, now_ns=START_NS)
    assert refused.value.details[0].field == "spans"


def test_a_refusal_names_the_field_that_was_sent_next_to_spans() -> None:
    with pytest.raises(Invalid) as refused:
        parse_capture({"spans": [span()], "batch": 1}, now_ns=START_NS)
    assert [detail.field for detail in refused.value.details] == ["batch"]


@pytest.mark.parametrize("body", [None, 5, "x", [], [{}]])
def test_a_body_that_is_not_an_object_is_refused(body: Any) -> None:
    with pytest.raises(Invalid, match="JSON object"):
        parse_capture(body, now_ns=START_NS)


def test_a_patch_contains_only_the_fields_that_were_sent() -> None:
    patch = parse_patch(
        {"output_data": {"text": "ho"}, "cost_usd": 0.5, "id": "x", "model_name": None}, now_ns=START_NS
    )
    assert patch.fields == {"output_data": {"text": "ho"}, "cost_nano_usd": 500_000_000}


def test_a_patch_has_its_duration_separate_from_the_fields() -> None:
    patch = parse_patch({"duration_ms": 1.5}, now_ns=START_NS)
    assert (patch.fields, patch.duration_ns) == ({}, 1_500_000)


def test_a_patch_to_pending_is_left_to_the_caller() -> None:
    assert parse_patch({"status": "pending"}, now_ns=START_NS).fields == {"status": "pending"}


@pytest.mark.parametrize("body", [{}, {"model_name": None}, {"id": "x"}, {"model_name": ""}])
def test_an_empty_patch_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(Invalid, match="empty"):
        parse_patch(body, now_ns=START_NS)


@pytest.mark.parametrize("name", ["nonsense", "trace_id", "span_id"])
def test_a_patch_with_an_unknown_field_is_refused_with_its_name(name: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse_patch({name: "x", "status": "error"}, now_ns=START_NS)
    assert refused.value.details[0].field == name


@pytest.mark.parametrize(
    ("end_ns", "duration_ns", "expected"),
    [
        (None, None, {}),
        (None, 5, {"end_ns": 105}),
        (110, None, {"end_ns": 110}),
        (110, 5, {"end_ns": 110}),
        (100 + SECOND_NS, 0, {"end_ns": 100 + SECOND_NS}),
        (101 + SECOND_NS, 0, {"end_ns": 101 + SECOND_NS, "duration_ns": 0}),
        (100, SECOND_NS + 1, {"end_ns": 100, "duration_ns": SECOND_NS + 1}),
    ],
)
def test_the_end_is_as_sent_or_the_start_plus_the_duration_and_a_contradicting_duration_is_kept(
    end_ns: int | None, duration_ns: int | None, expected: dict[str, int]
) -> None:
    assert times_of(100, end_ns, duration_ns) == expected


@pytest.mark.parametrize("duration_ns", [None, 0, SECOND_NS * 2])
def test_an_end_before_the_start_is_refused(duration_ns: int | None) -> None:
    with pytest.raises(Invalid) as refused:
        times_of(100, 99, duration_ns)
    assert [detail.field for detail in refused.value.details] == ["end_time"]


def test_a_span_of_log_records_without_a_start_begins_when_it_arrives() -> None:
    now_ns = 1_800_000_000 * 10**9
    body: Json = {"spans": [{"trace_id": "t", "span_id": "a", "span_name": "s", "from_logs": True}]}
    capture = parse_capture(body, now_ns=now_ns)
    ((_, trace_id, fields),) = capture.spans
    assert (trace_id, fields["start_ns"], capture.from_logs) == ("t", now_ns, {0})
