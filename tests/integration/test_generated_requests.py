"""Generated requests to every route of the API document: all checks of schemathesis, also along the links."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dev.docs_files import STATIC, write
from dev.openapi.document import build, operations
from dev.server import listening, serving
from dev.template import PYTHON_PATH, ROOT, Template
from tests.conftest import empty_moto
from tests.gateway import Call, User

pytestmark = pytest.mark.parametrize("engine", ["moto"], indirect=True, scope="session")

MINUTES_MOST = 20
"""The most that one run may take, also on a busy machine."""

SDKS = "Other SDKs"
"""The tag of the operations of SDKs' own protocols, a third of all. A run of their own has a smaller table."""

RUNS = {
    "others": ("--exclude-method", "DELETE", "--exclude-path", "/api/analytics/traces/delete", "--exclude-tag", SDKS),
    "sdks": ("--include-tag", SDKS),
    "deletions": ("--include-method", "DELETE", "--include-path", "/api/analytics/traces/delete"),
}
"""The options of each run. The operations that delete what the others need are apart."""


def run_of(route: str, operation: dict[str, Any]) -> str:
    """The run that has to test an operation."""
    if route.startswith("DELETE ") or route.endswith("/traces/delete"):
        return "deletions"
    return "sdks" if SDKS in operation["tags"] else "others"


SEQUENCES = {
    "spans": ("postSpans", "getSpan", "patchSpan", "deleteSpan"),
    "reading": ("postSpans", "getSpan", "getTrace"),
    "shares": ("createShare", "revokeShare"),
    "traces": ("postSpans", "deleteTrace"),
    "annotations": ("putAnnotation", "getAnnotations", "deleteAnnotations"),
    "lessons": ("startLesson", "addCall", "changeLesson", "getLesson", "deleteLesson"),
    "list of traces": ("listTraces", "getTrace"),
    "list of lessons": ("listLessons", "getLesson"),
    "account": ("createKey", "revokeKey", "saveView", "deleteView"),
}
"""Operations with links between them. Most sequences would begin with a list, so lists are apart. Traces are apart from
spans, since the deletion of a last span also deletes its trace. Jobs are missing: only large deletions start one."""


def store_examples(call: Call, user: User) -> None:
    """Store what the examples of the document refer to, so that they find it."""
    now = datetime.now(UTC).isoformat()
    span = {"trace_id": "trip-7", "span_name": "agent.run", "start_time": now, "conversation_id": "chat-42"}
    child = {"parent_span_id": "run", "operation_type": "completion", "model_name": "gpt-4o", "error_type": "timeout"}
    other = {**span, "trace_id": "trip-8", "span_id": "run"}
    spans = [{**span, "span_id": "run"}, {**span, **child, "span_id": "call"}, other]
    assert call("POST", "/api/analytics/traces", user=user, body={"spans": spans}).status == 201
    lesson = {"id": "1f0c3f7d5b9e4c1f8a6a2b7f9d1e4c55", "request_data": {"topic": "Photosynthesis"}}
    assert call("POST", "/api/traces", user=user, body=lesson).status == 201
    annotation = {"value": 0.8, "source": "judge", "span_id": "call"}
    path = "/api/analytics/traces/trip-7/annotations/quality"
    assert call("PUT", path, user=user, body=annotation).status == 200


@pytest.fixture
def address(call: Call, user: User, template: Template) -> Iterator[str]:
    """The address of the API over HTTP, on an empty table with the examples alone: moto searches all items for each."""
    empty_moto(template)
    store_examples(call, user)
    write()
    with serving(template, listening(0)) as base:
        yield base
    empty_moto(template)


def generated(address: str, user: User, folder: Path, *options: str) -> str:
    """The report of schemathesis, which must find no difference between the API and its document."""
    environment = {
        **os.environ,
        "PYTHONPATH": PYTHON_PATH,
        "SCHEMATHESIS_HOOKS": "tests.schemathesis_hooks",
        "HYPOTHESIS_STORAGE_DIRECTORY": str(ROOT / ".hypothesis"),  # its tables of characters take seconds to make
    }
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


@pytest.mark.parametrize("name", RUNS)
def test_no_generated_request_differs_from_the_document(address: str, user: User, tmp_path: Path, name: str) -> None:
    report = generated(address, user, tmp_path, "--phases", "examples,coverage,fuzzing", *RUNS[name])
    tested = sum(run_of(route, operation) == name for route, operation in operations(build()))
    assert re.search(rf"Tested: {tested}\b", report), report
    assert all(f"✅ {phase}" in report for phase in ("Examples", "Coverage", "Fuzzing")), report


@pytest.mark.parametrize("names", SEQUENCES.values(), ids=SEQUENCES)
def test_no_sequence_of_requests_along_links_differs_from_the_document(
    address: str, user: User, tmp_path: Path, names: tuple[str, ...]
) -> None:
    """With valid requests alone, which links need. Every link between the operations is followed."""
    chosen = [option for name in names for option in ("--include-operation-id", name)]
    sizes = ("--mode", "positive", "--max-examples", "20", "--workers", "1")
    report = generated(address, user, tmp_path, "--phases", "stateful", *sizes, *chosen)
    links = re.search(r"API Links: +(\d+) covered / (\d+) selected", report)
    assert links, report
    assert links[1] == links[2] != "0", report
