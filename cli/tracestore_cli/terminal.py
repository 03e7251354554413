"""Output of the commands: results on standard output, problems and progress on standard error."""

from typing import NoReturn

import typer
from rich.console import Console
from rich.progress import Progress, ProgressColumn

console = Console(highlight=False, markup=False, soft_wrap=True)
errors = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)


def progress_bar(output: Console, *columns: ProgressColumn) -> Progress:
    """A progress bar that is removed at its end. Disabled in a file or a log, where it would leave empty lines."""
    return Progress(*columns, console=output, transient=True, disable=not output.is_terminal)


def fail(message: str) -> NoReturn:
    """Print the message to standard error and end the command with status 1."""
    errors.print(message)
    raise typer.Exit(1)
