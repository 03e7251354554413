"""The routes of the page: its document at every address, its files, its policy and its public configuration."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin

import pytest

from dev.gateway import MAX_RESPONSE_BYTES
from dev.page_files import STATIC
from tests import page as built
from tests.api import failure
from tests.conftest import TableOnEngine
from tests.gateway import Call, Reply
from tracestore.http import wiring

pytestmark = pytest.mark.parametrize("engine", ["moto"], indirect=True, scope="session")  # no request reaches the store

VIEWS = (
    *("/traces", "/traces/setup", "/traces/callback", "/traces/lessons", "/traces/lessons/l-1", "/traces/t/trip-7"),
    *(
        "/traces/t/a.b:c_d-e",
        "/traces/t/traces",
        "/traces/t/assets",
        "/traces/c/chat%2F42",
        "/traces/c/%E6%97%85%20%25",
    ),
)
ISSUER = "https://login.example.com/tenant/"


@pytest.fixture(scope="module", autouse=True)
def page() -> None:
    """The page is built."""
    built.build()


@pytest.fixture
def oidc(engine: TableOnEngine, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A deployment in which people sign in with a provider."""
    monkeypatch.setenv("JWT_ISSUER", ISSUER)
    monkeypatch.setenv("OIDC_CLIENT_ID", "page-client")
    monkeypatch.setenv("OIDC_SCOPE", "openid offline_access")
    monkeypatch.setenv("OIDC_TOKEN", "id")
    monkeypatch.setenv("OIDC_CONNECT_ORIGINS", "https://tokens.example.com, https://login.example.com")
    wiring.reset()
    yield
    monkeypatch.undo()
    wiring.reset()


def files_of(reply: Reply) -> list[str]:
    """The addresses of files in the document."""
    return re.findall(r'(?:src|href)="([^"#]+)"', reply.body.decode())


def policy_of(call: Call, path: str = "/traces") -> dict[str, list[str]]:
    policy = call("GET", path).headers["content-security-policy"]
    return {name: words for name, *words in (part.split() for part in policy.split(";"))}


@pytest.mark.parametrize("base", ["", "/prod", "/a/traces/b"])
@pytest.mark.parametrize("path", VIEWS)
def test_each_view_is_the_document_whose_files_exist_behind_any_path(call: Call, path: str, base: str) -> None:
    reply = call("GET", path)
    assert (reply.status, reply.headers["content-type"]) == (200, "text/html; charset=utf-8")
    files = files_of(reply)
    assert 3 <= len(files) <= 5  # each is an invocation of the function, and a request that can fail
    for file in files:
        address = urljoin(f"https://host{base}{path}", file)
        assert address.startswith(f"https://host{base}/traces/assets/")
        assert call("GET", address.removeprefix(f"https://host{base}")).status == 200


@pytest.mark.parametrize("path", ["/traces/t/a/b", "/traces/lessons/l/x", "/traces/no/such/view"])
def test_a_deeper_path_is_no_view(call: Call, path: str) -> None:
    assert failure(call("GET", path)) == (404, "not_found")


@pytest.mark.parametrize(
    ("raw_path", "location"),
    [
        ("/", "/traces"),
        ("/prod/", "/prod/traces"),
        ("/prod", "/prod/traces"),
        ("/a b", "/a%20b/traces"),
        ("", "/traces"),
    ],
)
def test_the_root_leads_to_the_page_behind_any_path(call: Call, raw_path: str, location: str) -> None:
    import page_handler  # type: ignore[import-not-found]  # loaded by the call below, under the name that it has in Lambda

    event = {"routeKey": "GET /", "rawPath": raw_path, "headers": {}}

    class Context:
        aws_request_id = "1"

        def get_remaining_time_in_millis(self) -> int:
            return 1000

    answered = page_handler.handler(event, Context())
    address = f"https://host{raw_path.replace(' ', '%20')}"
    assert answered["statusCode"] == 302
    assert urljoin(address, answered["headers"]["location"]) == f"https://host{location}"


def test_a_browser_that_has_the_document_gets_it_only_once(call: Call) -> None:
    first = call("GET", "/traces")
    assert first.headers["cache-control"] == "no-cache"
    again = call("GET", "/traces", headers={"if-none-match": first.headers["etag"]})
    assert (again.status, again.body) == (304, b"")
    assert failure(call("GET", "/traces/config.json", query="x=1")) == (400, "invalid_request")


def test_addresses_at_other_depths_are_other_documents(call: Call) -> None:
    tags = {call("GET", path).headers["etag"] for path in ("/traces", "/traces/setup", "/traces/t/x")}
    assert len(tags) == 3


def test_a_changed_policy_changes_the_tag(call: Call, request: pytest.FixtureRequest) -> None:
    """A browser that receives a 304 keeps the policy that it has stored with the document."""
    before = call("GET", "/traces").headers["etag"]
    request.getfixturevalue("oidc")
    assert call("GET", "/traces").headers["etag"] != before


def test_the_document_may_not_be_framed_indexed_or_named_to_others(call: Call) -> None:
    headers = call("GET", "/traces/t/secret-name").headers
    assert {name: headers[name] for name in ("referrer-policy", "x-robots-tag", "x-content-type-options")} == {
        "referrer-policy": "no-referrer",
        "x-robots-tag": "noindex",
        "x-content-type-options": "nosniff",
    }
    assert headers["cross-origin-opener-policy"] == "same-origin"


