"""Images and other media of a trace: the reference that a span contains, and the content, which is stored apart.

A reference is an object of type `media` with the SHA-256 of the content. The content is stored once for each trace,
however many spans refer to it.
"""

import re
from dataclasses import dataclass
from typing import Final

from .spans import Json

MAX_MEDIUM_BYTES: Final = 4 * 1024 * 1024
"""As base64, a medium of this size is 5.6 MB, which one request and one response of Lambda can contain."""

MAX_REFERENCES: Final = 1_000
"""The media that the core of a span names: more would not fit into an item together with the other cores."""

NAME_DIGITS: Final = 16
"""Digits of a hash in the core. They only decide whether a span refers to a medium of its own trace."""

UNKNOWN_TYPE: Final = "application/octet-stream"

_REF_PREFIX: Final = "media/"
_REFERENCE: Final = re.compile(rb'(?:"bytes":([0-9]{1,7}),"sha256":"[0-9a-f]{64}",)?"ref":"media/([0-9a-f]{64})"')
_REF: Final = re.compile(r"media/([0-9a-f]{64})")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")

_SIGNATURES: Final = (
    ("image/png", b"\x89PNG\r\n\x1a\n"),
    ("image/jpeg", b"\xff\xd8\xff"),
    ("image/gif", b"GIF87a"),
    ("image/gif", b"GIF89a"),
)


@dataclass(frozen=True, slots=True)
class Medium:
    """The content of a medium, and its media type as its first sender stated it."""

    mime_type: str
    content: bytes


def reference_to(mime_type: str, size: int, sha256: str) -> dict[str, Json]:
    """The object that stands for a medium. A medium that is too large to be stored has no `ref`."""
    fields: dict[str, Json] = {"type": "media", "mime_type": mime_type, "bytes": size, "sha256": sha256}
    if size > MAX_MEDIUM_BYTES:
        return {**fields, "media_too_large": True}
    return {**fields, "ref": f"{_REF_PREFIX}{sha256}"}


def sha256_of_reference(value: Json) -> str | None:
    """The hash of the medium that an object refers to. *absent*: None for any other value."""
    if not isinstance(value, dict) or value.get("type") != "media" or not isinstance(value.get("ref"), str):
        return None
    match = _REF.fullmatch(str(value["ref"]))
    return match[1] if match else None


def references_in(value: Json) -> dict[str, int]:
    """The hashes of the media that a value refers to, with their sizes, the smallest first."""
    found: dict[str, int] = {}
    unvisited: list[Json] = [value]
    while unvisited:
        item = unvisited.pop()
        if isinstance(item, list):
            unvisited += item
        elif isinstance(item, dict):
            if (sha256 := sha256_of_reference(item)) is not None:
                size = item.get("bytes")
                found[sha256] = size if isinstance(size, int) else MAX_MEDIUM_BYTES
            unvisited += item.values()
    return dict(sorted(found.items(), key=lambda entry: entry[1]))


def referred_media(text: bytes) -> dict[str, int]:
    """The names of the media that the JSON of a span refers to, with their sizes in bytes; 0 for an unknown size.

    Searched in the JSON text, which is faster than in its values. A text of a value cannot match, because its quotes
    are escaped.
    """
    media: dict[str, int] = {}
    if b'"ref":"media/' in text:
        for size, sha256 in _REFERENCE.findall(text):
            name = name_of(sha256.decode())
            if name in media or len(media) < MAX_REFERENCES:
                media[name] = max(media.get(name, 0), int(size or 0))
    return media


def name_of(sha256: str) -> str:
    """The name of a medium in the cores of the spans that refer to it."""
    return sha256[:NAME_DIGITS]


def is_sha256(text: str) -> bool:
    """Whether a text can be the hash of a medium."""
    return _SHA256.fullmatch(text) is not None


def image_type_of(content: bytes) -> str | None:
    """The type of a png, jpeg, gif, webp or avif image, by its first bytes. *absent*: None for any other content."""
    for mime_type, signature in _SIGNATURES:
        if content.startswith(signature):
            return mime_type
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    if content[4:8] == b"ftyp" and content[8:12] in (b"avif", b"avis"):
        return "image/avif"
    return None
