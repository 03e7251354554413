"""Recorded sessions of coding agents give the same traces in any order, any split into requests and any repetition."""

import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.agents import SESSIONS, TOKENS, Record, Traces, reading, records_of, totals, traces_of
from tracestore.ingest.otlp import OtlpLog, OtlpSpan

BY_NAME = {session.name: session for session in SESSIONS}
SMALL = [session for session in SESSIONS if len(records_of(session)) < 200]
"""Sessions whose records can be put into many orders in a test."""


def comparable(traces: Traces) -> dict[str, list[tuple[Any, str]]]:
    return {trace_id: [(span.fields, span.status) for span in spans] for trace_id, spans in traces.items()}


def only(session: Path, kind: type[Record]) -> Traces:
    return traces_of([[record for record in records_of(session) if isinstance(record, kind)]])


@pytest.mark.parametrize("session", SESSIONS, ids=lambda session: session.name)
def test_a_session_is_read_as_known(session: Path) -> None:
    known, shown = reading(session), totals(traces_of([records_of(session)]))
    for name in ("conversations", "tool_calls", "failed_tool_calls"):
        assert known[name] in (None, shown[name]), name
    if known["turns"] is not None:
        assert known["turns"] <= shown["turns"] <= known["turns"] + known.get("extra_traces", 0)
    if known["model_calls"] is not None:
        assert known["model_calls"] <= shown["model_calls"] <= known["most_model_calls"]
    for name in TOKENS if known["tokens"] else ():
        assert shown[name] == known["tokens"][name], name


@pytest.mark.parametrize("session", SMALL, ids=lambda session: session.name)
@settings(max_examples=10, suppress_health_check=list(HealthCheck), deadline=None)
@given(seed=st.integers(0, 2**32), request_count=st.integers(1, 40))
def test_any_order_split_and_repetition_gives_the_same_traces(session: Path, seed: int, request_count: int) -> None:
    chance = random.Random(seed)
    records = [record for record in records_of(session) for _ in range(chance.choice((1, 1, 2)))]
    chance.shuffle(records)
    requests = [records[start::request_count] for start in range(request_count)]
    assert comparable(traces_of(requests)) == comparable(traces_of([records_of(session)]))


@pytest.mark.parametrize("name", ["claude-code", "claude-code-traces", "gemini-cli", "gemini-cli-traces", "qwen-code"])
def test_log_records_alone_show_all_calls_tools_and_tokens(name: str) -> None:
    known, shown = reading(BY_NAME[name]), totals(only(BY_NAME[name], OtlpLog))
    assert {name: shown[name] for name in TOKENS} == {name: known["tokens"][name] for name in TOKENS}
    for name in ("model_calls", "tool_calls", "failed_tool_calls", "conversations"):
        assert shown[name] == known[name], name


@pytest.mark.parametrize("name", ["claude-code-traces", "codex-prompts", "qwen-code"])
def test_spans_alone_show_all_calls_tools_and_tokens(name: str) -> None:
    known, shown = reading(BY_NAME[name]), totals(only(BY_NAME[name], OtlpSpan))
    assert {name: shown[name] for name in TOKENS} == {name: known["tokens"][name] for name in TOKENS}
    assert (shown["model_calls"], shown["tool_calls"]) == (known["model_calls"], known["tool_calls"])


def test_codex_without_traces_is_one_trace_with_all_calls_and_tokens() -> None:
    """Codex sends no trace ids where it exports log records alone."""
    known = reading(BY_NAME["codex-prompts"])
    records = [record for record in records_of(BY_NAME["codex-prompts"]) if isinstance(record, OtlpLog)]
    traces = traces_of([[record._replace(trace_id="", span_id="") for record in records]])
    shown = totals(traces)
    assert shown["turns"] == len(traces) == 1
    assert {name: shown[name] for name in TOKENS} == {name: known["tokens"][name] for name in TOKENS}
    for name in ("model_calls", "tool_calls", "failed_tool_calls", "conversations"):
        assert shown[name] == known[name], name


def test_a_trace_has_no_span_twice_where_spans_and_records_report_it() -> None:
    for session in SESSIONS:
        both, spans = traces_of([records_of(session)]), only(session, OtlpSpan)
        for trace_id in both.keys() & spans.keys():
            sent = {span.span_id for span in spans[trace_id]}
            added = [span for span in both[trace_id] if span.span_id not in sent]
            run = [span for span in added if span.fields.get("error_type") != "tool_not_registered"]
            assert len(run) <= 1, session.name  # at most the turn that no span was sent for


def test_a_resumed_session_that_repeats_its_prompt_id_has_a_trace_for_each_process() -> None:
    traces = traces_of([records_of(BY_NAME["gemini-cli"])])
    assert sorted(len(spans) for spans in traces.values()) == [2, 6]
    for spans in traces.values():
        moved = [span.fields["metadata"] for span in spans if span.fields.get("span_name") == "llm_call"]
        assert all("trace_id" in str(metadata) for metadata in moved)


def test_a_sub_agent_of_gemini_cli_is_below_the_tool_that_called_it_in_any_order() -> None:
    traces = traces_of([[record] for record in reversed(records_of(BY_NAME["gemini-cli-subagent"]))])
    spans = {span.span_id: span for span in max(traces.values(), key=len)}
    assert all(span.parent_span_id in spans for span in spans.values() if span.parent_span_id)
    (agent,) = (span for span in spans.values() if span.fields.get("span_name") == "agent_call")
    below = [span for span in spans.values() if span.parent_span_id == agent.span_id]
    assert sorted(str(span.fields["operation_type"]) for span in below) == [
        "chain",
        "chain",
        "completion",
        "completion",
    ]
    assert spans[str(agent.parent_span_id)].fields["tool_name"] == "invoke_agent"


def test_the_turn_whose_last_call_failed_is_the_one_that_failed() -> None:
    traces = traces_of([records_of(BY_NAME["gemini-cli-subagent"])])
    turns = [span for spans in traces.values() for span in spans if span.fields.get("span_name") == "gemini-cli turn"]
    assert sorted(span.status for span in turns) == ["error", "success"]


def test_each_failure_of_codex_is_one_span() -> None:
    traces = traces_of([records_of(BY_NAME["codex-failures"])])
    failed = [span.fields for spans in traces.values() for span in spans if span.status == "error"]
    kinds = sorted(f"{fields['operation_type']} {fields.get('tool_name', '')}" for fields in failed)
    assert kinds == [*(["completion "] * 3), "tool_call exec_command", "tool_call storm"]
