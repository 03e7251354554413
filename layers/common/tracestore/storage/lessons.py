"""Lists of lesson traces, newest first: after a cursor position, or after an offset, with the total.

The indexes contain lesson traces by their lesson index item. Counting and skipping read index keys alone, and heads
only where a pending deletion may hide some; the heads of a page decide, as in every list (`listing`). A skipped lesson
costs 5 microseconds to parse, and one that is only counted costs none.
"""

from collections.abc import Iterable, Iterator, Sequence, Set
from itertools import chain, islice
from typing import NamedTuple

from tracestore.domain.errors import Detail, Invalid, NotFound, Unavailable
from tracestore.domain.heads import Summary
from tracestore.domain.texts import normalized

from . import keys
from .listing import (
    SCANNED_MOST,
    Candidate,
    ListedTrace,
    Page,
    candidate_of,
    entries,
    heads_in,
    page_of,
    visible_heads,
)
from .model import Head, Partition, PendingDeletion
from .pending_deletions import is_pending_deletion, partitions_of, recent_pending_deletions
from .store import Scope


class LessonQuery(NamedTuple):
    """The lesson traces that a list asks for: of a lesson, a status, a time range, or all. `status` is the root span's.

    `from_ns` is included, `to_ns` is not; both limit the cursor position. `search` is normalized text.
    """

    lesson_id: str | None = None
    status: str | None = None
    from_ns: int | None = None
    to_ns: int | None = None
    provider_used: str | None = None
    search: str | None = None

    @property
    def is_walked(self) -> bool:
        """Whether heads alone decide: then no index can count the lessons, nor skip some."""
        return self.provider_used is not None or self.search is not None

    @property
    def low(self) -> str:
        """The cursor position that the range begins at. *absent*: empty."""
        return "" if self.from_ns is None else keys.before_time(self.from_ns)

    @property
    def high(self) -> str:
        """The cursor position that the range ends before. *absent*: empty."""
        return "" if self.to_ns is None else keys.before_time(self.to_ns)

    @property
    def is_empty(self) -> bool:
        """Whether no position lies in the range. DynamoDB refuses a range that ends before it begins."""
        return self.low > self.high != ""

    def matches(self, head: Head) -> bool:
        """Whether the list contains a trace with this head."""
        summary, position = head.summary, head.cursor_position
        return (
            summary.is_lesson
            and (self.lesson_id is None or summary.lesson_id == self.lesson_id)
            and (self.status is None or summary.status == self.status)
            and self.low <= position
            and (not self.high or position < self.high)
            and (self.provider_used is None or summary.provider_used == self.provider_used)
            and (self.search is None or any(self.search in normalized(text) for text in _texts(summary)))
        )

    def partitions(self, scope: Scope) -> list[Partition]:
        """The smallest index partitions that contain all of them."""
        if self.lesson_id is not None:
            return [("by_conversation", keys.by_lesson(scope.user_id, self.lesson_id))]
        return scope.lesson_partitions(self.status)


def _texts(summary: Summary) -> Iterable[str]:
    """The texts of a lesson in which a search looks."""
    return filter(None, (summary.lesson_id, summary.name, summary.previews.input, summary.previews.output))


def read_lesson_head(scope: Scope, trace_ids: Sequence[str]) -> ListedTrace:
    heads = visible_heads(scope, map(scope.trace_pk, trace_ids))
    for trace_id in trace_ids:
        head = heads.get(scope.trace_pk(trace_id))
        if head is not None and head.summary.is_lesson:
            return ListedTrace(trace_id, head)
    raise NotFound("There is no such lesson trace.")


class Offset(NamedTuple):
    """The result of skipping part of a list: the total, and the cursor position to continue after (None: at its start).

    `is_past_end` when the list is not as long as the offset. *absent*: a total of None where counting to the end would
    exceed the budget of a request.
    """

    total: int | None
    cursor_position: str | None = None
    is_past_end: bool = False


def list_lessons(scope: Scope, query: LessonQuery, limit: int, after: str | None = None) -> Page:
    if query.is_empty:
        return Page([], None, None)

    def is_listed(candidate: Candidate, head: Head) -> bool:
        return candidate.cursor_position == head.cursor_position and query.matches(head)

    return page_of(scope, _candidates(scope, query, limit, after), limit, is_listed)


