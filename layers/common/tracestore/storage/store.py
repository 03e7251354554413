"""The store of one deployment, and one user's scope of it: the table's partitions of that user and nothing else."""

import hmac
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Final

from tracestore.domain.costs import PriceOf, no_prices
from tracestore.domain.pseudonyms import pseudonym_of

from . import keys
from .cursor import read_cursor_secret
from .deadline import Deadline
from .delta_bases import DeltaBaseCache
from .items import add_index_items, head_item, keys_of, lesson_index_item, trace_from
from .model import (
    INDEXES,
    Actor,
    Item,
    ItemKey,
    LiveHead,
    Partition,
    Placeholder,
    Segment,
    StoredHead,
    StoredTrace,
    Tombstone,
)
from .read_budget import ReadBudget
from .recent_traces import RecentTraces
from .remembered_deletions import RememberedDeletions
from .segments import joined_with, open_payloads
from .segments import key as key_item
from .table import Table

ITEM_GRACE_S: Final = 86_400
"""Other items of a trace outlive its head by a day: another machine's clock may have set the head's expiry."""

NO_ACTOR: Final = Actor()
"""The actor of requests that begin no deletion."""


@dataclass(frozen=True, slots=True)
class Store:
    """The table, the settings that shape new items, and what this process remembers of the last requests.

    `derivation` names the code and the prices that answers are derived with. `trace_spans_most` is the largest size of
    a trace, since each write to a trace reads the cores of all of its spans. The numbers of counters are kept for
    `counters_s`. `secrets` remembers what was read from the table once. `table_of` returns the table as a user's own
    credentials reach it. *absent*: the process reaches the data of all users with its own.
    """

    table: Table
    retention_s: int
    time_shards: int = 1
    now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000
    price_of: PriceOf = no_prices
    derivation: Callable[[], str] = lambda: ""
    trace_spans_most: int = 20_000
    delta_bases: DeltaBaseCache = field(default_factory=DeltaBaseCache)
    recent_traces: RecentTraces = field(default_factory=RecentTraces)
    table_of: Callable[[str], Table] | None = None
    deletions: RememberedDeletions = field(default_factory=RememberedDeletions)
    counters_s: int = 400 * 86_400
    secrets: dict[str, bytes] = field(default_factory=dict, repr=False)

    def generation(self) -> str:
        """The name of a trace's incarnation that begins now: the hour, so that writers that race to begin it agree.

        Two incarnations of one trace id are at least the shortest retention, a day, apart.
        """
        return f"{self.hour():x}"

    def first_version(self) -> int:
        """The version of a head that is put where none is stored: the time in milliseconds.

        A version grows by one with each put, which takes longer than a millisecond. So a trace id never has a version
        twice, also not after all items of its user were removed: a process may remember what was stored before.
        """
        return self.now_ms()

    def hour(self) -> int:
        """The hours since 1970."""
        return self.now_ms() // 3_600_000

    def expiry_s(self) -> int:
        """The expiry of a trace that is first written now."""
        return self.now_ms() // 1000 + self.retention_s

    def pseudonym(self, user_pk: str, end_user_id: str) -> str:
        """The pseudonym of an end user in the counters of a user: of each user another one."""
        key = hmac.digest(self.cursor_secret(), f"end users of {user_pk}".encode(), "sha256")
        return pseudonym_of(key, end_user_id)

    def cursor_secret(self) -> bytes:
        """The secret that signs cursors, which is read once."""
        return self.secrets.get("cursor") or self.secrets.setdefault("cursor", read_cursor_secret(self.table))

    def scope(self, user_id: str, deadline: Deadline, actor: Actor = NO_ACTOR, *, repairs: bool = False) -> "Scope":
        """The partitions of one user, for one request of `actor`."""
        return Scope(self, user_id, deadline, actor, repairs=repairs)


class ForeignPartition(Exception):
    """An access to a partition of another user: always a mistake in this code."""


