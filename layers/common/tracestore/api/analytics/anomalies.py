"""The feed of anomalies: read from counters of hours, told in a sentence each, with traces to look at.

What is usual, and what departs from it, is decided in `domain/anomalies.py`. Examples are remembered by counters, but
for slow calls, which none remembers: of those the newest traces of the hour are looked at, so many and no more.
"""

import heapq
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from itertools import islice
from typing import Any, Final

from tracestore.api.analytics.analytics_json import name_json
from tracestore.domain.analytics import Selection
from tracestore.domain.anomalies import HISTORY_HOURS, Anomaly, anomalies_of, histories_of
from tracestore.domain.counters import Bucket
from tracestore.domain.errors import Detail
from tracestore.domain.histogram import bounds_us
from tracestore.domain.intervals import Period
from tracestore.domain.phrases import duration, percent
from tracestore.domain.stats import QUARTER_NS
from tracestore.domain.times import NS_PER_DAY, NS_PER_SECOND, format_time
from tracestore.http.parameters import malformed
from tracestore.storage import keys
from tracestore.storage.counters import read_counters
from tracestore.storage.items import Head
from tracestore.storage.listing import candidate_of, entries, read_heads
from tracestore.storage.pending_deletions import time_partitions
from tracestore.storage.store import Store
from tracestore.storage.table import Deadline

RANGE_MOST_DAYS: Final = 31
"""A month, and the week before it: 912 counters of hours."""

ANOMALIES_MOST: Final = 50
EXAMPLES_MOST: Final = 3
REMEMBERED_MOST: Final = 20
"""Remembered traces that are looked at for one anomaly."""

SLOW_LOOKED_FOR: Final = 3
TRACES_LOOKED_AT: Final = 100
"""For so many of the anomalies of latency, so many traces each: 300 read units, whatever the traffic."""

_HOUR_S: Final = 3_600
_HOUR_NS: Final = _HOUR_S * NS_PER_SECOND
_QUARTERS: Final = 4
_US_PER_MS: Final = 1_000
_DIGITS: Final = {"error_rate": 6, "latency": 3, "cost": 9}


