"""The pending deletions of users, each remembered by this process for a second.

They are in one item of a user, which each request reads: without this, one partition would limit the requests of a user
to about 3,000 a second, and a batch of spans would read it once for each trace.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Final

from .model import PendingDeletion

REMEMBERED_S: Final = 1.0
"""How long another instance may go on as before a bulk deletion. The wait of a job for captures under way is longer."""

_USERS: Final = 1_000


@dataclass(slots=True)
class Remembered:
    """One user's pending deletions. Threads that read them at the same time overwrite each other harmlessly."""

    now_s: Callable[[], float]
    _read: tuple[float, tuple[PendingDeletion, ...]] | None = None

    def fresh(self) -> tuple[PendingDeletion, ...] | None:
        """The pending deletions as they were read a second ago or later. *absent*: None."""
        if self._read is None:
            return None
        read_s, pending_deletions = self._read
        return pending_deletions if 0 <= self.now_s() - read_s < REMEMBERED_S else None

    def put(self, pending_deletions: tuple[PendingDeletion, ...]) -> tuple[PendingDeletion, ...]:
        """Remember what has just been read."""
        self._read = self.now_s(), pending_deletions
        return pending_deletions


class RememberedDeletions:
    """The users whose pending deletions this process read last. Safe for many threads."""

    def __init__(self, now_s: Callable[[], float] = time.time) -> None:
        self._now_s = now_s
        self._lock = Lock()
        self._users: OrderedDict[str, Remembered] = OrderedDict()

    def of(self, user_id: str) -> Remembered:
        """The place of a user's pending deletions."""
        with self._lock:
            remembered = self._users.setdefault(user_id, Remembered(self._now_s))
            self._users.move_to_end(user_id)
            if len(self._users) > _USERS:
                self._users.popitem(last=False)
            return remembered

    def forget(self, user_id: str) -> None:
        """Forget a user's, after this process has changed them. A read that is under way is not remembered either."""
        with self._lock:
            self._users.pop(user_id, None)
