"""Lists of traces, newest or oldest first, a page at a time. `lessons` builds lists of its own from the same parts.

An index returns cursor positions and keys; the heads are read consistently and decide. A page continues after a cursor
position, not at a page number: traces that are written meanwhile neither shift nor repeat the rest of the list.
"""

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Final, NamedTuple, TypeAlias

from tracestore.domain.errors import NotFound
from tracestore.domain.filters import Condition, Filters
from tracestore.domain.merge import Span, merge

from . import keys
from .items import head_from
from .model import Head, Item, Partition, StoredTrace
from .pending_deletions import is_pending_deletion, pending_deletions_from
from .read_budget import BudgetSpent
from .store import Scope
from .table import KEYS_PER_BATCH_GET

SCANNED_MOST: Final = 2_000
"""Traces that one page examines, unless its budget is spent before. A filter that few traces pass gives a short page
and a cursor to continue from."""

TRACE_BYTES_MOST: Final = 8_000_000
"""Payload of one trace that filters read, about as much as one request may read at all. They do not look beyond it."""


ALIASES_READ: Final = 10
"""Traces that have a span of one id. More than one means that a client used an id twice."""

ALIAS_ATTEMPTS: Final = 5
"""Pauses of a request, of 0.5 s in all, before a span counts as absent: the index lags by a fraction of a second."""


@dataclass(frozen=True, slots=True)
class TraceQuery:
    """The traces that a list asks for. `from_ns` is included, `to_ns` is not; both limit the cursor position."""

    filters: Filters = field(default_factory=Filters)
    from_ns: int | None = None
    to_ns: int | None = None
    trace_ids: Sequence[str] = ()
    newest_first: bool = True


class ListedTrace(NamedTuple):
    """A trace in a list."""

    trace_id: str
    head: Head


class Page(NamedTuple):
    """Some traces, the cursor position to continue after, and how far back the page has looked (None: to the end).

    *shape*: a page may be short, or empty, without being the last; only a `next_position` of None ends a list.
    """

    traces: list[ListedTrace]
    next_position: str | None
    scanned_to_ns: int | None

    def first(self, count: int) -> "Page":
        """This page without the traces after its first `count`, which the next page begins with."""
        if count >= len(self.traces):
            return self
        position = self.traces[count - 1].head.cursor_position
        return Page(self.traces[:count], position, keys.start_ns_of(position))


class Candidate(NamedTuple):
    """An index entry of a trace."""

    cursor_position: str
    pk: str


IsListed: TypeAlias = Callable[[Candidate, Head], bool]
"""Whether a head agrees with its candidate and with the query."""


def list_traces(scope: Scope, query: TraceQuery, limit: int, after: str | None = None, budget_share: float = 1) -> Page:
    listed = candidates(scope, query, limit, after)
    return page_of(scope, listed, limit, partial(_is_listed, scope, query), budget_share)


def page_of(
    scope: Scope, candidates: Iterator[Candidate], limit: int, is_listed: IsListed, budget_share: float = 1
) -> Page:
    """A page of the candidates whose heads qualify. It reads no more of them than it needs, within its budget."""
    scope.budget.restart(budget_share)
    traces: list[ListedTrace] = []
    scanned = 0
    last: str | None = None
    while batch := list(islice(candidates, min(max(limit - len(traces) + 1, scanned), _heads_most(scope, scanned)))):
        heads = visible_heads(scope, (candidate.pk for candidate in batch))
        for candidate in batch:
            if last is not None and len(traces) == limit:  # one more than asked for: there is a next page
                return Page(traces, last, keys.start_ns_of(last))
            if last is not None and scope.budget.is_spent:
                break
            head = heads.get(candidate.pk)
            try:
                if head is not None and is_listed(candidate, head):
                    traces.append(ListedTrace(keys.trace_id_of(candidate.pk), head))
            except BudgetSpent:
                break
            last = candidate.cursor_position
            scope.budget.has_progress = True
        else:
            scanned += len(batch)
            if scanned < SCANNED_MOST and not (scope.budget.is_spent and len(traces) < limit):
                continue
        assert last is not None
        return Page(traces, last, keys.start_ns_of(last))
    return Page(traces, None, None)


def _heads_most(scope: Scope, scanned: int) -> int:
    """The heads of the next batch: as many as one request takes, but not many more than the budget has units for.

    A head with very many values has up to 20 units, and a batch of them as many as the whole budget.
    """
    expected = scope.budget.units_left * scanned / scope.budget.units if scope.budget.units else KEYS_PER_BATCH_GET
    return max(1, min(KEYS_PER_BATCH_GET - 1, int(expected)))


