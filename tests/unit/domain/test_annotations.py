"""The summary of annotations, and the filters of lists by it."""

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracestore.domain.annotations import (
    LABEL_CHARACTERS_KEPT,
    LABELS_KEPT,
    NO_ANNOTATIONS,
    SCORES_KEPT,
    Annotation,
    AnnotationFilter,
    AnnotationValue,
    LabelCondition,
    LabelFilter,
    ScoreFilter,
    match_annotations,
    summarize_annotations,
)


def note(name: str, value: AnnotationValue, source: str = "judge", **fields: Any) -> Annotation:
    return Annotation(name, source, value, source, **fields)


ANNOTATIONS = [
    note("quality", 0.1),
    note("quality", 0.2, "eve", span_id="a", updated_ms=7),
    note("correct", True),
    note("correct", False, "eve"),
    note("category", "bug"),
    note("category", "billing: refund", "eve", updated_ms=3),
]


def test_a_score_is_the_mean_over_all_sources_and_spans() -> None:
    assert dict(summarize_annotations(ANNOTATIONS).scores) == {
        "quality": (pytest.approx(0.15), 2),
        "correct": (0.5, 2),
    }


def test_labels_are_the_texts_and_booleans_of_a_name() -> None:
    assert summarize_annotations(ANNOTATIONS).labels == (
        ("category", ("billing: refund", "bug")),
        ("correct", ("false", "true")),
    )


def test_the_summary_does_not_depend_on_the_order_of_annotations() -> None:
    many = [note("score", number / 7, str(number)) for number in range(100)] + ANNOTATIONS
    expected = summarize_annotations(many)
    for seed in range(20):
        random.Random(seed).shuffle(many)
        assert summarize_annotations(many) == expected
    assert (expected.count, expected.updated_ms) == (len(many), 7)


def test_no_annotations_have_the_empty_summary() -> None:
    assert summarize_annotations([]) == NO_ANNOTATIONS


@pytest.mark.parametrize(
    ("many", "scores", "labels"),
    [
        ([note(f"s{number:03}", 1) for number in range(SCORES_KEPT + 1)], SCORES_KEPT, 0),
        ([note("n", f"{number:03}", str(number)) for number in range(LABELS_KEPT + 1)], 0, LABELS_KEPT),
        ([note("n", f"{number}" * 499, str(number)) for number in range(9)], 0, LABEL_CHARACTERS_KEPT // 500),
    ],
)
def test_the_summary_is_bounded_and_marked_as_cut(many: list[Annotation], scores: int, labels: int) -> None:
    summary = summarize_annotations(many)
    assert (len(summary.scores), sum(len(values) for _, values in summary.labels)) == (scores, labels)
    assert summary.is_cut
    assert not summarize_annotations(many, is_bounded=False).is_cut
    assert not summarize_annotations(many[:2]).is_cut


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (ScoreFilter("quality", ">=", 0.15), True),
        (ScoreFilter("quality", ">=", 0.16), False),
        (ScoreFilter("quality", "<=", 0.16), True),
        (ScoreFilter("quality", "<=", 0.14), False),
        (ScoreFilter("correct", "=", 0.5), True),
        (ScoreFilter("correct", "=", 1), False),
        (ScoreFilter("category", ">=", -1), False),
        (LabelFilter("category"), True),
        (LabelFilter("quality"), True),
        (LabelFilter("other"), False),
        (LabelFilter("category", "bug"), True),
        (LabelFilter("category", "billing: refund"), True),
        (LabelFilter("category", "Bug"), False),
        (LabelFilter("correct", "true"), True),
        (LabelFilter("quality", "0.1"), False),
        (LabelCondition((LabelFilter("other"), LabelFilter("category", "bug"))), True),
        (LabelCondition((LabelFilter("category"),), (LabelFilter("correct", "true"),)), False),
        (LabelCondition(none_of=(LabelFilter("category", "cat"),)), True),
        (LabelCondition(none_of=(LabelFilter("category"),)), False),
    ],
)
def test_a_filter_matches_the_mean_and_the_labels(condition: AnnotationFilter, expected: bool) -> None:
    assert match_annotations([condition], summarize_annotations(ANNOTATIONS), _unread) is expected
    assert match_annotations([condition, LabelFilter("category")], summarize_annotations(ANNOTATIONS), _unread) is (
        expected
    )


def test_annotations_are_read_only_where_the_summary_is_cut() -> None:
    many = [note(f"s{number:03}", number) for number in range(SCORES_KEPT + 1)]
    summary = summarize_annotations(many)
    assert match_annotations([ScoreFilter("s001", "=", 1)], summary, lambda: many)
    assert match_annotations([ScoreFilter(f"s{SCORES_KEPT:03}", "=", SCORES_KEPT)], summary, lambda: many)
    assert not match_annotations([ScoreFilter(f"s{SCORES_KEPT:03}", "=", 1)], summary, lambda: many)
    assert match_annotations([], summary, _unread)


names = st.sampled_from([f"n{number:02}" for number in range(60)])
values = st.one_of(st.booleans(), st.integers(-3, 3), st.sampled_from(["x", "y" * 90, "z" * 400]))
annotations = st.builds(note, names, values, st.sampled_from(["a", "b", "c"]))
conditions = st.one_of(
    st.builds(ScoreFilter, names, st.sampled_from([">=", "<=", "="]), st.integers(-3, 3)),
    st.builds(LabelFilter, names, st.sampled_from([None, "x", "y" * 90, "true"])),
    st.builds(LabelCondition, none_of=st.tuples(st.builds(LabelFilter, names))),
)


@given(st.lists(annotations, max_size=200), st.lists(conditions, min_size=1, max_size=3))
def test_filters_by_the_bounded_summary_equal_those_by_all_annotations(
    many: list[Annotation], chosen: list[AnnotationFilter]
) -> None:
    whole = summarize_annotations(many, is_bounded=False)
    assert match_annotations(chosen, summarize_annotations(many), lambda: many) is all(
        condition.match(whole) for condition in chosen
    )


def _unread() -> list[Annotation]:
    raise AssertionError("the summary decides")
