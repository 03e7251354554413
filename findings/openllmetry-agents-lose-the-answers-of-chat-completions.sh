#!/usr/bin/env bash
# OpenLLMetry's instrumentation of the OpenAI Agents SDK (opentelemetry-instrumentation-openai-agents 0.62.4): a call by
# `OpenAIChatCompletionsModel` has no answer, no tokens and no model that served it.
#
# Valid input: an agent with `OpenAIChatCompletionsModel`, which the SDK's documentation names for all providers that do not
# speak OpenAI's responses. The SDK's own span of the call has the output and the usage. The instrumentation reads them where
# the responses API has them, on the span's `response`. So the call has its question and the status `OK`, its agent costs
# nothing, and what the agent answered is not in the trace.
#
# Output on 2026-11-29:
#   span data of the SDK: 1 output message, 1203 input tokens
#   OpenAIResponsesModel: 'OK', an answer, 1203 input tokens
#   OpenAIChatCompletionsModel: 'OK', no answer, no tokens
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet openai==3.57.0 openai-agents==0.24.0 \
    opentelemetry-instrumentation-openai-agents==0.62.4 opentelemetry-sdk==1.45.2 2>/dev/null

cat > "$work/run.py" <<'PYTHON'
"""An agent with each of the SDK's two models against a local server, and the spans about their calls."""

import json
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ANSWER = "It is dry in Lisbon."
CHAT = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-4o-mini-2024-07-18",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": ANSWER}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1203, "completion_tokens": 93, "total_tokens": 1296},
}
TEXT = {"type": "output_text", "text": ANSWER, "annotations": []}
RESPONSE = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1,
    "status": "completed",
    "model": "gpt-4o-mini-2024-07-18",
    "output": [{"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [TEXT]}],
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
    "usage": {
        "input_tokens": 1203,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 93,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 1296,
    },
}


class Provider(BaseHTTPRequestHandler):
    """Answers each request in the form of its API."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        body = json.dumps(RESPONSE if self.path.endswith("/responses") else CHAT)
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
threading.Thread(target=server.serve_forever, daemon=True).start()
os.environ["OPENAI_API_KEY"] = "none"

from agents import Agent, OpenAIChatCompletionsModel, OpenAIResponsesModel, Runner, set_trace_processors
from agents.tracing import GenerationSpanData, TracingProcessor
from openai import AsyncOpenAI
from opentelemetry.instrumentation.openai_agents import OpenAIAgentsInstrumentor
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

generations: list[GenerationSpanData] = []


class Generations(TracingProcessor):
    """Keeps what the SDK itself reports about calls of chat completions."""

    def on_span_end(self, span: object) -> None:
        if isinstance(span.span_data, GenerationSpanData):
            generations.append(span.span_data)

    def on_span_start(self, span: object) -> None:
        pass

    on_trace_start = on_trace_end = on_span_start

    def shutdown(self) -> None:
        pass

    force_flush = shutdown


set_trace_processors([Generations()])
exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
OpenAIAgentsInstrumentor().instrument(tracer_provider=provider)


def call_of(model_class: type) -> ReadableSpan:
    """The span of the call that an agent with a model of this class makes."""
    exporter.clear()
    client = AsyncOpenAI(base_url=f"http://127.0.0.1:{server.server_port}/v1", max_retries=0)
    agent = Agent("weather", instructions="Be brief.", model=model_class("gpt-4o-mini", client))
    assert Runner.run_sync(agent, "Is it raining?").final_output == ANSWER
    (span,) = [span for span in exporter.get_finished_spans() if span.attributes.get("gen_ai.operation.name") == "chat"]
    return span


def shown(span: ReadableSpan) -> str:
    answer = "an answer" if ANSWER in str(span.attributes.get("gen_ai.output.messages")) else "no answer"
    tokens = span.attributes.get("gen_ai.usage.input_tokens")
    return f"{span.status.status_code.name!r}, {answer}, {f'{tokens} input tokens' if tokens else 'no tokens'}"


responses, chat = map(shown, map(call_of, (OpenAIResponsesModel, OpenAIChatCompletionsModel)))
(data,) = generations
print(f"span data of the SDK: {len(data.output)} output message, {data.usage['input_tokens']} input tokens")
print(f"OpenAIResponsesModel: {responses}")
print(f"OpenAIChatCompletionsModel: {chat}")
assert (len(data.output), data.usage["input_tokens"]) == (1, 1203)
assert responses == "'OK', an answer, 1203 input tokens"
assert chat == "'OK', no answer, no tokens"
PYTHON
timeout 120 "$work/venv/bin/python" "$work/run.py" 2>"$work/errors" || { tail -5 "$work/errors"; exit 1; }
