"""Annotations as JSON, and the parameters of lists about them. The only module that names their JSON fields."""

import re
from collections.abc import Mapping
from functools import partial
from typing import Any, Final, cast

from tracestore.domain.annotations import (
    NAME_PATTERN,
    Annotation,
    AnnotationFilter,
    AnnotationSummary,
    Comparison,
    LabelCondition,
    LabelFilter,
    ScoreFilter,
)
from tracestore.domain.errors import Detail, NotFound
from tracestore.domain.filters import SCORE_PREFIX, Condition
from tracestore.domain.times import NS_PER_MS, NS_PER_SECOND, format_time
from tracestore.http.parameters import Reader, text_of
from tracestore.http.request import Request
from tracestore.storage.model import Head, StoredHead

_NAME: Final = re.compile(NAME_PATTERN)
_SCORE_NAME: Final = re.compile(rf"{re.escape(SCORE_PREFIX)}({NAME_PATTERN})([<>]?)")
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,16}(?:\.[0-9]{1,30})?(?:[eE][+-]?[0-9]{1,2})?")


def annotation_json(trace_id: str, annotation: Annotation, head: StoredHead | None) -> dict[str, Any]:
    """An annotation with all of its fields. *absent*: null. It waits for its trace where the head is no `Head`."""
    return {
        "trace_id": trace_id,
        "name": annotation.name,
        "id": annotation.annotation_id,
        "span_id": annotation.span_id,
        "value": annotation.value,
        "comment": annotation.comment,
        "source": annotation.source,
        "created_at": format_time(annotation.created_ms * NS_PER_MS),
        "updated_at": format_time(annotation.updated_ms * NS_PER_MS),
        "expires_at": format_time(head.expires_at_s * NS_PER_SECOND) if head else None,
        "is_waiting": not isinstance(head, Head),
    }


def annotations_in_summary(summary: AnnotationSummary) -> dict[str, Any]:
    """The fields of a trace's summary about its annotations. `annotations_cut` is present where some are left out."""
    content: dict[str, Any] = {
        "scores": {name: score.mean for name, score in summary.scores},
        "labels": {name: list(values) for name, values in summary.labels},
        "annotation_count": summary.count,
        "annotated_at": format_time(summary.updated_ms * NS_PER_MS) if summary.count else None,
    }
    return content | ({"annotations_cut": True} if summary.is_cut else {})


def annotation_name(request: Request) -> str:
    """The name in the path. *raises*: NotFound for a text that cannot be a name."""
    name = request.path["name"]
    if _NAME.fullmatch(name) is None:
        raise NotFound("There is no such annotation.")
    return name


def annotation_filters(
    read: Reader, parameters: Mapping[str, str], labels: Condition | None
) -> tuple[AnnotationFilter, ...]:
    """The filters by labels, and by the scores in the parameters of a list. `read` collects the malformed ones."""
    filters: list[AnnotationFilter] = []
    if labels is not None:
        any_of, none_of = (tuple(map(_label_filter, texts)) for texts in labels)
        filters.append(LabelCondition(any_of, none_of))
    for name in parameters:
        if name.startswith(SCORE_PREFIX):
            scores = read.all(name, partial(_score_filter, name))
            if len(scores) > 1:
                read.problems.append(Detail(name, "is given twice: send it once"))
            filters += scores
    return tuple(filters)


def label_text(text: str) -> str:
    """A name, or a name and a label with a colon between them. *raises*: ValueError for any other text."""
    if _NAME.fullmatch(text_of(text).partition(":")[0]) is None:
        raise ValueError("must be the name of an annotation, or a name and a label with a colon between them")
    return text


def _label_filter(text: str) -> LabelFilter:
    name, colon, value = text.partition(":")
    return LabelFilter(name, value if colon else None)


def _score_filter(parameter: str, text: str) -> ScoreFilter:
    match = _SCORE_NAME.fullmatch(parameter)
    if match is None:
        raise ValueError("must have the form score.NAME with >=, <= or = and a number, such as score.quality>=0.5")
    if _NUMBER.fullmatch(text) is None:
        raise ValueError("must be compared by >=, <= or = with a number, such as 0.5")
    return ScoreFilter(match[1], cast(Comparison, f"{match[2]}="), float(text))
