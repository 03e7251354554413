"""Annotations: scores, labels and notes that people or programs attach to a trace or to one of its spans.

They never change the trace. Its summary contains a bounded copy of them, by which lists filter.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import fsum
from typing import Final, Literal, NamedTuple, TypeAlias

AnnotationValue: TypeAlias = bool | int | float | str

NAME_PATTERN: Final = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}"
"""Names have no colon and no sign of comparison: `label=name:value` and `score.name>=1` end a name at it."""

SCORES_KEPT: Final = 50
LABELS_KEPT: Final = 100
LABEL_CHARACTERS_KEPT: Final = 2_000
"""Names of scores, values of labels, and characters of labels in a summary. Lists read whole heads, so the copy is
small. Beyond them it is cut, and a filter reads the annotations themselves."""


@dataclass(frozen=True, slots=True)
class Annotation:
    """A value by a source, about a trace or about the span `span_id`.

    Its span, name and `annotation_id` identify it within its trace. `updated_ms` moves when its content changes.
    """

    name: str
    annotation_id: str
    value: AnnotationValue
    source: str
    span_id: str | None = None
    comment: str | None = None
    created_ms: int = 0
    updated_ms: int = 0

    @property
    def content(self) -> tuple[AnnotationValue, type, str, str | None]:
        """Everything that a client sends except what identifies it. To Python 1, 1.0 and True are equal."""
        return self.value, type(self.value), self.source, self.comment

    @property
    def score(self) -> float | None:
        """The value as a number: true counts as 1, false as 0. *absent*: None for a text."""
        return None if isinstance(self.value, str) else float(self.value)

    @property
    def label(self) -> str | None:
        """The value as a label. *absent*: None for a number."""
        if isinstance(self.value, bool):
            return "true" if self.value else "false"
        return self.value if isinstance(self.value, str) else None


class Score(NamedTuple):
    """The mean of all values of one name, and their number."""

    mean: float
    value_count: int


class GroupedScore(NamedTuple):
    """The values of one score that are about one value of a dimension, such as a model.

    *units*: their sum is in millionths, so that differences are exact.
    """

    name: str
    value: str
    value_count: int
    sum_micro: int


ScoreGroups: TypeAlias = tuple[tuple[GroupedScore, ...], ...]
"""For each dimension, the scores by value: see `score_groups.py`."""


@dataclass(frozen=True, slots=True)
class AnnotationSummary:
    """The annotations of a trace and of its spans in brief.

    *shape*: `scores` by name, `labels` as the values of each name, both sorted. It `is_cut` where there are more of
    them; `count` counts all annotations. `updated_ms` is the time of the latest change of those that exist.
    *absent*: without scores, and in a head that was stored before there were any, `score_groups` is empty.
    """

    count: int = 0
    updated_ms: int = 0
    scores: tuple[tuple[str, Score], ...] = ()
    labels: tuple[tuple[str, tuple[str, ...]], ...] = ()
    is_cut: bool = False
    score_groups: ScoreGroups = ()


NO_ANNOTATIONS: Final = AnnotationSummary()


def summarize_annotations(annotations: Iterable[Annotation], *, is_bounded: bool = True) -> AnnotationSummary:
    """The summary of these annotations, given in any order; without bounds unless it `is_bounded`."""
    numbers: dict[str, list[float]] = {}
    texts: dict[str, set[str]] = {}
    count = updated_ms = 0
    for annotation in annotations:
        count += 1
        updated_ms = max(updated_ms, annotation.updated_ms)
        if annotation.score is not None:
            numbers.setdefault(annotation.name, []).append(annotation.score)
        if annotation.label is not None:
            texts.setdefault(annotation.name, set()).add(annotation.label)
    scores = [(name, Score(fsum(numbers[name]) / len(numbers[name]), len(numbers[name]))) for name in sorted(numbers)]
    labels = [(name, value) for name in sorted(texts) for value in sorted(texts[name])]
    kept_scores, kept_labels = (scores[:SCORES_KEPT], _first_few(labels)) if is_bounded else (scores, labels)
    by_name: dict[str, list[str]] = {}
    for name, value in kept_labels:
        by_name.setdefault(name, []).append(value)
    return AnnotationSummary(
        count,
        updated_ms,
        tuple(kept_scores),
        tuple((name, tuple(values)) for name, values in by_name.items()),
        is_cut=len(kept_scores) < len(scores) or len(kept_labels) < len(labels),
    )


def _first_few(labels: list[tuple[str, str]]) -> list[tuple[str, str]]:
    kept, characters = [], 0
    for name, value in labels[:LABELS_KEPT]:
        characters += len(name) + len(value)
        if characters > LABEL_CHARACTERS_KEPT:
            break
        kept.append((name, value))
    return kept


Comparison: TypeAlias = Literal[">=", "<=", "="]


class ScoreFilter(NamedTuple):
    """A condition on the mean of a trace's score."""

    name: str
    comparison: Comparison
    value: float

    def match(self, summary: AnnotationSummary) -> bool:
        """Whether the trace has this score and it meets the condition."""
        score = dict(summary.scores).get(self.name)
        if score is None:
            return False
        if self.comparison == "=":
            return score.mean == self.value
        return score.mean >= self.value if self.comparison == ">=" else score.mean <= self.value


class LabelFilter(NamedTuple):
    """A condition on labels: an annotation of this name, which has this label unless `value` is None."""

    name: str
    value: str | None = None

    def match(self, summary: AnnotationSummary) -> bool:
        """Whether the trace has such an annotation. One of a number has no label, but a name."""
        labels = dict(summary.labels).get(self.name)
        if self.value is None:
            return labels is not None or self.name in dict(summary.scores)
        return labels is not None and self.value in labels


class LabelCondition(NamedTuple):
    """A condition on labels: any of the first filters matches, and none of the second.

    *absent*: an empty `any_of` requires nothing.
    """

    any_of: tuple[LabelFilter, ...] = ()
    none_of: tuple[LabelFilter, ...] = ()

    def match(self, summary: AnnotationSummary) -> bool:
        """Whether the labels of a trace meet the condition."""
        is_any = not self.any_of or any(each.match(summary) for each in self.any_of)
        return is_any and not any(each.match(summary) for each in self.none_of)


AnnotationFilter: TypeAlias = ScoreFilter | LabelFilter | LabelCondition


def match_annotations(
    filters: Iterable[AnnotationFilter], summary: AnnotationSummary, annotations: Callable[[], Iterable[Annotation]]
) -> bool:
    """Whether a trace meets all of the filters. `annotations` is called only where the summary is cut."""
    chosen = list(filters)
    if chosen and summary.is_cut:
        summary = summarize_annotations(annotations(), is_bounded=False)
    return all(each.match(summary) for each in chosen)
