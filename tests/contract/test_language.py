"""The words of this project: each term of the glossary occurs in the code, and retired words occur nowhere.

`docs/glossary.md` defines the terms. The retired words were a dialect of this project's first months; each has a
standard term in its place. Docstrings have one form.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from dev.template import ROOT

GLOSSARY = ROOT / "docs/glossary.md"
CODE = [
    path for folder in ("layers", "functions", "dev", "cli", "client/src") for path in (ROOT / folder).rglob("*.py")
]
TESTS = [
    path
    for pattern in ("*.py", "*.mjs")
    for path in (ROOT / "tests").rglob(pattern)
    if "node_modules" not in path.parts and ROOT / "tests/data" not in path.parents and path != Path(__file__)
]
EXAMPLES = [path for path in (ROOT / "examples").rglob("*") if path.suffix in (".py", ".ts")]
CLIENT_JS = [
    path
    for pattern in ("src/*.ts", "test/*.ts", "test/*.mjs", "*.mjs", "*.md")
    for path in (ROOT / "client-js").glob(pattern)
]
PAGE = [
    path
    for pattern in ("src/**/*.ts", "src/**/*.svelte", "test/*.ts", "build/*.ts", "*.ts")
    for path in (ROOT / "web").glob(pattern)
    if path.name != "schema.d.ts"
]
BUILD = [ROOT / "template.yaml", ROOT / "Makefile", ROOT / ".ci/run"]
DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "client").glob("*.md")]
SAMPLE_TEXT = ("samples/", "text_generator.py")
"""Files with the text of the samples' people and models."""

RETIRED_WORDS = """
    aboard beside buried bury dear dearer dearest departure departures fact facts figures fold
    folded folding folds judged lean leaning leans leant lens lenses overheard patience quarantine
    quarantined ridden ride rides riding scrub scrubbed scrubbing speakers spoken stray strays
    tainted tell telling tells told twin twins untold whoever
"""
RETIRED = frozenset(re.findall(r"\w+", RETIRED_WORDS))

THIRD_PERSON = re.compile(
    r"(Adds|Compares|Computes|Contains|Converts|Creates|Deletes|Delivers|Finds|Follows|Generates|Gives|Identifies|Loads|"
    r"Makes|Masks|Parses|Prints|Receives|Redacts|Responds|Returns|Sends|Takes|Verifies|Writes)\b"
    r"|(Calls|Checks|Counts|Exports|Maps|Matches|Reads|Runs|Sorts|Stores|Turns) (after|all|an?|each|every|one|the)\b"
)
"""Verbs at the beginning of a docstring. The words of the last line may also be nouns, as in `Reads of analytics`."""

LABELS = frozenset({"absent", "raises", "repeat", "shape", "source", "units"})

WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


def words(text: str) -> set[str]:
    """The words of a text in lower case; those of identifiers one by one."""
    return {word.lower() for word in WORD.findall(text.replace(".tell(", ""))}  # a method of files


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def terms() -> list[str]:
    """The lines of the glossary that define a term."""
    return re.findall(r"^(?:- |\| )\*\*(.+?)\*\*", GLOSSARY.read_text(), re.MULTILINE)


def test_the_glossary_has_about_twenty_terms() -> None:
    assert 18 <= len(terms()) <= 40


@pytest.mark.parametrize("term", terms())
def test_each_term_occurs_in_the_code(term: str) -> None:
    texts = [path.read_text() for path in CODE if "layers" in path.parts or "functions" in path.parts]
    for variant in term.split(" / "):
        pattern = r"[\W_]*".join(map(re.escape, variant.replace("`", "").split()))
        assert any(re.search(pattern, text, re.IGNORECASE) for text in texts), variant


@pytest.mark.parametrize("path", [*CODE, *TESTS, *EXAMPLES, *CLIENT_JS, *PAGE, *BUILD, *DOCUMENTS], ids=relative)
def test_no_retired_word_occurs(path: Path) -> None:
    if not any(part in relative(path) for part in SAMPLE_TEXT):
        assert words(path.read_text()) & RETIRED == set()


def docstrings(path: Path) -> Iterator[tuple[int, str]]:
    """Each docstring of a module with its line, those of constants included."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.lineno, node.value.value


@pytest.mark.parametrize("path", CODE, ids=relative)
def test_docstrings_have_one_form(path: Path) -> None:
    """A first sentence that begins with a noun or an imperative, then labels such as `*raises*: NotFound.`"""
    faults = []
    for line, text in docstrings(path):
        labels = re.findall(r"\*(\w+)\*(:?)", text)
        if any(label in LABELS and not colon for label, colon in labels):
            faults.append(f"{line}: a label without a colon")
        if re.match(r"(What|Who|Whose|Whom|That|So that)\b", text) or re.search(r"\bRaises `?[A-Z]", text):
            faults.append(f"{line}: {text.splitlines()[0][:60]}")
        if THIRD_PERSON.match(text):
            faults.append(f"{line}: neither a noun nor an imperative: {text.splitlines()[0][:60]}")
    assert faults == []
