#!/usr/bin/env bash
# OpenLLMetry's instrumentation of Google's SDK (opentelemetry-instrumentation-google-generativeai 0.62.4): the answer of a
# streamed call is Python's representation of the last chunk, and the text of the answer is nowhere.
#
# Valid input: `models.generate_content_stream`. Gemini's last chunk has the reason of the end and often an empty text.
# The instrumentation keeps one chunk, and writes each part of it with `str()` as the content of a text. So the span of a
# call that answered "It is dry in Lisbon." has `media_resolution=None … text=''` as its answer, with the status `OK` and
# the right counts.
#
# Output on 2026-11-29:
#   application: 'It is dry in Lisbon.'
#   span of the call: 'OK', 1 text of the assistant, with "text=''" and without 'Lisbon'
#   span of the call without stream: 'It is dry in Lisbon.'
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet google-genai==3.6.1 opentelemetry-instrumentation-google-generativeai==0.62.4 \
    opentelemetry-sdk==1.45.2 2>/dev/null

cat > "$work/run.py" <<'PYTHON'
"""A streamed and a plain call against a local server that speaks Gemini's API, and the spans about them."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

WORDS = ("It is dry", " in Lisbon.", "")
USAGE = {"promptTokenCount": 1003, "candidatesTokenCount": 53, "totalTokenCount": 1056}


def answer(text: str, **candidate: str) -> dict[str, object]:
    content = {"role": "model", "parts": [{"text": text}]}
    return {"candidates": [{"content": content, "index": 0, **candidate}], "usageMetadata": USAGE, "responseId": "r1"}


class Provider(BaseHTTPRequestHandler):
    """Answers each request with the same words, in three chunks if asked for a stream."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        if "streamGenerateContent" in self.path:
            chunks = [answer(WORDS[0]), answer(WORDS[1]), answer(WORDS[2], finishReason="STOP")]
            kind, body = "text/event-stream", "".join(f"data: {json.dumps(chunk)}\r\n\r\n" for chunk in chunks)
        else:
            kind, body = "application/json", json.dumps(answer("".join(WORDS), finishReason="STOP"))
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
threading.Thread(target=server.serve_forever, daemon=True).start()

from google import genai
from opentelemetry.instrumentation.google_generativeai import GoogleGenerativeAiInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
GoogleGenerativeAiInstrumentor().instrument(tracer_provider=provider)
client = genai.Client(api_key="none", http_options={"base_url": f"http://127.0.0.1:{server.server_port}"})
asked = {"model": "gemini-2.5-flash", "contents": "Is it raining?"}
text = "".join(chunk.text or "" for chunk in client.models.generate_content_stream(**asked))
client.models.generate_content(**asked)

streamed, plain = exporter.get_finished_spans()
texts, plain_texts = (
    [part["content"] for message in json.loads(span.attributes["gen_ai.output.messages"]) for part in message["parts"]]
    for span in (streamed, plain)
)
print(f"application: {text!r}")
has_text = "without" if "Lisbon" not in str(streamed.attributes) else "with"
part = "\"text=''\"" if "text=''" in texts[0] else "no representation"
print(f"span of the call: {streamed.status.status_code.name!r}, {len(texts)} text of the assistant, ", end="")
print(f"with {part} and {has_text} 'Lisbon'")
print(f"span of the call without stream: {plain_texts[0]!r}")
assert text == "".join(WORDS)
assert streamed.status.status_code.name == "OK"
assert len(texts) == 1
assert texts[0].startswith("media_resolution=None")
assert "text=''" in texts[0]
assert "Lisbon" not in str(streamed.attributes)
assert plain_texts == ["".join(WORDS)]
PYTHON
timeout 120 "$work/venv/bin/python" "$work/run.py"
