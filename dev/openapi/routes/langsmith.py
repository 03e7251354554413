"""The routes of LangSmith's SDKs."""

from collections.abc import Mapping
from typing import Any, Final

from dev.openapi.answers.values import ANY_MEMBERS
from dev.openapi.operations import JSON, JSON_CODES, MULTIPART, STORED_CODES, Body, Operation, returns
from dev.openapi.routes.sdk_values import EMPTY, NON_EMPTY, SCORED
from dev.openapi.schemas import Schema, array, boolean, integer, obj, open_obj, string

_RUN_ID: Final = "0af76519-16cd-43dd-8448-eb211c80319c"
_RUN_EXAMPLE: Final = {"id": _RUN_ID, "trace_id": _RUN_ID, "name": "ask", "run_type": "chain"}
_RUN: Final = open_obj({"id": NON_EMPTY}, examples=[_RUN_EXAMPLE])
_FEEDBACK: Final = open_obj(
    {"run_id": NON_EMPTY, "key": NON_EMPTY},
    {name: {"anyOf": [SCORED, EMPTY]} for name in ("score", "value")},
    anyOf=[{"required": [name], "properties": {name: SCORED}} for name in ("score", "value")],
)


def _runs(content: Mapping[str, Schema], codes: tuple[str, ...] = (), example: Any = None) -> Operation:
    """A route that accepts LangSmith's runs."""
    return Operation(
        answers=returns(obj({"message": string(examples=["Runs batch ingested"])}), 202),
        body=Body(content, (*JSON_CODES, *codes), example),
        codes=("conflict", *STORED_CODES),
        ignores_other_parameters=True,
        texts={202: "The runs are stored"},
    )


ROUTES: Final[Mapping[str, Operation]] = {
    "GET /info": Operation(
        answers=returns(
            obj(
                {
                    "version": string(examples=["0.12.0"]),
                    "license_expiration_time": {"type": "null"},
                    "batch_ingest_config": obj(
                        {
                            "use_multipart_endpoint": boolean(),
                            "scale_up_qsize_trigger": integer(),
                            "scale_up_nthreads_limit": integer(),
                            "scale_down_nempty_trigger": integer(),
                            "size_limit": integer(),
                            "size_limit_bytes": integer(),
                        }
                    ),
                    "instance_flags": obj({"zstd_compression_enabled": boolean(), "gzip_body_enabled": boolean()}),
                }
            )
        ),
        ignores_other_parameters=True,
    ),
    "POST /runs/multipart": _runs(
        {MULTIPART: string(contentMediaType=MULTIPART)}, ("malformed_multipart", "unsupported_media_type")
    ),
    "POST /runs/batch": _runs(
        {JSON: open_obj({}, {"post": array(_RUN), "patch": array(_RUN)})}, example={"post": [_RUN_EXAMPLE]}
    ),
    "POST /runs": _runs({JSON: _RUN}),
    "PATCH /runs/{run_id}": _runs({JSON: ANY_MEMBERS}, example={"end_time": "2026-11-22T10:00:02Z"}),
    "POST /feedback": Operation(
        answers=returns(obj({"id": string(examples=["f1"])})),
        body=Body({JSON: _FEEDBACK}, JSON_CODES, {"run_id": "call", "key": "quality", "score": 1}),
        codes=("conflict", "not_found", "too_many_annotations", "trace_deleted", "span_deleted"),
        ignores_other_parameters=True,
    ),
}
