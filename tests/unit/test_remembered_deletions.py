"""Pending deletions are remembered for a second, and never longer than this process knows better."""

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

from tests.builders import Clock, call, reader, store_on, trace_ids, writer
from tests.memory_dynamodb import MemoryDynamoDB
from tracestore.storage import keys
from tracestore.storage.model import DeletionScope
from tracestore.storage.remembered_deletions import REMEMBERED_S, RememberedDeletions
from tracestore.storage.store import Store

WRITERS = 8
"""Traces of a request that are written at the same time. Each of their threads may be the first to read."""


@dataclass
class Seconds:
    """The clock of a process."""

    s: float = 1_000.0

    def __call__(self) -> float:
        return self.s


class Counting:
    """A client that counts the reads of a user's pending deletions."""

    def __init__(self, db: MemoryDynamoDB) -> None:
        self._db = db
        self.reads: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        def called(**request: Any) -> Any:
            wanted = [request["Key"]] if "Key" in request else []
            wanted += [key for got in request.get("RequestItems", {}).values() if "Keys" in got for key in got["Keys"]]
            self.reads.update(name for key in wanted if key["sk"]["S"] == keys.USER)
            return getattr(self._db, name)(**request)

        return called


def process(db: MemoryDynamoDB, clock: Clock, client: Any = None) -> tuple[Store, Seconds]:
    """A process with its own memory and its own clock of seconds."""
    seconds = Seconds()
    return replace(store_on(db, clock, db=client), deletions=RememberedDeletions(seconds)), seconds


def send(store: Store, span_id: str, traces: int = 30) -> None:
    """Write a span to each of these traces."""
    writer(store, "ada").capture([(f"t{number}", call(span_id)) for number in range(traces)])


def test_a_batch_for_many_traces_reads_the_pending_deletions_once_in_each_thread_at_most() -> None:
    db, clock = MemoryDynamoDB(), Clock()
    send(store_on(db, clock), "root")
    counting = Counting(db)
    store, seconds = process(db, clock, counting)
    send(store, "a")
    assert 1 <= counting.reads.total() <= WRITERS
    counting.reads.clear()
    send(store, "b")
    assert len(trace_ids(store, "ada")) == 30
    assert counting.reads.total() == 0
    seconds.s += REMEMBERED_S
    assert len(trace_ids(store, "ada")) == 30
    assert counting.reads == {"batch_get_item": 1}


def test_the_deletion_of_another_process_is_known_after_a_second() -> None:
    db, clock = MemoryDynamoDB(), Clock()
    (here, seconds), (there, _) = process(db, clock), process(db, clock)
    send(here, "root", 3)
    assert len(trace_ids(here, "ada")) == 3
    clock.advance(ms=1)
    writer(there, "ada").start_deletion(DeletionScope())
    assert trace_ids(there, "ada") == [], "a process knows its own changes at once"
    assert len(trace_ids(here, "ada")) == 3
    seconds.s += REMEMBERED_S
    assert trace_ids(here, "ada") == []
    assert reader(here, "ada").pending_deletions()


def test_a_job_looks_at_the_deletions_as_they_are() -> None:
    """A step that relied on its memory would find nothing to remove, and end the job."""
    db, clock = MemoryDynamoDB(), Clock()
    (here, _), (there, _) = process(db, clock), process(db, clock)
    send(here, "root", 3)
    assert reader(here, "ada").pending_deletions() == ()
    clock.advance(ms=1)
    job = writer(there, "ada").start_deletion(DeletionScope())
    assert writer(here, "ada").continue_deletion(job.job_id, 100).traces == 3


def test_a_read_that_began_before_a_change_is_not_remembered() -> None:
    deletions = RememberedDeletions()
    slow = deletions.of("ada")
    deletions.forget("ada")
    slow.put(())
    assert deletions.of("ada").fresh() is None


def test_a_clock_that_is_set_back_makes_nothing_last_longer() -> None:
    seconds = Seconds()
    remembered = RememberedDeletions(seconds).of("ada")
    remembered.put(())
    seconds.s -= 1
    assert remembered.fresh() is None


def test_a_thousand_users_are_remembered() -> None:
    deletions = RememberedDeletions()
    first = deletions.of("first")
    for number in range(1_000):
        deletions.of(str(number))
    assert deletions.of("first") is not first
    assert deletions.of("999") is deletions.of("999")
