"""Histograms of traces over time, for any filter of a list: counted from heads, a walk at a time."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from tracestore.api.chart_ranges import interval_of, problems_of_range
from tracestore.api.dates import UTC, zone_of
from tracestore.api.traces.parameters import trace_query
from tracestore.api.traces.trace_json import usd
from tracestore.domain.buckets import Interval
from tracestore.domain.intervals import INTERVALS, Period, aligned, points
from tracestore.domain.times import NS_PER_DAY, NS_PER_MS, format_time
from tracestore.http.parameters import Reader, one_of
from tracestore.http.request import Request
from tracestore.storage.user_store import ListedTrace, TraceQuery

WALK_MOST = 100_000
"""More traces than one request can walk: its budget ends before."""


class HistogramQuery(NamedTuple):
    """The traces that a histogram counts, and the points that it counts them in."""

    traces: TraceQuery
    period: Period
    interval: Interval
    zone: ZoneInfo

    @property
    def points(self) -> list[Period]:
        """The points of the range."""
        return points(self.period, self.interval, self.zone)


def histogram_query(request: Request) -> HistogramQuery:
    """The query of a request. *absent*: without dates it is about the last 24 hours.

    *raises*: Invalid when a parameter is malformed.
    """
    traces = trace_query(request.query)
    read = Reader(request.query)
    requested: Interval | None = read("interval", one_of(*INTERVALS))
    zone = read("timezone", zone_of) or UTC
    now_ns = request.now_ms * NS_PER_MS
    end_ns = now_ns if traces.to_ns is None else traces.to_ns
    start_ns = max(0, end_ns - NS_PER_DAY) if traces.from_ns is None else traces.from_ns
    read.problems += problems_of_range(Period(start_ns, end_ns), zone, now_ns)
    read.end()
    period = aligned(start_ns, end_ns)
    interval = interval_of(requested, period, zone, INTERVALS[0])
    return HistogramQuery(replace(traces, from_ns=period.start_ns, to_ns=period.end_ns), period, interval, zone)


def histogram_json(query: HistogramQuery, traces: Iterable[ListedTrace]) -> dict[str, Any]:
    """The points of a histogram, each with the sums over its traces."""
    counted = _counted(query.points, traces)
    return {
        "start_date": format_time(query.period.start_ns),
        "end_date": format_time(query.period.end_ns),
        "interval": query.interval,
        "timezone": query.zone.key,
        "points": [
            {
                "time": format_time(point.start_ns),
                "traces": len(listed),
                "failed": sum(each.head.summary.status == "error" for each in listed),
                "total_tokens": sum(each.head.summary.usage.total_tokens for each in listed),
                "cost_usd": usd(sum(each.head.summary.usage.cost_nano_usd or 0 for each in listed)),
            }
            for point, listed in zip(query.points, counted, strict=True)
        ],
    }


def _counted(ordered: Sequence[Period], traces: Iterable[ListedTrace]) -> list[list[ListedTrace]]:
    starts = [point.start_ns for point in ordered]
    counted: list[list[ListedTrace]] = [[] for _ in ordered]
    for listed in traces:
        counted[bisect_right(starts, listed.head.position_ns) - 1].append(listed)
    return counted
