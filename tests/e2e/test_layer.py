"""The layer as `sam build` makes it: complete, compiled for the functions' Python, and small."""

import importlib.util
import os
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from dev.sam_local import ARCHITECTURE
from dev.template import ROOT, Function, Template

MOST_BYTES = 12 * 1024**2
"""Zipped. Lambda reads the layer at a cold start."""

UNCHECKED_HASH = 0b01
"""*source*: PEP 552. The flags of a .pyc file that is loaded without a look at its source."""

pytestmark = pytest.mark.skipif(sys.version_info[:2] != (3, 13), reason="the layer is built by the functions' Python")


ELF_MACHINES = {"arm64": 0xB7, "x86_64": 0x3E}
"""*source*: the ELF specification, `e_machine`, in bytes 18 and 19 of a file."""

IMPORT_ALL = """
import importlib, pkgutil, sys
import tracestore
for module in pkgutil.walk_packages(tracestore.__path__, "tracestore."):
    importlib.import_module(module.name)
from tracestore.http import wiring
from tracestore.storage import dynamo, parameters
dynamo.client("http://localhost:1", {"DYNAMODB_CLIENT": "boto3"})
parameters._client()
importlib.import_module(sys.argv[1])
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of the layer for a processor, built once."""

    @cache
    def build(architecture: str) -> Path:
        folder = tmp_path_factory.mktemp("build")
        binaries = Path(sys.executable).parent
        variables = {"SAM_CLI_TELEMETRY": "0", "ARCHITECTURE": architecture}
        command = [str(binaries / "sam"), "build", "CommonLayer", "--build-dir", str(folder)]
        subprocess.run(
            [*command, "--parameter-overrides", f"Architecture={architecture}"],
            cwd=ROOT,
            env={**os.environ, **variables, "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}"},
            check=True,
            capture_output=True,
        )
        return folder / "CommonLayer"

    return build


@pytest.fixture(params=ELF_MACHINES)
def layer(request: pytest.FixtureRequest, built: Callable[[str], Path]) -> Path:
    return built(request.param)


def test_all_of_it_is_compiled_for_the_python_of_the_functions(layer: Path) -> None:
    compiled = list(layer.rglob("*.pyc"))
    headers = {file.read_bytes()[:8] for file in compiled}
    assert headers == {importlib.util.MAGIC_NUMBER + struct.pack("<I", UNCHECKED_HASH)}
    for source in layer.rglob("*.py"):
        assert Path(importlib.util.cache_from_source(str(source))).exists(), source


def test_it_has_the_data_of_no_service_that_no_function_calls(layer: Path) -> None:
    data = layer / "python" / "botocore" / "data"
    assert {path.name for path in data.iterdir() if path.is_dir()} == {"dynamodb", "ssm"}


def test_it_is_small(layer: Path, tmp_path: Path) -> None:
    archive = tmp_path / "layer.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as zipped:
        for file in layer.rglob("*"):
            zipped.write(file, file.relative_to(layer))
    assert archive.stat().st_size <= MOST_BYTES


@pytest.mark.parametrize("architecture", ELF_MACHINES)
def test_its_libraries_are_for_the_processor_of_the_functions(built: Callable[[str], Path], architecture: str) -> None:
    machines = {struct.unpack("<H", file.read_bytes()[18:20])[0] for file in built(architecture).rglob("*.so")}
    assert machines == {ELF_MACHINES[architecture]}


@pytest.mark.parametrize("function", Template().functions.values(), ids=lambda function: function.name)
def test_it_has_every_module_that_a_function_or_the_package_imports(
    built: Callable[[str], Path], function: Function
) -> None:
    path = os.pathsep.join((str(built(ARCHITECTURE) / "python"), str(function.file.parent)))
    environment = {"PYTHONPATH": path, "TABLE_NAME": "table", "AWS_DEFAULT_REGION": "us-east-1"}
    command = [sys.executable, "-S", "-B", "-c", IMPORT_ALL, function.file.stem]
    imported = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert imported.returncode == 0, imported.stderr


def test_without_a_stated_processor_it_is_not_built(tmp_path: Path) -> None:
    command = ["make", "-C", "layers/common", "build-CommonLayer", f"ARTIFACTS_DIR={tmp_path}"]
    environment = {name: value for name, value in os.environ.items() if name != "ARCHITECTURE"}
    refused = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert refused.returncode
    assert "make build" in refused.stderr
    assert not list(tmp_path.iterdir())
