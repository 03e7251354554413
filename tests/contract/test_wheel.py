"""The wheel of this repository contains the packages and their data, and nothing else."""

import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterable
from pathlib import Path, PurePath

import pytest

from dev.template import ROOT

BUILD = "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"
PACKAGES = ("cli/tracestore_cli", "layers/common/tracestore")
DEPENDENCIES = ("cli/requirements.in", "layers/common/requirements.in")
NOT_IN_WHEEL = ("__pycache__", "*.pyc", "*.egg-info")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterable[zipfile.ZipFile]:
    """The wheel, built from a copy: setuptools writes into the directory that it builds.

    The copy contains all directories with Python packages, so that one that is found by mistake is in the wheel.
    """
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for directory in ("cli", "dev", "functions", "layers", "tests/unit"):
        shutil.copytree(ROOT / directory, source / directory, ignore=shutil.ignore_patterns(*NOT_IN_WHEEL))
    shutil.copy(ROOT / "pyproject.toml", source)
    subprocess.run([sys.executable, "-c", BUILD, str(target)], cwd=source, check=True, capture_output=True)
    (path,) = target.glob("*.whl")
    with zipfile.ZipFile(path) as wheel:
        yield wheel


def test_the_wheel_contains_every_file_of_the_packages_and_no_other(wheel: zipfile.ZipFile) -> None:
    """Also the data that they read, such as the price table."""
    packed = {name for name in wheel.namelist() if not PurePath(name).parts[0].endswith(".dist-info")}
    files = [path for package in PACKAGES for path in (ROOT / package).rglob("*") if path.is_file()]
    sources = [path.relative_to(ROOT) for path in files if path.suffix != ".pyc"]
    assert packed == {path.as_posix().removeprefix("cli/").removeprefix("layers/common/") for path in sources}
    assert "tracestore/ingest/prices.jsonl" in packed
    assert "tracestore/ingest/secret_kinds.jsonl" in packed


def test_the_wheel_depends_on_the_requirements_of_the_layer_and_the_command(wheel: zipfile.ZipFile) -> None:
    (metadata,) = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    lines = wheel.read(metadata).decode().splitlines()
    required = {line.removeprefix("Requires-Dist: ") for line in lines if line.startswith("Requires-Dist: ")}
    assert len(required) == sum(len(requirements(ROOT / path)) for path in DEPENDENCIES) > 0


def requirements(path: Path) -> list[str]:
    """The requirements in a file."""
    return [line for line in path.read_text().splitlines() if line.strip() and not line.startswith(("#", "-"))]
