"""The scores of a trace by model and by prompt version: those of the spans that a score is about."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import fsum
from typing import Final, TypeAlias

from .annotations import SCORES_KEPT, Annotation, GroupedScore, ScoreGroups
from .dimensions import OTHER, cut
from .merge import Span
from .tree import Node, tree_order

SCORE_DIMENSIONS: Final = ("model_name", "prompt_version")
"""The dimensions by which scores are counted. Heads store them in this order: a new one goes to the end."""

VALUES_OF_SCORES_KEPT: Final = 10
"""Values of one dimension in the scores of one trace. Scores about further ones are counted under `OTHER`."""

MICRO: Final = 1_000_000

_Values: TypeAlias = tuple[set[str], ...]
"""The values of a trace or a span, for each of `SCORE_DIMENSIONS`."""

_NO_VALUES: Final[_Values] = (set(),) * len(SCORE_DIMENSIONS)


def score_groups_of(
    annotations: Iterable[Annotation], values: Mapping[str, Sequence[str]], spans: Callable[[], Sequence[Span]]
) -> ScoreGroups:
    """The scores of a trace by each value of each of `SCORE_DIMENSIONS`.

    A score about the trace counts once for each of its `values`, those by which lists filter. A score about a span
    counts for the span's own value; where it has none, once for each value of the spans below it. `spans` is called
    only where a score is about a span. *absent*: a score without any value counts under an empty one.
    """
    scored = [annotation for annotation in annotations if annotation.score is not None]
    kept = sorted({annotation.name for annotation in scored})[:SCORES_KEPT]
    scored = [annotation for annotation in scored if annotation.name in kept]
    about_spans = {annotation.span_id for annotation in scored if annotation.span_id is not None}
    by_span = _values_of_spans(tree_order(spans()), about_spans) if about_spans else {}
    by_span[None] = tuple({cut(value) for value in values.get(name, ())} for name in SCORE_DIMENSIONS)
    return tuple(_grouped(scored, by_span, index) for index in range(len(SCORE_DIMENSIONS)))


def _grouped(
    scored: Sequence[Annotation], by_span: Mapping[str | None, _Values], index: int
) -> tuple[GroupedScore, ...]:
    pairs = [
        (value, annotation)
        for annotation in scored
        for value in (by_span.get(annotation.span_id, _NO_VALUES)[index] or {""})
    ]
    kept = sorted({value for value, _ in pairs})[:VALUES_OF_SCORES_KEPT]
    numbers: dict[tuple[str, str], dict[int, float]] = {}
    for value, annotation in pairs:
        of_pair = numbers.setdefault((annotation.name, value if value in kept else OTHER), {})
        assert annotation.score is not None
        of_pair[id(annotation)] = annotation.score  # once, also where several of its values are counted as other
    return tuple(
        GroupedScore(name, value, len(scores), round(fsum(scores.values()) * MICRO))
        for (name, value), scores in sorted(numbers.items())
    )


def _values_of_spans(nodes: Sequence[Node], span_ids: Iterable[str]) -> dict[str | None, _Values]:
    """The values of each of these spans that the trace has."""
    indexes = {node.span.span_id: index for index, node in enumerate(nodes)}
    values: dict[str | None, _Values] = {}
    for span_id in span_ids:
        if (index := indexes.get(span_id)) is not None:
            below = _below(nodes, index)
            values[span_id] = tuple(
                _own(nodes[index].span, name) or {value for span, _ in below for value in _own(span, name)}
                for name in SCORE_DIMENSIONS
            )
    return values


def _below(nodes: Sequence[Node], index: int) -> Sequence[Node]:
    end = index + 1
    while end < len(nodes) and nodes[end].depth > nodes[index].depth:
        end += 1
    return nodes[index + 1 : end]


def _own(span: Span, name: str) -> set[str]:
    value = span.fields.get(name)
    return {cut(value)} if value else set()
