"""The append-only record of deletions: one item for each, which is stored in one transaction with the deletion itself.

A deletion of one trace or one span is recorded together with the head that carries it out. A bulk deletion is recorded
together with its job, and the numbers of the record follow those of the job. So no deletion is without its record,
none has two, and no record is without its deletion. Nothing in the API changes or removes a record.
"""

from typing import Final
from uuid import uuid4

from . import keys
from .model import Actor, DeletionKind, DeletionRecord, DeletionScope, Item, Job
from .segments import expiry, key
from .store import Scope

RECORDS_KEPT_S: Final = 400 * 86_400
"""As long as counters."""


def kind_of(deletion: DeletionScope) -> DeletionKind:
    """The kind of a bulk deletion, without the values that select its traces."""
    if deletion.conversation_id is not None:
        return "conversation"
    if deletion.lesson_id is not None:
        return "lesson"
    if deletion.before_ns is not None:
        return "before"
    return "lessons" if deletion.lessons else "all"


class RequestRecord:
    """The record of a deletion that is complete with the write which stores it, the same for all attempts of a request.

    By it, a request recognises its own deletion: when the answer to a write is lost, the AWS SDK repeats the write,
    which then fails because of itself.
    """

    def __init__(self, scope: Scope, kind: DeletionKind) -> None:
        self._scope = scope
        self._kind = kind
        self._record_id = str(uuid4())
        self._requested_ms = scope.now_ms()
        self._is_sent = False

    def item(self, *, traces: int, spans: int) -> Item:
        """The item, to be stored together with the deletion."""
        self._is_sent = True
        now_ms = self._requested_ms
        record = DeletionRecord(self._record_id, self._kind, self._scope.actor, now_ms, "done", now_ms, traces, spans)
        return record_item(self._scope.user_id, record)

    def is_stored(self) -> bool:
        """Whether an attempt of this request has deleted, although it failed. A first attempt reads nothing."""
        pk, sk = keys.deletion_records(self._scope.user_id), keys.deletion_record(self._requested_ms, self._record_id)
        return self._is_sent and self._scope.table.get(pk, sk) is not None


def job_record_item(user_id: str, job: Job) -> Item | None:
    """The record of a bulk deletion at this state of its job. *absent*: None for a job of an earlier version."""
    if job.kind is None:
        return None
    actor = Actor(job.credential, job.key_id, job.requested_by)
    record = DeletionRecord(
        job.job_id, job.kind, actor, job.requested_ms, job.state, job.ended_ms, job.traces, job.spans
    )
    return record_item(user_id, record)


def record_item(user_id: str, record: DeletionRecord) -> Item:
    """The item of a record about data of the user."""
    item: Item = {
        **key(keys.deletion_records(user_id), keys.deletion_record(record.requested_ms, record.record_id)),
        **expiry(record.requested_ms // 1000 + RECORDS_KEPT_S),
        "record_id": {"S": record.record_id},
        "kind": {"S": record.kind},
        "requested_ms": {"N": str(record.requested_ms)},
        "state": {"S": record.state},
        "traces": {"N": str(record.traces)},
        "spans": {"N": str(record.spans)},
    }
    if record.actor.credential is not None:
        item["credential"] = {"S": record.actor.credential}
    if record.actor.user_id is not None:
        item["user_id"] = {"S": record.actor.user_id}
    if record.actor.key_id is not None:
        item["key_id"] = {"S": record.actor.key_id}
    if record.ended_ms is not None:
        item["ended_ms"] = {"N": str(record.ended_ms)}
    return item


def record_from(item: Item) -> DeletionRecord:
    """The record that `record_item` was given."""

    def text(name: str) -> str | None:
        return item[name]["S"] if name in item else None

    return DeletionRecord(
        record_id=item["record_id"]["S"],
        kind=item["kind"]["S"],
        actor=Actor(text("credential"), text("key_id"), text("user_id")),  # type: ignore[arg-type]
        requested_ms=int(item["requested_ms"]["N"]),
        state=item["state"]["S"],
        ended_ms=int(item["ended_ms"]["N"]) if "ended_ms" in item else None,
        traces=int(item["traces"]["N"]),
        spans=int(item["spans"]["N"]),
    )


def read_deletion_records(
    scope: Scope, limit: int, after: str | None = None
) -> tuple[list[DeletionRecord], str | None]:
    pk = keys.deletion_records(scope.user_id)
    records: list[DeletionRecord] = []
    last = after
    for item in scope.table.query(pk, "", after or "", descending=True, page_items=limit + 2):
        sk = item["sk"]["S"]
        if sk == after or int(item["expires_at"]["N"]) * 1000 <= scope.now_ms():
            continue
        if len(records) == limit:
            return records, last
        records.append(record_from(item))
        last = sk
    return records, None
