"""The JavaScript packages of a folder are installed when they differ from its lock file, and not otherwise."""

import json
from pathlib import Path
from typing import Any

import pytest

from dev.node import Node, NodeUnavailable, install

OFFLINE = Node(("false",), ("false",), Path("/bin"))
"""A Node whose npm always fails, so that it shows whether it was needed."""

LOCKED: dict[str, Any] = {
    "": {"name": "page"},
    "node_modules/a": {"version": "1.0.0", "integrity": "sha512-a"},
    "node_modules/a-for-another-machine": {"version": "1.0.0", "integrity": "sha512-o", "optional": True},
}


def folder_with(tmp_path: Path, installed: dict[str, Any] | None) -> Path:
    (tmp_path / "package-lock.json").write_text(json.dumps({"packages": LOCKED}))
    if installed is not None:
        (tmp_path / "node_modules").mkdir()
        (tmp_path / "node_modules" / ".package-lock.json").write_text(json.dumps({"packages": installed}))
    return tmp_path


def test_installed_packages_are_left_alone(tmp_path: Path) -> None:
    install(OFFLINE, folder_with(tmp_path, {"node_modules/a": LOCKED["node_modules/a"]}))


@pytest.mark.parametrize(
    "installed",
    [
        None,
        {},
        {"node_modules/a": {"version": "1.0.1", "integrity": "sha512-b"}},
        {"node_modules/a": LOCKED["node_modules/a"], "node_modules/b": {"version": "1.0.0", "integrity": "sha512-c"}},
    ],
    ids=["nothing", "incomplete", "another version", "one too many"],
)
def test_other_packages_are_replaced_and_a_failure_has_the_remedy(
    tmp_path: Path, installed: dict[str, Any] | None
) -> None:
    with pytest.raises(NodeUnavailable, match="connect to the network"):
        install(OFFLINE, folder_with(tmp_path, installed))
