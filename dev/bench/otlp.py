"""The cost of the OTLP path per span, compared with the minimum, and the start time of the capture function.

The bodies are recorded exports of real clients, joined to requests of about fifty spans: in protobuf, two concatenated
messages are one message with the fields of both.
"""

import gzip
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Final

from backports import zstd
from rich.console import Console

from dev.bench.report import rated, table
from dev.functions import local_environment
from dev.template import ROOT, Template

CORPUS: Final = ROOT / "tests" / "data" / "otlp"
_BATCH: Final = 50
_ROUNDS: Final = 7
_STARTS: Final = 5

_BOTO3: Final = "import boto3; boto3.client('dynamodb', region_name='us-east-1')"
_CAPTURE: Final = "import sys; sys.path[:0] = ['functions/capture', 'layers/common']; import capture_handler"


def report(console: Console) -> None:
    """Print the processor µs per span of each step, the floor and the ratio, and the ratio of import times."""
    bodies = _bodies()
    steps = dict.fromkeys(("read", "conventions", "redact", "pack"), 0.0)
    rounds = [_measure(bodies) for _ in range(_ROUNDS)]
    floor_us = min(floor for floor, _ in rounds)
    for step in steps:
        steps[step] = min(step_times[step] for _, step_times in rounds)
    rows = table("OTLP, processor µs per span", "µs", "of the floor")
    rows.add_row("floor: decode, one JSON dump, zstd", f"{floor_us:.0f}", "1.0×", end_section=True)
    for step, step_us in steps.items():
        rows.add_row(step, f"{step_us:.0f}", f"{step_us / floor_us:.1f}×")
    rows.add_section()
    rows.add_row("all", f"{sum(steps.values()):.0f}", f"{rated(sum(steps.values()) / floor_us, 4)}×")
    console.print(rows)
    boto3_ms, capture_ms = _import_ms()
    rows = table("Import", "ms", "of boto3")
    rows.add_row("boto3 and a client", f"{boto3_ms:.0f}", "1.0×")
    rows.add_row("the capture function", f"{capture_ms:.0f}", f"{rated(capture_ms / boto3_ms, 0.45)}×")
    console.print(rows)
    console.print("The targets are at most 4 times the floor, and at most 0.45 times boto3.")


def recorded_exports() -> Iterator[bytes]:
    """The recorded protobuf exports of traces, decompressed."""
    for headers in sorted(CORPUS.glob("*/*/*.headers.json")):
        request = json.loads(headers.read_text())
        sent = {name.lower(): value for name, value in request["headers"].items()}
        if request["path"].endswith("/v1/traces") and "protobuf" in sent.get("content-type", ""):
            body = Path(str(headers).replace(".headers.json", ".bin")).read_bytes()
            yield gzip.decompress(body) if sent.get("content-encoding") == "gzip" else body


def _bodies() -> list[bytes]:
    """Recorded exports, joined to bodies of about fifty spans."""
    from tracestore.ingest.otlp import read_traces

    joined, spans, bodies = b"", 0, []
    for body in recorded_exports():
        joined, spans = joined + body, spans + len(read_traces(body, "protobuf").records)
        if spans >= _BATCH:
            bodies.append(joined)
            joined, spans = b"", 0
    return bodies


def _measure(bodies: list[bytes]) -> tuple[float, dict[str, float]]:
    """Microseconds per span in one pass over all bodies: of the floor, and of each step in the handler's functions."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    from tracestore.domain.spans import SpanUpdate
    from tracestore.domain.updates import span_update
    from tracestore.ingest.otlp import read_traces
    from tracestore.ingest.redaction import Redactor
    from tracestore.ingest.span_fields import spans_fields
    from tracestore.storage.segments import segment_items, segment_of

    redactor = Redactor()
    exports = [read_traces(body, "protobuf").records for body in bodies]
    converted = [spans_fields(records) for records in exports]
    texts = [json.dumps([fields for _, fields in spans], ensure_ascii=False) for spans in converted]
    spans = sum(map(len, exports))

    def pack() -> None:
        for spans_of_body in converted:
            by_trace: dict[str, list[SpanUpdate]] = {}
            for trace_id, fields in spans_of_body:
                by_trace.setdefault(trace_id, []).append(span_update(fields, received_ms=0))
            for trace_id, updates in by_trace.items():
                segment_items(trace_id, "0", segment_of(updates), 0)

    def spent_us(work: Callable[[], object]) -> float:
        began = time.thread_time()
        work()
        return (time.thread_time() - began) * 1e6 / spans

    floor_us = (
        spent_us(lambda: [ExportTraceServiceRequest.FromString(body) for body in bodies])
        + spent_us(lambda: [json.dumps([fields for _, fields in body], ensure_ascii=False) for body in converted])
        + spent_us(lambda: [zstd.compress(text.encode(), 3) for text in texts])
    )
    return floor_us, {
        "read": spent_us(lambda: [read_traces(body, "protobuf") for body in bodies]),
        "conventions": spent_us(lambda: [spans_fields(records) for records in exports]),
        "redact": spent_us(lambda: [redactor.redact(fields) for body in converted for _, fields in body]),
        "pack": spent_us(pack),
    }


def _import_ms() -> tuple[float, float]:
    """Milliseconds, in alternating new processes, so that other load on the machine slows both equally."""
    environment = {**local_environment(Template(), "http://127.0.0.1:1", "x" * 32), "PATH": "/usr/bin:/bin"}
    spent: dict[str, list[float]] = {_BOTO3: [], _CAPTURE: []}
    for _ in range(_STARTS):
        for code, times in spent.items():
            timed = f"import time; began = time.perf_counter(); {code}; print(time.perf_counter() - began)"
            process = subprocess.run(
                [sys.executable, "-c", timed], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
            )
            times.append(float(process.stdout) * 1000)
    return median(spent[_BOTO3]), median(spent[_CAPTURE])
