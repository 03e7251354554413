"""Requests, read from API Gateway events (HTTP API, payload format 2.0).

A request is decoded within limits, or refused. This module depends on neither routes nor identities.
"""

import base64
import binascii
import zlib
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

from tracestore.domain.errors import Detail, Invalid, TooLarge

from .decompression import Coding, Decompressor, decompressed

MAX_TEXT_BYTES: Final = 6_000_000
MAX_BINARY_BYTES: Final = 4_500_000
"""Limits of a body: a Lambda event is at most 6 MB, and a body that is not text is base64 in it."""

MAX_DECODED_BYTES: Final = 64 * 1024 * 1024
"""Largest size of a compressed body after decompression. Routes that need less have a limit of their own."""

MAX_SPANS_BYTES: Final = 32 * 1024 * 1024
"""Decompressed spans or lessons as JSON. A text with an emoji takes four bytes per character when decoded, and the
function has 1,024 MB of memory."""

MAX_IDS_BYTES: Final = 256 * 1024
"""A list of 1,000 ids."""

MAX_FORM_BYTES: Final = 128 * 1024
"""A few short fields, such as the name and the scopes of an API key."""

MAX_NAME_CHARACTERS: Final = 64
"""Error responses repeat names of fields and parameters, cut at this length, and no other text of a request."""

_MAX_PARAMETERS: Final = 100
_GZIP_MAGIC: Final = b"\x1f\x8b"
"""How gzip begins (RFC 1952, section 2.3.1), and no JSON or OTLP message. A body that claims gzip and does not begin so
was unpacked on its way, by a proxy that left the header; whether API Gateway ever does is not documented."""

_GZIP_HEADER: Final = 16  # makes zlib read the gzip format: a header, the content and a checksum
_SMALLER: Final = "Send the spans in smaller batches."


