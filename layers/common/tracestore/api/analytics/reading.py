"""Reads of analytics: the counters of ranges of time, and the heads of the few traces that a response names.

Counters follow the traces within seconds and contain numbers. Before a response names or quotes a trace, its head is
read, so that nothing deleted, hidden or expired is shown.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain, islice
from typing import Any, Final, NamedTuple, TypeAlias

from tracestore.domain.analytics import Key, Selection
from tracestore.domain.buckets import Bucket, Kind
from tracestore.domain.counters import ConversationCounter, ErrorCounter, MarginalCounter, ValueCounter
from tracestore.domain.dimensions import END_USER, OTHER_FAILURES, cut
from tracestore.domain.failures import FailedSpan
from tracestore.domain.filters import Condition, Filters
from tracestore.domain.heads import Summary
from tracestore.domain.intervals import Period, hours_that_start_in, partition, whole_days, whole_hours
from tracestore.domain.stats import failures_of
from tracestore.domain.texts import normalized
from tracestore.storage.model import Head
from tracestore.storage.user_store import ListedTrace, TraceQuery, UserReader

ReadCounters: TypeAlias = Callable[[Iterable[Bucket]], Mapping[Bucket, Any]]
"""A function that reads the counters of some buckets. *absent*: counters of nothing are left out."""

_KINDS_OF_VALUES: Final[tuple[Kind, ...]] = ("values", "names")

EXAMPLE_ROUNDS: Final = 3
"""The number of times that examples which are gone are replaced by the next ones."""

HEADS_MOST: Final = 300
"""The most heads that are read for one response: each is a read unit, whatever the range."""

HEADS_IN_ROUND: Final = 50

CONVERSATION_THREADS: Final = 8

CONVERSATIONS_IN_ROUND: Final = 100
"""One BatchGetItem reads so many."""

CONVERSATIONS_MOST: Final = 2_000
"""The most conversations that one request examines: as many as a list examines traces."""


def read_periods(reader: UserReader, kind: Kind, periods: Iterable[Period]) -> list[dict[Bucket, Any]]:
    """The fewest counters that cover each of these aligned periods. *absent*: counters of nothing are left out."""
    return _by_period(reader.counters, [list(partition(kind, period)) for period in periods])


def read_hours(reader: UserReader, kind: Kind, periods: Iterable[Period]) -> list[list[Any]]:
    """The counters of the hours in UTC that start in each of these periods, as `read_periods`."""
    return _in_hours(reader.counters, kind, periods)


def _in_hours(read: ReadCounters, kind: Kind, periods: Iterable[Period]) -> list[list[Any]]:
    found = _by_period(read, [hours_that_start_in(kind, period) for period in periods])
    return [[*of_period.values()] for of_period in found]


def _by_period(read: ReadCounters, buckets: Sequence[Sequence[Bucket]]) -> list[dict[Bucket, Any]]:
    """The counters of the buckets of each period, all of them read at once."""
    counters = read(chain.from_iterable(buckets))
    return [{bucket: counters[bucket] for bucket in of_period if bucket in counters} for of_period in buckets]


def read_examples(reader: UserReader, period: Period) -> list[ErrorCounter]:
    """The counters that keep examples of failures in a period, as long as their traces are kept."""
    (counters,) = read_periods(reader, "examples", [whole_hours(period)])
    return [counter.within(period.start_ns, period.end_ns) for counter in counters.values()]


def read_values(reader: UserReader, period: Period) -> list[ValueCounter]:
    """The counters of values, which are by whole days alone, and of names, of the days that a period touches."""
    days = [whole_days(period)]
    values, names = (read_periods(reader, kind, days)[0] for kind in _KINDS_OF_VALUES)
    return [*values.values(), *names.values()]


def read_marginals(
    reader: UserReader, periods: Sequence[Period], name: str, end_user_id: str | None = None
) -> tuple[list[list[MarginalCounter]], dict[str, str]]:
    """The counters of marginals in each period, and the names of the end users in them by pseudonym.

    With `end_user_id`, they contain that one alone. *absent*: a name is known as long as traces are kept.
    """
    counters: list[list[MarginalCounter]] = _in_hours(partial(reader.marginals, name), "marginals", periods)
    if name != END_USER:
        return counters, {}
    if end_user_id is None:
        values = read_values(reader, Period(periods[0].start_ns, periods[-1].end_ns))
        names = {cut(each) for counter in values for each in counter.values.get(END_USER, ())}
        return counters, {reader.pseudonym(each): each for each in names}
    chosen = reader.pseudonym(cut(end_user_id))
    return [[counter.of_end_user(chosen) for counter in of_period] for of_period in counters], {
        chosen: cut(end_user_id)
    }


def live_examples(
    reader: UserReader, candidates: Mapping[Key, Sequence[FailedSpan]], most: int
) -> dict[Key, list[FailedSpan]]:
    """The first candidates of each key whose trace can be seen and still contains that failure.

    *shape*: at most `most` of each key, one of each trace, in the given order.
    """
    failures: dict[str, set[FailedSpan]] = {}
    examples: dict[Key, list[FailedSpan]] = {key: [] for key in candidates}
    remaining = {key: _one_of_each_trace(spans) for key, spans in candidates.items()}
    for _ in range(EXAMPLE_ROUNDS):
        tried = {key: list(islice(remaining[key], most - len(examples[key]))) for key in candidates}
        if not any(tried.values()):
            break
        trace_ids = dict.fromkeys(span.example.trace_id for spans in tried.values() for span in spans)
        unread = [trace_id for trace_id in trace_ids if trace_id not in failures][: HEADS_MOST - len(failures)]
        heads = reader.heads(unread)
        for trace_id in unread:
            failures[trace_id] = _failures_in(trace_id, heads.get(trace_id))
        for key, spans in tried.items():
            examples[key] += [span for span in spans if span in failures.get(span.example.trace_id, ())]
    return examples


def top_traces_by_cost(
    reader: UserReader,
    candidates: Iterable[tuple[int, str]],
    period: Period,
    selection: Selection,
    most: int,
) -> list[ListedTrace]:
    """The most expensive of these candidates that began in the period and can be seen.

    *shape*: at most `most`, by their present cost from the highest. `candidates` come in the order of their cost when
    they were counted.
    """
    remaining = iter(dict.fromkeys(trace_id for _, trace_id in candidates))
    traces: list[ListedTrace] = []
    for _ in range(HEADS_MOST // HEADS_IN_ROUND):
        trace_ids = list(islice(remaining, HEADS_IN_ROUND))
        heads = reader.heads(trace_ids)
        for trace_id in trace_ids:
            head = heads.get(trace_id)
            if head is not None and _is_selected(head.summary, period, selection):
                traces.append(ListedTrace(trace_id, head))
        if len(traces) >= most or len(trace_ids) < HEADS_IN_ROUND:
            break
    return sorted(traces, key=lambda listed: (-_cost(listed.head), listed.trace_id))[:most]


class FoundConversation(NamedTuple):
    """A conversation, and the summary of its newest trace that can be seen."""

    conversation_id: str
    counter: ConversationCounter
    newest: Summary


def find_conversations(
    reader: UserReader,
    limit: int,
    after: str | None,
    period: tuple[int | None, int | None],
    matches: Callable[[str, Summary], bool],
) -> tuple[list[FoundConversation], str | None]:
    """At most `limit` conversations that match, and the cursor position to continue after.

    `period` contains the first and the end of the times at which they were last active. *shape*: last active first. The
    search ends after `CONVERSATIONS_MOST`, or when the budget of the request is spent: then the page is short or empty,
    with a position. *absent*: the position is None at the end.
    """
    from_ns, to_ns = period
    found: list[FoundConversation] = []
    examined = 0
    while True:
        size = min(max(limit - len(found), examined), CONVERSATIONS_IN_ROUND)
        page, after = reader.conversations(size, after, before_ns=to_ns)
        within = [listed for listed in page if from_ns is None or listed.counter.last_ns >= from_ns]
        if len(within) < len(page):
            after = None
        summaries = newest_summaries(reader, [(listed.conversation_id, listed.counter) for listed in within])
        for index, (listed, newest) in enumerate(zip(within, summaries, strict=True)):
            if newest is not None and matches(listed.conversation_id, newest):
                found.append(FoundConversation(listed.conversation_id, listed.counter, newest))
            if len(found) == limit:
                is_last = after is None and index == len(within) - 1
                return found, None if is_last else listed.cursor_position
        examined += size
        if after is None or examined >= CONVERSATIONS_MOST or reader.has_spent_budget:
            return found, after


def newest_summaries(
    reader: UserReader, conversations: Sequence[tuple[str, ConversationCounter]]
) -> list[Summary | None]:
    """The summary of the newest trace of each conversation that can be seen. *absent*: None where there is none."""
    heads = reader.heads(counter.last_trace[1] for _, counter in conversations)

    def newest(conversation: tuple[str, ConversationCounter]) -> Summary | None:
        conversation_id, counter = conversation
        head = heads.get(counter.last_trace[1])
        if head is not None and head.summary.conversation_id == conversation_id:
            return head.summary
        traces = reader.traces(TraceQuery(Filters(conversation_id=Condition((conversation_id,)))), 1).traces
        return traces[0].head.summary if traces else None

    with ThreadPoolExecutor(CONVERSATION_THREADS) as pool:
        return list(pool.map(newest, conversations))


def has_text(conversation_id: str, newest: Summary, text: str) -> bool:
    """Whether a conversation has a text in its id or in the previews of its newest trace, as searches compare texts."""
    needle = normalized(text)
    texts = (conversation_id, newest.previews.input, newest.previews.output)
    return any(needle in normalized(searched) for searched in texts if searched)


def has_values(summary: Summary, selection: Selection) -> bool:
    """Whether a trace has the value of each filter, each in any of its spans."""
    return all(value in summary.values.get(name, ()) for name, value in selection.filters.items())


def _is_selected(summary: Summary, period: Period, selection: Selection) -> bool:
    is_within = period.start_ns <= summary.start_ns < period.end_ns
    return is_within and bool(summary.usage.cost_nano_usd) and has_values(summary, selection)


def _one_of_each_trace(spans: Iterable[FailedSpan]) -> Iterator[FailedSpan]:
    trace_ids: set[str] = set()
    for span in spans:
        if span.example.trace_id not in trace_ids:
            trace_ids.add(span.example.trace_id)
            yield span


def _failures_in(trace_id: str, head: Head | None) -> set[FailedSpan]:
    """The failures of a trace, each under its own kind and under the one of failures that were counted together."""
    if head is None:
        return set()
    failures = failures_of(head.summary.stats, trace_id)
    return {FailedSpan(failure.example, kind) for failure in failures for kind in (failure.kind, OTHER_FAILURES)}


def _cost(head: Head) -> int:
    return head.summary.usage.cost_nano_usd or 0
