"""The routes of shares."""

from collections.abc import Mapping
from typing import Final

from dev.openapi.answers.account import SHARE_FIELDS
from dev.openapi.answers.values import IGNORED, success
from dev.openapi.operations import JSON, JSON_CODES, TRACE_PATH, Body, Link, Operation, returns
from dev.openapi.schemas import array, boolean, obj, ref, string

_SHARE_PATH: Final = {**TRACE_PATH, "share_id": "$response.body#/data/share_id"}
_SHARE_BODY: Final = obj(
    {
        "expires_at": string("At most 90 days ahead", format="date-time", examples=["2026-11-29T10:00:00Z"]),
        "payloads": boolean(),
    },
    dict.fromkeys(("share_id", "trace_id", "created_at", "link"), IGNORED),
    additionalProperties=False,
)
_LINK_TO_SHARE: Final = string("Only in this response", examples=["/traces/shared#tss_8hQ…"])

ROUTES: Final[Mapping[str, Operation]] = {
    "POST /api/analytics/traces/{trace_id}/shares": Operation(
        answers=returns(
            success(data=obj({**SHARE_FIELDS, "link": _LINK_TO_SHARE})),
            201,
        ),
        body=Body({JSON: _SHARE_BODY}, JSON_CODES, {"expires_at": "2026-11-29T10:00:00Z", "payloads": False}),
        codes=("conflict",),
        links={"revoke": Link("DELETE /api/analytics/traces/{trace_id}/shares/{share_id}", _SHARE_PATH)},
    ),
    "GET /api/analytics/traces/{trace_id}/shares": Operation(answers=returns(success(shares=array(ref("Share"))))),
    "DELETE /api/analytics/traces/{trace_id}/shares/{share_id}": Operation(answers=returns(success())),
}
