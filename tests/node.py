"""The JavaScript programs of the tests, whose packages are installed once into the cache."""

import hashlib
import os
import shutil
from pathlib import Path
from typing import Final, NoReturn

import pytest

from dev import node
from dev.node import CACHE, Node, NodeUnavailable
from dev.template import ROOT

CLIENTS: Final = ROOT / "tests" / "clients"
INSPECTOR: Final = ROOT / "tests" / "inspector"
CLIENT_JS: Final = ROOT / "client-js"
SDKS_JS: Final = ROOT / "tests" / "sdks-js"

OLDEST_FOR_SDKS: Final = (22, 0)
"""The version of Node that OpenAI's SDK needs."""


def client(script: str) -> list[str]:
    """The command that runs a script of `tests/clients`, with its imports installed.

    *repeat*: nothing is downloaded twice. *raises*: NodeUnavailable.
    """
    home = _installed(CLIENTS)
    shutil.copy(CLIENTS / script, home)  # imports are resolved from the directory of the script
    return [*node.find().node, str(home / script)]


def inspector() -> list[str]:
    """The command line of the inspector of the Model Context Protocol.

    *repeat*: nothing is downloaded twice. *raises*: NodeUnavailable.
    """
    package = _installed(INSPECTOR) / "node_modules" / "@modelcontextprotocol" / "inspector"
    return [*node.find().node, str(package / "clients" / "launcher" / "build" / "index.js"), "--cli"]


def client_js() -> Path:
    """A built copy of `client-js`, with its development packages.

    *repeat*: packages are not downloaded again; the sources are. *raises*: NodeUnavailable;
    subprocess.CalledProcessError when the build fails, with the compiler's messages in `stdout`.
    """
    home = _installed(CLIENT_JS)
    for name in ("dist", "src", "test"):
        shutil.rmtree(home / name, ignore_errors=True)
    shutil.copytree(CLIENT_JS, home, dirs_exist_ok=True, ignore=shutil.ignore_patterns("dist", "node_modules"))
    node.find().run("build", home).check_returncode()
    return home


def with_sdks(program: str, folder: Path) -> list[str]:
    """The command that runs a program with the pinned SDKs, in a folder of its own.

    *repeat*: nothing is downloaded twice. *raises*: NodeUnavailable.
    """
    found = node.find(OLDEST_FOR_SDKS)
    (folder / "node_modules").symlink_to(_installed(SDKS_JS, found) / "node_modules")
    script = folder / "app.mjs"
    script.write_text(program)
    return [*found.node, str(script)]


def unavailable(reason: NodeUnavailable) -> NoReturn:
    """Skip a test that needs Node. Under CI it fails."""
    if os.environ.get("CI", "").lower() in ("1", "true"):
        pytest.fail(f"Node must run under CI: {reason}")
    pytest.skip(f"Node cannot run here: {reason}")


def _installed(package: Path, found: Node | None = None) -> Path:
    """A directory in the cache with the packages that a package's lock file names."""
    lock = hashlib.sha256((package / "package-lock.json").read_bytes()).hexdigest()[:12]
    home = CACHE / f"{package.name}-{lock}"
    found = found or node.find()
    with node.exclusive(home.name):
        home.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(package / name, home)
        node.install(found, home)
    return home
