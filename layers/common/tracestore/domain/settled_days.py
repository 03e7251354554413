"""Which days have marginals that are stored by the day and equal their hours.

The marginals of a day are copied from its hours when nothing changes them any more. A later change of an hour makes the
copy of its day out of date. This notes it in few ranges, which may contain days that did not change.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final, NamedTuple

RANGES_MOST: Final = 8
"""The most ranges of changed days. They are in an item that each small batch writes, and take some 10 bytes each."""


class ChangedDays(NamedTuple):
    """Days that may have changed, the last time in this hour. *units*: days and hours since 1970, both included."""

    first: int
    last: int
    hour: int

    def joined(self, other: "ChangedDays") -> "ChangedDays":
        """The days of both and those between."""
        return ChangedDays(min(self.first, other.first), max(self.last, other.last), max(self.hour, other.hour))


@dataclass(frozen=True, slots=True)
class SettledDays:
    """The days before `open_from`, except the `changed` ones. *absent*: with neither, no day is settled."""

    open_from: int = 0
    changed: tuple[ChangedDays, ...] = ()

    def __contains__(self, day: int) -> bool:
        return day < self.open_from and not any(days.first <= day <= days.last for days in self.changed)

    def opened(self, today: int, hour: int) -> "SettledDays":
        """These days once a day has begun: those that have ended since the one before have changed."""
        if today <= self.open_from:
            return self
        ended = ChangedDays(self.open_from, today - 1, hour)
        return SettledDays(today, _in_few_ranges([*self.changed, ended]))

    def changed_on(self, changed: Iterable[int], hour: int) -> "SettledDays":
        """These days after hours of some days have changed. An open day is not settled anyway."""
        closed = {day for day in changed if day < self.open_from}
        others = [days for days in self.changed if days.first < days.last or days.first not in closed]
        return replace(self, changed=_in_few_ranges([*others, *(ChangedDays(day, day, hour) for day in closed)]))

    def settled(self, first: int, last: int) -> "SettledDays":
        """These days once the copies of some days equal their hours, or there are none."""
        rest = []
        for days in self.changed:
            rest += [days._replace(last=min(days.last, first - 1)), days._replace(first=max(days.first, last + 1))]
        return replace(self, changed=_in_few_ranges(days for days in rest if days.first <= days.last))

    def due(self, before_hour: int, busy: Iterable[int]) -> tuple[int, int] | None:
        """The newest changed days in a row that have not changed since an hour, and are none of the `busy` ones.

        *shape*: the first and the last. *absent*: None without any.
        """
        moving = [(days.first, days.last) for days in self.changed if days.hour >= before_hour]
        moving += [(day, day) for day in busy]
        for days in sorted(self.changed, key=lambda days: days.last, reverse=True):
            last = days.last
            for first_moving, last_moving in sorted(moving, reverse=True):
                if first_moving <= last <= last_moving:
                    last = first_moving - 1
            if last >= days.first:
                return max([days.first, *(end + 1 for _, end in moving if end < last)]), last
        return None


def _in_few_ranges(changed: Iterable[ChangedDays]) -> tuple[ChangedDays, ...]:
    """These ranges in order: those of the same hour in one where they meet, and the nearest in one if they are many."""
    ranges: list[ChangedDays] = []
    for days in sorted(changed):
        if ranges and days.hour == ranges[-1].hour and days.first <= ranges[-1].last + 1:
            ranges[-1] = ranges[-1].joined(days)
        else:
            ranges.append(days)
    while len(ranges) > RANGES_MOST:
        gaps = [after.first - before.last for before, after in pairwise(ranges)]
        nearest = gaps.index(min(gaps))
        ranges[nearest : nearest + 2] = [ranges[nearest].joined(ranges[nearest + 1])]
    return tuple(ranges)
