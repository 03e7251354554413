"""Ended spans on their way: a bounded queue, and the thread that sends it.

Whoever ends a span only appends to the queue, whatever the store is doing. What does not fit is dropped and counted.
OpenTelemetry's BatchSpanProcessor is not used: its queue is bounded by spans and not by bytes, it drops without a
count, its `force_flush` ignores its timeout, and its shutdown waits for half a minute.
"""

import collections
import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan

from ._quiet import tell_once
from ._sending import Outcome
from ._settings import Limits
from ._weights import described, is_within, lightened, weight

QUEUE_FULL: Final = "the queue is full"
TOO_HEAVY: Final = "a single span is too large"
NOT_IN_TIME: Final = "the process ended before they could be sent"
AFTER_THE_END: Final = "tracing was shut down"


class Sends(Protocol):
    """What a batch is given to."""

    def send(self, spans: list[ReadableSpan], /) -> Outcome:
        """What became of them."""

    def close(self) -> None:
        """No more will come."""


@dataclass(frozen=True)
class Stats:
    """Spans so far: `sent` were taken by the store, `dropped` never will be, `queued` wait, in about `queued_bytes`."""

    sent: int = 0
    dropped: int = 0
    queued: int = 0
    queued_bytes: int = 0
    reasons: dict[str, int] = field(default_factory=dict)


