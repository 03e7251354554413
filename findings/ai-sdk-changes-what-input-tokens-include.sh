#!/usr/bin/env bash
# Vercel's AI SDK (ai 5.0.277 and 6.0.326): the same attribute counts cached tokens of Claude in version 6, and not in
# version 5.
#
# Valid input: the same call of generateText with telemetry, in both versions, and the same answer of Anthropic's Messages
# API, which counts the tokens read from the cache (641) and written to it (161) apart from the other input (2000). Both
# versions report the input as gen_ai.usage.input_tokens, under the same scope name without a version. Version 5 passes
# on Anthropic's own count, without the cache; version 6 adds all three. A receiver that takes the attribute as it is
# counts 802 tokens too few of one; if it adds the cache itself, it counts 802 too many of the other.
#
# Output on 2026-11-28:
#   Anthropic's answer: 2000 input tokens, 641 read from the cache, 161 written to it
#   ai 5.0.277, scope ai, version none: gen_ai.usage.input_tokens 2000
#   ai 6.0.326, scope ai, version none: gen_ai.usage.input_tokens 2802
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cat > "$work/call.js" <<'JS'
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { createServer } from "node:http";
import { pathToFileURL } from "node:url";
import { createAnthropic } from "@ai-sdk/anthropic";
import { InMemorySpanExporter, NodeTracerProvider, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-node";
import { generateText } from "ai";

const usage = {
  input_tokens: 2000,
  cache_read_input_tokens: 641,
  cache_creation_input_tokens: 161,
  output_tokens: 47,
};
const answer = {
  id: "msg_1",
  type: "message",
  role: "assistant",
  model: "claude-sonnet-4-5-20250929",
  content: [{ type: "text", text: "Hello there." }],
  stop_reason: "end_turn",
  stop_sequence: null,
  usage,
};
const server = createServer((request, response) => {
  request.resume().on("end", () => {
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify(answer));
  });
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));

const exporter = new InMemorySpanExporter();
new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }).register();
const anthropic = createAnthropic({ apiKey: "key", baseURL: `http://127.0.0.1:${server.address().port}/v1` });
await generateText({
  model: anthropic("claude-sonnet-4-5"),
  prompt: "Hello.",
  experimental_telemetry: { isEnabled: true },
});
server.close();

const { version } = createRequire(pathToFileURL("./"))("ai/package.json");
const call = exporter.getFinishedSpans().find(({ name }) => name === "ai.generateText.doGenerate");
const count = call.attributes["gen_ai.usage.input_tokens"];
const { name: scope, version: scopeVersion } = call.instrumentationScope;
console.log(`ai ${version}, scope ${scope}, version ${scopeVersion || "none"}: gen_ai.usage.input_tokens ${count}`);
assert.equal(count, version.startsWith("5.") ? 2000 : 2000 + 641 + 161);
assert.deepEqual([scope, scopeVersion || "none"], ["ai", "none"]);
JS

echo "Anthropic's answer: 2000 input tokens, 641 read from the cache, 161 written to it"
for versions in "ai@5.0.277 @ai-sdk/anthropic@2.0.112" "ai@6.0.326 @ai-sdk/anthropic@3.0.140"; do
  folder=$(mktemp -d "$work/XXXX")
  cp "$work/call.js" "$folder"
  cd "$folder"
  echo '{ "name": "tokens", "private": true, "type": "module" }' > package.json
  # shellcheck disable=SC2086 # two packages
  npm install --silent --no-audit --no-fund $versions zod@4.1.8 @opentelemetry/api@1.9.0 @opentelemetry/sdk-trace-node@2.12.0
  node call.js
done
