"""The servers that `tracestore bench peers` compares, as processes with their data in folders of their own."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import httpx

from dev.bench.report import console
from dev.dynamodb_local import free_port
from dev.node import CACHE
from dev.template import PYTHON_PATH, ROOT
from tracestore_cli import tokens

PINNED: Final = {"mlflow": "mlflow==3.17.2", "phoenix": "arize-phoenix==20.26.1"}
PEERS: Final = CACHE / "peers"
"""The folder of the peers' virtual environments."""

_START_S: Final = 240
_READABLE_S: Final = 120
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Read:
    """A request that reads."""

    method: str
    path: str
    body: Any = None


@dataclass(frozen=True)
class Reads:
    """How a server is read: its latest 50 traces, 50 failures since a time, and a trace by its hexadecimal id.

    `span_id` matches once for each span in the response to `trace`, and `failure` once for each failure.
    """

    latest: Read
    failures: Callable[[datetime], Read]
    failure: str
    trace: str
    span_id: str


@dataclass
class Server:
    """A running server."""

    name: str
    base: str
    headers: Mapping[str, str]
    reads: Reads
    process: subprocess.Popen[bytes]
    folder: Path

    def send(self, client: httpx.Client, body: bytes) -> None:
        """Send an export, and again while the server is busy."""
        headers = {"content-type": "application/x-protobuf", **self.headers}
        while (answer := client.post(f"{self.base}/v1/traces", content=body, headers=headers)).status_code == 503:
            time.sleep(0.05)
        answer.raise_for_status()

    def await_trace(self, client: httpx.Client, trace_id: str, spans: int) -> None:
        """Wait until the trace is returned with all of its spans."""
        deadline = time.monotonic() + _READABLE_S
        url = self.base + self.reads.trace.format(trace_id=trace_id)
        while True:
            answer = client.get(url, headers=dict(self.headers))
            if answer.is_success and len(re.findall(self.reads.span_id, answer.text)) >= spans:
                return
            if time.monotonic() > deadline:
                raise SystemExit(f"{self.name} does not return a trace that it has accepted: {answer.status_code}")
            time.sleep(0.02)

    def read_latest(self, client: httpx.Client) -> None:
        """Read the latest 50 traces."""
        self._read(client, self.reads.latest)

    def read_failures(self, client: httpx.Client) -> None:
        """Read 50 failures of the last 24 hours. A response without any ends the program."""
        text = self._read(client, self.reads.failures(datetime.now(UTC) - timedelta(hours=24)))
        if not re.search(self.reads.failure, text):
            raise SystemExit(f"{self.name} returns no failure: {text[:300]}")

    def _read(self, client: httpx.Client, read: Read) -> str:
        answer = client.request(read.method, self.base + read.path, json=read.body, headers=dict(self.headers))
        return answer.raise_for_status().text

    def spent_s(self, *, in_python: bool = False) -> float:
        """Processor time of its processes: of all, or of those that run Python."""
        spent = 0
        for each in _tree(self.process.pid):
            with contextlib.suppress(OSError):
                if not in_python or "python" in Path(f"/proc/{each}/exe").readlink().name:
                    fields = _stat(each)
                    spent += int(fields[11]) + int(fields[12])
        return spent / _TICKS

    @property
    def memory_bytes(self) -> int:
        """Resident memory of its processes."""
        resident = 0
        for each in _tree(self.process.pid):
            with contextlib.suppress(OSError):
                resident += int(Path(f"/proc/{each}/statm").read_text().split()[1]) * _PAGE_BYTES
        return resident

    @property
    def stored_bytes(self) -> int:
        """The size of its files, except the logs of databases, which are as long as their longest use."""
        files = [path for path in self.folder.rglob("*") if path.is_file() and not path.name.endswith(("-wal", "-shm"))]
        return sum(path.stat().st_size for path in files)


@contextlib.contextmanager
def tracestore() -> Iterator[Server]:
    """The local server on DynamoDB Local."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "tracestore_cli", "dev", "--no-demo", "--engine", "dynamodb-local"]
        command += ["--port", str(port), "--data-dir", folder]
        listed = "/api/analytics/traces?view=summary&limit=50"
        reads = Reads(
            Read("GET", listed),
            lambda since: Read("GET", f"{listed}&status=error&start_date={since:%Y-%m-%dT%H:%M:%SZ}"),
            r'"status":"error"',
            "/api/analytics/traces/{trace_id}",
            r'"span_name":',
        )

        def headers() -> Mapping[str, str]:
            return {"authorization": f"Bearer {tokens.token('peers', tokens.local_secret(Path(folder)))}"}

        with _running("tracestore", command, {"PYTHONPATH": PYTHON_PATH}, port, Path(folder), headers, reads) as server:
            yield server


@contextlib.contextmanager
def mlflow(executable: Path) -> Iterator[Server]:
    """MLflow's server on SQLite."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        command = [str(executable), "server", "--host", "127.0.0.1", "--port", str(port)]
        command += ["--workers", "1", "--backend-store-uri", f"sqlite:///{folder}/mlflow.db"]
        command += ["--artifacts-destination", f"{folder}/artifacts"]
        experiment = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "0"}}
        latest = {"locations": [experiment], "max_results": 50, "order_by": ["timestamp_ms DESC"]}

        def failures(since: datetime) -> Read:
            chosen = f"trace.status = 'ERROR' AND trace.timestamp_ms > {since.timestamp() * 1000:.0f}"
            return Read("POST", "/api/3.0/mlflow/traces/search", {**latest, "filter": chosen})

        reads = Reads(
            Read("POST", "/api/3.0/mlflow/traces/search", latest),
            failures,
            r'"state": *"ERROR"',
            "/api/3.0/mlflow/traces/get?trace_id=tr-{trace_id}",
            r'"span_id":',
        )
        with _running(
            "MLflow", command, {}, port, Path(folder), lambda: {"x-mlflow-experiment-id": "0"}, reads
        ) as server:
            yield server


@contextlib.contextmanager
def phoenix(executable: Path) -> Iterator[Server]:
    """Phoenix's server on SQLite. Its REST API lists failures as spans."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        settings = {
            "PHOENIX_WORKING_DIR": folder,
            "PHOENIX_HOST": "127.0.0.1",
            "PHOENIX_PORT": str(port),
            "PHOENIX_GRPC_PORT": str(free_port()),
            "PHOENIX_TELEMETRY_ENABLED": "false",
        }
        spans = "/v1/projects/default/spans"
        reads = Reads(
            Read("GET", "/v1/projects/default/traces?limit=50"),
            lambda since: Read("GET", f"{spans}?limit=50&status_code=ERROR&start_time={since:%Y-%m-%dT%H:%M:%SZ}"),
            r'"status_code": *"ERROR"',
            spans + "?trace_id={trace_id}&limit=100",
            r'"span_kind":',
        )
        with _running("Phoenix", [str(executable), "serve"], settings, port, Path(folder), dict, reads) as server:
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
    """Start a server. `headers` is called after the start, which may make the secret of a token."""
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
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
        yield Server(name, base, headers(), reads, process, folder)
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


def installed(environments: Path, name: str) -> Path:
    """The executable of a peer, which is installed on first use; a part of an installation is removed."""
    requirement = PINNED[name]
    home = environments / requirement.replace("==", "-")
    executable = home / "bin" / name
    if not executable.exists():
        console().print(f"Installing {requirement} (about 800 MB, once)")
        shutil.rmtree(home, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
        pip = [str(home / "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, requirement], check=True)
    return executable


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
