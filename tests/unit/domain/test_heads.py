"""What a list shows of a trace, derived from its spans and nothing else."""

from typing import Any

import pytest

from tests.builders import START_NS, call, fields, summary_of
from tracestore.domain.heads import VALUE_CHARACTERS_KEPT, VALUES_KEPT


def test_a_trace_is_named_after_its_root() -> None:
    summary = summary_of(call("a", "root", start_ns=1, lesson_id="no"), fields("root", start_ns=5, lesson_id="yes"))
    assert (summary.name, summary.root_span_id, summary.lesson_id) == ("call.root", "root", "yes")


def test_without_a_root_it_is_named_after_the_earliest_span() -> None:
    summary = summary_of(call("b", "lost", start_ns=2), call("a", "lost", start_ns=1))
    assert (summary.name, summary.root_span_id) == ("call.a", "a")


def test_of_two_roots_the_earlier_one_counts() -> None:
    assert summary_of(fields("b", start_ns=1), fields("a", start_ns=2)).root_span_id == "b"


def test_a_span_that_is_its_own_parent_is_a_root() -> None:
    assert summary_of(call("a", "a", start_ns=5), call("b", "a", start_ns=1)).root_span_id == "a"


def test_it_spans_all_of_its_spans() -> None:
    summary = summary_of(fields("root", end_ns=START_NS + 5), fields("a", start_ns=START_NS - 1, end_ns=START_NS + 9))
    assert (summary.start_ns, summary.end_ns) == (START_NS - 1, START_NS + 9)


def test_it_has_no_end_while_its_root_is_pending() -> None:
    summary = summary_of(fields("root", end_ns=None), call("a", "root"))
    assert (summary.status, summary.end_ns) == ("pending", None)


def test_its_status_is_the_roots_and_errors_inside_are_counted() -> None:
    summary = summary_of(fields("root"), call("a", "root", status="error"), call("b", "root", error_type="x"))
    assert (summary.status, summary.error_count) == ("success", 2)


def test_its_end_user_is_the_roots_else_that_of_the_earliest_span_that_has_one() -> None:
    told = [call("b", "root", start_ns=2, end_user_id="b"), call("a", "root", start_ns=1, end_user_id="a")]
    assert summary_of(*told, fields("root")).end_user_id == "a"
    assert summary_of(*told, fields("root", end_user_id="root")).end_user_id == "root"


def test_it_knows_each_value_of_its_spans_once() -> None:
    summary = summary_of(call("a", model_name="x"), call("b", model_name="y"), call("c", model_name="x"))
    assert (summary.values["model_name"], summary.values_cut) == (["x", "y"], ())


@pytest.mark.parametrize(
    ("count", "length", "kept", "is_cut"),
    [
        (VALUES_KEPT, 3, VALUES_KEPT, False),
        (VALUES_KEPT + 1, 3, VALUES_KEPT, True),
        (10, VALUE_CHARACTERS_KEPT // 10, 10, False),
        (11, VALUE_CHARACTERS_KEPT // 10, 10, True),
        (1, VALUE_CHARACTERS_KEPT + 1, 0, True),
    ],
)
def test_it_says_so_when_it_does_not_know_all_values(count: int, length: int, kept: int, is_cut: bool) -> None:
    summary = summary_of(*[call(f"s{n}", tool_name=f"{n:0{length}}") for n in range(count)])
    assert len(summary.values["tool_name"]) == kept
    assert ("tool_name" in summary.values_cut) == is_cut


@pytest.mark.parametrize("field", ["input_data", "output_data"])
def test_its_previews_are_the_roots(field: str) -> None:
    told: list[dict[str, Any]] = [{field: "root's"}, {field: "child's"}]
    summary = summary_of(fields("root", **told[0]), call("a", "root", **told[1]))
    assert summary.previews[field == "output_data"] == "root's"
