"""Dates in requests: times with a zone, and whole days by the clocks of a zone."""

import re
from collections.abc import Callable
from datetime import date, timedelta
from typing import Final, NamedTuple, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tracestore.domain.spans import Json
from tracestore.domain.times import NS_PER_SECOND, day_start_s, parse_time
from tracestore.http.parameters import Reader, query_time

TimeOrDay: TypeAlias = int | date
"""A time in nanoseconds since 1970, or a day, whose start and end depend on a zone."""

UTC: Final = ZoneInfo("UTC")
"""The zone of a query without `timezone`."""

_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_ZONE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_+-]{0,31}(?:/[A-Za-z0-9_+-]{1,32}){0,2}", re.ASCII)


def time_or_day(text: str) -> TimeOrDay:
    """Parse a time, or a day such as 2026-11-22. *raises*: ValueError with the remedy."""
    if _DAY.fullmatch(text) is None:
        return query_time(text)
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise ValueError("must be a date that exists, such as 2026-11-22") from None
    if day.year < 1970:
        raise ValueError("must lie between the years 1970 and 9999")
    return day


def past_time(now_ns: int) -> Callable[[str], int]:
    """A parser of times that are not later than `now_ns`."""

    def parse(text: str) -> int:
        time_ns = query_time(text)
        if time_ns > now_ns:
            raise ValueError("must not lie in the future")
        return time_ns

    return parse


class SentRange(NamedTuple):
    """The bounds of a range as `range_bounds` returns them, and the zone of its days."""

    start_ns: int | None
    end_ns: int | None
    zone: ZoneInfo


def read_range(read: Reader) -> SentRange:
    """The range that the parameters `start_date`, `end_date` and `timezone` select. *absent*: UTC."""
    start, end = read("start_date", time_or_day), read("end_date", time_or_day)
    zone = read("timezone", zone_of) or UTC
    return SentRange(*range_bounds(start, end, zone), zone)


def range_bounds(start: TimeOrDay | None, end: TimeOrDay | None, zone: ZoneInfo) -> tuple[int | None, int | None]:
    """The start and the end of a range, in nanoseconds: the start is included, the end is not.

    A day as the start is included from its first moment on, and a day as the end up to its last. *absent*: None.
    """
    if isinstance(start, date):
        start = _day_start_ns(start, zone)
    if isinstance(end, date):
        end = _day_start_ns(min(end, date.max - timedelta(1)) + timedelta(1), zone)
    return start, end


def zone_of(name: str) -> ZoneInfo:
    """The time zone with an IANA name. *raises*: ValueError when there is none."""
    try:
        if _ZONE.fullmatch(name):
            return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # a folder of zones, or another file in it, is no zone
        pass
    raise ValueError("must be the IANA name of a time zone, such as Europe/Berlin")


def _day_start_ns(day: date, zone: ZoneInfo) -> int:
    return max(0, day_start_s(day, zone)) * NS_PER_SECOND  # 1970 began earlier east of Greenwich


def expiry_s(expires_at: Json, now_ms: int) -> int | None:
    """The expiry in whole seconds, rounded down: a credential may end early, never late.

    *absent*: None, also for anything that is not a time in the future.
    """
    if not isinstance(expires_at, str):
        return None
    try:
        expires_at_s = parse_time(expires_at) // NS_PER_SECOND
    except ValueError:
        return None
    return expires_at_s if expires_at_s * 1000 > now_ms else None
