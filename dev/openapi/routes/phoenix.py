"""The routes of Phoenix's client."""

from collections.abc import Mapping
from typing import Final

from dev.openapi.operations import JSON, JSON_CODES, Body, Operation, returns
from dev.openapi.routes.sdk_values import EMPTY, NON_EMPTY, SCORED
from dev.openapi.schemas import Schema, array, obj, open_obj, string

_VALUES: Final = {"score": SCORED, "label": SCORED, "explanation": NON_EMPTY}
_RESULT: Final = open_obj(
    {},
    {name: {"anyOf": [_VALUES[name], EMPTY]} for name in ("score", "label")},
    anyOf=[{"required": [name], "properties": {name: value}} for name, value in _VALUES.items()],
)
_ANNOTATION_ID: Final = obj({"id": string(examples=["human"])})


def _storing(data: Schema, answer: Schema) -> Operation:
    """A route that stores annotations for Phoenix's client."""
    return Operation(
        answers=returns(obj({"data": answer})),
        body=Body({JSON: open_obj({"data": data})}, JSON_CODES),
        codes=("conflict", "not_found", "too_many_annotations", "trace_deleted", "span_deleted"),
        ignores_other_parameters=True,
    )


def _annotations(about: str) -> Operation:
    """A route that stores annotations about spans or about traces for Phoenix's client."""
    fields = {f"{about}_id": NON_EMPTY, "name": NON_EMPTY, "result": _RESULT}
    return _storing(array(open_obj(fields)), array(_ANNOTATION_ID))


ROUTES: Final[Mapping[str, Operation]] = {
    "POST /v1/span_annotations": _annotations("span"),
    "POST /v1/trace_annotations": _annotations("trace"),
    "POST /v1/span_notes": _storing(open_obj({"span_id": NON_EMPTY, "note": NON_EMPTY}), _ANNOTATION_ID),
}
