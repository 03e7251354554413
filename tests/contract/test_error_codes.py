"""Every code that the code can raise is listed, documented with its status, and nothing else is."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from dev.template import ROOT
from tracestore.domain import errors
from tracestore.domain.errors import TracestoreError
from tracestore.http.errors import CODES, STATUSES, status_of

KINDS = {
    name: kind for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, TracestoreError)
}
SOURCES = sorted([*(ROOT / "layers/common/tracestore").rglob("*.py"), *(ROOT / "functions").rglob("*.py")])


def raised(source: Path) -> Iterator[tuple[str, str | None]]:
    """Each code in a file, with the failure class that has it; None for a code that a batch reports for one span."""
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            for keyword in node.keywords:
                if keyword.arg == "code" and isinstance(keyword.value, ast.Constant):
                    yield str(keyword.value.value), name
            if name.lower().strip("_").startswith("rejection"):
                texts = [arg.value for arg in node.args if isinstance(arg, ast.Constant)]
                yield from ((text, None) for text in texts if isinstance(text, str))
        elif isinstance(node, ast.ClassDef):
            for statement in node.body:
                if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "code":
                    base = ast.unparse(node.bases[0])
                    yield ast.literal_eval(statement.value), node.name if node.name in KINDS else base


def documented() -> dict[str, int]:
    """The table of errors in the API's document."""
    table = (ROOT / "docs/api.md").read_text().split("\n## Errors\n")[1]
    return {code: int(status) for code, status in re.findall(r"^\| `([a-z_]+)` \| (\d{3}) \|", table, re.MULTILINE)}


RAISED = [found for source in SOURCES for found in raised(source)]


def test_every_code_that_is_raised_is_listed_and_no_other() -> None:
    assert {code for code, _ in RAISED} == set(CODES)


def test_every_listed_code_is_documented_and_no_other() -> None:
    assert set(documented()) == set(CODES)


def test_every_code_is_documented_with_its_status() -> None:
    statuses = {code: status_of(KINDS[kind]("")) for code, kind in RAISED if kind in KINDS}
    assert statuses == {code: documented()[code] for code in statuses}
    assert set(documented().values()) <= set(STATUSES.values())


def test_codes_are_listed_once_and_in_order() -> None:
    assert list(CODES) == sorted(set(CODES))
