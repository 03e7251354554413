"""The table of clients in the documents is what the store reads from their recorded exports."""

import json

from dev.clients import DOCUMENT, MARK, SDKS, recordings, table, traces, versions_of
from tracestore.domain.tree import tree_order
from tracestore.domain.usage import charges_of, usage_of
from tracestore.ingest.sdk_reports import stored_id

TOKENS = {"cache_creation_tokens": "cache_write_tokens"}
"""The fields of token kinds that the recordings name differently."""


def test_the_table_is_what_is_read_from_the_recordings() -> None:
    _, mark, written = DOCUMENT.read_text(encoding="utf-8").partition(MARK)
    assert mark
    assert written == table(), "run `make clients`"


def test_every_recorded_client_has_a_row_with_its_versions() -> None:
    rows = {line.split(" | ")[0].removeprefix("| "): line for line in table().splitlines()}
    assert rows.keys() > recordings().keys() > {"langsmith-python", "langsmith-js", "opik-python", "opik-js"}
    for client, cases in recordings().items():
        for case in cases:
            versions = versions_of(json.loads((case / "expected.json").read_text(encoding="utf-8")))
            assert versions
            assert all(f"{name} " in rows[client] for name in versions), case


def test_the_tokens_of_each_trace_of_an_sdk_are_those_that_the_model_server_gave() -> None:
    compared = 0
    for case in sorted(path.parent for path in SDKS.glob("*/*/expected.json")):
        recorded = json.loads((case / "expected.json").read_text(encoding="utf-8"))
        read = traces(case)
        for trace in recorded["traces"]:
            nodes = tree_order(read[stored_id(trace["trace_id"]) or ""])
            usage = usage_of(nodes, charges_of(nodes))
            for kind, tokens in (trace["token_totals_without_double_counting"] or {}).items():
                assert getattr(usage, TOKENS.get(kind, kind)) == tokens, case
                compared += 1
    assert compared > 100


def test_a_client_reports_model_calls_or_tool_calls() -> None:
    columns, _, *rows = (line.strip("| ").split(" | ") for line in table().splitlines())
    calls = [{row[columns.index(name)] for name in ("calls", "tool calls")} - {"–"} for row in rows]
    assert len(calls) >= 20
    assert all(calls)
