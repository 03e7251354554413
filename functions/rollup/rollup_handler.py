"""The table's stream of heads into counters: what every dashboard reads."""

from collections.abc import Mapping
from typing import Any

from tracestore.http.stream import Line, consuming, records_of, shard_id_of
from tracestore.http.telemetry import logger
from tracestore.http.wiring import deadline_for, store
from tracestore.storage import keys
from tracestore.storage.counters import Change, apply


def count(event: Mapping[str, Any], context: Any, line: Line) -> dict[str, Any]:
    """Move the counters by what the heads in this batch have changed.

    The tumbling window is there for the shard's id, which Lambda tells only with one. Nothing is kept in its state:
    each counter remembers how far it has come. What goes because of its age is no change to count, and is filtered.
    """
    changes = [
        Change(record.sequence, record.pk, record.old, record.new)
        for record in records_of(event)
        if record.sk == keys.HEAD and record.new is not None
    ]
    if changes:
        applied = apply(store(), shard_id_of(event), changes, deadline_for(context.get_remaining_time_in_millis))
        line |= {"counters": applied.counters, "dead_letters": len(applied.dead_letters)}
        for change, reason in applied.dead_letters:
            logger.error("a change is not counted", extra={"trace": change.trace_pk, "reason": reason})
    return {"state": event.get("state") or {}}


handler = consuming(count)
