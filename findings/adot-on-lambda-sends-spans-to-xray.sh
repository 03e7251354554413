#!/usr/bin/env bash
# The AWS Distro for OpenTelemetry (Python, 0.21.0) ignores OTEL_EXPORTER_OTLP_ENDPOINT for spans inside AWS Lambda.
#
# Valid input: the two general variables of the OTLP exporter specification, which name an endpoint and its protocol for
# all signals. Outside Lambda the distro exports spans to that endpoint. With AWS_LAMBDA_FUNCTION_NAME set, as Lambda
# sets it, the spans go to the X-Ray daemon by UDP, without a warning. Only OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, the
# variable for spans alone, selects the OTLP exporter there.
#
# Output on 2026-11-27:
#   outside Lambda, general endpoint: OTLPSpanExporter http://127.0.0.1:4318/v1/traces
#   inside Lambda, general endpoint: OTLPUdpSpanExporter
#   inside Lambda, endpoint for traces: OTLPSpanExporter http://127.0.0.1:4318/v1/traces
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet aws-opentelemetry-distro==0.21.0

cat > "$work/exporters.py" <<'PYTHON'
"""Print the exporter that the distro's configurator gives to the tracer provider."""

import os

from amazon.opentelemetry.distro.aws_opentelemetry_configurator import AwsOpenTelemetryConfigurator
from amazon.opentelemetry.distro.aws_opentelemetry_distro import AwsOpenTelemetryDistro
from opentelemetry import trace

AwsOpenTelemetryDistro()._configure()
AwsOpenTelemetryConfigurator()._configure()


def innermost(exporter):
    """The exporter inside the distro's own wrappers."""
    while (inner := getattr(exporter, "_delegate", None)) is not None:
        exporter = inner
    return exporter


names = set()
for processor in trace.get_tracer_provider()._active_span_processor._span_processors:
    batch = getattr(processor, "_batch_processor", processor)
    exporter = getattr(batch, "_exporter", getattr(processor, "span_exporter", None))
    if exporter is not None:
        exporter = innermost(exporter)
        names.add(f"{type(exporter).__name__} {getattr(exporter, '_endpoint', '')}".strip())
print(", ".join(sorted(names)), flush=True)
os._exit(0)  # no export on exit: nothing listens there
PYTHON

exporter() {
  env -i PATH="$PATH" HOME="$work" OTEL_TRACES_SAMPLER=always_on OTEL_METRICS_EXPORTER=none OTEL_LOGS_EXPORTER=none \
    OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf "$@" "$work/venv/bin/python" "$work/exporters.py" 2>/dev/null | tail -1
}

general=OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318
lambda=(AWS_LAMBDA_FUNCTION_NAME=f AWS_REGION=eu-central-1 LAMBDA_TASK_ROOT=/var/task)
outside=$(exporter "$general")
inside=$(exporter "$general" "${lambda[@]}")
traces=$(exporter "$general" OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://127.0.0.1:4318/v1/traces "${lambda[@]}")
echo "outside Lambda, general endpoint: $outside"
echo "inside Lambda, general endpoint: $inside"
echo "inside Lambda, endpoint for traces: $traces"
[[ $outside == "OTLPSpanExporter http://127.0.0.1:4318/v1/traces" ]]
[[ $inside == "OTLPUdpSpanExporter"* ]]
[[ $traces == "OTLPSpanExporter http://127.0.0.1:4318/v1/traces" ]]
