"""What every function of the store needs to know of the deployment, and the reading of one trace's partition."""

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from tracestore.domain.costs import PriceOf, no_prices

from . import keys
from .delta_bases import DeltaBaseCache
from .items import Head, StoredTrace, head_item, lesson_index_item, trace_from
from .segments import Item, Segment, open_payloads
from .table import Deadline, Table

ITEM_GRACE_S: Final = 86_400
"""Other items of a trace outlive its head, whose clock may have been another machine's, by a day."""


@dataclass(frozen=True, slots=True)
class Store:
    """The table, the settings that shape what is written to it, and what helps to remember of the last writes."""

    table: Table
    retention_s: int
    time_shards: int = 1
    now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000
    price_of: PriceOf = no_prices
    delta_bases: DeltaBaseCache = field(default_factory=DeltaBaseCache)

    def generation(self) -> str:
        """A name for the life of a trace that begins now: the hour, so that writers who race to begin it agree.

        Two lives of one trace id are at least the shortest retention, a day, apart.
        """
        return f"{self.now_ms() // 3_600_000:x}"

    def expiry_s(self) -> int:
        """When a trace that is first written now is removed."""
        return self.now_ms() // 1000 + self.retention_s

    def read_core(self, pk: str) -> StoredTrace:
        """All of a trace but the payloads that have items of their own."""
        return trace_from(self.table.query(pk, keys.CORE_FROM, keys.CORE_TO), self.now_ms(), self.generation())

    def read_whole(self, pk: str, payload_bytes: int | None = None) -> StoredTrace:
        """All of a trace, payloads in the facts of its records; cut where they are more than `payload_bytes`."""
        items = self.table.query(pk, keys.CORE_FROM)
        return trace_from(items, self.now_ms(), self.generation(), payload_bytes)

    def with_payloads(self, pk: str, stored: StoredTrace, digests: Collection[str]) -> list[Segment]:
        """The segments with these digests, payloads at hand: what `stored` was read without is fetched into it."""
        assert stored.head is not None
        waiting = list(digests)
        seen: set[str] = set()
        while waiting:
            segment = stored.segments.get(waiting.pop())
            if segment is None or segment.digest in seen or segment.text is not None or not segment.has_payload:
                continue
            seen.add(segment.digest)
            if segment.payload is None:
                prefix = keys.payload_of(stored.head.generation, segment.digest)
                segment = segment.joined_with(self.table.query(pk, prefix, prefix + "~"))
                stored.segments[segment.digest] = segment
            waiting += [segment.base] if segment.base else []
        open_payloads(stored.segments)
        return [stored.segments[digest] for digest in digests]


def expiry_of_items(head_expires_at_s: int) -> int:
    """When the items beside a head are removed: never before the head.

    The same for all heads that begin in one hour, so that sending a span again leaves its items as they are.
    """
    return head_expires_at_s // 3600 * 3600 + ITEM_GRACE_S


def put_companions(store: Store, items: Sequence[Item], deadline: Deadline) -> None:
    """Store items of traces: all that belongs to a segment before it, so that who sees a segment sees it whole."""
    store.table.write([item for item in items if not keys.is_segment(item["sk"]["S"])], deadline=deadline)
    store.table.write([item for item in items if keys.is_segment(item["sk"]["S"])], deadline=deadline)


def put_head(
    store: Store, user_id: str, trace_id: str, new: Head, old: Head | None, companions: Sequence[Item] = ()
) -> None:
    """Put a head in place of `old` (None: where no head is stored), together with `companions` or not at all.

    The trace's lens follows the head: where the new head calls for another one, both are written in one transaction, so
    that no crash and no race can part them. *raises* ConditionFailed when another head is stored.
    """
    item = head_item(user_id, trace_id, new, store.time_shards)
    replaces = old.version if old else None
    index_item = lesson_index_item(user_id, trace_id, new)
    old_index_item = lesson_index_item(user_id, trace_id, old) if old else None
    puts = [*companions, index_item] if index_item and index_item != old_index_item else companions
    is_moved = old_index_item and (index_item is None or index_item["sk"] != old_index_item["sk"])
    deletes = keys_of([old_index_item]) if old_index_item and is_moved else ()
    if puts or deletes:
        store.table.put_together(item, replaces, puts, deletes)
    else:
        store.table.put(item, replaces)


def live_head(stored: StoredTrace, now_ms: int) -> Head | None:
    """The head, unless there is none or retention is over: then the trace may begin anew."""
    head = stored.head
    return None if head is None or head.is_expired(now_ms) else head


def keys_of(items: Iterable[Item]) -> list[tuple[str, str]]:
    return [(item["pk"]["S"], item["sk"]["S"]) for item in items]
