"""Requests as handlers see them, and answers as API Gateway wants them (HTTP API, payload format 2.0).

Knows no route, no identity and no error codes beyond its own: what arrives is decoded, within limits, or refused.
"""

import base64
import binascii
import gzip
import hashlib
import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

from tracestore.domain.errors import Detail, Invalid, TooLarge

MAX_TEXT_BYTES: Final = 6_000_000
MAX_BINARY_BYTES: Final = 4_500_000
"""A Lambda event is at most 6 MB, and API Gateway puts what is not text into it as base64."""

MAX_DECODED_BYTES: Final = 64 * 1024 * 1024
"""What a compressed body may grow to."""

MAX_CARRIED_BYTES: Final = 6_200_000
"""Lambda hands back 6,291,556 bytes at most: the JSON of an answer, headers included."""

GZIP_FROM_BYTES: Final = 1_024
"""Below this, compressing saves no packet."""

MAX_NAME_CHARACTERS: Final = 64
"""Names of fields and parameters are the only words of a caller that an answer repeats, cut to this."""

_MAX_PARAMETERS: Final = 100
_GZIP_LEVEL: Final = 5
_GZIP_HEADER: Final = 16  # asks zlib for gzip, which is one or more members, each with a header and a checksum
_MAX_GZIP_MEMBERS: Final = 100
_SMALLER: Final = "Send the spans in smaller batches."


@dataclass(frozen=True)
class Request:
    """One request. Header names are in lower case. Query and body are decoded, and refused, when they are asked for."""

    route: str
    path: Mapping[str, str]
    headers: Mapping[str, str]
    raw_query: str
    raw_body: str
    is_base64: bool
    now_ms: int
    remaining_ms: Callable[[], int]

    @cached_property
    def query(self) -> Mapping[str, str]:
        """The query's parameters, blank ones included.

        *raises*: `Invalid` when it is not UTF-8, holds more than 100 parameters, or the same one twice.
        """
        try:
            pairs = parse_qsl(self.raw_query, keep_blank_values=True, errors="strict", max_num_fields=_MAX_PARAMETERS)
        except ValueError as error:
            raise Invalid(f"The query must be UTF-8 with at most {_MAX_PARAMETERS} parameters.") from error
        found: dict[str, str] = {}
        for name, value in pairs:
            if name in found:
                raise _invalid_parameter(name, "is given twice")
            found[name] = value
        return found

    def only(self, *names: str) -> None:
        """Ensures that the query has no other parameters than these.

        *raises*: `Invalid` that names the others.
        """
        unknown = [name[:MAX_NAME_CHARACTERS] for name in self.query if name not in names]
        if unknown:
            known = f"This route knows {', '.join(names)}." if names else "This route takes none."
            details = tuple(Detail(name, "is not a parameter of this route") for name in unknown)
            raise Invalid(f"Unknown query parameters: {', '.join(unknown)}. {known}", details=details)

    def body(self) -> bytes:
        """The body, freed of base64 and gzip. *absent*: empty.

        *raises*: `TooLarge` beyond 6 MB of text, 4.5 MB of bytes, or 64 MiB when decompressed; `Invalid` when it is not
        encoded as its headers say.
        """
        sent = self._sent()
        encoding = self.headers.get("content-encoding", "").strip().lower()
        if encoding in ("gzip", "x-gzip"):
            return _unzipped(sent)
        if encoding not in ("", "identity"):
            raise Invalid("A body may be sent with Content-Encoding gzip, or with none.", code="invalid_encoding")
        return sent

    def _sent(self) -> bytes:
        if not self.is_base64:
            text = self.raw_body.encode("utf-8", "surrogatepass")
            if len(text) > MAX_TEXT_BYTES:
                raise TooLarge(f"A body is at most 6 MB. {_SMALLER}")
            return text
        try:
            sent = base64.b64decode(self.raw_body, validate=True)
        except (ValueError, binascii.Error) as error:
            raise Invalid("The body is not valid base64.", code="invalid_encoding") from error
        if len(sent) > MAX_BINARY_BYTES:
            raise TooLarge(f"A binary or compressed body is at most 4.5 MB. {_SMALLER}")
        return sent


@dataclass(frozen=True, slots=True)
class Response:
    """One answer, which no cache may keep unless its headers say otherwise. `span_count` is for the log."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    span_count: int | None = None


def headers_of(event: Mapping[str, Any]) -> dict[str, str]:
    """The event's headers, names in lower case as API Gateway has them; `sam local` leaves them as sent."""
    return {name.lower(): value for name, value in (event.get("headers") or {}).items()}


