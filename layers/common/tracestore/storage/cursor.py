"""Cursors: a position in a list as an opaque text, valid for one user and one query, which callers cannot forge."""

import base64
import binascii
import hashlib
import hmac
import secrets

from tracestore.domain.errors import Invalid

from . import keys
from .dynamo import ConditionFailed
from .table import Table

_MAC_BYTES = 16


def read_cursor_secret(table: Table) -> bytes:
    """The deployment's secret for signing cursors, made on first use and stored in the table."""
    stored = _stored_secret(table)
    if stored is not None:
        return stored
    pk, sk = keys.SECRET
    fresh = secrets.token_bytes(32)
    try:
        table.put({"pk": {"S": pk}, "sk": {"S": sk}, "secret": {"B": fresh}}, replaces=None)
    except ConditionFailed:  # another process made one at the same moment
        return _stored_secret(table) or fresh
    return fresh


def sign(secret: bytes, user_id: str, query: str, position: str) -> str:
    """The cursor for a position in the list that `query` asks for."""
    return base64.urlsafe_b64encode(_mac(secret, user_id, query, position) + position.encode()).rstrip(b"=").decode()


def verify(secret: bytes, user_id: str, query: str, cursor: str) -> str:
    """The position in a cursor. *raises*: Invalid when it was not signed for this user and query."""
    try:
        signed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        position = signed[_MAC_BYTES:].decode()
    except (binascii.Error, ValueError):
        raise _refused() from None
    if not hmac.compare_digest(signed[:_MAC_BYTES], _mac(secret, user_id, query, position)):
        raise _refused()
    return position


def _stored_secret(table: Table) -> bytes | None:
    item = table.get(*keys.SECRET)
    return None if item is None else item["secret"]["B"]


def _mac(secret: bytes, user_id: str, query: str, position: str) -> bytes:
    message = b"".join(len(part).to_bytes(4, "big") + part for part in map(str.encode, (user_id, query, position)))
    return hmac.new(secret, message, hashlib.sha256).digest()[:_MAC_BYTES]


def _refused() -> Invalid:
    message = "The cursor does not belong to this list. Start again without it; send the same parameters for all pages."
    return Invalid(message, code="invalid_cursor")
