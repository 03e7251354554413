"""API keys, shares and saved views."""

from collections.abc import Mapping
from typing import Final

from dev.openapi.answers.values import ID
from dev.openapi.schemas import Schema, array, boolean, choice, integer, nullable, obj, string, time
from tracestore.http.identity import SCOPES

KEY_FIELDS: Final[Mapping[str, Schema]] = {
    "key_id": string(pattern="^[0-9a-f]{16}$", examples=["e97fad263bf7c322"]),
    "name": string(examples=["ci"]),
    "prefix": string("The beginning of the secret", examples=["tsk_nNX-"]),
    "scopes": array(choice(*SCOPES)),
    "created_at": time(),
    "expires_at": nullable(time()),
    "max_requests_per_second": nullable(integer(examples=[50])),
    "max_spans_per_second": nullable(integer(examples=[5_000])),
}

SHARE_FIELDS: Final[Mapping[str, Schema]] = {
    "share_id": string(pattern="^[0-9a-f]{16}$", examples=["5f2d7c1a9b3e4d60"]),
    "trace_id": ID,
    "payloads": boolean("Whether the share shows inputs and outputs"),
    "created_at": time(),
    "expires_at": time(),
}

COMPONENTS: Final[Mapping[str, Schema]] = {
    "ApiKey": obj(KEY_FIELDS),
    "Share": obj(SHARE_FIELDS),
    "SavedView": obj(
        {
            "name": string(examples=["failed-today"]),
            "title": string(examples=["Failed today"]),
            "query": string(examples=["status=error&order_by=cost"]),
            "created_at": time(),
            "updated_at": time(),
        }
    ),
}
