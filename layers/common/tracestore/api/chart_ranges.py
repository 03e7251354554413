"""Ranges of time that charts show: their limits, and the interval that cuts them into points."""

from zoneinfo import ZoneInfo

from tracestore.domain.buckets import Interval
from tracestore.domain.errors import Detail
from tracestore.domain.intervals import POINTS_MOST, RANGE_MOST_DAYS, Period, finest, length_ns, points
from tracestore.domain.times import NS_PER_DAY
from tracestore.http.parameters import malformed


def problems_of_range(period: Period, zone: ZoneInfo, now_ns: int, days_most: int = RANGE_MOST_DAYS) -> list[Detail]:
    """The malformed parameters of a range that is cut into points. *absent*: an empty list."""
    if period.start_ns >= period.end_ns:
        return [Detail("start_date", "must lie before end_date (which is now, when it is absent)")]
    if period.end_ns > now_ns + RANGE_MOST_DAYS * NS_PER_DAY:
        return [Detail("end_date", f"must lie at most {RANGE_MOST_DAYS} days ahead")]
    if length_ns(period, zone) > days_most * NS_PER_DAY:
        return [Detail("start_date", f"must lie at most {days_most} days before end_date")]
    return []


def interval_of(requested: Interval | None, period: Period, zone: ZoneInfo, finest_interval: Interval) -> Interval:
    """The interval that cuts an aligned range: the requested one, else one that gives at most 200 points.

    *raises*: Invalid when the requested one gives more than 1,000.
    """
    if requested and len(points(period, requested, zone)) > POINTS_MOST:
        message = f"cuts this range into more than {POINTS_MOST:,} points: ask for a longer one, or for less time"
        raise malformed([Detail("interval", message)])
    return requested or finest(period, zone, finest_interval)
