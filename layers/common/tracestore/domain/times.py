"""Times: ISO 8601 with a zone in the API, integers of nanoseconds since 1970 in UTC inside."""

import re
from bisect import bisect_left
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from typing import Final

NS_PER_SECOND: Final = 1_000_000_000
NS_PER_MS: Final = 1_000_000
NS_PER_DAY: Final = 86_400 * NS_PER_SECOND

_DAY_S: Final = 86_400
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_YEAR_10000_NS: Final = 253_402_300_800 * NS_PER_SECOND
"""The end of `datetime`'s range, and so of `format_time`'s."""

_TIME: Final = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,6}(?P<nanoseconds>\d{0,3}))?)?(?P<zone>[Zz]|[+-]\d\d:?\d\d)?",
    re.ASCII,
)


def parse_time(text: str) -> int:
    """Parse an ISO 8601 time with a zone into nanoseconds since 1970, exactly.

    *raises*: ValueError with a sentence for the caller, which does not repeat `text`.
    """
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError("must be an ISO 8601 date and time such as 2026-11-22T10:00:00.123Z")
    if match["zone"] is None:
        raise ValueError("must name its zone: add Z for UTC, or an offset such as +01:00")
    try:
        # Reads the first six digits of the fraction and drops the rest; refuses an hour of 25 too.
        since_1970 = datetime.fromisoformat(text.upper()) - _EPOCH
    except ValueError:
        raise ValueError("must be a date and time that exist") from None
    seconds = since_1970.days * 86_400 + since_1970.seconds
    digits = match["nanoseconds"] or ""
    time_ns = seconds * NS_PER_SECOND + since_1970.microseconds * 1_000 + int(digits.ljust(3, "0"))
    if not 0 <= time_ns < _YEAR_10000_NS:
        raise ValueError("must lie between the years 1970 and 9999")
    return time_ns


def day_start_s(day: date, zone: tzinfo) -> int:
    """The second since 1970 in which a day begins: at midnight, or where clocks are put forward over it.

    Where midnight is repeated, the day begins at the first. A day that the zone skipped begins where the next one does.
    """
    midnight = int(datetime.combine(day, time(), zone).timestamp())  # by the clocks before a change
    if _local_date(midnight - 1, zone) < day:
        return midnight
    seconds = range(midnight - _DAY_S, midnight)
    return seconds.start + bisect_left(seconds, day, key=lambda second: _local_date(second, zone))


@lru_cache(maxsize=4_096)
def format_time(time_ns: int) -> str:
    """Format a time as ISO 8601 in UTC: milliseconds always, microseconds and nanoseconds where they are not zero.

    Latest results are remembered: a trace has some times in common with its spans, and the same list is read again.
    """
    seconds, fraction_ns = divmod(time_ns, NS_PER_SECOND)
    fraction = f"{fraction_ns:09}"
    while len(fraction) > 3 and fraction.endswith("000"):
        fraction = fraction[:-3]
    return f"{_second(seconds)}.{fraction}Z"


@lru_cache(maxsize=1_024)
def _second(seconds: int) -> str:
    """A second as ISO 8601. The times of a trace are close to each other."""
    return (_EPOCH + timedelta(seconds=seconds)).replace(tzinfo=None).isoformat()


def _local_date(second: int, zone: tzinfo) -> date:
    return (_EPOCH + timedelta(seconds=second)).astimezone(zone).date()
