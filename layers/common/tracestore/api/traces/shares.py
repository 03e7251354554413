"""Shares as requests ask for them and as responses show them."""

import re
from collections.abc import Mapping
from typing import Any, Final

from tracestore.api.dates import expiry_s
from tracestore.domain.errors import Detail, Invalid
from tracestore.domain.spans import Json
from tracestore.domain.times import NS_PER_MS, NS_PER_SECOND, format_time
from tracestore.http.parameters import unknown_fields
from tracestore.storage.model import Share

LIFE_MOST_DAYS: Final = 90
"""A link that is forgotten ends within a quarter of a year."""

LINK: Final = "/traces/shared#"
"""The page of a shared trace. Browsers do not send what follows the #, so no log contains the secret."""

SHARED_ROUTES: Final[Mapping[str, bool]] = {
    "GET /api/analytics/traces/{trace_id}": False,
    "GET /api/analytics/traces/{trace_id}/spans/{span_id}": False,
    "GET /api/analytics/traces/{trace_id}/media/{sha256}": False,
}
"""The only routes that a share opens, and whether it has to include payloads for that.

Media are in payloads, so a share without payloads gets the same 404 for each of them as for an absent one.
"""

_SENT_FIELDS: Final = frozenset({"expires_at", "payloads"})
_SERVER_FIELDS: Final = frozenset({"share_id", "trace_id", "created_at", "link"})
"""Fields that the server sets. They are ignored, so that a share that was read can be sent again."""

_SHARE_ID: Final = re.compile(r"[0-9a-f]{16}")


def parse_share(body: Json, now_ms: int) -> tuple[int, bool]:
    """The expiry in seconds of the share that a request asks for, and whether it includes payloads.

    *raises*: Invalid that names every malformed or unknown field.
    """
    if not isinstance(body, dict):
        raise Invalid("Send a JSON object with expires_at and payloads.")
    details = unknown_fields(body, _SENT_FIELDS | _SERVER_FIELDS, "a field of a share")
    expires_at_s, payloads = expiry_s(body.get("expires_at"), now_ms), body.get("payloads")
    if expires_at_s is None or expires_at_s * 1000 > now_ms + LIFE_MOST_DAYS * 86_400_000:
        message = f"must be an ISO 8601 time with a zone, in the future and at most {LIFE_MOST_DAYS} days ahead"
        details.append(Detail("expires_at", message))
    if not isinstance(payloads, bool):
        details.append(Detail("payloads", "must be true or false"))
    if details or expires_at_s is None:
        raise Invalid("The share cannot be created. See details for each field.", details=tuple(details))
    return expires_at_s, bool(payloads)


def is_share_id(text: str) -> bool:
    """Whether `text` can be the id of a share."""
    return _SHARE_ID.fullmatch(text) is not None


def share_json(share: Share) -> dict[str, Any]:
    """A share as the owner of its trace sees it, without the link."""
    return {
        "share_id": share.share_id,
        "trace_id": share.trace_id,
        "payloads": share.payloads,
        "created_at": format_time(share.created_ms * NS_PER_MS),
        "expires_at": format_time(share.expires_at_s * NS_PER_SECOND),
    }
