"""The sources of the page: their types, their format and their own tests, by the scripts of its package."""

import json
import re

import pytest

from dev.page_files import WEB
from tests import page

OPTIONS = {"test": ("--testTimeout=60000",)}
"""The machine may be busy with other tests."""


@pytest.mark.parametrize("script", ["check", "lint", "test"])
def test_a_script_of_the_page_passes(script: str) -> None:
    result = page.prepared().run(script, WEB, *OPTIONS.get(script, ()))
    assert result.returncode == 0, result.stdout


def test_the_packages_of_the_page_are_pinned_and_their_lock_names_no_host() -> None:
    manifest = json.loads((WEB / "package.json").read_text())
    pinned = {**manifest["dependencies"], **manifest["devDependencies"]}
    assert [name for name, version in pinned.items() if not re.fullmatch(r"\d+\.\d+\.\d+", version)] == []
    assert "resolved" not in (WEB / "package-lock.json").read_text()
