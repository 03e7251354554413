"""Counters in the table: changed exactly once by every change of a head, and read.

A counter is one packed item, put on condition of its version. It stores how far it has come in each shard of the
stream, so that records which are delivered again, in whatever batches, do not change it twice.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, NamedTuple

from tracestore.domain.counters import (
    COUNTERS,
    OF_TRACES,
    Bucket,
    Contribution,
    ConversationContribution,
    ConversationCounter,
    ConversationTarget,
    Counter,
    ErrorCounter,
    MarginalCounter,
    Target,
    ValueCounter,
    contributions_of,
)

from . import keys
from .activity import Activity, activity_items, activity_of
from .codec import Unreadable
from .deadline import Deadline
from .dynamo import INVALID, RequestFailed
from .formats.counters import PackedCounter, pack_counter, unpack_counter
from .items import summary_from
from .model import Item, ItemKey
from .segments import expiry, key
from .store import Scope, Store, UserTable
from .table import Table

CHECKPOINTS_KEPT_HOURS: Final = 26
"""A stream keeps its records for 24 hours, so a shard whose last record is older delivers nothing again. Hours are
whole, and clocks differ."""

DEAD_LETTERS_KEPT_S: Final = 30 * 86_400

COUNTER_THREADS: Final = 8
"""Counters that are written at the same time."""

QUERIED_FROM: Final = 40
"""From this number of counters of one partition on, the partition is queried: a page is cheaper than single items, also
with the counters between."""


class Change(NamedTuple):
    """A trace's head before and after, as the stream delivers it. `sequence` grows along its shard."""

    sequence: int
    trace_pk: str
    old: Item | None
    new: Item | None


class _Delta(NamedTuple):
    """The contributions that one change subtracts from a counter and adds to it, and the expiry of the added one."""

    change: Change
    old: Contribution | None
    new: Contribution | None
    expires_at_s: int


class CounterKey(NamedTuple):
    """A counter and the user that it belongs to."""

    user_pk: str
    target: Target

    @property
    def key(self) -> ItemKey:
        """The key of its item."""
        if isinstance(self.target, ConversationTarget):
            return keys.conversation(self.user_pk, self.target.conversation_id), keys.CONVERSATION
        return keys.counter(self.user_pk, self.target.kind, self.target.interval, self.target.start_ns)


@dataclass(slots=True)
class StoredCounter:
    """A counter as it is stored.

    `checkpoints` holds, by shard, the last sequence number that was applied and the hour in which it came.
    `whole_until_s` is when the first of the traces that it ever counted expires: from then on it can no longer be
    compared with them. It `begins` where none is stored or the stored one has expired. A conversation `is_indexed` if
    an earlier version began it.
    """

    counter: Counter
    version: int | None = None
    checkpoints: dict[str, tuple[int, int]] = field(default_factory=dict)
    whole_until_s: int | None = None
    begins: bool = False
    is_indexed: bool = False

    def is_whole(self, now_ms: int) -> bool:
        """Whether none of the traces that it counted has expired."""
        return self.whole_until_s is None or self.whole_until_s * 1000 > now_ms

    def ignores(self, contribution: Contribution, now_ms: int) -> bool:
        """Whether it begins anew and the contribution, of a change that comes late, expired with the one before."""
        return (
            self.begins
            and isinstance(contribution, ConversationContribution)
            and contribution.expires_at_s * 1000 <= now_ms
        )

    def note_expiry(self, expires_at_s: int) -> None:
        """Take note that it counts a trace which expires then."""
        self.whole_until_s = min(self.whole_until_s or expires_at_s, expires_at_s)


class Applied(NamedTuple):
    """The number of counters that changed, and each change that could not be counted with the reason."""

    counters: int
    dead_letters: list[tuple[Change, str]]


def apply(
    store: Store,
    shard_id: str,
    changes: Iterable[Change],
    deadline: Deadline,
    *,
    threads: int = COUNTER_THREADS,
) -> Applied:
    """Apply changes, given in the order of their shard, to all counters that they affect.

    A change that cannot be counted becomes a dead letter, which `tracestore audit` reports, and the others are counted.

    *repeat*: a change that a counter has applied does not change it again, also in another batch.
    *raises*: Unavailable when time is up. Some counters are changed by then, and the same call changes the others.
    """
    shard = hashlib.blake2b(shard_id.encode(), digest_size=8).hexdigest()
    dead_letters: list[tuple[Change, str]] = []
    deltas: dict[CounterKey, list[_Delta]] = {}
    for change in changes:
        try:
            by_target = _deltas_of(store, change)
        except Exception as error:  # a head of another version, or a defect: the other changes are counted all the same
            dead_letters.append((change, type(error).__name__))
            continue
        for target, delta in by_target:
            deltas.setdefault(CounterKey(keys.user_of(change.trace_pk), target), []).append(delta)
    items = store.table.get_many((counter_key.key for counter_key in deltas), deadline)

    activities: dict[str, list[Activity]] = {}

    def apply_to(counter_key: CounterKey) -> list[tuple[Change, str]]:
        item = items.get(counter_key.key)
        try:
            counter = _apply_deltas(store, shard, counter_key, deltas[counter_key], item, deadline)
        except RequestFailed as error:
            if error.code != INVALID:
                raise
            reason = INVALID
        except (Unreadable, LookupError, TypeError, ValueError) as error:  # a counter of another version
            reason = type(error).__name__
        else:
            if activity := activity_of(counter_key.target, counter):
                activities.setdefault(counter_key.user_pk, []).append(activity)
            return []
        return [(delta.change, reason) for delta in deltas[counter_key]]

    with ThreadPoolExecutor(threads) as pool:
        for refused in pool.map(apply_to, deltas):
            dead_letters += refused
    letters = {change.sequence: _dead_letter_item(store, shard, change, reason) for change, reason in dead_letters}
    sequences = [delta.change.sequence for of_counter in deltas.values() for delta in of_counter]
    for user_pk, of_user in activities.items():
        batch_name = f"{shard}#{min(sequences)}-{max(sequences)}"
        store.table.write(activity_items(user_pk, batch_name, sorted(of_user)), deadline=deadline)
    store.table.write(letters.values(), deadline=deadline)
    return Applied(len(deltas), dead_letters)


