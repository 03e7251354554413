"""What becomes of one shard's records on their way to a function: batches, windows with their state, and retries.

As Lambda's event source mapping does it, for one batch of a shard at a time. Knows nothing of where records come from.
A failing batch is handed over until it succeeds: limits on retries, splitting and destinations are not played.
"""

import json
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from dev.template import Subscription

GATHER_AT_MOST_S = 1.0  # a page that waits for its figures as long as a deployment may would seem dead
IDLE_S = 120.0  # how long after its end a window may still get records that come late
MAX_STATE_BYTES = 1_000_000
MAX_BATCH_BYTES = 6_000_000
Invoke = Callable[[str, dict[str, Any]], Any]
Record = dict[str, Any]


@dataclass
class _Window:
    """An open window: its place in time, and what the function has returned for it so far."""

    start_s: int
    end_s: int
    state: dict[str, Any]
    is_full: bool = False


class _Due(NamedTuple):
    """One invocation. A final one has no records: it ends the open window."""

    records: list[Record]
    is_final: bool


class Handover:
    """One function's way through one shard.

    `take` what was read, in order, and call `hand_over` every now and then. It is `done` once nothing waits and no
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
        gather_at_most_s: float = GATHER_AT_MOST_S,
        idle_s: float = IDLE_S,
    ) -> None:
        self._subscription = subscription
        self._shard_id = shard_id
        self._stream_arn = stream_arn
        self._invoke = invoke
        self._now_s = now_s
        self._gather_s = min(subscription.batching_window_s, gather_at_most_s)
        self._idle_s = idle_s
        self._waiting: list[Record] = []
        self._waiting_since_s = 0.0
        self._window: _Window | None = None
        self._failed: _Due | None = None  # comes again as it is, whatever waits by then

    @property
    def done(self) -> bool:
        """Whether everything that was taken has been handed over."""
        return not self._waiting and self._window is None

    @property
    def is_full(self) -> bool:
        """Whether more than the next batch is waiting, so that reading on is of no use."""
        return len(self._waiting) > self._subscription.batch_size

    def take(self, records: Sequence[Record]) -> None:
        """Let records wait, behind those that wait already."""
        if records and not self._waiting:
            self._waiting_since_s = self._now_s()
        self._waiting += records

    def hand_over(self, *, is_closed: bool = False) -> bool:
        """Call the function for as long as something is due; False when it failed: try again in a while.

        `is_closed`: the shard has ended. Then nothing is gathered any longer, and its window ends with it.
        """
        while (due := self._failed or self._due(is_closed)) is not None:
            self._failed = due
            try:
                answer = self._invoke(self._subscription.function, self._event(due))
                handled = self._handled(due, answer)
                if self._window:
                    self._keep_state(self._window, answer)
            except Exception:  # what Lambda does: report it and hand the batch over again
                traceback.print_exc()
                return False
            self._waiting = self._waiting[handled:]
            self._waiting_since_s = self._now_s()
            if handled < len(due.records):
                self._failed = _Due(due.records[handled:], is_final=False)
                return False
            self._failed = None
            if due.is_final:
                self._window = None
        return True

    def _due(self, is_closed: bool) -> _Due | None:
        """The next invocation; None while there is nothing to hand over, or more to wait for."""
        if self._window and self._is_over(self._window, is_closed):
            return _Due([], is_final=True)
        batch = self._batch()
        is_gathered = len(batch) < len(self._waiting) or len(batch) == self._subscription.batch_size
        is_late = is_closed or self._now_s() - self._waiting_since_s >= self._gather_s
        return _Due(batch, is_final=False) if batch and (is_gathered or is_late) else None

    def _is_over(self, window: _Window, is_closed: bool) -> bool:
        if window.is_full:
            return True
        if self._waiting:
            return _created_s(self._waiting[0]) >= window.end_s
        return is_closed or self._now_s() >= window.end_s + self._idle_s

    def _batch(self) -> list[Record]:
        """As many of those that wait as one invocation takes, at least one; of one window, which is open from now."""
        span_s = self._subscription.tumbling_window_s
        if span_s and self._waiting and not self._window:
            start_s = _created_s(self._waiting[0]) // span_s * span_s
            self._window = _Window(start_s, start_s + span_s, {})
        size = 0
        for count, record in enumerate(self._waiting[: self._subscription.batch_size]):
            size += record["dynamodb"].get("SizeBytes", 0)
            if (count and size > MAX_BATCH_BYTES) or (self._window and _created_s(record) >= self._window.end_s):
                return self._waiting[:count]
        return self._waiting[: self._subscription.batch_size]

    def _event(self, due: _Due) -> dict[str, Any]:
        """*source*: Lambda developer guide, "Implementing stateful DynamoDB stream processing in Lambda"."""
        if self._window is None:
            return {"Records": due.records}
        return {
            "Records": due.records,
            "window": {"start": _iso(self._window.start_s), "end": _iso(self._window.end_s)},
            "state": self._window.state,
            "shardId": self._shard_id,
            "eventSourceARN": self._stream_arn,
            "isFinalInvokeForWindow": due.is_final,
            "isWindowTerminatedEarly": due.is_final and self._window.is_full,
        }

    def _handled(self, due: _Due, answer: Any) -> int:
        """How many records the function is done with: those before the first that it names as failed.

        *raises* ValueError when it names one and there are none, which is how a final invocation fails.
        """
        failed = answer.get("batchItemFailures") if isinstance(answer, dict) else None
        if not failed or not self._subscription.reports_item_failures:
            return len(due.records)
        places = {record["dynamodb"]["SequenceNumber"]: place for place, record in enumerate(due.records)}
        if not places:
            raise ValueError(f"{self._subscription.function} failed to end its window")
        return min(places.get(item.get("itemIdentifier"), 0) for item in failed)

    def _keep_state(self, window: _Window, answer: Any) -> None:
        """*raises* ValueError on an answer without a state, which is a failure even if everything was handled."""
        state = answer.get("state") if isinstance(answer, dict) else None
        if not isinstance(state, dict):
            raise ValueError(f"{self._subscription.function} has a tumbling window and must answer with a state")
        text = json.dumps(state)
        window.state = json.loads(text)
        window.is_full = len(text.encode()) > MAX_STATE_BYTES


def _created_s(record: Record) -> int:
    return int(record["dynamodb"]["ApproximateCreationDateTime"])


def _iso(moment_s: int) -> str:
    return datetime.fromtimestamp(moment_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