class UserTable:
    """The requests of `Table`, confined to the partitions of one user.

    Every partition key, of the table and of the indexes, is compared with the user's prefix before a request is sent:
    those in the arguments and those in the items. API keys and shares alone have an item elsewhere, under the hash of
    their secret; it has to name the user, and it is written through `shared`, because a user's own credentials do not
    reach it. *raises*: ForeignPartition for any other; else as `Table`.
    """

    def __init__(
        self,
        table: Table,
        user_id: str,
        deadline: Deadline,
        budget: ReadBudget | None = None,
        shared: Table | None = None,
    ) -> None:
        self._table = replace(table, budget=budget)
        self._shared = shared or self._table
        self._user_id = user_id
        self._user_pk = keys.user(user_id)
        self._prefix = f"{self._user_pk}#"
        self._deadline = deadline

    def query(
        self,
        pk: str,
        sk_from: str = "",
        sk_to: str = "",
        *,
        index: str | None = None,
        descending: bool = False,
        page_items: int | None = None,
        keys_only: bool = False,
    ) -> Iterator[Item]:
        """As `Table.query`."""
        return self._table.query(
            self._own(pk),
            sk_from,
            sk_to,
            index=index,
            descending=descending,
            page_items=page_items,
            keys_only=keys_only,
        )

    def count(
        self,
        pk: str,
        sk_from: str,
        at_from: str = "",
        at_to: str = "",
        *,
        index: str,
        is_bounded: bool = False,
    ) -> int | None:
        """As `Table.count`."""
        return self._table.count(
            self._own(pk),
            sk_from,
            at_from,
            at_to,
            index=index,
            is_bounded=is_bounded,
        )

    def get(self, pk: str, sk: str) -> Item | None:
        """As `Table.get`."""
        return self._table.get(self._own(pk), sk)

    def get_many(self, wanted: Iterable[ItemKey]) -> dict[ItemKey, Item]:
        """As `Table.get_many`."""
        return self._table.get_many([(self._own(pk), sk) for pk, sk in wanted], self._deadline)

    def put(self, item: Item, replaces: int | None) -> None:
        """As `Table.put`."""
        self._table.put(self._own_item(item), replaces)

    def put_together(
        self, item: Item, replaces: int | None, puts: Sequence[Item], deletes: Sequence[ItemKey] = ()
    ) -> None:
        """As `Table.put_together`."""
        self._table.put_together(
            self._own_item(item),
            replaces,
            [self._own_item(companion) for companion in puts],
            [(self._own(pk), sk) for pk, sk in deletes],
        )

    def write(self, puts: Iterable[Item] = (), deletes: Iterable[ItemKey] = ()) -> None:
        """As `Table.write`."""
        own_puts = [self._own_item(item) for item in puts]
        self._table.write(own_puts, [(self._own(pk), sk) for pk, sk in deletes], deadline=self._deadline)

    def delete(self, pk: str, sk: str) -> None:
        """Remove an item. *repeat*: harmless."""
        self._table.transact([{"Delete": {"Key": key_item(self._own(pk), sk)}}])

    def put_credential(self, item: Item, item_by_hash: Item) -> None:
        """Store the two items of an API key or a share, both or neither."""
        if item_by_hash["user_id"]["S"] != self._user_id or not keys.is_credential(item_by_hash["pk"]["S"]):
            raise ForeignPartition
        self._shared.transact([{"Put": {"Item": put}} for put in (self._own_item(item), item_by_hash)])

    def delete_credential(self, key: ItemKey, key_by_hash: ItemKey) -> None:
        """Remove the two items of an API key or a share, both or neither."""
        if not keys.is_credential(key_by_hash[0]):
            raise ForeignPartition
        pk, sk = key
        self._shared.transact(
            [{"Delete": {"Key": key_item(*deleted)}} for deleted in ((self._own(pk), sk), key_by_hash)]
        )

    def _own(self, pk: str) -> str:
        if pk != self._user_pk and not pk.startswith(self._prefix):
            raise ForeignPartition
        return pk

    def _own_item(self, item: Item) -> Item:
        for name in ("pk", *INDEXES):
            if name in item:
                self._own(item[name]["S"])
        return item