def read_counters(scope: Scope, buckets: Iterable[Bucket]) -> dict[Bucket, Any]:
    stored = read_stored(scope, buckets)
    return {bucket: stored[bucket].counter for bucket in stored if isinstance(bucket, Bucket)}


def read_stored(scope: Scope, targets: Iterable[Target]) -> dict[Target, StoredCounter]:
    """The counters of these targets as they are stored. *absent*: those that are not stored are left out."""
    user_pk = keys.user(scope.user_id)
    targets_by_key = {CounterKey(user_pk, target).key: target for target in targets}
    by_partition: dict[str, list[str]] = {}
    for pk, sk in targets_by_key:
        by_partition.setdefault(pk, []).append(sk)
    items: dict[ItemKey, Item] = {}
    for pk, sks in by_partition.items():
        if len(sks) >= QUERIED_FROM:
            for item in scope.table.query(pk, min(sks), max(sks)):
                items[pk, item["sk"]["S"]] = item
    few = [(pk, sk) for pk, sk in targets_by_key if len(by_partition[pk]) < QUERIED_FROM]
    items |= scope.table.get_many(few)
    return {
        target: stored_counter(scope.store, CounterKey(user_pk, target), items[item_key])
        for item_key, target in targets_by_key.items()
        if item_key in items
    }


def change_counter(scope: Scope, target: Target, change: Callable[[StoredCounter], bool]) -> bool:
    """Change one counter; returns whether it was written. `change` changes it in place and returns whether to write it.

    *repeat*: `change` is called again when another writer was faster.
    """
    counter_key = CounterKey(keys.user(scope.user_id), target)
    item = scope.table.get(*counter_key.key)
    return _change(scope.table, scope.store, counter_key, change, scope.deadline, item)


def counter_item(store: Store, user_pk: str, target: Target, counter: Counter) -> Item:
    """The item of a counter that was made elsewhere, as the first one that is stored."""
    return _item(store, CounterKey(user_pk, target), StoredCounter(counter))


def _deltas_of(store: Store, change: Change) -> list[tuple[Target, _Delta]]:
    """The delta of a change for each counter, except those that it does not change and those that have expired."""
    before, after = _contributions(store, change, change.old), _contributions(store, change, change.new)
    if change.old and change.new and change.old["g"] != change.new["g"]:
        before = {}  # the trace had expired and begins anew: its former contribution keeps counting
    deltas = []
    for target in dict.fromkeys([*before, *after]):
        old, new = before.get(target), after.get(target)
        if old != new and not has_expired(store, target):
            deltas.append((target, _Delta(change, old, new, _expires_at_s(change.new) if change.new else 0)))
    return deltas


def _contributions(store: Store, change: Change, head: Item | None) -> dict[Target, Contribution]:
    if head is None:
        return {}
    pseudonym = partial(store.pseudonym, keys.user_of(change.trace_pk))
    return contributions_of(keys.trace_id_of(change.trace_pk), summary_from(head), _expires_at_s(head), pseudonym)


def _expires_at_s(item: Item) -> int:
    return int(item["expires_at"]["N"])


