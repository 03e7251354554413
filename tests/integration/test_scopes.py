"""The credential and the scope that each route requires."""

import base64
import time
from itertools import combinations

import jwt
import pytest

from dev.template import Template
from tests.api import TRACES, Api, failure
from tests.gateway import SECRET, Call, new_user
from tracestore.http.app import PUBLIC_ROUTES
from tracestore_cli import tokens

pytestmark = pytest.mark.parametrize("engine", ["moto"], indirect=True, scope="session")  # few requests reach the store

NEEDS = {
    "POST /api/analytics/traces": "ingest",
    "PATCH /api/analytics/traces/{trace_id}/spans/{span_id}": "ingest",
    "GET /api/analytics/traces": "read",
    "GET /api/analytics/traces/{trace_id}": "read",
    "GET /api/analytics/traces/{trace_id}/spans/{span_id}": "read",
    "GET /api/analytics/traces/{trace_id}/neighbours": "read",
    "GET /api/analytics/traces/{trace_id}/media/{sha256}": "read",
    "GET /api/analytics/histogram": "read",
    "GET /api/analytics/export": "read",
    "DELETE /api/analytics/traces": "delete",
    "DELETE /api/analytics/traces/{trace_id}": "delete",
    "DELETE /api/analytics/traces/{trace_id}/spans/{span_id}": "delete",
    "PUT /api/analytics/traces/{trace_id}/annotations/{name}": "annotate",
    "GET /api/analytics/traces/{trace_id}/annotations": "read",
    "DELETE /api/analytics/traces/{trace_id}/annotations/{name}": "annotate",
    "POST /api/analytics/traces/{trace_id}/shares": "jwt",
    "GET /api/analytics/traces/{trace_id}/shares": "jwt",
    "DELETE /api/analytics/traces/{trace_id}/shares/{share_id}": "jwt",
    "POST /api/analytics/traces/delete": "delete",
    "POST /api/traces": "ingest",
    "POST /api/traces/{id}/llm-calls": "ingest",
    "PATCH /api/traces/{id}": "ingest",
    "GET /api/traces": "read",
    "GET /api/traces/{id}": "read",
    "DELETE /api/traces": "delete",
    "DELETE /api/traces/{id}": "delete",
    "POST /v1/traces": "ingest",
    "POST /api/public/otel/v1/traces": "ingest",
    "POST /otel/v1/traces": "ingest",
    "POST /api/otel/v1/traces": "ingest",
    "POST /api/v1/otel/v1/traces": "ingest",
    "POST /api/v1/private/otel/v1/traces": "ingest",
    "POST /": "ingest",
    "POST /v1/logs": "ingest",
    "POST /v1/metrics": "ingest",
    "GET /api/analytics/metrics": "read",
    "GET /api/analytics/errors": "read",
    "GET /api/analytics/providers": "read",
    "GET /api/analytics/heatmap": "read",
    "GET /api/analytics/costs": "read",
    "GET /api/analytics/anomalies": "read",
    "GET /api/analytics/conversations": "read",
    "GET /api/analytics/conversations/{conversation_id}": "read",
    "GET /api/analytics/facets": "read",
    "GET /api/analytics/lessons": "read",
    "GET /api/analytics/storage": "read",
    "GET /api/analytics/deletions": "read",
    "GET /api/analytics/scores": "read",
    "GET /info": "any",
    "POST /runs/multipart": "ingest",
    "POST /runs/batch": "ingest",
    "POST /runs": "ingest",
    "PATCH /runs/{run_id}": "ingest",
    "POST /feedback": "annotate",
    "POST /api/public/ingestion": "ingest",
    "POST /api/public/scores": "annotate",
    "GET /api/public/traces": "read",
    "GET /api/public/traces/{trace_id}": "read",
    "GET /api/public/observations": "read",
    "GET /api/public/sessions/{session_id}": "read",
    "GET /api/public/scores": "read",
    "GET /api/public/v2/scores": "read",
    "GET /api/public/v2/observations": "read",
    "GET /api/public/v3/scores": "read",
    "POST /v1/traces/ingest": "ingest",
    **dict.fromkeys(("POST /v1/span_annotations", "POST /v1/trace_annotations", "POST /v1/span_notes"), "annotate"),
    **{
        f"{method} {prefix}{path}": need
        for prefix in ("", "/api")
        for method, path, need in (
            ("GET", "/is-alive/ping", "any"),
            ("POST", "/v1/private/traces/batch", "ingest"),
            ("POST", "/v1/private/spans/batch", "ingest"),
            ("POST", "/v1/private/traces", "ingest"),
            ("POST", "/v1/private/spans", "ingest"),
            ("PATCH", "/v1/private/traces/{opik_id}", "ingest"),
            ("PATCH", "/v1/private/spans/{opik_id}", "ingest"),
            ("PUT", "/v1/private/traces/feedback-scores", "annotate"),
            ("PUT", "/v1/private/spans/feedback-scores", "annotate"),
        )
    },
    "GET /api/public/projects": "any",
    "GET /api/jobs/{job_id}": "read",
    "GET /api/me": "any",
    "PUT /api/me/views/{name}": "jwt",
    "GET /api/me/views": "read",
    "DELETE /api/me/views/{name}": "jwt",
    "POST /api/keys": "jwt",
    "GET /api/keys": "jwt",
    "DELETE /api/keys/{key_id}": "jwt",
    "POST /mcp": "read",
    "GET /healthz": "nothing",
    "GET /openapi.json": "nothing",
    "GET /docs": "nothing",
    "GET /docs/{file}": "nothing",
    "GET /": "nothing",
    "GET /traces": "nothing",
    "GET /traces/{path+}": "nothing",
    "GET /traces/config.json": "nothing",
    "$default": "nothing",
}
"""The requirement of each route: a scope, any credential, a JWT, or nothing. A missing route fails every test."""

