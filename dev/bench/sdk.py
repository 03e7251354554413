"""The processor time of a run in an SDK's own protocol, compared with that of an OTLP span of the same content.

The bodies are recorded requests of real clients. Each is read as by the handler, and its spans are encoded as an OTLP
export in protobuf with the same attributes. The ratio is measured in one run, alternating.
"""

import json
import time
from collections.abc import Callable
from typing import Any, Final

from rich.console import Console

from dev.bench.report import rated, table
from dev.template import ROOT

CORPUS: Final = ROOT / "tests" / "data" / "native"
_PROTOCOLS: Final = ("langsmith", "langfuse-ingestion", "openai-agents", "opik")
_ROUNDS: Final = 15
_REPEATS: Final = 5
_MOST: Final = 1.5


def report(console: Console) -> None:
    """Print the processor µs per run of each protocol, of OTLP spans with the same content, and the ratio."""
    rows = table("Protocols of SDKs, processor µs per span: read, redact, pack", "spans", "µs", "as OTLP", "ratio")
    for protocol in _PROTOCOLS:
        native_us, otlp_us, spans = _measure(_bodies(protocol))
        rows.add_row(
            protocol, f"{spans}", f"{native_us:.0f}", f"{otlp_us:.0f}", f"{rated(native_us / otlp_us, _MOST)}×"
        )
    console.print(rows)
    console.print(f"The target is at most {_MOST} times an OTLP span.")


def _bodies(protocol: str) -> list[tuple[str, bytes, str]]:
    """The routes, the decompressed bodies and the content types of the recorded requests that contain spans."""
    bodies = []
    for file in sorted((CORPUS / protocol).glob("*/expected.json")):
        for request in json.loads(file.read_text())["requests"]:
            name = request.get("plain_file") or request.get("file")
            is_packed = request["headers"].get("content-encoding") == "gzip"
            if name and not is_packed and request["path"].endswith(("/multipart", "/batch", "/ingestion", "/ingest")):
                route, kind = f"{request['method']} {request['path']}", request["headers"]["content-type"]
                bodies.append((route, (file.parent / name).read_bytes(), kind))
    return bodies


def _measure(bodies: list[tuple[str, bytes, str]]) -> tuple[float, float, int]:
    """Microseconds per span of both ways, the least of all rounds, and the number of spans."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    from dev.sdk_recordings import batch_of
    from tracestore.domain.spans import SpanFields, SpanUpdate
    from tracestore.domain.updates import span_update
    from tracestore.ingest.otlp import read_traces
    from tracestore.ingest.redaction import Redactor
    from tracestore.ingest.sdk_reports import report_fields
    from tracestore.ingest.span_fields import spans_fields
    from tracestore.storage.segments import segment_items, segment_of

    redactor = Redactor()
    exports = [_export(batch_of(*body), ExportTraceServiceRequest) for body in bodies]
    spans = sum(len(batch_of(*body).reports) for body in bodies)

    def store(reported: list[tuple[str, SpanFields]]) -> None:
        by_trace: dict[str, list[SpanUpdate]] = {}
        for trace_id, fields in reported:
            update = span_update(redactor.redact(fields), received_ms=0)
            by_trace.setdefault(trace_id, []).append(update)
        for trace_id, updates in by_trace.items():
            segment_items(trace_id, "0", segment_of(updates), 0)

    def spent_us(work: Callable[[], object]) -> float:
        began = time.thread_time()
        for _ in range(_REPEATS):
            work()
        return (time.thread_time() - began) * 1e6 / spans / _REPEATS

    def as_sent() -> None:
        for body in bodies:
            store(report_fields(batch_of(*body).reports))

    def as_otlp() -> None:
        for export in exports:
            store(spans_fields(read_traces(export, "protobuf").records))

    rounds = [(spent_us(as_sent), spent_us(as_otlp)) for _ in range(_ROUNDS)]
    return min(native for native, _ in rounds), min(otlp for _, otlp in rounds), spans


def _export(batch: Any, request_type: Any) -> bytes:
    """The reports of a batch as an OTLP export. Attributes that are no texts are JSON, as clients send them."""
    export = request_type()
    scope = export.resource_spans.add().scope_spans.add()
    for index, report_ in enumerate(batch.reports):
        span = report_.span
        added = scope.spans.add(
            trace_id=int(span.trace_id, 16).to_bytes(16, "big") if len(span.trace_id) == 32 else bytes([1] * 16),
            span_id=(index + 1).to_bytes(8, "big"),
            name=span.name or "unnamed",
            start_time_unix_nano=span.start_ns or 1,
            end_time_unix_nano=max(span.end_ns, span.start_ns, 1),
        )
        for name, value in span.attributes.items():
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            added.attributes.add(key=name).value.string_value = text
        for event in span.events:
            shown = added.events.add(name=event.name, time_unix_nano=event.time_ns)
            for name, value in event.attributes.items():
                shown.attributes.add(key=name).value.string_value = json.dumps(value)
    return bytes(export.SerializeToString())
