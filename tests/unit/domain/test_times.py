"""Times are parsed with a zone, exact to the nanosecond, and formatted in UTC."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracestore.domain.times import format_time, parse_time

LAST_NS = 253_402_300_800 * 10**9 - 1


@pytest.mark.parametrize(
    ("text", "time_ns"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2026-11-22T10:00:00.123Z", 1_795_341_600_123_000_000),
        ("2026-11-22T10:00:00.123456789Z", 1_795_341_600_123_456_789),
        ("2026-11-22T10:00:00.1234567Z", 1_795_341_600_123_456_700),
        ("2026-11-22T12:30:00.5+02:30", 1_795_341_600_500_000_000),
        ("2026-11-22 05:00:00-0500", 1_795_341_600_000_000_000),
        ("2026-11-22t10:00z", 1_795_341_600_000_000_000),
    ],
)
def test_a_time_with_a_zone_is_parsed_exactly(text: str, time_ns: int) -> None:
    assert parse_time(text) == time_ns


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("2026-11-22T10:00:00", "add Z"),
        ("2026-11-23", "ISO 8601"),
        ("yesterday", "ISO 8601"),
        ("2026-11-22T10:00:00.1234567890Z", "ISO 8601"),
        ("２０２６-11-22T10:00:00Z", "ISO 8601"),
        ("2026-11-22T10:00:00Z\n", "ISO 8601"),
        ("2026-02-30T10:00:00Z", "exist"),
        ("2026-11-22T25:00:00Z", "exist"),
        ("2026-11-22T10:00:00+99:00", "exist"),
        ("1969-12-31T23:59:59Z", "1970"),
        ("1970-01-01T00:00:00+01:00", "1970"),
        ("9999-12-31T23:59:59-01:00", "9999"),
    ],
)
def test_an_invalid_time_is_refused_with_the_remedy_and_without_the_sent_text(text: str, remedy: str) -> None:
    with pytest.raises(ValueError, match=remedy) as error:
        parse_time(text)
    assert text not in str(error.value)


@pytest.mark.parametrize(
    ("time_ns", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1_795_341_600_100_000_000, "2026-11-22T10:00:00.100Z"),
        (1_795_341_600_123_456_000, "2026-11-22T10:00:00.123456Z"),
        (1_795_341_600_000_000_001, "2026-11-22T10:00:00.000000001Z"),
        (LAST_NS, "9999-12-31T23:59:59.999999999Z"),
    ],
)
def test_a_time_is_formatted_with_as_many_digits_as_it_needs(time_ns: int, text: str) -> None:
    assert format_time(time_ns) == text


@given(st.integers(0, LAST_NS))
def test_a_formatted_time_is_parsed_back(time_ns: int) -> None:
    assert parse_time(format_time(time_ns)) == time_ns


@given(
    st.datetimes(
        datetime(1971, 1, 1),
        datetime(2100, 1, 1),
        timezones=st.timedeltas(timedelta(hours=-14), timedelta(hours=14)).map(
            lambda offset: timezone(timedelta(minutes=offset // timedelta(minutes=1)))
        ),
    )
)
def test_every_iso_format_of_python_is_parsed(moment: datetime) -> None:
    assert (
        parse_time(moment.isoformat())
        == (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1_000
    )
