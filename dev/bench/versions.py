"""Two builds side by side: processor time of the same requests, in turns, as ratios of this build to another revision.

Each build runs in a process of its own with a DynamoDB Local of its own. A measurement is repeated in both, one after
the other, so that the machine's other load slows both equally; the median of the ratios counts.
"""

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from statistics import median
from typing import Any, Final, NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from rich.console import Console

from dev.bench.otlp import recorded_exports
from dev.bench.report import rated, table
from dev.template import ROOT

ROUNDS: Final = 5
_WORKER: Final = Path(__file__).with_name("version_worker.py")
_BODIES: Final = {1: 60, 50: 8, 500: 2}
"""Requests of one measurement, by the spans of a request."""

_RECORDS: Final = 50
_BOTO3: Final = "import boto3; boto3.client('dynamodb', region_name='us-east-1')"
_FUNCTIONS: Final = ("capture", "query", "rollup")


class Ratio(NamedTuple):
    """A measurement of both builds. *units*: `now` is in microseconds of processor time."""

    now: float
    ratio: float


def report(console: Console, revision: str) -> None:
    """Print ratios of this build to the one at `revision`."""
    with _checkout(revision) as old_root, _worker(ROOT) as new, _worker(old_root) as old, _bodies() as directories:
        rows = table(f"Processor time, this build / {revision}", "µs a span", "ratio", "without client", "ratio", "aim")
        aims = {1: "0.15 with", 50: "0.30 and 0.40", 500: ""}
        for batch, count in _BODIES.items():
            measured = [_both(new, old, "capture", str(directory)) for directory in directories[batch]]
            rows.add_row(f"OTLP, {batch} per request", *_cells(measured, batch * count), aims[batch])
        reads = {
            "list of 50 summaries": ("", "view=summary&limit=50", "0.30"),
            "forest of 20 traces": ("", "limit=20", ""),
            "one trace": ("/LATEST", "", ""),
        }
        for name, (path, query, aim) in reads.items():
            measured = [_both(new, old, "read", path, query, 5) for _ in range(ROUNDS)]
            rows.add_row(f"{name}, per request", *_cells(measured, 5), aim)
        measured = [_both(new, old, "count", _RECORDS) for _ in range(ROUNDS)]
        rows.add_row("rollup, per record", *_cells(measured, _RECORDS), "0.20 with")
        console.print(rows)
        console.print(_imports(old_root))


def _cells(measured: list[tuple[dict[str, float], dict[str, float]]], units: int) -> list[str]:
    cells = []
    for subtracted in (None, "client_s"):
        spent = [tuple(each["spent_s"] - (each[subtracted] if subtracted else 0) for each in pair) for pair in measured]
        now = median(new for new, _ in spent) * 1e6 / units
        cells += [f"{now:,.0f}", f"{median(new / old for new, old in spent):.2f}"]
    return cells


def _imports(old_root: Path) -> Any:
    """The start of functions: import and the store's client, in new processes in turns, as multiples of boto3's."""
    spent: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        spent.setdefault("boto3", []).append(_import_s(ROOT, _BOTO3))
        for name in _FUNCTIONS:
            for build, root in (("now", ROOT), ("before", old_root)):
                spent.setdefault(f"{name} {build}", []).append(_import_s(root, f"import {name}_handler"))
    boto3_s = min(spent.pop("boto3"))
    rows = table("Start of a function, × boto3 and a client", "now", "before")
    for name in _FUNCTIONS:
        now, before = (min(spent[f"{name} {build}"]) / boto3_s for build in ("now", "before"))
        rows.add_row(name, rated(now, 0.45), f"{before:.2f}")
    return rows


def _import_s(root: Path, code: str) -> float:
    folders = [root / "layers/common", *(root / "functions" / name for name in _FUNCTIONS)]
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(map(str, folders)),
        "TABLE_NAME": "t",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    timed = f"import time; began = time.process_time(); {code}; print(time.process_time() - began)"
    process = subprocess.run(
        [sys.executable, "-c", timed], cwd=root, env=environment, capture_output=True, text=True, check=True
    )
    return float(process.stdout)


class _Worker:
    """A running worker."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, *command: object) -> Any:
        """The answer to a command; without one, to the start."""
        assert self._process.stdin
        assert self._process.stdout
        if command:
            self._process.stdin.write(json.dumps(command) + "\n")
            self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("a build under measurement ended; its output is above")
        return json.loads(line)


def _both(new: _Worker, old: _Worker, *command: object) -> tuple[dict[str, float], dict[str, float]]:
    return new.ask(*command), old.ask(*command)


@contextlib.contextmanager
def _worker(root: Path) -> Iterator[_Worker]:
    path = os.pathsep.join(str(root / folder) for folder in (".", "layers/common", "cli", "client/src"))
    with tempfile.TemporaryDirectory() as scratch:
        script = Path(scratch) / "worker.py"  # a copy, so that Python does not put this build's folder on the path
        shutil.copyfile(_WORKER, script)
        process = subprocess.Popen(
            [sys.executable, str(script)],
            cwd=root,
            env={**os.environ, "PYTHONPATH": path},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        with process:
            worker = _Worker(process)
            worker.ask()
            try:
                yield worker
            finally:
                assert process.stdin
                process.stdin.close()


@contextlib.contextmanager
def _checkout(revision: str) -> Iterator[Path]:
    """A temporary work tree of a revision, with the cache of downloaded engines. *raises*: CalledProcessError."""
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch) / "before"
        git = ["git", "-C", str(ROOT), "worktree"]
        subprocess.run([*git, "add", "--quiet", "--detach", str(root), revision], check=True)
        try:
            (root / ".cache").symlink_to(ROOT / ".cache")
            yield root
        finally:
            subprocess.run([*git, "remove", "--force", str(root)], check=True)


@contextlib.contextmanager
def _bodies() -> Iterator[dict[int, list[Path]]]:
    """Directories of request bodies by the spans of a request, one for each round: recorded spans with new ids."""
    with tempfile.TemporaryDirectory() as scratch:
        spans = cycle(_recorded_spans())
        directories: dict[int, list[Path]] = {}
        for batch, count in _BODIES.items():
            for number in range(ROUNDS):
                directory = Path(scratch) / f"{batch}-{number}"
                directory.mkdir()
                for index in range(count):
                    body = b"".join(_renamed(next(spans), f"{batch} {number}") for _ in range(batch))
                    (directory / f"{index:03}").write_bytes(body)
                directories.setdefault(batch, []).append(directory)
        yield directories


def _recorded_spans() -> list[ExportTraceServiceRequest]:
    """The spans of the recorded exports, each as an export of its own."""
    spans = []
    for body in recorded_exports():
        export = ExportTraceServiceRequest.FromString(body)
        for resource in export.resource_spans:
            for scope in resource.scope_spans:
                for span in scope.spans:
                    single = ExportTraceServiceRequest()
                    copied = single.resource_spans.add(resource=resource.resource, schema_url=resource.schema_url)
                    copied.scope_spans.add(scope=scope.scope, schema_url=scope.schema_url, spans=[span])
                    spans.append(single)
    return spans


def _renamed(export: ExportTraceServiceRequest, salt: str) -> bytes:
    """The export with another trace id, the same for all spans of a trace. Exports can be joined as bytes."""
    renamed = ExportTraceServiceRequest()
    renamed.CopyFrom(export)
    span = renamed.resource_spans[0].scope_spans[0].spans[0]
    span.trace_id = hashlib.blake2b(salt.encode() + span.trace_id, digest_size=16).digest()
    return renamed.SerializeToString()
