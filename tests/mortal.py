"""A DynamoDB client whose process dies at a write of the test's choosing."""

from collections.abc import Callable
from typing import Any

WRITES = ("put_item", "batch_write_item", "transact_write_items")


class Crash(BaseException):
    """The process is gone."""


class Mortal:
    """A DynamoDB client whose process dies after so many writes, items of a batch counted one by one."""

    def __init__(self, db: Any, writes: int) -> None:
        self._db = db
        self._left = writes

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def called(**request: Any) -> Any:
            if name == "batch_write_item":
                ((table, requests),) = request["RequestItems"].items()
                for one in requests:
                    self._count()
                    self._db.batch_write_item(RequestItems={table: [one]})
                return {}
            if name in WRITES:
                self._count()
            return getattr(self._db, name)(**request)

        return called

    def _count(self) -> None:
        if not self._left:
            raise Crash
        self._left -= 1
