"""The pinned SDKs that tests run, in folders apart: they have requirements of their own."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from dev.template import ROOT

REQUIREMENTS: Final = ROOT / "requirements-sdks.txt"
LANGFUSE: Final = ROOT / "requirements-langfuse.txt"
"""The requirements of Langfuse's SDK from version 3 on: those above have the one before."""

FOLDER: Final = ROOT / ".tracestore" / "sdks"


class SdksUnavailable(Exception):
    """The packages cannot be installed here."""


def python(requirements: Path = REQUIREMENTS) -> Path:
    """A Python that has the SDKs. They are installed on first use, and again when the requirements change.

    *raises*: SdksUnavailable when the package registry is out of reach.
    """
    directory = FOLDER / hashlib.sha256(requirements.read_bytes()).hexdigest()[:12]
    if not (directory / "installed").exists():
        shutil.rmtree(directory, ignore_errors=True)
        uv = [sys.executable, "-m", "uv"]
        for command in (
            [*uv, "venv", "--quiet", "--python", sys.executable, str(directory)],
            [*uv, "pip", "install", "--quiet", "--require-hashes", "--python", str(directory), "-r", str(requirements)],
        ):
            process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
            if process.returncode:
                raise SdksUnavailable(process.stderr.strip().splitlines()[-1] if process.stderr else "uv failed")
        (directory / "installed").touch()
    return directory / "bin" / "python"
