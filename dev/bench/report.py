"""How the benchmarks print: plain tables that stay whole in a pipe, and targets beside figures."""

from rich import box
from rich.console import Console
from rich.table import Table

_LEAST_WIDTH = 118


def console() -> Console:
    """Where benchmarks print; never narrower than their tables, since a cut figure is none."""
    out = Console(highlight=False)
    return out if out.width >= _LEAST_WIDTH else Console(highlight=False, width=_LEAST_WIDTH)


def table(title: str, *columns: str) -> Table:
    """A table whose first column, under `title`, names its rows; the others hold figures."""
    made = Table(box=box.SIMPLE, pad_edge=False)
    made.add_column(title, no_wrap=True)
    for column in columns:
        made.add_column(column, justify="right", no_wrap=True)
    return made


def judged(value: float, target: float) -> str:
    """The figure, green when it keeps to its target and red when it does not."""
    return f"[{'green' if value <= target else 'red'}]{value:.2f}[/]"
