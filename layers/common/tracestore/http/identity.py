"""Identify the caller by exactly one valid credential.

Depends on headers alone: it reaches AWS and the JWT library through the functions `verify_jwt` and `find_key`.
"""

import base64
import binascii
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from threading import Lock
from typing import Final, Generic, Literal, Protocol, TypeVar
from urllib.parse import unquote

from tracestore.domain.credentials import SHARE_PREFIX, is_key_secret, is_share_secret, sha256_of
from tracestore.domain.errors import Forbidden, NotFound, Unauthenticated
from tracestore.domain.owners import team_id, team_of
from tracestore.storage.model import NO_LIMITS, ApiKey, RateLimits, Share

SCOPES: Final = ("ingest", "read", "delete", "annotate")
"""All scopes, in the order of responses."""

OWNER_HEADER: Final = "x-tracestore-owner"
"""Names the team that the caller acts for."""

CACHED_S: Final = 60
"""How long a revoked key or share may continue to work."""

_CACHED_KEYS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Identity:
    """A caller with a valid credential, and the team that it acts for. *absent*: None where the user acts alone.

    `user_id` is the user of a JWT, or the owner of an API key. `teams` may be named in the header, see `acting_for`.
    A `share` has no scopes, and an id of its own that owns nothing, in place of the user's.
    """

    user_id: str
    credential: Literal["jwt", "api_key", "share"]
    scopes: frozenset[str]
    teams: tuple[str, ...] = ()
    team: str | None = None
    key_id: str | None = None
    share: Share | None = None
    limits: RateLimits = NO_LIMITS

    @property
    def owner_id(self) -> str:
        """The owner of all that the caller writes, which limits what it can read."""
        return self.user_id if self.team is None else team_id(self.team)

    @property
    def shown_owner_id(self) -> str | None:
        """The owner as spans show it. *absent*: None for a share, which does not show the owner."""
        return None if self.share else self.owner_id


@dataclass(frozen=True, slots=True)
class TokenUser:
    """The user of a valid JWT, and the teams that the user may act for."""

    user_id: str
    teams: tuple[str, ...] = ()


class _Expiring(Protocol):
    def is_expired(self, now_s: float) -> bool: ...


Key = TypeVar("Key", bound=_Expiring)


class KeyCache(Generic[Key]):
    """API keys or shares by the hash of their secret, each looked up at most once in 60 seconds.

    Unknown keys are not cached. `find` receives the hash and the time in seconds.
    """

    def __init__(self, find: Callable[[str, float], Key | None], clock: Callable[[], float] = time.time) -> None:
        self._find = find
        self._clock = clock
        self._lock = Lock()
        self._cached: OrderedDict[str, tuple[float, Key]] = OrderedDict()

    def find(self, secret: str) -> Key | None:
        """The key with this secret. *absent*: None for an unknown, revoked or expired key."""
        sha256, now = sha256_of(secret), self._clock()
        with self._lock:
            cached = self._cached.get(sha256)
        key = cached[1] if cached and 0 <= now - cached[0] < CACHED_S else None
        if key is None:
            key = self._find(sha256, now)
            self._remember(sha256, now, key)
        return key if key and not key.is_expired(now) else None

    def _remember(self, sha256: str, now: float, key: Key | None) -> None:
        with self._lock:
            self._cached.pop(sha256, None)
            if key:
                self._cached[sha256] = (now, key)
            while len(self._cached) > _CACHED_KEYS:
                self._cached.popitem(last=False)


def identify(
    headers: Mapping[str, str],
    *,
    verify_jwt: Callable[[str], TokenUser],
    find_key: Callable[[str], ApiKey | None],
    find_share: Callable[[str], Share | None] = lambda _: None,
) -> Identity:
    """The caller that sent these headers. Names of headers may have any case.

    *raises*: Unauthenticated without a credential, with two different ones, or with one that is not valid; NotFound for
    a share that is absent, revoked or expired, as for an absent trace.
    """
    credentials = set(_credentials(headers))
    if not credentials:
        raise Unauthenticated(
            "This route needs a credential. Send an Authorization header with a bearer token, or an x-api-key header."
        )
    if len(credentials) > 1:
        raise Unauthenticated("The request has two different credentials. Send one.")
    credential = credentials.pop()
    if credential.startswith(SHARE_PREFIX):
        share = find_share(credential) if is_share_secret(credential) else None
        if share is None:
            raise NotFound("There is no such trace.")
        return Identity(f"@share:{share.share_id}", "share", frozenset(), share=share)
    if not credential.startswith("tsk_"):
        user = verify_jwt(credential)
        return Identity(user.user_id, "jwt", frozenset(SCOPES), user.teams)
    key = find_key(credential) if is_key_secret(credential) else None
    if key is None:
        raise Unauthenticated("This API key does not exist, was revoked, or has expired. Create a new one.")
    team = team_of(key.user_id)
    teams = () if team is None else (team,)
    return Identity(key.user_id, "api_key", key.scopes, teams, team, key.key_id, limits=key.limits)


def acting_for(caller: Identity, header: str | None) -> Identity:
    """The caller as a member of the team that the header `x-tracestore-owner` names, percent-encoded.

    *absent*: the caller unchanged: a user with a JWT acts alone, an API key for its owner.
    *raises*: Forbidden unless the header is one of the caller's teams.
    """
    if header is None:
        return caller
    team = unquote(header)  # replaces what is not UTF-8 by a character that a listed team would have to contain
    if team not in caller.teams:
        raise Forbidden(
            f"The header {OWNER_HEADER} must name a team of this credential, percent-encoded. A user may act for the "
            "teams in the claim that this deployment reads (JwtTeamsClaim), an API key only for its own team. Send one "
            "of them, or leave the header out.",
            code="forbidden_owner",
        )
    return replace(caller, team=team)


def presents_share(headers: Mapping[str, str]) -> bool:
    """Whether a request has the credential of a share, valid or not."""
    scheme, _, credential = headers.get("authorization", "").strip().partition(" ")
    return scheme.lower() == "bearer" and credential.strip().startswith(SHARE_PREFIX)


def _credentials(headers: Mapping[str, str]) -> list[str]:
    """Every credential in the headers: API keys, and bearer tokens that may be JWTs."""
    credentials = []
    for name, value in headers.items():
        if name.lower() == "authorization":
            credentials.append(_from_authorization(value))
        elif name.lower() == "x-api-key":
            credentials.append(_api_key(value.strip()))
    return credentials


def _from_authorization(value: str) -> str:
    scheme, _, credential = value.strip().partition(" ")
    if scheme.startswith("tsk_") and not credential:
        return scheme  # some SDKs send the key without a scheme
    if scheme.lower() == "bearer" and credential.strip():
        return credential.strip()
    if scheme.lower() == "basic":
        return _api_key(_basic_password(credential.strip()))
    raise Unauthenticated(
        "The Authorization header must be Bearer with a token or an API key, Basic with an API key as the password, or "
        "an API key alone."
    )


def _basic_password(credential: str) -> str:
    try:
        _, colon, password = base64.b64decode(credential, validate=True).decode().partition(":")
    except (ValueError, binascii.Error) as error:
        raise Unauthenticated(
            "The Basic credential must be the base64 form of a name, a colon and an API key."
        ) from error
    return password if colon else ""


def _api_key(text: str) -> str:
    if not text.startswith("tsk_"):
        raise Unauthenticated("An API key starts with tsk_. Send a JWT in the Authorization header, as Bearer.")
    return text
