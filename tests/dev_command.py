"""`tracestore dev` as a process, with the lines that it prints."""

import contextlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread

from dev import page_files
from dev.node import NodeUnavailable
from dev.page_files import PageUnavailable
from dev.template import PYTHON_PATH, ROOT

START_S = 60


@dataclass
class Running:
    """A running `tracestore dev`. `lines` grows as it prints."""

    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)

    def collect(self) -> None:
        """Append the lines that the server prints, until it stops."""
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def wait_for(self, pattern: str) -> str:
        """The first line that begins with this regular expression."""
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and self.process.poll() is None:
            if line := next((line for line in self.lines if re.match(pattern, line)), None):
                return line
            time.sleep(0.05)
        raise AssertionError("\n".join(self.lines))

    @property
    def exports(self) -> list[str]:
        """The lines to paste into a shell."""
        self.wait_for("export OTEL_EXPORTER_OTLP_HEADERS=")
        return [line for line in self.lines if line.startswith("export ")]

    @property
    def base(self) -> str:
        """The printed address."""
        return self.exports[0].partition("=")[2]

    @property
    def key(self) -> str:
        """The printed API key."""
        return self._printed(r"tsk_\S+")

    @property
    def token(self) -> str:
        """The printed token of the user `demo`."""
        return self._printed(r"eyJ[\w.-]+")

    def _printed(self, pattern: str) -> str:
        self.wait_for("export OTEL_EXPORTER_OTLP_HEADERS=")
        return next(line for line in self.lines if re.fullmatch(pattern, line))


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The result of a command of tracestore."""
    command = [sys.executable, "-m", "tracestore_cli", *arguments]
    variables = _variables(environment)
    return subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False, timeout=60)


@contextlib.contextmanager
def started(data_dir: Path, *options: str, **environment: str) -> Iterator[Running]:
    """The command with these options, on moto and on a free port, until the end of the block."""
    with contextlib.suppress(NodeUnavailable, PageUnavailable):
        page_files.build()  # else the first start could take longer than a test waits
    command = [sys.executable, "-u", "-m", "tracestore_cli", "dev", "--no-demo", "--engine", "moto", "--port", "0"]
    process = subprocess.Popen(
        [*command, "--data-dir", str(data_dir), *options],
        cwd=ROOT,
        env=_variables(environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    running = Running(process)
    reader = Thread(target=running.collect, daemon=True)
    reader.start()
    try:
        yield running
    finally:
        process.terminate()
        process.wait(30)
        reader.join(5)
        assert process.stdout
        process.stdout.close()


def _variables(environment: Mapping[str, str]) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": PYTHON_PATH, **environment}
