"""The route of the exporter of the OpenAI Agents SDK."""

from collections.abc import Mapping
from typing import Final

from dev.openapi.answers.values import success
from dev.openapi.operations import JSON, JSON_CODES, STORED_CODES, Body, Operation, returns
from dev.openapi.routes.sdk_values import NON_EMPTY
from dev.openapi.schemas import array, choice, open_obj

_ITEM: Final = {
    "anyOf": [
        open_obj({"object": choice("trace"), "id": NON_EMPTY}),
        open_obj({"object": choice("trace.span"), "id": NON_EMPTY, "trace_id": NON_EMPTY}),
    ]
}

ROUTES: Final[Mapping[str, Operation]] = {
    "POST /v1/traces/ingest": Operation(
        answers=returns(success()),
        body=Body({JSON: open_obj({"data": array(_ITEM)})}, JSON_CODES),
        codes=("conflict", *STORED_CODES),
        ignores_other_parameters=True,
    ),
}
