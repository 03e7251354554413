"""The embedded DynamoDB ends with the process that started it, and serves a folder for one process at a time."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import boto3
import pytest

from dev import dynamodb_local, engines
from dev.dynamodb_local import DataInUse, EngineUnavailable
from dev.template import PSEUDO_PARAMETERS, PYTHON_PATH, ROOT, Template
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


def test_the_log_of_the_engine_is_moved_into_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in engines.PRETEND.items():
        monkeypatch.setenv(name, value)
    file, log = tmp_path / dynamodb_local.DATA_FILE, tmp_path / f"{dynamodb_local.DATA_FILE}-wal"
    with dynamodb_local.running(tmp_path) as address:
        client = engines.create_table(address, Template())
        empty_bytes, deadline = file.stat().st_size, time.monotonic() + 20
        for number in range(100):
            key = {"pk": {"S": f"U#ada#T#{number}"}, "sk": {"S": "H"}}
            client.put_item(TableName=Template().table_name, Item=key | {"head": {"B": os.urandom(2_000)}})
        while file.stat().st_size < empty_bytes + 200_000:
            assert time.monotonic() < deadline, "the engine's file does not grow: its log would, without end"
            time.sleep(0.1)
    assert not log.exists() or log.stat().st_size == 0
    with sqlite3.connect(file) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchall() == [("wal",)]
    connection.close()
    with dynamodb_local.running(tmp_path) as address:
        stored = boto3.client("dynamodb", endpoint_url=address, region_name=PSEUDO_PARAMETERS["AWS::Region"])
        assert "Item" in stored.get_item(TableName=Template().table_name, Key=key)


def test_a_second_server_on_one_folder_names_the_first(tmp_path: Path) -> None:
    with engines.started("dynamodb-local", data_dir=tmp_path):
        result = dev_command.run("dev", "--data-dir", str(tmp_path), "--port", "0", "--no-demo")
    assert result.returncode == 1
    assert f"the process {os.getpid()} already serves" in " ".join(result.stderr.split())
