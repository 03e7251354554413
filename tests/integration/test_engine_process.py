"""The embedded DynamoDB ends with the process that started it, and serves a folder for one process at a time."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dev import dynamodb_local, engines
from dev.dynamodb_local import DataInUse, EngineUnavailable
from dev.template import PYTHON_PATH, ROOT
from tests import dev_command

STARTING = """
import sys, time
from pathlib import Path
from dev import dynamodb_local
with dynamodb_local.running(Path(sys.argv[1])) as address:
    print(address, flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def java() -> None:
    """DynamoDB Local. *absent*: as for the tests of the API."""
    try:
        dynamodb_local.installed()
    except EngineUnavailable as reason:
        if os.environ.get("CI", "").lower() in ("1", "true"):
            pytest.fail(f"DynamoDB Local must run under CI: {reason}")
        pytest.skip(f"DynamoDB Local cannot run here: {reason}")


def test_the_engine_ends_with_a_process_that_is_killed(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": PYTHON_PATH}
    with subprocess.Popen(
        [sys.executable, "-c", STARTING, str(tmp_path)], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        address = process.stdout.readline().strip()
        assert dynamodb_local.answers(address, lambda: True, 10)
        with pytest.raises(DataInUse, match=str(process.pid)), dynamodb_local.running(tmp_path):
            pass
        process.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 20
    while dynamodb_local.answers(address, lambda: True, 0.2):
        assert time.monotonic() < deadline, "the engine still answers"
    with dynamodb_local.running(tmp_path) as again:
        assert dynamodb_local.answers(again, lambda: True, 10)


def test_a_second_server_on_one_folder_names_the_first(tmp_path: Path) -> None:
    with engines.started("dynamodb-local", data_dir=tmp_path):
        result = dev_command.run("dev", "--data-dir", str(tmp_path), "--port", "0", "--no-demo")
    assert result.returncode == 1
    assert f"the process {os.getpid()} already serves" in " ".join(result.stderr.split())
