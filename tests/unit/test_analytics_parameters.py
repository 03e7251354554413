"""The parameters of analytics: defaults, limits, and refusals that name what is wrong."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracestore.api.analytics.parameters import AnalyticsQuery, parse_query
from tracestore.api.dates import zone_of
from tracestore.domain.errors import Invalid
from tracestore.domain.times import format_time, parse_time

NOW = "2026-11-22T10:07:30Z"
NOW_MS = parse_time(NOW) // 10**6


def parsed(**parameters: str) -> AnalyticsQuery:
    return parse_query(parameters, NOW_MS)


def refused(**parameters: str) -> list[str]:
    with pytest.raises(Invalid) as refusal:
        parsed(**parameters)
    assert refusal.value.code == "invalid_parameter"
    return [detail.field for detail in refusal.value.details]


def ends(query: AnalyticsQuery) -> tuple[str, str]:
    start, end = map(format_time, query.period)
    return start[:16], end[:16]


def test_without_dates_it_is_the_last_day_up_to_now() -> None:
    assert ends(parsed()) == ("2026-11-21T10:00", "2026-11-22T10:15")


def test_an_end_alone_is_the_end_of_a_day() -> None:
    assert ends(parsed(end_date="2026-06-02T00:00:00Z")) == ("2026-06-01T00:00", "2026-06-02T00:00")


def test_a_start_alone_reaches_up_to_now() -> None:
    assert ends(parsed(start_date="2026-11-20T00:00:01Z")) == ("2026-11-20T00:00", "2026-11-22T10:15")


@pytest.mark.parametrize(
    ("days", "interval"), [(1, "15m"), (2, "15m"), (3, "hour"), (8, "hour"), (9, "day"), (30, "day"), (400, "day")]
)
def test_the_interval_follows_from_the_range(days: int, interval: str) -> None:
    start_ns = NOW_MS * 10**6 - timedelta(days=days).days * 86_400 * 10**9
    assert parsed(start_date=format_time(start_ns)).interval == interval


def test_a_requested_interval_is_used() -> None:
    assert len(parsed(interval="hour").points) == 25  # the first and the last are shorter


def test_days_are_those_of_the_zone() -> None:
    points = parsed(start_date="2026-11-20T00:00:00Z", interval="day", timezone="Asia/Kathmandu").points
    assert [format_time(point.start_ns)[11:16] for point in points] == ["00:00", "18:15", "18:15"]


def test_filters_select_calls() -> None:
    selection = parsed(operation_type="embedding", model_name="m", model_provider="p").selection
    assert selection.filters == {"operation_type": "embedding", "model_name": "m", "model_provider": "p"}


@pytest.mark.parametrize(
    ("group_by", "by_operation"), [("operation_type", True), ("model_name", False), ("status", False)]
)
def test_grouped_by_operation_spans_of_every_operation_are_calls(group_by: str, by_operation: bool) -> None:
    assert parsed(group_by=group_by).selection.by_operation is by_operation


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"start_date": "yesterday"}, ["start_date"]),
        ({"start_date": "2026-11-23T00:00:00Z"}, ["start_date"]),
        ({"start_date": "2026-11-20T00:00:00Z", "end_date": "2026-11-20T00:00:00Z"}, ["start_date"]),
        ({"start_date": "2025-10-18T00:00:00Z"}, ["start_date"]),
        ({"end_date": "2026-02-30"}, ["end_date"]),
        ({"end_date": "9999-12-31T23:59:59Z"}, ["end_date"]),
        ({"end_date": "1970-01-01T00:00:00Z"}, ["start_date"]),
        ({"interval": "week"}, ["interval"]),
        ({"interval": "15m", "start_date": "2026-11-01T00:00:00Z"}, ["interval"]),
        ({"interval": "hour", "start_date": "2026-10-01T00:00:00Z"}, ["interval"]),
        ({"timezone": "Mars/Olympus"}, ["timezone"]),
        ({"group_by": "user"}, ["group_by"]),
        ({"model_name": ""}, ["model_name"]),
        ({"timezone": "", "interval": "", "end_date": ""}, ["end_date", "timezone", "interval"]),
    ],
)
def test_malformed_parameters_are_named(parameters: dict[str, str], named: list[str]) -> None:
    assert refused(**parameters) == named


def unsupported(**parameters: str) -> list[str]:
    with pytest.raises(Invalid) as refusal:
        parsed(group_by="service_name", **parameters)
    assert refusal.value.code == "unsupported_combination"
    return [detail.field for detail in refusal.value.details]


def test_a_marginal_is_not_combined_with_a_filter_or_with_quarters_of_an_hour() -> None:
    assert unsupported(model_name="m", operation_type="o") == ["operation_type", "model_name"]
    assert unsupported(interval="15m") == ["interval"]


def test_a_marginal_is_about_whole_hours() -> None:
    query = parsed(group_by="service_name", start_date="2026-11-22T01:20:00Z")
    assert (ends(query), query.interval) == (("2026-11-22T01:00", "2026-11-22T11:00"), "hour")
    assert parsed(group_by="service_name", start_date="2026-11-01T00:00:00Z").interval == "day"


def test_a_marginal_is_about_a_quarter_of_a_year_at_most() -> None:
    end = {"end_date": "2026-11-22T00:00:00Z", "group_by": "service_name"}
    assert parsed(start_date="2026-08-22T00:00:00Z", **end).interval == "day"
    assert refused(start_date="2026-08-21T23:59:59Z", **end) == ["start_date"]


def test_days_are_included_whole() -> None:
    assert ends(parsed(start_date="2026-11-20", end_date="2026-11-21")) == ("2026-11-20T00:00", "2026-11-22T00:00")
    query = parsed(start_date="2026-10-25", end_date="2026-10-25", timezone="Europe/Berlin", interval="hour")
    assert (ends(query), len(query.points)) == (("2026-10-24T22:00", "2026-10-25T23:00"), 25)


def test_limits_in_days_admit_as_many_days_on_which_clocks_are_put_back() -> None:
    end = {"end_date": "2026-10-31", "group_by": "service_name"}
    assert parsed(start_date="2026-08-01", timezone="Europe/Berlin", **end).interval == "day"  # 92 days and an hour
    assert refused(start_date="2026-07-31", timezone="Europe/Berlin", **end) == ["start_date"]
    assert refused(start_date="2026-07-31T23:00:00Z", **end) == ["start_date"]


def test_a_skipped_day_is_no_range() -> None:
    assert refused(start_date="2011-12-30", end_date="2011-12-30", timezone="Pacific/Apia") == ["start_date"]


def test_a_thousand_points_are_the_most() -> None:
    days = {"start_date": "2026-10-01T00:00:00Z", "end_date": "2026-11-11T16:00:00Z"}
    assert len(parsed(interval="hour", **days).points) == 1_000
    assert refused(interval="hour", **(days | {"end_date": "2026-11-11T16:00:00.001Z"})) == ["interval"]


@pytest.mark.parametrize("name", ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+5", "EST5EDT"])
def test_names_of_the_time_zone_database_are_accepted(name: str) -> None:
    assert zone_of(name).key == name


@pytest.mark.parametrize(
    "name",
    [
        *(
            "",
            "Europe",
            "europe/berlin/x",
            "../../etc/passwd",
            "/etc/localtime",
            "Europe/../Europe/Berlin",
            "a" * 5_000,
        ),
        *(
            "a" * 5_000,
            "tzdata.zi",
            "zone.tab",
            "Europe/Berlin\n",
            "Europe/Berlin\x00",
            "__init__.py",
            "__pycache__",
            "é",
            "+01:00",
        ),
    ],
)
def test_a_name_of_no_zone_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="IANA name"):
        zone_of(name)


@given(st.text(max_size=40) | st.from_regex(r"[A-Z][a-z_]{1,8}/[A-Za-z_/+-]{1,12}", fullmatch=True))
def test_any_text_is_a_zone_or_is_refused(name: str) -> None:
    try:
        key = zone_of(name).key
    except ValueError:
        return
    assert key == name
