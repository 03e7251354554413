"""Verify a JWT and return the user and the teams that it names.

PyJWT checks signatures and times. This module selects the keys, and the one algorithm that each key may verify: the
token has no influence on it. PyJWT and its cryptography take 90 ms to import, so they are imported with the first JWT.
"""

import json
import re
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from tracestore.domain.errors import Unauthenticated, Unavailable
from tracestore.domain.owners import is_name, is_reserved

from .identity import TokenUser
from .refreshed import Refreshed
from .settings import Settings
from .telemetry import logger

if TYPE_CHECKING:
    from jwt import PyJWK

    KeySet = Mapping[str | None, PyJWK]

LEEWAY_S: Final = 60
KEYS_LIVE_S: Final = 600
PAUSE_S: Final = 10
"""Keys are fetched at most this often, so a new key of the issuer is accepted after this time at the latest."""

MIN_SECRET_BYTES: Final = 32
"""RFC 7518, section 3.2: an HS256 key is no shorter than its hash."""

_MAX_TOKEN_CHARACTERS: Final = 16_384
_TOKENS_REMEMBERED: Final = 256
"""A client sends one token for an hour, and PyJWT reads it three times: a third of a millisecond for each request."""

_COMPACT: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_ALGORITHMS: Final = {"RSA": "RS256", "EC P-256": "ES256", "OKP Ed25519": "EdDSA"}
"""The one algorithm for each type of public key. Keys of other types are ignored, `oct` (symmetric) above all."""


class JwtVerifier:
    """A verifier of the JWTs of one deployment. The issuer's keys are cached for ten minutes.

    Verified tokens are remembered together with their key: they are verified again when the key is replaced.
    `read_secret` returns the HS256 secret. It is None where the deployment has no such secret.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        read_secret: Callable[[], str] | None = None,
        fetch: Callable[[str], bytes] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._issuer = settings.jwt_issuer
        self._audiences = frozenset(filter(None, map(str.strip, (settings.jwt_audience or "").split(","))))
        self._owner_claim = settings.jwt_owner_claim
        self._teams_claim = settings.jwt_teams_claim
        self._verified = lru_cache(maxsize=_TOKENS_REMEMBERED)(self._decoded)
        self._keys: Refreshed[KeySet] | None = None
        self._secret: Refreshed[bytes | None] | None = None
        if url := settings.jwks_url:
            fetch = fetch or _fetched
            self._keys = Refreshed(lambda: _key_set(fetch(url)), clock, life_s=KEYS_LIVE_S, pause_s=PAUSE_S)
        if read_secret:
            self._secret = Refreshed(lambda: _strong(read_secret()), clock, life_s=KEYS_LIVE_S, pause_s=PAUSE_S)

    def verify(self, token: str) -> TokenUser:
        """The user and the teams that the token names.

        *raises*: Unauthenticated, with the remedy, for a token that is not valid; Unavailable while the issuer's keys
        are unreachable.
        """
        if not self._keys and not self._secret:
            raise Unauthenticated(
                "This deployment accepts only API keys, because no identity provider is configured. Send an API key. "
                "The deployer can configure JwtIssuer and JwtAudience, or JwtSecretParameter."
            )
        if len(token) > _MAX_TOKEN_CHARACTERS or not _COMPACT.fullmatch(token):
            raise Unauthenticated(
                "The bearer token is neither a JWT nor an API key. Send a JWT of the identity provider, or an API key, "
                "which begins with tsk_."
            )
        claims = self._claims(token)
        return TokenUser(self._user_id(claims), self._teams(claims))

    def _claims(self, token: str) -> Mapping[str, Any]:
        import jwt

        try:
            claims = self._verified(token, *self._key_for(_header_of(token)))
            if int(claims["exp"]) + LEEWAY_S <= time.time():  # it was verified before
                raise jwt.ExpiredSignatureError
        except jwt.ExpiredSignatureError as error:
            raise Unauthenticated("The token has expired. Sign in again.") from error
        except jwt.ImmatureSignatureError as error:
            raise Unauthenticated("The token is not valid yet. Check the clock of its issuer.") from error
        except (jwt.InvalidIssuerError, jwt.MissingRequiredClaimError) as error:
            raise Unauthenticated(
                "The token must have an expiry (exp) and the issuer (iss) of this deployment."
            ) from error
        except jwt.PyJWTError as error:
            raise Unauthenticated("The token was not signed by this deployment's identity provider.") from error
        if self._audiences and not _is_for(self._audiences, claims):
            raise Unauthenticated(
                "The token was issued for another audience. Request one for an audience of this deployment."
            )
        return claims

    def _decoded(self, token: str, key: "bytes | PyJWK", algorithm: str) -> Mapping[str, Any]:
        """The claims of a token that this key has signed. *raises*: PyJWTError."""
        import jwt

        claims: Mapping[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            issuer=self._issuer,
            leeway=LEEWAY_S,
            options={"require": ["exp"], "verify_aud": False, "enforce_minimum_key_length": True},
        )
        return claims

    def _key_for(self, header: Mapping[str, Any]) -> tuple["bytes | PyJWK", str]:
        """The key that the token's header names, and the one algorithm that this key may verify."""
        algorithm = header.get("alg")
        if algorithm == "HS256" and self._secret:
            return _usable(self._secret.get()), "HS256"
        if not self._keys or algorithm not in _ALGORITHMS.values():
            raise Unauthenticated("The token is signed with an algorithm that this deployment does not accept.")
        if not self._issuer or not self._audiences:
            raise Unauthenticated(
                "This deployment accepts no tokens of its identity provider until JwtIssuer and JwtAudience are both "
                "configured. Otherwise a token for any other application would be accepted."
            )
        kid = header.get("kid")
        key = self._keys.get().get(kid) or self._keys.newer().get(kid)
        if key is None:
            raise Unauthenticated("The token was not signed by this deployment's identity provider.")
        return key, key.algorithm_name

    def _user_id(self, claims: Mapping[str, Any]) -> str:
        user_id = claims.get(self._owner_claim)
        if not isinstance(user_id, str) or not is_name(user_id):
            raise Unauthenticated(
                "The token does not name a user in the claim that this deployment reads (JwtOwnerClaim)."
            )
        if is_reserved(user_id):
            raise Unauthenticated(
                "The token names a user whose id has the form of a team's. The deployer has to choose a claim whose "
                "values do not begin with @team: (JwtOwnerClaim)."
            )
        return user_id

    def _teams(self, claims: Mapping[str, Any]) -> tuple[str, ...]:
        """The teams in the claim: a name, or a list of names. *absent*: none, also for a value of another form."""
        if self._teams_claim is None:
            return ()
        listed = claims.get(self._teams_claim)
        names: list[Any] = listed if isinstance(listed, list) else [listed]
        return tuple(dict.fromkeys(name for name in names if is_name(name)))


