"""Processor time of an ingested span by step, without the engine and without HTTP.

The steps are measured by calling the real functions on the same bodies, the total by calling the real handler. Signing
and sending is the time of the DynamoDB client. The clock counts processor time, so waiting is free.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import Final

from rich.console import Console

from dev.bench.deployment import deployed
from dev.bench.report import table
from tracestore.storage.dynamo import Request, Send

_SPANS: Final = 1_000
_REQUESTS: Final = 200
"""The limits of one measurement: it ends at so many spans or requests."""


class Sending:
    """The processor time of a DynamoDB client from a request to its parsed response."""

    def __init__(self) -> None:
        self.spent_s = 0.0
        self._lock = Lock()

    def __call__(self, operation: str, request: Request, send: Send) -> Request:
        """Send a request, and add the time that this thread spends on it."""
        began = time.thread_time()
        try:
            return send(operation, request)
        finally:
            with self._lock:
                self.spent_s += time.thread_time() - began


def report(console: Console, new_bodies: Callable[[int], list[bytes]], batches: Sequence[int], floor_us: float) -> None:
    """Print microseconds per span for each step, at each size of batch.

    `new_bodies` returns the bodies of requests for new traces, with the given number of spans in each request.
    """
    columns: dict[int, dict[str, float]] = {}
    with deployed(console.print) as deployment:
        user, sending = deployment.user("steps"), Sending()
        for batch in batches:
            bodies: list[bytes] = []
            while len(bodies) <= min(_REQUESTS, max(2, _SPANS // batch)):
                bodies += new_bodies(batch)
            user.post_body(bodies.pop())  # the first request imports modules
            spans = len(bodies) * batch
            deployment.api_client.interceptors.append(sending)
            sending.spent_s, began = 0.0, time.process_time()
            for body in bodies:
                user.post_body(body)
            whole_s = time.process_time() - began
            deployment.api_client.interceptors.remove(sending)
            steps = {**_parts_s(bodies), "sign and send": sending.spent_s}
            steps["merge, head, response"] = whole_s - sum(steps.values())
            steps["all"] = whole_s
            columns[batch] = {step: spent_s * 1e6 / spans for step, spent_s in steps.items()}
    rows = table("Processor µs per span in the function", *(f"{batch} per request" for batch in batches))
    for step in columns[batches[0]]:
        rows.add_row(step, *(f"{columns[batch][step]:,.0f}" for batch in batches), end_section=step.startswith("merge"))
    rows.add_row("of reference", *(f"{columns[batch]['all'] / floor_us:.1f}×" for batch in batches))
    console.print(rows)
    console.print("The target is at most 150 µs per span in batches of 50.")


def _parts_s(bodies: list[bytes]) -> dict[str, float]:
    """Seconds to parse, redact and compress these bodies with the functions of the handler."""
    from tracestore.domain.json_body import parse_json
    from tracestore.domain.spans import SpanUpdate
    from tracestore.domain.updates import span_update
    from tracestore.http.wiring import redactor
    from tracestore.ingest.native import parse_capture
    from tracestore.storage.segments import segment_items, segment_of

    now_ns, parts = time.time_ns(), {"parse": 0.0, "redact": 0.0, "compress": 0.0}

    @contextmanager
    def timing(part: str) -> Iterator[None]:
        began = time.thread_time()
        yield
        parts[part] += time.thread_time() - began

    for body in bodies:
        with timing("parse"):
            sent = parse_capture(parse_json(body), now_ns=now_ns, body_bytes=len(body))
        with timing("redact"):
            spans = [(trace_id, redactor().redact(fields)) for _, trace_id, fields in sent.spans]
        with timing("compress"):
            updates: dict[str, list[SpanUpdate]] = {}
            for trace_id, fields in spans:
                updates.setdefault(trace_id, []).append(span_update(fields, received_ms=0))
            for trace_id, trace_updates in updates.items():
                segment_items(trace_id, "0", segment_of(trace_updates), 0)
    return parts
