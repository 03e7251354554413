"""The record of deletions as responses show it."""

from typing import Any

from tracestore.domain.times import NS_PER_MS, format_time
from tracestore.storage.model import DeletionRecord


def deletion_json(record: DeletionRecord) -> dict[str, Any]:
    """One deletion. `finished_at` is null until its job has ended."""
    return {
        "kind": record.kind,
        "user_id": record.actor.user_id,
        "credential": record.actor.credential,
        "key_id": record.actor.key_id,
        "state": record.state,
        "requested_at": format_time(record.requested_ms * NS_PER_MS),
        "finished_at": None if record.ended_ms is None else format_time(record.ended_ms * NS_PER_MS),
        "deleted": {"traces": record.traces, "spans": record.spans},
    }
