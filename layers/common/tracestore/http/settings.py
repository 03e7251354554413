"""The deployment's configuration: environment variables, read once, validated and frozen.

No other module reads the environment. An empty variable counts as absent, because a template parameter cannot be unset.
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
    """The configuration of one deployment. *absent*: None.

    `dynamodb_endpoint` and `jwt_secret` are for a developer's machine. In a deployment, the secret is in the SSM
    parameter that `jwt_secret_parameter` names.
    """

    table_name: str
    retention_days: int = 30
    time_shards: int = 1
    jwt_issuer: str | None = None
    jwt_audience: str | None = None
    jwt_owner_claim: str = "sub"
    jwt_teams_claim: str | None = None
    jwks_url: str | None = None
    jwt_secret_parameter: str | None = None
    jwt_secret: str | None = None
    dynamodb_endpoint: str | None = None
    redaction_patterns: tuple[str, ...] = ()
    prices: str = "{}"
    cors_origins: tuple[str, ...] = ()


@cache
def settings() -> Settings:
    """The settings of this process, read on first use. *raises*: as `settings_from`."""
    return settings_from(os.environ)


def settings_from(environment: Mapping[str, str]) -> Settings:
    """The settings in these variables. *raises*: ValueError that names the variable and its valid values."""
    variables = {name: value.strip() for name, value in environment.items() if value.strip()}
    if "TABLE_NAME" not in variables:
        raise ValueError("TABLE_NAME must be the name of the DynamoDB table.")
    issuer = variables.get("JWT_ISSUER")
    return Settings(
        table_name=variables["TABLE_NAME"],
        retention_days=_whole_number(variables, "RETENTION_DAYS", default=30, most=3650),
        time_shards=_whole_number(variables, "TIME_SHARDS", default=1, most=64),
        jwt_issuer=issuer,
        jwt_audience=variables.get("JWT_AUDIENCE"),
        jwt_owner_claim=variables.get("JWT_OWNER_CLAIM", "sub"),
        jwt_teams_claim=variables.get("JWT_TEAMS_CLAIM"),
        jwks_url=_jwks_url(variables.get("JWKS_URL"), issuer),
        jwt_secret_parameter=variables.get("JWT_SECRET_PARAMETER"),
        jwt_secret=variables.get("JWT_SECRET"),
        dynamodb_endpoint=variables.get("DYNAMODB_ENDPOINT"),
        redaction_patterns=_patterns(variables.get("REDACTION_PATTERNS", "[]")),
        prices=variables.get("PRICES", "{}"),
        cors_origins=tuple(filter(None, map(str.strip, variables.get("CORS_ORIGINS", "").split(",")))),
    )


def _whole_number(variables: Mapping[str, str], name: str, *, default: int, most: int) -> int:
    text = variables.get(name, str(default))
    if not re.fullmatch(r"[0-9]{1,9}", text) or not 1 <= int(text) <= most:
        raise ValueError(f"{name} must be a whole number from 1 to {most}.")
    return int(text)


def _jwks_url(configured: str | None, issuer: str | None) -> str | None:
    """The address of the issuer's public keys. Plain HTTP can be intercepted, so only this host may use it."""
    if configured is None and issuer is not None and "://" in issuer:
        configured = issuer.rstrip("/") + "/.well-known/jwks.json"
    if configured is None:
        return None
    address = urlsplit(configured)
    is_local = address.hostname in {"127.0.0.1", "::1", "localhost"}
    if not address.hostname or address.scheme not in ({"http", "https"} if is_local else {"https"}):
        raise ValueError("JWKS_URL, or JWT_ISSUER if JWKS_URL is empty, must be an https:// address.")
    return configured


def _patterns(text: str) -> tuple[str, ...]:
    try:
        patterns = json.loads(text)
        if not isinstance(patterns, list) or not all(isinstance(pattern, str) for pattern in patterns):
            raise ValueError
        if any(re.compile(pattern).search("") for pattern in patterns):
            raise ValueError
    except (ValueError, re.error) as error:
        message = (
            "REDACTION_PATTERNS must be a JSON list of regular expressions that do not match an empty text, such as "
            '["acme-[0-9]+"].'
        )
        raise ValueError(message) from error
    return tuple(patterns)
