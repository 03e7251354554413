"""Build the page of `web/` into `functions/page/static`, from which its function serves it.

`make build` runs this before `sam build`, and the local servers before they serve. The files are not committed. They
are built again when a source differs from the one that they were built from.
"""

import hashlib
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from dev import docs_files, node
from dev.node import Node, NodeUnavailable, Report
from dev.template import ROOT

WEB: Final = ROOT / "web"
STATIC: Final = ROOT / "functions/page/static"
VERSION_FILE: Final = "version.txt"
TYPES: Final = WEB / "src/api/schema.d.ts"

_NOT_BUILT_FROM: Final = ("node_modules", "test", "coverage")


class PageUnavailable(Exception):
    """The page cannot be built on this machine. The message is one line with the reason and the remedy."""


def build(report: Report = lambda _: None) -> None:
    """Build the page, if it is not built from the present sources.

    *repeat*: nothing is done. Concurrent processes build one after the other, and a server always finds one complete
    build. *raises*: PageUnavailable.
    """
    if _is_current():
        return
    try:
        found = prepared(report)
        with node.exclusive("page"):
            if not _is_current():  # else another process has just built it
                report("Building the page")
                _build(found)
    except NodeUnavailable as reason:
        raise PageUnavailable(f"{reason}.") from reason


def prepared(report: Report = lambda _: None) -> Node:
    """The Node that builds and checks the page, with the page's packages and the types of the API in place.

    *raises*: NodeUnavailable; PageUnavailable when the types cannot be generated.
    """
    found = node.find(report=report)
    docs_files.write()
    with node.exclusive("page"):
        node.install(found, WEB, report)
        document = docs_files.STATIC / "openapi.json"
        if not TYPES.exists() or TYPES.stat().st_mtime < document.stat().st_mtime:
            _run(found, "types")
            TYPES.touch()  # also when the new types are the same
    return found


def _build(found: Node) -> None:
    version = _version()
    STATIC.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=node.CACHE) as scratch:
        built, former = Path(scratch) / "built", Path(scratch) / "former"
        _run(found, "build", "--outDir", str(built), "--logLevel", "warn")
        (built / VERSION_FILE).write_text(version)
        if STATIC.exists():
            STATIC.rename(former)
        built.rename(STATIC)


def _run(found: Node, script: str, *arguments: str) -> None:
    result = found.run(script, WEB, *arguments)
    if result.returncode:
        sys.stderr.write(result.stdout)
        raise PageUnavailable(f"npm run {script} has failed in web/; its output is above.")


def _is_current() -> bool:
    path = STATIC / VERSION_FILE
    return path.is_file() and path.read_text() == _version()


def _version() -> str:
    """The version of this project, and a digest of the sources of the page."""
    digest = hashlib.blake2b(digest_size=6)
    for path in _sources():
        digest.update(str(path.relative_to(WEB)).encode() + b"\0" + path.read_bytes() + b"\0")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return f"{project['version']}+{digest.hexdigest()}"


def _sources() -> Iterator[Path]:
    for folder in sorted(WEB.iterdir()):
        if folder.name not in _NOT_BUILT_FROM:
            paths = sorted(folder.rglob("*")) if folder.is_dir() else [folder]
            yield from (path for path in paths if path.is_file() and path != TYPES)


def main() -> None:
    """Build the page, or run the named scripts of its package. The exit status is 1 when one of them fails."""
    try:
        if scripts := sys.argv[1:]:
            found = prepared(_print)
            for script in scripts:
                _run(found, script)
        else:
            build(_print)
    except (NodeUnavailable, PageUnavailable) as reason:
        sys.exit(f"The page cannot be built or checked: {reason}")


def _print(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    main()
