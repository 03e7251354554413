"""The largest JSON bodies that pass stay within the memory and the processor time of a request."""

import json
import subprocess
import sys
from functools import cache
from typing import Any

import pytest

from dev.template import PYTHON_PATH, ROOT
from tests.mutating import WORST_BODIES

MEMORY_MB = 512
CPU_S = 3

BEYOND_A_LIMIT = {"empty lists", "backslashes"}
"""These are refused before they are decoded."""


@cache
def measured(name: str) -> Any:
    """The result that `tests.mutating` prints for a body, which it sends in a process of its own."""
    command = [sys.executable, "-m", "tests.mutating", name]
    run = subprocess.run(
        command, cwd=ROOT, env={"PYTHONPATH": PYTHON_PATH}, capture_output=True, text=True, check=False, timeout=120
    )
    assert run.returncode == 0, run.stderr[-3000:]
    return json.loads(run.stdout.splitlines()[-1])


@pytest.mark.parametrize("name", WORST_BODIES)
def test_a_body_is_refused_exactly_when_it_is_beyond_a_limit(name: str) -> None:
    (status,) = measured(name)["statuses"]
    assert (status == "413") == (name in BEYOND_A_LIMIT)


@pytest.mark.parametrize("name", WORST_BODIES)
def test_a_body_stays_within_the_memory_of_a_request(name: str) -> None:
    assert measured(name)["peak_mb"] <= MEMORY_MB  # measured: 383 at most


@pytest.mark.parametrize("name", WORST_BODIES)
def test_a_body_stays_within_the_processor_time_of_a_request(name: str) -> None:
    assert measured(name)["cpu_s"] <= CPU_S  # measured: 2.0 at most
