"""OpenTelemetry's own exporters, unmodified, against the local server: every span arrives exactly once."""

import json
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry._logs import LogRecord
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    TraceFlags,
    format_span_id,
    format_trace_id,
    set_span_in_context,
)

from dev.node import NodeUnavailable
from dev.template import Template
from tests import node
from tests.api import Api, flat
from tests.conftest import TableOnEngine
from tests.served import Service, served, served_throttled

pytestmark = pytest.mark.parametrize("engine", ["moto"], indirect=True, scope="session")

CHILDREN = 25


@pytest.fixture
def service(engine: TableOnEngine, template: Template, api: Api) -> Iterator[Service]:
    """A server with a store that works."""
    with served(template, api, ("ingest",), ("/v1/",)) as running:
        yield running


@pytest.fixture
def throttled_service(service: Service) -> Iterator[Service]:
    """The server with a store that is throttled until two requests have failed."""
    with served_throttled(service, "POST", "/v1/metrics", b"{}") as running:
        yield running


def send_from_python(service: Service, children: int = CHILDREN) -> tuple[str, list[str]]:
    """Send a trace of one root and `children` children. Returns its id and the ids of its spans."""
    exporter = OTLPSpanExporter(
        endpoint=f"{service.base}/v1/traces",
        headers={"authorization": f"Bearer {service.key}"},
        compression=Compression.Gzip,
        timeout=30,
    )
    provider = TracerProvider(resource=Resource({"service.name": "tests"}), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter, max_export_batch_size=10))
    tracer = provider.get_tracer("tests")
    root = tracer.start_span("agent", attributes={"gen_ai.operation.name": "invoke_agent"})
    spans = [root]
    for n in range(children):
        attributes: dict[str, str | int] = {
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": "gpt-4o-mini",
            "gen_ai.usage.input_tokens": n,
        }
        spans.append(tracer.start_span("chat gpt-4o-mini", set_span_in_context(root), attributes=attributes))
        spans[-1].end()
    root.end()
    provider.shutdown()
    ids = [format_span_id(span.get_span_context().span_id) for span in spans]
    return format_trace_id(root.get_span_context().trace_id), ids


def send_from_javascript(service: Service, children: int = CHILDREN) -> tuple[str, list[str]]:
    """The same with the exporter for JavaScript."""
    try:
        command = node.client("exporter.mjs")
    except NodeUnavailable as reason:
        node.unavailable(reason)
    arguments = [f"{service.base}/v1/traces", service.key, str(children)]
    process = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False, timeout=60)
    assert process.returncode == 0, process.stderr
    sent = json.loads(process.stdout)
    return sent["trace_id"], sent["span_ids"]


clients = pytest.mark.parametrize("send", [send_from_python, send_from_javascript], ids=["python", "javascript"])
Send = Callable[[Service], tuple[str, list[str]]]


def arrived(api: Api, trace_id: str) -> list[str]:
    """The ids of the spans of a trace. Its tree and its summary have the same number of spans."""
    trace = api.trace(trace_id)
    ids = [span["span_id"] for span in flat(trace["spans"])]
    assert trace["summary"]["span_count"] == len(ids)
    return ids


@clients
def test_every_span_arrives_once(service: Service, send: Send) -> None:
    trace_id, sent = send(service)
    assert sorted(arrived(service.api, trace_id)) == sorted(sent)
    assert service.api.trace(trace_id)["summary"]["input_tokens"] == sum(range(CHILDREN))
    assert len(service.statuses) > 1
    assert set(service.statuses) == {200}


@clients
def test_every_span_arrives_once_after_the_store_was_throttled_twice(throttled_service: Service, send: Send) -> None:
    trace_id, sent = send(throttled_service)
    assert sorted(arrived(throttled_service.api, trace_id)) == sorted(sent)
    assert throttled_service.api.trace(trace_id)["summary"]["input_tokens"] == sum(range(CHILDREN))
    assert throttled_service.throttled_count == 2
    assert throttled_service.api.summaries() == [trace_id]


def test_the_json_of_javascript_preserves_text_beyond_ascii(service: Service) -> None:
    trace_id, sent = send_from_javascript(service, 1)
    assert service.api.span(sent[1], trace_id)["input_data"] == {
        "messages": [{"role": "user", "parts": [{"type": "text", "text": "Grüezi 0"}]}]
    }


def test_messages_of_the_log_exporter_are_added_to_their_span(service: Service) -> None:
    trace_id, (root, *_) = send_from_python(service, 0)
    exporter = OTLPLogExporter(
        endpoint=f"{service.base}/v1/logs", headers={"x-api-key": service.key}, compression=Compression.Gzip
    )
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
    logger = provider.get_logger("tests")
    records: list[tuple[str, dict[str, Any]]] = [
        ("gen_ai.user.message", {"content": "Grüezi"}),
        ("gen_ai.choice", {"index": 0, "message": {"role": "assistant", "content": "Hoi"}}),
        ("app.started", {"content": "not a message"}),
    ]
    span_context = SpanContext(
        int(trace_id, 16), int(root, 16), is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED)
    )
    context = set_span_in_context(NonRecordingSpan(span_context))
    for index, (name, body) in enumerate(records):
        timestamp = 1_735_812_000_000_000_000 + index
        logger.emit(LogRecord(timestamp=timestamp, context=context, event_name=name, body=body))
    provider.shutdown()
    stored = service.api.span(root, trace_id)
    texts = [stored[field]["messages"][0]["parts"][0]["text"] for field in ("input_data", "output_data")]
    assert texts == ["Grüezi", "Hoi"]
    assert (stored["span_name"], stored["status"]) == ("agent", "success")
