"""The gathered item of a user: the sums of small batches, which the counters do not contain yet.

A trace that is counted alone would rewrite five counters. Its contributions are added to one item instead, and the
counters are written once for all batches that fit into it. Readers add both up.

The item is put on condition of its version and alone decides what is counted exactly once: it stores how far each shard
has come. When the growing sums have no more room they become the leaving ones, in the same put. The next batch adds the
leaving sums to the counters before it puts the item without them. Each has a number, and a counter stores the number of
the last sums that it contains, so that it contains them once however often a batch is interrupted or repeated.

A batch that is too large to be gathered changes the counters themselves. The item is put first and stores after which
sequence number: repeated changes after that are counted where they were, by the checkpoints in the counters.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final, NamedTuple

from tracestore.domain.buckets import Bucket, Target
from tracestore.domain.gathered import Gathered, intervals_of, is_finest
from tracestore.domain.settled_days import SettledDays

from . import keys
from .deadline import Deadline
from .deltas import Delta
from .formats.gathered import GatheredCheckpoint, PackedGathered, pack_gathered, unpack_gathered
from .items import item_bytes
from .marginal_days import day_of, settle, today
from .model import Item, ItemKey
from .segments import expiry, key
from .store import Store, UserTable
from .stored_counters import (
    CHECKPOINTS_KEPT_S,
    CounterKey,
    StoredCounter,
    change_item,
    expiry_s_of,
    has_expired,
    oldest_checkpoint_hour,
    refusal,
)
from .table import Table

GATHERED_BYTES: Final = 2_048
"""The most bytes of an item with growing sums alone. It is written by each small batch, whole."""

_BEFORE_ALL: Final = GatheredCheckpoint(-1, 0)


@dataclass(slots=True)
class GatheredItem:
    """The gathered item as it is stored."""

    version: int | None = None
    checkpoints: dict[str, GatheredCheckpoint] = field(default_factory=dict)
    leaving: Gathered = field(default_factory=Gathered)
    leaving_number: int = 0
    growing: Gathered = field(default_factory=Gathered)
    growing_number: int = 0
    begun_hour: int | None = None
    days: SettledDays = field(default_factory=SettledDays)

    def waiting_days(self) -> set[int]:
        """The days of marginals to which sums will be added."""
        return _days_of((*self.leaving.buckets, *self.growing.buckets))

    def is_older_than_stream(self, store: Store) -> bool:
        """Whether the item began before any change that the stream may still deliver.

        Then it has a checkpoint for whatever counters have applied themselves. The release that begins no item
        applies changes without one, and the batch in which it is interrupted is delivered again for a day.
        """
        return self.begun_hour is not None and self.begun_hour < oldest_checkpoint_hour(store)

    def complete(self, target: Target, stored: StoredCounter) -> bool:
        """Add to a counter what it does not contain yet; returns whether there is any."""
        return self._add_to(target, stored, 1)

    def reduce(self, target: Target, stored: StoredCounter) -> None:
        """Subtract from a completed counter what it is stored without."""
        self._add_to(target, stored, -1)

    def add_leaving(self, target: Target, stored: StoredCounter) -> None:
        """Add the leaving sums alone to a counter, for good."""
        for of_bucket in self.leaving.of(target):
            of_bucket.sums.add_to(stored.counter)
            stored.note_expiry(of_bucket.whole_until_s)
        stored.gathered = self.leaving_number

    def _add_to(self, target: Target, stored: StoredCounter, sign: int) -> bool:
        has_any = False
        for gathered, number in ((self.leaving, self.leaving_number), (self.growing, self.growing_number)):
            if stored.gathered < number:
                for of_bucket in gathered.of(target):
                    of_bucket.sums.add_to(stored.counter, sign)
                    stored.note_expiry(of_bucket.whole_until_s)
                    has_any = True
        return has_any


class Outcome(NamedTuple):
    """How a batch was gathered.

    The counters themselves have to apply the changes `direct_after` a sequence number. *absent*: None where there are
    none. `lost` has the reason for each counter that leaving sums could not be added to.
    """

    direct_after: int | None
    lost: list[str]

    def left_to_counters(self, deltas: Sequence[Delta]) -> list[Delta]:
        """The deltas that the counters themselves have to apply."""
        first = self.direct_after
        return [] if first is None else [delta for delta in deltas if delta.sequence > first]


def read_gathered(table: Table | UserTable, user_pk: str) -> GatheredItem:
    """The gathered item of a user. Read it before the counters, which may contain it a moment later."""
    return gathered_in(table.get(*gathered_key(user_pk)))


def gathered_key(user_pk: str) -> ItemKey:
    return keys.gathered(user_pk), keys.GATHERED


def gathered_in(item: Item | None) -> GatheredItem:
    """The content of an item. *absent*: an empty one. *raises*: Unreadable."""
    if item is None:
        return GatheredItem()
    return GatheredItem(int(item["v"]["N"]), *unpack_gathered(item["gathered"]["B"]))


def open_day(store: Store, user_pk: str, day: int, deadline: Deadline) -> None:
    """Take note that the copies of a day do not equal its hours, or will not. *units*: days since 1970.

    *absent*: without an item no day is settled.
    """

    def attempt() -> None:
        item = store.table.get(*gathered_key(user_pk))
        if item is not None:
            gathered = gathered_in(item)
            gathered.days = gathered.days.changed_on([day], store.hour())
            store.table.put(_item(store, user_pk, gathered), gathered.version)

    deadline.retry(attempt)


def gather(
    store: Store,
    shard: str,
    user_pk: str,
    deltas: Mapping[Target, Sequence[Delta]],
    counted_until: int,
    item: Item | None,
    deadline: Deadline,
    *,
    begins: bool,
    room: int = GATHERED_BYTES,
) -> Outcome:
    """Add the part of a batch that changes the numbers of one user to the gathered item, given as it was read.

    `counted_until` is the last sequence number of the shard in the counters that the batch changes, which matters until
    the item is older than the stream. With `begins` an item is begun where none is stored.

    *repeat*: changes that were taken before are left out.
    """
    unused = [item]
    last = max(delta.sequence for of_target in deltas.values() for delta in of_target)

    def attempt() -> Outcome:
        current = unused.pop() if unused else store.table.get(*gathered_key(user_pk))
        if current is None and not begins:
            return Outcome(_BEFORE_ALL.sequence, [])
        gathered = gathered_in(current)
        before = gathered.checkpoints.get(shard, _BEFORE_ALL)
        repeated_after = before.direct_after if _repeats(before, deltas) else None
        if last <= before.sequence:
            return Outcome(repeated_after, [])
        lost = _add_leaving(store, user_pk, gathered, deadline) if gathered.leaving else []
        hour, changed = store.hour(), _days_of(deltas)
        days = gathered.days.opened(today(store), hour).changed_on(_days_of(gathered.leaving.buckets), hour)
        gathered.leaving = Gathered()
        gathered.days = settle(store, user_pk, days, gathered.waiting_days() | changed, deadline)
        direct_after = before.sequence if repeated_after is None else repeated_after
        gathered.checkpoints[shard] = GatheredCheckpoint(last, hour)
        put = None
        if repeated_after is None and counted_until <= before.sequence:
            put = _with(store, user_pk, gathered, before.sequence, deltas, room)
        is_direct = put is None
        if put is None:
            gathered.days = gathered.days.changed_on(changed, hour)
            gathered.checkpoints[shard] = GatheredCheckpoint(last, hour, direct_after)
            put = _item(store, user_pk, gathered)
        store.table.put(put, gathered.version)
        return Outcome(direct_after if is_direct else None, lost)

    return deadline.retry(attempt)


def _repeats(before: GatheredCheckpoint, deltas: Mapping[Target, Sequence[Delta]]) -> bool:
    """Whether changes are among those that the counters themselves apply."""
    first = before.direct_after
    sequences = (delta.sequence for of_target in deltas.values() for delta in of_target)
    return first is not None and any(first < sequence <= before.sequence for sequence in sequences)


def _with(
    store: Store,
    user_pk: str,
    gathered: GatheredItem,
    after: int,
    deltas: Mapping[Target, Sequence[Delta]],
    room: int,
) -> Item | None:
    """The item with the sums of a batch: among the growing ones, or in place of them where there is no room.

    *absent*: None for a batch that has no room in an item of its own.
    """
    alone = replace(gathered, growing=_sums(Gathered(), after, deltas))
    if item_bytes(_item(store, user_pk, alone)) > room:
        return None
    item = _item(store, user_pk, replace(gathered, growing=_sums(deepcopy(gathered.growing), after, deltas)))
    if item_bytes(item) <= room:
        return item
    alone.leaving, alone.leaving_number = gathered.growing, gathered.growing_number
    alone.growing_number = max(store.now_ms(), gathered.growing_number + 1)
    return _item(store, user_pk, alone)


def _sums(gathered: Gathered, after: int, deltas: Mapping[Target, Sequence[Delta]]) -> Gathered:
    """Sums to which the changes after a sequence number were added."""
    for target, of_target in deltas.items():
        if isinstance(target, Bucket) and is_finest(target):
            for delta in of_target:
                if delta.sequence > after and delta.old is not None:
                    gathered.add(target, delta.old, -1)
                if delta.sequence > after and delta.new is not None:
                    gathered.add(target, delta.new, 1, delta.expires_at_s)
    return gathered


def _item(store: Store, user_pk: str, gathered: GatheredItem) -> Item:
    oldest_hour = oldest_checkpoint_hour(store)
    checkpoints = {shard: each for shard, each in gathered.checkpoints.items() if each.hour >= oldest_hour}
    content = PackedGathered(
        checkpoints,
        gathered.leaving,
        gathered.leaving_number,
        gathered.growing,
        gathered.growing_number or store.now_ms(),
        store.hour() if gathered.begun_hour is None else gathered.begun_hour,
        gathered.days,
    )
    targets = (*_targets_of(gathered.leaving), *_targets_of(gathered.growing))
    needed_s = store.now_ms() // 1000 + CHECKPOINTS_KEPT_S
    settled = [Bucket("marginals", "day", gathered.days.open_from - 1)] if gathered.days.open_from else []
    expires_at_s = max([needed_s, *(expiry_s_of(store, target) for target in (*targets, *settled))])
    return {
        **key(*gathered_key(user_pk)),
        **expiry(expires_at_s),
        "v": {"N": str((gathered.version or 0) + 1)},
        "gathered": {"B": pack_gathered(content)},
    }


def _days_of(targets: Iterable[Target]) -> set[int]:
    """The days of the marginals among these counters."""
    return {day_of(target) for target in targets if isinstance(target, Bucket) and target.kind == "marginals"}


def _targets_of(gathered: Gathered) -> Iterator[Bucket]:
    """The counters that have to contain the sums."""
    for bucket in gathered.buckets:
        yield from intervals_of(bucket)


def _add_leaving(store: Store, user_pk: str, gathered: GatheredItem, deadline: Deadline) -> list[str]:
    """Add the leaving sums to the counters that do not contain them; returns why it was impossible for some."""
    targets = [target for target in dict.fromkeys(_targets_of(gathered.leaving)) if not has_expired(store, target)]
    items = store.table.get_many((CounterKey(user_pk, target).key for target in targets), deadline)
    lost = []

    def add_to(target: Target) -> None:
        def add(stored: StoredCounter) -> bool:
            if stored.gathered >= gathered.leaving_number:
                return False
            gathered.add_leaving(target, stored)
            return True

        counter_key = CounterKey(user_pk, target)
        change_item(store.table, store, counter_key, add, deadline, items.get(counter_key.key))

    for target in targets:
        if reason := refusal(partial(add_to, target)):
            lost.append(reason)
    return lost
