"""The test targets of the Makefile, from quick to complete: the tests of each, and that the last one runs all tests."""

import re
import tomllib
from pathlib import Path

import pytest

from dev.template import ROOT
from tests.unit.test_layering import imports

MAKEFILE = (ROOT / "Makefile").read_text()
UNIT = ROOT / "tests" / "unit"
PURE = {
    "domain": {"tracestore.domain", "tests.media", "tests.timing"},
    "ingest": {
        "tracestore.domain",
        "tracestore.ingest",
        "dev.prices",
        "tests.agents",
        "tests.media",
        "tests.otlp_spans",
        "tests.secret_samples",
        "tests.timing",
    },
}
"""The directories of `make unit`, and the packages that their tests may import from this repository."""

PURE_BUILDERS = {"END_NS", "START_NS", "call", "fields", "filters", "spans_of", "summary_of", "update"}
OURS = {"tracestore", "tracestore_cli", "tests", "dev", "boto3", "botocore", "starlette", "httpx"}


def recipe(target: str) -> str:
    """The command lines of a target."""
    match = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)
    assert match, target
    return match[1]


def help_line(target: str) -> str:
    """The line of a target in `make help`."""
    match = re.search(rf"^{target}:.*## (.*)$", MAKEFILE, re.MULTILINE)
    assert match, target
    return match[1]


def reaches(file: Path) -> set[str]:
    """The packages behind a test, with the pure builders left out."""
    names = [name.split(".") for name in imports(file)]
    return {
        ".".join(name[:2])
        for name in names
        if name[0] in OURS and not (name[:2] == ["tests", "builders"] and name[-1] in PURE_BUILDERS)
    }


@pytest.mark.parametrize(
    "file", sorted(UNIT.glob("*/test_*.py")), ids=lambda file: str(file.relative_to(UNIT).with_suffix(""))
)
def test_a_test_of_make_unit_reaches_neither_storage_nor_http(file: Path) -> None:
    assert reaches(file) <= PURE[file.parent.name]


def test_every_test_without_storage_and_http_is_in_make_unit() -> None:
    pure = [file.name for file in UNIT.glob("test_*.py") if reaches(file) and reaches(file) <= PURE["ingest"]]
    assert pure == []


def test_make_unit_runs_the_pure_tests() -> None:
    assert {path for path in recipe("unit").split() if path.startswith("tests/")} == {
        f"tests/unit/{name}" for name in PURE
    }


def test_make_check_runs_all_unit_and_contract_tests() -> None:
    assert {"tests/unit", "tests/contract"} <= set(recipe("check").split())


def test_make_test_leaves_out_nothing_but_docker() -> None:
    assert re.findall(r'-m "[^"]*"|-k|--ignore|--deselect|tests/', recipe("test")) == ['-m "not docker"']


def test_nothing_is_deselected_in_the_complete_run() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    assert settings["testpaths"] == ["tests"]
    run = (ROOT / ".ci" / "run").read_text()
    for text in (recipe("test-all"), " ".join(settings["addopts"]), *re.findall(r"make test.*", run)):
        assert not re.search(r"(?<!\w)-[mk]\b|--ignore|--deselect|tests/", text), text


def test_the_complete_run_is_that_of_ci() -> None:
    assert re.findall(r"make (test\S*)", (ROOT / ".ci" / "run").read_text()) == ["test-all"]


@pytest.mark.parametrize("target", ["unit", "check", "test", "test-all"])
def test_help_and_documents_state_how_long_tests_take(target: str) -> None:
    duration = re.search(r"\b\d+ (s|min)\b", help_line(target))
    assert duration
    for name in ("README.md", "CONTRIBUTING.md"):
        (line,) = re.findall(rf"^make {target}  +# .*: \d.*$", (ROOT / name).read_text(), re.MULTILINE)[-1:]
        assert duration[0] in line
