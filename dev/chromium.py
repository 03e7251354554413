"""Chromium on this machine, for tests and benchmarks of the page."""

import shutil
from typing import Final

OPTIONS: Final = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run")


def executable() -> str | None:
    """The path of the browser. *absent*: None."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
