"""Spans per second through the local server over HTTP, compared with the cost of JSON and zstd alone.

The server runs in a separate process, as `tracestore dev` starts it; the clients use the loopback interface. Every
measurement is checked: the last acknowledged trace is read back.
"""

import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from statistics import median
from typing import Annotated, Any, Final, NamedTuple

import typer
from backports import zstd
from rich.table import Table

from dev import workloads
from dev.bench import otlp, report, sdk, steps, versions
from dev.dynamodb_local import EngineUnavailable, free_port, installed
from dev.engines import EngineName
from dev.template import PYTHON_PATH, ROOT
from tracestore_cli import tokens

BATCHES: Final = (1, 50, 500)
_CLIENTS: Final = (1, 4)
_TRACE_SPANS: Final = 5
_START_S: Final = 60
_ROUTE: Final = "/api/analytics/traces"


class Rate(NamedTuple):
    """One measurement."""

    spans_a_second: float
    request_ms: float


class TraceText:
    """The JSON of some traces, repeated with new ids: generating traces would slow the clients down."""

    def __init__(self, traces: int = 100) -> None:
        self._traces = [
            (spans[0]["trace_id"], [json.dumps(span, ensure_ascii=False) for span in [*spans[1:], spans[0]]])
            for spans in workloads.agents(traces, turns=2)
        ]
        self._numbers = count()

    def next(self) -> tuple[str, list[str]]:
        """A new trace id, and the spans of its trace as JSON texts, the root last."""
        number = next(self._numbers)
        old, spans = self._traces[number % len(self._traces)]
        new = f"{time.time_ns():016x}{number:016x}"
        return new, [span.replace(old, new) for span in spans]

    def bodies(self, batch: int) -> tuple[str, list[bytes]]:
        """The id of the last trace, and bodies of requests with `batch` spans each that together form whole traces."""
        traces = [self.next() for _ in range(max(1, batch // _TRACE_SPANS))]
        spans = [span for _, texts in traces for span in texts]
        size = min(batch, len(spans))
        return traces[-1][0], [body_of(spans[start : start + size]) for start in range(0, len(spans), size)]


def body_of(spans: list[str]) -> bytes:
    """The body of a request with these spans."""
    return f'{{"spans":[{",".join(spans)}]}}'.encode()


def main(
    engine: Annotated[str, typer.Option(help="all, moto or dynamodb-local.")] = "all",
    seconds: Annotated[float, typer.Option(min=0.2, max=60, help="Duration of each measurement.")] = 2.0,
    steps_only: Annotated[bool, typer.Option("--steps-only", help="Skip the measurements over HTTP.")] = False,
    with_otlp: Annotated[bool, typer.Option("--otlp", help="Measure only the OTLP path and the start.")] = False,
    against: Annotated[
        str | None, typer.Option(metavar="REV", help="Measure only ratios to the build at this revision.")
    ] = None,
    with_sdks: Annotated[bool, typer.Option("--native", help="Measure only the SDKs' own protocols.")] = False,
) -> None:
    """Spans per second through the local server, and processor time per span for each step."""
    if against:
        versions.report(report.console(), against)
        return
    if with_otlp:
        otlp.report(report.console())
        return
    if with_sdks:
        sdk.report(report.console())
        return
    names = [EngineName.MOTO, EngineName.DYNAMODB_LOCAL] if engine == "all" else [EngineName(engine)]
    console = report.console()
    floor_us = _floor_us()
    console.print(
        f"Reference: parsing, writing and compressing the JSON of a span takes {floor_us:.0f} µs: "
        f"{1e6 / floor_us:,.0f} spans per second on one processor. Traces have 5 spans of 2.2 KB.\n"
    )
    for name in [] if steps_only else names:
        try:
            if name == EngineName.DYNAMODB_LOCAL:
                installed(console.print)
            with _server(name) as (port, key):
                console.print(_rates(name, port, key, seconds, floor_us))
        except EngineUnavailable as reason:
            console.print(f"DynamoDB Local cannot run here: {reason}.")
    if EngineName.DYNAMODB_LOCAL in names:
        text = TraceText()
        try:
            steps.report(console, lambda batch: text.bodies(batch)[1], BATCHES, floor_us)
        except EngineUnavailable as reason:
            console.print(f"The processor time per step needs DynamoDB Local: {reason}.")


def _rates(name: str, port: int, key: str, seconds: float, floor_us: float) -> Table:
    columns = [
        ("1 client" if clients == 1 else f"{clients} clients", "ms per request", "of reference") for clients in _CLIENTS
    ]
    rows = report.table(f"Spans per second on {name}", *(column for group in columns for column in group))
    text = TraceText()
    for batch in BATCHES:
        row = [f"{batch} per request"]
        for clients in _CLIENTS:
            rate = _measure(text, port, key, batch, clients, seconds)
            share = rate.spans_a_second * floor_us / 1e6
            row += [f"{rate.spans_a_second:,.0f}", f"{rate.request_ms:.1f}", f"{share:.1%}"]
        rows.add_row(*row)
    return rows


def _measure(text: TraceText, port: int, key: str, batch: int, clients: int, seconds: float) -> Rate:
    """The rate of `clients` concurrent clients, after a small request of each to warm up."""
    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(lambda _: _client(text, port, key, _TRACE_SPANS, 0), range(clients)))
        began = time.perf_counter()
        sent = list(pool.map(lambda _: _client(text, port, key, batch, seconds), range(clients)))
        took_s = time.perf_counter() - began
    times_ms = [time_ms for _, times in sent for time_ms in times]
    return Rate(sum(spans for spans, _ in sent) / took_s, median(times_ms))


def _client(text: TraceText, port: int, key: str, batch: int, seconds: float) -> tuple[int, list[float]]:
    """Send traces in sequence for `seconds`, at least one. Returns the spans stored, and the ms of each request."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    deadline, spans, times_ms = time.perf_counter() + seconds, 0, []
    try:
        while True:
            trace_id, bodies = text.bodies(batch)
            for body in bodies:
                began = time.perf_counter()
                _call(connection, key, "POST", _ROUTE, body)
                times_ms.append((time.perf_counter() - began) * 1000)
            spans += max(batch, _TRACE_SPANS)
            if time.perf_counter() >= deadline:
                break
        trace = _call(connection, key, "GET", f"{_ROUTE}/{trace_id}?view=outline")["trace"]
        assert trace["summary"]["span_count"] == _TRACE_SPANS, trace["summary"]
    finally:
        connection.close()
    return spans, times_ms


def _call(connection: http.client.HTTPConnection, key: str, method: str, path: str, body: bytes = b"") -> Any:
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    while True:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        content = response.read()
        if response.status != http.HTTPStatus.SERVICE_UNAVAILABLE:
            break
        time.sleep(0.05)
    assert response.status in (200, 201), (response.status, content[:300])
    result = json.loads(content)
    assert not result.get("rejected"), result["rejected"][:3]
    return result


@contextmanager
def _server(engine: str) -> Iterator[tuple[int, str]]:
    """Run `tracestore dev` in a separate process with temporary data. Yields its port and a token for it."""
    port = free_port()
    with tempfile.TemporaryDirectory() as data_dir:
        command = [sys.executable, "-m", "tracestore_cli", "dev", "--no-demo", "--port", str(port)]
        process = subprocess.Popen(
            [*command, "--engine", engine, "--data-dir", data_dir],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": PYTHON_PATH},
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            _await_start(process, port)
            yield port, tokens.token("bench", tokens.local_secret(Path(data_dir)))
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _await_start(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + _START_S
    while process.poll() is None and time.monotonic() < deadline:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/healthz")
            if connection.getresponse().status == http.HTTPStatus.OK:
                return
        except OSError:
            pass
        finally:
            connection.close()
        time.sleep(0.1)
    raise RuntimeError("the local server does not start; run `tracestore dev` to see the reason")


def _floor_us() -> float:
    """Microseconds per span for the minimum that a compressing store does: parse JSON, write JSON, compress."""
    bodies = [body for _ in range(20) for body in TraceText().bodies(50)[1]]
    began = time.thread_time()
    for body in bodies:
        zstd.compress(json.dumps(json.loads(body), ensure_ascii=False, separators=(",", ":")).encode(), 3)
    return (time.thread_time() - began) * 1e6 / (50 * len(bodies))
