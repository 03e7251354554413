"""The edit lists of CONTRIBUTING.md are true: each step names an existing file, and a missed edit fails some test.

Most edits are noticed by the tests of their own subject. The tests here notice the others.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import pytest

from dev.template import ROOT, Template
from tests.contract.test_documents import API, DATA_MODEL, KEYS, anchors, code, section, tables
from tests.contract.test_language import LABELS
from tests.integration import test_list_api
from tests.unit.test_user_table import partitions_of
from tracestore.api.traces.parameters import LIST_PARAMETERS
from tracestore.domain.contributions import FACETS
from tracestore.domain.dimensions import GROUPINGS
from tracestore.domain.filters import METADATA_PREFIX, SCORE_PREFIX
from tracestore.storage import keys

GUIDE = (ROOT / "CONTRIBUTING.md").read_text()
LAYERS = ("domain/", "ingest/", "storage/", "http/", "api/")
STORED = ROOT / "tests/data/stored"

PAGING = {"limit", "cursor"}
"""Parameters of lists that neither select nor sort traces."""

GOLDEN_NAMES = {
    "lesson index item": "lesson-index",
    "compacted item": "compacted",
    "activity item": "activity",
    "gathered item": "gathered",
    "delta-encoded payload": "payload-delta",
    "conversation": "counter-conversation",
}
"""The names of golden files that differ from those of their items."""

NOT_PACKED = {"dead letter", "cursor secret"}
"""Items that contain no packed attribute, and whose attributes are in the data model."""


class Step(NamedTuple):
    """One step of an edit list: its number, its file, and the name in the file to edit, if any."""

    number: int
    path: str
    name: str


def steps() -> list[Step]:
    """All steps of all edit lists, in their order."""
    found = re.findall(r"^(\d+)\. `([^`]+)`(?:, `([^`]+)`)?: ", GUIDE, re.MULTILINE)
    return [Step(int(number), path, name) for number, path, name in found]


def file_of(path: str) -> Path:
    """The file that the guide names by its path, which may be below the layers or below the tests."""
    if path.startswith(LAYERS):
        return ROOT / "layers/common/tracestore" / path
    if re.match(r"(contract|unit|integration)/", path):
        return ROOT / "tests" / path
    return ROOT / path


def test_every_numbered_line_is_a_step() -> None:
    assert len(steps()) == len(re.findall(r"^\d+\. ", GUIDE, re.MULTILINE)) > 50


def test_the_steps_of_each_list_are_numbered_in_order() -> None:
    numbers = [step.number for step in steps()]
    assert all(number in (1, before + 1) for before, number in zip([0, *numbers], numbers, strict=False))


@pytest.mark.parametrize("step", steps(), ids=lambda step: f"{step.path} {step.name}")
def test_a_step_names_an_existing_place(step: Step) -> None:
    path = file_of(step.path)
    assert path.exists()
    assert not step.name or step.name in path.read_text().replace("`", "")


def test_every_file_that_the_guide_names_exists() -> None:
    paths = [path for path in code(GUIDE) if re.fullmatch(r"[a-z_./-]+/[a-z_.-]+\.(py|md|yaml)", path)]
    assert [path for path in paths if not file_of(path).is_file()] == []


def test_every_link_of_the_guide_leads_somewhere() -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", GUIDE):
        path, _, anchor = link.partition("#")
        target = ROOT / (path or "CONTRIBUTING.md")
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_make_target_of_the_guide_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"^make ([a-z-]+)", GUIDE, re.MULTILINE))
    assert named <= targets
    assert {"unit", "check", "test", "test-all"} <= named


def test_every_label_of_docstrings_is_explained() -> None:
    labels = {re.sub(r"\W", "", cell) for row in tables(GUIDE, "label") for cell in code(row[0])}
    assert labels == LABELS


def test_every_filter_of_lists_has_a_test_of_its_values() -> None:
    (mark,) = test_list_api.test_filters_are_exact_at_limits_and_combine.pytestmark
    queries = [query for query, _ in mark.args[1]]
    names = {name for query in (test_list_api.FILTERS, *queries) for name in query}
    assert set(LIST_PARAMETERS) - PAGING == {
        name for name in names if not name.startswith((METADATA_PREFIX, SCORE_PREFIX))
    }


def test_every_facet_is_documented_and_no_other() -> None:
    text = section(API, "### `GET /api/analytics/facets`").split("which are filters of", 1)[1].split("Each value")[0]
    assert sorted(code(text)) == sorted(FACETS)


def test_every_dimension_is_documented_as_a_value_of_group_by_and_no_other() -> None:
    text = section(API, "### `GET /api/analytics/metrics`").split(". ", 1)[0]
    assert sorted(code(text)) == sorted(["group_by", *GROUPINGS])


def test_browsers_may_use_the_method_of_every_route() -> None:
    methods = {route.method for route in Template().routes if route.method}
    assert methods <= set(Template(parameters={"CorsOrigins": "https://app.example"}).cors.methods)


def test_every_parameter_of_the_template_is_in_a_group_of_the_console() -> None:
    body = Template().body
    groups = body["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    assert sorted(name for group in groups for name in group["Parameters"]) == sorted(body["Parameters"])


def test_the_functions_read_every_variable_of_the_template_and_no_other() -> None:
    source = (ROOT / "layers/common/tracestore/http/settings.py").read_text()
    read = set(re.findall(r'variables(?:\.get\(|\[|, )"([A-Z_]+)"', source))
    assert read == {name for name in Template().environment if not name.startswith("POWERTOOLS_")}


@pytest.mark.parametrize("path", sorted(STORED.iterdir()), ids=lambda path: path.name)
def test_a_test_reads_each_golden_file(path: Path) -> None:
    """A file of bytes is read by its whole name, an item by its name and its number, which is 1 by default."""
    item, number = re.fullmatch(r"(.+?)-(\d+)(?:-.+)?", path.stem).groups()  # type: ignore[union-attr]
    names = rf'"{item}"' if number == "1" else rf'"{item}"(?:, |: ){number}\b'
    test, pattern = ("counting", f'"{path.stem}"') if path.suffix == ".hex" else ("formats", names)
    assert re.search(pattern, (ROOT / f"tests/unit/test_stored_{test}.py").read_text())


def items_of(heading: str) -> set[str]:
    """The items in a table of the data model, without their variants: `counter` for `counter, hour`."""
    return {row[0].split(",")[0] for row in tables(section(DATA_MODEL, heading), "item")}


def test_every_item_is_described_with_its_attributes_and_its_expiry() -> None:
    assert items_of("## Keys") <= items_of("## Items")


def test_every_kind_of_partition_is_among_those_that_a_users_table_refuses() -> None:
    def kinds(pks: Iterable[str]) -> set[str]:
        return {pk.split("#")[2] for pk in pks if pk.startswith(keys.user("user") + "#")}

    assert kinds(KEYS) == kinds(partitions_of("user", "id"))


def test_every_item_kind_has_a_golden_file() -> None:
    items = items_of("## Keys") - NOT_PACKED
    names = {item: GOLDEN_NAMES.get(item, item.lower().replace(" ", "-")) for item in items}
    assert [item for item, name in names.items() if not list(STORED.glob(f"{name}*-1*"))] == []
