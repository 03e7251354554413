"""The traces that this process wrote last, as they were stored: the next write to one of them reads nothing.

The head of a remembered trace is put on condition of the version that is remembered. Every change of a trace puts its
head, so this fails where another process has written to the trace since. The writer then reads it, and this process
does not remember it again: a trace that several processes write to costs each of them one refused put.

A segment whose writer was interrupted before the head is not seen here. It was never acknowledged, and the next writer
or reader that reads the trace takes it in.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Final, NamedTuple

from tracestore.domain.merge import core_of
from tracestore.domain.spans import SpanUpdate

from .bounded_memory import BoundedMemory
from .model import Head, Segment, StoredTrace

MEMORY_BYTES: Final = 32_000_000
"""Memory of all remembered traces, about. A larger trace is not remembered: one of some 25,000 spans."""

TRACE_BYTES: Final = 8_000
UPDATE_BYTES: Final = 1_000
"""Memory of a head, and of an update or an annotation without its long texts."""

CORE_RATIO: Final = 4
"""Memory of cores for each stored byte: what zstd saves are mostly names, which are in memory once."""

REMEMBERED_MS: Final = 900_000
"""How long a trace is remembered after a write. A process that was frozen for longer reads: the trace has probably
changed or gone since, and a put in vain costs like any other."""

SHARED: Final = sys.maxsize
"""In place of the version of a trace that other processes write to as well: no version of it is remembered."""


class _Remembered(NamedTuple):
    """A trace, the version of its head, and when it was written. *absent*: None for a shared one."""

    stored: StoredTrace | None
    version: int
    written_ms: int


@dataclass(slots=True)
class RecentTraces:
    """The traces that were written lately, by partition key. Safe for many threads: one of them takes a trace."""

    _traces: BoundedMemory[_Remembered] = field(default_factory=lambda: BoundedMemory(MEMORY_BYTES))
    _lock: Lock = field(default_factory=Lock)

    @property
    def memory_bytes(self) -> int:
        """The memory that all remembered traces take, about; at most `MEMORY_BYTES`."""
        return self._traces.memory_bytes

    def take(self, trace_pk: str, now_ms: int) -> StoredTrace | None:
        """The trace as this process stored it. It is remembered no longer, until it is again. *absent*: None."""
        with self._lock:
            found = self._traces.get(trace_pk)
            if found is None or found.stored is None:
                return None
            self._traces.drop(trace_pk)
        return found.stored if 0 <= now_ms - found.written_ms < REMEMBERED_MS else None

    def remember(self, trace_pk: str, stored: StoredTrace, now_ms: int) -> None:
        """Remember a trace whose head was just put, and includes all of `stored`, which is not changed any more.

        A trace with deleted spans or with waiting annotations is not remembered: its next write has to look for more of
        them.
        """
        if not isinstance(stored.head, Head) or stored.head.deleted or stored.waiting:
            return
        packed = _packed(stored, stored.head)
        memory_bytes = _memory_bytes_of(packed)
        with self._lock:
            if (known := self._traces.get(trace_pk)) is None or known.version < stored.head.version:
                self._traces.put(trace_pk, _Remembered(packed, stored.head.version, now_ms), memory_bytes)

    def forget(self, trace_pk: str) -> None:
        """Forget the content of a trace that this process is about to change."""
        with self._lock:
            if (known := self._traces.get(trace_pk)) is not None and known.stored is not None:
                self._traces.drop(trace_pk)

    def share(self, trace_pk: str) -> None:
        """Remember of a trace only that other processes write to it."""
        with self._lock:
            self._traces.put(trace_pk, _Remembered(None, SHARED, 0), TRACE_BYTES)


def _memory_bytes_of(stored: StoredTrace) -> int:
    count = len(stored.annotations) + sum(len(segment.updates) for segment in stored.segments.values())
    payload_bytes = sum(len(segment.payload or b"") for segment in stored.segments.values())
    text_bytes = sum(map(sys.getsizeof, _long_texts_of(stored)))
    return TRACE_BYTES + UPDATE_BYTES * count + CORE_RATIO * stored.core_bytes + payload_bytes + text_bytes


def _long_texts_of(stored: StoredTrace) -> Iterator[str]:
    """The texts that may be long. They compress well: many spans that failed alike take a hundredth in the table."""
    for update in stored.updates():
        if "error_message" in update.fields:
            yield update.fields["error_message"]
    for annotation in stored.annotations.values():
        yield f"{annotation.value}{annotation.comment or ''}"


def _packed(stored: StoredTrace, head: Head) -> StoredTrace:
    """The trace as a Query without payloads reads it: only payloads in the head and in segment items, packed."""
    inlined = _closed(head.inline_segment) if head.inline_segment else None
    in_head = inlined if inlined and inlined.payload is not None else None
    return replace(
        stored,
        head=replace(head, inline_segment=inlined) if inlined else head,
        segments={
            digest: in_head if in_head and digest == in_head.digest else _as_read(segment)
            for digest, segment in stored.segments.items()
        },
    )


def _as_read(segment: Segment) -> Segment:
    """The segment closed, with a payload only where that is in its own item."""
    if segment.payload is None or segment.is_payload_inline:
        return _closed(segment)
    return replace(_closed(segment), payload=None)


def _closed(segment: Segment) -> Segment:
    """The segment with its payload as it is packed, and not in the fields of its updates."""
    if segment.text is None:
        return segment
    updates = [
        SpanUpdate(core_of(each.fields), each.digest, each.payload_fields, each.received_ms, each.precedence)
        for each in segment.updates
    ]
    return replace(segment, updates=tuple(updates), text=None)
