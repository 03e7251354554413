"""Deliver the records of one shard to a function: batches, windows with their state, and retries.

It works like Lambda's event source mapping with one batch per shard at a time, and does not read the stream itself. A
failing batch is repeated until it succeeds: limits on retries, splitting and destinations are not simulated.
"""

import json
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from dev.template import Subscription

MAX_BATCHING_S = 1.0  # with the window of a deployment, analytics on a page would seem to be stuck
IDLE_S = 120.0  # how long after its end a window accepts late records
MAX_STATE_BYTES = 1_000_000
MAX_BATCH_BYTES = 6_000_000
Invoke = Callable[[str, dict[str, Any]], Any]
Record = dict[str, Any]


@dataclass
class _Window:
    """An open window: its start and end, and the state that the function has returned for it so far."""

    start_s: int
    end_s: int
    state: dict[str, Any]
    is_full: bool = False


class _Invocation(NamedTuple):
    """One invocation. A final one has no records: it ends the open window."""

    records: list[Record]
    is_final: bool


class Handover:
    """A delivery of the records of one shard to one function.

    Pass records in order to `take`, and call `hand_over` regularly. It is `done` once all records are delivered and no
    window is open.
    """

    def __init__(
        self,
        subscription: Subscription,
        shard_id: str,
        stream_arn: str,
        invoke: Invoke,
        *,
        now_s: Callable[[], float] = time.time,
        max_batching_s: float = MAX_BATCHING_S,
        idle_s: float = IDLE_S,
    ) -> None:
        self._subscription = subscription
        self._shard_id = shard_id
        self._stream_arn = stream_arn
        self._invoke = invoke
        self._now_s = now_s
        self._batching_s = min(subscription.batching_window_s, max_batching_s)
        self._idle_s = idle_s
        self._pending: list[Record] = []
        self._pending_since_s = 0.0
        self._window: _Window | None = None
        self._failed: _Invocation | None = None  # repeated unchanged, whatever is pending by then

    @property
    def done(self) -> bool:
        """Whether all records that were taken have been delivered."""
        return not self._pending and self._window is None

    @property
    def is_full(self) -> bool:
        """Whether more than the next batch is pending, so that the reader should pause."""
        return len(self._pending) > self._subscription.batch_size

    def take(self, records: Sequence[Record]) -> None:
        """Append records to those that are pending."""
        if records and not self._pending:
            self._pending_since_s = self._now_s()
        self._pending += records

    def hand_over(self, *, is_closed: bool = False) -> bool:
        """Call the function until no invocation is due. False when it failed: call again after a pause.

        `is_closed`: the shard has ended. Its pending records are delivered at once, and its window ends.
        """
        while (invocation := self._failed or self._next(is_closed)) is not None:
            self._failed = invocation
            try:
                response = self._invoke(self._subscription.function, self._event(invocation))
                handled = self._handled(invocation, response)
                if self._window:
                    self._store_state(self._window, response)
            except Exception:  # as Lambda does: report the error and repeat the batch
                traceback.print_exc()
                return False
            self._pending = self._pending[handled:]
            self._pending_since_s = self._now_s()
            if handled < len(invocation.records):
                self._failed = _Invocation(invocation.records[handled:], is_final=False)
                return False
            self._failed = None
            if invocation.is_final:
                self._window = None
        return True

    def _next(self, is_closed: bool) -> _Invocation | None:
        """The next invocation. *absent*: None when no records are pending, or while a batch is still collected."""
        if self._window and self._is_over(self._window, is_closed):
            return _Invocation([], is_final=True)
        batch = self._batch()
        is_complete = len(batch) < len(self._pending) or len(batch) == self._subscription.batch_size
        is_late = is_closed or self._now_s() - self._pending_since_s >= self._batching_s
        return _Invocation(batch, is_final=False) if batch and (is_complete or is_late) else None

    def _is_over(self, window: _Window, is_closed: bool) -> bool:
        if window.is_full:
            return True
        if self._pending:
            return _created_s(self._pending[0]) >= window.end_s
        return is_closed or self._now_s() >= window.end_s + self._idle_s

    def _batch(self) -> list[Record]:
        """The pending records that fit into one invocation, at least one of them, all of one window, which it opens."""
        length_s = self._subscription.tumbling_window_s
        if length_s and self._pending and not self._window:
            start_s = _created_s(self._pending[0]) // length_s * length_s
            self._window = _Window(start_s, start_s + length_s, {})
        size = 0
        for count, record in enumerate(self._pending[: self._subscription.batch_size]):
            size += record["dynamodb"].get("SizeBytes", 0)
            if (count and size > MAX_BATCH_BYTES) or (self._window and _created_s(record) >= self._window.end_s):
                return self._pending[:count]
        return self._pending[: self._subscription.batch_size]

    def _event(self, invocation: _Invocation) -> dict[str, Any]:
        """*source*: Lambda developer guide, "Implementing stateful DynamoDB stream processing in Lambda"."""
        if self._window is None:
            return {"Records": invocation.records}
        return {
            "Records": invocation.records,
            "window": {"start": _iso(self._window.start_s), "end": _iso(self._window.end_s)},
            "state": self._window.state,
            "shardId": self._shard_id,
            "eventSourceARN": self._stream_arn,
            "isFinalInvokeForWindow": invocation.is_final,
            "isWindowTerminatedEarly": invocation.is_final and self._window.is_full,
        }

    def _handled(self, invocation: _Invocation, response: Any) -> int:
        """The number of handled records: those before the first one that the function reports as failed.

        *raises*: ValueError when it reports a failure of an invocation without records: a final one has failed.
        """
        failed = response.get("batchItemFailures") if isinstance(response, dict) else None
        if not failed or not self._subscription.reports_item_failures:
            return len(invocation.records)
        indexes = {record["dynamodb"]["SequenceNumber"]: index for index, record in enumerate(invocation.records)}
        if not indexes:
            raise ValueError(f"{self._subscription.function} failed to end its window")
        return min(indexes.get(item.get("itemIdentifier"), 0) for item in failed)

    def _store_state(self, window: _Window, response: Any) -> None:
        """*raises*: ValueError for a response without a state: a failure even when all records were handled."""
        state = response.get("state") if isinstance(response, dict) else None
        if not isinstance(state, dict):
            raise ValueError(f"{self._subscription.function} has a tumbling window and must return a state")
        text = json.dumps(state)
        window.state = json.loads(text)
        window.is_full = len(text.encode()) > MAX_STATE_BYTES


def _created_s(record: Record) -> int:
    return int(record["dynamodb"]["ApproximateCreationDateTime"])


def _iso(moment_s: int) -> str:
    return datetime.fromtimestamp(moment_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
