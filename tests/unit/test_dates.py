"""Dates in queries: whole days by the clocks of a zone, and offsets whose `+` arrived as a space."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracestore.api.dates import TimeOrDay, range_bounds, time_or_day
from tracestore.domain.times import day_start_s, format_time, parse_time
from tracestore.http.parameters import query_time


def bounds(start: str | None, end: str | None, zone: str = "UTC") -> tuple[str | None, str | None]:
    """The bounds of a range, as responses write them."""
    moments: list[TimeOrDay | None] = [None if text is None else time_or_day(text) for text in (start, end)]
    first, last = range_bounds(moments[0], moments[1], ZoneInfo(zone))
    return None if first is None else format_time(first), None if last is None else format_time(last)


@pytest.mark.parametrize(
    ("day", "zone", "start", "end"),
    [
        ("2025-11-28", "UTC", "2025-11-28T00:00", "2025-11-29T00:00"),
        ("2024-02-29", "UTC", "2024-02-29T00:00", "2024-03-01T00:00"),
        ("2025-11-28", "Europe/Berlin", "2025-11-27T23:00", "2025-11-28T23:00"),
        ("2025-03-30", "Europe/Berlin", "2025-03-29T23:00", "2025-03-30T22:00"),  # 23 hours
        ("2025-10-26", "Europe/Berlin", "2025-10-25T22:00", "2025-10-26T23:00"),  # 25 hours
        ("2025-03-09", "America/New_York", "2025-03-09T05:00", "2025-03-10T04:00"),
        ("2025-10-05", "Australia/Lord_Howe", "2025-10-04T13:30", "2025-10-05T13:00"),  # 23.5 hours
        ("2026-04-24", "Africa/Cairo", "2026-04-23T22:00", "2026-04-24T21:00"),  # without midnight
        ("2025-11-02", "America/Havana", "2025-11-02T04:00", "2025-11-03T05:00"),  # with two midnights
        ("2011-12-30", "Pacific/Apia", "2011-12-30T10:00", "2011-12-30T10:00"),  # skipped: the day is empty
        ("1970-01-01", "Asia/Tokyo", "1970-01-01T00:00", "1970-01-01T15:00"),
    ],
)
def test_a_day_is_included_whole_by_the_clocks_of_the_zone(day: str, zone: str, start: str, end: str) -> None:
    assert bounds(day, day, zone) == (f"{start}:00.000Z", f"{end}:00.000Z")


def test_a_day_begins_where_clocks_are_put_forward_over_midnight() -> None:
    start_s = day_start_s(date(1919, 3, 31), ZoneInfo("America/Toronto"))  # from 23:30 to 00:30
    start = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=start_s)
    assert start == datetime(1919, 3, 31, 4, 30, tzinfo=UTC)


@given(
    st.dates(date(1970, 1, 2), date(2100, 1, 1)),
    st.sampled_from(["UTC", "Europe/Berlin", "Asia/Gaza", "America/Sao_Paulo", "Africa/Monrovia", "Pacific/Apia"]),
)
def test_a_day_begins_with_its_first_second_and_days_follow_without_a_gap(day: date, zone: str) -> None:
    start, end = range_bounds(day, day, ZoneInfo(zone))
    assert start is not None
    assert end is not None
    assert start <= end
    assert (end, None) == range_bounds(day + timedelta(1), None, ZoneInfo(zone))
    first, second_before = (datetime.fromtimestamp(start // 10**9 - ago, ZoneInfo(zone)).date() for ago in (0, 1))
    assert second_before < day <= first


def test_a_time_is_independent_of_the_zone() -> None:
    assert bounds("2025-11-28T10:00:00Z", "2025-11-28T12:00:00+01:00", "Asia/Tokyo") == (
        "2025-11-28T10:00:00.000Z",
        "2025-11-28T11:00:00.000Z",
    )
    assert bounds(None, None) == (None, None)


def test_days_and_times_combine() -> None:
    assert bounds("2025-11-28", "2025-11-28T12:00:00Z") == ("2025-11-28T00:00:00.000Z", "2025-11-28T12:00:00.000Z")


def test_the_last_day_of_the_calendar_is_after_every_trace() -> None:
    for zone in ("UTC", "Pacific/Kiritimati", "Etc/GMT+12"):
        assert (bounds(None, "9999-12-31", zone)[1] or "") > "9999-12-30"
        assert (bounds("9999-12-31", None, zone)[0] or "") > "9999-12-30"


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("2025-02-30", "must be a date that exists, such as 2026-11-22"),
        ("2025-02-29", "must be a date that exists"),
        ("2025-13-01", "must be a date that exists"),
        ("0000-01-01", "must be a date that exists"),
        ("1969-12-31", "1970"),
        ("2025-1-1", "ISO 8601"),
        ("20251128", "ISO 8601"),
        ("2025-W48-5", "ISO 8601"),
        ("２０２５-11-28", "ISO 8601"),
        ("2025-11-28\n", "ISO 8601"),
        (" 2025-11-28", "ISO 8601"),
        ("2025-11-28T10:00:00", "add Z"),
        ("", "ISO 8601"),
    ],
)
def test_an_invalid_date_is_refused_with_the_remedy_and_without_the_sent_text(text: str, remedy: str) -> None:
    with pytest.raises(ValueError, match=remedy) as error:
        time_or_day(text)
    assert not text or text not in str(error.value)


@pytest.mark.parametrize(
    "text", ["2025-11-28T10:00:00 01:00", "2025-11-28T10:00 0100", "2025-11-28 10:00:00.000 01:00"]
)
def test_a_space_in_place_of_the_plus_of_an_offset_is_read_as_a_plus(text: str) -> None:
    assert query_time(text) == time_or_day(text) == parse_time("2025-11-28T09:00:00Z")


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("2025-11-28 10:00", "add Z"),  # a time without a zone, and no date with an offset
        ("2025-11-28 1000", "ISO 8601"),
        ("2025-11-28T10:00:00  01:00", "ISO 8601"),
        ("2025-11-28T10:00:00 Z", "ISO 8601"),
        ("2025-11-28T10:00:00 99:00", "exist"),
        ("2025-11-28T10:00:00+01:00 01:00", "ISO 8601"),
        ("2025-11-28T10:00:00 01:00\n", "ISO 8601"),
    ],
)
def test_no_other_space_is_read_as_a_plus(text: str, remedy: str) -> None:
    with pytest.raises(ValueError, match=remedy):
        time_or_day(text)


def test_a_time_in_a_body_needs_its_plus() -> None:
    with pytest.raises(ValueError, match="ISO 8601"):
        parse_time("2025-11-28T10:00:00 01:00")
