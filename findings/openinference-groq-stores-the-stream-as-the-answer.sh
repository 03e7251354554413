#!/usr/bin/env bash
# OpenInference's instrumentation of Groq (openinference-instrumentation-groq 0.1.33): the answer of a streamed call is the
# name of Python's object, and the call has no tokens.
#
# Valid input: `chat.completions.create(stream=True)` of Groq's SDK. Its last chunk has the usage of the call in `x_groq`,
# without any option. The instrumentation ends the span when the call returns, before the first chunk: `output.value` is
# what `str()` gives for the stream. The span is `OK`, so nothing marks the answer as missing. The same call without
# `stream` has its answer and its tokens.
#
# Output on 2026-11-29:
#   application: 'It is dry in Lisbon.', 1203 input tokens, 93 output tokens
#   span of the call: 'OK', '<groq.Stream object at 0x…>', no tokens
#   span of the call without stream: 'OK', 'It is dry in Lisbon.', 1203 input tokens, 93 output tokens
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet groq==1.7.0 openinference-instrumentation-groq==0.1.33 opentelemetry-sdk==1.45.2 2>/dev/null

cat > "$work/run.py" <<'PYTHON'
"""A streamed and a plain call against a local server that speaks Groq's API, and the spans about them."""

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

WORDS = ("It is dry", " in Lisbon.")
USAGE = {"prompt_tokens": 1203, "completion_tokens": 93, "total_tokens": 1296}
BASE = {"id": "chatcmpl-1", "created": 1, "model": "llama-3.3-70b-versatile"}


class Provider(BaseHTTPRequestHandler):
    """Answers each request with the same words, in two chunks if asked for a stream."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if asked.get("stream"):
            deltas = [({"role": "assistant", "content": WORDS[0]}, None), ({"content": WORDS[1]}, None), ({}, "stop")]
            chunks = [
                {**BASE, "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta, "finish_reason": end}]}
                for delta, end in deltas
            ]
            chunks[-1]["x_groq"] = {"id": "req_1", "usage": USAGE}
            kind, body = "text/event-stream", "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks)
            body += "data: [DONE]\n\n"
        else:
            message = {"role": "assistant", "content": "".join(WORDS)}
            choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
            answer = {**BASE, "object": "chat.completion", "choices": [choice], "usage": USAGE}
            kind, body = "application/json", json.dumps(answer)
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
threading.Thread(target=server.serve_forever, daemon=True).start()

from groq import Groq
from openinference.instrumentation.groq import GroqInstrumentor
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
GroqInstrumentor().instrument(tracer_provider=provider)
client = Groq(api_key="none", base_url=f"http://127.0.0.1:{server.server_port}", max_retries=0)
asked = {"model": BASE["model"], "messages": [{"role": "user", "content": "Is it raining?"}]}


def shown(span: ReadableSpan) -> str:
    attributes = span.attributes
    answer = attributes.get("llm.output_messages.0.message.content", attributes.get("output.value"))
    counts = [attributes.get(f"llm.token_count.{kind}") for kind in ("prompt", "completion")]
    tokens = f"{counts[0]} input tokens, {counts[1]} output tokens" if any(counts) else "no tokens"
    return f"{span.status.status_code.name!r}, {re.sub('0x[0-9a-f]+', '0x…', answer)!r}, {tokens}"


text, usage = "", None
for chunk in client.chat.completions.create(**asked, stream=True):
    text += chunk.choices[0].delta.content or ""
    usage = chunk.x_groq.usage if chunk.x_groq and chunk.x_groq.usage else usage
client.chat.completions.create(**asked)
print(f"application: {text!r}, {usage.prompt_tokens} input tokens, {usage.completion_tokens} output tokens")
streamed, plain = map(shown, exporter.get_finished_spans())
print(f"span of the call: {streamed}")
print(f"span of the call without stream: {plain}")
assert (text, usage.prompt_tokens) == ("".join(WORDS), 1203)
assert streamed == "'OK', '<groq.Stream object at 0x…>', no tokens"
assert plain == "'OK', 'It is dry in Lisbon.', 1203 input tokens, 93 output tokens"
PYTHON
timeout 120 "$work/venv/bin/python" "$work/run.py"
