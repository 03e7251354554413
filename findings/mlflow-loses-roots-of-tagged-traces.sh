#!/usr/bin/env bash
# MLflow (3.17.2) with OpenTelemetry (1.45.2): the root span of a trace that has a tag is never exported.
#
# Valid input: a traced function that sets a tag of its trace, with another traced function in it, exported by OTLP.
# MLflow writes the tags into the attributes of the root when it ends. OpenTelemetry has made them immutable by then, so
# that raises; MLflow logs a warning and goes on without the root. Its children are exported: a store receives spans
# whose parent never comes. MLflow allows this version of OpenTelemetry, and with 1.41.1 the root is exported.
#
# Output on 2026-11-28:
#   OpenTelemetry 1.41.1: exported child, untagged, child, tagged
#   OpenTelemetry 1.45.2: exported child, untagged, child
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat > "$work/trace.py" <<'PYTHON'
"""Export a trace without and one with a tag to a server in this process, and print the names of its spans."""

import gzip
import os
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

names = []


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            names.extend(span.name for scope in resource.scope_spans for span in scope.spans)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
threading.Thread(target=server.serve_forever, daemon=True).start()
base = f"http://127.0.0.1:{server.server_port}"
os.environ.update(
    MLFLOW_TRACKING_URI=base,  # keeps traces out of a local database
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=f"{base}/v1/traces",
    OTEL_EXPORTER_OTLP_TRACES_PROTOCOL="http/protobuf",
)

import mlflow


@mlflow.trace
def child():
    return 1


@mlflow.trace
def untagged():
    return child()


@mlflow.trace
def tagged():
    mlflow.update_current_trace(tags={"team": "reading"})
    return child()


untagged()
tagged()
deadline = time.monotonic() + 20
while time.monotonic() < deadline and names.count("child") < 2:
    time.sleep(0.1)
time.sleep(3)  # what else is exported would have come
print(", ".join(names))
PYTHON

exported() {
  python3 -m venv "$work/$1"
  "$work/$1/bin/pip" install --quiet mlflow-tracing==3.17.2 \
    "opentelemetry-sdk==$1" "opentelemetry-exporter-otlp-proto-http==$1" 2>/dev/null
  "$work/$1/bin/python" "$work/trace.py" 2>/dev/null
}

older=$(exported 1.41.1)
newer=$(exported 1.45.2)
echo "OpenTelemetry 1.41.1: exported $older"
echo "OpenTelemetry 1.45.2: exported $newer"
[[ $older == "child, untagged, child, tagged" ]]
[[ $newer == "child, untagged, child" ]] || { echo "MLflow exports the root now."; exit 1; }
