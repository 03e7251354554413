"""Requests for the public keys of an identity provider, imported with the first JWT: urllib is slow to import."""

from http.client import HTTPException
from typing import Final
from urllib.request import HTTPRedirectHandler, Request, build_opener

from tracestore.domain.errors import Unavailable

FETCH_TIMEOUT_S: Final = 3
_MAX_JWKS_BYTES: Final = 1_000_000


class _StayHere(HTTPRedirectHandler):
    """A handler that follows no redirect, because it could lead to an address without https."""

    def redirect_request(self, *_: object) -> None:
        return None


def fetch(url: str) -> bytes:
    """The content at `url`. *raises*: Unavailable when there is no response."""
    # Some providers refuse urllib's own User-Agent. Settings ensure that the address is http(s).
    request = Request(url, headers={"User-Agent": "tracestore", "Accept": "application/json"})
    try:
        with build_opener(_StayHere).open(request, timeout=FETCH_TIMEOUT_S) as response:
            content: bytes = response.read(_MAX_JWKS_BYTES)
    except (OSError, HTTPException) as error:
        raise Unavailable("The identity provider does not respond.") from error
    return content
