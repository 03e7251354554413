"""The payloads that this process stored last: what the next one of a trace may lean on without reading anything."""

from collections import OrderedDict
from dataclasses import dataclass, field
from threading import Lock
from typing import Final, NamedTuple

from .segments import INLINE_PAYLOAD_BYTES, PART_BYTES, Segment

TEXT_BYTES: Final = 1_000_000
"""A longer payload is neither leant on nor kept: most of it would be out of zstd's sight."""

KEPT_BYTES: Final = 32_000_000
CHAIN: Final = 32
"""So many payloads have to be read for one, at the most. Then one stands alone, and a new chain begins."""


class _Base(NamedTuple):
    generation: str
    digest: str
    text: bytes
    chain: int


@dataclass(slots=True)
class DeltaBaseCache:
    """For each of the traces that were written last, the newest segment and how long its chain is. Safe for threads."""

    _bases: OrderedDict[str, _Base] = field(default_factory=OrderedDict)
    _bytes: int = 0
    _lock: Lock = field(default_factory=Lock)

    def __contains__(self, trace_pk: str) -> bool:
        """Whether this process has lately written to the trace."""
        return trace_pk in self._bases

    def delta_encode(self, trace_pk: str, generation: str, segment: Segment, present: dict[str, Segment]) -> Segment:
        """`segment`, leaning on the trace's newest where that is among those `present`, and where it saves anything."""
        with self._lock:
            base = self._bases.get(trace_pk)
        if base is None or base.generation != generation or base.digest not in present or base.chain >= CHAIN:
            return segment
        if segment.text is None or segment.payload is None or segment.is_payload_inline:
            return segment
        if len(segment.text) > TEXT_BYTES or len(segment.payload) > PART_BYTES:
            return segment  # several parts could not be replaced in one go when it has to stand alone
        delta = segment.delta_encoded(base.digest, base.text)
        return delta if delta.payload is not None and len(delta.payload) < len(segment.payload) else segment

    def remember(self, trace_pk: str, generation: str, segment: Segment) -> None:
        """Remember the trace's newest segment, in place of the one before."""
        if segment.text is None or not INLINE_PAYLOAD_BYTES < len(segment.text) <= TEXT_BYTES:
            return
        with self._lock:
            previous = self._bases.pop(trace_pk, None)
            chain = previous.chain + 1 if previous and previous.digest == segment.base else 1
            self._bases[trace_pk] = _Base(generation, segment.digest, segment.text, chain)
            self._bytes += len(segment.text) - (len(previous.text) if previous else 0)
            while self._bytes > KEPT_BYTES:
                _, oldest = self._bases.popitem(last=False)
                self._bytes -= len(oldest.text)
