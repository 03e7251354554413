"""Documents of annotations: one annotation, and the bounded copy of all of them in a head."""

from collections.abc import Sequence
from typing import Any, Final

from tracestore.domain.annotations import (
    NO_ANNOTATIONS,
    Annotation,
    AnnotationSummary,
    GroupedScore,
    Score,
    ScoreGroups,
)

from ..codec import pack, unpack
from .positional import extended

_NAMES: Final = {
    "n": "name",
    "i": "annotation_id",
    "v": "value",
    "f": "source",
    "s": "span_id",
    "c": "comment",
    "t": "created_ms",
    "u": "updated_ms",
}


def pack_annotation(annotation: Annotation) -> bytes:
    """An annotation as stored bytes.

    *shape*: `n` name, `i` id, `v` value, `f` source, `s` span id, `c` comment, `t` created and `u` updated, in
    milliseconds. *absent*: span id and comment are left out.
    """
    content = {key: getattr(annotation, name) for key, name in _NAMES.items()}
    return pack({key: value for key, value in content.items() if value is not None})


def unpack_annotation(packed: bytes) -> Annotation:
    """The annotation that `pack_annotation` was given. *raises*: Unreadable."""
    content = unpack(packed)
    return Annotation(**{name: content[key] for key, name in _NAMES.items() if key in content})


def annotations_document(summary: AnnotationSummary) -> list[Any]:
    """The annotations of a trace in brief, as JSON.

    *shape*: number, last change in milliseconds, `[mean, number of values]` of scores by name, values of labels by
    name, 1 if there are more of them than the head contains else 0, the scores by group. *absent*: empty without
    annotations; groups are left out without scores.
    """
    if summary == NO_ANNOTATIONS:
        return []
    document = [summary.count, summary.updated_ms, dict(summary.scores), dict(summary.labels), int(summary.is_cut)]
    return [*document, _groups_document(summary.score_groups)] if any(summary.score_groups) else document


def annotations_from_document(document: Sequence[Any]) -> AnnotationSummary:
    """The summary that `annotations_document` was given."""
    if not document:
        return NO_ANNOTATIONS
    count, updated_ms, scores, labels, is_cut, groups = extended(document, (0, 0, {}, {}, 0, []))
    return AnnotationSummary(
        count,
        updated_ms,
        tuple((name, Score(float(mean), number)) for name, (mean, number) in scores.items()),
        tuple((name, tuple(values)) for name, values in labels.items()),
        bool(is_cut),
        _groups(groups),
    )


def _groups_document(groups: ScoreGroups) -> list[dict[str, dict[str, list[int]]]]:
    """For each dimension an object by value, which has an object by name: `[number of values, sum in millionths]`."""
    document: list[dict[str, dict[str, list[int]]]] = []
    for rows in groups:
        by_value: dict[str, dict[str, list[int]]] = {}
        for row in rows:
            by_value.setdefault(row.value, {})[row.name] = [row.value_count, row.sum_micro]
        document.append(by_value)
    return document


def _groups(document: Sequence[Any]) -> ScoreGroups:
    return tuple(
        tuple(
            sorted(
                GroupedScore(name, value, *extended(total, (0, 0)))
                for value, by_name in by_value.items()
                for name, total in by_name.items()
            )
        )
        for by_value in document
    )
