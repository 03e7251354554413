"""The routes of the user: what a credential permits, saved views and API keys."""

from collections.abc import Mapping
from typing import Final

from dev.openapi.answers.account import KEY_FIELDS
from dev.openapi.answers.values import IGNORED, success
from dev.openapi.operations import JSON, JSON_CODES, Body, Link, Operation, returns
from dev.openapi.schemas import array, choice, integer, nullable, obj, ref, string
from tracestore.api.account.api_keys import MAX_NAME, MAX_RATE
from tracestore.api.account.views import MAX_QUERY_BYTES, MAX_TITLE
from tracestore.http.identity import SCOPES

_KEY_BODY: Final = obj(
    {
        "name": string(minLength=1, maxLength=MAX_NAME, pattern=r"\S", examples=["ci"]),
        "scopes": array(choice(*SCOPES), minItems=1),
    },
    {
        "expires_at": nullable(string("In the future", format="date-time", examples=["2030-01-01T00:00:00Z"])),
        **dict.fromkeys(
            ("max_requests_per_second", "max_spans_per_second"), nullable(integer(minimum=1, maximum=MAX_RATE))
        ),
        **dict.fromkeys(("key_id", "user_id", "prefix", "created_at", "secret"), IGNORED),
    },
    additionalProperties=False,
)
_VIEW_BODY: Final = obj(
    {
        "query": string(maxLength=MAX_QUERY_BYTES, examples=["status=error&order_by=cost"]),
        "title": string(minLength=1, maxLength=MAX_TITLE, pattern=r"\S", examples=["Failed today"]),
    },
    dict.fromkeys(("name", "created_at", "updated_at"), IGNORED),
    additionalProperties=False,
)
_VIEW_NAME: Final = string(
    "The name of a view", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$", examples=["failed-today"]
)

ROUTES: Final[Mapping[str, Operation]] = {
    "GET /api/me": Operation(
        answers=returns(
            success(
                data=obj(
                    {
                        "user_id": string(examples=["ada"]),
                        "owner_id": string(examples=["ada"]),
                        "team": nullable(string(examples=["search"])),
                        "teams": array(string()),
                        "credential": choice("jwt", "api_key"),
                        "scopes": array(choice(*SCOPES)),
                        "retention_days": integer(examples=[30]),
                    }
                )
            )
        )
    ),
    "PUT /api/me/views/{name}": Operation(
        answers=returns(success(data=ref("SavedView"))),
        body=Body({JSON: _VIEW_BODY}, JSON_CODES, {"query": "status=error&order_by=cost", "title": "Failed today"}),
        codes=("conflict",),
        path={"name": _VIEW_NAME},
        links={"delete": Link("DELETE /api/me/views/{name}", {"name": "$response.body#/data/name"})},
    ),
    "GET /api/me/views": Operation(answers=returns(success(views=array(ref("SavedView"))))),
    "DELETE /api/me/views/{name}": Operation(answers=returns(success()), path={"name": _VIEW_NAME}),
    "POST /api/keys": Operation(
        answers=returns(
            success(data=obj({**KEY_FIELDS, "secret": string("Only in this response", examples=["tsk_nNX-…"])})), 201
        ),
        body=Body({JSON: _KEY_BODY}, JSON_CODES),
        codes=("conflict",),
        links={"revoke": Link("DELETE /api/keys/{key_id}", {"key_id": "$response.body#/data/key_id"})},
    ),
    "GET /api/keys": Operation(answers=returns(success(keys=array(ref("ApiKey"))))),
    "DELETE /api/keys/{key_id}": Operation(answers=returns(success())),
}
