"""Recorded sessions of coding agents, and what a store shows of them."""

import functools
import gzip
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

from tracestore.domain.heads import NO_PREVIEWS, summarize
from tracestore.domain.merge import Span, merge
from tracestore.domain.spans import CAPTURED, FROM_LOGS, SpanFields, SpanUpdate
from tracestore.domain.updates import span_update
from tracestore.ingest.agent_events import agent_fields
from tracestore.ingest.agent_spans import outcomes_of_tools, with_turns
from tracestore.ingest.log_fields import log_fields
from tracestore.ingest.otlp import OtlpLog, OtlpSpan, read_logs, read_traces, wire_format
from tracestore.ingest.span_fields import spans_fields

SESSIONS: Final = sorted(path.parent for path in (Path(__file__).parent / "data/otlp-agents").glob("*/expected.json"))
TOKENS: Final = ("input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens")

Record: TypeAlias = OtlpSpan | OtlpLog
Traces: TypeAlias = dict[str, list[Span]]


@dataclass(frozen=True)
class Sent:
    """One recorded request."""

    path: str
    headers: dict[str, str]
    body: bytes


def reading(session: Path) -> Any:
    """What a store should show of a session. *absent*: null for a value that the agent does not send."""
    return json.loads((session / "expected.json").read_text())["reading"]


@functools.cache
def requests_of(session: Path) -> tuple[Sent, ...]:
    """The requests of a session in their order."""
    sent = []
    for body in sorted(session.glob("request-*.bin"), key=lambda path: int(path.stem.split("-")[1])):
        request = json.loads(body.with_suffix(".headers.json").read_text())
        names = ("content-type", "content-encoding")
        headers = {name: request["headers"][name] for name in names if name in request["headers"]}
        sent.append(Sent(request["path"], headers, body.read_bytes()))
    return tuple(sent)


@functools.cache
def records_of(session: Path) -> tuple[Record, ...]:
    """All spans and log records of a session."""
    records: list[Record] = []
    for sent in requests_of(session):
        body = gzip.decompress(sent.body) if "content-encoding" in sent.headers else sent.body
        encoding = wire_format(sent.headers["content-type"])
        assert encoding is not None
        if sent.path.endswith("/traces"):
            records += read_traces(body, encoding).records
        elif sent.path.endswith("/logs"):
            records += read_logs(body, encoding).records
    return tuple(records)


def updates_of(records: Iterable[Record]) -> list[tuple[str, SpanUpdate]]:
    """The updates that a request with these records stores, each with its trace id."""
    records = list(records)
    spans = with_turns([record for record in records if isinstance(record, OtlpSpan)])
    from_agents, others = agent_fields([record for record in records if isinstance(record, OtlpLog)])
    reported: list[tuple[int, list[tuple[str, SpanFields]]]] = [
        (CAPTURED, spans_fields(spans)),
        (FROM_LOGS, [*outcomes_of_tools(spans), *from_agents, *log_fields(others)]),
    ]
    return [
        (trace_id, span_update(fields, received_ms=1, precedence=precedence))
        for precedence, each in reported
        for trace_id, fields in each
    ]


def traces_of(requests: Iterable[Iterable[Record]]) -> Traces:
    """The spans of each trace after these requests."""
    updates: dict[str, list[SpanUpdate]] = {}
    for records in requests:
        for trace_id, update in updates_of(records):
            updates.setdefault(trace_id, []).append(update)
    return {trace_id: merge(each) for trace_id, each in updates.items()}


def totals(traces: Traces) -> dict[str, int]:
    """The numbers that a store shows of these traces."""
    summaries = [summarize(spans, NO_PREVIEWS) for spans in traces.values()]
    tools = [span for spans in traces.values() for span in spans if span.fields.get("operation_type") == "tool_call"]
    works = [summary for summary in summaries if _has_work(summary.usage.llm_call_count, summary.values)]
    return {
        "turns": len(works),
        "conversations": len({summary.conversation_id for summary in works}),
        "model_calls": sum(summary.usage.llm_call_count for summary in summaries),
        "tool_calls": len(tools),
        "failed_tool_calls": sum(span.status == "error" for span in tools),
        **{name: sum(getattr(summary.usage, name) for summary in summaries) for name in TOKENS},
    }


def _has_work(calls: int, values: dict[str, list[str]]) -> bool:
    return bool(calls or {"agent", "tool_call"} & set(values.get("operation_type", ())))
