"""Read repair: a reader completes a head that does not include everything that it read of the trace.

A writer that is interrupted between a segment and its head leaves a segment that no summary, list or counter includes
until the next write to the trace. A reader of the trace notices it: the head contains a sum over the segments that it
includes. The reader shows the summary of what it read, and puts the head.
"""

from contextlib import suppress
from dataclasses import replace

from tracestore.domain.errors import NotFound

from . import keys
from .erasure import rederive
from .items import head_from
from .model import Head, LiveHead, StoredTrace
from .recompute import current_head
from .store import Scope


def completed(scope: Scope, trace_id: str, head: Head, stored: StoredTrace) -> Head:
    """The head for everything in `stored`, which was read to the end. It is also put if the scope `repairs`.

    *absent*: a head that was stored before heads had sums is returned unchanged. *raises*: NotFound where no span is
    left; never because of the repair.
    """
    if not head.merged_sum:
        return head
    new = current_head(scope, trace_id, head, stored)
    if new is head:
        return head
    if not isinstance(new, Head):
        raise NotFound("There is no such trace.")
    if scope.repairs:
        with suppress(Exception):  # the answer does not need the repair, whatever prevents it
            put = _repaired(scope, trace_id, head)
            if isinstance(put, Head) and put.merged_sum == new.merged_sum:
                return put
    return replace(new, version=head.version)


def _repaired(scope: Scope, trace_id: str, head: Head) -> LiveHead | None:
    """The head that was put. *absent*: None while a writer is at the trace, which then includes the segment itself."""
    item = scope.table.get(scope.trace_pk(trace_id), keys.HEAD)
    if item is None or head_from(item).version != head.version:
        return None
    return rederive(scope, trace_id)