def visible_heads(scope: Scope, pks: Iterable[str]) -> dict[str, Head]:
    """The heads, by partition key, of the traces that the user may see: not expired, deleted, or pending deletion."""
    return {pk: head for pk, (head, _) in visible_head_items(scope, pks).items()}


def visible_head_items(scope: Scope, pks: Iterable[str]) -> dict[str, tuple[Head, Item]]:
    """As `visible_heads`, each with the item that contains it."""
    user_key = keys.user(scope.user_id), keys.USER
    remembered = scope.store.deletions.of(scope.user_id)
    pending_deletions = remembered.fresh()
    unknown = [user_key] if pending_deletions is None else []
    items = scope.table.get_many([*unknown, *((pk, keys.HEAD) for pk in pks)])
    if pending_deletions is None:
        pending_deletions = remembered.put(pending_deletions_from(items.pop(user_key, None)))
    heads = {pk: (head_from(item), item) for (pk, _), item in items.items()}
    return {
        pk: (head, item)
        for pk, (head, item) in heads.items()
        if isinstance(head, Head)
        and not head.is_expired(scope.now_ms())
        and not is_pending_deletion(head, pending_deletions)
    }


def heads_in(scope: Scope, partitions: Iterable[Partition], high: str = "") -> Iterator[ListedTrace]:
    """The traces that these index partitions contain up to cursor position `high`, oldest first; expired ones left out.

    Traces that a pending deletion includes are among them.
    """
    for trace_id, item in head_items_in(scope, partitions, high):
        head = head_from(item)
        if isinstance(head, Head) and not head.is_expired(scope.now_ms()):
            yield ListedTrace(trace_id, head)


def head_items_in(scope: Scope, partitions: Iterable[Partition], high: str = "") -> Iterator[tuple[str, Item]]:
    """The trace ids and head items that these index partitions contain up to cursor position `high`, oldest first."""
    for index, partition in partitions:
        index_entries = scope.table.query(partition, "", high, index=index)
        while pks := [entry["pk"]["S"] for entry in islice(index_entries, KEYS_PER_BATCH_GET)]:
            for (pk, _), item in scope.table.get_many((pk, keys.HEAD) for pk in pks).items():
                yield keys.trace_id_of(pk), item


def newest_in(scope: Scope, from_ns: int, to_ns: int, most: int) -> list[str]:
    low, high = keys.before_time(from_ns), keys.before_time(to_ns)
    newest = islice(entries(scope, scope.time_partitions(), low, high, newest_first=True, limit=most), most)
    return [keys.trace_id_of(entry["pk"]["S"]) for entry in newest]


def trace_of_span(scope: Scope, span_id: str) -> str:
    if visible_heads(scope, [scope.trace_pk(span_id)]):
        return span_id
    partition = keys.by_span(scope.user_id, span_id)
    while True:
        items = scope.table.query(partition, index="by_conversation", descending=True, page_items=ALIASES_READ)
        aliases = [item["pk"]["S"] for item in islice(items, ALIASES_READ)]
        visible = visible_heads(scope, aliases)
        for pk in aliases:
            if pk in visible:
                return keys.trace_id_of(pk)
        if scope.alias_waits.attempts == ALIAS_ATTEMPTS:
            raise NotFound("There is no such span.")
        scope.alias_waits.pause()


def turn_number(scope: Scope, conversation_id: str, position: str) -> int:
    filters = Filters(conversation_id=Condition((conversation_id,)))
    oldest = list_traces(scope, TraceQuery(filters, newest_first=False), 1)
    first = oldest.traces[0].head.cursor_position if oldest.traces else oldest.next_position
    if first is None or position <= first:
        return 1
    partition = keys.by_conversation(scope.user_id, conversation_id)
    number = scope.table.count(partition, keys.HEAD, first, position, index="by_conversation")
    return max(1, number or 0)


def turn_before(scope: Scope, conversation_id: str, position: str | None = None) -> ListedTrace | None:
    filters = Filters(conversation_id=Condition((conversation_id,)))
    return next(iter(list_traces(scope, TraceQuery(filters), 1, position).traces), None)


def _is_listed(scope: Scope, query: TraceQuery, candidate: Candidate, head: Head) -> bool:
    """Whether the head agrees with the index and passes the filters.

    A message alias may have the cursor position that the trace would have got from an interrupted first writer.
    """
    messages = query.filters.values.get("message_id")
    is_by_message = messages is not None and bool(messages.any_of)
    if candidate.cursor_position != head.cursor_position and not is_by_message:
        return False
    trace_id = keys.trace_id_of(candidate.pk)
    return query.filters.match(
        head.summary,
        _StoredSpans(scope, trace_id, head),
        lambda: scope.read_annotations(trace_id).annotations_without(head.deleted),
    )


