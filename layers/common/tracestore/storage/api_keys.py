"""API keys in the table: found by the hash of their secret, listed and revoked by their user.

The secret itself is never stored. Each key has two items, one under its hash and one under its user, which are written
and removed together. Expired keys are absent, whether or not TTL has removed them.
"""

import secrets
from typing import Final

from tracestore.domain.credentials import sha256_of
from tracestore.domain.errors import Conflict, NotFound

from . import keys
from .model import ApiKey, Item, RateLimits
from .segments import expiry, key
from .store import Scope
from .table import Table

KEYS_PER_USER: Final = 100
"""One Query reads them all, so there is no paging in the API."""

_LIMIT_ATTRIBUTES: Final = ("requests_per_s", "spans_per_s")

PREFIX_LENGTH: Final = 8
"""Characters of a secret in lists, so that people can distinguish keys: `tsk_` and 4 of its 43 random characters."""


def new_secret() -> str:
    """Make a secret of 256 random bits."""
    return f"tsk_{secrets.token_urlsafe(32)}"


def find_api_key(table: Table, sha256: str, now_s: float) -> ApiKey | None:
    """The key whose secret has this hash, read consistently. *absent*: None, also when the key has expired."""
    return _unless_expired(table.get(keys.api_key(sha256), keys.API_KEY), now_s)


def list_api_keys(scope: Scope) -> list[ApiKey]:
    items = scope.table.query(keys.user_keys(scope.user_id))
    api_keys = [_unless_expired(item, scope.now_ms() / 1000) for item in items]
    return sorted(filter(None, api_keys), key=lambda api_key: (api_key.created_ms, api_key.key_id))


def create_api_key(scope: Scope, api_key: ApiKey, secret: str) -> None:
    if len(list_api_keys(scope)) >= KEYS_PER_USER:
        raise Conflict(f"You have {KEYS_PER_USER} API keys, the maximum. Revoke one first.")
    by_hash, by_user = items_of(api_key, sha256_of(secret))
    scope.table.put_credential(by_user, by_hash)


def revoke_api_key(scope: Scope, key_id: str) -> None:
    by_user = keys.user_keys(scope.user_id), keys.encode_id(key_id)
    item = scope.table.get(*by_user)
    if item is None or _unless_expired(item, scope.now_ms() / 1000) is None:
        raise NotFound("There is no such API key among yours.")
    scope.table.delete_credential(by_user, (keys.api_key(item["sha256"]["S"]), keys.API_KEY))


def items_of(api_key: ApiKey, sha256: str) -> tuple[Item, Item]:
    """The two items of a key: under the hash of its secret, and under its user."""
    attributes = _attributes(api_key)
    key_by_user = key(keys.user_keys(api_key.user_id), keys.encode_id(api_key.key_id))
    by_user = {**key_by_user, **attributes, "sha256": {"S": sha256}}
    return {**key(keys.api_key(sha256), keys.API_KEY), **attributes}, by_user


def _attributes(api_key: ApiKey) -> Item:
    attributes: Item = {
        "key_id": {"S": api_key.key_id},
        "user_id": {"S": api_key.user_id},
        "name": {"S": api_key.name},
        "prefix": {"S": api_key.prefix},
        "scopes": {"SS": sorted(api_key.scopes)},
        "created_ms": {"N": str(api_key.created_ms)},
    }
    for name, limit in zip(_LIMIT_ATTRIBUTES, api_key.limits, strict=True):
        if limit is not None:
            attributes[name] = {"N": str(limit)}
    return attributes if api_key.expires_at_s is None else attributes | expiry(api_key.expires_at_s)


def _unless_expired(item: Item | None, now_s: float) -> ApiKey | None:
    """The key in an item. *absent*: None without an item, and for a key that has expired."""
    if item is None:
        return None
    api_key = ApiKey(
        key_id=item["key_id"]["S"],
        user_id=item["user_id"]["S"],
        name=item["name"]["S"],
        prefix=item["prefix"]["S"],
        scopes=frozenset(item["scopes"]["SS"]),
        created_ms=int(item["created_ms"]["N"]),
        expires_at_s=int(item["expires_at"]["N"]) if "expires_at" in item else None,
        limits=RateLimits(*(int(item[name]["N"]) if name in item else None for name in _LIMIT_ATTRIBUTES)),
    )
    return None if api_key.is_expired(now_s) else api_key
