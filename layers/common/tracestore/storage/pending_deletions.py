"""Pending deletions: they hide traces at once, before a job removes them one by one.

All pending deletions of a user are in one small item. Readers fetch it together with the heads, and writers before they
add to a trace, unless their process has read it within the last second.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from tracestore.domain.errors import Conflict

from . import keys
from .formats.traces import pack_pending_deletions, unpack_pending_deletions
from .model import DeletionScope, Item, Partition, PendingDeletion, StoredHead
from .segments import expiry, key
from .store import Scope

PENDING_DELETIONS_MOST: Final = 200
"""Pending deletions of one user at the same time."""

FAR_FUTURE_S: Final = 4_102_444_800
"""The year 2100, for items that are removed for another reason: a pending deletion, when its job is done."""


def partitions_of(scope: Scope, deletion: DeletionScope) -> list[Partition]:
    """The index partitions that contain everything a deletion includes, and as little else as possible."""
    if deletion.conversation_id is not None:
        return [("by_conversation", keys.by_conversation(scope.user_id, deletion.conversation_id))]
    if deletion.lesson_id is not None:
        return [("by_conversation", keys.by_lesson(scope.user_id, deletion.lesson_id))]
    return scope.lesson_partitions() if deletion.lessons else scope.time_partitions()


def is_pending_deletion(head: StoredHead, pending_deletions: Iterable[PendingDeletion]) -> bool:
    """Whether one of these deletions includes the trace."""
    return any(pending.includes(head) for pending in pending_deletions)


def read_pending_deletions(scope: Scope) -> tuple[PendingDeletion, ...]:
    """The user's pending deletions as they are now, in the order of their requests: for what removes traces."""
    return pending_deletions_from(scope.table.get(keys.user(scope.user_id), keys.USER))


def recent_pending_deletions(scope: Scope) -> tuple[PendingDeletion, ...]:
    """The user's pending deletions as they were at most a second ago: for what reads or adds to traces."""
    remembered = scope.store.deletions.of(scope.user_id)
    recent = remembered.fresh()
    return remembered.put(read_pending_deletions(scope)) if recent is None else recent


def pending_deletions_from(item: Item | None) -> tuple[PendingDeletion, ...]:
    """The pending deletions in a user's item. *absent*: none without an item."""
    return unpack_pending_deletions(item["marks"]["B"]) if item else ()


def pending_deletions_item(user_id: str, pending_deletions: Iterable[PendingDeletion], version: int) -> Item:
    """A user's item with these pending deletions."""
    return {
        **key(keys.user(user_id), keys.USER),
        "v": {"N": str(version)},
        **expiry(FAR_FUTURE_S),
        "marks": {"B": pack_pending_deletions(pending_deletions)},
    }


def change_pending_deletions(
    scope: Scope,
    change: Callable[[Sequence[PendingDeletion]], Sequence[PendingDeletion]],
    companions: Sequence[Item] = (),
) -> None:
    """Put the user's pending deletions as `change` returns them, and companion items, in one transaction.

    *raises*: Conflict when there would be more than `PENDING_DELETIONS_MOST`.
    """
    pk = keys.user(scope.user_id)

    def attempt() -> None:
        item = scope.table.get(pk, keys.USER)
        version = int(item["v"]["N"]) if item else None
        changed = change(pending_deletions_from(item))
        if len(changed) > PENDING_DELETIONS_MOST:
            raise Conflict(
                "Too many bulk deletions are pending; try again when some of them are done.", code="too_many_jobs"
            )
        new = pending_deletions_item(scope.user_id, changed, (version or 0) + 1)
        if companions:
            scope.table.put_together(new, version, companions)
        else:
            scope.table.put(new, version)

    try:
        scope.deadline.retry(attempt)
    finally:  # also where the response was lost: the change may have been stored
        scope.store.deletions.forget(scope.user_id)
