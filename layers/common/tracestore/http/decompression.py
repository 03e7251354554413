"""Decompress a body frame by frame, within the memory that a request may take.

Each coding of HTTP is a sequence of frames (gzip: members), each of which a decompressor of its own reads. The sizes
that frames state are not relied on: clients that compress while they send do not know them.
"""

from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

from tracestore.domain.errors import Invalid, TooLarge

MAX_FRAMES: Final = 100


class Decompressor(Protocol):
    """A decompressor of one frame, as those of `zlib` and `zstd`."""

    @property
    def eof(self) -> bool:
        """Whether the frame is complete."""

    @property
    def unused_data(self) -> bytes:
        """The bytes after the frame."""

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        """The content of the frame, at most `max_length` bytes of it."""


class Coding(NamedTuple):
    """A content coding. `padding` are bytes that may follow a frame; `failure` is what its decompressors raise.

    `description` names the coding and its limits in errors.
    """

    description: str
    decompressor: Callable[[], Decompressor]
    failure: type[Exception]
    padding: bytes = b""


def decompressed(body: bytes, coding: Coding, most_bytes: int) -> bytes:
    """The content of all frames of a body; one byte more than `most_bytes` where there is more.

    *raises*: Invalid for bytes that are no complete frames of this coding; TooLarge for too many frames.
    """
    contents: list[bytes] = []
    room = most_bytes + 1
    while body and room:
        if len(contents) == MAX_FRAMES:
            raise TooLarge(
                f"A compressed body may have at most {MAX_FRAMES} frames. Send the spans in smaller batches."
            )
        frame = coding.decompressor()
        try:
            contents.append(frame.decompress(body, room))
        except coding.failure as error:
            raise Invalid(
                f"The body is not valid {coding.description}, although its Content-Encoding names that coding.",
                code="invalid_encoding",
            ) from error
        room -= len(contents[-1])
        if room and not frame.eof:
            raise Invalid(
                f"The body ends within a frame of {coding.description}. Send all of it.", code="invalid_encoding"
            )
        body = frame.unused_data.lstrip(coding.padding)
    return b"".join(contents)  # without a copy where there is one frame, as nearly always
