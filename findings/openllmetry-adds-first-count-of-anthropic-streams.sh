#!/usr/bin/env bash
# OpenLLMetry for Python (opentelemetry-instrumentation-anthropic 0.62.4): the output tokens of a streamed call are the
# sum of two counts of which the second includes the first.
#
# Valid input: a stream of Anthropic's Messages API. `message_start` has the output tokens so far, and `message_delta` has
# the output tokens of the whole message: Anthropic documents its counts as cumulative. The instrumentation adds the two,
# so each streamed call has too many output tokens, by what `message_start` had. The same call without a stream has the
# count of the provider. The error is small where the first event comes after one token, and is invisible without the
# provider's bill next to it.
#
# Output on 2026-11-28:
#   provider: message_start 8 output tokens, message_delta 47 output tokens
#   accumulated by the SDK: 47 output tokens
#   span of the stream: 55 output tokens
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet anthropic==0.125.0 opentelemetry-instrumentation-anthropic==0.62.4 \
    opentelemetry-sdk==1.45.2 2>/dev/null

cat > "$work/call.py" <<'PYTHON'
"""One stream of a local server that speaks the Messages API, and the tokens of the span about it."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

FIRST, WHOLE = 8, 47
MESSAGE = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-haiku-4-5", "content": []}
EVENTS = [
    {
        "type": "message_start",
        "message": {
            **MESSAGE,
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {"input_tokens": 70, "output_tokens": FIRST},
        },
    },
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "It is dry."}},
    {"type": "content_block_stop", "index": 0},
    {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn", "stop_sequence": None},
        "usage": {"output_tokens": WHOLE},
    },
    {"type": "message_stop"},
]


class Provider(BaseHTTPRequestHandler):
    """Answers every request with the stream `EVENTS`."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        body = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in EVENTS).encode()
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


server = HTTPServer(("127.0.0.1", 0), Provider)
threading.Thread(target=server.serve_forever, daemon=True).start()

import anthropic
from opentelemetry import trace
from opentelemetry.instrumentation.anthropic import AnthropicInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

client = anthropic.Anthropic(api_key="none", base_url=f"http://127.0.0.1:{server.server_port}", max_retries=0)
request = {"model": "claude-haiku-4-5", "max_tokens": 99, "messages": [{"role": "user", "content": "Is it raining?"}]}
with client.messages.stream(**request) as stream:
    accumulated = stream.get_final_message().usage.output_tokens

exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)
AnthropicInstrumentor().instrument()
for _ in client.messages.create(**request, stream=True):
    pass
provider.force_flush()

print(f"provider: message_start {FIRST} output tokens, message_delta {WHOLE} output tokens")
print(f"accumulated by the SDK: {accumulated} output tokens")
(span,) = exporter.get_finished_spans()
(reported,) = {span.attributes[name] for name in span.attributes if name == "gen_ai.usage.output_tokens"}
print(f"span of the stream: {reported} output tokens")
assert accumulated == WHOLE
assert reported == FIRST + WHOLE
PYTHON
"$work/venv/bin/python" "$work/call.py" 2>"$work/errors" || { tail -5 "$work/errors"; exit 1; }
