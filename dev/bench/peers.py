"""The local server next to MLflow and Phoenix: the same OTLP bodies, in turns, in one run.

Each peer is installed into a virtual environment of its own in `.cache`, at a pinned version. All servers keep their
data on disk, and each has one process for its API, as its documentation starts it. What counts is ratios: the machine's
other load slows all alike. A rate includes the time until the last trace can be read as a whole.
"""

import contextlib
import hashlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from statistics import median
from typing import Annotated, Any, Final

import httpx
import typer
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from dev.bench.report import console, table
from dev.dynamodb_local import free_port
from dev.node import CACHE
from dev.template import PYTHON_PATH, ROOT
from tracestore_cli import tokens

PINNED: Final = {"mlflow": "mlflow==3.17.2", "phoenix": "arize-phoenix==20.26.1"}
_START_S: Final = 240
_READABLE_S: Final = 120
_SPANS: Final = {50: 100, 1: 10}
"""Spans that each client sends in one measurement, by the spans of a request."""

_TRACE_SPANS: Final = 5
_READS: Final = 15
_LOGS_S: Final = 3
"""The time in which the databases move their logs into their files."""

_WORDS: Final = [hashlib.sha256(str(number).encode()).hexdigest()[:8] for number in range(400)]
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")

_numbers: Final = count()


@dataclass(frozen=True)
class Reads:
    """How a server is read: the request for its latest 50 traces, and the one for a trace by its hexadecimal id."""

    latest: tuple[str, str, Any]
    trace: str
    span_id: str
    """A pattern that matches once for each span in the response to `trace`."""


@dataclass
class Server:
    """A running server, and its measurements by name. `spans` were sent since its data had `empty_bytes`."""

    name: str
    base: str
    headers: Mapping[str, str]
    reads: Reads
    process: subprocess.Popen[bytes]
    folder: Path
    measured: dict[str, list[float]] = field(default_factory=dict)
    empty_bytes: int = 0
    spans: int = 0

    def add(self, name: str, value: float) -> None:
        """Add a measurement."""
        self.measured.setdefault(name, []).append(value)

    def send(self, client: httpx.Client, body: bytes) -> None:
        """Send an export, and again while the server is busy."""
        headers = {"content-type": "application/x-protobuf", **self.headers}
        while (answer := client.post(f"{self.base}/v1/traces", content=body, headers=headers)).status_code == 503:
            time.sleep(0.05)
        answer.raise_for_status()

    def await_trace(self, client: httpx.Client, trace_id: str) -> None:
        """Wait until the trace is returned with all of its spans."""
        deadline = time.monotonic() + _READABLE_S
        url = self.base + self.reads.trace.format(trace_id=trace_id)
        while True:
            answer = client.get(url, headers=dict(self.headers))
            if answer.is_success and len(re.findall(self.reads.span_id, answer.text)) >= _TRACE_SPANS:
                return
            if time.monotonic() > deadline:
                raise SystemExit(f"{self.name} does not return a trace that it has accepted: {answer.status_code}")
            time.sleep(0.02)

    def read_latest(self, client: httpx.Client) -> None:
        """Read the latest 50 traces."""
        method, path, body = self.reads.latest
        client.request(method, self.base + path, json=body, headers=dict(self.headers)).raise_for_status()


def main(
    environments: Annotated[
        Path, typer.Option(help="Folder of the peers' virtual environments, which are installed on first use.")
    ] = CACHE / "peers",
    rounds: Annotated[int, typer.Option(min=1, help="Turns of each measurement.")] = 3,
) -> None:
    """Compare with MLflow and Phoenix: rates, processor time, latencies, sizes and the start."""
    homes = {name: _installed(environments, name, requirement) for name, requirement in PINNED.items()}
    with contextlib.ExitStack() as stack:
        servers = [
            stack.enter_context(start)
            for start in (_tracestore(), _mlflow(homes["mlflow"]), _phoenix(homes["phoenix"]))
        ]
        for _ in range(rounds):
            for batch in _SPANS:
                for clients in (1, 4):
                    for server in servers:
                        _measure_rate(server, batch, clients)
            for server in servers:
                _measure_reads(server)
        time.sleep(_LOGS_S)
        for server in servers:
            server.add("stored bytes a span", (_stored_bytes(server.folder) - server.empty_bytes) / server.spans)
        _print(servers)