def hours_of(period: Period) -> range:
    """The hours that a range touches, counted since 1970. *raises* Invalid when they are too many."""
    if period.end_ns - period.start_ns > RANGE_MOST_DAYS * NS_PER_DAY + 2 * QUARTER_NS:  # widened at both ends
        raise malformed([Detail("start_date", f"must lie at most {RANGE_MOST_DAYS} days before end_date")])
    return range(period.start_ns // _HOUR_NS, -(-period.end_ns // _HOUR_NS))


def read_anomalies(
    store: Store, user_id: str, hours: range, selection: Selection, deadline: Deadline
) -> list[tuple[Anomaly, list[str]]]:
    """The anomalies of these hours in what is selected, those that lasted longest first, each with example traces."""
    read = range(hours.start - HISTORY_HOURS, hours.stop)
    counters = read_counters(store, user_id, (Bucket("measures", "hour", number) for number in read), deadline)
    histories = histories_of((bucket.number, counter) for bucket, counter in counters.items())
    selected = {series: history for series, history in histories.items() if selection.admits(series)}
    found = anomalies_of(selected, hours)[:ANOMALIES_MOST]
    candidates = _candidates(store, user_id, found, deadline)
    pks = {keys.trace(user_id, trace_id): trace_id for ids in candidates for trace_id in ids}
    heads = {pks[pk]: head for pk, head in read_heads(store, user_id, pks, deadline).items()}
    return [(anomaly, _examples(anomaly, ids, heads)) for anomaly, ids in zip(found, candidates, strict=True)]


def anomaly_json(anomaly: Anomaly, examples: Sequence[str], zone: tzinfo) -> dict[str, Any]:
    """An anomaly as it is shown. *units*: a share, milliseconds, or dollars in an hour."""
    digits = _DIGITS[anomaly.kind]
    return {
        "kind": anomaly.kind,
        **{dimension: name_json(value) for dimension, value in anomaly.series._asdict().items()},
        "since": format_time(anomaly.first_hour * _HOUR_NS),
        "value": round(anomaly.worst.value, digits),
        "baseline": round(anomaly.worst.baseline, digits),
        "score": round(anomaly.worst.score, 1),
        "message": message_of(anomaly, zone),
        "examples": list(examples),
    }


def message_of(anomaly: Anomaly, zone: tzinfo) -> str:
    """What happened, in a sentence with numbers, by the clocks of a zone."""
    worst, calls = anomaly.worst, f"{anomaly.calls:,} calls"
    at = _clock(worst.hour, zone)
    said = {
        "error_rate": f"{anomaly.errors:,} of {calls} failed at {at} ({percent(worst.value)}), "
        f"usually {percent(worst.baseline)}",
        "latency": f"the slowest 5 % of {calls} took {duration(worst.value)} or more at {at}, "
        f"usually {duration(worst.baseline)}",
        "cost": f"{calls} cost ${worst.value:,.2f} in the hour at {at}, usually ${worst.baseline:,.2f}",
    }[anomaly.kind]
    operation, *names = anomaly.series
    name = " ".join(filter(None, (*names, operation))) or "Spans of no kind"
    hours = anomaly.last_hour - anomaly.first_hour + 1
    lasting = f"; for {hours} hours since {_clock(anomaly.first_hour, zone)}" if hours > 1 else ""
    return f"{name}: {said}{lasting}."


def _candidates(store: Store, user_id: str, found: Sequence[Anomaly], deadline: Deadline) -> list[list[str]]:
    """For each anomaly the ids of traces that may show it."""
    wanted = {bucket for anomaly in found for bucket in _remembering(anomaly)}
    counters = read_counters(store, user_id, wanted, deadline)
    candidates = []
    slow = 0
    for anomaly in found:
        there = [counters[bucket] for bucket in _remembering(anomaly) if bucket in counters]
        if anomaly.kind == "cost":
            most_expensive = heapq.merge(*(counter.most_expensive for counter in there), reverse=True)
            ids = [trace_id for _, trace_id in most_expensive]
        elif anomaly.kind == "error_rate":
            kinds = [failed for counter in there for failed in counter.kinds.items()]
            of_series = [failed for failed in kinds if failed[0].series == anomaly.series]
            # A wrapper's errors are told of the calls below it, so those of other series may be its own.
            latest = sorted((one for _, (_, examples) in of_series or kinds for one in examples), reverse=True)
            ids = [one.trace_id for one in latest]
        elif slow < SLOW_LOOKED_FOR:
            slow += 1
            ids = _traces_of(store, user_id, anomaly.worst.hour)
        else:
            ids = []
        most = TRACES_LOOKED_AT if anomaly.kind == "latency" else REMEMBERED_MOST
        candidates.append(list(dict.fromkeys(ids))[:most])
    return candidates


def _remembering(anomaly: Anomaly) -> list[Bucket]:
    """The counters that remember traces of these hours."""
    if anomaly.kind == "error_rate":
        return [Bucket("errors", "hour", number) for number in range(anomaly.first_hour, anomaly.last_hour + 1)]
    if anomaly.kind == "cost":
        return [Bucket("values", "day", day) for day in range(anomaly.first_hour // 24, anomaly.last_hour // 24 + 1)]
    return []


def _traces_of(store: Store, user_id: str, hour: int) -> list[str]:
    """The newest traces that began in an hour."""
    low, high = keys.before_time(hour * _HOUR_NS), keys.before_time((hour + 1) * _HOUR_NS)
    partitions = time_partitions(store, user_id)
    streams = [
        map(candidate_of, entries(store, partition, low, high, newest_first=True, limit=TRACES_LOOKED_AT))
        for partition in partitions
    ]
    newest = islice(heapq.merge(*streams, reverse=True), TRACES_LOOKED_AT)
    return [keys.trace_id_of(candidate.pk) for candidate in newest]


def _examples(anomaly: Anomaly, trace_ids: Iterable[str], heads: Mapping[str, Head]) -> list[str]:
    """Those of these traces that show it most, the first of them first."""
    shown = [(_shows(anomaly, heads[trace_id]), trace_id) for trace_id in trace_ids if trace_id in heads]
    return [trace_id for amount, trace_id in heapq.nlargest(EXAMPLES_MOST, shown, lambda one: one[0]) if amount > 0]


def _shows(anomaly: Anomaly, head: Head) -> float:
    """How much a trace did of what the anomaly is about: calls that failed, time above usual, or cost."""
    shown = 0.0
    for row in head.summary.stats.rows if head.summary else ():
        if row.group.series != anomaly.series:
            continue
        if not anomaly.first_hour <= row.quarter // _QUARTERS <= anomaly.last_hour:
            continue
        if anomaly.kind == "cost":
            shown += row.measures["cost_nano_usd"]
        elif anomaly.kind == "error_rate":
            shown += row.measures["calls"] if row.group.status == "error" else 0
        else:
            slowest_us = bounds_us(max(row.measures.latencies))[1] if row.measures.latencies else 0.0
            shown = max(shown, slowest_us / _US_PER_MS - anomaly.worst.baseline)
    return shown


def _clock(hour: int, zone: tzinfo) -> str:
    local = datetime.fromtimestamp(hour * _HOUR_S, UTC).astimezone(zone)
    return f"{local:%H:%M on} {local.day} {local:%B}"
