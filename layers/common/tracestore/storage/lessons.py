"""Lists of lesson traces, newest first: from a position on, or from the n-th on, with how many there are in all.

They stand in the indexes by their lens. Counting and skipping read index keys alone, and the heads only of what a bulk
deletion may hide; the heads of a page have the last word, as in every list (`listing`).
"""

from typing import Final, NamedTuple

from tracestore.domain.errors import NotFound
from tracestore.domain.heads import Summary

from . import keys
from .items import Head
from .listing import Candidate, Page, candidate_of, entries, heads_in, page_of, read_heads
from .pending_deletions import Partition, PendingDeletion, is_pending_deletion, read_pending_deletions
from .store import Store
from .table import Deadline

HEADS_AT_ONCE: Final = 1_000


class LessonQuery(NamedTuple):
    """Which lesson traces: of this lesson, of this status, of both or all. `status` is the root's."""

    lesson_id: str | None = None
    status: str | None = None

    def asks_for(self, summary: Summary) -> bool:
        """Whether a trace is listed."""
        return (
            summary.is_lesson
            and (self.lesson_id is None or summary.lesson_id == self.lesson_id)
            and (self.status is None or summary.status == self.status)
        )

    def partition(self, user_id: str) -> Partition:
        """The smallest partition that all of them stand in."""
        if self.lesson_id is not None:
            return "by_conversation", keys.by_lesson(user_id, self.lesson_id)
        if self.status is not None:
            return "by_status", keys.by_lesson_status(user_id, self.status)
        return "by_time", keys.by_lessons(user_id)


def read_lesson_head(store: Store, user_id: str, trace_id: str, deadline: Deadline | None = None) -> Head:
    """The head of a lesson trace. *raises* NotFound, also for a trace that is none."""
    pk = keys.trace(user_id, trace_id)
    head = read_heads(store, user_id, [pk], deadline or Deadline()).get(pk)
    if head is None or head.summary is None or not head.summary.is_lesson:
        raise NotFound("There is no such lesson trace.")
    return head


class Place(NamedTuple):
    """Where the n-th of a list is, and how long the list is.

    A page goes on behind `position`; None is the beginning. `is_beyond` when the list is not that long.
    """

    total: int
    position: str | None = None
    is_beyond: bool = False


def list_lessons(
    store: Store,
    user_id: str,
    query: LessonQuery,
    limit: int,
    after: str | None = None,
    deadline: Deadline | None = None,
) -> Page:
    """The next page of a list, at most `limit` lesson traces behind position `after`."""
    deadline = deadline or Deadline()
    found = map(candidate_of, entries(store, query.partition(user_id), "", after or "", True, limit))
    candidates = (candidate for candidate in found if candidate.position != after)

    def is_listed(candidate: Candidate, head: Head) -> bool:
        return candidate.position == head.position and head.summary is not None and query.asks_for(head.summary)

    return page_of(store, user_id, candidates, limit, is_listed, deadline)


def place_of(
    store: Store, user_id: str, query: LessonQuery, offset: int = 0, deadline: Deadline | None = None
) -> Place:
    """Where to go on when `offset` lesson traces are skipped, and how many there are with them.

    Costs half a read unit for some twenty of them. With both a lesson and a status the heads of the lesson are read: no
    index knows of both.
    """
    deadline = deadline or Deadline()
    if query.lesson_id is not None and query.status is not None:
        return _place_by_heads(store, user_id, query, offset, deadline)
    index, partition = query.partition(user_id)
    least = keys.lesson_index(store.now_ms() // 1000 + 1)
    pending = _hidden(store, user_id, query, deadline)
    counted, behind, skipped_to, missing = 0, None, None, offset
    while missing > 0:
        more, behind = store.table.count(partition, least, index=index, behind=behind, at_most=missing)
        counted += more
        if behind is None:
            return Place(max(0, counted - len(pending)), is_beyond=True)
        skipped_to = behind["at"]["S"]
        missing = offset - counted + sum(position >= skipped_to for position in pending)
    rest, _ = store.table.count(partition, least, index=index, behind=behind)
    return Place(max(0, counted + rest - len(pending)), skipped_to)


def _place_by_heads(store: Store, user_id: str, query: LessonQuery, offset: int, deadline: Deadline) -> Place:
    positions: list[str] = []
    after = None
    while True:
        page = list_lessons(store, user_id, query, HEADS_AT_ONCE, after, deadline)
        positions += [listed.head.position for listed in page.traces]
        after = page.next_position
        if after is None:
            is_beyond = offset > 0 and len(positions) <= offset
            return Place(len(positions), positions[offset - 1] if 0 < offset <= len(positions) else None, is_beyond)


def _hidden(store: Store, user_id: str, query: LessonQuery, deadline: Deadline) -> list[str]:
    """The positions of those in the index that a bulk deletion hides, and has yet to remove."""
    pending_deletions = read_pending_deletions(store, user_id)
    heads: dict[str, Head] = {}
    for partition, high in {_sought(store, user_id, query, pending_deletion) for pending_deletion in pending_deletions}:
        heads |= heads_in(store, [partition], high, deadline)
    return [
        head.position
        for head in heads.values()
        if is_pending_deletion(head, pending_deletions) and head.summary is not None and query.asks_for(head.summary)
    ]


def _sought(store: Store, user_id: str, query: LessonQuery, pending_deletion: PendingDeletion) -> tuple[Partition, str]:
    """Where to look for what a deletion hides of a list: where it stands by name, else in the list itself.

    A deletion of everything may have a million other traces to remove.
    """
    if pending_deletion.conversation_id is not None or pending_deletion.lesson_id is not None:
        return pending_deletion.partitions(store, user_id)[0], ""
    return query.partition(user_id), "" if pending_deletion.before_ns is None else keys.before_time(
        pending_deletion.before_ns
    )
