"""Cursors: a place in a list as an opaque text that works for one user and one query and cannot be made up."""

import base64
import binascii
import hashlib
import hmac
import secrets

from tracestore.domain.errors import Invalid, TracestoreError

from . import keys
from .dynamo import ConditionFailed
from .table import Table

_MAC_BYTES = 16


def cursor_secret(table: Table) -> bytes:
    """The deployment's secret for signing cursors, made on first use and kept in the table."""
    for _ in range(2):
        item = table.get(*keys.SECRET)
        if item is not None:
            secret: bytes = item["secret"]["B"]
            return secret
        pk, sk = keys.SECRET
        fresh = secrets.token_bytes(32)
        try:
            table.put({"pk": {"S": pk}, "sk": {"S": sk}, "secret": {"B": fresh}}, replaces=None)
        except ConditionFailed:
            continue  # somebody else made one at the same moment
        return fresh
    raise TracestoreError("The secret for cursors could not be read.")


def sign(secret: bytes, user_id: str, query: str, place: str) -> str:
    """The cursor for a place in what `query` asks for."""
    return base64.urlsafe_b64encode(_mac(secret, user_id, query, place) + place.encode()).rstrip(b"=").decode()


def verify(secret: bytes, user_id: str, query: str, cursor: str) -> str:
    """The place that a cursor stands for. *raises* Invalid when it was not made for this user and query."""
    try:
        signed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        place = signed[_MAC_BYTES:].decode()
    except (binascii.Error, ValueError):
        raise _refused() from None
    if not hmac.compare_digest(signed[:_MAC_BYTES], _mac(secret, user_id, query, place)):
        raise _refused()
    return place


def _mac(secret: bytes, user_id: str, query: str, place: str) -> bytes:
    message = b"".join(len(part).to_bytes(4, "big") + part for part in map(str.encode, (user_id, query, place)))
    return hmac.new(secret, message, hashlib.sha256).digest()[:_MAC_BYTES]


def _refused() -> Invalid:
    message = "The cursor does not belong to this list; start again without it, with the same parameters for all pages."
    return Invalid(message, code="invalid_cursor")
