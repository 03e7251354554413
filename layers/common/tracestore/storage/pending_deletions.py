"""Marks of bulk deletions: what hides traces at once, before they are removed one by one.

All marks of a user are in one small item, which readers fetch together with the heads and writers before they add to a
trace. A mark covers the traces that were first written before it was made; a trace that begins later is untouched.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Final, TypeAlias

from . import keys
from .codec import pack, unpack
from .items import Head
from .segments import Item
from .store import Store

PENDING_DELETIONS_KEPT: Final = 200
"""Deletions of one user that may wait at the same time."""

FAR_FUTURE_S: Final = 4_102_444_800
"""2100: the item has to say when it expires; marks are removed when their job is done."""


Partition: TypeAlias = tuple[str, str]
"""An index, and the key of a partition of it."""


@dataclass(frozen=True, slots=True)
class PendingDeletion:
    """One bulk deletion of everything, or of what is given here: `lessons` are all lesson traces."""

    job_id: str
    made_ms: int
    conversation_id: str | None = None
    before_ns: int | None = None
    lessons: bool = False
    lesson_id: str | None = None

    def includes(self, head: Head) -> bool:
        """Whether this deletion is about the trace with this head."""
        if head.created_ms >= self.made_ms or head.summary is None:
            return False
        return (
            (self.conversation_id is None or head.summary.conversation_id == self.conversation_id)
            and (self.before_ns is None or keys.position_time(head.position) < self.before_ns)
            and (not self.lessons or head.summary.is_lesson)
            and (self.lesson_id is None or head.summary.lesson_id == self.lesson_id)
        )

    def partitions(self, store: Store, user_id: str) -> list[Partition]:
        """Where everything that it covers stands, and as little else as there is an index for."""
        if self.conversation_id is not None:
            return [("by_conversation", keys.by_conversation(user_id, self.conversation_id))]
        if self.lesson_id is not None:
            return [("by_conversation", keys.by_lesson(user_id, self.lesson_id))]
        return [("by_time", keys.by_lessons(user_id))] if self.lessons else time_partitions(store, user_id)


def time_partitions(store: Store, user_id: str) -> list[Partition]:
    """Where all traces stand."""
    return [("by_time", keys.by_time_shard(user_id, shard)) for shard in range(store.time_shards)]


def is_pending_deletion(head: Head, pending_deletions: Iterable[PendingDeletion]) -> bool:
    """Whether one of these deletions covers the trace."""
    return any(pending_deletion.includes(head) for pending_deletion in pending_deletions)


def read_pending_deletions(store: Store, user_id: str) -> tuple[PendingDeletion, ...]:
    return pending_deletions_from(store.table.get(keys.user(user_id), keys.USER))


def pending_deletions_from(item: Item | None) -> tuple[PendingDeletion, ...]:
    """The marks in a user's item; none without one."""
    return tuple(PendingDeletion(**pending_deletion) for pending_deletion in unpack(item["marks"]["B"])) if item else ()


def version_of(item: Item | None) -> int | None:
    return int(item["v"]["N"]) if item else None


def pending_deletions_item(user_id: str, pending_deletions: Iterable[PendingDeletion], version: int) -> Item:
    return {
        "pk": {"S": keys.user(user_id)},
        "sk": {"S": keys.USER},
        "v": {"N": str(version)},
        "expires_at": {"N": str(FAR_FUTURE_S)},
        "marks": {"B": pack([asdict(pending_deletion) for pending_deletion in pending_deletions])},
    }