class Query(dict[str, str]):
    """Query parameters by name, each with its first value."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        super().__init__()
        self._all: dict[str, list[str]] = {}
        for name, value in pairs:
            self._all.setdefault(name, []).append(value)
            self.setdefault(name, value)

    def all(self, name: str) -> list[str]:
        """All values of a parameter, in the order in which they were sent. *absent*: an empty list."""
        return self._all.get(name, [])


@dataclass(frozen=True)
class Request:
    """One request. Header names are in lower case. The query and the body are decoded, or refused, on first use."""

    route: str
    path: Mapping[str, str]
    headers: Mapping[str, str]
    raw_query: str
    raw_body: str
    is_base64: bool
    now_ms: int
    remaining_ms: Callable[[], int]
    method: str = ""
    raw_path: str = ""

    @property
    def is_preflight(self) -> bool:
        """Whether a browser asks if a page on another origin may send a request.

        *source*: Fetch standard, "CORS-preflight request".
        """
        return self.method == "OPTIONS" and {"origin", "access-control-request-method"} <= self.headers.keys()

    @cached_property
    def query(self) -> "Query":
        """The query parameters, including those without a value.

        *raises*: Invalid for a query that is not UTF-8 or has more than 100 parameters.
        """
        try:
            pairs = parse_qsl(self.raw_query, keep_blank_values=True, errors="strict", max_num_fields=_MAX_PARAMETERS)
        except ValueError as error:
            raise Invalid(f"The query must be UTF-8 with at most {_MAX_PARAMETERS} parameters.") from error
        return Query(pairs)

    def only(self, *names: str, repeatable: Collection[str] = (), prefixes: tuple[str, ...] = ()) -> None:
        """Check that the query has no other parameters than these, each once unless it is `repeatable`.

        Parameters that begin with one of `prefixes` are accepted as well, and are repeatable. *raises*: Invalid that
        names the others.
        """
        unknown = []
        for name in self.query:
            is_prefixed = any(name.startswith(prefix) and name != prefix for prefix in prefixes)
            if name not in names and not is_prefixed:
                unknown.append(name[:MAX_NAME_CHARACTERS])
            elif name not in repeatable and not is_prefixed and len(self.query.all(name)) > 1:
                raise _invalid_parameter(name, "is given twice: send it once")
        if unknown:
            listed = (*names, *(f"{prefix}<key>" for prefix in prefixes))
            accepted = f"This route accepts {', '.join(listed)}." if listed else "This route accepts none."
            details = tuple(
                Detail(name, "is not a parameter of this route: check its name or remove it") for name in unknown
            )
            raise Invalid(f"Unknown query parameters: {', '.join(unknown)}. {accepted}", details=details)

    def body(self, most_bytes: int = MAX_DECODED_BYTES) -> bytes:
        """The body, with base64 and gzip or zstd decoded. *absent*: empty.

        *raises*: TooLarge for more than 6 MB of text, 4.5 MB of bytes, or `most_bytes` when decompressed; Invalid when
        it is not encoded as its headers declare.
        """
        body = self._decoded(self._sent_bytes(), most_bytes)
        if len(body) > most_bytes:
            raise _over(most_bytes)
        return body

    def _decoded(self, sent: bytes, most_bytes: int) -> bytes:
        encoding = self.headers.get("content-encoding", "").strip().lower()
        if encoding in ("gzip", "x-gzip"):
            return decompressed(sent, _GZIP, most_bytes) if sent.startswith(_GZIP_MAGIC) else sent
        if encoding == "zstd":
            from .zstd_body import unpacked  # loads zstd

            return unpacked(sent, most_bytes)
        if encoding not in ("", "identity"):
            raise Invalid("Content-Encoding must be gzip or zstd, or absent.", code="invalid_encoding")
        return sent

    def _sent_bytes(self) -> bytes:
        if not self.is_base64:
            text = self.raw_body.encode("utf-8", "surrogatepass")
            if len(text) > MAX_TEXT_BYTES:
                raise TooLarge(f"A body may have at most 6 MB. {_SMALLER}")
            return text
        try:
            sent = base64.b64decode(self.raw_body, validate=True)
        except (ValueError, binascii.Error) as error:
            raise Invalid("The body is not valid base64.", code="invalid_encoding") from error
        if len(sent) > MAX_BINARY_BYTES:
            raise TooLarge(f"A binary or compressed body may have at most 4.5 MB. {_SMALLER}")
        return sent


def headers_of(event: Mapping[str, Any]) -> dict[str, str]:
    """The headers of an event, with names in lower case. API Gateway sends them so; `sam local` keeps them as sent."""
    return {name.lower(): value for name, value in (event.get("headers") or {}).items()}


def request_id_of(event: Mapping[str, Any]) -> str | None:
    """The id that API Gateway gave to the request. *absent*: None."""
    request_id: str | None = (event.get("requestContext") or {}).get("requestId")
    return request_id


def request_of(
    event: Mapping[str, Any], headers: Mapping[str, str], *, now_ms: int, remaining_ms: Callable[[], int]
) -> Request:
    """The request in an API Gateway event.

    Path parameters are decoded here even if the gateway has already done so. That is safe: no id may contain a `%`.
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
        method=((event.get("requestContext") or {}).get("http") or {}).get("method") or "",
        raw_path=event.get("rawPath") or "",
    )


def _gzip_decompressor() -> Decompressor:
    return zlib.decompressobj(wbits=zlib.MAX_WBITS | _GZIP_HEADER)


_GZIP: Final = Coding("gzip", _gzip_decompressor, zlib.error, padding=b"\0")


def _over(most_bytes: int) -> TooLarge:
    if most_bytes < MAX_SPANS_BYTES:
        return TooLarge(f"A body of this route may have at most {most_bytes // 1024} KiB. Send less.")
    return TooLarge(f"A body may have at most {most_bytes // 1024**2} MiB when decompressed. {_SMALLER}")


def _invalid_parameter(name: str, problem: str) -> Invalid:
    cut_name = name[:MAX_NAME_CHARACTERS]
    return Invalid(f"The query parameter {cut_name} {problem}.", details=(Detail(cut_name, problem),))
