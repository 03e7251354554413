"""API keys in the table: found by the hash of their secret, listed and revoked by their user.

The secret itself is never stored. Each key has two items, one under its hash and one under its user, which are written
and removed together.
"""

import hashlib
import re
import secrets
from dataclasses import dataclass
from typing import Final

from tracestore.domain.errors import Conflict

from . import keys
from .model import Item
from .segments import expiry, key
from .table import Table

KEYS_PER_USER: Final = 100
"""One Query reads them all, so there is no paging in the API."""

PREFIX_LENGTH: Final = 8
"""Characters of a secret in lists, so that people can distinguish keys: `tsk_` and 4 of its 43 random characters."""

_SECRET: Final = re.compile(r"tsk_[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key without its secret. `expires_at_s` is None for a key that is valid until it is revoked."""

    key_id: str
    user_id: str
    name: str
    prefix: str
    scopes: frozenset[str]
    created_ms: int
    expires_at_s: int | None = None

    def is_expired(self, now_s: float) -> bool:
        return self.expires_at_s is not None and self.expires_at_s <= now_s


def new_secret() -> str:
    """Make a secret of 256 random bits."""
    return f"tsk_{secrets.token_urlsafe(32)}"


def is_secret(text: str) -> bool:
    """Whether `text` has the form of a secret."""
    return _SECRET.fullmatch(text) is not None


def sha256_of(secret: str) -> str:
    """The stored hash of a secret. A secret has too many bits to be guessed from it, so no slow hash is needed."""
    return hashlib.sha256(secret.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class ApiKeys:
    """The API keys of one deployment. Expired keys are absent, whether or not TTL has removed them."""

    table: Table
    limit: int = KEYS_PER_USER

    def find(self, sha256: str, now_s: float) -> ApiKey | None:
        """The key whose secret has this hash, read consistently. *absent*: None."""
        return _unless_expired(self.table.get(keys.api_key(sha256), keys.API_KEY), now_s)

    def list_by_user(self, user_id: str, now_s: float) -> list[ApiKey]:
        """All keys of a user, the oldest first."""
        api_keys = [_unless_expired(item, now_s) for item in self.table.query(keys.user_keys(user_id))]
        return sorted(filter(None, api_keys), key=lambda api_key: (api_key.created_ms, api_key.key_id))

    def create(self, api_key: ApiKey, secret: str, now_s: float) -> None:
        """Store `api_key`, which `find` returns for the hash of `secret` from now on.

        *raises*: Conflict when the user has `limit` keys. Two simultaneous requests may both create the last one.
        """
        if len(self.list_by_user(api_key.user_id, now_s)) >= self.limit:
            raise Conflict(f"You have {self.limit} API keys, the maximum. Revoke one first.")
        sha256 = sha256_of(secret)
        self.table.transact([{"Put": {"Item": item}} for item in items_of(api_key, sha256)])

    def revoke(self, user_id: str, key_id: str, now_s: float) -> bool:
        """Remove a key of this user. *absent*: False."""
        item = self.table.get(keys.user_keys(user_id), keys.encode_id(key_id))
        if item is None or _unless_expired(item, now_s) is None:
            return False
        self.table.transact(
            [
                {"Delete": {"Key": _key_by_hash(item["sha256"]["S"])}},
                {"Delete": {"Key": _key_by_user(user_id, key_id)}},
            ]
        )
        return True


def items_of(api_key: ApiKey, sha256: str) -> tuple[Item, Item]:
    """The two items of a key: under the hash of its secret, and under its user."""
    attributes = _attributes(api_key)
    by_user = {**_key_by_user(api_key.user_id, api_key.key_id), **attributes, "sha256": {"S": sha256}}
    return {**_key_by_hash(sha256), **attributes}, by_user


def _key_by_hash(sha256: str) -> Item:
    return key(keys.api_key(sha256), keys.API_KEY)


def _key_by_user(user_id: str, key_id: str) -> Item:
    return key(keys.user_keys(user_id), keys.encode_id(key_id))


def _attributes(api_key: ApiKey) -> Item:
    attributes: Item = {
        "key_id": {"S": api_key.key_id},
        "user_id": {"S": api_key.user_id},
        "name": {"S": api_key.name},
        "prefix": {"S": api_key.prefix},
        "scopes": {"SS": sorted(api_key.scopes)},
        "created_ms": {"N": str(api_key.created_ms)},
    }
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
    )
    return None if api_key.is_expired(now_s) else api_key