def _candidates(scope: Scope, query: LessonQuery, limit: int, after: str | None) -> Iterator[Candidate]:
    """The candidates after a cursor position, newest first, each once."""
    high = after or query.high
    for entry in entries(scope, query.partitions(scope), query.low, high, newest_first=True, limit=limit):
        candidate = candidate_of(entry)
        if candidate.cursor_position != after:
            after = candidate.cursor_position
            yield candidate


def skip_lessons(scope: Scope, query: LessonQuery, offset: int = 0) -> Offset:
    if query.is_empty:
        return Offset(0, is_past_end=True)
    if query.lesson_id is not None and query.status is not None:
        return _skip_by_heads(scope, query, offset)
    hidden = _hidden_positions(scope, query)
    if hidden is None and offset:
        raise Unavailable(
            "A deletion of many lessons is running; use an offset again when it is done.", retry_after_s=30
        )
    if hidden is None:
        return Offset(None)
    least = keys.lesson_index(scope.now_ms() // 1000 + 1)
    skipped_to = None
    if offset:
        first = list(islice(_visible_positions(scope, query, least, hidden, offset), offset))
        if len(first) < offset:
            return Offset(len(first), is_past_end=True)
        skipped_to = first[-1]
    counts = [
        scope.table.count(partition, least, query.low, skipped_to or query.high, index=index, is_bounded=True)
        for index, partition in query.partitions(scope)
    ]
    if None in counts:
        return Offset(None, skipped_to)
    rest = sum(filter(None, counts)) - sum(skipped_to is None or position < skipped_to for position in hidden)
    return Offset(offset + max(0, rest - (skipped_to is not None)), skipped_to)  # the rest includes `skipped_to` itself


def _visible_positions(scope: Scope, query: LessonQuery, least: str, hidden: Set[str], offset: int) -> Iterator[str]:
    """The cursor positions that a list begins with. *raises*: Invalid when the budget is spent."""
    for entry in entries(scope, query.partitions(scope), query.low, query.high, newest_first=True, limit=offset):
        if scope.budget.is_spent:
            raise _too_far()
        position = entry["at"]["S"]
        if entry["sk"]["S"] >= least and position not in hidden:
            yield position


def _too_far() -> Invalid:
    remedy = "is farther than one request can count: use the cursor of a page before it"
    return Invalid(f"offset {remedy}.", code="invalid_parameter", details=(Detail("offset", remedy),))


def _skip_by_heads(scope: Scope, query: LessonQuery, offset: int) -> Offset:
    page = list_lessons(scope, query, SCANNED_MOST)
    positions = [listed.head.cursor_position for listed in page.traces]
    is_whole = page.next_position is None
    if offset > len(positions) and not is_whole:
        raise _too_far()
    is_past_end = is_whole and offset > 0 and len(positions) <= offset
    return Offset(
        len(positions) if is_whole else None,
        positions[offset - 1] if 0 < offset <= len(positions) else None,
        is_past_end,
    )


def _hidden_positions(scope: Scope, query: LessonQuery) -> Set[str] | None:
    """The cursor positions of the list's traces that a pending deletion hides and has yet to remove.

    *absent*: None where there are more than one request can read.
    """
    pending_deletions = recent_pending_deletions(scope)
    heads: dict[str, Head] = {}
    searched = dict.fromkeys(chain.from_iterable(_searched(scope, query, pending) for pending in pending_deletions))
    for partition, high in searched:
        for listed in heads_in(scope, [partition], high):
            heads[listed.trace_id] = listed.head
            if scope.budget.is_spent:
                return None
    return {
        head.cursor_position
        for head in heads.values()
        if is_pending_deletion(head, pending_deletions) and query.matches(head)
    }


def _searched(scope: Scope, query: LessonQuery, pending: PendingDeletion) -> list[tuple[Partition, str]]:
    """The index partitions, each up to a cursor position, that contain every trace of the list which a deletion hides.

    A deletion by name has a partition of its own. A deletion of everything may have a million other traces to remove,
    so the list itself is searched.
    """
    deletion = pending.scope
    if deletion.conversation_id is not None or deletion.lesson_id is not None:
        return [(partition, query.high) for partition in partitions_of(scope, deletion)]
    ends = [query.high, "" if deletion.before_ns is None else keys.before_time(deletion.before_ns)]
    return [(partition, min(filter(None, ends), default="")) for partition in query.partitions(scope)]