def test_the_policy_allows_this_host_alone_and_no_text_that_becomes_code(call: Call) -> None:
    policy = policy_of(call, "/traces/t/x")
    assert policy == {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "blob:"],
        "connect-src": ["'self'"],
        "font-src": ["'self'"],
        "base-uri": ["'none'"],
        "form-action": ["'none'"],
        "frame-ancestors": ["'none'"],
        "require-trusted-types-for": ["'script'"],
        "trusted-types": ["svelte-trusted-html", "dompurify"],
    }


def test_the_policy_names_every_policy_of_trusted_types_that_the_page_creates(call: Call) -> None:
    scripts = [path.read_text() for path in (STATIC / "assets").glob("*.js")]
    created = {name for script in scripts for name in re.findall(r"createPolicy\([\"'`]([^\"'`]+)[\"'`]", script)}
    assert created <= set(policy_of(call)["trusted-types"])


@pytest.mark.usefixtures("oidc")
def test_with_a_provider_requests_may_go_to_its_origins_and_nothing_else_changes(call: Call) -> None:
    policy = policy_of(call)
    assert policy["connect-src"] == ["'self'", "https://login.example.com", "https://tokens.example.com"]
    assert (policy["script-src"], policy["form-action"], policy["default-src"]) == (["'self'"], ["'none'"], ["'none'"])


def test_without_a_provider_the_configuration_names_none(call: Call) -> None:
    reply = call("GET", "/traces/config.json")
    assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
    version = (STATIC / "version.txt").read_text()
    assert reply.json == {"success": True, "oidc": None, "version": version, "retention_days": 30}


@pytest.mark.usefixtures("oidc")
def test_the_configuration_is_that_of_the_deployment_and_no_credential(call: Call) -> None:
    content = call("GET", "/traces/config.json").json
    assert content["oidc"] == {
        "issuer": ISSUER,
        "client_id": "page-client",
        "scope": "openid offline_access",
        "token": "id",
    }
    assert not re.search(r"secret|key|password", json.dumps(content))


def scripts() -> list[Path]:
    return sorted((STATIC / "assets").glob("*.js"))


@pytest.mark.parametrize(
    ("accept", "coding"),
    [
        *(("gzip, deflate, br, zstd", "br"), ("gzip", "gzip"), ("br;q=0.5, gzip;q=0.8", "gzip"), ("*", "br")),
        *(("br;q=0, *;q=0.1", "gzip"), ("identity", None), ("", None), ("br;q=0, gzip;q=0", None)),
        *(("identity, gzip;q=0.5", None), ("BR", "br"), ("br;q=many", None)),
    ],
)
def test_a_file_is_sent_in_the_form_that_the_browser_prefers(call: Call, accept: str, coding: str | None) -> None:
    path = max(scripts(), key=lambda path: path.stat().st_size)
    reply = call("GET", f"/traces/assets/{path.name}", headers={"accept-encoding": accept})
    suffix = {"br": ".br", "gzip": "", None: ""}[coding]  # tests/gateway.py decompresses gzip
    assert (reply.status, reply.headers.get("content-encoding")) == (200, coding)
    assert reply.body == path.with_name(path.name + suffix).read_bytes()
    assert reply.headers["content-type"] == "text/javascript; charset=utf-8"
    assert reply.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert reply.headers["vary"] == "Accept-Encoding"
    assert reply.headers["x-content-type-options"] == "nosniff"


def test_every_file_fits_into_a_response(call: Call) -> None:
    for path in (STATIC / "assets").iterdir():
        if path.suffix not in (".br", ".gz"):
            assert call("GET", f"/traces/assets/{path.name}").status == 200
        assert path.stat().st_size * 4 / 3 < MAX_RESPONSE_BYTES


@pytest.mark.parametrize(
    "name",
    [
        *("index.js", "", "..", "../index.html", "..%2Findex.html", "%2e%2e%2findex.html", "..%2f..%2fpage_handler.py"),
        *("%252e%252e%252findex.html", "x/y.js", "..\\index.html", "/etc/passwd", ".js", "%00.js", "version.txt"),
    ],
)
def test_an_unknown_file_is_not_found_and_never_the_document(call: Call, name: str) -> None:
    assert failure(call("GET", f"/traces/assets/{name}"))[0] == 404


def test_the_packed_forms_are_no_files_of_their_own(call: Call) -> None:
    packed = [path.name for path in (STATIC / "assets").iterdir() if path.suffix in (".br", ".gz")]
    assert packed
    assert {failure(call("GET", f"/traces/assets/{name}")) for name in packed} == {(404, "not_found")}


def test_without_a_build_the_page_is_not_found_and_the_api_works(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    assert call("GET", "/traces").status == 200
    import page_handler

    monkeypatch.setattr(page_handler, "STATIC", Path("nowhere"))
    reply = call("GET", "/traces")
    assert failure(reply) == (404, "not_found")
    assert "make build" in reply.json["error"]["message"]
    assert call("GET", "/traces/config.json").json["version"] is None
    assert call("GET", "/healthz").status == 200
