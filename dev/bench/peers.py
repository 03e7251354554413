"""The local server next to MLflow and Phoenix: the same OTLP bodies, in turns, in one run.

Each peer is installed into a virtual environment of its own in `.cache`, at a pinned version. All servers keep their
data on disk, and each has one process for its API, as its documentation starts it. What counts is ratios: the machine's
other load slows all alike. A rate includes the time until the last trace can be read as a whole.
"""

import contextlib
import hashlib
import random
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from statistics import median
from typing import Annotated, Final

import httpx
import typer
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from dev.bench import peer_servers
from dev.bench.peer_servers import PEERS, Server
from dev.bench.report import console, table

_SPANS: Final = {50: 100, 1: 10}
"""Spans that each client sends in one measurement, by the spans of a request."""

_TRACE_SPANS: Final = 5
_FAILED: Final = 4
"""Of so many traces, one fails."""

_READS: Final = 15
_LOGS_S: Final = 3
"""The time in which the databases move their logs into their files."""

_WORDS: Final = [hashlib.sha256(str(number).encode()).hexdigest()[:8] for number in range(400)]

_numbers: Final = count()


@dataclass
class Measured:
    """A server, and its measurements by name. `spans` were sent since its data had `empty_bytes`."""

    server: Server
    values: dict[str, list[float]] = field(default_factory=dict)
    empty_bytes: int = 0
    spans: int = 0

    def add(self, name: str, value: float) -> None:
        """Add a measurement."""
        self.values.setdefault(name, []).append(value)


def main(
    environments: Annotated[
        Path, typer.Option(help="Folder of the peers' virtual environments, which are installed on first use.")
    ] = PEERS,
    rounds: Annotated[int, typer.Option(min=1, help="Turns of each measurement.")] = 3,
) -> None:
    """Compare with MLflow and Phoenix: rates, processor time, latencies, sizes and the start."""
    starts = (
        peer_servers.tracestore(),
        peer_servers.mlflow(peer_servers.installed(environments, "mlflow")),
        peer_servers.phoenix(peer_servers.installed(environments, "phoenix")),
    )
    with contextlib.ExitStack() as stack:
        all_measured = [stack.enter_context(_started(start)) for start in starts]
        for _ in range(rounds):
            for batch in _SPANS:
                for clients in (1, 4):
                    for measured in all_measured:
                        _measure_rate(measured, batch, clients)
            for measured in all_measured:
                _measure_reads(measured)
        time.sleep(_LOGS_S)
        for measured in all_measured:
            stored = measured.server.stored_bytes - measured.empty_bytes
            measured.add("stored bytes a span", stored / measured.spans)
        _print(all_measured)


@contextlib.contextmanager
def _started(start: AbstractContextManager[Server]) -> Iterator[Measured]:
    """Start a server, and measure the time until its first trace can be read, and its memory at rest."""
    began = time.perf_counter()
    with start as server:
        measured = Measured(server)
        trace_id, (body,) = _bodies(_TRACE_SPANS, _TRACE_SPANS)
        with httpx.Client(timeout=120) as client:
            server.send(client, body)
            server.await_trace(client, trace_id, _TRACE_SPANS)
        measured.add("start to first trace, s", time.perf_counter() - began)
        time.sleep(2)
        measured.add("memory at rest, MB", server.memory_bytes / 1e6)
        measured.empty_bytes = server.stored_bytes
        yield measured


def _measure_rate(measured: Measured, batch: int, clients: int) -> None:
    server = measured.server
    before_s = server.spent_s(), server.spent_s(in_python=True)
    bodies = [_bodies(batch, _SPANS[batch]) for _ in range(clients)]

    def run(part: tuple[str, list[bytes]]) -> None:
        trace_id, requests = part
        with httpx.Client(timeout=120) as client:
            for body in requests:
                server.send(client, body)
            server.await_trace(client, trace_id, _TRACE_SPANS)

    began = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(run, bodies))
    spans = clients * _SPANS[batch]
    measured.spans += spans
    measured.add(
        f"spans/s, {batch} a request, {clients} client{'s' * (clients > 1)}", spans / (time.perf_counter() - began)
    )
    if batch > 1:
        after_s = server.spent_s(), server.spent_s(in_python=True)
        for name, before, after in zip(("all processes", "Python alone"), before_s, after_s, strict=True):
            measured.add(f"processor ms a span, {name}", (after - before) * 1000 / spans)


