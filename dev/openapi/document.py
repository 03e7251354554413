"""Builds the OpenAPI document."""

import re
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from http import HTTPStatus
from typing import Any, Final

from dev.functions import load_handler
from dev.openapi.components import components
from dev.openapi.operations import JSON, PROTOBUF, Operation
from dev.openapi.parameters import PATH
from dev.openapi.prose import Prose
from dev.openapi.routes import OPERATIONS
from dev.openapi.schemas import Schema, Strict, complete, example_of, ref
from dev.template import ROOT, Route, Template
from tracestore.api.agent_tools.protocol import rpc_error_response
from tracestore.api.otlp.exports import otlp_error_response
from tracestore.api.traces.shares import SHARED_ROUTES
from tracestore.http.app import ANY, App, ErrorResponse, Registration

VERSION: Final[str] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]

SECURITY: Final[Mapping[str, dict[str, Any]]] = {
    "jwt": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "A JWT of the deployment's identity provider.",
    },
    "apiKey": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "tsk_…",
        "description": "An API key, sent as a bearer token.",
    },
    "apiKeyHeader": {
        "type": "apiKey",
        "in": "header",
        "name": "x-api-key",
        "description": "An API key, sent in a header of its own.",
    },
    "apiKeyBasic": {
        "type": "http",
        "scheme": "basic",
        "description": "An API key as the password, with any user name.",
    },
    "share": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "tss_…",
        "description": "The secret of a share, which opens one trace.",
    },
}
"""The credentials. Only `jwt` is accepted by routes that need a JWT, and `share` only by those of one trace."""

_EVERYWHERE: Final = ("internal_error", "stored_format_unknown", "store_unavailable")
_GATEWAY_TEXTS: Final = {
    413: "API Gateway itself refuses bodies above 10 MB.",
    429: "API Gateway throttles requests. Try again later.",
    431: "API Gateway itself refuses a request line and headers of more than 10,240 bytes together.",
    503: "API Gateway itself responds when a function does not.",
}
"""The statuses of responses that do not come from a function."""

_SUCCESSES: Final = {200: "Success", 201: "Stored", 202: "Accepted: the job continues in the background"}
_TEXT: Final = {"type": "string"}
_ETAG: Final = {"ETag": {"description": "Of this content, for `If-None-Match`", "schema": _TEXT}}
_ERROR_HEADERS: Final = {
    401: {"WWW-Authenticate": {"description": "How to authenticate", "schema": _TEXT}},
    429: {"Retry-After": {"description": "Seconds after which to try again, for `rate_limited`", "schema": _TEXT}},
    503: {"Retry-After": {"description": "Seconds after which to try again", "schema": _TEXT}},
}
_IF_NONE_MATCH: Final = {
    "name": "If-None-Match",
    "in": "header",
    "description": "The `ETag` of a former response: if nothing has changed, the response is a 304 without a body",
    "schema": _TEXT,
}


@cache
def build() -> dict[str, Any]:
    """The document. *raises*: LookupError when a route is not declared, or `docs/api.md` does not describe it."""
    return _Builder(Template(), Prose()).document


