"""Marginal days: the hours of one marginal on one day in one item, so that reading a month opens thirty items.

The counters of hours stay what is counted. A marginal day is a copy, made by a batch of the rollup when nothing has
changed the hours for longer than the stream repeats changes. The gathered item stores which copies equal their hours
(`SettledDays`). It is put before or after each change of an hour, on condition of its version, so a reader that finds
a day settled there may take the copy, and reads the hours of all other days.

Where a batch is interrupted after it has written copies, its put of the gathered item is missing: nothing reads them,
and the next batch writes the same ones again.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Final

from tracestore.domain.buckets import Bucket
from tracestore.domain.counters import MarginalCounter
from tracestore.domain.dimensions import MARGINALS
from tracestore.domain.settled_days import SettledDays
from tracestore.domain.times import NS_PER_DAY

from . import keys
from .deadline import Deadline
from .formats.marginal_days import pack_marginal_day, unpack_marginal_day
from .model import Item
from .segments import expiry, key
from .store import Store, UserTable
from .stored_counters import CounterKey, expiry_s_of, oldest_checkpoint_hour, refusal, stored_counter

VALUES_COPIED_FROM: Final = 200
"""The values in all hours of a day together from which it is copied: about two read units. A copy of fewer would cost
more to write than it saves. The number never falls, since counters never forget a name."""

DAYS_AT_ONCE: Final = 2
"""The days that one batch copies at most: one more than begins between two batches of a user who sends one a day."""

_DAY_S: Final = 86_400


def day_of(bucket: Bucket) -> int:
    """The day of an hour. *units*: days since 1970."""
    return bucket.start_ns // NS_PER_DAY


def today(store: Store) -> int:
    """The current day. *units*: days since 1970, in UTC."""
    return store.hour() // 24


def oldest_kept_day(store: Store) -> int:
    """The oldest day of which no hour has expired."""
    return (store.now_ms() // 1000 - store.counters_s) // _DAY_S + 1


def settle(store: Store, user_pk: str, days: SettledDays, busy: Iterable[int], deadline: Deadline) -> SettledDays:
    """Copy the newest days whose copy is missing or out of date; returns the days that are settled then.

    `busy` are the days that the batch, or sums that wait, will change. *repeat*: writes the same copies again.
    """
    for _ in range(DAYS_AT_ONCE):
        days = _settle_newest(store, user_pk, days, busy, deadline)
    return days


def _settle_newest(
    store: Store, user_pk: str, days: SettledDays, busy: Iterable[int], deadline: Deadline
) -> SettledDays:
    due = days.due(oldest_checkpoint_hour(store), busy)
    if due is None:
        return days
    first, last = due
    if last < oldest_kept_day(store):
        return days.settled(first, last)
    month_start = last + 1 - datetime.fromtimestamp(last * _DAY_S, UTC).day
    first = max(first, month_start)
    pk, newest_hour = _hour_key(user_pk, last, 23)
    newest = next(
        store.table.query(pk, _hour_key(user_pk, first, 0)[1], newest_hour, descending=True, page_items=1), None
    )
    if newest is None:
        return days.settled(first, last)
    day = month_start - 1 + int(newest["sk"]["S"][:2])
    if refusal(partial(_copy, store, user_pk, day, deadline)):
        return days.changed_on([day], store.hour())  # an hour that cannot be read now, as after a roll-back
    return days.settled(day, last)


def _copy(store: Store, user_pk: str, day: int, deadline: Deadline) -> None:
    """Write a day's copies, if they are worth it: of each marginal of which a span has a value."""
    (pk, first), (_, last) = _hour_key(user_pk, day, 0), _hour_key(user_pk, day, 23)
    hours: dict[int, MarginalCounter] = {}
    for item in store.table.query(pk, first, last):
        hour = int(item["sk"]["S"][3:])
        counter = stored_counter(store, CounterKey(user_pk, _bucket(day, hour)), item).counter
        assert isinstance(counter, MarginalCounter)
        hours[hour] = counter
    if sum(len(values) for counter in hours.values() for values in counter.values.values()) >= VALUES_COPIED_FROM:
        named = [name for name in MARGINALS if any(any(counter.values.get(name, ())) for counter in hours.values())]
        store.table.write((_item(store, user_pk, name, day, hours) for name in named), deadline=deadline)


def read_marginal_days(
    table: UserTable, user_pk: str, name: str, days: Sequence[int]
) -> dict[int, dict[int, MarginalCounter]]:
    """The copies of these days, by day and hour of the day. *absent*: days without a copy are left out."""
    by_partition: dict[str, dict[str, int]] = {}
    for day in days:
        pk, sk = keys.marginal_day(user_pk, name, day * NS_PER_DAY)
        by_partition.setdefault(pk, {})[sk] = day
    found: dict[int, dict[int, MarginalCounter]] = {}
    for pk, by_sk in by_partition.items():
        for item in table.query(pk, min(by_sk), max(by_sk)):
            if (sk := item["sk"]["S"]) in by_sk:
                hours = unpack_marginal_day(item["marginal"]["B"])
                found[by_sk[sk]] = {hour: MarginalCounter({name: values}) for hour, values in hours.items()}
    return found


def _item(store: Store, user_pk: str, name: str, day: int, hours: Mapping[int, MarginalCounter]) -> Item:
    of_marginal = {hour: counter.values.get(name, {}) for hour, counter in hours.items()}
    return {
        **key(*keys.marginal_day(user_pk, name, day * NS_PER_DAY)),
        **expiry(expiry_s_of(store, Bucket("marginals", "day", day))),
        "marginal": {"B": pack_marginal_day(of_marginal)},
    }


def _bucket(day: int, hour: int) -> Bucket:
    return Bucket("marginals", "hour", 24 * day + hour)


def _hour_key(user_pk: str, day: int, hour: int) -> tuple[str, str]:
    return CounterKey(user_pk, _bucket(day, hour)).key
