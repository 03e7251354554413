"""Decompress a body in zstd, within the memory that a request may take.

The size in the header of a frame is not relied on: clients that compress while they send do not know it.
*source*: RFC 8878, sections 3.1.1.1.2 (windows; decoders have to support 8 MiB) and 3.1.1.1.4 (absent sizes).
"""

import sys
from typing import Final

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

from tracestore.domain.errors import Invalid, TooLarge

_WINDOW_BITS: Final = 23
"""8 MiB, the largest window that a sender may expect every receiver to support."""

_MAX_FRAMES: Final = 100


def unpacked(compressed: bytes, most_bytes: int) -> bytes:
    """The content of one or more frames; one byte more than `most_bytes` where there is more.

    *raises*: Invalid for bytes that are no complete frames, or need a larger window; TooLarge for too many frames.
    """
    content = bytearray()
    for _ in range(_MAX_FRAMES):
        if not compressed:
            return bytes(content)
        frame = zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: _WINDOW_BITS})
        try:
            content += frame.decompress(compressed, most_bytes + 1 - len(content))
        except zstd.ZstdError as error:
            raise Invalid(
                "The body is not valid zstd with a window of at most 8 MiB, although its Content-Encoding is zstd.",
                code="invalid_encoding",
            ) from error
        if len(content) > most_bytes:
            return bytes(content)
        if not frame.eof:
            raise Invalid("The body ends within a zstd frame. Send all of it.", code="invalid_encoding")
        compressed = frame.unused_data
    raise TooLarge(f"A body may have at most {_MAX_FRAMES} zstd frames. Send the spans in smaller batches.")
