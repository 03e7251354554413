"""Reads of counters, with the sums that wait in the gathered item."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from tracestore.domain.buckets import Bucket, Target
from tracestore.domain.gathered import is_gathered

from . import keys
from .gathered import GatheredItem, read_gathered
from .model import Item, ItemKey
from .store import Scope, UserTable
from .stored_counters import CounterKey, StoredCounter, has_expired, stored_counter

QUERIED_FROM: Final = 40
"""From this number of counters of one partition on, the partition is queried: a page is cheaper than single items, also
with the counters between."""

CONSECUTIVE_QUERIED_FROM: Final = 4
"""The same where there are none between. A page costs its bytes, and a single item at least one unit, also where there
is none."""


def read_counters(scope: Scope, buckets: Iterable[Bucket]) -> dict[Bucket, Any]:
    """The counters of these buckets, each of its kind's class. *absent*: those of nothing are left out."""
    stored = read_stored(scope, buckets)
    return {bucket: stored[bucket].counter for bucket in stored if isinstance(bucket, Bucket)}


def read_stored(scope: Scope, targets: Iterable[Target]) -> dict[Target, StoredCounter]:
    """The counters of these targets, completed by the gathered sums. *absent*: those of nothing are left out."""
    user_pk = keys.user(scope.user_id)
    targets = list(targets)
    gathered = read_gathered(scope.table, user_pk) if any(map(is_gathered, targets)) else GatheredItem()
    targets_by_key = {CounterKey(user_pk, target).key: target for target in targets}
    items = _read_items(scope.table, targets_by_key)
    found = {}
    for item_key, target in targets_by_key.items():
        stored = stored_counter(scope.store, CounterKey(user_pk, target), items.get(item_key))
        is_completed = not has_expired(scope.store, target) and gathered.complete(target, stored)
        if is_completed or item_key in items:
            found[target] = stored
    return found


def _read_items(table: UserTable, targets_by_key: Mapping[ItemKey, Target]) -> dict[ItemKey, Item]:
    """The items of counters. *absent*: those that are not stored are left out."""
    by_partition: dict[str, dict[str, Target]] = {}
    for (pk, sk), target in targets_by_key.items():
        by_partition.setdefault(pk, {})[sk] = target
    items: dict[ItemKey, Item] = {}
    few: list[ItemKey] = []
    for pk, by_sk in by_partition.items():
        least = CONSECUTIVE_QUERIED_FROM if _are_consecutive(by_sk.values()) else QUERIED_FROM
        if len(by_sk) >= least:
            items |= {(pk, item["sk"]["S"]): item for item in table.query(pk, min(by_sk), max(by_sk))}
        else:
            few += [(pk, sk) for sk in by_sk]
    return items | table.get_many(few)


def _are_consecutive(targets: Collection[Target]) -> bool:
    """Whether these counters of one partition are of all buckets of a range. *absent*: conversations have no order."""
    numbers = {target.number for target in targets if isinstance(target, Bucket)}
    return bool(numbers) and len(targets) == len(numbers) == max(numbers) - min(numbers) + 1
