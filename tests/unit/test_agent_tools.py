"""The parts of the tools for agents that need no store: estimates of tokens, cuts, definitions, versions."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS

from dev.template import ROOT
from tracestore.api.agent_tools.answers import BUDGET_LEAST, Answer, quoted
from tracestore.api.agent_tools.protocol import HANDSHAKE_VERSIONS, MODERN_VERSIONS, SERVER
from tracestore.api.agent_tools.tokens import cut_text, json_tokens, tokens_of
from tracestore.api.agent_tools.tools import TOOLS
from tracestore.api.traces.parameters import LIST_PARAMETERS

MEASURED = json.loads((ROOT / "tests/data/tokens.json").read_text())
"""Texts with their tokens in the vocabularies cl100k_base and o200k_base."""


@pytest.mark.parametrize("measured", MEASURED, ids=lambda measured: measured["text"][:20])
def test_a_text_is_estimated_at_no_fewer_tokens_than_it_takes(measured: dict[str, Any]) -> None:
    counts = (measured["cl100k"], measured["o200k"])
    assert max(counts) <= tokens_of(measured["text"]) <= 7 * min(counts)


@given(st.text(max_size=400), st.integers(0, 120))
def test_a_cut_text_takes_at_most_the_tokens_that_it_may(text: str, tokens: int) -> None:
    cut = cut_text(text, tokens)
    assert json_tokens(cut.text) <= max(tokens, json_tokens(""))
    if cut.left_out == 0:
        assert cut.text == text
    else:
        assert len(cut.text) - (len(" … ") if cut.text else 0) + cut.left_out == len(text)


def test_a_text_of_megabytes_is_cut_without_measuring_it() -> None:
    text = 'A "quoted"\n line. ' * 400_000
    cut = cut_text(text, 500)
    assert cut.text.startswith('A "quoted"')
    assert 450 < json_tokens(cut.text) <= 500


@given(st.recursive(st.text() | st.integers() | st.none(), lambda v: st.lists(v) | st.dictionaries(st.text(), v)))
def test_a_quoted_value_counts_its_characters(value: object) -> None:
    shown = quoted(value, 60)
    whole = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    assert shown["characters"] == len(whole)
    assert (shown["text"] == whole) is (shown["cut_characters"] == 0)


@given(
    st.integers(BUDGET_LEAST, 2_000),
    st.lists(st.dictionaries(st.sampled_from(["name", "span_id"]), st.text(max_size=60)), max_size=40),
    st.text(max_size=300),
)
def test_an_answer_keeps_to_its_budget(token_budget: int, rows: list[dict[str, str]], text: str) -> None:
    answer = Answer(token_budget, lists=2)
    answer.put("text", text)
    answer.put_object("summary", {"a": text, "b": 1, "c": None}, answer.room // 2)
    first = answer.put_rows("rows", rows, answer.room // 2)
    second = answer.put_chosen("chosen", rows, reversed(range(len(rows))))
    content = answer.end()
    assert json_tokens(content) <= token_budget
    assert content.get("rows", []) == rows[:first]
    assert content.get("chosen", []) == rows[len(rows) - second :]
    left_out = content.get("left_out", {})
    assert (left_out.get("rows", 0), left_out.get("chosen", 0)) == (len(rows) - first, len(rows) - second)


@pytest.mark.parametrize("name", TOOLS)
def test_a_tool_only_reads_and_takes_a_budget(name: str) -> None:
    tool = TOOLS[name].definition(name, has_structure=True)
    assert tool["annotations"]["readOnlyHint"] is True
    assert tool["inputSchema"]["additionalProperties"] is False
    budget = tool["inputSchema"]["properties"]["token_budget"]
    assert (budget["minimum"], budget["maximum"], budget["default"]) == (200, 20_000, 2_000)
    assert re.fullmatch(r"[a-z_]{1,64}", name)


def test_the_definitions_of_all_tools_take_little_of_a_context() -> None:
    assert json_tokens([TOOLS[name].definition(name, has_structure=True) for name in TOOLS]) < 4_500


def test_a_search_has_the_parameters_of_the_list() -> None:
    accepted = {*LIST_PARAMETERS, "order_by", "token_budget"}
    assert set(TOOLS["search_traces"].arguments) <= accepted


def test_the_versions_of_the_official_package_are_served() -> None:
    assert HANDSHAKE_VERSIONS[::-1] == HANDSHAKE_PROTOCOL_VERSIONS
    assert MODERN_VERSIONS == MODERN_PROTOCOL_VERSIONS


def test_the_server_has_the_version_of_the_project() -> None:
    (version,) = re.findall(r'^version = "(.*)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert SERVER["version"] == version
