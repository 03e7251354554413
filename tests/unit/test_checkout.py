"""The command of operators is installed. The developer's commands come from a checkout, through one module."""

import ast
import shutil
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

from dev.commands import app as developer_app
from dev.template import ROOT
from tests.unit.test_layering import imports
from tracestore_cli import checkout

CLI = ROOT / "cli"
FILES = sorted(CLI.rglob("*.py"))
LOADER = CLI / "tracestore_cli" / "checkout.py"


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(CLI)))
def test_the_command_imports_nothing_of_the_developers(file: Path) -> None:
    packages = {name.partition(".")[0] for name in imports(file)}
    assert not {"dev", "tests", "functions"} & packages
    assert file == LOADER or "importlib" not in packages


def test_one_place_loads_the_developers_commands() -> None:
    calls = [node for node in ast.walk(ast.parse(LOADER.read_text())) if isinstance(node, ast.Call)]
    loaded = [call.args for call in calls if ast.unparse(call.func) == "importlib.import_module"]
    assert [ast.unparse(arguments[0]) for arguments in loaded] == ["'dev.commands'"]


def test_the_developers_commands_are_those_that_the_help_lists() -> None:
    commands = [
        command.name or getattr(command.callback, "__name__", "") for command in developer_app.registered_commands
    ]
    groups = [group.name for group in developer_app.registered_groups]
    assert {*commands, *groups} == set(checkout.DEVELOPER_COMMANDS)


def test_only_the_store_and_the_command_are_installed() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]["find"]
    packages = {
        path.parent.name
        for where in settings["where"]
        for path in (ROOT / where).glob("*/__init__.py")
        if any(fnmatch(path.parent.name, pattern) for pattern in settings["include"])
    }
    assert packages == {"tracestore", "tracestore_cli"}


def test_an_editable_install_finds_its_checkout(tmp_path: Path) -> None:
    assert checkout.root(LOADER.parent, tmp_path) == ROOT


def test_a_checkout_is_found_around_the_working_directory(tmp_path: Path) -> None:
    assert checkout.root(tmp_path / "site-packages" / "tracestore_cli", ROOT / "docs") == ROOT


def test_another_directory_named_dev_is_no_checkout(tmp_path: Path) -> None:
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / "commands.py").touch()
    assert checkout.root(tmp_path / "site-packages" / "tracestore_cli", tmp_path) is None


def test_without_a_checkout_there_are_no_commands() -> None:
    with pytest.raises(checkout.NoCheckout, match="run only in a checkout of the repository: clone it"):
        checkout.load_commands(None)


def test_outside_a_checkout_a_sentence_explains_how_to_get_one(tmp_path: Path) -> None:
    shutil.copytree(CLI / "tracestore_cli", tmp_path / "installed" / "tracestore_cli")
    command = [sys.executable, "-P", "-m", "tracestore_cli", "bench", "capacity"]
    environment = {"PYTHONPATH": str(tmp_path / "installed")}
    ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("tracestore dev, sam-local and bench run only in a checkout")
