"""The table's stream for tests: changes of heads, in shards, delivered without or with repetitions and crashes."""

import random
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from tests.builders import long_deadline
from tests.crashing import Crash
from tests.memory_dynamodb import Item, MemoryDynamoDB
from tracestore.storage import keys
from tracestore.storage.counters import apply
from tracestore.storage.deltas import Change
from tracestore.storage.store import Store


class StreamedDynamoDB(MemoryDynamoDB):
    """A table in memory that records the changes of its heads."""

    def __init__(self, page_items: int = 10_000) -> None:
        super().__init__(page_items)
        self.changes: list[Change] = []

    def _put(self, item: Item) -> None:
        key = item["pk"]["S"], item["sk"]["S"]
        old = self._items.get(key)
        super()._put(item)
        if key[1] == keys.HEAD and old != self._items[key]:
            self.changes.append(Change(len(self.changes), key[0], old, self._items[key]))


def shards_of(changes: list[Change], shards: tuple[int, ...] = (2, 3, 1)) -> Iterator[dict[str, list[Change]]]:
    """The changes by shard, generation by generation: shards close, and their successors partition the keys anew."""
    size = len(changes) // len(shards) + 1
    for generation, number in enumerate(shards):
        by_shard: dict[str, list[Change]] = {}
        for change in changes[generation * size : (generation + 1) * size]:
            shard = f"shard-{generation}-{zlib.crc32(change.trace_pk.encode()) % number}"
            by_shard.setdefault(shard, []).append(change)
        yield by_shard


def deliver_with_faults(
    stores: Callable[[], Store],
    changes: list[Change],
    rng: random.Random,
    shards: tuple[int, ...] = (2, 3, 1),
    apply: Callable[..., Any] = apply,
) -> None:
    """Deliver the changes as Lambda may: shards in parallel, batches cut anew, repeated and interrupted anywhere.

    `stores` returns a store for each invocation. Some of them crash in the middle.
    """
    for generation in shards_of(changes, shards):
        reached = dict.fromkeys(generation, 0)
        while unfinished := [shard for shard, done in reached.items() if done < len(generation[shard])]:
            shard = rng.choice(unfinished)
            start = rng.randint(0, reached[shard]) if rng.random() < 0.3 else reached[shard]
            end = min(reached[shard] + rng.randint(1, 4), len(generation[shard]))
            with suppress(Crash):
                apply(stores(), shard, generation[shard][start:end], long_deadline())
                reached[shard] = end


def count_traces(store: Store, user_id: str) -> None:
    """Count all traces of the user, as if each head had changed once, for tests that only read counters."""
    changes: list[Change] = []
    for shard in range(store.time_shards):
        for entry in store.table.query(keys.by_time_shard(user_id, shard), index="by_time"):
            head = store.table.get(entry["pk"]["S"], keys.HEAD)
            if head is not None:
                changes.append(Change(len(changes), entry["pk"]["S"], None, head))
    apply(store, "count", changes, long_deadline())