def _measure_reads(measured: Measured) -> None:
    server = measured.server
    trace_id, (body,) = _bodies(_TRACE_SPANS, _TRACE_SPANS)
    with httpx.Client(timeout=120) as client:
        server.send(client, body)
        server.await_trace(client, trace_id, _TRACE_SPANS)
        for name, read in (
            ("list of 50, ms", server.read_latest),
            ("50 failures of 24 h, ms", server.read_failures),
            ("one trace, ms", lambda client: server.await_trace(client, trace_id, _TRACE_SPANS)),
        ):
            times_s = []
            for _ in range(_READS):
                began = time.perf_counter()
                read(client)
                times_s.append(time.perf_counter() - began)
            measured.add(name, median(times_s) * 1000)


def _print(all_measured: Sequence[Measured]) -> None:
    product, *peers = all_measured
    names = [product.server.name, *(name for peer in peers for name in (peer.server.name, "product / peer"))]
    rows = table("Median of turns, data on disk", *names)
    for name, values in product.values.items():
        cells = [f"{median(values):,.2f}"]
        for peer in peers:
            ratios = [ours / theirs for ours, theirs in zip(values, peer.values[name], strict=True) if theirs > 0]
            cells += [f"{median(peer.values[name]):,.2f}", f"{median(ratios):.2f}" if ratios else "–"]
        rows.add_row(name, *cells)
    console().print(rows)


def _bodies(batch: int, spans: int) -> tuple[str, list[bytes]]:
    """The id of the last trace, and exports of `batch` spans that form whole traces of 2.2 KB a span."""
    number = next(_numbers)
    source = random.Random(number)
    trace_id, exports = b"", []
    for index in range(spans):
        if index % _TRACE_SPANS == 0:
            trace_id, root = (
                hashlib.blake2b(f"{time.time_ns()} {number} {index}".encode(), digest_size=16).digest(),
                b"",
            )
        if index % batch == 0:
            exports.append(ExportTraceServiceRequest())
            exports[-1].resource_spans.add().scope_spans.add().scope.name = "peers"
        span = (
            exports[-1]
            .resource_spans[0]
            .scope_spans[0]
            .spans.add(trace_id=trace_id, span_id=source.randbytes(8), parent_span_id=root, name="chat gpt-4o", kind=3)
        )
        root = root or span.span_id
        if index % (_TRACE_SPANS * _FAILED) == 0:
            span.status.code = span.status.STATUS_CODE_ERROR
        span.start_time_unix_nano = time.time_ns() - 10**9
        span.end_time_unix_nano = span.start_time_unix_nano + 10**8
        messages = [
            (role, " ".join(source.choices(_WORDS, k=words))) for role, words in (("user", 120), ("assistant", 90))
        ]
        for key, (role, text) in zip(("gen_ai.input.messages", "gen_ai.output.messages"), messages, strict=True):
            value = f'[{{"role":"{role}","parts":[{{"type":"text","content":"{text}"}}]}}]'
            span.attributes.add(key=key).value.string_value = value
        for key, value in (("gen_ai.operation.name", "chat"), ("gen_ai.request.model", "gpt-4o")):
            span.attributes.add(key=key).value.string_value = value
        for key, tokens_used in (("gen_ai.usage.input_tokens", 210), ("gen_ai.usage.output_tokens", 90)):
            span.attributes.add(key=key).value.int_value = tokens_used
    return trace_id.hex(), [export.SerializeToString() for export in exports]
