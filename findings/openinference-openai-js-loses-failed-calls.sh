#!/usr/bin/env bash
# OpenInference for OpenAI's JavaScript SDK (4.2.7): a call that fails has no span.
#
# Valid input: two chat completions through the instrumented client, of which the API answers one and refuses the other
# with 429. The span of a call is ended when its promise is fulfilled; where it is rejected, nobody ends it, so that it
# is never exported. A backend receives the calls that succeeded, and none of those for which one looks into traces:
# error rates are zero. A span around the call, of the application, still contains the error.
#
# Output on 2026-11-28:
#   answered: 200; refused: 429
#   spans: 1, of which failed: 0
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
echo '{ "name": "calls", "private": true, "type": "module" }' > package.json
npm install --silent --no-audit --no-fund @arizeai/openinference-instrumentation-openai@4.2.7 openai@6.49.0 \
  @opentelemetry/api@1.9.0 @opentelemetry/sdk-trace-node@2.12.0

cat > calls.js <<'JS'
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { OpenAIInstrumentation } from "@arizeai/openinference-instrumentation-openai";
import { SpanStatusCode } from "@opentelemetry/api";
import { InMemorySpanExporter, NodeTracerProvider, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-node";
import OpenAI from "openai";

const exporter = new InMemorySpanExporter();
const tracerProvider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
tracerProvider.register();
new OpenAIInstrumentation({ tracerProvider }).manuallyInstrument(OpenAI);

const answer = {
  id: "chatcmpl-1",
  object: "chat.completion",
  created: 1764201600,
  model: "gpt-4o-mini",
  choices: [{ index: 0, message: { role: "assistant", content: "Hello." }, finish_reason: "stop" }],
  usage: { prompt_tokens: 8, completion_tokens: 2, total_tokens: 10 },
};
const refusal = { error: { message: "Rate limit reached.", type: "requests", code: "rate_limit_exceeded" } };
let calls = 0;
const server = createServer((request, response) => {
  request.resume().on("end", () => {
    calls += 1;
    response.writeHead(calls === 1 ? 200 : 429, { "content-type": "application/json" });
    response.end(JSON.stringify(calls === 1 ? answer : refusal));
  });
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));

const baseURL = `http://127.0.0.1:${server.address().port}/v1`;
const client = new OpenAI({ apiKey: "key", baseURL, maxRetries: 0 });
const request = { model: "gpt-4o-mini", messages: [{ role: "user", content: "Hello." }] };
const { response } = await client.chat.completions.create(request).withResponse();
const error = await client.chat.completions.create(request).catch((reason) => reason);
await new Promise((resolve) => setTimeout(resolve, 500));
server.close();

const spans = exporter.getFinishedSpans();
const failed = spans.filter(({ status }) => status.code === SpanStatusCode.ERROR);
console.log(`answered: ${response.status}; refused: ${error.status}`);
console.log(`spans: ${spans.length}, of which failed: ${failed.length}`);
assert.deepEqual([calls, response.status, error.status], [2, 200, 429]);
assert.deepEqual([spans.length, failed.length], [1, 0], "the failed call has a span now");
JS
node calls.js
