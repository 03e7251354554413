"""Counters in the table: changed exactly once by every change of a head.

A counter stores how far it has come in each shard of the stream, so that records which are delivered again, in whatever
batches, do not change it twice. Numbers of small batches wait in the gathered item of the user (`gathered`).
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import Final, NamedTuple

from tracestore.domain.buckets import Bucket, Target
from tracestore.domain.counters import Counter
from tracestore.domain.gathered import is_gathered

from . import keys
from .activity import Activity, activity_items, activity_of
from .dead_letters import DeadLetter, dead_letter_items
from .deadline import Deadline
from .deltas import Change, Delta, deltas_of
from .gathered import GATHERED_BYTES, Outcome, gather, gathered_in, gathered_key, open_day, read_gathered
from .marginal_days import day_of
from .model import Item, ItemKey
from .store import Scope, Store
from .stored_counters import (
    CounterKey,
    StoredCounter,
    change_item,
    counter_item_of,
    has_expired,
    refusal,
    stored_counter,
)

COUNTER_THREADS: Final = 8
"""Counters that are written at the same time."""

BEGINS_GATHERING: Final = True
"""Whether users without a gathered item get one."""


_NOTHING_COUNTED: Final = -1
"""Before all sequence numbers."""


class Applied(NamedTuple):
    """The number of counters that changed, and the changes that could not be counted."""

    counters: int
    dead_letters: list[DeadLetter]


def apply(
    store: Store,
    shard_id: str,
    changes: Iterable[Change],
    deadline: Deadline,
    *,
    threads: int = COUNTER_THREADS,
    begins: bool = BEGINS_GATHERING,
    room: int = GATHERED_BYTES,
) -> Applied:
    """Apply changes, given in the order of their shard, to all counters that they affect.

    A change that cannot be counted becomes a dead letter, which `tracestore audit` reports, and the others are counted.
    The numbers of a few traces are gathered in an item of `room` bytes. Where a user has none, this `begins` one.

    *repeat*: a change that a counter has applied does not change it again, also in another batch.
    *raises*: Unavailable when time is up. Some counters are changed by then, and the same call changes the others.
    """
    batch = _Batch(store, hashlib.blake2b(shard_id.encode(), digest_size=8).hexdigest(), deadline)
    for change in changes:
        batch.include(change)
    batch.read()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(partial(batch.gather, begins=begins, room=room), batch.numbers))
        batch.read_counters(batch.direct)
        list(pool.map(batch.apply_to, batch.direct))
    batch.write_activities()
    store.table.write(dead_letter_items(store, batch.shard, batch.dead_letters), deadline=deadline)
    return Applied(sum(not has_expired(store, target) for _, target in batch.deltas), batch.dead_letters)


@dataclass
class _Batch:
    """A batch of changes while it is applied.

    `numbers` are the deltas of each user that may be gathered, `direct` those that counters have to apply themselves.
    `refused` are the counters whose changes became dead letters. `unread` are the counters that `items` has not been
    read for.
    """

    store: Store
    shard: str
    deadline: Deadline
    deltas: dict[CounterKey, list[Delta]] = field(default_factory=dict)
    numbers: dict[str, dict[Target, list[Delta]]] = field(default_factory=dict)
    direct: dict[CounterKey, list[Delta]] = field(default_factory=dict)
    refused: set[CounterKey] = field(default_factory=set)
    unread: set[CounterKey] = field(default_factory=set)
    items: dict[ItemKey, Item] = field(default_factory=dict)
    activities: dict[str, list[Activity]] = field(default_factory=dict)
    dead_letters: list[DeadLetter] = field(default_factory=list)

    def include(self, change: Change) -> None:
        """Add the deltas of a change."""
        try:
            by_target = deltas_of(self.store, change)
        except Exception as error:  # a head of another version, or a defect: the other changes are counted all the same
            self.dead_letters.append(DeadLetter(change, type(error).__name__))
            return
        for target, delta in by_target:
            counter_key = CounterKey(keys.user_of(change.trace_pk), target)
            self.deltas.setdefault(counter_key, []).append(delta)
            if is_gathered(target):
                self.numbers.setdefault(counter_key.user_pk, {})[target] = self.deltas[counter_key]
            else:
                self.direct[counter_key] = self.deltas[counter_key]

    def read(self) -> None:
        """Read the gathered items, and the counters that the batch may change or has to ask how far they have come.

        The counters of numbers that are gathered in an item older than the stream are neither.
        """
        wanted = chain((counter_key.key for counter_key in self.direct), map(gathered_key, self.numbers))
        self.items = self.store.table.get_many(wanted, self.deadline)
        self.unread = self.deltas.keys() - self.direct.keys()
        asked = [user_pk for user_pk in self.numbers if not self._is_older_than_stream(user_pk)]
        self.read_counters(CounterKey(user_pk, target) for user_pk in asked for target in self.numbers[user_pk])

    def read_counters(self, counter_keys: Iterable[CounterKey]) -> None:
        """Read those of these counters that have not been read."""
        wanted = self.unread.intersection(counter_keys)
        self.items |= self.store.table.get_many((counter_key.key for counter_key in wanted), self.deadline)
        self.unread -= wanted

    def _is_older_than_stream(self, user_pk: str) -> bool:
        """Whether a user's gathered item is. *absent*: not one that cannot be read."""
        is_older = False

        def look() -> None:
            nonlocal is_older
            is_older = gathered_in(self.items.get(gathered_key(user_pk))).is_older_than_stream(self.store)

        refusal(look)
        return is_older

    def gather(self, user_pk: str, *, begins: bool, room: int) -> None:
        """Gather the numbers of a user, and leave the rest to the counters."""
        numbers = self.numbers[user_pk]
        changes = list({delta.sequence: delta.change for of_target in numbers.values() for delta in of_target}.values())
        read = {CounterKey(user_pk, target) for target in numbers} - self.unread
        counted_until = max(map(self._counted_until, read), default=_NOTHING_COUNTED)
        item = self.items.get(gathered_key(user_pk))
        outcome = Outcome(None, [])

        def gather_all() -> None:
            nonlocal outcome
            outcome = gather(
                self.store, self.shard, user_pk, numbers, counted_until, item, self.deadline, begins=begins, room=room
            )

        if reason := refusal(gather_all):
            self.dead_letters += [DeadLetter(change, reason) for change in changes]
        self.dead_letters += [DeadLetter(changes[0], reason) for reason in outcome.lost]
        for target, of_target in numbers.items():
            rest = outcome.left_to_counters(of_target)
            if rest and not has_expired(self.store, target):
                self.direct[CounterKey(user_pk, target)] = rest

    def _counted_until(self, counter_key: CounterKey) -> int:
        """The last change of the shard that a counter has applied itself."""
        found = _NOTHING_COUNTED

        def note() -> None:
            nonlocal found
            stored = stored_counter(self.store, counter_key, self.items.get(counter_key.key))
            found, _ = stored.checkpoints.get(self.shard, (found, 0))

        self._refuse(counter_key, note)
        return found

    def apply_to(self, counter_key: CounterKey) -> None:
        """Apply the deltas of one counter."""
        if counter_key in self.refused:
            return
        counter: Counter | None = None

        def apply_all() -> None:
            nonlocal counter
            item = self.items.get(counter_key.key)
            counter = _apply_deltas(self.store, self.shard, counter_key, self.direct[counter_key], item, self.deadline)

        self._refuse(counter_key, apply_all)
        if activity := activity_of(counter_key.target, counter):
            self.activities.setdefault(counter_key.user_pk, []).append(activity)

    def _refuse(self, counter_key: CounterKey, change: Callable[[], None]) -> None:
        """Make a change of a counter. If it cannot be made, the counter's changes become dead letters."""
        if reason := refusal(change):
            self.refused.add(counter_key)
            self.dead_letters += [DeadLetter(delta.change, reason) for delta in self.deltas[counter_key]]

    def write_activities(self) -> None:
        """Write the activity items of the batch."""
        sequences = [delta.sequence for of_counter in self.deltas.values() for delta in of_counter]
        for user_pk, of_user in self.activities.items():
            batch_name = f"{self.shard}#{min(sequences)}-{max(sequences)}"
            self.store.table.write(activity_items(user_pk, batch_name, sorted(of_user)), deadline=self.deadline)


