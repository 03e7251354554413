"""Write the table of `docs/clients.md`: what the store reads from the recorded exports of each client.

The recordings are requests of real clients, with the versions of their packages. They are read as the functions that
receive them read them. `make clients` runs this.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from dev.otlp_recordings import CORPUS, expected_of, exports_of
from dev.otlp_recordings import recordings as otlp_recordings
from dev.sdk_recordings import sent_fields
from dev.template import ROOT
from tracestore.domain.costs import Price, UnknownCost
from tracestore.domain.merge import Span, merge
from tracestore.domain.previews import messages_of
from tracestore.domain.reported_usage import TOKEN_KINDS
from tracestore.domain.spans import CAPTURED, FROM_LOGS, SpanFields, SpanUpdate
from tracestore.domain.times import NS_PER_MS
from tracestore.domain.tree import tree_order
from tracestore.domain.updates import span_update
from tracestore.domain.usage import Usage, charges_of, usage_of
from tracestore.ingest.log_fields import log_fields
from tracestore.ingest.otlp import read_logs, read_traces
from tracestore.ingest.pricing import Priced, cost_nano_usd
from tracestore.ingest.span_fields import spans_fields

SDKS: Final = ROOT / "tests" / "data" / "native"
DOCUMENT: Final = ROOT / "docs" / "clients.md"
MARK: Final = "<!-- The table below is written by `make clients`. -->\n"

_COLUMNS: Final = (
    *("client", "versions", "spans", "calls", "input", "output", "cached", "cache write", "reasoning", "cost"),
    *("messages", "tool calls", "errors", "sessions"),
)
_LANGUAGES: Final = {"py": "python", "js": "js"}
"""The languages by the beginnings of the names of recordings."""


class Row(NamedTuple):
    """The totals of the recordings of one client. Costs without a price are not in `cost_nano_usd`."""

    client: str
    versions: dict[str, set[str]]
    spans: int = 0
    calls: int = 0
    tokens: tuple[int, ...] = (0,) * len(TOKEN_KINDS)
    cost_nano_usd: int = 0
    messages: int = 0
    tool_calls: int = 0
    errors: int = 0
    sessions: int = 0


def main() -> None:
    """Write the table into the document."""
    text = DOCUMENT.read_text(encoding="utf-8")
    DOCUMENT.write_text(text.partition(MARK)[0] + MARK + table(), encoding="utf-8")


def table() -> str:
    """The table in Markdown, one row a client."""
    rows = [_row(client, cases) for client, cases in sorted(recordings().items())]
    lines = [" | ".join(_COLUMNS), " | ".join("---" if name in _COLUMNS[:2] else "--:" for name in _COLUMNS)]
    return "".join(f"| {line} |\n" for line in ["", *lines, *map(_line, rows)][1:])


def recordings() -> dict[str, list[Path]]:
    """The recordings of each client, by its name. The SDKs of one product are a client in each language."""
    clients: dict[str, list[Path]] = {}
    for case in otlp_recordings():
        clients.setdefault(case.parent.name, []).append(case)
    for path in sorted(SDKS.glob("*/*/expected.json")):
        clients.setdefault(f"{path.parts[-3]}-{_LANGUAGES[path.parts[-2][:2]]}", []).append(path.parent)
    return clients


def versions_of(recorded: Mapping[str, Any]) -> dict[str, str]:
    """The version of each package of a recording. Some recordings name the language before the package."""
    return {name.rpartition(" ")[2]: version for name, version in recorded["versions"].items()}


def _line(row: Row) -> str:
    versions = ", ".join(f"{name} {' and '.join(sorted(found))}" for name, found in sorted(row.versions.items()))
    numbers = (row.spans, row.calls, *row.tokens)
    rest = (row.messages, row.tool_calls, row.errors, row.sessions)
    cost = f"${row.cost_nano_usd / 1e9:.6f}" if row.cost_nano_usd else "–"
    return " | ".join((row.client, versions, *map(_number, numbers), cost, *map(_number, rest)))


def _number(count: int) -> str:
    return f"{count:,}" if count else "–"


def _row(client: str, cases: Iterable[Path]) -> Row:
    row = Row(client, {})
    sessions: set[str] = set()
    for case in cases:
        for name, version in versions_of(expected_of(case)).items():
            row.versions.setdefault(name, set()).add(version)
        for spans in traces(case).values():
            row = _with_trace(row, spans)
            sessions |= {span.fields["conversation_id"] for span in spans if "conversation_id" in span.fields}
    return row._replace(sessions=len(sessions))


def _with_trace(row: Row, spans: list[Span]) -> Row:
    nodes = tree_order(spans)
    charges = charges_of(nodes)
    usage: Usage = usage_of(nodes, charges)
    calls = [node.span for node, charge in zip(nodes, charges, strict=True) if charge.is_call]
    counted = zip(row.tokens, (getattr(usage, kind) for kind in TOKEN_KINDS), strict=True)
    return row._replace(
        spans=row.spans + len(spans),
        calls=row.calls + usage.llm_call_count,
        tokens=tuple(before + added for before, added in counted),
        cost_nano_usd=row.cost_nano_usd + (usage.cost_nano_usd or 0),
        messages=row.messages + sum(map(_messages, calls)),
        tool_calls=row.tool_calls
        + sum(
            node.span.fields.get("operation_type") == "tool_call" and not charge.is_repeated
            for node, charge in zip(nodes, charges, strict=True)
        ),
        errors=row.errors + sum(span.status == "error" for span in spans),
    )


def _messages(span: Span) -> int:
    return len(messages_of(span.fields.get("input_data"))) + len(messages_of(span.fields.get("output_data")))


def traces(case: Path) -> dict[str, list[Span]]:
    """The merged spans of each trace of a recording, by its id."""
    reported: dict[str, list[tuple[SpanFields, int]]] = {}
    for trace_id, fields, precedence in _exported(case) if case.is_relative_to(CORPUS) else _sent(case):
        reported.setdefault(trace_id, []).append((fields, precedence))
    return {trace_id: merge(list(_updates(updates)), price_of=_price_of) for trace_id, updates in reported.items()}


def _exported(case: Path) -> Iterator[tuple[str, SpanFields, int]]:
    """The fields of spans in the exports of OTLP, with their trace ids and their precedence."""
    for export in exports_of(case):
        if export.signal == "traces":
            for trace_id, fields in spans_fields(read_traces(export.body, export.encoding).records):
                yield trace_id, fields, CAPTURED
        elif export.signal == "logs":
            for trace_id, fields in log_fields(read_logs(export.body, export.encoding).records):
                yield trace_id, fields, FROM_LOGS


def _sent(case: Path) -> Iterator[tuple[str, SpanFields, int]]:
    """The fields of spans in the requests of an SDK, with their trace ids and their precedence."""
    for request in expected_of(case)["requests"]:
        for trace_id, fields in sent_fields(case, request):
            yield trace_id, fields, CAPTURED


def _updates(reported: list[tuple[SpanFields, int]]) -> Iterator[SpanUpdate]:
    received_ms = max(fields.get("end_ns", fields.get("start_ns", 0)) for fields, _ in reported) // NS_PER_MS
    for fields, precedence in reported:
        yield span_update(fields, received_ms=received_ms, precedence=precedence)


def _price_of(fields: SpanFields) -> Price | UnknownCost:
    """The list price, as a deployment without prices of its own computes it."""
    priced = cost_nano_usd(
        model=fields.get("model_name"),
        provider=fields.get("model_provider"),
        usage=fields,
        at_ns=fields["start_ns"],
        requested_model=fields.get("request_model"),
        tier=fields.get("service_tier"),
    )
    return (priced.cost_nano_usd, priced.price) if isinstance(priced, Priced) else priced


if __name__ == "__main__":
    main()