def _apply_deltas(
    store: Store, shard: str, counter_key: CounterKey, deltas: Sequence[_Delta], item: Item | None, deadline: Deadline
) -> Counter:
    """Apply to one counter, given as it was read, the deltas that it has not applied yet; returns the counter."""
    last = deltas[-1].change.sequence
    counter: Counter

    def change(stored: StoredCounter) -> bool:
        nonlocal counter
        counter = stored.counter
        checkpoint, _ = stored.checkpoints.get(shard, (-1, 0))
        if checkpoint >= last:
            return False
        for delta in deltas:
            if delta.change.sequence > checkpoint:
                if delta.old is not None and not stored.ignores(delta.old, store.now_ms()):
                    stored.counter.add(delta.old, -1)
                if delta.new is not None and not stored.ignores(delta.new, store.now_ms()):
                    stored.counter.add(delta.new, 1)
                    stored.note_expiry(delta.expires_at_s)
        stored.checkpoints[shard] = (last, store.now_ms() // 3_600_000)
        return True

    _change(store.table, store, counter_key, change, deadline, item)
    return counter


def _change(
    table: Table | UserTable,
    store: Store,
    counter_key: CounterKey,
    change: Callable[[StoredCounter], bool],
    deadline: Deadline,
    item: Item | None,
) -> bool:
    """Change a counter, given as it was read, and put it; after a lost race read it and change it again."""
    unused = [item]

    def attempt() -> bool:
        current = unused.pop() if unused else table.get(*counter_key.key)
        stored = stored_counter(store, counter_key, current)
        if not change(stored):
            return False
        table.put(_item(store, counter_key, stored), stored.version)
        return True

    return deadline.retry(attempt)


def stored_counter(store: Store, counter_key: CounterKey, item: Item | None) -> StoredCounter:
    """The counter in an item. One that has expired begins anew, as if DynamoDB had removed it already.

    What an earlier version stored in it of end users by name, and of traces that have expired, is left out.
    """
    target, now_ms = counter_key.target, store.now_ms()
    kind = COUNTERS[target.kind]
    if item is None:
        return StoredCounter(kind(), begins=True)
    content = unpack_counter(target.kind, item["counter"]["B"])
    version = int(item["v"]["N"])
    if _expires_at_s(item) * 1000 <= now_ms:
        return StoredCounter(kind(), version, content.checkpoints, begins=True)
    counter = content.counter
    if isinstance(counter, MarginalCounter):
        counter = counter.under_pseudonyms(partial(store.pseudonym, counter_key.user_pk))
    elif isinstance(counter, ErrorCounter | ValueCounter) and _have_traces_expired(store, target):
        counter = counter.without_traces()
    return StoredCounter(
        counter, version, content.checkpoints, content.whole_until_s, is_indexed=keys.INDEX_OF_CONVERSATIONS in item
    )


def _item(store: Store, counter_key: CounterKey, stored: StoredCounter) -> Item:
    oldest_hour = store.now_ms() // 3_600_000 - CHECKPOINTS_KEPT_HOURS
    checkpoints = {
        shard: (sequence, hour) for shard, (sequence, hour) in stored.checkpoints.items() if hour >= oldest_hour
    }
    content = PackedCounter(stored.counter, checkpoints, stored.whole_until_s)
    item: Item = {
        **key(*counter_key.key),
        "v": {"N": str((stored.version or 0) + 1)},
        "counter": {"B": pack_counter(counter_key.target.kind, content)},
    }
    if isinstance(counter_key.target, Bucket):
        return item | expiry(_expiry_s(store, counter_key.target))
    assert isinstance(stored.counter, ConversationCounter)
    item |= {
        "conversation_id": {"S": counter_key.target.conversation_id},
        **expiry(stored.counter.expires_at_s),
    }
    if stored.is_indexed and stored.counter.traces > 0:
        item[keys.INDEX_OF_CONVERSATIONS] = {"S": keys.by_conversations(counter_key.user_pk)}
        item["at"] = {"S": keys.cursor_position(stored.counter.last_ns, counter_key.target.conversation_id)}
    return item


def has_expired(store: Store, target: Target) -> bool:
    """Whether its time is no longer counted. A conversation expires with its traces and never by this."""
    return isinstance(target, Bucket) and _expiry_s(store, target) * 1000 <= store.now_ms()


def _have_traces_expired(store: Store, target: Target) -> bool:
    return isinstance(target, Bucket) and (_end_s(target) + store.retention_s) * 1000 <= store.now_ms()


def _expiry_s(store: Store, bucket: Bucket) -> int:
    """When a counter expires: what names or quotes traces as they do, by the time of its bucket, and numbers later."""
    return _end_s(bucket) + (store.retention_s if bucket.kind in OF_TRACES else store.counters_s)


def _end_s(bucket: Bucket) -> int:
    return bucket.end_ns // 10**9


def _dead_letter_item(store: Store, shard: str, change: Change, reason: str) -> Item:
    return {
        **key(keys.dead_letters(keys.user_of(change.trace_pk)), keys.dead_letter(shard, change.sequence)),
        **expiry(min(store.now_ms() // 1000 + DEAD_LETTERS_KEPT_S, *_expiries(change))),
        "trace": {"S": change.trace_pk},
        "reason": {"S": reason},
    }


def _expiries(change: Change) -> list[int]:
    return [_expires_at_s(head) for head in (change.old, change.new) if head is not None and "expires_at" in head]


def read_dead_letters(scope: Scope) -> list[Mapping[str, str]]:
    """The changes that could not be counted. *shape*: the trace id and the reason of each, in no order."""
    return [
        {"trace_id": keys.trace_id_of(item["trace"]["S"]), "reason": item["reason"]["S"]}
        for item in scope.table.query(keys.dead_letters(keys.user(scope.user_id)))
    ]
