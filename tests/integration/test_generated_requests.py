"""Generated requests to every route of the API document: all checks of schemathesis, also along the links."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dev.docs_files import STATIC, write
from dev.openapi.document import build, operations
from dev.server import listening, serving
from dev.template import PYTHON_PATH, ROOT, Template
from tests.gateway import Call, User

pytestmark = [pytest.mark.generated, pytest.mark.parametrize("engine", ["moto"], indirect=True, scope="session")]

MINUTES_MOST = 20
"""Both runs together take less than two minutes on two idle cores."""

LINKS_COVERED = 5
"""At least so many links are followed. The document has more; which ones depends on the generated requests."""


@pytest.fixture
def address(call: Call, template: Template) -> Iterator[str]:
    """The address of the API over HTTP."""
    write()
    with serving(template, listening(0)) as base:
        yield base


def generated(address: str, user: User, folder: Path, *options: str) -> str:
    """The report of schemathesis, which must find no difference between the API and its document."""
    environment = {**os.environ, "PYTHONPATH": PYTHON_PATH, "SCHEMATHESIS_HOOKS": "tests.schemathesis_hooks"}
    run = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(ROOT / "tests/schemathesis.toml")),
            *("run", str(STATIC / "openapi.json"), "--url", address),
            *("--header", f"Authorization: Bearer {user.token}", "--no-color", *options),
        ],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=MINUTES_MOST * 60,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def test_no_generated_request_differs_from_the_document(address: str, user: User, tmp_path: Path) -> None:
    report = generated(address, user, tmp_path, "--phases", "examples,coverage,fuzzing,stateful")
    assert re.search(rf"Tested: {len(dict(operations(build())))}\b", report), report
    assert all(f"✅ {phase}" in report for phase in ("Examples", "Coverage", "Fuzzing", "Stateful")), report


def test_no_sequence_of_requests_along_links_differs_from_the_document(
    address: str, user: User, tmp_path: Path
) -> None:
    """Without two operations with which schemathesis begins most sequences. Valid requests alone, which links need."""
    options = ("--exclude-operation-id", "createKey", "--exclude-operation-id", "listLessons")
    sizes = ("--mode", "positive", "--max-examples", "60", "--workers", "1")
    report = generated(address, user, tmp_path, "--phases", "stateful", *sizes, *options)
    covered = re.search(r"API Links: +(\d+) covered", report)
    assert covered, report
    assert int(covered[1]) >= LINKS_COVERED, report
