"""Reads of counters, with the sums that wait in the gathered item."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from tracestore.domain.buckets import Bucket, Target
from tracestore.domain.counters import MarginalCounter
from tracestore.domain.gathered import is_gathered

from . import keys
from .gathered import GatheredItem, read_gathered
from .marginal_days import day_of, oldest_kept_day, read_marginal_days
from .model import Item, ItemKey
from .store import Scope, UserTable
from .stored_counters import CounterKey, StoredCounter, has_expired, stored_counter

QUERIED_FROM: Final = 40
"""From this number of counters of one partition on, the partition is queried: a page is cheaper than single items, also
with the counters between."""

CONSECUTIVE_QUERIED_FROM: Final = 4
"""The same for counters that follow each other, with none between. A page costs its bytes, and a single item at least
one unit, also where there is none."""


def read_counters(scope: Scope, buckets: Iterable[Bucket]) -> dict[Bucket, Any]:
    """The counters of these buckets, each of its kind's class. *absent*: those of nothing are left out."""
    return _counters_in(read_stored(scope, buckets))


def read_stored(scope: Scope, targets: Iterable[Target]) -> dict[Target, StoredCounter]:
    """The counters of these targets, completed by the gathered sums. *absent*: those of nothing are left out."""
    targets = list(targets)
    has_gathered = any(map(is_gathered, targets))
    gathered = read_gathered(scope.table, keys.user(scope.user_id)) if has_gathered else GatheredItem()
    return _completed(scope, targets, gathered)


def _completed(scope: Scope, targets: Iterable[Target], gathered: GatheredItem) -> dict[Target, StoredCounter]:
    """The counters of these targets, completed by the gathered sums, which were read before."""
    user_pk = keys.user(scope.user_id)
    targets_by_key = {CounterKey(user_pk, target).key: target for target in targets}
    items = _read_items(scope.table, targets_by_key)
    found = {}
    for item_key, target in targets_by_key.items():
        stored = stored_counter(scope.store, CounterKey(user_pk, target), items.get(item_key))
        is_completed = not has_expired(scope.store, target) and gathered.complete(target, stored)
        if is_completed or item_key in items:
            found[target] = stored
    return found


def read_marginals(scope: Scope, name: str, hours: Iterable[Bucket]) -> dict[Bucket, MarginalCounter]:
    """The counters of these hours with one marginal at least: those of settled days come from their copies.

    *absent*: hours of nothing are left out.
    """
    hours = list(hours)
    gathered = read_gathered(scope.table, keys.user(scope.user_id))
    copies = _read_copies(scope, name, hours, gathered)
    others = [hour for hour in hours if hour not in copies]
    return _counters_in(_completed(scope, others, gathered)) | {
        hour: counter for hour, counter in copies.items() if counter.values[name]
    }


def read_copies(
    scope: Scope, names: Iterable[str], hours: Sequence[Bucket]
) -> dict[str, dict[Bucket, MarginalCounter]]:
    """The copies of these hours by marginal, empty ones for hours of nothing. *absent*: hours without a copy."""
    gathered = read_gathered(scope.table, keys.user(scope.user_id))
    return {name: _read_copies(scope, name, hours, gathered) for name in names}


def _read_copies(
    scope: Scope, name: str, hours: Sequence[Bucket], gathered: GatheredItem
) -> dict[Bucket, MarginalCounter]:
    waiting, oldest = gathered.waiting_days(), oldest_kept_day(scope.store)
    days = sorted({day_of(hour) for hour in hours})
    settled = [day for day in days if day >= oldest and day in gathered.days and day not in waiting]
    copies = read_marginal_days(scope.table, keys.user(scope.user_id), name, settled)
    return {
        hour: copies[day_of(hour)].get(hour.number % 24, MarginalCounter({name: {}}))
        for hour in hours
        if day_of(hour) in copies
    }


def _counters_in(stored: Mapping[Target, StoredCounter]) -> dict[Bucket, Any]:
    return {bucket: stored[bucket].counter for bucket in stored if isinstance(bucket, Bucket)}


def _read_items(table: UserTable, targets_by_key: Mapping[ItemKey, Target]) -> dict[ItemKey, Item]:
    """The items of counters. *absent*: those that are not stored are left out."""
    by_partition: dict[str, dict[str, Target]] = {}
    for (pk, sk), target in targets_by_key.items():
        by_partition.setdefault(pk, {})[sk] = target
    items: dict[ItemKey, Item] = {}
    few: list[ItemKey] = []
    for pk, by_sk in by_partition.items():
        runs = list(_runs(by_sk))
        scattered = [sk for run in runs if len(run) < CONSECUTIVE_QUERIED_FROM for sk in run]
        queried = [run for run in runs if len(run) >= CONSECUTIVE_QUERIED_FROM]
        if len(scattered) >= QUERIED_FROM:
            queried.append(scattered)
        else:
            few += [(pk, sk) for sk in scattered]
        for run in queried:
            items |= {(pk, item["sk"]["S"]): item for item in table.query(pk, min(run), max(run))}
    return items | table.get_many(few)


def _runs(by_sk: Mapping[str, Target]) -> Iterator[list[str]]:
    """The sort keys of counters of one partition, cut where buckets are missing. Conversations have no order."""
    run: list[str] = []
    before: Target | None = None
    for sk, target in sorted(by_sk.items()):
        follows = isinstance(before, Bucket) and isinstance(target, Bucket) and target.number == before.number + 1
        if run and not follows:
            yield run
            run = []
        run.append(sk)
        before = target
    if run:
        yield run