def operations(document: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The operations of a document, by route key."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


@dataclass(frozen=True)
class _Builder:
    template: Template
    prose: Prose

    @property
    def document(self) -> dict[str, Any]:
        """The whole document."""
        if undeclared := set(self._routes) ^ set(OPERATIONS):
            raise LookupError(f"dev/openapi/routes and template.yaml differ in {', '.join(sorted(undeclared))}.")
        paths: dict[str, dict[str, Any]] = {}
        for route in self._routes.values():
            paths.setdefault(route.path, {})[route.method.lower()] = self._operation(route)
        chapters = list(dict.fromkeys(self.prose.routes[key] for key in self._routes))
        return {
            "openapi": "3.1.0",
            "info": {
                "title": "tracestore",
                "version": VERSION,
                "summary": "An LLM trace store on API Gateway, Lambda and one DynamoDB table",
                "description": self.prose.introduction(without=[*chapters, "## Errors"]),
            },
            "servers": [{"url": "/", "description": "This deployment"}],
            "tags": [{"name": name.removeprefix("## "), "description": self.prose.chapter(name)} for name in chapters],
            "paths": paths,
            "components": {"schemas": self._components, "securitySchemes": dict(SECURITY)},
        }

    @cached_property
    def _routes(self) -> dict[str, Route]:
        return {route.key: route for route in self.template.routes if route.is_one_path}

    @cached_property
    def _components(self) -> dict[str, Schema]:
        return components(self.prose)

    @cached_property
    def _strict(self) -> Strict:
        return Strict(self._components)

    @cached_property
    def _errors(self) -> dict[str, tuple[int, str, str]]:
        return self.prose.errors()

    def _operation(self, route: Route) -> dict[str, Any]:
        heading, declared, registration = f"### `{route.key}`", OPERATIONS[route.key], self._registration(route)
        examples, in_path = self.prose.examples(heading), {**PATH, **declared.path}
        queries = [
            {
                **_parameter(name, schema, "query"),
                "description": self.prose.parameter(name, heading, *declared.parameter_texts),
            }
            for name, schema in declared.query.items()
        ]
        operation: dict[str, Any] = {
            "operationId": operation_id(route),
            "tags": [self.prose.routes[route.key].removeprefix("## ")],
            "summary": registration.summary,
            "description": self.prose.section(heading),
            "parameters": [
                *(_parameter(name, in_path[name], "path") for name in re.findall(r"\{(\w+)\}", route.path)),
                *queries,
                *([_IF_NONE_MATCH] if declared.has_etag else []),
            ],
            "responses": {
                **self._successes(declared, examples),
                **self._failures(codes_of(route, declared, registration), registration.errors),
            },
            "security": _security(route, registration),
        }
        if declared.one_of:
            operation["x-exactly-one-of"] = list(declared.one_of)
        if declared.body:
            known = [] if declared.body.example is None else [declared.body.example]
            content = self._contents(declared.body.content, [*known, *examples])
            operation["requestBody"] = {"required": True, "content": content}
        return {name: part for name, part in operation.items() if part != []}

    def _registration(self, route: Route) -> Registration:
        function = self.template.functions[route.function]
        load_handler(function)
        app: App = sys.modules[function.file.stem].app
        return app.registration(route.key)

    def _successes(self, declared: Operation, examples: Sequence[Any]) -> dict[str, Any]:
        links = {
            name: (
                link.status,
                {"operationId": operation_id(self._routes[link.route]), "parameters": dict(link.parameters)},
            )
            for name, link in declared.links.items()
        }
        headers = {name: {"description": text, "schema": _TEXT} for name, text in declared.headers.items()}
        responses: dict[str, Any] = {}
        for status, content in declared.answers.items():
            response = {
                "description": declared.texts.get(status) or _SUCCESSES[status],
                "headers": {**headers, **(_ETAG if declared.has_etag else {})},
                "content": self._contents(content, examples),
                "links": {name: link for name, (of_status, link) in links.items() if of_status in (None, status)},
            }
            responses[str(status)] = {name: part for name, part in response.items() if part}
        if declared.has_etag:
            responses["304"] = {"description": "The content has not changed since the response with this `ETag`"}
        return responses

    def _failures(self, codes: set[str], errors: ErrorResponse) -> dict[str, Any]:
        """The responses to requests that fail: for each status its codes, with causes and remedies."""
        by_status: dict[int, list[str]] = {429: [], 431: []}
        for code in sorted(codes):
            by_status.setdefault(self._errors[code][0], []).append(code)
        responses = {}
        for status, of_status in sorted(by_status.items()):
            lines = [f"- `{code}`: {self._errors[code][1]}. Remedy: {self._errors[code][2]}." for code in of_status]
            if status in _GATEWAY_TEXTS:
                lines.append(f"- {_GATEWAY_TEXTS[status]}")
            responses[str(status)] = {
                "description": "\n".join(lines),
                "content": self._failure(status, of_status, errors),
                **({"headers": _ERROR_HEADERS[status]} if status in _ERROR_HEADERS else {}),
            }
        return responses

    def _failure(self, status: int, codes: Sequence[str], errors: ErrorResponse) -> dict[str, Any]:
        shapes: list[Schema] = []
        example: dict[str, Any] = {"message": HTTPStatus(status).phrase}
        if codes:
            _, cause, remedy = self._errors[codes[0]]
            message = f"{cause[:1].upper()}{cause[1:]}: {remedy}."
            if errors is otlp_error_response:
                shapes, example = [ref("RpcStatus")], {"code": 3, "message": message}
            elif errors is rpc_error_response:
                error = {"code": -32600, "message": message, "data": {"code": codes[0]}}
                shapes, example = [ref("McpError")], {"jsonrpc": "2.0", "id": None, "error": error}
            else:
                narrowed = {"properties": {"error": {"properties": {"code": {"enum": list(codes)}}}}}
                shapes = [{"allOf": [ref("Error"), narrowed]}]
                example = {"success": False, "error": {"code": codes[0], "message": message, "details": []}}
        if status in _GATEWAY_TEXTS:
            shapes.append(ref("GatewayError"))
        schema = shapes[0] if len(shapes) == 1 else {"anyOf": shapes}
        content: dict[str, Any] = {JSON: {"schema": schema, "example": example}}
        if codes and errors is otlp_error_response:
            content[PROTOBUF] = {"schema": {**_TEXT, "contentMediaType": PROTOBUF}}
        return content

    def _contents(self, content: Mapping[str, Schema], examples: Sequence[Any]) -> dict[str, Any]:
        return {kind: self._with_example(schema, examples) for kind, schema in content.items()}

    def _with_example(self, schema: Schema, examples: Sequence[Any]) -> dict[str, Any]:
        """A schema with the first of `examples` that it describes; else with one made of its own examples."""
        for example in examples:
            for shape in schema.get("anyOf", [schema]):
                candidate = complete(example, shape, self._components)
                if candidate != {} and self._strict.is_valid(candidate, schema):
                    return {"schema": schema, "example": candidate}
        if "type" not in schema and "$ref" not in schema and "anyOf" not in schema:
            return {"schema": schema}
        return (
            {"schema": schema}
            if schema.get("type") == "string"
            else {
                "schema": schema,
                "example": example_of(schema, self._components),
            }
        )


def codes_of(route: Route, declared: Operation, registration: Registration) -> set[str]:
    """The codes of all errors that a route can return."""
    codes = {*_EVERYWHERE, *declared.codes, *(declared.body.codes if declared.body else ())}
    if registration.scope is not None:
        codes |= {"unauthenticated", "issuer_unavailable", "deployment_misconfigured", "forbidden_owner", "not_shared"}
    if registration.scope not in (None, ANY):
        codes.add("missing_scope")
    if registration.credential == "jwt":
        codes.add("jwt_required")
    elif registration.scope is not None:
        codes.add("rate_limited")
    if not declared.ignores_other_parameters:
        codes.add("invalid_request")
    if declared.query:
        codes.add("invalid_parameter")
    if "cursor" in declared.query:
        codes.add("invalid_cursor")
    if "{" in route.path:
        codes.add("not_found")
    return codes


def operation_id(route: Route) -> str:
    """The name of a route's event in the template, with a small initial."""
    return route.name[:1].lower() + route.name[1:]


def _parameter(name: str, schema: Schema, place: str) -> dict[str, Any]:
    parameter: dict[str, Any] = {
        "name": name,
        "in": place,
        "schema": {key: part for key, part in schema.items() if key != "description"},
    }
    if place == "path":
        parameter |= {"required": True, "description": schema["description"]}
    if "examples" in schema:
        parameter["example"] = schema["examples"][0]
    return parameter


def _security(route: Route, registration: Registration) -> list[dict[str, list[str]]]:
    """Each credential that a route accepts, with the scope that it needs."""
    if registration.scope is None:
        return []
    needed = [] if registration.scope == ANY else [registration.scope]
    keys = [name for name in SECURITY if name not in ("jwt", "share") and registration.credential != "jwt"]
    shares: list[dict[str, list[str]]] = [{"share": []}] if route.key in SHARED_ROUTES else []
    return [*({name: needed} for name in ("jwt", *keys)), *shares]
