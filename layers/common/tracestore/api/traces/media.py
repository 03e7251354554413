"""Responses with the content of a medium, which may be a file that somebody sent to run in a browser.

Only images that no browser executes are shown inline, and only where their first bytes are of the stated type. Anything
else is a download. No response may run scripts, whatever a browser takes its content for.
"""

from typing import Final

from tracestore.domain.media import Medium, image_type_of
from tracestore.http.response import Response

INLINE_TYPES: Final = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp", "image/avif"})

_HEADERS: Final = {
    "x-content-type-options": "nosniff",
    "content-security-policy": "sandbox; default-src 'none'",
}


def medium_response(medium: Medium) -> Response:
    """The response that contains a medium."""
    is_inline = medium.mime_type in INLINE_TYPES and image_type_of(medium.content) == medium.mime_type
    headers = {
        **_HEADERS,
        "content-type": medium.mime_type,
        "content-disposition": "inline" if is_inline else "attachment",
    }
    return Response(200, medium.content, headers, is_packed=True)
