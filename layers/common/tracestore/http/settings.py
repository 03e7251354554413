"""The deployment's configuration: environment variables, read once, validated and frozen.

No other module reads the environment. An empty variable counts as absent, because a template parameter cannot be unset.
"""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final, Literal
from urllib.parse import urlsplit

_ORIGIN: Final = re.compile(r"https://[A-Za-z0-9.-]+(:[0-9]+)?|http://(localhost|127\.0\.0\.1)(:[0-9]+)?")
"""Plain HTTP can be intercepted, so only this host may use it."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The configuration of one deployment. *absent*: None.

    `dynamodb_endpoint` and `jwt_secret` are for a developer's machine. In a deployment, the secret is in the SSM
    parameter that `jwt_secret_parameter` names. `user_role_arn` is the role whose sessions reach the data of one user
    each; without it, the function's own role reaches the data of all users.
    """

    table_name: str
    retention_days: int = 30
    counters_days: int = 400
    time_shards: int = 1
    max_trace_spans: int = 20_000
    jwt_issuer: str | None = None
    jwt_audience: str | None = None
    jwt_owner_claim: str = "sub"
    jwt_teams_claim: str | None = None
    jwks_url: str | None = None
    jwt_secret_parameter: str | None = None
    jwt_secret: str | None = None
    user_role_arn: str | None = None
    dynamodb_endpoint: str | None = None
    redaction_patterns: tuple[str, ...] = ()
    prices: str = "{}"
    cors_origins: tuple[str, ...] = ()
    oidc_client_id: str | None = None
    oidc_scope: str = "openid"
    oidc_connect_origins: tuple[str, ...] = ()
    oidc_token: Literal["access", "id"] = "access"


@cache
def settings() -> Settings:
    """The settings of this process, read on first use. *raises*: as `settings_from`."""
    return settings_from(os.environ)


def environment() -> Mapping[str, str]:
    """The environment itself, in which Lambda and the AWS SDKs name the region and the credentials."""
    return os.environ


def settings_from(environment: Mapping[str, str]) -> Settings:
    """The settings in these variables. *raises*: ValueError that names the variable and its valid values."""
    variables = {name: value.strip() for name, value in environment.items() if value.strip()}
    if "TABLE_NAME" not in variables:
        raise ValueError("TABLE_NAME must be the name of the DynamoDB table.")
    issuer = variables.get("JWT_ISSUER")
    return Settings(
        table_name=variables["TABLE_NAME"],
        retention_days=_whole_number(variables, "RETENTION_DAYS", default=30, most=3650),
        counters_days=_whole_number(variables, "COUNTERS_DAYS", default=400, most=3650),
        time_shards=_whole_number(variables, "TIME_SHARDS", default=1, most=64),
        max_trace_spans=_whole_number(variables, "MAX_TRACE_SPANS", default=20_000, most=100_000),
        jwt_issuer=issuer,
        jwt_audience=variables.get("JWT_AUDIENCE"),
        jwt_owner_claim=variables.get("JWT_OWNER_CLAIM", "sub"),
        jwt_teams_claim=variables.get("JWT_TEAMS_CLAIM"),
        jwks_url=_jwks_url(variables.get("JWKS_URL"), issuer),
        jwt_secret_parameter=variables.get("JWT_SECRET_PARAMETER"),
        jwt_secret=variables.get("JWT_SECRET"),
        user_role_arn=variables.get("USER_ROLE_ARN"),
        dynamodb_endpoint=variables.get("DYNAMODB_ENDPOINT"),
        redaction_patterns=_patterns(variables.get("REDACTION_PATTERNS", "[]")),
        prices=variables.get("PRICES", "{}"),
        cors_origins=_list(variables.get("CORS_ORIGINS", "")),
        oidc_client_id=variables.get("OIDC_CLIENT_ID"),
        oidc_scope=variables.get("OIDC_SCOPE", "openid"),
        oidc_connect_origins=_origins(variables.get("OIDC_CONNECT_ORIGINS", "")),
        oidc_token=_token(variables.get("OIDC_TOKEN", "access")),
    )


def _list(text: str) -> tuple[str, ...]:
    return tuple(filter(None, map(str.strip, text.split(","))))


def _origins(text: str) -> tuple[str, ...]:
    """Origins for a header of the page, which no other text may enter."""
    origins = _list(text)
    if not all(_ORIGIN.fullmatch(origin) for origin in origins):
        raise ValueError(
            "OIDC_CONNECT_ORIGINS must be origins with a scheme and without a path, such as https://login.example.com."
        )
    return origins


def _token(text: str) -> Literal["access", "id"]:
    if text not in ("access", "id"):
        raise ValueError("OIDC_TOKEN must be access or id.")
    return "id" if text == "id" else "access"


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
