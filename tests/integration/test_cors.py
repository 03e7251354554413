"""Pages on other origins call the API: the template's configuration, the gateway's rules, and the real handlers."""

import pytest

from dev.functions import Functions
from dev.gateway import Answer, Request
from dev.server import Api
from dev.template import Template
from tests.conftest import TableOnEngine
from tests.gateway import User

APP = "https://app.example"
EVIL = "https://evil.example"
PATHS = ["/api/analytics/traces", "/api/traces/a-trace", "/v1/traces", "/healthz", "/nowhere"]

pytestmark = pytest.mark.parametrize("engine", ["moto"], indirect=True, scope="session")


@pytest.fixture(scope="module")
def api(engine: TableOnEngine) -> Api:
    """The API as deployed for pages of one origin."""
    template = Template(parameters={"CorsOrigins": f"{APP}, https://other.example"})
    return Api(template, Functions(template))


def sent(api: Api, method: str, path: str, origin: str, **headers: str) -> Answer:
    """The response to a request of a page."""
    named = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return api.answer(Request(method, path, headers=[("origin", origin), *named]))


def preflight(api: Api, path: str, origin: str = APP) -> Answer:
    """The response to the preflight of a DELETE."""
    return sent(api, "OPTIONS", path, origin, access_control_request_method="DELETE")


@pytest.mark.parametrize("path", PATHS)
def test_a_preflight_permits_what_clients_send(api: Api, path: str) -> None:
    answer = preflight(api, path)
    headers = dict(answer.headers)
    assert (answer.status, answer.body) == (204, b"")
    assert headers["access-control-allow-origin"] == APP
    assert set(headers["access-control-allow-methods"].split(",")) >= {"GET", "POST", "PATCH", "DELETE"}
    names = set(headers["access-control-allow-headers"].split(","))
    assert names >= {"authorization", "x-api-key", "content-type", "content-encoding", "if-none-match"}
    assert headers["access-control-max-age"] == "3600"


@pytest.mark.parametrize("path", PATHS)
def test_a_preflight_of_another_origin_permits_nothing(api: Api, path: str) -> None:
    answer = preflight(api, path, EVIL)
    assert answer.status == 204
    assert not [name for name, _ in answer.headers if name.startswith("access-control-")]


def test_a_page_may_read_responses_and_the_headers_that_it_needs(api: Api, user: User) -> None:
    answer = sent(api, "GET", "/api/analytics/traces", APP, authorization=f"Bearer {user.token}")
    headers = dict(answer.headers)
    assert (answer.status, headers["access-control-allow-origin"]) == (200, APP)
    assert set(headers["access-control-expose-headers"].split(",")) >= {"etag", "retry-after", "x-next-cursor"}


def test_a_page_may_read_errors(api: Api) -> None:
    answer = sent(api, "GET", "/api/analytics/traces", APP)
    assert (answer.status, dict(answer.headers)["access-control-allow-origin"]) == (401, APP)


def test_a_page_of_another_origin_may_read_nothing(api: Api, user: User) -> None:
    answer = sent(api, "GET", "/api/analytics/traces", EVIL, authorization=f"Bearer {user.token}")
    assert "access-control-allow-origin" not in dict(answer.headers)
