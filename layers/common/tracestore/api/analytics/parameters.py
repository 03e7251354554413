"""The parameters of analytics: from query strings to a range of time, its points, and the calls that count."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

from tracestore.api.chart_ranges import interval_of, problems_of_range
from tracestore.api.dates import read_range
from tracestore.domain.analytics import Selection
from tracestore.domain.buckets import Interval
from tracestore.domain.dimensions import END_USER, FILTERS, GROUPINGS, MARGINALS
from tracestore.domain.errors import Detail, Invalid
from tracestore.domain.intervals import (
    INTERVALS,
    RANGE_MOST_DAYS,
    Period,
    aligned,
    points,
    whole_hours,
)
from tracestore.domain.times import NS_PER_DAY, NS_PER_MS
from tracestore.http.parameters import Reader, one_of, read_one, text_of

ANALYTICS_PARAMETERS: Final = ("start_date", "end_date", "interval", "timezone", *FILTERS)
"""The parameters that every route of analytics takes."""

MARGINAL_RANGE_MOST_DAYS: Final = 92
"""A quarter of a year: 2,208 counters, since marginals are counted by the hour alone."""


@dataclass(frozen=True, slots=True)
class AnalyticsQuery:
    """A request to analytics: an aligned range, cut into points by the clocks of a zone, and the calls that count."""

    period: Period
    interval: Interval
    zone: ZoneInfo
    selection: Selection
    group_by: str | None

    @property
    def points(self) -> list[Period]:
        """The points of the range."""
        return points(self.period, self.interval, self.zone)


def parse_stored_range(parameters: Mapping[str, str]) -> tuple[int | None, int | None, ZoneInfo]:
    """The range of positions and the zone of a request about stored traces.

    *absent*: None for an end that is not given, and UTC. *raises*: Invalid when a parameter is malformed.
    """
    read = Reader(parameters)
    start_ns, end_ns, zone = read_range(read)
    if start_ns is not None and end_ns is not None and start_ns >= end_ns:
        read.problems.append(Detail("start_date", "must lie before end_date"))
    read.end()
    return start_ns, end_ns, zone


def parse_query(
    parameters: Mapping[str, str],
    now_ms: int,
    *,
    is_of_scores: bool = False,
    groupings: Sequence[str] = GROUPINGS,
) -> AnalyticsQuery:
    """The query of a request. *absent*: without dates it is about the last 24 hours.

    If it `is_of_scores`, or grouped by a marginal, the range is whole hours and no interval is finer than an hour.
    *raises*: Invalid when a parameter is malformed, or such a query has a filter or a finer interval.
    """
    read = Reader(parameters)
    start_ns, end_ns, zone = read_range(read)
    requested_interval: Interval | None = read("interval", one_of(*INTERVALS))
    group_by = read("group_by", one_of(*groupings))
    filters = {name: value for name in FILTERS if (value := read(name, text_of)) is not None}
    now_ns = now_ms * NS_PER_MS
    if not read.problems:
        end_ns = now_ns if end_ns is None else end_ns
        start_ns = max(0, end_ns - NS_PER_DAY) if start_ns is None else start_ns
        is_hourly = is_of_scores or group_by in MARGINALS
        days_most = MARGINAL_RANGE_MOST_DAYS if is_hourly else RANGE_MOST_DAYS
        read.problems += problems_of_range(Period(start_ns, end_ns), zone, now_ns, days_most)
    read.end()
    assert start_ns is not None
    assert end_ns is not None
    period = aligned(start_ns, end_ns)
    finest_interval = INTERVALS[0]
    if is_hourly:
        _refuse_combinations(None if is_of_scores else group_by, filters, requested_interval)
        period, finest_interval = whole_hours(period), "hour"
    return AnalyticsQuery(
        period,
        interval_of(requested_interval, period, zone, finest_interval),
        zone,
        Selection(filters, by_operation=group_by == "operation_type"),
        group_by,
    )


def conversation_filters(parameters: Mapping[str, str]) -> tuple[str | None, str | None]:
    """The parameters `search` and `end_user_id` of a list of conversations. *raises*: Invalid when malformed."""
    read = Reader(parameters)
    search, end_user_id = read("search", text_of), read("end_user_id", text_of)
    read.end()
    return search, end_user_id


def chosen_end_user(parameters: Mapping[str, str], group_by: str | None) -> str | None:
    """The parameter `end_user_id` of metrics. *raises*: Invalid when malformed, or where they have other groups."""
    end_user_id = read_one(parameters, END_USER, text_of)
    if end_user_id is not None and group_by != END_USER:
        raise _unsupported([Detail(END_USER, f"can be combined with group_by={END_USER} alone: add it")])
    return end_user_id


def score_name(parameters: Mapping[str, str]) -> str | None:
    """The parameter `name` of scores. *raises*: Invalid when malformed."""
    return read_one(parameters, "name", text_of)


def _refuse_combinations(group_by: str | None, filters: Mapping[str, str], interval: Interval | None) -> None:
    """*raises*: Invalid when a marginal or scores have a filter, or an interval finer than they are counted in.

    *absent*: without `group_by` the query is about scores.
    """
    counted = f"group_by={group_by}, which is" if group_by else "scores, which are"
    problems = [
        Detail(name, f"cannot be combined with {counted} counted by itself: leave one of them out")
        if group_by
        else Detail(name, f"cannot be combined with {counted} counted by themselves: leave it out")
        for name in filters
    ]
    if interval == "15m":
        message = f"must be hour or day with {counted} counted by the hour"
        problems.append(Detail("interval", message))
    if problems:
        raise _unsupported(problems)


def _unsupported(problems: Sequence[Detail]) -> Invalid:
    """The error for parameters that are valid alone and not together, which its message names."""
    causes = "; ".join(f"{problem.field} {problem.message}" for problem in problems)
    return Invalid(
        f"Unsupported combination of parameters: {causes}.", code="unsupported_combination", details=tuple(problems)
    )
