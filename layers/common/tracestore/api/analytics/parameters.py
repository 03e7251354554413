"""The parameters of analytics: from query strings to ranges of time, their points, and which calls count."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tracestore.domain.analytics import Selection
from tracestore.domain.counters import Interval
from tracestore.domain.dimensions import FILTERS, GROUPINGS
from tracestore.domain.errors import Detail
from tracestore.domain.intervals import INTERVALS, POINTS_MOST, RANGE_MOST_DAYS, Period, aligned, finest, points
from tracestore.domain.times import NS_PER_DAY, NS_PER_MS, parse_time
from tracestore.http.parameters import Reader, malformed, one_of, text_of

ANALYTICS_PARAMETERS: Final = ("start_date", "end_date", "interval", "timezone", *FILTERS)
"""What every route of analytics takes."""

_ZONE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_+-]{0,31}(?:/[A-Za-z0-9_+-]{1,32}){0,2}", re.ASCII)


@dataclass(frozen=True, slots=True)
class AnalyticsQuery:
    """What is asked for: an aligned range, cut into points by the clocks of a zone, and which calls count."""

    period: Period
    interval: Interval
    zone: ZoneInfo
    selection: Selection
    group_by: str | None

    @property
    def points(self) -> list[Period]:
        """The range, cut."""
        return points(self.period, self.interval, self.zone)


def parse_query(parameters: Mapping[str, str], now_ms: int) -> AnalyticsQuery:
    """What a request asks for; without dates the last 24 hours. *raises* Invalid that names what is malformed."""
    read = Reader(parameters)
    start_ns, end_ns = read("start_date", parse_time), read("end_date", parse_time)
    requested_interval = cast("Interval | None", read("interval", one_of(*INTERVALS)))
    zone = read("timezone", zone_of) or ZoneInfo("UTC")
    group_by = read("group_by", one_of(*GROUPINGS))
    filters = {name: value for name in FILTERS if (value := read(name, text_of)) is not None}
    now_ns = now_ms * NS_PER_MS
    if not read.problems:
        end_ns = now_ns if end_ns is None else end_ns
        start_ns = max(0, end_ns - NS_PER_DAY) if start_ns is None else start_ns
        read.problems += _problems_of_range(start_ns, end_ns, now_ns)
    read.end()
    assert start_ns is not None
    assert end_ns is not None
    period = aligned(start_ns, end_ns)
    if requested_interval and len(points(period, requested_interval, zone)) > POINTS_MOST:
        message = f"cuts this range into more than {POINTS_MOST:,} points: ask for a longer one, or for less time"
        raise malformed([Detail("interval", message)])
    return AnalyticsQuery(
        period,
        requested_interval or finest(period, zone),
        zone,
        Selection(filters, by_operation=group_by == "operation_type"),
        group_by,
    )


def zone_of(name: str) -> ZoneInfo:
    """The time zone with an IANA name. *raises* ValueError."""
    try:
        if _ZONE.fullmatch(name):
            return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # a folder of zones, or a file beside them, is no zone
        pass
    raise ValueError("must be the IANA name of a time zone, such as Europe/Berlin")


def _problems_of_range(start_ns: int, end_ns: int, now_ns: int) -> list[Detail]:
    most = RANGE_MOST_DAYS * NS_PER_DAY
    if start_ns >= end_ns:
        return [Detail("start_date", "must lie before end_date (which is now, when it is absent)")]
    if end_ns - start_ns > most:
        return [Detail("start_date", f"must lie at most {RANGE_MOST_DAYS} days before end_date")]
    if end_ns > now_ns + most:
        return [Detail("end_date", f"must lie at most {RANGE_MOST_DAYS} days ahead")]
    return []