class Scope:
    """One user's part of the store for the duration of one request: what reads and writes traces is given this.

    No input of a request can reach another user's partition, because `table` refuses it. `actor` is recorded with what
    the request deletes. A scope that `repairs` puts heads that it finds incomplete while it reads, see `repair`. The
    pauses of `alias_waits` are those of all its look-ups of spans: what was stored before has aliases when they end.
    """

    __slots__ = ("actor", "alias_waits", "budget", "deadline", "repairs", "store", "table", "user_id")

    def __init__(
        self, store: Store, user_id: str, deadline: Deadline, actor: Actor = NO_ACTOR, *, repairs: bool = False
    ) -> None:
        self.store = store
        self.actor = actor
        self.repairs = repairs
        self.user_id = user_id
        self.deadline = deadline
        self.alias_waits = deadline.backoff()
        self.budget = ReadBudget()
        table = store.table_of(user_id) if store.table_of else store.table
        self.table = UserTable(table, user_id, deadline, self.budget, shared=store.table)

    def now_ms(self) -> int:
        """The time, in milliseconds since 1970."""
        return self.store.now_ms()

    def trace_pk(self, trace_id: str) -> str:
        """The partition key of a trace."""
        return keys.trace(self.user_id, trace_id)

    def time_partitions(self) -> list[Partition]:
        """The index partitions that contain all traces."""
        return [("by_time", keys.by_time_shard(self.user_id, shard)) for shard in range(self.store.time_shards)]

    def status_partitions(self, status: str) -> list[Partition]:
        """The index partitions that contain the traces of a status, `error` or `pending`."""
        shards = range(self.store.time_shards)
        return [("by_status", keys.by_status(self.user_id, status, shard)) for shard in shards]

    def lesson_partitions(self, status: str | None = None) -> list[Partition]:
        """The index partitions that contain all lesson traces, or those of a status."""
        shards = range(self.store.time_shards)
        if status is None:
            return [("by_time", keys.by_lessons(self.user_id, shard)) for shard in shards]
        return [("by_status", keys.by_lesson_status(self.user_id, status, shard)) for shard in shards]

    def read_core(self, trace_id: str) -> StoredTrace:
        """A trace without the payloads that have items of their own."""
        items = self.table.query(self.trace_pk(trace_id), keys.CORE_FROM, keys.CORE_TO)
        return trace_from(items, self.now_ms(), self.store.generation())

    def read_annotations(self, trace_id: str) -> StoredTrace:
        """A trace without its segments: its head, read first, and its annotations."""
        pk = self.trace_pk(trace_id)
        head = self.table.get(pk, keys.HEAD)
        annotations = self.table.query(pk, keys.ANNOTATIONS_FROM, keys.ANNOTATIONS_TO)
        return trace_from(chain([head] if head else [], annotations), self.now_ms(), self.store.generation())

    def read_whole(self, trace_id: str, payload_bytes: int | None = None) -> StoredTrace:
        """A trace with the payloads in the fields of its updates; cut where they exceed `payload_bytes`."""
        items = self.table.query(self.trace_pk(trace_id), keys.CORE_FROM, keys.WHOLE_TO)
        return trace_from(items, self.now_ms(), self.store.generation(), payload_bytes)

    def with_payloads(self, trace_id: str, stored: StoredTrace, digests: Collection[str]) -> list[Segment]:
        """The segments with these digests, payloads open. Payloads that `stored` came without are fetched into it."""
        assert stored.head is not None
        pk = self.trace_pk(trace_id)
        unvisited = list(digests)
        visited: set[str] = set()
        while unvisited:
            segment = stored.segments.get(unvisited.pop())
            if segment is None or segment.digest in visited or segment.text is not None or not segment.has_payload:
                continue
            visited.add(segment.digest)
            if segment.payload is None:
                first, last = keys.payload_range(stored.head.generation, segment.digest)
                segment = joined_with(segment, self.table.query(pk, first, last))
                stored.segments[segment.digest] = segment
            unvisited += [segment.base] if segment.base else []
        open_payloads(stored.segments)
        self.budget.opened_bytes += sum(len(stored.segments[digest].text or b"") for digest in visited)
        return [stored.segments[digest] for digest in digests]

    def live_head(self, stored: StoredTrace) -> LiveHead | Tombstone | None:
        """The head; None where there is none, or where its retention is over: then the trace may begin anew."""
        head = stored.head
        return None if head is None or isinstance(head, Placeholder) or head.is_expired(self.now_ms()) else head

    def put_companions(self, items: Sequence[Item]) -> None:
        """Store the companion items of heads: all that belongs to a segment before the segment itself.

        A reader that finds a segment therefore finds its payload.
        """
        self.table.write([item for item in items if not keys.is_segment(item["sk"]["S"])])
        self.table.write([item for item in items if keys.is_segment(item["sk"]["S"])])

    def head_item(self, trace_id: str, head: StoredHead) -> Item:
        """The head of a trace as an item."""
        return head_item(self.user_id, trace_id, head, self.store.time_shards)

    def put_head(
        self,
        trace_id: str,
        new: StoredHead,
        old: StoredHead | None,
        companions: Sequence[Item] = (),
        item: Item | None = None,
    ) -> None:
        """Put a head in place of `old` (None: where no head is stored), together with `companions` or not at all.

        The lesson index item follows the head: where the new head calls for another one, both are written in one
        transaction, so that no crash and no race can separate them. `item` is the new head as an item where the caller
        has made it already. *raises*: ConditionFailed when another head is stored.
        """
        self.store.recent_traces.forget(self.trace_pk(trace_id))
        item = item or self.head_item(trace_id, new)
        replaces = old.version if old else None
        index_item = lesson_index_item(self.user_id, trace_id, new, self.store.time_shards)
        old_index_item = lesson_index_item(self.user_id, trace_id, old, self.store.time_shards)
        puts = [*companions, index_item] if index_item and index_item != old_index_item else companions
        is_moved = old_index_item and (index_item is None or index_item["sk"] != old_index_item["sk"])
        deletes = keys_of([old_index_item]) if old_index_item and is_moved else ()
        if puts or deletes:
            self.table.put_together(item, replaces, puts, deletes)
        else:
            self.table.put(item, replaces)

    def remember(self, trace_id: str, stored: StoredTrace) -> None:
        """Remember a trace whose head this process has just put: its next write to the trace reads nothing."""
        if index_item := lesson_index_item(self.user_id, trace_id, stored.head, self.store.time_shards):
            add_index_items(stored, [index_item])
        self.store.recent_traces.remember(self.trace_pk(trace_id), stored, self.now_ms())


def expiry_of_companions(head_expires_at_s: int) -> int:
    """The expiry of the other items of a trace: never before its head's.

    It is the same for all heads that begin within one hour, so that sending a span again leaves its items unchanged.
    """
    return head_expires_at_s // 3600 * 3600 + ITEM_GRACE_S
