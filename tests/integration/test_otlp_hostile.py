"""The capture function responds to any body within its limits of memory and time."""

import json
import subprocess
import sys
from typing import Any

import pytest

from dev.template import PYTHON_PATH, ROOT

MEMORY_MB = 512
CPU_S = 60


def run_mutating(*arguments: str) -> Any:
    """The result that `tests.mutating` prints."""
    command = [sys.executable, "-m", "tests.mutating", *arguments]
    run = subprocess.run(
        command, cwd=ROOT, env={"PYTHONPATH": PYTHON_PATH}, capture_output=True, text=True, check=False, timeout=300
    )
    assert run.returncode == 0, run.stderr[-3000:]
    return json.loads(run.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def mutations() -> Any:
    return run_mutating("mutations", "10000", "1")


@pytest.fixture(scope="module")
def bombs() -> Any:
    return run_mutating("bombs")


def test_ten_thousand_mutated_bodies_cause_no_server_error(mutations: Any) -> None:
    assert sum(mutations["statuses"].values()) == 10_000
    assert set(mutations["statuses"]) <= {"200", "400", "413", "415"}


def test_many_mutated_bodies_still_contain_valid_spans(mutations: Any) -> None:
    assert mutations["statuses"]["200"] > 1_000


def test_mutated_bodies_stay_within_the_memory_limit(mutations: Any) -> None:
    assert mutations["peak_mb"] < MEMORY_MB


def test_ten_thousand_mutated_bodies_take_less_than_a_minute(mutations: Any) -> None:
    assert mutations["cpu_s"] < CPU_S


def test_bombs_cause_no_server_error(bombs: Any) -> None:
    assert set(bombs["statuses"]) == {"200", "413"}


def test_bombs_stay_within_the_memory_limit(bombs: Any) -> None:
    assert bombs["peak_mb"] < MEMORY_MB


def test_bombs_take_less_than_a_minute(bombs: Any) -> None:
    assert bombs["cpu_s"] < CPU_S