@lru_cache(maxsize=_TOKENS_REMEMBERED)
def _header_of(token: str) -> Mapping[str, Any]:
    """The header of a token, which is not verified yet. *raises*: PyJWTError."""
    import jwt

    return jwt.get_unverified_header(token)


def _is_for(audiences: frozenset[str], claims: Mapping[str, Any]) -> bool:
    """Whether a token was issued for one of `audiences`.

    *source*: Amazon Cognito, "Understanding the access token": no `aud`, but `client_id` and `token_use`.
    """
    if "aud" not in claims:
        return claims.get("token_use") == "access" and _is_among(claims.get("client_id"), audiences)
    named = claims["aud"]
    return any(_is_among(name, audiences) for name in (named if isinstance(named, list) else [named]))


def _is_among(name: object, audiences: frozenset[str]) -> bool:
    return isinstance(name, str) and name in audiences


def _key_set(jwks: bytes) -> "KeySet":
    """The usable keys by their `kid`. If there is only one key, it is also used for tokens without a `kid`.

    *raises*: Unavailable when the text is not a key set.
    """
    from jwt import PyJWK, PyJWTError

    try:
        members = json.loads(jwks)["keys"]
        key_members = [member for member in members if isinstance(member, dict)]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Unavailable(
            "The keys of the identity provider cannot be read. Try again later. If it persists, the deployer has to "
            "correct JwksUrl."
        ) from error
    keys: dict[str | None, PyJWK] = {}
    for member in key_members:
        algorithm = _ALGORITHMS.get(f"{member.get('kty')} {member.get('crv', '')}".strip())
        kid = member.get("kid")
        if algorithm is None or member.get("alg", algorithm) != algorithm or member.get("use", "sig") != "sig":
            continue
        if not isinstance(kid, str | None):
            continue
        try:
            keys[kid] = PyJWK(member, algorithm)
        except PyJWTError:
            continue  # one malformed key must not disable the others
    if len(keys) == 1:
        keys[None] = next(iter(keys.values()))
    return keys


def _fetched(url: str) -> bytes:
    from .key_fetch import fetch

    return fetch(url)


def _strong(secret: str) -> bytes | None:
    """The secret. *absent*: None for one that can be guessed, which is logged once for each time that it is read."""
    if len(secret.encode()) < MIN_SECRET_BYTES:
        logger.error(
            "the secret for HS256 is too short, and tokens signed with it are refused",
            extra={"code": "deployment_misconfigured", "least_bytes": MIN_SECRET_BYTES},
        )
        return None
    return secret.encode()


def _usable(secret: bytes | None) -> bytes:
    if secret is None:
        raise Unavailable(
            f"This deployment cannot verify tokens: its secret for HS256 has less than {MIN_SECRET_BYTES} bytes. The "
            "deployer has to store a longer one in the parameter that JwtSecretParameter names.",
            code="deployment_misconfigured",
            retry_after_s=KEYS_LIVE_S,
        )
    return secret
