"""Requests as handlers see them, read from API Gateway events (HTTP API, payload format 2.0).

A request is decoded within limits, or refused. This module knows no route and no identity.
"""

import base64
import binascii
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

from tracestore.domain.errors import Detail, Invalid, TooLarge

MAX_TEXT_BYTES: Final = 6_000_000
MAX_BINARY_BYTES: Final = 4_500_000
"""A Lambda event is at most 6 MB. API Gateway encodes a body that is not text as base64 in it."""

MAX_DECODED_BYTES: Final = 64 * 1024 * 1024
"""Largest size of a compressed body after decompression."""

MAX_NAME_CHARACTERS: Final = 64
"""Names of fields and parameters are the only words of a caller that a response repeats, cut at this length."""

_MAX_PARAMETERS: Final = 100
_GZIP_HEADER: Final = 16  # makes zlib read gzip: one or more members, each with a header and a checksum
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


def headers_of(event: Mapping[str, Any]) -> dict[str, str]:
    """The event's headers, names in lower case as API Gateway has them; `sam local` leaves them as sent."""
    return {name.lower(): value for name, value in (event.get("headers") or {}).items()}


def request_id_of(event: Mapping[str, Any]) -> str | None:
    """The id that API Gateway gave to the request. *absent*: None."""
    request_id: str | None = (event.get("requestContext") or {}).get("requestId")
    return request_id


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
