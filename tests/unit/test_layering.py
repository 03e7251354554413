"""Nothing is imported upward, and each layer keeps what is its own to itself."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "layers/common/tracestore"
BELOW = {
    "domain": {"domain"},
    "ingest": {"domain", "ingest"},
    "storage": {"domain", "storage"},
    "edge": {"domain", "ingest", "storage", "edge"},
    "functions": {"domain", "ingest", "storage", "edge"},
}
FILES = [*PACKAGE.glob("*/**/*.py"), *(ROOT / "functions").glob("*/*.py")]


def layer_of(file: Path) -> str:
    """The layer that a file belongs to."""
    return file.relative_to(PACKAGE).parts[0] if file.is_relative_to(PACKAGE) else "functions"


def imports(file: Path) -> set[str]:
    """The full names of the modules that a file imports, at whatever place."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            package = list(file.relative_to(PACKAGE.parent).parts[: -node.level]) if node.level else []
            base = ".".join([*package, *([node.module] if node.module else [])])
            found |= {f"{base}.{name.name}" for name in node.names}
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_a_module_imports_only_what_its_layer_may(file: Path) -> None:
    layer, names = layer_of(file), [name.split(".") for name in imports(file)]
    assert {name[1] for name in names if name[0] == "tracestore"} <= BELOW[layer]
    assert not {"dev", "tests", "functions"} & {name[0] for name in names}
    assert layer == "storage" or not {"boto3", "botocore"} & {name[0] for name in names}
    read = {node.attr for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Attribute)}
    assert layer == "edge" or not {"environ", "getenv"} & read, "only the edge reads the environment"
