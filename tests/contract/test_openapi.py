"""The OpenAPI document agrees with the template, with `docs/api.md` and with itself.

The integration tests compare it with the handlers: every request that they accept, and every response.
"""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from openapi_spec_validator import validate

from dev.openapi.document import build, operations
from dev.openapi.operations import JSON
from dev.openapi.prose import Prose, tables
from dev.openapi.routes import GROUPS, OPERATIONS
from dev.openapi.schemas import Strict
from dev.template import Template
from tests.contract.test_documents import API
from tracestore.http.app import PUBLIC_ROUTES
from tracestore.http.errors import CODES

DOCUMENT = build()
ROUTES = dict(operations(DOCUMENT))
COMPONENTS = DOCUMENT["components"]["schemas"]
STRICT = Strict(COMPONENTS)
OF_NO_ROUTE = {"route_not_found", "method_not_allowed"}
"""The codes of requests that match no route."""

PARAMETER_TABLES = ("parameter", "lesson parameter", "common parameter")


def contents(operation: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The bodies of an operation: of its request, then of its responses, each with its media type."""
    yield from operation.get("requestBody", {}).get("content", {}).items()
    for response in operation["responses"].values():
        yield from response.get("content", {}).items()


def schemas(node: Any) -> Iterator[dict[str, Any]]:
    """Every schema with named fields below `node`."""
    below = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    if isinstance(node, dict) and isinstance(node.get("properties"), dict):
        yield node
    for part in below:
        yield from schemas(part)


def query_of(operation: dict[str, Any]) -> list[str]:
    return [parameter["name"] for parameter in operation.get("parameters", ()) if parameter["in"] == "query"]


def test_the_document_is_valid() -> None:
    assert DOCUMENT["openapi"].startswith("3.1")
    validate(DOCUMENT)


def test_it_contains_every_route_of_the_template_and_no_other() -> None:
    assert set(ROUTES) == {route.key for route in Template().routes if route.is_one_path}


def test_every_operation_has_a_name_of_its_own() -> None:
    names = [operation["operationId"] for operation in ROUTES.values()]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("route", ROUTES)
def test_an_operation_needs_a_credential_unless_its_route_is_public(route: str) -> None:
    assert (ROUTES[route].get("security") is None) == (route in PUBLIC_ROUTES)


@pytest.mark.parametrize("route", ROUTES)
def test_an_operation_has_a_summary_and_a_description(route: str) -> None:
    assert ROUTES[route]["summary"].endswith(".")
    assert len(ROUTES[route]["description"]) > 20


@pytest.mark.parametrize("route", ROUTES)
def test_every_parameter_has_a_description(route: str) -> None:
    assert all(parameter["description"] for parameter in ROUTES[route].get("parameters", ()))


def test_every_parameter_in_the_tables_of_the_api_guide_is_a_parameter_of_the_route() -> None:
    prose, missing = Prose(), []
    for route, operation in ROUTES.items():
        for table in tables(prose.sections[f"### `{route}`"]):
            if table.head[0] in PARAMETER_TABLES:
                names = re.findall(r"`([A-Za-z_.]+)[=`]", " ".join(row[0].partition(" (")[0] for row in table.rows))
                prefixes = OPERATIONS[route].prefixes or ("\0",)
                known = query_of(operation)
                missing += [(route, name) for name in names if name not in known and not name.startswith(prefixes)]
    assert missing == []


def test_each_code_is_an_error_of_some_route_or_of_none() -> None:
    found = {
        code
        for operation in ROUTES.values()
        for status, response in operation["responses"].items()
        for code in re.findall(r"^- `([a-z_]+)`: ", response.get("description", ""), re.MULTILINE)
    }
    assert found == set(CODES) - OF_NO_ROUTE


@pytest.mark.parametrize("route", ROUTES)
def test_every_example_is_described_exactly_by_its_schema(route: str) -> None:
    for _, content in contents(ROUTES[route]):
        if "example" in content:
            assert list(STRICT.problems(content["example"], content["schema"])) == []


@pytest.mark.parametrize("route", ROUTES)
def test_every_body_of_json_has_an_example(route: str) -> None:
    without = [content for kind, content in contents(ROUTES[route]) if kind == JSON and not content.get("example")]
    assert without == [] or route == "GET /openapi.json" or all(c["schema"].get("examples") == [{}] for c in without)


def test_every_field_is_named_in_the_api_guide() -> None:
    fields = {name for schema in schemas([COMPONENTS, DOCUMENT["paths"]]) for name in schema["properties"]}
    named = set(re.findall(r"\w+", API))
    of_opentelemetry = {name for name in fields if re.search(r"[a-z][A-Z]", name)}  # camel case is OTLP's
    assert fields - named - of_opentelemetry == set()


def test_every_component_is_used() -> None:
    used = set(re.findall(r"#/components/schemas/(\w+)", repr(DOCUMENT)))
    assert used | {"ExportedSpan"} == set(COMPONENTS)


def test_a_route_that_is_not_declared_is_named() -> None:
    assert set(OPERATIONS) == set(ROUTES)


def test_one_group_alone_declares_a_route() -> None:
    assert sum(map(len, GROUPS)) == len(OPERATIONS)


def test_a_parameter_without_a_text_is_named() -> None:
    prose = Prose("# A\n\n### `GET /a`\n\n| parameter | |\n|---|---|\n| `known` | of the list |\n")
    assert prose.parameter("known", "### `GET /a`") == "Of the list"
    with pytest.raises(LookupError, match="unknown"):
        prose.parameter("unknown", "### `GET /a`")
