"""Lists of traces, newest or oldest first, a page at a time; `lessons` makes lists of its own from the same parts.

An index gives positions and keys, the heads are read consistently and have the last word. A place in a list is a
position, not a page number: traces that are written meanwhile neither shift nor repeat what comes after it.
"""

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Final, NamedTuple, TypeAlias

from tracestore.domain.filters import Filters
from tracestore.domain.merge import merge

from . import keys
from .items import Head, head_from
from .pending_deletions import Partition, is_pending_deletion, pending_deletions_from, time_partitions
from .segments import Item
from .store import Store
from .table import READS_AT_ONCE, Deadline

SCANNED_AT_MOST: Final = 2_000
"""Traces that one page looks at. A filter that few traces pass gives a short page and a cursor to go on from."""


@dataclass(frozen=True, slots=True)
class TraceQuery:
    """What a list asks for. `from_ns` is included, `to_ns` is not; both are about a trace's position."""

    filters: Filters = field(default_factory=Filters)
    from_ns: int | None = None
    to_ns: int | None = None
    trace_ids: Sequence[str] = ()
    newest_first: bool = True


class Listed(NamedTuple):
    """A trace in a list."""

    trace_id: str
    head: Head


class Page(NamedTuple):
    """Some traces, the position to go on from, and how far back the page has looked (None: to the end).

    *shape*: a page may be short, or empty, without being the last; only a `next_position` of None ends a list.
    """

    traces: list[Listed]
    next_position: str | None
    scanned_to_ns: int | None


class Candidate(NamedTuple):
    """What an index knows of a trace."""

    position: str
    pk: str


IsListed: TypeAlias = Callable[[Candidate, Head], bool]
"""Whether a head agrees with its candidate and with what is asked for."""


def list_traces(
    store: Store,
    user_id: str,
    query: TraceQuery,
    limit: int,
    after: str | None = None,
    deadline: Deadline | None = None,
) -> Page:
    """The next page of a list, at most `limit` traces behind position `after`."""
    deadline = deadline or Deadline()
    candidates = _candidates(store, user_id, query, limit, after, deadline)
    return page_of(store, user_id, candidates, limit, partial(_is_listed, store, query), deadline)


def page_of(
    store: Store,
    user_id: str,
    candidates: Iterator[Candidate],
    limit: int,
    is_listed: IsListed,
    deadline: Deadline,
) -> Page:
    """A page of those candidates whose heads say so. No more of them is read than it takes."""
    traces: list[Listed] = []
    scanned = 0
    last: str | None = None
    while batch := list(islice(candidates, min(max(limit - len(traces) + 1, scanned), READS_AT_ONCE - 1))):
        for candidate, head in zip(batch, _heads(store, user_id, batch, deadline), strict=True):
            if len(traces) == limit:  # one more than asked for: there is a next page
                assert last is not None
                return Page(traces, last, keys.position_time(last))
            last = candidate.position
            if head is not None and is_listed(candidate, head):
                traces.append(Listed(keys.trace_id_of(candidate.pk), head))
        scanned += len(batch)
        if scanned >= SCANNED_AT_MOST and last is not None:
            return Page(traces, last, keys.position_time(last))
    return Page(traces, None, None)


def read_heads(store: Store, user_id: str, pks: Iterable[str], deadline: Deadline) -> dict[str, Head]:
    """The heads of those of these traces that can be seen: not expired, deleted, or hidden by a bulk deletion."""
    wanted = [(keys.user(user_id), keys.USER), *((pk, keys.HEAD) for pk in pks)]
    items = store.table.get_many(wanted, deadline)
    pending_deletions = pending_deletions_from(items.pop(wanted[0], None))
    heads = {pk: head_from(item) for (pk, _), item in items.items()}
    return {
        pk: head
        for pk, head in heads.items()
        if head.summary is not None
        and not head.is_expired(store.now_ms())
        and not is_pending_deletion(head, pending_deletions)
    }


