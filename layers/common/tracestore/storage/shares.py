"""Shares in the table: found by the hash of their secret, listed and revoked by the owner of their trace.

As for API keys, the secret itself is never stored, and each share has two items, one under its hash and one under its
user, which are written and removed together. A share names the generation of its trace: a trace that begins anew under
the same id is not shared.
"""

import secrets
from typing import Final

from tracestore.domain.credentials import SHARE_PREFIX, sha256_of
from tracestore.domain.errors import Conflict, NotFound

from . import keys
from .model import Item, Share
from .segments import expiry, key
from .store import Scope
from .table import Table

SHARES_PER_TRACE: Final = 100
"""One Query reads them all, so there is no paging in the API."""


def _new_secret() -> str:
    """Make a secret of 256 random bits."""
    return f"{SHARE_PREFIX}{secrets.token_urlsafe(32)}"


def find_share(table: Table, sha256: str, now_s: float) -> Share | None:
    """The share whose secret has this hash, read consistently. *absent*: None, also when the share has expired."""
    return _unless_expired(table.get(keys.share(sha256), keys.SHARE), now_s)


def list_shares(scope: Scope, trace_id: str, generation: str) -> list[Share]:
    prefix = keys.trace_share(trace_id, "")
    items = scope.table.query(keys.user_shares(scope.user_id), prefix, f"{prefix}~")
    shares = filter(None, (_unless_expired(item, scope.now_ms() / 1000) for item in items))
    of_generation = [share for share in shares if share.generation == generation]
    return sorted(of_generation, key=lambda share: (share.created_ms, share.share_id))


def create_share(
    scope: Scope, trace_id: str, generation: str, expires_at_s: int, *, payloads: bool
) -> tuple[Share, str]:
    if len(list_shares(scope, trace_id, generation)) >= SHARES_PER_TRACE:
        raise Conflict(f"The trace has {SHARES_PER_TRACE} shares, the maximum. Revoke one first.")
    share = Share(secrets.token_hex(8), scope.user_id, trace_id, generation, payloads, scope.now_ms(), expires_at_s)
    secret = _new_secret()
    by_hash, by_user = share_items(share, sha256_of(secret))
    scope.table.put_credential(by_user, by_hash)
    return share, secret


def revoke_share(scope: Scope, trace_id: str, share_id: str) -> None:
    by_user = keys.user_shares(scope.user_id), keys.trace_share(trace_id, share_id)
    item = scope.table.get(*by_user)
    if item is None or _unless_expired(item, scope.now_ms() / 1000) is None:
        raise NotFound("There is no such share among yours.")
    scope.table.delete_credential(by_user, (keys.share(item["sha256"]["S"]), keys.SHARE))


def share_items(share: Share, sha256: str) -> tuple[Item, Item]:
    """The two items of a share: under the hash of its secret, and under its user."""
    attributes: Item = {
        "share_id": {"S": share.share_id},
        "user_id": {"S": share.user_id},
        "trace_id": {"S": share.trace_id},
        "g": {"S": share.generation},
        "payloads": {"BOOL": share.payloads},
        "created_ms": {"N": str(share.created_ms)},
        **expiry(share.expires_at_s),
    }
    key_by_user = key(keys.user_shares(share.user_id), keys.trace_share(share.trace_id, share.share_id))
    by_user = {**key_by_user, **attributes, "sha256": {"S": sha256}}
    return {**key(keys.share(sha256), keys.SHARE), **attributes}, by_user


def _unless_expired(item: Item | None, now_s: float) -> Share | None:
    """The share in an item. *absent*: None without an item, and for a share that has expired."""
    if item is None:
        return None
    share = Share(
        share_id=item["share_id"]["S"],
        user_id=item["user_id"]["S"],
        trace_id=item["trace_id"]["S"],
        generation=item["g"]["S"],
        payloads=bool(item["payloads"]["BOOL"]),
        created_ms=int(item["created_ms"]["N"]),
        expires_at_s=int(item["expires_at"]["N"]),
    )
    return None if share.is_expired(now_s) else share
