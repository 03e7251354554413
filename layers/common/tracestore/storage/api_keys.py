"""API keys in the table: found by the hash of their secret, listed and revoked by their user.

The secret itself is never stored. A key stands in two items, one under its hash and one under its user, which are
written and removed together.
"""

import hashlib
import re
import secrets
from dataclasses import dataclass
from typing import Final

from tracestore.domain.errors import Conflict

from . import keys
from .dynamo import translated
from .segments import Item
from .table import Table

KEYS_PER_USER: Final = 100
"""One Query reads them all, so there is no paging in the API."""

PREFIX_LENGTH: Final = 8
"""What a list shows of a secret, for people to tell keys apart: `tsk_` and 4 of its 43 random characters."""

_SECRET: Final = re.compile(r"tsk_[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is known of a key. `expires_at_s` is None for one that lasts until it is revoked."""

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
    """A secret of 256 random bits."""
    return f"tsk_{secrets.token_urlsafe(32)}"


def is_secret(text: str) -> bool:
    """Whether `text` has the form of a secret, whoever made it."""
    return _SECRET.fullmatch(text) is not None


def sha256_of(secret: str) -> str:
    """What is stored of a secret. It has too many bits to be guessed from its hash, so no slow hash is needed."""
    return hashlib.sha256(secret.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class ApiKeys:
    """The API keys of one table. Expired keys count as absent, whether or not TTL has removed them."""

    table: Table
    limit: int = KEYS_PER_USER

    def find(self, sha256: str, now_s: float) -> ApiKey | None:
        """The key whose secret has this hash. Sees what was just created or revoked."""
        return _unless_expired(self.table.get(keys.api_key(sha256), keys.API_KEY), now_s)

    def list_by_user(self, user_id: str, now_s: float) -> list[ApiKey]:
        """All keys of a user, the oldest first."""
        found = (_unless_expired(item, now_s) for item in self.table.query(keys.user_keys(user_id)))
        return sorted((key for key in found if key), key=lambda key: (key.created_ms, key.key_id))

    def create(self, key: ApiKey, secret: str, now_s: float) -> None:
        """Stores `key`, to be found by `secret` from now on.

        *raises*: `Conflict` when the user has `limit`. Two requests at the same instant may both become the last.
        """
        if len(self.list_by_user(key.user_id, now_s)) >= self.limit:
            raise Conflict(f"You have {self.limit} API keys, which is the most. Revoke one first.")
        sha256 = sha256_of(secret)
        self._transact(
            {"Put": {"Item": {**_found_by(sha256), **_attributes(key)}}},
            {"Put": {"Item": {**_listed_at(key.user_id, key.key_id), **_attributes(key), "sha256": {"S": sha256}}}},
        )

    def revoke(self, user_id: str, key_id: str, now_s: float) -> bool:
        """Removes a key of this user. False when there is none."""
        item = self.table.get(keys.user_keys(user_id), keys.encode_id(key_id))
        if item is None or _unless_expired(item, now_s) is None:
            return False
        self._transact(
            {"Delete": {"Key": _found_by(item["sha256"]["S"])}},
            {"Delete": {"Key": _listed_at(user_id, key_id)}},
        )
        return True

    def _transact(self, *writes: dict[str, dict[str, Item]]) -> None:
        """All of these writes, or none."""
        named = [{kind: {"TableName": self.table.name, **write} for kind, write in one.items()} for one in writes]
        with translated():
            self.table.client.transact_write_items(TransactItems=named)


def _found_by(sha256: str) -> Item:
    return {"pk": {"S": keys.api_key(sha256)}, "sk": {"S": keys.API_KEY}}


def _listed_at(user_id: str, key_id: str) -> Item:
    return {"pk": {"S": keys.user_keys(user_id)}, "sk": {"S": keys.encode_id(key_id)}}


def _attributes(key: ApiKey) -> Item:
    attributes: Item = {
        "key_id": {"S": key.key_id},
        "user_id": {"S": key.user_id},
        "name": {"S": key.name},
        "prefix": {"S": key.prefix},
        "scopes": {"SS": sorted(key.scopes)},
        "created_ms": {"N": str(key.created_ms)},
    }
    if key.expires_at_s is not None:
        attributes["expires_at"] = {"N": str(key.expires_at_s)}
    return attributes


def _unless_expired(item: Item | None, now_s: float) -> ApiKey | None:
    """The key that an item stands for; None when there is no item or the key has expired."""
    if item is None:
        return None
    key = ApiKey(
        key_id=item["key_id"]["S"],
        user_id=item["user_id"]["S"],
        name=item["name"]["S"],
        prefix=item["prefix"]["S"],
        scopes=frozenset(item["scopes"]["SS"]),
        created_ms=int(item["created_ms"]["N"]),
        expires_at_s=int(item["expires_at"]["N"]) if "expires_at" in item else None,
    )
    return None if key.is_expired(now_s) else key
