"""JWTs with real signatures, verified with keys that are fetched over HTTP."""

import base64
import json
import logging
import threading
import time
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.issuer import KEYS, RSA_KEY, Issuer, forged, public_jwk, token
from tracestore.domain.errors import Unauthenticated, Unavailable
from tracestore.http.jwt_verifier import KEYS_LIVE_S, LEEWAY_S, PAUSE_S, JwtVerifier
from tracestore.http.settings import Settings

SECRET = "a secret that is long enough for HS256"


class Clock:
    """A clock that a test advances."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    issuer = Issuer()
    thread = threading.Thread(target=issuer.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield issuer
    issuer.server.shutdown()
    thread.join()
    issuer.server.server_close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def settings(issuer: Issuer | None = None, **changes: Any) -> Settings:
    fields: dict[str, Any] = {"table_name": "t"}
    if issuer:
        fields |= {"jwt_issuer": issuer.url, "jwt_audience": "app", "jwks_url": issuer.url}
    return Settings(**{**fields, **changes})


@pytest.fixture
def verifier(issuer: Issuer, clock: Clock) -> JwtVerifier:
    return JwtVerifier(settings(issuer), clock=clock)


def refusal(verifier: JwtVerifier, sent: str) -> str:
    with pytest.raises(Unauthenticated) as refused:
        verifier.verify(sent)
    return refused.value.message


@pytest.mark.parametrize("algorithm", KEYS)
def test_a_token_signed_with_a_key_of_the_issuer_identifies_its_user(
    verifier: JwtVerifier, issuer: Issuer, algorithm: str
) -> None:
    assert verifier.verify(token(issuer, algorithm)).user_id == "ada"


def test_a_token_signed_with_the_shared_secret_identifies_its_user() -> None:
    verifier = JwtVerifier(settings(), read_secret=lambda: SECRET)
    assert verifier.verify(token(None, "HS256", SECRET)).user_id == "ada"


def test_a_shared_secret_and_an_issuer_can_be_used_together(issuer: Issuer) -> None:
    verifier = JwtVerifier(settings(issuer), read_secret=lambda: SECRET)
    assert verifier.verify(token(issuer, "HS256", SECRET)) == verifier.verify(token(issuer, "ES256"))


def test_a_token_without_a_kid_is_verified_with_the_only_key(verifier: JwtVerifier, issuer: Issuer) -> None:
    issuer.keys = [public_jwk("ES256")]
    assert verifier.verify(token(issuer, "ES256", headers={"kid": None})).user_id == "ada"


def test_without_configuration_the_error_names_the_parameters_to_configure(issuer: Issuer) -> None:
    assert "JwtIssuer" in refusal(JwtVerifier(settings()), token(issuer))


def test_without_an_audience_no_token_of_the_issuer_is_accepted(issuer: Issuer) -> None:
    verifier = JwtVerifier(settings(issuer, jwt_audience=None))
    assert "JwtAudience" in refusal(verifier, token(issuer))


def test_a_secret_that_can_be_guessed_makes_tokens_unverifiable_and_is_logged_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("tracestore"), "propagate", True)
    verifier = JwtVerifier(settings(), read_secret=lambda: "short")
    for _ in range(3):
        with pytest.raises(Unavailable, match="32 bytes") as refused:
            verifier.verify(token(None, "HS256", SECRET))
        assert (refused.value.code, refused.value.retry_after_s) == ("deployment_misconfigured", KEYS_LIVE_S)
    assert [record.levelname for record in caplog.records if "HS256" in record.message] == ["ERROR"]
    assert "short" not in refused.value.message.split()


def test_a_secret_that_can_be_guessed_leaves_the_tokens_of_the_issuer_valid(issuer: Issuer) -> None:
    verifier = JwtVerifier(settings(issuer), read_secret=lambda: "short")
    assert verifier.verify(token(issuer)).user_id == "ada"


@pytest.mark.parametrize(
    "algorithm", ["none", "None", "HS256", "HS512", "RS512", "PS256", "ES256", "", None, 7, ["RS256"]]
)
def test_an_algorithm_that_does_not_fit_the_key_is_refused(
    verifier: JwtVerifier, issuer: Issuer, algorithm: object
) -> None:
    claims = {"sub": "ada", "iss": issuer.url, "aud": "app", "exp": time.time() + 600}
    refusal(verifier, forged({"alg": algorithm, "kid": "RS256"}, claims))


def test_an_unsigned_token_is_refused(verifier: JwtVerifier, issuer: Issuer) -> None:
    refusal(verifier, jwt.encode({"sub": "ada"}, "", "none"))


def test_a_public_key_is_never_used_as_a_secret(issuer: Issuer) -> None:
    verifier = JwtVerifier(settings(issuer), read_secret=lambda: SECRET)
    pem = RSA_KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    claims = {"sub": "ada", "iss": issuer.url, "aud": "app", "exp": time.time() + 600}
    for key in (pem, json.dumps(issuer.keys[0]).encode(), issuer.keys[0]["n"].encode()):
        refusal(verifier, forged({"alg": "HS256", "kid": "RS256"}, claims, sign=key))


def test_a_symmetric_key_in_the_key_set_is_ignored(verifier: JwtVerifier, issuer: Issuer) -> None:
    issuer.keys = [{"kty": "oct", "kid": "HS256", "k": base64.urlsafe_b64encode(SECRET.encode()).decode()}]
    refusal(verifier, token(issuer, "HS256", SECRET))


def test_an_encryption_key_is_not_used_for_signatures(verifier: JwtVerifier, issuer: Issuer) -> None:
    issuer.keys = [public_jwk("RS256", kid="RS256", use="enc")]
    refusal(verifier, token(issuer))


def test_one_malformed_key_does_not_disable_the_others(verifier: JwtVerifier, issuer: Issuer) -> None:
    odd = ["not a key", {"kty": ["RSA"]}, {"kty": "RSA", "kid": [1]}, {"kty": "EC", "crv": "P-256", "x": "", "y": ""}]
    issuer.keys = [*odd, *issuer.keys]  # type: ignore[list-item]
    assert verifier.verify(token(issuer)).user_id == "ada"


def test_another_key_with_a_known_kid_is_refused(verifier: JwtVerifier, issuer: Issuer) -> None:
    unknown_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    refusal(verifier, token(issuer, key=unknown_key))


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://elsewhere.example"},
        {"iss": None},
        {"iss": ["x"]},
        {"aud": "another"},
        {"aud": ["another", "third"]},
        {"aud": None},
        {"aud": {"app": 1}},
        {"aud": None, "client_id": "app"},
        {"aud": None, "client_id": "another", "token_use": "access"},
        {"aud": "another", "client_id": "app", "token_use": "access"},
        {"exp": None},
        {"exp": "soon"},
        {"exp": int(time.time()) - 90},
        {"nbf": int(time.time()) + 3600},
        {"sub": None},
        {"sub": ""},
        {"sub": "  "},
        {"sub": "a" * 257},
        {"sub": "half a pair \ud800"},
    ],
)
def test_a_token_with_a_wrong_claim_is_refused(verifier: JwtVerifier, issuer: Issuer, changes: dict[str, Any]) -> None:
    refusal(verifier, token(issuer, **changes))


@pytest.mark.parametrize("owner", [None, "", 7, True, ["ada"], {"id": "ada"}])
def test_an_invalid_owner_claim_is_not_replaced_by_another_claim(issuer: Issuer, owner: object) -> None:
    verifier = JwtVerifier(settings(issuer, jwt_owner_claim="team"))
    assert "JwtOwnerClaim" in refusal(verifier, token(issuer, team=owner))


def test_a_team_can_share_one_owner(issuer: Issuer) -> None:
    verifier = JwtVerifier(settings(issuer, jwt_owner_claim="team"))
    assert verifier.verify(token(issuer, team="search")).user_id == "search"


@pytest.mark.parametrize("user_id", ["@team:search", "@team:"])
def test_a_user_whose_id_has_the_form_of_a_teams_is_refused(
    verifier: JwtVerifier, issuer: Issuer, user_id: str
) -> None:
    assert "JwtOwnerClaim" in refusal(verifier, token(issuer, sub=user_id))


@pytest.mark.parametrize(
    ("claim", "teams"),
    [
        ("search", ("search",)),
        (["search", "ads"], ("search", "ads")),
        (["search", "search"], ("search",)),
        ("search,ads", ("search,ads",)),
        ("search ads", ("search ads",)),
        ("[search ads]", ("[search ads]",)),
        (["", "  ", None, 7, ["ads"], {"ads": 1}, "half \ud800", "a" * 257, "search"], ("search",)),
        ([], ()),
        ("", ()),
        (7, ()),
        (True, ()),
        ({"search": "admin"}, ()),
        (None, ()),
    ],
)
def test_the_teams_of_a_token_are_the_names_in_its_claim(issuer: Issuer, claim: object, teams: tuple[str, ...]) -> None:
    verifier = JwtVerifier(settings(issuer, jwt_teams_claim="cognito:groups"))
    claims: dict[str, Any] = {"cognito:groups": claim}
    verified = verifier.verify(token(issuer, **claims))
    assert (verified.user_id, verified.teams) == ("ada", teams)


def test_a_claim_with_teams_may_have_an_address_as_its_name(issuer: Issuer) -> None:
    verifier = JwtVerifier(settings(issuer, jwt_teams_claim="https://app.example/teams"))
    claims: dict[str, Any] = {"https://app.example/teams": ["search"]}
    assert verifier.verify(token(issuer, **claims)).teams == ("search",)


def test_without_the_name_of_a_claim_a_token_has_no_teams(verifier: JwtVerifier, issuer: Issuer) -> None:
    claims: dict[str, Any] = {"cognito:groups": ["search"], "groups": ["search"], "org_id": "search", "": ["search"]}
    assert verifier.verify(token(issuer, **claims)).teams == ()


def test_an_access_token_of_cognito_has_its_audience_in_client_id(verifier: JwtVerifier, issuer: Issuer) -> None:
    assert verifier.verify(token(issuer, aud=None, client_id="app", token_use="access")).user_id == "ada"


def test_one_of_several_audiences_is_enough(verifier: JwtVerifier, issuer: Issuer) -> None:
    assert verifier.verify(token(issuer, aud=["another", "app"])).user_id == "ada"


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "web"},
        {"aud": ["another", "app"]},
        {"aud": None, "client_id": "web", "token_use": "access"},
    ],
)
def test_a_token_for_any_of_the_configured_audiences_is_accepted(issuer: Issuer, claims: dict[str, Any]) -> None:
    verifier = JwtVerifier(settings(issuer, jwt_audience="app, web,"))
    assert verifier.verify(token(issuer, **claims)).user_id == "ada"


@pytest.mark.parametrize("audience", ["app, web", "", ",", ["app,web"], [["app"]], {"app": 1}, 7, [], "ap"])
def test_a_token_for_none_of_the_configured_audiences_is_refused(issuer: Issuer, audience: Any) -> None:
    verifier = JwtVerifier(settings(issuer, jwt_audience="app,web"))
    with pytest.raises(Unauthenticated):
        verifier.verify(token(issuer, aud=audience))


def test_audiences_that_consist_of_commas_are_none(issuer: Issuer) -> None:
    assert "JwtAudience" in refusal(JwtVerifier(settings(issuer, jwt_audience=" , ")), token(issuer))


def test_clocks_may_differ_by_a_minute(verifier: JwtVerifier, issuer: Issuer) -> None:
    now = int(time.time())
    assert verifier.verify(token(issuer, exp=now - 30, nbf=now + 30)).user_id == "ada"


@pytest.mark.parametrize(
    "junk",
    ["", ".", "..", "a.b", "a.b.c", "a.b.c.d", "e30.e30.e30", "bm8.bm8.bm8", "ÿ.ÿ.ÿ", "a" * 20_000, "\ud800.a.b"],
)
def test_junk_is_refused_without_a_request_to_the_issuer(verifier: JwtVerifier, issuer: Issuer, junk: str) -> None:
    refusal(verifier, junk)
    assert issuer.hits == 0


def test_an_error_repeats_nothing_of_the_token(verifier: JwtVerifier, issuer: Issuer) -> None:
    assert "sesame" not in refusal(verifier, token(issuer, iss="sesame", headers={"kid": "sesame"}))


def test_keys_are_fetched_once_for_many_tokens(verifier: JwtVerifier, issuer: Issuer) -> None:
    for algorithm in KEYS:
        verifier.verify(token(issuer, algorithm))
    assert issuer.hits == 1


def test_a_new_key_is_fetched_when_a_token_names_it(verifier: JwtVerifier, issuer: Issuer, clock: Clock) -> None:
    verifier.verify(token(issuer))
    issuer.keys = [public_jwk("ES256", kid="new")]
    clock.now += PAUSE_S
    assert verifier.verify(token(issuer, "ES256", headers={"kid": "new"})).user_id == "ada"


def test_a_withdrawn_key_is_refused_when_cached_keys_expire(
    verifier: JwtVerifier, issuer: Issuer, clock: Clock
) -> None:
    verifier.verify(token(issuer))
    issuer.keys = [public_jwk("ES256", kid="new")]
    clock.now += KEYS_LIVE_S
    refusal(verifier, token(issuer))


def test_a_token_that_was_verified_before_is_refused_once_its_key_is_replaced(
    verifier: JwtVerifier, issuer: Issuer, clock: Clock
) -> None:
    sent = token(issuer)
    assert verifier.verify(sent) == verifier.verify(sent)
    issuer.keys = [{**public_jwk("ES256"), "kid": issuer.keys[0]["kid"]}]
    clock.now += KEYS_LIVE_S
    refusal(verifier, sent)


def test_a_token_that_was_verified_before_is_refused_once_it_has_expired(verifier: JwtVerifier, issuer: Issuer) -> None:
    expires_at_s = int(time.time()) + 2
    sent = token(issuer, exp=expires_at_s - LEEWAY_S)
    assert verifier.verify(sent).user_id == "ada"
    time.sleep(max(0, expires_at_s - time.time()))
    assert "expired" in refusal(verifier, sent)


def test_unknown_kids_cause_few_requests_to_the_issuer(verifier: JwtVerifier, issuer: Issuer, clock: Clock) -> None:
    for number in range(50):
        refusal(verifier, token(issuer, headers={"kid": f"junk {number}"}))
        clock.now += PAUSE_S / 50
    assert issuer.hits <= 2


def test_an_unreachable_issuer_is_unavailable_and_not_a_refusal(verifier: JwtVerifier, issuer: Issuer) -> None:
    issuer.status = 500
    with pytest.raises(Unavailable):
        verifier.verify(token(issuer))


@pytest.mark.parametrize(
    ("status", "body", "reason", "cause"),
    [
        (500, b"", "The identity provider does not respond.", "HTTPError"),
        (200, b"<html>", "The keys of the identity provider cannot be read", "JSONDecodeError"),
    ],
)
def test_the_reason_why_keys_are_unreachable_is_logged(
    verifier: JwtVerifier,
    issuer: Issuer,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    body: bytes,
    reason: str,
    cause: str,
) -> None:
    monkeypatch.setattr(logging.getLogger("tracestore"), "propagate", True)
    issuer.status, issuer.body = status, body
    with pytest.raises(Unavailable):
        verifier.verify(token(issuer))
    (record,) = (each for each in caplog.records if each.levelname == "ERROR")
    assert vars(record)["reason"].startswith(reason)
    assert vars(record)["cause"] == cause


def test_an_unreachable_issuer_is_not_requested_for_every_token(verifier: JwtVerifier, issuer: Issuer) -> None:
    issuer.status = 500
    for _ in range(5):
        with pytest.raises(Unavailable):
            verifier.verify(token(issuer))
    assert issuer.hits == 1


def test_cached_keys_serve_while_the_issuer_is_unreachable(verifier: JwtVerifier, issuer: Issuer, clock: Clock) -> None:
    verifier.verify(token(issuer))
    issuer.status = 500
    clock.now += KEYS_LIVE_S
    assert verifier.verify(token(issuer)).user_id == "ada"


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b'{"keys": 7}', b"\xff", b"[" * 100_000])
def test_an_invalid_key_set_counts_as_unreachable(verifier: JwtVerifier, issuer: Issuer, body: bytes) -> None:
    issuer.body = body
    with pytest.raises(Unavailable):
        verifier.verify(token(issuer))


def test_a_redirect_of_the_issuer_is_not_followed(verifier: JwtVerifier, issuer: Issuer) -> None:
    issuer.status, issuer.headers = 302, {"Location": issuer.url + "/elsewhere"}
    with pytest.raises(Unavailable):
        verifier.verify(token(issuer))
