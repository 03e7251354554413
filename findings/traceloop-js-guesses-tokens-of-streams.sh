#!/usr/bin/env bash
# OpenLLMetry for JavaScript (@traceloop/instrumentation-openai 0.27.0): the token counts of a streamed call are guessed.
#
# Valid input: a streamed chat completion with `stream_options: { include_usage: true }`, whose last chunk has the usage of
# the provider. The instrumentation does not read it: with `enrichTokens`, which Traceloop's SDK turns on, it counts the
# tokens of the texts that it saw itself, and writes them under the names of the provider's counts. What it cannot see,
# such as images, tools, reasoning and the cache, is not in them, and nothing marks them as an estimate. The same call
# without a stream has the counts of the provider.
#
# Output on 2026-11-28:
#   provider: 1200 input tokens, 96 output tokens
#   span without a stream: 1200 input tokens, 96 output tokens
#   span of a stream: 2 input tokens, 3 output tokens
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
cat > package.json <<'JSON'
{ "name": "streams", "private": true, "type": "module" }
JSON
npm install --silent --no-audit --no-fund @traceloop/instrumentation-openai@0.27.0 openai@6.49.0 @opentelemetry/sdk-trace-node@2.12.0

cat > stream.js <<'JS'
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { InMemorySpanExporter, NodeTracerProvider, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-node";

const require = createRequire(import.meta.url);
const { OpenAIInstrumentation } = require("@traceloop/instrumentation-openai");
const { OpenAI } = require("openai");

const usage = { prompt_tokens: 1200, completion_tokens: 96, total_tokens: 1296 };
const base = { id: "chatcmpl-1", created: 1764201600, model: "gpt-4o-mini" };
const chunks = [
  { choices: [{ index: 0, delta: { role: "assistant", content: "Hello there." }, finish_reason: null }] },
  { choices: [{ index: 0, delta: {}, finish_reason: "stop" }] },
  { choices: [], usage },
].map((chunk) => `data: ${JSON.stringify({ ...base, object: "chat.completion.chunk", ...chunk })}\n\n`);
const message = { role: "assistant", content: "Hello there." };
const whole = { ...base, object: "chat.completion", choices: [{ index: 0, message, finish_reason: "stop" }], usage };

const server = createServer((request, response) => {
  let body = "";
  request.on("data", (part) => (body += part));
  request.on("end", () => {
    const isStream = JSON.parse(body).stream;
    response.setHeader("content-type", isStream ? "text/event-stream" : "application/json");
    response.end(isStream ? [...chunks, "data: [DONE]\n\n"].join("") : JSON.stringify(whole));
  });
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));

const exporter = new InMemorySpanExporter();
const provider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
provider.register();
const instrumentation = new OpenAIInstrumentation({ enrichTokens: true });
instrumentation.setTracerProvider(provider);
instrumentation.manuallyInstrument(OpenAI);

const client = new OpenAI({ apiKey: "key", baseURL: `http://127.0.0.1:${server.address().port}/v1` });
const request = { model: "gpt-4o-mini", messages: [{ role: "user", content: "Hello." }] };
await client.chat.completions.create(request);
let reported;
for await (const chunk of await client.chat.completions.create({
  ...request,
  stream: true,
  stream_options: { include_usage: true },
})) {
  reported = chunk.usage ?? reported;
}
await new Promise((resolve) => setTimeout(resolve, 500));
server.close();

const counts = ({ attributes }) => [attributes["gen_ai.usage.input_tokens"], attributes["gen_ai.usage.output_tokens"]];
const text = ([input, output]) => `${input} input tokens, ${output} output tokens`;
const [single, streamed] = exporter.getFinishedSpans().map(counts);
console.log(`provider: ${text([reported.prompt_tokens, reported.completion_tokens])}`);
console.log(`span without a stream: ${text(single)}`);
console.log(`span of a stream: ${text(streamed)}`);
assert.deepEqual(single, [1200, 96]);
assert.notDeepEqual(streamed, [1200, 96]);
assert.ok(streamed.every((count) => count > 0 && count < 10));
JS
node stream.js
