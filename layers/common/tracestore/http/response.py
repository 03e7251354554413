"""Responses, and their form for API Gateway (HTTP API, payload format 2.0)."""

import base64
import gzip
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from pydantic_core import to_json

from .request import Request

MAX_CARRIED_BYTES: Final = 6_200_000
"""Lambda returns at most 6,291,556 bytes: the JSON of a response, including its headers."""

GZIP_FROM_BYTES: Final = 1_024
"""A smaller body would not take fewer packets when compressed."""

_GZIP_LEVEL: Final = 5


@dataclass(frozen=True, slots=True)
class Response:
    """One response. Caches must not store it unless its headers allow that.

    `span_count` and `rejected_count`, the spans of the request that were not stored, are for the log.

    `is_packed` bodies are not gzipped: images are compressed already.
    """

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    span_count: int | None = None
    is_packed: bool = False
    rejected_count: int = 0


def json_response(content: Mapping[str, Any], status: int = 200, *, span_count: int | None = None) -> Response:
    """A JSON response: `"success": true`, then `content`, which may override it."""
    return Response(
        status,
        json_bytes({"success": True, **content}),
        {"content-type": "application/json"},
        span_count,
    )


def json_bytes(content: object) -> bytes:
    """Compact JSON. *raises*: ValueError for NaN and infinity, which JSON does not have.

    pydantic writes it in a third of the time that `json` takes. It refuses deep nesting, and writes NaN as a word.
    """
    try:
        text = to_json(content)
    except ValueError:
        return _json(content).encode()
    return _json(content).encode() if b"NaN" in text or b"Infinity" in text else text


_json: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def with_etag(request: Request, response: Response, tag: bytes | None = None) -> Response:
    """The same response with an `ETag`, or 304 without a body when the caller already has that content.

    `tag` names the content; *absent*: a digest of the body does. The tag is weak, because the same content is sent with
    and without gzip. *source*: RFC 9110, sections 8.8.3 and 13.1.2.
    """
    tag = tag or hashlib.blake2b(response.body, digest_size=12).digest()
    if is_cached(request, tag):
        return replace(not_modified(tag), span_count=response.span_count)
    return replace(response, headers={**response.headers, **_revalidated(tag)})


def is_cached(request: Request, tag: bytes) -> bool:
    """Whether the request's `If-None-Match` names the content with this tag."""
    cached_tags = {part.strip().removeprefix("W/") for part in request.headers.get("if-none-match", "").split(",")}
    return not cached_tags.isdisjoint(("*", f'"{tag.hex()}"'))


def not_modified(tag: bytes) -> Response:
    """The 304 for a caller that already has the content with this tag."""
    return Response(304, b"", _revalidated(tag))


def _revalidated(tag: bytes) -> dict[str, str]:
    return {"etag": f'W/"{tag.hex()}"', "cache-control": "private, no-cache"}


def gateway_response(response: Response, headers: Mapping[str, str]) -> dict[str, Any]:
    """The response in API Gateway's form. Large ones are gzipped when the request's `headers` accept that."""
    body = response.body
    sent_headers = {"cache-control": "no-store", "vary": "Accept-Encoding", **response.headers}
    if len(body) >= GZIP_FROM_BYTES and not response.is_packed and accepts_gzip(headers.get("accept-encoding", "")):
        body = gzip.compress(body, _GZIP_LEVEL, mtime=0)
        sent_headers["content-encoding"] = "gzip"
    is_text = "content-encoding" not in sent_headers and len(body) + escapes_in(body) <= MAX_CARRIED_BYTES
    try:
        text = body.decode() if is_text else base64.b64encode(body).decode()
    except UnicodeDecodeError:
        text, is_text = base64.b64encode(body).decode(), False
    return {"statusCode": response.status, "headers": sent_headers, "body": text, "isBase64Encoded": not is_text}


def escapes_in(text: bytes) -> int:
    """The bytes that JSON escaping adds to a text. Lambda returns a textual body as a JSON string."""
    return text.count(b'"') + text.count(b"\\")


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether an `Accept-Encoding` header allows gzip: by name or `*`, with a weight above 0. *absent*: false."""
    return _weight_of("gzip", accept_encoding) > 0


def preferred_coding(accept_encoding: str, codings: Sequence[str]) -> str | None:
    """The one of `codings` that an `Accept-Encoding` header prefers, the first of them among equals.

    *absent*: None where the header allows none of them, or prefers the content as it is.
    *source*: RFC 9110, section 12.5.3.
    """
    weight, coding = max(
        ((_weight_of(coding, accept_encoding), coding) for coding in codings), key=lambda pair: pair[0]
    )
    return coding if weight > 0 and weight >= _weight_of("identity", accept_encoding) else None


def _weight_of(coding: str, accept_encoding: str) -> float:
    """The weight that a header gives to a coding. *absent*: that of `*`, which here excludes `identity`; else 0."""
    weights = {}
    for part in accept_encoding.lower().split(","):
        name, _, parameter = part.partition(";")
        key, _, weight = parameter.partition("=")
        weights[name.strip()] = weight.strip() if key.strip() == "q" else "1"
    try:
        return float(weights.get(coding, weights.get("*", "0") if coding != "identity" else "0"))
    except ValueError:
        return 0
