"""The rollup: counts the changes of heads in the table's stream, for analytics to read."""

from collections.abc import Mapping
from typing import Any

from tracestore.http.stream import Line, consuming, records_of, shard_id_of
from tracestore.http.telemetry import logger
from tracestore.http.wiring import deadline_for, store
from tracestore.storage import keys
from tracestore.storage.counters import apply
from tracestore.storage.deltas import Change


def count(event: Mapping[str, Any], context: Any, line: Line) -> dict[str, Any]:
    """Apply the changes of the heads in this batch to the counters.

    The event source has a tumbling window because only then does Lambda pass the shard's id. Its state stays empty:
    each counter stores how far it has come. The removal of an expired head is no change to count, and is filtered out.

    *repeat*: a batch that is delivered again changes nothing.
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
            logger.error("a change could not be counted", extra={"trace": change.trace_pk, "reason": reason})
    return {"state": event.get("state") or {}}


handler = consuming(count)
