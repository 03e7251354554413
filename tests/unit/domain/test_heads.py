"""A trace's summary for lists is derived from its spans and nothing else."""

from typing import Any

import pytest

from tests.builders import START_NS, call, fields, summary_of
from tracestore.domain.heads import VALUE_CHARACTERS_KEPT, VALUES_KEPT


def test_a_trace_is_named_after_its_root() -> None:
    summary = summary_of(call("a", "root", start_ns=1, lesson_id="no"), fields("root", start_ns=5, lesson_id="yes"))
    assert (summary.name, summary.root_span_id, summary.lesson_id) == ("call.root", "root", "yes")


def test_a_trace_without_a_root_is_named_after_its_earliest_span() -> None:
    summary = summary_of(call("b", "lost", start_ns=2), call("a", "lost", start_ns=1))
    assert (summary.name, summary.root_span_id) == ("call.a", "a")


def test_the_earlier_of_two_roots_is_the_root() -> None:
    assert summary_of(fields("b", start_ns=START_NS), fields("a", start_ns=START_NS + 1)).root_span_id == "b"


def test_a_span_that_is_its_own_parent_is_a_root() -> None:
    assert summary_of(call("a", "a", start_ns=5), call("b", "a", start_ns=1)).root_span_id == "a"


def test_a_trace_lasts_from_the_first_start_to_the_last_end_of_its_spans() -> None:
    summary = summary_of(fields("root", end_ns=START_NS + 5), fields("a", start_ns=START_NS - 1, end_ns=START_NS + 9))
    assert (summary.start_ns, summary.end_ns) == (START_NS - 1, START_NS + 9)


def test_a_trace_has_no_end_while_its_root_is_pending() -> None:
    summary = summary_of(fields("root", end_ns=None), call("a", "root"))
    assert (summary.status, summary.end_ns) == ("pending", None)


def test_a_traces_status_is_its_roots_and_failed_spans_are_counted() -> None:
    summary = summary_of(fields("root"), call("a", "root", status="error"), call("b", "root", error_type="x"))
    assert (summary.status, summary.error_count) == ("success", 2)


def test_the_end_user_is_the_roots_or_else_the_earliest_spans_that_has_one() -> None:
    children = [call("b", "root", start_ns=2, end_user_id="b"), call("a", "root", start_ns=1, end_user_id="a")]
    assert summary_of(*children, fields("root")).end_user_id == "a"
    assert summary_of(*children, fields("root", end_user_id="root")).end_user_id == "root"


def test_a_summary_contains_each_value_of_its_spans_once() -> None:
    summary = summary_of(call("a", model_name="x"), call("b", model_name="y"), call("c", model_name="x"))
    assert (summary.values["model_name"], summary.values_cut) == (["x", "y"], ())


@pytest.mark.parametrize(
    ("count", "length", "stored_count", "is_cut"),
    [
        (VALUES_KEPT, 3, VALUES_KEPT, False),
        (VALUES_KEPT + 1, 3, VALUES_KEPT, True),
        (10, VALUE_CHARACTERS_KEPT // 10, 10, False),
        (11, VALUE_CHARACTERS_KEPT // 10, 10, True),
        (1, VALUE_CHARACTERS_KEPT + 1, 0, True),
    ],
)
def test_a_summary_names_the_fields_whose_values_it_does_not_contain_in_full(
    count: int, length: int, stored_count: int, is_cut: bool
) -> None:
    summary = summary_of(*[call(f"s{n}", tool_name=f"{n:0{length}}") for n in range(count)])
    assert len(summary.values["tool_name"]) == stored_count
    assert ("tool_name" in summary.values_cut) == is_cut


@pytest.mark.parametrize("field", ["input_data", "output_data"])
def test_the_previews_are_of_the_roots_payloads(field: str) -> None:
    payloads: list[dict[str, Any]] = [{field: "root's"}, {field: "child's"}]
    summary = summary_of(fields("root", **payloads[0]), call("a", "root", **payloads[1]))
    assert summary.previews[field == "output_data"] == "root's"
