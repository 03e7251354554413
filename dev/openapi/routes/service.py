"""The routes of the deployment itself: its health, its API document, its documentation and its page."""

from collections.abc import Mapping
from typing import Final

from dev.openapi.answers.values import success
from dev.openapi.operations import Operation, returns
from dev.openapi.schemas import anything, choice, nullable, obj, string

ROUTES: Final[Mapping[str, Operation]] = {
    "GET /healthz": Operation(
        answers=returns(success(status={"type": "string", "const": "ok"})), ignores_other_parameters=True
    ),
    "GET /openapi.json": Operation(answers=returns(anything("An OpenAPI 3.1 document")), has_etag=True),
    "GET /docs": Operation(answers={200: {"text/html": string()}}, has_etag=True, ignores_other_parameters=True),
    "GET /docs/{file}": Operation(answers={200: {"text/css": string(), "text/javascript": string()}}, has_etag=True),
    "GET /": Operation(
        answers={302: {}},
        texts={302: "The page is at the address in `Location`, which is relative"},
        headers={"Location": "The address of the page, relative to that of the request"},
        ignores_other_parameters=True,
    ),
    "GET /traces": Operation(
        answers={200: {"text/html": string()}}, has_etag=True, ignores_other_parameters=True, codes=("not_found",)
    ),
    "GET /traces/config.json": Operation(
        answers=returns(
            success(
                oidc=nullable(
                    obj({"issuer": string(), "client_id": string(), "scope": string(), "token": choice("access", "id")})
                ),
                version=nullable(string()),
                retention_days={"type": "integer", "minimum": 1},
            )
        ),
        has_etag=True,
    ),
}