def _measure_rate(server: Server, batch: int, clients: int) -> None:
    before_s = _spent_s(server.process.pid)
    bodies = [_bodies(batch, _SPANS[batch]) for _ in range(clients)]

    def run(part: tuple[str, list[bytes]]) -> None:
        trace_id, requests = part
        with httpx.Client(timeout=120) as client:
            for body in requests:
                server.send(client, body)
            server.await_trace(client, trace_id)

    began = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(run, bodies))
    spans = clients * _SPANS[batch]
    server.spans += spans
    server.add(
        f"spans/s, {batch} a request, {clients} client{'s' * (clients > 1)}", spans / (time.perf_counter() - began)
    )
    if batch > 1:
        server.add("processor ms a span, all processes", (_spent_s(server.process.pid) - before_s) * 1000 / spans)


def _measure_reads(server: Server) -> None:
    trace_id, (body,) = _bodies(_TRACE_SPANS, _TRACE_SPANS)
    with httpx.Client(timeout=120) as client:
        server.send(client, body)
        server.await_trace(client, trace_id)
        for name, read in (
            ("list of 50, ms", server.read_latest),
            ("one trace, ms", lambda client: server.await_trace(client, trace_id)),
        ):
            times_s = []
            for _ in range(_READS):
                began = time.perf_counter()
                read(client)
                times_s.append(time.perf_counter() - began)
            server.add(name, median(times_s) * 1000)


def _print(servers: Sequence[Server]) -> None:
    product, *peers = servers
    names = [product.name, *(name for peer in peers for name in (peer.name, "product / peer"))]
    rows = table("Median of turns, data on disk", *names)
    for name, values in product.measured.items():
        cells = [f"{median(values):,.2f}"]
        for peer in peers:
            ratios = [ours / theirs for ours, theirs in zip(values, peer.measured[name], strict=True) if theirs > 0]
            cells += [f"{median(peer.measured[name]):,.2f}", f"{median(ratios):.2f}" if ratios else "–"]
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


@contextlib.contextmanager
def _tracestore() -> Iterator[Server]:
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "tracestore_cli", "dev", "--no-demo", "--engine", "dynamodb-local"]
        command += ["--port", str(port), "--data-dir", folder]
        reads = Reads(
            ("GET", "/api/analytics/traces?view=summary&limit=50", None),
            "/api/analytics/traces/{trace_id}",
            r'"span_name":',
        )

        def headers() -> Mapping[str, str]:
            return {"authorization": f"Bearer {tokens.token('peers', tokens.local_secret(Path(folder)))}"}

        with _running("tracestore", command, {"PYTHONPATH": PYTHON_PATH}, port, Path(folder), headers, reads) as server:
            yield server


@contextlib.contextmanager
def _mlflow(home: Path) -> Iterator[Server]:
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        command = [str(home / "bin/mlflow"), "server", "--host", "127.0.0.1", "--port", str(port)]
        command += ["--workers", "1", "--backend-store-uri", f"sqlite:///{folder}/mlflow.db"]
        command += ["--artifacts-destination", f"{folder}/artifacts"]
        experiment = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "0"}}
        reads = Reads(
            (
                "POST",
                "/api/3.0/mlflow/traces/search",
                {"locations": [experiment], "max_results": 50, "order_by": ["timestamp_ms DESC"]},
            ),
            "/api/3.0/mlflow/traces/get?trace_id=tr-{trace_id}",
            r'"span_id":',
        )
        with _running(
            "MLflow", command, {}, port, Path(folder), lambda: {"x-mlflow-experiment-id": "0"}, reads
        ) as server:
            yield server


