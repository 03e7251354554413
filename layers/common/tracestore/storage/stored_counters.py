"""One counter as it is stored: its key, its item, and how it is changed.

A counter is one packed item, put on condition of its version.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final, NamedTuple

from tracestore.domain.buckets import OF_TRACES, Bucket, ConversationTarget, Target
from tracestore.domain.contributions import Contribution, ConversationContribution
from tracestore.domain.counters import (
    COUNTERS,
    ConversationCounter,
    Counter,
    ErrorCounter,
    MarginalCounter,
    ValueCounter,
)

from . import keys
from .codec import Unreadable
from .deadline import Deadline
from .dynamo import INVALID, RequestFailed
from .formats.counters import PackedCounter, pack_counter, unpack_counter
from .model import Item, ItemKey
from .segments import expiry, key
from .store import Store, UserTable
from .table import Table

CHECKPOINTS_KEPT_HOURS: Final = 26
"""A stream keeps its records for 24 hours, so a shard whose last record is older delivers nothing again. Hours are
whole, and clocks differ."""

CHECKPOINTS_KEPT_S: Final = (CHECKPOINTS_KEPT_HOURS + 1) * 3_600


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
    an earlier version began it. It contains the gathered sums up to those of the number `gathered`.
    """

    counter: Counter
    version: int | None = None
    checkpoints: dict[str, tuple[int, int]] = field(default_factory=dict)
    whole_until_s: int | None = None
    begins: bool = False
    is_indexed: bool = False
    gathered: int = 0

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

    def note_expiry(self, expires_at_s: int | None) -> None:
        """Take note that it counts a trace which expires then."""
        if expires_at_s is not None:
            self.whole_until_s = min(self.whole_until_s or expires_at_s, expires_at_s)


def change_item(
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
        table.put(counter_item_of(store, counter_key, stored), stored.version)
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
    if expires_at_s_of(item) * 1000 <= now_ms:
        return StoredCounter(kind(), version, content.checkpoints, begins=True, gathered=content.gathered)
    counter = content.counter
    if isinstance(counter, MarginalCounter):
        counter = counter.under_pseudonyms(partial(store.pseudonym, counter_key.user_pk))
    elif isinstance(counter, ErrorCounter | ValueCounter) and _have_traces_expired(store, target):
        counter = counter.without_traces()
    return StoredCounter(
        counter,
        version,
        content.checkpoints,
        content.whole_until_s,
        is_indexed=keys.INDEX_OF_CONVERSATIONS in item,
        gathered=content.gathered,
    )


def counter_item_of(store: Store, counter_key: CounterKey, stored: StoredCounter) -> Item:
    """The item of a counter in its next version."""
    oldest_hour = oldest_checkpoint_hour(store)
    checkpoints = {
        shard: (sequence, hour) for shard, (sequence, hour) in stored.checkpoints.items() if hour >= oldest_hour
    }
    content = PackedCounter(stored.counter, checkpoints, stored.whole_until_s, stored.gathered)
    item: Item = {
        **key(*counter_key.key),
        "v": {"N": str((stored.version or 0) + 1)},
        "counter": {"B": pack_counter(counter_key.target.kind, content)},
    }
    if isinstance(counter_key.target, Bucket):
        return item | expiry(expiry_s_of(store, counter_key.target))
    assert isinstance(stored.counter, ConversationCounter)
    item |= {
        "conversation_id": {"S": counter_key.target.conversation_id},
        **expiry(stored.counter.expires_at_s),
    }
    if stored.is_indexed and stored.counter.traces > 0:
        item[keys.INDEX_OF_CONVERSATIONS] = {"S": keys.by_conversations(counter_key.user_pk)}
        item["at"] = {"S": keys.cursor_position(stored.counter.last_ns, counter_key.target.conversation_id)}
    return item


def refusal(change: Callable[[], object]) -> str | None:
    """Make a change; returns the reason where its counter, or its change, cannot be counted. *absent*: None if it can.

    A counter may be of another version, as after a roll-back, or have a defect. The others are counted all the same.
    """
    try:
        change()
    except RequestFailed as error:
        if error.code != INVALID:
            raise
        return INVALID
    except (Unreadable, LookupError, TypeError, ValueError) as error:
        return type(error).__name__
    return None


def oldest_checkpoint_hour(store: Store) -> int:
    """The hour of the oldest checkpoint that is kept."""
    return store.hour() - CHECKPOINTS_KEPT_HOURS


def expires_at_s_of(item: Item) -> int:
    """The expiry of an item."""
    return int(item["expires_at"]["N"])


def has_expired(store: Store, target: Target) -> bool:
    """Whether its time is no longer counted. A conversation expires with its traces and never by this."""
    return isinstance(target, Bucket) and expiry_s_of(store, target) * 1000 <= store.now_ms()


def _have_traces_expired(store: Store, target: Target) -> bool:
    return isinstance(target, Bucket) and (_end_s(target) + store.retention_s) * 1000 <= store.now_ms()


def expiry_s_of(store: Store, bucket: Bucket) -> int:
    """When a counter expires: what names or quotes traces as they do, by the time of its bucket, and numbers later."""
    return _end_s(bucket) + (store.retention_s if bucket.kind in OF_TRACES else store.counters_s)


def _end_s(bucket: Bucket) -> int:
    return bucket.end_ns // 10**9
