"""Output of the benchmarks: plain tables that a pipe does not cut, and measured values with their targets."""

from rich import box
from rich.console import Console
from rich.table import Table

_LEAST_WIDTH = 118


def console() -> Console:
    """The console of the benchmarks, at least as wide as their tables, so that no number is cut."""
    out = Console(highlight=False)
    return out if out.width >= _LEAST_WIDTH else Console(highlight=False, width=_LEAST_WIDTH)


def table(title: str, *columns: str) -> Table:
    """A table of numbers. Its first column, with the heading `title`, contains the names of the rows."""
    rows = Table(box=box.SIMPLE, pad_edge=False)
    rows.add_column(title, no_wrap=True)
    for column in columns:
        rows.add_column(column, justify="right", no_wrap=True)
    return rows


def rated(value: float, target: float) -> str:
    """The value, in green if it meets its target and else in red."""
    return f"[{'green' if value <= target else 'red'}]{value:.2f}[/]"
