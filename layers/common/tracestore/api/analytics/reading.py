"""What analytics read: the counters of ranges of time, and the heads of the few traces that an answer names.

Counters are told what happened within seconds, and tell numbers. Whatever names a trace or quotes one is held to the
trace's head first, so that nothing deleted, hidden or expired is shown.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, islice
from typing import Any, Final

from tracestore.domain.analytics import Key, Selection
from tracestore.domain.counters import Bucket, ConversationCounter, Kind
from tracestore.domain.dimensions import OTHER_FAILURES
from tracestore.domain.failures import FailedSpan
from tracestore.domain.filters import Filters
from tracestore.domain.heads import Summary
from tracestore.domain.intervals import Period, hours_that_start_in, partition
from tracestore.domain.stats import failures_of
from tracestore.storage import keys
from tracestore.storage.counters import read_counters
from tracestore.storage.items import Head
from tracestore.storage.listing import Listed, TraceQuery, list_traces, read_heads
from tracestore.storage.store import Store
from tracestore.storage.table import Deadline

EXAMPLE_ROUNDS: Final = 3
"""How often examples that are gone are replaced by the next that are remembered."""

HEADS_MOST: Final = 300
"""Traces that one answer looks at: each is a read unit, whatever the range."""

HEADS_AT_ONCE: Final = 50

READS_AT_ONCE: Final = 8


def read_periods(
    store: Store, user_id: str, kind: Kind, periods: Iterable[Period], deadline: Deadline
) -> list[dict[Bucket, Any]]:
    """The counters of each of these aligned periods, as few as cover it; absent ones left out."""
    includes = [list(partition(kind, period)) for period in periods]
    found = read_counters(store, user_id, chain.from_iterable(includes), deadline)
    return [{bucket: found[bucket] for bucket in buckets if bucket in found} for buckets in includes]


def read_hours(
    store: Store, user_id: str, kind: Kind, periods: Iterable[Period], deadline: Deadline
) -> list[list[Any]]:
    """The counters of the hours in UTC that start in each of these periods; absent ones are left out."""
    buckets = [hours_that_start_in(kind, period) for period in periods]
    counters = read_counters(store, user_id, chain.from_iterable(buckets), deadline)
    return [[counters[bucket] for bucket in of_period if bucket in counters] for of_period in buckets]


def live_examples(
    store: Store, user_id: str, wanted: Mapping[Key, Sequence[FailedSpan]], most: int, deadline: Deadline
) -> dict[Key, list[FailedSpan]]:
    """For each key the first of these failed spans, up to `most`, that can be seen and still failed in this way.

    *shape*: one of a trace.
    """
    told: dict[str, set[FailedSpan]] = {}
    found: dict[Key, list[FailedSpan]] = {key: [] for key in wanted}
    waiting = {key: _one_of_each_trace(remembered) for key, remembered in wanted.items()}
    for _ in range(EXAMPLE_ROUNDS):
        tried = {key: list(islice(waiting[key], most - len(found[key]))) for key in wanted}
        if not any(tried.values()):
            break
        trace_ids = dict.fromkeys(one.example.trace_id for remembered in tried.values() for one in remembered)
        unknown = [trace_id for trace_id in trace_ids if trace_id not in told][: HEADS_MOST - len(told)]
        heads = read_heads(store, user_id, (keys.trace(user_id, trace_id) for trace_id in unknown), deadline)
        for trace_id in unknown:
            told[trace_id] = _failures_told(trace_id, heads.get(keys.trace(user_id, trace_id)))
        for key, remembered in tried.items():
            found[key] += [one for one in remembered if one in told.get(one.example.trace_id, ())]
    return found


def top_traces_by_cost(
    store: Store,
    user_id: str,
    candidates: Iterable[tuple[int, str]],
    period: Period,
    selection: Selection,
    most: int,
    deadline: Deadline,
) -> list[Listed]:
    """The most expensive of these candidates that began in the period and still exist, with their present cost.

    *shape*: at most `most`, the most expensive first. `candidates` come in the same order by the cost they had.
    """
    waiting = iter(dict.fromkeys(trace_id for _, trace_id in candidates))
    found: list[Listed] = []
    for _ in range(HEADS_MOST // HEADS_AT_ONCE):
        trace_ids = list(islice(waiting, HEADS_AT_ONCE))
        heads = read_heads(store, user_id, (keys.trace(user_id, trace_id) for trace_id in trace_ids), deadline)
        for trace_id in trace_ids:
            head = heads.get(keys.trace(user_id, trace_id))
            if head is not None and head.summary is not None and _is_candidate(head.summary, period, selection):
                found.append(Listed(trace_id, head))
        if len(found) >= most or len(trace_ids) < HEADS_AT_ONCE:
            break
    return sorted(found, key=lambda listed: (-_cost(listed.head), listed.trace_id))[:most]


def conversation_heads(
    store: Store, user_id: str, conversations: Sequence[tuple[str, ConversationCounter]], deadline: Deadline
) -> list[Head | None]:
    """The head of the newest trace of each conversation that can be seen; None where none can."""
    pks = [keys.trace(user_id, counter.last_trace[1]) for _, counter in conversations]
    heads = read_heads(store, user_id, pks, deadline)

    def newest(place: int) -> Head | None:
        conversation_id = conversations[place][0]
        head = heads.get(pks[place])
        if head is not None and head.summary is not None and head.summary.conversation_id == conversation_id:
            return head
        query = TraceQuery(Filters(conversation_id=conversation_id))
        traces = list_traces(store, user_id, query, 1, deadline=deadline).traces
        return traces[0].head if traces else None

    with ThreadPoolExecutor(READS_AT_ONCE) as pool:
        return list(pool.map(newest, range(len(conversations))))


def has_values(summary: Summary, selection: Selection) -> bool:
    """Whether spans of a trace have what is asked for, each in any of them."""
    return all(value in summary.values.get(name, ()) for name, value in selection.filters.items())


def _is_candidate(summary: Summary, period: Period, selection: Selection) -> bool:
    is_within = period.start_ns <= summary.start_ns < period.end_ns
    return is_within and bool(summary.usage.cost_nano_usd) and has_values(summary, selection)


def _one_of_each_trace(remembered: Iterable[FailedSpan]) -> Iterator[FailedSpan]:
    seen: set[str] = set()
    for one in remembered:
        if one.example.trace_id not in seen:
            seen.add(one.example.trace_id)
            yield one


def _failures_told(trace_id: str, head: Head | None) -> set[FailedSpan]:
    """What a trace tells of its failures, each under its own kind and under the one that stands for many."""
    if head is None or head.summary is None:
        return set()
    failures = failures_of(head.summary.stats, trace_id)
    return {FailedSpan(failure.example, kind) for failure in failures for kind in (failure.kind, OTHER_FAILURES)}


def _cost(head: Head) -> int:
    return (head.summary and head.summary.usage.cost_nano_usd) or 0
