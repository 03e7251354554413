#!/usr/bin/env bash
# OpenInference's instrumentation of the Claude Agent SDK (openinference-instrumentation-claude-agent-sdk 0.1.22): the
# output tokens of a run are those of the first event of each answer, and the cost is left out.
#
# Valid input: `query` of the Claude Agent SDK. Its last message, `ResultMessage`, has the usage and the cost of the run.
# The messages before it have the usage with which the stream of their answer began, where Anthropic's `output_tokens` is
# what had been written by then. The instrumentation adds up the messages and ignores the result, so the span has
# the input of the run, but almost none of its output. Nothing marks the count as incomplete.
#
# Output on 2026-11-28:
#   model server: 1 call, 1500 input tokens, 640 output tokens
#   result of the SDK: 1500 input tokens, 640 output tokens, a cost
#   span of the run: 1500 input tokens, 3 output tokens, no cost
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet claude-agent-sdk==0.2.189 openinference-instrumentation-claude-agent-sdk==0.1.22 \
    opentelemetry-sdk==1.45.2 2>/dev/null

cat > "$work/run.py" <<'PYTHON'
"""One run against a local server that speaks Anthropic's Messages API, and the tokens of the span about it."""

import asyncio
import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

INPUT, FIRST, WHOLE = 1500, 3, 640
calls: list[str] = []


def events(model: str) -> list[dict[str, object]]:
    usage = {"input_tokens": INPUT, "cache_read_input_tokens": 0, "cache_creation_input_tokens": 0}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": model, "content": []}
    return [
        {
            "type": "message_start",
            "message": {**message, "stop_reason": None, "stop_sequence": None, "usage": {**usage, "output_tokens": FIRST}},
        },
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "It is dry."}},
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {**usage, "output_tokens": WHOLE},
        },
        {"type": "message_stop"},
    ]


class Provider(BaseHTTPRequestHandler):
    """Answers each request for a message with a stream."""

    def do_GET(self) -> None:
        self.send_error(404)

    do_HEAD = do_GET

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if not self.path.partition("?")[0].endswith("/messages"):
            self.send_error(404)
            return
        calls.append(asked["model"])
        body = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events(asked["model"]))
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
threading.Thread(target=server.serve_forever, daemon=True).start()
os.environ["ANTHROPIC_BASE_URL"] = f"http://127.0.0.1:{server.server_port}"

from openinference.instrumentation.claude_agent_sdk import ClaudeAgentSDKInstrumentor
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)
ClaudeAgentSDKInstrumentor().instrument()

import claude_agent_sdk
from claude_agent_sdk import ClaudeAgentOptions, ResultMessage


async def run() -> ResultMessage:
    options = ClaudeAgentOptions(
        model="claude-sonnet-4-5-20250929", system_prompt="Be brief.", max_turns=1, tools=[], setting_sources=[]
    )
    messages = [message async for message in claude_agent_sdk.query(prompt="Is it raining?", options=options)]
    return messages[-1]


result = asyncio.run(run())
print(f"model server: {len(calls)} call, {INPUT} input tokens, {WHOLE} output tokens")
usage = result.usage
has_cost = "a cost" if result.total_cost_usd else "no cost"
print(f"result of the SDK: {usage['input_tokens']} input tokens, {usage['output_tokens']} output tokens, {has_cost}")
(span,) = [span for span in exporter.get_finished_spans() if span.name == "ClaudeAgentSDK.query"]
read, written = (span.attributes[f"llm.token_count.{kind}"] for kind in ("prompt", "completion"))
print(f"span of the run: {read} input tokens, {written} output tokens, ", end="")
print("a cost" if "llm.cost.total" in span.attributes else "no cost")
assert len(calls) == 1
assert (usage["input_tokens"], usage["output_tokens"]) == (INPUT, WHOLE)
assert result.total_cost_usd > 0
assert (read, written) == (INPUT, FIRST)
assert "llm.cost.total" not in span.attributes
PYTHON
env HOME="$work" ANTHROPIC_API_KEY=none CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1 \
    timeout 300 "$work/venv/bin/python" "$work/run.py" 2>"$work/errors" || { tail -5 "$work/errors"; exit 1; }
