"""Credentials on a request: which are taken, which are refused, and how long an API key is remembered."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracestore.domain.errors import Unauthenticated
from tracestore.http.identity import CACHED_S, SCOPES, Identity, KeyCache, identify
from tracestore.storage.api_keys import ApiKey, sha256_of

SECRET = "tsk_" + "k" * 43
OTHER_SECRET = "tsk_" + "o" * 43
JWT = "head.claims.signature"


def api_key(**changes: object) -> ApiKey:
    given = {
        "key_id": "1",
        "user_id": "ada",
        "name": "laptop",
        "prefix": SECRET[:8],
        "scopes": frozenset({"ingest"}),
        "created_ms": 0,
    }
    return ApiKey(**{**given, **changes})  # type: ignore[arg-type]


def owner_of(token: str) -> str:
    if token != JWT:
        raise Unauthenticated("no")
    return "grace"


def who_sent(**headers: str) -> Identity:
    """The caller with these headers, in a store that holds one key."""
    stored = {SECRET: api_key(), OTHER_SECRET: api_key(user_id="eve")}
    return identify(
        {name.replace("_", "-"): value for name, value in headers.items()}, owner_of=owner_of, find_key=stored.get
    )


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


def test_a_jwt_may_do_everything() -> None:
    assert who_sent(authorization=f"Bearer {JWT}") == Identity("grace", "jwt", frozenset(SCOPES))


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
def test_an_api_key_is_taken_wherever_clients_put_it(headers: dict[str, str]) -> None:
    assert who_sent(**headers) == Identity("ada", "api_key", frozenset({"ingest"}))


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
        who_sent(**headers)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"cookie": f"token={JWT}"},
        {"authorization": ""},
        {"authorization": "Bearer"},
        {"authorization": "Bearer "},
        {"authorization": JWT},
        {"authorization": SECRET},
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
def test_what_is_not_exactly_one_good_credential_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(Unauthenticated):
        who_sent(**headers)


@given(st.dictionaries(st.sampled_from(["authorization", "x-api-key"]), st.text()))
def test_no_header_makes_anything_but_a_refusal(headers: dict[str, str]) -> None:
    stored: dict[str, ApiKey] = {}
    with pytest.raises(Unauthenticated):
        identify(headers, owner_of=owner_of, find_key=stored.get)


class Store:
    """Keys by hash, and how often somebody looked."""

    def __init__(self, *keys: tuple[str, ApiKey]) -> None:
        self.keys = {sha256_of(secret): key for secret, key in keys}
        self.lookups = 0
        self.now = 1_000.0

    def find(self, sha256: str, _now_s: float) -> ApiKey | None:
        self.lookups += 1
        return self.keys.get(sha256)

    def cache(self) -> KeyCache:
        return KeyCache(self.find, clock=lambda: self.now)


def test_a_key_is_looked_up_once_a_minute() -> None:
    store = Store((SECRET, api_key()))
    cache = store.cache()
    for _ in range(CACHED_S * 2):
        cache.find(SECRET)
        store.now += 1
    assert store.lookups == 2


def test_a_revoked_key_stops_within_a_minute() -> None:
    store = Store((SECRET, api_key()))
    cache = store.cache()
    cache.find(SECRET)
    store.keys.clear()
    store.now += CACHED_S
    assert cache.find(SECRET) is None


def test_a_remembered_key_ends_when_it_expires() -> None:
    store = Store((SECRET, api_key(expires_at_s=1_010)))
    cache = store.cache()
    cache.find(SECRET)
    store.now += 10
    assert cache.find(SECRET) is None


def test_a_key_that_was_not_found_is_not_remembered_as_absent() -> None:
    store = Store()
    cache = store.cache()
    cache.find(SECRET)
    store.keys[sha256_of(SECRET)] = api_key()
    assert cache.find(SECRET) == api_key()


def test_a_clock_that_goes_back_does_not_keep_a_key_alive() -> None:
    store = Store((SECRET, api_key()))
    cache = store.cache()
    cache.find(SECRET)
    store.keys.clear()
    store.now -= 3600
    assert cache.find(SECRET) is None


def test_keys_remembered_are_bounded() -> None:
    secrets = [f"tsk_{number:043d}" for number in range(1_100)]
    store = Store(*((secret, api_key()) for secret in secrets))
    cache = store.cache()
    for secret in secrets:
        cache.find(secret)
    cache.find(secrets[0])
    assert store.lookups == len(secrets) + 1