def change_counter(scope: Scope, target: Target, change: Callable[[StoredCounter], bool]) -> bool:
    """Change one counter; returns whether it was written. `change` changes it in place and returns whether to write it.

    *repeat*: `change` is called again when another writer was faster.
    """
    counter_key = CounterKey(keys.user(scope.user_id), target)

    def change_completed(stored: StoredCounter) -> bool:
        gathered = read_gathered(scope.table, counter_key.user_pk)
        gathered.complete(target, stored)
        is_changed = change(stored)
        gathered.reduce(target, stored)
        return is_changed

    if isinstance(target, Bucket) and target.kind == "marginals":
        open_day(scope.store, counter_key.user_pk, day_of(target), scope.deadline)
    item = scope.table.get(*counter_key.key)
    return change_item(scope.table, scope.store, counter_key, change_completed, scope.deadline, item)


def counter_item(store: Store, user_pk: str, target: Target, counter: Counter) -> Item:
    """The item of a counter that was made elsewhere, as the first one that is stored."""
    return counter_item_of(store, CounterKey(user_pk, target), StoredCounter(counter))


def _apply_deltas(
    store: Store, shard: str, counter_key: CounterKey, deltas: Sequence[Delta], item: Item | None, deadline: Deadline
) -> Counter:
    """Apply to one counter, given as it was read, the deltas that it has not applied yet; returns the counter."""
    last = deltas[-1].sequence
    counter: Counter

    def change(stored: StoredCounter) -> bool:
        nonlocal counter
        counter = stored.counter
        checkpoint, _ = stored.checkpoints.get(shard, (-1, 0))
        if checkpoint >= last:
            return False
        for delta in deltas:
            if delta.sequence > checkpoint:
                if delta.old is not None and not stored.ignores(delta.old, store.now_ms()):
                    stored.counter.add(delta.old, -1)
                if delta.new is not None and not stored.ignores(delta.new, store.now_ms()):
                    stored.counter.add(delta.new, 1)
                    stored.note_expiry(delta.expires_at_s)
        stored.checkpoints[shard] = (last, store.hour())
        return True

    change_item(store.table, store, counter_key, change, deadline, item)
    return counter
