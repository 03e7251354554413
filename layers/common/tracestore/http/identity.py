"""Who is calling: exactly one credential, found good, or no identity at all.

Knows headers, not requests, and neither AWS nor JWT libraries: those come in as `owner_of` and `find_key`.
"""

import base64
import binascii
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Final, Literal

from tracestore.domain.errors import Unauthenticated
from tracestore.storage.api_keys import ApiKey, is_secret, sha256_of

SCOPES: Final = ("ingest", "read", "delete")
"""All there are, in the order in which they are shown."""

CACHED_S: Final = 60
"""How long a revoked key may go on working."""

_CACHED_KEYS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Identity:
    """A caller whose credential was found good. `user_id` owns what it writes and bounds what it sees."""

    user_id: str
    credential: Literal["jwt", "api_key"]
    scopes: frozenset[str]


class KeyCache:
    """API keys by the hash of their secret, each looked up at most once in 60 seconds; what was not found is not kept.

    `find` is given the hash and the time in seconds.
    """

    def __init__(self, find: Callable[[str, float], ApiKey | None], clock: Callable[[], float] = time.time) -> None:
        self._find = find
        self._clock = clock
        self._lock = Lock()
        self._known: OrderedDict[str, tuple[float, ApiKey]] = OrderedDict()

    def find(self, secret: str) -> ApiKey | None:
        """The key with this secret. *absent*: unknown, revoked or expired."""
        sha256, now = sha256_of(secret), self._clock()
        with self._lock:
            found_at, key = self._known.get(sha256, (float("-inf"), None))
        if key is None or not 0 <= now - found_at < CACHED_S:
            key = self._find(sha256, now)
            self._keep(sha256, now, key)
        return key if key and not key.is_expired(now) else None

    def _keep(self, sha256: str, now: float, key: ApiKey | None) -> None:
        with self._lock:
            self._known.pop(sha256, None)
            if key:
                self._known[sha256] = (now, key)
            while len(self._known) > _CACHED_KEYS:
                self._known.popitem(last=False)


def identify(
    headers: Mapping[str, str],
    *,
    owner_of: Callable[[str], str],
    find_key: Callable[[str], ApiKey | None],
) -> Identity:
    """The caller who sent these headers, whatever their names' case.

    *raises*: `Unauthenticated` without a credential, with two different ones, or with one that is not good.
    """
    credentials = set(_credentials(headers))
    if not credentials:
        raise Unauthenticated("This needs a credential: an Authorization header with a bearer token, or an x-api-key.")
    if len(credentials) > 1:
        raise Unauthenticated("There are two different credentials on this request. Send one.")
    credential = credentials.pop()
    if not credential.startswith("tsk_"):
        return Identity(owner_of(credential), "jwt", frozenset(SCOPES))
    key = find_key(credential) if is_secret(credential) else None
    if key is None:
        raise Unauthenticated("This API key does not exist, was revoked, or has expired. Make a new one.")
    return Identity(key.user_id, "api_key", key.scopes)


def _credentials(headers: Mapping[str, str]) -> list[str]:
    """Every credential on the request: API keys as they are, and what may be a JWT."""
    found = []
    for name, value in headers.items():
        if name.lower() == "authorization":
            found.append(_from_authorization(value))
        elif name.lower() == "x-api-key":
            found.append(_api_key(value.strip()))
    return found


def _from_authorization(value: str) -> str:
    scheme, _, sent = value.strip().partition(" ")
    if scheme.lower() == "bearer" and sent.strip():
        return sent.strip()
    if scheme.lower() == "basic":
        return _api_key(_basic_password(sent.strip()))
    raise Unauthenticated("An Authorization header is Bearer with a token or an API key, or Basic with an API key.")


def _basic_password(sent: str) -> str:
    try:
        _, colon, password = base64.b64decode(sent, validate=True).decode().partition(":")
    except (ValueError, binascii.Error) as error:
        raise Unauthenticated("The Basic credential is not base64 of a name, a colon, and an API key.") from error
    return password if colon else ""


def _api_key(text: str) -> str:
    if not text.startswith("tsk_"):
        raise Unauthenticated("An API key starts with tsk_; a JWT goes into an Authorization header, as Bearer.")
    return text