class _StoredSpans:
    """The spans of one trace for its filters, read at most once.

    *raises*: BudgetSpent where the payloads do not fit into what is left of the budget. The first trace of a request is
    read even so, up to `TRACE_BYTES_MOST`, so that each request makes progress.
    """

    def __init__(self, scope: Scope, trace_id: str, head: Head) -> None:
        self._scope = scope
        self._trace_id = trace_id
        self._head = head
        self._read: dict[bool, list[Span]] = {}

    def __call__(self, *, payloads: bool = False) -> list[Span]:
        if True in self._read:
            return self._read[True]
        if payloads not in self._read:
            self._read[payloads] = merge(self._stored(payloads=payloads).updates(), self._head.deleted)
        return self._read[payloads]

    def _stored(self, *, payloads: bool) -> StoredTrace:
        if not payloads:
            return self._scope.read_core(self._trace_id)
        budget = self._scope.budget
        bytes_most = min(budget.bytes_left, TRACE_BYTES_MOST) if budget.has_progress else TRACE_BYTES_MOST
        stored = self._scope.read_whole(self._trace_id, max(bytes_most, 1))
        if stored.is_cut and budget.has_progress:
            raise BudgetSpent
        return stored


def candidates(scope: Scope, query: TraceQuery, limit: int, after: str | None) -> Iterator[Candidate]:
    """The index entries of traces that may match, in order, those up to and including `after` left out."""
    low = keys.before_time(query.from_ns) if query.from_ns is not None else ""
    high = keys.before_time(query.to_ns) if query.to_ns is not None else ""
    if after is not None:
        low, high = (low, after) if query.newest_first else (after, high)
    if low and high and low > high:
        return
    if query.trace_ids:
        listed = iter(_named(scope, query))
    else:
        partitions = _partitions(scope, query.filters)
        listed = entries(scope, partitions, low, high, newest_first=query.newest_first, limit=limit)
    for candidate in map(candidate_of, listed):
        position = candidate.cursor_position
        if position != after and low <= position and (not high or position <= high):
            after = position  # a trace that moves between partitions meanwhile may be in two of them
            yield candidate


def entries(
    scope: Scope, partitions: Sequence[Partition], low: str, high: str, *, newest_first: bool, limit: int
) -> Iterator[Item]:
    """The entries of index partitions in one order, read lazily in pages that fit a list of `limit`.

    A trace that moves from one of the partitions to another meanwhile may be there twice, in succession.
    """
    page_items = max(limit // len(partitions) + 1, 25)
    streams = [
        scope.table.query(key, low, high, index=index, descending=newest_first, page_items=page_items)
        for index, key in partitions
    ]
    return heapq.merge(*streams, key=_position_of, reverse=newest_first)


def _position_of(entry: Item) -> str:
    position: str = entry["at"]["S"]
    return position


def _partitions(scope: Scope, filters: Filters) -> list[Partition]:
    """The index partitions, as few as possible, that contain every trace which may match."""
    messages = filters.values.get("message_id")
    if messages is not None and messages.any_of:
        return [("by_conversation", keys.by_message(scope.user_id, message)) for message in messages.any_of]
    if filters.conversation_id is not None and filters.conversation_id.any_of:
        conversations = filters.conversation_id.any_of
        return [("by_conversation", keys.by_conversation(scope.user_id, name)) for name in conversations]
    statuses = set(filters.status.any_of) if filters.status is not None else set()
    if statuses == {"error"} or filters.has_errors:
        return scope.status_partitions("error")
    if statuses and "success" not in statuses:  # a pending trace with a failed span is in the partition of failed ones
        return [*scope.status_partitions("pending"), *scope.status_partitions("error")]
    return scope.time_partitions()


def _named(scope: Scope, query: TraceQuery) -> list[Item]:
    """The entries that an index would have of the traces that the query names."""
    heads = visible_heads(scope, (scope.trace_pk(trace_id) for trace_id in query.trace_ids))
    items: list[Item] = [{"pk": {"S": pk}, "at": {"S": head.cursor_position}} for pk, head in heads.items()]
    return sorted(items, key=lambda item: str(item["at"]["S"]), reverse=query.newest_first)


def candidate_of(item: Item) -> Candidate:
    """The candidate in an index entry."""
    return Candidate(item["at"]["S"], item["pk"]["S"])
