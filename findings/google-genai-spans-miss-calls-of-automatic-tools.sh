#!/usr/bin/env bash
# OpenTelemetry's instrumentation of Google's SDK (opentelemetry-instrumentation-google-genai 1.3b0): a request with
# Python functions as tools is one span with the tokens of its last model call alone.
#
# Valid input: `generate_content` with a function in `tools`, as Google documents it. The SDK calls the model, runs the
# function, and calls the model again with the result. Each answer has its own usage, and each is billed. The
# instrumentation has one `generate_content` span for all of them, and its counts of input, cached and output tokens are
# those of the last answer. Nothing on the span or below it has the counts of the calls before: the sum over all spans is
# too low as soon as a tool runs.
#
# Output on 2026-11-28:
#   model server: 2 calls, 1003 input tokens, 93 output tokens
#   spans: 1 generate_content, 502 input tokens, 47 output tokens
#   spans below it: execute_tool weather, without tokens
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet google-genai==2.34.0 opentelemetry-instrumentation-google-genai==1.3b0 \
    opentelemetry-sdk==1.45.2 2>/dev/null

cat > "$work/call.py" <<'PYTHON'
"""One request with a tool to a local server that speaks Gemini's API, and the tokens of the spans about it."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

billed: list[dict[str, int]] = []


class Provider(BaseHTTPRequestHandler):
    """Asks for the tool in the first answer, and answers with a text after its result."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        has_result = "functionResponse" in json.dumps(asked["contents"])
        call = {"functionCall": {"name": "weather", "args": {"city": "Lisbon"}}}
        part = {"text": "It is dry in Lisbon."} if has_result else call
        number = len(billed) + 1
        usage = {"promptTokenCount": 500 + number, "candidatesTokenCount": 45 + number}
        usage["totalTokenCount"] = sum(usage.values())
        billed.append(usage)
        candidate = {"content": {"role": "model", "parts": [part]}, "finishReason": "STOP", "index": 0}
        body = json.dumps({"candidates": [candidate], "usageMetadata": usage, "modelVersion": "gemini-2.5-flash"}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


server = HTTPServer(("127.0.0.1", 0), Provider)
threading.Thread(target=server.serve_forever, daemon=True).start()

from google import genai
from opentelemetry import trace
from opentelemetry.instrumentation.google_genai import GoogleGenAiSdkInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)
GoogleGenAiSdkInstrumentor().instrument()


def weather(city: str) -> str:
    """The weather of a city."""
    return f"dry in {city}"


client = genai.Client(api_key="none", http_options={"base_url": f"http://127.0.0.1:{server.server_port}"})
answer = client.models.generate_content(model="gemini-2.5-flash", contents="Is it raining?", config={"tools": [weather]})
assert answer.text == "It is dry in Lisbon."

input_tokens = sum(usage["promptTokenCount"] for usage in billed)
output_tokens = sum(usage["candidatesTokenCount"] for usage in billed)
print(f"model server: {len(billed)} calls, {input_tokens} input tokens, {output_tokens} output tokens")
spans = exporter.get_finished_spans()
counted = [span for span in spans if "gen_ai.usage.input_tokens" in span.attributes]
reported = [sum(span.attributes[f"gen_ai.usage.{kind}_tokens"] for span in counted) for kind in ("input", "output")]
print(f"spans: {len(counted)} {counted[0].name.split()[0]}, {reported[0]} input tokens, {reported[1]} output tokens")
others = [span for span in spans if span not in counted]
print(f"spans below it: {', '.join(span.name for span in others)}, without tokens")
assert len(billed) == 2
assert len(counted) == 1
assert reported == [billed[-1]["promptTokenCount"], billed[-1]["candidatesTokenCount"]]
assert reported[0] < input_tokens
PYTHON
"$work/venv/bin/python" "$work/call.py" 2>"$work/errors" || { tail -5 "$work/errors"; exit 1; }
