"""Lists of lesson traces, newest first: after a cursor position, or after an offset, with the total.

The indexes contain lesson traces by their lesson index item. Counting and skipping read index keys alone, and heads
only where a pending deletion may hide some; the heads of a page decide, as in every list (`listing`).
"""

from collections.abc import Iterable, Sequence
from functools import partial
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
from .pending_deletions import is_pending_deletion, partitions_of, read_pending_deletions
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

    def partition(self, user_id: str) -> Partition:
        """The smallest index partition that contains all of them."""
        if self.lesson_id is not None:
            return "by_conversation", keys.by_lesson(user_id, self.lesson_id)
        if self.status is not None:
            return "by_status", keys.by_lesson_status(user_id, self.status)
        return "by_time", keys.by_lessons(user_id)


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
    partition, high = query.partition(scope.user_id), after or query.high
    index_entries = map(candidate_of, entries(scope, partition, query.low, high, True, limit))
    candidates = (candidate for candidate in index_entries if candidate.cursor_position != after)

    def is_listed(candidate: Candidate, head: Head) -> bool:
        return candidate.cursor_position == head.cursor_position and query.matches(head)

    return page_of(scope, candidates, limit, is_listed)


def skip_lessons(scope: Scope, query: LessonQuery, offset: int = 0) -> Offset:
    if query.is_empty:
        return Offset(0, is_past_end=True)
    if query.lesson_id is not None and query.status is not None:
        return _skip_by_heads(scope, query, offset)
    index, partition = query.partition(scope.user_id)
    least = keys.lesson_index(scope.now_ms() // 1000 + 1)
    count = partial(scope.table.count, partition, least, query.low, query.high, index=index, is_bounded=True)
    hidden = _hidden_positions(scope, query)
    if hidden is None and offset:
        raise Unavailable(
            "A deletion of many lessons is running; use an offset again when it is done.", retry_after_s=30
        )
    if hidden is None:
        return Offset(None)
    counted, entry, skipped_to, missing = 0, None, None, offset
    while missing > 0:
        more, entry = count(start_after=entry, at_most=missing)
        counted += more
        if entry is None:
            return Offset(max(0, counted - len(hidden)), is_past_end=True)
        if scope.budget.is_spent and counted < offset:
            raise _too_far()
        skipped_to = entry["at"]["S"]
        missing = offset - counted + sum(position >= skipped_to for position in hidden)
    rest, uncounted = count(start_after=entry)
    return Offset(None if uncounted else max(0, counted + rest - len(hidden)), skipped_to)


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


def _hidden_positions(scope: Scope, query: LessonQuery) -> list[str] | None:
    """The cursor positions of the list's traces that a pending deletion hides and has yet to remove.

    *absent*: None where there are more than one request can read.
    """
    pending_deletions = read_pending_deletions(scope)
    heads: dict[str, Head] = {}
    for partition, high in {_searched(scope, query, pending) for pending in pending_deletions}:
        for listed in heads_in(scope, [partition], high):
            heads[listed.trace_id] = listed.head
            if scope.budget.is_spent:
                return None
    return [
        head.cursor_position
        for head in heads.values()
        if is_pending_deletion(head, pending_deletions) and query.matches(head)
    ]


def _searched(scope: Scope, query: LessonQuery, pending: PendingDeletion) -> tuple[Partition, str]:
    """The index partition, up to a cursor position, that contains every trace of the list which a deletion hides.

    A deletion by name has a partition of its own. A deletion of everything may have a million other traces to remove,
    so the list itself is searched.
    """
    deletion = pending.scope
    if deletion.conversation_id is not None or deletion.lesson_id is not None:
        return partitions_of(scope, deletion)[0], query.high
    ends = [query.high, "" if deletion.before_ns is None else keys.before_time(deletion.before_ns)]
    return query.partition(scope.user_id), min(filter(None, ends), default="")
