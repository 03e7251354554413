"""The table of clients in the documents is what the store reads from their recorded exports."""

import json

from dev.clients import CORPUS, DOCUMENT, MARK, table


def test_the_table_is_what_is_read_from_the_recordings() -> None:
    _, mark, written = DOCUMENT.read_text(encoding="utf-8").partition(MARK)
    assert mark
    assert written == table(), "run `make clients`"


def test_every_recorded_client_has_a_row_with_its_versions() -> None:
    rows = {line.split(" | ")[0].removeprefix("| "): line for line in table().splitlines()}
    for path in CORPUS.glob("*/*/expected.json"):
        versions = json.loads(path.read_text(encoding="utf-8"))["versions"]
        assert versions
        assert all(f"{name} " in rows[path.parts[-3]] for name in versions), path


def test_a_client_reports_model_calls_or_tool_calls() -> None:
    columns, _, *rows = (line.strip("| ").split(" | ") for line in table().splitlines())
    calls = [{row[columns.index(name)] for name in ("calls", "tool calls")} - {"–"} for row in rows]
    assert len(calls) >= 20
    assert all(calls)
