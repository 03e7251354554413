"""Ranges of time cut by the clocks of zones, and covered by the buckets of counters."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracestore.domain.buckets import QUARTERS, Interval
from tracestore.domain.intervals import POINTS_CHOSEN, Period, aligned, finest, partition, points, whole_days
from tracestore.domain.stats import QUARTER_NS
from tracestore.domain.times import format_time, parse_time

ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/St_Johns",
    "Asia/Kathmandu",
    "Australia/Adelaide",
    "Australia/Lord_Howe",
    "Africa/Cairo",
    "Asia/Beirut",
    "America/Havana",
    "Pacific/Apia",
    "Pacific/Kiritimati",
)
MODERN = (parse_time("2012-01-01T00:00:00Z") // QUARTER_NS, parse_time("2040-01-01T00:00:00Z") // QUARTER_NS)


def period(start: str, end: str) -> Period:
    return Period(parse_time(start), parse_time(end))


def local(time_ns: int, zone: str) -> datetime:
    return datetime.fromtimestamp(time_ns // 10**9, UTC).astimezone(ZoneInfo(zone))


@st.composite
def periods(draw: st.DrawFn) -> Period:
    start = draw(st.integers(*MODERN))
    length = draw(st.integers(1, 400) | st.integers(1, 40_000).filter(lambda quarters: quarters % 96 < 5))
    return Period(start * QUARTER_NS, (start + length) * QUARTER_NS)


zones = st.sampled_from(ZONES)
intervals: st.SearchStrategy[Interval] = st.sampled_from(("15m", "hour", "day"))


@given(periods(), intervals, zones)
def test_points_follow_each_other_from_the_start_to_the_end(requested: Period, interval: Interval, zone: str) -> None:
    cut = points(requested, interval, ZoneInfo(zone))
    assert (cut[0].start_ns, cut[-1].end_ns) == requested
    assert [point.end_ns for point in cut[:-1]] == [point.start_ns for point in cut[1:]]
    assert all(point.start_ns < point.end_ns for point in cut)


@given(periods(), zones)
def test_a_day_is_a_day_of_the_zones_calendar(requested: Period, zone: str) -> None:
    quarters = range(requested.start_ns // QUARTER_NS, requested.end_ns // QUARTER_NS)[-2_000:]
    tail = Period(quarters[0] * QUARTER_NS, requested.end_ns)
    for point in points(tail, "day", ZoneInfo(zone)):
        assert local(point.start_ns, zone).date() == local(point.end_ns - QUARTER_NS, zone).date()
    dates = {local(quarter * QUARTER_NS, zone).date() for quarter in quarters}
    assert len(points(tail, "day", ZoneInfo(zone))) == len(dates)


@given(periods(), zones)
def test_an_hour_is_an_hour_of_the_zones_clocks(requested: Period, zone: str) -> None:
    short = Period(requested.start_ns, min(requested.end_ns, requested.start_ns + 400 * QUARTER_NS))
    for point in points(short, "hour", ZoneInfo(zone)):
        quarters = range(point.start_ns, point.end_ns, QUARTER_NS)
        assert len({local(quarter, zone).hour for quarter in quarters}) == 1


@given(periods(), zones)
def test_hours_begin_when_the_clocks_of_the_zone_strike_or_are_changed(requested: Period, zone: str) -> None:
    short = Period(requested.start_ns, min(requested.end_ns, requested.start_ns + 400 * QUARTER_NS))
    for point in points(short, "hour", ZoneInfo(zone))[1:]:
        here, before = local(point.start_ns, zone), local(point.start_ns - QUARTER_NS, zone)
        assert here.minute == 0 or here.utcoffset() != before.utcoffset()


@given(periods(), intervals, zones)
def test_every_quarter_of_a_range_is_covered_once(requested: Period, interval: Interval, zone: str) -> None:
    merged_digests = [
        quarter
        for point in points(requested, interval, ZoneInfo(zone))
        for bucket in partition("measures", point)
        for quarter in range(bucket.start_ns // QUARTER_NS, bucket.end_ns // QUARTER_NS)
    ]
    assert merged_digests == list(range(requested.start_ns // QUARTER_NS, requested.end_ns // QUARTER_NS))


@given(periods())
def test_a_cover_has_no_more_than_the_hours_and_quarters_at_its_ends(requested: Period) -> None:
    lengths = [QUARTERS[bucket.interval] for bucket in partition("measures", requested)]
    assert lengths.count(1) <= 6
    assert lengths.count(4) <= 46


@given(periods(), zones)
def test_the_finest_interval_gives_as_many_points_as_a_chart_has_room_for(requested: Period, zone: str) -> None:
    at = ZoneInfo(zone)
    chosen = finest(requested, at)
    assert chosen == "day" or len(points(requested, chosen, at)) <= POINTS_CHOSEN
    finer: dict[Interval, Interval] = {"hour": "15m", "day": "hour"}
    if chosen != "15m" and requested.end_ns - requested.start_ns < 20 * 86_400 * 10**9:
        assert len(points(requested, finer[chosen], at)) > POINTS_CHOSEN


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", "2026-03-29", 23),
        ("Europe/Berlin", "2026-10-25", 25),
        ("Europe/Berlin", "2026-06-01", 24),
        ("Australia/Lord_Howe", "2026-10-04", 23.5),
        ("Australia/Lord_Howe", "2026-04-05", 24.5),
        ("Asia/Kathmandu", "2026-03-29", 24),
    ],
)
def test_a_day_has_as_many_hours_as_its_clocks_make_it(zone: str, day: str, hours: float) -> None:
    noon = parse_time(f"{day}T12:00:00Z")
    around = aligned(noon - 3 * 86_400 * 10**9, noon + 3 * 86_400 * 10**9)
    (cut,) = (
        point
        for point in points(around, "day", ZoneInfo(zone))
        if local(point.start_ns, zone).date().isoformat() == day
    )
    assert (cut.end_ns - cut.start_ns) / 3_600e9 == hours


def test_a_day_begins_after_midnight_where_clocks_are_put_forward_over_it() -> None:
    around = period("2026-04-23T12:00:00Z", "2026-04-24T12:00:00Z")  # Cairo has no midnight on the 24th
    starts = [point.start_ns for point in points(around, "day", ZoneInfo("Africa/Cairo"))]
    assert list(map(format_time, starts)) == ["2026-04-23T12:00:00.000Z", "2026-04-23T22:00:00.000Z"]


def test_a_day_that_a_zone_skipped_is_no_point() -> None:
    around = period("2011-12-29T10:00:00Z", "2012-01-01T10:00:00Z")  # Samoa went over the date line
    days = [local(point.start_ns, "Pacific/Apia").day for point in points(around, "day", ZoneInfo("Pacific/Apia"))]
    assert days == [29, 31, 1]


def test_zones_that_were_minutes_off_have_days_from_the_nearest_quarter_on() -> None:
    around = period("1971-06-01T12:00:00Z", "1971-06-02T12:00:00Z")  # Monrovia was at -00:44:30
    cut = points(around, "day", ZoneInfo("Africa/Monrovia"))
    assert format_time(cut[1].start_ns) == "1971-06-02T00:30:00.000Z"


def test_hours_of_a_zone_at_a_quarter_lie_between_those_of_utc() -> None:
    cut = points(period("2026-06-01T10:00:00Z", "2026-06-01T12:00:00Z"), "hour", ZoneInfo("Asia/Kathmandu"))
    assert [format_time(point.start_ns)[11:16] for point in cut] == ["10:00", "10:15", "11:15"]


def test_an_hour_that_clocks_are_put_into_begins_there() -> None:
    cut = points(period("2026-10-03T14:30:00Z", "2026-10-03T17:00:00Z"), "hour", ZoneInfo("Australia/Lord_Howe"))
    assert [f"{local(point.start_ns, 'Australia/Lord_Howe'):%H:%M}" for point in cut] == ["01:00", "02:30", "03:00"]


def test_a_month_in_utc_is_covered_by_its_days() -> None:
    month = period("2026-06-01T00:00:00Z", "2026-07-01T00:00:00Z")
    assert [bucket.interval for bucket in partition("errors", month)] == ["day"] * 30


def test_a_day_at_a_quarter_is_covered_by_hours_and_the_quarters_at_its_ends() -> None:
    day = period("2026-06-01T18:15:00Z", "2026-06-02T18:15:00Z")
    assert [bucket.interval for bucket in partition("errors", day)] == [*["15m"] * 3, *["hour"] * 23, "15m"]


def test_a_range_is_widened_to_whole_quarters() -> None:
    start = parse_time("2026-06-01T10:14:59.999Z")
    assert aligned(start, start + 2) == period("2026-06-01T10:00:00Z", "2026-06-01T10:15:00Z")
    assert aligned(start, start + 10**6) == period("2026-06-01T10:00:00Z", "2026-06-01T10:15:00Z")


def test_the_days_of_a_range_are_those_that_it_touches() -> None:
    touched = whole_days(period("2026-06-01T23:45:00Z", "2026-06-03T00:00:00Z"))
    assert touched == period("2026-06-01T00:00:00Z", "2026-06-03T00:00:00Z")


@pytest.mark.parametrize(
    ("hours", "interval"), [(24, "15m"), (50, "15m"), (50.25, "hour"), (200, "hour"), (201, "day"), (9_600, "day")]
)
def test_the_interval_follows_from_the_length(hours: float, interval: str) -> None:
    start = parse_time("2026-06-01T00:00:00Z")
    assert finest(Period(start, start + int(hours * 3_600) * 10**9), UTC) == interval
