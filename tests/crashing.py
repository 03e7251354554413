"""DynamoDB clients that simulate the crash of their process at a chosen write or call."""

from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

WRITES = ("put_item", "batch_write_item", "transact_write_items")


class Crash(BaseException):
    """The end of the process. No code catches it."""


class CrashingAtWrite:
    """A client whose process crashes after the given number of writes. Each item of a batch is one write."""

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


class Counting:
    """A client that counts its writes, and fails them if it `refuses`."""

    def __init__(self, db: Any, *, refuses: bool = False) -> None:
        self._db = db
        self._refuses = refuses
        self.writes = 0

    def __getattr__(self, name: str) -> Any:
        if name in WRITES:
            self.writes += 1
            if self._refuses:
                raise ClientError({"Error": {"Code": "AccessDeniedException"}}, name)
        return getattr(self._db, name)


class CrashingAtCall:
    """A client whose process crashes after the given number of calls. `end` is raised instead of `Crash`."""

    def __init__(self, db: Any, calls: int, end: BaseException | type[Crash] = Crash) -> None:
        self._db = db
        self._left = calls
        self._end = end

    def __getattr__(self, name: str) -> Any:
        self._left -= 1
        if self._left < 0:
            raise self._end
        return getattr(self._db, name)
