"""What the deployer configured: the environment, read once, checked, and frozen.

Nothing else reads the environment. An empty variable counts as absent, because a template parameter cannot be unset.
"""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Settings:
    """The configuration of one deployment. None where nothing is configured.

    `dynamodb_endpoint` and `jwt_secret` are for a developer's machine; deployed, the secret is in the SSM parameter
    that `jwt_secret_parameter` names.
    """

    table_name: str
    retention_days: int = 30
    time_shards: int = 1
    jwt_issuer: str | None = None
    jwt_audience: str | None = None
    jwt_owner_claim: str = "sub"
    jwks_url: str | None = None
    jwt_secret_parameter: str | None = None
    jwt_secret: str | None = None
    dynamodb_endpoint: str | None = None
    redaction_patterns: tuple[str, ...] = ()
    prices: str = "{}"


@cache
def settings() -> Settings:
    """The settings of this process, read on first use.

    *raises*: `ValueError` that names the variable and what it should hold.
    """
    return settings_from(os.environ)


def settings_from(environment: Mapping[str, str]) -> Settings:
    """The settings that these variables hold.

    *raises*: `ValueError` that names the variable and what it should hold.
    """
    given = {name: value.strip() for name, value in environment.items() if value.strip()}
    if "TABLE_NAME" not in given:
        raise ValueError("TABLE_NAME must hold the name of the DynamoDB table.")
    issuer = given.get("JWT_ISSUER")
    return Settings(
        table_name=given["TABLE_NAME"],
        retention_days=_whole_number(given, "RETENTION_DAYS", default=30, most=3650),
        time_shards=_whole_number(given, "TIME_SHARDS", default=1, most=64),
        jwt_issuer=issuer,
        jwt_audience=given.get("JWT_AUDIENCE"),
        jwt_owner_claim=given.get("JWT_OWNER_CLAIM", "sub"),
        jwks_url=_jwks_url(given.get("JWKS_URL"), issuer),
        jwt_secret_parameter=given.get("JWT_SECRET_PARAMETER"),
        jwt_secret=given.get("JWT_SECRET"),
        dynamodb_endpoint=given.get("DYNAMODB_ENDPOINT"),
        redaction_patterns=_patterns(given.get("REDACTION_PATTERNS", "[]")),
        prices=given.get("PRICES", "{}"),
    )


def _whole_number(given: Mapping[str, str], name: str, *, default: int, most: int) -> int:
    text = given.get(name, str(default))
    if not re.fullmatch(r"[0-9]{1,9}", text) or not 1 <= int(text) <= most:
        raise ValueError(f"{name} must be a whole number from 1 to {most}.")
    return int(text)


def _jwks_url(given: str | None, issuer: str | None) -> str | None:
    """Where the issuer's public keys are. Over plain HTTP they could be anybody's, so only from this machine."""
    if given is None and issuer is not None and "://" in issuer:
        given = issuer.rstrip("/") + "/.well-known/jwks.json"
    if given is None:
        return None
    address = urlsplit(given)
    is_local = address.hostname in {"127.0.0.1", "::1", "localhost"}
    if not address.hostname or address.scheme not in ({"http", "https"} if is_local else {"https"}):
        raise ValueError("JWKS_URL (or JWT_ISSUER, when that is empty) must be an https:// address.")
    return given


def _patterns(text: str) -> tuple[str, ...]:
    try:
        patterns = json.loads(text)
        if not isinstance(patterns, list) or not all(isinstance(pattern, str) for pattern in patterns):
            raise ValueError
        if any(re.compile(pattern).search("") for pattern in patterns):
            raise ValueError
    except (ValueError, re.error) as error:
        message = (
            'REDACTION_PATTERNS must be a JSON list of regular expressions that need a character: ["acme-[0-9]+"].'
        )
        raise ValueError(message) from error
    return tuple(patterns)