def request_of(
    event: Mapping[str, Any], headers: Mapping[str, str], *, now_ms: int, remaining_ms: Callable[[], int]
) -> Request:
    """The request in an API Gateway event.

    Path parameters are decoded here whether or not the gateway has done so: no id may hold a `%`.
    """
    return Request(
        route=event["routeKey"],
        path={name: unquote(value) for name, value in (event.get("pathParameters") or {}).items()},
        headers=headers,
        raw_query=event.get("rawQueryString") or "",
        raw_body=event.get("body") or "",
        is_base64=bool(event.get("isBase64Encoded")),
        now_ms=now_ms,
        remaining_ms=remaining_ms,
    )


def json_answer(content: Mapping[str, Any], status: int = 200, *, span_count: int | None = None) -> Response:
    """`content` as a JSON answer, with `"success": true` before it unless it says otherwise."""
    return Response(
        status,
        json_bytes({"success": True, **content}),
        {"content-type": "application/json"},
        span_count,
    )


def json_bytes(content: object) -> bytes:
    """Compact JSON. *raises*: `ValueError` for NaN and infinity, which JSON does not have."""
    return json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def with_etag(request: Request, response: Response) -> Response:
    """The same answer with an `ETag`, or 304 without a body when the caller has it.

    The tag is weak: the same content is sent with and without gzip.
    *source*: RFC 9110, sections 8.8.3 and 13.1.2.
    """
    tag = f'W/"{hashlib.blake2b(response.body, digest_size=12).hexdigest()}"'
    headers = {**response.headers, "etag": tag, "cache-control": "private, no-cache"}
    known = {part.strip().removeprefix("W/") for part in request.headers.get("if-none-match", "").split(",")}
    if known & {"*", tag.removeprefix("W/")}:
        headers.pop("content-type", None)
        return Response(304, b"", headers, response.span_count)
    return replace(response, headers=headers)


def gateway_answer(response: Response, headers: Mapping[str, str]) -> dict[str, Any]:
    """The answer in API Gateway's form, gzipped when the request's `headers` accept it and it is worth it."""
    body = response.body
    answered = {"cache-control": "no-store", "vary": "Accept-Encoding", **response.headers}
    if len(body) >= GZIP_FROM_BYTES and accepts_gzip(headers.get("accept-encoding", "")):
        body = gzip.compress(body, _GZIP_LEVEL, mtime=0)
        answered["content-encoding"] = "gzip"
    is_text = "content-encoding" not in answered and len(body) + escapes_in(body) <= MAX_CARRIED_BYTES
    try:
        text = body.decode() if is_text else base64.b64encode(body).decode()
    except UnicodeDecodeError:
        text, is_text = base64.b64encode(body).decode(), False
    return {"statusCode": response.status, "headers": answered, "body": text, "isBase64Encoded": not is_text}


def escapes_in(text: bytes) -> int:
    """How many bytes a text grows by as a string in JSON, which is what Lambda makes of an answer that is text."""
    return text.count(b'"') + text.count(b"\\")


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether an `Accept-Encoding` header allows gzip: by name or `*`, with a weight above 0. *absent*: no."""
    weights = {}
    for part in accept_encoding.lower().split(","):
        coding, _, parameter = part.partition(";")
        name, _, weight = parameter.partition("=")
        weights[coding.strip()] = weight.strip() if name.strip() == "q" else "1"
    try:
        return float(weights.get("gzip", weights.get("*", "0"))) > 0
    except ValueError:
        return False


def _unzipped(packed: bytes) -> bytes:
    unpacked = b""
    if not packed:
        return unpacked
    for _ in range(_MAX_GZIP_MEMBERS):
        unpacking = zlib.decompressobj(wbits=zlib.MAX_WBITS | _GZIP_HEADER)
        try:
            unpacked += unpacking.decompress(packed, MAX_DECODED_BYTES + 1 - len(unpacked))
        except zlib.error as error:
            raise _not_gzip() from error
        if len(unpacked) > MAX_DECODED_BYTES:
            raise TooLarge(f"A body is at most 64 MiB when decompressed. {_SMALLER}")
        packed = unpacking.unused_data.lstrip(b"\0")
        if not unpacking.eof:
            raise _not_gzip()
        if not packed:
            return unpacked
    raise TooLarge(f"A body is at most {_MAX_GZIP_MEMBERS} gzip members, one behind the other. {_SMALLER}")


def _not_gzip() -> Invalid:
    return Invalid("The body is not valid gzip, as its Content-Encoding says.", code="invalid_encoding")


def _invalid_parameter(name: str, problem: str) -> Invalid:
    shown = name[:MAX_NAME_CHARACTERS]
    return Invalid(f"The query parameter {shown} {problem}.", details=(Detail(shown, problem),))
