"""API keys as requests ask for them and as responses show them."""

import re
import secrets
from typing import Any, Final

from tracestore.api.dates import expiry_s
from tracestore.domain.errors import Detail, Invalid
from tracestore.domain.spans import Json
from tracestore.domain.times import NS_PER_MS, NS_PER_SECOND, format_time
from tracestore.http.identity import SCOPES
from tracestore.http.parameters import unknown_fields
from tracestore.storage.api_keys import PREFIX_LENGTH
from tracestore.storage.model import ApiKey, RateLimits

MAX_NAME: Final = 128

MAX_RATE: Final = 1_000_000

_LIMITS: Final = ("max_requests_per_second", "max_spans_per_second")
"""The fields of the limits of a key, in the order of `RateLimits`."""

_SENT_FIELDS: Final = frozenset({"name", "scopes", "expires_at", *_LIMITS})
_SERVER_FIELDS: Final = frozenset({"key_id", "user_id", "prefix", "created_at", "secret"})
"""Fields that the server sets. They are ignored, so that a key that was read can be sent again."""

_KEY_ID: Final = re.compile(r"[0-9a-f]{16}")


def parse_key(body: Json, owner_id: str, secret: str, now_ms: int) -> ApiKey:
    """The API key that a request asks for, of this owner.

    *raises*: Invalid that names every malformed or unknown field.
    """
    if not isinstance(body, dict):
        raise Invalid("Send a JSON object with name and scopes.")
    name, scopes, expires_at = body.get("name"), body.get("scopes"), body.get("expires_at")
    granted = [scope for scope in SCOPES if isinstance(scopes, list) and scope in scopes]
    details = unknown_fields(body, _SENT_FIELDS | _SERVER_FIELDS, "a field of an API key")
    if not isinstance(name, str) or not name.strip() or len(name) > MAX_NAME:
        details.append(Detail("name", f"must be a string of 1 to {MAX_NAME} characters"))
    if not granted or not isinstance(scopes, list) or not all(scope in SCOPES for scope in scopes):
        details.append(Detail("scopes", f"must be a list of one or more of {', '.join(SCOPES)}"))
    expires_at_s = expiry_s(expires_at, now_ms)
    if expires_at is not None and expires_at_s is None:
        details.append(Detail("expires_at", "must be an ISO 8601 time with a zone, in the future"))
    limits = [_limit(body.get(field)) for field in _LIMITS]
    for field, limit in zip(_LIMITS, limits, strict=True):
        if limit is None and body.get(field) is not None:
            details.append(Detail(field, f"must be an integer from 1 to {MAX_RATE:,}"))
    if details:
        raise Invalid("The API key cannot be created. See details for each field.", details=tuple(details))
    return ApiKey(
        key_id=secrets.token_hex(8),
        user_id=owner_id,
        name=str(name),
        prefix=secret[:PREFIX_LENGTH],
        scopes=frozenset(granted),
        created_ms=now_ms,
        expires_at_s=expires_at_s,
        limits=RateLimits(*limits),
    )


def _limit(value: Json) -> int | None:
    """A rate that a request may set. An integer may be written as JSON writes it from a float: `320.0`.

    *absent*: None for anything else.
    """
    number = int(value) if isinstance(value, float) and value.is_integer() else value
    return number if type(number) is int and 1 <= number <= MAX_RATE else None


def is_key_id(text: str) -> bool:
    """Whether `text` can be the id of an API key."""
    return _KEY_ID.fullmatch(text) is not None


def key_json(key: ApiKey) -> dict[str, Any]:
    """An API key as its user sees it, without the secret."""
    return {
        "key_id": key.key_id,
        "name": key.name,
        "prefix": key.prefix,
        "scopes": scopes_json(key.scopes),
        "created_at": format_time(key.created_ms * NS_PER_MS),
        "expires_at": None if key.expires_at_s is None else format_time(key.expires_at_s * NS_PER_SECOND),
        **dict(zip(_LIMITS, key.limits, strict=True)),
    }


def scopes_json(scopes: frozenset[str]) -> list[str]:
    """Scopes in their fixed order."""
    return [scope for scope in SCOPES if scope in scopes]
