"""The feed of anomalies: read from counters of hours, each with a sentence and with example traces.

`domain/anomalies.py` decides the baseline and the outliers. Counters keep examples of failed and of expensive traces,
and none of slow ones: for those, a bounded number of the newest traces of the hour is read.
"""

import heapq
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any, Final

from tracestore.api.analytics.analytics_json import US_PER_MS, name_json
from tracestore.domain.analytics import Selection
from tracestore.domain.anomalies import HISTORY_HOURS, Anomaly, anomalies_of, histories_of
from tracestore.domain.buckets import OF_FAILURES, Bucket
from tracestore.domain.errors import Detail
from tracestore.domain.histogram import bounds_us
from tracestore.domain.intervals import NS_PER_HOUR, Period, length_ns
from tracestore.domain.phrases import duration, percent
from tracestore.domain.stats import QUARTER_NS, QUARTERS_IN_HOUR
from tracestore.domain.times import NS_PER_DAY, NS_PER_SECOND, format_time
from tracestore.http.parameters import malformed
from tracestore.storage.model import Head
from tracestore.storage.user_store import UserReader

RANGE_MOST_DAYS: Final = 31
"""A month, and the week before it: 912 counters of hours."""

ANOMALIES_MOST: Final = 50
EXAMPLES_MOST: Final = 3
CANDIDATES_MOST: Final = 20
"""The most traces kept by counters that are read for one anomaly."""

LATENCY_ANOMALIES_MOST: Final = 3
LATENCY_CANDIDATES_MOST: Final = 100
"""The newest traces of the hour are read for so many latency anomalies, and so many for each: 300 read units, whatever
the traffic."""

_DIGITS: Final = {"error_rate": 6, "latency": 3, "cost": 9}


