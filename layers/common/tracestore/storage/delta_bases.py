"""The payloads that this process stored last: delta bases for the next payload of a trace, without reading anything."""

from dataclasses import dataclass, field
from threading import Lock
from typing import Final, NamedTuple

from .bounded_memory import BoundedMemory
from .model import INLINE_PAYLOAD_BYTES, Segment
from .segments import PART_BYTES, delta_encoded

TEXT_BYTES: Final = 1_000_000
"""A longer payload is neither delta-encoded nor remembered: most of it would be outside zstd's window."""

CACHE_BYTES: Final = 32_000_000

ENTRY_BYTES: Final = 1_000
"""Memory of a trace in the cache without its text, generously."""

CHAIN_LINKS: Final = 32
"""Payloads that have to be read for one, at most. The next payload is then stored in full and begins a new chain."""


class _Base(NamedTuple):
    """The newest segment of a trace. *absent*: `text` is empty where it is no delta base."""

    digest: str
    text: bytes
    links: int


@dataclass(slots=True)
class DeltaBaseCache:
    """The traces that were written lately: the newest segment of each, and the length of its delta chain. Thread-safe.

    A writer that finds its trace here knows that it exists, and does not try to begin it.
    """

    _bases: BoundedMemory[_Base] = field(default_factory=lambda: BoundedMemory(CACHE_BYTES))
    _lock: Lock = field(default_factory=Lock)

    @property
    def memory_bytes(self) -> int:
        """The memory that the cache has filled so far, at most `CACHE_BYTES`."""
        return self._bases.memory_bytes

    def __contains__(self, trace_pk: str) -> bool:
        """Whether this process has written to the trace lately."""
        return trace_pk in self._bases

    def delta_encode(self, trace_pk: str, segment: Segment, present: dict[str, Segment]) -> Segment:
        """`segment`, delta-encoded against the trace's newest where that is `present` and where it saves anything.

        A segment with the same digest has the same text, also where the trace has begun anew.
        """
        with self._lock:
            base = self._bases.get(trace_pk)
        if base is None or not base.text or base.digest not in present or base.links >= CHAIN_LINKS:
            return segment
        if segment.text is None or segment.payload is None or segment.is_payload_inline:
            return segment
        if len(segment.text) > TEXT_BYTES or len(segment.payload) > PART_BYTES:
            return segment  # a rebase could not replace several parts in one write
        delta = delta_encoded(segment, base.digest, base.text)
        return delta if delta.payload is not None and len(delta.payload) < len(segment.payload) else segment

    def remember(self, trace_pk: str, segment: Segment) -> None:
        """Remember the trace, with its newest segment in place of the one before where that may be a delta base."""
        is_base = segment.text is not None and INLINE_PAYLOAD_BYTES < len(segment.text) <= TEXT_BYTES
        text = segment.text if is_base and segment.text else b""
        with self._lock:
            if not text and trace_pk in self._bases:
                return
            previous = self._bases.get(trace_pk)
            links = previous.links + 1 if previous and previous.digest == segment.base else 1
            self._bases.put(trace_pk, _Base(segment.digest, text, links), len(text) + ENTRY_BYTES)