@contextlib.contextmanager
def _phoenix(home: Path) -> Iterator[Server]:
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        settings = {
            "PHOENIX_WORKING_DIR": folder,
            "PHOENIX_HOST": "127.0.0.1",
            "PHOENIX_PORT": str(port),
            "PHOENIX_GRPC_PORT": str(free_port()),
            "PHOENIX_TELEMETRY_ENABLED": "false",
        }
        reads = Reads(
            ("GET", "/v1/projects/default/traces?limit=50", None),
            "/v1/projects/default/spans?trace_id={trace_id}&limit=100",
            r'"span_kind":',
        )
        command = [str(home / "bin/phoenix"), "serve"]
        with _running("Phoenix", command, settings, port, Path(folder), dict, reads) as server:
            yield server


@contextlib.contextmanager
def _running(
    name: str,
    command: Sequence[str],
    environment: Mapping[str, str],
    port: int,
    folder: Path,
    headers: Callable[[], Mapping[str, str]],
    reads: Reads,
) -> Iterator[Server]:
    """Start a server, and measure the time until its first trace can be read and its memory at rest.

    `headers` is called after the start, which may make the secret of a token.
    """
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    began = time.perf_counter()
    process = subprocess.Popen(
        command,
        cwd=ROOT if name == "tracestore" else folder,
        env={**inherited, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        base = f"http://127.0.0.1:{port}"
        _await_start(name, process, base)
        server = Server(name, base, headers(), reads, process, folder)
        trace_id, (body,) = _bodies(_TRACE_SPANS, _TRACE_SPANS)
        with httpx.Client(timeout=120) as client:
            server.send(client, body)
            server.await_trace(client, trace_id)
        server.add("start to first trace, s", time.perf_counter() - began)
        time.sleep(2)
        server.add("memory at rest, MB", _memory_bytes(process.pid) / 1e6)
        server.empty_bytes = _stored_bytes(folder)
        yield server
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _await_start(name: str, process: subprocess.Popen[bytes], base: str) -> None:
    deadline = time.monotonic() + _START_S
    while True:
        with contextlib.suppress(httpx.HTTPError):
            httpx.get(base, timeout=5)
            return
        if process.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"{name} did not start.")
        time.sleep(0.1)


def _installed(environments: Path, name: str, requirement: str) -> Path:
    """The virtual environment of a peer, installed on first use; a part of an installation is removed."""
    home = environments / requirement.replace("==", "-")
    if not (home / "bin" / name).exists():
        console().print(f"Installing {requirement} (about 800 MB, once)")
        shutil.rmtree(home, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
        pip = [str(home / "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, requirement], check=True)
    return home


def _tree(pid: int) -> list[int]:
    """A process and all processes below it."""
    parents: dict[int, list[int]] = {}
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            with contextlib.suppress(OSError):
                parents.setdefault(int(_stat(int(path.name))[1]), []).append(int(path.name))
    found, unvisited = [], [pid]
    while unvisited:
        found.append(unvisited.pop())
        unvisited += parents.get(found[-1], [])
    return found


def _stat(pid: int) -> list[str]:
    """The fields after the name in `/proc/PID/stat`: state, parent and so on. *source*: proc(5)."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _spent_s(pid: int) -> float:
    """Processor time of a process and of those below it."""
    spent = 0
    for each in _tree(pid):
        with contextlib.suppress(OSError):
            fields = _stat(each)
            spent += int(fields[11]) + int(fields[12])
    return spent / _TICKS


def _memory_bytes(pid: int) -> int:
    """Resident memory of a process and of those below it."""
    resident = 0
    for each in _tree(pid):
        with contextlib.suppress(OSError):
            resident += int(Path(f"/proc/{each}/statm").read_text().split()[1]) * _PAGE_BYTES
    return resident


def _stored_bytes(folder: Path) -> int:
    """The size of the files in a folder, except the logs of databases, which are as long as their longest use."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(("-wal", "-shm"))]
    return sum(path.stat().st_size for path in files)
