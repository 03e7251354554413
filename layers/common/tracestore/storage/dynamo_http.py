"""Requests to DynamoDB with the standard library: one signed POST each, in JSON.

*source*: Amazon DynamoDB Developer Guide, "DynamoDB low-level API" (format, CRC32).
"""

import json
import uuid
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from .aws_credentials import CredentialSource
from .codec import decode
from .connections import Answer, Connections
from .dynamo import Request, RequestFailed
from .dynamo_json import item_of, items_of
from .signed_posts import SignedPosts


@dataclass(frozen=True, slots=True)
class HttpSender:
    """A sender of requests to the DynamoDB of one endpoint. Safe for many threads."""

    posts: SignedPosts
    credentials: CredentialSource

    def __call__(self, operation: str, request: Request, /) -> Request:
        """Send a request, with retries. *raises*: RequestFailed, Unreachable."""
        headers = {"content-type": "application/x-amz-json-1.0", "x-amz-target": f"DynamoDB_20120810.{operation}"}
        return _parsed(self.posts.send(headers, _body(operation, request), self.credentials))

    def signing_with(self, credentials: CredentialSource) -> "HttpSender":
        """A sender that signs with other credentials, on the same connections and with the same budget of retries."""
        return replace(self, credentials=credentials)


def dynamodb_posts(connections: Connections, region: str, **options: Any) -> SignedPosts:
    """Posts to the DynamoDB of a region. `options` are those of `SignedPosts`."""
    return SignedPosts(connections, region, "dynamodb", _failure, **options)


def _body(operation: str, request: Request) -> bytes:
    if operation == "TransactWriteItems" and "ClientRequestToken" not in request:
        # All attempts carry the same token: DynamoDB applies a transaction once, also if its first response is lost.
        request = {**request, "ClientRequestToken": str(uuid.uuid4())}
    return json.dumps(request, default=_base64, ensure_ascii=False, separators=(",", ":")).encode()


def _base64(value: object) -> str:
    """The JSON of a value of type B. *raises*: TypeError for other objects that are not JSON."""
    if not isinstance(value, bytes | bytearray | memoryview):
        raise TypeError(f"a {type(value).__name__} is no value of a DynamoDB request")
    return b64encode(value).decode()


def _parsed(body: bytes) -> Request:
    response: Request = decode(body)
    for member in response.keys() & _WITH_ITEMS.keys():
        response[member] = _WITH_ITEMS[member](response[member])
    return response


_WITH_ITEMS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "Attributes": item_of,
    "Item": item_of,
    "Items": items_of,
    "Responses": lambda tables: {table: items_of(listed) for table, listed in tables.items()},
    "UnprocessedItems": lambda tables: {
        table: [_write_of(write) for write in writes] for table, writes in tables.items()
    },
}
"""How the items in a member of a response are read. The other members contain no value of type B."""


def _write_of(write: Mapping[str, Any]) -> dict[str, Any]:
    """A write request of a batch, to be sent again."""
    return {"PutRequest": {"Item": item_of(write["PutRequest"]["Item"])}} if "PutRequest" in write else {**write}


def _failure(answer: Answer) -> RequestFailed:
    """The error of a response. A response that DynamoDB did not write, such as a proxy's, has its status as the code.

    *source*: smithy, "AWS JSON 1.0 protocol", "Operation error serialization".
    """
    try:
        error = json.loads(answer.body)
        code = str(error["__type"]).rpartition("#")[2].partition(":")[0]
        message = str(error.get("message") or error.get("Message") or "")
        reasons = tuple(str(reason.get("Code", "")) for reason in error.get("CancellationReasons") or ())
    except (ValueError, TypeError, KeyError, AttributeError):
        return RequestFailed(str(answer.status), status=answer.status)
    return RequestFailed(code, message, status=answer.status, reasons=reasons)