def hours_of(period: Period, zone: tzinfo) -> range:
    """The hours that a range touches. *units*: counted since 1970. *raises*: Invalid when they are too many."""
    if length_ns(period, zone) > RANGE_MOST_DAYS * NS_PER_DAY + 2 * QUARTER_NS:  # widened at both ends
        raise malformed([Detail("start_date", f"must lie at most {RANGE_MOST_DAYS} days before end_date")])
    return range(period.start_ns // NS_PER_HOUR, -(-period.end_ns // NS_PER_HOUR))


def read_anomalies(reader: UserReader, hours: range, selection: Selection) -> list[tuple[Anomaly, list[str]]]:
    """The anomalies of the selected series in these hours, each with the ids of example traces.

    *shape*: those with the latest last hour first, at most `ANOMALIES_MOST`.
    """
    with_history = range(hours.start - HISTORY_HOURS, hours.stop)
    buckets = (Bucket("measures", "hour", number) for number in with_history)
    counters = reader.counters(buckets)
    histories = histories_of((bucket.number, counter) for bucket, counter in counters.items())
    selected = {series: history for series, history in histories.items() if selection.admits(series)}
    anomalies = anomalies_of(selected, hours)[:ANOMALIES_MOST]
    candidates = _candidates(reader, anomalies)
    heads = reader.heads(dict.fromkeys(trace_id for trace_ids in candidates for trace_id in trace_ids))
    pairs = zip(anomalies, candidates, strict=True)
    return [(anomaly, _examples(anomaly, trace_ids, heads)) for anomaly, trace_ids in pairs]


def anomaly_json(anomaly: Anomaly, examples: Sequence[str], zone: tzinfo) -> dict[str, Any]:
    """An anomaly as JSON. *units*: a share, milliseconds, or dollars in an hour."""
    digits = _DIGITS[anomaly.kind]
    return {
        "kind": anomaly.kind,
        **{dimension: name_json(value) for dimension, value in anomaly.series._asdict().items()},
        "since": format_time(anomaly.first_hour * NS_PER_HOUR),
        "value": round(anomaly.worst.value, digits),
        "baseline": round(anomaly.worst.baseline, digits),
        "score": round(anomaly.worst.score, 1),
        "message": message_of(anomaly, zone),
        "examples": list(examples),
    }


def message_of(anomaly: Anomaly, zone: tzinfo) -> str:
    """A sentence about an anomaly with its numbers, by the clocks of a zone."""
    worst, calls = anomaly.worst, f"{anomaly.calls:,} calls"
    time = _clock(worst.hour, zone)
    event = {
        "error_rate": f"{anomaly.errors:,} of {calls} failed at {time} ({percent(worst.value)}), "
        f"usually {percent(worst.baseline)}",
        "latency": f"the slowest 5 % of {calls} took {duration(worst.value)} or more at {time}, "
        f"usually {duration(worst.baseline)}",
        "cost": f"{calls} cost ${worst.value:,.2f} in the hour at {time}, usually ${worst.baseline:,.2f}",
    }[anomaly.kind]
    operation, *names = anomaly.series
    series = " ".join(filter(None, (*names, operation))) or "Spans of no kind"
    hours = anomaly.last_hour - anomaly.first_hour + 1
    length = f"; for {hours} hours since {_clock(anomaly.first_hour, zone)}" if hours > 1 else ""
    return f"{series}: {event}{length}."


def _candidates(reader: UserReader, anomalies: Sequence[Anomaly]) -> list[list[str]]:
    """For each anomaly the ids of traces that may be examples of it."""
    buckets = {bucket for anomaly in anomalies for bucket in _buckets_with_examples(anomaly)}
    counters = reader.counters(buckets)
    candidates = []
    latency_anomalies = 0
    for anomaly in anomalies:
        with_examples = [counters[bucket] for bucket in _buckets_with_examples(anomaly) if bucket in counters]
        trace_ids: Iterable[str] = ()
        most = CANDIDATES_MOST
        if anomaly.kind == "cost":
            by_cost = heapq.merge(*(counter.most_expensive for counter in with_examples), reverse=True)
            trace_ids = [trace_id for _, trace_id in by_cost]
        elif anomaly.kind == "error_rate":
            kinds = [failures for counter in with_examples for failures in counter.kinds.items()]
            # The errors of a wrapper are counted where they began, so those of other series may be its own.
            of_series = [failures for failures in kinds if failures[0].series == anomaly.series] or kinds
            latest = sorted((example for _, (_, examples) in of_series for example in examples), reverse=True)
            trace_ids = [example.trace_id for example in latest]
        elif latency_anomalies < LATENCY_ANOMALIES_MOST:
            latency_anomalies += 1
            from_ns, most = anomaly.worst.hour * NS_PER_HOUR, LATENCY_CANDIDATES_MOST
            trace_ids = reader.newest_traces(from_ns, from_ns + NS_PER_HOUR, most)
        candidates.append(list(dict.fromkeys(trace_ids))[:most])
    return candidates


def _buckets_with_examples(anomaly: Anomaly) -> list[Bucket]:
    """The counters that keep examples of an anomaly."""
    if anomaly.kind == "error_rate":
        failed_in = range(anomaly.first_hour, anomaly.last_hour + 1)
        return [Bucket(kind, "hour", hour) for kind in OF_FAILURES for hour in failed_in]
    if anomaly.kind == "cost":  # days named traces in an earlier version
        days = range(anomaly.first_hour // 24, anomaly.last_hour // 24 + 1)
        hours = range(days.start * 24, days.stop * 24)
        return [Bucket("values", "day", day) for day in days] + [Bucket("names", "hour", hour) for hour in hours]
    return []


def _examples(anomaly: Anomaly, trace_ids: Iterable[str], heads: Mapping[str, Head]) -> list[str]:
    """The candidates with the largest share in an anomaly, the largest first."""
    shares = [(_share(anomaly, heads[trace_id]), trace_id) for trace_id in trace_ids if trace_id in heads]
    largest = heapq.nlargest(EXAMPLES_MOST, shares, lambda share: share[0])
    return [trace_id for share, trace_id in largest if share > 0]


def _share(anomaly: Anomaly, head: Head) -> float:
    """A trace's share in an anomaly: failed calls, milliseconds above the baseline, or nano-dollars."""
    share = 0.0
    for row in head.summary.stats.rows:
        if row.group.series != anomaly.series:
            continue
        if not anomaly.first_hour <= row.quarter // QUARTERS_IN_HOUR <= anomaly.last_hour:
            continue
        if anomaly.kind == "cost":
            share += row.measures["cost_nano_usd"]
        elif anomaly.kind == "error_rate":
            share += row.measures["calls"] if row.group.status == "error" else 0
        else:
            slowest_us = bounds_us(max(row.measures.latencies))[1] if row.measures.latencies else 0.0
            share = max(share, slowest_us / US_PER_MS - anomaly.worst.baseline)
    return share


def _clock(hour: int, zone: tzinfo) -> str:
    local = datetime.fromtimestamp(hour * NS_PER_HOUR // NS_PER_SECOND, UTC).astimezone(zone)
    return f"{local:%H:%M on} {local.day} {local:%B}"
