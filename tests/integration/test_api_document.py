"""The API document and its page: the document is served as generated, and the page runs under a strict policy.

Every other integration test compares its requests and their responses with the document: see `tests/gateway.py`.
"""

import re

import pytest
from playwright.sync_api import Browser, expect

from dev.docs_files import STATIC, VIEWER_FILES
from dev.openapi import conformance
from dev.openapi.document import build, operations
from dev.openapi.routes import OPERATIONS
from dev.template import Route, Template
from tests.api import Api, failure, span
from tests.gateway import Call, User
from tests.reading import address, browser, visiting
from tracestore.http.app import PUBLIC_ROUTES

__all__ = ["address", "browser"]
pytestmark = pytest.mark.parametrize("engine", ["moto"], indirect=True, scope="session")  # few requests reach the store

ROUTES = dict(operations(build()))
FILES = ("docs.js", "docs.css", "swagger-ui-bundle.js", "swagger-ui.css")


@pytest.mark.usefixtures("engine")
def test_the_document_is_served_as_it_is_generated(call: Call) -> None:
    reply = call("GET", "/openapi.json")
    assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
    assert reply.json == build()


def test_a_client_that_has_the_document_gets_it_only_once(call: Call) -> None:
    tag = call("GET", "/openapi.json").headers["etag"]
    reply = call("GET", "/openapi.json", headers={"if-none-match": tag})
    assert (reply.status, reply.body) == (304, b"")


@pytest.mark.parametrize("route", [route for route in ROUTES if route not in PUBLIC_ROUTES])
def test_a_handler_accepts_the_parameters_of_the_document_and_no_other(api: Api, route: str) -> None:
    method, _, path = route.partition(" ")
    reply = api(method, re.sub(r"[{}]", "", path), query={"no_such_parameter": "1"}, body={})
    if OPERATIONS[route].ignores_other_parameters:
        assert reply.status < 500
        assert "no_such_parameter" not in reply.body.decode()
        return
    if route == "POST /mcp":  # errors of this route follow the protocol
        assert (reply.status, "no_such_parameter" in reply.body.decode()) == (400, True)
        return
    assert failure(reply) == (400, "invalid_request")
    accepted = re.search(r"This route accepts ([\w.<>, -]+)\.", reply.json["error"]["message"])
    assert accepted
    names = {name for name in accepted[1].split(", ") if name != "none" and "<" not in name}
    assert names == {p["name"] for p in ROUTES[route].get("parameters", ()) if p["in"] == "query"}


def test_the_policy_of_the_page_allows_this_host_alone_and_no_inline_script(call: Call) -> None:
    policy = call("GET", "/docs").headers["content-security-policy"]
    sources = {name: words for name, *words in (part.split() for part in policy.split(";"))}
    assert sources["default-src"] == ["'none'"]
    assert (sources["script-src"], sources["style-src"], sources["connect-src"]) == (["'self'"],) * 3
    assert not re.search(r"unsafe|https?:|\*", policy)


@pytest.mark.parametrize("name", FILES)
def test_the_page_loads_only_files_that_exist(call: Call, name: str) -> None:
    assert f"docs/{name}" in call("GET", "/docs").body.decode()
    reply = call("GET", f"/docs/{name}")
    kind = "text/css" if name.endswith(".css") else "text/javascript"
    assert (reply.status, reply.headers["content-type"]) == (200, f"{kind}; charset=utf-8")
    assert len(reply.body) > 10


def test_no_other_file_is_returned(call: Call) -> None:
    for name in ("openapi.json", "docs_handler.py", "docs.html", "..%2Fdocs_handler.py", "%2e%2e", "LICENSE"):
        assert failure(call("GET", f"/docs/{name}")) == (404, "not_found"), name


@pytest.mark.usefixtures("engine")
def test_the_licence_of_the_viewer_is_deployed_with_it() -> None:
    assert all((STATIC / name).stat().st_size > 1_000 for name in VIEWER_FILES)


def test_a_difference_between_a_response_and_the_document_is_found(api: Api) -> None:
    api.send(span("t", "a"))
    reply = api("GET", "/api/analytics/traces/t/spans/a")
    route = next(route for route in Template().routes if route.name == "GetSpan")
    wrong = reply.body.replace(b'"span_name":', b'"span_nome":')
    found = list(conformance.problems_of_reply(route, 200, reply.headers, wrong))
    assert len(found) == 2
    assert list(conformance.problems_of_reply(route, 418, reply.headers, wrong)) == [
        "the status 418 is not in the document"
    ]


@pytest.mark.usefixtures("engine")
def test_a_difference_between_a_request_and_the_document_is_found() -> None:
    keys, traces = Route("POST /api/keys", ""), Route("GET /api/analytics/traces", "")
    assert list(conformance.problems_of_request(keys, "", b'{"name": "ci", "scopes": ["ingest"], "colour": "red"}'))
    assert list(conformance.problems_of_request(traces, "limit=many&colour=red", b"")) == [
        'the parameter limit: : "many" is not of type "integer"',
        "the parameter colour is not in the document",
    ]


def test_the_page_sends_a_request_without_violating_its_policy(browser: Browser, address: str, user: User) -> None:
    with visiting(browser, address) as visitor:
        page = visitor.page
        page.goto("/docs")
        page.click(".scheme-container .authorize")
        page.fill(".auth-container input", user.token)
        page.click(".auth-container button.authorize")
        page.click(".btn-done")
        operation = page.locator("[id$=-whoAmI]")
        operation.locator(".opblock-summary-control").click()
        operation.locator(".try-out__btn").click()
        operation.locator(".execute").click()
        expect(operation.locator(".live-responses-table")).to_contain_text(user.name)
        assert page.locator(".opblock").count() == len(ROUTES)
        assert page.evaluate("localStorage.length + sessionStorage.length + document.cookie.length") == 0
