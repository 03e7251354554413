"""A DynamoDB client whose process dies at a chosen write."""

from collections.abc import Callable
from typing import Any

WRITES = ("put_item", "batch_write_item", "transact_write_items")


class Crash(BaseException):
    """The end of the process."""


class Mortal:
    """A DynamoDB client whose process dies after the given number of writes. Each item of a batch is one write."""

    def __init__(self, db: Any, writes: int) -> None:
        self._db = db
        self._left = writes

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def called(**request: Any) -> Any:
            if name == "batch_write_item":
                ((table, requests),) = request["RequestItems"].items()
                for entry in requests:
                    self._count()
                    self._db.batch_write_item(RequestItems={table: [entry]})
                return {}
            if name in WRITES:
                self._count()
            return getattr(self._db, name)(**request)

        return called

    def _count(self) -> None:
        if not self._left:
            raise Crash
        self._left -= 1
