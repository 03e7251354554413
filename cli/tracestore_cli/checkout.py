"""Load the developer's commands from a checkout of the repository: the only place where `dev` is imported.

`dev` is not installed. It is found where this package itself lies in a checkout (an editable install), or in the
working directory or a directory above it.
"""

import importlib
import sys
from pathlib import Path
from typing import Final

import typer

DEVELOPER_COMMANDS: Final = {
    "dev": "Serve the API on this machine, on a local DynamoDB.",
    "sam-local": "Serve the deployed form of the API in Docker: AWS SAM builds and runs it.",
    "bench": "Measure the cost and the speed of the store on this machine.",
}
"""Names, and the lines that `tracestore --help` shows for them."""

_PARTS: Final = ("dev/commands.py", "cli/tracestore_cli/checkout.py", "layers/common/tracestore", "template.yaml")
"""Paths that together occur only in a checkout."""


class NoCheckout(Exception):
    """There is no checkout. The message is a sentence with the remedy."""


def root(package: Path | None = None, working_directory: Path | None = None) -> Path | None:
    """The checkout that this package was installed from in editable mode, else the one around the working directory.

    *absent*: None outside of any checkout.
    """
    package = package or Path(__file__).resolve().parent
    directory = (working_directory or Path.cwd()).resolve()
    candidates = (*package.parents[1:2], directory, *directory.parents)
    return next((path for path in candidates if all((path / part).exists() for part in _PARTS)), None)


def load_commands(directory: Path | None) -> typer.Typer:
    """The developer's commands from the checkout in `directory`. *raises*: NoCheckout when it is None."""
    if directory is None:
        raise NoCheckout(
            "tracestore dev, sam-local and bench run only in a checkout of the repository: clone it, change into its "
            "directory, run `make setup` there, and use its .venv/bin/tracestore."
        )
    # The store and the template have to be of one version with the server: all of them come from the checkout.
    sys.path[:0] = [str(directory), str(directory / "layers" / "common")]
    commands: typer.Typer = importlib.import_module("dev.commands").app
    return commands
