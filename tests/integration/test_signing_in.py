"""Signing in on the page, in Chromium: the link of the local server, a pasted credential, and a provider.

Each test ends with an empty console, so that no policy of the page is violated, and without a request to another host.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from tests import provider as providers
from tests.api import Api, span
from tests.conftest import TableOnEngine
from tests.gateway import SECRET, Call, User, new_user
from tests.issuer import token
from tests.provider import AUDIENCE, CLIENT_ID, Provider
from tests.reading import EXPECTED_WITHIN_MS, address, browser, visiting
from tracestore.http import wiring
from tracestore_cli import tokens

__all__ = ["address", "browser"]
pytestmark = pytest.mark.parametrize("engine", ["moto"], indirect=True, scope="session")

FIELD = "#sign-in-credential"
SIGN_IN = ".sign-in button.primary"
SIGNED_IN = "#main"


class Visit(Protocol):
    """Opens a path of the page for a visitor without storage. The page may ask the addresses of `others` as well."""

    def __call__(self, path: str, *others: str, refusals: bool = False) -> AbstractContextManager[Page]: ...


@pytest.fixture
def visit(browser: Browser, address: str) -> Visit:
    """A visit, after which the page has no cookie and has kept no credential beyond its tab."""

    @contextmanager
    def visit(path: str, *others: str, refusals: bool = False) -> Iterator[Page]:
        with visiting(browser, address, *others, refusals=refusals) as visitor:
            page = visitor.page
            page.goto(path)
            yield page
            assert page.context.cookies() == []
            kept = page.evaluate("JSON.stringify(localStorage)")
            assert "tsk_" not in kept
            assert "eyJ" not in kept

    return visit


def wait_until(holds: Callable[[], object], problem: str) -> None:
    deadline = time.monotonic() + EXPECTED_WITHIN_MS / 1000
    while not holds():
        assert time.monotonic() < deadline, problem
        time.sleep(0.05)


def place(page: Page) -> str:
    """The address in the browser, without the host."""
    return str(page.evaluate("location.pathname + location.search + location.hash"))


def user_of(page: Page) -> str:
    """The user as whom the page calls the API."""
    script = "fetch('/api/me', {headers: {authorization: 'Bearer ' + sessionStorage['tracestore.credential']}})"
    return str(page.evaluate(f"{script}.then((response) => response.json()).then((body) => body.data.user_id)"))


def submit(page: Page, credential: str) -> None:
    page.fill(FIELD, credential)
    page.click(SIGN_IN)


def test_the_link_of_the_local_server_signs_in_and_leaves_the_address(visit: Visit, user: User) -> None:
    with visit(f"/traces?status=error#token={user.token}") as page:
        page.wait_for_selector(SIGNED_IN)
        assert place(page) == "/traces?status=error"
        assert user_of(page) == user.name
        assert user.token not in page.evaluate("JSON.stringify(history.state) + document.referrer")


def test_after_a_reload_the_reader_is_still_signed_in_and_a_new_tab_is_not(visit: Visit, user: User) -> None:
    with visit(f"/traces#token={user.token}") as page:
        page.wait_for_selector(SIGNED_IN)
        page.goto("/traces/lessons")
        page.wait_for_selector(SIGNED_IN)
        assert place(page) == "/traces/lessons"
        tab = page.context.new_page()
        tab.goto("/traces/lessons")
        tab.wait_for_selector(FIELD)


def test_a_pasted_key_signs_in_at_the_same_address(visit: Visit, api: Api) -> None:
    api.send(span("trip-7", "run"))
    key = api("POST", "/api/keys", body={"name": "page", "scopes": ["read"]}).json["data"]["secret"]
    assert api.user
    with visit("/traces/t/trip-7?view=tree") as page:
        submit(page, f"  Bearer {key} ")
        page.wait_for_selector(SIGNED_IN)
        assert page.evaluate("sessionStorage['tracestore.credential']") == key
        assert user_of(page) == api.user.name
        assert place(page).startswith("/traces/t/trip-7")


@pytest.mark.parametrize(
    ("credential", "sentence"),
    [
        ("tsk_" + "x" * 43, "This API key does not exist, was revoked, or has expired."),
        ("a.b.c", "token"),
        ("schlüssel", "This is neither a token nor an API key."),
    ],
)
def test_a_refused_credential_is_explained_in_the_words_of_the_api(
    visit: Visit, credential: str, sentence: str
) -> None:
    with visit("/traces", refusals=True) as page:
        submit(page, credential)
        expect(page.get_by_role("alert")).to_contain_text(sentence)
        expect(page.locator(FIELD)).to_be_focused()
        assert page.evaluate("sessionStorage.length") == 0
        assert page.locator(SIGNED_IN).count() == 0


def test_an_expired_token_asks_again_over_the_unharmed_page(visit: Visit, user: User) -> None:
    dying = tokens.token(user.name, SECRET, expires_in_s=-53)  # accepted for 7 s more, by the tolerance for clocks
    with visit(f"/traces/setup#token={dying}", refusals=True) as page:
        page.wait_for_selector(SIGNED_IN)
        page.evaluate("window.unharmed = true")
        time.sleep(8)
        page.click("a[href$='/traces']")
        page.wait_for_selector("dialog.sign-in[open]")
        page.wait_for_selector(SIGNED_IN)
        submit(page, user.token)
        expect(page.locator("dialog.sign-in")).to_have_count(0)
        assert (urlsplit(place(page)).path, page.evaluate("window.unharmed")) == ("/traces", True)
        assert user_of(page) == user.name


def test_the_dialog_can_be_left_and_signs_out(visit: Visit, user: User) -> None:
    dying = tokens.token(user.name, SECRET, expires_in_s=-53)
    with visit(f"/traces/setup#token={dying}", refusals=True) as page:
        page.wait_for_selector(SIGNED_IN)
        time.sleep(8)
        page.click("a[href$='/traces']")
        page.wait_for_selector("dialog.sign-in[open]")
        page.locator(".sign-in button").last.click()
        page.wait_for_selector("main .sign-in")
        assert page.evaluate("sessionStorage.length") == 0


@pytest.fixture
def provider(engine: TableOnEngine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    """A deployment in which people sign in with a provider, which notices no violation of the protocol."""
    with providers.running() as provider:
        settings = {
            "JWT_ISSUER": provider.url,
            "JWT_AUDIENCE": AUDIENCE,
            "OIDC_CLIENT_ID": CLIENT_ID,
            "OIDC_SCOPE": "openid offline_access",
            "OIDC_CONNECT_ORIGINS": provider.token_origin,
        }
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        wiring.reset()
        yield provider
        monkeypatch.undo()
        wiring.reset()
    assert provider.problems == []


def test_a_provider_signs_in_and_leads_back_to_the_address(visit: Visit, provider: Provider) -> None:
    with visit("/traces/lessons?search=%C3%BC", provider.url, provider.token_origin) as page:
        page.click(SIGN_IN)
        page.wait_for_selector(SIGNED_IN)
        assert place(page) == "/traces/lessons?search=%C3%BC"
        assert user_of(page) == provider.user
        assert page.evaluate("Object.keys(sessionStorage).join()") == "tracestore.credential"
        assert provider.grants == ["authorization_code"]
        (sent,) = provider.authorized
        assert (sent["scope"], sent["code_challenge_method"]) == ("openid offline_access", "S256")


def test_no_library_of_the_provider_is_loaded_before_somebody_signs_in(visit: Visit, provider: Provider) -> None:
    with visit("/traces") as page:
        page.wait_for_selector(SIGN_IN)
        assert "/provider-" not in page.evaluate(
            "performance.getEntriesByType('resource').map(({name}) => name).join()"
        )


def test_the_id_token_can_be_the_credential(visit: Visit, provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OIDC_TOKEN", "id")
    monkeypatch.setenv("JWT_AUDIENCE", CLIENT_ID)
    wiring.reset()
    provider.signs_access_tokens = False
    with visit("/traces", provider.url, provider.token_origin) as page:
        page.click(SIGN_IN)
        page.wait_for_selector(SIGNED_IN)
        assert user_of(page) == provider.user


REFUSED = "does not belong to a sign-in that began in this tab"


@pytest.mark.parametrize(
    ("returned", "claims", "sentence"),
    [
        ({"state": "another-state-of-the-same-length"}, {}, REFUSED),
        ({}, {"nonce": "another nonce"}, REFUSED),
        ({"code": "stolen"}, {}, "The identity provider refused: the code is unknown."),
        ({"error": "access_denied", "error_description": "Ada <b>may</b> not."}, {}, "refused: Ada <b>may</b> not."),
    ],
    ids=["state", "nonce", "code", "refusal"],
)
def test_an_answer_that_is_not_for_this_tab_signs_nobody_in(
    visit: Visit, provider: Provider, returned: dict[str, str], claims: dict[str, str], sentence: str
) -> None:
    provider.returned, provider.claims = returned, claims
    with visit("/traces/setup", provider.url, provider.token_origin, refusals=True) as page:
        page.click(SIGN_IN)
        expect(page.get_by_role("alert")).to_contain_text(sentence)
        assert place(page) == "/traces"
        assert page.evaluate("sessionStorage.getItem('tracestore.credential')") is None
    provider.problems.clear()


def test_a_token_that_the_api_refuses_is_explained(visit: Visit, provider: Provider) -> None:
    provider.signs_access_tokens = False
    with visit("/traces/setup", provider.url, provider.token_origin, refusals=True) as page:
        page.click(SIGN_IN)
        expect(page.get_by_role("alert")).to_contain_text("has signed you in, but the API refused: ")
        assert place(page) == "/traces/setup"
        assert page.evaluate("sessionStorage.getItem('tracestore.credential')") is None


def test_an_answer_that_nobody_asked_for_signs_nobody_in(visit: Visit, provider: Provider) -> None:
    with visit("/traces/callback?code=c&state=s") as page:
        expect(page.get_by_role("alert")).to_contain_text(REFUSED)
        assert place(page) == "/traces"


def test_a_token_is_renewed_before_it_expires_and_when_it_is_refused(visit: Visit, provider: Provider) -> None:
    provider.gives_refresh_tokens, provider.lifetime_s = True, 62
    with visit("/traces/setup", provider.url, provider.token_origin, refusals=True) as page:
        page.click(SIGN_IN)
        page.wait_for_selector(SIGNED_IN)
        page.evaluate("window.unharmed = true")
        first = page.evaluate("sessionStorage['tracestore.credential']")
        wait_until(lambda: page.evaluate("sessionStorage['tracestore.credential']") != first, "it is not renewed")
        assert provider.grants == ["authorization_code", "refresh_token"]
        assert page.evaluate("window.unharmed")
        assert page.locator("dialog.sign-in, iframe").count() == 0
        # After a reload, with a token that the API refuses: the page asks the provider, and not the reader.
        provider.lifetime_s = 600
        refused = token(None, iss=provider.url, sub=provider.user, aud=AUDIENCE, exp=int(time.time()) - 600)
        page.evaluate(f"sessionStorage['tracestore.credential'] = {refused!r}")
        page.goto("/traces/lessons")
        page.wait_for_selector(SIGNED_IN)
        wait_until(lambda: user_of(page) == provider.user if _has(page, refused) else False, "it is not renewed")


def _has(page: Page, refused: str) -> bool:
    return bool(page.evaluate(f"sessionStorage['tracestore.credential'] !== {refused!r}"))


def test_without_a_refresh_token_the_reader_signs_in_again_at_the_same_place(visit: Visit, provider: Provider) -> None:
    provider.lifetime_s = -53
    with visit("/traces/setup", provider.url, provider.token_origin, refusals=True) as page:
        page.click(SIGN_IN)
        page.wait_for_selector(SIGNED_IN)
        time.sleep(8)
        provider.lifetime_s = 600
        page.click("a[href$='/traces']")
        page.wait_for_selector("dialog.sign-in[open]")
        page.click("dialog button.primary")
        wait_until(lambda: len(provider.grants) == 2, "the reader does not come back")
        page.wait_for_selector(SIGNED_IN)
        assert urlsplit(place(page)).path == "/traces"
        assert user_of(page) == provider.user


def test_with_a_provider_an_api_key_can_be_used_as_well(visit: Visit, provider: Provider, call: Call) -> None:
    jwt = token(None, iss=provider.url, sub=new_user().name, aud=AUDIENCE)
    body = {"name": "page", "scopes": ["read"]}
    key = call("POST", "/api/keys", body=body, headers={"authorization": f"Bearer {jwt}"}).json["data"]["secret"]
    with visit("/traces") as page:
        page.click(".sign-in button.quiet")
        submit(page, key)
        page.wait_for_selector(SIGNED_IN)
