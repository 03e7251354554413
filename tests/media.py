"""Media for tests: contents with the first bytes of each kind, and the message parts that clients send them in."""

import base64
import hashlib
import random
from typing import Any

KB = 1_000
MB = 1_000_000

SIGNATURES = {
    "image/png": b"\x89PNG\r\n\x1a\n",
    "image/jpeg": b"\xff\xd8\xff\xe0",
    "image/gif": b"GIF89a",
    "image/webp": b"RIFF\0\0\0\0WEBP",
    "image/avif": b"\0\0\0\x1cftypavif",
}


def image(size: int = 40 * KB, mime_type: str = "image/png", seed: int = 0) -> bytes:
    """Bytes that begin as an image of this type, and cannot be compressed."""
    signature = SIGNATURES[mime_type]
    return signature + random.Random(f"{mime_type} {seed}").randbytes(size - len(signature))


def base64_of(content: bytes) -> str:
    return base64.b64encode(content).decode()


def sha256_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def part(content: bytes, mime_type: str = "image/png", **more: Any) -> dict[str, Any]:
    """A part of the chat form with this content."""
    return {"type": "media", "mime_type": mime_type, "data": base64_of(content), **more}


def reference(content: bytes, mime_type: str = "image/png", **more: Any) -> dict[str, Any]:
    """The reference that replaces the content."""
    sha256 = sha256_of(content)
    return {
        "type": "media",
        "mime_type": mime_type,
        "bytes": len(content),
        "sha256": sha256,
        "ref": f"media/{sha256}",
        **more,
    }


def asking(*parts: Any) -> dict[str, Any]:
    """An input with one message of the user that has these parts."""
    return {"messages": [{"role": "user", "parts": list(parts)}]}
