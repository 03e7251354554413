#!/usr/bin/env bash
# opentelemetry-instrumentation-genai-langchain (1.3b0): every answer of OpenAI's Responses API has the finish reason "error".
#
# Valid input: ChatOpenAI(use_responses_api=True) and an answer with the status "completed". LangChain returns the answer
# and its status. The span has no error status, but gen_ai.response.finish_reasons is ["error"]. A backend that counts
# such answers as failures, as the word suggests, reports an error rate of 100 %. With the Chat Completions API, the
# same answer has the finish reason "stop".
#
# Output on 2026-11-28:
#   langchain: status completed, text 'Hello'
#   span: status UNSET, finish reasons ('error',)
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet langchain-openai==1.7.4 langchain-core==1.8.3 openai==3.57.0 \
    opentelemetry-instrumentation-genai-langchain==1.3b0 opentelemetry-sdk==1.45.2 2>/dev/null

cat > "$work/call.py" <<'PYTHON'
"""One call to a local server that speaks the Responses API, and the attributes of the span about it."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

ANSWER = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1764201600,
    "status": "completed",
    "model": "gpt-4o-mini-2024-07-18",
    "output": [
        {
            "type": "message",
            "id": "msg_1",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "Hello", "annotations": []}],
        }
    ],
    "usage": {
        "input_tokens": 10,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 2,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 12,
    },
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
    "error": None,
    "incomplete_details": None,
    "instructions": None,
    "metadata": {},
    "temperature": 1.0,
    "top_p": 1.0,
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

from opentelemetry.instrumentation.genai.langchain import LangChainInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
LangChainInstrumentor().instrument(tracer_provider=provider)

from langchain_openai import ChatOpenAI

base_url = f"http://127.0.0.1:{server.server_port}/v1"
answer = ChatOpenAI(model="gpt-4o-mini", api_key="none", base_url=base_url, use_responses_api=True).invoke("Hello")
(span,) = exporter.get_finished_spans()
status, reasons = answer.response_metadata["status"], span.attributes["gen_ai.response.finish_reasons"]
print(f"langchain: status {status}, text {answer.text!r}")
print(f"span: status {span.status.status_code.name}, finish reasons {reasons}")
assert status == "completed"
assert answer.text == "Hello"
assert tuple(reasons) == ("error",)
PYTHON
env NO_PROXY=127.0.0.1 "$work/venv/bin/python" "$work/call.py" 2>"$work/errors" || { tail -5 "$work/errors"; exit 1; }
