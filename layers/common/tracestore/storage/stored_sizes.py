"""The size of what is stored, trace by trace, from heads alone: no span is read."""

from itertools import islice
from typing import Final

from . import keys
from .items import item_bytes
from .listing import TraceQuery, candidates, visible_head_items
from .model import StoredSize, StoredSizes
from .store import Scope
from .table import KEYS_PER_BATCH_GET

ENTRIES_IN_PAGE: Final = 1_000

HEAD_BYTES_MOST: Final = 20_000_000
"""Heads that one call reads. Most are below 4 KB; those with very many values have up to a hundred times that."""


def read_stored_sizes(
    scope: Scope,
    query: TraceQuery,
    most: int,
    after: str | None = None,
    *,
    head_bytes_most: int = HEAD_BYTES_MOST,
) -> StoredSizes:
    entries = candidates(scope, query, ENTRIES_IN_PAGE, after)
    sizes: list[StoredSize] = []
    examined = head_bytes = 0
    while batch := list(islice(entries, min(KEYS_PER_BATCH_GET - 1, most - examined))):
        heads = visible_head_items(scope, (entry.pk for entry in batch))
        for entry in batch:
            head, item = heads.get(entry.pk, (None, None))
            if head is not None and item is not None and head.cursor_position == entry.cursor_position:
                in_head = item_bytes(item)
                size = in_head + head.other_bytes + head.annotation_bytes
                sizes.append(StoredSize(keys.start_ns_of(entry.cursor_position), head.summary.span_count, size))
                head_bytes += in_head
        examined += len(batch)
        if examined >= most or head_bytes >= head_bytes_most or scope.budget.is_spent:
            last = batch[-1].cursor_position
            return StoredSizes(sizes, last, keys.start_ns_of(last))
    return StoredSizes(sizes, None, None)