class Delivery:
    """The queue and its thread, which starts with the first span. Safe to call from any thread."""

    def __init__(self, sender: Callable[[], Sends], limits: Limits, service_name: str | None = None) -> None:
        self._new_sender = sender
        self._limits = limits
        self._service_name = service_name
        self._resources: dict[int, tuple[Resource, Resource]] = {}
        self._sent = 0
        self._reasons: dict[str, int] = collections.defaultdict(int)
        self._told: set[str] = set()
        self._untold: set[str] = set()
        self._begin()

    def _begin(self) -> None:
        # Reentrant: a span may be ended by a signal handler, or by the garbage collector, right in here.
        self._lock = threading.RLock()
        self._settled = threading.Condition(self._lock)
        self._wake: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._waiting: collections.deque[tuple[ReadableSpan, int]] = collections.deque()
        self._bytes = 0
        self._arrived = 0
        self._left = 0
        self._is_woken = False
        self._thread: threading.Thread | None = None
        self._ends_at: float | None = None
        self._sender: Sends | None = None
        self.failed_at: float | None = None

    def after_fork(self) -> None:
        """Start anew in the child: what waits is the parent's, and the thread stayed there."""
        self._begin()
        self._sent = 0
        self._reasons.clear()

    def offer(self, span: ReadableSpan) -> None:
        """Queue an ended span, or drop it. Takes microseconds."""
        if not is_within(span, self._limits):
            span = lightened(span, self._limits)
        size = weight(span)
        with self._lock:
            if size > self._limits.max_span_bytes:
                self._drop(1, TOO_HEAVY)
            elif self._ends_at is not None:
                self._drop(1, AFTER_THE_END)
            elif self._is_full(size):
                self._drop(1, QUEUE_FULL)
            else:
                self._add(span, size)
        self._tell()

    def _is_full(self, size: int) -> bool:
        return len(self._waiting) >= self._limits.max_queue_spans or self._bytes + size > self._limits.max_queue_bytes

    def _add(self, span: ReadableSpan, size: int) -> None:
        self._waiting.append((span, size))
        self._bytes += size
        self._arrived += 1
        if self._thread is None and not self._start():
            self._give_up_waiting()
            return
        is_much = len(self._waiting) >= self._limits.batch_spans or self._bytes >= self._limits.batch_bytes
        if is_much and not self._is_woken:
            self._is_woken = True
            self._wake.put(None)

    def flush(self, timeout_s: float) -> bool:
        """Whether everything that came before was dealt with in time."""
        with self._lock:
            target = self._arrived
            if self._left < target:
                self._is_woken = True
                self._wake.put(None)
                self._settled.wait_for(lambda: self._left >= target, timeout_s)
            return self._left >= target

    def stop(self, timeout_s: float) -> bool:
        """Send what is left for so long, then drop it. Whether all of it was dealt with. *repeat*: waits no more."""
        with self._lock:
            if self._ends_at is not None:
                return self._left >= self._arrived
            self._end_in(timeout_s)
            is_done = self._settled.wait_for(lambda: self._left >= self._arrived, timeout_s)
            if not is_done:
                self._give_up_waiting()
                self._drop(self._arrived - self._left, NOT_IN_TIME)  # under way: may still arrive, nobody will know
                self._left = self._arrived
            sender = self._sender
        self._tell()
        if sender and not is_done:
            sender.close()
        return is_done

    def retire(self, timeout_s: float) -> None:
        """As `stop`, without waiting for it: another delivery takes over."""
        with self._lock:
            if self._ends_at is None:
                self._end_in(timeout_s)

    def stats(self) -> Stats:
        """What happened so far."""
        with self._lock:
            reasons = dict(self._reasons)
            return Stats(self._sent, sum(reasons.values()), self._arrived - self._left, self._bytes, reasons)

    def _end_in(self, timeout_s: float) -> None:
        self._ends_at = time.monotonic() + timeout_s
        self._wake.put(None)

    def _start(self) -> bool:
        thread = threading.Thread(target=self._run, name="tracestore", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the interpreter is about to end, or there can be no more threads
            return False
        self._thread = thread
        return True

    def _give_up_waiting(self) -> None:
        self._drop(len(self._waiting), NOT_IN_TIME)
        self._left += len(self._waiting)
        self._bytes -= sum(size for _, size in self._waiting)
        self._waiting.clear()
        self._settled.notify_all()

    def _drop(self, count: int, reason: str) -> None:
        if count > 0:
            self._reasons[reason] += count
            if reason not in self._told:
                self._untold.add(reason)

    def _tell(self) -> None:
        """Log what was dropped for the first time; without the lock, since a log handler may want it in its turn."""
        while self._untold:
            reason = self._untold.pop()
            self._told.add(reason)
            tell_once(
                f"dropped {reason}",
                "Traces are being dropped: %s. This is told once; tracestore_client.stats() counts them.",
                reason,
            )

    def _run(self) -> None:
        try:
            self._sender = self._new_sender()
        except Exception as failure:
            tell_once("sender", "Traces cannot be sent: %s.", type(failure).__name__, level=logging.ERROR)
        while True:
            with contextlib.suppress(queue.Empty):
                self._wake.get(timeout=self._limits.interval_s)
            self._is_woken = False
            while batch := self._batch():
                self._send(batch)
            if self._ends_at is not None:
                break
        if self._sender:
            self._sender.close()

    def _batch(self) -> list[tuple[ReadableSpan, int]]:
        batch: list[tuple[ReadableSpan, int]] = []
        room = self._limits.batch_bytes
        with self._lock:
            if self._ends_at is not None and time.monotonic() > self._ends_at:
                self._give_up_waiting()
            while self._waiting and len(batch) < self._limits.batch_spans:
                if batch and self._waiting[0][1] > room:
                    break
                batch.append(self._waiting.popleft())
                room -= batch[-1][1]
        self._tell()
        return batch

    def _send(self, batch: list[tuple[ReadableSpan, int]]) -> None:
        try:
            spans = [self._described(span) for span, _ in batch]
            outcome = self._sender.send(spans) if self._sender else Outcome(len(batch), "there is no exporter")
        except Exception as failure:
            outcome = Outcome(len(batch), type(failure).__name__)
        with self._lock:
            if self._left >= self._arrived:  # given up meanwhile, and counted then
                return
            self._left += len(batch)
            self._bytes -= sum(size for _, size in batch)  # those under way count as well: they are in memory
            self._sent += len(batch) - outcome.lost
            self.failed_at = time.monotonic() if outcome.lost else None
            if outcome.reason:
                self._drop(outcome.lost, outcome.reason)
            self._settled.notify_all()
        self._tell()

    def _described(self, span: ReadableSpan) -> ReadableSpan:
        """`span` with the service's name, unless the application's own provider tells another."""
        if self._service_name is None or span.resource.attributes.get("service.name") == self._service_name:
            return span
        known = self._resources.get(id(span.resource))
        if known is None or known[0] is not span.resource:
            if len(self._resources) > 16:
                self._resources.clear()
            known = span.resource, span.resource.merge(Resource({"service.name": self._service_name}))
            self._resources[id(span.resource)] = known
        return described(span, known[1])
