"""Checks of real requests and responses against the document. The tests send every reply of the handlers through it."""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final
from urllib.parse import parse_qsl

from dev.openapi.document import build, operations
from dev.openapi.operations import ANY_TYPE, JSON
from dev.openapi.routes import OPERATIONS
from dev.openapi.schemas import Schema, Strict
from dev.template import Route

NESTING_MOST: Final = 100
"""The levels of a tree up to which it is validated, since validation is recursive."""

_REFUSALS: Final = {"anyOf": [{"$ref": "#/components/schemas/Error"}, {"$ref": "#/components/schemas/GatewayError"}]}


def problems_of_reply(route: Route, status: int, headers: Mapping[str, str], body: bytes) -> Iterator[str]:
    """The differences between a response and the document."""
    if not route.path:
        yield from _problems(json.loads(body), _REFUSALS)
        return
    if not route.is_one_path:
        if status >= 400:
            yield from _problems(json.loads(body), _REFUSALS)
        return
    responses = _operations()[route.key]["responses"]
    if str(status) not in responses:
        yield f"the status {status} is not in the document"
        return
    response = responses[str(status)]
    content = response.get("content", {})
    kind = headers.get("content-type", "").partition(";")[0]
    if not content or not body:
        if body:
            yield "the document has no body for this response"
        return
    if ANY_TYPE not in content and kind not in content:
        yield f"the content type {kind} is not in the document"
    elif kind == JSON and JSON in content and body.count(b'"children":[{') < NESTING_MOST:
        yield from _problems(json.loads(body), content[kind]["schema"])
    elif kind == "application/x-ndjson":
        for line in body.splitlines():
            yield from _problems(json.loads(line), {"$ref": "#/components/schemas/ExportedSpan"})
    absent = [name for name in response.get("headers", {}) if name.lower() not in headers and name in _ALWAYS]
    if absent:
        yield f"the headers {absent} are absent"


_ALWAYS: Final = ("ETag", "WWW-Authenticate")


def problems_of_request(route: Route, query: str, body: bytes) -> Iterator[str]:
    """The differences between a request that a handler has accepted and the document."""
    if not route.is_one_path:
        return
    operation = _operations()[route.key]
    schemas = {p["name"]: p["schema"] for p in operation.get("parameters", ()) if p["in"] == "query"}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in schemas:
            if name.startswith(OPERATIONS[route.key].prefixes or ("\0",)):
                continue
            if OPERATIONS[route.key].ignores_other_parameters:
                continue
            yield f"the parameter {name} is not in the document"
        else:
            for problem in _problems(_typed(value, schemas[name]), schemas[name]):
                yield f"the parameter {name}: {problem}"
    content = operation.get("requestBody", {}).get("content", {})
    if set(content) == {JSON}:
        yield from _problems(json.loads(body), content[JSON]["schema"])


def _typed(text: str, schema: Schema) -> Any:
    """A parameter's value with the type of its schema, if it can have that type. One of several values is a list."""
    if schema.get("type") == "array":
        return [text]
    if schema.get("type") in ("integer", "number", "boolean"):
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text


def _problems(value: Any, schema: Schema) -> Iterator[str]:
    return _strict().problems(value, schema)


@cache
def _strict() -> Strict:
    return Strict(build()["components"]["schemas"])


@cache
def _operations() -> dict[str, dict[str, Any]]:
    return dict(operations(build()))
