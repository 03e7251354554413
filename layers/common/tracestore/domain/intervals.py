"""Ranges of time: cut into points by the clocks of a zone, and covered by the buckets of counters, which are in UTC.

All times are whole quarters of an hour, since the days of every present zone begin at one. Names of zones are read
elsewhere.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import pairwise
from typing import Final, NamedTuple

from .buckets import INTERVALS_OF, QUARTERS, Bucket, Interval, Kind
from .stats import QUARTER_NS
from .times import NS_PER_DAY, NS_PER_SECOND, day_start_s

RANGE_MOST_DAYS: Final = 400
"""Counters are kept for as long."""

POINTS_CHOSEN: Final = 200
"""The most points where the query names no interval: a chart has no room for more."""

POINTS_MOST: Final = 1_000

INTERVALS: Final[tuple[Interval, ...]] = ("15m", "hour", "day")
"""The finest first."""

NS_PER_HOUR: Final = QUARTERS["hour"] * QUARTER_NS
_QUARTER_S: Final = QUARTER_NS // NS_PER_SECOND


class Period(NamedTuple):
    """A range of time: `start_ns` is included, `end_ns` is not."""

    start_ns: int
    end_ns: int


def aligned(start_ns: int, end_ns: int) -> Period:
    """The range between two times, widened to whole quarters of an hour."""
    return Period(start_ns // QUARTER_NS * QUARTER_NS, -(-end_ns // QUARTER_NS) * QUARTER_NS)


def whole_days(period: Period) -> Period:
    """The days in UTC that a range touches."""
    return Period(period.start_ns // NS_PER_DAY * NS_PER_DAY, -(-period.end_ns // NS_PER_DAY) * NS_PER_DAY)


def whole_hours(period: Period) -> Period:
    """The hours in UTC that a range touches."""
    return Period(period.start_ns // NS_PER_HOUR * NS_PER_HOUR, -(-period.end_ns // NS_PER_HOUR) * NS_PER_HOUR)


def length_ns(period: Period, zone: tzinfo) -> int:
    """The length of a range, without the time by which the clocks of a zone were put back in it.

    A limit in days thus admits as many whole days in each zone.
    """
    start, end = (datetime.fromtimestamp(time_ns // NS_PER_SECOND, UTC).astimezone(zone) for time_ns in period)
    forward = (end.utcoffset() or timedelta()) - (start.utcoffset() or timedelta())
    return period.end_ns - period.start_ns + min(0, forward // timedelta(seconds=1)) * NS_PER_SECOND


def hours_that_start_in(kind: Kind, period: Period) -> list[Bucket]:
    """The buckets of the hours in UTC that start in a range."""
    numbers = range(-(-period.start_ns // NS_PER_HOUR), -(-period.end_ns // NS_PER_HOUR))
    return [Bucket(kind, "hour", number) for number in numbers]


def finest(period: Period, zone: tzinfo, least: Interval = "15m") -> Interval:
    """The finest interval from `least` on that cuts an aligned range into `POINTS_CHOSEN` points at most, else days."""
    quarters = (period.end_ns - period.start_ns) // QUARTER_NS
    for interval in INTERVALS[INTERVALS.index(least) : -1]:
        whole = quarters // QUARTERS[interval]
        if whole <= POINTS_CHOSEN and len(points(period, interval, zone)) <= POINTS_CHOSEN:
            return interval
    return INTERVALS[-1]


def points(period: Period, interval: Interval, zone: tzinfo) -> list[Period]:
    """Cut an aligned range wherever an interval begins by the clocks of a zone.

    *shape*: from its start to its end without a gap; the first and the last point may be shorter than an interval. A
    day on which clocks change has 23 or 25 hours.
    """
    first, end = period.start_ns // QUARTER_NS, period.end_ns // QUARTER_NS
    cuts = sorted({first, *(quarter for quarter in _cuts(first, end, interval, zone) if first < quarter < end), end})
    return [Period(cut * QUARTER_NS, after * QUARTER_NS) for cut, after in pairwise(cuts)]


def partition(kind: Kind, period: Period) -> Iterator[Bucket]:
    """The fewest buckets that together count exactly an aligned range: days, else hours, else quarters of an hour.

    The range has to consist of buckets of the kind: whole days for `values`.
    """
    quarter, end = period.start_ns // QUARTER_NS, period.end_ns // QUARTER_NS
    lengths = {interval: QUARTERS[interval] for interval in reversed(INTERVALS_OF[kind])}
    while quarter < end:
        interval = next(name for name, length in lengths.items() if quarter % length == 0 and quarter + length <= end)
        yield Bucket(kind, interval, quarter // lengths[interval])
        quarter += lengths[interval]


def _cuts(first: int, end: int, interval: Interval, zone: tzinfo) -> Iterable[int]:
    if interval == "15m":
        return range(first, end)
    if interval == "hour":
        return _hours(first, end, zone)
    day, last = _local(first, zone).date(), _local(end, zone).date()
    days = (day + timedelta(passed) for passed in range((last - day).days + 1))
    return (day_start_s(day, zone) // _QUARTER_S for day in days)


def _hours(first: int, end: int, zone: tzinfo) -> Iterator[int]:
    """The quarters in which an hour begins: on the hour, or where clocks are put forward over it by half an hour.

    Former zones were some minutes off: there an hour begins in the quarter that contains its start.
    """
    hour_before = None
    for quarter in range(first, end):
        local = _local(quarter, zone)
        if local.minute < _QUARTER_S // 60 or hour_before not in (None, local.hour):
            yield quarter
        hour_before = local.hour


def _local(quarter: int, zone: tzinfo) -> datetime:
    return datetime.fromtimestamp(quarter * _QUARTER_S, UTC).astimezone(zone)
