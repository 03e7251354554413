"""The programs of docs/sending, run with the pinned SDKs against a local server and models on this machine."""

import os
import subprocess
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from dev import sdks
from dev.examples import fake_models
from dev.node import NodeUnavailable
from dev.snippets import Snippet, snippets
from dev.template import ROOT
from tests import node
from tests.served import Service

TIMEOUT_S: Final = 300
"""Only a program that hangs takes this long: the import of an SDK alone takes a minute on a busy machine."""


class Program(NamedTuple):
    """The last program in a language of a page. `requirements` are those of its SDK for Python."""

    page: str
    language: str = "python"
    requirements: Path = sdks.REQUIREMENTS


def run(program: Program, service: Service, folder: Path, *, text: str | None = None) -> None:
    """Run a program, or another `text` in its place, with the variables of its page. It must succeed.

    *absent*: where the SDKs cannot be installed, the test is skipped; under CI it fails.
    """
    page = (ROOT / "docs" / "sending" / program.page).read_text()
    *_, snippet = (snippet for snippet in snippets(page) if snippet.language == program.language)
    if text is not None:
        snippet = snippet._replace(text=text)
    is_python = program.language == "python"
    command = _python(snippet, folder, program.requirements) if is_python else _javascript(snippet, folder)
    with fake_models() as models:
        environment = {
            **os.environ,
            "TRACESTORE_URL": service.base,
            "TRACESTORE_KEY": service.key,
            "OPENAI_BASE_URL": f"{models}/v1",
            "OPENAI_API_KEY": "none",
        }
        process = subprocess.run(
            ["bash", "-c", f'set -e\n{snippet.exports}\nexec "$@"', "bash", *command],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT_S,
        )
    assert process.returncode == 0, process.stdout + process.stderr


def _python(snippet: Snippet, folder: Path, requirements: Path) -> list[str]:
    try:
        python = sdks.python(requirements)
    except sdks.SdksUnavailable as reason:
        if os.environ.get("CI", "").lower() in ("1", "true"):
            pytest.fail(f"the SDKs must be installed under CI: {reason}")
        pytest.skip(f"the SDKs cannot be installed: {reason}")
    (folder / "app.py").write_text(snippet.text)
    return [str(python), "app.py"]


def _javascript(snippet: Snippet, folder: Path) -> list[str]:
    try:
        return node.with_sdks(snippet.text, folder)
    except NodeUnavailable as reason:
        node.unavailable(reason)
