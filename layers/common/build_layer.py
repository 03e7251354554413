"""Build the layer: install the locked requirements, remove what no function imports, and compile the rest.

Each cold start reads the layer. Without bytecode it would also compile it: Lambda's file system is read-only, so the
result could not be kept. Run with the Python of the functions, whose bytecode it writes.
"""

import compileall
import py_compile
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent

WHEEL_PLATFORMS: Final = {
    "arm64": ("manylinux2014_aarch64", "manylinux_2_28_aarch64", "manylinux_2_34_aarch64"),
    "x86_64": ("manylinux2014_x86_64", "manylinux_2_28_x86_64", "manylinux_2_34_x86_64"),
}
"""By Lambda's name of the processor. *source*: Amazon Linux 2023, on which python3.13 runs, has glibc 2.34."""

SERVICES: Final = frozenset({"dynamodb", "ssm"})
"""The services whose clients the functions create."""

UNUSED: Final = (
    "aws_lambda_powertools/event_handler",
    "aws_lambda_powertools/utilities/[!j_]*",
    "backports/zstd/_cffi",
    "backports/zstd/tarfile.py",
    "backports/zstd/zipfile",
    "bin",
    "boto3/data",
    "boto3/examples",
    "cffi",
    "dateutil/rrule.py",
    "dateutil/zoneinfo",
    "google/[!pr_]*",
    "google/protobuf/compiler",
    "google/rpc/[!s_]*",
    "pycparser",
    "pydantic/color.py",
    "pydantic/experimental/pipeline.py",
    "pydantic/mypy.py",
    "pydantic/v1",
    "s3transfer/crt.py",
    "s3transfer/processpool.py",
    "tzdata/zoneinfo/*.tab",
    "tzdata/zoneinfo/tzdata.zi",
    "urllib3/contrib/emscripten",
    "urllib3/contrib/pyopenssl.py",
    "**/*.pyi",
    "**/*.proto",
    "*.dist-info/[!M]*",  # METADATA remains, for scanners of vulnerabilities
)
"""Parts of the requirements that no function imports. `tests/e2e/test_layer.py` runs the functions without them."""

INSTALLED_AS: Final = "/opt/python"
"""The place of the layer in Lambda, for tracebacks."""


def build(artifacts: Path, architecture: str) -> None:
    """Build into `artifacts`, which Lambda unpacks in /opt. *raises*: CalledProcessError where pip fails."""
    package = artifacts / "python"
    _install(package, architecture)
    shutil.copytree(HERE / "tracestore", package / "tracestore", ignore=shutil.ignore_patterns("__pycache__"))
    _prune(package)
    _compile(package)


def _install(package: Path, architecture: str) -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    command += ["--require-hashes", "--no-deps", "--only-binary", ":all:", "--implementation", "cp"]
    command += ["--python-version", f"{sys.version_info.major}.{sys.version_info.minor}"]
    for platform in WHEEL_PLATFORMS[architecture]:
        command += ["--platform", platform]
    subprocess.run([*command, "--target", package, "-r", HERE / "requirements.txt"], check=True)


def _prune(package: Path) -> None:
    """Remove what no function loads, most of it the descriptions of services that are not called."""
    for service in (package / "botocore" / "data").iterdir():
        if service.is_dir() and service.name not in SERVICES:
            shutil.rmtree(service)
    for pattern in UNUSED:
        for path in list(package.glob(pattern)):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _compile(package: Path) -> None:
    """Write bytecode that Python loads without a look at its source: the files of a layer do not change.

    The sources of the requirements are removed. Those of this project remain, for tracebacks and for the digest of the
    code that answers are derived with.
    """
    for folder in package.iterdir():
        is_own = folder.name == "tracestore"
        compile_path = compileall.compile_dir if folder.is_dir() else compileall.compile_file
        if not compile_path(
            folder,
            quiet=1,
            legacy=not is_own,  # in the place of its source, where Python finds it
            stripdir=str(package),
            prependdir=INSTALLED_AS,
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        ):
            raise SystemExit(f"{folder.name} cannot be compiled; the reason is above.")
    for source in package.rglob("*.py"):
        if source.relative_to(package).parts[0] != "tracestore":
            source.unlink()


if __name__ == "__main__":
    build(Path(sys.argv[1]), sys.argv[2])
