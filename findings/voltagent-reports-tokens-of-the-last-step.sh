#!/usr/bin/env bash
# VoltAgent (@voltagent/core 2.10.0): the span of the model reports the tokens of the last step alone.
#
# Valid input: an agent with a tool, which its model calls once: two requests to the model, with usage of their own. There
# is one span for both, `llm:generateText`, from the first request to the last answer, and its `llm.usage.*` is the usage
# of the second one. The sum is on the span of the agent. A receiver that adds up model calls, as conventions ask for,
# misses all steps but the last, and their cost.
#
# Output on 2026-11-28:
#   provider: 2 requests with 1000 and 1200 input tokens
#   llm:generateText: 1200 input tokens
#   the agent: 2200 input tokens
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
cat > package.json <<'JSON'
{ "name": "steps", "private": true, "type": "module" }
JSON
npm install --silent --no-audit --no-fund @voltagent/core@2.10.0 ai@6.0.326 zod@4.6.7 @opentelemetry/sdk-trace-base@2.12.1

cat > steps.js <<'JS'
import assert from "node:assert/strict";
import { InMemorySpanExporter, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base";
import { Agent, createTool, VoltAgentObservability } from "@voltagent/core";
import { MockLanguageModelV3 } from "ai/test";
import { z } from "zod";

const usage = (input) => ({
  inputTokens: { total: input, noCache: input, cacheRead: 0, cacheWrite: 0 },
  outputTokens: { total: 20, text: 20, reasoning: 0 },
});
const call = { type: "tool-call", toolCallId: "call-1", toolName: "weather", input: '{"city":"Lisbon"}' };
const finished = (reason) => ({ unified: reason, raw: reason });
const answers = [
  { content: [call], finishReason: finished("tool-calls"), usage: usage(1000), warnings: [] },
  { content: [{ type: "text", text: "Dry." }], finishReason: finished("stop"), usage: usage(1200), warnings: [] },
];
const requests = [...answers];
const model = new MockLanguageModelV3({ doGenerate: async () => requests.shift() });
const parameters = z.object({ city: z.string() });
const execute = async () => ({ celsius: 18 });
const weather = createTool({ name: "weather", description: "The weather.", parameters, execute });

const exporter = new InMemorySpanExporter();
const observability = new VoltAgentObservability({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
const agent = new Agent({ name: "bot", instructions: "Be brief.", model, tools: [weather], observability });
await agent.generateText("Is it raining in Lisbon?");
await new Promise((resolve) => setTimeout(resolve, 500));

const spans = exporter.getFinishedSpans();
const calls = spans.filter((span) => span.attributes["span.type"] === "llm");
const whole = spans.find((span) => span.name === "bot").attributes["usage.prompt_tokens"];
const [reported] = calls.map((span) => span.attributes["llm.usage.prompt_tokens"]);
console.log("provider: 2 requests with 1000 and 1200 input tokens");
console.log(`${calls[0].name}: ${reported} input tokens`);
console.log(`the agent: ${whole} input tokens`);
assert.equal(requests.length, 0);
assert.deepEqual([calls.length, reported, whole], [1, 1200, 2200]);
process.exit(0);
JS
node steps.js