def heads_in(
    store: Store, partitions: Iterable[Partition], high: str, deadline: Deadline
) -> Iterator[tuple[str, Head]]:
    """The heads, with their partition keys, of all traces that stand in these partitions up to `high`, oldest first.

    Those that a bulk deletion hides are among them; what is expired is not.
    """
    for index, partition in partitions:
        found = store.table.query(partition, "", high, index=index)
        while pks := [item["pk"]["S"] for item in islice(found, READS_AT_ONCE)]:
            items = store.table.get_many(((pk, keys.HEAD) for pk in pks), deadline)
            heads = ((pk, head_from(item)) for (pk, _), item in items.items())
            yield from ((pk, head) for pk, head in heads if not head.is_expired(store.now_ms()))


def _heads(store: Store, user_id: str, batch: list[Candidate], deadline: Deadline) -> list[Head | None]:
    found = read_heads(store, user_id, (candidate.pk for candidate in batch), deadline)
    return [found.get(candidate.pk) for candidate in batch]


def _is_listed(store: Store, query: TraceQuery, candidate: Candidate, head: Head) -> bool:
    """Whether the head agrees with the index and passes the filters.

    A message's entry may have the place that a trace would have got if an interrupted writer had been the first.
    """
    assert head.summary is not None
    if candidate.position != head.position and "message_id" not in query.filters.values:
        return False
    return query.filters.match(head.summary, lambda: merge(store.read_core(candidate.pk).updates(), head.deleted))


def _candidates(
    store: Store, user_id: str, query: TraceQuery, limit: int, after: str | None, deadline: Deadline
) -> Iterator[Candidate]:
    """Positions and keys of traces that may match, in order, those up to and including `after` left out."""
    low = keys.before_time(query.from_ns) if query.from_ns is not None else ""
    high = keys.before_time(query.to_ns) if query.to_ns is not None else ""
    if after is not None:
        low, high = (low, after) if query.newest_first else (after, high)
    if low and high and low > high:
        return
    if query.trace_ids:
        streams = [iter(_named(store, user_id, query, deadline))]
    else:
        partitions = _partitions(store, user_id, query.filters)
        streams = [entries(store, at, low, high, query.newest_first, limit) for at in partitions]
    for candidate in heapq.merge(*(map(candidate_of, stream) for stream in streams), reverse=query.newest_first):
        position = candidate.position
        if position != after and low <= position and (not high or position <= high):
            after = position  # a trace that changes its place meanwhile may stand in two partitions
            yield candidate


def entries(store: Store, partition: Partition, low: str, high: str, newest_first: bool, limit: int) -> Iterator[Item]:
    """The entries of a partition of an index, read in pages that fit a list of `limit`."""
    index, key = partition
    return store.table.query(key, low, high, index=index, descending=newest_first, page_items=max(limit + 1, 25))


def _partitions(store: Store, user_id: str, filters: Filters) -> list[Partition]:
    """The index partitions, as few as there are, that hold every trace which may match."""
    if "message_id" in filters.values:
        return [("by_conversation", keys.by_message(user_id, filters.values["message_id"]))]
    if filters.conversation_id is not None:
        return [("by_conversation", keys.by_conversation(user_id, filters.conversation_id))]
    if filters.status == "error" or filters.has_errors:
        return [("by_status", keys.by_status(user_id, "error"))]
    if filters.status == "pending":  # a pending trace with a failed span inside stands among the failed ones
        return [("by_status", keys.by_status(user_id, status)) for status in ("pending", "error")]
    return time_partitions(store, user_id)


def _named(store: Store, user_id: str, query: TraceQuery, deadline: Deadline) -> list[Item]:
    """What an index would hold of the traces that the query names."""
    heads = read_heads(store, user_id, (keys.trace(user_id, trace_id) for trace_id in query.trace_ids), deadline)
    items: list[Item] = [{"pk": {"S": pk}, "at": {"S": head.position}} for pk, head in heads.items()]
    return sorted(items, key=lambda item: str(item["at"]["S"]), reverse=query.newest_first)


def candidate_of(item: Item) -> Candidate:
    """What an entry of an index says."""
    return Candidate(item["at"]["S"], item["pk"]["S"])
