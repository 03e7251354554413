"""Read multipart/form-data within limits, before any part of it is parsed.

*source*: RFC 7578 (form data) and RFC 2046, section 5.1 (boundaries).
"""

import re
from typing import Final, NamedTuple

from tracestore.domain.errors import Invalid, TooLarge, Unsupported

MAX_PARTS: Final = 4_000
"""An SDK sends up to 100 runs at a time, each in eight parts and with its attachments, as post and as patch."""

MAX_HEADER_BYTES: Final = 8 * 1024
"""The headers of one part: a disposition, a type and a length."""

_BOUNDARY: Final = re.compile(r';\s*boundary=(?:"([^"\r\n]{1,200})"|([^\s;"]{1,200}))', re.IGNORECASE)
_NAME: Final = re.compile(r';\s*name=(?:"((?:[^"\\]|\\.)*)"|([^\s;"]+))', re.IGNORECASE)


class Part(NamedTuple):
    """One part: its field name, its media type without parameters, and its content."""

    name: str
    content_type: str
    content: bytes


def read_parts(body: bytes, content_type: str) -> list[Part]:
    """The parts of a body, in order.

    *raises*: Unsupported for another type; TooLarge beyond the limits; Invalid for a body that is not well-formed.
    """
    boundary = _BOUNDARY.search(content_type)
    if boundary is None or not content_type.strip().lower().startswith("multipart/form-data"):
        raise Unsupported("Send multipart/form-data with a boundary.")
    delimiter = b"--" + (boundary[1] or boundary[2]).encode()
    if body.count(delimiter) > MAX_PARTS + 1:
        raise TooLarge(f"A request may have at most {MAX_PARTS:,} parts. Send smaller batches.")
    parts: list[Part] = []
    position = _after_delimiter(body, body.find(delimiter), delimiter)
    while position is not None:
        if body.startswith(delimiter, position):  # a form without fields
            position = _after_delimiter(body, position, delimiter)
            continue
        head_end = body.find(b"\r\n\r\n", position, position + MAX_HEADER_BYTES + 4)
        if head_end < 0:
            raise _malformed(f"The headers of part {len(parts)} have no end, or more than 8 KB.")
        content_end = body.find(b"\r\n" + delimiter, head_end + 2)
        if content_end < 0:
            raise _malformed(f"Part {len(parts)} has no end.")
        content = body[head_end + 4 : content_end]  # empty where one line break both ends the headers and the part
        parts.append(_part(body[position:head_end], content, len(parts)))
        position = _after_delimiter(body, content_end + 2, delimiter)
    return parts


def _after_delimiter(body: bytes, start: int, delimiter: bytes) -> int | None:
    """The start of the part after a delimiter. *absent*: None after the last one."""
    if start < 0:
        raise _malformed("The body does not contain its boundary.")
    end = start + len(delimiter)
    if body[end : end + 2] == b"--":
        return None
    line_end = body.find(b"\r\n", end, end + MAX_HEADER_BYTES)
    if line_end < 0 or body[end:line_end].strip(b" \t"):
        raise _malformed("A boundary is not followed by a line break.")
    return line_end + 2


def _part(head: bytes, content: bytes, index: int) -> Part:
    headers: dict[str, str] = {}
    for line in head.decode(errors="replace").split("\r\n"):
        header, _, value = line.partition(":")
        headers[header.strip().lower()] = value.strip()
    match = _NAME.search(headers.get("content-disposition", ""))
    if match is None:
        raise _malformed(f"Part {index} has no name in its Content-Disposition.")
    name = re.sub(r"\\(.)", r"\1", match[1]) if match[1] is not None else match[2]
    return Part(name, headers.get("content-type", "").partition(";")[0].strip().lower(), content)


def _malformed(message: str) -> Invalid:
    return Invalid(f"{message} Send valid multipart/form-data.", code="malformed_multipart")
