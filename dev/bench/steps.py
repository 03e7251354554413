"""Where the processor's time of an ingested span goes, without the engine and without HTTP.

The parts are measured by calling the real functions on the same bodies, the whole by calling the real handler; signing
and sending is what botocore uses between two of its events. The clock is the processor's, so waiting costs nothing.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Lock, local
from typing import Any, Final

from rich.console import Console

from dev.bench.deployment import deployed
from dev.bench.report import table

_SPANS: Final = 1_000
_REQUESTS: Final = 200
"""A figure is measured on so many spans or requests, whichever comes first."""


class Sending:
    """The processor's time that DynamoDB clients use from the moment they get a call until it is answered and read."""

    def __init__(self) -> None:
        self.spent_s = 0.0
        self._lock = Lock()
        self._thread = local()

    def begin(self, **_: Any) -> None:
        self._thread.began = time.thread_time()

    def end(self, **_: Any) -> None:
        with self._lock:
            self.spent_s += time.thread_time() - self._thread.began

    @contextmanager
    def timing(self, client: Any) -> Iterator[None]:
        """Times `client` for as long as the block runs."""
        hooks = (("provide-client-params.dynamodb.*", self.begin), ("after-call.dynamodb.*", self.end))
        for event, hook in hooks:
            client.meta.events.register(event, hook)
        try:
            yield
        finally:
            for event, hook in hooks:
                client.meta.events.unregister(event, hook)


def report(console: Console, new_bodies: Callable[[int], list[bytes]], batches: Sequence[int], floor_us: float) -> None:
    """Prints microseconds a span for each step, at each size of batch.

    `new_bodies` gives the requests, of as many spans each as asked, that make up traces which nobody has stored yet.
    """
    columns: dict[int, dict[str, float]] = {}
    with deployed(console.print) as deployment:
        user, sending = deployment.user("steps"), Sending()
        for batch in batches:
            bodies: list[bytes] = []
            while len(bodies) <= min(_REQUESTS, max(2, _SPANS // batch)):
                bodies += new_bodies(batch)
            user.post_body(bodies.pop())  # first use loads what is loaded late
            spans = len(bodies) * batch
            with sending.timing(deployment.api_client):
                sending.spent_s, began = 0.0, time.process_time()
                for body in bodies:
                    user.post_body(body)
                whole_s = time.process_time() - began
            steps = {**_parts_s(bodies), "sign and send": sending.spent_s}
            steps["merge, head, answer"] = whole_s - sum(steps.values())
            steps["all"] = whole_s
            columns[batch] = {step: spent_s * 1e6 / spans for step, spent_s in steps.items()}
    rows = table("Processor's µs a span in the function", *(f"{batch} a request" for batch in batches))
    for step in columns[batches[0]]:
        rows.add_row(step, *(f"{columns[batch][step]:,.0f}" for batch in batches), end_section=step.startswith("merge"))
    rows.add_row("of reference", *(f"{columns[batch]['all'] / floor_us:.1f}×" for batch in batches))
    console.print(rows)
    console.print("The aim is at most 150 µs a span in batches of 50.")


def _parts_s(bodies: list[bytes]) -> dict[str, float]:
    """Seconds to parse, redact and compress these bodies, by the functions that the handler uses."""
    from tracestore.domain.spans import SpanUpdate, span_update
    from tracestore.http.wiring import redactor
    from tracestore.ingest.json_body import parse_json
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
            records: dict[str, list[SpanUpdate]] = {}
            for trace_id, fields in spans:
                records.setdefault(trace_id, []).append(span_update(fields, received_ms=0))
            for trace_id, of_trace in records.items():
                segment_items(trace_id, "0", segment_of(of_trace), 0)
    return parts
