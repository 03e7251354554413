"""Delivery of ended spans: a bounded queue, and the thread that sends its content.

Code that ends a span only appends to the queue, in whatever state the store is. Spans that do not fit are dropped and
counted. OpenTelemetry's BatchSpanProcessor is not used: its queue is bounded by spans and not by bytes, it drops
without a count, its `force_flush` ignores its timeout, and its shutdown waits for half a minute.
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

from ._failures import log_once
from ._sending import Outcome
from ._settings import Limits
from ._span_sizes import is_within, shortened, size_bytes, with_resource

QUEUE_FULL: Final = "the queue is full"
SPAN_TOO_LARGE: Final = "a single span is too large"
NOT_IN_TIME: Final = "the process ended before they could be sent"
SHUT_DOWN: Final = "tracing was shut down"

_MAX_RESOURCES: Final = 16  # the cache of resources with the service's name; a process usually has one resource


class BatchSender(Protocol):
    """The sender of a batch, as far as `Delivery` uses it."""

    def send(self, spans: list[ReadableSpan], /) -> Outcome:
        """Send a batch and return how much of it was lost."""

    def close(self) -> None:
        """Close the sender: no further batch will come."""


@dataclass(frozen=True)
class Stats:
    """Span counts since `configure`.

    `sent`: accepted by the store. `dropped`: lost, with their number per reason in `reasons`. `queued`: in the queue or
    being sent. `queued_bytes`: the approximate memory that the queued spans take.
    """

    sent: int = 0
    dropped: int = 0
    queued: int = 0
    queued_bytes: int = 0
    reasons: dict[str, int] = field(default_factory=dict)


class Delivery:
    """The queue and its thread, which starts with the first span. All methods are safe to call from any thread."""

    def __init__(self, new_sender: Callable[[], BatchSender], limits: Limits, service_name: str | None = None) -> None:
        self._new_sender = new_sender
        self._limits = limits
        self._service_name = service_name
        self._resources: dict[int, tuple[Resource, Resource]] = {}
        self._sent_count = 0
        self._drop_counts: dict[str, int] = collections.defaultdict(int)
        self._logged_reasons: set[str] = set()
        self._unlogged_reasons: set[str] = set()
        self._reset()

    def _reset(self) -> None:
        # Reentrant: a signal handler or the garbage collector may end a span while this thread holds the lock.
        self._lock = threading.RLock()
        self._progress = threading.Condition(self._lock)
        self._wake: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._queue: collections.deque[tuple[ReadableSpan, int]] = collections.deque()
        self._queued_bytes = 0
        self._accepted_count = 0  # spans that entered the queue
        self._finished_count = 0  # accepted spans that have since been sent or dropped
        self._is_woken = False
        self._thread: threading.Thread | None = None
        self._deadline_s: float | None = None  # when the thread stops sending; None until `stop` or `retire`
        self._sender: BatchSender | None = None
        self.failed_at_s: float | None = None

    def after_fork(self) -> None:
        """Start again in the child process: the queue is the parent's, and the thread was not copied."""
        self._reset()
        self._sent_count = 0
        self._drop_counts.clear()

    def offer(self, span: ReadableSpan) -> None:
        """Queue an ended span, or drop it. Takes microseconds."""
        if not is_within(span, self._limits):
            span = shortened(span, self._limits)
        size = size_bytes(span)
        with self._lock:
            if size > self._limits.max_span_bytes:
                self._drop(1, SPAN_TOO_LARGE)
            elif self._deadline_s is not None:
                self._drop(1, SHUT_DOWN)
            elif self._is_full(size):
                self._drop(1, QUEUE_FULL)
            else:
                self._add(span, size)
        self._log_drops()

    def _is_full(self, size: int) -> bool:
        return (
            len(self._queue) >= self._limits.max_queue_spans or self._queued_bytes + size > self._limits.max_queue_bytes
        )

    def _add(self, span: ReadableSpan, size: int) -> None:
        self._queue.append((span, size))
        self._queued_bytes += size
        self._accepted_count += 1
        if self._thread is None and not self._start():
            self._drop_queue()
            return
        has_full_batch = len(self._queue) >= self._limits.batch_spans or self._queued_bytes >= self._limits.batch_bytes
        if has_full_batch and not self._is_woken:
            self._is_woken = True
            self._wake.put(None)

    def flush(self, timeout_s: float) -> bool:
        """Send every span that was offered before this call. Return whether all were sent or dropped in time."""
        with self._lock:
            target = self._accepted_count
            if self._finished_count < target:
                self._is_woken = True
                self._wake.put(None)
                self._progress.wait_for(lambda: self._finished_count >= target, timeout_s)
            return self._finished_count >= target

    def stop(self, timeout_s: float) -> bool:
        """Send the queue for at most `timeout_s`, then drop the rest. Return whether the time was enough.

        *repeat*: does not wait again.
        """
        with self._lock:
            if self._deadline_s is not None:
                return self._finished_count >= self._accepted_count
            self._set_deadline(timeout_s)
            is_done = self._progress.wait_for(lambda: self._finished_count >= self._accepted_count, timeout_s)
            if not is_done:
                self._drop_queue()
                # The batch being sent counts as dropped: it may still arrive, but nothing will report that.
                self._drop(self._accepted_count - self._finished_count, NOT_IN_TIME)
                self._finished_count = self._accepted_count
            sender = self._sender
        self._log_drops()
        if sender and not is_done:
            sender.close()
        return is_done

    def retire(self, timeout_s: float) -> None:
        """Stop in the background within `timeout_s`, because another delivery takes over."""
        with self._lock:
            if self._deadline_s is None:
                self._set_deadline(timeout_s)

    def stats(self) -> Stats:
        """The counts so far."""
        with self._lock:
            reasons = dict(self._drop_counts)
            queued_count = self._accepted_count - self._finished_count
            return Stats(self._sent_count, sum(reasons.values()), queued_count, self._queued_bytes, reasons)

    def _set_deadline(self, timeout_s: float) -> None:
        self._deadline_s = time.monotonic() + timeout_s
        self._wake.put(None)

    def _start(self) -> bool:
        thread = threading.Thread(target=self._run, name="tracestore", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the interpreter is shutting down, or the system allows no more threads
            return False
        self._thread = thread
        return True

    def _drop_queue(self) -> None:
        self._drop(len(self._queue), NOT_IN_TIME)
        self._finished_count += len(self._queue)
        self._queued_bytes -= sum(size for _, size in self._queue)
        self._queue.clear()
        self._progress.notify_all()

    def _drop(self, count: int, reason: str) -> None:
        if count > 0:
            self._drop_counts[reason] += count
            if reason not in self._logged_reasons:
                self._unlogged_reasons.add(reason)

    def _log_drops(self) -> None:
        """Log each new reason for drops. Called without the lock, since a log handler may wait for it."""
        while self._unlogged_reasons:
            reason = self._unlogged_reasons.pop()
            self._logged_reasons.add(reason)
            log_once(
                f"dropped {reason}",
                "Spans are being dropped: %s. This is logged once; tracestore_client.stats() counts them.",
                reason,
            )

    def _run(self) -> None:
        try:
            self._sender = self._new_sender()
        except Exception as failure:
            log_once("sender", "Spans cannot be sent: %s.", type(failure).__name__, level=logging.ERROR)
        while True:
            with contextlib.suppress(queue.Empty):
                self._wake.get(timeout=self._limits.interval_s)
            self._is_woken = False
            while batch := self._next_batch():
                self._send(batch)
            if self._deadline_s is not None:
                break
        if self._sender:
            self._sender.close()

    def _next_batch(self) -> list[tuple[ReadableSpan, int]]:
        batch: list[tuple[ReadableSpan, int]] = []
        remaining_bytes = self._limits.batch_bytes
        with self._lock:
            if self._deadline_s is not None and time.monotonic() > self._deadline_s:
                self._drop_queue()
            while self._queue and len(batch) < self._limits.batch_spans:
                if batch and self._queue[0][1] > remaining_bytes:
                    break
                batch.append(self._queue.popleft())
                remaining_bytes -= batch[-1][1]
        self._log_drops()
        return batch

    def _send(self, batch: list[tuple[ReadableSpan, int]]) -> None:
        try:
            spans = [self._with_service_name(span) for span, _ in batch]
            outcome = (
                self._sender.send(spans) if self._sender else Outcome(len(batch), "the exporter could not be created")
            )
        except Exception as failure:
            outcome = Outcome(len(batch), type(failure).__name__)
        with self._lock:
            if self._finished_count >= self._accepted_count:  # `stop` timed out meanwhile and counted the batch
                return
            self._finished_count += len(batch)
            # Only now: spans that are being sent are still in memory.
            self._queued_bytes -= sum(size for _, size in batch)
            self._sent_count += len(batch) - outcome.lost
            self.failed_at_s = time.monotonic() if outcome.lost else None
            if outcome.reason:
                self._drop(outcome.lost, outcome.reason)
            self._progress.notify_all()
        self._log_drops()

    def _with_service_name(self, span: ReadableSpan) -> ReadableSpan:
        """`span` with the configured service name, if one is configured and the span's provider has another."""
        if self._service_name is None or span.resource.attributes.get("service.name") == self._service_name:
            return span
        cached = self._resources.get(id(span.resource))
        if cached is None or cached[0] is not span.resource:
            if len(self._resources) > _MAX_RESOURCES:
                self._resources.clear()
            cached = span.resource, span.resource.merge(Resource({"service.name": self._service_name}))
            self._resources[id(span.resource)] = cached
        return with_resource(span, cached[1])