SCOPES = ("ingest", "read", "delete", "annotate")
ROUTES = [route.key for route in Template().routes]
GUARDED = [route for route in ROUTES if route not in PUBLIC_ROUTES]


def status(api: Api, route: str, **headers: str) -> int:
    """The status of the response of a route. Errors have the one error shape, except on the routes of OTLP and MCP."""
    method, _, path = route.partition(" ")
    names = path.replace("{", "").replace("}", "") or "/nowhere"
    reply = api(method if path else "GET", names, headers=headers)
    is_json = reply.headers.get("content-type") == "application/json"
    is_of_this_api = is_json and "error" in reply.json and "jsonrpc" not in reply.json
    return failure(reply)[0] if is_of_this_api else reply.status


@pytest.fixture(scope="module")
def keyed(call: Call) -> dict[tuple[str, ...], Api]:
    """A user with an API key for each combination of scopes."""
    user = Api(call, new_user())
    choices = [choice for size in (1, 2, 3, 4) for choice in combinations(SCOPES, size)]
    return {choice: user.with_key(*choice) for choice in choices}


@pytest.mark.usefixtures("engine")
def test_only_routes_that_need_nothing_are_public() -> None:
    assert {route for route in ROUTES if NEEDS[route] == "nothing"} == set(PUBLIC_ROUTES)


@pytest.mark.parametrize("route", GUARDED)
def test_a_key_without_the_scope_is_refused_and_one_with_it_is_not(
    keyed: dict[tuple[str, ...], Api], route: str
) -> None:
    need = NEEDS[route]
    for scopes, api in keyed.items():
        is_allowed = need == "any" or need in scopes
        assert (status(api, route) == 403) is not is_allowed


@pytest.mark.parametrize("route", GUARDED)
def test_a_signed_in_user_may_use_every_route(api: Api, route: str) -> None:
    assert status(api, route) not in (401, 403)


@pytest.mark.parametrize("route", GUARDED)
def test_a_request_without_a_credential_is_refused(call: Call, route: str) -> None:
    assert status(Api(call, None), route) == 401


@pytest.mark.parametrize("route", PUBLIC_ROUTES)
def test_a_public_route_ignores_credentials(call: Call, route: str) -> None:
    expected = status(Api(call, None), route)
    assert expected in (200, 302, 404)
    assert status(Api(call, None), route, authorization="Bearer junk") == expected


def bad_credentials() -> dict[str, dict[str, str]]:
    claims = {"sub": "ada", "iss": tokens.ISSUER, "aud": tokens.AUDIENCE, "exp": time.time() + 600}

    def bearer(key: str = SECRET, **changes: object) -> dict[str, str]:
        changed = {name: value for name, value in {**claims, **changes}.items() if value is not None}
        return {"authorization": f"Bearer {jwt.encode(changed, key, 'HS256')}"}

    unknown = "tsk_" + "x" * 43
    good = bearer()["authorization"]
    return {
        "another secret": bearer(key="another secret, as long as it takes"),
        "expired": bearer(exp=time.time() - 120),
        "not yet": bearer(nbf=time.time() + 120),
        "without an expiry": bearer(exp=None),
        "of another issuer": bearer(iss="https://else.example"),
        "for another audience": bearer(aud="somebody"),
        "of nobody": bearer(sub=None),
        "of an empty name": bearer(sub=" "),
        "unsigned": {"authorization": f"Bearer {jwt.encode({**claims}, '', 'none')}"},
        "an unknown key": {"x-api-key": unknown},
        "an unknown key as bearer": {"authorization": f"Bearer {unknown}"},
        "an unknown key as password": {"authorization": "Basic " + base64.b64encode(f"pk:{unknown}".encode()).decode()},
        "two": {"authorization": good, "x-api-key": unknown},
        "no scheme": {"authorization": good.removeprefix("Bearer ")},
        "a blank": {"authorization": ""},
        "a blank key": {"x-api-key": ""},
    }


@pytest.mark.parametrize("kind", bad_credentials())
def test_a_bad_credential_is_refused(call: Call, kind: str) -> None:
    stranger = Api(call, None, bad_credentials()[kind])
    assert {status(stranger, route) for route in GUARDED} == {401}


def test_a_key_is_accepted_in_every_header_that_clients_use(call: Call, api: Api) -> None:
    secret = api.with_key("read").headers["x-api-key"]
    basic = base64.b64encode(f"pk-lf-anything:{secret}".encode()).decode()
    for headers in ({"x-api-key": secret}, {"authorization": f"Bearer {secret}"}, {"Authorization": f"Basic {basic}"}):
        assert Api(call, None, headers)("GET", TRACES).status == 200


def test_a_revoked_key_is_refused(api: Api, call: Call) -> None:
    created = api("POST", "/api/keys", body={"name": "k", "scopes": ["read"]}).json["data"]
    assert api("DELETE", f"/api/keys/{created['key_id']}").status == 200
    assert status(Api(call, None, {"x-api-key": created["secret"]}), "GET /api/me") == 401
