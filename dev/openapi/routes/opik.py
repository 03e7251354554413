"""The routes of Opik's SDKs."""

from collections.abc import Mapping
from typing import Any, Final

from dev.openapi.answers.values import ANY_MEMBERS
from dev.openapi.operations import JSON, JSON_CODES, STORED_CODES, Body, Operation, returns
from dev.openapi.routes.sdk_values import NON_EMPTY, SCORED
from dev.openapi.schemas import Schema, array, boolean, obj, open_obj, string

_ID: Final = "01a2214b-f4b9-7943-b297-799f11a0500c"
_TRACE: Final = open_obj({"id": NON_EMPTY}, examples=[{"id": _ID}])
_SPAN: Final = open_obj({"id": NON_EMPTY, "trace_id": NON_EMPTY}, examples=[{"id": _ID, "trace_id": _ID}])
_SCORES: Final = open_obj({"scores": array(open_obj({"id": NON_EMPTY, "name": NON_EMPTY, "value": SCORED}))})


def _storing(schema: Schema, *codes: str, example: Any = None) -> Operation:
    """A route that stores for Opik's SDKs, and returns nothing."""
    return Operation(
        answers={204: {}},
        body=Body({JSON: schema}, JSON_CODES, example),
        codes=("conflict", *STORED_CODES, *codes),
        ignores_other_parameters=True,
        texts={204: "Everything is stored"},
    )


_CHANGE: Final = {"end_time": "2026-11-22T10:00:02Z", "trace_id": _ID}
_BY_TEMPLATE: Final[Mapping[str, Operation]] = {
    "GET {prefix}/is-alive/ping": Operation(
        answers=returns(obj({"message": string(examples=["Healthy Server"]), "healthy": boolean()})),
        ignores_other_parameters=True,
    ),
    "POST {prefix}/v1/private/traces/batch": _storing(open_obj({"traces": array(_TRACE)})),
    "POST {prefix}/v1/private/spans/batch": _storing(open_obj({"spans": array(_SPAN)})),
    "POST {prefix}/v1/private/traces": _storing(_TRACE),
    "POST {prefix}/v1/private/spans": _storing(_SPAN),
    "PATCH {prefix}/v1/private/traces/{opik_id}": _storing(ANY_MEMBERS, example=_CHANGE),
    "PATCH {prefix}/v1/private/spans/{opik_id}": _storing(open_obj({"trace_id": NON_EMPTY}), example=_CHANGE),
    "PUT {prefix}/v1/private/traces/feedback-scores": _storing(_SCORES, "too_many_annotations"),
    "PUT {prefix}/v1/private/spans/feedback-scores": _storing(_SCORES, "too_many_annotations"),
}

ROUTES: Final[Mapping[str, Operation]] = {
    route.replace("{prefix}", prefix): operation for prefix in ("", "/api") for route, operation in _BY_TEMPLATE.items()
}
"""Each route for an address that ends in `/api`, and for one that does not."""
