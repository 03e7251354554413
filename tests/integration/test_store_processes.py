"""Processes that remember one trace lose, double and bring back nothing, while calls fail and processes crash.

A client repeats each request until it is acknowledged, each time at any process. After each acknowledgement, what a new
process reads is what was acknowledged so far.
"""

import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest

from tests.builders import START_NS, Clock, batches_of, call, orphans, reader, store_on, stored_spans, writer
from tests.crashing import Crash, CrashingAtWrite
from tests.gateway import new_user
from tests.integration.test_store_faults import Flaky
from tests.memory_dynamodb import MemoryDynamoDB
from tracestore.domain.annotations import Annotation
from tracestore.domain.errors import Conflict, NotFound, Unavailable
from tracestore.domain.filters import Filters
from tracestore.domain.merge import Span
from tracestore.domain.spans import SpanFields
from tracestore.storage.listing import TraceQuery
from tracestore.storage.store import Store
from tracestore.storage.user_store import UserWriter

TRACES = ("t", "u")
PROCESSES = 3
PATCHED = "patched"


@dataclass
class Trace:
    """What was acknowledged of a trace: names of spans by id, and values of annotations by name."""

    spans: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, float] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    is_deleted: bool = False


class Client:
    """A client of one user, whose requests reach processes that fail, crash, and have clocks that differ."""

    def __init__(self, seed: int) -> None:
        self.memory = MemoryDynamoDB(page_items=5)
        self.rng = random.Random(seed)
        self.user = new_user().name
        self.clock = Clock(START_NS // 10**6 + 600_000)  # within an hour, which names the generation
        self.clocks = [Clock(self.clock.ms) for _ in range(PROCESSES)]
        self.processes = [self._process(number) for number in range(PROCESSES)]
        self.traces = {trace_id: Trace() for trace_id in TRACES}

    def _process(self, number: int) -> Store:
        return store_on(self.memory, self.clocks[number], db=Flaky(self.memory, self.rng.randrange(2**32)))

    def advance(self) -> None:
        """Time passes. Each process sees it with an error of its own, which may set its clock back."""
        self.clock.advance(ms=self.rng.choice([1, 300, 5_000]))
        for clock in self.clocks:
            clock.ms = self.clock.ms + self.rng.randrange(-200, 200)

    def send(self, request: Callable[[UserWriter], object]) -> object:
        """Send a request until it is acknowledged or refused; returns its result, or the error that refused it."""
        while True:
            number = self.rng.randrange(PROCESSES)
            store = self.processes[number]
            if self.rng.random() < 0.15:
                crashing = CrashingAtWrite(self.memory, self.rng.randrange(4))
                store = store_on(self.memory, self.clocks[number], db=crashing)
                self.processes[number] = self._process(number)
            try:
                return request(writer(store, self.user))
            except (NotFound, Conflict) as error:
                return error
            except (Unavailable, Crash):
                self.advance()

    def capture(self, trace_id: str, *spans: SpanFields) -> None:
        rejected = self.send(lambda writer: writer.capture(batches_of(spans, trace_id)))
        assert isinstance(rejected, list)
        refused, trace = {each.span_id for each in rejected}, self.traces[trace_id]
        assert refused == {span["span_id"] for span in spans if trace.is_deleted or span["span_id"] in trace.deleted}
        for span in spans:
            if span["span_id"] not in refused and not trace.spans.get(span["span_id"], "").startswith(PATCHED):
                trace.spans[span["span_id"]] = span["span_name"]

    def act(self, number: int) -> None:
        """One request of any kind."""
        rng, trace_id = self.rng, self.rng.choice(TRACES)
        trace = self.traces[trace_id]
        known = rng.choice([*trace.spans, "absent"])
        text = rng.randbytes(rng.choice([5, 300, 900])).hex()
        match rng.choice(["capture"] * 12 + ["again", "root", "patch", "annotate", "unannotate", "delete", "end"]):
            case "capture":
                self.capture(trace_id, call(f"s{number}", "root", input_data=text, message_id=f"m{number % 5}"))
            case "again" if known != "absent" and not trace.is_deleted:
                self.capture(trace_id, call(f"s{number}", "root"), call(known, "root"))
            case "root" if "root" not in trace.deleted:
                self.capture(trace_id, call("root", operation_type="agent", end_ns=None, input_data="asked"))
            case "patch" if known in trace.spans:
                self.send(lambda writer: writer.patch(trace_id, known, partial(_named, known, f"{PATCHED} {number}")))
                trace.spans[known] = f"{PATCHED} {number}"
            case "annotate":
                annotation = Annotation(f"n{number % 3}", "x", number, "x")
                if not isinstance(self.send(lambda writer: writer.annotate(trace_id, annotation)), Conflict):
                    assert not trace.is_deleted
                    trace.annotations[annotation.name] = number
            case "unannotate" if trace.annotations:
                name = rng.choice(sorted(trace.annotations))
                self.send(lambda writer: writer.delete_annotations(trace_id, name))
                del trace.annotations[name]
            case "delete" if known in trace.spans and len(trace.spans) > 3:
                self.send(lambda writer: writer.delete_span(trace_id, known))
                trace.deleted.add(known)
                del trace.spans[known]
            case "end" if rng.random() < 0.1:
                self.send(lambda writer: writer.delete_trace(trace_id))
                if trace.spans:
                    self.traces[trace_id] = Trace(is_deleted=True)

    def check(self) -> None:
        """What a new process reads is what was acknowledged."""
        store = store_on(self.memory, self.clock)
        for trace_id, trace in self.traces.items():
            found: dict[str, Any] = {}
            with suppress(NotFound):
                found = {
                    span_id: span["span_name"] for span_id, span in stored_spans(store, self.user, trace_id).items()
                }
            assert found == trace.spans
            kept: dict[str, Any] = {}
            with suppress(NotFound):
                annotations, _ = reader(store, self.user).annotations(trace_id)
                kept = {each.name: each.value for each in annotations}
            assert kept == trace.annotations


def _named(span_id: str, name: str, _: Span) -> SpanFields:
    return SpanFields(span_id=span_id, span_name=name)


@pytest.mark.parametrize("seed", range(20))
def test_what_was_acknowledged_is_what_is_stored(seed: int) -> None:
    client = Client(seed)
    for number in range(client.rng.choice([15, 60])):
        client.act(number)
        client.check()
        client.advance()
    for trace_id, trace in client.traces.items():
        if not trace.spans:
            continue
        for number in range(PROCESSES):  # each process adds to the trace as it knows it
            span = call(f"last {number}", "root")
            assert writer(store_on(client.memory, client.clocks[number]), client.user).capture([(trace_id, span)]) == []
            trace.spans[span["span_id"]] = span["span_name"]
        client.check()
        store = store_on(client.memory, client.clock)
        listed = reader(store, client.user).traces(TraceQuery(Filters()), 9).traces
        head = next(each.head for each in listed if each.trace_id == trace_id)
        assert head.summary == reader(store, client.user).trace(trace_id, payloads=False)[0].summary
        assert head.summary.span_count == len(trace.spans)
        assert orphans(store, client.user, trace_id) == []
