"""Credentials of a request: accepted and refused ones, and the cache of API keys."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracestore.domain.credentials import sha256_of
from tracestore.domain.errors import Forbidden, NotFound, Unauthenticated
from tracestore.http.identity import (
    CACHED_S,
    SCOPES,
    Identity,
    KeyCache,
    TokenUser,
    acting_for,
    identify,
    presents_share,
)
from tracestore.storage.model import ApiKey, Share

SECRET = "tsk_" + "k" * 43
OTHER_SECRET = "tsk_" + "o" * 43
JWT = "head.claims.signature"


def api_key(**changes: object) -> ApiKey:
    defaults = {
        "key_id": "1",
        "user_id": "ada",
        "name": "laptop",
        "prefix": SECRET[:8],
        "scopes": frozenset({"ingest"}),
        "created_ms": 0,
    }
    return ApiKey(**{**defaults, **changes})  # type: ignore[arg-type]


def verify_jwt(token: str) -> TokenUser:
    if token != JWT:
        raise Unauthenticated("no")
    return TokenUser("grace")


def caller_of(**headers: str) -> Identity:
    """The caller with these headers, in a store with the keys of two users."""
    stored = {SECRET: api_key(), OTHER_SECRET: api_key(user_id="eve")}
    return identify(
        {name.replace("_", "-"): value for name, value in headers.items()}, verify_jwt=verify_jwt, find_key=stored.get
    )


SHARE_SECRET = "tss_" + "s" * 43
SHARE = Share("5f2d7c1a9b3e4d60", "ada", "t", "79c0a", payloads=True, created_ms=0, expires_at_s=1_000)


def guest_of(secret: str) -> Identity:
    """The caller with this secret as its bearer token, in a store with one share."""
    stored = {SHARE_SECRET: SHARE}
    return identify(
        {"authorization": f"Bearer {secret}"}, verify_jwt=verify_jwt, find_key=lambda _: None, find_share=stored.get
    )


def test_a_share_has_no_scope_and_an_id_that_owns_nothing() -> None:
    guest = guest_of(SHARE_SECRET)
    assert guest == Identity("@share:5f2d7c1a9b3e4d60", "share", frozenset(), share=SHARE)
    assert guest.owner_id == "@share:5f2d7c1a9b3e4d60"
    assert guest.shown_owner_id is None


@pytest.mark.parametrize("secret", ["tss_" + "x" * 43, "tss_", "tss_short", SHARE_SECRET + "x", SHARE_SECRET + " x"])
def test_an_unknown_share_is_not_found(secret: str) -> None:
    with pytest.raises(NotFound, match="There is no such trace"):
        guest_of(secret)


@pytest.mark.parametrize("headers", [{"x_api_key": SHARE_SECRET}, {"authorization": f"Basic {SHARE_SECRET}"}])
def test_a_share_is_accepted_as_a_bearer_token_only(headers: dict[str, str]) -> None:
    with pytest.raises(Unauthenticated):
        caller_of(**headers)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (f"Bearer {SHARE_SECRET}", True),
        (f" bearer  {SHARE_SECRET} ", True),
        ("Bearer tss_short", True),
        (f"Bearer {SECRET}", False),
        (f"Bearer {JWT}", False),
        ("", False),
    ],
)
def test_a_request_presents_a_share_whether_it_is_valid_or_not(header: str, expected: bool) -> None:
    assert presents_share({"authorization": header}) is expected


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


def test_a_jwt_has_every_scope() -> None:
    assert caller_of(authorization=f"Bearer {JWT}") == Identity("grace", "jwt", frozenset(SCOPES))


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"Bearer {SECRET}"},
        {"authorization": f"bearer  {SECRET} "},
        {"x_api_key": SECRET},
        {"authorization": basic(f"pk-lf-1:{SECRET}")},
        {"authorization": basic(f":{SECRET}")},
        {"Authorization": f"Bearer {SECRET}"},
        {"X_Api_Key": SECRET},
        {"authorization": basic(f"pk:{SECRET}"), "x_api_key": SECRET},
    ],
)
def test_an_api_key_is_accepted_in_every_header_that_clients_use(headers: dict[str, str]) -> None:
    assert caller_of(**headers) == Identity("ada", "api_key", frozenset({"ingest"}), key_id="1")


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"Bearer {JWT}", "x_api_key": SECRET},
        {"authorization": f"Bearer {OTHER_SECRET}", "x_api_key": SECRET},
        {"authorization": basic(f"pk:{OTHER_SECRET}"), "x_api_key": SECRET},
        {"authorization": f"Bearer {JWT}", "Authorization": f"Bearer {SECRET}"},
    ],
)
def test_two_different_credentials_are_refused(headers: dict[str, str]) -> None:
    with pytest.raises(Unauthenticated, match="two different"):
        caller_of(**headers)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"cookie": f"token={JWT}"},
        {"authorization": ""},
        {"authorization": "Bearer"},
        {"authorization": "Bearer "},
        {"authorization": JWT},
        {"authorization": f"Digest {SECRET}"},
        {"authorization": f"Bearer {SECRET},Bearer {SECRET}"},
        {"authorization": f"Bearer {SECRET}x"},
        {"authorization": f"Bearer {SECRET[:-1]}"},
        {"authorization": f"Bearer tsk_{'u' * 43}"},
        {"authorization": "Basic"},
        {"authorization": "Basic !!!"},
        {"authorization": "Basic ÿÿÿ="},
        {"authorization": "Basic " + base64.b64encode(b"\xff:\xfe").decode()},
        {"authorization": basic(SECRET)},
        {"authorization": basic(f"{SECRET}:")},
        {"authorization": basic("ada:password")},
        {"authorization": basic(f"pk:{JWT}")},
        {"x_api_key": ""},
        {"x_api_key": JWT},
        {"x_api_key": f"{SECRET},{SECRET}"},
        {"x_api_key": "tsk_\ud800"},
        {"authorization": "", "x_api_key": SECRET},
        {"authorization": f"Bearer {JWT}", "x_api_key": ""},
    ],
)
def test_anything_except_exactly_one_valid_credential_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(Unauthenticated):
        caller_of(**headers)


@given(st.dictionaries(st.sampled_from(["authorization", "x-api-key"]), st.text()))
def test_arbitrary_headers_are_refused(headers: dict[str, str]) -> None:
    stored: dict[str, ApiKey] = {}
    with pytest.raises(Unauthenticated):
        identify(headers, verify_jwt=verify_jwt, find_key=stored.get)


MEMBER = Identity("grace", "jwt", frozenset(SCOPES), teams=("search", "Süd 1", "a%20b"))
KEY_OF_TEAM = identify({"x-api-key": SECRET}, verify_jwt=verify_jwt, find_key=lambda _: api_key(user_id="@team:search"))
KEY_OF_USER = identify({"x-api-key": SECRET}, verify_jwt=verify_jwt, find_key=lambda _: api_key())


@pytest.mark.parametrize(
    ("header", "team"),
    [("search", "search"), ("S%C3%BCd%201", "Süd 1"), ("Süd 1", "Süd 1"), ("a%2520b", "a%20b"), ("%73earch", "search")],
)
def test_a_member_acts_for_the_team_that_the_header_names(header: str, team: str) -> None:
    caller = acting_for(MEMBER, header)
    assert (caller.user_id, caller.team, caller.owner_id) == ("grace", team, f"@team:{team}")


def test_without_the_header_a_member_acts_alone() -> None:
    assert acting_for(MEMBER, None).owner_id == "grace"


def test_a_key_acts_for_the_owner_that_it_was_made_for() -> None:
    assert acting_for(KEY_OF_USER, None).owner_id == "ada"
    assert acting_for(KEY_OF_TEAM, None) == acting_for(KEY_OF_TEAM, "search")
    assert (KEY_OF_TEAM.owner_id, KEY_OF_TEAM.team, KEY_OF_TEAM.teams) == ("@team:search", "search", ("search",))


@pytest.mark.parametrize(
    "header",
    [
        "",
        " ",
        "grace",
        "ads",
        "@team:search",
        "search,search",
        "search,",
        "Search",
        "sear",
        "a b",
        "a%20b",
        "%",
        "%ff",
        "*",
    ],
)
def test_anything_else_in_the_header_is_refused(header: str) -> None:
    with pytest.raises(Forbidden) as refused:
        acting_for(MEMBER, header)
    assert refused.value.code == "forbidden_owner"


@pytest.mark.parametrize(("caller", "header"), [(KEY_OF_TEAM, "ads"), (KEY_OF_TEAM, "ada"), (KEY_OF_USER, "ada")])
def test_a_key_is_refused_with_another_owner_in_the_header(caller: Identity, header: str) -> None:
    with pytest.raises(Forbidden):
        acting_for(caller, header)


class Store:
    """Keys by hash, and the number of lookups."""

    def __init__(self, *keys: tuple[str, ApiKey]) -> None:
        self.keys = {sha256_of(secret): key for secret, key in keys}
        self.lookups = 0
        self.now = 1_000.0

    def find(self, sha256: str, _now_s: float) -> ApiKey | None:
        self.lookups += 1
        return self.keys.get(sha256)

    def cache(self) -> KeyCache[ApiKey]:
        return KeyCache(self.find, clock=lambda: self.now)


def test_a_key_is_looked_up_once_per_minute() -> None:
    store = Store((SECRET, api_key()))
    cache = store.cache()
    for _ in range(CACHED_S * 2):
        cache.find(SECRET)
        store.now += 1
    assert store.lookups == 2


def test_a_revoked_key_is_refused_within_a_minute() -> None:
    store = Store((SECRET, api_key()))
    cache = store.cache()
    cache.find(SECRET)
    store.keys.clear()
    store.now += CACHED_S
    assert cache.find(SECRET) is None


def test_a_cached_key_is_refused_when_it_expires() -> None:
    store = Store((SECRET, api_key(expires_at_s=1_010)))
    cache = store.cache()
    cache.find(SECRET)
    store.now += 10
    assert cache.find(SECRET) is None


def test_an_unknown_key_is_not_cached_as_absent() -> None:
    store = Store()
    cache = store.cache()
    cache.find(SECRET)
    store.keys[sha256_of(SECRET)] = api_key()
    assert cache.find(SECRET) == api_key()


def test_a_clock_that_goes_back_does_not_extend_a_cached_key() -> None:
    store = Store((SECRET, api_key()))
    cache = store.cache()
    cache.find(SECRET)
    store.keys.clear()
    store.now -= 3600
    assert cache.find(SECRET) is None


def test_the_number_of_cached_keys_is_limited() -> None:
    secrets = [f"tsk_{number:043d}" for number in range(1_100)]
    store = Store(*((secret, api_key()) for secret in secrets))
    cache = store.cache()
    for secret in secrets:
        cache.find(secret)
    cache.find(secrets[0])
    assert store.lookups == len(secrets) + 1
