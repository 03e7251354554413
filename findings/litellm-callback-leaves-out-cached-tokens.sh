#!/usr/bin/env bash
# LiteLLM (1.109.3): the "otel" callback leaves out the cached input tokens of a call, although the provider reports them.
#
# Valid input: an answer of the Chat Completions API whose usage has prompt_tokens_details.cached_tokens. LiteLLM reads
# the field: the response object has it, and the costs on the span are computed with it. The span has attributes for the
# prompt, completion and total tokens, and for the cost of cached tokens, but none for their number. A backend that computes the cost from the tokens
# on the span therefore gets a higher amount than the cost attribute next to them states.
#
# Output on 2026-11-27:
#   response: prompt_tokens 1000, cached_tokens 800
#   span: no attribute with the number of cached tokens
#   span: gen_ai.cost.total_cost 9.6e-05; without the cached price it would be 0.000156
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet litellm==1.109.3 opentelemetry-sdk==1.44.0 opentelemetry-exporter-otlp-proto-http==1.44.0 2>/dev/null

cat > "$work/call.py" <<'PYTHON'
"""One call to a local server that speaks the Chat Completions API, and the attributes of the spans about it."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1764201600,
    "model": "gpt-4o-mini",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
    "usage": {
        "prompt_tokens": 1000,
        "completion_tokens": 10,
        "total_tokens": 1010,
        "prompt_tokens_details": {"cached_tokens": 800},
    },
}


class Provider(BaseHTTPRequestHandler):
    """Answers every request with `ANSWER`."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        body = json.dumps(ANSWER).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


server = HTTPServer(("127.0.0.1", 0), Provider)
threading.Thread(target=server.serve_forever, daemon=True).start()

import litellm
from litellm.integrations.opentelemetry import OpenTelemetry, OpenTelemetryConfig
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

exporter = InMemorySpanExporter()
litellm.callbacks = [OpenTelemetry(config=OpenTelemetryConfig(exporter=exporter))]
response = litellm.completion(
    model="openai/gpt-4o-mini",
    messages=[{"role": "user", "content": "Hello"}],
    api_base=f"http://127.0.0.1:{server.server_port}",
    api_key="none",
)
for _ in range(100):
    time.sleep(0.1)
    spans = [span for span in exporter.get_finished_spans() if "gen_ai.cost.total_cost" in (span.attributes or {})]
    if spans:
        break
(span,) = spans[:1]
attributes = dict(span.attributes)
usage = response.usage
print(f"response: prompt_tokens {usage.prompt_tokens}, cached_tokens {usage.prompt_tokens_details.cached_tokens}")
named = sorted(name for name, value in attributes.items() if value == 800 or ("cache" in name and "token" in name))
print(f"span: {', '.join(named) or 'no attribute with the number of cached tokens'}")
uncached = 1000 * 0.15e-6 + 10 * 0.6e-6
print(f"span: gen_ai.cost.total_cost {attributes['gen_ai.cost.total_cost']:.3g}; without the cached price it would be {uncached:.3g}")
assert usage.prompt_tokens_details.cached_tokens == 800
assert not named
assert attributes["gen_ai.cost.total_cost"] < uncached
PYTHON
env LITELLM_LOCAL_MODEL_COST_MAP=True "$work/venv/bin/python" "$work/call.py" 2>"$work/errors" || { tail -5 "$work/errors"; exit 1; }
