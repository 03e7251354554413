"""The pinned SDKs that send in protocols of their own, in a folder apart: they have requirements of their own."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from dev.template import ROOT

REQUIREMENTS: Final = ROOT / "requirements-sdks.txt"
FOLDER: Final = ROOT / ".tracestore" / "sdks"


class SdksUnavailable(Exception):
    """The packages cannot be installed here."""


def python() -> Path:
    """A Python that has the SDKs. They are installed on first use, and again when the requirements change.

    *raises*: SdksUnavailable when the package registry is out of reach.
    """
    directory = FOLDER / hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:12]
    if not (directory / "installed").exists():
        shutil.rmtree(directory, ignore_errors=True)
        uv = [sys.executable, "-m", "uv"]
        for command in (
            [*uv, "venv", "--quiet", "--python", sys.executable, str(directory)],
            [*uv, "pip", "install", "--quiet", "--require-hashes", "--python", str(directory), "-r", str(REQUIREMENTS)],
        ):
            process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
            if process.returncode:
                raise SdksUnavailable(process.stderr.strip().splitlines()[-1] if process.stderr else "uv failed")
        (directory / "installed").touch()
    return directory / "bin" / "python"
