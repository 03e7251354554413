"""Decompress a body in zstd. Imported where one is received: clients of one protocol alone send it."""

import sys
from typing import Final

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

from .decompression import Coding, Decompressor, decompressed

_WINDOW_BITS: Final = 23
"""8 MiB, the largest window that a sender may expect every receiver to support.

*source*: RFC 8878, section 3.1.1.1.2.
"""


def unpacked(compressed: bytes, most_bytes: int) -> bytes:
    """The content of a body in zstd. *raises*: as `decompressed`, also for a frame that needs a larger window."""
    return decompressed(compressed, _ZSTD, most_bytes)


def _decompressor() -> Decompressor:
    return zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: _WINDOW_BITS})


_ZSTD: Final = Coding("zstd with a window of at most 8 MiB", _decompressor, zstd.ZstdError)
