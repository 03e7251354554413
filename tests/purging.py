"""DynamoDB clients for tests of purging: one fails at chosen tombstones, one collects the jobs on the stream."""

from typing import Any

from dev import streams
from dev.template import Template
from tracestore.storage.jobs import owner_and_id

PURGE = "PurgeFunction"
_PATTERNS = [pattern for each in Template().subscriptions if each.function == PURGE for pattern in each.patterns]


class FailingAtTombstones:
    """A client that fails unexpectedly when it writes the tombstones of certain traces."""

    def __init__(self, db: Any, *trace_ids: str) -> None:
        self._db = db
        self._trace_ids = trace_ids

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)

    def put_item(self, **request: Any) -> Any:
        """Fail for the heads of these traces."""
        if request["Item"]["pk"]["S"].rpartition("#T#")[2] in self._trace_ids:
            raise KeyError("an unexpected error")
        return self._db.put_item(**request)


class JobCollector:
    """A client that collects the jobs that the stream would deliver to the purge function."""

    def __init__(self, db: Any) -> None:
        self._db = db
        self.jobs: list[tuple[str, str]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)

    def put_item(self, **request: Any) -> Any:
        """Put an item, and collect its job."""
        answer = self._db.put_item(**request)
        self._note(request["Item"])
        return answer

    def transact_write_items(self, **request: Any) -> Any:
        """Write items, and collect their jobs."""
        answer = self._db.transact_write_items(**request)
        for entry in request["TransactItems"]:
            if "Put" in entry:
                self._note(entry["Put"]["Item"])
        return answer

    def _note(self, item: Any) -> None:
        change = {"Keys": {"pk": item["pk"], "sk": item["sk"]}, "NewImage": item}
        if any(streams.matches({"eventName": "MODIFY", "dynamodb": change}, pattern) for pattern in _PATTERNS):
            self.jobs.append(owner_and_id(item))
